/** Lists and filters the groups of a connection, and the members of one group page by page, with bounded reads. */
import { isGroupId, isUserId } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { Attributes } from '../../scim/attributes.ts';
import { conditionsOf, type Filter, matchesFilter, withTrimmedValues } from '../../scim/filter.ts';
import { ScimError } from '../../scim/scim-error.ts';
import { MAX_NAME_LENGTH } from '../../scim/user.ts';
import { eachRecord } from '../../store/each-record.ts';
import type { Store, Stored } from '../../store/store.ts';
import type { OrganizationConnection } from '../connections/connections.ts';
import {
  type ListPage,
  listPage,
  MAX_COUNT,
  type PageQuery,
  pageOfMatching,
  requireAllRead,
  tooManyRead,
} from '../provisioning/paged-list.ts';
import { membershipId, membershipsOfUser, type ScimGroup, scimGroups, scimMemberships } from './scim-groups.ts';

export interface GroupQuery extends PageQuery {
  readonly filter?: Filter | undefined;
}

/** @throws ScimError with tooMany if the filter cannot use an index, or if the position is too far behind */
export async function listGroups(
  runtime: Runtime,
  { organization: { id: organizationId }, connection: { id: connectionId } }: OrganizationConnection,
  query: GroupQuery,
): Promise<ListPage<ScimGroup>> {
  const at = { organizationId, connectionId };
  if (!query.filter) {
    const list = { partition: organizationId, collection: scimGroups(connectionId), cursorPrefix: `scim-group-page:${connectionId}` };
    return listPage(runtime, list, query);
  }
  const filter = withTrimmedValues(query.filter, ['externalId']);
  const matching: Stored<ScimGroup>[] = [];
  for (const group of await findCandidates(runtime.store, at, filter)) {
    if (await isMatch(runtime.store, at, { group, filter })) matching.push(group);
  }
  return pageOfMatching(matching, query);
}

interface ConnectionRef {
  readonly organizationId: string;
  readonly connectionId: string;
}

type Condition = ReturnType<typeof conditionsOf>[number];

/** Conditions on members are checked in the store, because a group has no list of them. */
const isMemberCondition = ({ path }: Condition): boolean => path.name === 'members' && path.schema === undefined;

async function isMatch(
  store: Store,
  { organizationId, connectionId }: ConnectionRef,
  { group, filter }: { readonly group: Stored<ScimGroup>; readonly filter: Filter },
): Promise<boolean> {
  const conditions = conditionsOf(filter);
  const others = conditions.filter((condition) => !isMemberCondition(condition));
  if (!matchesFilter(filterable(group), { kind: 'and', filters: others })) return false;
  const collection = scimMemberships(connectionId);
  for (const condition of conditions.filter(isMemberCondition)) {
    const userId = userIdOf(condition);
    const isThere =
      userId === undefined
        ? (await store.find(organizationId, collection, 'group', { equals: group.id, limit: 1 })).items.length > 0
        : (await store.get(organizationId, collection, membershipId({ groupId: group.id, userId }))) !== undefined;
    if (!isThere) return false;
  }
  return true;
}

const filterable = ({ id, value: { attributes, externalId, createdAt, changedAt } }: Stored<ScimGroup>): Attributes => ({
  ...attributes,
  ...(externalId === undefined ? {} : { externalId }),
  id,
  meta: { resourceType: 'Group', created: createdAt, lastModified: changedAt },
});

/** Returns the member that a condition names, or undefined for `members pr`. @throws ScimError with invalidFilter */
function userIdOf(condition: Condition): string | undefined {
  const { where, sub } = condition.path;
  if (condition.kind === 'present' && !where) return undefined;
  if (condition.kind === 'equals' && !where && (sub === undefined || sub === 'value')) return String(condition.value);
  const inner = condition.kind === 'present' && where ? conditionsOf(where) : [];
  const [only] = inner;
  if (inner.length === 1 && only?.kind === 'equals' && only.path.name === 'value') return String(only.value);
  throw new ScimError(400, 'Filter members by their value, such as members[value eq "…"].', 'invalidFilter');
}

const ADVICE = 'groups. Filter by displayName, externalId, id or members.value.';

/** Finds groups by a condition that has an index. */
async function findCandidates(
  store: Store,
  { organizationId, connectionId }: ConnectionRef,
  filter: Filter,
): Promise<readonly Stored<ScimGroup>[]> {
  const collection = scimGroups(connectionId);
  const only = (group: Stored<ScimGroup> | undefined) => (group ? [group] : []);
  const some = (equals: string) => ({ equals, limit: MAX_COUNT });
  for (const condition of conditionsOf(filter)) {
    if (condition.path.schema !== undefined) continue;
    const { name } = condition.path;
    if (name === 'members') {
      const userId = userIdOf(condition);
      if (userId !== undefined) return isUserId(userId) ? groupsOfUser(store, { organizationId, connectionId, userId }) : [];
    }
    if (condition.kind !== 'equals') continue;
    const value = String(condition.value);
    // No stored value is like that, and the store refuses such text.
    const isStorable = value.length <= MAX_NAME_LENGTH && value.isWellFormed() && !value.includes('\0');
    if (name === 'displayName') {
      return isStorable ? only(await store.getUnique(organizationId, collection, 'displayName', value.toLowerCase())) : [];
    }
    if (name === 'id') return isGroupId(value) ? only(await store.get(organizationId, collection, value)) : [];
    if (name === 'externalId')
      return isStorable ? requireAllRead(await store.find(organizationId, collection, 'externalId', some(value)), ADVICE) : [];
  }
  if ((await store.count(organizationId, collection)) > MAX_COUNT) throw tooManyRead(ADVICE);
  return requireAllRead(await store.find(organizationId, collection, 'all', some('')), ADVICE);
}

async function groupsOfUser(store: Store, user: ConnectionRef & { readonly userId: string }): Promise<readonly Stored<ScimGroup>[]> {
  const memberships = await membershipsOfUser(store, user);
  const collection = scimGroups(user.connectionId);
  const groups = await Promise.all(memberships.map(({ value }) => store.get(user.organizationId, collection, value.groupId)));
  return groups.filter((group) => group !== undefined);
}

/** Yields the ids of the members of a group, in the order of ids. */
export async function* eachGroupMember(
  store: Store,
  { organizationId, connectionId, groupId, signal }: ConnectionRef & { readonly groupId: string; readonly signal: AbortSignal },
): AsyncGenerator<string> {
  const collection = scimMemberships(connectionId);
  const records = { partition: organizationId, collection, index: 'group', equals: groupId, signal };
  for await (const { value } of eachRecord(store, records)) yield value.userId;
}
