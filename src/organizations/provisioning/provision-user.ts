/** Creates the members that a SCIM client provisions, or links them to members who have signed in before. */
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { hashOf, newId } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { Attributes } from '../../scim/attributes.ts';
import { ScimError } from '../../scim/scim-error.ts';
import { readProfile, type ScimProfile } from '../../scim/user.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import type { Step, Store, Stored } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import { findConnection, type OrganizationConnection, roleScopeOf } from '../connections/connections.ts';
import { isEmailAllowed } from '../domains/domain-claims.ts';
import { MEMBERS, type Member, resolveRoleWithoutSignIn } from '../members.ts';
import { ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations.ts';
import { reportOwnerLoss } from '../owners/owner-loss.ts';
import { noteNewMember } from '../quotas/quota-use.ts';
import { quotaExceeded, quotaOf } from '../quotas/quotas.ts';
import { decideRole } from '../role-mapping.ts';
import { guardJoin } from './join-guard.ts';
import { findLinkedMember, notUnique } from './link-member.ts';
import { changeOf, deactivationSteps, foreseeScimChange, withScimState } from './scim-state.ts';
import { isProvisioned, type ScimTarget, type ScimUser, scimUsers } from './scim-users.ts';

/**
 * Creates a user and links it to the member of the connection that is certainly the same user, or else to a new member.
 * @throws ScimError with uniqueness if the userName is taken, or if an owner must first decide whether the user is an existing member
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
    if (taken && (await store.get(organization.id, MEMBERS, taken.id))) throw notUnique('A user with this userName already exists.');
    const names = [profile.userName, profile.email, ...(profile.externalId === undefined ? [] : [profile.externalId])];
    const joinSteps = await guardJoin(store, organization.id, { kind: 'provisioned', connectionId: connection.id, names });
    const { member: known, steps: linkSteps } = await findLinkedMember(runtime, actor, { organization, connection, client, profile });
    const before = known?.value ?? newMember(target, profile, nowMs);
    const after: Member = {
      ...withScimState(before, { connectionId: connection.id, active: profile.active }),
      ...contactOf(profile, before),
      provisioningConflict: undefined,
    };
    requireAllowedContact(organization, known?.value, after);
    const at = toIsoTime(nowMs);
    const user = userRecord(attributes, profile, { createdAt: at, changedAt: at });
    const effect = await foreseeScimChange(store, target.stored, { change: { before, after }, actor, nowMs });
    const steps: Step[] = [
      ...effect.steps,
      // Left behind by a member who was removed at the same moment as the user changed.
      ...(taken ? [{ do: 'delete', collection, id: taken.id, version: taken.version } as const] : []),
      ...(known
        ? [{ do: 'replace', collection: MEMBERS, id: after.id, version: known.version, value: after } as const]
        : ([
            { do: 'below', collection: MEMBERS, count: quotaOf(organization, 'members') },
            { do: 'insert', collection: MEMBERS, id: after.id, value: after },
            ...joinSteps,
          ] as const)),
      ...linkSteps,
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
      if (effect.losesLastOwner) await reportOwnerLoss(runtime, organization, 'scim');
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
  return {
    id,
    identity: hashOf('scim', connection.id, id),
    connectionId: connection.id,
    email,
    name,
    ...resolveRoleWithoutSignIn(decision, undefined),
    groups: [],
    groupsState: 'absent',
    suspended: false,
    createdAt: toIsoTime(nowMs),
    sessions: [],
    cliTokens: [],
  };
}
