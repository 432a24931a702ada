/**
 * Sessions of the operator. The operator token is entered once and never stored. The session holds a keyed fingerprint of it, so
 * that a new operator token ends all sessions.
 */
import { createHmac } from 'node:crypto';
import type { Request } from 'express';
import { type Actor, auditStep } from '../../audit.ts';
import { countRefusal } from '../../audit-trail/refusal-counts.ts';
import { codeOf, GatewayError } from '../../errors.ts';
import { isSameSecret, newSecret } from '../../ids.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { GLOBAL } from '../../store/store.ts';
import { newSid, putSession, type SessionKind, sidHashOf } from './browser-sessions.ts';
import { COOKIES } from './cookies.ts';

export interface OperatorSession {
  readonly csrfToken: string;
  readonly tokenMark: string;
}

declare module 'express-session' {
  interface SessionData {
    operator?: OperatorSession;
  }
}

/** Ends one hour after the sign-in, without renewal. */
export const OPERATOR_SESSION: SessionKind<OperatorSession> = {
  name: 'operator',
  keyPrefix: 'operator-session',
  partition: new RegExp(`^${GLOBAL}$`),
  isValid: (runtime, session) => isSameSecret(session.tokenMark, tokenMark(runtime)),
};

/** Returns a fingerprint of the current operator token. It is keyed, so that a reader of the store cannot test guesses of the token. */
const tokenMark = ({ config, secrets }: Runtime): string =>
  createHmac('sha256', secrets.cookieKeys[0]).update(`operator token ${config.operatorToken}`).digest('base64url');

export function isOperatorToken({ config }: Runtime, token: string): boolean {
  return token.length === config.operatorToken.length && isSameSecret(token, config.operatorToken);
}

/**
 * Returns whether a refused Authorization header can be a guess of the operator token. The tokens of members are JWTs, and expired or
 * revoked ones are sent often.
 */
export const mayBeOperatorToken = (authorization: string): boolean =>
  /^Bearer /i.test(authorization) && authorization.split('.').length !== 3;

/** The entries that wrong operator tokens have in the audit trail per hour, so that no number of guesses fills it. */
const REFUSAL_ENTRIES = 32;
const HOUR_SECONDS = 3600;

/** When this replica may write the next entry of a slot, ms since 1970. */
const slotsOf = perRuntime(() => new Map<number, number>());

/**
 * Counts a wrong operator token. Each address belongs to one of 32 slots, and the first refusal in a slot and hour gets an entry with
 * the address. A failure is only logged, because the token is refused in any case.
 */
export async function reportWrongOperatorToken(runtime: Runtime, actor: Actor, through: 'console' | 'bearer_token'): Promise<void> {
  const code = 'unauthenticated';
  countRefusal(runtime, GLOBAL, { kind: 'operator_sign_in', code });
  const slot = Buffer.from(runtime.secrets.mac('operator refusals', actor.address ?? ''), 'base64url').readUInt32BE() % REFUSAL_ENTRIES;
  const slots = slotsOf(runtime);
  const nowMs = runtime.now();
  if ((slots.get(slot) ?? 0) > nowMs) return;
  slots.set(slot, nowMs + HOUR_SECONDS * 1000);
  await runtime.store
    .commit(GLOBAL, [
      { do: 'claim', key: `operator-refused:${slot}`, ttlSeconds: HOUR_SECONDS },
      auditStep(nowMs, actor, 'operator.sign_in_refused', { code, details: { through } }),
    ])
    .catch((error: unknown) => runtime.log.warn({ code: codeOf(error) }, 'could not record a wrong operator token'));
}

/**
 * Starts a session of the operator.
 * @returns its session ID
 * @throws unauthenticated if this is not the operator token, store_unavailable
 */
export async function startOperatorSession(runtime: Runtime, actor: Actor, token: string): Promise<string> {
  if (!isOperatorToken(runtime, token)) {
    await reportWrongOperatorToken(runtime, actor, 'console');
    throw new GatewayError('unauthenticated', 'This is not the operator token of this gateway.');
  }
  const sid = newSid(GLOBAL);
  const session: OperatorSession = { csrfToken: newSecret(), tokenMark: tokenMark(runtime) };
  await runtime.store.commit(GLOBAL, [
    putSession(OPERATOR_SESSION, sidHashOf(sid), session, COOKIES.operator.maxAgeSeconds),
    auditStep(runtime.now(), { ...actor, kind: 'operator' }, 'operator.signed_in'),
  ]);
  return sid;
}

/** Returns the operator's session of a request that has passed the session middleware. */
export const operatorSessionOf = ({ session }: Request): OperatorSession | undefined => session.operator;
