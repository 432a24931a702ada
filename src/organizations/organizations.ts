/**
 * The record of an organization (a tenant). Everything that belongs to an organization is in its own partition of the store, so
 * that a change and its audit entry are one commit, and a sign-in can require that the organization still exists when it writes.
 */
import { type Actor, type AuditEvent, auditStep } from '../audit.ts';
import { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import type { IdentifierSetting } from '../saml/identifier/identifier.ts';
import type { IdpMetadata } from '../saml/metadata/idp-metadata.ts';
import type { AttributeMapping } from '../saml/response/attribute-mapping.ts';
import type { Collection, Step, Store } from '../store/store.ts';
import { updateRecord } from '../store/update-record.ts';
import type { DomainClaim, EmailPolicy } from './domains/domain-claims.ts';
import { type QuotaName, type Quotas, requireSettingsFit } from './quotas/quotas.ts';
import type { RoleMapping } from './role-mapping.ts';

/** Settings of a connection, which owners change. The API documents each of them. */
export interface ConnectionSettings {
  readonly idpInitiated: 'accept' | 'bounce' | 'reject';
  readonly attributeMapping: Partial<AttributeMapping>;
  readonly clockSkewSeconds: number;
  readonly requireSignedAssertion: boolean;
  readonly requireSignedResponse: boolean;
  readonly requireEncryptedAssertion: boolean;
  /** Undefined: as the metadata's WantAuthnRequestsSigned. */
  readonly signRequests: boolean | undefined;
  readonly nameIdFormat: string | undefined;
  /** What identifies users. Undefined in records of earlier versions, which means `auto`. */
  readonly identifier?: IdentifierSetting | undefined;
  /** Allows the identity provider to create an identifier for a user. Undefined means true. */
  readonly allowCreate?: boolean | undefined;
  readonly forceAuthn: boolean;
  readonly authnContext: readonly string[];
  /** Only set for metadata from a URL. */
  readonly metadataRefreshHours: number | undefined;
  /** Sign-ins that start with an email address in one of these domains use this connection. In lower case. */
  readonly emailDomains?: readonly string[] | undefined;
}

/**
 * `draft`: only test sign-ins are possible. `active`: users can sign in. `disabled`: no response of this identity provider is
 * accepted, not even to a request that was sent before.
 */
export type ConnectionState = 'draft' | 'active' | 'disabled';

/** An identity provider of an organization, with its settings. `connections.ts` has the functions that read and change it. */
export interface Connection {
  readonly id: string;
  readonly name: string;
  readonly state: ConnectionState;
  readonly metadata: IdpMetadata;
  readonly settings: ConnectionSettings;
  /** The URL of the metadata, if it came from one. */
  readonly metadataUrl?: string | undefined;
  readonly updatedAt: string;
  /** The last refresh of metadata from a URL. `problem` is the reason why the fetched metadata was not used. */
  readonly refresh?: { readonly at: string; readonly problem?: string | undefined } | undefined;
  /** Fingerprints of certificates that an administrator removed. A refresh never brings them back. */
  readonly removedCertificates?: readonly string[] | undefined;
  /** Part of the key of each member of this connection, so that a new value means new members. */
  readonly identityScope: string;
  /** When the scope began. Undefined for the first one, whose members may have keys of earlier versions. */
  readonly scopeSince?: string | undefined;
  /** Members may still have a key of the format without source, as written before connections existed. */
  readonly readsFormerKeys?: true | undefined;
  /** The first scope of a connection with {@link readsFormerKeys}, once another one has begun. Suspended members are recognized by it. */
  readonly firstScope?: string | undefined;
  /** The last change to another identity provider while there were members. */
  readonly change?: IdpChange | undefined;
  /** Scopes that several identity providers have used, so that restoring a former one never gives its users these members. */
  readonly keptScopes?: readonly string[] | undefined;
  /** Set for a draft that waits to replace the identity provider of another connection, which is as it was when the draft was created. */
  readonly replaces?: ReplacedConnection | undefined;
  /** The setup link that created the connection. */
  readonly setupLinkId?: string | undefined;
  /** When the identity provider was connected again after its connection was deleted. Earlier setup links do not apply to it. */
  readonly reconnectedAt?: string | undefined;
  /** The product that the administrator chose in the setup, which selects the guide. */
  readonly product?: string | undefined;
  /** Only for a draft: when a test sign-in with the current metadata and settings was accepted. */
  readonly testedAt?: string | undefined;
}

export interface ReplacedConnection {
  readonly connectionId: string;
  readonly entityId: string;
  readonly identityScope: string;
  readonly changeId: string | undefined;
  /** The connection's settings when the draft was created. Undefined for drafts of earlier versions. */
  readonly settings?: ConnectionSettings | undefined;
}

/** A change of a connection to another identity provider, and the decision about the members. */
export interface IdpChange {
  readonly id: string;
  /** RFC 3339. */
  readonly at: string;
  readonly decision: 'keep' | 'link_by_email' | 'new_accounts';
  /** RFC 3339. Until then `link_by_email` links members. */
  readonly until?: string | undefined;
  readonly fromEntityId: string;
  /** The scopes of the members who were there before, newest first. */
  readonly formerScopes: readonly Pick<Connection, 'identityScope' | 'scopeSince'>[];
}

/** A connection whose members are losing their sessions and tokens, because it was disabled, deleted or has another identity provider. */
export interface RevokingConnection {
  readonly connectionId: string;
  readonly entityId: string;
  /** Whether members without a connection, who last signed in before connections existed, belong to it. */
  readonly hasFormerMembers: boolean;
  /** The change of the identity provider, if only members who have not signed in since lose their credentials. */
  readonly pendingSince?: string | undefined;
}

/**
 * What stays of a deleted connection. If its identity provider is connected again, its users are the same members as before, and a
 * suspended member stays suspended.
 */
export interface FormerConnection
  extends Pick<
    Connection,
    | 'id'
    | 'identityScope'
    | 'scopeSince'
    | 'readsFormerKeys'
    | 'firstScope'
    | 'removedCertificates'
    | 'change'
    | 'keptScopes'
    | 'setupLinkId'
  > {
  readonly entityId: string;
  readonly identifier: ConnectionSettings['identifier'];
}

/** A key pair of the service provider. It signs requests and decrypts assertions. */
export interface SpKey {
  /** PKCS#8 PEM, wrapped with the gateway's secret. */
  readonly wrappedPrivateKey: string;
  /** DER as base64. */
  readonly certificate: string;
}

export interface Organization {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  /** Set by the operator, as `normalizeDomain()` returns them. A domain belongs to one organization only. */
  readonly domains: readonly string[];
  /** URLs that `return_to` and RelayState may name, besides paths of the gateway. */
  readonly allowedReturnUrls: readonly string[];
  /** Published in the SP metadata. */
  readonly contactEmail?: string | undefined;
  readonly logoUrl?: string | undefined;
  readonly createdAt: string;
  /** Deleted organizations that had the slug, whose claims of assertions still count. See `former-organizations.ts`. */
  readonly formerIds?: readonly string[] | undefined;
  /** The key in use comes first. The others are kept for a rollover. */
  readonly spKeys: readonly SpKey[];
  /** At most ten. The first one is the default connection. */
  readonly connections: readonly Connection[];
  /** Newest first. */
  readonly formerConnections?: readonly FormerConnection[] | undefined;
  /** Saved in the commit that disables or deletes the connection, or revokes its pending members, and removed when no credential of its members is left. */
  readonly revokingConnections?: readonly RevokingConnection[] | undefined;
  readonly roleMapping: RoleMapping;
  /** RFC 3339. Since when no member is an owner, or will be after the next sign-in. Undefined before the first owner. */
  readonly withoutOwnerSince?: string | undefined;
  /** Longest lifetime of a CLI token. */
  readonly cliTokenMaxDays?: number | undefined;
  /** A CLI token is refused while its member's last sign-in is older than this. */
  readonly cliTokenSsoWithinDays?: number | undefined;
  /** Allowed audiences of session tokens, besides the gateway itself. */
  readonly sessionTokenAudiences?: readonly string[] | undefined;
  /** Domains that owners add and verify. */
  readonly domainClaims?: readonly DomainClaim[] | undefined;
  /** Set by the operator; the others have their defaults. */
  readonly quotas?: Quotas | undefined;
  readonly emailPolicy?: EmailPolicy | undefined;
  /** `jit` if undefined. */
  readonly provisioning?: Provisioning | undefined;
  /** `saml` if undefined. */
  readonly groupsFrom?: GroupsFrom | undefined;
  /** Saved in the commit that renames or deletes a SCIM group with a role, and removed when all members have their new role. */
  readonly changesGroups?: true | undefined;
  /** The SAML attribute whose value is the `externalId` of SCIM users. */
  readonly scimLinkAttribute?: string | undefined;
  /** The connections that have SCIM tokens. A disabled or deleted connection is removed, which ends its tokens. */
  readonly scimConnections?: readonly string[] | undefined;
}

/**
 * How users become members. `jit`: at the first sign-in, or by SCIM. `scim`: only by SCIM, but existing members can sign in.
 * `scim_required`: only users that SCIM provisioned can sign in.
 */
export type Provisioning = 'jit' | 'scim' | 'scim_required';

/** The groups by which role rules decide: those of the SAML response, those that SCIM provisions, or both. */
export type GroupsFrom = 'saml' | 'scim' | 'both';

/**
 * The record in the organization's partition. Its version also locks changes that concern several members at once, such as
 * removing one of two owners.
 */
export const ORGANIZATION: Collection<Organization> = { name: 'organization-2', indexes: {}, unique: {} };
export const ORGANIZATION_RECORD = 'organization';

/** How long a replica may use a cached copy of the record to check credentials. */
export const CREDENTIAL_RULES_LEASE_MS = 2000;

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
  readonly emailPolicy?: EmailPolicy | undefined;
  readonly provisioning?: Provisioning | undefined;
  readonly groupsFrom?: GroupsFrom | undefined;
  readonly scimLinkAttribute?: string | undefined;
  readonly quotas?: Readonly<Partial<Record<QuotaName, number | null | undefined>>> | undefined;
}

/** Quotas that `quotas` does not name stay; `null` restores a default. */
export type OrganizationChanges = Partial<Omit<NewOrganization, 'slug'>>;

export const getOrganizationById = async (store: Store, id: string): Promise<Organization | undefined> =>
  (await store.get(id, ORGANIZATION, ORGANIZATION_RECORD))?.value;

export interface OrganizationUpdate {
  readonly organizationId: string;
  /** Without an event the change is neither audited nor replicated. That is for bookkeeping which loses nothing if it is undone. */
  readonly event?: AuditEvent | undefined;
  /** Details of the audit entry. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Returns the new record, or undefined to leave it unchanged and write no audit entry. Runs again if the record has changed before
   * the commit, so whatever it reads is at least as new as the record that is replaced.
   */
  readonly change: (organization: Organization) => Organization | undefined | Promise<Organization | undefined>;
  /** Returns steps for the same commit. They must not fail. */
  readonly extraSteps?: ((before: Organization, after: Organization) => readonly Step[]) | undefined;
}

/**
 * Changes the record of an organization and writes the audit entry in the same commit. A change with an event waits for all
 * replicas, because a failover must not bring back a certificate or a role rule that was removed.
 * @throws organization_unknown, conflict, quota_exceeded; store_unavailable, also if the change is saved but a replica has not acknowledged it
 */
export async function updateOrganization(runtime: Runtime, actor: Actor, update: OrganizationUpdate): Promise<Organization> {
  const { organizationId, event, details, change, extraSteps = () => [] } = update;
  const stored = await updateRecord(runtime.store, {
    partition: organizationId,
    collection: ORGANIZATION,
    id: ORGANIZATION_RECORD,
    change: async (before) => {
      const after = await change(before);
      if (after && event !== undefined)
        requireSettingsFit(runtime, { before, after, isByGateway: actor.kind === 'gateway' || actor.kind === 'identity_provider' });
      return after;
    },
    extraSteps: (before, after) => [
      ...extraSteps(before, after),
      ...(event === undefined ? [] : [auditStep(runtime.now(), actor, event, details === undefined ? {} : { details })]),
    ],
    replicated: event !== undefined,
  });
  if (!stored) throw new GatewayError('organization_unknown');
  return stored.value;
}
