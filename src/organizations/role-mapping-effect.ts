/** Foresees what new role rules do to the members, by the groups of their last sign-in. */
import { isDeepStrictEqual } from 'node:util';
import { eachRecord } from '../store/each-record.ts';
import type { Store } from '../store/store.ts';
import { roleScopeOf } from './connections/connections.ts';
import { groupsOf, readRuleMemberships } from './groups/group-roles.ts';
import { canBeOwner, isActive, MEMBERS, type Member, resolveRole } from './members.ts';
import type { Organization } from './organizations.ts';
import { decideRole, givesOwner, type Role, type RoleDecision, type RoleMapping } from './role-mapping.ts';

export interface RoleChange {
  readonly from: Member['role'];
  readonly to: Member['role'];
  readonly count: number;
  /** The first of these members, in the order of their email addresses. */
  readonly examples: readonly Pick<Member, 'id' | 'email'>[];
}

export interface RoleMappingEffect {
  readonly changes: readonly RoleChange[];
  /** Suspended members are not counted. */
  readonly ownersBefore: number;
  readonly ownersAfter: number;
  /** The number of members that were read. */
  readonly members: number;
  /** The organization has more members than were read. */
  readonly isPartial: boolean;
  /** The change for the caller; undefined for the operator. */
  readonly own?: { readonly from: Member['role']; readonly to: Member['role'] };
}

const MAX_MEMBERS = 20_000;
const MAX_EXAMPLES = 5;

/**
 * Returns the role after the next sign-in with the same groups.
 * @param scimGroups the groups that SCIM provisions for the member and that the rules name
 */
export const roleAfterNextSignIn = (
  organization: Organization,
  { mapping, scimGroups }: { readonly mapping: RoleMapping; readonly scimGroups: readonly string[] },
  member: Pick<Member, 'groups' | 'role' | 'roleSource' | 'connectionId'>,
): Role | 'none' => resolveRole(decideAfterNextSignIn(organization, { mapping, scimGroups }, member), member).role;

export const decideAfterNextSignIn = (
  organization: Organization,
  { mapping, scimGroups }: { readonly mapping: RoleMapping; readonly scimGroups: readonly string[] },
  { groups, connectionId }: Pick<Member, 'groups' | 'connectionId'>,
): RoleDecision => decideRole(mapping, groupsOf(organization, { saml: groups, scim: scimGroups }), roleScopeOf(organization, connectionId));

/**
 * Returns what new rules would do to the members. At most 20,000 members are read.
 * @param ownId the caller, if it is a member
 */
export async function foreseeRoles(
  store: Store,
  {
    organization,
    mapping,
    ownId,
    signal,
  }: {
    readonly organization: Organization;
    readonly mapping: RoleMapping;
    readonly ownId?: string | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<RoleMappingEffect> {
  const changes = new Map<string, RoleChange>();
  let [ownersBefore, ownersAfter, members] = [0, 0, 0];
  const scim = await readRuleMemberships(store, organization, { mapping, signal });
  let { isPartial } = scim;
  let own: RoleMappingEffect['own'];
  for await (const { value: member } of membersOf(store, organization.id, signal)) {
    if (members === MAX_MEMBERS) {
      isPartial = true;
      break;
    }
    members++;
    const from = member.role;
    const to = roleAfterNextSignIn(organization, { mapping, scimGroups: scim.groups.get(member.id) ?? [] }, member);
    if (isActive(member) && from === 'owner') ownersBefore++;
    // A member who has never signed in may never sign in.
    if (!member.suspended && to === 'owner' && (canBeOwner(member) || from === 'owner')) ownersAfter++;
    if (member.id === ownId) own = { from, to };
    if (from !== to) countChange(changes, { from, to, member });
  }
  return { changes: [...changes.values()], ownersBefore, ownersAfter, members, isPartial, ...(own ? { own } : {}) };
}

const membersOf = (store: Store, organizationId: string, signal?: AbortSignal) =>
  eachRecord(store, { partition: organizationId, collection: MEMBERS, index: 'email', signal });

function countChange(
  changes: Map<string, RoleChange>,
  { from, to, member: { id, email } }: Pick<RoleChange, 'from' | 'to'> & { readonly member: Member },
): void {
  const { count, examples } = changes.get(`${from} ${to}`) ?? { count: 0, examples: [] };
  const isShown = examples.length < MAX_EXAMPLES;
  changes.set(`${from} ${to}`, { from, to, count: count + 1, examples: isShown ? [...examples, { id, email }] : examples });
}

/** `no_owner_rule`: the rules give the owner role to no user. `no_owner_member`: they give it to no known member. */
export type NoOwnerReason = 'no_owner_rule' | 'no_owner_member';

/**
 * Returns why new rules leave an organization without an owner, or undefined if they leave one.
 *
 * They leave one if a known member, not suspended, is an owner after the next sign-in with the same groups. That includes a
 * manually set owner whom no rule matches. If there is no such member, rules that can make a user an owner are still accepted
 * while the organization has no owner to lose, or has more members than were read. Rules that are in force already are always
 * accepted, so that a repeated request succeeds. If the rules read other groups than before (`isSwitch`), it does not matter whether
 * they are new, or whether all members were read, because no user may ever be in these groups.
 */
export function noOwnerReason(
  present: RoleMapping,
  next: RoleMapping,
  {
    ownersBefore,
    ownersAfter,
    isPartial,
    isSwitch = false,
  }: Pick<RoleMappingEffect, 'ownersBefore' | 'ownersAfter' | 'isPartial'> & { readonly isSwitch?: boolean },
): NoOwnerReason | undefined {
  const isUnchanged = isDeepStrictEqual(present, next);
  if (ownersAfter > 0 || (isUnchanged && !isSwitch)) return undefined;
  if (!givesOwner(next) && (ownersBefore > 0 || !isUnchanged)) return 'no_owner_rule';
  return ownersBefore > 0 && (isSwitch || !isPartial) ? 'no_owner_member' : undefined;
}

/** What happens and what to do instead, for the user who tries to save such rules. */
export const NO_OWNER_TEXTS: Readonly<Record<NoOwnerReason, string>> = {
  no_owner_rule:
    'These rules would leave the organization without an owner, because neither a rule nor the default gives the owner role. Add a rule that gives it to a group.',
  no_owner_member:
    'These rules would leave the organization without an owner, because no member was in a group with the owner role at their last sign-in. Add a rule that gives it to a group of a current owner.',
};

const MAX_GROUP_MEMBERS = 1000;
const MAX_GROUPS = 200;

export interface GroupCount {
  readonly group: string;
  readonly members: number;
}

/** Returns the groups of the last sign-ins of up to 1,000 members, those with the most members first. */
export async function countGroups(store: Store, organizationId: string): Promise<readonly GroupCount[]> {
  const counts = new Map<string, number>();
  let members = 0;
  for await (const { value } of membersOf(store, organizationId)) {
    for (const group of value.groups) counts.set(group, (counts.get(group) ?? 0) + 1);
    if (++members === MAX_GROUP_MEMBERS) break;
  }
  return [...counts]
    .map(([group, number]) => ({ group, members: number }))
    .sort((a, b) => b.members - a.members || (a.group < b.group ? -1 : 1))
    .slice(0, MAX_GROUPS);
}
