/**
 * Refreshes metadata from a URL every `metadata_refresh_hours`, so that a certificate rollover at the identity provider needs no
 * administrator. Fetched metadata must pass the checks of an upload and must have the same entityID. If it does not, the present
 * metadata stays in force and the reason is shown to the owners. A certificate that an administrator removed is never fetched back.
 */
import { isDeepStrictEqual } from 'node:util';
import type { AuditEntry } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import { nextTurn } from '../../store/next-turn.ts';
import { toIsoTime } from '../../time.ts';
import { noteIfKnown, organizationsToRefresh } from '../directory.ts';
import { type Connection, getOrganizationById, type Organization, updateOrganization } from '../organizations.ts';
import { refreshDueAtMs } from './connection-dates.ts';
import { findConnection, type OrganizationConnection, withConnection } from './connections.ts';
import { type LoadedMetadata, loadMetadata } from './identity-providers.ts';
import { metadataVersionSteps, pruneMetadataVersions } from './metadata-versions.ts';
import { withoutRemovedCertificates } from './removed-certificates.ts';

/** Fetches at a time. A slow server occupies one for 5 seconds. */
const CONCURRENCY = 8;
/** Longer than a fetch and than the pause between two rounds. If this replica crashes, another one tries again after that. */
const CLAIM_SECONDS = 300;

const ACTOR = { kind: 'identity_provider' } as const;

type LoadAgain = (runtime: Runtime, url: string, entityId: string) => Promise<LoadedMetadata>;
const loadFromUrl: LoadAgain = (runtime, url, entityId) => loadMetadata(runtime, { kind: 'url', url, entityId });

/**
 * Refreshes the metadata of all organizations that are due. Only one replica does it for a connection. Organizations whose last refresh
 * failed have fetches of their own, so that unreachable servers do not hold up the others.
 * @param load replaced by tests, for hosts that do not exist
 */
export async function refreshDueMetadata(runtime: Runtime, load: LoadAgain = loadFromUrl): Promise<void> {
  const workers = (['refreshDue', 'refreshRetryDue'] as const).flatMap((index) => {
    const organizations = organizationsToRefresh(runtime, index);
    const work = async () => {
      for await (const organization of organizations) await refreshOrganization(runtime, organization, load);
    };
    return Array.from({ length: CONCURRENCY }, work);
  });
  await Promise.all(workers);
}

/** Refreshes one connection after the other, so that an organization occupies one fetch only, and notes when it is due again. */
async function refreshOrganization(runtime: Runtime, organization: Organization, load: LoadAgain): Promise<void> {
  for (const connection of organization.connections) {
    const dueAtMs = refreshDueAtMs(connection) ?? Number.POSITIVE_INFINITY;
    if (dueAtMs <= runtime.now()) await refreshOnce(runtime, { organization, connection }, load);
  }
  await nextTurn();
  const after = await getOrganizationById(runtime.store, organization.id);
  if (after) await noteIfKnown(runtime.store, after);
}

async function refreshOnce(runtime: Runtime, { organization, connection }: OrganizationConnection, load: LoadAgain): Promise<void> {
  const claim = { do: 'claim', key: `metadata-refresh:${connection.id}`, ttlSeconds: CLAIM_SECONDS } as const;
  if (!(await runtime.store.commit(organization.id, [claim])).ok) return;
  try {
    await refresh(runtime, organization, await fetchMetadataOf(runtime, connection, load));
  } catch (error) {
    // The metadata of one connection must not keep the others from being refreshed.
    const name = error instanceof Error ? error.name : 'unknown';
    runtime.log.error(
      { organization: organization.slug, connection: connection.id, name },
      'identity provider metadata could not be refreshed',
    );
  }
}

const OTHER_ENTITY_ID =
  'The metadata URL now returns another identity provider, with another entity ID. If that is right, an owner must set the metadata again.';
const ONLY_REMOVED =
  'The metadata URL returns only certificates that an administrator removed. To accept them again, an owner must set the metadata again.';

/** Metadata that was fetched again, or the reason why it is not used. */
type Refreshed = { readonly before: Connection } & (
  | { readonly loaded: LoadedMetadata; readonly problem?: undefined }
  | { readonly loaded?: undefined; readonly problem: string }
);

/** Fetches the metadata of a connection again. Certificates that an administrator removed are left out. */
export async function fetchMetadataOf(runtime: Runtime, before: Connection, load: LoadAgain = loadFromUrl): Promise<Refreshed> {
  try {
    const { entityId } = before.metadata;
    const loaded = await load(runtime, before.metadataUrl ?? '', entityId);
    if (loaded.metadata.entityId !== entityId) return { before, problem: OTHER_ENTITY_ID };
    const metadata = withoutRemovedCertificates(before, loaded.metadata);
    return metadata.signingCertificates.length === 0 ? { before, problem: ONLY_REMOVED } : { before, loaded: { ...loaded, metadata } };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { before, problem: error.facts.detail ?? error.code };
  }
}

/** Saves the result of a refresh. Only a change of the metadata or a problem is audited. */
async function refresh(runtime: Runtime, organization: Organization, { before, loaded, problem }: Refreshed): Promise<void> {
  await nextTurn();
  const at = toIsoTime(runtime.now());
  if (problem !== undefined) logRefreshProblem(runtime, { organization, connection: before }, problem);
  const metadata = loaded?.metadata ?? before.metadata;
  const isChanged = !isDeepStrictEqual(metadata, before.metadata);
  const refreshed = { ...before, metadata, refresh: { at, problem } };
  const refusal = await saveFetched(runtime, organization, {
    before,
    after: isChanged ? { ...refreshed, updatedAt: at, testedAt: undefined } : refreshed,
    details: isChanged ? certificatesOf(metadata) : problem === undefined ? undefined : { problem },
  });
  // The next attempt waits for its time.
  if (refusal !== undefined && loaded) await refresh(runtime, organization, { before, problem: refusal });
}

/** Logs why fetched metadata is not used. */
export const logRefreshProblem = ({ log }: Runtime, { organization, connection }: OrganizationConnection, problem: string): void =>
  log.warn({ organization: organization.slug, connection: connection.id, problem }, 'identity provider metadata was not refreshed');

/** Returns the details of an audit entry about new certificates. */
export const certificatesOf = ({ signingCertificates }: Connection['metadata']) => ({
  certificates: signingCertificates.map(({ fingerprintSha256 }) => fingerprintSha256),
});

export interface FetchedChange {
  readonly before: Connection;
  readonly after: Connection;
  /** Details of the audit entry. Undefined: nothing is audited. */
  readonly details: AuditEntry['details'];
}

/**
 * Saves a connection after its metadata was fetched, and the metadata as a version if it changed. A change by an administrator since the
 * fetch wins, and nothing is saved.
 * @returns why nothing is saved, if the settings of the organization would be too long
 */
export async function saveFetched(
  runtime: Runtime,
  organization: Organization,
  { before, after, details }: FetchedChange,
): Promise<string | undefined> {
  const isChanged = !isDeepStrictEqual(after.metadata, before.metadata);
  try {
    const saved = await updateOrganization(runtime, ACTOR, {
      organizationId: organization.id,
      event: details && 'identity_provider.refreshed',
      details: details && { connection: before.id, ...details },
      change: (present) => (isDeepStrictEqual(findConnection(present, before.id), before) ? withConnection(present, after) : undefined),
      extraSteps: isChanged ? await metadataVersionSteps(runtime, ACTOR, { organization, connectionId: before.id }) : undefined,
    });
    if (!isChanged) return undefined;
    await noteIfKnown(runtime.store, saved);
    await pruneMetadataVersions(runtime.store, organization.id, before);
    return undefined;
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'quota_exceeded') throw error;
    return error.facts.detail ?? error.code;
  }
}
