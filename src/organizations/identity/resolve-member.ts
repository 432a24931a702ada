/** Decides which member a sign-in is for, and whether it chooses the identifier of the connection. */
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { describeSource, type Identifier, type IdentifierSource } from '../../saml/identifier/identifier.ts';
import type { Step, Store, Stored } from '../../store/store.ts';
import { withConnection } from '../connections/connections.ts';
import type { Member } from '../members.ts';
import { type Connection, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations.ts';
import { findIdentifiedMember, hasMembers, type NewUser, requireNotSuspendedBefore } from './member-identity.ts';

export interface SigningInUser extends NewUser {
  /** The identifier that the connection uses. */
  readonly identifier: Identifier;
}

export interface ResolvedMember {
  readonly kind: 'resolved';
  /** The member record of the user, if the user signed in before. */
  readonly known: Stored<Member> | undefined;
  /** The source to pin in the commit of this sign-in, if none is pinned. */
  readonly pin: IdentifierSource | undefined;
  readonly refusal?: undefined;
}

/** The organization has changed since it was read, so its settings do not decide any more. */
export interface Outdated {
  readonly kind: 'outdated';
}

/**
 * Finds the member of a user. While no identifier is pinned, the first user of an organization without members chooses it; if there
 * are members, only a sign-in of one of them does, because a wrong choice would give every member a second account.
 * @throws member_suspended, saml_identifier_ambiguous; saml_identifier_changed if an administrator must choose the identifier
 */
export async function resolveMember(
  store: Store,
  { value: { id: organizationId }, version }: Stored<Organization>,
  { connection, user }: { readonly connection: Connection; readonly user: SigningInUser },
): Promise<ResolvedMember | Outdated> {
  const { identifier } = user;
  const known = await findIdentifiedMember(store, organizationId, { connection, identifier });
  if (known?.value.suspended) throw new GatewayError('member_suspended');
  const isPinned = (connection.settings.identifier ?? 'auto') !== 'auto';
  if (!known) {
    await requireNotSuspendedBefore(store, organizationId, { connection, user });
    if (!isPinned && (await hasMembers(store, organizationId, connection))) {
      // The sign-in that created the first member has pinned the identifier.
      const present = await store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
      if (present?.version !== version) return { kind: 'outdated' };
      throw identifierUndecided(identifier.source);
    }
  }
  return { kind: 'resolved', known, pin: isPinned ? undefined : identifier.source };
}

function identifierUndecided(source: IdentifierSource): GatewayError {
  return new GatewayError('saml_identifier_changed', {
    variant: 'identifier_undecided',
    detail: 'Your organization has not yet decided how its identity provider identifies users.',
    administratorDetail: `No member is known by ${describeSource(source)} of this response, and no identifier has been chosen for the members who exist already.`,
  });
}

export interface Pin {
  readonly connection: Connection;
  readonly source: IdentifierSource;
  readonly actor: Actor;
  readonly nowMs: number;
}

/**
 * Returns the steps that pin the identifier of a connection. They replace the organization, so they fail if it has changed since it was
 * read, and of two sign-ins at the same moment only one pins.
 * @param organizationStep what the commit does with the organization otherwise; its new value is kept
 */
export function pinIdentifier(
  organizationStep: Step,
  { value, version }: Stored<Organization>,
  { connection, source, actor, nowMs }: Pin,
): { readonly organizationStep: Step; readonly pinSteps: readonly Step[] } {
  const organization = organizationStep.do === 'replace' ? (organizationStep.value as Organization) : value;
  const pinned = { ...connection, settings: { ...connection.settings, identifier: source } };
  return {
    organizationStep: {
      do: 'replace',
      collection: ORGANIZATION,
      id: ORGANIZATION_RECORD,
      version,
      value: withConnection(organization, pinned),
    },
    pinSteps: [auditStep(nowMs, actor, 'identifier.pinned', { details: { identifier: source, connection: connection.id } })],
  };
}
