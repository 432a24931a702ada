import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { recordProvisioningRequest } from '../../src/organizations/provisioning/provisioning-log.ts';
import { HttpBrowser } from '../support/browser.ts';
import { type Home, makeHome } from '../support/command.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { newSlug } from '../support/new-slug.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';
import { signedIn } from '../support/signed-in.ts';

interface Entry {
  readonly at: string;
  readonly request_id: string | null;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly detail: string | null;
  readonly advice: string | null;
  readonly user_name: string | null;
}
interface Log {
  readonly items: readonly Entry[];
  readonly next_cursor: string | null;
}

let gateway: TestGateway;
let acme: TestOrganization;
let con: string;
let scim: ScimClient;

const connectionOf = async (slug: string) => (await gateway.api<{ id: string }>('GET', `/organizations/${slug}/identity-provider`)).body.id;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
  con = await connectionOf(acme.slug);
  scim = await makeScimClient(gateway, acme);
});

const pathOf = (slug = acme.slug, connection = con) => `/organizations/${slug}/connections/${connection}/provisioning/requests`;
const read = async (query = '', token?: string) => await gateway.api<Log>('GET', `${pathOf()}${query}`, undefined, token);
const secondsOf = ({ items }: Log) => items.map(({ at }) => new Date(at).getUTCSeconds());
const record = (atMs: number, method = 'PATCH') => {
  const entry = { atMs, method, path: 'Users', status: 200 } as const;
  recordProvisioningRequest(gateway.runtime, { organizationId: acme.id, connectionId: con }, entry);
};

describe('the provisioning log in the API', () => {
  it('lists the requests that the console shows, the newest first, with what to change', async () => {
    const created = await scim.call('POST', '/Users', { userName: 'ina@acme.example' });
    const refused = await scim.call('POST', '/Users', { userName: 'ina@acme.example' });
    expect([created.status, refused.status]).toEqual([201, 409]);
    const { status, body } = await read();
    expect([status, body.next_cursor]).toEqual([200, null]);
    expect(body.items).toMatchObject([
      { method: 'POST', path: 'Users', status: 409, scim_type: 'uniqueness', user_name: 'i…@acme.example' },
      { status: 201, scim_type: null, detail: null, advice: null, member_id: null },
    ]);
    const [last] = body.items;
    expect(last?.request_id).toBe(refused.headers.get('x-request-id'));
    const owner = new HttpBrowser();
    await acme.signIn(owner, 'olivia');
    const { text } = await owner.open(`${gateway.url}/console/provisioning/${con}`);
    expect(last?.advice).toContain('resolve it');
    for (const shown of [last?.detail, last?.advice]) expect(text).toContain(shown);
  });

  it('advises by the method, the path and the kind of the refusal', async () => {
    await scim.call('GET', `/Users?filter=${encodeURIComponent('title co "x"')}`);
    await scim.call('POST', '/Groups', { displayName: 'Engineering' });
    await scim.call('POST', '/Groups', { displayName: 'Engineering' });
    const [again, , filtered] = (await read()).body.items;
    expect(filtered).toMatchObject({ status: 400, scim_type: 'invalidFilter', advice: expect.stringMatching(/^Match users by userName/) });
    expect(again).toMatchObject({ status: 409, scim_type: 'uniqueness', advice: expect.stringMatching(/^Give the group another name/) });
  });

  it('reads each request once, page by page, also if several have the same time or new ones arrive', async () => {
    const startMs = Math.floor(Date.now() / 60_000) * 60_000;
    for (const seconds of [1, 2, 2, 2, 3]) record(startMs + seconds * 1000);
    const first = (await read('?limit=2')).body;
    record(startMs + 4000);
    const second = (await read(`?limit=2&cursor=${first.next_cursor}`)).body;
    const third = (await read(`?limit=2&cursor=${second.next_cursor}`)).body;
    expect([first, second, third].map(secondsOf)).toEqual([[3, 2], [2, 2], [1]]);
    expect(third.next_cursor).toBeNull();
    expect((await read('?limit=6')).body.next_cursor).toBeNull();
  });

  it('orders requests that replicas wrote in turns by their time', async () => {
    const startMs = Math.floor(Date.now() / 60_000) * 60_000;
    record(startMs + 5000);
    expect(secondsOf((await read()).body)).toEqual([5]);
    record(startMs + 3000);
    expect(secondsOf((await read()).body)).toEqual([5, 3]);
  });

  it.each(['x', Buffer.from('1').toString('base64url'), Buffer.from('-1.0').toString('base64url')])(
    'refuses the cursor %s',
    async (cursor) => {
      expect(await read(`?cursor=${cursor}`)).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
    },
  );

  it('has no token, name or password that the client sends, in whatever place', async () => {
    const secret = 'top-secret-1';
    const user = { userName: `${secret}@acme.example`, displayName: secret, password: secret, externalId: secret };
    const id = (await scim.call('POST', '/Users', user)).body.id as string;
    await scim.call('POST', '/Users', { userName: secret, active: secret });
    await scim.call('GET', `/Users?filter=${encodeURIComponent(`userName eq "${secret}" or x ${secret}`)}`);
    await scim.call('GET', `/Users/${secret}?attributes=${secret}&access_token=${scim.token}`);
    await scim.call('GET', `/${secret}/${scim.token}`);
    await scim.call('PATCH', `/Users/${id}`, { Operations: [{ op: secret, path: `${secret}[`, value: secret }] });
    await scim.call('PATCH', `/Users/${id}`, `{"${secret}": ${secret}}`);
    await scim.call('PUT', `/Users/${id}`, { ...user, [secret]: { [secret]: secret }, emails: secret }, { 'if-match': secret });
    await scim.call('POST', '/Groups', { displayName: `${secret}\u0000`, members: [{ value: secret, $ref: secret }] });
    const { status, body } = await read();
    expect([status, body.items.length]).toEqual([200, 9]);
    const text = JSON.stringify(body);
    for (const hidden of [secret, scim.token, scim.token.slice('samlgate_scim_'.length)]) expect(text).not.toContain(hidden);
  });

  it('is closed to SCIM tokens, collaborators, other organizations and other connections', async () => {
    const globex = await gateway.makeOrganization();
    acme = { ...acme, ...(await gateway.makeOrganization()) };
    con = await connectionOf(acme.slug);
    scim = await makeScimClient(gateway, acme);
    await scim.call('GET', '/Users');
    const [owner, collaborator, other] = [
      await signedIn(gateway, acme, 'olivia'),
      await signedIn(gateway, acme, 'carl'),
      await signedIn(gateway, globex, 'olivia'),
    ];
    const tokenOf = async (person: typeof owner) => (await person.makeToken()).token;
    const codeOf = async (token: string, path = pathOf()) => {
      const { status, body } = await gateway.api<{ code?: string }>('GET', path, undefined, token);
      return [status, body.code];
    };
    const [own, foreign] = [await tokenOf(owner), await tokenOf(other)];
    expect((await read('', own)).body.items).toHaveLength(1);
    expect(await codeOf(scim.token)).toEqual([401, 'unauthenticated']);
    expect(await codeOf(await tokenOf(collaborator))).toEqual([403, 'forbidden']);
    expect(await codeOf(foreign)).toEqual([404, 'organization_unknown']);
    // The id of a connection means nothing in another organization.
    expect(await codeOf(foreign, pathOf(globex.slug, con))).toEqual([404, 'not_found']);
    expect(await codeOf(own, pathOf(acme.slug, await connectionOf(globex.slug)))).toEqual([404, 'not_found']);
  });
});

describe('samlgate scim log', () => {
  let home: Home;
  let operator: Record<string, string>;
  beforeEach(() => {
    home = makeHome();
    operator = { SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken };
  });
  afterEach(() => home.remove());

  it('lists the requests of the default connection, or of another one', async () => {
    const requestId = (await scim.call('POST', '/Users', {})).headers.get('x-request-id');
    const { code, stdout } = await home.run(['scim', 'log', acme.slug], operator);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/POST +Users +400 +invalidValue .*userName: is required\. Change the attribute/),
    ]);
    expect(stdout.split('\n')[1]).toContain(` ${requestId} `);
    const { stdout: json } = await home.run(['scim', 'log', acme.slug, '--connection', con, '--json'], operator);
    expect(JSON.parse(json)).toEqual((await read()).body.items);
    const unknown = await home.run(['scim', 'log', acme.slug, '--connection', 'con_unknown'], operator);
    expect(unknown).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('code not_found') });
  });

  it('says what to do if there is no identity provider, or no request yet', async () => {
    const slug = newSlug();
    await gateway.api('POST', '/organizations', { slug, name: slug });
    const refused = await home.run(['scim', 'log', slug], operator);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`samlgate org set-idp ${slug}`) });
    expect((await home.run(['scim', 'log', acme.slug], operator)).stdout).toContain('No requests yet');
  });
});
