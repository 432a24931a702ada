import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ResponseValues } from '../../src/mock-idp/response-values.ts';
import { withPendingRevocation } from '../../src/organizations/connections/revoke-credentials.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../../src/organizations/organizations.ts';
import { NAME_ID_EMAIL } from '../../src/saml/names.ts';
import type { Store } from '../../src/store/store.ts';
import { DAY_MS, toIsoTime } from '../../src/time.ts';
import { beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';
import { callWithSession } from '../support/session-calls.ts';
import { addConnection } from '../support/test-connection.ts';

let gateway: TestGateway;
/** Another replica with the same store. */
let replica: TestGateway;
let acme: TestOrganization;
let scim: ScimClient;
const environment = { SAMLGATE_SECRET: randomBytes(32).toString('base64'), SAMLGATE_OPERATOR_TOKEN: randomBytes(32).toString('hex') };

beforeAll(async () => {
  gateway = await startGateway({ store: 'redis', environment });
  replica = await startGateway({ store: 'redis', environment: { ...environment, SAMLGATE_BASE_URL: gateway.url } });
});
afterAll(async () => {
  await replica.stop();
  await gateway.stop();
});
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
  scim = await makeScimClient(gateway, acme);
});

const path = (rest: string) => `/organizations/${acme.slug}/${rest}`;
const verdict = ({ status, code }: Page) => (status === 303 ? 'accepted' : code);
const OID = 'http://schemas.microsoft.com/identity/claims/objectidentifier';
const ADA = 'ada@acme.example';

/** Signs in with an unsolicited response, like Okta with an email address as NameID. */
async function signIn(
  email: string,
  { groups = ['staff'], nameId = email, issuer = {}, oid, browser = new HttpBrowser() }: SignInOptions = {},
) {
  const attributes = [
    ...(oid === undefined ? [] : [{ name: OID, values: [oid] }]),
    { name: 'email', values: [email] },
    { name: 'groups', values: [...groups] },
  ];
  const values: Partial<ResponseValues> = { nameId: { value: nameId, format: NAME_ID_EMAIL }, attributes, ...issuer };
  return verdict(await acme.post(browser, acme.respond({ values } as never)));
}
interface SignInOptions {
  readonly groups?: readonly string[];
  readonly nameId?: string;
  /** A value of the attribute in `scim_link_attribute`. */
  readonly oid?: string;
  readonly issuer?: Partial<ResponseValues>;
  readonly browser?: HttpBrowser;
}

interface MemberJson {
  readonly id: string;
  readonly email: string;
  readonly state: string;
  readonly role: string;
  readonly suspended: boolean;
}
const members = async () => (await gateway.api<{ items: MemberJson[] }>('GET', path('members'))).body.items;
const memberOf = async (id: string) => (await members()).find((member) => member.id === id);
const provision = async (userName: string, changes: Record<string, unknown> = {}) =>
  scim.call('POST', '/Users', { userName, emails: [{ value: userName, type: 'work', primary: true }], ...changes });
const setActive = (id: string, active: boolean) =>
  scim.call('PATCH', `/Users/${id}`, { Operations: [{ op: 'replace', value: { active } }] });
const suspend = (id: string, suspended = true) => gateway.api('PATCH', path(`members/${id}`), { suspended });
const auditOf = async (event: string) =>
  (await gateway.api<{ items: { member_id?: string; actor: { kind: string }; details?: object }[] }>('GET', path(`audit?event=${event}`)))
    .body.items;
const meStatus = async (browser: HttpBrowser) => (await browser.request(`${gateway.url}/api/v1/me`)).status;

describe('a provisioned user', () => {
  it('becomes the same member at the first sign-in, by the NameID in any case', async () => {
    const { body } = await provision('Ada@acme.example');
    expect(await signIn(ADA)).toBe('accepted');
    expect(await members()).toMatchObject([{ id: body.id, state: 'active', email: ADA }]);
    expect(await signIn(ADA)).toBe('accepted');
    expect(await members()).toHaveLength(1);
  });

  it('is linked to the member who signed in before, but not to two', async () => {
    await signIn(ADA);
    const [ada] = await members();
    const { status, body } = await provision(ADA);
    expect([status, body.id]).toEqual([201, ada?.id]);
    expect((await provision(ADA)).status).toBe(409);
    expect((await auditOf('member.linked')).map(({ member_id, actor }) => [member_id, actor.kind])).toEqual([[ada?.id, 'scim']]);
  });

  it('is linked by email only within a verified domain', async () => {
    await provision('ada', { emails: [{ value: ADA, primary: true }] });
    expect(await signIn(ADA, { nameId: 'other@acme.example' })).toBe('accepted');
    expect(await members()).toHaveLength(2);
    const domain = `${acme.slug}.example`;
    await gateway.api('POST', path('domains'), { domain });
    await gateway.api('POST', path(`domains/${domain}/verify`), { confirm: true });
    const { body } = await provision('bob', { emails: [{ value: `bob@${domain}`, primary: true }] });
    expect(await signIn(`bob@${domain}`, { nameId: 'bob-name-id@acme.example' })).toBe('accepted');
    expect(await memberOf(body.id)).toMatchObject({ state: 'active' });
    await signIn(`eve@${domain}`, { nameId: 'eve@acme.example' });
    const eve = (await members()).find(({ email }) => email === `eve@${domain}`);
    expect((await provision('eve', { emails: [{ value: `eve@${domain}`, primary: true }] })).body.id).toBe(eve?.id);
  });

  it('is never linked if two members could be the user', async () => {
    const domain = `${acme.slug}.example`;
    await gateway.api('POST', path('domains'), { domain });
    await gateway.api('POST', path(`domains/${domain}/verify`), { confirm: true });
    await signIn(`ada@${domain}`, { nameId: 'ada-1@acme.example' });
    await signIn(`ada@${domain}`, { nameId: 'ada-2@acme.example' });
    const answer = await provision('ada', { emails: [{ value: `ada@${domain}`, primary: true }] });
    expect([answer.status, answer.body.scimType]).toEqual([409, 'uniqueness']);
    await provision('bob-1', { emails: [{ value: `bob@${domain}`, primary: true }] });
    await provision('bob-2', { emails: [{ value: `bob@${domain}`, primary: true }] });
    expect(await signIn(`bob@${domain}`, { nameId: 'bob@acme.example' })).toBe('saml_identifier_ambiguous');
  });

  it('is ambiguous if more users have the externalId than are read, and if more members have the email address', async () => {
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { scim_link_attribute: OID });
    const domain = `${acme.slug}.example`;
    await gateway.api('POST', path('domains'), { domain });
    await gateway.api('POST', path(`domains/${domain}/verify`), { confirm: true });
    const shared = { externalId: 'oid-1', emails: [{ value: `all@${domain}`, primary: true }] };
    for (let i = 0; i < 10; i++) {
      await provision(`user${i}@acme.example`, { ...shared, externalId: `own-${i}` });
      expect(await signIn(`user${i}@acme.example`)).toBe('accepted');
      const { Resources } = (await scim.call('GET', `/Users?filter=${encodeURIComponent(`userName eq "user${i}@acme.example"`)}`)).body;
      await scim.call('PATCH', `/Users/${Resources[0].id}`, { Operations: [{ op: 'replace', value: shared }] });
    }
    expect((await provision('user10@acme.example', shared)).status).toBe(201);
    expect(await signIn('eve@acme.example', { oid: 'oid-1' })).toBe('saml_identifier_ambiguous');
    const answer = await provision('user11@acme.example', shared);
    expect([answer.status, answer.body.scimType]).toEqual([409, 'uniqueness']);
  });

  it('leaves the former email address of a member whom it is linked to in the audit trail', async () => {
    await signIn('old@acme.example', { nameId: ADA });
    expect((await provision(ADA, { emails: [{ value: 'new@acme.example', primary: true }] })).status).toBe(201);
    const [entry] = await auditOf('member.linked');
    expect(entry?.details).toMatchObject({ email_from: 'old@acme.example', email_to: 'new@acme.example' });
  });

  it('never takes over an owner, and the owners learn of the attempt once', async () => {
    await signIn(ADA, { groups: ['platform-admins'] });
    const [ada] = await members();
    for (let i = 0; i < 2; i++) expect((await provision(ADA, { active: false })).status).toBe(409);
    expect(await memberOf(ada?.id ?? '')).toMatchObject({ role: 'owner', suspended: false });
    expect((await auditOf('member.provisioning_refused')).map(({ member_id }) => member_id)).toEqual([ada?.id]);
  });

  it('cannot become an owner before the first sign-in, because a SCIM client could then choose the owner', async () => {
    const { body } = await provision(ADA, { externalId: '00u1' });
    const promote = () => gateway.api('PATCH', path(`members/${body.id}`), { role: 'owner' });
    expect(await promote()).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(await memberOf(body.id)).toMatchObject({ state: 'invited', role: 'collaborator' });
    const value = { userName: 'eve@acme.example', externalId: '00u2' };
    await scim.call('PATCH', `/Users/${body.id}`, { Operations: [{ op: 'replace', value }] });
    expect((await auditOf('member.changed')).map(({ details }) => details)).toMatchObject([
      { user_name_from: ADA, user_name_to: 'eve@acme.example', external_id_from: '00u1', external_id_to: '00u2' },
    ]);
    expect(await signIn('eve@acme.example')).toBe('accepted');
    expect((await promote()).status).toBe(200);
  });

  it('does not become an owner before the first sign-in, whatever the default role is', async () => {
    await gateway.api('PUT', path('role-mapping'), { rules: [], default_role: 'owner' });
    const { body } = await provision(ADA);
    expect(await memberOf(body.id)).toMatchObject({ role: 'collaborator' });
    expect(await signIn(ADA)).toBe('accepted');
    expect(await memberOf(body.id)).toMatchObject({ role: 'owner' });
  });

  it('is never an owner who has not signed in, who may be in the store of an earlier version', async () => {
    const { body } = await provision(ADA);
    const { store } = gateway.runtime;
    const stored = await store.get(acme.id, MEMBERS, body.id);
    const value = { ...stored?.value, role: 'owner', roleSource: { kind: 'manual' } };
    await store.commit(acme.id, [{ do: 'replace', collection: MEMBERS, id: body.id, version: stored?.version ?? 0, value }]);
    expect(await signIn(ADA)).toBe('saml_identifier_ambiguous');
    expect(await memberOf(body.id)).toMatchObject({ state: 'invited' });
  });

  it('never gets an email address that the policy of the organization forbids', async () => {
    const domain = `${acme.slug}.example`;
    await gateway.api('POST', path('domains'), { domain });
    await gateway.api('POST', path(`domains/${domain}/verify`), { confirm: true });
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { email_policy: 'verified_domains' });
    expect((await provision('eve@evil.example')).body.scimType).toBe('invalidValue');
    const { body } = await provision(`ada@${domain}`);
    const value = { emails: [{ value: 'ceo@evil.example', primary: true }] };
    expect((await scim.call('PATCH', `/Users/${body.id}`, { Operations: [{ op: 'replace', value }] })).body.scimType).toBe('invalidValue');
    expect(await memberOf(body.id)).toMatchObject({ email: `ada@${domain}` });
  });

  it('no longer exists for SCIM after an owner removed the member', async () => {
    const { body } = await provision(ADA);
    expect((await gateway.api('DELETE', path(`members/${body.id}`))).status).toBe(204);
    expect((await scim.call('GET', `/Users/${body.id}`)).status).toBe(404);
    expect((await setActive(body.id, true)).status).toBe(404);
    expect((await scim.call('GET', `/Users?filter=${encodeURIComponent(`userName eq "${ADA}"`)}`)).body.totalResults).toBe(0);
    expect((await provision(ADA)).status).toBe(201);
  });
});

describe('deactivation by SCIM', () => {
  it('ends sessions, session tokens and CLI tokens on every replica, and activation restores none of them', async () => {
    for (let round = 0; round < 5; round++) {
      const email = `user${round}@acme.example`;
      const { body } = await provision(email);
      const browser = new HttpBrowser();
      expect(await signIn(email, { browser })).toBe('accepted');
      const cli = (await callWithSession(gateway, browser, 'POST', '/me/tokens', { name: 'ci' })).body.token;
      const session = (await callWithSession(gateway, browser, 'POST', '/me/session-token')).body.token;
      const cookie = browser.cookie('samlgate_session');
      const statuses = async (base: string) => {
        const headers = [
          { authorization: `Bearer ${cli}` },
          { authorization: `Bearer ${session}` },
          { cookie: `${cookie?.name}=${cookie?.value}` },
        ];
        const answers = headers.map((each) => fetch(`${base}/api/v1/me`, { headers: each as Record<string, string> }));
        return (await Promise.all(answers)).map(({ status }) => status);
      };
      const atReplica = replica.runtime.config.listen;
      const other = `http://127.0.0.1:${atReplica.port}`;
      expect(await statuses(other)).toEqual([200, 200, 200]);
      expect((await setActive(body.id, false)).body.active).toBe(false);
      expect(await statuses(other)).toEqual([401, 401, 401]);
      expect(await signIn(email)).toBe('member_suspended');
      await setActive(body.id, true);
      expect(await statuses(other)).toEqual([401, 401, 401]);
      expect(await signIn(email)).toBe('accepted');
    }
  });

  it('refuses a sign-in that is in flight', async () => {
    const { body } = await provision(ADA);
    for (const prepare of [() => Promise.resolve(), () => signIn(ADA)]) {
      await setActive(body.id, true);
      await prepare();
      const browser = new HttpBrowser();
      beforeSignInIsWritten(gateway, () => setActive(body.id, false));
      expect(await signIn(ADA, { browser })).toBe('member_suspended');
      expect(await meStatus(browser)).toBe(401);
    }
    expect(await members()).toHaveLength(1);
  });

  it('leaves no session behind, in whatever order a sign-in and a deactivation arrive', async () => {
    for (let round = 0; round < 12; round++) {
      const email = `race${round}@acme.example`;
      const { body } = await provision(email);
      const browser = new HttpBrowser();
      const [signedIn] = await Promise.all([signIn(email, { browser }), setActive(body.id, false)]);
      expect(['accepted', 'member_suspended']).toContain(signedIn);
      expect(await meStatus(browser)).toBe(401);
      expect(await memberOf(body.id)).toMatchObject({ suspended: true });
    }
  });

  it('creates one member if the first sign-in and the provisioning race', async () => {
    for (let round = 0; round < 8; round++) {
      const email = `new${round}@acme.example`;
      const [signedIn, provisioned] = await Promise.all([signIn(email), provision(email)]);
      expect([signedIn, provisioned.status]).toEqual(['accepted', 201]);
      expect((await members()).filter((member) => member.email === email)).toHaveLength(1);
    }
    beforeSignInIsWritten(gateway, () => provision(ADA));
    expect(await signIn(ADA)).toBe('accepted');
    expect((await members()).filter(({ email }) => email === ADA)).toHaveLength(1);
  });

  it('and a change of the role at the same moment both take effect', async () => {
    for (let round = 0; round < 6; round++) {
      const { body } = await provision(`role${round}@acme.example`);
      await signIn(`role${round}@acme.example`);
      await Promise.all([gateway.api('PATCH', path(`members/${body.id}`), { role: 'owner' }), setActive(body.id, false)]);
      expect(await memberOf(body.id)).toMatchObject({ role: 'owner', suspended: true });
    }
  });

  it('concerns the last owner, too, and reports that the organization has none', async () => {
    const { body } = await provision(ADA);
    await signIn(ADA, { groups: ['platform-admins'] });
    expect(await memberOf(body.id)).toMatchObject({ role: 'owner' });
    expect((await setActive(body.id, false)).status).toBe(200);
    expect(await memberOf(body.id)).toMatchObject({ suspended: true });
    expect((await auditOf('organization.without_owner')).map(({ details }) => details)).toEqual([{ cause: 'scim' }]);
    expect((await gateway.api('GET', `/organizations/${acme.slug}`)).body.without_owner_since).not.toBeNull();
    await setActive(body.id, true);
    expect((await gateway.api('GET', `/organizations/${acme.slug}`)).body.without_owner_since).toBeNull();
    expect((await scim.call('DELETE', `/Users/${body.id}`)).status).toBe(204);
    expect(await auditOf('organization.without_owner')).toHaveLength(2);
  });
});

/** Runs `work` before the next change of a SCIM user is written to the store. */
function beforeScimIsWritten(work: () => Promise<unknown>): void {
  const store = gateway.runtime.store as { commit: Store['commit'] };
  const { commit } = store;
  store.commit = async (...args) => {
    if (args[1].some((step) => 'collection' in step && step.collection.name.startsWith('scim-user-'))) {
      store.commit = commit;
      await work();
    }
    return commit.apply(store, args);
  };
}

describe('a change by SCIM at the same moment', () => {
  it('as the first sign-in of a user with another NameID creates no account beside a deactivated one', async () => {
    await signIn(ADA);
    const browser = new HttpBrowser();
    beforeSignInIsWritten(gateway, () => provision(ADA, { active: false }));
    expect(await signIn(ADA, { nameId: 'ghost@acme.example', browser })).toBe('member_suspended');
    expect([(await members()).length, await meStatus(browser)]).toEqual([1, 401]);
  });

  it('as the first sign-in creates one member of a user who is found by externalId only', async () => {
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { scim_link_attribute: OID });
    beforeSignInIsWritten(gateway, () => provision('ada.lovelace', { externalId: 'oid-1', emails: [] }));
    expect(await signIn(ADA, { oid: 'oid-1' })).toBe('accepted');
    expect(await members()).toMatchObject([{ state: 'active', email: ADA }]);
  });

  it('as the revocation of its token is refused', async () => {
    const { body } = await provision(ADA);
    const second = await makeScimClient(gateway, acme);
    await gateway.api('DELETE', path(`scim-tokens/${scim.id}`));
    for (const [method, rest, sent] of [
      ['POST', '/Users', { userName: 'eve@acme.example' }],
      ['PATCH', `/Users/${body.id}`, { Operations: [{ op: 'replace', value: { active: false } }] }],
      ['DELETE', `/Users/${body.id}`, undefined],
    ] as const) {
      const client = await makeScimClient(gateway, acme);
      beforeScimIsWritten(() => gateway.api('DELETE', path(`scim-tokens/${client.id}`)));
      expect([method, (await client.call(method, rest, sent)).status]).toEqual([method, 401]);
    }
    expect((await second.call('GET', '/Users')).body.totalResults).toBe(1);
    expect(await members()).toMatchObject([{ id: body.id, suspended: false }]);
  });

  it('as a revocation leaves no credential that the revocation did not see under the new address', async () => {
    const { body } = await provision(ADA);
    const browser = new HttpBrowser();
    await signIn(ADA, { browser });
    const { store } = gateway.runtime;
    beforeScimIsWritten(async () => {
      const stored = await store.get(acme.id, ORGANIZATION, ORGANIZATION_RECORD);
      const [connection] = stored?.value.connections ?? [];
      if (!stored || !connection) throw new Error('The organization has no connection.');
      const value = withPendingRevocation(stored.value, connection, 'chg_1');
      await store.commit(acme.id, [{ do: 'replace', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: stored.version, value }]);
    });
    const value = { emails: [{ value: 'aaa@acme.example', primary: true }] };
    expect((await scim.call('PATCH', `/Users/${body.id}`, { Operations: [{ op: 'replace', value }] })).status).toBe(200);
    expect((await store.get(acme.id, MEMBERS, body.id))?.value).toMatchObject({ email: 'aaa@acme.example', sessions: [] });
    expect(await meStatus(browser)).toBe(401);
  });
});

describe('a suspension by an owner', () => {
  it('is not lifted by SCIM', async () => {
    const { body } = await provision(ADA);
    await signIn(ADA);
    await suspend(body.id);
    await setActive(body.id, false);
    expect((await setActive(body.id, true)).body.active).toBe(true);
    expect(await memberOf(body.id)).toMatchObject({ suspended: true });
    expect(await signIn(ADA)).toBe('member_suspended');
    expect((await suspend(body.id, false)).status).toBe(200);
    expect(await signIn(ADA)).toBe('accepted');
  });

  it('can be added to a deactivation, which the owner cannot undo', async () => {
    const { body } = await provision(ADA);
    await setActive(body.id, false);
    expect(await suspend(body.id, false)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    await suspend(body.id);
    await setActive(body.id, true);
    expect(await memberOf(body.id)).toMatchObject({ suspended: true });
    expect((await suspend(body.id, false)).status).toBe(200);
    expect(await memberOf(body.id)).toMatchObject({ suspended: false });
  });

  it('can lift a deactivation once the connection has no SCIM token', async () => {
    const { body } = await provision(ADA);
    await setActive(body.id, false);
    await gateway.api('DELETE', path(`scim-tokens/${scim.id}`));
    expect((await suspend(body.id, false)).status).toBe(200);
    expect(await signIn(ADA)).not.toBe('member_suspended');
  });

  it('survives provisioning of the member', async () => {
    await signIn(ADA);
    const [ada] = await members();
    await suspend(ada?.id ?? '');
    expect((await provision(ADA)).body).toMatchObject({ id: ada?.id, active: true });
    expect(await memberOf(ada?.id ?? '')).toMatchObject({ suspended: true });
  });
});

describe('a suspension by an owner, if SCIM deletes the user', () => {
  it('stays, also after the user is created again', async () => {
    await signIn(ADA);
    const { body } = await provision(ADA);
    const browser = new HttpBrowser();
    expect(await signIn(ADA, { browser })).toBe('accepted');
    await suspend(body.id);
    expect((await scim.call('DELETE', `/Users/${body.id}`)).status).toBe(204);
    expect((await scim.call('GET', `/Users/${body.id}`)).status).toBe(404);
    expect((await scim.call('GET', '/Users')).body.totalResults).toBe(0);
    expect(await memberOf(body.id)).toMatchObject({ suspended: true });
    expect(await signIn(ADA)).toBe('member_suspended');
    expect((await provision(ADA)).body).toMatchObject({ id: body.id, active: true });
    expect(await memberOf(body.id)).toMatchObject({ suspended: true });
    expect([await signIn(ADA), await meStatus(browser)]).toEqual(['member_suspended', 401]);
    expect((await suspend(body.id, false)).status).toBe(200);
    expect(await signIn(ADA)).toBe('accepted');
  });

  it('stays if the identity provider has deactivated the user, too, and if the user has never signed in', async () => {
    const { body } = await provision(ADA);
    await suspend(body.id);
    await setActive(body.id, false);
    expect((await scim.call('DELETE', `/Users/${body.id}`)).status).toBe(204);
    expect(await memberOf(body.id)).toMatchObject({ suspended: true });
    expect(await signIn(ADA)).toBe('member_suspended');
    await provision(ADA);
    expect(await signIn(ADA)).toBe('member_suspended');
    expect((await suspend(body.id, false)).status).toBe(200);
  });

  it('stays with a member who has never signed in, who is found again by a verified email address at the same connection only', async () => {
    const domain = `${acme.slug}.example`;
    await gateway.api('POST', path('domains'), { domain });
    await gateway.api('POST', path(`domains/${domain}/verify`), { confirm: true });
    const email = `ada@${domain}`;
    const { body } = await provision(email);
    await suspend(body.id);
    await scim.call('DELETE', `/Users/${body.id}`);
    const partner = await addConnection(gateway, acme);
    const other = await makeScimClient(gateway, acme, { connection: partner.id });
    const elsewhere = await other.call('POST', '/Users', { userName: email, emails: [{ value: email, primary: true }] });
    expect([elsewhere.status, elsewhere.body.id === body.id]).toEqual([201, false]);
    expect((await provision(email)).body.id).toBe(body.id);
    expect(await memberOf(body.id)).toMatchObject({ suspended: true });
    expect(await signIn(email)).toBe('member_suspended');
  });
});

describe('a deactivation by SCIM of one connection', () => {
  it('locks out no user of another connection', async () => {
    const partner = await addConnection(gateway, acme);
    const attacker = await makeScimClient(gateway, acme, { connection: partner.id });
    expect(await signIn(ADA)).toBe('accepted');
    await attacker.call('POST', '/Users', { userName: ADA, externalId: ADA, emails: [{ value: ADA, primary: true }], active: false });
    expect((await members()).map(({ suspended }) => suspended).sort()).toEqual([false, true]);
    expect(await signIn(ADA)).toBe('accepted');
    const bob = 'bob@acme.example';
    await attacker.call('POST', '/Users', { userName: bob, emails: [{ value: bob, primary: true }], active: false });
    expect(await signIn(bob)).toBe('accepted');
  });
});

describe('the setting provisioning', () => {
  const set = (provisioning: string) => gateway.api('PATCH', `/organizations/${acme.slug}`, { provisioning });

  it('keeps unknown users out with scim, but not existing members', async () => {
    await signIn('old@acme.example');
    expect((await set('scim')).body.provisioning).toBe('scim');
    expect(await signIn(ADA)).toBe('member_not_provisioned');
    expect(await signIn('old@acme.example')).toBe('accepted');
    await provision(ADA);
    expect(await signIn(ADA)).toBe('accepted');
    expect(await members()).toHaveLength(2);
  });

  it('keeps everyone out with scim_required whom SCIM has not provisioned', async () => {
    await signIn('old@acme.example');
    await provision(ADA);
    await set('scim_required');
    expect(await signIn('old@acme.example')).toBe('member_not_provisioned');
    expect(await signIn('new@acme.example')).toBe('member_not_provisioned');
    expect(await signIn(ADA)).toBe('accepted');
    await provision('old@acme.example');
    expect(await signIn('old@acme.example')).toBe('accepted');
  });

  it('creates no ghost account for a deactivated user with another NameID', async () => {
    const { body } = await provision(ADA);
    await setActive(body.id, false);
    expect(await signIn(ADA, { nameId: 'ghost@acme.example' })).toBe('member_suspended');
    expect(await members()).toHaveLength(1);
  });

  it('keeps a user out with scim_required who would be linked by email after a change of the identity provider', async () => {
    const domain = `${acme.slug}.example`;
    const email = `ada@${domain}`;
    await gateway.api('POST', path('domains'), { domain });
    await gateway.api('POST', path(`domains/${domain}/verify`), { confirm: true });
    expect(await signIn(email)).toBe('accepted');
    await set('scim_required');
    const metadata = acme.metadata.replace(/entityID="[^"]+"/, 'entityID="https://new.example/idp"');
    const until = toIsoTime(Date.now() + DAY_MS);
    const query = `?on_new_entity_id=link_by_email&link_until=${until}`;
    expect((await gateway.api('PUT', path(`identity-provider${query}`), metadata)).status).toBe(200);
    const issuer = { responseIssuer: 'https://new.example/idp', assertionIssuer: 'https://new.example/idp' };
    expect(await signIn(email, { nameId: `new-${email}`, issuer })).toBe('member_not_provisioned');
    await set('jit');
    expect(await signIn(email, { nameId: `new-${email}`, issuer })).toBe('accepted');
    expect(await members()).toHaveLength(1);
  });
});
