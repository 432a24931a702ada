/** The OAuth endpoints: introspection, revocation, device authorization and token exchange for other programs. */
import { type Request, type RequestHandler, type Response, Router } from 'express';
import { z } from 'zod';
import type { Actor } from '../audit.ts';
import { authenticateBearer, authenticateToken } from '../auth/authenticate.ts';
import type { Principal, TokenPrincipal } from '../auth/principal.ts';
import { revokeCliToken } from '../auth/tokens/cli-tokens.ts';
import {
  collectDeviceLogin,
  DEVICE_LOGIN_SECONDS,
  oauthRefusal,
  POLL_INTERVAL_SECONDS,
  startDeviceLogin,
} from '../auth/tokens/device-login.ts';
import { issueSessionToken, revokeSessionToken } from '../auth/tokens/session-tokens.ts';
import { type VerifiedToken, verifyToken } from '../auth/tokens/verify-token.ts';
import { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import { noteUseAfterAnswer } from './api/callers.ts';
import { line, SLUG } from './api/field-shapes.ts';
import { operation, operationRoutes } from './api/operation.ts';
import { form, formOf, type RequestBody } from './api/request-body.ts';
import { checkShape } from './api/request-shapes.ts';
import { DEVICE_CODE_GRANT, DISCOVERY, TOKEN_EXCHANGE_GRANT } from './discovery.ts';
import { checkBearerToken, countFailure, countFailures, tooMany } from './limits/rate-limits.ts';
import * as answers from './oauth-answers.ts';
import { actorOf } from './request-context.ts';

const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';
const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';
const CLI_CLIENT_ID = 'samlgate-cli';
const DEFAULT_TOKEN_NAME = 'samlgate login';

const tokenType = z.enum([ACCESS_TOKEN_TYPE, JWT_TYPE]);
const token = z.string().min(1);
// Unknown parameters are ignored (RFC 6749 §3.2). A repeated parameter is an array, so it fails as no text (§3.1).
const TOKEN = z.object({ token });
const DEVICE_AUTHORIZATION = z.object({ client_id: z.string(), organization: SLUG.optional(), token_name: line(100).optional() });
const DEVICE_CODE_REQUEST = z.object({ grant_type: z.literal(DEVICE_CODE_GRANT), client_id: z.string(), device_code: token });
const EXCHANGE_REQUEST = z.object({
  grant_type: z.literal(TOKEN_EXCHANGE_GRANT),
  subject_token: token,
  subject_token_type: tokenType,
  requested_token_type: tokenType.optional(),
  audience: line(512).optional(),
});

type DeviceCodeRequest = z.infer<typeof DEVICE_CODE_REQUEST>;
type ExchangeRequest = z.infer<typeof EXCHANGE_REQUEST>;

const GRANT: RequestBody<DeviceCodeRequest | ExchangeRequest> = {
  content: { 'application/x-www-form-urlencoded': z.union([DEVICE_CODE_REQUEST, EXCHANGE_REQUEST]) },
  read: async (request, response) => {
    const fields = await formOf(request, response);
    const { grant_type: grant } = checkShape(z.object({ grant_type: z.string() }), fields);
    if (grant === DEVICE_CODE_GRANT) return checkShape(DEVICE_CODE_REQUEST, fields);
    if (grant === TOKEN_EXCHANGE_GRANT) return checkShape(EXCHANGE_REQUEST, fields);
    throw oauthRefusal('unsupported_grant_type', 'grant_type: must be one that /.well-known/oauth-authorization-server lists.');
  },
};

export const OAUTH = [
  operation({
    method: 'post',
    path: '/oauth/device_authorization',
    id: 'startDeviceLogin',
    summary: 'Start a device login',
    description: 'Starts a login from a terminal (RFC 8628). The user confirms the code in a browser.',
    who: 'public',
    limit: 'device_start',
    body: form(DEVICE_AUTHORIZATION),
    status: 200,
    answer: answers.DEVICE_CODE,
    handle: ({ runtime, request, body }) => startDevice(runtime, request, body),
  }),
  operation({
    method: 'post',
    path: '/oauth/token',
    id: 'getToken',
    summary: 'Exchange a device code or a CLI token',
    description: 'Returns a CLI token for a device code (RFC 8628), or a session token for a CLI token (RFC 8693).',
    who: 'public',
    body: GRANT,
    status: 200,
    answer: answers.ACCESS_TOKEN,
    handle: ({ runtime, request, response, actor, body }) =>
      countFailures(runtime, refusedTokenRequests(request.ip), () =>
        body.grant_type === DEVICE_CODE_GRANT ? collectDeviceToken(runtime, actor, body) : exchangeToken(runtime, request, response, body),
      ),
  }),
  operation({
    method: 'post',
    path: '/oauth/introspect',
    id: 'introspectToken',
    summary: 'Introspect a token',
    description:
      'Returns whether a token is active and which member it represents (RFC 7662). Members can introspect only tokens of their own organization; to them, all others are inactive.',
    who: 'authenticated',
    body: form(TOKEN),
    status: 200,
    answer: answers.INTROSPECTION,
    handle: ({ runtime, principal, body }) => introspect(runtime, principal, body.token),
  }),
  operation({
    method: 'post',
    path: '/oauth/revoke',
    id: 'revokeHeldToken',
    summary: 'Revoke a token',
    description: 'Revokes the token in the request (RFC 7009). An unknown or expired token is no error.',
    who: 'public',
    body: form(TOKEN),
    status: 200,
    handle: ({ runtime, actor, body }) => revoke(runtime, actor, body.token),
  }),
];

export function oauthRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.use('/.well-known', (_request, response, next) => {
    response.locals.route = 'well-known';
    next();
  });
  router.use('/oauth', (_request, response, next) => {
    response.locals.route = 'oauth';
    response.setHeader('Cache-Control', 'no-store');
    next();
  });
  router.use(operationRoutes(runtime, [...DISCOVERY, ...OAUTH], [authenticateByBearerToken(runtime)]));
  return router;
}

/** Sets the principal of the request. OAuth endpoints do not accept the session cookie. */
function authenticateByBearerToken(runtime: Runtime): RequestHandler {
  return async (request, response, next) => {
    const { authorization = '' } = request.headers;
    const check = () => authenticateBearer(runtime, authorization);
    response.locals.principal = await (authorization === ''
      ? check()
      : checkBearerToken(runtime, { actor: actorOf(request, response), authorization }, check));
    response.locals.authenticateAgain = check;
    next();
  };
}

/** A terminal that waits for its user asks every few seconds, which is no failure. */
const refusedTokenRequests = (address: string | undefined) => ({
  name: 'token_requests' as const,
  address,
  isFailure: ({ status, facts }: GatewayError) => status < 500 && facts.oauthError !== 'authorization_pending',
});

/** Returns the same answer for expired, revoked and invalid tokens and for those of other organizations (RFC 7662 §2.2). */
async function introspect(runtime: Runtime, caller: Principal, text: string) {
  const inactive = { active: false } as const;
  const verified = await verifyOrUndefined(runtime, text);
  if (!verified || (caller.kind === 'member' && caller.organizationId !== verified.organizationId)) return inactive;
  const principal = await undefinedIfUnauthenticated(authenticateToken(runtime, verified));
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
  } as const;
}

/** Revokes a token for its holder, a public client in the terms of RFC 7009 §2.1. */
async function revoke(runtime: Runtime, anonymous: Actor, text: string): Promise<void> {
  const verified = await verifyOrUndefined(runtime, text);
  if (!verified) {
    const waitMs = await countFailure(runtime, 'wrong_tokens', anonymous.address);
    if (waitMs !== undefined) throw tooMany(waitMs);
    return;
  }
  const { organizationId, memberId, kind, jti, expiresAtMs } = verified;
  const actor: Actor = { ...anonymous, kind: 'member', id: memberId };
  if (kind === 'session_token') return revokeSessionToken(runtime, actor, verified);
  const credential = { kind, id: jti, expiresAtMs } as const;
  await revokeCliToken(runtime, actor, { organizationId, memberId, credential }, jti).catch((error: unknown) => {
    if (!(error instanceof GatewayError) || error.code !== 'not_found') throw error; // not_found: already revoked
  });
}

const verifyOrUndefined = (runtime: Runtime, text: string): Promise<VerifiedToken | undefined> =>
  undefinedIfUnauthenticated(verifyToken(runtime, text));

async function undefinedIfUnauthenticated<T>(verification: Promise<T>): Promise<T | undefined> {
  try {
    return await verification;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'unauthenticated') return undefined;
    throw error;
  }
}

/** Answers a device authorization request (RFC 8628 §3.2). */
async function startDevice(runtime: Runtime, request: Request, body: z.infer<typeof DEVICE_AUTHORIZATION>) {
  const { client_id: clientId, organization, token_name: tokenName = DEFAULT_TOKEN_NAME } = body;
  requireKnownClient(clientId);
  const { deviceCode, userCode } = await startDeviceLogin(runtime, {
    address: request.ip,
    userAgent: request.get('user-agent')?.slice(0, 256),
    tokenName,
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

/** Returns the CLI token for a confirmed device code (RFC 8628 §3.4). */
async function collectDeviceToken(runtime: Runtime, anonymous: Actor, body: DeviceCodeRequest) {
  requireKnownClient(body.client_id);
  const { kind: _, ...origin } = anonymous;
  const { record, token: accessToken } = await collectDeviceLogin(runtime, origin, body.device_code);
  return { access_token: accessToken, token_type: 'Bearer', ...expiresIn(record.expiresAtMs, runtime.now()) } as const;
}

function requireKnownClient(clientId: string): void {
  if (clientId !== CLI_CLIENT_ID) throw oauthRefusal('invalid_client', `client_id: must be ${CLI_CLIENT_ID}.`);
}

/** Returns a session token for a CLI token, for services that verify tokens with the JWKS (RFC 8693 §2). */
async function exchangeToken(runtime: Runtime, request: Request, response: Response, body: ExchangeRequest) {
  const principal = await authenticateSubject(runtime, body.subject_token);
  noteUseAfterAnswer(runtime, request, response, principal);
  const { token: accessToken, expiresAtMs } = await issueSessionToken(runtime, principal, body.audience).catch((error: unknown) => {
    if (!(error instanceof GatewayError) || error.status >= 500) throw error;
    throw oauthRefusal(error.code === 'validation_failed' ? 'invalid_target' : 'invalid_request', error.facts.detail ?? error.code);
  });
  return {
    access_token: accessToken,
    issued_token_type: ACCESS_TOKEN_TYPE,
    token_type: 'Bearer',
    ...expiresIn(expiresAtMs, runtime.now()),
  } as const;
}

/** Authenticates the subject token. An invalid one makes the request invalid (RFC 8693 §2.2.2), which is no 401. */
async function authenticateSubject(runtime: Runtime, subjectToken: string): Promise<TokenPrincipal> {
  try {
    return await authenticateToken(runtime, await verifyToken(runtime, subjectToken));
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'unauthenticated') throw error;
    throw oauthRefusal('invalid_request', `subject_token: ${error.facts.detail ?? 'is invalid, expired or revoked.'}`);
  }
}

const expiresIn = (expiresAtMs: number | undefined, nowMs: number) =>
  expiresAtMs === undefined ? {} : { expires_in: Math.max(0, Math.floor((expiresAtMs - nowMs) / 1000)) };
