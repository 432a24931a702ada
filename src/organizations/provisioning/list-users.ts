/**
 * Lists provisioned users. SCIM pages by position, the store by cursor. Each page saves the cursor of the next page for its client. So
 * listing all users reads each of them once, and a user that is removed in the meantime does not make the client skip another one. A
 * position without a saved cursor is reached by reading from the start, within a limit.
 */
import { isUserId } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { Attributes } from '../../scim/attributes.ts';
import { conditionsOf, type Filter, matchesFilter } from '../../scim/filter.ts';
import { ScimError } from '../../scim/scim-error.ts';
import { MAX_NAME_LENGTH } from '../../scim/user.ts';
import { nextTurn } from '../../store/next-turn.ts';
import type { Stored } from '../../store/store.ts';
import type { OrganizationConnection } from '../connections/connections.ts';
import { type ScimUser, scimUsers } from './scim-users.ts';

export interface UserQuery {
  readonly filter?: Filter | undefined;
  /** From 1. */
  readonly startIndex: number;
  readonly count: number;
  /** The client, whose position in the list is remembered. */
  readonly clientId: string;
  readonly signal: AbortSignal;
}

export interface UserList {
  readonly total: number;
  readonly items: readonly Stored<ScimUser>[];
}

export const MAX_COUNT = 200;
/** More than this is never read for one request. */
const MAX_SKIPPED = 2000;
const CURSOR_SECONDS = 3600;

/** @throws ScimError with tooMany if the filter cannot use an index, or if the position is too far behind */
export async function listUsers(runtime: Runtime, target: OrganizationConnection, query: UserQuery): Promise<UserList> {
  const { filter, startIndex, count } = query;
  if (!filter) return listAll(runtime, target, query);
  const candidates = await findCandidates(runtime, target, filter);
  const matching = candidates.filter(({ id, value }) => matchesFilter(filterable(id, value), filter));
  return { total: matching.length, items: matching.slice(startIndex - 1, startIndex - 1 + count) };
}

const filterable = (id: string, { attributes, active, createdAt, changedAt }: ScimUser): Attributes => ({
  ...attributes,
  id,
  active,
  meta: { resourceType: 'User', created: createdAt, lastModified: changedAt },
});

/** Finds users by a condition that has an index. */
async function findCandidates(
  { store }: Runtime,
  { organization: { id: organizationId }, connection }: OrganizationConnection,
  filter: Filter,
): Promise<readonly Stored<ScimUser>[]> {
  const collection = scimUsers(connection.id);
  const only = (user: Stored<ScimUser> | undefined) => (user ? [user] : []);
  for (const condition of conditionsOf(filter)) {
    if (condition.kind !== 'equals' || condition.path.schema !== undefined) continue;
    const { name, sub } = condition.path;
    const value = String(condition.value);
    // No stored value is like that, and the store refuses such text.
    const isStorable = value.length <= MAX_NAME_LENGTH && value.isWellFormed() && !value.includes('\0');
    if (name === 'userName') {
      return isStorable ? only(await store.getUnique(organizationId, collection, 'userName', value.trim().toLowerCase())) : [];
    }
    if (name === 'id') return isUserId(value) ? only(await store.get(organizationId, collection, value)) : [];
    if (name === 'externalId') return isStorable ? readSome(await store.find(organizationId, collection, 'externalId', some(value))) : [];
    if (name === 'emails' && (sub === undefined || sub === 'value')) {
      return isStorable ? readSome(await store.find(organizationId, collection, 'email', some(value.toLowerCase()))) : [];
    }
  }
  if ((await store.count(organizationId, collection)) > MAX_COUNT) throw tooManyRead();
  return readSome(await store.find(organizationId, collection, 'all', some('')));
}

const some = (equals: string) => ({ equals, limit: MAX_COUNT });

function readSome({ items, nextCursor }: { readonly items: readonly Stored<ScimUser>[]; readonly nextCursor: string | null }) {
  if (nextCursor === null) return items;
  throw tooManyRead();
}

const tooManyRead = (): ScimError =>
  new ScimError(400, 'The filter would read too many users. Filter by userName, externalId, id or emails.value.', 'tooMany');

async function listAll(
  runtime: Runtime,
  { organization: { id }, connection }: OrganizationConnection,
  query: UserQuery,
): Promise<UserList> {
  const { store } = runtime;
  const { startIndex, count } = query;
  const collection = scimUsers(connection.id);
  const total = await store.count(id, collection);
  if (count === 0 || startIndex > total) return { total, items: [] };
  const cursor = await findPosition(runtime, { partition: id, connectionId: connection.id }, query);
  if (cursor === null) return { total, items: [] };
  const page = await store.find(id, collection, 'all', { equals: '', limit: count, cursor });
  if (page.nextCursor !== null) {
    const key = cursorKey(connection.id, query.clientId, startIndex + page.items.length);
    await store.commit(id, [{ do: 'put', key, value: page.nextCursor, ttlSeconds: CURSOR_SECONDS }]);
  }
  return { total, items: page.items };
}

const cursorKey = (connectionId: string, clientId: string, startIndex: number): string =>
  `scim-page:${connectionId}:${clientId}:${startIndex}`;

/** Returns the cursor of a position, undefined for the first one, or null behind the last one. @throws ScimError with tooMany */
async function findPosition(
  { store }: Runtime,
  { partition, connectionId }: { readonly partition: string; readonly connectionId: string },
  { startIndex, clientId, signal }: UserQuery,
): Promise<string | undefined | null> {
  if (startIndex === 1) return undefined;
  const left = await store.peek(partition, cursorKey(connectionId, clientId, startIndex));
  if (left !== undefined) return left;
  if (startIndex > MAX_SKIPPED) throw new ScimError(400, 'startIndex: read the list from the start, page by page.', 'tooMany');
  let cursor: string | undefined;
  for (let skipped = 0; skipped < startIndex - 1; ) {
    const limit = Math.min(MAX_COUNT, startIndex - 1 - skipped);
    const page = await store.find(partition, scimUsers(connectionId), 'all', { equals: '', limit, cursor });
    if (page.nextCursor === null) return null;
    skipped += page.items.length;
    cursor = page.nextCursor;
    await nextTurn();
    signal.throwIfAborted();
  }
  return cursor;
}
