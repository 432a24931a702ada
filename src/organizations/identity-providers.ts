/** The identity provider of an organization: what its metadata said, and the settings of the organization. */
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
import type { Step } from '../store/store.ts';
import { toIsoTime } from '../time.ts';
import { isEntityIdShared, noteIdentityProvider } from './directory.ts';
import { fetchMetadata } from './fetch-metadata.ts';
import { getMetadataVersion, keepVersion, listMetadataVersions, pruneMetadataVersions } from './metadata-versions.ts';
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
/** Metadata as it is given: a document, a URL to fetch it from, or values typed in. */
export type MetadataSource =
  | { readonly kind: 'document'; readonly content: Uint8Array | string; readonly entityId?: string | undefined }
  | { readonly kind: 'url'; readonly url: string; readonly entityId?: string | undefined }
  | { readonly kind: 'manual'; readonly values: ManualIdp };

export interface UnderstoodMetadata {
  readonly metadata: IdpMetadata;
  readonly warnings: readonly MetadataWarning[];
  readonly metadataUrl?: string;
}

/**
 * Reads metadata without saving it.
 * @throws idp_metadata_invalid, payload_too_large
 */
export async function understandMetadata(runtime: Pick<Runtime, 'config' | 'now'>, source: MetadataSource): Promise<UnderstoodMetadata> {
  const nowMs = runtime.now();
  if (source.kind === 'manual') return readManualIdp(source.values, nowMs);
  const content = source.kind === 'url' ? await fetchDocument(runtime, source.url) : source.content;
  const understood = readIdpMetadata(content, { nowMs, ...(source.entityId === undefined ? {} : { entityId: source.entityId }) });
  return source.kind === 'url' ? { ...understood, metadataUrl: source.url } : understood;
}

/**
 * A metadata document as it is at its URL now.
 * @throws idp_metadata_invalid, payload_too_large
 */
export const fetchDocument = ({ config }: Pick<Runtime, 'config'>, url: string): Promise<Uint8Array> =>
  // Only a gateway that is tried out on somebody's computer may look at that computer.
  fetchMetadata(url, { allowLoopback: isLoopbackHost(new URL(config.baseUrl).hostname) });

/** The organization with this metadata; its settings stay. Metadata from a URL is fetched again daily unless somebody said otherwise. */
export function withMetadata(organization: Organization, understood: UnderstoodMetadata, nowMs: number): Organization {
  const { metadata, metadataUrl } = understood;
  const before = organization.identityProvider;
  const isSameUrl = metadataUrl !== undefined && before?.metadataUrl === metadataUrl;
  const metadataRefreshHours =
    metadataUrl === undefined ? undefined : isSameUrl ? before?.settings.metadataRefreshHours : DEFAULT_REFRESH_HOURS;
  const settings = { ...(before?.settings ?? DEFAULT_SETTINGS), metadataRefreshHours };
  return { ...organization, identityProvider: { metadata, settings, metadataUrl, updatedAt: toIsoTime(nowMs) } };
}

/** Saves understood metadata. Members of an identity provider with another entity ID stay other people. */
export async function setIdentityProvider(
  runtime: Runtime,
  actor: Actor,
  organization: Organization,
  understood: UnderstoodMetadata,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Organization> {
  await note(runtime, withMetadata(organization, understood, runtime.now()));
  const details = {
    entity_id: understood.metadata.entityId,
    certificates: understood.metadata.signingCertificates.map((certificate) => certificate.fingerprintSha256),
    ...more,
  };
  const change = (before: Organization) => withMetadata(before, understood, runtime.now());
  const isFirstKept = (await listMetadataVersions(runtime.store, organization.id)).length === 0;
  const versions = versionSteps(runtime, actor, isFirstKept);
  const changed = await updateOrganization(runtime, actor, {
    organizationId: organization.id,
    event: 'identity_provider.changed',
    details,
    change,
    extraSteps: versions,
  });
  await pruneMetadataVersions(runtime.store, organization.id);
  return changed;
}

/** Keeps what becomes the present metadata as a version, and what was there before any was kept. */
export function versionSteps({ now }: Pick<Runtime, 'now'>, { kind, email }: Actor, isFirstKept: boolean) {
  return ({ identityProvider: before }: Organization, { identityProvider: after }: Organization): readonly Step[] => [
    ...(before && isFirstKept
      ? [keepVersion(now(), { metadata: before.metadata, metadataUrl: before.metadataUrl, savedAtMs: Date.parse(before.updatedAt) })]
      : []),
    ...(after
      ? [
          keepVersion(now(), {
            metadata: after.metadata,
            metadataUrl: after.metadataUrl,
            savedAtMs: now(),
            savedBy: { kind, ...(email === undefined ? {} : { email }) },
          }),
        ]
      : []),
  ];
}

/** Makes a version the present metadata again. @throws not_found where it is not kept (any more) */
export async function returnToMetadata(
  runtime: Runtime,
  actor: Actor,
  organization: Organization,
  versionId: string,
): Promise<Organization> {
  const { metadata, metadataUrl } = await getMetadataVersion(runtime.store, organization.id, versionId);
  const understood: UnderstoodMetadata = { metadata, warnings: [], ...(metadataUrl === undefined ? {} : { metadataUrl }) };
  return setIdentityProvider(runtime, actor, organization, understood, { returned_to: versionId });
}

/** Before the change itself: see {@link noteIdentityProvider}. */
async function note({ store }: Runtime, { id, identityProvider }: Organization): Promise<void> {
  if (!identityProvider) return;
  const { metadata, settings } = identityProvider;
  await noteIdentityProvider(store, id, { entityId: metadata.entityId, refreshesMetadata: settings.metadataRefreshHours !== undefined });
}

/** @throws idp_not_configured; validation_failed where a setting needs what is not there */
export async function changeSettings(
  runtime: Runtime,
  actor: Actor,
  organization: Organization,
  changes: Partial<IdpSettings>,
): Promise<Organization> {
  const present = requireIdentityProvider(organization);
  await note(runtime, { ...organization, identityProvider: { ...present, settings: { ...present.settings, ...changes } } });
  return updateOrganization(runtime, actor, {
    organizationId: organization.id,
    event: 'identity_provider.settings_changed',
    details: { changes },
    change: (before) => {
      const identityProvider = requireIdentityProvider(before);
      const settings = { ...identityProvider.settings, ...changes };
      if (settings.metadataRefreshHours !== undefined && identityProvider.metadataUrl === undefined) {
        throw new GatewayError('validation_failed', 'metadata_refresh_hours needs metadata that came from a URL.');
      }
      if (isDeepStrictEqual(settings, identityProvider.settings)) return undefined;
      return { ...before, identityProvider: { ...identityProvider, settings } };
    },
  });
}

/** After this nobody can sign in to the organization; members and sessions stay. */
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

/** What there is to tell about an identity provider now: certificates expire while nobody looks. */
export async function warningsOf(
  { store, now }: Pick<Runtime, 'store' | 'now'>,
  organization: Organization,
  understood?: UnderstoodMetadata,
): Promise<readonly MetadataWarning[]> {
  const { metadata } = requireIdentityProvider(organization);
  const warnings = understood?.warnings ?? lintIdpMetadata(metadata, now());
  return (await isEntityIdShared(store, organization.id, metadata.entityId)) ? [...warnings, ENTITY_ID_SHARED] : warnings;
}

/** The organization's own URLs at the gateway. */
export function serviceProviderUrls(baseUrl: string, slug: string): { entityId: string; acsUrl: string; sloUrl: string; loginUrl: string } {
  const root = `${baseUrl}/saml/${slug}`;
  return { entityId: `${root}/metadata`, acsUrl: `${root}/acs`, sloUrl: `${root}/slo`, loginUrl: `${root}/login` };
}

/** The keys for a message, where it may need them: opening one costs more than all else of a sign-in. */
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
 * What a response to this organization is held against.
 * @param decryptionKeys of {@link decryptionKeysFor}
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

export const attributeMapping = ({ settings }: IdentityProvider): AttributeMapping => ({
  ...DEFAULT_ATTRIBUTE_MAPPING,
  ...settings.attributeMapping,
});
