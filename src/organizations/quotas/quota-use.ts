/** How much of its quotas an organization uses, and the limits on new members. */
import { codeOf } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import type { Collection, Step, Store } from '../../store/store.ts';
import { MINUTE_MS } from '../../time.ts';
import { claimsOf } from '../domains/domain-claims.ts';
import { scimGroups, scimMemberships } from '../groups/scim-groups.ts';
import { MEMBERS } from '../members.ts';
import type { Organization } from '../organizations.ts';
import { isNearQuota, noteQuotaUse, type QuotaName, quotaOf, type RefusingQuota, settingsBytes } from './quotas.ts';

export type QuotaUse = Readonly<Record<'members' | 'domains' | 'settings_bytes' | 'groups' | 'group_memberships', number>>;

/** Takes the same time however many members there are. @throws store_unavailable */
export const readQuotaUse = async (store: Store, organization: Organization): Promise<QuotaUse> => ({
  members: await store.count(organization.id, MEMBERS),
  domains: claimsOf(organization).length,
  settings_bytes: settingsBytes(organization),
  ...(await readGroupUse(store, organization)),
});

/** Returns the use of the connection that uses most. Connections that no SCIM client can change are left out. */
async function readGroupUse(
  store: Store,
  { id, scimConnections = [] }: Organization,
): Promise<Pick<QuotaUse, 'groups' | 'group_memberships'>> {
  const most = async (collectionOf: (connectionId: string) => Collection<never>) =>
    Math.max(0, ...(await Promise.all(scimConnections.map((connectionId) => store.count(id, collectionOf(connectionId))))));
  const [groups, memberships] = await Promise.all([most(scimGroups), most(scimMemberships)]);
  return { groups, group_memberships: memberships };
}

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

/** Warns the operator before the organization has too many members. */
export const noteNewMember = (runtime: Runtime, organization: Organization): Promise<void> =>
  noteCount(runtime, organization, 'members', MEMBERS);

/** Warns the operator before a connection has too many groups. */
export const noteNewGroup = (runtime: Runtime, organization: Organization, connectionId: string): Promise<void> =>
  noteCount(runtime, organization, 'groups', scimGroups(connectionId));

/** Warns the operator before the groups of a connection have too many members together. */
export const noteNewMemberships = (runtime: Runtime, organization: Organization, connectionId: string): Promise<void> =>
  noteCount(runtime, organization, 'group_memberships', scimMemberships(connectionId));

/** A failure is only logged, because the change has already been made. */
async function noteCount(runtime: Runtime, organization: Organization, quota: QuotaName, collection: Collection<never>): Promise<void> {
  try {
    noteQuotaUse(runtime, organization, quota, await runtime.store.count(organization.id, collection));
  } catch (error) {
    runtime.log.warn({ code: codeOf(error), organization: organization.slug, quota }, 'could not check the use of a quota');
  }
}
