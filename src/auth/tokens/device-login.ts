/**
 * A login from a terminal (RFC 8628): the terminal asks for a code, a person who is signed in with a browser says yes to it,
 * and the terminal fetches a CLI token. What waits lies in the global partition as expiring values, since nobody knows yet
 * whose it will be; a device code is kept as a hash only.
 */
import { randomInt } from 'node:crypto';
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError, type OAuthErrorCode } from '../../errors.ts';
import { newSecret, sha256 } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import { GLOBAL } from '../../store/store.ts';
import type { SessionPrincipal } from '../principal.ts';
import { createCliToken, type NewCliToken } from './cli-tokens.ts';

export const DEVICE_LOGIN_SECONDS = 600;
export const POLL_INTERVAL_SECONDS = 5;
/** After its end it is still known for a while, so that a terminal is told that it came too late. */
const KNOWN_AFTERWARDS_SECONDS = 300;
/** Without vowels and what is mistaken for another: no words, 34 bits. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const CODE_LENGTH = 8;

/** Who waits, as the page that asks for confirmation shows it. All of it but the address is what the terminal says of itself. */
export interface DeviceRequest {
  readonly userCode: string;
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
  /** What the token will be called. */
  readonly tokenName: string;
  /** The slug of the organization that the person is to be signed in to, where the terminal wants one in particular. */
  readonly organization: string | undefined;
  readonly startedAtMs: number;
  readonly endsAtMs: number;
}

/** What the person said. */
interface DeviceAnswer {
  readonly approved?: { readonly organizationId: string; readonly memberId: string; readonly email: string; readonly sessionId: string };
}

const deviceKey = (deviceHash: string): string => `device:${deviceHash}`;
const answerKey = (deviceHash: string): string => `device-answer:${deviceHash}`;
const pollKey = (deviceHash: string): string => `device-poll:${deviceHash}`;
const userCodeKey = (userCode: string): string => `device-user-code:${userCode}`;
const takenKey = (userCode: string): string => `device-user-code-taken:${userCode}`;

export const oauthRefusal = (oauthError: OAuthErrorCode, detail: string): GatewayError =>
  new GatewayError('validation_failed', { detail, oauthError });

export type DeviceWish = Pick<DeviceRequest, 'address' | 'userAgent' | 'tokenName' | 'organization'>;

/** @throws store_unavailable */
export async function startDeviceLogin(
  runtime: Runtime,
  wish: DeviceWish,
): Promise<{ readonly deviceCode: string; readonly userCode: string }> {
  const startedAtMs = runtime.now();
  const deviceCode = newSecret();
  const hash = sha256(deviceCode);
  for (let attempt = 0; attempt < 5; attempt++) {
    const userCode = newUserCode();
    const request: DeviceRequest = { ...wish, userCode, startedAtMs, endsAtMs: startedAtMs + DEVICE_LOGIN_SECONDS * 1000 };
    const result = await runtime.store.commit(GLOBAL, [
      { do: 'claim', key: takenKey(userCode), ttlSeconds: DEVICE_LOGIN_SECONDS + KNOWN_AFTERWARDS_SECONDS },
      { do: 'put', key: userCodeKey(userCode), value: hash, ttlSeconds: DEVICE_LOGIN_SECONDS },
      { do: 'put', key: deviceKey(hash), value: JSON.stringify(request), ttlSeconds: DEVICE_LOGIN_SECONDS + KNOWN_AFTERWARDS_SECONDS },
    ]);
    if (result.ok) return { deviceCode, userCode };
  }
  throw new GatewayError('internal', { cause: 'no user code was free' });
}

/** `XXXX-XXXX` */
function newUserCode(): string {
  const letters = Array.from({ length: CODE_LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('');
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

/** What somebody typed, as the code is written; undefined where it can't be one. */
export function readUserCode(typed: string): string | undefined {
  const letters = typed.toUpperCase().replace(/[\s-]/g, '');
  const isCode = letters.length === CODE_LENGTH && [...letters].every((letter) => LETTERS.includes(letter));
  return isCode ? `${letters.slice(0, 4)}-${letters.slice(4)}` : undefined;
}

/** The login that waits for an answer under this code. @throws store_unavailable */
export async function findDeviceLogin({ store }: Runtime, userCode: string): Promise<DeviceRequest | undefined> {
  const hash = await store.peek(GLOBAL, userCodeKey(userCode));
  const value = hash === undefined ? undefined : await store.peek(GLOBAL, deviceKey(hash));
  return value === undefined ? undefined : (JSON.parse(value) as DeviceRequest);
}

/**
 * What the person says, once. The token is made when the terminal fetches it, and only if their session is still good then.
 * @throws not_found where nothing waits under this code (any more), store_unavailable
 */
export async function answerDeviceLogin(
  runtime: Runtime,
  actor: Actor,
  principal: SessionPrincipal,
  userCode: string,
  approves: boolean,
): Promise<void> {
  const { store } = runtime;
  const { organizationId, member, credential } = principal;
  const hash = await store.peek(GLOBAL, userCodeKey(userCode));
  const answer: DeviceAnswer = approves
    ? { approved: { organizationId, memberId: member.id, email: member.email, sessionId: credential.id } }
    : {};
  const result =
    hash === undefined
      ? { ok: false }
      : await store.commit(GLOBAL, [
          { do: 'take', key: userCodeKey(userCode) },
          { do: 'put', key: answerKey(hash), value: JSON.stringify(answer), ttlSeconds: DEVICE_LOGIN_SECONDS },
        ]);
  if (!result.ok) throw new GatewayError('not_found', 'This code is not known. It may have been used, or have waited for too long.');
  if (!approves) await store.commit(organizationId, [auditStep(runtime.now(), actor, 'device_login.denied', { member_id: member.id })]);
}

/**
 * What came of a device code; the CLI token, once.
 * @param from where the terminal asks from
 * @throws validation_failed with authorization_pending, slow_down, expired_token, access_denied or invalid_grant; store_unavailable
 */
export async function collectDeviceLogin(
  runtime: Runtime,
  from: Pick<Actor, 'address' | 'requestId'>,
  deviceCode: string,
): Promise<NewCliToken> {
  const { store } = runtime;
  const hash = sha256(deviceCode);
  const value = await store.peek(GLOBAL, deviceKey(hash));
  if (value === undefined) throw oauthRefusal('invalid_grant', 'The device code is not known, or was used.');
  const request = JSON.parse(value) as DeviceRequest;
  // A second less than told, for what the way takes.
  const poll = await store.commit(GLOBAL, [{ do: 'claim', key: pollKey(hash), ttlSeconds: POLL_INTERVAL_SECONDS - 1 }]);
  if (!poll.ok) throw oauthRefusal('slow_down', `Ask every ${POLL_INTERVAL_SECONDS} seconds at most.`);
  const answered = await store.peek(GLOBAL, answerKey(hash));
  if (answered === undefined) {
    if (request.endsAtMs <= runtime.now()) throw oauthRefusal('expired_token', 'Nobody confirmed the code in time.');
    throw oauthRefusal('authorization_pending', 'The code was not confirmed yet.');
  }
  // Of two who ask at the same moment, one gets it.
  const taken = await store.commit(GLOBAL, [
    { do: 'take', key: deviceKey(hash) },
    { do: 'take', key: answerKey(hash) },
  ]);
  if (!taken.ok) throw oauthRefusal('invalid_grant', 'The device code was used.');
  const { approved } = JSON.parse(answered) as DeviceAnswer;
  if (!approved) throw oauthRefusal('access_denied', 'The person refused the login.');
  return makeDeviceToken(runtime, from, approved, request.tokenName);
}

async function makeDeviceToken(
  runtime: Runtime,
  from: Pick<Actor, 'address' | 'requestId'>,
  { organizationId, memberId, email, sessionId }: NonNullable<DeviceAnswer['approved']>,
  name: string,
): Promise<NewCliToken> {
  const actor: Actor = { kind: 'member', id: memberId, email, ...from };
  const credential = { kind: 'session', id: sessionId, expiresAtMs: undefined } as const;
  try {
    return await createCliToken(runtime, actor, { organizationId, memberId, credential }, { name });
  } catch (error) {
    if (!(error instanceof GatewayError) || error.status >= 500) throw error;
    const detail = error.code === 'unauthenticated' ? 'The session that confirmed the login has ended since.' : error.facts.detail;
    throw oauthRefusal('access_denied', detail ?? 'The member may not have another token.');
  }
}
