/**
 * Organizations: tenants. All of one lies in a partition of its own, so that a change and its audit entry are one commit, and
 * a login needs the organization to exist at the moment when it writes. The global partition only has the directory: which
 * slug and which e-mail domains are whose.
 */
import { type Actor, type AuditEvent, auditStep } from '../audit.ts';
import { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import type { IdpMetadata } from '../saml/metadata/idp-metadata.ts';
import type { AttributeMapping } from '../saml/response/person.ts';
import type { Collection, Step, Store } from '../store/store.ts';
import { updateRecord } from '../store/update-record.ts';
import type { RoleMapping } from './role-mapping.ts';

/** Settings of the contract; an absent one has the default. */
export interface IdpSettings {
  readonly idpInitiated: 'accept' | 'bounce' | 'reject';
  readonly attributeMapping: Partial<AttributeMapping>;
  readonly clockSkewSeconds: number;
  readonly requireSignedAssertion: boolean;
  readonly requireSignedResponse: boolean;
  readonly requireEncryptedAssertion: boolean;
  /** Undefined: as the metadata's WantAuthnRequestsSigned. */
  readonly signRequests: boolean | undefined;
  readonly nameIdFormat: string | undefined;
  readonly forceAuthn: boolean;
  readonly authnContext: readonly string[];
  /** Only with metadata from a URL. */
  readonly metadataRefreshHours: number | undefined;
}

export interface IdentityProvider {
  readonly metadata: IdpMetadata;
  readonly settings: IdpSettings;
  /** Where the metadata came from, if from a URL. */
  readonly metadataUrl?: string | undefined;
  readonly updatedAt: string;
  /** The last time that metadata from a URL was fetched again; `problem` says why it was not taken. */
  readonly refresh?: { readonly at: string; readonly problem?: string | undefined } | undefined;
}

/** A key of the service provider: signs requests, opens encrypted assertions. */
export interface SpKey {
  /** PKCS#8 PEM, wrapped for the purpose {@link SP_KEY_PURPOSE}. */
  readonly wrappedPrivateKey: string;
  /** DER as base64. */
  readonly certificate: string;
}

export interface Organization {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  /** Lower case. A domain belongs to one organization. */
  readonly domains: readonly string[];
  /** URLs that `return_to` and RelayState may lead to besides paths of the gateway. */
  readonly allowedReturnUrls: readonly string[];
  /** Shown in the SP metadata. */
  readonly contactEmail?: string | undefined;
  readonly logoUrl?: string | undefined;
  readonly createdAt: string;
  /** The one in use first. */
  readonly spKeys: readonly SpKey[];
  readonly identityProvider?: IdentityProvider | undefined;
  readonly roleMapping: RoleMapping;
  /** Every CLI token ends this long after it was made. */
  readonly cliTokenMaxDays?: number | undefined;
  /** A CLI token pauses while its member's last login is longer ago. */
  readonly cliTokenSsoWithinDays?: number | undefined;
  /** For whom session tokens may be besides the gateway itself. */
  readonly sessionTokenAudiences?: readonly string[] | undefined;
}

/** The record in the organization's partition. Its version is also the lock of what concerns several members at once. */
export const ORGANIZATION: Collection<Organization> = { name: 'organization', indexes: {}, unique: {} };
export const ORGANIZATION_RECORD = 'organization';

export interface NewOrganization {
  readonly slug: string;
  readonly name: string;
  readonly domains: readonly string[];
  readonly allowedReturnUrls: readonly string[];
  readonly contactEmail?: string | undefined;
  readonly logoUrl?: string | undefined;
  readonly cliTokenMaxDays?: number | undefined;
  readonly cliTokenSsoWithinDays?: number | undefined;
  readonly sessionTokenAudiences?: readonly string[] | undefined;
}

export type OrganizationChanges = Partial<Omit<NewOrganization, 'slug'>>;

export const getOrganizationById = async (store: Store, id: string): Promise<Organization | undefined> =>
  (await store.get(id, ORGANIZATION, ORGANIZATION_RECORD))?.value;

/**
 * Changes the record of an organization, with an audit entry in the same commit, on every replica of the store before it returns.
 * @param event undefined for what is nobody's decision and changes nothing that matters; it waits for no replica
 * @param change undefined leaves everything as it is, without an entry
 * @param more what else is in the commit; it must not fail
 * @throws organization_unknown, conflict; store_unavailable, also where it is done (or was before) but a replica of the store has not got it
 */
export async function updateOrganization(
  runtime: Runtime,
  actor: Actor,
  id: string,
  event: AuditEvent | undefined,
  change: (organization: Organization) => Organization | undefined,
  details?: Readonly<Record<string, unknown>>,
  more: (before: Organization, after: Organization) => readonly Step[] = () => [],
): Promise<Organization> {
  const extraSteps = (before: Organization, after: Organization) => [
    ...more(before, after),
    ...(event === undefined ? [] : [auditStep(runtime.now(), actor, event, details === undefined ? {} : { details })]),
  ];
  // A failover must not bring back a certificate or a role rule that was taken away.
  const replicated = event !== undefined;
  const stored = await updateRecord(runtime.store, {
    partition: id,
    collection: ORGANIZATION,
    id: ORGANIZATION_RECORD,
    change,
    extraSteps,
    replicated,
  });
  if (!stored) throw new GatewayError('organization_unknown');
  return stored.value;
}
