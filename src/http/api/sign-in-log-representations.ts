/** Entries of the sign-in log as JSON: for owners, and as a bundle for support tickets. */
import { suggestGroupsAttribute } from '../../auth/sign-in-log/groups-suggestion.ts';
import { maskEntry } from '../../auth/sign-in-log/mask-entry.ts';
import { CHECK_TITLES, type LoggedCheck } from '../../auth/sign-in-log/sign-in-checks.ts';
import type { SignInLogEntry, SignInLogSummary } from '../../auth/sign-in-log/sign-in-log.ts';
import { VERSION } from '../../client/version.ts';
import { errorText } from '../../errors.ts';
import { serviceProviderUrls } from '../../organizations/connections/identity-providers.ts';
import type { Organization } from '../../organizations/organizations.ts';
import { hintFor, type IdpKind } from '../../saml/explain/idp-screens.ts';
import { withoutAddresses } from '../../saml/explain/masking.ts';
import { toIsoTime } from '../../time.ts';

export const signInJson = (entry: SignInLogSummary) => ({
  id: entry.id,
  at: toIsoTime(entry.atMs),
  kind: entry.kind,
  outcome: entry.outcome,
  code: entry.code ?? null,
  request_id: entry.requestId ?? null,
  address: entry.address ?? null,
  member_id: entry.memberId ?? null,
  subject: entry.subject ?? null,
  verified: entry.isVerified,
  examined: entry.isExamined,
});

export function signInDetailsJson(entry: SignInLogEntry) {
  const { groups, roleSource } = entry;
  return {
    ...signInJson(entry),
    ...examinedJson(entry),
    started_by: entry.startedBy ?? null,
    role: entry.role ?? null,
    role_group: roleSource?.kind === 'rule' ? roleSource.group : null,
    groups: groups?.groups ?? null,
    groups_state: groups?.groupsState ?? null,
    groups_omitted: groups?.omitted ?? 0,
  };
}

function examinedJson(entry: SignInLogEntry) {
  const { code, variant, refusal, idpKind, messageOctets, examination, attributeNames, offeredIdentifiers = [] } = entry;
  const text = code && errorText(code, 'administrator', variant);
  return {
    title: text?.title ?? null,
    advice: text?.advice ?? null,
    detail: refusal?.detail ?? null,
    wanted: refusal?.wanted ?? null,
    got: refusal?.got ?? null,
    identity_provider_kind: idpKind,
    message_octets: messageOctets ?? null,
    issued_at: examination?.issuedAtMs === undefined ? null : toIsoTime(examination.issuedAtMs),
    clock_offset_seconds: examination?.clockOffsetMs === undefined ? null : examination.clockOffsetMs / 1000,
    certificates: (examination?.verifiedBy ?? []).map(({ part, fingerprint, isExpired }) => ({
      part,
      fingerprint_sha256: fingerprint,
      expired: isExpired,
    })),
    checks: (examination?.checks ?? []).map((check) => checkJson(check, idpKind)),
    attribute_names: attributeNames,
    suggested_groups_attribute: suggestGroupsAttribute(entry) ?? null,
    offered_identifiers: offeredIdentifiers,
    structure: examination?.structure ?? null,
    decrypted_structure: examination?.decryptedStructure ?? null,
  };
}

const checkJson = ({ name, outcome, code, detail, wanted, got, isUnsigned }: LoggedCheck, idpKind: IdpKind) => ({
  name,
  title: CHECK_TITLES[name],
  outcome,
  code: code ?? null,
  detail: detail ?? null,
  wanted: wanted ?? null,
  got: got ?? null,
  unsigned: isUnsigned ?? false,
  hint: (code && hintFor(code, idpKind)) ?? null,
});

/** Returns the checks and the structure of the response without anything that identifies the user. */
export function signInBundleJson(entry: SignInLogEntry, organization: Organization, baseUrl: string) {
  const { groups } = entry;
  const { id, at, kind, outcome, code, request_id, verified } = signInJson(entry);
  const { entityId, acsUrl } = serviceProviderUrls(baseUrl, organization.slug);
  return {
    format: 'samlgate-sign-in-1' as const,
    gateway_version: VERSION,
    service_provider: { entity_id: entityId, acs_url: acsUrl },
    sign_in: {
      ...{ id, at, kind, outcome, code, request_id, verified },
      // Names of attributes can contain an address too.
      ...withoutAddresses(examinedJson(maskEntry(entry))),
      groups_state: groups?.groupsState ?? null,
      groups_sent: groups ? groups.groups.length + groups.omitted : null,
    },
  };
}
