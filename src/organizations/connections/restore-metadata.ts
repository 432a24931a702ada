/** Makes a former version of the metadata the present one again. */
import type { Actor } from '../../audit.ts';
import type { Runtime } from '../../runtime.ts';
import type { Organization } from '../organizations.ts';
import { findFormerConnection } from './connections.ts';
import { previewMembers } from './entity-id-change.ts';
import { type LoadedMetadata, type MetadataChange, setIdentityProvider } from './identity-providers.ts';
import { getMetadataVersion } from './metadata-versions.ts';

export interface VersionChoice extends Pick<MetadataChange, 'organization' | 'decision' | 'linkUntilMs'> {
  readonly versionId: string;
}

/** Returns whether restoring a version changes the identity provider of members. @throws not_found if the version is not stored */
export async function needsDecisionToRestore(
  runtime: Pick<Runtime, 'store' | 'now'>,
  { organization, versionId }: VersionChoice,
): Promise<boolean> {
  const { metadata, connectionId = findFormerConnection(organization)?.id } = await getMetadataVersion(
    runtime.store,
    organization.id,
    versionId,
  );
  return (await previewMembers(runtime, { organization, connectionId, entityId: metadata.entityId })) !== undefined;
}

/**
 * Makes a stored version the present metadata again.
 * @throws not_found if the version is not stored; the errors of {@link setIdentityProvider}
 */
export async function restoreMetadataVersion(
  runtime: Runtime,
  actor: Actor,
  { organization, versionId, decision, linkUntilMs }: VersionChoice,
): Promise<Organization> {
  const stored = await getMetadataVersion(runtime.store, organization.id, versionId);
  const { connectionId = findFormerConnection(organization)?.id, metadata, metadataUrl, ...version } = stored;
  const loaded: LoadedMetadata = { metadata, warnings: [], ...(metadataUrl === undefined ? {} : { metadataUrl }) };
  return setIdentityProvider(runtime, actor, {
    organization,
    connectionId,
    loaded,
    decision,
    linkUntilMs,
    // Before connections existed, the scope was the entityID.
    formerScope: { identityScope: version.identityScope ?? metadata.entityId, scopeSince: version.scopeSince },
    auditDetails: { returned_to: versionId },
  });
}
