/** The migration from version 1, killed, run by several processes at once, and beside a gateway of version 1. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { KEY_RING, KEY_RING_RECORD } from '../../src/auth/keys/key-ring.ts';
import { DIRECTORY } from '../../src/organizations/directory.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../../src/organizations/organizations.ts';
import { prepareSchema, SCHEMA, SCHEMA_RECORD } from '../../src/schema/schema-version.ts';
import { GLOBAL, type Store } from '../../src/store/store.ts';
import { updateRecord } from '../../src/store/update-record.ts';
import { startChild } from '../store/children.ts';
import { type RedisServer, runRedisCli, startRedis, startRedisCluster } from '../support/redis-server.ts';
import {
  FORMER_DIRECTORY,
  FORMER_ORGANIZATION,
  makeStoreRuntime,
  organizationId,
  writeFormerOrganizations,
} from './former-organizations.ts';

const ORGANIZATIONS = 230;

let redis: RedisServer;
let directory: string;

beforeAll(async () => {
  redis = await startRedis(['--appendonly', 'yes']);
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-migration-'));
});
afterAll(async () => {
  await redis?.stop();
  rmSync(directory, { recursive: true, force: true });
});

let databases = 0;
const ENGINES: readonly [name: string, makeUrl: () => Promise<string>][] = [
  ['SQLite', async () => `sqlite:${path.join(directory, `${++databases}.db`)}`],
  ['Redis', async () => redis.url],
];

test('migrates a Redis Cluster with replicas, which two gateways start on at the same time', async () => {
  const cluster = await startRedisCluster(1);
  try {
    const writing = await makeStoreRuntime(cluster.url);
    await writeFormerOrganizations(writing.store, 60);
    const gateways = [await makeStoreRuntime(cluster.url), await makeStoreRuntime(cluster.url)];
    await Promise.all(gateways.map((gateway) => prepareSchema(gateway)));
    for (let i = 0; i < 60; i++) {
      expect(await writing.store.get(organizationId(i), ORGANIZATION, ORGANIZATION_RECORD)).toMatchObject({ version: 1 });
    }
    await Promise.all([writing, ...gateways].map(({ store }) => store.close()));
  } finally {
    await cluster.stop();
  }
}, 60_000);

describe.each(ENGINES)('migration from version 1 on %s', (engine, makeUrl) => {
  let url: string;
  let runtime: Awaited<ReturnType<typeof makeStoreRuntime>>;
  let store: Store;

  beforeEach(async () => {
    url = await makeUrl();
    runtime = await makeStoreRuntime(url);
    store = runtime.store;
    // No partition is purged on Redis that has no list of its keys, such as the global one.
    if (engine === 'Redis') await runRedisCli('-p', String(redis.port), 'flushall');
  });
  afterEach(() => store.close());

  async function countFormer(): Promise<number> {
    let count = 0;
    for (let i = 0; i < ORGANIZATIONS; i++) if (await store.get(organizationId(i), FORMER_ORGANIZATION, 'organization')) count++;
    return count;
  }

  /** Checks that each organization was moved once, and nothing else exists. */
  async function expectMigrated(): Promise<void> {
    expect((await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD))?.value.version).toBeGreaterThanOrEqual(2);
    expect((await store.find(GLOBAL, FORMER_DIRECTORY, 'slug', { limit: 1 })).items).toEqual([]);
    expect(await countFormer()).toBe(0);
    for (let i = 0; i < ORGANIZATIONS; i++) {
      const id = organizationId(i);
      expect(await store.getUnique(GLOBAL, DIRECTORY, 'slug', `slug-${i}`)).toMatchObject({ id, version: 1 });
      expect(await store.get(id, ORGANIZATION, ORGANIZATION_RECORD)).toMatchObject({ version: 1, value: { id, slug: `slug-${i}` } });
    }
  }

  /** The order of the work is that of the slugs. */
  const MOMENTS: Readonly<Record<string, () => Promise<boolean>>> = {
    'the key ring was moved': async () => (await store.get(GLOBAL, KEY_RING, KEY_RING_RECORD)) !== undefined,
    'a part of the directory was moved': async () => (await store.get(GLOBAL, FORMER_DIRECTORY, organizationId(50))) === undefined,
    'the first organizations were moved': async () =>
      (await store.get(organizationId(10), FORMER_ORGANIZATION, 'organization')) === undefined,
    'half of them were moved': async () => (await store.get(organizationId(2), FORMER_ORGANIZATION, 'organization')) === undefined,
  };

  test(`continues after it was killed when ${Object.keys(MOMENTS).join(', ')}`, async () => {
    await writeFormerOrganizations(store, ORGANIZATIONS);
    const left: number[] = [];
    for (const hasCome of Object.values(MOMENTS)) {
      const child = startChild('../schema/migrating-process.ts', [url]);
      await child.nextLine();
      child.send('go');
      while (!(await hasCome())) await sleep(1);
      expect(await child.kill()).toEqual([]);
      left.push(await countFormer());
    }
    expect(left).toEqual(left.toSorted((a, b) => b - a));
    expect([left[0], (left.at(-1) ?? 0) > 0]).toEqual([ORGANIZATIONS, true]);
    await prepareSchema(runtime);
    await expectMigrated();
  }, 120_000);

  // Otherwise a running gateway of version 1 would purge an organization whose slug it finds without a record, when the slug is created
  // again, and would delete retired keys whose tokens it does not count without the directory.
  test('moves the key ring first and organizations last', async () => {
    await writeFormerOrganizations(store, ORGANIZATIONS);
    const moved: string[] = [];
    const recording: Pick<Store, 'get' | 'find' | 'commit'> = {
      get: (...args) => store.get(...args),
      find: (...args) => store.find(...args),
      commit: async (partition, steps, options) => {
        const result = await store.commit(partition, steps, options);
        const names = steps.flatMap((step) => (step.do === 'delete' || step.do === 'replace' ? [step.collection.name] : []));
        if (result.ok) moved.push(...names.filter((name) => name !== SCHEMA.name && name !== moved.at(-1)));
        return result;
      },
    };
    await prepareSchema({ ...runtime, store: recording as Store });
    expect(moved.filter((name, i) => name !== moved[i - 1])).toEqual(['key-ring', 'directory', 'organization']);
    await expectMigrated();
  });

  test('moves each organization once if several replicas start at the same time', async () => {
    await writeFormerOrganizations(store, ORGANIZATIONS);
    if (engine === 'SQLite') {
      const runtimes = await Promise.all(Array.from({ length: 3 }, () => makeStoreRuntime(url)));
      await Promise.all(runtimes.map((each) => prepareSchema(each)));
      await Promise.all(runtimes.map((each) => each.store.close()));
    } else {
      const children = Array.from({ length: 3 }, () => startChild('../schema/migrating-process.ts', [url]));
      for (const child of children) expect(await child.nextLine()).toBe('ready');
      for (const child of children) child.send('go');
      for (const child of children) expect(await child.nextLine()).toBe('done');
      await Promise.all(children.map((child) => child.kill()));
    }
    await expectMigrated();
  }, 60_000);

  test('loses no change that a gateway of version 1 writes in the meantime, and lets it write none afterwards', async () => {
    await writeFormerOrganizations(store, ORGANIZATIONS);
    let isMigrated = false;
    const written: number[] = [];
    const writeAsBefore = async () => {
      for (let round = 0; !isMigrated; round++) {
        const number = round % ORGANIZATIONS;
        const change = (value: object) => ({ ...value, round }) as never;
        const record = { partition: organizationId(number), collection: FORMER_ORGANIZATION, id: 'organization' };
        if (await updateRecord(store, { ...record, change })) written[number] = round;
        // SQLite answers within the same turn of the event loop, and the migration continues in the next one.
        await sleep(0);
      }
    };
    const writing = writeAsBefore();
    await prepareSchema(runtime);
    isMigrated = true;
    await writing;
    expect(written.length).toBeGreaterThan(0);
    await sleep(10);
    for (const [number, round] of written.entries()) {
      const moved = await store.get(organizationId(number), ORGANIZATION, ORGANIZATION_RECORD);
      if (round !== undefined) expect(moved?.value).toMatchObject({ round });
    }
    await expectMigrated();
  });
});
