/** One page of a list. */
export interface ListPage<T> {
  readonly items: readonly T[];
  /** Cursor of the next page; null on the last page. */
  readonly next_cursor: string | null;
}

/**
 * A list of the gateway. It sends no request until it is read, and fetches pages as they are needed. Reading throws
 * `SamlgateError`.
 *
 * @example
 * for await (const member of client.members.list('acme')) console.log(member.email);
 * const all = await client.members.list('acme').toArray();
 */
export class PagedList<T> implements AsyncIterable<T> {
  readonly #fetchPage: (cursor: string | undefined, limit: number | undefined) => Promise<ListPage<T>>;

  constructor(fetchPage: (cursor: string | undefined, limit: number | undefined) => Promise<ListPage<T>>) {
    this.#fetchPage = fetchPage;
  }

  /**
   * Fetches one page.
   * @param options.cursor `next_cursor` of the previous page; without it, the first page
   * @param options.limit maximum number of items, 1 to 200. Default: 50
   */
  page({ cursor, limit }: { readonly cursor?: string | undefined; readonly limit?: number | undefined } = {}): Promise<ListPage<T>> {
    return this.#fetchPage(cursor, limit);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    let cursor: string | undefined;
    do {
      const page: ListPage<T> = await this.#fetchPage(cursor, 200);
      yield* page.items;
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** Fetches all pages and returns their items. */
  async toArray(): Promise<T[]> {
    const items: T[] = [];
    for await (const item of this) items.push(item);
    return items;
  }
}
