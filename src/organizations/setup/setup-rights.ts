/** What the holder of a setup link may change. */
import { isDeepStrictEqual } from 'node:util';
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import type { Step, Store } from '../../store/store.ts';
import { findConnection, findDefaultConnection } from '../connections/connections.ts';
import { hasMembers } from '../identity/member-identity.ts';
import { MEMBERS } from '../members.ts';
import type { Connection, Organization } from '../organizations.ts';
import { requireLinkStep } from './setup-links.ts';

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
export async function isLockedForSetup(store: Store, target: SetupTarget): Promise<boolean> {
  const { organization } = target;
  const connection = findTarget(target);
  if (!connection) return false;
  if (connection.state === 'draft')
    return connection.replaces !== undefined || connection.change !== undefined || hasMembers(store, organization.id, connection);
  return (await store.find(organization.id, MEMBERS, 'email', { limit: 1 })).items.length > 0;
}

/** The right of an actor to change a connection, for the commit that uses it. */
export interface ChangeRight {
  /** Checks that the right was decided on the connection as it is now. @throws conflict */
  readonly requireSame: (current: Organization) => void;
  /** Refuse the commit if the right has since ended. */
  readonly steps: readonly Step[];
}

/**
 * Checks that the actor may change the metadata and settings of a connection.
 * @throws forbidden for a setup link that may not; unauthenticated for a revoked one
 */
export async function requireChangeableBy(store: Store, actor: Actor, target: SetupTarget): Promise<ChangeRight> {
  if (actor.kind !== 'setup_link') return { requireSame: () => {}, steps: [] };
  const linkStep = await requireLinkStep(store, target.organization.id, requireLinkId(actor));
  if (target.connectionId === undefined && target.organization.connections.length > 0) {
    throw new GatewayError('forbidden', 'Another connection has since been created. Ask the person who sent you the link for a new one.');
  }
  if (await isLockedForSetup(store, target)) {
    throw new GatewayError('forbidden', 'A setup link cannot change this connection while there are members. Ask an owner to change it.');
  }
  const checked = findTarget(target);
  return {
    requireSame: (current) => {
      if (isDeepStrictEqual(findTarget({ ...target, organization: current }), checked)) return;
      throw new GatewayError('conflict', 'The connection was changed at the same time. Nothing was changed. Try again.');
    },
    // The first member may sign in before the commit.
    steps: checked && checked.state !== 'draft' ? [linkStep, { do: 'below', collection: MEMBERS, count: 1 }] : [linkStep],
  };
}

const findTarget = ({ organization, connectionId }: SetupTarget): Connection | undefined =>
  connectionId === undefined ? findDefaultConnection(organization) : findConnection(organization, connectionId);
