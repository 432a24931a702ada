/**
 * `/auth/verify`, which a reverse proxy asks before it lets a request through (nginx auth_request, Traefik ForwardAuth, Envoy
 * ext_authz). It is asked for every request of everything behind the proxy, so a yes is answered here, in front of Express;
 * a refusal takes the one way that all refusals go, through Express.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Express, Router } from 'express';
import { z } from 'zod';
import { authenticateBearer, authenticateSession } from '../auth/authenticate.ts';
import type { MemberPrincipal, Principal } from '../auth/principal.ts';
import { readRequestSession } from '../auth/sessions/browser-sessions.ts';
import { MEMBER_SESSION, renewLogin } from '../auth/sessions/member-sessions.ts';
import { tokenPolicyOf } from '../auth/tokens/token-policy.ts';
import { noteTokenUse } from '../auth/tokens/token-use.ts';
import { GatewayError } from '../errors.ts';
import { perRuntime, type Runtime } from '../runtime.ts';
import type { OperationDescription } from './api/operation.ts';

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

/** What the fast way refused, for the slow one to tell. */
const refusals = new WeakMap<IncomingMessage, unknown>();

/** The listener of the server: this path is ours, all others are the app's. */
export function withForwardAuth(runtime: Runtime, app: Express): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const url = request.url ?? '';
    const after = url.startsWith(PATH) ? url.charAt(PATH.length) : undefined;
    if (after !== '' && after !== '?' && after !== '/') return void app(request, response);
    answer(runtime, app, request, response, url).catch((error: unknown) => {
      refusals.set(request, error);
      app(request, response);
    });
  };
}

/** The app's part. */
export function forwardAuthRefusals(): Router {
  const router = Router({ caseSensitive: true });
  router.use(PATH, (request, response) => {
    response.locals.route = 'forward_auth';
    throw refusals.get(request) ?? new GatewayError('not_found');
  });
  return router;
}

const answerTimes = perRuntime(({ metrics }) => metrics.requests.labels({ route: 'forward_auth', status: '2xx' }));

async function answer(runtime: Runtime, app: Express, request: IncomingMessage, response: ServerResponse, url: string): Promise<void> {
  const startedMs = performance.now();
  const { principal, afterAnswer } = await whoAsks(runtime, app, request);
  if (principal.kind === 'operator') throw new GatewayError('forbidden', 'This is for members; the operator is none.');
  const queryAt = url.indexOf('?');
  if (queryAt >= 0 && isOwnQuery(url, queryAt)) await requireDemanded(runtime, principal, new URLSearchParams(url.slice(queryAt + 1)));
  const { member, organizationId } = principal;
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
  answerTimes(runtime).observe((performance.now() - startedMs) / 1000);
  afterAnswer();
}

/** Envoy puts the path and the query of the request that it asks about behind ours: that query demands nothing. */
const isOwnQuery = (url: string, queryAt: number): boolean => /^\/?$/.test(url.slice(PATH.length, queryAt));

interface Asking {
  readonly principal: Principal;
  /** What can wait until the proxy has its answer. */
  readonly afterAnswer: () => void;
}

async function whoAsks(runtime: Runtime, app: Express, request: IncomingMessage): Promise<Asking> {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const principal = await authenticateBearer(runtime, authorization);
    return { principal, afterAnswer: () => noteUse(runtime, app, request, principal) };
  }
  const session = await readRequestSession(runtime, MEMBER_SESSION, request);
  if (!session) throw new GatewayError('unauthenticated');
  const principal = await authenticateSession(runtime, session.value);
  return { principal, afterAnswer: () => renewLogin(runtime, session.sid, session.value) };
}

function noteUse(runtime: Runtime, app: Express, request: IncomingMessage, principal: Principal): void {
  if (principal.kind !== 'member' || principal.credential.kind !== 'cli_token') return;
  noteTokenUse(runtime, principal.organizationId, principal.credential.id, () => ({
    address: addressOf(app, request),
    userAgent: request.headers['user-agent'],
  }));
}

/** Who asked the proxy, as far as the setting trusts what proxies say; as Express finds `request.ip`. */
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
 * `?role=owner` and `?organization=SLUG_OR_ID`: the proxy wants more than anybody who is signed in. Each that is given must hold.
 * @throws forbidden, validation_failed
 */
async function requireDemanded(runtime: Runtime, principal: MemberPrincipal, query: URLSearchParams): Promise<void> {
  for (const role of query.getAll('role')) {
    if (role !== 'owner' && role !== 'collaborator') throw new GatewayError('validation_failed', 'role: must be owner or collaborator.');
    // An owner may do what a collaborator may.
    if (role === 'owner' && principal.member.role !== 'owner') throw new GatewayError('forbidden', 'This is for owners.');
  }
  for (const wanted of query.getAll('organization')) {
    const { organizationId } = principal;
    const isOwn = wanted === organizationId || (await tokenPolicyOf(runtime, organizationId))?.slug === wanted;
    if (!isOwn) throw new GatewayError('forbidden', 'This is for members of another organization.');
  }
}

/** Printable ASCII; what is not, and the percent sign, percent-encoded, so that decoding always gives the very text. */
function headerText(text: string): string {
  return /^[\x21-\x24\x26-\x7e]*$/.test(text) ? text : text.toWellFormed().replace(/[^\x21-\x24\x26-\x7e]/gu, encodeURIComponent);
}
