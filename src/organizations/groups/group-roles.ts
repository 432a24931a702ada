/** What the groups that SCIM provisions do to the roles of members, and to the organization's owners. */
import { type Actor, auditStep } from '../../audit.ts';
import { eachRecord } from '../../store/each-record.ts';
import type { Step, Store, Stored } from '../../store/store.ts';
import { roleScopeOf } from '../connections/connections.ts';
import { dropSessions, isActiveOwner, MEMBERS, type Member, type RoleSource, resolveRoleWithoutSignIn } from '../members.ts';
import { ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations.ts';
import { ownerLossStep, withOwner, withoutOwner } from '../owners/owner-loss.ts';
import type { OwnerEffect } from '../provisioning/scim-state.ts';
import { decideRole, type RoleDecision, type RoleMapping } from '../role-mapping.ts';
import { membershipsOfUser, scimGroups, scimMemberships } from './scim-groups.ts';

/** Returns whether groups that SCIM provisions give roles. */
export const usesScimGroups = ({ groupsFrom = 'saml' }: Pick<Organization, 'groupsFrom'>): boolean => groupsFrom !== 'saml';

/** The groups of a connection that role rules name, with their names. No other group can give a role. */
export type RuleGroups = ReadonlyMap<string, string>;

const NO_GROUPS: RuleGroups = new Map();

/** Returns no groups if those that SCIM provisions give no roles. */
export async function readRuleGroups(
  store: Store,
  organization: Organization,
  { connectionId, mapping = organization.roleMapping }: { readonly connectionId: string; readonly mapping?: RoleMapping },
): Promise<RuleGroups> {
  if (!usesScimGroups(organization)) return NO_GROUPS;
  const names = [...new Set(mapping.rules.map(({ group }) => group))];
  const found = await Promise.all(
    names.map((name) => store.getUnique(organization.id, scimGroups(connectionId), 'displayName', name.toLowerCase())),
  );
  // Rules compare names code point by code point, the unique index ignores case.
  return new Map(found.flatMap((group, i) => (group && group.value.displayName === names[i] ? [[group.id, names[i]]] : [])));
}

export const isRuleGroup = ({ roleMapping }: Organization, name: string): boolean => roleMapping.rules.some(({ group }) => group === name);

/** Returns the names of those rule groups that a user is in. */
export async function ruleGroupsOfUser(
  store: Store,
  ruleGroups: RuleGroups,
  user: { readonly organizationId: string; readonly connectionId: string; readonly userId: string },
): Promise<readonly string[]> {
  if (ruleGroups.size === 0) return [];
  const memberships = await membershipsOfUser(store, user);
  return memberships.flatMap(({ value }) => ruleGroups.get(value.groupId) ?? []);
}

/** Returns the names of the groups that SCIM provisions for a member and that role rules name. */
export async function ruleGroupsOfMember(
  store: Store,
  organization: Organization,
  { id, scim }: Pick<Member, 'id' | 'scim'>,
  mapping?: RoleMapping,
): Promise<readonly string[]> {
  if (!scim || !usesScimGroups(organization)) return [];
  const { connectionId } = scim;
  const ruleGroups = await readRuleGroups(store, organization, { connectionId, ...(mapping ? { mapping } : {}) });
  return ruleGroupsOfUser(store, ruleGroups, { organizationId: organization.id, connectionId, userId: id });
}

export interface RuleMemberships {
  /** The names of the groups of each user who is in one. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** There are more than were read. */
  readonly isPartial: boolean;
}

const MAX_MEMBERSHIPS = 100_000;

/** Reads the members of all groups that role rules name, group by group. At most 100,000 memberships are read. */
export async function readRuleMemberships(
  store: Store,
  organization: Organization,
  { mapping, signal }: { readonly mapping: RoleMapping; readonly signal?: AbortSignal | undefined },
): Promise<RuleMemberships> {
  const groups = new Map<string, string[]>();
  let memberships = 0;
  for (const { id: connectionId } of usesScimGroups(organization) ? organization.connections : []) {
    for (const [groupId, name] of await readRuleGroups(store, organization, { connectionId, mapping })) {
      const records = { partition: organization.id, collection: scimMemberships(connectionId), index: 'group', equals: groupId, signal };
      for await (const { value } of eachRecord(store, records)) {
        if (++memberships > MAX_MEMBERSHIPS) return { groups, isPartial: true };
        groups.set(value.userId, [...(groups.get(value.userId) ?? []), name]);
      }
    }
  }
  return { groups, isPartial: false };
}

/** The groups by which the role of a user is decided. */
export interface GroupSources {
  readonly saml: readonly string[];
  readonly scim: readonly string[];
}

/** Returns the groups that `groups_from` selects. */
export const groupsOf = ({ groupsFrom = 'saml' }: Pick<Organization, 'groupsFrom'>, { saml, scim }: GroupSources): readonly string[] => {
  if (groupsFrom === 'saml') return saml;
  return groupsFrom === 'scim' ? scim : [...saml, ...scim];
};

export const decideRoleByGroups = (organization: Organization, connectionId: string | undefined, sources: GroupSources): RoleDecision =>
  decideRole(organization.roleMapping, groupsOf(organization, sources), roleScopeOf(organization, connectionId));

/** Returns a member with the role that the groups give. A member without a role loses all sessions, as at a sign-in. */
export function withRoleByGroups(organization: Organization, member: Member, scim: readonly string[]): Member {
  const connectionId = member.scim?.connectionId ?? member.connectionId;
  return withDecision(member, decideRoleByGroups(organization, connectionId, { saml: member.groups, scim }));
}

/** Returns a member after a decision outside a sign-in. */
export function withDecision(member: Member, decision: RoleDecision): Member {
  const { role, roleSource } = resolveRoleWithoutSignIn(decision, member);
  if (role === member.role && JSON.stringify(roleSource) === JSON.stringify(member.roleSource)) return member;
  return { ...member, role, roleSource, ...(role === 'none' ? { sessions: [] } : {}) };
}

export interface MemberRoleChange {
  readonly stored: Stored<Member>;
  readonly after: Member;
}

/** Returns the steps that write a member with a new role, and end what the member loses. */
export function roleChangeSteps(nowMs: number, actor: Actor, { stored: { id, version, value: before }, after }: MemberRoleChange): Step[] {
  const details = { from: before.role, to: after.role, ...sourceDetails(after.roleSource), by: 'scim' };
  return [
    { do: 'replace', collection: MEMBERS, id, version, value: after },
    ...dropSessions(before.sessions.filter((session) => !after.sessions.includes(session))),
    ...(before.role === after.role ? [] : [auditStep(nowMs, actor, 'member.role_changed', { member_id: id, details })]),
  ];
}

const sourceDetails = ({ pendingRole, ...source }: RoleSource): Readonly<Record<string, string>> =>
  pendingRole === undefined ? source : { ...source, pending_role: pendingRole };

/**
 * Returns what changes of roles mean for the organization. The last owner can also lose the role, as by SCIM groups that the identity
 * provider changes. The loss of an owner increments the version of the organization's record, so that of two last owners who lose the
 * role at the same moment, one change is judged again.
 */
export async function foreseeRoleChanges(
  store: Store,
  { value, version }: Stored<Organization>,
  { changes, actor, nowMs }: { readonly changes: readonly MemberRoleChange[]; readonly actor: Actor; readonly nowMs: number },
): Promise<OwnerEffect> {
  const at = { collection: ORGANIZATION, id: ORGANIZATION_RECORD, version };
  const replaceBy = (next: Organization): Step => ({ do: 'replace', ...at, value: next });
  const losers = changes.filter(({ stored, after }) => isActiveOwner(stored.value) && !isActiveOwner(after)).map(({ stored }) => stored.id);
  const hasOwnerAmong = changes.some(({ after }) => isActiveOwner(after));
  if (losers.length > 0) {
    const owners = await store.find(value.id, MEMBERS, 'activeRole', { equals: 'owner', limit: losers.length + 1 });
    const isOwned = hasOwnerAmong || owners.items.some(({ id }) => !losers.includes(id));
    const marked = isOwned ? undefined : withoutOwner(value, nowMs);
    if (!marked) return { steps: [replaceBy(value)], losesLastOwner: false };
    return { steps: [ownerLossStep(nowMs, actor, 'scim', losers[0]), replaceBy(marked)], losesLastOwner: true };
  }
  if (hasOwnerAmong && value.withoutOwnerSince !== undefined) return { steps: [replaceBy(withOwner(value))], losesLastOwner: false };
  return { steps: [{ do: 'require', ...at }], losesLastOwner: false };
}
