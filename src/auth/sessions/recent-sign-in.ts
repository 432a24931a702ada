/** Requires a recent sign-in for what an old session or a stolen token must not do. */
import { GatewayError } from '../../errors.ts';
import { MINUTE_MS } from '../../time.ts';
import type { Principal } from '../principal.ts';

const RECENT_MS = 10 * MINUTE_MS;

/** Lets the operator through, and members with a session that is less than 10 minutes old. @throws forbidden */
export function requireRecentSignIn(principal: Principal, nowMs: number): void {
  if (principal.kind === 'operator') return;
  const { member, credential } = principal;
  const session = credential.kind === 'session' ? member.sessions.find(({ id }) => id === credential.id) : undefined;
  if (session && session.createdAtMs > nowMs - RECENT_MS) return;
  throw new GatewayError('forbidden', 'Sign in again in the browser first: this needs a session that is less than 10 minutes old.');
}
