/**
 * Members: the users of one organization. A member's record alone decides which role they have and which of their sessions and
 * CLI tokens are valid, so that revoking any of them is one atomic write.
 */
import { GatewayError } from '../errors.ts';
import { hashOf } from '../ids.ts';
import type { IdentifierSource } from '../saml/identifier/identifier.ts';
import type { NameId } from '../saml/response/name-id.ts';
import type { Person } from '../saml/response/person.ts';
import { eachRecord } from '../store/each-record.ts';
import type { Collection, Step, Store, Stored } from '../store/store.ts';
import { organizationIds } from './directory.ts';
import { suspendedIdentifierKey } from './identity/suspended-identifier.ts';
import type { Role, RoleDecision } from './role-mapping.ts';

/** Why a member has the role: the rule of a group, the default role, or a choice by an owner or the operator (`manual`). */
export type RoleSource = (
  | { readonly kind: 'rule'; readonly group: string }
  | { readonly kind: 'default' }
  | { readonly kind: 'manual' }
) & {
  /** Set if the rule or the default gives the owner role, which the member gets at the first sign-in. */
  readonly pendingRole?: 'owner' | undefined;
};

/** A signed-in browser. The session is valid as long as it is in its member's record and has not ended. */
export interface MemberSession {
  readonly id: string;
  readonly createdAtMs: number;
  /** The session ends then, however much it is used. */
  readonly endsAtMs: number;
  readonly address?: string | undefined;
  readonly userAgent?: string | undefined;
  /** The identity provider that signed the user in. */
  readonly idpEntityId?: string | undefined;
  /** The NameID as the assertion had it, because single logout messages must repeat it. */
  readonly nameId?: NameId | undefined;
  readonly sessionIndex?: string | undefined;
  /** Hash of the session ID, by which the store finds the browser's session. Absent in older records. */
  readonly sidHash?: string | undefined;
}

/** A CLI token. It is valid as long as it is in its member's record. The token itself is not stored. */
export interface CliToken {
  /** The token's `jti`. */
  readonly id: string;
  readonly name: string;
  /** The signing key. */
  readonly kid: string;
  readonly createdAtMs: number;
  /** The token's `exp`, if it has one. */
  readonly expiresAtMs?: number | undefined;
}

/** The key of the expiring value that holds the last use of a CLI token. */
export const cliTokenUseKey = (tokenId: string): string => `cli-token-use:${tokenId}`;

/** A session token that was revoked before it expired. It is stored until it expires. */
export interface RevokedSessionToken {
  readonly jti: string;
  readonly expiresAtMs: number;
}

/** The identifier of a member, as the last sign-in had it. */
export interface MemberIdentifier {
  /** The connection and its `identityScope`, hashed: members of another scope are other users. */
  readonly scope: string;
  readonly source: IdentifierSource;
  readonly value: string;
}

/** The request of a user of a new identity provider to become an existing member. An owner or the operator must approve it. */
export interface LinkRequest {
  readonly id: string;
  /** The change of the identity provider that the request belongs to. */
  readonly changeId: string;
  readonly connectionId: string;
  /** The key that the member gets. */
  readonly identity: string;
  readonly identifier: MemberIdentifier;
  /** The user, as the identity provider describes it. */
  readonly email: string;
  readonly name: string;
  readonly atMs: number;
}

/**
 * A user of a SCIM client that could be this member, but is not linked to it before an owner or the operator approves. A member has at
 * most one.
 */
export interface ProvisioningConflict {
  readonly id: string;
  readonly connectionId: string;
  /** `owner`: linking to an owner always needs an approval. `ambiguous`: several members could be the user. */
  readonly reason: 'owner' | 'ambiguous';
  /** The user, as the SCIM client described it. */
  readonly user: { readonly userName: string; readonly externalId?: string | undefined; readonly email: string; readonly name: string };
  /** All members that the user could be. Each of them has this conflict. */
  readonly memberIds: readonly string[];
  readonly atMs: number;
  /** An approval or a refusal concerns this user only. */
  readonly decision?: { readonly outcome: 'approved' | 'declined'; readonly atMs: number } | undefined;
}

export interface Member {
  readonly id: string;
  /** The unique key under which sign-ins find the member. `identity/member-identity.ts` computes it. */
  readonly identity: string;
  /** What `identity` was computed from. Undefined if an earlier version did, whose keys have no source. */
  readonly identifier?: MemberIdentifier | undefined;
  /** The connection of the last sign-in. Absent before the first sign-in since connections exist: the default connection. */
  readonly connectionId?: string | undefined;
  readonly email: string;
  readonly name: string;
  /** `none`: the rules gave no role at the last sign-in, so that access is denied and no credential is valid. */
  readonly role: Role | 'none';
  readonly roleSource: RoleSource;
  /** As sent at the last sign-in. If the list is shortened, the group whose rule gave the role is in it. */
  readonly groups: readonly string[];
  /** Whether more groups were sent than are stored. */
  readonly groupsTruncated?: boolean | undefined;
  readonly groupsState: Person['groupsState'];
  /** By an owner or the operator, or because the identity provider deactivated the user. */
  readonly suspended: boolean;
  /** Set if an owner or the operator suspended the member. Members without `scim` can be suspended in no other way. */
  readonly suspendedByOwner?: true | undefined;
  /** Set if the identity provider of a connection provisions the member. */
  readonly scim?: { readonly connectionId: string; readonly active: boolean } | undefined;
  readonly createdAt: string;
  /** Undefined until a provisioned member signs in for the first time. */
  readonly lastLoginAt?: string | undefined;
  readonly sessions: readonly MemberSession[];
  /** Oldest first. */
  readonly cliTokens: readonly CliToken[];
  readonly revokedSessionTokens?: readonly RevokedSessionToken[];
  /** Hashes of the last NameIDs, so that single logout recognizes a user whose sessions have ended. Absent in older records. */
  readonly seenNameIds?: readonly string[];
  /**
   * What happened to the member since the identity provider changed. Without effect after the next change, which has another ID.
   * `declined`: no user of the new identity provider becomes this member.
   */
  readonly idpChange?: { readonly id: string; readonly outcome: 'signed_in' | 'approved' | 'declined' } | undefined;
  /** At most one, the last. */
  readonly linkRequest?: LinkRequest | undefined;
  readonly provisioningConflict?: ProvisioningConflict | undefined;
}

export const MEMBERS: Collection<Member> = {
  name: 'member',
  indexes: {
    email: (member) => [member.email.toLowerCase()],
    activeRole: (member) => (isActive(member) ? [member.role] : []),
    nameId: (member) => member.sessions.flatMap(nameIdKeys),
    seenNameId: ({ seenNameIds = [] }) => seenNameIds,
    identityScope: ({ identifier }) => (identifier ? [identifier.scope] : []),
    suspendedIdentifier: ({ suspended, identifier, connectionId }) =>
      suspended && identifier ? [suspendedIdentifierKey(identifier, connectionId)] : [],
    provisioningConflict: ({ provisioningConflict }) => (provisioningConflict ? [provisioningConflict.connectionId] : []),
    holdsTokens: (member) => (member.cliTokens.length > 0 ? [''] : []),
  },
  unique: { identity: (member) => [member.identity] },
  counted: 'email',
};

const nameIdKeys = ({ idpEntityId, nameId }: MemberSession): string[] =>
  idpEntityId === undefined || !nameId ? [] : [nameIdKey(idpEntityId, nameId)];

/** Prefix of the keys under which the store holds the browser's side of sessions. */
export const SESSION_KEY_PREFIX = 'session';

/**
 * Returns the steps that delete what the store holds for sessions besides the member's record. Without them, it would stay until the
 * idle time is over, and a member could make the store grow by signing in and out.
 */
export const dropSessions = (ended: readonly MemberSession[]): Step[] =>
  ended.flatMap(({ sidHash }) => (sidHash === undefined ? [] : [{ do: 'drop', key: `${SESSION_KEY_PREFIX}:${sidHash}` } as const]));

/** Returns a member without sessions and CLI tokens. Session tokens come from one of them, so none is left to revoke. */
export const withoutCredentials = (member: Member): Member => ({ ...member, sessions: [], cliTokens: [], revokedSessionTokens: [] });

/** Returns whether this member's sessions and tokens can be valid at all. */
export const isActive = (member: Member): boolean => !member.suspended && member.role !== 'none';

/** Returns whether a member has signed in since a change of the identity provider. */
export const hasSignedInSince = ({ idpChange }: Pick<Member, 'idpChange'>, changeId: string): boolean =>
  idpChange?.id === changeId && idpChange.outcome === 'signed_in';

/**
 * Returns the role of a member after a sign-in. A matching rule always decides. If none matches, a role that was set manually
 * stays, unless the default role denies access.
 */
export function resolveRole(
  decision: RoleDecision,
  before: Pick<Member, 'role' | 'roleSource'> | undefined,
): Pick<Member, 'role' | 'roleSource'> {
  if (decision.group !== undefined) return { role: decision.role, roleSource: { kind: 'rule', group: decision.group } };
  if (decision.role !== 'none' && before?.roleSource.kind === 'manual' && before.role !== 'none')
    return { role: before.role, roleSource: before.roleSource };
  return { role: decision.role, roleSource: { kind: 'default' } };
}

/**
 * Returns whether a member can be an owner. Before the first sign-in none can, because a SCIM client can change the names by which the
 * first sign-in finds the member.
 */
export const canBeOwner = ({ lastLoginAt }: Pick<Member, 'lastLoginAt'>): boolean => lastLoginAt !== undefined;

/** Returns the role of a member outside a sign-in, by {@link resolveRole} and {@link canBeOwner}. */
export function resolveRoleWithoutSignIn(
  decision: RoleDecision,
  before: Pick<Member, 'role' | 'roleSource' | 'lastLoginAt'> | undefined,
): Pick<Member, 'role' | 'roleSource'> {
  const resolved = resolveRole(decision, before);
  const { role, roleSource } = resolved;
  if (role !== 'owner' || roleSource.kind === 'manual' || canBeOwner(before ?? {})) return resolved;
  return { role: 'collaborator', roleSource: { ...roleSource, pendingRole: 'owner' } };
}

/** Returns the sessions that have not ended, newest first. */
export const liveSessions = ({ sessions }: Member, nowMs: number): MemberSession[] =>
  sessions.filter(({ endsAtMs }) => endsAtMs > nowMs).toReversed();

/** Returns the index string under which members with a session of this NameID are found. */
export const nameIdKey = (idpEntityId: string, { value }: NameId): string => hashOf(idpEntityId, value);

/** Where a NameID of a removed member (see {@link Member.seenNameIds}) is remembered for {@link REMOVED_NAME_ID_SECONDS}. */
export const removedNameIdKey = (seenNameId: string): string => `logout:removed:${seenNameId}`;
export const REMOVED_NAME_ID_SECONDS = 24 * 60 * 60;

/** @throws not_found */
export async function getMember(store: Store, organizationId: string, id: string): Promise<Stored<Member>> {
  const member = await store.get(organizationId, MEMBERS, id);
  if (!member) throw noSuchMember();
  return member;
}

export const noSuchMember = () => new GatewayError('not_found', 'There is no such member.');

/**
 * Counts the unexpired CLI tokens of all organizations by signing key. Reads every member with a token, so requests use the
 * counts that `auth/keys/token-counts.ts` stores.
 */
export async function countCliTokensByKey(store: Store, nowMs: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for await (const organizationId of organizationIds(store)) {
    for await (const { value } of eachRecord(store, { partition: organizationId, collection: MEMBERS, index: 'holdsTokens' })) {
      for (const { kid, expiresAtMs } of value.cliTokens) {
        if (expiresAtMs === undefined || expiresAtMs > nowMs) counts.set(kid, (counts.get(kid) ?? 0) + 1);
      }
    }
  }
  return counts;
}

/** Returns whether a member is an owner whose credentials can be valid. */
export const isActiveOwner = (member: Member): boolean => isActive(member) && member.role === 'owner';

/** Returns whether the organization has an active owner other than this member. */
export async function hasAnotherOwner(store: Store, organizationId: string, id: string): Promise<boolean> {
  const owners = await store.find(organizationId, MEMBERS, 'activeRole', { equals: 'owner', limit: 2 });
  return owners.items.some((owner) => owner.id !== id);
}

/** Returns whether a page should offer no suspension, removal or change of role. The change itself checks again. */
export const isLastOwner = async (store: Store, organizationId: string, member: Member): Promise<boolean> =>
  isActiveOwner(member) && !(await hasAnotherOwner(store, organizationId, member.id));
