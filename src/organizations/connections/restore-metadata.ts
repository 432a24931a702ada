/** Restores an earlier version of the metadata. */
import type { Actor } from '../../audit.ts';
import type { Runtime } from '../../runtime.ts';
import type { ChangePreview } from '../idp-change/preview-change.ts';
import type { Organization } from '../organizations.ts';
import { findFormerConnection } from './connections.ts';
import { type EntityIdDecision, type PreviewedEntityId, previewMembers } from './entity-id-change.ts';
import { type LoadedMetadata, type MetadataChange, setIdentityProvider } from './identity-providers.ts';
import { getMetadataVersion } from './metadata-versions.ts';

export interface VersionChoice extends Pick<MetadataChange, 'organization' | 'decision' | 'linkUntilMs'> {
  readonly versionId: string;
}

/**
 * Foresees what restoring a version with a decision does to the members. Undefined if it needs no decision.
 * @throws not_found if the version is not stored
 */
export async function previewRestore(
  runtime: Pick<Runtime, 'store' | 'now'>,
  { organization, versionId, table }: Pick<VersionChoice, 'organization' | 'versionId'> & Pick<PreviewedEntityId, 'table'>,
  decision: EntityIdDecision,
): Promise<ChangePreview | undefined> {
  const { metadata, connectionId = findFormerConnection(organization)?.id } = await getMetadataVersion(
    runtime.store,
    organization.id,
    versionId,
  );
  return previewMembers(runtime, { organization, connectionId, entityId: metadata.entityId, decision, table });
}

/**
 * Makes a stored version the current metadata again.
 * @returns the organization after it, and the connection of the version; the default one if undefined
 * @throws not_found if the version is not stored; the errors of {@link setIdentityProvider}
 */
export async function restoreMetadataVersion(
  runtime: Runtime,
  actor: Actor,
  { organization, versionId, decision, linkUntilMs }: VersionChoice,
): Promise<{ readonly organization: Organization; readonly connectionId: string | undefined }> {
  const stored = await getMetadataVersion(runtime.store, organization.id, versionId);
  const { connectionId = findFormerConnection(organization)?.id, metadata, metadataUrl, ...version } = stored;
  const loaded: LoadedMetadata = { metadata, warnings: [], ...(metadataUrl === undefined ? {} : { metadataUrl }) };
  const restored = await setIdentityProvider(runtime, actor, {
    organization,
    connectionId,
    loaded,
    decision,
    linkUntilMs,
    // Before connections existed, the scope was the entityID.
    formerScope: { identityScope: version.identityScope ?? metadata.entityId, scopeSince: version.scopeSince },
    auditDetails: { returned_to: versionId },
  });
  return { organization: restored, connectionId };
}
