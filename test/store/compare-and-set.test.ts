import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { compareAndSet, RETRY } from '../../src/store/compare-and-set.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Collection, Store } from '../../src/store/store.ts';
import { updateRecord } from '../../src/store/update-record.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';

const COUNTERS: Collection<{ count: number }> = { name: 'counter', indexes: {}, unique: {} };
const AT_ONCE = 60;

let directory: string;
let redis: RedisServer;
beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-test-'));
  redis = await startRedis();
});
afterAll(async () => {
  rmSync(directory, { recursive: true, force: true });
  await redis.stop();
});

describe.each(['redis', 'sqlite'])('on %s', (engine) => {
  let stores: Store[];
  beforeAll(async () => {
    const url = engine === 'redis' ? redis.url : `sqlite:${path.join(directory, 'samlgate.db')}`;
    stores = [await openStore(url), await openStore(url)];
    await stores[0]?.commit('org_a', [{ do: 'insert', collection: COUNTERS, id: 'one', value: { count: 0 } }]);
  });
  afterAll(async () => {
    for (const store of stores) await store.close();
  });

  test(`applies ${AT_ONCE} concurrent changes of one record through two stores`, async () => {
    const changes = Array.from({ length: AT_ONCE }, (_, i) =>
      updateRecord(stores[i % 2] as Store, {
        partition: 'org_a',
        collection: COUNTERS,
        id: 'one',
        change: ({ count }) => ({ count: count + 1 }),
      }),
    );
    expect(await Promise.allSettled(changes)).toEqual(Array(AT_ONCE).fill(expect.objectContaining({ status: 'fulfilled' })));
    expect((await stores[0]?.get('org_a', COUNTERS, 'one'))?.value).toEqual({ count: AT_ONCE });
  });
});

test('throws conflict, with the given consequence, after 20 lost attempts', async () => {
  let tries = 0;
  const change = compareAndSet(async () => {
    tries++;
    return RETRY;
  }, 'nobody was signed in');
  await expect(change).rejects.toMatchObject({
    code: 'conflict',
    facts: { detail: 'Too many changes at the same time; nobody was signed in.' },
  });
  expect(tries).toBe(20);
});

test('does not retry after an error', async () => {
  let tries = 0;
  const change = compareAndSet(async () => {
    tries++;
    throw new TypeError('of the test');
  });
  await expect(change).rejects.toThrow('of the test');
  expect(tries).toBe(1);
});
