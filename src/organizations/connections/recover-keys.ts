/**
 * Recovers from a certificate rollover between two daily refreshes. If a response is signed with a key that the gateway does not
 * know, the metadata is fetched from its URL, and only its keys are adopted.
 *
 * Anyone can send such a response, so a fetch must cost little and decide nothing: the URL is the one that an administrator entered,
 * the document passes the checks of a refresh, and the response is judged again from the beginning with the adopted keys.
 */
import { perRuntime, type Runtime } from '../../runtime.ts';
import { toIsoTime } from '../../time.ts';
import type { Connection } from '../organizations.ts';
import type { OrganizationConnection } from './connections.ts';
import { certificatesOf, fetchMetadataOf, logRefreshProblem, saveFetched } from './metadata-refresh.ts';

/** Pause between two fetches for one connection, on all replicas together. */
const PAUSE_SECONDS = 300;
/** Fetches that one gateway runs at a time. A slow server occupies one for 5 seconds. */
const MAX_FETCHES = 4;

/** The running fetches, by organization. Each organization has one at a time, so that none takes those of the others. */
const fetchesOf = perRuntime(() => new Map<string, { readonly connectionId: string; readonly result: Promise<boolean> }>());

/** Returns whether the keys of a connection may be fetched: if its metadata is refreshed from a URL, and users can sign in with it. */
export const canRecoverKeys = ({ state, metadataUrl, settings }: Connection): boolean =>
  state === 'active' && metadataUrl !== undefined && settings.metadataRefreshHours !== undefined;

/**
 * Fetches the metadata of a connection and adopts keys that are new. Responses that arrive during the fetch wait for it.
 * @returns whether the connection has new keys
 * @throws store_unavailable
 */
export async function recoverKeys(runtime: Runtime, { organization, connection }: OrganizationConnection): Promise<boolean> {
  if (!canRecoverKeys(connection)) return false;
  const fetches = fetchesOf(runtime);
  const running = fetches.get(organization.id);
  if (running) return running.connectionId === connection.id ? running.result : false;
  if (fetches.size >= MAX_FETCHES) return false;
  const result = adoptKeysOnce(runtime, { organization, connection }).finally(() => fetches.delete(organization.id));
  fetches.set(organization.id, { connectionId: connection.id, result });
  return result;
}

async function adoptKeysOnce(runtime: Runtime, { organization, connection }: OrganizationConnection): Promise<boolean> {
  // Its own key: strangers must not be able to hold up the daily refresh.
  const claim = { do: 'claim', key: `metadata-recovery:${connection.id}`, ttlSeconds: PAUSE_SECONDS } as const;
  if (!(await runtime.store.commit(organization.id, [claim])).ok) return false;
  const { loaded, problem } = await fetchMetadataOf(runtime, connection);
  const known = new Set(connection.metadata.signingCertificates.map(({ fingerprintSha256 }) => fingerprintSha256));
  const hasNewKey = loaded?.metadata.signingCertificates.some(({ fingerprintSha256 }) => !known.has(fingerprintSha256)) ?? false;
  runtime.log.info(
    { organization: organization.slug, connection: connection.id, hasNewKey, problem },
    'fetched metadata for an unknown key',
  );
  if (!loaded || !hasNewKey) return false;
  return adoptKeys(runtime, { organization, connection }, loaded.metadata);
}

/** @returns false if the settings of the organization would be too long. The user then gets the refusal of the signature. */
async function adoptKeys(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
  { signingCertificates, validUntil }: Connection['metadata'],
): Promise<boolean> {
  const { validUntil: _former, ...present } = connection.metadata;
  const metadata = { ...present, signingCertificates, ...(validUntil === undefined ? {} : { validUntil }) };
  const refusal = await saveFetched(runtime, organization, {
    before: connection,
    after: { ...connection, metadata, updatedAt: toIsoTime(runtime.now()) },
    details: { reason: 'unknown_key', ...certificatesOf(metadata) },
  });
  if (refusal !== undefined) logRefreshProblem(runtime, { organization, connection }, refusal);
  return refusal === undefined;
}
