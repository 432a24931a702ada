import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { openStore } from '../../src/store/open-store.ts';
import { GLOBAL, type Store } from '../../src/store/store.ts';
import { freePort, isWhole, type RedisCluster, type RedisServer, runRedisCli, startRedisCluster } from '../support/redis-server.ts';
import { storeConformance } from './conformance.ts';
import { answers, expectUnavailable, isBack } from './outages.ts';
import { claim, codeOf, everything, failedAt, findAll, insert, newPartition, OK, PEOPLE, put } from './people.ts';

jest.setTimeout(90_000);

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.stop());

storeConformance('Redis Cluster', async () => ({ url: cluster.url, cleanup: async () => {} }));

describe('Redis Cluster', () => {
  let store: Store;
  let clients: readonly Redis[];

  beforeAll(async () => {
    store = await openStore(cluster.url);
    clients = cluster.nodes.map(({ port }) => new Redis(port, '127.0.0.1'));
  });
  afterAll(async () => {
    for (const client of clients) client.disconnect();
    await store.close();
  });

  /** Returns the index of the node that has a partition. */
  async function ownerOf(partition: string): Promise<number> {
    for (const [place, client] of clients.entries()) {
      if ((await client.cluster('COUNTKEYSINSLOT', await slotOf(partition))) > 0) return place;
    }
    throw new Error('no node has the partition');
  }
  const slotOf = (partition: string) => (clients[0] as Redis).cluster('KEYSLOT', `samlgate:{${partition}}:`);

  const KNOWN = ['ada', 'bob', 'ada@x', 'key', 'claimed'];
  async function furnished(): Promise<string> {
    const partition = newPartition();
    const steps = [insert('ada', { name: 'Ada', email: 'ada@x', groups: ['g'] }), insert('bob', { name: 'Bob', groups: ['g'] })];
    expect(await store.commit(partition, [...steps, put('key', 'value'), claim('claimed')])).toEqual(OK);
    return partition;
  }

  async function furnishedAt(place: number): Promise<string> {
    let partition = await furnished();
    while ((await ownerOf(partition)) !== place) partition = await furnished();
    return partition;
  }

  test('distributes partitions over the nodes', async () => {
    const owners = new Set<number>();
    for (let i = 0; i < 100 && owners.size < 3; i++) owners.add(await ownerOf(await furnished()));
    expect(owners.size).toBe(3);
  });

  test('opens if one of the listed nodes answers', async () => {
    const live = cluster.url.split(',').at(-1);
    const opened = await openStore(`redis+cluster://127.0.0.1:${await freePort()},${live}`);
    expect(await opened.commit(newPartition(), [claim('once')])).toEqual(OK);
    await opened.close();
  });

  test('does not open if no node answers', async () => {
    const url = `redis+cluster://127.0.0.1:${await freePort()},127.0.0.1:${await freePort()}`;
    expect(await codeOf(() => openStore(url))).toBe('store_unavailable');
  });

  test('throws store_unavailable in time for the partitions of a silent node, and recovers with it', async () => {
    // The node of the global partition, which ping reads.
    expect(await store.commit(GLOBAL, [put('here', '')])).toEqual(OK);
    const place = await ownerOf(GLOBAL);
    const [partition, other] = [await furnishedAt(place), await furnishedAt(place)];
    const before = await everything(store, partition, KNOWN);
    const { process: node } = cluster.nodes[place] as RedisServer;
    node.kill('SIGSTOP');
    await expectUnavailable(store, other);
    node.kill('SIGCONT');
    await isBack(store);
    // The others may have marked it as failed by then, and accept it again a little later.
    await isWhole(cluster.nodes);
    expect(await everything(store, partition, KNOWN)).toEqual(before);
    expect(await store.commit(partition, [claim('claimed')])).toEqual(failedAt(0));
    expect(await store.commit(partition, [claim('other')])).toEqual(OK);
  });

  test('answers correctly or throws store_unavailable while a slot moves, and recovers afterwards', async () => {
    const partition = await furnished();
    const before = await everything(store, partition, KNOWN);
    const slot = await slotOf(partition);
    const from = await ownerOf(partition);
    const to = (from + 1) % 3;
    const [source, target] = [clients[from] as Redis, clients[to] as Redis];
    const ids = await Promise.all([source, target].map((client) => client.cluster('MYID')));

    const expectNothingForgotten = async () => {
      const refused = [
        () => store.commit(partition, [claim('claimed')]),
        () => store.commit(partition, [insert('ada', { name: 'again' })]),
        () => store.commit(partition, [insert('eve', { name: 'Eve', email: 'ada@x' })]),
      ].map(codeOf);
      for (const code of await Promise.all(refused)) expect(['answered {"ok":false,"failed":0}', 'store_unavailable']).toContain(code);
      const read: [() => Promise<unknown>, unknown][] = [
        [async () => (await store.get(partition, PEOPLE, 'ada'))?.value.name, 'Ada'],
        [async () => (await store.getUnique(partition, PEOPLE, 'email', 'ada@x'))?.id, 'ada'],
        [async () => (await findAll(store, partition, PEOPLE, 'group')).length, 2],
        [() => store.peek(partition, 'key'), 'value'],
      ];
      const codes = await Promise.all(read.map(([call]) => codeOf(call)));
      for (const [i, code] of codes.entries()) expect([`answered ${JSON.stringify(read[i]?.[1])}`, 'store_unavailable']).toContain(code);
    };

    await target.cluster('SETSLOT', slot, 'IMPORTING', String(ids[0]));
    await source.cluster('SETSLOT', slot, 'MIGRATING', String(ids[1]));
    for (let left = 1; left > 0; ) {
      await expectNothingForgotten();
      const keys = (await source.cluster('GETKEYSINSLOT', slot, 6)) as string[];
      await source.migrate('127.0.0.1', cluster.nodes[to]?.port ?? 0, '', 0, 1000, 'KEYS', ...keys);
      left = await source.cluster('COUNTKEYSINSLOT', slot);
    }
    await expectNothingForgotten();
    for (const client of [target, source]) await client.cluster('SETSLOT', slot, 'NODE', String(ids[1]));
    expect(await ownerOf(partition)).toBe(to);
    expect(await everything(store, partition, KNOWN)).toEqual(before);
    expect(await store.commit(partition, [claim('claimed')])).toEqual(failedAt(0));
    expect(await store.commit(partition, [claim('other')])).toEqual(OK);
    await store.purge(partition);
    expect(await target.keys(`*${partition}*`)).toEqual([]);
  });
});

test('Redis Cluster with replicas: replicated commits are on the replicas, and only they fail while replicas do not acknowledge', async () => {
  const replicated = await startRedisCluster(1);
  const [primaries, replicas] = [replicated.nodes.slice(0, 3), replicated.nodes.slice(3)];
  const store = await openStore(replicated.url);
  try {
    for (const { port } of primaries)
      while (!(await runRedisCli('-p', String(port), 'info', 'replication')).includes('state=online')) await sleep(20);
    const keysOf = async (partition: string): Promise<string> =>
      (await Promise.all(replicas.map(({ port }) => runRedisCli('-p', String(port), 'keys', `samlgate:{${partition}}:e:once`))))
        .join('')
        .trim();
    const partitions = Array.from({ length: 30 }, newPartition);
    for (const partition of partitions) {
      expect(await store.commit(partition, [claim('once')], { replicated: true })).toEqual(OK);
      expect(await keysOf(partition)).toBe(`samlgate:{${partition}}:e:once`);
    }
    for (const { process } of replicas) process.kill('SIGSTOP');
    let waiting = partitions.length;
    const asked = partitions.map((partition) =>
      codeOf(() => store.commit(partition, [claim('again')], { replicated: true })).finally(() => waiting--),
    );
    for (const partition of partitions) expect(await store.commit(partition, [claim('other')])).toEqual(OK);
    expect(waiting).toBe(partitions.length);
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['store_unavailable']));
    for (const { process } of replicas) process.kill('SIGCONT');
    for (const partition of partitions) await answers(() => store.commit(partition, [put('key', '')], { replicated: true }));
  } finally {
    await store.close();
    await replicated.stop();
  }
});
