import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { AUDIT } from '../../src/audit.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../../src/organizations/organizations.ts';
import { openStore } from '../../src/store/open-store.ts';
import { type Collection, GLOBAL, type Store } from '../../src/store/store.ts';
import { startRedis } from '../support/redis-server.ts';
import { storeConformance } from './conformance.ts';
import { claim, insert, newPartition, OK, PEOPLE, type Person, put, remove, replace, take } from './people.ts';

const redisUrl = (): string => process.env.TEST_REDIS_URL ?? '';

storeConformance('Redis', async () => ({ url: redisUrl(), cleanup: async () => {} }));

describe('keys in Redis', () => {
  let store: Store;
  let redis: Redis;

  beforeAll(async () => {
    store = await openStore(redisUrl());
    redis = new Redis(redisUrl());
  });
  afterAll(async () => {
    await store.close();
    redis.disconnect();
  });

  const keysOf = async (partition: string): Promise<string[]> => (await redis.keys(`*${partition}*`)).toSorted();
  const ada = { name: 'Ada', email: 'x', handles: ['a', 'b'], groups: ['a', 'b'] };

  test('are removed with deleted, replaced and purged data', async () => {
    const partition = newPartition();
    expect(await store.commit(partition, [insert('ada', ada), put('key', 'value'), claim('once')])).toEqual(OK);
    expect((await keysOf(partition)).length).toBeGreaterThan(3);
    expect(await store.commit(partition, [remove('ada', 1), take('key'), take('once')])).toEqual(OK);
    expect(await keysOf(partition)).toEqual([`samlgate:{${partition}}:n`]);
    expect(await store.commit(partition, [insert('ada', ada), put('key', 'value')])).toEqual(OK);
    await store.purge(partition);
    expect(await keysOf(partition)).toEqual([]);
  });

  test('can be deleted but not added when Redis is full', async () => {
    const full = await startRedis();
    const own = await openStore(full.url);
    const client = new Redis(full.url);
    const partition = newPartition();
    try {
      expect(await own.commit(partition, [insert('ada', ada), insert('bob', { name: 'Bob' })])).toEqual(OK);
      await client.config('SET', 'maxmemory', '1');
      // Like a revocation: the member, then the audit entry.
      expect(await own.commit(partition, [replace('ada', 1, { ...ada, note: 'same lists' }), insert('told', { name: 'T' })])).toEqual(OK);
      expect(await own.commit(partition, [replace('ada', 2, { name: 'Other lists' })])).toEqual(OK);
      expect(await own.commit(partition, [remove('bob', 1), insert('told too', { name: 'T' })])).toEqual(OK);
      for (const steps of [[insert('eve', { name: 'Eve' })], [claim('once'), replace('ada', 3, { name: 'In' })], [put('session', 'x')]])
        await expect(own.commit(partition, steps)).rejects.toMatchObject({ code: 'store_unavailable' });
      const people = await own.find(partition, PEOPLE, 'name', { limit: 10 });
      expect(people.items.map(({ id, version }) => [id, version])).toEqual([
        ['ada', 3],
        ['told', 1],
        ['told too', 1],
      ]);
      expect(await Promise.all(['once', 'session'].map((key) => own.peek(partition, key)))).toEqual([undefined, undefined]);
    } finally {
      client.disconnect();
      await own.close();
      await full.stop();
    }
  });

  test('are not written if a time to live is not a number', async () => {
    const partition = newPartition();
    await expect(store.commit(partition, [insert('ada', ada), put('key', 'value', Number.NaN)])).rejects.toThrow(TypeError);
    expect(await keysOf(partition)).toEqual([]);
  });

  test('expire without leaving anything', async () => {
    const partition = newPartition();
    expect(await store.commit(partition, [put('key', 'value', 1), claim('once', 1)])).toEqual(OK);
    const lives = await Promise.all((await keysOf(partition)).map((key) => redis.pttl(key)));
    expect(lives).toHaveLength(3); // both, and the list of them
    for (const life of lives) {
      expect(life).toBeGreaterThan(0);
      expect(life).toBeLessThanOrEqual(1000);
    }
  });

  test('of expired values leave the list of the partition while others are written', async () => {
    const partition = newPartition();
    const list = `samlgate:{${partition}}:x`;
    const many = Array.from({ length: 30 }, (_, i) => put(`short${i}`, '', 0.001));
    expect(await store.commit(partition, [...many, put('long', '', 600)])).toEqual(OK);
    await sleep(20);
    for (let i = 0; i < 2; i++) expect(await store.commit(partition, [put('long', 'again', 600)])).toEqual(OK);
    expect(await redis.zrange(list, '0', '-1')).toEqual(['long']);
    expect(await redis.pttl(list)).toBeGreaterThan(590_000);
  });

  test('of the global partition are not listed, because it is never deleted', async () => {
    const id = newPartition();
    expect(await store.commit(GLOBAL, [insert(id, { name: id }), put(id, id)])).toEqual(OK);
    expect(await redis.exists('samlgate:{global}:n', 'samlgate:{global}:x')).toBe(0);
    expect(await store.commit(GLOBAL, [remove(id, 1), take(id)])).toEqual(OK);
  });

  test('are not reachable with partition names that are patterns or contain braces', async () => {
    const partition = newPartition();
    expect(await store.commit(partition, [insert('ada', ada)])).toEqual(OK);
    for (const bad of ['*', '', `${partition}}`, `{${partition}`, `${partition.slice(0, -1)}?`, `${partition}:r`, 'x'.repeat(65)]) {
      const calls = [
        () => store.purge(bad),
        () => store.get(bad, PEOPLE, 'ada'),
        () => store.commit(bad, []),
        () => store.peek(bad, 'ada'),
      ];
      for (const call of calls) await expect(call()).rejects.toThrow(TypeError);
    }
    expect((await store.get(partition, PEOPLE, 'ada'))?.version).toBe(1);
  });
});

describe('purge', () => {
  let store: Store;
  let redis: Redis;
  let own: Awaited<ReturnType<typeof startRedis>>;

  beforeAll(async () => {
    own = await startRedis();
    store = await openStore(own.url);
    redis = new Redis(own.url);
  });
  afterAll(async () => {
    await store.close();
    redis.disconnect();
    await own.stop();
  });

  const keysOf = async (partition: string): Promise<string[]> => (await redis.keys(`samlgate:{${partition}}:*`)).toSorted();
  const SETTINGS: Collection<Person> = { name: 'settings', indexes: {}, unique: {} };
  const HANDLES: Collection<Person> = { name: 'handle', indexes: {}, unique: { handle: ({ handles = [] }) => handles } };

  /** Writes records that only an index, only a unique string or only their own name leads to, and expiring values. */
  const furnish = async (partition: string, count: number): Promise<void> => {
    for (let start = 0; start < count; start += 500) {
      const numbers = Array.from({ length: Math.min(500, count - start) }, (_, i) => start + i);
      const steps = numbers.flatMap((n) => [
        insert(`p${n}`, { name: `${n}`, email: `${n}@x`, groups: ['all', `${n % 3}`] }),
        insert(`h${n}`, { name: `${n}`, handles: [`${n}`] }, HANDLES),
        put(`k${n}`, `${n}`),
      ]);
      expect(await store.commit(partition, steps)).toEqual(OK);
    }
    expect(await store.commit(partition, [insert('only', { name: 'x' }, SETTINGS)])).toEqual(OK);
  };
  const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((all, calls) => all + calls, 0);
  /** Returns how often each command has run since the last call. */
  const commandCounts = async (): Promise<Map<string, number>> => {
    const info = await redis.info('commandstats');
    await redis.config('RESETSTAT');
    return new Map([...info.matchAll(/^cmdstat_(\w+):calls=(\d+)/gm)].map(([, name = '', calls]) => [name, Number(calls)]));
  };

  test('runs as many commands in a large database as in a small one', async () => {
    const [small, large] = [newPartition(), newPartition()];
    for (const partition of [small, large]) await furnish(partition, 20);
    const purge = async (partition: string) => {
      await commandCounts();
      await store.purge(partition);
      const counts = await commandCounts();
      expect(await keysOf(partition)).toEqual([]);
      // The order of the keys, and with it the number of reads, differs from partition to partition.
      return { ...Object.fromEntries(['unlink', 'hdel', 'scan', 'keys'].map((name) => [name, counts.get(name) ?? 0])), all: sum(counts) };
    };
    const before = await purge(small);
    await redis.mset(Array.from({ length: 20_000 }, (_, n) => [`samlgate:{other${n}}:e:x`, '']).flat());
    const after = await purge(large);
    expect(after).toEqual({ ...before, all: expect.any(Number) });
    expect(after).toMatchObject({ scan: 0, keys: 0 });
    expect(after.all).toBeLessThan(300);
  });

  test('deletes a partition in parts, and continues after an interruption', async () => {
    const partition = newPartition();
    await furnish(partition, 3000);
    const interrupted = await openStore(own.url);
    const before = (await keysOf(partition)).length;
    const purging = interrupted.purge(partition);
    while ((await keysOf(partition)).length === before);
    await interrupted.close();
    await expect(purging).rejects.toMatchObject({ code: 'store_unavailable' });
    expect((await keysOf(partition)).length).toBeGreaterThan(0);
    await store.purge(partition);
    expect(await keysOf(partition)).toEqual([]);
  });

  test('deletes the records of a partition that was written when partitions had no list of their keys', async () => {
    const partition = newPartition();
    const entry = { do: 'insert', collection: AUDIT, id: 'aud_1', value: { event: 'logout', member_id: 'usr_1' } } as const;
    const record = { do: 'insert', collection: ORGANIZATION, id: ORGANIZATION_RECORD, value: {} } as const;
    expect(await store.commit(partition, [entry, record, put('key', 'value', 1)])).toEqual(OK);
    await redis.del(`samlgate:{${partition}}:n`, `samlgate:{${partition}}:x`);
    await store.purge(partition);
    expect(await keysOf(partition)).toEqual([`samlgate:{${partition}}:e:key`]); // expires by itself
  });
});

describe('warnings for the operator', () => {
  test('returns none if the settings are safe', async () => {
    const store = await openStore(redisUrl());
    expect(await store.warnings()).toEqual([]);
    await store.close();
  });

  test('names the settings with which Redis could lose or evict data', async () => {
    const redis = await startRedis(['--maxmemory-policy', 'allkeys-lru']);
    const store = await openStore(redis.url);
    const warnings = await store.warnings();
    expect(warnings).toHaveLength(2);
    expect(warnings.join('\n')).toMatch(/appendonly yes[\s\S]*allkeys-lru[\s\S]*maxmemory-policy noeviction/);
    await store.close();
    await redis.stop();
  });
});
