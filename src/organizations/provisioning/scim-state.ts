/** What activation and deactivation by the identity provider do to a member, and to the owners of the organization. */
import { type Actor, auditStep } from '../../audit.ts';
import type { Step, Store, Stored } from '../../store/store.ts';
import { dropSessions, hasAnotherOwner, isActiveOwner, type Member, withoutCredentials } from '../members.ts';
import { ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations.ts';
import { ownerLossStep, withOwner, withoutOwner } from '../owners/owner-loss.ts';
import { isSuspendedByOwner, type ScimUser } from './scim-users.ts';

/**
 * Returns a member after the identity provider has set `active`. Deactivation suspends the member and ends all sessions and CLI tokens,
 * for good. Activation restores access, unless an owner or the operator has suspended the member too.
 */
export function withScimState(member: Member, scim: NonNullable<Member['scim']>): Member {
  const byOwner = isSuspendedByOwner(member);
  const marked: Member = { ...member, scim, suspended: byOwner || !scim.active, suspendedByOwner: byOwner || undefined };
  return scim.active ? marked : withoutCredentials(marked);
}

/** Returns the steps that delete what the store holds for sessions that a change ends. */
export const deactivationSteps = (before: Member, after: Member): readonly Step[] =>
  dropSessions(before.sessions.filter((session) => !after.sessions.includes(session)));

/** A member before and after a change by SCIM. `after` is undefined if the member is removed. */
export interface ScimChange {
  readonly before: Member;
  readonly after: Member | undefined;
}

export interface OwnerEffect {
  /** The last step of the commit concerns the record of the organization. */
  readonly steps: readonly Step[];
  readonly losesLastOwner: boolean;
}

/**
 * Returns what a change means for the organization. A suspension increments the version of its record, so that sign-ins that have not
 * seen it are judged again. The last owner can be deactivated, too, because users who have left must lose access.
 */
export async function foreseeScimChange(
  store: Store,
  organization: Stored<Organization>,
  { change: { before, after }, actor, nowMs }: { readonly change: ScimChange; readonly actor: Actor; readonly nowMs: number },
): Promise<OwnerEffect> {
  const { value, version } = organization;
  const replaceBy = (next: Organization): Step => ({
    do: 'replace',
    collection: ORGANIZATION,
    id: ORGANIZATION_RECORD,
    version,
    value: next,
  });
  const losesOwner = isActiveOwner(before) && !(after && isActiveOwner(after));
  if (losesOwner && !(await hasAnotherOwner(store, value.id, before.id))) {
    const marked = withoutOwner(value, nowMs);
    return marked
      ? { steps: [ownerLossStep(nowMs, actor, 'scim', before.id), replaceBy(marked)], losesLastOwner: true }
      : { steps: [replaceBy(value)], losesLastOwner: false };
  }
  if (after && isActiveOwner(after) && value.withoutOwnerSince !== undefined) {
    return { steps: [replaceBy(withOwner(value))], losesLastOwner: false };
  }
  const isSuspension = !after || (after.suspended && !before.suspended);
  if (losesOwner || isSuspension) return { steps: [replaceBy(value)], losesLastOwner: false };
  return { steps: [{ do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version }], losesLastOwner: false };
}

interface MemberAndUserChange {
  readonly before: Member;
  readonly after: Member;
  readonly userBefore: ScimUser;
  readonly userAfter: ScimUser;
}

/** Returns the audit entries of a change of a provisioned member. Other names can make another user of the identity provider this member. */
export function scimAuditSteps(nowMs: number, actor: Actor, { before, after, userBefore, userAfter }: MemberAndUserChange): Step[] {
  const member_id = after.id;
  const by = { by: 'scim' };
  const steps: Step[] = [];
  const names = {
    ...changeOf('email', before.email, after.email),
    ...changeOf('user_name', userBefore.userName, userAfter.userName),
    ...changeOf('external_id', userBefore.externalId, userAfter.externalId),
  };
  if (Object.keys(names).length > 0 || before.name !== after.name) {
    steps.push(auditStep(nowMs, actor, 'member.changed', { member_id, details: { ...by, ...names } }));
  }
  if (after.scim?.active === false && (before.scim?.active !== false || !before.suspended)) {
    steps.push(auditStep(nowMs, actor, 'member.suspended', { member_id, details: by }));
  }
  if (before.scim?.active === false && after.scim?.active === true) {
    const details = { ...by, ...(after.suspended ? { still_suspended_by: 'owner' } : {}) };
    steps.push(auditStep(nowMs, actor, 'member.unsuspended', { member_id, details }));
  }
  return steps;
}

export const changeOf = (name: string, from: string | undefined, to: string | undefined): Readonly<Record<string, string | null>> =>
  from === to ? {} : { [`${name}_from`]: from ?? null, [`${name}_to`]: to ?? null };
