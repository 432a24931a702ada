/** The connections of an organization: its identity providers. Pure functions of the organization's record. */
import { GatewayError } from '../../errors.ts';
import { newId } from '../../ids.ts';
import type { IdpMetadata } from '../../saml/metadata/idp-metadata.ts';
import { toIsoTime } from '../../time.ts';
import type { Connection, ConnectionSettings, FormerConnection, Organization } from '../organizations.ts';
import type { RoleScope } from '../role-mapping.ts';

/** Connections per organization. */
export const MAX_CONNECTIONS = 10;

export const DEFAULT_SETTINGS: ConnectionSettings = {
  idpInitiated: 'accept',
  attributeMapping: {},
  clockSkewSeconds: 180,
  requireSignedAssertion: false,
  requireSignedResponse: false,
  requireEncryptedAssertion: false,
  signRequests: undefined,
  nameIdFormat: undefined,
  identifier: 'auto',
  allowCreate: true,
  forceAuthn: false,
  authnContext: [],
  metadataRefreshHours: undefined,
  emailDomains: [],
};

/** A connection together with its organization. */
export interface OrganizationConnection {
  readonly organization: Organization;
  readonly connection: Connection;
}

/** Returns the default connection, which is the first one. Undefined if the organization has no identity provider yet. */
export const findDefaultConnection = ({ connections }: Organization): Connection | undefined => connections[0];

/** @throws idp_not_configured */
export function requireDefaultConnection(organization: Organization): Connection {
  const connection = findDefaultConnection(organization);
  if (!connection) throw new GatewayError('idp_not_configured');
  return connection;
}

export const isDefaultConnection = ({ connections }: Organization, { id }: Pick<Connection, 'id'>): boolean => connections[0]?.id === id;

/**
 * Returns the connection of members who last signed in before connections existed: the one that was migrated, or else the default
 * connection.
 */
export const findFormerConnection = (organization: Organization): Connection | undefined =>
  organization.connections.find(({ readsFormerKeys }) => readsFormerKeys) ?? findDefaultConnection(organization);

/** Returns the scope of role rules for users of a connection. An undefined ID is that of members from before connections existed. */
export function roleScopeOf(organization: Organization, connectionId: string | undefined): RoleScope {
  const id = connectionId ?? findFormerConnection(organization)?.id;
  return { connectionId: id, isDefault: id === organization.connections[0]?.id };
}

export const findConnection = ({ connections }: Organization, id: string): Connection | undefined =>
  connections.find((connection) => connection.id === id);

/** Returns the connection with this ID, or the default connection if no ID is given. @throws not_found, idp_not_configured */
export function requireConnection(organization: Organization, id: string | undefined): Connection {
  if (id === undefined) return requireDefaultConnection(organization);
  const connection = findConnection(organization, id);
  if (!connection) throw new GatewayError('not_found', 'This organization has no such connection.');
  return connection;
}

export const activeConnections = ({ connections }: Organization): readonly Connection[] =>
  connections.filter(({ state }) => state === 'active');

/** Returns the connection whose identity provider has this entityID. */
export const findConnectionByEntityId = ({ connections }: Organization, entityId: string): Connection | undefined =>
  connections.find(({ metadata }) => metadata.entityId === entityId);

/**
 * Returns the organization with this connection, replaced or added.
 * @throws conflict if another connection of the organization has the same identity provider, or if there are too many
 */
export function withConnection(organization: Organization, connection: Connection): Organization {
  const { connections } = organization;
  const { id, metadata } = connection;
  if (connections.some((other) => other.id !== id && other.metadata.entityId === metadata.entityId)) {
    throw new GatewayError('conflict', 'Another connection of this organization uses the identity provider with this entity ID.');
  }
  if (connections.some((other) => other.id === id)) {
    return { ...organization, connections: connections.map((other) => (other.id === id ? connection : other)) };
  }
  if (connections.length >= MAX_CONNECTIONS) {
    throw new GatewayError('conflict', `An organization can have at most ${MAX_CONNECTIONS} connections.`);
  }
  return { ...organization, connections: [...connections, connection] };
}

/** Returns the list of provisioned connections without one, which ends its SCIM tokens. */
export function withoutProvisioning({ scimConnections }: Organization, id: string): Pick<Organization, 'scimConnections'> {
  if (!scimConnections?.includes(id)) return {};
  const others = scimConnections.filter((each) => each !== id);
  return { scimConnections: others.length === 0 ? undefined : others };
}

/** Deleted connections that an organization remembers. */
const MAX_FORMER_CONNECTIONS = 20;

/** Returns the organization without a connection, and with what a later connection to the same identity provider takes over. */
export function withoutConnection(organization: Organization, connection: Connection): Organization {
  const { id, identityScope, scopeSince, readsFormerKeys, firstScope, removedCertificates, change, keptScopes, setupLinkId, settings } =
    connection;
  const { entityId } = connection.metadata;
  const { identifier } = settings;
  const kept = { id, identityScope, scopeSince, readsFormerKeys, firstScope, removedCertificates, change, keptScopes, setupLinkId };
  const former: FormerConnection = { ...kept, entityId, identifier };
  const others = (organization.formerConnections ?? []).filter((each) => each.entityId !== entityId);
  return {
    ...organization,
    connections: organization.connections.filter((other) => other.id !== id),
    ...withoutProvisioning(organization, id),
    formerConnections: [former, ...others].slice(0, MAX_FORMER_CONNECTIONS),
  };
}

/**
 * Returns a connection with default settings. If the organization had a connection to this identity provider, the new one has its ID,
 * so that its users are the same members.
 * @throws conflict while the credentials of the deleted connection are still being revoked
 */
export function connectAgain(organization: Organization, connection: NewConnectionOptions, nowMs: number): Connection {
  const { entityId } = connection.metadata;
  const former = organization.formerConnections?.find((each) => each.entityId === entityId && !findConnection(organization, each.id));
  if (!former) return newConnection(connection, nowMs);
  if (organization.revokingConnections?.some(({ connectionId }) => connectionId === former.id)) {
    throw new GatewayError('conflict', 'The credentials of the members of this connection are still being revoked. Try again in a minute.');
  }
  const { entityId: _, setupLinkId: __, identifier, ...kept } = former;
  const created = newConnection(connection, nowMs);
  return { ...created, ...kept, settings: { ...created.settings, identifier }, reconnectedAt: toIsoTime(nowMs) };
}

export interface NewConnectionOptions extends Pick<Connection, 'name' | 'state'> {
  readonly metadata: IdpMetadata;
}

/** Returns a connection with default settings. */
export function newConnection({ name, state, metadata }: NewConnectionOptions, nowMs: number): Connection {
  return {
    id: newId('con'),
    name,
    state,
    metadata,
    settings: DEFAULT_SETTINGS,
    updatedAt: toIsoTime(nowMs),
    identityScope: metadata.entityId,
  };
}

/** @throws conflict for the default connection of several, and for a connection that role rules name */
export function requireRemovable(organization: Organization, connection: Connection): void {
  if (isDefaultConnection(organization, connection) && organization.connections.length > 1) {
    throw new GatewayError('conflict', 'This is the default connection. Make another connection the default first.');
  }
  if (organization.roleMapping.rules.some((rule) => rule.connection === connection.id)) {
    throw new GatewayError('conflict', 'Role rules name this connection. Change or delete these rules first.');
  }
}
