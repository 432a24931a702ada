/** Reads all pages of a list. */
import type { Collection, Page, Store, Stored } from './store.ts';

const PAGE_SIZE = 200;

/** Yields the items of all pages in order, and reads each page when it is needed. */
export async function* eachItem<T>(readPage: (cursor: string | undefined) => Promise<Page<T>>): AsyncGenerator<Stored<T>> {
  let cursor: string | undefined;
  do {
    const page = await readPage(cursor);
    yield* page.items;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}

export interface IndexOf<T> {
  readonly partition: string;
  readonly collection: Collection<T>;
  readonly index: string;
  /** Yields only records with this index string. */
  readonly equals?: string | undefined;
}

/** Yields all records of an index. To read only some of them, break out of the loop: later pages are not read. */
export function eachRecord<T>(store: Store, { partition, collection, index, equals }: IndexOf<T>): AsyncGenerator<Stored<T>> {
  return eachItem((cursor) => store.find(partition, collection, index, { equals, limit: PAGE_SIZE, cursor }));
}
