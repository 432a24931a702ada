/** Members of a connection who have not signed in since its identity provider changed. */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import type { Page, Store } from '../../store/store.ts';
import { type OrganizationConnection, requireConnection, roleScopeOf } from '../connections/connections.ts';
import { finishRevocations, withPendingRevocation } from '../connections/revoke-credentials.ts';
import { noteRevocation } from '../directory.ts';
import { findMembers } from '../member-list.ts';
import { hasSignedInSince, type LinkRequest, type Member } from '../members.ts';
import { type Organization, updateOrganization } from '../organizations.ts';
import { isUndecided } from './idp-change.ts';

export interface PendingRange {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/**
 * Returns one page of the members who have not signed in since the change, approved ones included, in the order of their email
 * addresses. Empty if the identity provider has never changed while there were members. A page may be short although more follow.
 */
export async function listPendingMembers(
  store: Store,
  { organization, connection }: OrganizationConnection,
  range: PendingRange,
): Promise<Page<Member>> {
  const { change } = connection;
  if (!change) return { items: [], nextCursor: null };
  const isOfConnection = ({ connectionId }: Member) => roleScopeOf(organization, connectionId).connectionId === connection.id;
  return findMembers(store, organization.id, {
    ...range,
    matches: (member) => isOfConnection(member) && !hasSignedInSince(member, change.id),
  });
}

/** Returns the request that waits for a decision about a member. */
export const openRequestOf = (member: Member, { change }: Pick<OrganizationConnection['connection'], 'change'>): LinkRequest | undefined =>
  change && isUndecided(member, change) && member.linkRequest?.changeId === change.id ? member.linkRequest : undefined;

export interface PendingRevocation {
  readonly organization: Organization;
  readonly connectionId: string;
  /** The change that the caller has seen. */
  readonly changeId: string;
}

/**
 * Revokes the sessions and CLI tokens of all members who have not signed in since the change. No check accepts them after the first
 * commit. If a member signs in while the revocation runs, all credentials of that member are kept.
 * @throws not_found; conflict if the identity provider has changed again, or if another revocation of the connection runs;
 *   store_unavailable, and the revocation then continues in the background
 */
export async function revokePendingMembers(runtime: Runtime, actor: Actor, revocation: PendingRevocation): Promise<void> {
  const { organization, connectionId, changeId } = revocation;
  requireConnection(organization, connectionId);
  await noteRevocation(runtime.store, organization.id, true);
  await updateOrganization(runtime, actor, {
    organizationId: organization.id,
    event: 'connection.pending_members_revoked',
    details: { connection: connectionId, change: changeId },
    change: (before) => {
      const connection = requireConnection(before, connectionId);
      if (connection.change?.id !== changeId) {
        throw new GatewayError('conflict', 'The identity provider has changed again. Load the list again before you revoke anything.');
      }
      return withPendingRevocation(before, connection, changeId);
    },
  });
  await finishRevocations(runtime, actor, organization.id);
}
