/** Authentication requests that wait for the user to return from the identity provider. */
import { timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { newSecret, sha256 } from '../../ids.ts';
import type { OrganizationConnection } from '../../organizations/connections/connections.ts';
import { serviceProviderUrls, signsRequests } from '../../organizations/connections/identity-providers.ts';
import type { Organization } from '../../organizations/organizations.ts';
import { openMessageSigningKey } from '../../organizations/sp-keys.ts';
import type { Runtime } from '../../runtime.ts';
import { createAuthnRequest } from '../../saml/messages/authn-request.ts';
import type { BrowserMessage } from '../../saml/messages/bindings.ts';
import type { IdpMetadata } from '../../saml/metadata/idp-metadata.ts';
import { requireFreshAuthentication } from '../../saml/response/response.ts';
import { unverifiedInResponseTo } from '../../saml/response/response-structure.ts';
import type { Step } from '../../store/store.ts';
import type { Login } from '../sessions/member-sessions.ts';
import type { VerifiedResponse } from './check-assertion.ts';
import { DEFAULT_RETURN_TO } from './return-to.ts';

/** How long the user may take at the identity provider. */
export const REQUEST_TTL_SECONDS = 30 * 60;
/** Strangers start sign-ins, so each one may occupy the store only this much. */
const MAX_STORED_OCTETS = 2048;

/** What the gateway stores about every request to an identity provider. */
interface RequestBase {
  readonly requestId: string;
  /** SHA-256 of the browser's nonce cookie: only the browser that started the sign-in may finish it. */
  readonly browserHash: string;
  readonly idpEntityId: string;
  /** The connection that the request was sent to. */
  readonly connectionId: string;
  readonly issuedAtMs: number;
  readonly forceAuthn: boolean;
}

/** Whether the answer signs a user in is decided by the stored request alone, and by nothing that comes with the response. */
export interface SignInRequest extends RequestBase {
  readonly kind: 'sign_in';
  readonly returnTo: string;
  /**
   * The session that this browser had when it started the sign-in, which ends when the sign-in succeeds. Stored here because
   * the response arrives in a cross-site POST, which carries no SameSite=Lax cookie.
   */
  readonly formerLogin?: Login | undefined;
}

/** A request whose answer is examined but never creates a session. */
export interface TestRequest extends RequestBase {
  readonly kind: 'test';
  readonly startedBy: string;
  readonly resultsAt: string;
}

export type LoginRequest = SignInRequest | TestRequest;

export interface LoginRequestOptions {
  /** Value of this browser's nonce cookie. */
  readonly browserNonce: string;
  readonly purpose: Omit<SignInRequest, keyof RequestBase> | Omit<TestRequest, keyof RequestBase>;
}

/**
 * The key comes from the request ID, which the identity provider repeats inside the signature (InResponseTo). The RelayState is not
 * signed, and identity providers drop, empty or replace it.
 */
const requestKey = (requestId: string): string => `saml-request:${sha256(requestId)}`;

/** Returns the step that consumes a request, so that it is answered once. */
export const takeRequest = ({ requestId }: LoginRequest): Step => ({ do: 'take', key: requestKey(requestId) });

/**
 * Stores a request to the identity provider of a connection, and returns the message that brings it there.
 * @throws idp_not_configured, store_unavailable
 */
export async function createLoginRequest(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
  { browserNonce, purpose }: LoginRequestOptions,
): Promise<BrowserMessage> {
  const { metadata, settings } = connection;
  const { entityId, acsUrl } = serviceProviderUrls(runtime.config.baseUrl, organization.slug);
  const request: LoginRequest = {
    requestId: `_${newSecret()}`,
    browserHash: sha256(browserNonce),
    idpEntityId: metadata.entityId,
    connectionId: connection.id,
    issuedAtMs: runtime.now(),
    forceAuthn: settings.forceAuthn,
    ...purpose,
  };
  const message = await createAuthnRequest({
    id: request.requestId,
    entityId,
    acsUrl,
    ...findSsoEndpoint(metadata),
    // Never read again. Some identity providers replace a missing RelayState with one of their own settings.
    relayState: newSecret(),
    signWith: signsRequests(connection) ? await openMessageSigningKey(runtime, organization) : undefined,
    nameIdFormat: settings.nameIdFormat,
    allowCreate: settings.allowCreate ?? true,
    forceAuthn: request.forceAuthn,
    authnContext: settings.authnContext,
  });
  const value = storedTextOf(request);
  await runtime.store.commit(organization.id, [{ do: 'put', key: requestKey(request.requestId), value, ttlSeconds: REQUEST_TTL_SECONDS }]);
  return message;
}

/** Only an unusually long entity ID leaves no room for a return URL. */
function storedTextOf(request: LoginRequest): string {
  const text = JSON.stringify(request);
  if (request.kind === 'test' || Buffer.byteLength(text) <= MAX_STORED_OCTETS) return text;
  return JSON.stringify({ ...request, returnTo: DEFAULT_RETURN_TO } satisfies SignInRequest);
}

/** @throws idp_not_configured */
function findSsoEndpoint({ singleSignOn: { redirect, post } }: IdpMetadata) {
  if (redirect !== undefined) return { ssoUrl: redirect, binding: 'redirect' } as const;
  if (post !== undefined) return { ssoUrl: post, binding: 'post' } as const;
  throw new GatewayError('idp_not_configured', {
    detail: 'The identity provider of this organization has no sign-on URL that the gateway can use.',
    administratorDetail: 'The metadata has no SingleSignOnService with the HTTP-Redirect or HTTP-POST binding.',
  });
}

/**
 * Checks that a verified assertion answers this request, and comes from the connection and the identity provider that the request
 * was sent to.
 * @throws saml_in_response_to_unknown
 * @see saml-profiles §4.1.4.3
 */
export function requireAnswerTo(
  { requestId, idpEntityId, connectionId }: LoginRequest,
  { connection, assertion }: Pick<VerifiedResponse, 'connection' | 'assertion'>,
): void {
  if (requestId !== assertion.inResponseTo || connectionId !== connection.id || idpEntityId !== connection.metadata.entityId) {
    throw new GatewayError('saml_in_response_to_unknown');
  }
}

/**
 * Checks that the user authenticated after this request, if it asked for that. The setting at the time of the request counts.
 * @throws saml_authn_context_mismatch
 */
export function requireFreshAnswer({ forceAuthn, issuedAtMs }: LoginRequest, { assertion, settings }: VerifiedResponse): void {
  requireFreshAuthentication(assertion, { forceAuthn, issuedAtMs, clockSkewSeconds: settings.clockSkewSeconds });
}

/** @throws saml_login_not_started_here */
export function requireSameBrowser(request: LoginRequest, browserNonce: string | undefined): void {
  if (!isSameBrowser(request, browserNonce)) throw new GatewayError('saml_login_not_started_here');
}

/** Returns the pending request with this ID. Consumes nothing. @throws store_unavailable */
export async function findLoginRequest(
  { store }: Runtime,
  organization: Organization,
  requestId: string,
): Promise<LoginRequest | undefined> {
  const value = await store.peek(organization.id, requestKey(requestId));
  return value === undefined ? undefined : (JSON.parse(value) as LoginRequest);
}

/**
 * Returns the pending request of this browser that a response claims to answer. Nothing about the claim is verified, so it may only
 * select rate limits, and the page that shows a test and its refusals.
 * @throws store_unavailable
 */
export async function findClaimedRequest(
  runtime: Runtime,
  organization: Organization,
  { unverifiedXml, browserNonce }: { readonly unverifiedXml: string; readonly browserNonce: string | undefined },
): Promise<LoginRequest | undefined> {
  const requestId = browserNonce === undefined ? undefined : unverifiedInResponseTo(unverifiedXml);
  const request = requestId === undefined ? undefined : await findLoginRequest(runtime, organization, requestId);
  return request && isSameBrowser(request, browserNonce) ? request : undefined;
}

const isSameBrowser = (request: LoginRequest, browserNonce: string | undefined): boolean =>
  browserNonce !== undefined && timingSafeEqual(Buffer.from(sha256(browserNonce)), Buffer.from(request.browserHash));
