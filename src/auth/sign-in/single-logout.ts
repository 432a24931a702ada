/**
 * Single logout, in both directions. A logout that starts here has ended the session before `startSingleLogout` sends the
 * browser to the identity provider, and `finishSingleLogout` only reads how it went there. For a logout that starts at the
 * identity provider, `answerLogoutRequest` ends the sessions that the request names, whichever browser brings it. No cookie is
 * read, because the identity provider's cross-site POST carries none.
 * @see saml-profiles §4.4
 */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { hashOf, newSecret } from '../../ids.ts';
import {
  findConnectionByEntityId,
  findDefaultConnection,
  type OrganizationConnection,
} from '../../organizations/connections/connections.ts';
import { decryptionKeysFor, responseSettings, serviceProviderUrls } from '../../organizations/connections/identity-providers.ts';
import type { MemberSession } from '../../organizations/members.ts';
import type { Connection, Organization } from '../../organizations/organizations.ts';
import { openMessageSigningKey } from '../../organizations/sp-keys.ts';
import type { Runtime } from '../../runtime.ts';
import type { BrowserMessage, MessageSigningKey, UnverifiedMessage } from '../../saml/messages/bindings.ts';
import { acceptLogoutRequest, acceptLogoutResponse, type LogoutSettings } from '../../saml/messages/logout.ts';
import { createLogoutRequest, createLogoutResponse } from '../../saml/messages/logout-messages.ts';
import { type EndedSessions, endNamedSessions } from './end-named-sessions.ts';
import { requireActive, selectConnection, selectLogoutConnection } from './select-connection.ts';

/** How long the browser may take at the identity provider. */
const REQUEST_TTL_SECONDS = 10 * 60;

/** Only the connection that a request was sent to can answer it. */
const sentKey = ({ id }: Connection, requestId: string): string => `logout:sent:${hashOf(id, requestId)}`;

/**
 * Asks the identity provider to end its session for a session that has ended here.
 * @returns undefined if the identity provider has no single logout, or if the session has no NameID
 * @throws store_unavailable
 */
export async function startSingleLogout(
  runtime: Runtime,
  organization: Organization,
  { idpEntityId, nameId, sessionIndex }: MemberSession,
): Promise<BrowserMessage | undefined> {
  const connection = idpEntityId === undefined ? findDefaultConnection(organization) : findConnectionByEntityId(organization, idpEntityId);
  const endpoint = connection?.state === 'active' ? findEndpoint(connection, 'redirect') : undefined;
  if (!connection || !endpoint || !nameId) return undefined;
  const id = `_${newSecret()}`;
  const message = await createLogoutRequest({
    ...(await commonOptions(runtime, organization)),
    id,
    location: endpoint.location,
    binding: endpoint.binding,
    nameId,
    sessionIndex,
  });
  await runtime.store.commit(organization.id, [{ do: 'put', key: sentKey(connection, id), value: '', ttlSeconds: REQUEST_TTL_SECONDS }]);
  return message;
}

/**
 * Reads the identity provider's answer to a logout that started here. Each request is answered once.
 * @throws the errors of {@link acceptLogoutResponse}; saml_in_response_to_unknown, idp_not_configured, store_unavailable
 */
export async function finishSingleLogout(
  runtime: Runtime,
  organization: Organization,
  message: UnverifiedMessage,
): Promise<'success' | 'partial' | 'failed'> {
  const connection = selectConnection(organization, message.unverifiedXml);
  requireActive(connection);
  const settings = await logoutSettings(runtime, { organization, connection }, message);
  const { inResponseTo, outcome } = acceptLogoutResponse(message, settings, runtime.now());
  const taken = await runtime.store.commit(organization.id, [{ do: 'take', key: sentKey(connection, inResponseTo) }]);
  if (!taken.ok) {
    throw new GatewayError('saml_in_response_to_unknown', {
      detail: 'This logout was not started here, or it has already finished.',
      variant: 'logout_unknown',
    });
  }
  return outcome;
}

export interface AnsweredLogout extends EndedSessions {
  /** Undefined if the identity provider has no endpoint for answers. */
  readonly answer: BrowserMessage | undefined;
}

/**
 * Ends the sessions that a LogoutRequest names and creates the answer. If they have ended before, the answer is Success too: an
 * error would make the identity provider warn the user of a session that does not exist. If no user has signed in with the NameID,
 * the answer is UnknownPrincipal, because a session may be alive under a NameID that the identity provider does not send.
 * @throws the errors of {@link acceptLogoutRequest}; saml_replayed, idp_not_configured, store_unavailable; no session has
 *   ended then
 */
export async function answerLogoutRequest(
  runtime: Runtime,
  organization: Organization,
  { message, actor }: { readonly message: UnverifiedMessage; readonly actor: Actor },
): Promise<AnsweredLogout> {
  const connection = selectLogoutConnection(organization, message.unverifiedXml);
  const settings = await logoutSettings(runtime, { organization, connection }, message);
  const request = acceptLogoutRequest(message, settings, runtime.now());
  const ended = await endNamedSessions(runtime, { organization, connection }, { request, actor });
  const endpoint = findEndpoint(connection, message.binding);
  if (!endpoint) return { ...ended, answer: undefined };
  const answer = await createLogoutResponse({
    ...(await commonOptions(runtime, organization)),
    id: `_${newSecret()}`,
    location: endpoint.responseLocation ?? endpoint.location,
    binding: endpoint.binding,
    inResponseTo: request.requestId,
    relayState: message.unverifiedRelayState,
    status: ended.isKnown ? 'success' : 'unknown_principal',
  });
  return { ...ended, answer };
}

async function logoutSettings(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
  { unverifiedXml }: UnverifiedMessage,
): Promise<LogoutSettings> {
  const { baseUrl } = runtime.config;
  const decryptionKeys = await decryptionKeysFor(runtime, organization, unverifiedXml);
  const { idpEntityId, keys, clockSkewSeconds } = responseSettings({ organization, connection }, baseUrl);
  return { sloUrl: serviceProviderUrls(baseUrl, organization.slug).sloUrl, idpEntityId, keys, decryptionKeys, clockSkewSeconds };
}

interface LogoutEndpoint {
  readonly binding: 'redirect' | 'post';
  readonly location: string;
  readonly responseLocation?: string;
}

/** Returns the endpoint with the preferred binding, or else the other one. */
function findEndpoint({ metadata }: Connection, preferred: 'redirect' | 'post'): LogoutEndpoint | undefined {
  const { redirect, post } = metadata.singleLogout;
  const offered: LogoutEndpoint[] = [
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
