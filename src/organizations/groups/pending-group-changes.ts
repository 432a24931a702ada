/**
 * Renames and deletions of groups whose members have not all been changed yet, and the roles of these members in the meantime.
 *
 * A member in one of these groups must not use a role that the group no longer gives, also if the gateway stops halfway. So the commit
 * that renames or deletes a group with a role also marks the organization. While it is marked, every check of a session or token decides
 * the role of such a member by the present groups, as a sign-in does, instead of reading it from the member's record.
 */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { eachRecord } from '../../store/each-record.ts';
import { readTogether } from '../../store/read-together.ts';
import type { Collection, Step, Store } from '../../store/store.ts';
import { MEMBERS, type Member } from '../members.ts';
import { getOrganizationById } from '../organizations.ts';
import { ruleGroupsOfMember, usesScimGroups, withRoleByGroups } from './group-roles.ts';
import { membershipId, scimMemberships } from './scim-groups.ts';

export interface GroupChangeRecord {
  readonly connectionId: string;
  /** The client that changed the group. */
  readonly actor: Pick<Actor, 'kind' | 'id'>;
}

/** Keyed by group ID. A group that still exists was renamed. */
export const GROUP_CHANGES: Collection<GroupChangeRecord> = { name: 'scim-group-change', indexes: { all: () => [''] }, unique: {} };

const RENAME_AGAIN_AFTER_SECONDS = 30;

export interface GroupChangeRef {
  readonly organizationId: string;
  readonly connectionId: string;
  readonly groupId: string;
  readonly actor: Actor;
}

/** Returns whether a rename or deletion of a group has not reached all members yet. */
export const isGroupChanging = async (store: Store, organizationId: string, groupId: string): Promise<boolean> =>
  (await store.get(organizationId, GROUP_CHANGES, groupId)) !== undefined;

/**
 * Checks that no rename of a group is unfinished. Otherwise a client that renames it again and again would start the batches anew each
 * time, and they would never end.
 * @throws rate_limited
 */
export async function requireNoGroupChange(store: Store, organizationId: string, groupId: string): Promise<void> {
  if (!(await isGroupChanging(store, organizationId, groupId))) return;
  throw new GatewayError('rate_limited', {
    detail: 'The roles of the members of this group are still changing after its last rename. Try again in a minute.',
    retryAfterSeconds: RENAME_AGAIN_AFTER_SECONDS,
  });
}

/** Returns the step that saves a rename or deletion. The deletion of a group replaces its rename. */
export async function groupChangeSteps(
  store: Store,
  { organizationId, connectionId, groupId, actor }: GroupChangeRef,
): Promise<readonly Step[]> {
  const present = await store.get(organizationId, GROUP_CHANGES, groupId);
  const { kind, id } = actor;
  const value: GroupChangeRecord = { connectionId, actor: { kind, ...(id === undefined ? {} : { id }) } };
  const at = { collection: GROUP_CHANGES, id: groupId, value };
  return [present ? { do: 'replace', ...at, version: present.version } : { do: 'insert', ...at }];
}

/**
 * Reads a member of an organization that is marked with `changesGroups`. If one of the member's groups is changing, the member has the
 * role that the groups give now.
 */
export async function readMemberDuringGroupChange(store: Store, organizationId: string, memberId: string): Promise<Member | undefined> {
  const isConcerned = await isInChangingGroup(store, organizationId, memberId);
  // Read last. If the change was finished in the meantime, the record has the new role.
  const member = (await readTogether(store, organizationId, MEMBERS, memberId))?.value;
  const organization = await getOrganizationById(store, organizationId);
  if (!isConcerned || !member?.scim || !organization || !usesScimGroups(organization)) return member;
  return withRoleByGroups(organization, member, await ruleGroupsOfMember(store, organization, member));
}

/** Changes that are compared with the groups of a member. If there are more, which takes a crash, they concern every member. */
const MAX_COMPARED = 20;

async function isInChangingGroup(store: Store, organizationId: string, userId: string): Promise<boolean> {
  let compared = 0;
  for await (const { id: groupId, value } of eachRecord(store, { partition: organizationId, collection: GROUP_CHANGES, index: 'all' })) {
    if (compared++ === MAX_COMPARED) return true;
    const membership = await store.get(organizationId, scimMemberships(value.connectionId), membershipId({ groupId, userId }));
    if (membership) return true;
  }
  return false;
}
