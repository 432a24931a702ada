/** Answers every error as problem+json (RFC 9457) or as a page, with the same code and request ID as the log. */
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import { ErrorPage } from '../console/error-page.tsx';
import { renderPage } from '../console/layout.tsx';
import { GatewayError, type OAuthErrorCode } from '../errors.ts';
import type { Log } from '../log.ts';
import { sendPage } from './pages.ts';

const TEXTS = {
  isMalformed: 'The request could not be read because its address, headers or body are malformed.',
} as const;

/** Paths that only programs call, so that they never get a page. */
const PROGRAM_PATHS = /^\/(api|oauth|auth|\.well-known|readyz)(\/|$)/;
const isOAuth = (request: Request): boolean => request.path.startsWith('/oauth/');
const PROBLEM_TYPE = 'application/problem+json';

export const notFound: RequestHandler = () => {
  throw new GatewayError('not_found');
};

export function errorExit(log: Log): ErrorRequestHandler {
  return (thrown: unknown, request, response, next) => {
    const error = asGatewayError(thrown);
    logRefusal(log, error, request, response);
    if (response.headersSent) return next(thrown); // Express then closes the connection
    if (error.facts.retryAfterSeconds !== undefined) response.setHeader('Retry-After', String(error.facts.retryAfterSeconds));
    else if (error.code === 'store_unavailable') response.setHeader('Retry-After', '2');
    if (error.code === 'unauthenticated') response.setHeader('WWW-Authenticate', 'Bearer realm="samlgate"');
    response.setHeader('Cache-Control', 'no-store');
    if (wantsPage(request)) return sendErrorPage(error, response);
    const problem = problemOf(error, response.locals.requestId);
    if (isOAuth(request)) return sendOAuthError(error, problem, request, response);
    response.status(error.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
  };
}

/** Returns the problem details of an error (RFC 9457), with its code and the request ID. */
export function problemOf(error: GatewayError, requestId: string) {
  const { title, advice } = error.textFor('user');
  const { detail, wanted, got } = error.facts;
  return {
    type: `urn:samlgate:error:${error.code}`,
    title,
    status: error.status,
    detail: detail ?? advice,
    code: error.code,
    request_id: requestId,
    wanted,
    got,
  };
}

/**
 * Sends one body that is both problem details and an OAuth error (RFC 6749 §5.2). Readers of either ignore the members of the
 * other. The media type is that of problem details, unless the client accepts only plain JSON.
 */
function sendOAuthError(error: GatewayError, problem: ReturnType<typeof problemOf>, request: Request, response: Response): void {
  const accept = request.headers.accept ?? '';
  const type = accept.includes('application/json') && !accept.includes(PROBLEM_TYPE) ? 'application/json' : PROBLEM_TYPE;
  const oauthError = error.facts.oauthError ?? OAUTH_ERRORS[error.status];
  const body = oauthError === undefined ? problem : { error: oauthError, error_description: asciiOf(problem.detail), ...problem };
  response.status(error.status).type(type).send(JSON.stringify(body));
}

/** Default OAuth errors by status. OAuth defines none for 429 and 5xx, where the status says enough. */
const OAUTH_ERRORS: Readonly<Record<number, OAuthErrorCode>> = { 400: 'invalid_request', 401: 'invalid_client', 403: 'access_denied' };

/** Replaces the characters that `error_description` must not contain (RFC 6749 §5.2). */
const asciiOf = (text: string): string =>
  text
    .replace(/[“”"\\]/g, "'")
    .replace(/[‘’]/g, "'")
    .replaceAll('\n', ' ')
    .replace(/[^\x20-\x7e]/g, '?');

function sendErrorPage(error: GatewayError, response: Response): void {
  const { requestId, retryHref, wayOut } = response.locals;
  sendPage(response, error.status, renderPage(<ErrorPage error={error} requestId={requestId} retryHref={retryHref} wayOut={wayOut} />));
}

function wantsPage(request: Request): boolean {
  return !PROGRAM_PATHS.test(request.path) && request.accepts(['html', 'json', 'application/problem+json']) === 'html';
}

/** Converts errors that Express and its body parsers throw. They have a status; anything else that is not ours is a defect. */
function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  // A body parser passes on the refusal of a body.
  if (thrown instanceof Error && thrown.cause instanceof GatewayError) return thrown.cause;
  const { status, type } = thrown as { status?: unknown; type?: unknown };
  if (status === 413 || type === 'entity.too.large') return new GatewayError('payload_too_large', { cause: thrown });
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new GatewayError('validation_failed', {
      detail: TEXTS.isMalformed,
      cause: thrown,
    });
  }
  return new GatewayError('internal', { cause: thrown });
}

function logRefusal(log: Log, error: GatewayError, request: Request, response: Response): void {
  const fields = {
    code: error.code,
    request_id: response.locals.requestId,
    organization: organizationOf(request, response),
    address: request.ip,
    method: request.method,
    route: response.locals.route,
    detail: error.facts.detail,
    cause: causeText(error.facts.cause),
  };
  if (error.code === 'internal') log.error({ ...fields, stack: stackOf(error.facts.cause) }, 'request failed');
  // Load balancers ask every few seconds. The readiness logs each change once.
  else if (response.locals.route === 'readyz') log.debug(fields, 'not ready');
  else if (error.status >= 500) log.warn(fields, 'request failed');
  // A terminal that waits for its user polls every few seconds.
  else if (error.facts.oauthError === 'authorization_pending') log.debug(fields, 'request refused');
  else log.info(fields, 'request refused');
}

const ORGANIZATION_PATH = /^\/(?:saml|api\/v1\/organizations|console\/operator\/organizations)\/([A-Za-z0-9_-]{1,64})(?:\/|$)/;

/** Returns the organization of the caller or of the page, otherwise the one that the path names, which may not exist. */
function organizationOf({ originalUrl }: Request, { locals }: Response): string | undefined {
  const { organization, principal } = locals;
  if (organization) return organization.slug;
  const named = ORGANIZATION_PATH.exec(originalUrl.split('?')[0] ?? '')?.[1];
  return named ?? (principal?.kind === 'member' ? principal.organizationId : undefined);
}

/** Returns the name and code of an error, never its message, because parsers quote their input there. */
function causeText(cause: unknown): string | undefined {
  if (cause === undefined) return undefined;
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as { code?: unknown };
  return code === undefined ? cause.name : `${cause.name} ${String(code)}`;
}

/** Returns the stack frames without the message. */
const stackOf = (cause: unknown): string | undefined =>
  cause instanceof Error
    ? cause.stack
        ?.split('\n')
        .filter((line) => /^\s+at /.test(line))
        .slice(0, 12)
        .join('\n')
    : undefined;
