/** One page of a list, as the gateway gives it. */
export interface ListPage<T> {
  readonly items: readonly T[];
  /** Leads to the next page; null where there is none. */
  readonly next_cursor: string | null;
}

/**
 * A list of the gateway. Nothing is asked before somebody reads, and pages are fetched as they are needed.
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

  /** One page, for callers that show pages themselves. @param limit 1–200 */
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

  async toArray(): Promise<T[]> {
    const items: T[] = [];
    for await (const item of this) items.push(item);
    return items;
  }
}
