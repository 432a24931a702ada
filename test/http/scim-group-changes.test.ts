import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DIRECTORY } from '../../src/organizations/directory.ts';
import { finishGroupChanges, resumeGroupChanges } from '../../src/organizations/groups/group-changes.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { GLOBAL, type Step, type Store } from '../../src/store/store.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';

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
const rename = (id: string, displayName: string) =>
  scim.call('PATCH', `/Groups/${id}`, { Operations: [{ op: 'replace', value: { displayName } }] });
const isNoted = async ({ id } = acme) => (await gateway.runtime.store.get(GLOBAL, DIRECTORY, id))?.value.changesGroups ?? false;
const roleOf = async (id: string | undefined, { id: organizationId } = acme) =>
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
});
