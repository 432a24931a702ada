/** Lists and searches the members of an organization. */
import { isUserId } from '../ids.ts';
import { nextTurn } from '../store/next-turn.ts';
import type { Page, Store, Stored } from '../store/store.ts';
import { MEMBERS, type Member } from './members.ts';

export interface MemberQuery {
  /** An exact email address, in any case. */
  readonly email?: string | undefined;
  /** A part of the name or the email address, or a member's id. */
  readonly query?: string | undefined;
  /** Only members without a SCIM user of one of these connections. */
  readonly withoutUserOf?: readonly string[] | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** Ends a search with an error. */
  readonly signal?: AbortSignal | undefined;
}

const MAX_SEARCHED_PAGES = 5;
const SEARCHED_PAGE = 200;

/**
 * Returns one page of members, in the order of their email addresses. With `query` or `withoutUserOf`, one call searches at most 1,000 members, so a
 * page may be short although there are more results. Only `nextCursor` tells whether there are. An index of all parts of names and
 * addresses would be several times as large as the members.
 */
export async function listMembers(store: Store, organizationId: string, query: MemberQuery): Promise<Page<Member>> {
  const equals = query.email === undefined ? {} : { equals: query.email.toLowerCase() };
  const { withoutUserOf } = query;
  if (query.query === undefined && withoutUserOf === undefined)
    return store.find(organizationId, MEMBERS, 'email', { ...equals, limit: query.limit, cursor: query.cursor });
  if (withoutUserOf === undefined && query.query !== undefined && isUserId(query.query)) {
    return onlyMember(await store.get(organizationId, MEMBERS, query.query));
  }
  const needle = query.query?.toLowerCase() ?? '';
  const matches = ({ name, email, scim }: Member) =>
    `${name}\n${email}`.toLowerCase().includes(needle) && !(scim && withoutUserOf?.includes(scim.connectionId));
  return findMembers(store, organizationId, { ...equals, limit: query.limit, cursor: query.cursor, signal: query.signal, matches });
}

export interface MemberSearch {
  /** The index string of an email address. All members if undefined. */
  readonly equals?: string | undefined;
  readonly matches: (member: Member) => boolean;
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Returns one page of the members that match, in the order of their email addresses. One call searches at most 1,000 members. */
export async function findMembers(store: Store, organizationId: string, search: MemberSearch): Promise<Page<Member>> {
  const items: Stored<Member>[] = [];
  let { cursor } = search;
  for (let pages = 0; pages < MAX_SEARCHED_PAGES; pages++) {
    const range = { equals: search.equals, limit: SEARCHED_PAGE, cursor };
    const page = await store.find(organizationId, MEMBERS, 'email', range);
    const matching = [...page.items.entries()].filter(([, { value }]) => search.matches(value));
    const taken = matching.slice(0, search.limit - items.length);
    items.push(...taken.map(([, member]) => member));
    const [at = 0] = taken.at(-1) ?? [];
    if (items.length === search.limit && at + 1 < page.items.length) {
      // The result is full before the end of this page. The next call continues after the last member taken.
      return { items, nextCursor: (await store.find(organizationId, MEMBERS, 'email', { ...range, limit: at + 1 })).nextCursor };
    }
    if (items.length === search.limit || page.nextCursor === null) return { items, nextCursor: page.nextCursor };
    cursor = page.nextCursor;
    await nextTurn();
    search.signal?.throwIfAborted();
  }
  return { items, nextCursor: cursor ?? null };
}

const onlyMember = (member: Stored<Member> | undefined): Page<Member> => ({ items: member ? [member] : [], nextCursor: null });
