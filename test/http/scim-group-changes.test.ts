import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DIRECTORY } from '../../src/organizations/directory.ts';
import { finishGroupChanges, resumeGroupChanges } from '../../src/organizations/groups/group-changes.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { GLOBAL, type Step, type Store } from '../../src/store/store.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';
import { addConnection } from '../support/test-connection.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let scim: ScimClient;
let store: { commit: Store['commit'] };
let commit: Store['commit'];

beforeAll(async () => {
  gateway = await startGateway();
  store = gateway.runtime.store as { commit: Store['commit'] };
  commit = store.commit;
});
afterEach(() => {
  store.commit = commit;
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
  scim = await makeScimClient(gateway, acme);
  await gateway.api('PATCH', `/organizations/${acme.slug}`, { groups_from: 'scim' });
});

/** Runs before each commit. */
function beforeCommits(act: (steps: readonly Step[], organizationId: string) => Promise<void> | void): void {
  store.commit = async (...args) => {
    await act(args[1], args[0]);
    return commit.apply(gateway.runtime.store, args);
  };
}
const startsChange = (steps: readonly Step[]) => steps.some((step) => step.do === 'insert' && step.collection.name === 'scim-group-change');
const writesMembers = (steps: readonly Step[]) => steps.some((step) => step.do === 'replace' && step.collection.name === MEMBERS.name);

async function makeGroup(
  displayName: string,
  members: number,
  by = scim,
): Promise<{ readonly id: string; readonly users: readonly string[] }> {
  const users: string[] = await Promise.all(
    Array.from({ length: members }, async (_, i) => (await by.call('POST', '/Users', { userName: `${displayName}${i}` })).body.id),
  );
  const { body } = await by.call('POST', '/Groups', { displayName, members: users.map((value) => ({ value })) });
  return { id: body.id, users };
}
const setRules = async (names: readonly string[], { slug } = acme) => {
  const rules = names.map((group) => ({ group, role: 'collaborator' }));
  const body = { rules, default_role: 'none', allow_no_owner: true };
  expect((await gateway.api('PUT', `/organizations/${slug}/role-mapping`, body)).status).toBe(200);
};
const rename = (id: string, displayName: string, by = scim) =>
  by.call('PATCH', `/Groups/${id}`, { Operations: [{ op: 'replace', value: { displayName } }] });
const isNoted = async ({ id } = acme) => (await gateway.runtime.store.get(GLOBAL, DIRECTORY, id))?.value.changesGroups ?? false;
const roleOf = async (id: string | undefined, { id: organizationId }: { readonly id: string } = acme) =>
  (await gateway.runtime.store.get(organizationId, MEMBERS, id ?? ''))?.value.role;

describe('an interrupted change of a group', () => {
  it.each(['rename', 'deletion'])(
    'is continued although another replica finished a former change just before its commit: %s',
    async (kind) => {
      await setRules(['staff']);
      const { id, users } = await makeGroup('staff', 1);
      let isKilled = true;
      beforeCommits(async (steps) => {
        if (startsChange(steps)) await finishGroupChanges(gateway.runtime, acme.id);
        if (isKilled && writesMembers(steps)) throw new Error('the process is killed');
      });
      const answer = kind === 'rename' ? await rename(id, 'x') : await scim.call('DELETE', `/Groups/${id}`);
      expect([answer.status, await roleOf(users[0]), await isNoted()]).toEqual([500, 'collaborator', true]);
      isKilled = false;
      await resumeGroupChanges(gateway.runtime);
      expect([await roleOf(users[0]), await isNoted()]).toEqual(['none', false]);
    },
  );

  it('is left to the background if a connection is deleted', async () => {
    const partner = await addConnection(gateway, acme);
    await interruptRename(acme, scim);
    beforeCommits((steps) => {
      if (writesMembers(steps)) throw new Error('the process is killed');
    });
    expect((await gateway.api('DELETE', `/organizations/${acme.slug}/connections/${partner.id}`)).status).toBe(204);
    expect(await isNoted()).toBe(true);
  });

  it.each(['fails', 'does not end'])('is continued if the change of another organization %s', async (kind) => {
    const other = await makeTestOrganization(gateway);
    await gateway.api('PATCH', `/organizations/${other.slug}`, { groups_from: 'scim' });
    const users = new Map([
      [acme.id, await interruptRename(acme, scim)],
      [other.id, await interruptRename(other, await makeScimClient(gateway, other))],
    ]);
    const released = Promise.withResolvers<void>();
    let first: string | undefined;
    beforeCommits(async (steps, organizationId) => {
      if (!users.has(organizationId) || !writesMembers(steps)) return;
      first ??= organizationId;
      if (first !== organizationId) return;
      if (kind === 'fails') throw new Error('the store refuses the commit');
      await released.promise;
    });
    await resumeGroupChanges(gateway.runtime, kind === 'fails' ? undefined : 0);
    const [second] = [...users.keys()].filter((id) => id !== first);
    const roleIn = (id = '') => roleOf(users.get(id), { id });
    while (kind !== 'fails' && (await roleIn(second)) !== 'none') await new Promise(setImmediate);
    expect([await roleIn(first), await roleIn(second)]).toEqual(['collaborator', 'none']);
    released.resolve();
    store.commit = commit;
    while ((await roleIn(first)) !== 'none') await resumeGroupChanges(gateway.runtime);
  });
});

/** Renames a group with a role, and ends the process before the role of its only member changes. Returns the member. */
async function interruptRename(organization: TestOrganization, by: ScimClient): Promise<string> {
  await setRules(['staff'], organization);
  const { id, users } = await makeGroup('staff', 1, by);
  beforeCommits((steps) => {
    if (writesMembers(steps)) throw new Error('the process is killed');
  });
  expect((await rename(id, 'x', by)).status).toBe(500);
  store.commit = commit;
  return users[0] ?? '';
}

describe('renaming a group again', () => {
  it('is refused while the roles of its members change, so that the batches end', async () => {
    await setRules(['staff']);
    const { id, users } = await makeGroup('staff', 60);
    const during: unknown[] = [];
    let batches = 0;
    beforeCommits(async (steps) => {
      if (!writesMembers(steps) || ++batches > 2) return;
      const { status, headers } = await rename(id, batches === 1 ? 'staff' : 'y');
      during.push([status, Number(headers.get('retry-after')) > 0]);
    });
    expect((await rename(id, 'x')).status).toBe(204);
    // The second name gives no role, as the first one, so it starts no batches.
    expect([during, batches]).toEqual([
      [
        [429, true],
        [204, false],
      ],
      2,
    ]);
    store.commit = commit;
    expect(await Promise.all(users.map((user) => roleOf(user)))).toEqual(users.map(() => 'none'));
    expect([(await rename(id, 'staff')).status, await roleOf(users[0])]).toEqual([204, 'collaborator']);
  });

  it('does not keep the group from being deleted', async () => {
    await setRules(['staff']);
    const { id, users } = await makeGroup('staff', 2);
    let deleted: number | undefined;
    beforeCommits(async (steps) => {
      if (!writesMembers(steps) || deleted !== undefined) return;
      deleted = 0;
      deleted = (await scim.call('DELETE', `/Groups/${id}`)).status;
    });
    expect([(await rename(id, 'x')).status, deleted]).toEqual([404, 204]);
    expect([await roleOf(users[0]), await roleOf(users[1]), await isNoted()]).toEqual(['none', 'none', false]);
  });
});
