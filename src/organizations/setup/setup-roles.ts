/**
 * Decides which role rules the holder of a setup link may change. While no user can sign in, these are the groups that give the owner
 * role, and the default role. Afterwards, a rule could make the holder an owner of an organization with members, so only owners and
 * the operator change the rules.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import type { Step, Store } from '../../store/store.ts';
import { MEMBERS } from '../members.ts';
import type { Connection, Organization } from '../organizations.ts';
import type { RoleMapping, RoleRule } from '../role-mapping.ts';
import { requireLinkedConnection, requireLinkStep } from './setup-links.ts';
import { requireLinkId } from './setup-rights.ts';

/** Rules that the setup edits: they give users of the default connection the owner role. */
const isOwnerRule = ({ role, connection }: RoleRule): boolean => role === 'owner' && connection === undefined;

/** Returns the groups that give users of the default connection the owner role. */
export const ownerGroupsOf = ({ rules }: RoleMapping): readonly string[] => rules.filter(isOwnerRule).map(({ group }) => group);

export interface OwnerGroups {
  readonly groups: readonly string[];
  readonly defaultRole: 'collaborator' | 'none';
}

/** Returns role rules with other groups for the owner role. The other rules stay, except those for one of these groups. */
export function withOwnerGroups({ rules }: RoleMapping, { groups, defaultRole }: OwnerGroups): RoleMapping {
  const wanted = new Set(groups);
  const others = rules.filter((rule) => !isOwnerRule(rule) && !(rule.connection === undefined && wanted.has(rule.group)));
  return { rules: [...[...wanted].map((group): RoleRule => ({ group, role: 'owner' })), ...others], defaultRole };
}

/** A test sign-in, as far as it shows which groups the identity provider sends. */
export interface TestedGroups {
  readonly outcome: string;
  /** `omitted` counts groups that are not in the list. */
  readonly groups?: { readonly groups: readonly string[]; readonly omitted: number } | undefined;
}

/**
 * Returns the groups of the owners if the user of a test sign-in was in none of them. One may be misspelled, and after going live no
 * member could correct it.
 */
export function findMissedOwnerGroups(
  { roleMapping, groupsFrom = 'saml' }: Pick<Organization, 'roleMapping' | 'groupsFrom'>,
  { outcome, groups: received }: TestedGroups,
): readonly string[] {
  if (groupsFrom !== 'saml' || roleMapping.defaultRole === 'owner') return [];
  if (outcome !== 'accepted' || !received || received.omitted > 0) return [];
  const ownerGroups = ownerGroupsOf(roleMapping);
  return ownerGroups.some((group) => received.groups.includes(group)) ? [] : ownerGroups;
}

/** Returns whether the link of this connection may change role rules: it is the only one, a draft, and there are no members. */
export async function canSetupChangeRoles(store: Store, organization: Organization, connection: Connection): Promise<boolean> {
  const { id, state, replaces, change } = connection;
  if (state !== 'draft' || replaces || change || organization.connections.some((other) => other.id !== id)) return false;
  return (await store.find(organization.id, MEMBERS, 'email', { limit: 1 })).items.length === 0;
}

/**
 * Checks that the actor may save these role rules.
 * @returns steps that refuse the commit if the right has since ended
 * @throws forbidden for a setup link that may not; unauthenticated for a revoked one
 */
export async function requireRolesChangeableBy(
  store: Store,
  actor: Actor,
  { organization, roleMapping }: { readonly organization: Organization; readonly roleMapping: RoleMapping },
): Promise<readonly Step[]> {
  if (actor.kind !== 'setup_link') return [];
  const linkId = requireLinkId(actor);
  const linkStep = await requireLinkStep(store, organization.id, linkId);
  const connection = await requireLinkedConnection(store, organization, linkId);
  if (!connection || !(await canSetupChangeRoles(store, organization, connection))) {
    throw new GatewayError(
      'forbidden',
      'A setup link can choose roles only before users can sign in. Ask an owner to change the role rules.',
    );
  }
  const saved = organization.roleMapping.rules;
  const changesOthers = roleMapping.rules.some((rule) => !isOwnerRule(rule) && !saved.some((each) => isDeepStrictEqual(each, rule)));
  if (changesOthers || roleMapping.defaultRole === 'owner') {
    throw new GatewayError('forbidden', 'A setup link can only choose the groups for the owner role and the default role.');
  }
  // The first member may sign in before the commit, which also requires the organization's version.
  return [linkStep, { do: 'below', collection: MEMBERS, count: 1 }];
}
