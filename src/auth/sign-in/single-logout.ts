/**
 * Single logout from both ends. Ours: the session has ended here before `startSingleLogout` sends the browser to the identity
 * provider, and `finishSingleLogout` only learns what came of it there. The identity provider's: `answerLogoutRequest` ends
 * the sessions that it names, whichever browser brings the request. No cookie is looked at: the identity provider's cross-site
 * POST brings none.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { codeOf, GatewayError } from '../../errors.ts';
import { hashOf, newSecret } from '../../ids.ts';
import {
  decryptionKeysFor,
  requireIdentityProvider,
  responseSettings,
  serviceProviderUrls,
} from '../../organizations/identity-providers.ts';
import { MEMBERS, type Member, type MemberSession, nameIdKey } from '../../organizations/members.ts';
import type { IdentityProvider, Organization } from '../../organizations/organizations.ts';
import { openMessageSigningKey } from '../../organizations/sp-keys.ts';
import type { Runtime } from '../../runtime.ts';
import type { BrowserMessage, MessageSigningKey, UnverifiedMessage } from '../../saml/messages/bindings.ts';
import { acceptLogoutRequest, acceptLogoutResponse, type LogoutSettings, type VerifiedLogoutRequest } from '../../saml/messages/logout.ts';
import { createLogoutRequest, createLogoutResponse } from '../../saml/messages/logout-messages.ts';
import type { NameId } from '../../saml/response/name-id.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { eachRecord } from '../../store/each-record.ts';
import type { Step, Stored } from '../../store/store.ts';
import { claimUntil } from './claims.ts';

/** How long a person may take at the identity provider. */
const REQUEST_TTL_SECONDS = 10 * 60;

const sentKey = (requestId: string): string => `logout:sent:${hashOf(requestId)}`;
const answeredKey = (idpEntityId: string, requestId: string): string => `logout:answered:${hashOf(idpEntityId, requestId)}`;
const endedKey = (idpEntityId: string, { value }: NameId, sessionIndex: string): string =>
  `logout:ended:${hashOf(idpEntityId, value, sessionIndex)}`;

const offersLogout = ({ metadata }: IdentityProvider): boolean => Object.keys(metadata.singleLogout).length > 0;

/**
 * Asks the identity provider to end the login of a session that has ended here already.
 * @returns undefined where it has no single logout, or has not said who the session is
 * @throws store_unavailable
 */
export async function startSingleLogout(
  runtime: Runtime,
  organization: Organization,
  { nameId, sessionIndex }: MemberSession,
): Promise<BrowserMessage | undefined> {
  const endpoint = organization.identityProvider && endpointFor(organization.identityProvider, 'redirect');
  if (!endpoint || !nameId) return undefined;
  const id = `_${newSecret()}`;
  const message = await createLogoutRequest({
    ...(await commonOptions(runtime, organization)),
    id,
    location: endpoint.location,
    binding: endpoint.binding,
    nameId,
    sessionIndex,
  });
  await runtime.store.commit(organization.id, [{ do: 'put', key: sentKey(id), value: '', ttlSeconds: REQUEST_TTL_SECONDS }]);
  return message;
}

/**
 * What the identity provider says to a logout that began here. Each request is answered once.
 * @throws what {@link acceptLogoutResponse} refuses; saml_in_response_to_unknown, idp_not_configured, store_unavailable
 */
export async function finishSingleLogout(
  runtime: Runtime,
  organization: Organization,
  message: UnverifiedMessage,
): Promise<'success' | 'partial' | 'failed'> {
  const settings = await logoutSettings(runtime, organization, message);
  const { inResponseTo, outcome } = acceptLogoutResponse(message, settings, runtime.now());
  const taken = await runtime.store.commit(organization.id, [{ do: 'take', key: sentKey(inResponseTo) }]);
  if (!taken.ok) throw new GatewayError('saml_in_response_to_unknown', 'This logout was not begun here, or it was answered already.');
  return outcome;
}

export interface AnsweredLogout {
  /** How many sessions ended. */
  readonly ended: number;
  /** Undefined where the identity provider has no endpoint to answer to. */
  readonly answer: BrowserMessage | undefined;
}

/**
 * Ends the sessions that a LogoutRequest names, once, on every replica, and makes the answer. Where nobody here has the
 * NameID, or none of the sessions is left, the answer is Success as well: what was asked for is so. An error would have the
 * identity provider tell the person that a session may be left.
 * @throws what {@link acceptLogoutRequest} refuses; saml_replayed, idp_not_configured, store_unavailable; then nothing ended
 */
export async function answerLogoutRequest(
  runtime: Runtime,
  organization: Organization,
  message: UnverifiedMessage,
  actor: Actor,
): Promise<AnsweredLogout> {
  const identityProvider = requireIdentityProvider(organization);
  const settings = await logoutSettings(runtime, organization, message);
  const request = acceptLogoutRequest(message, settings, runtime.now());
  const ended = await endNamedSessions(runtime, organization, request, actor);
  const endpoint = endpointFor(identityProvider, message.binding);
  if (!endpoint) return { ended, answer: undefined };
  const answer = await createLogoutResponse({
    ...(await commonOptions(runtime, organization)),
    id: `_${newSecret()}`,
    location: endpoint.responseLocation ?? endpoint.location,
    binding: endpoint.binding,
    inResponseTo: request.requestId,
    relayState: message.unverifiedRelayState,
  });
  return { ended, answer };
}

/**
 * The step that fails where the identity provider has ended this login already: a person may log out while the assertion is
 * still under way. Nothing where that can't be.
 * @see saml-core §3.7.3.2
 */
export function notEnded({ identityProvider }: Organization, { nameId, sessionIndex }: VerifiedAssertion): Step[] {
  if (!identityProvider || !offersLogout(identityProvider) || !nameId || sessionIndex === undefined) return [];
  return [{ do: 'absent', key: endedKey(identityProvider.metadata.entityId, nameId, sessionIndex) }];
}

async function logoutSettings(runtime: Runtime, organization: Organization, { unverifiedXml }: UnverifiedMessage): Promise<LogoutSettings> {
  const { baseUrl } = runtime.config;
  const decryptionKeys = await decryptionKeysFor(runtime, organization, unverifiedXml);
  const { idpEntityId, keys, clockSkewSeconds } = responseSettings(organization, baseUrl);
  return { sloUrl: serviceProviderUrls(baseUrl, organization.slug).sloUrl, idpEntityId, keys, decryptionKeys, clockSkewSeconds };
}

interface Endpoint {
  readonly binding: 'redirect' | 'post';
  readonly location: string;
  readonly responseLocation?: string;
}

function endpointFor({ metadata }: IdentityProvider, preferred: 'redirect' | 'post'): Endpoint | undefined {
  const { redirect, post } = metadata.singleLogout;
  const offered: Endpoint[] = [
    ...(redirect ? [{ binding: 'redirect', ...redirect } as const] : []),
    ...(post ? [{ binding: 'post', ...post } as const] : []),
  ];
  return offered.find(({ binding }) => binding === preferred) ?? offered[0];
}

interface CommonOptions {
  readonly nowMs: number;
  readonly entityId: string;
  readonly signWith: MessageSigningKey;
}

async function commonOptions(runtime: Runtime, organization: Organization): Promise<CommonOptions> {
  return {
    nowMs: runtime.now(),
    entityId: serviceProviderUrls(runtime.config.baseUrl, organization.slug).entityId,
    signWith: await openMessageSigningKey(runtime, organization),
  };
}

/**
 * One commit: the claim of the request, the members without the sessions, and what keeps late assertions out. Then another
 * look: until that commit somebody may have been let in who was not there at the first. The request is used up by then: where
 * the store fails just there, it is told in the log, and the answer is about what has ended.
 */
async function endNamedSessions(
  runtime: Runtime,
  organization: Organization,
  request: VerifiedLogoutRequest,
  actor: Actor,
): Promise<number> {
  const { idpEntityId } = responseSettings(organization, runtime.config.baseUrl);
  const { nameId, sessionIndexes } = request;
  const claim = claimUntil(answeredKey(idpEntityId, request.requestId), request.acceptableUntilMs, runtime.now());
  const { ttlSeconds } = claim;
  const ended = await endPresentSessions(runtime, organization, request, actor, [
    claim,
    ...sessionIndexes.map((index): Step => ({ do: 'put', key: endedKey(idpEntityId, nameId, index), value: '', ttlSeconds })),
  ]);
  try {
    return ended + (await endPresentSessions(runtime, organization, request, actor));
  } catch (error) {
    const code = codeOf(error);
    runtime.log.warn({ code, organization: organization.slug }, 'after a logout it was not looked whether somebody had just been let in');
    return ended;
  }
}

/** @param first what else is in the commit, beginning with the claim */
async function endPresentSessions(
  runtime: Runtime,
  organization: Organization,
  request: VerifiedLogoutRequest,
  { address, requestId }: Actor,
  first: readonly Step[] = [],
): Promise<number> {
  const { idpEntityId, entityId } = responseSettings(organization, runtime.config.baseUrl);
  const isNamed = sessionMatcher(request, { idpEntityId, entityId });
  const actor: Actor = { kind: 'identity_provider', ...(address && { address }), ...(requestId && { requestId }) };
  return compareAndSet(async () => {
    const members = await membersWith(runtime, organization.id, nameIdKey(idpEntityId, request.nameId));
    const named = members.filter(({ value }) => value.sessions.some(isNamed));
    const steps = named.flatMap(({ id, version, value }): Step[] => {
      const sessions = value.sessions.filter((session) => !isNamed(session));
      return [
        { do: 'replace', collection: MEMBERS, id, version, value: { ...value, sessions } },
        auditStep(runtime.now(), actor, 'logout.identity_provider', { member_id: id }),
      ];
    });
    if (first.length + steps.length === 0) return 0;
    const result = await runtime.store.commit(organization.id, [...first, ...steps], { replicated: true });
    if (result.ok) return named.flatMap(({ value }) => value.sessions.filter(isNamed)).length;
    if (result.failed === 0 && first.length > 0) throw new GatewayError('saml_replayed', 'This logout request was used already.');
    return RETRY; // a member was changed between reading and writing
  });
}

async function membersWith(runtime: Runtime, organizationId: string, key: string): Promise<readonly Stored<Member>[]> {
  const found = new Map<string, Stored<Member>>();
  const index = { partition: organizationId, collection: MEMBERS, index: 'nameId', equals: key };
  for await (const member of eachRecord(runtime.store, index)) found.set(member.id, member);
  return [...found.values()];
}

/** The two parties, either of which an absent qualifier may mean. */
interface Parties {
  readonly idpEntityId: string;
  readonly entityId: string;
}

/** Whether a request means a session of a member whom it names: the same NameID, and one of the named sessions where some are named. */
function sessionMatcher({ nameId, sessionIndexes }: VerifiedLogoutRequest, parties: Parties): (session: MemberSession) => boolean {
  const wanted = spelledOut(nameId, parties);
  return (session) =>
    session.nameId !== undefined &&
    spelledOut(session.nameId, parties) === wanted &&
    (sessionIndexes.length === 0 || (session.sessionIndex !== undefined && sessionIndexes.includes(session.sessionIndex)));
}

/** saml-core §3.3.4: content and attributes are the same; §8.3.7: a qualifier may be left out where it is one of the two parties. */
const spelledOut = ({ value, format, nameQualifier, spNameQualifier }: NameId, { idpEntityId, entityId }: Parties): string =>
  JSON.stringify([value, format, nameQualifier ?? idpEntityId, spNameQualifier ?? entityId]);
