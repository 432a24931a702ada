/**
 * Copies a store to another one, of any engine. While it runs, a mark in the target keeps gateways from starting. After an
 * interruption the same command continues. It compares records that were copied before, and does not write them again.
 */
import { AUDIT } from '../audit.ts';
import { findSchemaProblem, incompleteCopy, SCHEMA, SCHEMA_RECORD } from '../schema/schema-version.ts';
import { openStore } from '../store/open-store.ts';
import type { RawEntry, RawRecord, RawRef, RawStore } from '../store/raw/raw-entries.ts';
import { isStoreInUse, openRawStore } from '../store/raw/raw-store.ts';
import { GLOBAL, type Step, type Store } from '../store/store.ts';
import { isSame, refText } from './compare-entries.ts';
import { isSession } from './session-values.ts';
import { StoreToolError } from './store-tool-error.ts';
import { findSecretProblem, type StoreSecrets } from './wrapped-keys.ts';

export interface CopyOptions {
  readonly from: string;
  readonly to: string;
  /** Must open the keys of the source. */
  readonly secrets: StoreSecrets;
  /** Leaves out sessions, so that users sign in again. Everything that revokes or prevents something is always copied. */
  readonly withoutSessions: boolean;
  /** Checks source and target and counts, without writing anything. */
  readonly isDryRun: boolean;
  /** Called after each batch of each phase, with the number of entries so far. */
  readonly report?: (phase: 'Counted' | 'Copied' | 'Verified', entries: number) => void;
}

export interface CopyResult {
  readonly records: number;
  /** Sessions, claims of used assertions and other values that expire. */
  readonly values: number;
  /** Entries that an interrupted copy had already written. */
  readonly already: number;
  readonly notes: readonly string[];
}

const SCHEMA_REF = { kind: 'record', partition: GLOBAL, collection: SCHEMA.name, id: SCHEMA_RECORD } as const;
/** Marks of commits that wait for replicas. They mean nothing in another store. */
const REPLICATION_MARK = /^replicated:/;
/** A value may expire in one store some moments before it does in the other. */
const EXPIRES_SOON_MS = 5000;
/** UTF-16 code units of values in one commit, which holds up a Redis for some milliseconds. */
const MAX_COMMIT_LENGTH = 1_000_000;

/** @throws StoreToolError if the source or the target cannot be used, or if the source changed meanwhile; store_unavailable */
export async function copyStore(options: CopyOptions): Promise<CopyResult> {
  const { from, to, isDryRun } = options;
  if (from === to) throw new StoreToolError('Source and target are the same store.');
  const notes = [...(await requireUnused('source', from)), ...(await requireUnused('target', to))];
  const source = await openRawStore(from);
  try {
    const schema = await requireUsableSource(source, options);
    const target = await openTarget(to, isDryRun);
    try {
      const isResumed = await requireUsableTarget(target.raw);
      if (isDryRun || !target.store || !target.raw) return { ...(await countEntries(source, options)), already: 0, notes };
      const copy: Copy = { source, target: target.raw, store: target.store, options };
      if (isResumed) await deleteDifferent(copy);
      else await mark(target.store);
      const counts = await copyEntries(copy);
      await verify(copy);
      notes.push(...(await requireUnusedMeanwhile(copy)));
      await finish(target.store, schema);
      return { ...counts, notes };
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

interface Copy {
  readonly source: RawStore;
  readonly target: RawStore;
  readonly store: Store;
  readonly options: CopyOptions;
}

/** @returns notes about what could not be checked */
async function requireUnused(role: 'source' | 'target', url: string): Promise<readonly string[]> {
  if (role === 'target' && (await isMissing(url))) return [];
  const inUse = await isStoreInUse(url);
  if (inUse) throw new StoreToolError(`A gateway or another process uses the ${role}. Stop all gateways, then try again.`);
  return inUse === undefined
    ? [`The server of the ${role} does not say whether gateways use it. Make sure that all of them are stopped.`]
    : [];
}

async function isMissing(url: string): Promise<boolean> {
  const { existsSync } = await import('node:fs');
  return url.startsWith('sqlite:') && !existsSync(url.slice('sqlite:'.length));
}

/** A gateway that was started during the copy may have written what the verification no longer saw. */
async function requireUnusedMeanwhile({ source, options }: Copy): Promise<readonly string[]> {
  // An open SQLite file counts as used.
  await source.close();
  return requireUnused('source', options.from);
}

/** Returns the schema record. @throws StoreToolError */
async function requireUsableSource(source: RawStore, { secrets }: CopyOptions): Promise<RawRecord> {
  const problem = await findSchemaProblem(readerOf(source));
  if (problem?.kind === 'older')
    throw new StoreToolError('The source has an older schema version. Start the gateway on it once, which migrates it.');
  if (problem) throw new StoreToolError(problem.text.replaceAll('SAMLGATE_STORE', 'The source'));
  const [schema] = await source.read([SCHEMA_REF]);
  if (schema?.kind !== 'record') throw new StoreToolError('The source is empty.');
  const secretProblem = await findSecretProblem(source, secrets);
  if (secretProblem !== undefined) throw new StoreToolError(secretProblem);
  return schema;
}

/** Reads records of a raw store as a store does. */
export const readerOf = (raw: RawStore): Pick<Store, 'get'> => ({
  get: async (partition, { name: collection }, id) => {
    const [entry] = await raw.read([{ kind: 'record', partition, collection, id }]);
    return entry?.kind === 'record' ? { id, version: entry.version, value: JSON.parse(entry.text) } : undefined;
  },
});

interface Target {
  /** Undefined for a SQLite file that does not exist yet, in a dry run. */
  readonly raw: RawStore | undefined;
  /** Undefined in a dry run. */
  readonly store: Store | undefined;
  close(): Promise<void>;
}

async function openTarget(url: string, isDryRun: boolean): Promise<Target> {
  if (isDryRun && (await isMissing(url))) return { raw: undefined, store: undefined, close: async () => {} };
  const store = isDryRun ? undefined : await openStore(url);
  const raw = await openRawStore(url);
  return {
    raw,
    store,
    close: async () => {
      await raw.close();
      await store?.close();
    },
  };
}

/** Returns whether an interrupted copy is continued. @throws StoreToolError if the target has data */
async function requireUsableTarget(target: RawStore | undefined): Promise<boolean> {
  if (!target) return false;
  const [mark] = await target.read([SCHEMA_REF]);
  if (mark?.kind === 'record' && (JSON.parse(mark.text) as { isCopy?: boolean }).isCopy) return true;
  for await (const batch of target.scan()) {
    if (batch.some((entry) => !isIgnored(entry)))
      throw new StoreToolError('The target is not empty. Nothing was changed. Use an empty store.');
  }
  return false;
}

async function mark(store: Store): Promise<void> {
  const step = { do: 'insert', collection: SCHEMA, id: SCHEMA_RECORD, value: incompleteCopy() } as const;
  if (!(await store.commit(GLOBAL, [step], { replicated: true })).ok)
    throw new StoreToolError('Another process has written to the target.');
}

/** Replaces the mark by the schema record of the source. From then on gateways start on the target. */
async function finish(store: Store, { version, text, indexes, uniques }: RawRecord): Promise<void> {
  const present = await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD);
  const steps: Step[] = [
    { do: 'delete', collection: SCHEMA, id: SCHEMA_RECORD, version: present?.version ?? 0 },
    { do: 'restore', collection: SCHEMA, id: SCHEMA_RECORD, version, text, indexes, uniques },
  ];
  if (!(await store.commit(GLOBAL, steps, { replicated: true })).ok) throw new StoreToolError('Another process has written to the target.');
}

const isIgnored = (ref: RawRef): boolean =>
  ref.kind === 'expiring' ? REPLICATION_MARK.test(ref.key) : refText(ref) === refText(SCHEMA_REF);

const isCopied = (ref: RawRef, { withoutSessions }: CopyOptions): boolean => !isIgnored(ref) && !(withoutSessions && isSession(ref));

async function countEntries(source: RawStore, options: CopyOptions): Promise<Pick<CopyResult, 'records' | 'values'>> {
  const counts = { records: 0, values: 0 };
  for await (const batch of source.scan()) {
    for (const entry of batch) if (isCopied(entry, options)) counts[entry.kind === 'record' ? 'records' : 'values']++;
    options.report?.('Counted', counts.records + counts.values);
  }
  return counts;
}

/**
 * Deletes what differs from the source, which may have changed since the interruption. A member who was removed there meanwhile must
 * not return.
 */
async function deleteDifferent({ source, target, store, options }: Copy): Promise<void> {
  for await (const batch of target.scan()) {
    const entries = batch.filter((entry) => !isIgnored(entry));
    const originals = await source.read(entries);
    const different = entries.filter((entry, i) => !isCopied(entry, options) || !isSame(entry, originals[i]));
    await commitAll(store, different, (entry) =>
      entry.kind === 'record'
        ? { do: 'delete', collection: { name: entry.collection, indexes: {}, unique: {} }, id: entry.id, version: entry.version }
        : { do: 'drop', key: entry.key },
    );
  }
}

async function copyEntries({ source, target, store, options }: Copy): Promise<Pick<CopyResult, 'records' | 'values' | 'already'>> {
  const counts = { records: 0, values: 0, already: 0 };
  let reported = 0;
  for await (const batch of source.scan()) {
    // A scan of Redis may yield an entry twice.
    const entries = [...new Map(batch.map((entry) => [refText(entry), entry])).values()].filter((entry) => isCopied(entry, options));
    const present = await target.read(entries);
    const missing = entries.filter((entry, i) => !isSame(entry, present[i]));
    counts.already += entries.length - missing.length;
    for (const { kind } of missing) counts[kind === 'record' ? 'records' : 'values']++;
    await commitAll(store, missing, (entry) =>
      entry.kind === 'record'
        ? { ...entry, do: 'restore', collection: entry.collection === AUDIT.name ? AUDIT : { name: entry.collection } }
        : { do: 'put', key: entry.key, value: entry.value, ttlSeconds: entry.ttlMs / 1000 },
    );
    reported += entries.length;
    options.report?.('Copied', reported);
  }
  return counts;
}

/** Commits the step of each entry, with those of the same partition together. @throws StoreToolError if a step fails */
async function commitAll(store: Store, entries: readonly RawEntry[], stepOf: (entry: RawEntry) => Step): Promise<void> {
  for (const [partition, ofPartition] of Map.groupBy(entries, (entry) => entry.partition)) {
    let steps: Step[] = [];
    let length = 0;
    const flush = async () => {
      if (steps.length > 0 && !(await store.commit(partition, steps, { replicated: true })).ok) {
        throw new StoreToolError(
          `A record of ${partition} cannot be written. The source changes, or the target has other data. Stop all gateways and try again.`,
        );
      }
      [steps, length] = [[], 0];
    };
    for (const entry of ofPartition) {
      steps.push(stepOf(entry));
      length += entry.kind === 'record' ? entry.text.length : entry.value.length;
      if (length > MAX_COMMIT_LENGTH) await flush();
    }
    await flush();
  }
}

/** Compares both stores completely, in both directions. @throws StoreToolError */
async function verify({ source, target, options }: Copy): Promise<void> {
  let differences = 0;
  let verified = 0;
  for await (const batch of source.scan()) {
    const entries = batch.filter((entry) => isCopied(entry, options));
    verified += entries.length;
    options.report?.('Verified', verified);
    const copies = await target.read(entries);
    differences += entries.filter((entry, i) => !isSame(entry, copies[i]) && !expiresSoon(entry)).length;
  }
  for await (const batch of target.scan()) {
    const entries = batch.filter((entry) => !isIgnored(entry));
    const originals = await source.read(entries);
    differences += entries.filter((entry, i) => !originals[i] && !expiresSoon(entry)).length;
  }
  if (differences === 0) return;
  throw new StoreToolError(
    `The source changed during the copy: ${differences} entries differ. The target cannot be used yet. Stop all gateways, then run the same command again.`,
  );
}

const expiresSoon = (entry: RawEntry): boolean => entry.kind === 'expiring' && entry.ttlMs < EXPIRES_SOON_MS;
