/**
 * The operator's browser session. The token itself is typed in once and kept nowhere: the cookie carries a random id, and the
 * store what it stands for, with a mark of the token that opened it, so that another token ends the session.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { isSameSecret, newSecret, sha256 } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import { GLOBAL } from '../../store/store.ts';

/** From the sign-in on, whatever happens. */
export const OPERATOR_SESSION_SECONDS = 3600;

export interface OperatorSession {
  readonly csrfToken: string;
}

interface KeptSession extends OperatorSession {
  readonly tokenMark: string;
}

const keyOf = (id: string): string => `operator-session:${sha256(id)}`;

const macOf = (key: string, text: string): string => createHmac('sha256', key).update(text).digest('base64url');

/** Of the present token. Keyed, so that nobody who reads the store can try tokens against it. */
const tokenMark = ({ config, secrets }: Runtime): string => macOf(String(secrets.cookieKeys[0]), `operator token ${config.operatorToken}`);

export function isOperatorToken({ config }: Runtime, token: string): boolean {
  return token.length === config.operatorToken.length && isSameSecret(token, config.operatorToken);
}

/**
 * @returns the value of the session's cookie
 * @throws unauthenticated where it is not the operator's token
 */
export async function startOperatorSession(runtime: Runtime, actor: Actor, token: string): Promise<string> {
  if (!isOperatorToken(runtime, token)) throw new GatewayError('unauthenticated', 'This is not the operator token.');
  const id = newSecret();
  const session: KeptSession = { csrfToken: newSecret(), tokenMark: tokenMark(runtime) };
  await runtime.store.commit(GLOBAL, [
    { do: 'put', key: keyOf(id), value: JSON.stringify(session), ttlSeconds: OPERATOR_SESSION_SECONDS },
    auditStep(runtime.now(), { ...actor, kind: 'operator' }, 'operator.signed_in'),
  ]);
  return `${id}.${macOf(String(runtime.secrets.cookieKeys[0]), id)}`;
}

/** What a cookie stands for; undefined where that is nothing (any more). @throws store_unavailable */
export async function readOperatorSession(runtime: Runtime, cookie: string | undefined): Promise<OperatorSession | undefined> {
  const id = idOf(runtime, cookie);
  const value = id === undefined ? undefined : await runtime.store.peek(GLOBAL, keyOf(id));
  if (value === undefined) return undefined;
  const session = JSON.parse(value) as KeptSession;
  return session.tokenMark === tokenMark(runtime) ? session : undefined;
}

/** Ends the session of a cookie; nothing to end is fine. @throws store_unavailable */
export async function endOperatorSession(runtime: Runtime, cookie: string | undefined): Promise<void> {
  const id = idOf(runtime, cookie);
  if (id !== undefined) await runtime.store.commit(GLOBAL, [{ do: 'drop', key: keyOf(id) }]);
}

/** The signature keeps guesses away from the store. */
function idOf({ secrets }: Runtime, cookie: string | undefined): string | undefined {
  const [, id, mac] = /^([\w-]{43})\.([\w-]{43})$/.exec(cookie ?? '') ?? [];
  if (id === undefined || mac === undefined) return undefined;
  return secrets.cookieKeys.some((key) => timingSafeEqual(Buffer.from(macOf(key, id)), Buffer.from(mac))) ? id : undefined;
}
