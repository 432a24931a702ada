/** The schema version of the store at startup, and while a gateway runs. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ConfigError } from '../../src/config.ts';
import type { Runtime } from '../../src/runtime.ts';
import { MIGRATIONS, type Migration } from '../../src/schema/migrations.ts';
import { prepareSchema, SCHEMA, SCHEMA_RECORD, type SchemaVersion } from '../../src/schema/schema-version.ts';
import { openStore } from '../../src/store/open-store.ts';
import { GLOBAL, type Store } from '../../src/store/store.ts';
import { type BuiltPackage, buildPackage } from '../support/built-package.ts';
import { freePort, type RedisServer, runRedisCli, startRedis } from '../support/redis-server.ts';

const NEWEST = 1 + MIGRATIONS.length;

let redis: RedisServer;
let directory: string;

beforeAll(async () => {
  redis = await startRedis();
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-schema-'));
});
afterAll(async () => {
  await redis?.stop();
  rmSync(directory, { recursive: true, force: true });
});

let databases = 0;
const ENGINES = {
  SQLite: () => `sqlite:${path.join(directory, `${++databases}.db`)}`,
  Redis: () => redis.url,
};

const readVersion = async (store: Store): Promise<SchemaVersion | undefined> => (await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD))?.value;

const writeVersion = async (store: Store, value: SchemaVersion): Promise<void> => {
  const stored = await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD);
  const record = { collection: SCHEMA, id: SCHEMA_RECORD, value } as const;
  await store.commit(GLOBAL, [stored ? { do: 'replace', version: stored.version, ...record } : { do: 'insert', ...record }]);
};

describe.each(Object.entries(ENGINES))('schema version on %s', (_name, makeUrl) => {
  let url: string;
  let store: Store;
  let runtime: Runtime;

  beforeEach(async () => {
    url = makeUrl();
    store = await openStore(url);
    await runRedisCli('-p', String(redis.port), 'flushall');
    runtime = { store } as Runtime;
  });
  afterEach(() => store.close());

  /** Migrations that record their calls. */
  function recordingMigrations(count: number): { readonly calls: number[]; readonly migrations: Migration[] } {
    const calls: number[] = [];
    return { calls, migrations: Array.from({ length: count }, (_, i) => async () => void calls.push(i)) };
  }

  test('is the newest one in a new store', async () => {
    await prepareSchema(runtime);
    expect(await readVersion(store)).toEqual({ version: NEWEST });
  });

  test('is unchanged when a store of this version is opened again', async () => {
    await prepareSchema(runtime);
    await prepareSchema(runtime);
    expect(await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD)).toMatchObject({ version: expect.any(Number), value: { version: NEWEST } });
    const { calls, migrations } = recordingMigrations(NEWEST - 1);
    await prepareSchema(runtime, migrations);
    expect(calls).toEqual([]);
  });

  test('makes startup run the missing migrations in order, each once', async () => {
    const { calls, migrations } = recordingMigrations(3);
    await prepareSchema(runtime, migrations);
    expect(calls).toEqual([0, 1, 2]);
    expect(await readVersion(store)).toEqual({ version: 4 });
  });

  test('makes startup wait for running replicas before it migrates a store whose replicas check the version', async () => {
    await writeVersion(store, { version: 2 });
    const { calls, migrations } = recordingMigrations(2);
    const startedMs = performance.now();
    const starting = prepareSchema(runtime, migrations);
    while ((await readVersion(store))?.migratingTo !== 3) expect(calls).toEqual([]);
    await starting;
    expect(performance.now() - startedMs).toBeGreaterThan(4900);
    expect(calls).toEqual([1]);
  });

  test('is written only when the migration is complete, so that a failed one runs again', async () => {
    const failing: Migration = async () => Promise.reject(new Error('interrupted'));
    await expect(prepareSchema(runtime, [failing])).rejects.toThrow('interrupted');
    expect(await readVersion(store)).toEqual({ version: 1, migratingTo: 2 });
    const { calls, migrations } = recordingMigrations(1);
    await prepareSchema(runtime, migrations);
    expect(calls).toEqual([0]);
    expect(await readVersion(store)).toEqual({ version: 2 });
  });

  test('is the newest one after several replicas have started at the same time', async () => {
    const { migrations } = recordingMigrations(2);
    const stores = await Promise.all(Array.from({ length: 5 }, () => openStore(url)));
    await Promise.all(stores.map((each) => prepareSchema({ store: each } as Runtime, migrations)));
    expect(await readVersion(store)).toEqual({ version: 3 });
    await Promise.all(stores.map((each) => each.close()));
  });

  test.each([{ version: NEWEST + 1 }, { version: NEWEST, migratingTo: NEWEST + 1 }, { version: 1, migratingTo: 99 }])(
    'refuses a store that a newer program has written or begun to migrate (%j), and changes nothing',
    async (newer) => {
      await writeVersion(store, newer);
      const before = await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD);
      await expect(prepareSchema(runtime)).rejects.toThrow(ConfigError);
      expect(await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD)).toEqual(before);
    },
  );
});

describe.each(Object.entries(ENGINES))('gateway process on %s', (_name, makeUrl) => {
  let built: BuiltPackage;
  let store: Store;
  let environment: Record<string, string>;

  beforeAll(async () => {
    built = await buildPackage();
    const url = makeUrl();
    const port = await freePort();
    store = await openStore(url);
    await runRedisCli('-p', String(redis.port), 'flushall');
    environment = {
      SAMLGATE_STORE: url,
      SAMLGATE_SECRET: randomBytes(32).toString('base64'),
      SAMLGATE_OPERATOR_TOKEN: randomBytes(32).toString('hex'),
      SAMLGATE_LISTEN: `127.0.0.1:${port}`,
      SAMLGATE_BASE_URL: `http://localhost:${port}`,
    };
  }, 60_000);
  afterAll(async () => {
    await store?.close();
    await built?.remove();
  });

  test('ends when a newer program begins to migrate its store, and then refuses to start with one clear line', async () => {
    const gateway = built.start(['serve'], environment);
    await gateway.says(/samlgate is ready/);
    await writeVersion(store, { version: NEWEST, migratingTo: NEWEST + 1 });
    const startedMs = performance.now();
    const ended = await gateway.end();
    expect(performance.now() - startedMs).toBeLessThan(5000);
    expect([ended.code, ended.stdout]).toEqual([1, expect.stringContaining(`has schema version ${NEWEST + 1}`)]);

    const refused = await built.run(['serve'], environment);
    expect(refused.code).toBe(2);
    expect(refused.stderr.trimEnd().split('\n')).toEqual([
      'samlgate could not start:',
      expect.stringMatching(new RegExp(`^SAMLGATE_STORE has schema version ${NEWEST + 1}, .* supports versions up to ${NEWEST}\\.`)),
    ]);
    expect(refused.stdout).toBe('');
  }, 60_000);
});
