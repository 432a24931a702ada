/** Domain values as JSON, with the field names of the API. Only {@link newCliTokenJson} and {@link sessionTokenJson} return a secret. */

import type { RefusalSummary } from '../../audit-trail/refusal-counts.ts';
import type { TrailSummary } from '../../audit-trail/trim-audit.ts';
import type { ListedKey } from '../../auth/keys/signing-keys.ts';
import type { Principal } from '../../auth/principal.ts';
import type { ListedCliToken, NewCliToken } from '../../auth/tokens/cli-tokens.ts';
import type { SessionToken } from '../../auth/tokens/session-tokens.ts';
import { isDefaultConnection, type OrganizationConnection } from '../../organizations/connections/connections.ts';
import { type LoadedMetadata, serviceProviderUrls } from '../../organizations/connections/identity-providers.ts';
import { type DomainClaim, domainState, domainWarning, recordName, recordValue } from '../../organizations/domains/domain-claims.ts';
import { openRequestOf } from '../../organizations/idp-change/pending-members.ts';
import type { ChangePreview } from '../../organizations/idp-change/preview-change.ts';
import { findReplacement } from '../../organizations/idp-change/replacement.ts';
import { type Logo, logoPath } from '../../organizations/logo/logo.ts';
import type { Member, RoleSource } from '../../organizations/members.ts';
import type { Connection, Organization } from '../../organizations/organizations.ts';
import { nearQuotas, readQuotaUse } from '../../organizations/quotas/quota-use.ts';
import { QUOTA_NAMES, type QuotaName, quotaOf } from '../../organizations/quotas/quotas.ts';
import type { RoleMapping } from '../../organizations/role-mapping.ts';
import { changesOf, type MetadataProposal } from '../../organizations/setup/metadata-proposals.ts';
import { type SetupLink, setupLinkState } from '../../organizations/setup/setup-links.ts';
import type { Runtime } from '../../runtime.ts';
import type { Certificate } from '../../saml/metadata/certificates.ts';
import type { IdpMetadata, LogoutEndpoint } from '../../saml/metadata/idp-metadata.ts';
import type { Stored } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import { fromSettings } from './request-shapes.ts';

/** Returns one page of a list. */
export const pageJson = <Item, Json>(page: { items: readonly Item[]; nextCursor: string | null }, itemJson: (item: Item) => Json) => ({
  items: page.items.map(itemJson),
  next_cursor: page.nextCursor,
});

/** @throws store_unavailable */
export async function organizationJson({ store }: Pick<Runtime, 'store'>, organization: Organization) {
  const use = await readQuotaUse(store, organization);
  return {
    ...organizationFieldsJson(organization),
    quotas: Object.fromEntries(QUOTA_NAMES.map((name) => [name, quotaOf(organization, name)])) as Record<QuotaName, number>,
    quota_use: use,
    quota_warnings: nearQuotas(organization, use),
  };
}

export const logoJson = ({ config }: Pick<Runtime, 'config'>, { slug }: Organization, logo: Logo) => ({
  url: `${config.baseUrl}${logoPath(slug, logo)}`,
  content_type: logo.type,
  width: logo.width,
  height: logo.height,
  bytes: logo.octets,
  updated_at: logo.updatedAt,
});

const organizationFieldsJson = (organization: Organization) => ({
  id: organization.id,
  slug: organization.slug,
  name: organization.name,
  domains: organization.domains,
  allowed_return_urls: organization.allowedReturnUrls,
  contact_email: organization.contactEmail ?? null,
  logo_url: organization.logoUrl ?? null,
  cli_token_max_days: organization.cliTokenMaxDays ?? null,
  cli_token_sso_within_days: organization.cliTokenSsoWithinDays ?? null,
  session_token_audiences: organization.sessionTokenAudiences ?? [],
  without_owner_since: organization.withoutOwnerSince ?? null,
  email_policy: organization.emailPolicy ?? 'any',
  provisioning: organization.provisioning ?? 'jit',
  groups_from: organization.groupsFrom ?? 'saml',
  scim_link_attribute: organization.scimLinkAttribute ?? null,
  created_at: organization.createdAt,
});

export const domainJson = (claim: DomainClaim) => ({
  domain: claim.domain,
  state: domainState(claim),
  record: { type: 'TXT' as const, name: recordName(claim.domain), value: recordValue(claim.token) },
  verified_by: claim.verifiedBy ?? null,
  verified_at: timeOrNull(claim.verifiedAtMs),
  proven_at: timeOrNull(claim.provenAtMs),
  checked_at: timeOrNull(claim.lastCheck?.atMs),
  missing_since: timeOrNull(claim.missing?.sinceMs),
  warning: domainWarning(claim) ?? null,
  created_at: toIsoTime(claim.addedAtMs),
});

const memberState = ({ suspended, lastLoginAt }: Member) =>
  suspended ? ('suspended' as const) : lastLoginAt === undefined ? ('invited' as const) : ('active' as const);

const roleSourceJson = ({ pendingRole: _, ...source }: RoleSource) => source;

export const memberJson = (member: Member) => ({
  id: member.id,
  email: member.email,
  name: member.name,
  role: member.role,
  role_source: roleSourceJson(member.roleSource),
  pending_role: member.roleSource.pendingRole ?? null,
  groups: member.groups,
  groups_state: member.groupsState,
  groups_truncated: member.groupsTruncated ?? false,
  suspended: member.suspended,
  state: memberState(member),
  created_at: member.createdAt,
  last_login_at: member.lastLoginAt ?? null,
});

export const changePreviewJson = ({ matching, ambiguous, new: created, recent, isPartial }: ChangePreview) => ({
  matching,
  ambiguous,
  new: created,
  recently_signed_in: recent.matching + recent.ambiguous + recent.new,
  recent,
  is_partial: isPartial,
});

export function pendingMemberJson(member: Member, connection: Connection) {
  const { id, email, name, role, suspended, lastLoginAt, idpChange, sessions, cliTokens } = member;
  const request = openRequestOf(member, connection);
  const outcome = idpChange?.id === connection.change?.id ? idpChange?.outcome : undefined;
  return {
    id,
    email,
    name,
    role,
    suspended,
    last_login_at: lastLoginAt ?? null,
    is_approved: outcome === 'approved',
    is_declined: outcome === 'declined',
    sessions: sessions.length,
    cli_tokens: cliTokens.length,
    link_request: request
      ? {
          id: request.id,
          identifier: request.identifier.value,
          email: request.email,
          name: request.name,
          at: toIsoTime(request.atMs),
        }
      : null,
  };
}

export const roleMappingJson = (mapping: RoleMapping) => ({ rules: mapping.rules, default_role: mapping.defaultRole });

export const trailJson = ({ oldestAt, trimmed }: TrailSummary) => ({ oldest_at: oldestAt ?? null, trimmed });

export const refusalSummaryJson = ({ kind, code, lastHour, lastDay, lastWeek }: RefusalSummary) => ({
  kind,
  code,
  last_hour: lastHour,
  last_day: lastDay,
  last_week: lastWeek,
});

export const setupUrl = (baseUrl: string, secret: string): string => `${baseUrl}/setup/${secret}`;

/** Only owners and the operator create setup links. */
type SetupLinkCreator = SetupLink['createdBy'] & { readonly kind: 'operator' | 'member' };

export const setupLinkJson = ({ id, value: link }: Stored<SetupLink>, nowMs: number) => ({
  id,
  state: setupLinkState(link, nowMs),
  connection: link.connectionId ?? null,
  created_at: toIsoTime(link.createdAtMs),
  created_by: link.createdBy as SetupLinkCreator,
  expires_at: toIsoTime(link.expiresAtMs),
  used_at: link.usedAtMs === undefined ? null : toIsoTime(link.usedAtMs),
  revoked_at: link.revokedAtMs === undefined ? null : toIsoTime(link.revokedAtMs),
});

type Warnings = LoadedMetadata['warnings'];

const endpointJson = (endpoint: LogoutEndpoint | undefined) =>
  endpoint && { location: endpoint.location, response_location: endpoint.responseLocation };

export function connectionJson({ organization, connection }: OrganizationConnection, warnings: Warnings, baseUrl: string) {
  const { metadata } = connection;
  const { entityId, acsUrl, sloUrl, loginUrl } = serviceProviderUrls(baseUrl, organization.slug);
  return {
    id: connection.id,
    name: connection.name,
    is_default: isDefaultConnection(organization, connection),
    state: connection.state,
    tested_at: connection.testedAt ?? null,
    entity_id: metadata.entityId,
    single_sign_on: metadata.singleSignOn,
    single_logout: singleLogoutJson(metadata),
    certificates: metadata.signingCertificates.map(certificateJson),
    want_authn_requests_signed: metadata.wantAuthnRequestsSigned,
    name_id_formats: [...metadata.nameIdFormats],
    valid_until: metadata.validUntil ?? null,
    metadata_url: connection.metadataUrl ?? null,
    updated_at: connection.updatedAt,
    refresh: connection.refresh ? { at: connection.refresh.at, problem: connection.refresh.problem ?? null } : null,
    replaces: connection.replaces?.connectionId ?? null,
    replacement: findReplacement(organization, connection)?.id ?? null,
    change: connection.change
      ? {
          id: connection.change.id,
          at: connection.change.at,
          on_new_entity_id: connection.change.decision,
          link_until: connection.change.until ?? null,
          former_entity_id: connection.change.fromEntityId,
        }
      : null,
    warnings,
    ...fromSettings(connection.settings),
    service_provider: { entity_id: entityId, acs_url: acsUrl, slo_url: sloUrl, login_url: loginUrl, metadata_url: entityId },
  };
}

const certificateJson = (certificate: Certificate) => ({
  fingerprint_sha256: certificate.fingerprintSha256,
  subject: certificate.subject,
  not_before: certificate.notBefore,
  not_after: certificate.notAfter,
  key_type: certificate.keyType,
  key_bits: certificate.keyBits ?? null,
  pem: certificate.pem,
});

const singleLogoutJson = ({ singleLogout }: IdpMetadata) => ({
  redirect: endpointJson(singleLogout.redirect),
  post: endpointJson(singleLogout.post),
});

export function proposalJson(proposal: MetadataProposal, connection: Connection) {
  const { metadata, decision } = proposal;
  const known = new Set(connection.metadata.signingCertificates.map(({ fingerprintSha256 }) => fingerprintSha256));
  return {
    id: proposal.id,
    setup_link: proposal.linkId,
    entity_id: metadata.entityId,
    single_sign_on: metadata.singleSignOn,
    single_logout: singleLogoutJson(metadata),
    certificates: metadata.signingCertificates.map((each) => ({ ...certificateJson(each), is_new: !known.has(each.fingerprintSha256) })),
    metadata_url: proposal.metadataUrl ?? null,
    changes: changesOf(proposal, connection),
    on_new_entity_id: decision === 'new_accounts' ? decision : null,
    proposed_at: toIsoTime(proposal.proposedAtMs),
    expires_at: toIsoTime(proposal.expiresAtMs),
  };
}

export function meJson(principal: Extract<Principal, { kind: 'member' }>, organization: Organization) {
  const { member, credential } = principal;
  return {
    user: { id: member.id, email: member.email, name: member.name, role: member.role, groups: member.groups },
    organization: { id: organization.id, slug: organization.slug, name: organization.name },
    credential: { kind: credential.kind, id: credential.id, expires_at: timeOrNull(credential.expiresAtMs) },
    csrf_token: principal.csrfToken,
  };
}

const timeOrNull = (ms: number | undefined): string | null => (ms === undefined ? null : toIsoTime(ms));

export const sessionTokenJson = ({ token, expiresAtMs }: SessionToken) => ({ token, expires_at: toIsoTime(expiresAtMs) });

export const cliTokenJson = ({ record, endsAtMs, lastUse }: ListedCliToken) => ({
  id: record.id,
  name: record.name,
  created_at: toIsoTime(record.createdAtMs),
  expires_at: timeOrNull(endsAtMs),
  last_used_at: timeOrNull(lastUse?.atMs),
  last_used_address: lastUse?.address ?? null,
  last_used_client: lastUse?.userAgent ?? null,
});

/** The only representation of a CLI token that contains the token itself. */
export const newCliTokenJson = ({ record, token }: NewCliToken) => ({
  id: record.id,
  name: record.name,
  token,
  created_at: toIsoTime(record.createdAtMs),
  expires_at: timeOrNull(record.expiresAtMs),
});

export const signingKeyJson = ({ key, cliTokens }: ListedKey) => ({
  kid: key.kid,
  alg: key.algorithm,
  state: key.state,
  created_at: toIsoTime(key.createdAtMs),
  live_tokens: cliTokens,
});
