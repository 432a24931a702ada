/** How much of its quotas an organization uses, and the limits on new members. */
import { codeOf } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import type { Step, Store } from '../../store/store.ts';
import { MINUTE_MS } from '../../time.ts';
import { claimsOf } from '../domains/domain-claims.ts';
import { MEMBERS } from '../members.ts';
import type { Organization } from '../organizations.ts';
import { isNearQuota, noteQuotaUse, type QuotaName, quotaOf, type RefusingQuota, settingsBytes } from './quotas.ts';

export type QuotaUse = Readonly<Record<'members' | 'domains' | 'settings_bytes', number>>;

/** Takes the same time however many members there are. @throws store_unavailable */
export const readQuotaUse = async (store: Store, organization: Organization): Promise<QuotaUse> => ({
  members: await store.count(organization.id, MEMBERS),
  domains: claimsOf(organization).length,
  settings_bytes: settingsBytes(organization),
});

/** Returns the quotas of which most is used. */
export const nearQuotas = (organization: Organization, use: QuotaUse): QuotaName[] =>
  Object.entries(use).flatMap(([name, used]) => (isNearQuota(organization, name as QuotaName, used) ? [name as QuotaName] : []));

/**
 * Returns the steps that make the commit of a new member fail if the organization has too many. They must come before the insert of the
 * member. See {@link exceededQuota}.
 */
export const newMemberSteps = (organization: Organization, nowMs: number): Step[] => [
  { do: 'below', collection: MEMBERS, count: quotaOf(organization, 'members') },
  {
    do: 'increment',
    key: `new-members:${Math.floor(nowMs / MINUTE_MS)}`,
    max: quotaOf(organization, 'new_members_per_minute'),
    ttlSeconds: 120,
  },
];

/** Returns the quota that the failed step of a commit enforces. */
export function exceededQuota(failed: Step | undefined): RefusingQuota | undefined {
  if (failed?.do === 'below') return 'members';
  return failed?.do === 'increment' ? 'new_members_per_minute' : undefined;
}

/** Warns the operator before the organization has too many members. A failure is only logged, because the member has signed in. */
export async function noteNewMember(runtime: Runtime, organization: Organization): Promise<void> {
  try {
    noteQuotaUse(runtime, organization, 'members', await runtime.store.count(organization.id, MEMBERS));
  } catch (error) {
    runtime.log.warn({ code: codeOf(error), organization: organization.slug }, 'could not count the members of an organization');
  }
}
