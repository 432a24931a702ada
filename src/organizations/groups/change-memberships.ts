/**
 * Adds and removes members of groups, in commits of bounded size. A commit writes the memberships, the roles that they change, and the
 * version of the group. It costs the same in small and in large groups.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { isUserId } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { MemberListChange } from '../../scim/group.ts';
import { ScimError } from '../../scim/scim-error.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { confirmReplicated } from '../../store/confirm-replicated.ts';
import { nextTurn } from '../../store/next-turn.ts';
import type { Step, Store, Stored } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import { MEMBERS, type Member } from '../members.ts';
import type { Organization } from '../organizations.ts';
import { reportOwnerLoss } from '../owners/owner-loss.ts';
import { requireStillValid, requireTarget } from '../provisioning/provision-user.ts';
import type { ScimTarget } from '../provisioning/scim-users.ts';
import { noteNewMemberships } from '../quotas/quota-use.ts';
import { quotaExceeded, quotaOf } from '../quotas/quotas.ts';
import {
  foreseeRoleChanges,
  type MemberRoleChange,
  type RuleGroups,
  readRuleGroups,
  roleChangeSteps,
  withRoleByGroups,
} from './group-roles.ts';
import { isGroupChanging } from './pending-group-changes.ts';
import {
  BATCH_SIZE,
  MAX_GROUPS_OF_USER,
  membershipId,
  membershipsOfUser,
  type ScimGroup,
  scimGroups,
  scimMemberships,
} from './scim-groups.ts';

const PAGE_SIZE = 200;

export const noSuchGroup = (): ScimError => new ScimError(404, 'There is no such group.');

/**
 * Counts the members that a request concerns, against a limit of the client. Members are counted before they are read or changed, so that
 * a request that fails halfway is also counted. The caller counts those that a request names.
 */
export interface MemberCharges {
  /** @throws rate_limited */
  require(members: number): Promise<void>;
  /** Counts members of a change that must be finished, and refuses only later requests. */
  note(members: number): Promise<void>;
}

export interface MembershipChange {
  readonly groupId: string;
  readonly members: MemberListChange;
  /** Checks the version that the client has seen. Called until the first commit. @throws ScimError 412 */
  readonly requireVersion: (version: number) => void;
  readonly charges: MemberCharges;
}

/**
 * Changes the members of a group. Removals come first, so that a refused addition keeps no access. If a commit fails, those before it
 * stay, and the client can repeat the request. Values that are no user of the connection are ignored, because a user whom an owner
 * removed must not block the changes of all others.
 * @throws ScimError 404, 412; quota_exceeded; rate_limited
 */
export async function changeMemberships(runtime: Runtime, actor: Actor, target: ScimTarget, change: MembershipChange): Promise<void> {
  const { members } = change;
  let { requireVersion } = change;
  const apply = async (ids: readonly string[], isAdded: boolean) => {
    for (let from = 0; from < ids.length; from += BATCH_SIZE) {
      if (target.signal?.aborted) throw new GatewayError('rate_limited', { detail: 'The client disconnected.' });
      const userIds = ids.slice(from, from + BATCH_SIZE);
      const count = await changeBatch(runtime, actor, target, { groupId: change.groupId, userIds, isAdded, requireVersion });
      if (count > 0) requireVersion = () => {};
      await nextTurn();
    }
  };
  let present: ReadonlySet<string> = new Set();
  if (members.replacesAll) present = await removeOthers(runtime, target, change, (ids) => apply(ids, false));
  else await apply([...members.removed].filter(isUserId), false);
  const missing = [...members.added].filter((id) => isUserId(id) && !present.has(id));
  await apply(missing, true);
}

/**
 * Removes the members that a complete list does not name. Reads the group page by page.
 * @returns those that it names and that are already members
 */
async function removeOthers(
  { store }: Runtime,
  { organization, connection }: ScimTarget,
  { groupId, members, charges }: MembershipChange,
  remove: (ids: readonly string[]) => Promise<void>,
): Promise<ReadonlySet<string>> {
  const collection = scimMemberships(connection.id);
  const present = new Set<string>();
  for (let cursor: string | undefined; ; ) {
    const page = await store.find(organization.id, collection, 'group', { equals: groupId, limit: PAGE_SIZE, cursor });
    const ids = page.items.map(({ value }) => value.userId);
    for (const id of ids) if (members.added.has(id)) present.add(id);
    const others = ids.filter((id) => !members.added.has(id));
    await charges.require(others.length);
    await remove(others);
    if (page.nextCursor === null) return present;
    cursor = page.nextCursor;
  }
}

interface Batch {
  readonly groupId: string;
  readonly userIds: readonly string[];
  readonly isAdded: boolean;
  readonly requireVersion: (version: number) => void;
}

async function changeBatch(
  runtime: Runtime,
  actor: Actor,
  target: ScimTarget,
  { groupId, userIds, isAdded, requireVersion }: Batch,
): Promise<number> {
  const { store, now } = runtime;
  const connectionId = target.connection.id;
  return compareAndSet<number>(async () => {
    const { stored: organization } = await requireTarget(store, target.organization.id, connectionId);
    const organizationId = organization.value.id;
    const group = await store.get(organizationId, scimGroups(connectionId), groupId);
    if (!group) throw noSuchGroup();
    requireVersion(group.version);
    const ruleGroups = await readRuleGroups(store, organization.value, { connectionId });
    // A member who leaves before the rename reached its record must lose the role that the former name gave.
    const mayDecide = ruleGroups.has(groupId) || (await isGroupChanging(store, organizationId, groupId));
    const context = { organization: organization.value, connectionId, group, ruleGroups, mayDecide, isAdded };
    const found = await Promise.all(userIds.map((userId) => readChange(store, context, userId)));
    const changes = found.filter((change) => change !== undefined);
    if (changes.length === 0) {
      // An earlier attempt may have made the change before every replica acknowledged it.
      await confirmReplicated(store, organizationId);
      return 0;
    }
    const nowMs = now();
    const effect = await foreseeRoleChanges(store, organization, { changes, actor, nowMs });
    const memberships = scimMemberships(connectionId);
    const limit = quotaOf(organization.value, 'group_memberships') - changes.length + 1;
    const value: ScimGroup = { ...group.value, changedAt: toIsoTime(nowMs) };
    const event = isAdded ? 'group.member_added' : 'group.member_removed';
    const details = { group: groupId, name: group.value.displayName, by: 'scim' };
    const steps: Step[] = [
      { do: 'replace', collection: scimGroups(connectionId), id: groupId, version: group.version, value },
      ...(isAdded ? [{ do: 'below', collection: memberships, count: limit } as const] : []),
      ...changes.flatMap((change) => [
        membershipStep(connectionId, { groupId, userId: change.stored.id }, isAdded),
        ...roleChangeSteps(nowMs, actor, change),
        auditStep(nowMs, actor, event, { member_id: change.stored.id, details }),
      ]),
      ...effect.steps,
      target.requireToken,
    ];
    const result = await store.commit(organizationId, steps, { replicated: true });
    if (result.ok) {
      if (isAdded) await noteNewMemberships(runtime, organization.value, connectionId);
      if (effect.losesLastOwner) await reportOwnerLoss(runtime, organization.value, 'scim');
      return changes.length;
    }
    requireStillValid(target, steps, result);
    if (steps[result.failed]?.do === 'below') throw quotaExceeded(runtime, organization.value, 'group_memberships');
    return RETRY;
  });
}

const membershipStep = (
  connectionId: string,
  membership: { readonly groupId: string; readonly userId: string },
  isAdded: boolean,
): Step => {
  const at = { collection: scimMemberships(connectionId), id: membershipId(membership) };
  return isAdded ? { do: 'insert', ...at, value: membership } : { do: 'delete', ...at, version: 1 };
};

interface BatchContext {
  readonly organization: Organization;
  readonly connectionId: string;
  readonly group: Stored<ScimGroup>;
  readonly ruleGroups: RuleGroups;
  /** Whether the group can give a role, or could until a rename that is not finished. */
  readonly mayDecide: boolean;
  readonly isAdded: boolean;
}

/**
 * Returns the member before and after the change, or undefined if there is nothing to change. The removal of a user deletes its
 * memberships, so a membership always has a member.
 */
async function readChange(
  store: Store,
  { organization, connectionId, group, ruleGroups, mayDecide, isAdded }: BatchContext,
  userId: string,
): Promise<MemberRoleChange | undefined> {
  // The member is read first. A change of its memberships from now on also changes its version, and the commit fails.
  const stored: Stored<Member> | undefined = await store.get(organization.id, MEMBERS, userId);
  if (stored?.value.scim?.connectionId !== connectionId) return undefined;
  const id = membershipId({ groupId: group.id, userId });
  if (((await store.get(organization.id, scimMemberships(connectionId), id)) !== undefined) === isAdded) return undefined;
  if (!isAdded && !mayDecide) return { stored, after: stored.value };
  const memberships = await membershipsOfUser(store, { organizationId: organization.id, connectionId, userId });
  if (isAdded && memberships.length >= MAX_GROUPS_OF_USER) {
    throw new ScimError(400, `A user can be in at most ${MAX_GROUPS_OF_USER} groups.`, 'invalidValue');
  }
  if (!mayDecide) return { stored, after: stored.value };
  const others = memberships.map(({ value }) => value.groupId).filter((each) => each !== group.id);
  const names = (isAdded ? [...others, group.id] : others).flatMap((each) => ruleGroups.get(each) ?? []);
  return { stored, after: withRoleByGroups(organization, stored.value, names) };
}
