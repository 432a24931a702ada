/** `samlgate/express`: middleware that requires a token of a gateway, for Express, Connect and node:http. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gatewayKey } from './credentials-file.ts';
import { SamlgateError } from './samlgate-error.ts';
import { type Auth, tokenVerifier } from './session-tokens.ts';
import { TokenError } from './token-error.ts';

export type { Auth } from './session-tokens.ts';

declare global {
  namespace Express {
    interface Request {
      /** The member that sent the request. Set by {@link requireAuth}. */
      auth?: Auth;
    }
  }
}

export interface RequireAuthOptions {
  /** Base URL of the gateway. */
  readonly issuer: string;
  /** Expected `aud` of session tokens. Default: `issuer`. */
  readonly audience?: string | undefined;
  /** Required role. `owner` denies access to collaborators; `collaborator` also allows owners. Default: any role. */
  readonly role?: 'owner' | 'collaborator' | undefined;
  /**
   * Id (`org_…`) of the only organization whose members have access. Without it, members of every organization of the gateway have
   * access, and the service must check `request.auth.organizationId` itself.
   */
  readonly organization?: string | undefined;
  /** Allowed difference between the clocks, 0 to 300 seconds. Default: 5. */
  readonly clockToleranceSeconds?: number | undefined;
}

/** With a longer tolerance, an expired session token would stay valid for long. */
const MAX_CLOCK_TOLERANCE_SECONDS = 300;

export type AuthMiddleware = (
  request: IncomingMessage & { auth?: Auth },
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Creates middleware that requires a valid `Authorization: Bearer` token and sets `request.auth`.
 *
 * Session tokens are verified offline with the gateway's published keys. A CLI token is exchanged for a session token when it is first
 * seen, and the result is cached until shortly before the session token expires. Access that was revoked therefore ends after up to
 * 10 minutes. If it must end immediately, call the gateway's `/auth/verify` for each request instead.
 *
 * Answers with problem details (RFC 9457) and does not call `next` if access is denied: 401 if the token is missing, invalid, expired or
 * revoked, 403 for another organization or a missing role, 503 if the gateway can't be reached.
 *
 * @example
 * import express from 'express';
 * import { requireAuth } from 'samlgate/express';
 *
 * const app = express();
 * const gateway = { issuer: 'https://sso.example.com', organization: 'org_3w5e11264sg0' };
 * app.get('/reports', requireAuth(gateway), (request, response) => {
 *   response.json({ hello: request.auth.email });
 * });
 * app.delete('/reports', requireAuth({ ...gateway, role: 'owner' }), deleteReports);
 *
 * @throws SamlgateError gateway_url_invalid, or argument_invalid if `organization` is not an id, `role` is unknown, or another option is
 * invalid
 */
export function requireAuth(options: RequireAuthOptions): AuthMiddleware {
  const { issuer, role, organization, clockToleranceSeconds = 5 } = options;
  const base = gatewayKey(issuer);
  const { audience = base } = options;
  if (organization !== undefined) requireOrganizationId(organization);
  if (role !== undefined) requireRole(role);
  requireAudience(audience);
  requireClockTolerance(clockToleranceSeconds);
  const authOf = tokenVerifier({ issuer: base, audience, clockToleranceSeconds });
  return (request, response, next) => {
    const token = /^Bearer +([\w.~+/=-]+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) return refuse(response, 'unauthenticated');
    authOf(token).then(
      (auth) => {
        if (organization !== undefined && auth.organizationId !== organization) return refuse(response, 'other_organization');
        if (role === 'owner' && auth.role !== 'owner') return refuse(response, 'forbidden');
        request.auth = auth;
        next();
      },
      (error: unknown) => {
        if (!(error instanceof TokenError)) return next(error);
        refuse(response, error.reason === 'refused' ? 'invalid_token' : 'unavailable');
      },
    );
  };
}

/** A token has its organization's id, so a slug would deny access to every user. */
function requireOrganizationId(organization: string): void {
  if (typeof organization === 'string' && /^org_[a-z0-9]+$/.test(organization)) return;
  const detail = 'Set organization to the id, such as org_3w5e11264sg0, not to the slug. “samlgate whoami --json” prints it.';
  throw argumentInvalid(`${JSON.stringify(organization)} is not the id of an organization`, detail);
}

/** JavaScript callers can pass any text, and a misspelled `owner` would allow collaborators. */
function requireRole(role: string): void {
  if (role === 'owner' || role === 'collaborator') return;
  throw argumentInvalid(`${JSON.stringify(role)} is not a role`, 'Set role to “owner” or “collaborator”.');
}

/** No session token has an empty audience, so it would deny access to every user. */
function requireAudience(audience: unknown): void {
  if (typeof audience === 'string' && audience !== '') return;
  throw argumentInvalid(`${JSON.stringify(audience)} is not an audience`, 'Set audience to the audience of your service, or leave it out.');
}

/** No token is older than “not a number”, so an expired one would be accepted. */
function requireClockTolerance(seconds: unknown): void {
  if (typeof seconds === 'number' && seconds >= 0 && seconds <= MAX_CLOCK_TOLERANCE_SECONDS) return;
  const detail = `Set clockToleranceSeconds to a number from 0 to ${MAX_CLOCK_TOLERANCE_SECONDS}.`;
  throw argumentInvalid(`${String(seconds)} is not a valid clock tolerance`, detail);
}

const argumentInvalid = (title: string, detail: string) => new SamlgateError({ code: 'argument_invalid', title, detail });

const REFUSALS = {
  unauthenticated: {
    status: 401,
    code: 'unauthenticated',
    title: 'You are not signed in',
    detail: 'Send a token of the gateway in the header “Authorization: Bearer …”.',
    headers: { 'WWW-Authenticate': 'Bearer realm="samlgate"' },
  },
  invalid_token: {
    status: 401,
    code: 'unauthenticated',
    title: 'You are not signed in',
    detail: 'The token is invalid, expired or revoked. Sign in again.',
    headers: { 'WWW-Authenticate': 'Bearer realm="samlgate", error="invalid_token"' },
  },
  forbidden: {
    status: 403,
    code: 'forbidden',
    title: 'You are not allowed to do this',
    detail: 'Ask an owner of your organization to do it, or to make you an owner.',
    headers: { 'WWW-Authenticate': 'Bearer realm="samlgate", error="insufficient_scope"' },
  },
  other_organization: {
    status: 403,
    code: 'forbidden',
    title: 'You are not allowed to do this',
    detail: 'Access is limited to members of another organization.',
    headers: { 'WWW-Authenticate': 'Bearer realm="samlgate", error="insufficient_scope"' },
  },
  unavailable: {
    status: 503,
    code: 'gateway_unreachable',
    title: 'The token can’t be verified at the moment',
    detail: 'The sign-in gateway does not answer. Try again in a moment.',
    headers: { 'Retry-After': '2' },
  },
} as const;

/** Answers with problem details (RFC 9457) and the challenge of RFC 6750. */
function refuse(response: ServerResponse, reason: keyof typeof REFUSALS): void {
  const { headers, ...problem } = REFUSALS[reason];
  const body = JSON.stringify({ type: `urn:samlgate:error:${problem.code}`, ...problem });
  response.writeHead(problem.status, { ...headers, 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' }).end(body);
}
