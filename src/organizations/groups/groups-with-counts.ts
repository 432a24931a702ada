/** Lists provisioned groups for people, with bounded reads. */
import { nextTurn } from '../../store/next-turn.ts';
import type { Store } from '../../store/store.ts';
import { type OrganizationConnection, roleScopeOf } from '../connections/connections.ts';
import type { Connection, Organization } from '../organizations.ts';
import { decideRole, type Role } from '../role-mapping.ts';
import { usesScimGroups } from './group-roles.ts';
import { type ScimGroup, scimGroups, scimMemberships } from './scim-groups.ts';

/** The store counts the memberships of a connection, not those of one group, so at most this many are read for each group. */
export const MAX_COUNTED_MEMBERS = 100;

export interface GroupWithCount {
  readonly id: string;
  readonly group: ScimGroup;
  /** At most {@link MAX_COUNTED_MEMBERS}. */
  readonly members: number;
  /** Whether the group has more members than were counted. */
  readonly hasMoreMembers: boolean;
  /** The role that a rule gives to the members of the group. */
  readonly role: Role | undefined;
}

export interface GroupsPage {
  readonly total: number;
  /** Members of all groups of the connection together. */
  readonly memberships: number;
  readonly items: readonly GroupWithCount[];
  readonly nextCursor: string | null;
}

/** Returns one page of the groups of a connection, in the order of their ids. */
export async function listGroupsWithCounts(
  store: Store,
  { organization, connection }: OrganizationConnection,
  range: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<GroupsPage> {
  const collection = scimGroups(connection.id);
  const [total, memberships, { items, nextCursor }] = await Promise.all([
    store.count(organization.id, collection),
    store.count(organization.id, scimMemberships(connection.id)),
    store.find(organization.id, collection, 'all', { equals: '', ...range }),
  ]);
  const listed = items.map(async ({ id, value: group }) => {
    await nextTurn();
    const counted = { equals: id, limit: MAX_COUNTED_MEMBERS };
    const members = await store.find(organization.id, scimMemberships(connection.id), 'group', counted);
    const role = ruleRoleOf(organization, connection.id, group.displayName);
    return { id, group, members: members.items.length, hasMoreMembers: members.nextCursor !== null, role };
  });
  return { total, memberships, items: await Promise.all(listed), nextCursor };
}

/** Groups of all connections together that are suggested for rules. */
const MAX_SUGGESTED = 200;

/** Returns the names of some provisioned groups of these connections, if role rules read them. */
export async function listRuleCandidates(
  store: Store,
  organization: Organization,
  connections: readonly Connection[] = organization.connections,
): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const { id } of usesScimGroups(organization) ? connections : []) {
    const limit = MAX_SUGGESTED - names.size;
    if (limit === 0) break;
    const { items } = await store.find(organization.id, scimGroups(id), 'all', { equals: '', limit });
    for (const { value } of items) names.add(value.displayName);
  }
  return [...names];
}

/** Returns the role that a rule gives to a group, or undefined if no rule names it or groups of SCIM give no roles. */
function ruleRoleOf(organization: Organization, connectionId: string, name: string): Role | undefined {
  if (!usesScimGroups(organization)) return undefined;
  const { role, group } = decideRole(organization.roleMapping, [name], roleScopeOf(organization, connectionId));
  return group === undefined || role === 'none' ? undefined : role;
}
