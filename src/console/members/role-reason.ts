import type { Member } from '../../organizations/members.ts';
import type { GroupsFrom } from '../../organizations/organizations.ts';
import { visibleText } from '../parts/foreign-text.tsx';

type Reader = 'you' | 'they';
type GroupsState = Member['groupsState'];

/** Explains why a member has the role, to the member (`you`) or to others (`they`). */
export function roleReason(
  { role, roleSource, groupsState }: Pick<Member, 'role' | 'roleSource' | 'groupsState'>,
  reader: Reader,
  groupsFrom: GroupsFrom = 'saml',
): string {
  if (role === 'none') return `${withoutRule(groupsState, reader, groupsFrom)}, and the organization has no default role.`;
  if (roleSource.kind === 'rule') {
    const member = reader === 'you' ? 'you are' : 'the member is';
    return `The identity provider says that ${member} in the group “${visibleText(roleSource.group)}”, and a rule gives this role to that group.`;
  }
  if (roleSource.kind === 'manual') return 'An owner of the organization or the operator set this role.';
  return `${withoutRule(groupsState, reader, groupsFrom)}, so the default role applies.`;
}

/** Explains why no rule decided: the reasons call for different changes. */
function withoutRule(groupsState: GroupsState, reader: Reader, groupsFrom: GroupsFrom): string {
  if (groupsFrom === 'scim') return `No rule matches the groups that SCIM provisions for ${reader === 'you' ? 'you' : 'the member'}`;
  const your = reader === 'you' ? 'your' : 'the member’s';
  const isBoth = groupsFrom === 'both';
  if (groupsState === 'present') return `No rule matches ${your} groups${isBoth ? ', including those that SCIM provisions' : ''}`;
  const unsent =
    groupsState === 'absent'
      ? `The identity provider did not send ${your} groups at the last sign-in`
      : `At the last sign-in, the identity provider did not send ${your} groups because there are too many`;
  return isBoth ? `${unsent}, and no rule matches those that SCIM provisions` : unsent;
}

const NO_ROLE: Readonly<Record<GroupsState, string>> = {
  present: 'no rule matches',
  absent: 'no groups sent',
  over_limit: 'too many groups',
};

/** Explains a role in a few words, for a table. */
export function shortRoleReason(
  { role, roleSource, groupsState }: Pick<Member, 'role' | 'roleSource' | 'groupsState'>,
  groupsFrom: GroupsFrom = 'saml',
): string {
  if (role === 'none') return NO_ROLE[groupsFrom === 'saml' ? groupsState : 'present'];
  if (roleSource.kind === 'rule') return `from the group ${visibleText(roleSource.group)}`;
  return roleSource.kind === 'manual' ? 'set manually' : 'default role';
}

/** Returns the label of {@link groupsText}. */
export const groupsLabel = (groupsFrom: GroupsFrom = 'saml'): string =>
  groupsFrom === 'saml' ? 'Groups' : 'Groups of the last SAML response';

/** Lists the groups of the last sign-in, or explains why there are none. */
export function groupsText({
  groups,
  groupsState,
  groupsTruncated = false,
}: Pick<Member, 'groups' | 'groupsState' | 'groupsTruncated'>): string {
  if (groupsState === 'over_limit') return 'not sent by the identity provider, because there are too many';
  if (groupsState === 'absent') return 'not sent by the identity provider';
  if (groups.length === 0) return 'none';
  const list = groups.map(visibleText).join(', ');
  return groupsTruncated ? `${list} (shortened, because the identity provider sent more groups than are stored)` : list;
}
