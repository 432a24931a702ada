/**
 * An organization goes live when its first connection becomes active. Without a role rule that gives users of this connection the role
 * owner, no member could manage the organization, so only the operator can confirm that.
 */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { roleScopeOf } from '../connections/connections.ts';
import type { Connection, Organization } from '../organizations.ts';
import { hasOwner } from '../owners/owner-loss.ts';
import { givesOwnerTo } from '../role-mapping.ts';

/** Returns whether an organization would go live with this connection, and no rule gives its users the owner role. */
export function lacksOwnerRule(organization: Organization, { id }: Pick<Connection, 'id'>): boolean {
  const isLive = organization.connections.some((other) => other.id !== id && other.state === 'active');
  return !isLive && !givesOwnerTo(organization.roleMapping, roleScopeOf(organization, id));
}

/** Checks one activation. @throws conflict if it needs a rule that gives the owner role */
export type ActivationCheck = (organization: Organization, connection: Connection) => void;

/**
 * Returns the check for the commit that activates a connection. An organization with an owner needs no rule.
 * @param allowNoOwner the operator's confirmation
 * @throws forbidden if anyone but the operator confirms it
 */
export async function readActivationCheck(
  store: Store,
  actor: Actor,
  { organizationId, allowNoOwner }: { readonly organizationId: string; readonly allowNoOwner: boolean },
): Promise<ActivationCheck> {
  if (allowNoOwner && actor.kind !== 'operator') {
    throw new GatewayError('forbidden', 'Only the operator can allow an organization to go live without a rule for the owner role.');
  }
  const isAllowed = allowNoOwner || (await hasOwner(store, organizationId));
  return (organization, connection) => {
    if (isAllowed || !lacksOwnerRule(organization, connection)) return;
    throw new GatewayError(
      'conflict',
      'No role rule gives users of this connection the owner role, so no member could manage the organization. Add a rule that gives it to a group. Only the operator can go live without one, with "allow_no_owner": true in the API or --allow-no-owner at the command line.',
    );
  };
}
