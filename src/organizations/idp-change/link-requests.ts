/**
 * Requests of users of a new identity provider to become an existing member. A refused sign-in records one, and an owner or the
 * operator approves or declines it. A member keeps only the last request. Each request has an ID, so that an approval always
 * concerns the user on the page.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newId, newSecret } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import { type Identifier, isSameSource } from '../../saml/identifier/identifier.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import type { Step, Store, Stored } from '../../store/store.ts';
import { requireConnection } from '../connections/connections.ts';
import { identityKey, memberIdentifier } from '../identity/member-identity.ts';
import { pinIdentifier } from '../identity/pin-identifier.ts';
import { hasSignedInSince, isActiveOwner, type LinkRequest, MEMBERS, type Member } from '../members.ts';
import { type Connection, type IdpChange, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations.ts';
import { decidableChange, isUndecided } from './idp-change.ts';

export interface AskingUser {
  readonly identifier: Identifier;
  readonly email: string;
  readonly name: string;
}

export interface Asking {
  readonly connection: Connection;
  readonly change: IdpChange;
  readonly user: AskingUser;
  readonly members: readonly Stored<Member>[];
  readonly nowMs: number;
}

/** Returns the steps that record the request of a user. The same user asks once. */
export function requestSteps({ connection, change, user, members, nowMs }: Asking): Step[] {
  const request: LinkRequest = {
    id: newId('req'),
    changeId: change.id,
    connectionId: connection.id,
    identity: identityKey(connection, user.identifier),
    identifier: memberIdentifier(connection, user.identifier),
    email: user.email,
    name: user.name,
    atMs: nowMs,
  };
  return members
    .filter(({ value: { linkRequest } }) => linkRequest?.changeId !== change.id || linkRequest.identity !== request.identity)
    .map(({ id, version, value }) => ({ do: 'replace', collection: MEMBERS, id, version, value: { ...value, linkRequest: request } }));
}

export interface LinkDecision {
  readonly organizationId: string;
  readonly connectionId: string;
  readonly memberId: string;
  readonly requestId: string;
}

/**
 * Makes the user of a request the member, or confirms that an owner is the user. Ids, role, tokens and a suspension of the member stay.
 * @throws not_found; conflict if the request was replaced, decided or expired, or if the user has an account by now; forbidden
 */
export const approveLink = (runtime: Runtime, actor: Actor, decision: LinkDecision): Promise<Member> =>
  decide(runtime, actor, decision, ({ value }, request) => ({
    ...value,
    identity: request.identity,
    identifier: request.identifier,
    connectionId: request.connectionId,
    idpChange: { id: request.changeId, outcome: 'approved' },
    linkRequest: undefined,
  }));

/**
 * Decides that the user of a request is not the member. No user of the new identity provider becomes the member then, and the user gets
 * a new account at the next sign-in.
 * @throws not_found; conflict if the request was replaced, decided or expired; forbidden
 */
export const declineLink = (runtime: Runtime, actor: Actor, decision: LinkDecision): Promise<Member> =>
  decide(runtime, actor, decision, ({ value }, request, change) => ({
    ...value,
    // With `keep`, the member has the user's key, who would never get a new account.
    ...(change.decision === 'keep' ? withoutKey(request) : {}),
    idpChange: { id: request.changeId, outcome: 'declined' },
    linkRequest: undefined,
  }));

/** No sign-in finds a member by this. The identifier is kept, because a suspended member is recognized by it. */
const withoutKey = ({ identifier }: LinkRequest): Pick<Member, 'identity' | 'identifier'> => ({
  identity: newSecret(),
  identifier: { ...identifier, scope: 'declined' },
});

type Decide = (member: Stored<Member>, request: LinkRequest, change: IdpChange) => Member;

/** Requires in the commit that neither the organization nor the member has changed, so that no change of either is missed. */
async function decide(runtime: Runtime, actor: Actor, decision: LinkDecision, apply: Decide): Promise<Member> {
  const { store, now } = runtime;
  const { organizationId, connectionId, memberId } = decision;
  return compareAndSet<Member>(async () => {
    const organization = await store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
    const member = await store.get(organizationId, MEMBERS, memberId);
    if (!organization) throw new GatewayError('organization_unknown');
    if (!member) throw new GatewayError('not_found', 'This member does not exist.');
    const nowMs = now();
    const { request, change, connection } = requireRequest(organization.value, member.value, { decision, nowMs });
    if (change.decision === 'keep') await requireConfirmed(store, actor, { organizationId, change });
    const after = apply(member, request, change);
    const isLinked = after.idpChange?.outcome === 'approved';
    if (isLinked) await requireUsableKey(store, { organizationId, memberId, connection, request });
    const details = {
      connection: connectionId,
      change: change.id,
      ...(isLinked ? { by: 'approval' } : {}),
      identifier: request.identifier.value,
      email: request.email,
    };
    const unchanged: Step = { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: organization.version };
    const isPinned = (connection.settings.identifier ?? 'auto') !== 'auto';
    // Otherwise the next user could be identified in another way, and the member would never be found.
    const { organizationStep, pinSteps } =
      isLinked && !isPinned
        ? pinIdentifier(unchanged, organization, { connection, source: request.identifier.source, actor, nowMs })
        : { organizationStep: unchanged, pinSteps: [] };
    const steps: Step[] = [
      organizationStep,
      ...pinSteps,
      { do: 'replace', collection: MEMBERS, id: memberId, version: member.version, value: after },
      auditStep(nowMs, actor, isLinked ? 'member.linked' : 'member.link_declined', { member_id: memberId, details }),
    ];
    return (await store.commit(organizationId, steps, { replicated: true })).ok ? after : RETRY;
  });
}

/** @throws not_found, conflict */
function requireRequest(
  organization: Organization,
  member: Member,
  { decision, nowMs }: { readonly decision: LinkDecision; readonly nowMs: number },
): { readonly request: LinkRequest; readonly change: IdpChange; readonly connection: Connection } {
  const connection = requireConnection(organization, decision.connectionId);
  const { linkRequest: request } = member;
  const change = decidableChange(connection, nowMs);
  const isOpen = request?.connectionId === connection.id && request.changeId === change?.id && isUndecided(member, change);
  if (!request || !change || !isOpen || request.id !== decision.requestId) {
    throw new GatewayError('conflict', 'This request was replaced, decided or expired. Load the list again before you decide.');
  }
  return { request, change, connection };
}

/**
 * Checks that the caller is the operator, or an owner with a sign-in after members were kept. An older session of an owner proves nothing
 * about the user that will sign in with the same identifier.
 * @throws forbidden
 */
async function requireConfirmed(
  store: Store,
  { kind, id }: Actor,
  { organizationId, change }: { readonly organizationId: string; readonly change: IdpChange },
): Promise<void> {
  if (kind === 'operator') return;
  const caller = kind === 'member' && id !== undefined ? await store.get(organizationId, MEMBERS, id) : undefined;
  if (caller && isActiveOwner(caller.value) && hasSignedInSince(caller.value, change.id)) return;
  throw new GatewayError(
    'forbidden',
    'Only the operator, or an owner who has signed in since the identity provider changed, can decide this. Sign in again first.',
  );
}

interface UsableKey {
  readonly organizationId: string;
  readonly memberId: string;
  readonly connection: Connection;
  readonly request: LinkRequest;
}

/** @throws conflict if sign-ins would not find the member by the request's key */
async function requireUsableKey(store: Store, { organizationId, memberId, connection, request }: UsableKey): Promise<void> {
  const { identifier: setting = 'auto' } = connection.settings;
  if (setting !== 'auto' && !isSameSource(setting, request.identifier.source)) {
    throw new GatewayError(
      'conflict',
      'Users are identified in another way by now. Ask the user to sign in again, and approve that request.',
    );
  }
  const holder = await store.getUnique(organizationId, MEMBERS, 'identity', request.identity);
  if (holder && holder.id !== memberId) throw new GatewayError('conflict', 'The user of this request has another account by now.');
}
