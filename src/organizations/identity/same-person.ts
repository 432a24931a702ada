/** Recognizes the accounts of one user by the email address, whatever connection, format or decision about accounts created them. */
import { isDeepStrictEqual } from 'node:util';
import type { Store, Stored } from '../../store/store.ts';
import { findFormerConnection } from '../connections/connections.ts';
import type { Member } from '../members.ts';
import type { Organization } from '../organizations.ts';
import { eachMemberWithEmail } from './member-identity.ts';

/** More accounts with one address are those of a shared mailbox, not of one user. */
const MAX_ACCOUNTS = 20;

/**
 * Returns the other accounts of a user: those with the email address that are known in another way than this one. Members who are known
 * by different values of one identifier are different users, who may share a mailbox.
 * @param email the address of the member, or the one that a sign-in has now
 */
export async function findOtherAccounts(
  store: Store,
  organization: Organization,
  { member, email }: { readonly member: Member; readonly email: string },
): Promise<Stored<Member>[]> {
  const formerConnectionId = findFormerConnection(organization)?.id;
  const found: Stored<Member>[] = [];
  let seen = 0;
  for await (const other of eachMemberWithEmail(store, organization.id, email)) {
    if (++seen > MAX_ACCOUNTS) return [];
    if (other.id !== member.id && isKnownDifferently(member, other.value, formerConnectionId)) found.push(other);
  }
  return found;
}

function isKnownDifferently(one: Member, other: Member, formerConnectionId: string | undefined): boolean {
  if (one.identifier && other.identifier) {
    return one.identifier.scope !== other.identifier.scope || !isDeepStrictEqual(one.identifier.source, other.identifier.source);
  }
  // The identifier of a member of earlier versions is not stored, so it can be that of the connection.
  return (one.connectionId ?? formerConnectionId) !== (other.connectionId ?? formerConnectionId);
}
