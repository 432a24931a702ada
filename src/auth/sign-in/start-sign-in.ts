import { newSecret } from '../../ids.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import type { BrowserMessage } from '../../saml/messages/bindings.ts';
import type { Login } from '../sessions/member-sessions.ts';
import { createLoginRequest, type LoginRequest, loginRequestKey, REQUEST_TTL_SECONDS } from './login-request.ts';

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
export async function startSignIn(
  runtime: Runtime,
  organization: Organization,
  { returnTo, browserNonce, formerLogin }: SignInStart,
): Promise<BrowserMessage> {
  const relayState = newSecret();
  const { message, request } = await createLoginRequest(runtime, organization, { relayState, browserNonce, returnTo });
  const value = JSON.stringify({ ...request, formerLogin } satisfies LoginRequest);
  await runtime.store.commit(organization.id, [{ do: 'put', key: loginRequestKey(relayState), value, ttlSeconds: REQUEST_TTL_SECONDS }]);
  return message;
}
