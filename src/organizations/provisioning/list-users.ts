/** Lists and filters provisioned users, with bounded reads. */
import { isUserId } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { Attributes } from '../../scim/attributes.ts';
import { conditionsOf, type Filter, matchesFilter, withTrimmedValues } from '../../scim/filter.ts';
import { MAX_NAME_LENGTH } from '../../scim/user.ts';
import type { Stored } from '../../store/store.ts';
import type { OrganizationConnection } from '../connections/connections.ts';
import { type ListPage, listPage, MAX_COUNT, type PageQuery, pageOfMatching, requireAllRead, tooManyRead } from './paged-list.ts';
import { type ScimUser, scimUsers } from './scim-users.ts';

export interface UserQuery extends PageQuery {
  readonly filter?: Filter | undefined;
}

/** @throws ScimError with tooMany if the filter cannot use an index, or if the position is too far behind */
export async function listUsers(runtime: Runtime, target: OrganizationConnection, query: UserQuery): Promise<ListPage<ScimUser>> {
  if (!query.filter) {
    const { organization, connection } = target;
    const list = { partition: organization.id, collection: scimUsers(connection.id), cursorPrefix: `scim-page:${connection.id}` };
    return listPage(runtime, list, query);
  }
  const filter = withTrimmedValues(query.filter, ['userName', 'externalId']);
  const candidates = await findCandidates(runtime, target, filter);
  return pageOfMatching(
    candidates.filter(({ id, value }) => matchesFilter(filterable(id, value), filter)),
    query,
  );
}

const filterable = (id: string, { attributes, userName, externalId, active, createdAt, changedAt }: ScimUser): Attributes => ({
  ...attributes,
  userName,
  ...(externalId === undefined ? {} : { externalId }),
  id,
  active,
  meta: { resourceType: 'User', created: createdAt, lastModified: changedAt },
});

const ADVICE = 'users. Filter by userName, externalId, id or emails.value.';

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
      return isStorable ? only(await store.getUnique(organizationId, collection, 'userName', value.toLowerCase())) : [];
    }
    if (name === 'id') return isUserId(value) ? only(await store.get(organizationId, collection, value)) : [];
    if (name === 'externalId')
      return isStorable ? requireAllRead(await store.find(organizationId, collection, 'externalId', some(value)), ADVICE) : [];
    if (name === 'emails' && (sub === undefined || sub === 'value')) {
      return isStorable ? requireAllRead(await store.find(organizationId, collection, 'email', some(value.toLowerCase())), ADVICE) : [];
    }
  }
  if ((await store.count(organizationId, collection)) > MAX_COUNT) throw tooManyRead(ADVICE);
  return requireAllRead(await store.find(organizationId, collection, 'all', some('')), ADVICE);
}

const some = (equals: string) => ({ equals, limit: MAX_COUNT });
