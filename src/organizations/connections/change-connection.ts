/** Creates, changes and deletes connections. Each change is one commit of the organization's record with its audit entry. */
import { isDeepStrictEqual } from 'node:util';
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import { noteConnections, noteRevocation } from '../directory.ts';
import { deleteFormerGroups, finishGroupChangesOf, noteDeletedGroups } from '../groups/group-changes.ts';
import { requireNoGroupChanges } from '../groups/pending-group-changes.ts';
import {
  type Connection,
  type ConnectionSettings,
  type ConnectionState,
  getOrganizationById,
  type Organization,
  updateOrganization,
} from '../organizations.ts';
import { readActivationCheck } from '../setup/first-activation.ts';
import {
  connectAgain,
  findConnection,
  type OrganizationConnection,
  requireConnection,
  requireRemovable,
  withConnection,
  withoutConnection,
  withoutProvisioning,
} from './connections.ts';
import { type LoadedMetadata, withMetadata, withSettings } from './identity-providers.ts';
import { metadataVersionSteps } from './metadata-versions.ts';
import { noteOwnerLoss } from './owners-after-change.ts';
import { finishRevocations, withRevocation } from './revoke-credentials.ts';

export interface NewConnection {
  readonly organization: Organization;
  readonly name: string;
  readonly loaded: LoadedMetadata;
}

/**
 * Returns the organization with a further connection, a draft.
 * @throws conflict if another connection has the same identity provider or the same name, or if there are too many connections
 */
export function withNewConnection({ organization, name, loaded }: NewConnection, nowMs: number): OrganizationConnection {
  const draft = connectAgain(organization, { name, state: 'draft', metadata: loaded.metadata }, nowMs);
  requireFreeName(organization, draft);
  const after = withMetadata({ organization: withConnection(organization, draft), connectionId: draft.id, loaded }, nowMs);
  return { organization: after, connection: requireConnection(after, draft.id) };
}

/** Creates a connection as a draft. @throws conflict */
export async function createConnection(runtime: Runtime, actor: Actor, input: NewConnection): Promise<OrganizationConnection> {
  const planned = withNewConnection(input, runtime.now());
  const { connection } = planned;
  await noteConnections(runtime.store, planned.organization);
  const { metadata, name } = connection;
  const organization = await updateOrganization(runtime, actor, {
    organizationId: input.organization.id,
    event: 'connection.created',
    details: {
      connection: connection.id,
      name,
      entity_id: metadata.entityId,
      certificates: metadata.signingCertificates.map(({ fingerprintSha256 }) => fingerprintSha256),
    },
    change: (before) => {
      requireFreeName(before, connection);
      // A connection that exists by now has the same ID if it takes over a deleted one.
      if (findConnection(before, connection.id)) throw new GatewayError('conflict', 'This identity provider was connected meanwhile.');
      return withConnection(before, connection);
    },
    extraSteps: await metadataVersionSteps(runtime, actor, { organization: input.organization, connectionId: connection.id }),
  });
  await noteConnectionsNow(runtime, organization.id);
  return { organization, connection };
}

/** Updates the directory again after a change, because another change may have been made between the first update and the commit. */
async function noteConnectionsNow({ store }: Runtime, organizationId: string): Promise<void> {
  const organization = await getOrganizationById(store, organizationId);
  if (organization) await noteConnections(store, organization);
}

/** @throws conflict */
function requireFreeName({ connections }: Organization, { id, name }: Pick<Connection, 'id' | 'name'>): void {
  if (!connections.some((other) => other.id !== id && other.name === name)) return;
  throw new GatewayError('conflict', 'Another connection of this organization has this name. Choose another one.');
}

export interface ConnectionChanges {
  readonly name?: string | undefined;
  readonly state?: ConnectionState | undefined;
  readonly isDefault?: true | undefined;
  readonly settings?: Partial<ConnectionSettings> | undefined;
}

export interface ConnectionChange {
  readonly organization: Organization;
  /** The default connection if undefined. */
  readonly connectionId?: string | undefined;
  readonly changes: ConnectionChanges;
  /** Keeps the sessions and tokens of the members when the connection is disabled or deleted. */
  readonly keepsSessions?: boolean | undefined;
  /** The operator's confirmation that the organization goes live although no rule gives the owner role. */
  readonly allowNoOwner?: boolean | undefined;
}

/**
 * Changes a connection. Disabling it refuses sign-ins from the commit on, and then revokes the credentials of its members unless
 * `keepsSessions` is true. Disabling a disabled connection again revokes credentials that were kept.
 * @throws idp_not_configured, not_found, validation_failed; conflict if the name is taken, if the state cannot become a draft again,
 *   or if a connection becomes active whose credentials are still being revoked, or whose organization would go live without a rule for
 *   the owner role; forbidden if anyone but the operator confirms that
 */
export async function changeConnection(runtime: Runtime, actor: Actor, change: ConnectionChange): Promise<Organization> {
  const { organization, changes, keepsSessions = false, allowNoOwner = false } = change;
  const { id } = requireConnection(organization, change.connectionId);
  const isRevoking = changes.state === 'disabled' && !keepsSessions;
  const requireOwnerRule = await readActivationCheck(runtime.store, actor, { organizationId: organization.id, allowNoOwner });
  if (organization.revokingConnections !== undefined) await finishRevocations(runtime, actor, organization.id);
  await noteConnections(runtime.store, withChanges(organization, id, changes));
  if (isRevoking) await noteRevocation(runtime.store, organization.id, true);
  const after = await updateOrganization(runtime, actor, {
    organizationId: organization.id,
    event: 'connection.changed',
    details: {
      connection: id,
      ...(changes.name === undefined ? {} : { name: changes.name }),
      ...(changes.state === undefined ? {} : { state: changes.state }),
      ...(changes.state === 'disabled' ? { keep_sessions: keepsSessions } : {}),
      ...(allowNoOwner ? { allow_no_owner: true } : {}),
      ...(changes.isDefault === undefined ? {} : { is_default: true }),
      ...(changes.settings === undefined ? {} : { changes: changes.settings }),
    },
    change: (before) => {
      const changed = withChanges(before, id, changes);
      if (changes.state === 'active' && requireConnection(before, id).state !== 'active')
        requireOwnerRule(changed, requireConnection(changed, id));
      const saved = isRevoking ? withRevocation(changed, requireConnection(changed, id)) : changed;
      return isDeepStrictEqual(saved, before) ? undefined : saved;
    },
  });
  await noteConnectionsNow(runtime, organization.id);
  if (isRevoking) await finishRevocations(runtime, actor, organization.id);
  if (changes.state === 'disabled' || changes.isDefault) await noteOwnerLoss(runtime, actor, after);
  return after;
}

/** Returns the organization with a changed connection. @throws the errors of {@link changeConnection} */
export function withChanges(
  organization: Organization,
  id: string,
  { name, state, isDefault, settings = {} }: ConnectionChanges,
): Organization {
  const connection = requireConnection(organization, id);
  if (connection.replaces && (state !== undefined || isDefault)) {
    throw new GatewayError(
      'conflict',
      'This draft replaces the identity provider of another connection. It does so when an owner’s test sign-in is accepted. Delete the draft to cancel that.',
    );
  }
  if (state !== undefined) requirePossibleState(organization, connection, state);
  const changed = { ...connection, ...(name === undefined ? {} : { name }), ...(state === undefined ? {} : { state }) };
  requireFreeName(organization, changed);
  const provisioned = state === 'disabled' ? { ...organization, ...withoutProvisioning(organization, id) } : organization;
  const after = withSettings({ organization: withConnection(provisioned, changed), connectionId: id, changes: settings });
  if (!isDefault) return after;
  const first = requireConnection(after, id);
  return { ...after, connections: [first, ...after.connections.filter((other) => other.id !== id)] };
}

function requirePossibleState({ revokingConnections = [] }: Organization, connection: Connection, state: ConnectionState): void {
  if (state === 'draft' && connection.state !== 'draft') {
    throw new GatewayError('conflict', 'A connection cannot become a draft again. Disable it instead.');
  }
  if (state === 'active' && revokingConnections.some(({ connectionId }) => connectionId === connection.id)) {
    throw new GatewayError('conflict', 'The credentials of the members of this connection are still being revoked. Try again in a minute.');
  }
}

export interface ConnectionRemoval {
  readonly organization: Organization;
  readonly connectionId: string;
  readonly keepsSessions?: boolean | undefined;
  /** The audit event, which differs for the identity provider of an organization with one connection. */
  readonly event?: 'connection.removed' | 'identity_provider.removed';
}

/**
 * Deletes the only connection, and revokes the credentials of its members unless `keepsSessions` is true. Changes nothing if there is
 * none.
 * @throws conflict if there are several connections, or if role rules name this one
 */
export async function removeIdentityProvider(runtime: Runtime, actor: Actor, removal: Omit<ConnectionRemoval, 'connectionId' | 'event'>) {
  const { connections, revokingConnections } = removal.organization;
  // Without a connection, an earlier request may have been interrupted after its commit.
  const connectionId = connections[0]?.id ?? revokingConnections?.[0]?.connectionId;
  if (connectionId !== undefined) await removeConnection(runtime, actor, { ...removal, connectionId, event: 'identity_provider.removed' });
}

const GROUPS_STILL_CHANGE =
  'The identity provider is renaming or deleting groups of this connection, and the roles of their members are still changing. The connection was not deleted. Try again in a moment. If this repeats, disable the connection first, so that its SCIM tokens stop working.';

/**
 * Deletes a connection, and revokes the credentials of its members unless `keepsSessions` is true. The default connection can only be
 * deleted if it is the only one.
 *
 * Renames and deletions of its groups are finished before the commit. After it, the memberships are gone by which the members lose
 * the roles of former groups, and roles would be decided as those of users without a connection.
 * @throws not_found; conflict for the default connection of several, if role rules name the connection, or if its groups are renamed or
 *   deleted meanwhile
 */
export async function removeConnection(
  runtime: Runtime,
  actor: Actor,
  { organization, connectionId, keepsSessions = false, event = 'connection.removed' }: ConnectionRemoval,
): Promise<Organization> {
  const isRevoking = organization.revokingConnections?.some((each) => each.connectionId === connectionId) ?? false;
  // The connection is gone if an earlier request was interrupted after its commit.
  const id = isRevoking ? connectionId : requireConnection(organization, connectionId).id;
  const known = findConnection(organization, id);
  // Checked again in the commit. A removal that is refused must not first change thousands of members.
  if (known) requireRemovable(organization, known);
  if (!keepsSessions) await noteRevocation(runtime.store, organization.id, true);
  if (known) await finishGroupChangesOf(runtime, organization.id, id);
  await noteDeletedGroups(runtime.store, organization.id, id);
  const after = await updateOrganization(runtime, actor, {
    organizationId: organization.id,
    event,
    details: { connection: id, keep_sessions: keepsSessions },
    change: async (before) => {
      const connection = findConnection(before, id);
      if (!connection) return undefined; // deleted by another request meanwhile
      requireRemovable(before, connection);
      await requireNoGroupChanges(runtime.store, { organizationId: before.id, connectionId: id }, GROUPS_STILL_CHANGE);
      const marked = keepsSessions ? before : withRevocation(before, connection);
      return withoutConnection(marked, connection);
    },
  });
  await noteConnectionsNow(runtime, organization.id);
  if (!keepsSessions || isRevoking) await finishRevocations(runtime, actor, organization.id);
  await deleteFormerGroups(runtime.store, organization.id);
  await noteOwnerLoss(runtime, actor, after);
  return after;
}
