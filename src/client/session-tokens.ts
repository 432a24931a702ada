/** Which tokens a service takes: session tokens, verified here, and CLI tokens, which the gateway exchanges for session tokens. */
import { createRemoteJWKSet, errors, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import { ExchangedTokens } from './exchanged-tokens.ts';
import { SamlgateError } from './samlgate-error.ts';
import { type Connection, sendRequest } from './send-request.ts';
import { TokenError } from './token-error.ts';

/** What a token says of the member whom it stands for. */
export interface Auth {
  /** Member, `usr_…`. */
  readonly userId: string;
  /** Organization, `org_…`. */
  readonly organizationId: string;
  readonly email: string;
  readonly name: string;
  readonly role: 'owner' | 'collaborator';
  /** Login or CLI token that the session token came from. */
  readonly sessionId: string | undefined;
  readonly tokenId: string | undefined;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

export interface TokenRules {
  /** Base URL of the gateway, which is the `iss` of its tokens. */
  readonly issuer: string;
  readonly audience: string;
  readonly clockToleranceSeconds: number;
}

export const CLI_TOKEN_PREFIX = 'samlgate_cli_';
/** What a gateway can be set to sign with. Nothing symmetric, and no `none`. */
const ALGORITHMS = ['ES256', 'RS256', 'EdDSA', 'Ed25519'];
const MAX_TOKEN_LENGTH = 8192;

/** Tells who a token stands for. @throws TokenError */
type TokenVerifier = (token: string) => Promise<Auth>;

const verifiers = new Map<string, TokenVerifier>();

/** One verifier for the same rules, however many routes ask for it: it keeps the gateway's keys and the exchanged tokens. */
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
    const kept = exchanged.find(token);
    if (kept) return kept;
    // What the gateway never made does not reach it, and takes no place among what is kept.
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
    throw new TokenError(isAboutToken(error) ? 'refused' : 'unavailable', error);
  }
}

/** What is not about the token is about fetching the keys. */
const isAboutToken = (error: unknown): boolean =>
  error instanceof errors.JOSEError && ![errors.JOSEError.code, errors.JWKSTimeout.code, errors.JWKSInvalid.code].includes(error.code);

function authOf(payload: Readonly<Record<string, unknown>>): Auth {
  const text = (name: string) => (typeof payload[name] === 'string' ? (payload[name] as string) : undefined);
  const { role, exp } = payload;
  const [userId, organizationId] = [text('sub'), text('org')];
  // Signed by the gateway, so this is a gateway of another time: what is not understood grants nothing.
  if (!userId || !organizationId || (role !== 'owner' && role !== 'collaborator')) throw new TokenError('refused');
  // One object for all requests with the same CLI token: nobody may write into it.
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

/** A session token for a CLI token (RFC 8693). */
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
