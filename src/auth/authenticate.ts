/**
 * The only answer to "who is this?". A credential is good while its member's record lists it and the member is active: that
 * one read decides, for sessions, CLI tokens and session tokens, so that ending any of them is one write of that record.
 */
import { GatewayError } from '../errors.ts';
import { isSameSecret } from '../ids.ts';
import { isActive, MEMBERS, type Member } from '../organizations/members.ts';
import type { Role } from '../organizations/role-mapping.ts';
import type { Runtime } from '../runtime.ts';
import { readTogether } from '../store/read-together.ts';
import type { Login } from './sessions/sessions.ts';
import { cliTokenEndMs, isPaused, type TokenPolicy, tokenPolicyOf } from './tokens/token-policy.ts';
import { type TokenKind, type VerifiedToken, verifyToken } from './tokens/verify-token.ts';

export type ActiveMember = Member & { readonly role: Role };

export interface Credential {
  readonly kind: 'session' | TokenKind;
  /** Of the session or CLI token; of a session token its `jti`. */
  readonly id: string;
  readonly expiresAtMs: number | undefined;
}

interface Authenticated {
  readonly kind: 'member';
  readonly organizationId: string;
  readonly member: ActiveMember;
  readonly credential: Credential;
}

/** By the session cookie. */
export interface SessionPrincipal extends Authenticated {
  readonly credential: Credential & { readonly kind: 'session'; readonly expiresAtMs: number };
  /** What an unsafe request with this cookie must carry. */
  readonly csrfToken: string;
}

/** By a bearer token. */
export interface TokenPrincipal extends Authenticated {
  readonly credential: Credential & { readonly kind: TokenKind };
  readonly csrfToken?: undefined;
}

export type MemberPrincipal = SessionPrincipal | TokenPrincipal;

export type Principal = { readonly kind: 'operator' } | MemberPrincipal;

export interface Credentials {
  /** The Authorization header. Where there is one, the cookie is not looked at. */
  readonly authorization: string | undefined;
  readonly login: Login | undefined;
}

/** @throws unauthenticated, store_unavailable */
export async function authenticate(runtime: Runtime, credentials: Credentials): Promise<Principal> {
  if (credentials.authorization !== undefined) return authenticateBearer(runtime, credentials.authorization);
  if (credentials.login) return authenticateSession(runtime, credentials.login);
  throw new GatewayError('unauthenticated');
}

/** @throws unauthenticated, store_unavailable */
export async function authenticateBearer(runtime: Runtime, authorization: string): Promise<Principal> {
  const scheme = /^Bearer +/i.exec(authorization)?.[0];
  if (scheme === undefined) throw new GatewayError('unauthenticated', 'The bearer token is not good.');
  const token = authorization.slice(scheme.length);
  if (isOperatorToken(runtime, token)) return { kind: 'operator' };
  const verified = await verifyToken(runtime, token);
  // A service that was given a token for itself must not use it here.
  if (verified.kind === 'session_token' && verified.audience !== runtime.config.baseUrl) {
    throw new GatewayError('unauthenticated', 'The token is for another audience.');
  }
  return authenticateToken(runtime, verified);
}

export function isOperatorToken({ config }: Runtime, token: string): boolean {
  return token.length === config.operatorToken.length && isSameSecret(token, config.operatorToken);
}

/**
 * Whose a token is, if it is still good. Its audience is the caller's business.
 * @throws unauthenticated, store_unavailable
 */
export async function authenticateToken(runtime: Runtime, token: VerifiedToken): Promise<TokenPrincipal> {
  const { organizationId, memberId, kind, jti } = token;
  const member = activeMember((await readTogether(runtime.store, organizationId, MEMBERS, memberId))?.value);
  const endMs = liveUntilMs(member, token.sid ?? jti, existing(await tokenPolicyOf(runtime, organizationId)), runtime.now());
  if (member.revokedSessionTokens?.some((revoked) => revoked.jti === jti)) throw revoked();
  const expiresAtMs = Math.min(token.expiresAtMs ?? Number.POSITIVE_INFINITY, endMs ?? Number.POSITIVE_INFINITY);
  return {
    kind: 'member',
    organizationId,
    member,
    credential: { kind, id: jti, expiresAtMs: Number.isFinite(expiresAtMs) ? expiresAtMs : undefined },
  };
}

/** A session is good while its member's record lists it: removal, suspension and "end this session" are writes of that record. */
export async function authenticateSession(runtime: Runtime, login: Login): Promise<SessionPrincipal> {
  const member = activeMember((await readTogether(runtime.store, login.organizationId, MEMBERS, login.memberId))?.value);
  existing(await tokenPolicyOf(runtime, login.organizationId));
  return {
    kind: 'member',
    organizationId: login.organizationId,
    member,
    credential: { kind: 'session', id: login.sessionId, expiresAtMs: sessionEndMs(member, login.sessionId, runtime.now()) },
    csrfToken: login.csrfToken,
  };
}

/** As {@link authenticateSession}, for pages: undefined where nobody is signed in (any more). */
export async function sessionOrNobody(runtime: Runtime, login: Login | undefined): Promise<SessionPrincipal | undefined> {
  if (!login) return undefined;
  return authenticateSession(runtime, login).catch((error: unknown) => {
    if (error instanceof GatewayError && error.code === 'unauthenticated') return undefined;
    throw error;
  });
}

function activeMember(member: Member | undefined): ActiveMember {
  if (!member || !isActive(member)) throw new GatewayError('unauthenticated');
  return member as ActiveMember;
}

/** @throws unauthenticated where the organization is no more, although its deletion may not have come to this member yet */
function existing(policy: TokenPolicy | undefined): TokenPolicy {
  if (!policy) throw new GatewayError('unauthenticated');
  return policy;
}

/** When the session or CLI token with this id ends. @throws unauthenticated where it has, or is not the member's (any more) */
function liveUntilMs(member: Member, id: string, policy: TokenPolicy, nowMs: number): number | undefined {
  if (!id.startsWith('tok_')) return sessionEndMs(member, id, nowMs);
  const token = member.cliTokens.find((each) => each.id === id);
  if (!token) throw revoked();
  if (isPaused(member, policy, nowMs)) {
    throw new GatewayError(
      'unauthenticated',
      `The organization asks for a sign-in every ${policy.ssoWithinDays} days. Sign in with the browser; then this token works again.`,
    );
  }
  const endMs = cliTokenEndMs(token, policy);
  if (endMs !== undefined && endMs <= nowMs) throw new GatewayError('unauthenticated', 'The token has expired.');
  return endMs;
}

function sessionEndMs(member: Member, id: string, nowMs: number): number {
  const session = member.sessions.find((each) => each.id === id);
  if (!session || session.endsAtMs <= nowMs) throw new GatewayError('unauthenticated');
  return session.endsAtMs;
}

const revoked = (): GatewayError => new GatewayError('unauthenticated', 'The token was revoked.');

export const csrfTokenMatches = (given: string | undefined, { csrfToken }: SessionPrincipal): boolean => isSameSecret(given, csrfToken);
