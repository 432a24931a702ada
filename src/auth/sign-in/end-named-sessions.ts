/** Ends the sessions that a LogoutRequest of the identity provider names, once, on every replica. */
import { type Actor, auditStep } from '../../audit.ts';
import { codeOf, GatewayError } from '../../errors.ts';
import { hashOf } from '../../ids.ts';
import { responseSettings } from '../../organizations/identity-providers.ts';
import { MEMBERS, type Member, type MemberSession, nameIdKey } from '../../organizations/members.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import type { VerifiedLogoutRequest } from '../../saml/messages/logout.ts';
import type { NameId } from '../../saml/response/name-id.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { eachRecord } from '../../store/each-record.ts';
import type { Step, Stored } from '../../store/store.ts';
import { claimUntil } from './claims.ts';

const answeredKey = (idpEntityId: string, requestId: string): string => `logout:answered:${hashOf(idpEntityId, requestId)}`;
const endedKey = (idpEntityId: string, { value }: NameId, sessionIndex: string): string =>
  `logout:ended:${hashOf(idpEntityId, value, sessionIndex)}`;

/**
 * Returns the step that fails if the identity provider has ended the session of this assertion already, because a user can
 * sign out while the assertion is on its way. Returns no step if the identity provider has no single logout.
 * @see saml-core §3.7.3.2
 */
export function requireSessionNotEnded({ identityProvider }: Organization, { nameId, sessionIndex }: VerifiedAssertion): Step[] {
  if (!identityProvider || !nameId || sessionIndex === undefined) return [];
  const { metadata } = identityProvider;
  if (Object.keys(metadata.singleLogout).length === 0) return [];
  return [{ do: 'absent', key: endedKey(metadata.entityId, nameId, sessionIndex) }];
}

export interface NamedSessions {
  readonly request: VerifiedLogoutRequest;
  /** The browser that brought the request. */
  readonly actor: Actor;
}

/**
 * Ends the named sessions. One commit claims the request, removes the sessions from their members and blocks assertions of
 * these sessions that are still on their way. A second pass ends sessions that were created between the read and that commit.
 * If the store fails during the second pass, that is only logged, because the request is consumed and sessions have ended.
 * @returns the number of sessions that ended
 * @throws saml_replayed, conflict, store_unavailable; no session has ended then
 */
export async function endNamedSessions(runtime: Runtime, organization: Organization, named: NamedSessions): Promise<number> {
  const { idpEntityId } = responseSettings(organization, runtime.config.baseUrl);
  const { nameId, sessionIndexes, requestId, acceptableUntilMs } = named.request;
  const claim = claimUntil(answeredKey(idpEntityId, requestId), acceptableUntilMs, runtime.now());
  const { ttlSeconds } = claim;
  const ended = await endPresentSessions(runtime, organization, {
    ...named,
    claims: [
      claim,
      ...sessionIndexes.map((index): Step => ({ do: 'put', key: endedKey(idpEntityId, nameId, index), value: '', ttlSeconds })),
    ],
  });
  try {
    return ended + (await endPresentSessions(runtime, organization, { ...named, claims: [] }));
  } catch (error) {
    const code = codeOf(error);
    runtime.log.warn({ code, organization: organization.slug }, 'could not check whether a session was created during a single logout');
    return ended;
  }
}

interface PresentSessions extends NamedSessions {
  /** Further steps of the commit, beginning with the claim of the request. */
  readonly claims: readonly Step[];
}

async function endPresentSessions(
  runtime: Runtime,
  organization: Organization,
  { request, actor: { address, requestId }, claims }: PresentSessions,
): Promise<number> {
  const { idpEntityId, entityId } = responseSettings(organization, runtime.config.baseUrl);
  const isNamed = sessionMatcher(request, { idpEntityId, entityId });
  const actor: Actor = { kind: 'identity_provider', ...(address && { address }), ...(requestId && { requestId }) };
  return compareAndSet(async () => {
    const members = await findMembers(runtime, organization.id, nameIdKey(idpEntityId, request.nameId));
    const affected = members.filter(({ value }) => value.sessions.some(isNamed));
    const steps = affected.flatMap(({ id, version, value }): Step[] => {
      const sessions = value.sessions.filter((session) => !isNamed(session));
      return [
        { do: 'replace', collection: MEMBERS, id, version, value: { ...value, sessions } },
        auditStep(runtime.now(), actor, 'logout.identity_provider', { member_id: id }),
      ];
    });
    if (claims.length + steps.length === 0) return 0;
    const result = await runtime.store.commit(organization.id, [...claims, ...steps], { replicated: true });
    if (result.ok) return affected.flatMap(({ value }) => value.sessions.filter(isNamed)).length;
    if (result.failed === 0 && claims.length > 0)
      throw new GatewayError('saml_replayed', {
        detail: 'This logout request was already used.',
        variant: 'logout_replayed',
      });
    return RETRY; // a member changed between read and write
  });
}

async function findMembers(runtime: Runtime, organizationId: string, nameId: string): Promise<readonly Stored<Member>[]> {
  const found = new Map<string, Stored<Member>>();
  const index = { partition: organizationId, collection: MEMBERS, index: 'nameId', equals: nameId };
  for await (const member of eachRecord(runtime.store, index)) found.set(member.id, member);
  return [...found.values()];
}

/** The entity IDs that an absent qualifier of a NameID stands for. */
interface Parties {
  readonly idpEntityId: string;
  readonly entityId: string;
}

/** Returns whether a request names a session: the same NameID, and one of its session indexes if it has any. */
function sessionMatcher({ nameId, sessionIndexes }: VerifiedLogoutRequest, parties: Parties): (session: MemberSession) => boolean {
  const requested = qualifiedNameId(nameId, parties);
  return (session) =>
    session.nameId !== undefined &&
    qualifiedNameId(session.nameId, parties) === requested &&
    (sessionIndexes.length === 0 || (session.sessionIndex !== undefined && sessionIndexes.includes(session.sessionIndex)));
}

/** Two NameIDs are the same if content and attributes are (saml-core §3.3.4). An absent qualifier stands for one of the parties (§8.3.7). */
const qualifiedNameId = ({ value, format, nameQualifier, spNameQualifier }: NameId, { idpEntityId, entityId }: Parties): string =>
  JSON.stringify([value, format, nameQualifier ?? idpEntityId, spNameQualifier ?? entityId]);
