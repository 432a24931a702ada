/**
 * Counts refusals that anyone can cause: messages without a valid signature, copies of refused responses, and guesses of the operator
 * token. They get no entry in the audit trail, because a stranger could then fill the store. Counters are by organization, kind, code
 * and minute, and expire.
 *
 * A replica adds its counts up and writes them every few seconds. A crash loses the counts of these seconds.
 */
import { codeOf, type ErrorCode } from '../errors.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../organizations/organizations.ts';
import { perRuntime, type Runtime } from '../runtime.ts';
import { compareAndSet, RETRY } from '../store/compare-and-set.ts';
import { eachRecord } from '../store/each-record.ts';
import { type Collection, GLOBAL, type Step, type Store } from '../store/store.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, toIsoTime } from '../time.ts';

/** What was refused. The names are public (`unsigned_refusals` of the audit trail, which also counts copies of signed messages). */
export const REFUSAL_KINDS = ['sign_in', 'logout', 'operator_sign_in'] as const;
export type RefusalKind = (typeof REFUSAL_KINDS)[number];

/** How long counters are stored. */
export const REFUSAL_COUNT_DAYS = 7;
const WRITE_AFTER_MS = 5_000;
/** Expired hours that are deleted by one write. */
const MAX_PRUNED = 24;

/** Counts by `KIND CODE`. */
type Counts = Readonly<Record<string, number>>;

/** The counters of one hour, by minute (`00` to `59`). The ID is the hour in RFC 3339, such as `2026-03-04T05`. */
interface Hour {
  readonly minutes: Readonly<Record<string, Counts>>;
}

const REFUSAL_COUNTS: Collection<Hour> = { name: 'refusal-counts', indexes: { time: () => [''] }, unique: {} };

const hourOf = (ms: number): string => toIsoTime(ms).slice(0, 13);
const minuteOf = (ms: number): string => toIsoTime(ms).slice(14, 16);

interface Pending {
  /** By partition, and then by minute (ms since 1970). */
  counts: Map<string, Map<number, Record<string, number>>>;
  timer: NodeJS.Timeout | undefined;
  writing: Promise<void>;
}

const pendingOf = perRuntime((): Pending => ({ counts: new Map(), timer: undefined, writing: Promise.resolve() }));

export interface CountedRefusal {
  readonly kind: RefusalKind;
  readonly code: ErrorCode;
}

/** Counts a refusal. @param partition of an organization that exists, or {@link GLOBAL} */
export function countRefusal(runtime: Runtime, partition: string, { kind, code }: CountedRefusal): void {
  const pending = pendingOf(runtime);
  const minutes = pending.counts.get(partition) ?? new Map<number, Record<string, number>>();
  pending.counts.set(partition, minutes);
  const minuteMs = Math.floor(runtime.now() / MINUTE_MS) * MINUTE_MS;
  const counts = minutes.get(minuteMs) ?? {};
  minutes.set(minuteMs, counts);
  const name = `${kind} ${code}`;
  counts[name] = (counts[name] ?? 0) + 1;
  pending.timer ??= setTimeout(() => void flushRefusalCounts(runtime), WRITE_AFTER_MS).unref();
}

/** Writes what this replica has counted so far. Counts that cannot be written are dropped. */
export async function flushRefusalCounts(runtime: Runtime): Promise<void> {
  const pending = pendingOf(runtime);
  clearTimeout(pending.timer);
  pending.timer = undefined;
  const { counts } = pending;
  pending.counts = new Map();
  pending.writing = pending.writing.then(async () => {
    for (const [partition, minutes] of counts) await writeCounts(runtime, partition, minutes);
  });
  await pending.writing;
}

async function writeCounts(runtime: Runtime, partition: string, minutes: ReadonlyMap<number, Counts>): Promise<void> {
  try {
    for (const [minuteMs, counts] of minutes) {
      if (await addCounts(runtime, { partition, minuteMs, counts })) logCounts(runtime, { partition, minuteMs, counts });
    }
  } catch (error) {
    runtime.log.warn({ code: codeOf(error), organization_id: organizationOf(partition) }, 'could not record the number of refusals');
  }
}

const organizationOf = (partition: string): string | undefined => (partition === GLOBAL ? undefined : partition);

interface MinuteCounts {
  readonly partition: string;
  readonly minuteMs: number;
  readonly counts: Counts;
}

/** Returns false if the organization has been deleted. @throws conflict, store_unavailable */
function addCounts(runtime: Runtime, { partition, minuteMs, counts }: MinuteCounts): Promise<boolean> {
  const id = hourOf(minuteMs);
  const minute = minuteOf(minuteMs);
  const exists: Step[] = partition === GLOBAL ? [] : [{ do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD }];
  return compareAndSet<boolean>(async () => {
    const before = await runtime.store.get(partition, REFUSAL_COUNTS, id);
    const minutes = before?.value.minutes ?? {};
    const value: Hour = { minutes: { ...minutes, [minute]: sumOf(minutes[minute] ?? {}, counts) } };
    const write: Step = before
      ? { do: 'replace', collection: REFUSAL_COUNTS, id, version: before.version, value }
      : { do: 'insert', collection: REFUSAL_COUNTS, id, value };
    const result = await runtime.store.commit(partition, [...exists, write]);
    if (!result.ok) return result.failed < exists.length ? false : RETRY;
    if (!before) await pruneRefusalCounts(runtime, partition);
    return true;
  }, 'refusals were not counted');
}

function sumOf(before: Counts, added: Counts): Counts {
  const sum: Record<string, number> = { ...before };
  for (const [name, count] of Object.entries(added)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

/** Refusals reach the log as sums, so that a flood does not write a line for each message. */
function logCounts({ log }: Runtime, { partition, minuteMs, counts }: MinuteCounts): void {
  for (const [name, count] of Object.entries(counts)) {
    const [kind, code] = name.split(' ');
    const fields = { audit: true, event: 'refusals.counted', organization_id: organizationOf(partition), at: toIsoTime(minuteMs) };
    log.info({ ...fields, kind, code, count }, 'refusals without an audit entry');
  }
}

/** Deletes expired counters. @throws store_unavailable */
export async function pruneRefusalCounts({ store, now }: Pick<Runtime, 'store' | 'now'>, partition: string): Promise<void> {
  const oldest = hourOf(now() - REFUSAL_COUNT_DAYS * DAY_MS);
  const { items } = await store.find(partition, REFUSAL_COUNTS, 'time', { equals: '', limit: MAX_PRUNED });
  const expired = items.filter(({ id }) => id < oldest);
  if (expired.length === 0) return;
  // Fails if a concurrent prune was faster.
  await store.commit(
    partition,
    expired.map(({ id, version }): Step => ({ do: 'delete', collection: REFUSAL_COUNTS, id, version })),
  );
}

export interface RefusalSummary {
  readonly kind: RefusalKind;
  readonly code: string;
  readonly lastHour: number;
  readonly lastDay: number;
  /** All that is stored, {@link REFUSAL_COUNT_DAYS} days. */
  readonly lastWeek: number;
}

/**
 * Returns the number of refusals by kind and code, the most frequent first.
 * @throws store_unavailable
 */
export async function summarizeRefusals(runtime: Runtime, partition: string): Promise<RefusalSummary[]> {
  if (pendingOf(runtime).counts.has(partition)) await flushRefusalCounts(runtime);
  const nowMs = runtime.now();
  const sums = new Map<string, { lastHour: number; lastDay: number; lastWeek: number }>();
  for await (const [minuteMs, counts] of storedMinutes(runtime.store, partition)) {
    const ageMs = nowMs - minuteMs;
    if (ageMs > REFUSAL_COUNT_DAYS * DAY_MS) continue;
    for (const [name, count] of Object.entries(counts)) {
      const sum = sums.get(name) ?? { lastHour: 0, lastDay: 0, lastWeek: 0 };
      sums.set(name, sum);
      sum.lastWeek += count;
      if (ageMs <= DAY_MS) sum.lastDay += count;
      if (ageMs <= HOUR_MS) sum.lastHour += count;
    }
  }
  return [...sums]
    .map(([name, sum]) => {
      const [kind = '', code = ''] = name.split(' ');
      return { kind: kind as RefusalKind, code, ...sum };
    })
    .sort((a, b) => b.lastWeek - a.lastWeek);
}

async function* storedMinutes(store: Store, partition: string): AsyncGenerator<readonly [minuteMs: number, counts: Counts]> {
  for await (const { id, value } of eachRecord(store, { partition, collection: REFUSAL_COUNTS, index: 'time', equals: '' })) {
    for (const [minute, counts] of Object.entries(value.minutes)) yield [Date.parse(`${id}:${minute}:00Z`), counts];
  }
}
