/** Says what a change of an organization does to its members, from the counts of a dry run. */
import { countOf } from '../output.ts';
import type { Fields } from './connection-changes.ts';

/** @param changed the fields that change */
export function effectNotes(slug: string, changed: Fields, answer: unknown): string[] {
  const { owners_losing_role: owners = 0, members_not_provisioned: members = 0 } = answer as Readonly<Record<string, number | undefined>>;
  const notes: string[] = [];
  if (owners > 0) {
    const losers = `${countOf(owners, 'owner')} ${owners === 1 ? 'loses' : 'lose'} the role at the next sign-in`;
    notes.push(
      `${losers}, because none of their ${GROUPS[String(changed.groups_from)] ?? 'groups'} gives them the role. To keep it, add them to a group with a rule that gives the owner role, or make them owners manually.`,
    );
  }
  if (members > 0 && 'provisioning' in changed) {
    const refused = `${countOf(members, 'member')} without a SCIM user can no longer sign in`;
    notes.push(
      `${refused} with provisioning scim_required. List them with: samlgate members list --org ${slug} --not-provisioned. Assign them to the application at the identity provider.`,
    );
  }
  return notes;
}

const GROUPS: Readonly<Record<string, string>> = {
  saml: 'SAML groups',
  scim: 'SCIM groups',
  both: 'SAML or SCIM groups',
};
