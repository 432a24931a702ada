/**
 * Sign-ins that wait for the user, because they may replace a session of another organization. An attacker who sends a user to the
 * sign-in of an own organization could otherwise make the user work in that organization unnoticed.
 *
 * The assertion consumer service has created the session in the member's record, but nothing can use it yet. A page of the gateway,
 * which sees the session cookie, asks the user if that is necessary, and then stores the session itself.
 */
import type { Actor } from '../../audit.ts';
import type { Runtime } from '../../runtime.ts';
import type { Step } from '../../store/store.ts';
import { findSessionPrincipal } from '../authenticate.ts';
import type { SessionPrincipal } from '../principal.ts';
import { placeOf, putSession, type SessionKind, sidHashOf } from './browser-sessions.ts';
import { COOKIES } from './cookies.ts';
import { type Login, MEMBER_SESSION, putLogin } from './member-sessions.ts';
import { signOut } from './sign-out.ts';

export interface PendingSignIn {
  /** The session that the browser gets. Its CSRF token also protects the form that asks the user. */
  readonly login: Login;
  readonly returnTo: string;
  /** Ms since 1970. */
  readonly endsAtMs: number;
}

declare module 'express-session' {
  interface SessionData {
    pendingSignIn?: PendingSignIn;
  }
}

/** Its ID is that of the session that the browser gets. */
export const PENDING_SIGN_IN: SessionKind<PendingSignIn> = {
  name: 'pendingSignIn',
  keyPrefix: 'pending-sign-in',
  partition: MEMBER_SESSION.partition,
  isValid: ({ now }, { endsAtMs }) => endsAtMs > now(),
};

/** Path of the page that continues a pending sign-in. */
export const continuationPath = (slug: string): string => `/saml/${slug}/continue`;

/** Returns the step that stores a pending sign-in, in place of the session. */
export function putPendingSignIn(sidHash: string, { login, returnTo }: Pick<PendingSignIn, 'login' | 'returnTo'>, nowMs: number): Step {
  const { maxAgeSeconds } = COOKIES.pendingSignIn;
  return putSession(PENDING_SIGN_IN, sidHash, { login, returnTo, endsAtMs: nowMs + maxAgeSeconds * 1000 }, maxAgeSeconds);
}

/**
 * Returns the session that a pending sign-in would replace and that the user must be asked about: a valid session of another
 * organization.
 * @throws store_unavailable
 */
export async function findSessionAtStake(
  runtime: Runtime,
  { login }: PendingSignIn,
  current: Login | undefined,
): Promise<SessionPrincipal | undefined> {
  if (current?.organizationId === login.organizationId) return undefined;
  return findSessionPrincipal(runtime, current);
}

export interface Continuation {
  /** The ID of the pending sign-in. */
  readonly sid: string;
  readonly pending: PendingSignIn;
}

/**
 * Stores the session of a pending sign-in, and ends the session that it replaces. A form that is sent twice gets the same session
 * twice: each answer may be the one that the browser drops. The member's record decides whether the session is valid.
 * @param replaced this browser's session
 * @throws store_unavailable
 */
export async function confirmSignIn(
  runtime: Runtime,
  actor: Actor,
  { sid, pending: { login } }: Continuation,
  replaced: Login | undefined,
): Promise<void> {
  await runtime.store.commit(login.organizationId, [putLogin(runtime, sidHashOf(sid), login)]);
  if (replaced && replaced.memberId !== login.memberId)
    await signOut(runtime, { ...actor, kind: 'member', id: replaced.memberId }, replaced);
}

/** Ends the session of a pending sign-in, which no browser has used. @throws store_unavailable */
export async function declineSignIn(runtime: Runtime, actor: Actor, { sid, pending: { login } }: Continuation): Promise<void> {
  await signOut(runtime, { ...actor, kind: 'member', id: login.memberId }, login);
  const key = placeOf(PENDING_SIGN_IN, sid)?.key;
  if (key !== undefined) await runtime.store.commit(login.organizationId, [{ do: 'drop', key }]);
}
