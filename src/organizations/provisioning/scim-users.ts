/**
 * What SCIM clients know about users. A record has its member's id, and is changed in the same commit. Each connection has a
 * collection of its own, so a token reaches no user of another connection, and one name can exist at two identity providers.
 */
import { GatewayError } from '../../errors.ts';
import { type Attributes, attributeOf, isList, isObject } from '../../scim/attributes.ts';
import { MAX_NAME_LENGTH } from '../../scim/user.ts';
import type { Collection, Step, Store } from '../../store/store.ts';
import type { OrganizationConnection } from '../connections/connections.ts';
import { leaveGroupsSteps } from '../groups/scim-groups.ts';
import type { Member } from '../members.ts';
import type { Connection, Organization } from '../organizations.ts';

/** What a SCIM client may change. */
export interface ScimTarget extends OrganizationConnection {
  /** Makes a commit fail if the token of the client was revoked. */
  readonly requireToken: Step;
  /** Aborted when the client disconnects. Long changes then stop between two commits. */
  readonly signal?: AbortSignal;
}

export interface ScimUser {
  /** As the client sent them, without those that only the gateway sets. */
  readonly attributes: Attributes;
  readonly userName: string;
  readonly externalId?: string | undefined;
  readonly email: string;
  /** What the identity provider sent last, regardless of a suspension by an owner. */
  readonly active: boolean;
  readonly createdAt: string;
  readonly changedAt: string;
}

/** Returns the collection of the users that the identity provider of a connection provisions. */
export const scimUsers = (connectionId: string): Collection<ScimUser> => ({
  name: `scim-user-${connectionId}`,
  indexes: {
    // Ordered by id, so that pages of a list have a stable order.
    all: () => [''],
    externalId: ({ externalId }) => (externalId === undefined ? [] : [externalId]),
    email: ({ email, attributes }) => [...new Set([email, ...emailsOf(attributes)].map((each) => each.toLowerCase()))],
  },
  unique: { userName: ({ userName }) => [userName.toLowerCase()] },
  counted: 'all',
});

const MAX_INDEXED_EMAILS = 20;

/** Returns the email addresses that an index can hold. */
function emailsOf(attributes: Attributes): readonly string[] {
  const emails = attributeOf(attributes, 'emails');
  return (isList(emails) ? emails : [])
    .flatMap((each) => (isObject(each) ? [attributeOf(each, 'value')] : []))
    .filter((value) => typeof value === 'string' && value.length <= MAX_NAME_LENGTH && value.isWellFormed() && !value.includes('\0'))
    .slice(0, MAX_INDEXED_EMAILS) as readonly string[];
}

/** Returns the steps that delete the SCIM user of a removed member, and its memberships in groups. */
export async function scimRemovalSteps(store: Store, organizationId: string, { id, scim }: Member): Promise<readonly Step[]> {
  if (!scim) return [];
  const collection = scimUsers(scim.connectionId);
  const user = await store.get(organizationId, collection, id);
  return [
    ...(user ? [{ do: 'delete', collection, id, version: user.version } as const] : []),
    ...(await leaveGroupsSteps(store, { organizationId, connectionId: scim.connectionId, userId: id })),
  ];
}

/** Returns whether the identity provider has deactivated a member. */
const isDeactivated = ({ scim }: Pick<Member, 'scim'>): boolean => scim?.active === false;

/** Returns whether an owner or the operator has suspended a member, whether or not the identity provider has also deactivated it. */
export const isSuspendedByOwner = (member: Pick<Member, 'suspended' | 'suspendedByOwner' | 'scim'>): boolean =>
  member.suspendedByOwner ?? (member.suspended && !isDeactivated(member));

/** Returns whether SCIM clients can provision users of a connection. */
export const isProvisioned = ({ scimConnections = [] }: Pick<Organization, 'scimConnections'>, { id }: Pick<Connection, 'id'>): boolean =>
  scimConnections.includes(id);

/**
 * Returns whether only the identity provider can restore a member that it deactivated. Once the connection is no longer provisioned,
 * owners can.
 */
export const isHeldDeactivated = ({ scim }: Pick<Member, 'scim'>, organization: Pick<Organization, 'scimConnections'>): boolean =>
  scim?.active === false && isProvisioned(organization, { id: scim.connectionId });

/**
 * Checks that owners lift only their own suspensions, because users who have left must not regain access.
 * @throws conflict
 */
export function requireNotDeactivated(member: Member, organization: Pick<Organization, 'scimConnections'>): void {
  if (!isHeldDeactivated(member, organization)) return;
  throw new GatewayError(
    'conflict',
    'The identity provider deactivated this member. Assign the user to the application again at the identity provider.',
  );
}

/**
 * Returns whether a suspension refuses users of a connection. A deactivation by SCIM concerns its own connection only. Otherwise the
 * token of one connection could lock out the users of another one by their email addresses.
 */
export const isSuspendedFor = (
  member: Pick<Member, 'suspended' | 'suspendedByOwner' | 'scim'>,
  connection: { readonly id: string },
): boolean => member.suspended && (isSuspendedByOwner(member) || member.scim?.connectionId === connection.id);
