/** The last versions of an identity provider's metadata, so that a change that locks people out is taken back by one click. */
import type { Actor } from '../audit.ts';
import { GatewayError } from '../errors.ts';
import { newTimeOrderedId } from '../ids.ts';
import type { IdpMetadata } from '../saml/metadata/idp-metadata.ts';
import type { Collection, Step, Store, Stored } from '../store/store.ts';

export interface MetadataVersion {
  readonly metadata: IdpMetadata;
  readonly metadataUrl?: string | undefined;
  readonly savedAtMs: number;
  /** Undefined for what was there before versions were kept. */
  readonly savedBy?: Pick<Actor, 'kind' | 'email'>;
}

const METADATA_VERSIONS: Collection<MetadataVersion> = { name: 'metadata-version', indexes: { all: () => [''] }, unique: {} };

/** With the present one. */
const KEPT = 10;
const ALL = 200;

/** The step that keeps a version; it goes into the commit that makes it the present one. */
export function keepVersion(nowMs: number, version: MetadataVersion): Step {
  return { do: 'insert', collection: METADATA_VERSIONS, id: newTimeOrderedId('ver', nowMs), value: version };
}

/** Newest first. */
export async function listMetadataVersions(store: Store, organizationId: string): Promise<readonly Stored<MetadataVersion>[]> {
  const { items } = await store.find(organizationId, METADATA_VERSIONS, 'all', { equals: '', descending: true, limit: ALL });
  return items.slice(0, KEPT);
}

/** @throws not_found */
export async function getMetadataVersion(store: Store, organizationId: string, id: string): Promise<MetadataVersion> {
  const version = await store.get(organizationId, METADATA_VERSIONS, id);
  if (!version) throw new GatewayError('not_found', 'There is no such version, or it is no longer kept.');
  return version.value;
}

/** Drops what is older than the last ten; a crash before it leaves some for the next time. */
export async function pruneMetadataVersions(store: Store, organizationId: string): Promise<void> {
  const { items } = await store.find(organizationId, METADATA_VERSIONS, 'all', { equals: '', descending: true, limit: ALL });
  for (const { id, version } of items.slice(KEPT)) {
    await store.commit(organizationId, [{ do: 'delete', collection: METADATA_VERSIONS, id, version }]);
  }
}
