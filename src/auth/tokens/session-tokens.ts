/** Session tokens: short-lived JWTs that stand for a session, or for a CLI token, towards other services (RFC 9068). */
import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { MEMBERS } from '../../organizations/members.ts';
import { getOrganizationById } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { updateRecord } from '../../store/update-record.ts';
import { currentSigner } from '../keys/key-lease.ts';
import type { MemberPrincipal } from '../principal.ts';
import { TOKEN_TYPES, type VerifiedToken } from './verify-token.ts';

export const SESSION_TOKEN_TTL_SECONDS = 600;
/** More in ten minutes is no honest use. None may be dropped before its end, for that would bring it back to life. */
const MAX_REVOKED = 200;
const MAX_NAME_LENGTH = 200;
/** What has ended by the clock of this replica may be good by that of another one. */
const CLOCKS_DIFFER_BY_MS = 60_000;

export interface SessionToken {
  readonly token: string;
  readonly expiresAtMs: number;
}

/**
 * Makes a session token that ends no later than what it is made from. A session token makes no other: ten minutes would
 * become as long as somebody likes.
 * @param audience whom it is for: the gateway itself, or one that the organization lists
 * @throws forbidden, validation_failed, unauthenticated, store_unavailable
 */
export async function mintSessionToken(runtime: Runtime, principal: MemberPrincipal, audience?: string): Promise<SessionToken> {
  const { member, credential, organizationId } = principal;
  if (credential.kind === 'session_token') {
    throw new GatewayError('forbidden', 'A session token makes no other one. Use the session or the CLI token that it came from.');
  }
  const { baseUrl } = runtime.config;
  if (audience !== undefined && audience !== baseUrl) await requireAudience(runtime, organizationId, audience);
  const issuedAt = Math.floor(runtime.now() / 1000);
  const sourceEnd = Math.floor((credential.expiresAtMs ?? Number.POSITIVE_INFINITY) / 1000);
  const expiresAt = Math.min(issuedAt + SESSION_TOKEN_TTL_SECONDS, sourceEnd);
  if (expiresAt <= issuedAt) throw new GatewayError('unauthenticated', 'What this token is made from has just ended.');
  const { kid, algorithm, privateKey } = await currentSigner(runtime);
  const { email, name, role } = member;
  const token = await new SignJWT({ org: organizationId, email, name: shorten(name), role, sid: credential.id })
    .setProtectedHeader({ alg: algorithm, kid, typ: TOKEN_TYPES.session_token })
    .setIssuer(baseUrl)
    .setSubject(member.id)
    .setAudience(audience ?? baseUrl)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .setJti(randomUUID())
    .sign(privateKey);
  return { token, expiresAtMs: expiresAt * 1000 };
}

/** Without half a character at the end. */
const shorten = (name: string): string => [...name].slice(0, MAX_NAME_LENGTH).join('');

async function requireAudience({ store }: Runtime, organizationId: string, audience: string): Promise<void> {
  const organization = await getOrganizationById(store, organizationId);
  if (organization?.sessionTokenAudiences?.includes(audience)) return;
  throw new GatewayError('validation_failed', 'audience: is not among the session_token_audiences of the organization.');
}

/**
 * Revokes one session token before its end.
 * @throws rate_limited where a member revokes too many, store_unavailable
 */
export async function revokeSessionToken(runtime: Runtime, actor: Actor, token: VerifiedToken): Promise<void> {
  const nowMs = runtime.now();
  const { jti, memberId, expiresAtMs = nowMs } = token;
  await updateRecord(runtime.store, {
    partition: token.organizationId,
    collection: MEMBERS,
    id: memberId,
    change: (member) => {
      const kept = (member.revokedSessionTokens ?? []).filter((revoked) => revoked.expiresAtMs > nowMs - CLOCKS_DIFFER_BY_MS);
      if (kept.some((revoked) => revoked.jti === jti)) return undefined;
      if (kept.length >= MAX_REVOKED) throw new GatewayError('rate_limited', { retryAfterSeconds: SESSION_TOKEN_TTL_SECONDS });
      return { ...member, revokedSessionTokens: [...kept, { jti, expiresAtMs }] };
    },
    extraSteps: () => [auditStep(nowMs, actor, 'session_token.revoked', { member_id: memberId, details: { jti } })],
    replicated: true,
  });
}
