import type { Member } from '../../organizations/members.ts';
import type { GroupsFrom } from '../../organizations/organizations.ts';
import type { RoleDecision } from '../../organizations/role-mapping.ts';
import { visibleText } from '../parts/foreign-text.tsx';

type Reader = 'you' | 'they';
type GroupsState = Member['groupsState'];

/** Why no rule gave a role. The reasons call for different changes. */
type NoRule = 'provisioned' | `${GroupsState}` | `${GroupsState}_and_provisioned`;

const TEXTS = {
  rule: {
    you: (group: string) => `The identity provider says that you are in the group “${group}”, and a rule gives this role to that group.`,
    they: (group: string) =>
      `The identity provider says that the member is in the group “${group}”, and a rule gives this role to that group.`,
  },
  pendingByRule: (group: string) => `A rule gives the group “${group}” the owner role. It applies from the first sign-in.`,
  pendingByDefault: 'The default role is owner. It applies from the first sign-in.',
  manual: 'An owner of the organization or the operator set this role.',
  noRole: (noRule: string) => `${noRule}, and no default role applies.`,
  defaultRole: (noRule: string) => `${noRule}, so the default role applies.`,
  shortRule: (group: string) => `from the group ${group}`,
  shortPending: 'owner from the first sign-in',
  shortManual: 'set manually',
  shortDefault: 'default role',
  ruleDecides: (group: string) => `a rule gives it to the group “${group}”`,
  noRuleDenies: 'no rule matches and the default role is none',
  noRuleOtherConnection: 'no rule matches, and the default role applies only to users of the default connection',
  noRuleDefault: 'no rule matches and it is the default role',
  noRuleManual: 'no rule matches and an owner or the operator set it',
  groups: 'Groups',
  samlGroups: 'Groups of the last SAML response',
  tooManyGroups: 'not sent by the identity provider, because there are too many',
  groupsAbsent: 'not sent by the identity provider',
  noGroups: 'none',
  groupsTruncated: (groups: string) => `${groups} (shortened, because the identity provider sent more groups than are stored)`,
  groupsAndMore: (groups: string, count: number) => `${groups}, and ${count.toLocaleString('en')} more`,
} as const;

/** The first clause of the sentences about a role that no rule gave. */
const NO_RULE: Readonly<Record<NoRule, Readonly<Record<Reader, string>>>> = {
  provisioned: {
    you: 'No rule matches the groups that SCIM provisions for you',
    they: 'No rule matches the groups that SCIM provisions for the member',
  },
  present: { you: 'No rule matches your groups', they: 'No rule matches the member’s groups' },
  present_and_provisioned: {
    you: 'No rule matches your groups, including those that SCIM provisions',
    they: 'No rule matches the member’s groups, including those that SCIM provisions',
  },
  absent: {
    you: 'The identity provider did not send your groups at the last sign-in',
    they: 'The identity provider did not send the member’s groups at the last sign-in',
  },
  absent_and_provisioned: {
    you: 'The identity provider did not send your groups at the last sign-in, and no rule matches those that SCIM provisions',
    they: 'The identity provider did not send the member’s groups at the last sign-in, and no rule matches those that SCIM provisions',
  },
  over_limit: {
    you: 'At the last sign-in, the identity provider did not send your groups because there are too many',
    they: 'At the last sign-in, the identity provider did not send the member’s groups because there are too many',
  },
  over_limit_and_provisioned: {
    you: 'At the last sign-in, the identity provider did not send your groups because there are too many, and no rule matches those that SCIM provisions',
    they: 'At the last sign-in, the identity provider did not send the member’s groups because there are too many, and no rule matches those that SCIM provisions',
  },
};

const SHORT_NO_ROLE: Readonly<Record<GroupsState, string>> = {
  present: 'no rule matches',
  absent: 'no groups sent',
  over_limit: 'too many groups',
};

type RoleOfMember = Pick<Member, 'role' | 'roleSource' | 'groupsState'>;

/** Explains why a member has the role, to the member (`you`) or to others (`they`). */
export function roleReason({ role, roleSource, groupsState }: RoleOfMember, reader: Reader, groupsFrom: GroupsFrom = 'saml'): string {
  const noRule = NO_RULE[noRuleOf(groupsState, groupsFrom)][reader];
  if (role === 'none') return TEXTS.noRole(noRule);
  if (roleSource.pendingRole !== undefined) {
    return roleSource.kind === 'rule' ? TEXTS.pendingByRule(visibleText(roleSource.group)) : TEXTS.pendingByDefault;
  }
  if (roleSource.kind === 'rule') return TEXTS.rule[reader](visibleText(roleSource.group));
  return roleSource.kind === 'manual' ? TEXTS.manual : TEXTS.defaultRole(noRule);
}

function noRuleOf(groupsState: GroupsState, groupsFrom: GroupsFrom): NoRule {
  if (groupsFrom === 'scim') return 'provisioned';
  return groupsFrom === 'both' ? `${groupsState}_and_provisioned` : groupsState;
}

/** Explains a role in a few words, for a table. */
export function shortRoleReason({ role, roleSource, groupsState }: RoleOfMember, groupsFrom: GroupsFrom = 'saml'): string {
  if (role === 'none') return SHORT_NO_ROLE[groupsFrom === 'saml' ? groupsState : 'present'];
  if (roleSource.pendingRole !== undefined) return TEXTS.shortPending;
  if (roleSource.kind === 'rule') return TEXTS.shortRule(visibleText(roleSource.group));
  return roleSource.kind === 'manual' ? TEXTS.shortManual : TEXTS.shortDefault;
}

/** The role that a user gets in a test of the rules. */
export interface RuleTestResult {
  /** Absent for a test on groups. */
  readonly email: string | undefined;
  readonly role: Member['role'];
  readonly decision: RoleDecision;
  /** Whether the user belongs to the default connection, the only one whose users get the default role. */
  readonly isDefaultConnection: boolean;
}

/** Completes “the user would have the role, because …” for rules that are tested. */
export function decisionReason({ role, decision, isDefaultConnection }: RuleTestResult): string {
  const { role: decided, group } = decision;
  if (group !== undefined) return TEXTS.ruleDecides(visibleText(group));
  if (role === 'none') return isDefaultConnection ? TEXTS.noRuleDenies : TEXTS.noRuleOtherConnection;
  return role === decided ? TEXTS.noRuleDefault : TEXTS.noRuleManual;
}

/** Returns the label of {@link groupsText}. */
export const groupsLabel = (groupsFrom: GroupsFrom = 'saml'): string => (groupsFrom === 'saml' ? TEXTS.groups : TEXTS.samlGroups);

export interface ShownGroups extends Pick<Member, 'groups' | 'groupsState' | 'groupsTruncated'> {
  /** Groups that a log entry counts, but does not name. */
  readonly omitted?: number;
}

/** Lists the groups of the last sign-in, or explains why there are none. */
export function groupsText({ groups, groupsState, groupsTruncated = false, omitted = 0 }: ShownGroups): string {
  if (groupsState === 'over_limit') return TEXTS.tooManyGroups;
  if (groupsState === 'absent') return TEXTS.groupsAbsent;
  if (groups.length === 0) return TEXTS.noGroups;
  const list = groups.map(visibleText).join(', ');
  if (omitted > 0) return TEXTS.groupsAndMore(list, omitted);
  return groupsTruncated ? TEXTS.groupsTruncated(list) : list;
}
