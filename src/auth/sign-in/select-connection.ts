/** Selects the connection that a SAML message belongs to: by its Issuer, among the connections of the organization in the URL. */
import { GatewayError } from '../../errors.ts';
import { activeConnections } from '../../organizations/connections/connections.ts';
import type { Connection, Organization } from '../../organizations/organizations.ts';
import { unverifiedIssuerOf } from '../../saml/messages/unverified-issuer.ts';

/** The longest entityID that SAML allows (saml-core §8.3.6). */
const MAX_SHOWN_ISSUER = 1024;

/**
 * Selects the connection whose keys, settings and state apply to a response. Uses the Issuer of the response or, if that is missing, the
 * Issuer of a plain assertion. If both are missing because the assertion is encrypted, the organization must have exactly one active
 * connection. The checks of the response then compare the verified Issuer with this connection.
 *
 * A disabled connection is never selected. A draft is selected, but accepts only answers to its own test requests.
 * @throws idp_not_configured if the organization has no connection; saml_issuer_unknown, saml_malformed, saml_dtd_forbidden
 */
export function selectConnection(organization: Organization, unverifiedXml: string): Connection {
  if (organization.connections.length === 0) throw new GatewayError('idp_not_configured');
  const candidates = organization.connections.filter(({ state }) => state !== 'disabled');
  const [only, ...others] = candidates;
  // Without a choice, the message need not be parsed twice: the checks of the response refuse any other Issuer.
  if (only && others.length === 0) return only;
  const issuer = unverifiedIssuerOf(unverifiedXml);
  const active = activeConnections(organization);
  const selected =
    issuer === undefined && active.length === 1 ? active[0] : candidates.find(({ metadata }) => metadata.entityId === issuer);
  if (!selected) throw issuerUnknown(issuer);
  return selected;
}

/**
 * Selects the connection whose keys verify a LogoutRequest. A disabled connection also counts: its members may have kept their sessions,
 * and their identity provider must still be able to end them. A draft has never created a session.
 * @throws idp_not_configured if the organization has no connection; saml_issuer_unknown, saml_malformed, saml_dtd_forbidden
 */
export function selectLogoutConnection({ connections }: Organization, unverifiedXml: string): Connection {
  if (connections.length === 0) throw new GatewayError('idp_not_configured');
  const issuer = unverifiedIssuerOf(unverifiedXml);
  const selected = connections.find(({ state, metadata }) => state !== 'draft' && metadata.entityId === issuer);
  if (!selected) throw issuerUnknown(issuer);
  return selected;
}

const issuerUnknown = (issuer: string | undefined): GatewayError =>
  new GatewayError('saml_issuer_unknown', { got: issuer?.slice(0, MAX_SHOWN_ISSUER) ?? 'no Issuer' });

/** @throws saml_issuer_unknown for a connection that is not active, whose users cannot sign in */
export function requireActive({ state }: Connection): void {
  if (state !== 'active') throw new GatewayError('saml_issuer_unknown');
}
