/** Creates, changes and deletes the groups of a connection. */
import { type Actor, auditStep } from '../../audit.ts';
import { isGroupId, newId } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { Attributes } from '../../scim/attributes.ts';
import { type MemberListChange, readGroupProfile, type SentGroup } from '../../scim/group.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { confirmReplicated } from '../../store/confirm-replicated.ts';
import type { Step, Store, Stored } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import type { OrganizationConnection } from '../connections/connections.ts';
import { noteGroupChanges } from '../directory.ts';
import { ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations.ts';
import { notUnique } from '../provisioning/link-member.ts';
import { requireStillValid, requireTarget } from '../provisioning/provision-user.ts';
import type { ScimTarget } from '../provisioning/scim-users.ts';
import { noteNewGroup } from '../quotas/quota-use.ts';
import { quotaExceeded, quotaOf } from '../quotas/quotas.ts';
import { changeMemberships, type MemberCharges, noSuchGroup } from './change-memberships.ts';
import { finishGroupChange } from './group-changes.ts';
import { isRuleGroup, usesScimGroups } from './group-roles.ts';
import { groupChangeSteps, isGroupChanging, requireNoGroupChange } from './pending-group-changes.ts';
import { type ScimGroup, scimGroups, scimMemberships } from './scim-groups.ts';

/** @throws ScimError 404 */
export async function getGroup({ store }: Runtime, target: OrganizationConnection, id: string): Promise<Stored<ScimGroup>> {
  const group = isGroupId(id) && (await store.get(target.organization.id, scimGroups(target.connection.id), id));
  if (!group) throw noSuchGroup();
  return group;
}

export interface NewGroup extends SentGroup {
  readonly charges: MemberCharges;
}

/**
 * Creates a group, then adds its members.
 * @throws ScimError with uniqueness if the name is taken; quota_exceeded
 */
export async function createGroup(
  runtime: Runtime,
  actor: Actor,
  target: ScimTarget,
  { attributes, members, charges }: NewGroup,
): Promise<Stored<ScimGroup>> {
  const { store, now } = runtime;
  const collection = scimGroups(target.connection.id);
  const id = newId('grp');
  await compareAndSet<true>(async () => {
    const { stored } = await requireTarget(store, target.organization.id, target.connection.id);
    const at = toIsoTime(now());
    const value = groupRecord(attributes, { createdAt: at, changedAt: at });
    if (await isTaken(runtime, target, id, value.displayName)) throw notUnique('A group with this displayName already exists.');
    const steps: Step[] = [
      { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: stored.version },
      { do: 'below', collection, count: quotaOf(stored.value, 'groups') },
      { do: 'insert', collection, id, value },
      auditStep(now(), actor, 'group.created', { details: { group: id, name: value.displayName, by: 'scim' } }),
      target.requireToken,
    ];
    const result = await store.commit(stored.value.id, steps, { replicated: true });
    if (result.ok) return true;
    requireStillValid(target, steps, result);
    if (steps[result.failed]?.do === 'below') throw quotaExceeded(runtime, stored.value, 'groups');
    return RETRY;
  });
  await noteNewGroup(runtime, target.organization, target.connection.id);
  await changeMemberships(runtime, actor, target, { groupId: id, members, requireVersion: () => {}, charges });
  return getGroup(runtime, target, id);
}

const groupRecord = (attributes: Attributes, { createdAt, changedAt }: Pick<ScimGroup, 'createdAt' | 'changedAt'>): ScimGroup => {
  const { displayName, externalId } = readGroupProfile(attributes);
  return { attributes, displayName, ...(externalId === undefined ? {} : { externalId }), createdAt, changedAt };
};

async function isTaken(
  { store }: Runtime,
  { organization, connection }: OrganizationConnection,
  id: string,
  name: string,
): Promise<boolean> {
  const other = await store.getUnique(organization.id, scimGroups(connection.id), 'displayName', name.toLowerCase());
  return other !== undefined && other.id !== id;
}

export interface GroupChange {
  readonly id: string;
  /** Returns the new attributes. Runs again after a concurrent change. @throws ScimError */
  readonly change: (attributes: Attributes) => Attributes;
  readonly members: MemberListChange;
  /** Checks the version that the client has seen. @throws ScimError 412 */
  readonly requireVersion: (version: number) => void;
  readonly charges: MemberCharges;
}

/**
 * Changes a group and its members. A rename changes the roles of the members before this function returns; if it is interrupted, any
 * replica continues.
 * @throws ScimError 404, 409 if the name is taken, 412, or an error of `change`; quota_exceeded; rate_limited
 */
export async function changeGroup(runtime: Runtime, actor: Actor, target: ScimTarget, change: GroupChange): Promise<Stored<ScimGroup>> {
  const { id, members, charges } = change;
  const { isChanged, changesRoles } = await changeAttributes(runtime, actor, target, change);
  if (changesRoles) await finishGroupChange(runtime, { organizationId: target.organization.id, groupId: id, charges });
  const requireVersion = isChanged ? () => {} : change.requireVersion;
  await changeMemberships(runtime, actor, target, { groupId: id, members, requireVersion, charges });
  return getGroup(runtime, target, id);
}

async function changeAttributes(
  runtime: Runtime,
  actor: Actor,
  target: ScimTarget,
  { id, change, requireVersion }: GroupChange,
): Promise<{ readonly isChanged: boolean; readonly changesRoles: boolean }> {
  const { store, now } = runtime;
  const connectionId = target.connection.id;
  const collection = scimGroups(connectionId);
  return compareAndSet(async () => {
    const { stored, organization } = await requireTarget(store, target.organization.id, connectionId);
    const group = await getGroup(runtime, target, id);
    requireVersion(group.version);
    const before = group.value;
    const value = groupRecord(change(before.attributes), before);
    if (JSON.stringify(value) === JSON.stringify(before)) {
      await confirmReplicated(store, organization.id);
      await noteInterruptedChange(store, organization.id, id);
      return { isChanged: false, changesRoles: false };
    }
    const nowMs = now();
    const isRenamed = value.displayName !== before.displayName;
    const changesRoles = isRenamed && givesRole(organization, [before.displayName, value.displayName]);
    if (changesRoles) {
      // Noted also if it is refused then. The note of an interrupted change is lost if it ends just as another one is finished.
      await noteGroupChanges(store, organization.id, true);
      await requireNoGroupChange(store, organization.id, id);
    }
    const details = {
      group: id,
      name: value.displayName,
      ...(isRenamed ? { name_from: before.displayName, name_to: value.displayName } : {}),
      by: 'scim',
    };
    const steps: Step[] = [
      // A sign-in that has read the former name is evaluated again.
      organizationStep(stored, { isReplaced: changesRoles, changesRoles }),
      { do: 'replace', collection, id, version: group.version, value: { ...value, changedAt: toIsoTime(nowMs) } },
      auditStep(nowMs, actor, 'group.changed', { details }),
      ...(changesRoles ? await groupChangeSteps(store, { organizationId: organization.id, connectionId, groupId: id, actor }) : []),
      target.requireToken,
    ];
    const result = await store.commit(organization.id, steps, { replicated: true });
    if (result.ok) return { isChanged: true, changesRoles };
    requireStillValid(target, steps, result);
    if (await isTaken(runtime, target, id, value.displayName)) throw notUnique('A group with this displayName already exists.');
    return RETRY;
  });
}

/** Notes the change of a group for the background again, because a client repeats a request that was interrupted. */
async function noteInterruptedChange(store: Store, organizationId: string, groupId: string): Promise<void> {
  if (await isGroupChanging(store, organizationId, groupId)) await noteGroupChanges(store, organizationId, true);
}

/**
 * Requires that the organization is unchanged. With `isReplaced`, sign-ins that have read it fail and are evaluated again.
 * With `changesRoles`, sessions and tokens use the current groups until all members are changed.
 */
const organizationStep = (
  { version, value }: Stored<Organization>,
  { isReplaced, changesRoles }: { readonly isReplaced: boolean; readonly changesRoles: boolean },
): Step => ({
  ...{ collection: ORGANIZATION, id: ORGANIZATION_RECORD, version, value: changesRoles ? { ...value, changesGroups: true } : value },
  do: isReplaced ? 'replace' : 'require',
});

const givesRole = (organization: Organization, names: readonly string[]): boolean =>
  usesScimGroups(organization) && names.some((name) => isRuleGroup(organization, name));

/**
 * Deletes a group. From the commit on, it gives no role at a sign-in. Its memberships and the roles that it gave are removed before this
 * function returns; if it is interrupted, any replica continues.
 * @throws ScimError 404, 412
 */
export async function removeGroup(
  runtime: Runtime,
  actor: Actor,
  target: ScimTarget,
  { id, requireVersion, charges }: Pick<GroupChange, 'id' | 'requireVersion' | 'charges'>,
): Promise<void> {
  const { store, now } = runtime;
  const connectionId = target.connection.id;
  const hasMembers = await compareAndSet<boolean>(async () => {
    const { stored, organization } = await requireTarget(store, target.organization.id, connectionId);
    await noteInterruptedChange(store, organization.id, id);
    const group = await getGroup(runtime, target, id);
    requireVersion(group.version);
    // A member that is added from now on changes the version of the group.
    const { items } = await store.find(organization.id, scimMemberships(connectionId), 'group', { equals: id, limit: 1 });
    const isUsed = items.length > 0;
    if (isUsed) await noteGroupChanges(store, organization.id, true);
    const steps: Step[] = [
      organizationStep(stored, { isReplaced: isUsed, changesRoles: isUsed && givesRole(organization, [group.value.displayName]) }),
      { do: 'delete', collection: scimGroups(connectionId), id, version: group.version },
      auditStep(now(), actor, 'group.deleted', { details: { group: id, name: group.value.displayName, by: 'scim' } }),
      ...(isUsed ? await groupChangeSteps(store, { organizationId: organization.id, connectionId, groupId: id, actor }) : []),
      target.requireToken,
    ];
    const result = await store.commit(organization.id, steps, { replicated: true });
    if (result.ok) return isUsed;
    requireStillValid(target, steps, result);
    return RETRY;
  });
  if (hasMembers) await finishGroupChange(runtime, { organizationId: target.organization.id, groupId: id, charges });
}
