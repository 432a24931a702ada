/** What other role rules would do: to each member, by the groups of their last sign-in, before anybody saves them. */
import type { Store } from '../store/store.ts';
import { isActive, MEMBERS, type Member, roleBy } from './members.ts';
import { decideRole, givesOwner, type Role, type RoleMapping } from './role-mapping.ts';

export interface RoleChange {
  readonly from: Member['role'];
  readonly to: Member['role'];
  readonly count: number;
  /** The first of them, by address. */
  readonly examples: readonly Pick<Member, 'id' | 'email'>[];
}

export interface RoleMappingEffect {
  readonly changes: readonly RoleChange[];
  /** Of those who are not suspended. */
  readonly ownersBefore: number;
  readonly ownersAfter: number;
  /** How many members were looked at. */
  readonly members: number;
  /** There are more members than were looked at. */
  readonly isPartial: boolean;
  /** What would become of who asks; undefined where that is no member. */
  readonly own?: { readonly from: Member['role']; readonly to: Member['role'] };
}

const PAGE = 200;
const MAX_PAGES = 100;
const MAX_EXAMPLES = 5;

/** The role after the next sign-in with the same groups. */
export const roleAfterNextSignIn = (mapping: RoleMapping, member: Pick<Member, 'groups' | 'role' | 'roleSource'>): Role | 'none' =>
  roleBy(decideRole(mapping, member.groups), member).role;

/** Looks through the members by pages; at most 20,000 of them. */
export async function foreseeRoles(store: Store, organizationId: string, mapping: RoleMapping, ownId?: string): Promise<RoleMappingEffect> {
  const changes = new Map<string, { -readonly [K in keyof RoleChange]: RoleChange[K] }>();
  let [ownersBefore, ownersAfter, members] = [0, 0, 0];
  let own: RoleMappingEffect['own'];
  let cursor: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = await store.find(organizationId, MEMBERS, 'email', { limit: PAGE, cursor });
    for (const { value: member } of page.items) {
      const { id, email, role: from } = member;
      const to = roleAfterNextSignIn(mapping, member);
      members++;
      if (isActive(member) && from === 'owner') ownersBefore++;
      if (!member.suspended && to === 'owner') ownersAfter++;
      if (id === ownId) own = { from, to };
      if (from === to) continue;
      const change = changes.get(`${from} ${to}`) ?? { from, to, count: 0, examples: [] };
      const examples = change.examples.length < MAX_EXAMPLES ? [...change.examples, { id, email }] : change.examples;
      changes.set(`${from} ${to}`, { ...change, count: change.count + 1, examples });
    }
    cursor = page.nextCursor ?? undefined;
    if (cursor === undefined) break;
  }
  return { changes: [...changes.values()], ownersBefore, ownersAfter, members, isPartial: cursor !== undefined, ...(own ? { own } : {}) };
}

/** `no_owner_rule`: the rules give the owner role to no user. `no_owner_member`: they give it to no known member. */
export type NoOwnerReason = 'no_owner_rule' | 'no_owner_member';

/**
 * Returns why rules leave an organization without an owner, undefined if they do not.
 *
 * They do not as long as one known member, who is not suspended, is an owner after the next sign-in with the same groups. That
 * includes an owner whose role was set by hand and whom no rule matches. Rules that can make a user an owner are also allowed if
 * the organization has no owner to lose, and if it has more members than were read.
 */
export function noOwnerReason(
  mapping: RoleMapping,
  { ownersBefore, ownersAfter, isPartial }: Pick<RoleMappingEffect, 'ownersBefore' | 'ownersAfter' | 'isPartial'>,
): NoOwnerReason | undefined {
  if (ownersAfter > 0) return undefined;
  if (!givesOwner(mapping)) return 'no_owner_rule';
  return ownersBefore > 0 && !isPartial ? 'no_owner_member' : undefined;
}

/** What happens and what to do instead, for the user who tries to save such rules. */
export const NO_OWNER_TEXTS: Readonly<Record<NoOwnerReason, string>> = {
  no_owner_rule:
    'These rules would leave the organization without an owner, because neither a rule nor the default gives the role owner. Add a rule that gives it to a group.',
  no_owner_member:
    'These rules would leave the organization without an owner, because no member was in a group with the role owner at their last sign-in. Add a rule that gives it to a group of a current owner.',
};

const SEEN_PAGES = 5;
const MAX_SEEN = 200;

/** Groups of the last sign-ins of up to 1,000 members, those of most members first. */
export async function groupsSeen(
  store: Store,
  organizationId: string,
): Promise<readonly { readonly group: string; readonly members: number }[]> {
  const counts = new Map<string, number>();
  let cursor: string | undefined;
  for (let pages = 0; pages < SEEN_PAGES; pages++) {
    const page = await store.find(organizationId, MEMBERS, 'email', { limit: PAGE, cursor });
    for (const group of page.items.flatMap(({ value }) => value.groups)) counts.set(group, (counts.get(group) ?? 0) + 1);
    cursor = page.nextCursor ?? undefined;
    if (cursor === undefined) break;
  }
  return [...counts]
    .map(([group, members]) => ({ group, members }))
    .sort((a, b) => b.members - a.members || (a.group < b.group ? -1 : 1))
    .slice(0, MAX_SEEN);
}
