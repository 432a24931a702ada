/** What the holder of a setup link may change. */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { findConnection, findDefaultConnection } from '../connections/connections.ts';
import { hasMembers } from '../identity/member-identity.ts';
import { MEMBERS } from '../members.ts';
import type { Organization } from '../organizations.ts';

/** @throws forbidden for a setup without its link */
export function requireLinkId({ id }: Actor): string {
  if (id === undefined) throw new GatewayError('forbidden', 'This setup belongs to no setup link.');
  return id;
}

export interface SetupTarget {
  readonly organization: Organization;
  /** Undefined if the link has yet to create its connection. */
  readonly connectionId?: string | undefined;
}

/**
 * Returns whether a setup link may no longer change the metadata and settings of a connection, because its holder could sign in as a
 * member. A draft is locked if it has members or may get some, as a reconnected identity provider does. Other connections are locked as
 * soon as the organization has a member, since role rules could make the holder an owner.
 */
export async function isLockedForSetup(store: Store, { organization, connectionId }: SetupTarget): Promise<boolean> {
  const connection = connectionId === undefined ? findDefaultConnection(organization) : findConnection(organization, connectionId);
  if (!connection) return false;
  if (connection.state === 'draft')
    return connection.replaces !== undefined || connection.change !== undefined || hasMembers(store, organization.id, connection);
  return (await store.find(organization.id, MEMBERS, 'email', { limit: 1 })).items.length > 0;
}

/** Checks that the actor may change the metadata and settings of a connection. @throws forbidden for a setup link that may not */
export async function requireChangeableBy(store: Store, { kind }: Actor, target: SetupTarget): Promise<void> {
  if (kind !== 'setup_link') return;
  if (target.connectionId === undefined && target.organization.connections.length > 0) {
    throw new GatewayError(
      'forbidden',
      'Another connection was created in the meantime. Ask the person who sent you the link for a new one.',
    );
  }
  if (await isLockedForSetup(store, target)) {
    throw new GatewayError('forbidden', 'A setup link cannot change this connection while there are members. Ask an owner to change it.');
  }
}
