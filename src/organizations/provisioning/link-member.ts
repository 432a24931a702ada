/** Finds the existing member that a new user of a SCIM client becomes. */
import type { Actor } from '../../audit.ts';
import type { Runtime } from '../../runtime.ts';
import { foldCase, type Identifier } from '../../saml/identifier/identifier.ts';
import { foldsCase } from '../../saml/identifier/identifier-attributes.ts';
import { NAME_ID_EMAIL } from '../../saml/names.ts';
import { ScimError } from '../../scim/scim-error.ts';
import type { ScimProfile } from '../../scim/user.ts';
import type { Step, Store, Stored } from '../../store/store.ts';
import type { OrganizationConnection } from '../connections/connections.ts';
import { hasVerifiedDomain } from '../domains/domain-claims.ts';
import { emailDomain } from '../domains/domain-name.ts';
import { eachMemberWithEmail, identityKey, isOfConnection } from '../identity/member-identity.ts';
import { MEMBERS, type Member } from '../members.ts';
import type { Connection } from '../organizations.ts';
import { decideLink, recordConflict, resolvedSteps } from './provisioning-conflicts.ts';
import type { ScimTarget } from './scim-users.ts';

export const notUnique = (detail: string): ScimError => new ScimError(409, detail, 'uniqueness');

/** Members with one email address that are read. More could make each request slow. */
const MAX_READ = 10;

/** Before its first sign-in, a member has no identifier, only the connection that provisioned it. */
const isMemberOf = (member: Member, connection: Connection): boolean =>
  member.lastLoginAt === undefined ? member.connectionId === connection.id : isOfConnection(member, connection);

/** Finds the member that a new user is linked to. */
export interface FoundLink {
  /** Undefined if the user becomes a new member. */
  readonly member: Stored<Member> | undefined;
  /** Steps of the commit that links the user. */
  readonly steps: readonly Step[];
}

/**
 * Finds the member of the connection that is certainly the user, or that an owner or the operator chose.
 * @throws ScimError with uniqueness if a decision about a conflict is missing or declined the user, or if another user of the client
 *   is already the member
 */
export async function findLinkedMember(
  runtime: Runtime,
  actor: Actor,
  { client, profile, organization, connection }: OrganizationConnection & { readonly client: ScimTarget; readonly profile: ScimProfile },
): Promise<FoundLink> {
  const candidates = await findCandidates(runtime.store, { organization, connection }, profile);
  const decision = decideLink(candidates, { connectionId: connection.id, profile }, runtime.now());
  if (decision === undefined) return { member: undefined, steps: [] };
  if (decision.kind === 'link') return { member: decision.member, steps: resolvedSteps(candidates, decision.member) };
  if (decision.kind === 'declined') {
    throw notUnique('An owner of the organization or the operator declined to link this user to an existing member.');
  }
  await recordConflict(runtime, actor, { client, profile, candidates, reason: decision.reason });
  throw notUnique(
    decision.reason === 'owner'
      ? 'This user is an owner of the organization. An owner or the operator must approve the link under Provisioning in the console. Retry after the approval.'
      : 'Several members of the organization could be this user. An owner or the operator must choose one under Provisioning in the console. Retry after that.',
  );
}

/**
 * Finds the members of the connection that a user could be: by the identifier, or by an email address in a verified domain.
 * @throws ScimError with uniqueness if another user of the client is already a member with the identifier
 */
async function findCandidates(
  store: Store,
  { organization, connection }: OrganizationConnection,
  profile: ScimProfile,
): Promise<readonly Stored<Member>[]> {
  const found = new Map<string, Stored<Member>>();
  for (const identifier of identifiersOf({ organization, connection }, profile)) {
    const member = await store.getUnique(organization.id, MEMBERS, 'identity', identityKey(connection, identifier));
    if (!member) continue;
    if (member.value.scim) throw notUnique('Another provisioned user is already linked to this member.');
    found.set(member.id, member);
  }
  const domain = emailDomain(profile.email);
  if (domain !== undefined && hasVerifiedDomain(organization, domain)) {
    let read = 0;
    for await (const member of eachMemberWithEmail(store, organization.id, profile.email)) {
      if (++read > MAX_READ) throw notUnique('Too many members of the organization have this email address.');
      if (!member.value.scim && isMemberOf(member.value, connection)) found.set(member.id, member);
    }
  }
  return [...found.values()];
}

/** Returns the identifiers under which a user with this profile could have signed in. */
function identifiersOf({ organization, connection }: OrganizationConnection, { userName, externalId }: ScimProfile): readonly Identifier[] {
  const source = connection.settings.identifier ?? 'auto';
  if (source === 'auto') return [];
  if ('name_id' in source) {
    const isFolded = source.name_id === NAME_ID_EMAIL;
    return [{ source, value: isFolded ? foldCase(userName) : userName, isFolded, formerForms: [] }];
  }
  if (source.attribute !== organization.scimLinkAttribute || externalId === undefined) return [];
  // Whether the attribute is one of email addresses depends on the mapping, so both forms are looked up.
  const folded: Identifier = { source, value: foldCase(externalId), isFolded: true, formerForms: [] };
  return foldsCase(source.attribute) ? [folded] : [folded, { source, value: externalId, isFolded: false, formerForms: [] }];
}
