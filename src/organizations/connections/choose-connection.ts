/** Chooses the connection of a sign-in that starts at the gateway. */
import { GatewayError } from '../../errors.ts';
import { normalizeDomain } from '../domains/domain-name.ts';
import type { Connection, Organization } from '../organizations.ts';
import { activeConnections } from './connections.ts';

export interface ConnectionWish {
  /** The ID of a connection that the request names. */
  readonly connectionId?: string | undefined;
  /** The email address or domain that the user entered. It chooses a connection only and is not sent to the identity provider. */
  readonly loginHint?: string | undefined;
}

/**
 * Returns the connections that the user can sign in through: one, if the request or the email domain decides or if only one is
 * active, and otherwise all active ones, among which the user chooses.
 * @throws idp_not_configured if no connection is active, or if the named one does not exist or is not active
 */
export function connectionsToOffer(organization: Organization, { connectionId, loginHint }: ConnectionWish): readonly Connection[] {
  const active = activeConnections(organization);
  const offered = connectionId === undefined ? matchDomain(active, loginHint) : active.filter(({ id }) => id === connectionId);
  if (offered.length === 0) throw new GatewayError('idp_not_configured');
  return offered;
}

/** A domain that several connections have does not decide between them. Without a match, all connections are offered. */
function matchDomain(connections: readonly Connection[], loginHint: string | undefined): readonly Connection[] {
  const domain = loginHint && normalizeDomain(loginHint.slice(loginHint.lastIndexOf('@') + 1));
  const matching = connections.filter(({ settings }) => domain && settings.emailDomains?.includes(domain));
  return matching.length === 0 ? connections : matching;
}
