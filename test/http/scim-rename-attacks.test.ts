/** A member who tries to keep the role `owner` of a group that is being renamed or deleted, while the gateway stops halfway. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DIRECTORY, noteGroupChanges } from '../../src/organizations/directory.ts';
import { resumeGroupChanges } from '../../src/organizations/groups/group-changes.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { getOrganizationById, ORGANIZATION, ORGANIZATION_RECORD } from '../../src/organizations/organizations.ts';
import { NAME_ID_EMAIL } from '../../src/saml/names.ts';
import { GLOBAL, type Step, type Store } from '../../src/store/store.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, startedBy, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';
import { callWithSession } from '../support/session-calls.ts';
import { addConnection, newIdentityProvider } from '../support/test-connection.ts';

let gateway: TestGateway;
/** Another replica. It has not read the organization before the attack, so that it has no cached copy of its rules. */
let replica: TestGateway;
let acme: TestOrganization;
let scim: ScimClient;
let ada: Attacker;
let admins: string;
const environment = { SAMLGATE_SECRET: randomBytes(32).toString('base64'), SAMLGATE_OPERATOR_TOKEN: randomBytes(32).toString('hex') };

interface Attacker {
  readonly id: string;
  readonly email: string;
  readonly browser: HttpBrowser;
  readonly token: string;
}

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
  await gateway.api('PATCH', organization(), { groups_from: 'scim', allow_no_owner: true });
  await setRules(['platform-admins']);
  ada = await makeMember('ada@acme.example');
  admins = await makeGroup('platform-admins', ada);
  expect(await roleInRecord(ada)).toBe('owner');
});

const organization = (rest = '') => `/organizations/${acme.slug}${rest}`;
const setRules = async (names: readonly string[], default_role = 'collaborator') => {
  const body = { rules: names.map((group) => ({ group, role: 'owner' })), default_role, allow_no_owner: true };
  expect((await gateway.api('PUT', organization('/role-mapping'), body)).status).toBe(200);
};

const valuesOf = (email: string) => ({
  nameId: { value: email, format: NAME_ID_EMAIL },
  attributes: [{ name: 'email', values: [email] }],
});
async function signIn(email: string, browser = new HttpBrowser()): Promise<HttpBrowser> {
  expect((await acme.post(browser, acme.respond({ values: valuesOf(email) } as never))).status).toBe(303);
  return browser;
}
async function makeMember(email: string): Promise<Attacker> {
  const { id } = (await scim.call('POST', '/Users', { userName: email })).body;
  const browser = await signIn(email);
  const { token } = (await callWithSession(gateway, browser, 'POST', '/me/tokens', { name: 'cli' })).body;
  return { id, email, browser, token: String(token) };
}
const makeGroup = async (displayName: string, ...members: readonly Attacker[]): Promise<string> =>
  (await scim.call('POST', '/Groups', { displayName, members: members.map(({ id }) => ({ value: id })) })).body.id;
const patch = async (...Operations: readonly unknown[]) => (await scim.call('PATCH', `/Groups/${admins}`, { Operations })).status;
const rename = (displayName: string) => renameGroup(admins, displayName);
const renameGroup = async (id: string, displayName: string) =>
  (await scim.call('PATCH', `/Groups/${id}`, { Operations: [{ op: 'replace', value: { id, displayName } }] })).status;

const recordOf = ({ id }: Attacker) => gateway.runtime.store.get(acme.id, MEMBERS, id);
const roleInRecord = async (member: Attacker) => (await recordOf(member))?.value.role;
const isMarked = async () => (await getOrganizationById(gateway.runtime.store, acme.id))?.changesGroups ?? false;

/** Runs something while commits fail from the first one on that `fails` names. As after a crash, the rest is not written. */
async function killAt(fails: (steps: readonly Step[]) => boolean, run: () => Promise<number>): Promise<void> {
  const store = gateway.runtime.store as { commit: Store['commit'] };
  const commit = store.commit;
  let isKilled = false;
  store.commit = async (...args) => {
    isKilled ||= fails(args[1]);
    if (isKilled) throw new Error('the process is killed');
    return commit.apply(gateway.runtime.store, args);
  };
  try {
    expect(await run()).toBe(500);
  } finally {
    store.commit = commit;
  }
}
const writesMembers = (steps: readonly Step[]) => steps.some((step) => step.do === 'replace' && step.collection.name === MEMBERS.name);
const interrupt = (run: () => Promise<number>) => killAt(writesMembers, run);

/** Returns the status of what only owners may do, with each credential of the member. */
async function ownersRequests({ id, browser, token }: Attacker, at = replica): Promise<number[]> {
  const bySession = (method: string, path: string, body?: unknown) => callWithSession(at, browser, method, path, body);
  const statusOf = async (answer: Promise<{ status: number }>) => (await answer).status;
  const authorization = `Bearer ${token}`;
  return [
    await statusOf(bySession('GET', organization('/role-mapping'))),
    await statusOf(bySession('PUT', organization('/role-mapping'), { rules: [], default_role: 'owner' })),
    await statusOf(bySession('PATCH', organization(`/members/${id}`), { role: 'owner' })),
    await statusOf(at.api('GET', organization('/members'), undefined, token)),
    await statusOf(at.api('POST', organization('/scim-tokens'), { name: 'mine' }, token)),
    await statusOf(fetch(`${at.url}/auth/verify?organization=${acme.slug}&role=owner`, { headers: { authorization } })),
  ];
}
const REFUSED = [403, 403, 403, 403, 403, 403];

describe.each([
  ['renamed', () => rename('former-admins')],
  ['deleted', async () => (await scim.call('DELETE', `/Groups/${admins}`)).status],
])('a group that is being %s', (_kind, change) => {
  it('gives no role to requests of a member whose record still has the former one', async () => {
    await interrupt(change);
    expect([await roleInRecord(ada), await isMarked()]).toEqual(['owner', true]);
    expect(await ownersRequests(ada)).toEqual(REFUSED);
    const me = await callWithSession(replica, ada.browser, 'GET', '/me');
    expect([me.status, JSON.stringify(me.body)]).toEqual([200, expect.stringContaining('"role":"collaborator"')]);
    const issued = await replica.api<{ token: string }>('POST', '/me/session-token', {}, ada.token);
    const claims = JSON.parse(Buffer.from(issued.body.token.split('.')[1] ?? '', 'base64url').toString());
    expect(claims.role).toBe('collaborator');
    await resumeGroupChanges(replica.runtime);
    expect([await roleInRecord(ada), await isMarked()]).toEqual(['collaborator', false]);
    expect((await recordOf(ada))?.value.roleSource).not.toEqual({ kind: 'manual' });
  });

  it('ends sessions and tokens of a member whom no other group gives a role', async () => {
    await setRules(['platform-admins'], 'none');
    await interrupt(change);
    expect(await roleInRecord(ada)).toBe('owner');
    expect(new Set(await ownersRequests(ada))).toEqual(new Set([401]));
    await resumeGroupChanges(replica.runtime);
    expect(await roleInRecord(ada)).toBe('none');
  });

  it('gives no role at a sign-in either', async () => {
    await interrupt(change);
    await signIn(ada.email, ada.browser);
    expect(await roleInRecord(ada)).toBe('collaborator');
    expect(await ownersRequests(ada)).toEqual(REFUSED);
  });

  it.each([
    ['keeps the identity provider if a former owner finishes a test of another one', true],
    ['does not keep an owner from replacing it', false],
  ])('%s', async (_title, isInterrupted) => {
    const idp = await newIdentityProvider(acme);
    const saved = await gateway.api<{ replacement: string }>('PUT', organization('/identity-provider?on_new_entity_id=keep'), idp.metadata);
    const testUrl = `${gateway.url}/saml/${acme.slug}/login?test=1&connection=${saved.body.replacement}`;
    const { requestId } = startedBy(await ada.browser.request(testUrl));
    if (isInterrupted) await interrupt(change);
    const answer = idp.respond({ inResponseTo: requestId, values: valuesOf(ada.email) as never });
    expect((await acme.post(ada.browser, answer)).status).toBe(303);
    const { body } = await gateway.api<{ entity_id: string }>('GET', organization('/identity-provider'));
    expect(body.entity_id === idp.entityId).toBe(!isInterrupted);
  });

  it('does not decide the roles of members of other groups again', async () => {
    await setRules(['platform-admins', 'chiefs']);
    const ben = await makeMember('ben@acme.example');
    await makeGroup('chiefs', ben);
    // New rules apply from the next sign-in on.
    await setRules(['platform-admins']);
    await interrupt(change);
    expect((await callWithSession(replica, ben.browser, 'GET', organization('/role-mapping'))).status).toBe(200);
    expect(await ownersRequests(ada)).toEqual(REFUSED);
  });

  it('gives no role on the replica that had the rules of the organization in its cache, once that has expired', async () => {
    expect((await callWithSession(gateway, ada.browser, 'GET', organization('/role-mapping'))).status).toBe(200);
    await interrupt(change);
    // The copy in the cache is at most 2 seconds old.
    const deadlineMs = Date.now() + 3000;
    let status = 200;
    while (status === 200 && Date.now() < deadlineMs)
      ({ status } = await callWithSession(gateway, ada.browser, 'GET', organization('/role-mapping')));
    expect(status).toBe(403);
    expect(await roleInRecord(ada)).toBe('owner');
  });

  it('gives no role to a request whose check began before the change was finished', async () => {
    await interrupt(change);
    const store = replica.runtime.store as { get: Store['get'] };
    const { get } = store;
    let isFinished = false;
    store.get = async (partition, collection, id) => {
      const read = await get.call(replica.runtime.store, partition, collection as never, id);
      if (!isFinished && id === ada.id) {
        isFinished = true;
        await resumeGroupChanges(gateway.runtime);
      }
      return read as never;
    };
    try {
      expect((await replica.api('GET', organization('/members'), undefined, ada.token)).status).toBe(403);
    } finally {
      store.get = get;
    }
    expect([isFinished, await roleInRecord(ada)]).toEqual([true, 'collaborator']);
  });

  it('leaves no mark behind if the gateway stops just before the end', async () => {
    const removesMark = (steps: readonly Step[]) =>
      steps.some((step) => step.do === 'delete' && step.collection.name === 'scim-group-change');
    await killAt(removesMark, change);
    expect([await roleInRecord(ada), await isMarked()]).toEqual(['collaborator', true]);
    await resumeGroupChanges(replica.runtime);
    expect(await isMarked()).toBe(false);
    expect(await ownersRequests(ada)).toEqual(REFUSED);
  });
});

/** Runs something just before the replica replaces the organization's record for the first time. */
async function beforeOrganizationIsReplaced<T>(act: () => Promise<void>, run: () => Promise<T>): Promise<T> {
  const store = replica.runtime.store as { commit: Store['commit'] };
  const { commit } = store;
  let hasRun = false;
  store.commit = async (...args) => {
    if (!hasRun && args[1].some((step) => step.do === 'replace' && step.collection.name === ORGANIZATION.name)) {
      hasRun = true;
      await act();
    }
    return commit.apply(replica.runtime.store, args);
  };
  try {
    return await run();
  } finally {
    store.commit = commit;
  }
}

const removeConnection = () => replica.api<{ code?: string }>('DELETE', organization('/identity-provider?keep_sessions=true'));
const switchGroups = () => replica.api<{ code?: string }>('PATCH', organization(), { groups_from: 'saml', allow_no_owner: true });
const switchGroupsWithRules = () =>
  replica.api<{ code?: string }>('PUT', organization('/role-mapping'), {
    rules: [],
    default_role: 'collaborator',
    groups_from: 'saml',
    allow_no_owner: true,
  });

describe.each([
  ['renamed', () => rename('former-admins')],
  ['deleted', async () => (await scim.call('DELETE', `/Groups/${admins}`)).status],
])('a group that is being %s', (_kind, change) => {
  describe.each([
    ['the connection is deleted and sessions are kept', removeConnection, 204],
    ['groups_from is switched', switchGroups, 200],
    ['groups_from is switched together with the role rules', switchGroupsWithRules, 200],
  ])('while %s', (_title, attempt, success) => {
    it('does not leave the role to a member for good', async () => {
      await interrupt(change);
      expect((await attempt()).status).toBe(success);
      expect([await roleInRecord(ada), await isMarked()]).toEqual(['collaborator', false]);
      expect(await ownersRequests(ada)).toEqual(REFUSED);
      await resumeGroupChanges(replica.runtime);
      expect(await ownersRequests(ada)).toEqual(REFUSED);
    });

    it('refuses that if the group changes at the same moment, until the roles are changed', async () => {
      const refused = await beforeOrganizationIsReplaced(() => interrupt(change), attempt);
      expect([refused.status, refused.body.code]).toEqual([409, 'conflict']);
      expect(await ownersRequests(ada)).toEqual(REFUSED);
      const { connections, groupsFrom } = (await getOrganizationById(gateway.runtime.store, acme.id)) ?? {};
      expect([connections?.length, groupsFrom]).toEqual([1, 'scim']);
      expect((await attempt()).status).toBe(success);
      expect([await roleInRecord(ada), await isMarked()]).toEqual(['collaborator', false]);
    });
  });
});

const deleteAdmins = async () => (await scim.call('DELETE', `/Groups/${admins}`)).status;

it.each([
  [
    'a rename is noted for the background again if the client repeats it',
    () => rename('former-admins'),
    () => rename('former-admins'),
    204,
  ],
  [
    'a rename is noted for the background again if the client undoes it',
    () => rename('former-admins'),
    () => rename('platform-admins'),
    429,
  ],
  ['a deletion is noted for the background again if the client repeats it', deleteAdmins, deleteAdmins, 404],
])('%s', async (_title, change, again, status) => {
  await interrupt(change);
  // As if another replica had finished an earlier change, and had stopped before it looked for later ones.
  await noteGroupChanges(gateway.runtime.store, acme.id, false);
  expect(await again()).toBe(status);
  expect((await gateway.runtime.store.get(GLOBAL, DIRECTORY, acme.id))?.value.changesGroups).toBe(true);
  await resumeGroupChanges(replica.runtime);
  expect([await roleInRecord(ada), await isMarked()]).toEqual(['collaborator', false]);
});

it.each([
  [
    'the connection is disabled and sessions are kept',
    (connection: string) => replica.api('PATCH', organization(`/connections/${connection}`), { state: 'disabled', keep_sessions: true }),
  ],
  [
    'another connection becomes the default',
    async () => replica.api('PATCH', organization(`/connections/${(await addConnection(gateway, acme)).id}`), { is_default: true }),
  ],
  [
    'users of another identity provider get new accounts',
    async () =>
      replica.api('PUT', organization('/identity-provider?on_new_entity_id=new_accounts'), (await newIdentityProvider(acme)).metadata),
  ],
  ['the role rules change', () => replica.api('PUT', organization('/role-mapping'), OTHER_RULES)],
  ['groups_from becomes both', () => replica.api('PATCH', organization(), { groups_from: 'both', allow_no_owner: true })],
  ['only SCIM users can sign in', () => replica.api('PATCH', organization(), { provisioning: 'scim_required' })],
  ['the SCIM token is revoked', () => replica.api('DELETE', organization(`/scim-tokens/${scim.id}`))],
])('a group that is being deleted gives no role if %s meanwhile', async (_title, act) => {
  const connection = (await getOrganizationById(gateway.runtime.store, acme.id))?.connections[0]?.id ?? '';
  await interrupt(deleteAdmins);
  expect([200, 204]).toContain((await act(connection)).status);
  for (const status of await ownersRequests(ada)) expect([401, 403]).toContain(status);
  await resumeGroupChanges(replica.runtime);
  expect(await roleInRecord(ada)).not.toBe('owner');
  for (const status of await ownersRequests(ada)) expect([401, 403]).toContain(status);
});
const OTHER_RULES = { rules: [{ group: 'others', role: 'owner' }], default_role: 'collaborator', allow_no_owner: true };

it.each([
  ['deleting the connection', removeConnection, 204],
  ['switching groups_from', switchGroups, 200],
])('%s is not blocked by a mark that a replica of an earlier version left behind', async (_title, attempt, success) => {
  const { store } = gateway.runtime;
  const stored = await store.get(acme.id, ORGANIZATION, ORGANIZATION_RECORD);
  if (!stored) throw new Error('The organization is missing.');
  const value = { ...stored.value, changesGroups: true } as const;
  await store.commit(acme.id, [{ do: 'replace', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: stored.version, value }]);
  expect((await attempt()).status).toBe(success);
  expect(await isMarked()).toBe(false);
});

describe('a rename that was interrupted', () => {
  it('gives a higher role only together with its audit entry, and not to the test of another identity provider', async () => {
    const bob = await makeMember('bob@acme.example');
    await setRules(['platform-admins', 'chiefs']);
    const chiefs = await makeGroup('chiefs', bob);
    const idp = await newIdentityProvider(acme);
    const saved = await gateway.api<{ replacement: string }>('PUT', organization('/identity-provider?on_new_entity_id=keep'), idp.metadata);
    const testUrl = `${gateway.url}/saml/${acme.slug}/login?test=1&connection=${saved.body.replacement}`;
    const { requestId } = startedBy(await bob.browser.request(testUrl));
    expect([await renameGroup(chiefs, 'others'), await roleInRecord(bob)]).toEqual([204, 'collaborator']);
    await interrupt(() => renameGroup(chiefs, 'chiefs'));
    const before = await recordOf(bob);
    expect(await ownersRequests(bob)).toEqual(REFUSED);
    const answer = idp.respond({ inResponseTo: requestId, values: valuesOf(bob.email) as never });
    expect((await acme.post(bob.browser, answer)).status).toBe(303);
    expect(await recordOf(bob)).toEqual(before);
    const { body } = await gateway.api<{ entity_id: string }>('GET', organization('/identity-provider'));
    expect(body.entity_id).not.toBe(idp.entityId);
    await resumeGroupChanges(replica.runtime);
    expect(await roleInRecord(bob)).toBe('owner');
    const audit = await gateway.api<{ items: { event: string }[] }>('GET', organization(`/audit?member_id=${bob.id}`));
    expect(audit.body.items.map(({ event }) => event)).toContain('member.role_changed');
  });

  it('does not give back a role by cached rules that another rename has outdated', async () => {
    await setRules(['platform-admins', 'chiefs']);
    // The other group keeps ada an owner. So only the batch that changes ben can be interrupted.
    const chiefs = await makeGroup('chiefs', ada, await makeMember('ben@acme.example'));
    await interrupt(() => renameGroup(chiefs, 'former-chiefs'));
    expect((await replica.api('GET', organization('/members'), undefined, ada.token)).status).toBe(200);
    expect([await rename('former-admins'), await roleInRecord(ada)]).toEqual([204, 'collaborator']);
    expect(await ownersRequests(ada)).toEqual(REFUSED);
  });

  it.each([
    ['PATCH', () => patch({ op: 'remove', path: `members[value eq "${ada.id}"]` })],
    ['PUT', async () => (await scim.call('PUT', `/Groups/${admins}`, { displayName: 'former-admins', members: [] })).status],
  ])('takes the role from a member who leaves the group by %s before its batch', async (_method, leave) => {
    await interrupt(() => rename('former-admins'));
    expect([200, 204]).toContain(await leave());
    expect(await roleInRecord(ada)).toBe('collaborator');
    await resumeGroupChanges(replica.runtime);
    expect(await roleInRecord(ada)).toBe('collaborator');
  });

  it('takes the role from a suspended member whose SCIM user is deleted before its batch', async () => {
    expect((await gateway.api('PATCH', organization(`/members/${ada.id}`), { suspended: true })).status).toBe(409);
    const ben = await makeMember('ben@acme.example');
    await gateway.api('PATCH', organization(`/members/${ben.id}`), { role: 'owner' });
    expect((await gateway.api('PATCH', organization(`/members/${ada.id}`), { suspended: true })).status).toBe(200);
    await interrupt(() => rename('former-admins'));
    expect((await scim.call('DELETE', `/Users/${ada.id}`)).status).toBe(204);
    await resumeGroupChanges(replica.runtime);
    await gateway.api('PATCH', organization(`/members/${ada.id}`), { suspended: false });
    expect(await roleInRecord(ada)).toBe('collaborator');
  });

  it('cannot be turned back and forth, so that it ends with the last name', async () => {
    await interrupt(() => rename('former-admins'));
    for (let round = 0; round < 3; round++) {
      expect(await rename('platform-admins')).toBe(429);
      expect(await rename(`other-${round}`)).toBe(204);
      expect(await ownersRequests(ada)).toEqual(REFUSED);
    }
    await resumeGroupChanges(replica.runtime);
    expect(await roleInRecord(ada)).toBe('collaborator');
    expect([await rename('platform-admins'), await roleInRecord(ada)]).toEqual([204, 'owner']);
    expect([await rename('former-admins'), await roleInRecord(ada), await isMarked()]).toEqual([204, 'collaborator', false]);
  });

  it('takes effect for all members of a group of several batches, in whatever order they are changed', async () => {
    const others = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => (await scim.call('POST', '/Users', { userName: `user${i}@acme.example` })).body.id),
    );
    expect(await patch({ op: 'add', path: 'members', value: others.map((value) => ({ value })) })).toBe(204);
    let batches = 0;
    await killAt(
      (steps) => writesMembers(steps) && ++batches === 2,
      () => rename('former-admins'),
    );
    expect(await ownersRequests(ada)).toEqual(REFUSED);
    await resumeGroupChanges(replica.runtime);
    expect([await roleInRecord(ada), await isMarked()]).toEqual(['collaborator', false]);
  });
});
