/**
 * Stores the number of CLI tokens per signing key in one record, because counting them means reading every member with CLI tokens. Each
 * change of a member's tokens updates it. Tokens of removed members and deleted organizations, and expired tokens, remain included until
 * all tokens are counted again, once a day. The numbers are shown to operators only; a key is deleted only after an exact count.
 */
import { codeOf } from '../../errors.ts';
import { type CliToken, countCliTokensByKey } from '../../organizations/members.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { type Collection, GLOBAL } from '../../store/store.ts';
import { updateRecord } from '../../store/update-record.ts';
import { DAY_MS } from '../../time.ts';

export interface TokenCounts {
  readonly countedAtMs: number;
  readonly byKey: Readonly<Record<string, number>>;
}

const TOKEN_COUNTS: Collection<TokenCounts> = { name: 'cli-token-counts', indexes: {}, unique: {} };
const RECORD = { partition: GLOBAL, collection: TOKEN_COUNTS, id: 'cli-token-counts' };

/** The count that is running in this process. */
const runningOf = perRuntime(() => ({ count: undefined as Promise<TokenCounts> | undefined }));

/** Returns the numbers of the record. Counts the tokens if the record is missing, as in a store of an older version. */
export async function readTokenCounts(runtime: Runtime): Promise<TokenCounts> {
  return (await runtime.store.get(GLOBAL, TOKEN_COUNTS, RECORD.id))?.value ?? recountTokens(runtime);
}

/** Returns whether the numbers are older than a day. */
export const isOutdated = ({ countedAtMs }: TokenCounts, nowMs: number): boolean => nowMs - countedAtMs >= DAY_MS;

/** Counts all unexpired tokens. Callers at the same time share one count. */
export function recountTokens(runtime: Runtime): Promise<TokenCounts> {
  const running = runningOf(runtime);
  running.count ??= count(runtime).finally(() => {
    running.count = undefined;
  });
  return running.count;
}

async function count({ store, now }: Runtime): Promise<TokenCounts> {
  const countedAtMs = now();
  const value: TokenCounts = { countedAtMs, byKey: Object.fromEntries(await countCliTokensByKey(store, countedAtMs)) };
  return compareAndSet(async () => {
    const before = await store.get(GLOBAL, TOKEN_COUNTS, RECORD.id);
    const record = { collection: TOKEN_COUNTS, id: RECORD.id, value };
    const step = before ? ({ do: 'replace', version: before.version, ...record } as const) : ({ do: 'insert', ...record } as const);
    return (await store.commit(GLOBAL, [step])).ok ? value : RETRY;
  });
}

/** Updates the record after a member's tokens changed. A failure is corrected by the next count. */
export async function noteTokenChange(
  runtime: Runtime,
  { before, after }: { readonly before: readonly CliToken[]; readonly after: readonly CliToken[] },
): Promise<void> {
  const added = after.filter(({ id }) => !before.some((token) => token.id === id));
  const removed = before.filter(({ id }) => !after.some((token) => token.id === id));
  try {
    await updateRecord(runtime.store, {
      ...RECORD,
      change: ({ countedAtMs, byKey }) => {
        const counts = new Map(Object.entries(byKey));
        const add = (kid: string, number: number) => counts.set(kid, Math.max(0, (counts.get(kid) ?? 0) + number));
        for (const { kid } of added) add(kid, 1);
        for (const { kid, expiresAtMs } of removed) if (expiresAtMs === undefined || expiresAtMs > countedAtMs) add(kid, -1);
        return { countedAtMs, byKey: Object.fromEntries(counts) };
      },
    });
  } catch (error) {
    runtime.log.warn({ code: codeOf(error) }, 'the number of CLI tokens could not be updated');
  }
}
