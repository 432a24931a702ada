/** What other role rules would do: to each member, by the groups of their last sign-in, before anybody saves them. */
import type { Store } from '../store/store.ts';
import { isActive, MEMBERS, type Member, roleBy } from './members.ts';
import { decideRole, type Role, type RoleMapping } from './role-mapping.ts';

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
export async function foreseeRoles(
  store: Store,
  organizationId: string,
  mapping: RoleMapping,
  ownId: string | undefined,
): Promise<RoleMappingEffect> {
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

/** Nobody would be left who could put it right. An organization that has no owner yet has nobody to lose. */
export const locksEverybodyOut = ({ ownersBefore, ownersAfter, isPartial }: RoleMappingEffect): boolean =>
  ownersBefore > 0 && ownersAfter === 0 && !isPartial;

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
