/**
 * Recognizes a response that a browser sends again: a double click, a reload, the back button. The response has passed the whole
 * verdict once more, and only its assertion is used up. The answer to it grants nothing: it redirects to the page where the sign-in
 * ended, and the browser gets in only with the session cookie that it already has.
 */
import { GatewayError } from '../../errors.ts';
import { isSameSecret, sha256 } from '../../ids.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { findSessionPrincipal } from '../authenticate.ts';
import { readSessionAt, sessionKeyOf, type sidHashOf } from '../sessions/browser-sessions.ts';
import { MEMBER_SESSION } from '../sessions/member-sessions.ts';
import { continuationPath, PENDING_SIGN_IN } from '../sessions/pending-sign-ins.ts';
import { safeReturnTo } from './return-to.ts';

/** What the claim of an assertion keeps about the sign-in that used it. Claims of refused responses and of tests keep nothing. */
interface SignInClaim {
  /** SHA-256 of the browser's nonce cookie. */
  readonly browserHash: string;
  readonly returnTo: string;
  /** Key of the session in the store, which does not reveal the session ID. */
  readonly sessionKey: string;
  /** Key of the pending sign-in if the user was to be asked first. */
  readonly pendingKey?: string | undefined;
}

export interface ClaimingSignIn {
  readonly browserNonce: string;
  readonly returnTo: string;
  /** See {@link sidHashOf}. */
  readonly sidHash: string;
  readonly isPending: boolean;
}

/** Returns the value of the claim of an assertion that signs a user in. */
export function describeSignIn({ browserNonce, returnTo, sidHash, isPending }: ClaimingSignIn): string {
  const sessionKey = sessionKeyOf(MEMBER_SESSION, sidHash);
  const pendingKey = isPending ? sessionKeyOf(PENDING_SIGN_IN, sidHash) : undefined;
  return JSON.stringify({ browserHash: sha256(browserNonce), returnTo, sessionKey, pendingKey } satisfies SignInClaim);
}

export interface RepeatedResponse {
  /** The value of the assertion's claim. */
  readonly claim: string;
  /** Value of this browser's nonce cookie. */
  readonly browserNonce: string | undefined;
}

/**
 * Returns where the browser that used an assertion returns to if it sends the same response again.
 * @throws saml_replayed in another browser, and if the session that the assertion created has ended for any reason
 */
export async function requireSameSignIn(
  runtime: Runtime,
  organization: Organization,
  { claim, browserNonce }: RepeatedResponse,
): Promise<{ readonly returnTo: string }> {
  const { browserHash, returnTo, sessionKey, pendingKey } = readClaim(claim);
  if (browserNonce === undefined || !isSameSecret(sha256(browserNonce), browserHash)) throw new GatewayError('saml_replayed');
  const login = await readSessionAt(runtime, MEMBER_SESSION, { partition: organization.id, key: sessionKey });
  if (!(await findSessionPrincipal(runtime, login))) return requirePending(runtime, organization, pendingKey);
  // The allow-list may have become shorter since.
  return { returnTo: safeReturnTo(returnTo, runtime.config.baseUrl, organization.allowedReturnUrls) };
}

/** Returns the page that still asks the user. @throws saml_replayed if the user has answered, or did not have to be asked */
async function requirePending(
  runtime: Runtime,
  { id, slug }: Organization,
  key: string | undefined,
): Promise<{ readonly returnTo: string }> {
  const pending = key === undefined ? undefined : await readSessionAt(runtime, PENDING_SIGN_IN, { partition: id, key });
  if (!(await findSessionPrincipal(runtime, pending?.login))) throw new GatewayError('saml_replayed');
  return { returnTo: continuationPath(slug) };
}

/** @throws saml_replayed for an empty claim */
function readClaim(claim: string): SignInClaim {
  if (claim === '') throw new GatewayError('saml_replayed');
  return JSON.parse(claim) as SignInClaim;
}
