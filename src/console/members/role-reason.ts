import type { Member } from '../../organizations/members.ts';
import { visibleText } from '../parts/foreign-text.tsx';

/** Why a member has the role, as they read it themselves (`you`) or as others read it about them. */
export function roleReason({ role, roleSource }: Pick<Member, 'role' | 'roleSource'>, whose: 'you' | 'they'): string {
  const who = whose === 'you' ? 'you are' : 'the person is';
  if (role === 'none') return `At the last sign-in no rule gave a role, and the default gives none.`;
  if (roleSource.kind === 'rule') {
    return `The identity provider says that ${who} in the group “${visibleText(roleSource.group)}”, and a rule gives this role for it.`;
  }
  if (roleSource.kind === 'manual') return 'An owner of the organization, or the operator, gave this role.';
  return 'No rule fits the groups, so this is the role that everybody else has.';
}

/** The groups of the last sign-in, or why there are none. */
export function groupsText({ groups, groupsState }: Pick<Member, 'groups' | 'groupsState'>): string {
  if (groupsState === 'over_limit') return 'more than the identity provider sends';
  if (groupsState === 'absent') return 'none were sent by the identity provider';
  return groups.length === 0 ? 'none' : groups.map(visibleText).join(', ');
}
