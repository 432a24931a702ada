/** The identity provider of an organization: its metadata, the settings, and what both mean for a SAML response. */
import type { KeyObject } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Actor } from '../audit.ts';
import { BoundedCache } from '../bounded-cache.ts';
import { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import { mayBeEncrypted } from '../saml/crypto/decryption.ts';
import type { VerificationKey } from '../saml/crypto/signature.ts';
import { publicKeyOf } from '../saml/metadata/certificates.ts';
import type { IdpMetadata } from '../saml/metadata/idp-metadata.ts';
import { ENTITY_ID_SHARED, lintIdpMetadata, type MetadataWarning } from '../saml/metadata/idp-metadata-lint.ts';
import { type ManualIdp, readIdpMetadata, readManualIdp } from '../saml/metadata/idp-metadata-reader.ts';
import { isLoopbackHost } from '../saml/metadata/loopback-host.ts';
import { type AttributeMapping, DEFAULT_ATTRIBUTE_MAPPING } from '../saml/response/attribute-mapping.ts';
import type { ResponseSettings } from '../saml/response/response-settings.ts';
import { toIsoTime } from '../time.ts';
import { isEntityIdShared, noteIdentityProvider } from './directory.ts';
import { fetchMetadata } from './fetch-metadata.ts';
import { getMetadataVersion, metadataVersionSteps, pruneMetadataVersions } from './metadata-versions.ts';
import { type IdentityProvider, type IdpSettings, type Organization, updateOrganization } from './organizations.ts';
import { openDecryptionKeys } from './sp-keys.ts';

export const DEFAULT_SETTINGS: IdpSettings = {
  idpInitiated: 'accept',
  attributeMapping: {},
  clockSkewSeconds: 180,
  requireSignedAssertion: false,
  requireSignedResponse: false,
  requireEncryptedAssertion: false,
  signRequests: undefined,
  nameIdFormat: undefined,
  forceAuthn: false,
  authnContext: [],
  metadataRefreshHours: undefined,
};

const DEFAULT_REFRESH_HOURS = 24;

/** Metadata as administrators give it: a document, the URL of one, or values entered manually. */
export type MetadataSource =
  | { readonly kind: 'document'; readonly content: Uint8Array | string; readonly entityId?: string | undefined }
  | { readonly kind: 'url'; readonly url: string; readonly entityId?: string | undefined }
  | { readonly kind: 'manual'; readonly values: ManualIdp };

export interface LoadedMetadata {
  readonly metadata: IdpMetadata;
  readonly warnings: readonly MetadataWarning[];
  readonly metadataUrl?: string;
}

/**
 * Fetches and reads metadata without saving it.
 * @throws idp_metadata_invalid, payload_too_large
 */
export async function loadMetadata(runtime: Pick<Runtime, 'config' | 'now'>, source: MetadataSource): Promise<LoadedMetadata> {
  const nowMs = runtime.now();
  if (source.kind === 'manual') return readManualIdp(source.values, nowMs);
  const content = source.kind === 'url' ? await fetchMetadataDocument(runtime, source.url) : source.content;
  const loaded = readIdpMetadata(content, { nowMs, ...(source.entityId === undefined ? {} : { entityId: source.entityId }) });
  return source.kind === 'url' ? { ...loaded, metadataUrl: source.url } : loaded;
}

/**
 * Fetches a metadata document from its URL.
 * @throws idp_metadata_invalid, payload_too_large
 */
export const fetchMetadataDocument = ({ config }: Pick<Runtime, 'config'>, url: string): Promise<Uint8Array> =>
  // Only a gateway that itself runs on a loopback address, for development, may fetch from one.
  fetchMetadata(url, { allowLoopback: isLoopbackHost(new URL(config.baseUrl).hostname) });

/**
 * Returns the organization with new metadata and its present settings. Metadata from a new URL is refreshed daily; for a known
 * URL the refresh stays as the owner has set it.
 */
export function withMetadata(organization: Organization, { metadata, metadataUrl }: LoadedMetadata, nowMs: number): Organization {
  const before = organization.identityProvider;
  const isSameUrl = metadataUrl !== undefined && before?.metadataUrl === metadataUrl;
  const metadataRefreshHours =
    metadataUrl === undefined ? undefined : isSameUrl ? before?.settings.metadataRefreshHours : DEFAULT_REFRESH_HOURS;
  const settings = { ...(before?.settings ?? DEFAULT_SETTINGS), metadataRefreshHours };
  return { ...organization, identityProvider: { metadata, settings, metadataUrl, updatedAt: toIsoTime(nowMs) } };
}

export interface IdentityProviderChange {
  readonly organization: Organization;
  readonly loaded: LoadedMetadata;
  /** Further details of the audit entry. */
  readonly auditDetails?: Readonly<Record<string, unknown>>;
}

/** Saves loaded metadata. Users of an identity provider with another entityID never become members of the previous one. */
export async function setIdentityProvider(
  runtime: Runtime,
  actor: Actor,
  { organization, loaded, auditDetails = {} }: IdentityProviderChange,
): Promise<Organization> {
  await updateDirectory(runtime, withMetadata(organization, loaded, runtime.now()));
  const changed = await updateOrganization(runtime, actor, {
    organizationId: organization.id,
    event: 'identity_provider.changed',
    details: {
      entity_id: loaded.metadata.entityId,
      certificates: loaded.metadata.signingCertificates.map((certificate) => certificate.fingerprintSha256),
      ...auditDetails,
    },
    change: (before) => withMetadata(before, loaded, runtime.now()),
    extraSteps: await metadataVersionSteps(runtime, actor, organization.id),
  });
  await pruneMetadataVersions(runtime.store, organization.id);
  return changed;
}

/**
 * Makes a stored version the present metadata again.
 * @throws not_found if the version is not stored
 */
export async function restoreMetadataVersion(
  runtime: Runtime,
  actor: Actor,
  { organization, versionId }: { readonly organization: Organization; readonly versionId: string },
): Promise<Organization> {
  const { metadata, metadataUrl } = await getMetadataVersion(runtime.store, organization.id, versionId);
  const loaded: LoadedMetadata = { metadata, warnings: [], ...(metadataUrl === undefined ? {} : { metadataUrl }) };
  return setIdentityProvider(runtime, actor, { organization, loaded, auditDetails: { returned_to: versionId } });
}

/** Updates the directory before the organization changes, as {@link noteIdentityProvider} requires. */
async function updateDirectory({ store }: Runtime, { id, identityProvider }: Organization): Promise<void> {
  if (!identityProvider) return;
  const { metadata, settings } = identityProvider;
  await noteIdentityProvider(store, id, { entityId: metadata.entityId, refreshesMetadata: settings.metadataRefreshHours !== undefined });
}

/** @throws idp_not_configured; validation_failed for a refresh without a metadata URL */
export async function changeIdpSettings(
  runtime: Runtime,
  actor: Actor,
  { organization, changes }: { readonly organization: Organization; readonly changes: Partial<IdpSettings> },
): Promise<Organization> {
  const present = requireIdentityProvider(organization);
  await updateDirectory(runtime, { ...organization, identityProvider: { ...present, settings: { ...present.settings, ...changes } } });
  return updateOrganization(runtime, actor, {
    organizationId: organization.id,
    event: 'identity_provider.settings_changed',
    details: { changes },
    change: (before) => {
      const identityProvider = requireIdentityProvider(before);
      const settings = { ...identityProvider.settings, ...changes };
      if (settings.metadataRefreshHours !== undefined && identityProvider.metadataUrl === undefined) {
        throw new GatewayError('validation_failed', 'metadata_refresh_hours is only possible if the metadata came from a URL.');
      }
      if (isDeepStrictEqual(settings, identityProvider.settings)) return undefined;
      return { ...before, identityProvider: { ...identityProvider, settings } };
    },
  });
}

/** Removes the identity provider. No user can sign in after that; members and sessions stay. */
export function removeIdentityProvider(runtime: Runtime, actor: Actor, organization: Organization): Promise<Organization> {
  return updateOrganization(runtime, actor, {
    organizationId: organization.id,
    event: 'identity_provider.removed',
    change: (before) => (before.identityProvider ? { ...before, identityProvider: undefined } : undefined),
  });
}

/** @throws idp_not_configured */
export function requireIdentityProvider(organization: Organization): IdentityProvider {
  if (!organization.identityProvider) throw new GatewayError('idp_not_configured');
  return organization.identityProvider;
}

export interface WarningReader {
  /**
   * Only the operator learns that another organization uses the same identity provider. An owner could otherwise enter the
   * entityIDs of companies to find out which of them are customers of this gateway.
   */
  readonly isOperator: boolean;
  /** Metadata that was read just now. Its warnings include those that only the document can cause. */
  readonly loaded?: LoadedMetadata | undefined;
}

/** Returns the present warnings about an identity provider. They change without a new upload, because certificates expire. */
export async function findMetadataWarnings(
  { store, now }: Pick<Runtime, 'store' | 'now'>,
  organization: Organization,
  { isOperator, loaded }: WarningReader,
): Promise<readonly MetadataWarning[]> {
  const { metadata } = requireIdentityProvider(organization);
  const warnings = loaded?.warnings ?? lintIdpMetadata(metadata, now());
  // Owners and setup links skip the lookup too, because its duration would tell them the same.
  if (!isOperator) return warnings;
  return (await isEntityIdShared(store, organization.id, metadata.entityId)) ? [...warnings, ENTITY_ID_SHARED] : warnings;
}

/** Returns the organization's own URLs at the gateway. */
export function serviceProviderUrls(baseUrl: string, slug: string): { entityId: string; acsUrl: string; sloUrl: string; loginUrl: string } {
  const root = `${baseUrl}/saml/${slug}`;
  return { entityId: `${root}/metadata`, acsUrl: `${root}/acs`, sloUrl: `${root}/slo`, loginUrl: `${root}/login` };
}

/** Returns the keys that may be needed to decrypt a response: none if nothing in it looks encrypted. */
export const decryptionKeysFor = async (
  runtime: Runtime,
  organization: Organization,
  unverifiedXml: string,
): Promise<readonly KeyObject[]> => (mayBeEncrypted(unverifiedXml) ? openDecryptionKeys(runtime, organization) : []);

/**
 * Caches the parsed keys of signing certificates. Parsing one takes 40 µs, and judging a response 100 to 250 µs
 * (`node test/bench/verdict.ts`). The whole PEM text is the cache key, so no certificate can stand in for another one.
 */
const verificationKeys = new BoundedCache<KeyObject>(512);

function verificationKeyOf(pem: string): KeyObject {
  const cached = verificationKeys.get(pem);
  if (cached) return cached;
  const key = publicKeyOf(pem);
  verificationKeys.set(pem, key);
  return key;
}

/**
 * Returns what a SAML response for this organization is checked against.
 * @param decryptionKeys from {@link decryptionKeysFor}
 * @throws idp_not_configured
 */
export function responseSettings(organization: Organization, baseUrl: string, decryptionKeys: readonly KeyObject[] = []): ResponseSettings {
  const { metadata, settings } = requireIdentityProvider(organization);
  const { entityId, acsUrl } = serviceProviderUrls(baseUrl, organization.slug);
  return {
    entityId,
    acsUrl,
    idpEntityId: metadata.entityId,
    keys: metadata.signingCertificates.map(
      (certificate): VerificationKey => ({
        key: verificationKeyOf(certificate.pem),
        fingerprint: certificate.fingerprintSha256,
        notAfterMs: Date.parse(certificate.notAfter),
      }),
    ),
    decryptionKeys,
    requireSignedAssertion: settings.requireSignedAssertion,
    requireSignedResponse: settings.requireSignedResponse,
    requireEncryptedAssertion: settings.requireEncryptedAssertion,
    clockSkewSeconds: settings.clockSkewSeconds,
    authnContext: settings.authnContext,
  };
}

/** Returns the attribute names that are read, the defaults included. */
export const attributeMappingOf = ({ settings }: IdentityProvider): AttributeMapping => ({
  ...DEFAULT_ATTRIBUTE_MAPPING,
  ...settings.attributeMapping,
});
