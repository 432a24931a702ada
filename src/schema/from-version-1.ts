/**
 * The migration from version 1. Programs of version 1 know no schema version, and Redis does not tell which clients they are, so the
 * migration makes them fail: it moves the collections through which everything is found (key ring, directory, organizations) to new
 * names. A program of version 1 then does not start. One that still runs answers `store_unavailable` or `organization_unknown`, and
 * reaches no organization that was moved.
 */
import { KEY_RING, KEY_RING_RECORD, type KeyRing } from '../auth/keys/key-ring.ts';
import { DEFAULT_SETTINGS, newConnection } from '../organizations/connections/connections.ts';
import { DIRECTORY, type DirectoryEntry } from '../organizations/directory.ts';
import { type Connection, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations/organizations.ts';
import type { Runtime } from '../runtime.ts';
import { compareAndSet, RETRY } from '../store/compare-and-set.ts';
import { eachRecord } from '../store/each-record.ts';
import { type Collection, GLOBAL, type Step, type Store, type Stored } from '../store/store.ts';

/** In place of the key ring of version 1. Its `keys` are missing, so that a program of version 1 ends with an error at startup. */
interface MovedKeyRing {
  readonly movedTo: string;
}

const KEY_RING_1: Collection<KeyRing | MovedKeyRing> = { name: 'key-ring', indexes: {}, unique: {} };
const DIRECTORY_1: Collection<DirectoryEntry> = { ...DIRECTORY, name: 'directory' };

/** An organization of version 1 has one identity provider or none. */
type OrganizationOfVersion1 = Omit<Organization, 'connections'> & {
  readonly identityProvider?: Pick<Connection, 'metadata' | 'metadataUrl' | 'updatedAt' | 'refresh'> & {
    readonly settings: Partial<Connection['settings']>;
  };
};
const ORGANIZATION_1: Collection<OrganizationOfVersion1> = { name: 'organization', indexes: {}, unique: {} };

/** Directory entries in one commit. */
const BATCH_SIZE = 50;
const LOG_EVERY = 1000;

/**
 * The order matters while a program of version 1 still runs. The key ring goes first: without it, that program is not ready within
 * two seconds, and does not delete keys whose tokens it no longer finds. The directory goes before the organizations, because that
 * program would delete everything of a slug whose organization is missing when the slug is used for a new organization.
 */
export async function migrateFromVersion1(runtime: Runtime): Promise<void> {
  const { store } = runtime;
  await moveKeyRing(store);
  await moveDirectory(store);
  let done = 0;
  // One after the other: a cluster refuses concurrent commands while the first one opens the connection to a node.
  for await (const { id } of eachRecord(store, { partition: GLOBAL, collection: DIRECTORY, index: 'slug' })) {
    await moveOrganization(store, id);
    if (++done % LOG_EVERY === 0) runtime.log.info({ organizations: done }, 'migrating the store from schema version 1');
  }
  if (done > 0) runtime.log.info({ organizations: done }, 'migrated the store from schema version 1');
}

async function moveKeyRing(store: Store): Promise<void> {
  await compareAndSet(async () => {
    const ring = await store.get(GLOBAL, KEY_RING_1, KEY_RING_RECORD);
    const marker = { collection: KEY_RING_1, id: KEY_RING_RECORD, value: { movedTo: KEY_RING.name } satisfies MovedKeyRing };
    const steps: Step[] = [];
    if (!ring) steps.push({ do: 'insert', ...marker });
    else if ('keys' in ring.value) {
      steps.push({ do: 'replace', version: ring.version, ...marker });
      steps.push({ do: 'insert', collection: KEY_RING, id: KEY_RING_RECORD, value: ring.value });
    }
    return (await store.commit(GLOBAL, steps, { replicated: true })).ok ? undefined : RETRY;
  });
}

/** Returns whether a program of version 1 has started on this store, and no migration has begun. */
export async function isOfVersion1(store: Pick<Store, 'get'>): Promise<boolean> {
  const ring = await store.get(GLOBAL, KEY_RING_1, KEY_RING_RECORD);
  return ring !== undefined && 'keys' in ring.value;
}

async function moveDirectory(store: Store): Promise<void> {
  let batch: Stored<DirectoryEntry>[] = [];
  for await (const entry of eachRecord(store, { partition: GLOBAL, collection: DIRECTORY_1, index: 'slug' })) {
    batch.push(entry);
    if (batch.length < BATCH_SIZE) continue;
    await moveEntries(store, batch);
    batch = [];
  }
  await moveEntries(store, batch);
}

/** Moves directory entries in one commit, or each in its own if one of them was moved or changed since it was read. */
async function moveEntries(store: Store, entries: readonly Stored<DirectoryEntry>[]): Promise<void> {
  const moved = await store.commit(GLOBAL, entries.flatMap(moveEntry), { replicated: true });
  if (moved.ok) return;
  for (const { id } of entries) {
    await compareAndSet(async () => {
      const entry = await store.get(GLOBAL, DIRECTORY_1, id);
      const steps = entry ? moveEntry(entry) : [];
      return (await store.commit(GLOBAL, steps, { replicated: true })).ok ? undefined : RETRY;
    });
  }
}

const moveEntry = ({ id, version, value }: Stored<DirectoryEntry>): Step[] => [
  { do: 'delete', collection: DIRECTORY_1, id, version },
  { do: 'insert', collection: DIRECTORY, id, value },
];

/**
 * Moves the record of an organization. If it is missing, it was moved before or does not exist; the commit then only waits for the
 * replicas, which may not have acknowledged the move.
 */
async function moveOrganization(store: Store, id: string): Promise<void> {
  await compareAndSet(async () => {
    const record = await store.get(id, ORGANIZATION_1, ORGANIZATION_RECORD);
    const steps: Step[] = record
      ? [
          { do: 'delete', collection: ORGANIZATION_1, id: ORGANIZATION_RECORD, version: record.version },
          { do: 'insert', collection: ORGANIZATION, id: ORGANIZATION_RECORD, value: organizationFromVersion1(record.value) },
        ]
      : [];
    return (await store.commit(id, steps, { replicated: true })).ok ? undefined : RETRY;
  });
}

/**
 * Returns an organization of version 1 with its identity provider as the default connection. Its members keep their identity keys,
 * which `readsFormerKeys` lets the next sign-in of each find.
 */
export function organizationFromVersion1({ identityProvider, ...organization }: OrganizationOfVersion1): Organization {
  if (!identityProvider) return { ...organization, connections: [] };
  const { settings, metadata, ...rest } = identityProvider;
  const connection: Connection = {
    ...newConnection({ name: 'Default', state: 'active', metadata }, Date.parse(rest.updatedAt)),
    ...rest,
    settings: { ...DEFAULT_SETTINGS, ...settings },
    readsFormerKeys: true,
  };
  return { ...organization, connections: [connection] };
}
