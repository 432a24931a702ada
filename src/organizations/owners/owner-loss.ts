/**
 * Notices when an organization loses its last owner, and when it has one again. The organization's record says since when it has
 * none, so the event is written once, and only a sign-in that changes something pays for it.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { codeOf } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import type { Step, Store, Stored } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import { hasAnotherOwner, isActiveOwner, MEMBERS, type Member } from '../members.ts';
import { ORGANIZATION, ORGANIZATION_RECORD, type Organization, updateOrganization } from '../organizations.ts';

/** The change that left an organization without an owner. */
export type OwnerLossCause = 'sign_in' | 'role_mapping' | 'connection' | 'scim';

/** Returns the organization marked as one without an owner, or undefined if it already is. */
export const withoutOwner = (organization: Organization, nowMs: number): Organization | undefined =>
  organization.withoutOwnerSince === undefined ? { ...organization, withoutOwnerSince: toIsoTime(nowMs) } : undefined;

/** Returns the organization without the mark. */
export const withOwner = ({ withoutOwnerSince: _, ...organization }: Organization): Organization => organization;

/** Returns the audit step of the change that {@link withoutOwner} makes. Add it to the same commit. */
export const ownerLossStep = (nowMs: number, actor: Actor, cause: OwnerLossCause, memberId?: string): Step =>
  auditStep(nowMs, actor, 'organization.without_owner', {
    ...(memberId === undefined ? {} : { member_id: memberId }),
    details: { cause },
  });

/** A member before and after a sign-in. `before` is undefined for a new member, `after` if no member is created. */
export interface SignedInMember {
  readonly before: Member | undefined;
  readonly after: Member | undefined;
}

export interface OwnerChange {
  /** Requires that the organization is unchanged, or replaces its record. Fails if it has changed since it was read. */
  readonly organizationStep: Step;
  /** The audit entry, if the organization loses its last owner. */
  readonly auditSteps: readonly Step[];
}

/** For a sign-in that changes no member. */
export const requireUnchanged = ({ version }: Stored<Organization>): OwnerChange => ({
  organizationStep: { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version },
  auditSteps: [],
});

/**
 * Returns what a sign-in changes about its organization's owners. A member who stops being an owner increments the version of
 * the organization's record. So of two last owners who lose the role at the same moment, one sign-in is judged again and sees that
 * it is the last.
 */
export async function foreseeOwnerChange(
  { store, now }: Pick<Runtime, 'store' | 'now'>,
  stored: Stored<Organization>,
  { before, after }: SignedInMember,
): Promise<OwnerChange> {
  const { value: organization, version } = stored;
  const replaceBy = (value: Organization): Step => ({ do: 'replace', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version, value });
  const isMarked = organization.withoutOwnerSince !== undefined;
  const isOwner = after !== undefined && isActiveOwner(after);
  if (isOwner && isMarked) return { organizationStep: replaceBy(withOwner(organization)), auditSteps: [] };
  if (isOwner || isMarked || !before || !isActiveOwner(before)) return requireUnchanged(stored);
  if (await hasAnotherOwner(store, organization.id, before.id)) return { organizationStep: replaceBy(organization), auditSteps: [] };
  return {
    organizationStep: replaceBy(withoutOwner(organization, now()) ?? organization),
    auditSteps: [ownerLossStep(now(), { kind: 'identity_provider' }, 'sign_in', before.id)],
  };
}

/**
 * Tells the operator that an organization has lost its last owner, after the change is saved. A member who became an owner between
 * the check and the change takes the mark away again. A failure is only logged, because the change has already been made.
 */
export async function reportOwnerLoss(
  runtime: Runtime,
  { id, slug }: Pick<Organization, 'id' | 'slug'>,
  cause: OwnerLossCause,
): Promise<void> {
  runtime.metrics.ownerLosses.inc({ cause });
  runtime.log.warn({ organization: slug, cause }, 'the organization has no owner; make a member an owner or change the role rules');
  if (cause !== 'sign_in' && cause !== 'scim') return;
  try {
    if (await hasOwner(runtime.store, id)) await clearOwnerLoss(runtime, id);
  } catch (error) {
    runtime.log.warn({ code: codeOf(error), organization: slug }, 'could not check whether the organization has an owner again');
  }
}

/** Returns whether a member is an owner whose credentials can be valid. */
export const hasOwner = async (store: Store, id: string): Promise<boolean> =>
  (await store.find(id, MEMBERS, 'activeRole', { equals: 'owner', limit: 1 })).items.length > 0;

/** Takes the mark of an organization without an owner away. Not audited: the change of the role is. */
const clearOwnerLoss = (runtime: Runtime, organizationId: string): Promise<Organization> =>
  updateOrganization(
    runtime,
    { kind: 'gateway' },
    { organizationId, change: (organization) => (organization.withoutOwnerSince === undefined ? undefined : withOwner(organization)) },
  );
