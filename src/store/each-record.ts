/**
 * Reads all pages of a list, for every loop over a store. Such a loop may be as long as the store is large, so it lets other work run:
 * between two pages, and whenever the caller has worked for {@link TURN_MS}. It reads a page only when the caller needs it, so a slow
 * client slows the loop down instead of filling the memory. A signal ends it when the client is gone or a deadline has passed.
 */
import { nextTurn, TURN_MS } from './next-turn.ts';
import type { Collection, Page, Store, Stored } from './store.ts';

const PAGE_SIZE = 200;

/**
 * Yields the items of all pages in order.
 * @throws the reason of the signal once it is aborted
 */
export async function* eachItem<T>(
  readPage: (cursor: string | undefined) => Promise<Page<T>>,
  signal?: AbortSignal,
): AsyncGenerator<Stored<T>> {
  let turnStartedMs = performance.now();
  const letOthersRun = async () => {
    await nextTurn();
    turnStartedMs = performance.now();
    signal?.throwIfAborted();
  };
  signal?.throwIfAborted();
  for (let cursor: string | undefined; ; ) {
    const page = await readPage(cursor);
    for (const item of page.items) {
      yield item;
      if (performance.now() - turnStartedMs > TURN_MS) await letOthersRun();
    }
    if (page.nextCursor === null) return;
    cursor = page.nextCursor;
    await letOthersRun();
  }
}

export interface IndexOf<T> {
  readonly partition: string;
  readonly collection: Collection<T>;
  readonly index: string;
  /** Yields only records with this index string. */
  readonly equals?: string | undefined;
  /** Ends the loop with an error. */
  readonly signal?: AbortSignal | undefined;
}

/** Yields all records of an index. To read only some of them, break out of the loop: later pages are not read. */
export function eachRecord<T>(store: Store, { partition, collection, index, equals, signal }: IndexOf<T>): AsyncGenerator<Stored<T>> {
  return eachItem((cursor) => store.find(partition, collection, index, { equals, limit: PAGE_SIZE, cursor }), signal);
}
