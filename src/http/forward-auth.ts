/**
 * Forward authentication: a reverse proxy calls `/auth/verify` for each request before it passes the request on (nginx auth_request,
 * Traefik ForwardAuth, Envoy ext_authz). Because of that volume, accepted requests are answered here, in front of Express. Refusals go
 * through Express, to the error exit of all refusals.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Express, Router } from 'express';
import { z } from 'zod';
import { authenticateBearer, authenticateSession } from '../auth/authenticate.ts';
import type { MemberPrincipal } from '../auth/principal.ts';
import { readRequestSession } from '../auth/sessions/browser-sessions.ts';
import { MEMBER_SESSION, renewLogin } from '../auth/sessions/member-sessions.ts';
import { mayBeOperatorToken, reportWrongOperatorToken } from '../auth/sessions/operator-sessions.ts';
import { tokenPolicyOf } from '../auth/tokens/token-policy.ts';
import { recordTokenUse } from '../auth/tokens/token-use.ts';
import { invalidToken } from '../auth/tokens/verify-token.ts';
import { GatewayError } from '../errors.ts';
import { perRuntime, type Runtime } from '../runtime.ts';
import type { OperationDescription } from './api/operation.ts';
import type { Drain } from './health/drain.ts';
import { countFailure } from './limits/rate-limits.ts';
import { actorOf } from './request-context.ts';

const PATH = '/auth/verify';

export const FORWARD_AUTH: OperationDescription = {
  method: 'get',
  path: PATH,
  id: 'verify',
  summary: 'Verify a request for a reverse proxy',
  description:
    'Forward authentication for nginx auth_request, Traefik ForwardAuth and Envoy ext_authz. Every requirement in the query must be met. Header values that are not printable ASCII are percent-encoded.',
  who: 'member',
  query: z.object({
    role: z.enum(['owner', 'collaborator']).optional(),
    organization: z.string().describe('Slug or ID of the organization').optional(),
  }),
  status: 200,
  headers: ['X-Samlgate-User', 'X-Samlgate-Email', 'X-Samlgate-Role', 'X-Samlgate-Organization'],
  refusals: ['forbidden'],
};

/** Refusals on their way from the listener to the route in Express that throws them. */
const refusals = new WeakMap<IncomingMessage, unknown>();

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** Returns the listener of the HTTP server, which handles `/auth/verify` itself and passes all other paths to the app. */
export function withForwardAuth(runtime: Runtime, app: Express, drain: Drain): Listener {
  const passOn = drain.watch(app);
  return (request, response) => {
    const url = request.url ?? '';
    const after = url.startsWith(PATH) ? url.charAt(PATH.length) : undefined;
    if (after !== '' && after !== '?' && after !== '/') return passOn(request, response);
    answer({ runtime, app, drain }, request, response).catch((error: unknown) => {
      refusals.set(request, error);
      countWrongToken(runtime, app, request, error);
      passOn(request, response);
    });
  };
}

/** Counts a wrong token. The answer stays 401 above the limit, because nginx answers 500 if it gets anything but 401 and 403. */
function countWrongToken(runtime: Runtime, app: Express, request: IncomingMessage, error: unknown): void {
  if (request.headers.authorization === undefined || !(error instanceof GatewayError) || error.code !== 'unauthenticated') return;
  void countFailure(runtime, 'wrong_tokens', addressOf(app, request));
}

/** Returns the route that throws the refusals of the listener, so that the error exit answers them. */
export function forwardAuthRefusals(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.use(PATH, (request, response) => {
    response.locals.route = 'forward_auth';
    const error = refusals.get(request) ?? new GatewayError('not_found');
    if (isOperatorGuess(runtime, request, error)) void reportWrongOperatorToken(runtime, actorOf(request, response), 'bearer_token');
    throw error;
  });
  return router;
}

/**
 * Returns whether a refused token can be a guess of the operator token, or the token itself. API keys of the protected service also
 * arrive here. Most of them have another length, with which a guess is never right.
 */
function isOperatorGuess({ config }: Runtime, { headers: { authorization } }: IncomingMessage, error: unknown): boolean {
  if (authorization === undefined || !(error instanceof GatewayError) || error.code !== 'unauthenticated') return false;
  return mayBeOperatorToken(authorization) && authorization.replace(/^Bearer +/i, '').length === config.operatorToken.length;
}

const acceptedTimer = perRuntime(({ metrics }) => metrics.requests.labels({ route: 'forward_auth', status: '2xx' }));

interface Parts {
  readonly runtime: Runtime;
  readonly app: Express;
  readonly drain: Drain;
}

async function answer({ runtime, app, drain }: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const startedMs = performance.now();
  const url = request.url ?? '';
  const { principal, afterAnswer } = await authenticateRequest(runtime, app, request);
  const queryAt = url.indexOf('?');
  if (queryAt >= 0 && isOwnQuery(url, queryAt)) await requireConditions(runtime, principal, new URLSearchParams(url.slice(queryAt + 1)));
  const { member, organizationId } = principal;
  drain.endConnection(response);
  response.writeHead(200, [
    'X-Samlgate-User',
    member.id,
    'X-Samlgate-Email',
    headerText(member.email),
    'X-Samlgate-Role',
    member.role,
    'X-Samlgate-Organization',
    organizationId,
    'X-Request-Id',
    randomUUID(),
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
    'Content-Length',
    '0',
  ]);
  response.end();
  acceptedTimer(runtime).observe((performance.now() - startedMs) / 1000);
  afterAnswer();
}

/** Envoy appends the path and query of the original request to ours. That query holds no conditions for us. */
const isOwnQuery = (url: string, queryAt: number): boolean => /^\/?$/.test(url.slice(PATH.length, queryAt));

interface AuthenticatedRequest {
  readonly principal: MemberPrincipal;
  /** Runs when the proxy has its answer. */
  readonly afterAnswer: () => void;
}

async function authenticateRequest(runtime: Runtime, app: Express, request: IncomingMessage): Promise<AuthenticatedRequest> {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const principal = await authenticateBearer(runtime, authorization);
    // Refused like any invalid token, so that this endpoint does not confirm a guessed operator token.
    if (principal.kind === 'operator') throw invalidToken('it is the operator token');
    return { principal, afterAnswer: () => recordUse(runtime, app, request, principal) };
  }
  const session = await readRequestSession(runtime, MEMBER_SESSION, request);
  if (!session) throw new GatewayError('unauthenticated');
  const principal = await authenticateSession(runtime, session.value);
  return { principal, afterAnswer: () => renewLogin(runtime, session.sid, session.value) };
}

function recordUse(runtime: Runtime, app: Express, request: IncomingMessage, principal: MemberPrincipal): void {
  if (principal.credential.kind !== 'cli_token') return;
  recordTokenUse(runtime, principal.organizationId, principal.credential.id, () => ({
    address: addressOf(app, request),
    userAgent: request.headers['user-agent'],
  }));
}

/** Returns the address of the proxy's client, as far as SAMLGATE_TRUST_PROXY trusts X-Forwarded-For. Works like `request.ip` of Express. */
function addressOf(app: Express, request: IncomingMessage): string | undefined {
  const isTrusted = app.get('trust proxy fn') as (address: string, hop: number) => boolean;
  const forwarded = String(request.headers['x-forwarded-for'] ?? '');
  const hops =
    forwarded === ''
      ? []
      : forwarded
          .split(',')
          .map((hop) => hop.trim())
          .reverse();
  let address = request.socket.remoteAddress;
  for (const [at, hop] of hops.entries()) {
    if (address === undefined || !isTrusted(address, at)) break;
    address = hop;
  }
  return address;
}

/**
 * Checks the conditions of the proxy, `?role=owner` and `?organization=SLUG_OR_ID`. All of them must hold.
 * @throws forbidden, validation_failed
 */
async function requireConditions(runtime: Runtime, principal: MemberPrincipal, query: URLSearchParams): Promise<void> {
  for (const role of query.getAll('role')) {
    if (role !== 'owner' && role !== 'collaborator') throw new GatewayError('validation_failed', 'role: must be owner or collaborator.');
    // Owners also pass for collaborators.
    if (role === 'owner' && principal.member.role !== 'owner')
      throw new GatewayError('forbidden', 'Only owners of your organization have access.');
  }
  for (const required of query.getAll('organization')) {
    const { organizationId } = principal;
    const isOwn = required === organizationId || (await tokenPolicyOf(runtime, organizationId))?.slug === required;
    if (!isOwn) throw new GatewayError('forbidden', 'Access is limited to members of another organization.');
  }
}

/** Percent-encodes the percent sign and everything except printable ASCII, so that decoding always returns the original text. */
function headerText(text: string): string {
  return /^[\x21-\x24\x26-\x7e]*$/.test(text) ? text : text.toWellFormed().replace(/[^\x21-\x24\x26-\x7e]/gu, encodeURIComponent);
}
