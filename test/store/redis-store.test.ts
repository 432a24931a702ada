import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { startRedis } from '../support/redis-server.ts';
import { storeConformance } from './conformance.ts';
import { claim, insert, newPartition, OK, PEOPLE, put, remove, replace, take } from './people.ts';

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
    expect(await keysOf(partition)).toEqual([]);
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
    expect(lives).toHaveLength(2);
    for (const life of lives) {
      expect(life).toBeGreaterThan(0);
      expect(life).toBeLessThanOrEqual(1000);
    }
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
