/** Detects changes of a connection after which no owner of the organization can sign in. */
import type { Actor } from '../../audit.ts';
import type { Runtime } from '../../runtime.ts';
import { eachRecord } from '../../store/each-record.ts';
import type { Store } from '../../store/store.ts';
import { ruleGroupsOfMember } from '../groups/group-roles.ts';
import { isOfConnection } from '../identity/member-identity.ts';
import { MEMBERS } from '../members.ts';
import { type Organization, updateOrganization } from '../organizations.ts';
import { hasOwner, ownerLossStep, reportOwnerLoss, withoutOwner } from '../owners/owner-loss.ts';
import { roleAfterNextSignIn } from '../role-mapping-effect.ts';
import { activeConnections, roleScopeOf } from './connections.ts';

const MAX_MEMBERS = 20_000;

/**
 * Marks an organization that had an owner, if no owner can sign in after the change. It runs after the commit of the change,
 * because disabling a connection must never wait for, or fail because of, the number of members.
 */
export async function noteOwnerLoss(runtime: Runtime, actor: Actor, organization: Organization): Promise<void> {
  const { store, now } = runtime;
  if (organization.withoutOwnerSince !== undefined || !(await hasOwner(store, organization.id))) return;
  if (await canOwnerSignIn(store, organization)) return;
  await updateOrganization(runtime, actor, {
    organizationId: organization.id,
    change: (before) => withoutOwner(before, now()),
    extraSteps: () => [ownerLossStep(now(), actor, 'connection')],
  });
  await reportOwnerLoss(runtime, organization, 'connection');
}

/** Returns whether a member of an active connection is an owner after the next sign-in. Usually one of the first members is. */
async function canOwnerSignIn(store: Store, organization: Organization): Promise<boolean> {
  const active = new Map(activeConnections(organization).map((connection) => [connection.id, connection]));
  let members = 0;
  for await (const { value } of eachRecord(store, { partition: organization.id, collection: MEMBERS, index: 'email' })) {
    const connection = active.get(roleScopeOf(organization, value.connectionId).connectionId ?? '');
    // Members of an earlier scope belong to a former identity provider.
    const isFormer = connection?.scopeSince !== undefined && !isOfConnection(value, connection);
    if (!value.suspended && connection && !isFormer) {
      const mapping = organization.roleMapping;
      const scimGroups = await ruleGroupsOfMember(store, organization, value);
      if (roleAfterNextSignIn(organization, { mapping, scimGroups }, value) === 'owner') return true;
    }
    if (++members === MAX_MEMBERS) return true; // unknown, so no false alarm
  }
  return false;
}
