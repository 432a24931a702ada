/** Lists provisioned users for people. The members show what the gateway made of them. */
import type { Store } from '../../store/store.ts';
import type { OrganizationConnection } from '../connections/connections.ts';
import { MEMBERS, type Member } from '../members.ts';
import { type ScimUser, scimUsers } from './scim-users.ts';

export interface UserWithMember {
  readonly id: string;
  readonly user: ScimUser;
  /** Undefined if the member was removed at the same moment as the user changed. */
  readonly member: Member | undefined;
}

/** Returns one page of the users of a connection, in the order of their ids. */
export async function listUsersWithMembers(
  store: Store,
  { organization: { id: organizationId }, connection }: OrganizationConnection,
  range: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly total: number; readonly items: readonly UserWithMember[]; readonly nextCursor: string | null }> {
  const collection = scimUsers(connection.id);
  const [total, { items, nextCursor }] = await Promise.all([
    store.count(organizationId, collection),
    store.find(organizationId, collection, 'all', { equals: '', ...range }),
  ]);
  const listed = items.map(async ({ id, value }) => ({ id, user: value, member: (await store.get(organizationId, MEMBERS, id))?.value }));
  return { total, items: await Promise.all(listed), nextCursor };
}
