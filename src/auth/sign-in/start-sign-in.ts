/** Starts sign-ins and test sign-ins: stores a request and sends the browser to the identity provider. */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import type { OrganizationConnection } from '../../organizations/connections/connections.ts';
import { asTested } from '../../organizations/idp-change/replacement.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import type { BrowserMessage } from '../../saml/messages/bindings.ts';
import type { Principal } from '../principal.ts';
import type { Login } from '../sessions/member-sessions.ts';
import { createLoginRequest } from './login-request.ts';
import { safeReturnTo } from './return-to.ts';

export interface SignInStart {
  /** Unvalidated; replaced by the default if it is not allowed. */
  readonly returnTo: string | undefined;
  /** Value of this browser's nonce cookie. */
  readonly browserNonce: string;
  /** The session that this browser has now. */
  readonly formerLogin: Login | undefined;
}

/** Starts a sign-in. @throws idp_not_configured, store_unavailable */
export function startSignIn(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
  { returnTo: requested, browserNonce, formerLogin }: SignInStart,
): Promise<BrowserMessage> {
  const returnTo = safeReturnTo(requested, runtime.config.baseUrl, organization.allowedReturnUrls);
  return createLoginRequest(runtime, { organization, connection }, { browserNonce, purpose: { kind: 'sign_in', returnTo, formerLogin } });
}

export interface TestSignInStart {
  readonly actor: Actor;
  /** Path at the gateway below which the result will be shown. */
  readonly resultsAt: string;
  /** Value of this browser's nonce cookie. */
  readonly browserNonce: string;
}

/**
 * Checks that the caller may test the sign-in: an owner of the organization with a browser session, or the operator.
 * @throws unauthenticated, forbidden; organization_unknown for owners of other organizations
 */
export function requireTester(principal: Principal | undefined, organization: Organization): void {
  if (!principal) throw new GatewayError('unauthenticated', 'Sign in as an owner of the organization to test its sign-in.');
  if (principal.kind === 'operator') return;
  if (principal.organizationId !== organization.id) throw new GatewayError('organization_unknown');
  if (principal.member.role !== 'owner') throw new GatewayError('forbidden', 'Only an owner of the organization can test its sign-in.');
}

/**
 * Starts a test sign-in: a real request to the real identity provider, whose response is examined but never creates a session. The
 * caller has checked {@link requireTester}, or a setup link of the organization.
 * @throws idp_not_configured, store_unavailable
 */
export function startTestSignIn(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
  { actor, resultsAt, browserNonce }: TestSignInStart,
): Promise<BrowserMessage> {
  const purpose = { kind: 'test', startedBy: actor.id ?? actor.kind, resultsAt } as const;
  return createLoginRequest(runtime, { organization, connection: asTested(organization, connection) }, { browserNonce, purpose });
}
