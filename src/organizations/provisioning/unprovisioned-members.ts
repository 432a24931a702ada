/** Members without a SCIM user, whom `scim_required` refuses. */
import type { Store } from '../../store/store.ts';
import { MEMBERS } from '../members.ts';
import type { Organization } from '../organizations.ts';
import { scimUsers } from './scim-users.ts';

/** The connections whose users are provisioned members. */
export const provisioningConnections = ({ connections }: Pick<Organization, 'connections'>): readonly string[] =>
  connections.map(({ id }) => id);

/** Counts the members without a SCIM user of one of the connections. It reads counters only. */
export async function countUnprovisioned(store: Store, organization: Pick<Organization, 'id' | 'connections'>): Promise<number> {
  const members = await store.count(organization.id, MEMBERS);
  const users = await Promise.all(provisioningConnections(organization).map((id) => store.count(organization.id, scimUsers(id))));
  return Math.max(
    0,
    users.reduce((rest, count) => rest - count, members),
  );
}
