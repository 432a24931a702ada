/** The last versions of a connection's metadata. A change that locks users out is undone by restoring the version before. */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newTimeOrderedId } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { IdpMetadata } from '../../saml/metadata/idp-metadata.ts';
import type { Collection, Step, Store, Stored } from '../../store/store.ts';
import type { Connection, Organization } from '../organizations.ts';
import { findConnection, findDefaultConnection, requireConnection } from './connections.ts';

export interface MetadataVersion {
  /** Absent in versions from before connections existed. They belong to the default connection. */
  readonly connectionId?: string | undefined;
  readonly metadata: IdpMetadata;
  readonly metadataUrl?: string | undefined;
  /** The connection's scope at that time. Restoring a former identity provider restores it, so its users get their accounts back. */
  readonly identityScope?: string | undefined;
  readonly scopeSince?: string | undefined;
  readonly savedAtMs: number;
  /** Absent for metadata that is older than the list of versions. */
  readonly savedBy?: Pick<Actor, 'kind' | 'email'>;
}

const METADATA_VERSIONS: Collection<MetadataVersion> = {
  name: 'metadata-version',
  indexes: { all: ({ connectionId = '' }) => [connectionId] },
  unique: {},
};

/** The number of stored versions of a connection, the current one included. */
const MAX_VERSIONS = 10;
/** Read in one page. There are at most a few more than {@link MAX_VERSIONS}, if a crash has prevented pruning. */
const PAGE_SIZE = 200;

type VersionSteps = (before: Organization, after: Organization) => readonly Step[];

/**
 * Prepares the steps that store the new metadata as a version, in the commit that makes it the current one. If the connection has
 * no versions yet, they also store the metadata that is replaced.
 * @param connectionId the default connection if undefined
 */
export async function metadataVersionSteps(
  { store, now }: Pick<Runtime, 'store' | 'now'>,
  { kind, email }: Actor,
  { organization, connectionId }: { readonly organization: Organization; readonly connectionId: string | undefined },
): Promise<VersionSteps> {
  const present = connectionId === undefined ? findDefaultConnection(organization) : findConnection(organization, connectionId);
  const isFirst = !present || (await listMetadataVersions(store, organization.id, present)).length === 0;
  const savedBy = { kind, ...(email === undefined ? {} : { email }) };
  return (organizationBefore, organizationAfter) => {
    const after = requireConnection(organizationAfter, connectionId);
    const before = findConnection(organizationBefore, after.id);
    return [
      ...(before && isFirst ? [insertVersion(now(), { ...metadataOf(before), savedAtMs: Date.parse(before.updatedAt) })] : []),
      insertVersion(now(), { ...metadataOf(after), savedAtMs: now(), savedBy }),
    ];
  };
}

const metadataOf = ({ id, metadata, metadataUrl, identityScope, scopeSince }: Connection) => ({
  connectionId: id,
  metadata,
  metadataUrl,
  identityScope,
  scopeSince,
});

const insertVersion = (nowMs: number, value: MetadataVersion): Step => ({
  do: 'insert',
  collection: METADATA_VERSIONS,
  id: newTimeOrderedId('ver', nowMs),
  value,
});

/** Returns the stored versions of a connection, newest first. */
export async function listMetadataVersions(
  store: Store,
  organizationId: string,
  connection: Connection,
): Promise<readonly Stored<MetadataVersion>[]> {
  return (await readVersions(store, organizationId, connection)).slice(0, MAX_VERSIONS);
}

/** @throws not_found */
export async function getMetadataVersion(store: Store, organizationId: string, id: string): Promise<MetadataVersion> {
  const version = await store.get(organizationId, METADATA_VERSIONS, id);
  if (!version) throw new GatewayError('not_found', 'This version does not exist. Only the last ten are stored.');
  return version.value;
}

/** Deletes all but the last ten versions. After a crash the next call deletes those that are left over. */
export async function pruneMetadataVersions(store: Store, organizationId: string, connection: Connection): Promise<void> {
  for (const { id, version } of (await readVersions(store, organizationId, connection)).slice(MAX_VERSIONS)) {
    await store.commit(organizationId, [{ do: 'delete', collection: METADATA_VERSIONS, id, version }]);
  }
}

async function readVersions(
  store: Store,
  organizationId: string,
  { id, readsFormerKeys }: Connection,
): Promise<readonly Stored<MetadataVersion>[]> {
  const find = (connectionId: string) =>
    store.find(organizationId, METADATA_VERSIONS, 'all', { equals: connectionId, descending: true, limit: PAGE_SIZE });
  // Versions from before connections existed are older than all others.
  const pages = [await find(id), ...(readsFormerKeys ? [await find('')] : [])];
  return pages.flatMap(({ items }) => items);
}
