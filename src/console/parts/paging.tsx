const TEXTS = { pages: 'Pages of the list', first: '← First page', next: 'Next page →' } as const;

export interface PagingProps {
  /** The page's path. */
  readonly path: string;
  /** The search parameters to keep from page to page. Undefined and empty values are omitted. */
  readonly query: Readonly<Record<string, string | undefined>>;
  /** The cursor of this page; undefined on the first page. */
  readonly cursor: string | undefined;
  readonly nextCursor: string | null;
  /** The search parameter with the cursor, if a page has several lists. */
  readonly parameter?: string | undefined;
}

/** Returns a path with a query. */
export function hrefOf(path: string, query: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '');
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

/** Links to the next and the first page of a list that is read by cursor. */
export function Paging({ path, query, cursor, nextCursor, parameter = 'cursor' }: PagingProps) {
  if (cursor === undefined && nextCursor === null) return null;
  return (
    <nav class="paging" aria-label={TEXTS.pages}>
      {cursor === undefined ? null : <a href={hrefOf(path, query)}>{TEXTS.first}</a>}
      {nextCursor === null ? null : (
        <a href={hrefOf(path, { ...query, [parameter]: nextCursor })} rel="next">
          {TEXTS.next}
        </a>
      )}
    </nav>
  );
}
