/** Changes by owners and the operator: the role, suspension and removal of a member. */
import { type Actor, type AuditEntry, type AuditEvent, auditStep } from '../audit.ts';
import { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import { compareAndSet, RETRY } from '../store/compare-and-set.ts';
import { confirmReplicated } from '../store/confirm-replicated.ts';
import type { Step, Store, Stored } from '../store/store.ts';
import { findAccountsToSuspend } from './identity/same-person.ts';
import {
  canBeOwner,
  dropSessions,
  getMember,
  hasAnotherOwner,
  isActiveOwner,
  MEMBERS,
  type Member,
  noSuchMember,
  REMOVED_NAME_ID_SECONDS,
  removedNameIdKey,
} from './members.ts';
import { getOrganizationById, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from './organizations.ts';
import { isSuspendedByOwner, requireNotDeactivated, scimRemovalSteps } from './provisioning/scim-users.ts';
import type { Role } from './role-mapping.ts';

export interface MemberChanges {
  readonly role?: Role | undefined;
  readonly suspended?: boolean | undefined;
}

export interface MemberRef {
  readonly organizationId: string;
  readonly memberId: string;
}

/**
 * Changes the role of a member, or suspends one. A suspension ends all sessions, and CLI tokens are refused until it is lifted. It also
 * suspends the other accounts of the user, so that the user does not stay signed in with one of them. Lifting it concerns one account.
 * The other accounts are searched for after the suspension is saved: a first sign-in that was saved before it is found, and one that
 * is saved later is judged again, because the suspension increments the version of the organization's record.
 * @throws not_found; conflict if a role rule decides the role, and for the last owner
 */
export async function changeMember(runtime: Runtime, actor: Actor, change: MemberChange): Promise<Member> {
  if (change.changes.suspended) await requireOwnerWithout(runtime, change);
  const member = await changeOne(runtime, actor, change);
  if (!change.changes.suspended) return member;
  for (const memberId of await findOtherAccounts(runtime, change.organizationId, member)) {
    const suspension = { ...change, memberId, changes: { suspended: true }, auditDetails: { account_of: member.id } };
    await changeOne(runtime, actor, suspension).catch(ignoreRemoved);
  }
  return member;
}

/** An account that has since been removed has no credentials left. */
function ignoreRemoved(error: unknown): void {
  if (!(error instanceof GatewayError) || error.code !== 'not_found') throw error;
}

export interface MemberChange extends MemberRef {
  readonly changes: MemberChanges;
  /** Details of the audit entries. */
  readonly auditDetails?: AuditEntry['details'];
}

/** @throws organization_unknown */
async function findOtherAccounts({ store }: Runtime, organizationId: string, member: Member): Promise<readonly string[]> {
  const organization = await getOrganizationById(store, organizationId);
  if (!organization) throw new GatewayError('organization_unknown');
  return findAccountsToSuspend(store, organization, member);
}

/**
 * Checks before the first account of a user is suspended that an owner is left. Each suspension checks again.
 * @throws not_found, organization_unknown; conflict if no owner would be left
 */
async function requireOwnerWithout(runtime: Runtime, { organizationId, memberId }: MemberRef): Promise<void> {
  const { value: member } = await getMember(runtime.store, organizationId, memberId);
  const ids = new Set([memberId, ...(await findOtherAccounts(runtime, organizationId, member))]);
  const owners = await runtime.store.find(organizationId, MEMBERS, 'activeRole', { equals: 'owner', limit: ids.size + 1 });
  if (owners.items.length > 0 && owners.items.every(({ id }) => ids.has(id))) throw lastOwner();
}

async function changeOne(runtime: Runtime, actor: Actor, { changes, auditDetails, ...ref }: MemberChange): Promise<Member> {
  return writeMember(runtime, ref, ({ id, value: before, version }, organization) => {
    const { after, events } = applyChanges(organization, before, changes);
    if (events.length === 0) return undefined;
    const steps: Step[] = [
      { do: 'replace', collection: MEMBERS, id, version, value: after },
      ...(after.sessions.length < before.sessions.length ? dropSessions(before.sessions) : []),
      ...events.map(([event, details]) => {
        const all = { ...details, ...auditDetails };
        return auditStep(runtime.now(), actor, event, { member_id: id, ...(Object.keys(all).length > 0 ? { details: all } : {}) });
      }),
    ];
    return {
      steps,
      after,
      losesOwner: isActiveOwner(before) && !isActiveOwner(after),
      gainsOwner: isActiveOwner(after),
      isSuspension: after.suspended && !before.suspended,
    };
  });
}

interface ChangedMember {
  readonly after: Member;
  readonly events: readonly (readonly [AuditEvent, AuditEntry['details']])[];
}

/** @throws conflict */
function applyChanges(organization: Organization, before: Member, { role, suspended }: MemberChanges): ChangedMember {
  const events: [AuditEvent, AuditEntry['details']][] = [];
  let after = before;
  if (role !== undefined && role !== before.role) {
    if (before.roleSource.kind === 'rule') {
      throw new GatewayError(
        'conflict',
        'A role rule decides this member’s role. Change the rule, or the member’s groups at the identity provider.',
      );
    }
    if (role === 'owner' && !canBeOwner(before)) {
      throw new GatewayError('conflict', 'This member has never signed in. Make the member an owner after the first sign-in.');
    }
    after = { ...after, role, roleSource: { kind: 'manual' } };
    events.push(['member.role_changed', { from: before.role, to: role }]);
  }
  if (suspended === false && before.suspended) requireNotDeactivated(before, organization);
  if (suspended !== undefined && (suspended !== before.suspended || suspended !== isSuspendedByOwner(before))) {
    after = { ...after, suspended, suspendedByOwner: suspended || undefined, sessions: suspended ? [] : after.sessions };
    events.push([suspended ? 'member.suspended' : 'member.unsuspended', undefined]);
  }
  return { after, events };
}

/**
 * Removes a member. All sessions and tokens are invalid immediately, because they are part of the record.
 * @throws not_found; conflict for the last owner
 */
export async function removeMember(runtime: Runtime, actor: Actor, ref: MemberRef): Promise<void> {
  await writeMember(runtime, ref, async (member) => ({
    steps: await removalSteps(runtime, actor, ref.organizationId, member),
    after: member.value,
    losesOwner: isActiveOwner(member.value),
    gainsOwner: false,
  }));
}

/** Returns the steps that remove a member, with the audit entry. */
export async function removalSteps(
  { store, now }: Runtime,
  actor: Actor,
  organizationId: string,
  { id, value: member, version }: Stored<Member>,
): Promise<Step[]> {
  return [
    { do: 'delete', collection: MEMBERS, id, version },
    ...dropSessions(member.sessions),
    auditStep(now(), actor, 'member.removed', { member_id: id, details: { email: member.email } }),
    ...(member.seenNameIds ?? []).map(
      (nameId): Step => ({ do: 'put', key: removedNameIdKey(nameId), value: '', ttlSeconds: REMOVED_NAME_ID_SECONDS }),
    ),
    ...(await scimRemovalSteps(store, organizationId, member)),
  ];
}

interface MemberWrite {
  readonly steps: readonly Step[];
  readonly after: Member;
  readonly losesOwner: boolean;
  /** Whether the member is an active owner now. */
  readonly gainsOwner: boolean;
  readonly isSuspension?: boolean;
}

/**
 * Changes a member in one atomic commit. A change that takes the owner role from a member also increments the version of the
 * organization's record. So two owners who remove each other at the same moment cannot both succeed, and new role rules that
 * rely on this owner are checked again. A suspension also increments it, so that sign-ins that have not seen it are judged again.
 */
async function writeMember(
  runtime: Runtime,
  { organizationId, memberId }: MemberRef,
  plan: (member: Stored<Member>, organization: Organization) => MemberWrite | undefined | Promise<MemberWrite>,
): Promise<Member> {
  return compareAndSet(async () => {
    const organization = await runtime.store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
    if (!organization) throw new GatewayError('organization_unknown');
    const member = await runtime.store.get(organizationId, MEMBERS, memberId);
    const write = member && (await plan(member, organization.value));
    if (!write) {
      await confirmReplicated(runtime.store, organizationId);
      if (!member) throw noSuchMember();
      return member.value;
    }
    const steps = [...write.steps];
    if (write.losesOwner) await requireAnotherOwner(runtime.store, organizationId, memberId);
    if (write.losesOwner || write.isSuspension) {
      const { version, value } = organization;
      steps.push({ do: 'replace', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version, value });
    } else if (write.gainsOwner && organization.value.withoutOwnerSince !== undefined) {
      const value: Organization = { ...organization.value, withoutOwnerSince: undefined };
      steps.push({ do: 'replace', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: organization.version, value });
    }
    return (await runtime.store.commit(organizationId, steps, { replicated: true })).ok ? write.after : RETRY;
  });
}

async function requireAnotherOwner(store: Store, organizationId: string, id: string): Promise<void> {
  if (await hasAnotherOwner(store, organizationId, id)) return;
  throw lastOwner();
}

const lastOwner = (): GatewayError =>
  new GatewayError('conflict', 'This is the last owner of the organization. Make another member an owner first.');
