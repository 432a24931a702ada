/**
 * Authenticates the caller of a request; every entry point uses these functions. A credential is valid while the member's record
 * lists it and the member is active. One read of that record decides, for sessions, CLI tokens and session tokens alike, so one
 * write of it ends any of them.
 */
import { GatewayError } from '../errors.ts';
import { isSameSecret } from '../ids.ts';
import { withoutCredentialsOf } from '../organizations/connections/revoke-credentials.ts';
import { readMemberDuringGroupChange } from '../organizations/groups/pending-group-changes.ts';
import { isActive, MEMBERS, type Member } from '../organizations/members.ts';
import type { Runtime } from '../runtime.ts';
import { readTogether } from '../store/read-together.ts';
import type { ActiveMember, Principal, SessionPrincipal, TokenPrincipal } from './principal.ts';
import type { Login } from './sessions/member-sessions.ts';
import { isOperatorToken } from './sessions/operator-sessions.ts';
import { cliTokenEndMs, isPaused, type TokenPolicy, tokenPolicyOf } from './tokens/token-policy.ts';
import { type VerifiedToken, verifyToken } from './tokens/verify-token.ts';

export interface Credentials {
  /** The Authorization header. If it is present, the session cookie is ignored. */
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
  if (scheme === undefined) {
    throw new GatewayError('unauthenticated', 'The Authorization header is invalid. Send “Authorization: Bearer TOKEN”.');
  }
  const token = authorization.slice(scheme.length);
  if (isOperatorToken(runtime, token)) return { kind: 'operator' };
  const verified = await verifyToken(runtime, token);
  const { baseUrl } = runtime.config;
  // A service that received a session token for itself must not be able to use it here.
  if (verified.kind === 'session_token' && verified.audience !== baseUrl) {
    throw new GatewayError('unauthenticated', `This session token is for another audience. Use one whose audience is ${baseUrl}.`);
  }
  return authenticateToken(runtime, verified);
}

/**
 * Returns the member that a verified token belongs to. Does not check the audience.
 * @throws unauthenticated, store_unavailable
 */
export async function authenticateToken(runtime: Runtime, token: VerifiedToken): Promise<TokenPrincipal> {
  const { organizationId, memberId, kind, jti } = token;
  const { member, policy } = await readActiveMember(runtime, organizationId, memberId);
  requireNotRevoking(member, token.sid ?? jti, policy);
  const endMs = liveUntilMs(member, token.sid ?? jti, policy, runtime.now());
  if (member.revokedSessionTokens?.some((revoked) => revoked.jti === jti)) throw tokenRevoked();
  const expiresAtMs = Math.min(token.expiresAtMs ?? Number.POSITIVE_INFINITY, endMs ?? Number.POSITIVE_INFINITY);
  return {
    kind: 'member',
    organizationId,
    member,
    credential: { kind, id: jti, expiresAtMs: Number.isFinite(expiresAtMs) ? expiresAtMs : undefined },
  };
}

/**
 * Returns the member that a session belongs to.
 * @throws unauthenticated if the member's record no longer lists the session, store_unavailable
 */
export async function authenticateSession(runtime: Runtime, login: Login): Promise<SessionPrincipal> {
  const { organizationId, memberId, sessionId, csrfToken } = login;
  const { member, policy } = await readActiveMember(runtime, organizationId, memberId);
  requireNotRevoking(member, sessionId, policy);
  const expiresAtMs = sessionEndMs(member, sessionId, runtime.now());
  return { kind: 'member', organizationId, member, credential: { kind: 'session', id: sessionId, expiresAtMs }, csrfToken };
}

/** Like {@link authenticateSession}, but returns undefined if there is no valid session. @throws store_unavailable */
export async function findSessionPrincipal(runtime: Runtime, login: Login | undefined): Promise<SessionPrincipal | undefined> {
  if (!login) return undefined;
  return authenticateSession(runtime, login).catch((error: unknown) => {
    if (error instanceof GatewayError && error.code === 'unauthenticated') return undefined;
    throw error;
  });
}

/** @throws unauthenticated */
async function readActiveMember(runtime: Runtime, organizationId: string, memberId: string) {
  // The policy is read first. If it says that no group is changing, the record that is read then has the role of the last change.
  const policy = await requireTokenPolicy(runtime, organizationId);
  const member = policy.changesGroups
    ? await readMemberDuringGroupChange(runtime, organizationId, memberId)
    : (await readTogether(runtime.store, organizationId, MEMBERS, memberId))?.value;
  if (!member || !isActive(member)) throw new GatewayError('unauthenticated');
  return { member: member as ActiveMember, policy };
}

/** @throws unauthenticated if the organization was deleted, even if the deletion has not reached the member's record yet */
async function requireTokenPolicy(runtime: Runtime, organizationId: string): Promise<TokenPolicy> {
  const policy = await tokenPolicyOf(runtime, organizationId);
  if (!policy) throw new GatewayError('unauthenticated');
  return policy;
}

/**
 * Refuses the credentials that a disabled or deleted connection takes away, while they are still in the members' records. The call
 * that disables the connection returns when none is left; this check is for a call that a crash has interrupted.
 * @throws unauthenticated
 */
function requireNotRevoking(member: Member, id: string, { revoking }: TokenPolicy): void {
  for (const connection of revoking) {
    if (hasCredential(withoutCredentialsOf(member, connection) ?? member, id)) continue;
    throw new GatewayError('unauthenticated');
  }
}

const hasCredential = ({ sessions, cliTokens }: Member, id: string): boolean => [...sessions, ...cliTokens].some((each) => each.id === id);

/**
 * Returns when the session or CLI token with this ID ends; undefined if it never expires.
 * @throws unauthenticated if it has expired, was revoked or belongs to another member
 */
function liveUntilMs(member: Member, id: string, policy: TokenPolicy, nowMs: number): number | undefined {
  if (!id.startsWith('tok_')) return sessionEndMs(member, id, nowMs);
  const token = member.cliTokens.find((each) => each.id === id);
  if (!token) throw tokenRevoked();
  if (isPaused(member, policy, nowMs)) {
    throw new GatewayError(
      'unauthenticated',
      `Your organization requires a sign-in every ${policy.ssoWithinDays} days. Sign in with the browser, then this token works again.`,
    );
  }
  const endMs = cliTokenEndMs(token, policy);
  if (endMs !== undefined && endMs <= nowMs) throw new GatewayError('unauthenticated', 'This token has expired. Create a new one.');
  return endMs;
}

function sessionEndMs(member: Member, id: string, nowMs: number): number {
  const session = member.sessions.find((each) => each.id === id);
  if (!session || session.endsAtMs <= nowMs) throw new GatewayError('unauthenticated');
  return session.endsAtMs;
}

const tokenRevoked = (): GatewayError => new GatewayError('unauthenticated', 'This token was revoked. Create a new one.');

export const csrfTokenMatches = (given: string | undefined, { csrfToken }: SessionPrincipal): boolean => isSameSecret(given, csrfToken);
