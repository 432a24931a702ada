/**
 * Signs in from a terminal with the device authorization grant (RFC 8628). The terminal requests a code, a user confirms it in a
 * browser, and the terminal fetches a CLI token. Pending logins are expiring values of the global partition, because their
 * organization is not known yet. Only the hash of a device code is stored.
 */
import { randomInt } from 'node:crypto';
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError, type OAuthErrorCode } from '../../errors.ts';
import { newSecret, sha256 } from '../../ids.ts';
import { getOrganization } from '../../organizations/directory.ts';
import type { Runtime } from '../../runtime.ts';
import { GLOBAL } from '../../store/store.ts';
import type { SessionPrincipal } from '../principal.ts';
import { createCliToken, type NewCliToken } from './cli-tokens.ts';

export const DEVICE_LOGIN_SECONDS = 600;
export const POLL_INTERVAL_SECONDS = 5;
/** An expired login stays known for a while, so that the terminal learns that it has expired. */
const KNOWN_AFTER_EXPIRY_SECONDS = 300;
/** No vowels, so that codes contain no words, and no letters that look like others. A code has 34 bits. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const CODE_LENGTH = 8;

/** A pending login, as the confirmation page shows it. The terminal chose everything except the address. */
export interface DeviceRequest {
  readonly userCode: string;
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
  /** The name that the token will get. */
  readonly tokenName: string;
  /** The slug of the organization that the terminal asked for, if it did. */
  readonly organization: string | undefined;
  /** Its id, which decides: after a deletion, the slug may belong to another organization. */
  readonly organizationId?: string | undefined;
  readonly startedAtMs: number;
  readonly endsAtMs: number;
}

/** The user's answer, as stored for the terminal. */
interface StoredAnswer {
  readonly approved?: { readonly organizationId: string; readonly memberId: string; readonly email: string; readonly sessionId: string };
}

const deviceKey = (deviceHash: string): string => `device:${deviceHash}`;
const answerKey = (deviceHash: string): string => `device-answer:${deviceHash}`;
const pollKey = (deviceHash: string): string => `device-poll:${deviceHash}`;
const userCodeKey = (userCode: string): string => `device-user-code:${userCode}`;
const takenKey = (userCode: string): string => `device-user-code-taken:${userCode}`;

export const oauthRefusal = (oauthError: OAuthErrorCode, detail: string): GatewayError =>
  new GatewayError('validation_failed', { detail, oauthError });

export type DeviceLoginOptions = Pick<DeviceRequest, 'address' | 'userAgent' | 'tokenName' | 'organization'>;

/** Starts a login and returns its codes. @throws organization_unknown, store_unavailable */
export async function startDeviceLogin(
  runtime: Runtime,
  options: DeviceLoginOptions,
): Promise<{ readonly deviceCode: string; readonly userCode: string }> {
  const organizationId = await findOrganizationId(runtime, options.organization);
  const startedAtMs = runtime.now();
  const deviceCode = newSecret();
  const hash = sha256(deviceCode);
  for (let attempt = 0; attempt < 5; attempt++) {
    const userCode = newUserCode();
    const endsAtMs = startedAtMs + DEVICE_LOGIN_SECONDS * 1000;
    const request: DeviceRequest = { ...options, organizationId, userCode, startedAtMs, endsAtMs };
    const result = await runtime.store.commit(GLOBAL, [
      { do: 'claim', key: takenKey(userCode), ttlSeconds: DEVICE_LOGIN_SECONDS + KNOWN_AFTER_EXPIRY_SECONDS },
      { do: 'put', key: userCodeKey(userCode), value: hash, ttlSeconds: DEVICE_LOGIN_SECONDS },
      { do: 'put', key: deviceKey(hash), value: JSON.stringify(request), ttlSeconds: DEVICE_LOGIN_SECONDS + KNOWN_AFTER_EXPIRY_SECONDS },
    ]);
    if (result.ok) return { deviceCode, userCode };
  }
  throw new GatewayError('internal', { cause: 'five random user codes were already taken' });
}

/** An unknown organization is refused before a user opens a browser. @throws organization_unknown */
async function findOrganizationId({ store }: Runtime, slug: string | undefined): Promise<string | undefined> {
  if (slug === undefined) return undefined;
  try {
    return (await getOrganization(store, slug)).id;
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'organization_unknown') throw error;
    const detail = `No organization has the short name “${slug}”. It is the part after /saml/ in your organization’s sign-in address.`;
    throw new GatewayError('organization_unknown', { detail, oauthError: 'invalid_request' });
  }
}

/** Returns whether a member of this organization may not answer the request. A request without an organization is open to all. */
export const isForOtherOrganization = ({ organization, organizationId }: DeviceRequest, memberOrganizationId: string): boolean =>
  organization !== undefined && organizationId !== memberOrganizationId;

/** Creates a code like `XXXX-XXXX`. */
function newUserCode(): string {
  const letters = Array.from({ length: CODE_LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('');
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

/** Normalizes a code as a user typed it. Returns undefined if it cannot be a code. */
export function readUserCode(typed: string): string | undefined {
  const letters = typed.toUpperCase().replace(/[\s-]/g, '');
  const isCode = letters.length === CODE_LENGTH && [...letters].every((letter) => LETTERS.includes(letter));
  return isCode ? `${letters.slice(0, 4)}-${letters.slice(4)}` : undefined;
}

/** Finds the pending login of a code. @throws store_unavailable */
export async function findDeviceLogin({ store }: Runtime, userCode: string): Promise<DeviceRequest | undefined> {
  const hash = await store.peek(GLOBAL, userCodeKey(userCode));
  const value = hash === undefined ? undefined : await store.peek(GLOBAL, deviceKey(hash));
  return value === undefined ? undefined : (JSON.parse(value) as DeviceRequest);
}

export interface DeviceLoginAnswer {
  readonly userCode: string;
  readonly isApproved: boolean;
}

/**
 * Stores the user's answer, once. The token is created when the terminal fetches it, and only if the user's session is
 * still valid then.
 * @throws not_found if no login is pending with this code, forbidden if it is for another organization, store_unavailable
 */
export async function answerDeviceLogin(
  runtime: Runtime,
  actor: Actor,
  principal: SessionPrincipal,
  { userCode, isApproved }: DeviceLoginAnswer,
): Promise<void> {
  const { store } = runtime;
  const { organizationId, member, credential } = principal;
  const request = await findDeviceLogin(runtime, userCode);
  if (request && isForOtherOrganization(request, organizationId)) {
    throw new GatewayError('forbidden', 'The terminal requests access to another organization than the one you are signed in to.');
  }
  const hash = await store.peek(GLOBAL, userCodeKey(userCode));
  const answer: StoredAnswer = isApproved
    ? { approved: { organizationId, memberId: member.id, email: member.email, sessionId: credential.id } }
    : {};
  const result =
    hash === undefined
      ? { ok: false }
      : await store.commit(GLOBAL, [
          { do: 'take', key: userCodeKey(userCode) },
          { do: 'put', key: answerKey(hash), value: JSON.stringify(answer), ttlSeconds: DEVICE_LOGIN_SECONDS },
        ]);
  if (!result.ok) {
    throw new GatewayError('not_found', 'This code is invalid, expired or already used. Start the sign-in in the terminal again.');
  }
  // Pending logins are in another partition, so the entry cannot be part of the commit above.
  const event = isApproved ? 'device_login.approved' : 'device_login.denied';
  const details = { name: request?.tokenName, terminal_address: request?.address };
  await store.commit(organizationId, [auditStep(runtime.now(), actor, event, { member_id: member.id, details })]);
}

/**
 * Returns the CLI token of a confirmed device code, once.
 * @param origin the request from the terminal
 * @throws validation_failed with authorization_pending, slow_down, expired_token, access_denied or invalid_grant; store_unavailable
 */
export async function collectDeviceLogin(
  runtime: Runtime,
  origin: Pick<Actor, 'address' | 'requestId'>,
  deviceCode: string,
): Promise<NewCliToken> {
  const { store } = runtime;
  const hash = sha256(deviceCode);
  const value = await store.peek(GLOBAL, deviceKey(hash));
  if (value === undefined) throw oauthRefusal('invalid_grant', 'The device code is invalid, expired or already used.');
  const request = JSON.parse(value) as DeviceRequest;
  // One second less than the advertised interval allows for network delays.
  const poll = await store.commit(GLOBAL, [{ do: 'claim', key: pollKey(hash), ttlSeconds: POLL_INTERVAL_SECONDS - 1 }]);
  if (!poll.ok) throw oauthRefusal('slow_down', `Poll at most once every ${POLL_INTERVAL_SECONDS} seconds.`);
  const answered = await store.peek(GLOBAL, answerKey(hash));
  if (answered === undefined) {
    if (request.endsAtMs <= runtime.now()) throw oauthRefusal('expired_token', 'The code expired before it was confirmed.');
    throw oauthRefusal('authorization_pending', 'The code has not been confirmed yet.');
  }
  // If two requests arrive at the same time, only one gets the token.
  const taken = await store.commit(GLOBAL, [
    { do: 'take', key: deviceKey(hash) },
    { do: 'take', key: answerKey(hash) },
  ]);
  if (!taken.ok) throw oauthRefusal('invalid_grant', 'The device code was already used.');
  const { approved } = JSON.parse(answered) as StoredAnswer;
  if (!approved) throw oauthRefusal('access_denied', 'The user denied the sign-in.');
  return createDeviceToken(runtime, origin, approved, request.tokenName);
}

async function createDeviceToken(
  runtime: Runtime,
  origin: Pick<Actor, 'address' | 'requestId'>,
  { organizationId, memberId, email, sessionId }: NonNullable<StoredAnswer['approved']>,
  name: string,
): Promise<NewCliToken> {
  const actor: Actor = { kind: 'member', id: memberId, email, ...origin };
  const credential = { kind: 'session', id: sessionId, expiresAtMs: undefined } as const;
  try {
    return await createCliToken(runtime, actor, { organizationId, memberId, credential }, { name });
  } catch (error) {
    if (!(error instanceof GatewayError) || error.status >= 500) throw error;
    const detail = error.code === 'unauthenticated' ? 'The session that confirmed the sign-in has ended.' : error.facts.detail;
    throw oauthRefusal('access_denied', detail ?? 'The member cannot create another token.');
  }
}
