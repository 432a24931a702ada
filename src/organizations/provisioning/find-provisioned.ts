/** Finds the member that a provisioned user becomes at the first sign-in, and decides whether unknown users may join. */
import { GatewayError } from '../../errors.ts';
import type { Identifier } from '../../saml/identifier/identifier.ts';
import type { Store, Stored } from '../../store/store.ts';
import { hasVerifiedDomain } from '../domains/domain-claims.ts';
import { emailDomain } from '../domains/domain-name.ts';
import { MEMBERS, type Member } from '../members.ts';
import type { Connection, Organization } from '../organizations.ts';
import { isProvisioned, scimUsers } from './scim-users.ts';

export interface SigningInUser {
  readonly email: string;
  readonly readIdentifiers: () => readonly Identifier[];
}

/** More users than this with one externalId or email address are ambiguous, whoever they are. */
const MAX_CANDIDATES = 10;

/** Returns the names by which a provisioned user could be the user of an assertion. */
export const namesOf = ({ scimLinkAttribute }: Organization, { email, readIdentifiers }: SigningInUser): readonly string[] => [
  email,
  ...readIdentifiers()
    .filter(({ source }) => 'name_id' in source || source.attribute === scimLinkAttribute)
    .map(({ value }) => value),
];

/**
 * Returns the provisioned member of an unknown user: the one whose `externalId` is the value of the attribute that the organization
 * chose, else the one whose `userName` is the NameID, else the one with the email address, if its domain is verified. Only members who
 * have never signed in are found, because the others have a key.
 * @throws saml_identifier_ambiguous if there are several, or if the member is an owner, because a SCIM client chooses the names of users
 */
export async function findProvisionedMember(
  store: Store,
  organization: Organization,
  { connection, user }: { readonly connection: Connection; readonly user: SigningInUser },
): Promise<Stored<Member> | undefined> {
  if (!isProvisioned(organization, connection)) return undefined;
  for (const ids of await candidateIds(store, organization, { connection, user })) {
    const members = await Promise.all([...ids].map((id) => store.get(organization.id, MEMBERS, id)));
    const invited = members.filter((member) => member?.value.scim?.connectionId === connection.id && member.value.identifier === undefined);
    const [member, ...others] = invited;
    if (!member) continue;
    if (others.length > 0 || member.value.role === 'owner') {
      throw ambiguous();
    }
    return member;
  }
  return undefined;
}

const ambiguous = (): GatewayError =>
  new GatewayError('saml_identifier_ambiguous', {
    detail: 'Your identity provider describes several accounts that could be yours.',
    administratorDetail:
      'The SAML response fits several provisioned users, or an owner who has never signed in. Make userName at the SCIM application the same as the NameID, and remove such an owner.',
  });

/** Returns the ids of users by each rule, in the order of the rules. */
async function candidateIds(
  store: Store,
  organization: Organization,
  { connection, user }: { readonly connection: Connection; readonly user: SigningInUser },
): Promise<readonly ReadonlySet<string>[]> {
  const collection = scimUsers(connection.id);
  const find = async (index: 'externalId' | 'email', equals: string) => {
    const { items, nextCursor } = await store.find(organization.id, collection, index, { equals, limit: MAX_CANDIDATES });
    if (nextCursor !== null) throw ambiguous();
    return items.map(({ id }) => id);
  };
  const identifiers = user.readIdentifiers();
  const chosen = identifiers.filter(({ source }) => 'attribute' in source && source.attribute === organization.scimLinkAttribute);
  const byExternalId = await Promise.all(chosen.map(({ value }) => find('externalId', value)));
  const nameIds = identifiers.filter(({ source }) => 'name_id' in source);
  const byUserName = await Promise.all(
    nameIds.map(({ value }) => store.getUnique(organization.id, collection, 'userName', value.toLowerCase())),
  );
  const domain = emailDomain(user.email);
  const byEmail = domain !== undefined && hasVerifiedDomain(organization, domain) ? await find('email', user.email.toLowerCase()) : [];
  return [new Set(byExternalId.flat()), new Set(byUserName.flatMap((found) => (found ? [found.id] : []))), new Set(byEmail)];
}

/**
 * Checks that the organization lets a user of a connection in who was not provisioned by this connection's identity provider.
 * @throws member_not_provisioned
 */
export function requireProvisioned(
  { provisioning = 'jit' }: Organization,
  { id }: Pick<Connection, 'id'>,
  member: Member | undefined,
): void {
  if (provisioning === 'jit' || member?.scim?.connectionId === id || (provisioning === 'scim' && member)) return;
  throw new GatewayError('member_not_provisioned');
}
