/** Foresees what another `groups_from` does to the owners of an organization, before it is saved. */
import { GatewayError } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import type { Store } from '../../store/store.ts';
import { getOrganizationById, type Organization } from '../organizations.ts';
import { foreseeRoles, noOwnerReason, type RoleMappingEffect } from '../role-mapping-effect.ts';
import { finishGroupChanges } from './group-changes.ts';
import { requireNoGroupChanges } from './pending-group-changes.ts';

/** Returns whether a change switches the groups that role rules read. */
export const switchesGroups = (before: Organization, after: Organization): boolean =>
  (before.groupsFrom ?? 'saml') !== (after.groupsFrom ?? 'saml');

/**
 * Finishes the renames and deletions of groups that a switch would interrupt. While groups that SCIM provisions give no roles, no batch
 * changes the role of a member, who would then keep the role of a former group for good. It also clears the organization's mark if
 * nothing is left to do.
 */
export async function finishBeforeSwitch(
  runtime: Runtime,
  { organizationId, groupsFrom }: { readonly organizationId: string; readonly groupsFrom: Organization['groupsFrom'] },
): Promise<void> {
  const before = await getOrganizationById(runtime.store, organizationId);
  if (before && switchesGroups(before, { ...before, groupsFrom })) await finishGroupChanges(runtime, organizationId);
}

/** Checks that no rename or deletion of a group began after {@link finishBeforeSwitch}. @throws conflict */
export async function requireFinishedBeforeSwitch(store: Store, before: Organization, after: Organization): Promise<void> {
  if (!switchesGroups(before, after)) return;
  await requireNoGroupChanges(
    store,
    { organizationId: before.id },
    'groups_from cannot be changed while the identity provider renames or deletes groups, because the roles of their members are still changing. Nothing was changed. Try again in a moment.',
  );
}

/** Counts the present owners who lose the role at the next sign-in. Of very large organizations, 20,000 members are read. */
export const countOwnersLosingRole = async (store: Store, after: Organization): Promise<number> =>
  losersOf(await foreseeRoles(store, { organization: after, mapping: after.roleMapping }));

const losersOf = ({ changes }: Pick<RoleMappingEffect, 'changes'>): number =>
  changes.filter(({ from }) => from === 'owner').reduce((count, change) => count + change.count, 0);

/**
 * Refuses to switch the groups if no known member would be an owner after the next sign-in, and one is now. Also refuses if not all
 * members were read, because the operator can confirm the switch.
 * @throws conflict
 */
export async function requireOwnerAfterSwitch(store: Store, before: Organization, after: Organization): Promise<void> {
  if (!switchesGroups(before, after)) return;
  const effect = await foreseeRoles(store, { organization: after, mapping: after.roleMapping });
  const reason = noOwnerReason(before.roleMapping, after.roleMapping, { ...effect, isSwitch: true });
  if (reason !== undefined) throw noOwnerAfterSwitch('Changing groups_from this way', effect);
}

/** Creates the refusal of a switch, whether it is saved alone or together with role rules. */
export function noOwnerAfterSwitch(change: string, effect: RoleMappingEffect): GatewayError {
  const count = losersOf(effect);
  const losers = count === 1 ? '1 owner loses the role' : `${count} owners lose the role`;
  return new GatewayError(
    'conflict',
    `${change} would leave the organization without an owner. At the next sign-in, ${losers}, because no member who has signed in is in a group with the owner role. Push the groups first and add a rule for one of them, or make a member an owner. Confirm the change with "allow_no_owner": true in the API, or --allow-no-owner at the command line.`,
  );
}
