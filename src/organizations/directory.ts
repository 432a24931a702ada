/** The directory in the global partition: which slug, which email domains and which entityID belong to which organization. */
import { GatewayError } from '../errors.ts';
import { sha256 } from '../ids.ts';
import { eachRecord } from '../store/each-record.ts';
import { readTogether } from '../store/read-together.ts';
import { type Collection, GLOBAL, type Store, type Stored } from '../store/store.ts';
import { updateRecord } from '../store/update-record.ts';
import { getOrganizationById, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from './organizations.ts';

export interface DirectoryEntry {
  readonly slug: string;
  readonly domains: readonly string[];
  readonly createdAtMs: number;
  /** SHA-256 of the identity provider's entityID: whose is the same. Only a hint, as is the next. */
  readonly idpEntityHash?: string | undefined;
  readonly refreshesMetadata?: boolean | undefined;
}

export const DIRECTORY: Collection<DirectoryEntry> = {
  name: 'directory',
  indexes: {
    slug: (entry) => [entry.slug],
    idp: (entry) => (entry.idpEntityHash === undefined ? [] : [entry.idpEntityHash]),
    refreshing: (entry) => (entry.refreshesMetadata ? [''] : []),
  },
  unique: { slug: (entry) => [entry.slug], domain: (entry) => entry.domains },
};

/** Slug to id, as last seen. Only a hint that saves a read: the record that it leads to must have the slug. */
const slugHints = new WeakMap<Store, Map<string, string>>();

const MAX_HINTS = 10_000;

/** @throws organization_unknown */
export const getOrganization = async (store: Store, slug: string): Promise<Organization> =>
  (await getStoredOrganization(store, slug)).value;

/** With its version. @throws organization_unknown */
export async function getStoredOrganization(store: Store, slug: string): Promise<Stored<Organization>> {
  const hints = slugHints.get(store) ?? new Map<string, string>();
  slugHints.set(store, hints);
  const hint = hints.get(slug);
  const hinted = hint === undefined ? undefined : await readTogether(store, hint, ORGANIZATION, ORGANIZATION_RECORD);
  if (hinted?.value.slug === slug) return hinted;
  const entry = await store.getUnique(GLOBAL, DIRECTORY, 'slug', slug);
  const organization = entry && (await store.get(entry.id, ORGANIZATION, ORGANIZATION_RECORD));
  if (!organization) throw new GatewayError('organization_unknown');
  if (hints.size >= MAX_HINTS) hints.clear();
  hints.set(slug, organization.value.id);
  return organization;
}

/** The organization that has this e-mail domain. */
export async function findOrganizationByDomain(store: Store, domain: string): Promise<Organization | undefined> {
  const wanted = domain.toLowerCase();
  const entry = await store.getUnique(GLOBAL, DIRECTORY, 'domain', wanted);
  const organization = entry && (await getOrganizationById(store, entry.id));
  return organization?.domains.includes(wanted) ? organization : undefined;
}

/** By slug. */
export async function listOrganizations(
  store: Store,
  range: { limit: number; cursor?: string | undefined },
): Promise<{ items: Organization[]; nextCursor: string | null }> {
  const page = await store.find(GLOBAL, DIRECTORY, 'slug', range);
  const found = await Promise.all(page.items.map((entry) => getOrganizationById(store, entry.id)));
  return { items: found.filter((organization) => organization !== undefined), nextCursor: page.nextCursor };
}

/** Every organization's id. */
export async function* organizationIds(store: Store): AsyncGenerator<string> {
  for await (const { id } of eachRecord(store, { partition: GLOBAL, collection: DIRECTORY, index: 'slug' })) yield id;
}

/**
 * Notes in the directory what concerns several organizations. Called before the organization itself is changed, so that a
 * crash between the two leaves a hint too many, never one too few.
 */
export async function noteIdentityProvider(store: Store, id: string, idp: { entityId: string; refreshesMetadata: boolean }): Promise<void> {
  const idpEntityHash = sha256(idp.entityId);
  const { refreshesMetadata } = idp;
  const entry = await updateRecord(store, {
    partition: GLOBAL,
    collection: DIRECTORY,
    id,
    change: (before) =>
      before.idpEntityHash === idpEntityHash && before.refreshesMetadata === refreshesMetadata
        ? undefined
        : { ...before, idpEntityHash, refreshesMetadata },
  });
  if (!entry) throw new GatewayError('organization_unknown');
}

/** Whether another organization has an identity provider with this entityID. */
export async function isEntityIdShared(store: Store, id: string, entityId: string): Promise<boolean> {
  const { items } = await store.find(GLOBAL, DIRECTORY, 'idp', { equals: sha256(entityId), limit: 200 });
  for (const entry of items) {
    if (entry.id === id) continue;
    const organization = await getOrganizationById(store, entry.id);
    if (organization?.identityProvider?.metadata.entityId === entityId) return true;
  }
  return false;
}

/** The organizations whose metadata is fetched again from time to time (perhaps one too many). */
export async function* organizationsWithRefresh(store: Store): AsyncGenerator<Organization> {
  for await (const { id } of eachRecord(store, { partition: GLOBAL, collection: DIRECTORY, index: 'refreshing' })) {
    const organization = await getOrganizationById(store, id);
    if (organization) yield organization;
  }
}

/** The directory first: a domain is another's or ours before the organization shows it. */
export async function claimDomains(store: Store, id: string, domains: readonly string[]): Promise<void> {
  for (const domain of domains) {
    const holder = await store.getUnique(GLOBAL, DIRECTORY, 'domain', domain);
    if (holder && holder.id !== id) throw new GatewayError('conflict', 'Another organization has one of these domains.');
  }
  const entry = await updateRecord(store, { partition: GLOBAL, collection: DIRECTORY, id, change: (before) => ({ ...before, domains }) });
  if (!entry) throw new GatewayError('organization_unknown');
}

/**
 * The id behind a slug, also of an organization whose deletion died half-way.
 * @throws organization_unknown
 */
export async function organizationIdOf(store: Store, slug: string): Promise<string> {
  const entry = await store.getUnique(GLOBAL, DIRECTORY, 'slug', slug);
  if (!entry) throw new GatewayError('organization_unknown');
  return entry.id;
}
