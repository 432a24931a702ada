/** `samlgate/express`: lets members of a gateway's organizations into an Express (or Connect) service. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gatewayKey } from './credentials-file.ts';
import { type Auth, tokenVerifier } from './session-tokens.ts';
import { TokenError } from './token-error.ts';

export type { Auth } from './session-tokens.ts';

declare global {
  namespace Express {
    interface Request {
      /** Who asks; set behind {@link requireAuth}. */
      auth?: Auth;
    }
  }
}

export interface RequireAuthOptions {
  /** Base URL of the gateway. */
  readonly issuer: string;
  /** What session tokens must be made out to; the gateway itself where it is not given. */
  readonly audience?: string | undefined;
  /** `owner` lets only owners in; any member where it is not given. An owner may do what a collaborator may. */
  readonly role?: 'owner' | 'collaborator' | undefined;
  /**
   * Id (`org_…`) of the one organization that comes in. Without it members of every organization of the gateway do, and the
   * service looks at `request.auth.organizationId` itself.
   */
  readonly organization?: string | undefined;
  /** How far clocks may be apart; 5 seconds where it is not given. */
  readonly clockToleranceSeconds?: number | undefined;
}

export type AuthMiddleware = (
  request: IncomingMessage & { auth?: Auth },
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Middleware that lets in who has a good `Authorization: Bearer` token, and sets `request.auth`.
 *
 * Session tokens are verified here, with the gateway's published keys and without asking it. A CLI token is exchanged for a
 * session token when it is first seen; the answer is kept until that ends, so a revoked CLI token is refused after at most the
 * lifetime of a session token (10 minutes). Where a revocation must count at once, ask the gateway (`/auth/verify`).
 *
 * Answers 401 (no good token), 403 (another organization, or the role is missing) and 503 (the gateway's keys, or an exchange,
 * can't be had) itself, as problem details (RFC 9457).
 *
 * @example
 * import express from 'express';
 * import { requireAuth } from 'samlgate/express';
 *
 * const app = express();
 * app.get('/reports', requireAuth({ issuer: 'https://sso.example.com' }), (request, response) => {
 *   response.json({ hello: request.auth.email });
 * });
 * app.delete('/reports', requireAuth({ issuer: 'https://sso.example.com', role: 'owner' }), removeReports);
 *
 * @throws SamlgateError gateway_url_invalid
 */
export function requireAuth(options: RequireAuthOptions): AuthMiddleware {
  const { issuer, audience, role, organization, clockToleranceSeconds = 5 } = options;
  const base = gatewayKey(issuer);
  const authOf = tokenVerifier({ issuer: base, audience: audience ?? base, clockToleranceSeconds });
  return (request, response, next) => {
    const token = /^Bearer +([\w.~+/=-]+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) return refuse(response, 'unauthenticated');
    authOf(token).then(
      (auth) => {
        if (organization !== undefined && auth.organizationId !== organization) return refuse(response, 'stranger');
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

const REFUSALS = {
  unauthenticated: {
    status: 401,
    code: 'unauthenticated',
    title: 'You are not signed in',
    detail: 'Send a token of the gateway: Authorization: Bearer …',
    headers: { 'WWW-Authenticate': 'Bearer realm="samlgate"' },
  },
  invalid_token: {
    status: 401,
    code: 'unauthenticated',
    title: 'You are not signed in',
    detail: 'The token is not good, or no longer.',
    headers: { 'WWW-Authenticate': 'Bearer realm="samlgate", error="invalid_token"' },
  },
  forbidden: {
    status: 403,
    code: 'forbidden',
    title: 'You are not allowed to do this',
    detail: 'Ask an owner of your organization to do it, or to make you an owner.',
    headers: { 'WWW-Authenticate': 'Bearer realm="samlgate", error="insufficient_scope"' },
  },
  stranger: {
    status: 403,
    code: 'forbidden',
    title: 'You are not allowed to do this',
    detail: 'This is for members of another organization.',
    headers: { 'WWW-Authenticate': 'Bearer realm="samlgate", error="insufficient_scope"' },
  },
  unavailable: {
    status: 503,
    code: 'gateway_unreachable',
    title: 'The gateway does not answer',
    detail: 'Nobody can tell now whether the token is good. Try again in a moment.',
    headers: { 'Retry-After': '2' },
  },
} as const;

/** RFC 9457, with the challenge of RFC 6750. */
function refuse(response: ServerResponse, what: keyof typeof REFUSALS): void {
  const { headers, ...problem } = REFUSALS[what];
  const body = JSON.stringify({ type: `urn:samlgate:error:${problem.code}`, ...problem });
  response.writeHead(problem.status, { ...headers, 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' }).end(body);
}
