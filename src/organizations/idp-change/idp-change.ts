/** The change of a connection to another identity provider, and what it means for the members of the connection. */
import { GatewayError } from '../../errors.ts';
import { newId } from '../../ids.ts';
import { DAY_MS, toIsoTime } from '../../time.ts';
import { isOfConnection } from '../identity/member-identity.ts';
import type { Member } from '../members.ts';
import type { Connection, IdpChange } from '../organizations.ts';

/** Which keys the members of a connection have. */
export type IdentityScope = Pick<Connection, 'identityScope' | 'scopeSince'>;

/** What happens to the members. */
export interface DecisionAboutMembers {
  readonly decision: IdpChange['decision'];
  /** Required for `link_by_email`. */
  readonly linkUntilMs?: number | undefined;
}

const MAX_LINK_DAYS = 30;
/** Scopes whose members can be linked, after as many changes in a row. */
const MAX_FORMER_SCOPES = 5;

/** @throws validation_failed unless there is an end for `link_by_email`, at most 30 days ahead, and none for other decisions */
export function requireValidEnd(
  { decision, linkUntilMs }: { readonly [Key in keyof DecisionAboutMembers]?: DecisionAboutMembers[Key] | undefined },
  nowMs: number,
): void {
  if (decision !== 'link_by_email') {
    if (linkUntilMs === undefined) return;
    throw new GatewayError('validation_failed', 'link_until: is only possible with on_new_entity_id: link_by_email.');
  }
  if (linkUntilMs === undefined || linkUntilMs <= nowMs || linkUntilMs > nowMs + MAX_LINK_DAYS * DAY_MS) {
    throw new GatewayError(
      'validation_failed',
      `link_until: on_new_entity_id: link_by_email needs a time in the future, at most ${MAX_LINK_DAYS} days ahead.`,
    );
  }
}

/**
 * Returns the scopes of the members that the next change decides about, the current one first. Members whom a former
 * `link_by_email` has not linked yet have older ones.
 */
export function scopesOfMembers({ identityScope, scopeSince, change }: Connection): readonly IdentityScope[] {
  const unlinked = change?.decision === 'link_by_email' ? change.formerScopes : [];
  return [{ identityScope, scopeSince }, ...unlinked].slice(0, MAX_FORMER_SCOPES);
}

export function newChange(connection: Connection, { decision, linkUntilMs }: DecisionAboutMembers, nowMs: number): IdpChange {
  return {
    id: newId('chg'),
    at: toIsoTime(nowMs),
    decision,
    ...(linkUntilMs === undefined ? {} : { until: toIsoTime(linkUntilMs) }),
    fromEntityId: connection.metadata.entityId,
    formerScopes: scopesOfMembers(connection),
  };
}

/** Returns whether a member has one of these scopes of a connection. */
export const isOfScopes = (member: Member, connection: Connection, scopes: readonly IdentityScope[]): boolean =>
  scopes.some(({ identityScope, scopeSince }) => isOfConnection(member, { ...connection, identityScope, scopeSince }));

/** Returns the change of a connection whose members are linked by email at this time. */
export const linkingChange = ({ change }: Connection, nowMs: number): IdpChange | undefined =>
  change?.decision === 'link_by_email' && change.until !== undefined && nowMs < Date.parse(change.until) ? change : undefined;

/** Returns the change of a connection about whose members an owner or the operator can decide. */
export const decidableChange = (connection: Connection, nowMs: number): IdpChange | undefined =>
  connection.change?.decision === 'keep' ? connection.change : linkingChange(connection, nowMs);

/** Returns whether a member is an owner who was not confirmed since members were kept. Another user may have the identifier now. */
export const needsConfirmation = (member: Member, { change }: Connection): boolean =>
  change?.decision === 'keep' && member.role === 'owner' && isUndecided(member, change);

/** Returns whether neither a sign-in nor an administrator has decided about a member since the change. */
export const isUndecided = ({ idpChange }: Member, { id }: IdpChange): boolean => idpChange?.id !== id;
