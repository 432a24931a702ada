/** Verifies the tokens that a service receives: session tokens offline, CLI tokens by exchanging them for session tokens. */
import { createRemoteJWKSet, errors, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import { ExchangedTokens } from './exchanged-tokens.ts';
import { SamlgateError } from './samlgate-error.ts';
import { type Connection, sendRequest } from './send-request.ts';
import { TokenError } from './token-error.ts';

/** The member that a token represents. */
export interface Auth {
  /** Id of the member, `usr_…`. It never changes, so identify users by it. */
  readonly userId: string;
  /** Id of the organization, `org_…`. */
  readonly organizationId: string;
  /** Email address that the organization's identity provider sent. Do not use it to identify a user or to grant access. */
  readonly email: string;
  readonly name: string;
  readonly role: 'owner' | 'collaborator';
  /** Id of the session or CLI token that the session token was created from. */
  readonly sessionId: string | undefined;
  /** The `jti` of the session token. */
  readonly tokenId: string | undefined;
  /** Expiry of the session token, in milliseconds since 1970. */
  readonly expiresAtMs: number;
}

export interface TokenRules {
  /** Base URL of the gateway, and the `iss` of its tokens. */
  readonly issuer: string;
  readonly audience: string;
  readonly clockToleranceSeconds: number;
}

export const CLI_TOKEN_PREFIX = 'samlgate_cli_';
/** The algorithms that a gateway can be configured to sign with. Symmetric algorithms and `none` must never be accepted. */
const ALGORITHMS = ['ES256', 'RS256', 'EdDSA', 'Ed25519'];
const MAX_TOKEN_LENGTH = 8192;

/** Verifies a token and returns the member. @throws TokenError */
type TokenVerifier = (token: string) => Promise<Auth>;

const verifiers = new Map<string, TokenVerifier>();

/** Returns the verifier for these rules. All routes with the same rules share one, with its JWKS and its exchanged tokens. */
export function tokenVerifier(rules: TokenRules): TokenVerifier {
  const key = JSON.stringify([rules.issuer, rules.audience, rules.clockToleranceSeconds]);
  const verifier = verifiers.get(key) ?? makeTokenVerifier(rules);
  verifiers.set(key, verifier);
  return verifier;
}

function makeTokenVerifier(rules: TokenRules): TokenVerifier {
  const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', rules.issuer));
  const exchanged = new ExchangedTokens((token) => exchange(keys, rules, token));
  return async (token) => {
    if (token.length > MAX_TOKEN_LENGTH) throw new TokenError('refused');
    if (!token.startsWith(CLI_TOKEN_PREFIX)) return verifySessionToken(keys, rules, token);
    const cached = exchanged.find(token);
    if (cached) return cached;
    // A token that the gateway did not sign is neither sent to it nor cached.
    await verifyCliToken(keys, rules, token);
    return exchanged.get(token);
  };
}

async function verifySessionToken(keys: JWTVerifyGetKey, { issuer, audience, clockToleranceSeconds }: TokenRules, token: string) {
  const payload = await verify(keys, token, {
    issuer,
    audience,
    typ: 'at+jwt',
    clockTolerance: clockToleranceSeconds,
    requiredClaims: ['exp', 'sub', 'org', 'role'],
  });
  return authOf(payload);
}

async function verify(keys: JWTVerifyGetKey, token: string, options: JWTVerifyOptions): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await jwtVerify(token, keys, { ...options, algorithms: ALGORITHMS })).payload;
  } catch (error) {
    throw new TokenError(isTokenError(error) ? 'refused' : 'unavailable', error);
  }
}

/** Distinguishes an invalid token from a failure to fetch the JWKS. */
const isTokenError = (error: unknown): boolean =>
  error instanceof errors.JOSEError && ![errors.JOSEError.code, errors.JWKSTimeout.code, errors.JWKSInvalid.code].includes(error.code);

function authOf(payload: Readonly<Record<string, unknown>>): Auth {
  const text = (name: string) => (typeof payload[name] === 'string' ? (payload[name] as string) : undefined);
  const { role, exp } = payload;
  const [userId, organizationId] = [text('sub'), text('org')];
  // A gateway of another version signed it. Claims that this version does not know grant nothing.
  if (!userId || !organizationId || (role !== 'owner' && role !== 'collaborator')) throw new TokenError('refused');
  // All requests with the same CLI token share this object.
  return Object.freeze({
    userId,
    organizationId,
    email: text('email') ?? '',
    name: text('name') ?? '',
    role,
    sessionId: text('sid'),
    tokenId: text('jti'),
    expiresAtMs: Number(exp) * 1000,
  });
}

function verifyCliToken(keys: JWTVerifyGetKey, { issuer, clockToleranceSeconds }: TokenRules, token: string) {
  return verify(keys, token.slice(CLI_TOKEN_PREFIX.length), { issuer, typ: 'samlgate-cli+jwt', clockTolerance: clockToleranceSeconds });
}

/** Exchanges a CLI token for a session token (RFC 8693). */
async function exchange(keys: JWTVerifyGetKey, rules: TokenRules, token: string): Promise<Auth> {
  const { issuer, audience } = rules;
  const connection: Connection = { url: issuer, token: undefined, timeoutMs: 5000, maxRetries: 0 };
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    ...(audience === issuer ? {} : { audience }),
  });
  let answer: { access_token: string };
  try {
    answer = (await sendRequest(connection, 'POST', '/oauth/token', { body })) as typeof answer;
  } catch (error) {
    const status = error instanceof SamlgateError ? (error.status ?? 0) : 0;
    throw new TokenError(status === 400 || status === 401 || status === 403 ? 'refused' : 'unavailable', error);
  }
  return verifySessionToken(keys, rules, answer.access_token);
}
