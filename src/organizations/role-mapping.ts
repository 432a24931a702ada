/** Role rules: which groups of the identity provider give which role. The role is decided again at every sign-in. */
export type Role = 'owner' | 'collaborator';

export interface RoleMapping {
  /** Groups are compared code point by code point, without trimming or case folding. */
  readonly rules: readonly { readonly group: string; readonly role: Role }[];
  /** The role of users who are in no group with a rule. `none` denies them access. */
  readonly defaultRole: Role | 'none';
}

/** The rules of a new organization. They give no user the owner role before the operator has said which group gets it. */
export const INITIAL_ROLE_MAPPING: RoleMapping = { rules: [], defaultRole: 'collaborator' };

/** A role and the group whose rule gave it. `group` is absent if no rule matched, so that the default role applies. */
export interface RoleDecision {
  readonly role: Role | 'none';
  readonly group?: string;
}

/** Decides the role of a user by their groups. If several rules match, owner wins; the order of the rules does not matter. */
export function decideRole(mapping: RoleMapping, groups: readonly string[]): RoleDecision {
  const held = new Set(groups);
  const matching = mapping.rules.filter((rule) => held.has(rule.group));
  const rule = matching.find(({ role }) => role === 'owner') ?? matching[0];
  return rule ? { role: rule.role, group: rule.group } : { role: mapping.defaultRole };
}

/** Returns whether some groups, or the default role, make a user an owner. */
export const givesOwner = ({ rules, defaultRole }: RoleMapping): boolean =>
  defaultRole === 'owner' || rules.some(({ role }) => role === 'owner');
