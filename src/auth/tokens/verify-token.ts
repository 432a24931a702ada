/**
 * Whether a token is one of ours: signature, kind, issuer, expiry. Whether it is still good says its member's record
 * (`authenticate.ts`).
 */
import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyResult, jwtVerify } from 'jose';
import { BoundedCache } from '../../bounded-cache.ts';
import { GatewayError } from '../../errors.ts';
import { sha256 } from '../../ids.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { isVerifyingKey, verifyingKey } from '../keys/key-lease.ts';

/** What stands before a CLI token, so that scanners find one that has leaked. It is no part of the JWT. */
export const CLI_TOKEN_PREFIX = 'samlgate_cli_';

export type TokenKind = 'cli_token' | 'session_token';

/** The `typ` of each kind: one never passes for the other (RFC 8725 §3.11). */
export const TOKEN_TYPES: Readonly<Record<TokenKind, string>> = { cli_token: 'samlgate-cli+jwt', session_token: 'at+jwt' };

/** No token of ours is as long; longer ones are not looked into. */
const MAX_TOKEN_LENGTH = 4096;
const MAX_REMEMBERED = 10_000;

export interface VerifiedToken {
  readonly kind: TokenKind;
  readonly kid: string;
  readonly jti: string;
  readonly organizationId: string;
  readonly memberId: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number | undefined;
  /** Of a session token: for whom it is, and the session or CLI token that it came from. */
  readonly audience: string | undefined;
  readonly sid: string | undefined;
}

/** Tokens whose signature was good, by the SHA-256 of their text: a signature does not get worse, and costs more than all else. */
const knownOf = perRuntime(() => new BoundedCache<VerifiedToken>(MAX_REMEMBERED));

/**
 * @param token with its prefix, where it is a CLI token
 * @throws unauthenticated, store_unavailable
 */
export async function verifyToken(runtime: Runtime, token: string): Promise<VerifiedToken> {
  if (token.length > MAX_TOKEN_LENGTH) throw notGood('it is too long');
  const known = knownOf(runtime);
  const digest = sha256(token);
  const remembered = known.get(digest);
  const verified = remembered ?? (await verifyJwt(runtime, token));
  // Of a remembered one as well: its key may have been revoked since.
  if (!(await isVerifyingKey(runtime, verified.kid))) throw notGood('its key is not known');
  if (verified.expiresAtMs !== undefined && verified.expiresAtMs <= runtime.now()) throw expired();
  if (!remembered) known.set(digest, verified);
  return verified;
}

/** One sentence for all that is not ours, so that nobody learns by trying. The reason is for the log. */
const notGood = (cause: string): GatewayError => new GatewayError('unauthenticated', { detail: 'The bearer token is not good.', cause });

const expired = (): GatewayError => new GatewayError('unauthenticated', 'The token has expired.');

async function verifyJwt(runtime: Runtime, token: string): Promise<VerifiedToken> {
  const kind: TokenKind = token.startsWith(CLI_TOKEN_PREFIX) ? 'cli_token' : 'session_token';
  const jwt = kind === 'cli_token' ? token.slice(CLI_TOKEN_PREFIX.length) : token;
  if (!isTheOneText(jwt)) throw notGood('it can’t be read');
  const kid = kidOf(jwt);
  const key = kid === undefined ? undefined : await verifyingKey(runtime, kid);
  if (kid === undefined || !key) throw notGood('its key is not known');
  try {
    const { payload }: JWTVerifyResult = await jwtVerify(jwt, key.publicKey, {
      // A key verifies the one algorithm that it was made for, whatever the header says.
      algorithms: [key.algorithm],
      typ: TOKEN_TYPES[kind],
      issuer: runtime.config.baseUrl,
      requiredClaims: ['sub', 'org', 'jti', 'iat', ...(kind === 'session_token' ? ['aud', 'exp', 'sid'] : [])],
      currentDate: new Date(runtime.now()),
    });
    return readClaims(kind, kid, payload);
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw expired();
    throw error instanceof GatewayError ? error : notGood(error instanceof errors.JOSEError ? error.code : 'it can’t be read');
  }
}

/**
 * One token has one text. Decoders overlook white space, take two alphabets for one, and do not mind what stands in the bits
 * that the last character of a signature has too many. What is before it is signed as it stands.
 */
function isTheOneText(jwt: string): boolean {
  const signature = jwt.slice(jwt.lastIndexOf('.') + 1);
  return /^[\w.-]+$/.test(jwt) && Buffer.from(signature, 'base64url').toString('base64url') === signature;
}

function kidOf(jwt: string): string | undefined {
  try {
    const { kid } = decodeProtectedHeader(jwt);
    return typeof kid === 'string' ? kid : undefined;
  } catch {
    return undefined; // not a JWT at all
  }
}

function readClaims(kind: TokenKind, kid: string, { sub, org, jti, iat, exp, aud, sid }: JWTPayload): VerifiedToken {
  const [memberId, organizationId, id] = [sub, org, jti];
  if (typeof memberId !== 'string' || typeof organizationId !== 'string' || typeof id !== 'string' || typeof iat !== 'number') {
    throw notGood('a claim has another type');
  }
  const isSessionToken = kind === 'session_token';
  if (isSessionToken && (typeof aud !== 'string' || typeof sid !== 'string')) throw notGood('a claim has another type');
  return {
    kind,
    kid,
    jti: id,
    organizationId,
    memberId,
    issuedAtMs: iat * 1000,
    expiresAtMs: exp === undefined ? undefined : exp * 1000,
    audience: isSessionToken ? String(aud) : undefined,
    sid: isSessionToken ? String(sid) : undefined,
  };
}
