/**
 * Metadata from a URL is fetched again every `metadata_refresh_hours`, so that a certificate rollover at the identity provider
 * needs nobody. What comes is held to the same rules as what an owner uploads, and one more: it must be the same identity
 * provider. A refusal changes nothing but what is told about it.
 */
import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import { HOUR_MS, toIsoTime } from '../time.ts';
import { organizationsWithRefresh } from './directory.ts';
import { type UnderstoodMetadata, understandMetadata, versionSteps } from './identity-providers.ts';
import { listMetadataVersions, pruneMetadataVersions } from './metadata-versions.ts';
import { type IdentityProvider, type Organization, updateOrganization } from './organizations.ts';

/** After a failure it is tried again this soon. */
const RETRY_AFTER_MS = HOUR_MS;
/** Longer than a fetch takes and than the time between two rounds; another replica may try again when this one died. */
const CLAIM_SECONDS = 300;

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : 'unknown');
const ACTOR = { kind: 'identity_provider' } as const;

type Fetch = (runtime: Runtime, url: string, entityId: string) => Promise<UnderstoodMetadata>;
const fetchAgain: Fetch = (runtime, url, entityId) => understandMetadata(runtime, { kind: 'url', url, entityId });

/**
 * Refreshes whatever is due. Of several replicas one does it for an organization.
 * @param fetch replaced by tests, for hosts that do not exist
 */
export async function refreshDueMetadata(runtime: Runtime, fetch: Fetch = fetchAgain): Promise<void> {
  for await (const organization of organizationsWithRefresh(runtime.store)) {
    const { identityProvider } = organization;
    if (!identityProvider || !isDue(identityProvider, runtime.now())) continue;
    const claim = { do: 'claim', key: 'metadata-refresh', ttlSeconds: CLAIM_SECONDS } as const;
    if (!(await runtime.store.commit(organization.id, [claim])).ok) continue;
    try {
      await refresh(runtime, organization, identityProvider, fetch);
    } catch (error) {
      // What one organization's metadata does must not keep the others from theirs.
      runtime.log.error({ organization: organization.slug, name: nameOf(error) }, 'identity provider metadata could not be refreshed');
    }
  }
}

function isDue({ metadataUrl, settings, updatedAt, refresh }: IdentityProvider, nowMs: number): boolean {
  if (metadataUrl === undefined || settings.metadataRefreshHours === undefined) return false;
  const everyMs = settings.metadataRefreshHours * HOUR_MS;
  if (refresh?.problem !== undefined) return nowMs >= Date.parse(refresh.at) + Math.min(everyMs, RETRY_AFTER_MS);
  return nowMs >= Date.parse(refresh?.at ?? updatedAt) + everyMs;
}

async function refresh(runtime: Runtime, organization: Organization, before: IdentityProvider, fetch: Fetch): Promise<void> {
  const at = toIsoTime(runtime.now());
  const problem = await fetchProblem(runtime, before, fetch);
  const understood = typeof problem === 'string' ? undefined : problem;
  const isChanged = understood !== undefined && !isDeepStrictEqual(understood.metadata, before.metadata);
  const told = typeof problem === 'string' ? problem : undefined;
  if (told !== undefined)
    runtime.log.warn({ organization: organization.slug, problem: told }, 'identity provider metadata was not refreshed');
  const event = isChanged || told !== undefined ? 'identity_provider.refreshed' : undefined;
  const details =
    told === undefined
      ? { certificates: understood?.metadata.signingCertificates.map((each) => each.fingerprintSha256) }
      : { problem: told };
  const isFirstKept = isChanged && (await listMetadataVersions(runtime.store, organization.id)).length === 0;
  await updateOrganization(runtime, ACTOR, {
    organizationId: organization.id,
    event,
    details,
    change: (present) => {
      // Whoever changed it meanwhile knows better.
      if (!present.identityProvider || !isDeepStrictEqual(present.identityProvider, before)) return undefined;
      const metadata = understood?.metadata ?? before.metadata;
      return {
        ...present,
        identityProvider: { ...before, metadata, updatedAt: isChanged ? at : before.updatedAt, refresh: { at, problem: told } },
      };
    },
    extraSteps: isChanged ? versionSteps(runtime, ACTOR, isFirstKept) : undefined,
  });
  if (isChanged) await pruneMetadataVersions(runtime.store, organization.id);
}

/** What was fetched, or why it is not taken. */
async function fetchProblem(runtime: Runtime, before: IdentityProvider, fetch: Fetch): Promise<UnderstoodMetadata | string> {
  try {
    const { entityId } = before.metadata;
    const understood = await fetch(runtime, before.metadataUrl ?? '', entityId);
    return understood.metadata.entityId === entityId
      ? understood
      : 'The metadata URL now has another identity provider (another entity ID). An owner must set it by hand if that is right.';
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return error.facts.detail ?? error.code;
  }
}
