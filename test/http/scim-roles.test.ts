import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DIRECTORY } from '../../src/organizations/directory.ts';
import { resumeGroupChanges } from '../../src/organizations/groups/group-changes.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { ORGANIZATION } from '../../src/organizations/organizations.ts';
import { NAME_ID_EMAIL } from '../../src/saml/names.ts';
import { GLOBAL, type Store } from '../../src/store/store.ts';
import { beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
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
  await groupsFrom('scim');
});

const path = (rest: string) => `/organizations/${acme.slug}/${rest}`;
const groupsFrom = async (value: string) =>
  expect((await gateway.api('PATCH', `/organizations/${acme.slug}`, { groups_from: value, allow_no_owner: true })).body).toMatchObject({
    groups_from: value,
  });
const setRules = async (rules: readonly { group: string; role: string; connection?: string }[], default_role = 'collaborator') =>
  expect((await gateway.api('PUT', path('role-mapping'), { rules, default_role, allow_no_owner: true })).status).toBe(200);

async function signIn(email: string, groups: readonly string[] = [], browser = new HttpBrowser()): Promise<string | undefined> {
  const attributes = [
    { name: 'email', values: [email] },
    { name: 'groups', values: [...groups] },
  ];
  const page = await acme.post(browser, acme.respond({ values: { nameId: { value: email, format: NAME_ID_EMAIL }, attributes } } as never));
  return page.status === 303 ? 'accepted' : page.code;
}

let number = 0;
const newEmail = () => `user${++number}@acme.example`;
/** Provisions a user who has signed in. */
async function makeMember(groups: readonly string[] = []) {
  const email = newEmail();
  const { body } = await scim.call('POST', '/Users', { userName: email });
  const browser = new HttpBrowser();
  expect(await signIn(email, groups, browser)).toBe('accepted');
  return { id: body.id as string, email, browser };
}
const invite = async (): Promise<{ id: string; email: string }> => {
  const email = newEmail();
  return { id: (await scim.call('POST', '/Users', { userName: email })).body.id, email };
};
const makeGroup = async (displayName: string, members: readonly string[] = [], by = scim): Promise<string> => {
  const { status, body } = await by.call('POST', '/Groups', { displayName, members: members.map((value) => ({ value })) });
  expect(status).toBe(201);
  return body.id;
};
const patch = async (id: string, ...Operations: unknown[]) =>
  expect((await scim.call('PATCH', `/Groups/${id}`, { Operations })).status).toBe(204);
const add = (id: string, value: string) => patch(id, { op: 'Add', path: 'members', value: [{ value }] });
const remove = (id: string, value: string) => patch(id, { op: 'remove', path: `members[value eq "${value}"]` });
const rename = (id: string, displayName: string) => patch(id, { op: 'replace', value: { id, displayName } });
const roleOf = async (id: string) => (await gateway.api<{ role: string }>('GET', path(`members/${id}`))).body.role;
const memberOf = async (id: string) => (await gateway.api('GET', path(`members/${id}`))).body;
const membersPage = () => `${gateway.url}/console/operator/organizations/${acme.slug}/members`;
async function openConsole(): Promise<HttpBrowser> {
  const operator = new HttpBrowser();
  await operator.submit(await operator.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
  return operator;
}
/** Returns the text of the member's page in the console of the operator. */
const reasonOf = async (id: string) => textOf((await (await openConsole()).open(`${membersPage()}/${id}`)).text);
const meStatus = async (browser: HttpBrowser, { url } = replica) => (await browser.request(`${url}/api/v1/me`)).status;
const auditOf = async (event: string) =>
  (
    await gateway.api<{ items: { member_id?: string; actor: { kind: string; id?: string }; details: Record<string, string> }[] }>(
      'GET',
      path(`audit?event=${event}`),
    )
  ).body.items;

describe('a switch of groups_from', () => {
  const change = (fields: Record<string, unknown>, query = '') => gateway.api('PATCH', `/organizations/${acme.slug}${query}`, fields);

  it('is refused while it leaves no owner who has signed in, and changes nothing', async () => {
    await groupsFrom('saml');
    const ada = await makeMember(['platform-admins']);
    expect(await roleOf(ada.id)).toBe('owner');
    const domain = `${acme.slug}.example`;
    for (const query of ['', '?dry_run=true']) {
      expect(await change({ groups_from: 'scim', domains: [domain] }, query)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    }
    const shown = (await gateway.api('GET', `/organizations/${acme.slug}`)).body;
    expect(shown).toMatchObject({ groups_from: 'saml' });
    // Nor does the refused change keep the domain from another organization.
    const other = await makeTestOrganization(gateway);
    expect((await gateway.api('PATCH', `/organizations/${other.slug}`, { domains: [domain] })).status).toBe(200);
    expect(await signIn(ada.email, ['platform-admins'])).toBe('accepted');
    expect(await roleOf(ada.id)).toBe('owner');

    const invited = await invite();
    const group = await makeGroup('platform-admins', [invited.id]);
    expect((await change({ groups_from: 'scim' })).status).toBe(409);
    expect((await change({ groups_from: 'both' })).status).toBe(200);
    expect((await change({ groups_from: 'scim' })).status).toBe(409);
    await add(group, ada.id);
    const ben = await makeMember(['platform-admins']);
    expect(await change({ groups_from: 'scim' }, '?dry_run=true')).toMatchObject({ status: 200, body: { owners_losing_role: 1 } });
    expect(await roleOf(ben.id)).toBe('owner');
    expect((await change({ groups_from: 'scim' })).status).toBe(200);
  });

  it('is accepted if the operator confirms it, which the audit trail says, or if an owner was set manually', async () => {
    await groupsFrom('saml');
    const ada = await makeMember(['platform-admins']);
    expect(await change({ groups_from: 'scim', allow_no_owner: true }, '?dry_run=true')).toMatchObject({ body: { owners_losing_role: 1 } });
    expect((await change({ groups_from: 'scim', allow_no_owner: true })).status).toBe(200);
    expect((await auditOf('organization.changed'))[0]?.details).toMatchObject({ fields: ['groupsFrom'], allow_no_owner: true });
    await groupsFrom('saml');
    const ben = await makeMember();
    expect((await gateway.api('PATCH', path(`members/${ben.id}`), { role: 'owner' })).status).toBe(200);
    expect((await change({ groups_from: 'scim' })).status).toBe(200);
    expect(await roleOf(ada.id)).toBe('owner');
  });

  it('sees an owner who loses the role at the same moment', async () => {
    await groupsFrom('saml');
    const ada = await makeMember(['platform-admins']);
    const ben = await makeMember();
    await gateway.api('PATCH', path(`members/${ben.id}`), { role: 'owner' });
    const { store } = gateway.runtime;
    const commit = store.commit.bind(store);
    let demoted: Promise<unknown> | undefined;
    store.commit = async (partition, steps, options) => {
      const isSwitch = steps.some((step) => step.do === 'replace' && step.collection === ORGANIZATION);
      if (isSwitch && !demoted) {
        demoted = replica.api('PATCH', path(`members/${ben.id}`), { role: 'collaborator' });
        expect(await demoted).toMatchObject({ status: 200 });
      }
      return commit(partition, steps, options);
    };
    try {
      expect((await change({ groups_from: 'scim' })).status).toBe(409);
    } finally {
      store.commit = commit;
    }
    expect(await roleOf(ben.id)).toBe('collaborator');
    expect(await roleOf(ada.id)).toBe('owner');
  });
});

describe('groups that SCIM provisions', () => {
  it('give no role while groups come from SAML responses, as by default', async () => {
    await groupsFrom('saml');
    const ada = await makeMember();
    const group = await makeGroup('platform-admins', [ada.id]);
    expect(await roleOf(ada.id)).toBe('collaborator');
    expect(await signIn(ada.email)).toBe('accepted');
    expect(await roleOf(ada.id)).toBe('collaborator');
    await groupsFrom('scim');
    expect(await signIn(ada.email)).toBe('accepted');
    expect(await roleOf(ada.id)).toBe('owner');
    await remove(group, ada.id);
    expect(await roleOf(ada.id)).toBe('collaborator');
  });

  it('change the role immediately, with the SCIM client as actor, and groups of the response do not count', async () => {
    const ada = await makeMember(['platform-admins']);
    expect(await roleOf(ada.id)).toBe('collaborator');
    const group = await makeGroup('platform-admins');
    await add(group, ada.id);
    expect(await roleOf(ada.id)).toBe('owner');
    const mapping = () => callWithSession(replica, ada.browser, 'GET', `/organizations/${acme.slug}/role-mapping`);
    expect((await mapping()).status).toBe(200);
    await remove(group, ada.id);
    expect((await mapping()).status).toBe(403);
    expect(await signIn(ada.email, ['platform-admins'])).toBe('accepted');
    expect(await roleOf(ada.id)).toBe('collaborator');
    const changes = (await auditOf('member.role_changed')).filter(({ member_id }) => member_id === ada.id);
    expect(changes.map(({ actor, details }) => [actor.kind, actor.id, details.from, details.to, details.group])).toEqual([
      ['scim', scim.id, 'owner', 'collaborator', undefined],
      ['scim', scim.id, 'collaborator', 'owner', 'platform-admins'],
    ]);
  });

  it('count together with those of the response if the organization uses both', async () => {
    await groupsFrom('both');
    await setRules([
      { group: 'platform-admins', role: 'owner' },
      { group: 'saml-admins', role: 'owner' },
    ]);
    const ada = await makeMember(['saml-admins']);
    const group = await makeGroup('platform-admins', [ada.id]);
    await remove(group, ada.id);
    expect(await roleOf(ada.id)).toBe('owner');
    expect(await signIn(ada.email)).toBe('accepted');
    expect(await roleOf(ada.id)).toBe('collaborator');
    await add(group, ada.id);
    expect(await signIn(ada.email)).toBe('accepted');
    expect(await roleOf(ada.id)).toBe('owner');
    // The group of SCIM is not remembered as one of the response.
    await remove(group, ada.id);
    expect(await roleOf(ada.id)).toBe('collaborator');
  });

  it('end all sessions on every replica if no role is left, and give access again', async () => {
    await setRules([{ group: 'staff', role: 'collaborator' }], 'none');
    const email = newEmail();
    const { body } = await scim.call('POST', '/Users', { userName: email });
    expect(await signIn(email, ['staff'])).toBe('saml_role_denied');
    const staff = await makeGroup('staff', [body.id]);
    const browser = new HttpBrowser();
    expect(await signIn(email, [], browser)).toBe('accepted');
    const created = await callWithSession(gateway, browser, 'POST', '/me/tokens', { name: 'cli' });
    const token = String(created.body.token);
    expect((await replica.api('GET', '/me', undefined, token)).status).toBe(200);
    await remove(staff, body.id);
    expect([await meStatus(browser), (await replica.api('GET', '/me', undefined, token)).status]).toEqual([401, 401]);
    expect(await signIn(email, ['staff'])).toBe('saml_role_denied');
    await add(staff, body.id);
    expect(await meStatus(browser)).toBe(401);
    expect(await signIn(email)).toBe('accepted');
  });

  it('keep a role that was set manually until a group decides', async () => {
    const ada = await makeMember();
    expect((await gateway.api('PATCH', path(`members/${ada.id}`), { role: 'owner' })).status).toBe(200);
    await setRules([{ group: 'staff', role: 'collaborator' }]);
    const others = await makeGroup('others', [ada.id]);
    await rename(others, 'more');
    expect(await roleOf(ada.id)).toBe('owner');
    const staff = await makeGroup('staff', [ada.id]);
    expect(await roleOf(ada.id)).toBe('collaborator');
    expect((await gateway.api('PATCH', path(`members/${ada.id}`), { role: 'owner' })).status).toBe(409);
    await remove(staff, ada.id);
    expect((await gateway.api('PATCH', path(`members/${ada.id}`), { role: 'owner' })).status).toBe(200);
  });

  it('make no one an owner before the first sign-in', async () => {
    const ada = await invite();
    const group = await makeGroup('platform-admins', [ada.id]);
    const source = { kind: 'rule', group: 'platform-admins' };
    expect(await memberOf(ada.id)).toMatchObject({ role: 'collaborator', role_source: source, pending_role: 'owner' });
    expect(await reasonOf(ada.id)).toContain(
      'collaborator invited A rule gives the group “platform-admins” the owner role. It applies from the first sign-in.',
    );
    // No change before the first sign-in lifts the limit.
    await setRules([{ group: 'admins', role: 'owner' }], 'owner');
    await rename(group, 'admins');
    expect(await memberOf(ada.id)).toMatchObject({
      role: 'collaborator',
      role_source: { ...source, group: 'admins' },
      pending_role: 'owner',
    });
    await remove(group, ada.id);
    expect(await memberOf(ada.id)).toMatchObject({ role: 'collaborator', role_source: { kind: 'default' }, pending_role: 'owner' });
    expect(await reasonOf(ada.id)).toContain('collaborator invited The default role is owner. It applies from the first sign-in.');
    await groupsFrom('both');
    await add(group, ada.id);
    await scim.call('PATCH', `/Users/${ada.id}`, { Operations: [{ op: 'replace', value: { active: false } }] });
    await scim.call('PATCH', `/Users/${ada.id}`, { Operations: [{ op: 'replace', value: { active: true } }] });
    await groupsFrom('scim');
    expect(await memberOf(ada.id)).toMatchObject({ role: 'collaborator', pending_role: 'owner' });
    expect((await gateway.api('PATCH', path(`members/${ada.id}`), { role: 'owner' })).status).toBe(409);
    expect((await gateway.runtime.store.find(acme.id, MEMBERS, 'activeRole', { equals: 'owner', limit: 1 })).items).toEqual([]);
    expect(await signIn(ada.email)).toBe('accepted');
    expect(await memberOf(ada.id)).toMatchObject({ role: 'owner', role_source: { ...source, group: 'admins' }, pending_role: null });
    expect(await reasonOf(ada.id)).toContain('and a rule gives this role to that group.');
  });

  it('say with a new user that the default role owner applies from the first sign-in', async () => {
    await setRules([], 'owner');
    const ada = await invite();
    expect(await memberOf(ada.id)).toMatchObject({ role: 'collaborator', role_source: { kind: 'default' }, pending_role: 'owner' });
    expect(textOf((await (await openConsole()).open(membersPage())).text)).toContain('owner from the first sign-in');
    expect(await signIn(ada.email)).toBe('accepted');
    expect(await memberOf(ada.id)).toMatchObject({ role: 'owner', pending_role: null });
  });

  it('give a role only to users of their own connection', async () => {
    const partner = await makeScimClient(gateway, acme, { connection: (await addConnection(gateway, acme)).id });
    const ada = await makeMember();
    const theirs = (await partner.call('POST', '/Users', { userName: ada.email })).body.id as string;
    await makeGroup('platform-admins', [ada.id, theirs], partner);
    expect([await roleOf(ada.id), await roleOf(theirs)]).toEqual(['collaborator', 'none']);
    expect(await signIn(ada.email)).toBe('accepted');
    expect(await roleOf(ada.id)).toBe('collaborator');
  });

  it('compare names code point by code point, like groups of a response', async () => {
    const ada = await makeMember();
    for (const name of ['Platform-Admins', ' platform-admins', 'platform-admins ']) await makeGroup(name, [ada.id]);
    expect(await roleOf(ada.id)).toBe('collaborator');
  });

  it('are part of the preview of new rules, and of the check for an owner', async () => {
    const ada = await makeMember();
    await makeGroup('platform-admins', [ada.id]);
    await makeGroup('admins', [ada.id]);
    const save = (group: string) =>
      gateway.api('PUT', path('role-mapping'), { rules: [{ group, role: 'owner' }], default_role: 'collaborator' });
    expect((await save('no-such-group')).status).toBe(409);
    expect((await save('admins')).status).toBe(200);
  });
});

describe('renaming and deleting a group', () => {
  it('changes the roles of all members immediately', async () => {
    const [ada, bob] = [await makeMember(), await makeMember()];
    const group = await makeGroup('platform-admins', [ada.id, bob.id]);
    expect([await roleOf(ada.id), await roleOf(bob.id)]).toEqual(['owner', 'owner']);
    await rename(group, 'former-admins');
    expect([await roleOf(ada.id), await roleOf(bob.id)]).toEqual(['collaborator', 'collaborator']);
    await rename(group, 'platform-admins');
    expect([await roleOf(ada.id), await roleOf(bob.id)]).toEqual(['owner', 'owner']);
    expect((await scim.call('DELETE', `/Groups/${group}`)).status).toBe(204);
    expect([await roleOf(ada.id), await roleOf(bob.id)]).toEqual(['collaborator', 'collaborator']);
  });

  it.each(['rename', 'deletion'])('is finished by any replica after a crash: %s', async (kind) => {
    const users = await Promise.all(Array.from({ length: 110 }, invite));
    const ids = users.map(({ id }) => id);
    await setRules([{ group: 'staff', role: 'collaborator' }], 'none');
    const group = await makeGroup('staff', ids);
    expect(await countRole('collaborator')).toBe(110);
    const store = gateway.runtime.store as { commit: Store['commit'] };
    const { commit } = store;
    let batches = 0;
    store.commit = async (...args) => {
      const members = args[1].filter((step) => step.do === 'replace' && step.collection.name === MEMBERS.name).length;
      if (members > 1 && ++batches > 1) throw new Error('the process is killed');
      return commit.apply(store, args);
    };
    const method = kind === 'rename' ? 'PATCH' : 'DELETE';
    const answer = await scim.call(
      method,
      `/Groups/${group}`,
      kind === 'rename' ? { Operations: [{ op: 'replace', value: { displayName: 'x' } }] } : undefined,
    );
    store.commit = commit;
    expect([answer.status, await countRole('collaborator')]).toEqual([500, 60]);
    // No sign-in gives the role meanwhile.
    expect(await signIn(users[109]?.email ?? '')).toBe('saml_role_denied');
    await resumeGroupChanges(replica.runtime);
    expect(await countRole('collaborator')).toBe(0);
    expect((await gateway.runtime.store.get(GLOBAL, DIRECTORY, acme.id))?.value.changesGroups).toBe(false);
    if (kind === 'deletion') expect((await scim.call('GET', `/Users/${ids[0]}`)).body.groups).toBeUndefined();
  });

  const countRole = async (role: string): Promise<number> => {
    let count = 0;
    for (let cursor: string | undefined; ; ) {
      const page = await gateway.runtime.store.find(acme.id, MEMBERS, 'activeRole', { equals: role, limit: 200, cursor });
      count += page.items.length;
      if (page.nextCursor === null) return count;
      cursor = page.nextCursor;
    }
  };
});

describe('the last owner', () => {
  it('loses the role too, and the organization is reported without an owner, once', async () => {
    const [ada, bob] = [await makeMember(), await makeMember()];
    const group = await makeGroup('platform-admins', [ada.id, bob.id]);
    const since = async () => (await gateway.api('GET', `/organizations/${acme.slug}`)).body.without_owner_since;
    await remove(group, ada.id);
    expect([await since(), (await auditOf('organization.without_owner')).length]).toEqual([null, 0]);
    await remove(group, bob.id);
    expect(await since()).toEqual(expect.any(String));
    expect(
      (await auditOf('organization.without_owner')).map(({ actor, member_id, details }) => [actor.kind, member_id, details.cause]),
    ).toEqual([['scim', bob.id, 'scim']]);
    await add(group, ada.id);
    expect(await since()).toBeNull();
    await rename(group, 'x');
    expect([await since(), (await auditOf('organization.without_owner')).length]).toEqual([expect.any(String), 2]);
  });

  it('is reported if two owners lose the role at the same moment', async () => {
    for (let round = 0; round < 5; round++) {
      const [ada, bob] = [await makeMember(), await makeMember()];
      const [first, second] = [await makeGroup(`first${round}`, [ada.id]), await makeGroup(`second${round}`, [bob.id])];
      await setRules([
        { group: `first${round}`, role: 'owner' },
        { group: `second${round}`, role: 'owner' },
      ]);
      for (const { email } of [ada, bob]) expect(await signIn(email)).toBe('accepted');
      await Promise.all([remove(first, ada.id), scim.call('DELETE', `/Groups/${second}`)]);
      expect([await roleOf(ada.id), await roleOf(bob.id)]).toEqual(['collaborator', 'collaborator']);
      expect(await auditOf('organization.without_owner')).toHaveLength(round + 1);
    }
  });
});

describe('changes of groups at the same moment as', () => {
  it('a sign-in leave no former role behind', async () => {
    await setRules([{ group: 'staff', role: 'collaborator' }], 'none');
    const ada = await invite();
    const staff = await makeGroup('staff', [ada.id]);
    for (const change of [() => remove(staff, ada.id), () => rename(staff, 'x'), () => scim.call('DELETE', `/Groups/${staff}`)]) {
      await rename(staff, 'staff');
      await add(staff, ada.id);
      const browser = new HttpBrowser();
      beforeSignInIsWritten(gateway, change);
      expect(await signIn(ada.email, [], browser)).toBe('saml_role_denied');
      expect([await meStatus(browser), await roleOf(ada.id)]).toEqual([401, 'none']);
    }
  });

  it('a sign-in give no role by a former name to a member whose record had no role before', async () => {
    for (const kind of ['rename', 'deletion']) {
      await groupsFrom('saml');
      await setRules([{ group: `staff ${kind}`, role: 'collaborator' }], 'none');
      const ada = await invite();
      const staff = await makeGroup(`staff ${kind}`, [ada.id]);
      await groupsFrom('scim');
      expect(await roleOf(ada.id)).toBe('none');
      beforeSignInIsWritten(gateway, () => (kind === 'rename' ? rename(staff, 'x') : scim.call('DELETE', `/Groups/${staff}`)));
      expect([await signIn(ada.email), await roleOf(ada.id)]).toEqual(['saml_role_denied', 'none']);
    }
  });

  it('sign-ins of users who gain and lose a group end with the right role, in any order', async () => {
    await setRules([{ group: 'staff', role: 'collaborator' }], 'none');
    const ada = await invite();
    const staff = await makeGroup('staff', [ada.id]);
    for (let round = 0; round < 12; round++) {
      await add(staff, ada.id);
      const browser = new HttpBrowser();
      await Promise.all([signIn(ada.email, [], browser), remove(staff, ada.id)]);
      expect([await meStatus(browser), await roleOf(ada.id)]).toEqual([401, 'none']);
    }
  });

  it('a manual change of the role both take effect, and a group wins', async () => {
    const ada = await makeMember();
    const staff = await makeGroup('staff');
    await setRules([{ group: 'staff', role: 'collaborator' }]);
    for (let round = 0; round < 8; round++) {
      await Promise.all([gateway.api('PATCH', path(`members/${ada.id}`), { role: 'owner' }), add(staff, ada.id)]);
      expect(await roleOf(ada.id)).toBe('collaborator');
      await remove(staff, ada.id);
    }
  });

  it('other changes of the same member keep the role of the groups that are left', async () => {
    await setRules([
      { group: 'a', role: 'owner' },
      { group: 'b', role: 'owner' },
    ]);
    const ada = await makeMember();
    const [a, b] = [await makeGroup('a'), await makeGroup('b')];
    for (let round = 0; round < 8; round++) {
      await Promise.all([add(a, ada.id), add(b, ada.id)]);
      expect(await roleOf(ada.id)).toBe('owner');
      await Promise.all([remove(a, ada.id), remove(b, ada.id)]);
      expect(await roleOf(ada.id)).toBe('collaborator');
    }
  });
});
