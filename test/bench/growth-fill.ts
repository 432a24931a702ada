/** Writes many organizations, members, users and groups directly into the store, for `bench:growth`. */
import { auditStep } from '../../src/audit.ts';
import { newId } from '../../src/ids.ts';
import { connectionDatesOf } from '../../src/organizations/connections/connection-dates.ts';
import { DIRECTORY } from '../../src/organizations/directory.ts';
import { type ScimGroup, scimGroups, scimMemberships } from '../../src/organizations/groups/scim-groups.ts';
import { MEMBERS, type Member } from '../../src/organizations/members.ts';
import { type Connection, getOrganizationById, ORGANIZATION, ORGANIZATION_RECORD } from '../../src/organizations/organizations.ts';
import { type ScimUser, scimUsers } from '../../src/organizations/provisioning/scim-users.ts';
import type { Runtime } from '../../src/runtime.ts';
import { type Collection, GLOBAL, type Step, type Store, type Stored } from '../../src/store/store.ts';
import { toIsoTime } from '../../src/time.ts';
import { numberOf } from './growth-target.ts';

export const ORGANIZATION_COUNT = numberOf('ORGANIZATIONS', 10_000);
export const MEMBER_COUNT = numberOf('MEMBERS', 100_000);
export const AUDIT_COUNT = numberOf('AUDIT', 1_000_000);
/** Provisioned users, in one group of all. */
const USER_COUNT = Math.min(MEMBER_COUNT, 20_000);
/** Other groups. Each has the first users of the list, so that each user on its first page is in half of the groups. */
const GROUP_COUNT = 200;
const GROUP_SIZE = 100;
/** Copies whose metadata can be refreshed. */
export const REFRESHED_COUNT = Math.min(ORGANIZATION_COUNT - 1, 500);
const BATCH = 500;

async function commitAll(runtime: Runtime, partition: string, count: number, step: (n: number) => Step): Promise<void> {
  for (let start = 0; start < count; start += BATCH) {
    const steps = Array.from({ length: Math.min(BATCH, count - start) }, (_, i) => step(start + i));
    if (!(await runtime.store.commit(partition, steps)).ok) throw new Error('the data could not be written');
  }
}

/** @param metadataUrl serves the metadata of the organization */
export async function fill(runtime: Runtime, id: string, { member, metadataUrl }: { member: Member; metadataUrl: string }): Promise<void> {
  const connection = (await getOrganizationById(runtime.store, id))?.connections[0];
  if (!connection) throw new Error('there is no connection');
  await copyOrganization(runtime, id, metadataUrl);
  await addMembers(runtime, id, { member, connection });
  await addUsersAndGroups(runtime, id, connection);
  const startMs = runtime.now() - AUDIT_COUNT - 1000;
  await commitAll(runtime, id, AUDIT_COUNT, (n) =>
    auditStep(startMs + n, { kind: 'member', id: member.id, email: member.email }, 'login.accepted', { member_id: member.id }),
  );
}

/** Makes copies whose metadata comes from a URL. It is not due before `makeRefreshDue`, because a refresh would disturb the measurements. */
async function copyOrganization({ store, now }: Runtime, id: string, metadataUrl: string): Promise<void> {
  const original = await getOrganizationById(store, id);
  const entry = await store.get(GLOBAL, DIRECTORY, id);
  if (!original || !entry) throw new Error('there is no organization');
  const updatedAt = toIsoTime(now());
  const connections = original.connections.map((each) => ({
    ...each,
    metadataUrl,
    updatedAt,
    settings: { ...each.settings, metadataRefreshHours: 24 },
  }));
  const copies = Array.from({ length: ORGANIZATION_COUNT - 1 }, (_, n) => ({
    ...original,
    id: newId('org'),
    slug: `copy-${n + 1}`,
    connections: connections.map((each) => ({ ...each, id: newId('con') })),
  }));
  for (const copy of copies)
    await store.commit(copy.id, [{ do: 'insert', collection: ORGANIZATION, id: ORGANIZATION_RECORD, value: copy }]);
  // As the gateway would note them. It would otherwise correct them once a day, while the requests are measured.
  const noted = { dates: connectionDatesOf(connections), refreshesMetadata: true };
  await commitAll({ store } as Runtime, GLOBAL, copies.length, (n) => {
    const { id: copyId = '', slug = '' } = copies[n] ?? {};
    return { do: 'insert', collection: DIRECTORY, id: copyId, value: { ...entry.value, slug, domains: [], ...noted } };
  });
}

/** Makes the refresh of some copies due, in their records and in the directory. */
export async function makeRefreshDue({ store }: Runtime): Promise<void> {
  const updatedAt = toIsoTime(0);
  for (let n = 1; n <= REFRESHED_COUNT; n++) {
    const entry = await store.getUnique(GLOBAL, DIRECTORY, 'slug', `copy-${n}`);
    const copy = entry && (await store.get(entry.id, ORGANIZATION, ORGANIZATION_RECORD));
    if (!copy) throw new Error('there is no copy');
    const due = { ...copy.value, connections: copy.value.connections.map((each) => ({ ...each, updatedAt, refresh: undefined })) };
    await replace(store, entry.id, ORGANIZATION, { ...copy, value: due });
    const dates = { refreshDueAtMs: 1, isRefreshFailing: false, certificateEndsAtMs: null };
    await replace(store, GLOBAL, DIRECTORY, { ...entry, value: { ...entry.value, dates } });
  }
}

async function replace<T>(store: Store, partition: string, collection: Collection<T>, { id, version, value }: Stored<T>): Promise<void> {
  const { ok } = await store.commit(partition, [{ do: 'replace', collection, id, version, value }]);
  if (!ok) throw new Error('the record has changed');
}

async function addMembers(runtime: Runtime, id: string, { member, connection }: { member: Member; connection: Connection }): Promise<void> {
  const { items } = await runtime.store.find(id, MEMBERS, 'email', { limit: 10 });
  const identifier = items.find(({ value }) => value.identifier)?.value.identifier;
  await commitAll(runtime, id, MEMBER_COUNT, (n) => {
    const value: Member = {
      ...member,
      id: newId('usr'),
      identity: `member ${n}`,
      email: `person-${String(n).padStart(6, '0')}@example.com`,
      connectionId: connection.id,
      ...(identifier ? { identifier: { ...identifier, value: formerIdentifier(n) } } : {}),
    };
    return { do: 'insert', collection: MEMBERS, id: value.id, value };
  });
}

const formerIdentifier = (n: number): string => `former-${n}`;

/** A table of identifiers of about 1 MiB, as large as one may be. */
export const identifierTable = (): string =>
  ['old_identifier,new_identifier', ...Array.from({ length: 40_000 }, (_, n) => `${formerIdentifier(n)},00u${n}`)].join('\n');

async function addUsersAndGroups(runtime: Runtime, id: string, connection: Connection): Promise<void> {
  const at = new Date(runtime.now()).toISOString();
  const times = { createdAt: at, changedAt: at };
  const users = Array.from({ length: USER_COUNT }, () => newId('usr')).sort();
  await commitAll(runtime, id, users.length, (n) => {
    const email = `user-${n}@acme.example`;
    const value: ScimUser = { attributes: { userName: email, displayName: `User ${n}` }, userName: email, email, active: true, ...times };
    return { do: 'insert', collection: scimUsers(connection.id), id: users[n] ?? '', value };
  });
  const groups = Array.from({ length: GROUP_COUNT + 1 }, () => newId('grp'));
  await commitAll(runtime, id, groups.length, (n) => {
    const value: ScimGroup = { attributes: { displayName: `group-${n}` }, displayName: `group-${n}`, ...times };
    return { do: 'insert', collection: scimGroups(connection.id), id: groups[n] ?? '', value };
  });
  const [all = '', ...others] = groups;
  const listed = users.slice(0, 2 * GROUP_SIZE);
  const memberships = [
    ...users.map((userId) => ({ groupId: all, userId })),
    ...others.flatMap((groupId, g) =>
      listed.flatMap((userId, u) => ((g + u) % Math.ceil(listed.length / GROUP_SIZE) === 0 ? [{ groupId, userId }] : [])),
    ),
  ];
  await commitAll(runtime, id, memberships.length, (n) => {
    const value = memberships[n] ?? { groupId: '', userId: '' };
    return { do: 'insert', collection: scimMemberships(connection.id), id: `${value.groupId}.${value.userId}`, value };
  });
}
