/** Callers who hold back the last byte of a body until their credential or right has been taken away, over real sockets. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { holdBody } from '../support/held-body.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { seedMember } from '../support/seed.ts';
import { callWithSession, newSession } from '../support/session-calls.ts';
import { createLink, openSetup, type Setup } from '../support/setup.ts';
import { newIdentityProvider } from '../support/test-connection.ts';

let gateway: TestGateway;
let acme: TestOrganization;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
});

const path = () => `/organizations/${acme.slug}`;
const cookieOf = (browser: HttpBrowser) => browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
const changeMember = (id: string, changes: object) => gateway.api('PATCH', `${path()}/members/${id}`, changes);
const memberOf = async (id: string) => (await gateway.api('GET', `${path()}/members/${id}`)).body;
const signedOut = { location: expect.stringMatching(/^\/login\?/) };

interface Owner {
  readonly browser: HttpBrowser;
  readonly id: string;
  readonly csrf: string;
  readonly token: string;
  readonly tokenId: string;
}

/** Signs in an owner who is not the only one, and whose role no rule decides. */
async function newOwner(): Promise<Owner> {
  await gateway.api('PUT', `${path()}/role-mapping`, {
    rules: [],
    default_role: 'collaborator',
    allow_no_owner: true,
  });
  const { browser, id } = await newSession(gateway, acme, 'olivia');
  await seedMember(gateway.runtime, acme.id, { role: 'owner' });
  expect((await changeMember(id, { role: 'owner' })).body.role).toBe('owner');
  const { body } = await callWithSession(gateway, browser, 'POST', '/me/tokens', { name: 'laptop' });
  const me = await callWithSession(gateway, browser, 'GET', '/me');
  return { browser, id, csrf: String(me.body.csrf_token), token: String(body.token), tokenId: String(body.id) };
}

const formHeaders = (browser: HttpBrowser) => ({
  cookie: cookieOf(browser),
  accept: 'text/html',
  'sec-fetch-site': 'same-origin',
  'content-type': 'application/x-www-form-urlencoded',
});

const holdForm = (browser: HttpBrowser, where: string, fields: Record<string, string>) =>
  holdBody(`${gateway.url}${where}`, { headers: formHeaders(browser), body: new URLSearchParams(fields).toString() });

describe('a body that is incomplete while its caller loses access', () => {
  const byToken = ({ token }: Owner) => ({ authorization: `Bearer ${token}`, 'content-type': 'application/json' });
  const bySession = ({ browser, csrf }: Owner) => ({
    cookie: cookieOf(browser),
    'x-samlgate-csrf': csrf,
    'content-type': 'application/json',
  });
  const holdCall = (method: string, resource: string, body: object, headers: Record<string, string>) =>
    holdBody(`${gateway.url}/api/v1${resource}`, { method, headers, body: JSON.stringify(body) });

  it.each([
    ['CLI token', byToken],
    ['session', bySession],
  ])('does not let a suspended owner undo the suspension with the API (%s)', async (_kind, headersOf) => {
    const owner = await newOwner();
    const finish = await holdCall('PATCH', `${path()}/members/${owner.id}`, { suspended: false }, headersOf(owner));
    expect((await changeMember(owner.id, { suspended: true })).status).toBe(200);
    expect(await finish()).toMatchObject({ status: 401, code: 'unauthenticated' });
    expect(await memberOf(owner.id)).toMatchObject({ suspended: true });
  });

  it('does not let a removed owner, a former owner or a revoked CLI token create a setup link', async () => {
    const attempts: readonly (readonly [(owner: Owner) => Promise<unknown>, string])[] = [
      [({ id }) => changeMember(id, { role: 'collaborator' }), 'forbidden'],
      [({ browser, tokenId }) => callWithSession(gateway, browser, 'DELETE', `/me/tokens/${tokenId}`), 'unauthenticated'],
      [({ id }) => gateway.api('DELETE', `${path()}/members/${id}`), 'unauthenticated'],
    ];
    for (const [loseAccess, code] of attempts) {
      acme = await makeTestOrganization(gateway);
      const owner = await newOwner();
      const finish = await holdCall('POST', `${path()}/setup-links`, {}, byToken(owner));
      await loseAccess(owner);
      expect((await finish()).code).toBe(code);
      expect((await gateway.api('GET', `${path()}/setup-links`)).body).toMatchObject({ items: [] });
    }
  });

  it('does not change a new organization that has the slug of a deleted one', async () => {
    const headers = { authorization: `Bearer ${gateway.operatorToken}`, 'content-type': 'application/json' };
    const finish = await holdCall('PATCH', path(), { name: 'Changed' }, headers);
    await gateway.api('DELETE', path());
    await makeTestOrganization(gateway, Date.now, acme.slug);
    expect((await finish()).code).toBe('organization_unknown');
    expect((await gateway.api('GET', path())).body.name).toBe(acme.slug);
  });

  it('does not let a suspended owner save metadata that a slow server sends', async () => {
    const owner = await newOwner();
    let respond = () => {};
    const server = createServer((_request, response) => {
      respond = () => response.end(acme.metadata);
      reached();
    });
    let reached = () => {};
    const isReached = new Promise<void>((resolve) => (reached = resolve));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metadata`;
    const saving = gateway.api('PUT', `${path()}/identity-provider`, { metadata_url: url }, owner.token);
    await isReached;
    await changeMember(owner.id, { suspended: true });
    respond();
    expect((await saving).body.code).toBe('unauthenticated');
    expect((await gateway.api('GET', `${path()}/identity-provider`)).body.metadata_url).toBeNull();
    server.close();
  });

  it('does not introspect for a revoked token', async () => {
    const owner = await newOwner();
    const finish = await holdBody(`${gateway.url}/oauth/introspect`, {
      headers: { authorization: `Bearer ${owner.token}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ token: owner.token }).toString(),
    });
    await changeMember(owner.id, { suspended: true });
    expect(await finish()).toMatchObject({ status: 401, code: 'unauthenticated' });
  });

  it('does not let a suspended owner undo the suspension with a form of the console', async () => {
    const owner = await newOwner();
    const finish = await holdForm(owner.browser, `/console/members/${owner.id}/unsuspend`, { csrf: owner.csrf });
    await changeMember(owner.id, { suspended: true });
    expect(await finish()).toMatchObject(signedOut);
    expect(await memberOf(owner.id)).toMatchObject({ suspended: true });
  });

  it('does not let a former owner or an ended session use a form of the console', async () => {
    const owner = await newOwner();
    const other = await newSession(gateway, acme, 'carl');
    const promote = () => holdForm(owner.browser, `/console/members/${other.id}/role`, { csrf: owner.csrf, role: 'owner' });
    const asCollaborator = await promote();
    await changeMember(owner.id, { role: 'collaborator' });
    expect(await asCollaborator()).toMatchObject({ status: 403, code: 'forbidden' });
    await changeMember(owner.id, { role: 'owner' });
    const afterSignOut = await promote();
    await owner.browser.request(`${gateway.url}/logout`, { method: 'POST', body: new URLSearchParams({ csrf: owner.csrf }) });
    expect(await afterSignOut()).toMatchObject(signedOut);
    expect(await memberOf(other.id)).toMatchObject({ role: 'collaborator' });
  });

  it('does not let the operator use a form after signing out', async () => {
    const browser = new HttpBrowser();
    const home = await browser.submit(await browser.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
    const csrf = String(home.forms.flatMap(({ fields }) => fields).find(({ name }) => name === 'csrf')?.value);
    const kids = async () => (await gateway.api<{ items: { kid: string }[] }>('GET', '/keys')).body.items.map(({ kid }) => kid);
    const before = await kids();
    const finish = await holdForm(browser, '/console/operator/keys/rotate', { csrf });
    await browser.request(`${gateway.url}/console/operator/sign-out`, { method: 'POST', body: new URLSearchParams({ csrf }) });
    expect(await finish()).toMatchObject({ status: 303, location: '/console/operator/sign-in' });
    expect(await kids()).toEqual(before);
  });

  it('does not let a suspended member approve a device', async () => {
    const owner = await newOwner();
    const started = await fetch(`${gateway.url}/oauth/device_authorization`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: 'samlgate-cli' }),
    });
    const { user_code, device_code } = (await started.json()) as { user_code: string; device_code: string };
    const finish = await holdForm(owner.browser, '/device', { csrf: owner.csrf, user_code, action: 'approve' });
    await changeMember(owner.id, { suspended: true });
    expect(await finish()).toMatchObject(signedOut);
    const collected = await fetch(`${gateway.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        client_id: 'samlgate-cli',
        device_code,
      }),
    });
    expect(await collected.json()).toMatchObject({ error: 'authorization_pending' });
  });

  it('reads the member’s record a second time only if the request has a body', async () => {
    const { token, browser } = await newOwner();
    const store = gateway.runtime.store as unknown as { get: (...args: readonly [string, { name: string }, string]) => Promise<unknown> };
    const { get } = store;
    let reads = 0;
    store.get = (...args) => {
      if (args[1].name === 'member') reads++;
      return get.apply(store, args);
    };
    await gateway.api('GET', path(), undefined, token);
    expect(reads).toBe(1);
    reads = 0;
    await browser.open(`${gateway.url}/console/domains`);
    expect(reads).toBe(1);
    reads = 0;
    await gateway.api('POST', `${path()}/setup-links`, {}, token);
    expect(reads).toBe(2);
    store.get = get;
  });
});

describe('a setup whose body is incomplete while an owner acts', () => {
  const connections = async () =>
    (await gateway.api<{ items: { id: string; state: string }[] }>('GET', `${path()}/connections`)).body.items;
  const onlyConnection = async () => (await connections())[0];
  const csrfOf = async (setup: Setup) => String((await setup.page()).forms[0]?.fields.find(({ name }) => name === 'csrf')?.value);

  /** A setup with a tested draft, and the forms that could change it. */
  async function newSetup() {
    await gateway.api('DELETE', `${path()}/identity-provider`);
    const setup = await openSetup(gateway, await createLink(gateway, acme.slug));
    await setup.save(acme.metadata);
    await setup.test(acme);
    const csrf = await csrfOf(setup);
    const { entityId, key } = await newIdentityProvider(acme);
    const manual = { entity_id: entityId, sso_url: `${entityId}/sso`, certificates: key.certificatePem };
    const forms: readonly (readonly [string, Record<string, string>])[] = [
      ['save', manual],
      ['save', { ...manual, on_new_entity_id: 'new_accounts' }],
      ['settings', { idp_initiated: 'accept', clock_skew_seconds: '7' }],
      ['identifier', { attribute: 'nickname', confirmed: 'yes' }],
      ['go-live', {}],
    ];
    const hold = () =>
      Promise.all(forms.map(([form, fields]) => holdForm(setup.browser, `/setup/single-sign-on/${form}`, { csrf, ...fields })));
    return { setup, hold };
  }

  it('changes nothing after the owner has revoked its link', async () => {
    const { setup, hold } = await newSetup();
    const held = await hold();
    const before = await onlyConnection();
    await gateway.api('DELETE', `${path()}/setup-links/${setup.linkId}`);
    for (const finish of held) expect((await finish()).code).toBe('unauthenticated');
    expect(await onlyConnection()).toEqual(before);
  });

  it('changes nothing after the owner has activated the draft and a member has signed in', async () => {
    const { hold } = await newSetup();
    const held = await hold();
    const draft = await onlyConnection();
    await gateway.api('PATCH', `${path()}/connections/${draft?.id}`, { state: 'active' });
    await acme.signIn(new HttpBrowser(), 'olivia');
    const before = await onlyConnection();
    const codes: (string | undefined)[] = [];
    for (const finish of held) codes.push((await finish()).code);
    expect(codes.slice(2, 4)).toEqual(['forbidden', 'forbidden']);
    expect(await onlyConnection()).toEqual(before);
  });

  const raceCommit = (work: () => Promise<unknown>): void => {
    const store = gateway.runtime.store as { commit: TestGateway['runtime']['store']['commit'] };
    const { commit } = store;
    store.commit = async (...args) => {
      if (!JSON.stringify(args[1]).includes('"kind":"setup_link"')) return commit.apply(store, args);
      store.commit = commit;
      await work();
      return commit.apply(store, args);
    };
  };

  it.each([0, 1, 4])('changes nothing if the link is revoked immediately before the commit (form %#)', async (index) => {
    const { setup, hold } = await newSetup();
    const finish = (await hold())[index];
    const before = await onlyConnection();
    raceCommit(() => gateway.api('DELETE', `${path()}/setup-links/${setup.linkId}`));
    const answer = await finish?.();
    expect((await gateway.api('GET', `${path()}/setup-links`)).body).toMatchObject({ items: [{ state: 'revoked' }] });
    expect(answer?.status === 303 ? index : answer?.status).toBe(index === 4 ? 4 : 409);
    expect(await onlyConnection()).toEqual(before);
  });

  it.each([0])('changes nothing if the draft is activated immediately before the commit (form %#)', async (index) => {
    const { hold } = await newSetup();
    const finish = (await hold())[index];
    const draft = await onlyConnection();
    raceCommit(() => gateway.api('PATCH', `${path()}/connections/${draft?.id}`, { state: 'active' }));
    expect((await finish?.())?.code).toBe('conflict');
    expect(await onlyConnection()).toMatchObject({ ...draft, state: 'active', updated_at: expect.any(String) });
  });
});
