/**
 * The groups that the identity provider of a connection provisions. Each membership is a record of its own, so one change in a large
 * group costs what it costs in a small one. Each connection has collections of its own, so a token reaches no group of another
 * connection.
 */
import { BoundedCache } from '../../bounded-cache.ts';
import type { Attributes } from '../../scim/attributes.ts';
import { eachRecord } from '../../store/each-record.ts';
import type { Collection, Step, Store, Stored } from '../../store/store.ts';

/** Members per commit of a change. */
export const BATCH_SIZE = 50;

export interface ScimGroup {
  /** As the client sent them, without the members. */
  readonly attributes: Attributes;
  readonly displayName: string;
  readonly externalId?: string | undefined;
  readonly createdAt: string;
  readonly changedAt: string;
}

export const scimGroups = (connectionId: string): Collection<ScimGroup> => ({
  name: `scim-group-${connectionId}`,
  indexes: {
    // Ordered by id, so that pages of a list have a stable order.
    all: () => [''],
    externalId: ({ externalId }) => (externalId === undefined ? [] : [externalId]),
  },
  unique: { displayName: ({ displayName }) => [displayName.toLowerCase()] },
  counted: 'all',
});

export interface ScimMembership {
  readonly groupId: string;
  readonly userId: string;
}

export const scimMemberships = (connectionId: string): Collection<ScimMembership> => ({
  name: `scim-membership-${connectionId}`,
  indexes: { group: ({ groupId }) => [groupId], user: ({ userId }) => [userId] },
  unique: {},
  counted: 'group',
  writtenOnce: true,
});

export const membershipId = ({ groupId, userId }: ScimMembership): string => `${groupId}.${userId}`;

/**
 * Groups of one user. Each change of a membership also replaces the member's record, so two changes at the same moment cannot
 * exceed it. The removal of a user deletes all memberships in one commit.
 */
export const MAX_GROUPS_OF_USER = 500;

/** A provisioned user of an organization. */
export interface ScimUserRef {
  readonly organizationId: string;
  readonly connectionId: string;
  readonly userId: string;
  readonly signal?: AbortSignal | undefined;
}

/** Returns the memberships of a user, including those of groups that were deleted and are still being cleaned up. */
export async function membershipsOfUser(
  store: Store,
  { organizationId, connectionId, userId, signal }: ScimUserRef,
): Promise<readonly Stored<ScimMembership>[]> {
  const found: Stored<ScimMembership>[] = [];
  const collection = scimMemberships(connectionId);
  const records = { partition: organizationId, collection, index: 'user', equals: userId, signal };
  for await (const each of eachRecord(store, records)) found.push(each);
  return found;
}

/** Returns the steps that remove a user from all groups. The commit must replace or delete the member's record. */
export const leaveGroupsSteps = async (store: Store, user: ScimUserRef): Promise<readonly Step[]> =>
  (await membershipsOfUser(store, user)).map(
    ({ id, version }): Step => ({ do: 'delete', collection: scimMemberships(user.connectionId), id, version }),
  );

export interface GroupOfUser {
  readonly id: string;
  readonly displayName: string;
}

/** Groups whose names a list of users keeps. */
const MAX_KEPT_GROUPS = 2000;

/** Reads the groups of several users of a connection, and each group only once as long as they have not too many. */
export function groupReader(store: Store, at: Omit<ScimUserRef, 'userId'>) {
  const { organizationId, connectionId } = at;
  const groups = new BoundedCache<Promise<GroupOfUser | undefined>>(MAX_KEPT_GROUPS);
  const readName = async (id: string): Promise<GroupOfUser | undefined> => {
    const group = await store.get(organizationId, scimGroups(connectionId), id);
    return group && { id, displayName: group.value.displayName };
  };
  const readOnce = (id: string) => {
    const group = groups.get(id) ?? readName(id);
    groups.set(id, group);
    return group;
  };
  return async (userId: string): Promise<readonly GroupOfUser[]> => {
    const memberships = await membershipsOfUser(store, { ...at, userId });
    const found = await Promise.all(memberships.map(({ value }) => readOnce(value.groupId)));
    return found.filter((group) => group !== undefined);
  };
}
