/**
 * Another entityID in the metadata of a connection means another identity provider, which may give the identifiers of today's
 * members to other users. So while the connection has members, the caller decides what happens to them.
 */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newSecret } from '../../ids.ts';
import { eachRecord } from '../../store/each-record.ts';
import type { Store, Stored } from '../../store/store.ts';
import { hasMembers, isOfConnection } from '../identity/member-identity.ts';
import { MEMBERS, type Member } from '../members.ts';
import type { Connection, Organization } from '../organizations.ts';
import { type OrganizationConnection, requireConnection } from './connections.ts';

/**
 * What happens to the members. Only `new_accounts` is available in this version. `keep`: users keep their accounts if the new identity provider sends the same identifiers.
 * `link_by_email`: users are linked to their accounts by verified email addresses. `new_accounts`: every user gets a new account.
 */
export const ENTITY_ID_DECISIONS = ['keep', 'link_by_email', 'new_accounts'] as const;
export type EntityIdDecision = (typeof ENTITY_ID_DECISIONS)[number];

/** Which keys the members of a connection have. */
export type IdentityScope = Pick<Connection, 'identityScope' | 'scopeSince'>;

export interface EntityIdChange {
  readonly organization: Organization;
  /** The default connection if undefined. */
  readonly connectionId?: string | undefined;
  readonly entityId: string;
  readonly decision?: EntityIdDecision | undefined;
  /** The scope that the connection had with this entityID, if a version of its metadata is restored. */
  readonly formerScope?: IdentityScope | undefined;
}

/** What a change of the metadata does to the members of its connection. */
export interface EntityIdPlan {
  /** The entityID that the decision is about. Undefined if the connection is created. */
  readonly from: string | undefined;
  /** The new scope, if the entityID is another one. */
  readonly scope?: IdentityScope;
}

/**
 * Checks the decision about the members, if one is needed.
 * @throws conflict if it is missing or not possible; forbidden for a setup link that decides more than new accounts
 */
export async function planEntityIdChange(store: Store, actor: Actor, change: EntityIdChange): Promise<EntityIdPlan> {
  const { organization, entityId, formerScope } = change;
  const connection = findChangedConnection(change);
  const from = connection?.metadata.entityId;
  if (!connection || from === entityId) return { from };
  if (await hasMembers(store, organization.id, connection)) requireDecision(actor, connection, change);
  // Also without members: a random scope never returns to members of an earlier identity provider.
  return { from, scope: formerScope ?? { identityScope: newSecret() } };
}

function requireDecision({ kind }: Actor, connection: Connection, { entityId, decision }: EntityIdChange): void {
  if (decision === undefined) throw decisionNeeded(connection, entityId);
  if (kind === 'setup_link' && decision !== 'new_accounts') {
    throw new GatewayError('forbidden', 'A setup link can only choose new_accounts. Ask an owner or the operator to save this metadata.');
  }
  if (decision !== 'new_accounts') {
    throw new GatewayError(
      'conflict',
      `on_new_entity_id: ${decision} is not available in this version. Use new_accounts. Nothing was changed.`,
    );
  }
}

const decisionNeeded = ({ metadata }: Connection, entityId: string): GatewayError =>
  new GatewayError('conflict', {
    detail:
      'This metadata belongs to another identity provider, and the connection has members. Set on_new_entity_id (samlgate org set-idp --on-new-entity-id) to new_accounts to give every user a new account. With dry_run=true, the response counts the affected members. Nothing was changed.',
    wanted: metadata.entityId,
    got: entityId,
  });

/** Checks that the metadata which a plan replaces is still in place. @throws conflict */
export function requirePlanned({ from }: EntityIdPlan, change: EntityIdChange): void {
  if (findChangedConnection(change)?.metadata.entityId !== from) {
    throw new GatewayError('conflict', 'The metadata was changed at the same time. Nothing was changed. Try again.');
  }
}

const findChangedConnection = ({ organization, connectionId }: EntityIdChange): Connection | undefined =>
  connectionId === undefined && organization.connections.length === 0 ? undefined : requireConnection(organization, connectionId);

export interface MemberCounts {
  /** Members whose users keep their accounts. */
  readonly matching: number;
  /** Members about whom an owner or the operator must decide. */
  readonly ambiguous: number;
  /** Members whose users get new accounts. */
  readonly new: number;
}

/** Counts what a change would do to the members. It reads every member of the organization. Undefined if none is affected. */
export async function countAffectedMembers(store: Store, change: EntityIdChange): Promise<MemberCounts | undefined> {
  const { organization, entityId } = change;
  const connection = findChangedConnection(change);
  if (!connection || connection.metadata.entityId === entityId) return undefined;
  const counts = { matching: 0, ambiguous: 0, new: 0 };
  for await (const _member of eachMemberOf(store, { organization, connection })) counts.new++;
  return counts.new === 0 ? undefined : counts;
}

/** Yields the members whom a connection identifies. */
export async function* eachMemberOf(store: Store, { organization, connection }: OrganizationConnection): AsyncGenerator<Stored<Member>> {
  for await (const member of eachRecord(store, { partition: organization.id, collection: MEMBERS, index: 'email' })) {
    if (isOfConnection(member.value, connection)) yield member;
  }
}
