/**
 * Renames and deletions of groups whose members have not all been changed yet, and the roles of these members until then.
 *
 * A member in one of these groups must not use a role that the group no longer gives, even if the gateway stops halfway. So the commit
 * that renames or deletes a group with a role also marks the organization. While it is marked, every check of a session or token also
 * decides the role of such a member by the current groups, as a sign-in does, and uses the lower one of this role and the record's. So
 * rules in the cache that are older than a finished change never give back a role. Checks see the mark at most
 * {@link CREDENTIAL_RULES_LEASE_MS} later.
 */
import type { Actor } from '../../audit.ts';
import { BoundedCache } from '../../bounded-cache.ts';
import { GatewayError } from '../../errors.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { eachRecord } from '../../store/each-record.ts';
import { Lease } from '../../store/lease.ts';
import { readTogether } from '../../store/read-together.ts';
import type { Collection, Step, Store } from '../../store/store.ts';
import { roleScopeOf } from '../connections/connections.ts';
import { MEMBERS, type Member } from '../members.ts';
import { CREDENTIAL_RULES_LEASE_MS, getOrganizationById, type Organization } from '../organizations.ts';
import { decideRole, type RoleScope } from '../role-mapping.ts';
import {
  groupsOf,
  type RuleGroups,
  readRuleGroups,
  ruleGroupsOfMember,
  ruleGroupsOfUser,
  usesScimGroups,
  withDecision,
  withRoleByGroups,
} from './group-roles.ts';
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

/**
 * Checks that no rename or deletion of a group is unfinished, in the organization or in one of its connections. Call it before a change
 * that takes away what the rest of the members must be changed by. The commit of that change must require the version of the
 * organization's record, which each rename or deletion that concerns members replaces.
 * @throws conflict with this text
 */
export async function requireNoGroupChanges(
  store: Store,
  { organizationId, connectionId }: { readonly organizationId: string; readonly connectionId?: string },
  text: string,
): Promise<void> {
  for await (const { value } of eachRecord(store, { partition: organizationId, collection: GROUP_CHANGES, index: 'all' })) {
    if (connectionId === undefined || value.connectionId === connectionId) throw new GatewayError('conflict', text);
  }
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
 * Reads a member of an organization that is marked with `changesGroups`. If one of the member's groups is changing, and the groups now give
 * a lower role than the record has, the member has that role. The rules are at most as old as the mark may be.
 */
export async function readMemberDuringGroupChange(runtime: Runtime, organizationId: string, memberId: string): Promise<Member | undefined> {
  const { store } = runtime;
  const isConcerned = await isInChangingGroup(store, organizationId, memberId);
  // Read last. If the change has been finished since, the record has the new role.
  const member = (await readTogether(store, organizationId, MEMBERS, memberId))?.value;
  if (!isConcerned || !member?.scim) return member;
  const { connectionId } = member.scim;
  const rules = await presentRules(runtime, organizationId, connectionId);
  if (!rules) return member;
  const scim = await ruleGroupsOfUser(store, rules.ruleGroups, { organizationId, connectionId, userId: memberId });
  const decision = decideRole(rules.roleMapping, groupsOf(rules, { saml: member.groups, scim }), rules.scope);
  const decided = withDecision(member, decision);
  return isLower(decided, member) ? decided : member;
}

/** Returns whether a member's record still has a role that the member's groups no longer give, because a group is changing. */
export async function isLosingRole(store: Store, organization: Organization, member: Member): Promise<boolean> {
  if (!organization.changesGroups || !member.scim || !usesScimGroups(organization)) return false;
  return isLower(withRoleByGroups(organization, member, await ruleGroupsOfMember(store, organization, member)), member);
}

const ROLES: readonly Member['role'][] = ['none', 'collaborator', 'owner'];
const isLower = (a: Pick<Member, 'role'>, b: Pick<Member, 'role'>): boolean => ROLES.indexOf(a.role) < ROLES.indexOf(b.role);

/** What decides the roles of users of one connection. The cache does not keep the rest of the organization's record. */
interface PresentRules extends Pick<Organization, 'roleMapping' | 'groupsFrom'> {
  readonly scope: RoleScope;
  readonly ruleGroups: RuleGroups;
}

const MAX_CONNECTIONS = 1000;
const rulesOf = perRuntime(() => new BoundedCache<Lease<PresentRules | undefined>>(MAX_CONNECTIONS));

/** Returns undefined if groups that SCIM provisions give no roles. Cached, because an organization can have a thousand rules. */
function presentRules(runtime: Runtime, organizationId: string, connectionId: string) {
  const leases = rulesOf(runtime);
  const key = `${organizationId} ${connectionId}`;
  const lease = leases.get(key) ?? new Lease(CREDENTIAL_RULES_LEASE_MS, () => readRules(runtime, organizationId, connectionId));
  leases.set(key, lease);
  return lease.current();
}

async function readRules({ store }: Runtime, organizationId: string, connectionId: string): Promise<PresentRules | undefined> {
  const organization = await getOrganizationById(store, organizationId);
  if (!organization || !usesScimGroups(organization)) return undefined;
  const { roleMapping, groupsFrom } = organization;
  const ruleGroups = await readRuleGroups(store, organization, { connectionId });
  return { roleMapping, groupsFrom, scope: roleScopeOf(organization, connectionId), ruleGroups };
}

/** Changes that are compared with the groups of a member. If there are more, which takes a crash, they concern every member. */
const MAX_COMPARED = 20;

async function isInChangingGroup(store: Store, organizationId: string, userId: string): Promise<boolean> {
  const { items, nextCursor } = await store.find(organizationId, GROUP_CHANGES, 'all', { limit: MAX_COMPARED });
  if (nextCursor !== null) return true;
  const memberships = items.map(({ id: groupId, value: { connectionId } }) =>
    store.get(organizationId, scimMemberships(connectionId), membershipId({ groupId, userId })),
  );
  return (await Promise.all(memberships)).some((membership) => membership !== undefined);
}
