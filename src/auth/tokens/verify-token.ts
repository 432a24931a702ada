/**
 * Verifies signature, kind, issuer and expiry of a token. Whether it was revoked is decided by the member's record
 * (`authenticate.ts`).
 */
import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyResult, jwtVerify } from 'jose';
import { BoundedCache } from '../../bounded-cache.ts';
import { GatewayError } from '../../errors.ts';
import { sha256 } from '../../ids.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { isVerifyingKey, verifyingKey } from '../keys/key-lease.ts';

/** The prefix of CLI tokens, by which secret scanners find leaked ones. It is not part of the JWT. */
export const CLI_TOKEN_PREFIX = 'samlgate_cli_';

export type TokenKind = 'cli_token' | 'session_token';

/** The `typ` of each kind, so that neither is accepted as the other (RFC 8725 §3.11). */
export const TOKEN_TYPES: Readonly<Record<TokenKind, string>> = { cli_token: 'samlgate-cli+jwt', session_token: 'at+jwt' };

/** The gateway issues no longer tokens, so longer ones are rejected unread. */
const MAX_TOKEN_LENGTH = 4096;
const MAX_CACHED_TOKENS = 10_000;

export interface VerifiedToken {
  readonly kind: TokenKind;
  readonly kid: string;
  readonly jti: string;
  readonly organizationId: string;
  readonly memberId: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number | undefined;
  /** Audience of a session token. */
  readonly audience: string | undefined;
  /** ID of the session or CLI token that a session token was issued for. */
  readonly sid: string | undefined;
}

/**
 * Tokens with a valid signature, by the SHA-256 of their text. A signature stays valid, and verifying it is the most expensive part
 * of a check: the cache takes 2 µs, a verification 150 µs (`node test/bench/tricks.ts`).
 */
const verifiedTokensOf = perRuntime(() => new BoundedCache<VerifiedToken>(MAX_CACHED_TOKENS));

/**
 * Verifies a token.
 * @param token the token, including the prefix of a CLI token
 * @throws unauthenticated, store_unavailable
 */
export async function verifyToken(runtime: Runtime, token: string): Promise<VerifiedToken> {
  if (token.length > MAX_TOKEN_LENGTH) throw invalidToken('it is too long');
  const verifiedTokens = verifiedTokensOf(runtime);
  const digest = sha256(token);
  const cached = verifiedTokens.get(digest);
  const verified = cached ?? (await verifyJwt(runtime, token));
  // Checked for cached tokens as well, because the key may have been revoked since.
  if (!(await isVerifyingKey(runtime, verified.kid))) throw invalidToken('unknown signing key');
  if (verified.expiresAtMs !== undefined && verified.expiresAtMs <= runtime.now()) throw expired();
  if (!cached) verifiedTokens.set(digest, verified);
  return verified;
}

/** Every invalid token gets the same text, so that attempts reveal nothing. The cause goes to the log. */
export const invalidToken = (cause: string): GatewayError =>
  new GatewayError('unauthenticated', { detail: 'Invalid bearer token.', cause });

const expired = (): GatewayError => new GatewayError('unauthenticated', 'The token has expired.');

async function verifyJwt(runtime: Runtime, token: string): Promise<VerifiedToken> {
  const kind: TokenKind = token.startsWith(CLI_TOKEN_PREFIX) ? 'cli_token' : 'session_token';
  const jwt = kind === 'cli_token' ? token.slice(CLI_TOKEN_PREFIX.length) : token;
  if (!isCanonical(jwt)) throw invalidToken('malformed');
  const kid = kidOf(jwt);
  const key = kid === undefined ? undefined : await verifyingKey(runtime, kid);
  if (kid === undefined || !key) throw invalidToken('unknown signing key');
  try {
    const { payload }: JWTVerifyResult = await jwtVerify(jwt, key.publicKey, {
      // A key is used only with the algorithm that it was created for, whatever the header says.
      algorithms: [key.algorithm],
      typ: TOKEN_TYPES[kind],
      issuer: runtime.config.baseUrl,
      requiredClaims: ['sub', 'org', 'jti', 'iat', ...(kind === 'session_token' ? ['aud', 'exp', 'sid'] : [])],
      currentDate: new Date(runtime.now()),
    });
    return readClaims(kind, kid, payload);
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw expired();
    throw error instanceof GatewayError ? error : invalidToken(error instanceof errors.JOSEError ? error.code : 'malformed');
  }
}

/**
 * Returns whether the text is the only encoding of its token. Decoders ignore white space, accept two base64 alphabets, and ignore
 * the unused bits in the last character of a signature. The part before the signature is signed as text.
 */
function isCanonical(jwt: string): boolean {
  const signature = jwt.slice(jwt.lastIndexOf('.') + 1);
  return /^[\w.-]+$/.test(jwt) && Buffer.from(signature, 'base64url').toString('base64url') === signature;
}

function kidOf(jwt: string): string | undefined {
  try {
    const { kid } = decodeProtectedHeader(jwt);
    return typeof kid === 'string' ? kid : undefined;
  } catch {
    return undefined; // not a JWT
  }
}

function readClaims(kind: TokenKind, kid: string, { sub, org, jti, iat, exp, aud, sid }: JWTPayload): VerifiedToken {
  const [memberId, organizationId, id] = [sub, org, jti];
  if (typeof memberId !== 'string' || typeof organizationId !== 'string' || typeof id !== 'string' || typeof iat !== 'number') {
    throw invalidToken('a claim has the wrong type');
  }
  const isSessionToken = kind === 'session_token';
  if (isSessionToken && (typeof aud !== 'string' || typeof sid !== 'string')) throw invalidToken('a claim has the wrong type');
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
