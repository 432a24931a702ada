/** Session tokens: short-lived JWTs (RFC 9068) with which a session or a CLI token is used at other services. */
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
/** No legitimate use revokes more in ten minutes. An entry may not be dropped before the token expires, or the token would be valid again. */
const MAX_REVOKED = 200;
const MAX_NAME_LENGTH = 200;
/** A token that has expired by the clock of this replica may still be valid by the clock of another. */
const CLOCK_DIFFERENCE_MS = 60_000;

export interface SessionToken {
  readonly token: string;
  readonly expiresAtMs: number;
}

/**
 * Issues a session token that expires no later than the credential of the request. A session token cannot be used to issue
 * another one, because access would then never end.
 * @param audience one of the organization's `session_token_audiences`; by default the gateway itself
 * @throws forbidden, validation_failed, unauthenticated, store_unavailable
 */
export async function issueSessionToken(runtime: Runtime, principal: MemberPrincipal, audience?: string): Promise<SessionToken> {
  const { member, credential, organizationId } = principal;
  if (credential.kind === 'session_token') {
    throw new GatewayError(
      'forbidden',
      'A session token cannot be exchanged for another one. Use the session or the CLI token that it was issued for.',
    );
  }
  const { baseUrl } = runtime.config;
  if (audience !== undefined && audience !== baseUrl) await requireAudience(runtime, organizationId, audience);
  const issuedAt = Math.floor(runtime.now() / 1000);
  const sourceEnd = Math.floor((credential.expiresAtMs ?? Number.POSITIVE_INFINITY) / 1000);
  const expiresAt = Math.min(issuedAt + SESSION_TOKEN_TTL_SECONDS, sourceEnd);
  if (expiresAt <= issuedAt) throw new GatewayError('unauthenticated', 'The credential of this request has just expired.');
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

/** Shortens a name by characters, so that no surrogate pair is split. */
const shorten = (name: string): string => [...name].slice(0, MAX_NAME_LENGTH).join('');

async function requireAudience({ store }: Runtime, organizationId: string, audience: string): Promise<void> {
  const organization = await getOrganizationById(store, organizationId);
  if (organization?.sessionTokenAudiences?.includes(audience)) return;
  throw new GatewayError('validation_failed', 'audience: must be one of the organization’s session_token_audiences.');
}

/**
 * Revokes one session token before it expires.
 * @throws rate_limited if the member revoked too many, store_unavailable
 */
export async function revokeSessionToken(runtime: Runtime, actor: Actor, token: VerifiedToken): Promise<void> {
  const nowMs = runtime.now();
  const { jti, memberId, expiresAtMs = nowMs } = token;
  await updateRecord(runtime.store, {
    partition: token.organizationId,
    collection: MEMBERS,
    id: memberId,
    change: (member) => {
      const kept = (member.revokedSessionTokens ?? []).filter((revoked) => revoked.expiresAtMs > nowMs - CLOCK_DIFFERENCE_MS);
      if (kept.some((revoked) => revoked.jti === jti)) return undefined;
      if (kept.length >= MAX_REVOKED) throw new GatewayError('rate_limited', { retryAfterSeconds: SESSION_TOKEN_TTL_SECONDS });
      return { ...member, revokedSessionTokens: [...kept, { jti, expiresAtMs }] };
    },
    extraSteps: () => [auditStep(nowMs, actor, 'session_token.revoked', { member_id: memberId, details: { jti } })],
    replicated: true,
  });
}
