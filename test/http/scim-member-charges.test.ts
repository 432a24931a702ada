import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../src/http/limits/limits.ts';
import { limitOf } from '../../src/http/limits/rate-limits.ts';
import { MAX_GROUPS_OF_USER, membershipId, scimMemberships } from '../../src/organizations/groups/scim-groups.ts';
import { getOrganizationById } from '../../src/organizations/organizations.ts';
import type { Step } from '../../src/store/store.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let scim: ScimClient;
let connectionId: string;
/** The points that requests of this test have used. */
let used: number;

beforeAll(async () => {
  gateway = await startGateway({ environment: { SAMLGATE_RATE_LIMITS: 'on' } });
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
  scim = await makeScimClient(gateway, acme);
  connectionId = (await getOrganizationById(gateway.runtime.store, acme.id))?.connections[0]?.id ?? '';
  used = 0;
});

/** Sends a change whose members must not cost points. */
const change = async (method: string, path: string, body?: unknown) => {
  used++;
  return scim.call(method, path, body);
};
const makeUsers = (count: number): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, async (_, i) => (await change('POST', '/Users', { userName: `user${i}` })).body.id));
const makeGroup = async (displayName: string): Promise<string> => (await change('POST', '/Groups', { displayName })).body.id;
/** Uses up the limit until only some points are left. */
const leave = (points: number) =>
  limitOf(gateway.runtime, 'scim_changes', `${acme.id} ${connectionId}`).count(LIMITS.scim_changes.points - used - points);
const values = (ids: readonly string[]) => ids.map((value) => ({ value }));
const addTo = (group: string, ids: readonly string[]) =>
  scim.call('PATCH', `/Groups/${group}`, { Operations: [{ op: 'add', path: 'members', value: values(ids) }] });
const memberships = () => gateway.runtime.store.count(acme.id, scimMemberships(connectionId));
async function seed(pairs: readonly { readonly groupId: string; readonly userId: string }[]): Promise<void> {
  for (let from = 0; from < pairs.length; from += 100) {
    const steps = pairs
      .slice(from, from + 100)
      .map((value): Step => ({ do: 'insert', collection: scimMemberships(connectionId), id: membershipId(value), value }));
    expect((await gateway.runtime.store.commit(acme.id, steps)).ok).toBe(true);
  }
}
const fakeId = (kind: 'grp' | 'usr', i: number) => `${kind}_${String(i).padStart(20, '0')}`;

describe('the limit of changes of a SCIM client', () => {
  it('counts the members of a request that changes some and then fails', async () => {
    const users = await makeUsers(60);
    const last = users[59] ?? '';
    await seed(Array.from({ length: MAX_GROUPS_OF_USER }, (_, i) => ({ groupId: fakeId('grp', i), userId: last })));
    const group = await makeGroup('staff');
    // The request costs one point, and its 60 members six.
    await leave(7);
    const failed = await scim.call('PUT', `/Groups/${group}`, { displayName: 'staff', members: values(users) });
    expect([failed.status, await memberships()]).toEqual([400, MAX_GROUPS_OF_USER + 50]);
    expect((await scim.call('PATCH', `/Groups/${group}`, { Operations: [] })).status).toBe(429);
  });

  it('refuses a request that names too many members before it changes any', async () => {
    const users = await makeUsers(40);
    const group = await makeGroup('staff');
    await leave(4);
    const refused = await addTo(group, users);
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0, await memberships()]).toEqual([429, true, 0]);
  });

  it('counts members who are named again, or who are no users, although nothing changes', async () => {
    const group = await makeGroup('staff');
    await leave(3);
    const unknown = Array.from({ length: 20 }, (_, i) => fakeId('usr', i));
    expect((await addTo(group, unknown)).status).toBe(204);
    expect((await addTo(group, [])).status).toBe(429);
  });

  it('counts the members whom a complete list removes, before their batch', async () => {
    const group = await makeGroup('staff');
    await seed(Array.from({ length: 300 }, (_, i) => ({ groupId: group, userId: fakeId('usr', i) })));
    await leave(21);
    const put = () => scim.call('PUT', `/Groups/${group}`, { displayName: 'staff', members: [] });
    // The first page of 200 costs 20 points.
    expect((await put()).status).toBe(429);
  });

  it.each(['rename', 'deletion'])('counts all members of the group: %s', async (kind) => {
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { groups_from: 'scim' });
    const group = await makeGroup('platform-admins');
    await seed(Array.from({ length: 100 }, (_, i) => ({ groupId: group, userId: fakeId('usr', i) })));
    const spare = await makeGroup('spare');
    await leave(11);
    const [method, body] = kind === 'rename' ? ['PUT', { displayName: 'x' }] : ['DELETE', undefined];
    expect((await scim.call(method as string, `/Groups/${group}`, body)).status).toBe(kind === 'rename' ? 200 : 204);
    expect((await scim.call('DELETE', `/Groups/${spare}`)).status).toBe(429);
  });
});
