/**
 * Finds the member whom a sign-in identifies. A member is found by a key that includes the source of the identifier. Keys of earlier
 * versions have no source; they are looked up until the member's first sign-in, which replaces them.
 */
import { GatewayError } from '../../errors.ts';
import { hashOf } from '../../ids.ts';
import { type FormerForm, formerFormOf, type Identifier } from '../../saml/identifier/identifier.ts';
import { eachRecord } from '../../store/each-record.ts';
import type { Store, Stored } from '../../store/store.ts';
import { MEMBERS, type Member, type MemberIdentifier } from '../members.ts';
import type { Connection, Organization } from '../organizations.ts';
import { isSuspendedFor } from '../provisioning/scim-users.ts';
import { identifiesAcrossConnections, isGloballyUnique, suspendedIdentifierKey } from './suspended-identifier.ts';

/** Returns the key under which the member with this identifier is stored. No connection finds the members of another one. */
export function identityKey(connection: Connection, { source, value, isFolded, qualifiers = ['', ''] }: Identifier): string {
  const name = 'attribute' in source ? `attribute:${source.attribute}` : `name_id:${source.name_id}`;
  // Folding is part of the key, so a change of the attribute mapping never merges users whose identifiers differ by case.
  return hashOf('identity:2', connection.id, connection.identityScope, name, isFolded ? 'folded' : 'exact', value, ...qualifiers);
}

/** Returns what a member's record says about its identifier. */
export const memberIdentifier = (connection: Connection, { source, value }: Identifier): MemberIdentifier => ({
  scope: scopeKey(connection),
  source,
  value,
});

const scopeKey = ({ id, identityScope }: Connection): string => hashOf('identity-scope', id, identityScope);

/** Returns whether a member belongs to the current scope of a connection, as far as the record tells. */
export const isOfConnection = ({ identifier }: Member, connection: Connection): boolean =>
  identifier ? identifier.scope === scopeKey(connection) : readsFormerKeys(connection);

/** Returns whether members may have keys of earlier versions. They belong to the first scope of their connection only. */
const readsFormerKeys = ({ readsFormerKeys: mayHave, scopeSince }: Connection): boolean => mayHave === true && scopeSince === undefined;

/** Returns the scope whose members may have keys of earlier versions, even after another one has begun. */
export const firstScopeOf = ({
  readsFormerKeys: mayHave,
  scopeSince,
  identityScope,
  firstScope,
}: Pick<Connection, 'readsFormerKeys' | 'scopeSince' | 'identityScope' | 'firstScope'>): string | undefined =>
  mayHave && scopeSince === undefined ? identityScope : firstScope;

/** Returns the key that earlier versions stored. Its scope was the entityID of the identity provider. */
const formerKey = ({ identityScope }: Pick<Connection, 'identityScope'>, form: string): string => hashOf(identityScope, form);

/**
 * Finds the member with this identifier.
 * @throws saml_identifier_ambiguous if several members have it, because earlier versions distinguished upper and lower case
 */
export async function findIdentifiedMember(
  store: Store,
  organizationId: string,
  { connection, identifier }: { readonly connection: Connection; readonly identifier: Identifier },
): Promise<Stored<Member> | undefined> {
  const known = await store.getUnique(organizationId, MEMBERS, 'identity', identityKey(connection, identifier));
  if (!readsFormerKeys(connection)) return known;
  const [asSent, ...others] = identifier.formerForms;
  // Once a member has a new key, only a spelling that was not looked up before can be that of another member.
  const forms = !known ? identifier.formerForms : identifier.isFolded && others.length > 0 && asSent !== undefined ? [asSent] : [];
  const matches = new Map(known ? [[known.id, known]] : []);
  for (const form of forms) {
    const member = await store.getUnique(organizationId, MEMBERS, 'identity', formerKey(connection, form));
    if (member) matches.set(member.id, member);
  }
  if (!known && identifier.isFolded) {
    for (const member of await findOtherSpellings(store, organizationId, { connection, identifier })) matches.set(member.id, member);
  }
  if (matches.size > 1) throw new GatewayError('saml_identifier_ambiguous');
  return [...matches.values()][0];
}

/** Finds members who are known under their email address in any spelling of the identifier. */
async function findOtherSpellings(
  store: Store,
  organizationId: string,
  { connection, identifier }: { readonly connection: Connection; readonly identifier: Identifier },
): Promise<Stored<Member>[]> {
  const found: Stored<Member>[] = [];
  for await (const member of eachMemberWithEmail(store, organizationId, identifier.value)) {
    const { identity, email } = member.value;
    if (identity === formerKey(connection, formerFormOf(identifier.source, email))) found.push(member);
  }
  return found;
}

/** Yields the members with an email address, in upper or lower case. */
export const eachMemberWithEmail = (store: Store, partition: string, email: string) =>
  eachRecord(store, { partition, collection: MEMBERS, index: 'email', equals: email.toLowerCase() });

export interface NewUser {
  readonly email: string;
  /** Reads all identifiers of the assertion that a connection can use, whatever this one uses. Most sign-ins do not need them. */
  readonly readIdentifiers: () => readonly Identifier[];
  /** Reads the forms in which earlier versions may have known the user at an identity provider. Only suspended members are found by them. */
  readonly readFormerForms: (formerIdpEntityId: string) => readonly FormerForm[];
}

interface UserOfConnection<Reader extends keyof NewUser> {
  readonly connection: Connection;
  readonly user: Pick<NewUser, Reader>;
}

/** More suspended members with one identifier than all connections of an organization can have. */
const MAX_SUSPENDED = 100;

/** Returns the members suspended for the users of a connection who have an identifier of the assertion. */
export async function findSuspendedByIdentifier(
  store: Store,
  organizationId: string,
  { connection, user }: UserOfConnection<'readIdentifiers'>,
): Promise<readonly Member[]> {
  // Most organizations have none, and one question costs less than one for each identifier.
  if (await store.isEmpty(organizationId, MEMBERS, 'suspendedIdentifier')) return [];
  const pages = await Promise.all(
    user.readIdentifiers().map((identifier) => {
      const range = { equals: suspendedIdentifierKey(identifier, connection.id), limit: MAX_SUSPENDED };
      return store.find(organizationId, MEMBERS, 'suspendedIdentifier', range);
    }),
  );
  return pages.flatMap(({ items }) => items.map(({ value }) => value)).filter((member) => isSuspendedFor(member, connection));
}

/**
 * Returns whether a suspended member with an identifier of the assertion is certainly the user. An email address at another connection
 * is not enough for that, because a user who chose the address of a member there would lock the member out.
 */
export const isSameUser = ({ identifier, connectionId }: Member, connection: Connection): boolean =>
  identifier === undefined ||
  identifiesAcrossConnections(identifier.source) ||
  connectionId === undefined ||
  connectionId === connection.id;

/**
 * Checks that an unknown user is not a suspended member who returns with another identifier: the assertion must have no identifier of
 * an earlier version and no email address of a suspended member. {@link findSuspendedByIdentifier} finds today's identifiers.
 * @throws member_suspended
 */
export async function requireNotSuspendedBefore(
  store: Store,
  organization: Organization,
  { connection, user }: { readonly connection: Connection; readonly user: NewUser },
): Promise<void> {
  for (const key of keysOfEarlierVersions(organization, { connection, user })) {
    const member = await store.getUnique(organization.id, MEMBERS, 'identity', key);
    if (member && isSuspendedFor(member.value, connection)) throw new GatewayError('member_suspended');
  }
  for await (const { value } of eachMemberWithEmail(store, organization.id, user.email)) {
    if (isSuspendedFor(value, connection)) throw new GatewayError('member_suspended');
  }
}

/**
 * Returns the keys under which an earlier version may have stored the user: by every identifier for users of the connection that
 * existed then, whatever its identity provider is by now, and for others only by those that no two directories share.
 */
function keysOfEarlierVersions(
  { connections, formerConnections = [] }: Organization,
  { connection, user }: UserOfConnection<'readFormerForms'>,
): string[] {
  return [...connections, ...formerConnections].flatMap((each) => {
    const identityScope = firstScopeOf(each);
    if (identityScope === undefined) return [];
    // The first scope is the entityID that this connection's identity provider had then, so its users may have it as qualifier.
    const comparable = user.readFormerForms(identityScope).filter(({ source }) => each.id === connection.id || isGloballyUnique(source));
    return comparable.map(({ form }) => formerKey({ identityScope }, form));
  });
}

/** Returns whether a connection has members, so that an unknown user may not choose the identifier. */
export async function hasMembers(store: Store, organizationId: string, connection: Connection): Promise<boolean> {
  const { items } = await store.find(organizationId, MEMBERS, 'identityScope', { equals: scopeKey(connection), limit: 1 });
  if (items.length > 0) return true;
  if (!readsFormerKeys(connection)) return false;
  for await (const { value } of eachRecord(store, { partition: organizationId, collection: MEMBERS, index: 'email' })) {
    if (!value.identifier && value.lastLoginAt !== undefined) return true;
  }
  return false;
}
