/**
 * The schema version of the store. Startup migrates an older store to the version that this program writes, and refuses a newer
 * one. All replicas of a gateway must be stopped for a migration: a replica that finds a newer version while it runs has to end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '../config.ts';
import type { Runtime } from '../runtime.ts';
import { type Collection, GLOBAL, type Store, type Stored } from '../store/store.ts';
import { isOfVersion1 } from './from-version-1.ts';
import { MIGRATIONS, type Migration } from './migrations.ts';

export interface SchemaVersion {
  /** All data of the store has this layout. */
  readonly version: number;
  /** A migration to this version has begun and is not complete. */
  readonly migratingTo?: number | undefined;
  /** The store is an incomplete copy of another one. `migratingTo` is a version that no program has, so that none starts. */
  readonly isCopy?: true | undefined;
}

export const SCHEMA: Collection<SchemaVersion> = { name: 'schema', indexes: {}, unique: {} };
export const SCHEMA_RECORD = 'schema';

/** The version of stores without a record, which are new or were written before there was one. */
const FIRST_VERSION = 1;

const CHECK_EVERY_MS = 2000;
/** A running replica ends within this time after a migration has begun: one interval, and a slow read. */
export const REPLICAS_END_WITHIN_MS = 5000;

/**
 * Brings the store to the version of this program. A migration that was interrupted continues. Several replicas may call this at
 * the same time, because each step of a migration is idempotent. On a new store, all migrations run and find nothing to change.
 * @param migrations replaced by tests
 * @throws ConfigError if a newer program has written the store, or has begun to migrate it; store_unavailable
 */
export async function prepareSchema(runtime: Runtime, migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
  const { store } = runtime;
  const newest = FIRST_VERSION + migrations.length;
  let mayHaveReplicas: boolean | undefined;
  for (;;) {
    const stored = await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD);
    const schema: SchemaVersion = stored?.value ?? { version: FIRST_VERSION };
    const { version, migratingTo } = schema;
    // Programs of the first version do not end by themselves; the first migration makes them fail.
    mayHaveReplicas ??= version > FIRST_VERSION;
    const problem = findNewerVersion(schema, newest);
    if (problem !== undefined) throw new ConfigError([problem]);
    const migration = migrations[version - FIRST_VERSION];
    if (!migration) {
      if (stored || (await writeVersion(store, stored, { version }))) return;
    } else if (migratingTo === undefined) {
      await writeVersion(store, stored, { version, migratingTo: version + 1 });
    } else {
      if (mayHaveReplicas) await sleep(REPLICAS_END_WITHIN_MS);
      mayHaveReplicas = false;
      await migration(runtime);
      await writeVersion(store, stored, { version: version + 1 });
    }
  }
}

/** Returns whether the record was written. It is not if another replica has written it since it was read. */
async function writeVersion(store: Store, before: Stored<SchemaVersion> | undefined, value: SchemaVersion): Promise<boolean> {
  const record = { collection: SCHEMA, id: SCHEMA_RECORD, value };
  const step = before ? ({ do: 'replace', version: before.version, ...record } as const) : ({ do: 'insert', ...record } as const);
  return (await store.commit(GLOBAL, [step], { replicated: true })).ok;
}

/** Returns the schema record of a store while another one is copied to it. */
export const incompleteCopy = (): SchemaVersion => {
  const newest = FIRST_VERSION + MIGRATIONS.length;
  return { version: newest, migratingTo: newest + 1, isCopy: true };
};

function findNewerVersion({ version, migratingTo = version, isCopy }: SchemaVersion, newest: number): string | undefined {
  if (isCopy) return 'SAMLGATE_STORE is an incomplete copy of another store. Complete it by running the same samlgate store copy again.';
  if (migratingTo <= newest) return undefined;
  return `SAMLGATE_STORE has schema version ${migratingTo}, which a newer version of samlgate has written; this one supports versions up to ${newest}. Start the newer version, or restore a backup from before the upgrade.`;
}

/**
 * Returns why this program cannot use the store as it is, for a program that does not migrate it. Undefined for a store of this
 * version, and for a new one.
 */
export async function findSchemaProblem(
  store: Pick<Store, 'get'>,
): Promise<{ readonly kind: 'older' | 'newer'; readonly text: string } | undefined> {
  const schema = (await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD))?.value;
  const newest = FIRST_VERSION + MIGRATIONS.length;
  const newer = schema && findNewerVersion(schema, newest);
  if (newer !== undefined) return { kind: 'newer', text: newer };
  const version = schema?.version ?? ((await isOfVersion1(store)) ? FIRST_VERSION : newest);
  if (version === newest) return undefined;
  return {
    kind: 'older',
    text: `SAMLGATE_STORE has schema version ${version}; this version of samlgate migrates it to ${newest} at startup.`,
  };
}

/**
 * Checks every two seconds whether a newer program migrates the store. If one does, calls `onNewer` once, with the reason. The
 * process must end then, because it would read and write a layout that it does not know.
 * @returns a function that stops the checks
 */
export function watchSchema({ store }: Pick<Runtime, 'store'>, onNewer: (reason: string) => void): () => void {
  const check = async () => {
    const stored = await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD);
    const reason = stored && findNewerVersion(stored.value, FIRST_VERSION + MIGRATIONS.length);
    if (reason === undefined) return;
    clearInterval(timer);
    onNewer(reason);
  };
  // If the store does not answer, neither does the migration reach it. The next check follows.
  const timer = setInterval(() => void check().catch(() => {}), CHECK_EVERY_MS).unref();
  return () => clearInterval(timer);
}
