/** Creates the members that a SCIM client provisions, or links them to members who have signed in before. */
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { hashOf, newId } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import { foldCase, type Identifier } from '../../saml/identifier/identifier.ts';
import { foldsCase } from '../../saml/identifier/identifier-attributes.ts';
import { NAME_ID_EMAIL } from '../../saml/names.ts';
import type { Attributes } from '../../scim/attributes.ts';
import { ScimError } from '../../scim/scim-error.ts';
import { readProfile, type ScimProfile } from '../../scim/user.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import type { Step, Store, Stored } from '../../store/store.ts';
import { DAY_SECONDS, toIsoTime } from '../../time.ts';
import { findConnection, type OrganizationConnection, roleScopeOf } from '../connections/connections.ts';
import { hasVerifiedDomain, isEmailAllowed } from '../domains/domain-claims.ts';
import { emailDomain } from '../domains/domain-name.ts';
import { eachMemberWithEmail, identityKey, isOfConnection } from '../identity/member-identity.ts';
import { MEMBERS, type Member, resolveRole } from '../members.ts';
import { type Connection, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations.ts';
import { noteNewMember } from '../quotas/quota-use.ts';
import { quotaExceeded, quotaOf } from '../quotas/quotas.ts';
import { decideRole } from '../role-mapping.ts';
import { guardJoin } from './join-guard.ts';
import { changeOf, deactivationSteps, withScimState } from './scim-state.ts';
import { isProvisioned, type ScimTarget, type ScimUser, scimUsers } from './scim-users.ts';

/**
 * Creates a user and links it to the member of the connection that is certainly the same user, or else to a new member.
 * @throws ScimError with uniqueness if the userName is taken, if two members could be the user, or if the member is an owner, who must
 *   not be taken over by a provisioning client
 */
export async function provisionUser(runtime: Runtime, actor: Actor, client: ScimTarget, attributes: Attributes): Promise<Stored<ScimUser>> {
  const { store, now } = runtime;
  const organizationId = client.organization.id;
  const connectionId = client.connection.id;
  const profile = readProfile(attributes);
  const collection = scimUsers(connectionId);
  return compareAndSet<Stored<ScimUser>>(async () => {
    const nowMs = now();
    const target = await requireTarget(store, organizationId, connectionId);
    const { organization, connection } = target;
    const taken = await store.getUnique(organization.id, collection, 'userName', profile.userName.toLowerCase());
    if (taken && (await store.get(organization.id, MEMBERS, taken.id))) throw notUnique('A user with this userName exists already.');
    const names = [profile.userName, profile.email, ...(profile.externalId === undefined ? [] : [profile.externalId])];
    const joinSteps = await guardJoin(store, organization.id, { kind: 'provisioned', connectionId: connection.id, names });
    const known = await findLinkedMember(store, target, profile);
    if (known?.value.role === 'owner') await refuseOwner(runtime, actor, target, known);
    const before = known?.value ?? newMember(target, profile, nowMs);
    const after: Member = {
      ...withScimState(before, { connectionId: connection.id, active: profile.active }),
      ...contactOf(profile, before),
    };
    requireAllowedContact(organization, known?.value, after);
    const at = toIsoTime(nowMs);
    const user = userRecord(attributes, profile, { createdAt: at, changedAt: at });
    const steps: Step[] = [
      organizationStep(target, after.suspended && !before.suspended),
      // Left behind by a member who was removed at the same moment as the user changed.
      ...(taken ? [{ do: 'delete', collection, id: taken.id, version: taken.version } as const] : []),
      ...(known
        ? [{ do: 'replace', collection: MEMBERS, id: after.id, version: known.version, value: after } as const]
        : ([
            { do: 'below', collection: MEMBERS, count: quotaOf(organization, 'members') },
            { do: 'insert', collection: MEMBERS, id: after.id, value: after },
            ...joinSteps,
          ] as const)),
      { do: 'insert', collection, id: after.id, value: user },
      ...deactivationSteps(before, after),
      known
        ? auditStep(nowMs, actor, 'member.linked', {
            member_id: after.id,
            details: { by: 'scim', connection: connection.id, ...changeOf('email', before.email, after.email) },
          })
        : auditStep(nowMs, actor, 'member.created', { member_id: after.id, details: { email: after.email, by: 'scim' } }),
      ...(after.suspended && !before.suspended
        ? [auditStep(nowMs, actor, 'member.suspended', { member_id: after.id, details: { by: 'scim' } })]
        : []),
      client.requireToken,
    ];
    const result = await store.commit(organization.id, steps, { replicated: true });
    if (result.ok) {
      if (!known) await noteNewMember(runtime, organization);
      return { id: after.id, version: 1, value: user };
    }
    requireStillValid(client, steps, result);
    if (steps[result.failed]?.do === 'below') throw quotaExceeded(runtime, organization, 'members');
    return RETRY;
  });
}

/** An organization that a client may change, with its record. */
interface CurrentTarget extends OrganizationConnection {
  readonly stored: Stored<Organization>;
}

/**
 * Reads the organization again, because the token may have been revoked or the connection disabled since the request arrived.
 * @throws unauthenticated
 */
export async function requireTarget(store: Store, organizationId: string, connectionId: string): Promise<CurrentTarget> {
  const stored = await store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
  const connection = stored && findConnection(stored.value, connectionId);
  if (!connection || !isProvisioned(stored.value, connection)) throw new GatewayError('unauthenticated');
  return { organization: stored.value, connection, stored };
}

/** @throws unauthenticated if a commit failed because the token was revoked */
export function requireStillValid({ requireToken }: ScimTarget, steps: readonly Step[], { failed }: { readonly failed: number }): void {
  if (steps[failed] === requireToken) throw new GatewayError('unauthenticated');
}

/** A suspension increments the version of the organization's record, so that sign-ins that have not seen it are judged again. */
const organizationStep = ({ stored: { version, value } }: CurrentTarget, isSuspension: boolean): Step => ({
  ...(isSuspension ? { do: 'replace', value } : { do: 'require' }),
  collection: ORGANIZATION,
  id: ORGANIZATION_RECORD,
  version,
});

export const notUnique = (detail: string): ScimError => new ScimError(409, detail, 'uniqueness');

export const userRecord = (
  attributes: Attributes,
  { userName, externalId, email, active }: ScimProfile,
  times: Pick<ScimUser, 'createdAt' | 'changedAt'>,
): ScimUser => ({ attributes, userName, ...(externalId === undefined ? {} : { externalId }), email, active, ...times });

/** A sign-in may have given a better address or name than a client that sends none. */
export const contactOf = ({ email, name, userName }: ScimProfile, before: Member): Pick<Member, 'email' | 'name'> => ({
  email: email === userName && !userName.includes('@') && before.email !== '' ? before.email : email,
  name: name === userName && before.name !== '' ? before.name : name,
});

/**
 * Checks the email address that a member would get by the organization's email policy, which services rely on. A userName without a
 * domain is no address; a sign-in replaces it.
 * @throws ScimError with invalidValue
 */
export function requireAllowedContact(organization: Organization, before: Member | undefined, { email }: Member): void {
  if (email === before?.email || (!before && !email.includes('@')) || isEmailAllowed(organization, email)) return;
  throw new ScimError(400, 'The email address is not in a verified domain of this organization.', 'invalidValue');
}

/** Returns a member for a new user. No assertion matches the key in `identity`, which the first sign-in replaces. */
function newMember({ organization, connection }: OrganizationConnection, { email, name }: ScimProfile, nowMs: number): Member {
  const id = newId('usr');
  const decision = decideRole(organization.roleMapping, [], roleScopeOf(organization, connection.id));
  // Only a sign-in shows that the user is the owner.
  const role = decision.role === 'owner' ? 'collaborator' : decision.role;
  return {
    id,
    identity: hashOf('scim', connection.id, id),
    connectionId: connection.id,
    email,
    name,
    ...resolveRole({ ...decision, role }, undefined),
    groups: [],
    groupsState: 'absent',
    suspended: false,
    createdAt: toIsoTime(nowMs),
    sessions: [],
    cliTokens: [],
  };
}

/** Members with one email address that are read. More could make each request slow. */
const MAX_READ = 10;

/** Before its first sign-in, a member has no identifier, only the connection that provisioned it. */
const isMemberOf = (member: Member, connection: Connection): boolean =>
  member.lastLoginAt === undefined ? member.connectionId === connection.id : isOfConnection(member, connection);

/**
 * Finds the member of the connection that a user is: by the identifier, or by an email address in a verified domain.
 * @throws ScimError with uniqueness if there are two, or if another user of the client is this member already
 */
async function findLinkedMember(
  store: Store,
  { organization, connection }: OrganizationConnection,
  profile: ScimProfile,
): Promise<Stored<Member> | undefined> {
  const found = new Map<string, Stored<Member>>();
  for (const identifier of identifiersOf({ organization, connection }, profile)) {
    const member = await store.getUnique(organization.id, MEMBERS, 'identity', identityKey(connection, identifier));
    if (!member) continue;
    if (member.value.scim) throw notUnique('Another provisioned user is this member already.');
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
  if (found.size > 1) throw notUnique('Two members of the organization could be this user. An owner must remove one of them first.');
  return [...found.values()][0];
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

/** @throws ScimError with uniqueness. The refusal is recorded for the owners, at most once a day. */
async function refuseOwner(
  runtime: Runtime,
  actor: Actor,
  { organization }: OrganizationConnection,
  { id }: Stored<Member>,
): Promise<never> {
  await runtime.store.commit(organization.id, [
    { do: 'claim', key: `scim-owner-refused:${id}`, ttlSeconds: DAY_SECONDS },
    auditStep(runtime.now(), actor, 'member.provisioning_refused', { member_id: id, details: { reason: 'owner' } }),
  ]);
  throw notUnique(
    'This user is an owner. SCIM never takes over an owner’s account. Make the member a collaborator first, or leave the user unassigned.',
  );
}
