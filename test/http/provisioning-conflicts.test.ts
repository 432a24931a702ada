import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';
import { addConnection } from '../support/test-connection.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let scim: ScimClient;
let con: string;
let aheadMs = 0;
const HOUR_MS = 3_600_000;

beforeAll(async () => {
  gateway = await startGateway({ now: () => Date.now() + aheadMs });
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  aheadMs = 0;
  acme = await makeTestOrganization(gateway);
  scim = await makeScimClient(gateway, acme);
  con = (await gateway.api<{ id: string }>('GET', path('identity-provider'))).body.id;
});

interface Listed {
  readonly id: string;
  readonly email: string;
  readonly conflict: { readonly id: string; readonly reason: string; readonly state: string; readonly user_name: string };
}
const path = (rest: string, { slug } = acme) => `/organizations/${slug}/${rest}`;
const OLIVIA = 'olivia@okta.acme.example';
const listed = async () => (await gateway.api<{ items: Listed[] }>('GET', path(`connections/${con}/provisioning/conflicts`))).body.items;
const decide = (verb: 'approve' | 'decline', { id, conflict }: { id: string; conflict: { id: string } }, connection = con) =>
  gateway.api<{ code?: string }>('POST', path(`connections/${connection}/provisioning/conflicts/${id}/${verb}`), { conflict: conflict.id });
const provision = (userName: string, more: object = {}) => scim.call('POST', '/Users', { userName, externalId: '00u1', ...more });
const signIn = (user: string) => acme.signIn(new HttpBrowser(), user);
const memberOf = async (id: string) => (await gateway.api<Record<string, unknown>>('GET', path(`members/${id}`))).body;
const first = async (): Promise<Listed> => {
  const [found] = await listed();
  if (!found) throw new Error('no conflict');
  return found;
};
const events = async () =>
  (await gateway.api<{ items: { event: string; actor: { kind: string } }[] }>('GET', path('audit?limit=100'))).body.items
    .map(({ event, actor }) => `${event} ${actor.kind}`)
    .filter((event) => event.includes('provisioning') || event.includes('linked'));

/** Makes two members with one email address in a verified domain. */
const makeTwins = async () => {
  const domain = `${acme.slug}.example`;
  await gateway.api('POST', path('domains'), { domain });
  await gateway.api('POST', path(`domains/${domain}/verify`), { confirm: true });
  for (const nameId of ['ada-1', 'ada-2']) {
    const values = {
      nameId: { value: nameId, format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent' },
      attributes: [{ name: 'email', values: [`ada@${domain}`] }],
    };
    expect((await acme.post(new HttpBrowser(), acme.respond({ values } as never))).status).toBe(303);
  }
  return () => provision('ada', { emails: [{ value: `ada@${domain}`, primary: true }] });
};

describe('a SCIM user that could be an owner', () => {
  it('is linked after an approval, and can then be deactivated, even as the last owner', async () => {
    await signIn('olivia');
    expect((await provision(OLIVIA)).status).toBe(409);
    const conflict = await first();
    expect(conflict).toMatchObject({ email: OLIVIA, conflict: { reason: 'owner', state: 'open', user_name: OLIVIA } });
    expect((await decide('approve', conflict)).status).toBe(200);
    expect((await first()).conflict.state).toBe('approved');
    const { status, body } = await provision(OLIVIA, { active: false });
    expect([status, body.id]).toEqual([201, conflict.id]);
    expect(await memberOf(conflict.id)).toMatchObject({ role: 'owner', suspended: true });
    expect(await listed()).toEqual([]);
    expect((await gateway.api('GET', `/organizations/${acme.slug}`)).body.without_owner_since).not.toBeNull();
    expect(await events()).toEqual(['member.linked scim', 'member.provisioning_approved operator', 'member.provisioning_refused scim']);
  });

  it('is refused without an approval and after a refusal, which can be changed', async () => {
    await signIn('olivia');
    await provision(OLIVIA);
    expect((await decide('decline', await first())).status).toBe(200);
    expect((await provision(OLIVIA)).status).toBe(409);
    expect((await first()).conflict.state).toBe('declined');
    await decide('approve', await first());
    expect((await provision(OLIVIA)).status).toBe(201);
  });

  it('needs an approval of its own if the userName, externalId or email address is another one', async () => {
    await signIn('olivia');
    await provision(OLIVIA);
    await decide('approve', await first());
    expect((await provision(OLIVIA, { externalId: '00u2' })).status).toBe(409);
    expect((await provision(OLIVIA, { emails: [{ value: 'eve@evil.example', primary: true }] })).status).toBe(409);
    expect((await provision(OLIVIA.toUpperCase())).status).toBe(201);
  });

  it('does not replace a conflict that an owner may be looking at, nor an approval', async () => {
    await signIn('olivia');
    await provision(OLIVIA);
    const seen = await first();
    await provision(OLIVIA, { externalId: 'eve' });
    expect(await listed()).toEqual([seen]);
    aheadMs += HOUR_MS;
    await provision(OLIVIA, { externalId: 'eve' });
    const replaced = await first();
    expect(replaced.conflict.id).not.toBe(seen.conflict.id);
    expect(await decide('approve', seen)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    await decide('approve', replaced);
    aheadMs += HOUR_MS;
    await provision(OLIVIA);
    expect((await first()).conflict).toMatchObject({ id: replaced.conflict.id, state: 'approved' });
  });

  it('needs another approval if the identity provider does not use it within 14 days', async () => {
    await signIn('olivia');
    await provision(OLIVIA);
    await decide('approve', await first());
    aheadMs += 15 * 24 * HOUR_MS;
    scim = await makeScimClient(gateway, acme);
    expect((await provision(OLIVIA)).status).toBe(409);
    expect((await first()).conflict.state).toBe('open');
  });

  it('is decided only with its own connection and organization', async () => {
    await signIn('olivia');
    await provision(OLIVIA);
    const conflict = await first();
    const other = await addConnection(gateway, acme);
    expect((await decide('approve', conflict, other.id)).status).toBe(409);
    const globex = await makeTestOrganization(gateway);
    const theirs = (await gateway.api<{ id: string }>('GET', path('identity-provider', globex))).body.id;
    const at = path(`connections/${theirs}/provisioning/conflicts/${conflict.id}/approve`, globex);
    expect((await gateway.api('POST', at, { conflict: conflict.conflict.id })).status).toBe(404);
    expect((await provision(OLIVIA)).status).toBe(409);
  });

  it('is linked once of several requests at the same moment', async () => {
    await signIn('olivia');
    await provision(OLIVIA);
    await decide('approve', await first());
    const answers = await Promise.all(Array.from({ length: 5 }, () => provision(OLIVIA)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  });
});

describe('a SCIM user that could be several members', () => {
  it('is linked to the one that is approved, and both conflicts end', async () => {
    const provisionAda = await makeTwins();
    expect((await provisionAda()).status).toBe(409);
    const both = await listed();
    expect(both.map(({ conflict: { reason } }) => reason)).toEqual(['ambiguous', 'ambiguous']);
    const [, second] = both;
    if (!second) throw new Error('no conflict');
    await decide('approve', second);
    expect((await listed()).map(({ conflict: { state } }) => state).sort()).toEqual(['approved', 'declined']);
    expect((await provisionAda()).body.id).toBe(second.id);
    expect(await listed()).toEqual([]);
  });

  it('is linked to one member at most if two owners decide differently at the same moment', async () => {
    const provisionAda = await makeTwins();
    await provisionAda();
    await Promise.all((await listed()).map((each) => decide('approve', each)));
    expect((await listed()).map(({ conflict: { state } }) => state).sort()).toEqual(['approved', 'declined']);
    expect((await provisionAda()).status).toBe(201);
  });

  it('is linked to the other member if one is declined, and refused if both are', async () => {
    const provisionAda = await makeTwins();
    await provisionAda();
    for (const each of await listed()) await decide('decline', each);
    expect((await provisionAda()).status).toBe(409);
    const [one, other] = await listed();
    if (!one || !other) throw new Error('no conflicts');
    await decide('approve', one);
    await decide('decline', other);
    expect((await provisionAda()).body.id).toBe(one.id);
  });
});
