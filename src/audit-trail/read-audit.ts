/** Reads the entries of the audit trail. */
import { AUDIT, type AuditEntry, type AuditEvent, MOST_FREQUENT_EVENT, toAuditEntry } from '../audit.ts';
import { firstTimeOrderedId } from '../ids.ts';
import { createCursor } from '../store/cursor.ts';
import { eachItem } from '../store/each-record.ts';
import { nextTurn } from '../store/next-turn.ts';
import type { Page, Store, Stored } from '../store/store.ts';

export interface AuditQuery {
  /** Returns entries from this instant on (ms since 1970). */
  readonly sinceMs?: number | undefined;
  /** Returns entries before this instant. */
  readonly untilMs?: number | undefined;
  readonly event?: AuditEvent | undefined;
  readonly memberId?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** One call reads at most this many pages to find entries of an event without an index. */
const MAX_SEARCHED_PAGES = 10;
const SEARCHED_PAGE = 200;

/**
 * Returns entries, newest first. With two filters, or the most frequent event, one call searches at most 2,000 entries, so a page may be
 * shorter than `limit`; only `nextCursor` tells whether more entries follow.
 * @throws validation_failed if the cursor is invalid, store_unavailable
 */
export async function readAudit(store: Store, partition: string, query: AuditQuery): Promise<Page<AuditEntry>> {
  const { memberId, event } = query;
  const hasEventIndex = memberId === undefined && event !== undefined && event !== MOST_FREQUENT_EVENT;
  const [index, equals] = memberId !== undefined ? ['member', memberId] : hasEventIndex ? ['event', event] : ['time', ''];
  const isSearch = event !== undefined && !hasEventIndex;
  const range = { equals, descending: true, limit: isSearch ? SEARCHED_PAGE : query.limit };
  const cursorAt = (id: string) => createCursor({ partition, collection: AUDIT, index, range }, equals, id);
  const since = query.sinceMs === undefined ? '' : firstTimeOrderedId('aud', query.sinceMs);
  const items: Stored<AuditEntry>[] = [];
  // Ids are ordered by time, so the list starts at the first possible id of that instant.
  let cursor = query.cursor ?? (query.untilMs === undefined ? undefined : cursorAt(firstTimeOrderedId('aud', query.untilMs)));
  for (let pages = 0; pages < MAX_SEARCHED_PAGES; pages++) {
    if (pages > 0) await nextTurn();
    const page = await store.find(partition, AUDIT, index, { ...range, cursor });
    for (const [at, item] of page.items.entries()) {
      if (item.id < since) return { items, nextCursor: null };
      if (event === undefined || item.value.event === event) items.push({ ...item, value: toAuditEntry(item) });
      if (items.length === query.limit && at + 1 < page.items.length) return { items, nextCursor: cursorAt(item.id) };
    }
    if (items.length === query.limit || page.nextCursor === null) return { items, nextCursor: page.nextCursor };
    cursor = page.nextCursor;
  }
  return { items, nextCursor: cursor ?? null };
}

/** Yields all entries that match the query, newest first, and reads each page when it is needed. */
export async function* eachAuditEntry(
  store: Store,
  partition: string,
  { signal, ...query }: Omit<AuditQuery, 'limit' | 'cursor'> & { readonly signal?: AbortSignal | undefined },
): AsyncGenerator<AuditEntry> {
  const readPage = (cursor: string | undefined) => readAudit(store, partition, { ...query, limit: 200, cursor });
  for await (const { value } of eachItem(readPage, signal)) yield value;
}
