/**
 * Users of a SCIM client that could be an existing member, but are not linked to it without an approval: the member is an owner, or
 * there are several such members. A refused request records the conflict in each of these members, and an owner or the operator approves
 * or declines it. After an approval, the next request of the identity provider links the user. Each conflict has an ID, so that an
 * approval always concerns the user on the page.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newId } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { ScimProfile } from '../../scim/user.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import type { Page, Step, Store, Stored } from '../../store/store.ts';
import { DAY_MS, DAY_SECONDS, MINUTE_MS } from '../../time.ts';
import { type OrganizationConnection, requireConnection } from '../connections/connections.ts';
import { getMember, MEMBERS, type Member, type ProvisioningConflict } from '../members.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../organizations.ts';
import type { ScimTarget } from './scim-users.ts';

/** Identity providers repeat failed requests within hours. An approval that nothing uses must not stay valid forever. */
const APPROVAL_MS = 14 * DAY_MS;
/** Another user does not replace a conflict within this time, so that owners can decide it and a SCIM client cannot rewrite a member all the time. */
const KEEP_MS = 10 * MINUTE_MS;

/** A SCIM user and its client's connection. */
export interface ProvisionedProfile {
  readonly connectionId: string;
  readonly profile: ScimProfile;
}

const isAbout = ({ connectionId, user }: ProvisioningConflict, { profile, ...target }: ProvisionedProfile): boolean =>
  connectionId === target.connectionId &&
  user.userName.toLowerCase() === profile.userName.toLowerCase() &&
  user.externalId === profile.externalId &&
  user.email.toLowerCase() === profile.email.toLowerCase();

export type ConflictState = 'open' | 'approved' | 'declined';

/** Returns the state of a conflict. An approval that was not used in time is open again. */
export function conflictState({ decision }: ProvisioningConflict, nowMs: number): ConflictState {
  if (!decision || (decision.outcome === 'approved' && nowMs - decision.atMs > APPROVAL_MS)) return 'open';
  return decision.outcome;
}

/** What becomes of a user that could be one of several members. */
export type LinkDecision =
  | { readonly kind: 'link'; readonly member: Stored<Member> }
  | { readonly kind: 'conflict'; readonly reason: ProvisioningConflict['reason'] }
  | { readonly kind: 'declined' };

/** Decides whether a user is linked to one of the members that it could be. Only an approval links it to an owner, or to one of several. */
export function decideLink(candidates: readonly Stored<Member>[], user: ProvisionedProfile, nowMs: number): LinkDecision | undefined {
  const stateOf = ({ value: { provisioningConflict: conflict } }: Stored<Member>): ConflictState =>
    conflict && isAbout(conflict, user) ? conflictState(conflict, nowMs) : 'open';
  const approved = candidates.filter((member) => stateOf(member) === 'approved');
  if (approved[0] && approved.length === 1) return { kind: 'link', member: approved[0] };
  const possible = candidates.filter((member) => stateOf(member) !== 'declined');
  const [member] = possible;
  if (!member) return candidates.length === 0 ? undefined : { kind: 'declined' };
  if (possible.length > 1) return { kind: 'conflict', reason: 'ambiguous' };
  return member.value.role === 'owner' ? { kind: 'conflict', reason: 'owner' } : { kind: 'link', member };
}

/**
 * Records a conflict in the members that a user could be. A conflict that an owner may be looking at, and an approval, are not replaced.
 * The audit trail gets at most one entry a day for each of these members.
 */
export async function recordConflict(
  { store, now }: Runtime,
  actor: Actor,
  { client, profile, candidates, reason }: NewConflict,
): Promise<void> {
  const nowMs = now();
  const user = { connectionId: client.connection.id, profile };
  const { userName, externalId, email, name } = profile;
  const recorded: ProvisioningConflict = {
    id: newId('req'),
    connectionId: user.connectionId,
    reason,
    user: { userName, ...(externalId === undefined ? {} : { externalId }), email, name },
    memberIds: candidates.map(({ id }) => id),
    atMs: nowMs,
  };
  const isReplaceable = ({ value: { provisioningConflict: before } }: Stored<Member>) =>
    !before || (!isAbout(before, user) && conflictState(before, nowMs) !== 'approved' && nowMs - before.atMs > KEEP_MS);
  const steps = candidates.filter(isReplaceable).map(({ id, version, value }): Step => {
    return { do: 'replace', collection: MEMBERS, id, version, value: { ...value, provisioningConflict: recorded } };
  });
  // If a member changes meanwhile, the next request of the identity provider records the conflict.
  if (steps.length > 0) await store.commit(client.organization.id, [...steps, client.requireToken]);
  for (const { id } of candidates) {
    await store.commit(client.organization.id, [
      { do: 'claim', key: `scim-owner-refused:${id}`, ttlSeconds: DAY_SECONDS },
      auditStep(nowMs, actor, 'member.provisioning_refused', {
        member_id: id,
        details: { reason, connection: user.connectionId, user_name: userName },
      }),
    ]);
  }
}

export interface NewConflict {
  readonly client: ScimTarget;
  readonly profile: ScimProfile;
  readonly candidates: readonly Stored<Member>[];
  readonly reason: ProvisioningConflict['reason'];
}

/** Returns the steps that delete a conflict from the other members that a user could have been. */
export const resolvedSteps = (candidates: readonly Stored<Member>[], linked: Stored<Member>): readonly Step[] =>
  candidates.flatMap(({ id, version, value }): readonly Step[] => {
    const isSame = value.provisioningConflict?.id === linked.value.provisioningConflict?.id;
    if (id === linked.id || !value.provisioningConflict || !isSame) return [];
    return [{ do: 'replace', collection: MEMBERS, id, version, value: { ...value, provisioningConflict: undefined } }];
  });

/** Returns one page of the members of whom a connection has a conflict. */
export const listConflicts = (
  store: Store,
  { organization, connection }: OrganizationConnection,
  range: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<Member>> => store.find(organization.id, MEMBERS, 'provisioningConflict', { equals: connection.id, ...range });

export interface ConflictDecision {
  readonly organizationId: string;
  readonly connectionId: string;
  readonly memberId: string;
  readonly conflictId: string;
}

/**
 * Approves that the user of a conflict is this member. The next request of the identity provider that creates the user links it. The
 * other members that the user could be are declined in the same commit.
 * @throws not_found; conflict if the conflict was replaced or resolved, or if another user of the client is this member by now
 */
export const approveConflict = (runtime: Runtime, actor: Actor, decision: ConflictDecision): Promise<Member> =>
  decide(runtime, actor, decision, 'approved');

/**
 * Declines that the user of a conflict is this member. The user is linked to the only other member that it could be, or refused.
 * @throws not_found; conflict if the conflict was replaced or resolved
 */
export const declineConflict = (runtime: Runtime, actor: Actor, decision: ConflictDecision): Promise<Member> =>
  decide(runtime, actor, decision, 'declined');

async function decide(runtime: Runtime, actor: Actor, decision: ConflictDecision, outcome: 'approved' | 'declined'): Promise<Member> {
  const { store, now } = runtime;
  const { organizationId, connectionId, memberId, conflictId } = decision;
  return compareAndSet<Member>(async () => {
    const organization = await store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
    if (!organization) throw new GatewayError('organization_unknown');
    requireConnection(organization.value, connectionId);
    const member = await getMember(store, organizationId, memberId);
    const conflict = member.value.provisioningConflict;
    if (conflict?.id !== conflictId || conflict.connectionId !== connectionId) {
      throw new GatewayError('conflict', 'This conflict was replaced or resolved. Load the list again before you decide.');
    }
    if (outcome === 'approved' && member.value.scim) {
      throw new GatewayError(
        'conflict',
        'Another provisioned user is already linked to this member. Delete that user at the identity provider first.',
      );
    }
    const nowMs = now();
    const decideFor = ({ id, version, value }: Stored<Member>, chosen: typeof outcome): Step => {
      const provisioningConflict = { ...conflict, decision: { outcome: chosen, atMs: nowMs } };
      return { do: 'replace', collection: MEMBERS, id, version, value: { ...value, provisioningConflict } };
    };
    const others = outcome === 'approved' ? await membersOf(store, organizationId, conflict, memberId) : [];
    const event = outcome === 'approved' ? 'member.provisioning_approved' : 'member.provisioning_declined';
    const details = { connection: connectionId, user_name: conflict.user.userName, email: conflict.user.email };
    const steps: Step[] = [
      { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: organization.version },
      decideFor(member, outcome),
      ...others.map((each) => decideFor(each, 'declined')),
      auditStep(nowMs, actor, event, { member_id: memberId, details }),
    ];
    const after: Member = { ...member.value, provisioningConflict: { ...conflict, decision: { outcome, atMs: nowMs } } };
    return (await store.commit(organizationId, steps, { replicated: true })).ok ? after : RETRY;
  });
}

/** Returns the other members that have the same conflict. */
async function membersOf(
  store: Store,
  organizationId: string,
  { id: conflictId, memberIds }: ProvisioningConflict,
  except: string,
): Promise<readonly Stored<Member>[]> {
  const members = await Promise.all(memberIds.filter((id) => id !== except).map((id) => store.get(organizationId, MEMBERS, id)));
  return members.filter((member) => member?.value.provisioningConflict?.id === conflictId) as readonly Stored<Member>[];
}
