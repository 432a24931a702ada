/** The only answer to "who is this?". */
import { createHash, timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../errors.ts';
import { isActive, MEMBERS, type Member } from '../organizations/members.ts';
import type { Runtime } from '../runtime.ts';
import type { Login } from './sessions.ts';

export interface MemberPrincipal {
  readonly kind: 'member';
  readonly organizationId: string;
  readonly member: Member & { readonly role: Exclude<Member['role'], 'none'> };
  readonly credential: { readonly kind: 'session'; readonly id: string; readonly expiresAtMs: number };
  /** What an unsafe request with this cookie must carry. */
  readonly csrfToken: string;
}

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

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

function authenticateBearer(runtime: Runtime, authorization: string): Principal {
  const token = /^Bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1];
  if (token !== undefined && timingSafeEqual(digest(token), digest(runtime.config.operatorToken))) return { kind: 'operator' };
  throw new GatewayError('unauthenticated', 'The bearer token is not good.');
}

/** A session is good while its member's record lists it: removal, suspension and "end this session" are writes of that record. */
export async function authenticateSession(runtime: Runtime, login: Login): Promise<MemberPrincipal> {
  const stored = await runtime.store.get(login.organizationId, MEMBERS, login.memberId);
  const member = stored?.value;
  const session = member?.sessions.find(({ id }) => id === login.sessionId);
  if (!member || !session || session.endsAtMs <= runtime.now() || !isActive(member)) throw new GatewayError('unauthenticated');
  return {
    kind: 'member',
    organizationId: login.organizationId,
    member: member as MemberPrincipal['member'],
    credential: { kind: 'session', id: session.id, expiresAtMs: session.endsAtMs },
    csrfToken: login.csrfToken,
  };
}

export function csrfTokenMatches(given: string | undefined, principal: MemberPrincipal): boolean {
  return given !== undefined && timingSafeEqual(digest(given), digest(principal.csrfToken));
}
