import type { OrganizationConnection } from '../../organizations/connections/connections.ts';
import type { Runtime } from '../../runtime.ts';
import type { BrowserMessage } from '../../saml/messages/bindings.ts';
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

/**
 * Starts a sign-in at the gateway: stores a request and returns the message that sends the browser to the identity provider.
 * @throws idp_not_configured, store_unavailable
 */
export function startSignIn(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
  { returnTo: requested, browserNonce, formerLogin }: SignInStart,
): Promise<BrowserMessage> {
  const returnTo = safeReturnTo(requested, runtime.config.baseUrl, organization.allowedReturnUrls);
  return createLoginRequest(runtime, { organization, connection }, { browserNonce, purpose: { kind: 'sign_in', returnTo, formerLogin } });
}
