/** Principals: the caller of a request, once it is authenticated. */
import type { Member } from '../organizations/members.ts';
import type { Role } from '../organizations/role-mapping.ts';
import type { TokenKind } from './tokens/verify-token.ts';

/** A member with a role and without a suspension. */
export type ActiveMember = Member & { readonly role: Role };

export interface Credential {
  readonly kind: 'session' | TokenKind;
  /** ID of the session or CLI token; the `jti` of a session token. */
  readonly id: string;
  /** Undefined if the credential never expires. */
  readonly expiresAtMs: number | undefined;
}

interface AuthenticatedMember {
  readonly kind: 'member';
  readonly organizationId: string;
  readonly member: ActiveMember;
  readonly credential: Credential;
}

/** A member authenticated by the session cookie. */
export interface SessionPrincipal extends AuthenticatedMember {
  readonly credential: Credential & { readonly kind: 'session'; readonly expiresAtMs: number };
  /** Required on every unsafe request that uses this session. */
  readonly csrfToken: string;
}

/** A member authenticated by a bearer token. */
export interface TokenPrincipal extends AuthenticatedMember {
  readonly credential: Credential & { readonly kind: TokenKind };
  readonly csrfToken?: undefined;
}

export type MemberPrincipal = SessionPrincipal | TokenPrincipal;

export type Principal = { readonly kind: 'operator' } | MemberPrincipal;
