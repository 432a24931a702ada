/** The metadata and the settings of a connection, and what both mean for a SAML response. */
import type { KeyObject } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Actor } from '../../audit.ts';
import { BoundedCache } from '../../bounded-cache.ts';
import { GatewayError } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import { mayBeEncrypted } from '../../saml/crypto/decryption.ts';
import type { VerificationKey } from '../../saml/crypto/signature.ts';
import { publicKeyOf } from '../../saml/metadata/certificates.ts';
import type { IdpMetadata, MetadataWarning } from '../../saml/metadata/idp-metadata.ts';
import { ENTITY_ID_SHARED, lintIdpMetadata } from '../../saml/metadata/idp-metadata-lint.ts';
import { type ManualIdp, readIdpMetadata, readManualIdp } from '../../saml/metadata/idp-metadata-reader.ts';
import { isLoopbackHost } from '../../saml/metadata/loopback-host.ts';
import { type AttributeMapping, DEFAULT_ATTRIBUTE_MAPPING } from '../../saml/response/attribute-mapping.ts';
import type { PersonContext } from '../../saml/response/checks.ts';
import type { ResponseSettings } from '../../saml/response/response-settings.ts';
import { toIsoTime } from '../../time.ts';
import { isEntityIdShared, noteConnections } from '../directory.ts';
import { requireUsableIdentifier } from '../identity/identifier-setting.ts';
import { firstScopeOf } from '../identity/member-identity.ts';
import type { IdentityScope } from '../idp-change/idp-change.ts';
import { isWaiting, newReplacement, withoutReplacement, withReplacement } from '../idp-change/replacement.ts';
import { type Connection, type ConnectionSettings, type Organization, updateOrganization } from '../organizations.ts';
import { requireChangeableBy, requireLinkId } from '../setup/setup-rights.ts';
import { openDecryptionKeys } from '../sp-keys.ts';
import { connectAgain, newConnection, type OrganizationConnection, requireConnection, withConnection } from './connections.ts';
import { type EntityIdDecision, type EntityIdPlan, planEntityIdChange, requirePlanned } from './entity-id-change.ts';
import { fetchMetadata, limitFetches } from './fetch-metadata.ts';
import { metadataVersionSteps, pruneMetadataVersions } from './metadata-versions.ts';
import { noteOwnerLoss } from './owners-after-change.ts';
import { removedCertificatesAfter } from './removed-certificates.ts';
import { finishRevocations } from './revoke-credentials.ts';

const DEFAULT_REFRESH_HOURS = 24;
/** The name of a default connection that is created by setting its metadata. */
const DEFAULT_NAME = 'Default';

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

/** Fetches and reads metadata without saving it. @throws idp_metadata_invalid, payload_too_large */
export async function loadMetadata(runtime: Pick<Runtime, 'config' | 'now'>, source: MetadataSource): Promise<LoadedMetadata> {
  const nowMs = runtime.now();
  if (source.kind === 'manual') return readManualIdp(source.values, nowMs);
  const content = source.kind === 'url' ? await fetchMetadataDocument(runtime, source.url) : source.content;
  const loaded = readIdpMetadata(content, { nowMs, ...(source.entityId === undefined ? {} : { entityId: source.entityId }) });
  return source.kind === 'url' ? { ...loaded, metadataUrl: source.url } : loaded;
}

/** Fetches a metadata document from its URL. @throws idp_metadata_invalid, payload_too_large */
export const fetchMetadataDocument = ({ config }: Pick<Runtime, 'config'>, url: string): Promise<Uint8Array> =>
  // Only a gateway that itself runs on a loopback address, for development, may fetch from one.
  fetchMetadata(url, { allowLoopback: isLoopbackHost(new URL(config.baseUrl).hostname) });

/**
 * Like {@link loadMetadata}, for an owner or a setup link of an organization. Few fetches run at a time for one organization.
 * @throws idp_metadata_invalid, payload_too_large, rate_limited
 */
export const loadMetadataFor = (runtime: Runtime, { id }: Organization, source: MetadataSource): Promise<LoadedMetadata> =>
  source.kind === 'url' ? limitFetches(runtime, id, () => loadMetadata(runtime, source)) : loadMetadata(runtime, source);

export interface MetadataChange {
  readonly organization: Organization;
  /** The default connection if undefined. It is created if the organization has none. */
  readonly connectionId?: string | undefined;
  readonly loaded: LoadedMetadata;
  /** What happens to the members if the entityID is another one. */
  readonly decision?: EntityIdDecision | undefined;
  /** A connection that is created is a draft, which goes live when its setup ends. */
  readonly startsAsDraft?: boolean | undefined;
  /** The product that the administrator chose. Undefined keeps the current one if it is the same identity provider. */
  readonly product?: string | undefined;
  /** Until when `link_by_email` links members. */
  readonly linkUntilMs?: number | undefined;
  /**
   * The setup link that saves the metadata. Its holder enters the certificate, so a connection that it creates is a draft and never
   * takes over the members of a deleted one, as whom the holder could sign in.
   */
  readonly setupLinkId?: string | undefined;
  /** The scope that the connection had with this metadata, if it is restored. */
  readonly formerScope?: IdentityScope | undefined;
  /** Further details of the audit entry. */
  readonly auditDetails?: Readonly<Record<string, unknown>>;
}

/**
 * Returns the organization with new metadata of a connection, and the connection's current settings. Metadata from a new URL is
 * refreshed daily; for a known URL the refresh stays as the owner has set it. Users of an identity provider with another entityID
 * never become members of the previous one.
 * @param scope for another entityID, with the change to remember; by default the entityID
 * @throws not_found; conflict if another connection has the same identity provider
 */
export function withMetadata(
  { organization, connectionId, loaded, setupLinkId, product, startsAsDraft = false }: MetadataChange,
  nowMs: number,
  scope: NonNullable<EntityIdPlan['scope']> = { identityScope: loaded.metadata.entityId },
): Organization {
  const { metadata, metadataUrl } = loaded;
  const isFirst = connectionId === undefined && organization.connections.length === 0;
  const before = isFirst ? undefined : requireConnection(organization, connectionId);
  const options = { name: DEFAULT_NAME, metadata } as const;
  const create = (): Connection =>
    setupLinkId === undefined
      ? connectAgain(organization, { ...options, state: startsAsDraft ? 'draft' : 'active' }, nowMs)
      : { ...newConnection({ ...options, state: 'draft' }, nowMs), setupLinkId };
  const connection = before ?? create();
  const isSameUrl = metadataUrl !== undefined && before?.metadataUrl === metadataUrl;
  const metadataRefreshHours =
    metadataUrl === undefined ? undefined : isSameUrl ? before?.settings.metadataRefreshHours : DEFAULT_REFRESH_HOURS;
  const isSameIdp = connection.metadata.entityId === metadata.entityId;
  return withConnection(organization, {
    ...connection,
    metadata,
    metadataUrl,
    product: product ?? (isSameIdp ? connection.product : undefined),
    // Another identity provider identifies its users in its own way.
    settings: { ...connection.settings, metadataRefreshHours, ...(isSameIdp ? {} : { identifier: 'auto' }) },
    updatedAt: toIsoTime(nowMs),
    refresh: undefined,
    testedAt: undefined,
    removedCertificates: removedCertificatesAfter(connection, metadata),
    ...(isSameIdp ? {} : { firstScope: firstScopeOf(connection), scopeSince: toIsoTime(nowMs), change: undefined, ...scope }),
  });
}

/** Returns the organization as a preview shows it. Metadata that waits in a draft can also be previewed. @throws like withMetadata() */
export function previewMetadata(change: MetadataChange, nowMs: number): Organization {
  const { organization, connectionId, decision = 'keep' } = change;
  const shown = decision === 'keep' ? withoutReplacement(organization, connectionId) : organization;
  return withMetadata({ ...change, organization: shown }, nowMs);
}

/**
 * Saves loaded metadata.
 * @throws not_found; conflict if another connection has the same identity provider, or if the entityID is another one and the
 *   decision about the members is missing; forbidden for a setup link if the connection has members
 */
export async function setIdentityProvider(runtime: Runtime, actor: Actor, requested: MetadataChange): Promise<Organization> {
  const change = actor.kind === 'setup_link' ? { ...requested, setupLinkId: requireLinkId(actor) } : requested;
  const { organization, connectionId, loaded, decision, linkUntilMs, formerScope, auditDetails = {} } = change;
  const right = await requireChangeableBy(runtime.store, actor, change);
  const { entityId } = loaded.metadata;
  // A revocation that a crash has interrupted belongs to the present change.
  if (organization.revokingConnections !== undefined) await finishRevocations(runtime, actor, organization.id);
  const plan = await planEntityIdChange(runtime, actor, { organization, connectionId, entityId, decision, linkUntilMs, formerScope });
  if (plan.keeps) return createReplacement(runtime, actor, { change, plan, replaced: plan.keeps });
  const versionSteps = await metadataVersionSteps(runtime, actor, { organization, connectionId });
  await noteConnections(runtime.store, withMetadata(change, runtime.now()));
  const changed = await updateOrganization(runtime, actor, {
    organizationId: organization.id,
    event: 'identity_provider.changed',
    details: {
      entity_id: loaded.metadata.entityId,
      certificates: loaded.metadata.signingCertificates.map((certificate) => certificate.fingerprintSha256),
      ...(connectionId === undefined ? {} : { connection: connectionId }),
      ...(plan.scope === undefined
        ? {}
        : { former_entity_id: plan.from, on_new_entity_id: decision, link_until: plan.scope.change?.until }),
      ...auditDetails,
    },
    change: (before) => {
      right.requireSame(before);
      requirePlanned(plan, { organization: before, connectionId, entityId });
      return withMetadata({ ...change, organization: before }, runtime.now(), plan.scope);
    },
    extraSteps: (before, after) => [...right.steps, ...versionSteps(before, after)],
  });
  if (plan.scope) await noteOwnerLoss(runtime, actor, changed);
  await pruneMetadataVersions(runtime.store, changed.id, requireConnection(changed, connectionId));
  return changed;
}

interface RequestedReplacement {
  readonly change: MetadataChange;
  readonly plan: EntityIdPlan;
  readonly replaced: Connection;
}

/**
 * Saves the metadata in a draft, which replaces the identity provider once an owner has tested it. A draft that has this metadata stays,
 * with its settings and running tests.
 */
async function createReplacement(runtime: Runtime, actor: Actor, { change, plan, replaced }: RequestedReplacement): Promise<Organization> {
  const { organization, connectionId, loaded } = change;
  const { metadata, metadataUrl } = loaded;
  if (isWaiting(organization, replaced, { metadata, metadataUrl })) return organization;
  const draft = newReplacement(replaced, { metadata, metadataUrl }, runtime.now());
  await noteConnections(runtime.store, withReplacement(organization, draft));
  return updateOrganization(runtime, actor, {
    organizationId: organization.id,
    event: 'connection.replacement_created',
    details: { connection: replaced.id, replacement: draft.id, entity_id: metadata.entityId, former_entity_id: replaced.metadata.entityId },
    change: (before) => {
      requirePlanned(plan, { organization: before, connectionId, entityId: metadata.entityId });
      return withReplacement(before, draft);
    },
  });
}

export interface SettingsChange {
  readonly organization: Organization;
  /** The default connection if undefined. */
  readonly connectionId?: string | undefined;
  readonly changes: Partial<ConnectionSettings>;
}

/**
 * @throws idp_not_configured, not_found; validation_failed for a refresh without a metadata URL; forbidden for a setup link if the
 *   connection has members
 */
export async function changeIdpSettings(runtime: Runtime, actor: Actor, change: SettingsChange): Promise<Organization> {
  const { organization, connectionId, changes } = change;
  const right = await requireChangeableBy(runtime.store, actor, change);
  await noteConnections(runtime.store, withSettings(change));
  return updateOrganization(runtime, actor, {
    organizationId: organization.id,
    event: 'identity_provider.settings_changed',
    details: { changes, ...(connectionId === undefined ? {} : { connection: connectionId }) },
    change: (before) => {
      right.requireSame(before);
      const after = withSettings({ ...change, organization: before });
      return isDeepStrictEqual(after, before) ? undefined : after;
    },
    extraSteps: () => right.steps,
  });
}

/** Returns the organization with other settings of a connection. @throws idp_not_configured, not_found, validation_failed */
export function withSettings({ organization, connectionId, changes }: SettingsChange): Organization {
  const connection = requireConnection(organization, connectionId);
  const settings = { ...connection.settings, ...changes };
  if (changes.identifier !== undefined) requireUsableIdentifier(changes.identifier, attributeMappingOf({ settings }));
  if (settings.metadataRefreshHours !== undefined && connection.metadataUrl === undefined) {
    throw new GatewayError('validation_failed', 'metadata_refresh_hours is only possible if the metadata came from a URL.');
  }
  // An earlier test sign-in says nothing about other settings.
  return withConnection(
    organization,
    isDeepStrictEqual(settings, connection.settings) ? connection : { ...connection, settings, testedAt: undefined },
  );
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

/** Returns the current warnings about an identity provider. They change without a new upload, because certificates expire. */
export async function findMetadataWarnings(
  { store, now }: Pick<Runtime, 'store' | 'now'>,
  { organization, connection: { metadata } }: OrganizationConnection,
  { isOperator, loaded }: WarningReader,
): Promise<readonly MetadataWarning[]> {
  const warnings = loaded?.warnings ?? lintIdpMetadata(metadata, now());
  // Owners and setup links also skip the lookup, because its duration would tell them the same.
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
 * (`node test/bench/verdict.ts`). The cache key is the whole PEM text, so two certificates never share an entry.
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
 * Returns what a SAML response of this connection is checked against.
 * @param decryptionKeys from {@link decryptionKeysFor}
 */
export function responseSettings(
  { organization, connection: { metadata, settings } }: OrganizationConnection,
  baseUrl: string,
  decryptionKeys: readonly KeyObject[] = [],
): ResponseSettings {
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

/** Returns whether requests to the identity provider are signed: as set, or else as its metadata asks. */
export const signsRequests = ({ metadata, settings }: Connection): boolean => settings.signRequests ?? metadata.wantAuthnRequestsSigned;

/** Returns what the user of an assertion is read with. */
export const personSettings = (connection: Connection, { idpEntityId, entityId }: ResponseSettings): PersonContext => ({
  // The first scope is the entityID of the identity provider that the members of earlier versions came from.
  ...(connection.readsFormerKeys && connection.scopeSince === undefined ? { formerIdpEntityId: connection.identityScope } : {}),
  identifier: connection.settings.identifier ?? 'auto',
  nameIdFormat: connection.settings.nameIdFormat,
  attributeMapping: attributeMappingOf(connection),
  idpEntityId,
  entityId,
});

/** Returns the attribute names that are read, the defaults included. */
export const attributeMappingOf = ({ settings }: Pick<Connection, 'settings'>): AttributeMapping => ({
  ...DEFAULT_ATTRIBUTE_MAPPING,
  ...settings.attributeMapping,
});
