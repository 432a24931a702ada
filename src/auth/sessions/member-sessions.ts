/**
 * Sessions of members. The stored value names the member and the session in the member's record. Whether the session is still
 * valid is decided by that record (`authenticate.ts`), so that ending it is one atomic write that every replica sees.
 */
import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import { codeOf } from '../../errors.ts';
import { SESSION_KEY_PREFIX } from '../../organizations/members.ts';
import type { Runtime } from '../../runtime.ts';
import type { Step } from '../../store/store.ts';
import { MINUTE_MS } from '../../time.ts';
import { putSession, readRequestSession, type SessionKind, sidHashOf } from './browser-sessions.ts';

/** A member's session as the store holds it. */
export interface Login {
  readonly organizationId: string;
  readonly memberId: string;
  /** ID of the session in the member's record. */
  readonly sessionId: string;
  readonly csrfToken: string;
  /** Absolute end, ms since 1970. */
  readonly endsAtMs: number;
  /** When the idle time was last renewed in the store, ms since 1970. */
  readonly touchedAtMs: number;
}

declare module 'express-session' {
  interface SessionData {
    member?: Login;
  }
}

export const MEMBER_SESSION: SessionKind<Login> = {
  name: 'member',
  keyPrefix: SESSION_KEY_PREFIX,
  partition: /^org_[0-9a-z]{20}$/,
  isValid: ({ now }, { endsAtMs }) => endsAtMs > now(),
  touch: renewLogin,
};

/** Returns the step that writes a member's session, to be committed in the partition of the organization. */
export function putLogin(runtime: Runtime, sidHash: string, login: Login): Step {
  const leftSeconds = Math.floor((login.endsAtMs - runtime.now()) / 1000);
  const ttlSeconds = Math.max(1, Math.min(runtime.config.sessionIdleSeconds, leftSeconds));
  return putSession(MEMBER_SESSION, sidHash, login, ttlSeconds);
}

/** Renews the idle time, at most once a minute. The response does not wait for it. If the store is unavailable, the next request retries. */
export function renewLogin(runtime: Runtime, sid: string, login: Login): void {
  const nowMs = runtime.now();
  if (nowMs - login.touchedAtMs < MINUTE_MS) return;
  const step = putLogin(runtime, sidHashOf(sid), { ...login, touchedAtMs: nowMs });
  runtime.store.commit(login.organizationId, [step]).catch((error: unknown) => {
    runtime.log.warn({ code: codeOf(error) }, 'could not renew the idle time of a session');
  });
}

/** Returns the member's session of a request that has passed the session middleware. */
export const loginOf = ({ session }: Request): Login | undefined => session.member;

/** Returns the member's session of a request that has not passed it (forward authentication, SAML endpoints). @throws store_unavailable */
export const readLogin = async (runtime: Runtime, request: IncomingMessage): Promise<Login | undefined> =>
  (await readRequestSession(runtime, MEMBER_SESSION, request))?.value;
