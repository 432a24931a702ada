/** Role rules: which groups of the identity provider give which role. The role is decided again at every sign-in. */
import { shownExactly } from '../saml/shown-text.ts';

export type Role = 'owner' | 'collaborator';

export interface RoleRule {
  /** Groups are compared code point by code point, without trimming or case folding. */
  readonly group: string;
  readonly role: Role;
  /**
   * The connection whose users the rule applies to, or {@link ANY_CONNECTION}. Absent: the default connection only, so that a
   * further identity provider cannot create owners by sending the same group name.
   */
  readonly connection?: string | undefined;
}

/** In a rule: applies to the users of every connection. */
export const ANY_CONNECTION = '*';

/** The connection of a user, as role rules see it. */
export interface RoleScope {
  readonly connectionId: string | undefined;
  readonly isDefault: boolean;
}

export interface RoleMapping {
  readonly rules: readonly RoleRule[];
  /** The role of users of the default connection who are in no group with a rule. `none` denies them access. */
  readonly defaultRole: Role | 'none';
}

/** The rules of a new organization. They give no user the owner role before the operator has said which group gets it. */
export const INITIAL_ROLE_MAPPING: RoleMapping = { rules: [], defaultRole: 'collaborator' };

/** A role and the group whose rule gave it. `group` is absent if no rule matched, so that the default role applies. */
export interface RoleDecision {
  readonly role: Role | 'none';
  readonly group?: string;
  /** A group of the user that would match a rule if white space around one of them did not differ. Only if no rule matches. */
  readonly nearlyMatching?: string;
}

/** Decides the role of a user by their groups. If several rules match, owner wins; the order of the rules does not matter. */
export function decideRole(mapping: RoleMapping, groups: readonly string[], scope: RoleScope): RoleDecision {
  const held = new Set(groups);
  const matching = mapping.rules.filter((rule) => held.has(rule.group) && appliesTo(rule, scope));
  const rule = matching.find(({ role }) => role === 'owner') ?? matching[0];
  if (rule) return { role: rule.role, group: rule.group };
  const trimmedRules = new Set(mapping.rules.filter((each) => appliesTo(each, scope)).map(({ group }) => group.trim()));
  const nearlyMatching = groups.find((group) => trimmedRules.has(group.trim()));
  return { role: scope.isDefault ? mapping.defaultRole : 'none', ...(nearlyMatching === undefined ? {} : { nearlyMatching }) };
}

function appliesTo({ connection }: RoleRule, { connectionId, isDefault }: RoleScope): boolean {
  if (connection === undefined) return isDefault;
  return connection === ANY_CONNECTION || connection === connectionId;
}

export interface RoleMappingWarning {
  readonly code: 'group_white_space';
  readonly text: string;
}

/**
 * Returns the likely mistakes in role rules: groups with white space around them, which comes with copying. It is no error, because
 * groups are compared exactly and an identity provider may send one like that.
 */
export const roleMappingWarnings = ({ rules }: Pick<RoleMapping, 'rules'>): RoleMappingWarning[] =>
  rules
    .filter(({ group }) => group !== group.trim())
    .map(({ group }) => ({
      code: 'group_white_space',
      text: `The group ${shownExactly(group)} of a role rule has white space around it. The rule applies only if the identity provider sends the group with the same white space.`,
    }));

export interface RuleDifference {
  readonly added: readonly RoleRule[];
  readonly removed: readonly RoleRule[];
}

/** Returns the rules that a change adds and removes. A rule whose role or connection changed is in both. */
export function compareRules(before: readonly RoleRule[], after: readonly RoleRule[]): RuleDifference {
  const keyOf = ({ group, role, connection = '' }: RoleRule) => JSON.stringify([group, role, connection]);
  const without = (all: readonly RoleRule[], others: readonly RoleRule[]) => {
    const known = new Set(others.map(keyOf));
    return all.filter((rule) => !known.has(keyOf(rule)));
  };
  return { added: without(after, before), removed: without(before, after) };
}

/** Returns whether some groups, or the default role, make a user an owner. */
export const givesOwner = ({ rules, defaultRole }: RoleMapping): boolean =>
  defaultRole === 'owner' || rules.some(({ role }) => role === 'owner');

/** Returns whether some groups, or the default role, make a user of this scope an owner. */
export const givesOwnerTo = ({ rules, defaultRole }: RoleMapping, scope: RoleScope): boolean =>
  (scope.isDefault && defaultRole === 'owner') || rules.some((rule) => rule.role === 'owner' && appliesTo(rule, scope));
