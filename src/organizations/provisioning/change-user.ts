/** Changes and removes provisioned users. Each change of user and member is one commit, which waits for the replicas. */
import { type Actor, auditStep } from '../../audit.ts';
import { isUserId } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import { type Attributes, attributeOf, withAttribute } from '../../scim/attributes.ts';
import { ScimError } from '../../scim/scim-error.ts';
import { readProfile } from '../../scim/user.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { confirmReplicated } from '../../store/confirm-replicated.ts';
import type { Step, Stored } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import type { OrganizationConnection } from '../connections/connections.ts';
import { withoutCredentialsOf } from '../connections/revoke-credentials.ts';
import { roleChangeSteps, usesScimGroups, withRoleByGroups } from '../groups/group-roles.ts';
import { removalSteps } from '../member-changes.ts';
import { MEMBERS, type Member, withoutCredentials } from '../members.ts';
import type { Organization } from '../organizations.ts';
import { reportOwnerLoss } from '../owners/owner-loss.ts';
import { notUnique } from './link-member.ts';
import { contactOf, requireAllowedContact, requireStillValid, requireTarget, userRecord } from './provision-user.ts';
import { deactivationSteps, foreseeScimChange, scimAuditSteps, withScimState } from './scim-state.ts';
import { isSuspendedByOwner, type ScimTarget, type ScimUser, scimRemovalSteps, scimUsers } from './scim-users.ts';

const noSuchUser = (): ScimError => new ScimError(404, 'There is no such user.');

/** A user together with its member, as both are in the store. */
interface UserAndMember {
  readonly user: Stored<ScimUser>;
  readonly member: Stored<Member>;
  readonly organization: Stored<Organization>;
}

/**
 * Returns a user of the connection. Users whose member was removed are gone, too.
 * @throws ScimError 404
 */
export async function getUser(runtime: Runtime, target: OrganizationConnection, id: string): Promise<Stored<ScimUser>> {
  return (await readUser(runtime, target, id)).user;
}

async function readUser(
  { store }: Runtime,
  { organization: { id: organizationId }, connection }: OrganizationConnection,
  id: string,
): Promise<UserAndMember> {
  if (!isUserId(id)) throw noSuchUser();
  const { stored: organization } = await requireTarget(store, organizationId, connection.id);
  const user = await store.get(organizationId, scimUsers(connection.id), id);
  const member = user && (await store.get(organizationId, MEMBERS, id));
  if (!user || member?.value.scim?.connectionId !== connection.id) throw noSuchUser();
  return { user, member, organization };
}

export interface UserChange {
  readonly id: string;
  /** Returns the new attributes. Runs again after a concurrent change. @throws ScimError */
  readonly change: (attributes: Attributes) => Attributes;
  /** Checks the version that the client has seen. @throws ScimError 412 */
  readonly requireVersion: (version: number) => void;
}

/**
 * Changes a user. A request that does not mention `active` never activates a user.
 * @throws ScimError 404, 409 if the userName is taken, 412, or an error of `change`
 */
export async function changeUser(runtime: Runtime, actor: Actor, target: ScimTarget, change: UserChange): Promise<Stored<ScimUser>> {
  const { store, now } = runtime;
  const { connection } = target;
  const collection = scimUsers(connection.id);
  return compareAndSet<Stored<ScimUser>>(async () => {
    const { user, member, organization } = await readUser(runtime, target, change.id);
    change.requireVersion(user.version);
    const changed = change.change(user.value.attributes);
    const active = attributeOf(changed, 'active') ?? user.value.active;
    const attributes = withAttribute(changed, 'active', active);
    const profile = readProfile(attributes);
    const before = member.value;
    const after = withoutRevoked(organization.value, {
      ...withScimState(before, { connectionId: connection.id, active: profile.active }),
      ...contactOf(profile, before),
    });
    requireAllowedContact(organization.value, before, after);
    const value = userRecord(attributes, profile, { createdAt: user.value.createdAt, changedAt: user.value.changedAt });
    const isSame = JSON.stringify([value, after]) === JSON.stringify([user.value, before]);
    if (isSame) {
      // An earlier attempt may have made the change before every replica acknowledged it.
      await confirmReplicated(store, organization.value.id);
      return user;
    }
    const nowMs = now();
    const effect = await foreseeScimChange(store, organization, { change: { before, after }, actor, nowMs });
    const next: ScimUser = { ...value, changedAt: toIsoTime(nowMs) };
    const steps: Step[] = [
      { do: 'replace', collection, id: user.id, version: user.version, value: next },
      { do: 'replace', collection: MEMBERS, id: member.id, version: member.version, value: after },
      ...deactivationSteps(before, after),
      ...scimAuditSteps(nowMs, actor, { before, after, userBefore: user.value, userAfter: next }),
      ...effect.steps,
      target.requireToken,
    ];
    const result = await store.commit(organization.value.id, steps, { replicated: true });
    if (result.ok) {
      if (effect.losesLastOwner) await reportOwnerLoss(runtime, organization.value, 'scim');
      return { id: user.id, version: user.version + 1, value: next };
    }
    requireStillValid(target, steps, result);
    if (result.failed === 0 && (await isTaken(runtime, target, user.id, profile.userName))) {
      throw notUnique('A user with this userName already exists.');
    }
    return RETRY;
  });
}

/**
 * Returns a member without the credentials that a disabled or deleted connection takes away. The revocation reads members in the order
 * of their email addresses, so it could miss a member whose address SCIM changes meanwhile.
 */
const withoutRevoked = ({ revokingConnections = [] }: Organization, member: Member): Member =>
  revokingConnections.reduce((present, connection) => withoutCredentialsOf(present, connection) ?? present, member);

async function isTaken(
  { store }: Runtime,
  { organization, connection }: OrganizationConnection,
  id: string,
  userName: string,
): Promise<boolean> {
  const other = await store.getUnique(organization.id, scimUsers(connection.id), 'userName', userName.toLowerCase());
  return other !== undefined && other.id !== id;
}

/**
 * Removes a user and its member, with all sessions and tokens. The last owner is removed, too. A member whom an owner suspended stays
 * suspended and is only no longer provisioned. Otherwise a client could undo the suspension by creating the user again.
 * @throws ScimError 404, 412
 */
export async function removeUser(
  runtime: Runtime,
  actor: Actor,
  target: ScimTarget,
  { id, requireVersion }: Omit<UserChange, 'change'>,
): Promise<void> {
  const { store, now } = runtime;
  await compareAndSet<true>(async () => {
    const { user, member, organization } = await readUser(runtime, target, id);
    requireVersion(user.version);
    const nowMs = now();
    const before = member.value;
    const after = isSuspendedByOwner(before) ? withoutGroups(organization.value, withoutProvisioningOf(before)) : undefined;
    const effect = await foreseeScimChange(store, organization, { change: { before, after }, actor, nowMs });
    const collection = scimUsers(target.connection.id);
    const steps: Step[] = [
      { do: 'require', collection, id, version: user.version },
      ...(after
        ? ([
            ...roleChangeSteps(nowMs, actor, { stored: member, after }),
            ...(await scimRemovalSteps(store, organization.value.id, before)),
            auditStep(nowMs, actor, 'member.suspended', {
              member_id: id,
              details: { by: 'scim', scim_user: 'deleted', still_suspended_by: 'owner' },
            }),
          ] as const)
        : await removalSteps(runtime, actor, organization.value.id, member)),
      ...effect.steps,
      target.requireToken,
    ];
    const result = await store.commit(organization.value.id, steps, { replicated: true });
    if (!result.ok) {
      requireStillValid(target, steps, result);
      return RETRY;
    }
    if (effect.losesLastOwner) await reportOwnerLoss(runtime, organization.value, 'scim');
    return true;
  });
}

/** Returns a member who is no longer in any SCIM group. */
const withoutGroups = (organization: Organization, member: Member): Member =>
  usesScimGroups(organization) ? withRoleByGroups(organization, member, []) : member;

/** Returns a member whom an owner suspended without the SCIM user and without credentials. */
const withoutProvisioningOf = (member: Member): Member =>
  withoutCredentials({ ...member, scim: undefined, suspended: true, suspendedByOwner: true });
