/**
 * Links users of a new identity provider to existing members by their email addresses, if the decision was `link_by_email`. The new
 * identity provider only asserts the address. So the organization must have proven its domain, and there must be no doubt about the
 * member; otherwise an owner or the operator decides. A user who could be an existing member never gets a new account before that.
 */
import { foldCase } from '../../saml/identifier/identifier.ts';
import type { Store, Stored } from '../../store/store.ts';
import { DAY_MS } from '../../time.ts';
import { wasDomainProvenSince } from '../domains/domain-claims.ts';
import { emailDomain } from '../domains/domain-name.ts';
import { eachMemberWithEmail } from '../identity/member-identity.ts';
import type { Member } from '../members.ts';
import type { Connection, IdpChange, Organization } from '../organizations.ts';
import { isOfScopes, isUndecided, linkingChange } from './idp-change.ts';

/** The proof of a domain must be this recent: its next owner could otherwise receive the addresses of members. */
const PROOF_MS = DAY_MS;
/** Members with the same address who get a request. */
const MAX_ASKED = 10;

export interface EmailLinkSearch {
  readonly organization: Organization;
  readonly connection: Connection;
  /** The address of the verified response. */
  readonly email: string;
  readonly nowMs: number;
}

export type EmailLink =
  /** The user becomes this member. */
  | { readonly kind: 'link'; readonly change: IdpChange; readonly member: Stored<Member> }
  /** An owner or the operator must decide which of these members the user is. */
  | { readonly kind: 'ask'; readonly change: IdpChange; readonly members: readonly Stored<Member>[] };

/** Finds the member that a user without a key becomes. Undefined if no member of the former identity provider has the address. */
export async function findEmailLink(store: Store, search: EmailLinkSearch): Promise<EmailLink | undefined> {
  const { organization, connection, email, nowMs } = search;
  const change = linkingChange(connection, nowMs);
  if (!change) return undefined;
  const members: Stored<Member>[] = [];
  let decided = 0;
  for await (const member of eachMemberWithEmail(store, organization.id, email)) {
    // The index ignores the case of all letters, which differs between directories. Addresses are equal up to A to Z only.
    if (foldCase(member.value.email) !== foldCase(email)) continue;
    if (isDecidedBefore(member.value, connection, change)) decided++;
    else if (isUndecided(member.value, change) && isOfScopes(member.value, connection, change.formerScopes)) members.push(member);
  }
  const [member] = members;
  if (!member) return undefined;
  const isOnly = members.length + decided === 1;
  return isOnly && isSafeToLink(member.value, search)
    ? { kind: 'link', change, member }
    : { kind: 'ask', change, members: members.slice(0, MAX_ASKED) };
}

/** Returns whether a member from before the change is linked or declined. One more user with the address is then a doubt. */
const isDecidedBefore = (member: Member, connection: Connection, change: IdpChange): boolean =>
  !isUndecided(member, change) && member.connectionId === connection.id && member.createdAt <= change.at;

/** Returns whether the only member with an email address may be linked without approval. */
export function isSafeToLink(
  { role, suspended }: Pick<Member, 'role' | 'suspended'>,
  { organization, email, nowMs }: Omit<EmailLinkSearch, 'connection'>,
): boolean {
  const domain = emailDomain(email);
  return role !== 'owner' && !suspended && domain !== undefined && wasDomainProvenSince(organization, domain, nowMs - PROOF_MS);
}
