/**
 * Deletes old audit entries: those older than SAMLGATE_AUDIT_DAYS, and the oldest ones of a trail that has too many. The cost depends
 * only on the number of deleted entries. The trail says how many were deleted.
 */
import { AUDIT, toAuditEntry } from '../audit.ts';
import { codeOf } from '../errors.ts';
import { firstTimeOrderedId } from '../ids.ts';
import { listOrganizations } from '../organizations/directory.ts';
import { getOrganizationById, ORGANIZATION, ORGANIZATION_RECORD } from '../organizations/organizations.ts';
import { QUOTAS, quotaOf } from '../organizations/quotas/quotas.ts';
import { perRuntime, type Runtime } from '../runtime.ts';
import { nextTurn } from '../store/next-turn.ts';
import { type Collection, GLOBAL, type Step } from '../store/store.ts';
import { DAY_MS, DAY_SECONDS } from '../time.ts';
import { pruneRefusalCounts } from './refusal-counts.ts';

/** Entries of the gateway's trail. For organizations, a quota decides. */
export const MAX_AUDIT_ENTRIES = QUOTAS.audit_entries.standard;

/** Entries that one commit deletes: some milliseconds of work. */
const BATCH = 100;
/** Commits per trail and run. The next run continues. */
const MAX_BATCHES = 200;
/** Organizations that one run visits. */
const ORGANIZATIONS_PER_RUN = 50;
/** Less than the minute between two runs of a replica. */
const LEASE_SECONDS = 50;
/** A trail that gets this many entries from this replica is trimmed without waiting for its turn. */
const TRIM_AFTER_ENTRIES = 1000;
const MAX_COUNTED_TRAILS = 10_000;

interface Trail {
  /** How many entries were deleted so far. */
  readonly trimmed: number;
}

const TRAIL: Collection<Trail> = { name: 'audit-trail', indexes: {}, unique: {} };
const TRAIL_RECORD = 'trail';

export interface TrailSummary {
  /** When the oldest entry was written (RFC 3339). Undefined without entries. */
  readonly oldestAt: string | undefined;
  readonly entries: number;
  readonly trimmed: number;
}

/** Returns the oldest entry, the number of entries and the number of deleted entries of an audit trail. @throws store_unavailable */
export async function summarizeTrail({ store }: Pick<Runtime, 'store'>, partition: string): Promise<TrailSummary> {
  const [oldest, entries, trail] = await Promise.all([
    store.find(partition, AUDIT, 'time', { equals: '', limit: 1 }),
    store.count(partition, AUDIT),
    store.get(partition, TRAIL, TRAIL_RECORD),
  ]);
  const [entry] = oldest.items;
  return { oldestAt: entry && toAuditEntry(entry).at, entries, trimmed: trail?.value.trimmed ?? 0 };
}

/**
 * Deletes the entries of a trail that are too old or too many. Several replicas may do it at the same time: each entry is deleted and
 * counted once.
 * @returns the number of deleted entries
 * @throws store_unavailable
 */
export async function trimAudit(runtime: Runtime, partition: string, maxEntries: number = MAX_AUDIT_ENTRIES): Promise<number> {
  let trimmed = 0;
  for (let batch = 0; batch < MAX_BATCHES; batch++) {
    const count = await trimBatch(runtime, partition, { maxEntries, limit: batch === 0 ? 1 : BATCH });
    trimmed += count;
    if (count === 0) break;
    await nextTurn();
  }
  if (trimmed > 0) runtime.metrics.auditTrimmed.inc(trimmed);
  return trimmed;
}

interface BatchOptions {
  readonly maxEntries: number;
  /** The first batch has one entry, because most trails have nothing to delete. */
  readonly limit: number;
}

/** Returns 0 if nothing is to be deleted, or if another replica has deleted it. */
async function trimBatch({ store, config, now }: Runtime, partition: string, { maxEntries, limit }: BatchOptions): Promise<number> {
  const excess = (await store.count(partition, AUDIT)) - maxEntries;
  const { items } = await store.find(partition, AUDIT, 'time', { equals: '', limit });
  const oldestKept = config.auditDays === 0 ? '' : firstTimeOrderedId('aud', now() - config.auditDays * DAY_MS);
  const deleted = items.filter(({ id }, position) => id < oldestKept || position < excess);
  if (deleted.length === 0) return 0;
  const trail = await store.get(partition, TRAIL, TRAIL_RECORD);
  const value: Trail = { trimmed: (trail?.value.trimmed ?? 0) + deleted.length };
  const result = await store.commit(partition, [
    ...(partition === GLOBAL ? [] : [{ do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD } as const]),
    trail
      ? { do: 'replace', collection: TRAIL, id: TRAIL_RECORD, version: trail.version, value }
      : { do: 'insert', collection: TRAIL, id: TRAIL_RECORD, value },
    ...deleted.map(({ id, version }): Step => ({ do: 'delete', collection: AUDIT, id, version })),
  ]);
  return result.ok ? deleted.length : 0;
}

const LEASE_KEY = 'audit-trim:lease';
/** The cursor of the next organizations in the directory. All replicas share it, so that a restart does not begin again. */
const CURSOR_KEY = 'audit-trim:cursor';

/**
 * Trims the trail of the gateway and of some organizations, the next ones at each run. One replica at a time does it.
 * @throws store_unavailable
 */
export async function trimAuditTrails(runtime: Runtime): Promise<void> {
  const { store } = runtime;
  if (!(await store.commit(GLOBAL, [{ do: 'claim', key: LEASE_KEY, ttlSeconds: LEASE_SECONDS }])).ok) return;
  await trimOne(runtime, GLOBAL);
  const cursor = await store.peek(GLOBAL, CURSOR_KEY);
  const { items, nextCursor } = await listOrganizations(store, { limit: ORGANIZATIONS_PER_RUN, cursor });
  for (const { id } of items) {
    await nextTurn();
    await trimOne(runtime, id);
  }
  await store.commit(GLOBAL, [
    nextCursor === null ? { do: 'drop', key: CURSOR_KEY } : { do: 'put', key: CURSOR_KEY, value: nextCursor, ttlSeconds: DAY_SECONDS },
  ]);
}

/** A failure with one trail must not keep the others from being trimmed. */
async function trimOne(runtime: Runtime, partition: string): Promise<void> {
  try {
    const organization = partition === GLOBAL ? undefined : await getOrganizationById(runtime.store, partition);
    await trimAudit(runtime, partition, organization && quotaOf(organization, 'audit_entries'));
    await pruneRefusalCounts(runtime, partition);
  } catch (error) {
    const organization = partition === GLOBAL ? {} : { organization_id: partition };
    runtime.log.warn({ code: codeOf(error), ...organization }, 'could not delete old audit entries');
  }
}

const writtenOf = perRuntime(() => new Map<string, number>());

/** Notes that entries were written. A trail that grows fast is trimmed in the background. */
export function noteAuditEntries(runtime: Runtime, partition: string, count: number): void {
  const written = writtenOf(runtime);
  const total = (written.get(partition) ?? 0) + count;
  if (total < TRIM_AFTER_ENTRIES) {
    if (written.size >= MAX_COUNTED_TRAILS) written.clear();
    written.set(partition, total);
    return;
  }
  written.delete(partition);
  void trimOne(runtime, partition);
}
