/** Finds the accounts of one user that are suspended together, whatever connection, format or decision about accounts created them. */
import { isDeepStrictEqual } from 'node:util';
import type { Store } from '../../store/store.ts';
import { findFormerConnection } from '../connections/connections.ts';
import { isActiveOwner, type Member } from '../members.ts';
import type { Organization } from '../organizations.ts';
import { eachMemberWithEmail } from './member-identity.ts';
import { identifiesAcrossConnections } from './suspended-identifier.ts';

/** An address that more accounts have is that of a shared mailbox, so it must not suspend all of them. */
const MAX_BY_EMAIL = 20;

/**
 * Returns the IDs of the other accounts with the email address of a member that are suspended with it: those with the same globally
 * unique identifier, and the oldest 20 that are known in another way. Some identity providers let users edit their email address, so
 * the address alone never suspends an owner. Accounts that were created later cannot displace older ones.
 */
export async function findAccountsToSuspend(store: Store, organization: Organization, member: Member): Promise<readonly string[]> {
  const formerConnectionId = findFormerConnection(organization)?.id;
  const byIdentifier: string[] = [];
  const byEmail: { readonly id: string; readonly createdAt: string }[] = [];
  for await (const { id, value: other } of eachMemberWithEmail(store, organization.id, member.email)) {
    if (id === member.id || other.suspended) continue;
    if (hasSameUniqueIdentifier(member, other)) byIdentifier.push(id);
    else if (!isActiveOwner(other) && isKnownDifferently(member, other, formerConnectionId))
      byEmail.push({ id, createdAt: other.createdAt });
  }
  byEmail.sort((one, other) => Date.parse(one.createdAt) - Date.parse(other.createdAt));
  return [...byIdentifier, ...byEmail.slice(0, MAX_BY_EMAIL).map(({ id }) => id)];
}

const hasSameUniqueIdentifier = ({ identifier: one }: Member, { identifier: other }: Member): boolean =>
  one !== undefined &&
  other !== undefined &&
  identifiesAcrossConnections(one.source) &&
  isDeepStrictEqual(one.source, other.source) &&
  one.value.toLowerCase() === other.value.toLowerCase();

/** Different values of one identifier belong to different users, even if these share a mailbox. */
function isKnownDifferently(one: Member, other: Member, formerConnectionId: string | undefined): boolean {
  if (one.identifier && other.identifier) {
    return one.identifier.scope !== other.identifier.scope || !isDeepStrictEqual(one.identifier.source, other.identifier.source);
  }
  // Members of earlier versions have no stored identifier, so theirs may be the connection's identifier.
  return (one.connectionId ?? formerConnectionId) !== (other.connectionId ?? formerConnectionId);
}
