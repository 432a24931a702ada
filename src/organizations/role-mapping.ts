/** From groups to a role. Decided anew at every login. */
export type Role = 'owner' | 'collaborator';

export interface RoleMapping {
  /** Groups are compared code point by code point, never trimmed or folded. */
  readonly rules: readonly { readonly group: string; readonly role: Role }[];
  /** For who is in no group with a rule; `none` denies. */
  readonly defaultRole: Role | 'none';
}

/** Nobody becomes an owner before somebody said who. */
export const INITIAL_ROLE_MAPPING: RoleMapping = { rules: [], defaultRole: 'collaborator' };

/** `group` is the group whose rule decided; absent where the default did. */
export interface RoleDecision {
  readonly role: Role | 'none';
  readonly group?: string;
}

/** Owner wins where several rules match; the order of the rules means nothing. */
export function decideRole(mapping: RoleMapping, groups: readonly string[]): RoleDecision {
  const held = new Set(groups);
  const matching = mapping.rules.filter((rule) => held.has(rule.group));
  const rule = matching.find(({ role }) => role === 'owner') ?? matching[0];
  return rule ? { role: rule.role, group: rule.group } : { role: mapping.defaultRole };
}
