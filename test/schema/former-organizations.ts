/** Organizations of schema version 1 without a gateway, for tests of the migration itself. */
import type { DirectoryEntry } from '../../src/organizations/directory.ts';
import type { Runtime } from '../../src/runtime.ts';
import { openStore } from '../../src/store/open-store.ts';
import { type Collection, GLOBAL, type Store } from '../../src/store/store.ts';

export const FORMER_DIRECTORY: Collection<DirectoryEntry> = {
  name: 'directory',
  indexes: { slug: ({ slug }) => [slug] },
  unique: { slug: ({ slug }) => [slug] },
};
export const FORMER_ORGANIZATION: Collection<{ readonly id: string; readonly slug: string }> = {
  name: 'organization',
  indexes: {},
  unique: {},
};
export const FORMER_KEY_RING: Collection<object> = { name: 'key-ring', indexes: {}, unique: {} };

/** Returns as much of a runtime as a migration needs. */
export async function makeStoreRuntime(url: string): Promise<Pick<Runtime, 'store' | 'log'> & Runtime> {
  return { store: await openStore(url), log: { info: () => {} } } as unknown as Runtime;
}

export const organizationId = (number: number): string => `org_${number}`;

/** Writes a key ring and organizations as the last program of version 1 did. */
export async function writeFormerOrganizations(store: Store, count: number): Promise<void> {
  await store.commit(GLOBAL, [{ do: 'insert', collection: FORMER_KEY_RING, id: 'tokens', value: { keys: [] } }]);
  for (let i = 0; i < count; i++) {
    const [id, slug] = [organizationId(i), `slug-${i}`];
    const entry = { slug, domains: [], createdAtMs: 0 };
    await store.commit(GLOBAL, [{ do: 'insert', collection: FORMER_DIRECTORY, id, value: entry }]);
    const value = { id, slug, name: slug, spKeys: [], roleMapping: { rules: [] } };
    await store.commit(id, [{ do: 'insert', collection: FORMER_ORGANIZATION, id: 'organization', value }]);
  }
}
