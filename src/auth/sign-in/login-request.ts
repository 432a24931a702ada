/** Authentication requests that wait for the user to return from the identity provider. */
import { timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { newSecret, sha256 } from '../../ids.ts';
import { requireIdentityProvider, serviceProviderUrls } from '../../organizations/identity-providers.ts';
import type { Organization } from '../../organizations/organizations.ts';
import { openMessageSigningKey } from '../../organizations/sp-keys.ts';
import type { Runtime } from '../../runtime.ts';
import { createAuthnRequest } from '../../saml/messages/authn-request.ts';
import type { BrowserMessage } from '../../saml/messages/bindings.ts';
import type { IdpMetadata } from '../../saml/metadata/idp-metadata.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import type { Login } from '../sessions/member-sessions.ts';
import { safeReturnTo } from './return-to.ts';

/** How long the user may take at the identity provider. */
export const REQUEST_TTL_SECONDS = 30 * 60;

/** The stored part of a request to the identity provider. The RelayState is its key. */
export interface LoginRequest {
  readonly requestId: string;
  readonly returnTo: string;
  /** SHA-256 of the browser's nonce cookie: only the browser that started the sign-in may finish it. */
  readonly browserHash: string;
  readonly idpEntityId: string;
  /**
   * The session that this browser had when it started the sign-in, which ends when the sign-in succeeds. Stored here because
   * the response arrives in a cross-site POST, which carries no SameSite=Lax cookie.
   */
  readonly formerLogin?: Login | undefined;
}

export interface LoginRequestOptions {
  readonly relayState: string;
  /** Value of this browser's nonce cookie. */
  readonly browserNonce: string;
  /** Unvalidated; replaced by the default if it is not allowed. */
  readonly returnTo: string | undefined;
}

export const loginRequestKey = (relayState: string): string => `login:${sha256(relayState)}`;

/**
 * Builds an AuthnRequest to the organization's identity provider, and the record to store until the response arrives.
 * @throws idp_not_configured
 */
export async function createLoginRequest(
  runtime: Runtime,
  organization: Organization,
  { relayState, browserNonce, returnTo }: LoginRequestOptions,
): Promise<{ readonly message: BrowserMessage; readonly request: LoginRequest }> {
  const { metadata, settings } = requireIdentityProvider(organization);
  const { entityId, acsUrl } = serviceProviderUrls(runtime.config.baseUrl, organization.slug);
  const request: LoginRequest = {
    requestId: `_${newSecret()}`,
    returnTo: safeReturnTo(returnTo, runtime.config.baseUrl, organization.allowedReturnUrls),
    browserHash: sha256(browserNonce),
    idpEntityId: metadata.entityId,
  };
  const isSigned = settings.signRequests ?? metadata.wantAuthnRequestsSigned;
  const message = await createAuthnRequest({
    id: request.requestId,
    entityId,
    acsUrl,
    ...findSsoEndpoint(metadata),
    relayState,
    signWith: isSigned ? await openMessageSigningKey(runtime, organization) : undefined,
    nameIdFormat: settings.nameIdFormat,
    forceAuthn: settings.forceAuthn,
    authnContext: settings.authnContext,
  });
  return { message, request };
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
 * Checks that a verified assertion answers this request, and comes from the identity provider that the request was sent to.
 * @throws saml_in_response_to_unknown
 * @see saml-profiles §4.1.4.3
 */
export function requireAnswerTo({ requestId, idpEntityId }: LoginRequest, organization: Organization, assertion: VerifiedAssertion): void {
  if (requestId !== assertion.inResponseTo || idpEntityId !== organization.identityProvider?.metadata.entityId) {
    throw new GatewayError('saml_in_response_to_unknown');
  }
}

/** @throws saml_login_not_started_here */
export function requireSameBrowser(request: LoginRequest, browserNonce: string | undefined): void {
  if (!isSameBrowser(request, browserNonce)) throw new GatewayError('saml_login_not_started_here');
}

/** Checks whether this browser has a pending sign-in with this RelayState. Reads once and consumes nothing. */
export async function hasStartedSignIn(
  { store }: Runtime,
  organization: Organization,
  { relayState, browserNonce }: { readonly relayState: string | undefined; readonly browserNonce: string | undefined },
): Promise<boolean> {
  const value = relayState === undefined ? undefined : await store.peek(organization.id, loginRequestKey(relayState));
  return value !== undefined && isSameBrowser(JSON.parse(value) as LoginRequest, browserNonce);
}

const isSameBrowser = (request: LoginRequest, browserNonce: string | undefined): boolean =>
  browserNonce !== undefined && timingSafeEqual(Buffer.from(sha256(browserNonce)), Buffer.from(request.browserHash));
