/**
 * Another entityID in the metadata of a connection means another identity provider, which may give the identifiers of today's
 * members to other users. So while the connection has members, the caller decides what happens to them.
 */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newSecret } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { Store } from '../../store/store.ts';
import { hasMembers } from '../identity/member-identity.ts';
import type { IdentifierTable } from '../idp-change/identifier-table.ts';
import { type IdentityScope, newChange, requireValidEnd, scopesOfMembers } from '../idp-change/idp-change.ts';
import { type ChangePreview, previewChange } from '../idp-change/preview-change.ts';
import type { Connection, IdpChange, Organization } from '../organizations.ts';
import { requireConnection } from './connections.ts';

/**
 * What happens to the members. `keep`: users keep their accounts if the new identity provider sends the same identifiers.
 * `link_by_email`: users are linked to their accounts by verified email addresses. `new_accounts`: every user gets a new account.
 */
export const ENTITY_ID_DECISIONS = ['keep', 'link_by_email', 'new_accounts'] as const;
export type EntityIdDecision = (typeof ENTITY_ID_DECISIONS)[number];

export interface EntityIdChange {
  readonly organization: Organization;
  /** The default connection if undefined. */
  readonly connectionId?: string | undefined;
  readonly entityId: string;
  readonly decision?: EntityIdDecision | undefined;
  /** Until when `link_by_email` links members. */
  readonly linkUntilMs?: number | undefined;
  /** The scope that the connection had with this entityID, if a version of its metadata is restored. */
  readonly formerScope?: IdentityScope | undefined;
}

export interface PreviewedEntityId extends EntityIdChange {
  /** Compared with the members if the decision is `keep`. */
  readonly table?: IdentifierTable | undefined;
}

/** What a change of the metadata does to the members of its connection. */
export interface EntityIdPlan {
  /** The entityID that the decision is about. Undefined if the connection is created. */
  readonly from: string | undefined;
  readonly fromScope: string | undefined;
  /** The new scope, if the entityID is another one, and the change to remember, if there are members. */
  readonly scope?: IdentityScope & { readonly change?: IdpChange | undefined };
  /** The connection whose members are kept. A test must first prove that this is right. */
  readonly keeps?: Connection | undefined;
}

/**
 * Checks the decision about the members, if one is needed.
 * @throws conflict if it is missing or not possible; forbidden for a setup link that decides more than new accounts;
 *   validation_failed for an invalid `link_until`
 */
export async function planEntityIdChange(
  { store, now }: Pick<Runtime, 'store' | 'now'>,
  actor: Actor,
  change: EntityIdChange,
): Promise<EntityIdPlan> {
  const { organization, entityId, formerScope } = change;
  requireAllowedDecision(actor, change);
  requireValidEnd(change, now());
  const connection = findChangedConnection(change);
  const from = connection?.metadata.entityId;
  const plan: EntityIdPlan = { from, fromScope: connection?.identityScope };
  if (!connection || from === entityId) return plan;
  // Also without members: a random scope never returns to members of an earlier identity provider.
  const scope = formerScope && mayReturnTo(connection, formerScope) ? formerScope : { identityScope: newSecret() };
  if (!(await hasMembersToDecide(store, organization.id, connection))) {
    // Members from before the last change are still pending.
    const next = connection.change && newChange(connection, { decision: 'new_accounts' }, now());
    return { ...plan, scope: { ...scope, change: next } };
  }
  const decision = requireDecision(connection, change);
  if (decision === 'keep') return { ...plan, keeps: connection };
  return { ...plan, scope: { ...scope, change: newChange(connection, { ...change, decision }, now()) } };
}

/** Members of a scope that another identity provider has used belong to the users of either. Only `keep` gives them their accounts. */
const mayReturnTo = ({ identityScope: present, keptScopes = [] }: Connection, { identityScope }: IdentityScope): boolean =>
  identityScope !== present && !keptScopes.includes(identityScope);

/** Returns whether a connection has members, including those whom a former change has not linked yet. */
async function hasMembersToDecide(store: Store, organizationId: string, connection: Connection): Promise<boolean> {
  for (const { identityScope, scopeSince } of scopesOfMembers(connection)) {
    if (await hasMembers(store, organizationId, { ...connection, identityScope, scopeSince })) return true;
  }
  return false;
}

/** @throws forbidden for a setup link, whose holder enters the certificate and could sign in as every member */
function requireAllowedDecision({ kind }: Actor, { decision }: EntityIdChange): void {
  if (kind !== 'setup_link' || decision === undefined || decision === 'new_accounts') return;
  throw new GatewayError('forbidden', 'A setup link can only choose new_accounts. Ask an owner or the operator to save this metadata.');
}

function requireDecision(connection: Connection, { entityId, decision }: EntityIdChange): EntityIdDecision {
  if (decision === undefined) throw decisionNeeded(connection, entityId);
  return decision;
}

const decisionNeeded = ({ metadata }: Connection, entityId: string): GatewayError =>
  new GatewayError('conflict', {
    detail:
      'This metadata belongs to another identity provider, and the connection has members. Set on_new_entity_id (samlgate org set-idp --on-new-entity-id) to keep if the new identity provider sends the same identifiers, to link_by_email to link users to members by verified email addresses, or to new_accounts to give every user a new account. With dry_run=true, the response counts the affected members. Nothing was changed.',
    wanted: metadata.entityId,
    got: entityId,
  });

export const changedMeanwhile = (): GatewayError =>
  new GatewayError('conflict', 'The metadata was changed at the same time. Nothing was changed. Try again.');

/** Checks that the metadata which a plan replaces is still in place. @throws conflict */
export function requirePlanned({ from, fromScope }: EntityIdPlan, change: EntityIdChange): void {
  const connection = findChangedConnection(change);
  if (connection?.metadata.entityId !== from || connection?.identityScope !== fromScope) {
    throw changedMeanwhile();
  }
}

const findChangedConnection = ({ organization, connectionId }: EntityIdChange): Connection | undefined =>
  connectionId === undefined && organization.connections.length === 0 ? undefined : requireConnection(organization, connectionId);

/** Foresees what a change does to the members. Undefined if none is affected. */
export async function previewMembers(
  { store, now }: Pick<Runtime, 'store' | 'now'>,
  change: PreviewedEntityId,
): Promise<ChangePreview | undefined> {
  const { organization, entityId, decision = 'new_accounts', table } = change;
  const connection = findChangedConnection(change);
  if (!connection || connection.metadata.entityId === entityId) return undefined;
  const preview = await previewChange(store, { organization, connection, decision, table: decision === 'keep' ? table : undefined }, now());
  return preview.matching + preview.ambiguous + preview.new === 0 ? undefined : preview;
}
