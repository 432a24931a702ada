import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { withChanges } from '../../src/organizations/connections/change-connection.ts';
import { connectAgain, requireConnection, withoutConnection } from '../../src/organizations/connections/connections.ts';
import { finishRevocations, resumeRevocations, withRevocation } from '../../src/organizations/connections/revoke-credentials.ts';
import { DIRECTORY, noteRevocation } from '../../src/organizations/directory.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { getOrganizationById, ORGANIZATION, type Organization, updateOrganization } from '../../src/organizations/organizations.ts';
import { GLOBAL, type Store } from '../../src/store/store.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, startedBy, type TestOrganization } from '../support/identity-provider.ts';
import { seedFormerMember, seedMember } from '../support/seed.ts';
import { callWithSession, type List, newSession, verdictOf } from '../support/session-calls.ts';
import { addConnection, newIdentityProvider, type TestConnection } from '../support/test-connection.ts';

/** Email address and NameID of the user. */
const OLIVIA = 'olivia@okta.acme.example';

let gateway: TestGateway;
let organization: TestOrganization;
let other: TestConnection;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  organization = await makeTestOrganization(gateway);
  other = await addConnection(gateway, organization);
});

/** Adds rules to those of the default connection, which make members of platform-admins owners. */
const addRules = (...more: object[]) =>
  gateway.api('PUT', `/organizations/${organization.slug}/role-mapping`, {
    rules: [{ group: 'platform-admins', role: 'owner' }, ...more],
    default_role: 'collaborator',
  });

interface ConnectionJson {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly is_default: boolean;
  readonly entity_id: string;
  readonly email_domains: readonly string[];
}

const at = () => `/organizations/${organization.slug}/connections`;
const list = async () => (await gateway.api<List<ConnectionJson>>('GET', at())).body.items;
const defaultId = async () => (await list())[0]?.id ?? '';
const patch = (id: string, body: object) => gateway.api('PATCH', `${at()}/${id}`, body);
const codeOf = ({ text }: Page) => /\b(saml_\w+|idp_not_configured|member_\w+)\b/.exec(text)?.[1];
const outcomeOf = (page: Page) => (page.status === 303 ? 'accepted' : codeOf(page));
const eventsOf = async () => {
  const { body } = await gateway.api<List<{ event: string; details?: Record<string, unknown> }>>(
    'GET',
    `/organizations/${organization.slug}/audit?limit=200`,
  );
  return body.items;
};
const membersNow = async () =>
  (await gateway.api<List<{ id: string }>>('GET', `/organizations/${organization.slug}/members`)).body.items.map((each) => each.id);
const isSignedIn = async (browser: HttpBrowser) =>
  (await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } })).status === 200;

/** Signs in through the default connection, which the request must name because there are two. */
async function signInAtDefault(browser: HttpBrowser, user?: string): Promise<Page> {
  const start = await browser.request(`${gateway.url}/saml/${organization.slug}/login?connection=${await defaultId()}`);
  const { requestId: inResponseTo } = startedBy(start);
  return organization.post(browser, organization.respond({ ...(user === undefined ? {} : { user }), inResponseTo }));
}

/** A member with a session, a CLI token and a session token. */
async function memberOf(connection: TestConnection | TestOrganization, user: string) {
  const browser = new HttpBrowser();
  const page = await (connection === organization ? signInAtDefault(browser, user) : connection.signIn(browser, user));
  expect(outcomeOf(page)).toBe('accepted');
  const cli = await callWithSession(gateway, browser, 'POST', '/me/tokens', { name: 'test' });
  const short = await callWithSession(gateway, browser, 'POST', '/me/session-token', {});
  const tokens = [cli.body.token, short.body.token] as string[];
  const countValid = async () => {
    const answers = await Promise.all(tokens.map((token) => gateway.api('GET', '/me', undefined, token)));
    return answers.filter(({ status }) => status === 200).length + ((await isSignedIn(browser)) ? 1 : 0);
  };
  expect(await countValid()).toBe(3);
  return { browser, countValid };
}

describe('connections of an organization', () => {
  it('are created as drafts, and become active, disabled, default and deleted', async () => {
    const { metadata, entityId } = await newIdentityProvider(organization);
    const created = await gateway.api<ConnectionJson>('POST', at(), { name: 'Partner', metadata_xml: metadata });
    expect([created.status, created.body]).toEqual([
      201,
      expect.objectContaining({ name: 'Partner', state: 'draft', is_default: false, entity_id: entityId, email_domains: [] }),
    ]);
    const { id } = created.body;
    const changed = await patch(id, { name: 'Partner AG', state: 'active', email_domains: ['Partner.Example', 'partner.example'] });
    expect(changed.body).toMatchObject({ name: 'Partner AG', state: 'active', email_domains: ['partner.example'] });
    expect(verdictOf(await patch(id, { state: 'draft' }))).toEqual([409, 'conflict']);
    expect((await patch(id, { state: 'disabled' })).body).toMatchObject({ state: 'disabled' });
    expect((await patch(id, { is_default: true })).body).toMatchObject({ is_default: true });
    expect((await list()).map((each) => [each.id, each.is_default])).toEqual([
      [id, true],
      [expect.any(String), false],
      [other.id, false],
    ]);
    expect((await gateway.api('GET', `/organizations/${organization.slug}/identity-provider`)).body).toMatchObject({ id });
    expect(verdictOf(await gateway.api('DELETE', `${at()}/${id}`))).toEqual([409, 'conflict']);
    expect((await gateway.api('DELETE', `${at()}/${other.id}`)).status).toBe(204);
    expect(verdictOf(await gateway.api('GET', `${at()}/${other.id}`))).toEqual([404, 'not_found']);
    const events = (await eventsOf()).map(({ event }) => event);
    expect(events).toEqual(expect.arrayContaining(['connection.created', 'connection.changed', 'connection.removed']));
  });

  it('have names and entity IDs of their own', async () => {
    const [first] = await list();
    const { metadata } = await newIdentityProvider(organization);
    const post = (body: object) => gateway.api('POST', at(), body);
    expect(verdictOf(await post({ name: first?.name, metadata_xml: metadata }))).toEqual([409, 'conflict']);
    expect(verdictOf(await post({ name: 'Copy', metadata_xml: other.metadata }))).toEqual([409, 'conflict']);
    expect(verdictOf(await post({ name: 'Copy', metadata_xml: organization.metadata }))).toEqual([409, 'conflict']);
    expect(verdictOf(await gateway.api('PUT', `${at()}/${other.id}`, { metadata_xml: organization.metadata }))).toEqual([409, 'conflict']);
    expect(verdictOf(await patch(other.id, { name: first?.name }))).toEqual([409, 'conflict']);
    expect(verdictOf(await post({ metadata_xml: metadata }))).toEqual([400, 'validation_failed']);
    expect(await list()).toHaveLength(2);
  });

  it('are not saved by a dry run', async () => {
    const { metadata } = await newIdentityProvider(organization);
    const dry = await gateway.api('POST', `${at()}?dry_run=true`, { name: 'Partner', metadata_xml: metadata });
    expect([dry.status, dry.body.state]).toEqual([201, 'draft']);
    const put = await gateway.api('PUT', `${at()}/${other.id}?dry_run=true`, { metadata_xml: metadata });
    expect([put.status, put.body.id]).toEqual([200, other.id]);
    expect((await list()).map(({ entity_id }) => entity_id)).toEqual([expect.any(String), other.entityId]);
  });

  it('are at most ten, also if two administrators add the tenth at once', async () => {
    for (let count = 2; count < 9; count++) await addConnection(gateway, organization, { state: 'draft' });
    const providers = await Promise.all([newIdentityProvider(organization), newIdentityProvider(organization)]);
    const answers = await Promise.all(
      providers.map(({ metadata, entityId }) => gateway.api('POST', at(), { name: entityId, metadata_xml: metadata })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    expect(await list()).toHaveLength(10);
  });

  it('cannot be seen or changed through another organization', async () => {
    const stranger = await makeTestOrganization(gateway);
    const { browser } = await newSession(gateway, stranger, 'olivia');
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
      const body = method === 'PATCH' ? { state: 'disabled' } : method === 'PUT' ? { metadata_xml: stranger.metadata } : undefined;
      const path = `/organizations/${stranger.slug}/connections/${other.id}`;
      expect(verdictOf(await callWithSession(gateway, browser, method, path, body))).toEqual([404, 'not_found']);
      expect(verdictOf(await callWithSession(gateway, browser, method, `${at()}/${other.id}`, body))).toEqual([
        404,
        'organization_unknown',
      ]);
    }
    expect((await list())[1]).toMatchObject({ id: other.id, state: 'active' });
  });

  it('are removed by /identity-provider only if there is one', async () => {
    const path = `/organizations/${organization.slug}/identity-provider`;
    const member = await memberOf(organization, 'carl');
    expect(verdictOf(await gateway.api('DELETE', path))).toEqual([409, 'conflict']);
    await gateway.api('DELETE', `${at()}/${other.id}`);
    expect((await gateway.api('DELETE', path)).status).toBe(204);
    expect(await list()).toEqual([]);
    expect(await member.countValid()).toBe(0);
    expect((await gateway.api('DELETE', path)).status).toBe(204);
  });

  it('keep the credentials of their members if /identity-provider removes them with keep_sessions', async () => {
    const path = `/organizations/${organization.slug}/identity-provider`;
    const member = await memberOf(organization, 'carl');
    await gateway.api('DELETE', `${at()}/${other.id}`);
    expect((await gateway.api('DELETE', `${path}?keep_sessions=true`)).status).toBe(204);
    expect(await member.countValid()).toBe(3);
  });

  it.each([
    ['member', () => organization.signIn(new HttpBrowser(), 'olivia')],
    ['member of an earlier version', () => seedFormerMember(gateway.runtime, organization, { email: OLIVIA })],
  ])('give a setup link no former %s, if it connects a deleted identity provider with a key of its own', async (_kind, create) => {
    await gateway.api('DELETE', `${at()}/${other.id}`);
    await create();
    const former = await defaultId();
    await gateway.api('DELETE', `/organizations/${organization.slug}/identity-provider`);
    const { body } = await gateway.api<{ url: string }>('POST', `/organizations/${organization.slug}/setup-links`, {});
    const browser = new HttpBrowser();
    await browser.submit(await browser.open(body.url));
    const own = await newIdentityProvider(organization);
    const metadata_xml = own.metadata.replaceAll(own.entityId, OKTA_ISSUER);
    const page = await browser.open(`${gateway.url}/setup/single-sign-on/steps/metadata`);
    const preview = await browser.submit(page, { metadata: metadata_xml }, '/preview');
    expect((await browser.submit(preview, {}, '/save')).status).toBe(200);
    expect(await defaultId()).not.toBe(former);
    await gateway.api('PATCH', `${at()}/${await defaultId()}`, { state: 'active' });
    const before = await membersNow();
    const answer = await organization.post(new HttpBrowser(), organization.respond({ key: own.key, user: 'olivia' }));
    expect(outcomeOf(answer)).toBe('accepted');
    expect(await membersNow()).toEqual(expect.arrayContaining(before));
    expect(await membersNow()).toHaveLength(before.length + 1);
  });

  it('keep the chosen identifier and the removed certificates if the identity provider is connected again', async () => {
    await gateway.api('DELETE', `${at()}/${other.id}`);
    const path = `/organizations/${organization.slug}/identity-provider`;
    await gateway.api('PATCH', path, { identifier: { attribute: 'uid' } });
    const own = await newIdentityProvider(organization);
    await gateway.api('PUT', path, own.metadata.replaceAll(own.entityId, OKTA_ISSUER));
    await gateway.api('DELETE', path);
    await gateway.api('PUT', path, own.metadata.replaceAll(own.entityId, OKTA_ISSUER));
    const record = await getOrganizationById(gateway.runtime.store, organization.id);
    expect(record?.connections[0]?.settings.identifier).toEqual({ attribute: 'uid' });
    expect(record?.connections[0]?.removedCertificates).toHaveLength(1);
  });

  it('have the same members if the identity provider is deleted and connected again', async () => {
    await gateway.api('DELETE', `${at()}/${other.id}`);
    const id = await defaultId();
    await organization.signIn(new HttpBrowser(), 'carl');
    const before = await membersNow();
    const suspend = (suspended: boolean) => gateway.api('PATCH', `/organizations/${organization.slug}/members/${before[0]}`, { suspended });
    await suspend(true);
    const path = `/organizations/${organization.slug}/identity-provider`;
    expect((await gateway.api('DELETE', path)).status).toBe(204);
    expect((await gateway.api('PUT', path, organization.metadata)).status).toBe(200);
    expect(await defaultId()).toBe(id);
    expect(outcomeOf(await organization.signIn(new HttpBrowser(), 'carl'))).toBe('member_suspended');
    await suspend(false);
    expect(outcomeOf(await organization.signIn(new HttpBrowser(), 'carl'))).toBe('accepted');
    expect(await membersNow()).toEqual(before);
  });
});

describe('disabling and deleting a connection', () => {
  beforeEach(() => addRules({ group: 'engineering', role: 'collaborator', connection: '*' }));

  const disable = (more: object = {}) => patch(other.id, { state: 'disabled', ...more });
  const remove = (query = '') => gateway.api('DELETE', `${at()}/${other.id}${query}`);

  it.each([
    ['disabling', () => disable()],
    ['deleting', () => remove()],
  ])('%s revokes the credentials of its members and of no others', async (_name, act) => {
    const [members, bystander] = [[await memberOf(other, 'olivia'), await memberOf(other, 'carl')], await memberOf(organization, 'carl')];
    expect((await act()).status).toBeLessThan(300);
    expect(await Promise.all(members.map(({ countValid }) => countValid()))).toEqual([0, 0]);
    expect(await bystander.countValid()).toBe(3);
    const revoked = (await eventsOf()).find(({ event }) => event === 'connection.credentials_revoked');
    expect(revoked?.details).toEqual({ connection: other.id, members: 2 });
  });

  it('keeps them if that is chosen, and revokes them when the connection is disabled again', async () => {
    const member = await memberOf(other, 'carl');
    await disable({ keep_sessions: true });
    expect(await member.countValid()).toBe(3);
    await disable();
    expect(await member.countValid()).toBe(0);
  });

  it('keeps them when the connection is deleted, if that is chosen', async () => {
    const member = await memberOf(other, 'carl');
    expect((await remove('?keep_sessions=true')).status).toBe(204);
    expect(await member.countValid()).toBe(3);
  });

  it('refuses the answer to a request that was sent before, and unsolicited responses', async () => {
    const browser = new HttpBrowser();
    for (const act of [disable, remove]) {
      const inResponseTo = await other.start(browser).catch(() => '_none');
      await act();
      expect(outcomeOf(await organization.post(browser, other.respond({ inResponseTo })))).toBe('saml_issuer_unknown');
      expect(outcomeOf(await organization.post(browser, other.respond()))).toBe('saml_issuer_unknown');
    }
    expect(await isSignedIn(browser)).toBe(false);
  });

  it('refuses credentials while an interrupted revocation is unfinished, and finishes it in the background', async () => {
    const member = await memberOf(other, 'carl');
    const bystander = await memberOf(organization, 'carl');
    const { runtime } = gateway;
    // A crash between the commit that disables the connection and the revocation.
    await noteRevocation(runtime.store, organization.id, true);
    await updateOrganization(
      runtime,
      { kind: 'operator' },
      {
        organizationId: organization.id,
        event: 'connection.changed',
        change: (before) => withRevocation(before, requireConnection(before, other.id)),
      },
    );
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect([await member.countValid(), await bystander.countValid()]).toEqual([0, 3]);
    await resumeRevocations(runtime);
    const members = await runtime.store.find(organization.id, MEMBERS, 'holdsTokens', { equals: '', limit: 10 });
    expect(members.items).toHaveLength(1);
    expect([await member.countValid(), await bystander.countValid()]).toEqual([0, 3]);
    expect((await gateway.api('GET', `${at()}/${other.id}`)).status).toBe(200);
  });

  it('cannot be undone by an activation or another connection before the credentials are revoked', async () => {
    const read = async () => (await getOrganizationById(gateway.runtime.store, organization.id)) as Organization;
    await disable({ keep_sessions: true });
    const disabled = await read();
    const revoking = withRevocation(disabled, requireConnection(disabled, other.id));
    expect(() => withChanges(revoking, other.id, { state: 'active' })).toThrow(expect.objectContaining({ code: 'conflict' }));
    const deleted = withoutConnection(revoking, requireConnection(revoking, other.id));
    const { metadata } = requireConnection(disabled, other.id);
    const again = (from: Organization) => connectAgain(from, { name: 'Again', state: 'active', metadata }, Date.now());
    expect(() => again(deleted)).toThrow(expect.objectContaining({ code: 'conflict' }));
    expect(again({ ...deleted, revokingConnections: undefined }).id).toBe(other.id);
  });

  it('finishes an interrupted revocation although another replica finished a former one just before its commit', async () => {
    const member = await memberOf(other, 'carl');
    const { runtime } = gateway;
    const store = runtime.store as { commit: Store['commit'] };
    const { commit } = store;
    store.commit = async (...args) => {
      const isRevoking = args[1].some(
        (step) => step.do === 'replace' && step.collection.name === ORGANIZATION.name && 'revokingConnections' in (step.value as object),
      );
      if (isRevoking) await finishRevocations(runtime, { kind: 'operator' }, organization.id);
      if (args[1].some((step) => step.do === 'replace' && step.collection.name === MEMBERS.name)) throw new Error('the process is killed');
      return commit.apply(runtime.store, args);
    };
    const answer = await disable();
    store.commit = commit;
    expect([answer.status, (await runtime.store.get(GLOBAL, DIRECTORY, organization.id))?.value.revokesCredentials]).toEqual([500, true]);
    await resumeRevocations(runtime);
    expect(await member.countValid()).toBe(0);
    expect((await runtime.store.find(organization.id, MEMBERS, 'holdsTokens', { equals: '', limit: 10 })).items).toEqual([]);
  });

  it('reports an organization whose owners can no longer sign in', async () => {
    await memberOf(organization, 'olivia');
    const markOf = async () => (await gateway.api('GET', `/organizations/${organization.slug}`)).body.without_owner_since;
    await disable();
    expect(await markOf()).toBeNull();
    await patch(await defaultId(), { state: 'disabled', keep_sessions: true });
    expect(await markOf()).toEqual(expect.any(String));
    const losses = (await eventsOf()).filter(({ event }) => event === 'organization.without_owner');
    expect(losses.map(({ details }) => details)).toEqual([{ cause: 'connection' }]);
  });

  it.each([
    ['another connection becomes the default', () => patch(other.id, { is_default: true })],
    ['the connection of the owners is deleted', () => remove()],
  ])('reports that no owner can sign in when %s', async (moment, act) => {
    const isDefault = moment.startsWith('another');
    if (!isDefault) await addRules({ group: 'platform-admins', role: 'owner', connection: '*' });
    await memberOf(isDefault ? organization : other, 'olivia');
    expect((await act()).status).toBeLessThan(300);
    const lost = (await eventsOf()).filter(({ event }) => event === 'organization.without_owner');
    expect(lost).toMatchObject([{ details: { cause: 'connection' } }]);
  });

  it('lets members sign in again when the connection is active again', async () => {
    const member = await memberOf(other, 'carl');
    await disable();
    await patch(other.id, { state: 'active' });
    expect(await member.countValid()).toBe(0);
    expect(outcomeOf(await other.signIn(new HttpBrowser(), 'carl'))).toBe('accepted');
  });

  it('keeps the session of a member who signed in through another connection meanwhile, but not those that it opened', async () => {
    const { runtime } = gateway;
    const own = await defaultId();
    const seed = async (connectionId: string | undefined, entityId: string) => {
      const { id } = await seedMember(runtime, organization.id);
      const stored = await runtime.store.get(organization.id, MEMBERS, id);
      if (!stored) throw new Error('not stored');
      const session = { createdAtMs: Date.now(), endsAtMs: Date.now() + 60_000 };
      const sessions = [
        { ...session, id: 'ses_old', idpEntityId: other.entityId },
        { ...session, id: 'ses_new', idpEntityId: entityId },
      ];
      const value = { ...stored.value, connectionId, sessions };
      await runtime.store.commit(organization.id, [{ do: 'replace', collection: MEMBERS, id, version: stored.version, value }]);
      return async () => (await runtime.store.get(organization.id, MEMBERS, id))?.value.sessions.map((each) => each.id);
    };
    const moved = await seed(own, 'https://idp.example/other');
    const member = await seed(other.id, 'https://idp.example/other');
    const former = await seed(undefined, 'https://idp.example/other');
    await disable();
    expect([await moved(), await member(), await former()]).toEqual([['ses_new'], [], ['ses_new']]);
    // Members from before connections existed belong to the connection that was migrated, here the default.
    await patch(own, { state: 'disabled' });
    expect(await former()).toEqual([]);
  });

  it('revokes the credentials of many members in bounded commits, while they change', async () => {
    const { runtime } = gateway;
    const ids = await Promise.all(
      Array.from({ length: 230 }, async () => {
        const { id } = await seedMember(runtime, organization.id);
        const stored = await runtime.store.get(organization.id, MEMBERS, id);
        const sessions = [{ id: 'ses_x', createdAtMs: 1, endsAtMs: Date.now() + 60_000, idpEntityId: other.entityId }];
        const value = { ...stored?.value, connectionId: other.id, sessions };
        await runtime.store.commit(organization.id, [{ do: 'replace', collection: MEMBERS, id, version: 1, value }]);
        return id;
      }),
    );
    await Promise.all([
      disable(),
      ...ids.slice(0, 20).map((id) => gateway.api('PATCH', `/organizations/${organization.slug}/members/${id}`, { suspended: true })),
    ]);
    await finishRevocations(runtime, { kind: 'operator' }, organization.id);
    const left = await Promise.all(ids.map(async (id) => (await runtime.store.get(organization.id, MEMBERS, id))?.value.sessions.length));
    expect(left.reduce<number>((sum, count) => sum + (count ?? 0), 0)).toBe(0);
  });
});

describe('responses of an organization with two connections', () => {
  it('rejects a response of one connection to a request that was sent to the other', async () => {
    const browser = new HttpBrowser();
    const toDefault = startedBy(await browser.request(`${gateway.url}/saml/${organization.slug}/login?connection=${await defaultId()}`));
    const xml = other.respond({ inResponseTo: toDefault.requestId });
    expect(outcomeOf(await organization.post(browser, xml))).toBe('saml_in_response_to_unknown');
    expect(outcomeOf(await organization.post(browser, organization.respond({ inResponseTo: await other.start(browser) })))).toBe(
      'saml_in_response_to_unknown',
    );
  });

  it('rejects a response to a request that was sent to a former connection to the same identity provider', async () => {
    const browser = new HttpBrowser();
    const start = await browser.request(`${gateway.url}/saml/${organization.slug}/login?connection=${await defaultId()}`);
    const moved = organization.metadata.replace(/entityID="[^"]+"/, 'entityID="https://moved.example/idp"');
    await gateway.api('PUT', `/organizations/${organization.slug}/identity-provider`, moved);
    const { body } = await gateway.api<{ id: string }>('POST', at(), { name: 'Again', metadata_xml: organization.metadata });
    await patch(body.id, { state: 'active' });
    const answer = organization.respond({ inResponseTo: startedBy(start).requestId });
    expect(outcomeOf(await organization.post(browser, answer))).toBe('saml_in_response_to_unknown');
    expect(outcomeOf(await organization.post(browser, organization.respond()))).toBe('saml_role_denied');
  });

  it('rejects a response that names one identity provider and is signed by the other', async () => {
    const forged = organization.respond({ values: { responseIssuer: other.entityId, assertionIssuer: other.entityId } });
    expect(outcomeOf(await organization.post(new HttpBrowser(), forged))).toBe('saml_signature_invalid');
  });

  it('gives no owner role for the group that makes users of the default connection owners', async () => {
    const browser = new HttpBrowser();
    expect(outcomeOf(await other.signIn(browser, 'olivia'))).toBe('saml_role_denied');
    const log = `/organizations/${organization.slug}/sign-ins`;
    const { body } = await gateway.api<{ items: { id: string }[] }>('GET', `${log}?code=saml_role_denied&limit=1`);
    // The organization has a default role, which users of this connection do not get.
    expect((await gateway.api('GET', `${log}/${body.items[0]?.id}`)).body).toMatchObject({
      detail: 'No role rule matches the groups in the SAML response, and no default role applies.',
    });
    const rules = [{ group: 'platform-admins', role: 'owner' }];
    const roles = `/organizations/${organization.slug}/role-mapping`;
    const set = (more: object[]) => gateway.api('PUT', roles, { rules: [...rules, ...more], default_role: 'collaborator' });
    expect(verdictOf(await set([{ group: 'everyone', role: 'collaborator', connection: 'con_unknown' }]))).toEqual([
      400,
      'validation_failed',
    ]);
    expect((await set([{ group: 'platform-admins', role: 'collaborator', connection: other.id }])).status).toBe(200);
    expect(outcomeOf(await other.signIn(browser, 'olivia'))).toBe('accepted');
    expect((await callWithSession(gateway, browser, 'GET', '/me')).body).toMatchObject({ user: { role: 'collaborator' } });
    expect(verdictOf(await gateway.api('DELETE', `${at()}/${other.id}`))).toEqual([409, 'conflict']);
  });

  it('gives a role to users of every connection by a rule with "*"', async () => {
    const rules = [{ group: 'platform-admins', role: 'owner', connection: '*' }];
    const roles = `/organizations/${organization.slug}/role-mapping`;
    expect((await gateway.api('PUT', roles, { rules, default_role: 'none' })).body).toMatchObject({ rules, default_role: 'none' });
    for (const signIn of [other.signIn, signInAtDefault]) {
      const browser = new HttpBrowser();
      expect(outcomeOf(await signIn(browser, 'olivia'))).toBe('accepted');
      expect((await callWithSession(gateway, browser, 'GET', '/me')).body).toMatchObject({ user: { role: 'owner' } });
    }
  });

  it('never creates a session from a draft, whether the sign-in starts here or at the identity provider', async () => {
    const draft = await addConnection(gateway, organization, { state: 'draft' });
    const browser = new HttpBrowser();
    const start = await browser.request(`${gateway.url}/saml/${organization.slug}/login?connection=${draft.id}`);
    expect(outcomeOf(start)).toBe('idp_not_configured');
    expect(outcomeOf(await organization.post(browser, draft.respond()))).toBe('saml_issuer_unknown');
    // A request that was sent while the connection was active must not count for a draft that took its place.
    const inResponseTo = await other.start(browser);
    expect(outcomeOf(await organization.post(browser, draft.respond({ inResponseTo })))).toBe('saml_issuer_unknown');
    expect(await isSignedIn(browser)).toBe(false);
  });

  it('applies the policies of each connection to its own responses only', async () => {
    await patch(other.id, { idp_initiated: 'reject', require_encrypted_assertion: false });
    await gateway.api('PUT', `/organizations/${organization.slug}/role-mapping`, {
      rules: [{ group: 'platform-admins', role: 'owner', connection: '*' }],
      default_role: 'collaborator',
    });
    expect(outcomeOf(await organization.post(new HttpBrowser(), other.respond()))).toBe('saml_unsolicited_forbidden');
    expect(outcomeOf(await organization.post(new HttpBrowser(), organization.respond()))).toBe('accepted');
    expect(outcomeOf(await other.signIn(new HttpBrowser()))).toBe('accepted');
  });

  it('keeps judging a pending sign-in by its own connection when another one becomes the default', async () => {
    const browser = new HttpBrowser();
    const { requestId } = startedBy(
      await browser.request(`${gateway.url}/saml/${organization.slug}/login?connection=${await defaultId()}`),
    );
    await patch(other.id, { is_default: true });
    // The rule of the default connection now applies to the other one, so this user has no role.
    expect(outcomeOf(await organization.post(browser, organization.respond({ inResponseTo: requestId })))).toBe('saml_role_denied');
    expect(outcomeOf(await other.signIn(browser, 'olivia'))).toBe('accepted');
  });
});
