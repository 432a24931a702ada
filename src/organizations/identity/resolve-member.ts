/** Decides which member a sign-in is for, and whether it chooses the connection's identifier. */
import { GatewayError } from '../../errors.ts';
import { describeSource, type Identifier, type IdentifierSource } from '../../saml/identifier/identifier.ts';
import type { Step, Store, Stored } from '../../store/store.ts';
import { findEmailLink } from '../idp-change/email-link.ts';
import { needsConfirmation } from '../idp-change/idp-change.ts';
import { requestSteps } from '../idp-change/link-requests.ts';
import type { Member } from '../members.ts';
import { type Connection, type IdpChange, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations.ts';
import { findProvisionedMember, namesOf, requireProvisioned } from '../provisioning/find-provisioned.ts';
import { guardJoin } from '../provisioning/join-guard.ts';
import { isProvisioned } from '../provisioning/scim-users.ts';
import {
  findIdentifiedMember,
  findSuspendedByIdentifier,
  hasMembers,
  isSameUser,
  type NewUser,
  requireNotSuspendedBefore,
} from './member-identity.ts';

export interface SigningInUser extends NewUser {
  /** The identifier that the connection uses. */
  readonly identifier: Identifier;
  readonly name: string;
}

export interface ResolvedMember {
  readonly kind: 'resolved';
  /** The member record of the user, if the user signed in before. */
  readonly known: Stored<Member> | undefined;
  /** The change of the identity provider if this sign-in links the user to the member. */
  readonly linkedBy?: IdpChange | undefined;
  /** The source to pin in the commit of this sign-in, if none is pinned. */
  readonly pin: IdentifierSource | undefined;
  /** Steps that make the commit of a new member fail if the user is provisioned at the same moment. */
  readonly joinSteps?: readonly Step[] | undefined;
  readonly refusal?: undefined;
}

/** An owner or the operator must first decide whether the user is an existing member. */
export interface UnapprovedMember {
  readonly kind: 'refused';
  readonly refusal: GatewayError;
  /** The steps that record the request of the user. */
  readonly requestSteps: readonly Step[];
}

/** The organization has changed since it was read, so its settings may be outdated. */
export interface Outdated {
  readonly kind: 'outdated';
}

export interface MemberSearch {
  readonly connection: Connection;
  readonly user: SigningInUser;
  readonly nowMs: number;
}

/**
 * Finds the member of a user. While no identifier is pinned, the first user of an organization without members chooses it; if there
 * are members, only a sign-in of one of them does, because a wrong choice would give every member a second account.
 * @throws member_suspended, saml_identifier_ambiguous, member_not_provisioned; saml_identifier_changed if an administrator must choose the identifier
 */
export async function resolveMember(
  store: Store,
  stored: Stored<Organization>,
  { connection, user, nowMs }: MemberSearch,
): Promise<ResolvedMember | UnapprovedMember | Outdated> {
  const { version } = stored;
  const { id: organizationId } = stored.value;
  const { identifier } = user;
  const [known, suspended] = await Promise.all([
    findIdentifiedMember(store, organizationId, { connection, identifier }),
    findSuspendedByIdentifier(store, organizationId, { connection, user }),
  ]);
  // The email address of a suspended member refuses unknown users only. Otherwise its holder at another connection could lock members out.
  if (known && (known.value.suspended || suspended.some((member) => isSameUser(member, connection)))) {
    throw new GatewayError('member_suspended');
  }
  if (known && connection.change && needsConfirmation(known.value, connection)) {
    const asking = { connection, change: connection.change, user, members: [known], nowMs };
    return { kind: 'refused', refusal: linkUnapproved(), requestSteps: requestSteps(asking) };
  }
  const isPinned = (connection.settings.identifier ?? 'auto') !== 'auto';
  if (known) requireProvisioned(stored.value, connection, known.value);
  let provisioned: Stored<Member> | undefined;
  let joinSteps: readonly Step[] | undefined;
  if (!known) {
    const linked = await resolveByEmail(store, stored.value, { connection, user, nowMs, suspended });
    if (linked?.kind === 'resolved') requireProvisioned(stored.value, connection, linked.known?.value);
    if (linked) return { ...linked, ...(linked.kind === 'resolved' && !isPinned ? { pin: identifier.source } : {}) };
    if (!isPinned && (await hasMembers(store, organizationId, connection))) {
      // The sign-in that created the first member has pinned the identifier.
      const present = await store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
      if (present?.version !== version) return { kind: 'outdated' };
      throw identifierUndecided(identifier.source);
    }
    if (isProvisioned(stored.value, connection)) {
      joinSteps = await guardJoin(store, organizationId, {
        kind: 'signed-in',
        connectionId: connection.id,
        names: namesOf(stored.value, user),
      });
      provisioned = await findProvisionedMember(store, stored.value, { connection, user });
      if (provisioned?.value.suspended) throw new GatewayError('member_suspended');
    }
    requireProvisioned(stored.value, connection, provisioned?.value);
  }
  return { kind: 'resolved', known: known ?? provisioned, pin: isPinned ? undefined : identifier.source, joinSteps };
}

/**
 * Finds the member that an unknown user becomes after a change of the identity provider.
 * @returns undefined for a new user
 * @throws member_suspended for a suspended member who returns, unless the user can be linked to that member
 */
async function resolveByEmail(
  store: Store,
  organization: Organization,
  { connection, user, nowMs, suspended }: MemberSearch & { readonly suspended: readonly Member[] },
): Promise<ResolvedMember | UnapprovedMember | undefined> {
  const link = await findEmailLink(store, { organization, connection, email: user.email, nowMs });
  const asked = link?.kind === 'ask' ? link.members : [];
  let suspension: GatewayError | undefined;
  try {
    if (suspended.length > 0) throw new GatewayError('member_suspended');
    await requireNotSuspendedBefore(store, organization, { connection, user });
  } catch (error) {
    if (!(error instanceof GatewayError) || !asked.some(({ value }) => value.suspended)) throw error;
    suspension = error;
  }
  if (!link) return undefined;
  if (link.kind === 'link') return { kind: 'resolved', known: link.member, linkedBy: link.change, pin: undefined };
  const { change } = link;
  return {
    kind: 'refused',
    refusal: suspension ?? linkUnapproved(),
    requestSteps: requestSteps({ connection, change, user, members: asked, nowMs }),
  };
}

const linkUnapproved = (): GatewayError =>
  new GatewayError('saml_identifier_ambiguous', {
    variant: 'link_unapproved',
    detail: 'The identity provider of your organization changed, and an owner must first confirm which account is yours.',
    administratorDetail: 'The user could be an existing member of the former identity provider, and this is not confirmed yet.',
  });

function identifierUndecided(source: IdentifierSource): GatewayError {
  return new GatewayError('saml_identifier_changed', {
    variant: 'identifier_undecided',
    detail: 'Your organization has not yet decided how its identity provider identifies users.',
    administratorDetail: `No member is known by ${describeSource(source)} of this response, and no identifier has been chosen for the members who already exist.`,
  });
}
