/** Ends the sessions that a LogoutRequest of the identity provider names, once, on every replica. */
import { type Actor, type AuditEntry, type AuditEvent, auditStep } from '../../audit.ts';
import { codeOf, GatewayError } from '../../errors.ts';
import { hashOf } from '../../ids.ts';
import { type OrganizationConnection, roleScopeOf } from '../../organizations/connections/connections.ts';
import { responseSettings } from '../../organizations/connections/identity-providers.ts';
import { dropSessions, MEMBERS, type Member, type MemberSession, nameIdKey, removedNameIdKey } from '../../organizations/members.ts';
import type { Connection } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import type { VerifiedLogoutRequest } from '../../saml/messages/logout.ts';
import type { NameId } from '../../saml/response/name-id.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import { shown } from '../../saml/shown-text.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { eachRecord } from '../../store/each-record.ts';
import type { Step, Stored } from '../../store/store.ts';
import { claimUntil } from './claims.ts';

const answeredKey = (idpEntityId: string, requestId: string): string => `logout:answered:${hashOf(idpEntityId, requestId)}`;
const endedKey = (idpEntityId: string, { value }: NameId, sessionIndex: string): string =>
  `logout:ended:${hashOf(idpEntityId, value, sessionIndex)}`;

/**
 * Returns the step that fails if the identity provider has already ended the session of this assertion, because a user can
 * sign out while the assertion is on its way. Returns no step if the identity provider has no single logout.
 * @see saml-core §3.7.3.2
 */
export function requireSessionNotEnded({ metadata }: Connection, { nameId, sessionIndex }: VerifiedAssertion): Step[] {
  if (!nameId || sessionIndex === undefined) return [];
  if (Object.keys(metadata.singleLogout).length === 0) return [];
  return [{ do: 'absent', key: endedKey(metadata.entityId, nameId, sessionIndex) }];
}

export interface NamedSessions {
  readonly request: VerifiedLogoutRequest;
  /** The browser that brought the request. */
  readonly actor: Actor;
}

export interface EndedSessions {
  /** The number of sessions that ended. */
  readonly ended: number;
  /**
   * Whether a user with this NameID has signed in. If so, a session that is not found has ended before. The gateway remembers the
   * last NameIDs of each member, and those of a removed member for a day. A user with other NameIDs since then is unknown.
   */
  readonly isKnown: boolean;
}

/**
 * Ends the named sessions. One commit claims the request, removes the sessions from their members and blocks assertions of
 * these sessions that are still on their way. A second pass ends sessions that were created between the read and that commit.
 * If the store fails during the second pass, that is only logged, because the request is consumed and sessions have ended.
 * @throws saml_replayed, conflict, store_unavailable; no session has ended then
 */
export async function endNamedSessions(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
  named: NamedSessions,
): Promise<EndedSessions> {
  const { idpEntityId } = responseSettings({ organization, connection }, runtime.config.baseUrl);
  const { nameId, sessionIndexes, requestId, acceptableUntilMs } = named.request;
  const claim = claimUntil(answeredKey(idpEntityId, requestId), acceptableUntilMs, runtime.now());
  const { ttlSeconds } = claim;
  const first = await endPresentSessions(
    runtime,
    { organization, connection },
    {
      ...named,
      claims: [
        claim,
        ...sessionIndexes.map((index): Step => ({ do: 'put', key: endedKey(idpEntityId, nameId, index), value: '', ttlSeconds })),
      ],
    },
  );
  try {
    const second = await endPresentSessions(runtime, { organization, connection }, { ...named, claims: [] });
    return { ended: first.ended + second.ended, isKnown: first.isKnown || second.isKnown };
  } catch (error) {
    const code = codeOf(error);
    runtime.log.warn({ code, organization: organization.slug }, 'could not check whether a session was created during a single logout');
    return first;
  }
}

interface PresentSessions extends NamedSessions {
  /** Further steps of the commit, beginning with the claim of the request. Empty in the second pass. */
  readonly claims: readonly Step[];
}

async function endPresentSessions(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
  { request, actor: { address, requestId }, claims }: PresentSessions,
): Promise<EndedSessions> {
  const { idpEntityId, entityId } = responseSettings({ organization, connection }, runtime.config.baseUrl);
  const parties: Parties = { idpEntityId, entityId };
  const isNamed = sessionMatcher(request, parties);
  const actor: Actor = { kind: 'identity_provider', ...(address && { address }), ...(requestId && { requestId }) };
  return compareAndSet(async () => {
    const found = await findMembers(runtime, organization.id, nameIdKey(idpEntityId, request.nameId));
    // Another connection may have had this entityID when a session began.
    const members = found.filter(({ value }) => roleScopeOf(organization, value.connectionId).connectionId === connection.id);
    const affected = members.filter(({ value }) => value.sessions.some(isNamed));
    const steps = affected.flatMap(({ id, version, value }): Step[] => {
      const sessions = value.sessions.filter((session) => !isNamed(session));
      const details = { ended: value.sessions.length - sessions.length };
      return [
        { do: 'replace', collection: MEMBERS, id, version, value: { ...value, sessions } },
        ...dropSessions(value.sessions.filter(isNamed)),
        auditStep(runtime.now(), actor, 'logout.identity_provider', { member_id: id, details }),
      ];
    });
    const isFirstPass = claims.length > 0;
    if (!isFirstPass && affected.length === 0) return { ended: 0, isKnown: false };
    const isKnown = affected.length > 0 || (await wasSeen(runtime, organization.id, seenNameIdKey(request, parties)));
    if (affected.length === 0) steps.push(auditStep(runtime.now(), actor, ...auditOfNoSession(request, isKnown)));
    const result = await runtime.store.commit(organization.id, [...claims, ...steps], { replicated: true });
    if (result.ok) return { ended: affected.flatMap(({ value }) => value.sessions.filter(isNamed)).length, isKnown };
    if (result.failed === 0 && isFirstPass)
      throw new GatewayError('saml_replayed', {
        detail: 'This logout request was already used.',
        variant: 'logout_replayed',
      });
    return RETRY; // a member changed between read and write
  });
}

/** Shows the NameID to administrators, because a user with another format or spelling is the usual reason. */
const auditOfNoSession = (
  { nameId, hasFormat, sessionIndexes }: VerifiedLogoutRequest,
  isKnown: boolean,
): readonly [AuditEvent, Pick<AuditEntry, 'details'>] => [
  isKnown ? 'logout.identity_provider' : 'logout.unknown_principal',
  {
    details: {
      ended: 0,
      name_id: shown(nameId.value),
      ...(hasFormat ? { format: shown(nameId.format) } : {}),
      ...(sessionIndexes[0] === undefined ? {} : { session_index: shown(sessionIndexes[0]) }),
    },
  },
];

async function findMembers(runtime: Runtime, organizationId: string, nameId: string): Promise<readonly Stored<Member>[]> {
  const found = new Map<string, Stored<Member>>();
  const index = { partition: organizationId, collection: MEMBERS, index: 'nameId', equals: nameId };
  for await (const member of eachRecord(runtime.store, index)) found.set(member.id, member);
  return [...found.values()];
}

async function wasSeen({ store }: Runtime, organizationId: string, key: string): Promise<boolean> {
  const { items } = await store.find(organizationId, MEMBERS, 'seenNameId', { equals: key, limit: 1 });
  return items.length > 0 || (await store.peek(organizationId, removedNameIdKey(key))) !== undefined;
}

/** The entity IDs that an absent qualifier of a NameID stands for. */
export interface Parties {
  readonly idpEntityId: string;
  readonly entityId: string;
}

/**
 * Returns whether a request names a session: the same NameID, and one of its session indexes if both have any. A request that
 * names an index also ends sessions without one, because nothing tells whether it means them.
 */
function sessionMatcher(
  { nameId, hasFormat, sessionIndexes }: VerifiedLogoutRequest,
  parties: Parties,
): (session: MemberSession) => boolean {
  const requested = qualifiedNameId(nameId, parties, hasFormat);
  return (session) =>
    session.nameId !== undefined &&
    session.idpEntityId === parties.idpEntityId &&
    qualifiedNameId(session.nameId, parties, hasFormat) === requested &&
    (sessionIndexes.length === 0 || !session.sessionIndex || sessionIndexes.includes(session.sessionIndex));
}

/** The number of different NameIDs that are remembered. Users have more than one if their NameIDs are transient. */
const MAX_SEEN_NAME_IDS = 10;

/** Returns the {@link Member.seenNameIds} after a sign-in. Each NameID has two keys, one of them for requests without Format. */
export function rememberNameId(seen: Member['seenNameIds'] = [], nameId: NameId | undefined, parties: Parties): readonly string[] {
  if (!nameId) return seen;
  const keys = [true, false].map((hasFormat) => seenNameIdKey({ nameId, hasFormat }, parties));
  return [...seen.filter((key) => !keys.includes(key)), ...keys].slice(-2 * MAX_SEEN_NAME_IDS);
}

const seenNameIdKey = ({ nameId, hasFormat }: Pick<VerifiedLogoutRequest, 'nameId' | 'hasFormat'>, parties: Parties): string =>
  hashOf('nameId', parties.idpEntityId, qualifiedNameId(nameId, parties, hasFormat));

/**
 * Two NameIDs are the same if content and attributes are (saml-core §3.3.4). An absent qualifier stands for one of the parties
 * (§8.3.7). A request without Format means any: it is signed by the identity provider that issued the NameID, and a session
 * that stays although its user has logged out is worse than one that ends.
 */
const qualifiedNameId = (
  { value, format, nameQualifier, spNameQualifier }: NameId,
  { idpEntityId, entityId }: Parties,
  hasFormat: boolean,
): string => JSON.stringify([value, ...(hasFormat ? [format] : []), nameQualifier ?? idpEntityId, spNameQualifier ?? entityId]);
