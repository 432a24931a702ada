/**
 * The directory of organizations in the global partition. It makes slugs and email domains unique and finds organizations by
 * them. A slug or domain in the directory is only a pointer: the organization's own record decides.
 */
import { isDeepStrictEqual } from 'node:util';
import { BoundedCache } from '../bounded-cache.ts';
import { GatewayError } from '../errors.ts';
import { sha256 } from '../ids.ts';
import type { Runtime } from '../runtime.ts';
import { eachRecord } from '../store/each-record.ts';
import { readTogether } from '../store/read-together.ts';
import { type Collection, GLOBAL, type Store, type Stored } from '../store/store.ts';
import { updateRecord } from '../store/update-record.ts';
import { toIsoTime } from '../time.ts';
import { type ConnectionDates, connectionDatesOf } from './connections/connection-dates.ts';
import { findConnectionByEntityId } from './connections/connections.ts';
import { hasVerifiedDomain } from './domains/domain-claims.ts';
import { normalizeDomain } from './domains/domain-name.ts';
import { getOrganizationById, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from './organizations.ts';

export interface DirectoryEntry {
  readonly slug: string;
  /** Set by the operator. */
  readonly domains: readonly string[];
  /** Verified by the organization. `claimedAtMs` is when the verification began. */
  readonly verifiedDomains?: readonly { readonly domain: string; readonly token: string; readonly claimedAtMs: number }[] | undefined;
  /** When a verified domain is checked in DNS again. May be too early. Absent: immediately. */
  readonly domainsDueAtMs?: number | undefined;
  readonly createdAtMs: number;
  /** SHA-256 of the entityID of each connection, to find organizations that share one. May be out of date, like `refreshesMetadata`. */
  readonly idpEntityHashes?: readonly string[] | undefined;
  /** The hash of the only identity provider, as written before connections existed. */
  readonly idpEntityHash?: string | undefined;
  readonly refreshesMetadata?: boolean | undefined;
  /** May also be out of date. Absent in older entries, until `note-organizations.ts` has visited them. */
  readonly dates?: ConnectionDates | undefined;
  /** Whether credentials of a disabled or deleted connection are being revoked, so that a crash does not stop it for good. */
  readonly revokesCredentials?: boolean | undefined;
  /** Whether members of a renamed or deleted group are being changed, for the same reason. */
  readonly changesGroups?: boolean | undefined;
}

function entityHashesOf({ idpEntityHashes, idpEntityHash }: DirectoryEntry): readonly string[] {
  return idpEntityHashes ?? (idpEntityHash === undefined ? [] : [idpEntityHash]);
}
const allDomainsOf = ({ domains, verifiedDomains = [] }: DirectoryEntry): readonly string[] => [
  ...new Set([...domains, ...verifiedDomains.map(({ domain }) => domain)]),
];

/** Returns a date as an index string, which is ordered by time. */
const dateStrings = (ms: number | null | undefined): string[] => (typeof ms === 'number' ? [toIsoTime(ms)] : []);
/** An entry without dates is due. */
const refreshDates = ({ dates, refreshesMetadata }: DirectoryEntry): string[] =>
  dates ? dateStrings(dates.refreshDueAtMs) : refreshesMetadata ? [''] : [];

export const DIRECTORY: Collection<DirectoryEntry> = {
  name: 'directory-2',
  indexes: {
    slug: (entry) => [entry.slug],
    idp: entityHashesOf,
    refreshing: (entry) => (entry.refreshesMetadata ? [''] : []),
    refreshDue: (entry) => (entry.dates?.isRefreshFailing ? [] : refreshDates(entry)),
    refreshRetryDue: (entry) => (entry.dates?.isRefreshFailing ? refreshDates(entry) : []),
    certificateEnd: ({ dates }) => dateStrings(dates?.certificateEndsAtMs),
    domainsDue: ({ verifiedDomains = [], domainsDueAtMs }) =>
      verifiedDomains.length === 0 ? [] : domainsDueAtMs === undefined ? [''] : dateStrings(domainsDueAtMs),
    revoking: (entry) => (entry.revokesCredentials ? [''] : []),
    changingGroups: (entry) => (entry.changesGroups ? [''] : []),
  },
  unique: { slug: (entry) => [entry.slug], domain: allDomainsOf },
};

/**
 * Caches the organization's id for a slug, which saves one of two reads in a row. A cached id is never trusted: the record that it
 * names is read each time and must have the slug.
 */
const idsBySlug = new WeakMap<Store, BoundedCache<string>>();
const MAX_CACHED_IDS = 10_000;

function idCacheOf(store: Store): BoundedCache<string> {
  const cache = idsBySlug.get(store) ?? new BoundedCache<string>(MAX_CACHED_IDS);
  idsBySlug.set(store, cache);
  return cache;
}

/** @throws organization_unknown */
export const getOrganization = async (store: Store, slug: string): Promise<Organization> =>
  (await getStoredOrganization(store, slug)).value;

/**
 * Returns the record of an organization with its version.
 * @throws organization_unknown
 */
export async function getStoredOrganization(store: Store, slug: string): Promise<Stored<Organization>> {
  const ids = idCacheOf(store);
  const cachedId = ids.get(slug);
  const cached = cachedId === undefined ? undefined : await readTogether(store, cachedId, ORGANIZATION, ORGANIZATION_RECORD);
  if (cached?.value.slug === slug) return cached;
  const entry = await store.getUnique(GLOBAL, DIRECTORY, 'slug', slug);
  const organization = entry && (await store.get(entry.id, ORGANIZATION, ORGANIZATION_RECORD));
  if (!organization) throw new GatewayError('organization_unknown');
  ids.set(slug, organization.value.id);
  return organization;
}

/**
 * Returns the id of an organization, even if its record is gone because its deletion was interrupted.
 * @throws organization_unknown
 */
export async function organizationIdOf(store: Store, slug: string): Promise<string> {
  const entry = await store.getUnique(GLOBAL, DIRECTORY, 'slug', slug);
  if (!entry) throw new GatewayError('organization_unknown');
  return entry.id;
}

/** Returns the organization that has this domain, because it is verified or because the operator set it. */
export async function findOrganizationByDomain(store: Store, given: string): Promise<Organization | undefined> {
  const domain = normalizeDomain(given);
  const entry = domain === undefined ? undefined : await store.getUnique(GLOBAL, DIRECTORY, 'domain', domain);
  const organization = entry && (await getOrganizationById(store, entry.id));
  if (!organization || domain === undefined) return undefined;
  return organization.domains.includes(domain) || hasVerifiedDomain(organization, domain) ? organization : undefined;
}

/** Returns one page of all organizations, in the order of their slugs. */
export async function listOrganizations(
  store: Store,
  range: { limit: number; cursor?: string | undefined },
): Promise<{ items: Organization[]; nextCursor: string | null }> {
  const page = await store.find(GLOBAL, DIRECTORY, 'slug', range);
  const found = await Promise.all(page.items.map((entry) => getOrganizationById(store, entry.id)));
  return { items: found.filter((organization) => organization !== undefined), nextCursor: page.nextCursor };
}

export const hasOrganizations = async (store: Store): Promise<boolean> => !(await store.isEmpty(GLOBAL, DIRECTORY, 'slug'));

/** Yields the ids of all organizations. */
export async function* organizationIds(store: Store): AsyncGenerator<string> {
  for await (const { id } of eachRecord(store, { partition: GLOBAL, collection: DIRECTORY, index: 'slug' })) yield id;
}

/**
 * Yields the organizations whose metadata must be refreshed, those that have waited longest first. The caller checks each one, because
 * the index may be out of date.
 * @param index `refreshRetryDue` has the organizations whose last refresh failed, and `refreshDue` the others
 */
export async function* organizationsToRefresh(
  { store, now }: Pick<Runtime, 'store' | 'now'>,
  index: 'refreshDue' | 'refreshRetryDue',
): AsyncGenerator<Organization> {
  for await (const { id, value } of eachRecord(store, { partition: GLOBAL, collection: DIRECTORY, index })) {
    if ((value.dates?.refreshDueAtMs ?? 0) > now()) return;
    const organization = await getOrganizationById(store, id);
    if (organization) yield organization;
  }
}

/** Yields the organizations with a signing certificate that expires before a time, the first to expire first. */
export async function* organizationsWithCertificateEnd(store: Store, untilMs: number): AsyncGenerator<Organization> {
  for await (const { id, value } of eachRecord(store, { partition: GLOBAL, collection: DIRECTORY, index: 'certificateEnd' })) {
    if ((value.dates?.certificateEndsAtMs ?? 0) >= untilMs) return;
    const organization = await getOrganizationById(store, id);
    if (organization) yield organization;
  }
}

/** Yields the organizations whose verified domains must be checked, those that have waited longest first. The caller checks each one. */
export async function* organizationsWithDueDomains({ store, now }: Pick<Runtime, 'store' | 'now'>): AsyncGenerator<Organization> {
  for await (const { id, value } of eachRecord(store, { partition: GLOBAL, collection: DIRECTORY, index: 'domainsDue' })) {
    if ((value.domainsDueAtMs ?? 0) > now()) return;
    const organization = await getOrganizationById(store, id);
    if (organization) yield organization;
  }
}

/** Notes in the directory when the verified domains of an organization are checked again. */
export async function noteDomainsDue(store: Store, id: string, domainsDueAtMs: number): Promise<void> {
  await updateRecord(store, {
    partition: GLOBAL,
    collection: DIRECTORY,
    id,
    change: (before) => (before.domainsDueAtMs === domainsDueAtMs ? undefined : { ...before, domainsDueAtMs }),
  });
}

/** Entries from before the index of due domains existed are indexed as due. */
const domainsDueOf = ({ verifiedDomains = [], domainsDueAtMs }: DirectoryEntry): number | undefined =>
  domainsDueAtMs ?? (verifiedDomains.length === 0 ? undefined : 0);

/** Yields the organizations that may have an unfinished revocation. */
export async function* organizationsWithRevocation(store: Store): AsyncGenerator<Organization> {
  for await (const { id } of eachRecord(store, { partition: GLOBAL, collection: DIRECTORY, index: 'revoking' })) {
    const organization = await getOrganizationById(store, id);
    if (organization) yield organization;
  }
}

/** Yields the organizations that change the members of a renamed or deleted group. */
export async function* organizationsWithGroupChanges(store: Store): AsyncGenerator<Organization> {
  for await (const { id } of eachRecord(store, { partition: GLOBAL, collection: DIRECTORY, index: 'changingGroups' })) {
    const organization = await getOrganizationById(store, id);
    if (organization) yield organization;
  }
}

/** Notes in the directory whether an organization revokes credentials. Call it before a revocation is saved, and when it is done. */
export async function noteRevocation(store: Store, id: string, revokesCredentials: boolean): Promise<void> {
  await updateRecord(store, {
    partition: GLOBAL,
    collection: DIRECTORY,
    id,
    change: (before) => ((before.revokesCredentials ?? false) === revokesCredentials ? undefined : { ...before, revokesCredentials }),
  });
}

/** Notes in the directory whether an organization changes the members of a group. Call it before a change is saved, and when it is done. */
export async function noteGroupChanges(store: Store, id: string, changesGroups: boolean): Promise<void> {
  await updateRecord(store, {
    partition: GLOBAL,
    collection: DIRECTORY,
    id,
    change: (before) => ((before.changesGroups ?? false) === changesGroups ? undefined : { ...before, changesGroups }),
  });
}

/**
 * Updates what the directory knows about an organization's connections. Call it before the organization itself changes: a crash
 * between the two then leaves an entry that points to nothing, and not an organization that no index finds.
 */
export async function noteConnections(store: Store, organization: Organization): Promise<void> {
  if (!(await noteIfKnown(store, organization))) throw new GatewayError('organization_unknown');
}

/** Does the same after a change, and returns false if the organization was deleted. */
export async function noteIfKnown(store: Store, { id, connections }: Organization): Promise<boolean> {
  const idpEntityHashes = connections.map(({ metadata }) => sha256(metadata.entityId)).sort();
  const refreshesMetadata = connections.some(({ settings }) => settings.metadataRefreshHours !== undefined);
  const dates = connectionDatesOf(connections);
  const entry = await updateRecord(store, {
    partition: GLOBAL,
    collection: DIRECTORY,
    id,
    change: (before) =>
      isDeepStrictEqual(entityHashesOf(before), idpEntityHashes) &&
      (before.refreshesMetadata ?? false) === refreshesMetadata &&
      isDeepStrictEqual(before.dates, dates) &&
      before.domainsDueAtMs === domainsDueOf(before)
        ? undefined
        : { ...before, idpEntityHash: undefined, idpEntityHashes, refreshesMetadata, dates, domainsDueAtMs: domainsDueOf(before) },
  });
  return entry !== undefined;
}

/** Returns whether a connection of another organization has this entityID. */
export async function isEntityIdShared(store: Store, id: string, entityId: string): Promise<boolean> {
  const { items } = await store.find(GLOBAL, DIRECTORY, 'idp', { equals: sha256(entityId), limit: 200 });
  for (const entry of items) {
    if (entry.id === id) continue;
    const organization = await getOrganizationById(store, entry.id);
    if (organization && findConnectionByEntityId(organization, entityId)) return true;
  }
  return false;
}
