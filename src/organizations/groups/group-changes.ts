/**
 * Finishes renames and deletions of groups, which concern all members of a group. The commit that renames or deletes a group saves a
 * record. The members are then changed in batches, and the record is deleted last. After a crash, any replica starts the batches again,
 * which changes nothing for members who are done. Until then, a rename that changes roles is refused.
 */
import type { Actor } from '../../audit.ts';
import type { Runtime } from '../../runtime.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { eachRecord } from '../../store/each-record.ts';
import { nextTurn } from '../../store/next-turn.ts';
import type { Collection, Page, Step, Store, Stored } from '../../store/store.ts';
import { findConnection } from '../connections/connections.ts';
import { noteGroupChanges, organizationsWithGroupChanges } from '../directory.ts';
import { MEMBERS } from '../members.ts';
import { getOrganizationById, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations.ts';
import { reportOwnerLoss } from '../owners/owner-loss.ts';
import { resumeEach } from '../resume-each.ts';
import type { MemberCharges } from './change-memberships.ts';
import {
  foreseeRoleChanges,
  type MemberRoleChange,
  type RuleGroups,
  readRuleGroups,
  roleChangeSteps,
  ruleGroupsOfUser,
  usesScimGroups,
  withRoleByGroups,
} from './group-roles.ts';
import { GROUP_CHANGES, type GroupChangeRecord, type GroupChangeRef } from './pending-group-changes.ts';
import { BATCH_SIZE, type ScimMembership, scimGroups, scimMemberships } from './scim-groups.ts';

/** A change that a request finishes. */
interface RequestedChange {
  readonly organizationId: string;
  readonly groupId: string;
  readonly charges: Pick<MemberCharges, 'note'>;
}

/** Finishes the change of one group. When it returns, no member has a role by its former name, or by the deleted group. */
export async function finishGroupChange(runtime: Runtime, { organizationId, groupId, charges }: RequestedChange): Promise<void> {
  await noteAgain(runtime.store, organizationId);
  await finishOne(runtime, organizationId, { groupId, charges });
  await noteIfDone(runtime.store, organizationId);
}

/** Finishes the changes of all groups of an organization. */
export async function finishGroupChanges(runtime: Runtime, organizationId: string): Promise<void> {
  await finishEach(runtime, organizationId, () => true);
  await deleteFormerGroups(runtime.store, organizationId);
}

/** Finishes the changes of the groups of a connection. Call it before the connection is deleted, which deletes their memberships. */
export const finishGroupChangesOf = (runtime: Runtime, organizationId: string, connectionId: string): Promise<void> =>
  finishEach(runtime, organizationId, (change) => change.connectionId === connectionId);

async function finishEach(runtime: Runtime, organizationId: string, isWanted: (change: GroupChangeRecord) => boolean): Promise<void> {
  const records = { partition: organizationId, collection: GROUP_CHANGES, index: 'all' };
  for await (const { id: groupId, value } of eachRecord(runtime.store, records)) {
    if (isWanted(value)) await finishOne(runtime, organizationId, { groupId });
  }
}

/** Deletes the groups of deleted connections. Renames and deletions of groups of other connections are left to the background. */
export async function deleteFormerGroups(store: Store, organizationId: string): Promise<void> {
  await noteAgain(store, organizationId);
  for (const connectionId of await deletedConnections(store, organizationId)) await deleteGroupsOf(store, { organizationId, connectionId });
  await noteIfDone(store, organizationId);
}

interface Work {
  readonly groupId: string;
  readonly charges?: Pick<MemberCharges, 'note'>;
}

async function finishOne(runtime: Runtime, organizationId: string, { groupId, charges }: Work): Promise<void> {
  const { store } = runtime;
  const change = await store.get(organizationId, GROUP_CHANGES, groupId);
  if (!change) return;
  await applyChange(runtime, organizationId, { change, charges });
  // Fails if the group was deleted meanwhile. That deletion changes the members then.
  await store.commit(organizationId, [{ do: 'delete', collection: GROUP_CHANGES, id: groupId, version: change.version }], {
    replicated: true,
  });
}

/** The note from before the commit is deleted if another replica finished an earlier change between the two. */
async function noteAgain(store: Store, organizationId: string): Promise<void> {
  if (await hasChanges(store, organizationId)) await noteGroupChanges(store, organizationId, true);
}

async function noteIfDone(store: Store, organizationId: string): Promise<void> {
  await markDone(store, organizationId);
  if (await hasChanges(store, organizationId)) return;
  await noteGroupChanges(store, organizationId, false);
  // Another one may have been saved since.
  await noteAgain(store, organizationId);
}

/** Lets checks read roles from the records of members again. A change that is saved in between also replaces the record. */
async function markDone(store: Store, organizationId: string): Promise<void> {
  await compareAndSet<true>(async () => {
    const stored = await store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
    if (stored?.value.changesGroups === undefined) return true;
    if (await hasGroupChange(store, organizationId)) return true;
    const { changesGroups: _, ...value } = stored.value;
    const step: Step = { do: 'replace', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: stored.version, value };
    return (await store.commit(organizationId, [step])).ok ? true : RETRY;
  });
}

const hasChanges = async (store: Store, organizationId: string): Promise<boolean> =>
  (await hasGroupChange(store, organizationId)) || (await deletedConnections(store, organizationId)).length > 0;

const hasGroupChange = async (store: Store, organizationId: string): Promise<boolean> =>
  (await store.find(organizationId, GROUP_CHANGES, 'all', { limit: 1 })).items.length > 0;

/** Returns the deleted connections that still have groups. */
async function deletedConnections(store: Store, organizationId: string): Promise<readonly string[]> {
  const organization = await getOrganizationById(store, organizationId);
  const ids = (organization?.formerConnections ?? []).map(({ id }) => id).filter((id) => organization && !findConnection(organization, id));
  const counts = await Promise.all(
    ids.map(async (id) => (await store.count(organizationId, scimGroups(id))) + (await store.count(organizationId, scimMemberships(id)))),
  );
  return ids.filter((_, i) => counts[i] !== 0);
}

/**
 * Deletes the groups of a deleted connection. Its users can no longer sign in, so no role is decided. Stops if the identity provider is
 * connected again. Memberships are deleted first, so that none of them is left without its group if the deletion stops.
 */
async function deleteGroupsOf(store: Store, ref: Pick<GroupChangeRef, 'organizationId' | 'connectionId'>): Promise<void> {
  for (const [collection, index] of [
    [scimMemberships(ref.connectionId), 'group'],
    [scimGroups(ref.connectionId), 'all'],
  ] as const) {
    while (await deleteSome(store, ref, { collection, index })) await nextTurn();
  }
}

/** @returns whether there may be more */
async function deleteSome(
  store: Store,
  { organizationId, connectionId }: Pick<GroupChangeRef, 'organizationId' | 'connectionId'>,
  { collection, index }: { readonly collection: Collection<never>; readonly index: string },
): Promise<boolean> {
  return compareAndSet(async () => {
    const organization = await store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
    if (!organization || findConnection(organization.value, connectionId)) return false;
    const { items } = await store.find(organizationId, collection, index, { limit: BATCH_SIZE });
    if (items.length === 0) return false;
    const steps = items.map(({ id, version }): Step => ({ do: 'delete', collection, id, version }));
    const unchanged: Step = { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: organization.version };
    return (await store.commit(organizationId, [unchanged, ...steps])).ok ? true : RETRY;
  });
}

/** Call it before a connection is deleted. @see deleteFormerGroups */
export async function noteDeletedGroups(store: Store, organizationId: string, connectionId: string): Promise<void> {
  if ((await store.count(organizationId, scimGroups(connectionId))) > 0) await noteGroupChanges(store, organizationId, true);
}

/** Continues the changes that a crash has interrupted. */
export function resumeGroupChanges(runtime: Runtime, nextAfterMs?: number): Promise<void> {
  return resumeEach(runtime, organizationsWithGroupChanges(runtime.store), {
    name: 'changing the members of renamed or deleted groups',
    resume: (id) => finishGroupChanges(runtime, id),
    nextAfterMs,
  });
}

interface Pass {
  readonly change: Stored<GroupChangeRecord>;
  readonly charges: Work['charges'] | undefined;
}

async function applyChange(runtime: Runtime, organizationId: string, { change, charges }: Pass): Promise<void> {
  const { store } = runtime;
  const { connectionId, actor } = change.value;
  const collection = scimMemberships(connectionId);
  for (let cursor: string | undefined; ; ) {
    const page: Page<ScimMembership> = await store.find(organizationId, collection, 'group', {
      equals: change.id,
      limit: BATCH_SIZE,
      cursor,
    });
    if (page.items.length > 0) {
      await charges?.note(page.items.length);
      await writeBatch(runtime, { organizationId, connectionId, groupId: change.id, actor, memberships: page.items });
    }
    if (page.nextCursor === null) return;
    cursor = page.nextCursor;
    await nextTurn();
  }
}

interface Batch extends Omit<GroupChangeRef, 'actor'> {
  readonly actor: Actor;
  readonly memberships: readonly Stored<ScimMembership>[];
}

async function writeBatch(runtime: Runtime, { organizationId, connectionId, groupId, actor, memberships }: Batch): Promise<void> {
  const { store, now } = runtime;
  await compareAndSet<true>(async () => {
    const organization = await store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
    if (!organization) return true; // the whole organization is being deleted
    const isDeleted = (await store.get(organizationId, scimGroups(connectionId), groupId)) === undefined;
    const ruleGroups = await readRuleGroups(store, organization.value, { connectionId });
    const context = { organization: organization.value, connectionId, ruleGroups };
    const present = isDeleted ? await stillPresent(store, { organizationId, connectionId, memberships }) : memberships;
    const read = await Promise.all(present.map(({ value }) => readRoleChange(store, context, value.userId)));
    const changes = read.filter((change) => change !== undefined && change.after !== change.stored.value) as readonly MemberRoleChange[];
    if (changes.length === 0 && !(isDeleted && present.length > 0)) return true;
    const nowMs = now();
    const effect = await foreseeRoleChanges(store, organization, { changes, actor, nowMs });
    const collection = scimMemberships(connectionId);
    const steps: Step[] = [
      ...(isDeleted ? present.map(({ id, version }): Step => ({ do: 'delete', collection, id, version })) : []),
      ...changes.flatMap((change) => roleChangeSteps(nowMs, actor, change)),
      ...effect.steps,
    ];
    if (!(await store.commit(organizationId, steps, { replicated: true })).ok) return RETRY;
    if (effect.losesLastOwner) await reportOwnerLoss(runtime, organization.value, 'scim');
    return true;
  });
}

/** Another replica may do the same work, and the removal of a user also deletes memberships. */
async function stillPresent(
  store: Store,
  { organizationId, connectionId, memberships }: Pick<Batch, 'organizationId' | 'connectionId' | 'memberships'>,
): Promise<readonly Stored<ScimMembership>[]> {
  const read = await Promise.all(memberships.map(({ id }) => store.get(organizationId, scimMemberships(connectionId), id)));
  return read.filter((each) => each !== undefined);
}

interface RoleContext {
  readonly organization: Organization;
  readonly connectionId: string;
  readonly ruleGroups: RuleGroups;
}

async function readRoleChange(
  store: Store,
  { organization, connectionId, ruleGroups }: RoleContext,
  userId: string,
): Promise<MemberRoleChange | undefined> {
  if (!usesScimGroups(organization)) return undefined;
  const stored = await store.get(organization.id, MEMBERS, userId);
  if (stored?.value.scim?.connectionId !== connectionId) return undefined;
  const names = await ruleGroupsOfUser(store, ruleGroups, { organizationId: organization.id, connectionId, userId });
  return { stored, after: withRoleByGroups(organization, stored.value, names) };
}
