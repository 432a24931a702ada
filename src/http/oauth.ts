/** Tokens for other programs, by the OAuth specifications, and where those programs find what they need to know. */
import express, { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { authenticateBearer, authenticateToken } from '../auth/authenticate.ts';
import { publicKeySet } from '../auth/keys/key-lease.ts';
import { JWKS_MAX_AGE_SECONDS } from '../auth/keys/signing-keys.ts';
import type { Principal, TokenPrincipal } from '../auth/principal.ts';
import { revokeCliToken } from '../auth/tokens/cli-tokens.ts';
import {
  collectDeviceLogin,
  DEVICE_LOGIN_SECONDS,
  oauthRefusal,
  POLL_INTERVAL_SECONDS,
  startDeviceLogin,
} from '../auth/tokens/device-login.ts';
import { mintSessionToken, revokeSessionToken } from '../auth/tokens/session-tokens.ts';
import { type VerifiedToken, verifyToken } from '../auth/tokens/verify-token.ts';
import { GatewayError } from '../errors.ts';
import { sha256 } from '../ids.ts';
import type { Runtime } from '../runtime.ts';
import { noteUseAfterAnswer } from './api/callers.ts';
import { checkShape, line, SLUG } from './api/request-shapes.ts';
import { limited } from './rate-limits.ts';
import { actorOf } from './request-context.ts';

export const DEVICE_CODE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
export const TOKEN_EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';
const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';
const CLI_CLIENT_ID = 'samlgate-cli';
const DEFAULT_TOKEN_NAME = 'samlgate login';

const tokenType = z.enum([ACCESS_TOKEN_TYPE, JWT_TYPE]);
const token = z.string().min(1);
// Parameters that are not known are ignored (RFC 6749 §3.2), those that are sent twice are refused (§3.1).
export const TOKEN = z.object({ token });
export const DEVICE_AUTHORIZATION = z.object({ client_id: z.string(), organization: SLUG.optional(), token_name: line(100).optional() });
export const DEVICE_CODE = z.object({ client_id: z.string(), device_code: token });
export const EXCHANGE = z.object({
  subject_token: token,
  subject_token_type: tokenType,
  requested_token_type: tokenType.optional(),
  audience: line(512).optional(),
});

export function oauthRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  discoveryRoutes(router, runtime);
  router.use('/oauth', (_request, response, next) => {
    response.locals.route = 'oauth';
    response.setHeader('Cache-Control', 'no-store');
    next();
  });
  router.use('/oauth', express.urlencoded({ extended: false, limit: '32kb', inflate: false }));

  router.post('/oauth/introspect', async (request, response) => {
    const caller = await authenticateBearer(runtime, request.headers.authorization ?? '');
    response.json(await introspect(runtime, caller, checkShape(TOKEN, formOf(request)).token));
  });
  router.post('/oauth/revoke', async (request, response) => {
    await revoke(runtime, request, response, checkShape(TOKEN, formOf(request)).token);
    response.status(200).end();
  });
  router.post('/oauth/device_authorization', limited(runtime, 'device_start'), async (request, response) => {
    response.json(await startDevice(runtime, request));
  });
  router.post('/oauth/token', limited(runtime, 'token'), async (request, response) => {
    const { grant_type: grant } = checkShape(z.object({ grant_type: z.string() }), formOf(request));
    if (grant === DEVICE_CODE_GRANT) return void response.json(await deviceToken(runtime, request, response));
    if (grant === TOKEN_EXCHANGE_GRANT) return void response.json(await exchange(runtime, request, response));
    throw oauthRefusal('unsupported_grant_type', 'grant_type: is none of those that /.well-known/oauth-authorization-server lists.');
  });
  return router;
}

function discoveryRoutes(router: Router, runtime: Runtime): void {
  router.use('/.well-known', (_request, response, next) => {
    response.locals.route = 'well-known';
    next();
  });
  router.get('/.well-known/jwks.json', async (_request, response) => {
    const body = JSON.stringify(await publicKeySet(runtime));
    // Express answers 304 where the client has this one.
    response.setHeader('ETag', `"${sha256(body)}"`);
    response.setHeader('Cache-Control', `public, max-age=${JWKS_MAX_AGE_SECONDS}`);
    response.type('application/jwk-set+json').send(body);
  });
  router.get('/.well-known/oauth-authorization-server', (_request, response) => {
    response.setHeader('Cache-Control', `public, max-age=${JWKS_MAX_AGE_SECONDS}`);
    response.json(metadata(runtime.config.baseUrl));
  });
}

/** RFC 8414 §2. There is no authorization endpoint, so no response type. */
const metadata = (baseUrl: string) => ({
  issuer: baseUrl,
  token_endpoint: `${baseUrl}/oauth/token`,
  device_authorization_endpoint: `${baseUrl}/oauth/device_authorization`,
  introspection_endpoint: `${baseUrl}/oauth/introspect`,
  revocation_endpoint: `${baseUrl}/oauth/revoke`,
  jwks_uri: `${baseUrl}/.well-known/jwks.json`,
  grant_types_supported: [DEVICE_CODE_GRANT, TOKEN_EXCHANGE_GRANT],
  response_types_supported: [],
  token_endpoint_auth_methods_supported: ['none'],
  revocation_endpoint_auth_methods_supported: ['none'],
  introspection_endpoint_auth_methods_supported: ['Bearer'],
});

function formOf(request: Request): unknown {
  if (request.is('application/x-www-form-urlencoded')) return request.body;
  throw new GatewayError('validation_failed', 'Send the parameters as application/x-www-form-urlencoded.');
}

/** What is not good any more, what never was, and what is another organization's all look the same (RFC 7662 §2.2). */
async function introspect(runtime: Runtime, caller: Principal, given: string) {
  const inactive = { active: false };
  const verified = await verifiedOrNothing(runtime, given);
  if (!verified || (caller.kind === 'member' && caller.organizationId !== verified.organizationId)) return inactive;
  const principal = await unlessUnauthenticated(authenticateToken(runtime, verified));
  if (!principal) return inactive;
  const { member, credential } = principal;
  return {
    active: true,
    token_type: 'Bearer',
    kind: credential.kind,
    iss: runtime.config.baseUrl,
    sub: member.id,
    org: verified.organizationId,
    username: member.email,
    email: member.email,
    name: member.name,
    role: member.role,
    jti: verified.jti,
    iat: Math.floor(verified.issuedAtMs / 1000),
    exp: credential.expiresAtMs === undefined ? undefined : Math.floor(credential.expiresAtMs / 1000),
    aud: verified.audience,
    sid: verified.sid,
  };
}

/** Who holds a token may end it (RFC 7009 §2.1, as a public client). What is no token of ours needs no ending. */
async function revoke(runtime: Runtime, request: Request, response: Response, given: string): Promise<void> {
  const verified = await verifiedOrNothing(runtime, given);
  if (!verified) return;
  const { organizationId, memberId, kind, jti } = verified;
  const actor = { ...actorOf(request, response), kind: 'member', id: memberId } as const;
  if (kind === 'session_token') return revokeSessionToken(runtime, actor, verified);
  await revokeCliToken(runtime, actor, { organizationId, memberId }, jti).catch((error: unknown) => {
    if (!(error instanceof GatewayError) || error.code !== 'not_found') throw error; // it is revoked already
  });
}

const verifiedOrNothing = (runtime: Runtime, given: string): Promise<VerifiedToken | undefined> =>
  unlessUnauthenticated(verifyToken(runtime, given));

async function unlessUnauthenticated<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'unauthenticated') return undefined;
    throw error;
  }
}

/** RFC 8628 §3.2 */
async function startDevice(runtime: Runtime, request: Request) {
  const { client_id: clientId, organization, token_name: tokenName } = checkShape(DEVICE_AUTHORIZATION, formOf(request));
  requireKnownClient(clientId);
  const { deviceCode, userCode } = await startDeviceLogin(runtime, {
    address: request.ip,
    userAgent: request.get('user-agent')?.slice(0, 256),
    tokenName: tokenName ?? DEFAULT_TOKEN_NAME,
    organization,
  });
  const page = `${runtime.config.baseUrl}/device`;
  return {
    device_code: deviceCode,
    user_code: userCode,
    verification_uri: page,
    verification_uri_complete: `${page}?user_code=${userCode}${organization === undefined ? '' : `&organization=${organization}`}`,
    expires_in: DEVICE_LOGIN_SECONDS,
    interval: POLL_INTERVAL_SECONDS,
  };
}

/** RFC 8628 §3.4: the CLI token. */
async function deviceToken(runtime: Runtime, request: Request, response: Response) {
  const { client_id: clientId, device_code: deviceCode } = checkShape(DEVICE_CODE, formOf(request));
  requireKnownClient(clientId);
  const { kind: _, ...from } = actorOf(request, response);
  const { record, token: accessToken } = await collectDeviceLogin(runtime, from, deviceCode);
  return { access_token: accessToken, token_type: 'Bearer', ...expiresIn(record.expiresAtMs, runtime.now()) };
}

function requireKnownClient(clientId: string): void {
  if (clientId !== CLI_CLIENT_ID) throw oauthRefusal('invalid_client', `client_id: must be ${CLI_CLIENT_ID}.`);
}

/** RFC 8693 §2: a CLI token becomes a session token, for services that check by the JWKS. */
async function exchange(runtime: Runtime, request: Request, response: Response) {
  const { subject_token: subjectToken, audience } = checkShape(EXCHANGE, formOf(request));
  const principal = await subjectOf(runtime, subjectToken);
  noteUseAfterAnswer(runtime, request, response, principal);
  const { token: accessToken, expiresAtMs } = await mintSessionToken(runtime, principal, audience).catch((error: unknown) => {
    if (!(error instanceof GatewayError) || error.status >= 500) throw error;
    throw oauthRefusal(error.code === 'validation_failed' ? 'invalid_target' : 'invalid_request', error.facts.detail ?? error.code);
  });
  const issued = { access_token: accessToken, issued_token_type: ACCESS_TOKEN_TYPE, token_type: 'Bearer' };
  return { ...issued, ...expiresIn(expiresAtMs, runtime.now()) };
}

/** A subject token that is not good is an invalid request (RFC 8693 §2.2.2). */
async function subjectOf(runtime: Runtime, subjectToken: string): Promise<TokenPrincipal> {
  try {
    return await authenticateToken(runtime, await verifyToken(runtime, subjectToken));
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'unauthenticated') throw error;
    throw oauthRefusal('invalid_request', `subject_token: ${error.facts.detail ?? 'is not good (any more).'}`);
  }
}

const expiresIn = (endMs: number | undefined, nowMs: number) =>
  endMs === undefined ? {} : { expires_in: Math.max(0, Math.floor((endMs - nowMs) / 1000)) };
