/**
 * Lists provisioned users or groups. SCIM pages by position, the store by cursor. Each page saves the cursor of the next page for its
 * client. So listing all records reads each of them once, and a record that is removed between two pages does not make the client skip another
 * one. A position without a saved cursor is reached by reading from the start, within a limit.
 */
import type { Runtime } from '../../runtime.ts';
import { ScimError } from '../../scim/scim-error.ts';
import { createCursor } from '../../store/cursor.ts';
import { nextTurn } from '../../store/next-turn.ts';
import type { Collection, Stored } from '../../store/store.ts';

export interface PageQuery {
  /** From 1. */
  readonly startIndex: number;
  readonly count: number;
  /** The client, whose position in the list is remembered. */
  readonly clientId: string;
  readonly signal: AbortSignal;
}

export interface RecordList<T> {
  readonly total: number;
  readonly items: readonly Stored<T>[];
}

/** A page that may be sent in part. */
export interface ListPage<T> extends RecordList<T> {
  /** Remembers where the next page starts if only the first items of this page are sent. */
  endAfter(count: number): Promise<void>;
}

/** Returns a page of records that a filter found. Each page runs the filter again, so there is no position to remember. */
export const pageOfMatching = <T>(matching: readonly Stored<T>[], { startIndex, count }: PageQuery): ListPage<T> => ({
  total: matching.length,
  items: matching.slice(startIndex - 1, startIndex - 1 + count),
  endAfter: async () => {},
});

/** The records of a counted collection in the index `all`. */
export interface ListedRecords<T> {
  readonly partition: string;
  readonly collection: Collection<T>;
  /** First characters of the keys of saved cursors. */
  readonly cursorPrefix: string;
}

export const MAX_COUNT = 200;
/** More than this is never read for one request. */
const MAX_SKIPPED = 2000;
const CURSOR_SECONDS = 3600;

/** Returns the records that a filter found. @throws ScimError with tooMany if there are more */
export function requireAllRead<T>(
  page: { readonly items: readonly T[]; readonly nextCursor: string | null },
  advice: string,
): readonly T[] {
  if (page.nextCursor !== null) throw tooManyRead(advice);
  return page.items;
}

export const tooManyRead = (advice: string): ScimError => new ScimError(400, `The filter would read too many ${advice}`, 'tooMany');

/** @throws ScimError with tooMany if the position is too far behind */
export async function listPage<T>(runtime: Runtime, list: ListedRecords<T>, query: PageQuery): Promise<ListPage<T>> {
  const { store } = runtime;
  const { partition, collection } = list;
  const { startIndex, count } = query;
  const total = await store.count(partition, collection);
  const empty = { total, items: [], endAfter: async () => {} };
  if (count === 0 || startIndex > total) return empty;
  const cursor = await findPosition(runtime, list, query);
  if (cursor === null) return empty;
  const { items, nextCursor } = await store.find(partition, collection, 'all', { equals: '', limit: count, cursor });
  const saveCursor = async (taken: number, value: string) => {
    const key = cursorKey(list, query.clientId, startIndex + taken);
    await store.commit(partition, [{ do: 'put', key, value, ttlSeconds: CURSOR_SECONDS }]);
  };
  if (nextCursor !== null) await saveCursor(items.length, nextCursor);
  const endAfter = async (taken: number) => {
    const last = items[taken - 1];
    if (last)
      await saveCursor(taken, createCursor({ partition, collection, index: 'all', range: { equals: '', limit: taken } }, '', last.id));
  };
  return { total, items, endAfter };
}

const cursorKey = ({ cursorPrefix }: Pick<ListedRecords<never>, 'cursorPrefix'>, clientId: string, startIndex: number): string =>
  `${cursorPrefix}:${clientId}:${startIndex}`;

/** Returns the cursor of a position, undefined for the first one, or null behind the last one. @throws ScimError with tooMany */
async function findPosition<T>(
  { store }: Runtime,
  list: ListedRecords<T>,
  { startIndex, clientId, signal }: PageQuery,
): Promise<string | undefined | null> {
  if (startIndex === 1) return undefined;
  const left = await store.peek(list.partition, cursorKey(list, clientId, startIndex));
  if (left !== undefined) return left;
  if (startIndex > MAX_SKIPPED) throw new ScimError(400, 'startIndex: read the list from the start, page by page.', 'tooMany');
  let cursor: string | undefined;
  for (let skipped = 0; skipped < startIndex - 1; ) {
    const limit = Math.min(MAX_COUNT, startIndex - 1 - skipped);
    const page = await store.find(list.partition, list.collection, 'all', { equals: '', limit, cursor });
    if (page.nextCursor === null) return null;
    skipped += page.items.length;
    cursor = page.nextCursor;
    await nextTurn();
    signal.throwIfAborted();
  }
  return cursor;
}
