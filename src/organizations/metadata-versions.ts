/** The last versions of an identity provider's metadata. A change that locks users out is undone by restoring the version before. */
import type { Actor } from '../audit.ts';
import { GatewayError } from '../errors.ts';
import { newTimeOrderedId } from '../ids.ts';
import type { Runtime } from '../runtime.ts';
import type { IdpMetadata } from '../saml/metadata/idp-metadata.ts';
import type { Collection, Step, Store, Stored } from '../store/store.ts';
import type { Organization } from './organizations.ts';

export interface MetadataVersion {
  readonly metadata: IdpMetadata;
  readonly metadataUrl?: string | undefined;
  readonly savedAtMs: number;
  /** Absent for metadata that is older than the list of versions. */
  readonly savedBy?: Pick<Actor, 'kind' | 'email'>;
}

const METADATA_VERSIONS: Collection<MetadataVersion> = { name: 'metadata-version', indexes: { all: () => [''] }, unique: {} };

/** The number of stored versions, the present one included. */
const MAX_VERSIONS = 10;
/** Read in one page. There are at most a few more than {@link MAX_VERSIONS}, if a crash has prevented pruning. */
const PAGE_SIZE = 200;

type VersionSteps = (before: Organization, after: Organization) => readonly Step[];

/**
 * Prepares the steps that store the new metadata as a version, in the commit that makes it the current one. If the organization
 * has no versions yet, they also store the metadata that is replaced.
 */
export async function metadataVersionSteps(
  { store, now }: Pick<Runtime, 'store' | 'now'>,
  { kind, email }: Actor,
  organizationId: string,
): Promise<VersionSteps> {
  const isFirst = (await listMetadataVersions(store, organizationId)).length === 0;
  const savedBy = { kind, ...(email === undefined ? {} : { email }) };
  return ({ identityProvider: before }, { identityProvider: after }) => [
    ...(before && isFirst ? [insertVersion(now(), { ...metadataOf(before), savedAtMs: Date.parse(before.updatedAt) })] : []),
    ...(after ? [insertVersion(now(), { ...metadataOf(after), savedAtMs: now(), savedBy })] : []),
  ];
}

const metadataOf = ({ metadata, metadataUrl }: Pick<MetadataVersion, 'metadata' | 'metadataUrl'>) => ({ metadata, metadataUrl });

const insertVersion = (nowMs: number, value: MetadataVersion): Step => ({
  do: 'insert',
  collection: METADATA_VERSIONS,
  id: newTimeOrderedId('ver', nowMs),
  value,
});

/** Returns the stored versions, newest first. */
export async function listMetadataVersions(store: Store, organizationId: string): Promise<readonly Stored<MetadataVersion>[]> {
  return (await readVersions(store, organizationId)).slice(0, MAX_VERSIONS);
}

/** @throws not_found */
export async function getMetadataVersion(store: Store, organizationId: string, id: string): Promise<MetadataVersion> {
  const version = await store.get(organizationId, METADATA_VERSIONS, id);
  if (!version) throw new GatewayError('not_found', 'This version does not exist. Only the last ten are stored.');
  return version.value;
}

/** Deletes all but the last ten versions. After a crash the next call deletes those that are left over. */
export async function pruneMetadataVersions(store: Store, organizationId: string): Promise<void> {
  for (const { id, version } of (await readVersions(store, organizationId)).slice(MAX_VERSIONS)) {
    await store.commit(organizationId, [{ do: 'delete', collection: METADATA_VERSIONS, id, version }]);
  }
}

async function readVersions(store: Store, organizationId: string): Promise<readonly Stored<MetadataVersion>[]> {
  const { items } = await store.find(organizationId, METADATA_VERSIONS, 'all', { equals: '', descending: true, limit: PAGE_SIZE });
  return items;
}
