/** Lists of groups and users whose memberships are too many for one answer. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { membershipId, scimGroups, scimMemberships } from '../../src/organizations/groups/scim-groups.ts';
import { getOrganizationById } from '../../src/organizations/organizations.ts';
import type { Page, Step, Store } from '../../src/store/store.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';

/** Memberships of a page, after which it ends. */
const BOUND = 10_000;

interface Listed {
  readonly totalResults: number;
  readonly startIndex: number;
  readonly itemsPerPage: number;
  readonly Resources: readonly { readonly id: string; readonly members?: readonly unknown[]; readonly groups?: readonly unknown[] }[];
}

describe.each(['sqlite', 'redis'] as const)('SCIM lists with many memberships on %s', (storeKind) => {
  let gateway: TestGateway;
  let store: Store;
  let scim: ScimClient;
  let organizationId: string;
  let connectionId: string;

  beforeAll(async () => {
    gateway = await startGateway({ store: storeKind });
    store = gateway.runtime.store;
  });
  afterAll(() => gateway.stop());

  const useNewOrganization = async () => {
    const organization = await makeTestOrganization(gateway);
    organizationId = organization.id;
    connectionId = (await getOrganizationById(store, organizationId))?.connections[0]?.id ?? '';
    scim = await makeScimClient(gateway, organization);
  };
  const makeGroup = async (displayName: string) => (await scim.call('POST', '/Groups', { displayName })).body.id as string;
  const userIds = (count: number) => Array.from({ length: count }, (_, i) => `usr_${String(i).padStart(20, '0')}`);
  const insert = async (steps: readonly Step[]) => {
    for (let from = 0; from < steps.length; from += 500) await store.commit(organizationId, steps.slice(from, from + 500));
  };
  const join = (groupId: string, users: readonly string[]) =>
    insert(
      users.map((userId) => {
        const value = { groupId, userId };
        return { do: 'insert', collection: scimMemberships(connectionId), id: membershipId(value), value };
      }),
    );
  const list = async (path: string) => (await scim.call('GET', path)).body as Listed;

  /** Calls `onRead` for each page of memberships that is read from the store meanwhile. */
  async function watchMemberships(onRead: (records: number) => void, run: () => Promise<void>): Promise<void> {
    const watched = store as { find: Store['find'] };
    const original = store.find;
    watched.find = (async (partition: string, collection: { name: string }, ...rest: [string, { limit: number }]) => {
      const page = (await original.call(store, partition, collection as never, ...rest)) as Page<unknown>;
      if (collection.name === scimMemberships(connectionId).name) onRead(page.items.length);
      return page;
    }) as Store['find'];
    try {
      await run();
    } finally {
      watched.find = original;
    }
  }
  const countMemberships = async (run: () => Promise<void>) => {
    let count = 0;
    await watchMemberships((records) => {
      count += records;
    }, run);
    return count;
  };

  describe('of groups', () => {
    let groups: string[];
    beforeAll(async () => {
      await useNewOrganization();
      groups = [];
      for (let i = 0; i < 6; i++) groups.push(await makeGroup(`Group ${i}`));
      groups.sort();
      for (const group of groups.slice(0, 4)) await join(group, userIds(6000));
    });

    it('end early, say so, and continue with the next group', async () => {
      const read: string[] = [];
      const sizes: number[] = [];
      for (let startIndex = 1; startIndex <= groups.length; ) {
        let page: Listed | undefined;
        const count = await countMemberships(async () => {
          page = await list(`/Groups?startIndex=${startIndex}&count=100`);
        });
        expect(count).toBeLessThan(BOUND + 6000);
        expect(page).toMatchObject({ totalResults: 6, startIndex, itemsPerPage: page?.Resources.length });
        for (const { id } of page?.Resources ?? []) read.push(id);
        sizes.push(page?.itemsPerPage ?? 0);
        startIndex += page?.itemsPerPage ?? 1;
      }
      expect(sizes).toEqual([2, 2, 2]);
      expect(read).toEqual(groups);
    });

    it('skip no group if one of the page before is deleted', async () => {
      const first = await list('/Groups?count=100');
      expect(first.itemsPerPage).toBe(2);
      const removed = first.Resources[1]?.id ?? '';
      const collection = scimGroups(connectionId);
      const group = await store.get(organizationId, collection, removed);
      await store.commit(organizationId, [{ do: 'delete', collection, id: removed, version: 1 }]);
      try {
        const second = await list('/Groups?startIndex=3&count=100');
        expect(second.Resources.map(({ id }) => id)).toEqual(groups.slice(2, 4));
      } finally {
        await store.commit(organizationId, [{ do: 'insert', collection, id: removed, value: group?.value }]);
      }
    });

    it('end early with a filter, too', async () => {
      const filter = encodeURIComponent('displayName pr');
      const first = await list(`/Groups?filter=${filter}`);
      const second = await list(`/Groups?filter=${filter}&startIndex=3`);
      expect([first, second].map(({ totalResults, itemsPerPage }) => [totalResults, itemsPerPage])).toEqual([
        [6, 2],
        [6, 2],
      ]);
      expect([...first.Resources, ...second.Resources].map(({ id }) => id)).toEqual(groups.slice(0, 4));
    });

    it.each(['excludedAttributes=members', 'attributes=displayName', 'excludedAttributes=MEMBERS&filter=displayName%20pr'])(
      'read no memberships with %s',
      async (query) => {
        let page: Listed | undefined;
        const count = await countMemberships(async () => {
          page = await list(`/Groups?${query}`);
        });
        expect([count, page?.itemsPerPage]).toEqual([0, 6]);
        expect(page?.Resources.some(({ members }) => members !== undefined)).toBe(false);
      },
    );
  });

  it('of users end early, too', async () => {
    await useNewOrganization();
    const users = [];
    for (let i = 0; i < 25; i++) users.push((await scim.call('POST', '/Users', { userName: `user${i}@acme.example` })).body.id as string);
    users.sort();
    const groups = Array.from({ length: 500 }, (_, i) => `grp_${String(i).padStart(20, '0')}`);
    const at = new Date().toISOString();
    await insert(
      groups.map((id, i) => {
        const value = { attributes: {}, displayName: `Group ${i}`, createdAt: at, changedAt: at };
        return { do: 'insert', collection: scimGroups(connectionId), id, value };
      }),
    );
    for (const group of groups) await join(group, users);
    const first = await list('/Users?count=200');
    expect([first.totalResults, first.itemsPerPage]).toEqual([25, BOUND / 500]);
    const second = await list(`/Users?startIndex=${first.itemsPerPage + 1}&count=200`);
    expect([...first.Resources, ...second.Resources].map(({ id }) => id)).toEqual(users);
    expect(second.Resources.every(({ groups: listed }) => listed?.length === 500)).toBe(true);
    expect(await countMemberships(async () => void (await list('/Users?excludedAttributes=groups')))).toBe(0);
  });

  it('let other requests run between the parts of a group of 10,000 members', async () => {
    await useNewOrganization();
    const id = await makeGroup('Large');
    await join(id, userIds(10_000));
    let turn = 0;
    let isDone = false;
    const countTurns = () => {
      turn++;
      if (!isDone) setImmediate(countTurns);
    };
    countTurns();
    const turns: number[] = [];
    await watchMemberships(
      (records) => {
        expect(records).toBeLessThanOrEqual(200);
        turns.push(turn);
      },
      async () => {
        expect((await scim.call('GET', `/Groups/${id}`)).body.members).toHaveLength(10_000);
      },
    );
    isDone = true;
    expect(turns.length).toBeGreaterThanOrEqual(50);
    expect(new Set(turns).size).toBe(turns.length);
  });
});
