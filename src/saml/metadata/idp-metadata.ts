import type { Certificate } from './certificates.ts';

export type MetadataWarningCode =
  | 'certificate_expired'
  | 'certificate_not_yet_valid'
  | 'certificate_expires_soon'
  | 'certificate_key_weak'
  | 'certificate_key_unsupported'
  | 'certificate_unreadable'
  | 'certificates_several'
  | 'certificate_chain_ignored'
  | 'key_without_certificate'
  | 'sso_url_invalid'
  | 'sso_url_plain_http'
  | 'slo_url_invalid'
  | 'slo_url_plain_http'
  | 'single_logout_missing'
  | 'name_id_format_invalid'
  | 'name_id_transient_only'
  | 'requests_signed'
  | 'want_authn_requests_signed_invalid'
  | 'entity_id_shared'
  | 'metadata_expired'
  | 'metadata_expires_soon';

export interface MetadataWarning {
  readonly code: MetadataWarningCode;
  /** `warning` needs action; `info` does not. */
  readonly level: 'warning' | 'info';
  /** What it means and what to do, for an IT administrator. Repeats no input except dates, numbers and fingerprints. */
  readonly text: string;
}

/** The endpoint for logout messages. Responses go to `responseLocation` if the metadata has one. */
export interface LogoutEndpoint {
  readonly location: string;
  readonly responseLocation?: string;
}

/** The part of an identity provider's metadata that samlgate uses, as plain data that survives JSON. */
export interface IdpMetadata {
  readonly entityId: string;
  /** URLs by binding, spelled as in the metadata, because a request's Destination repeats them. Contains at least one. */
  readonly singleSignOn: { readonly redirect?: string; readonly post?: string };
  readonly singleLogout: { readonly redirect?: LogoutEndpoint; readonly post?: LogoutEndpoint };
  /** Without duplicates, in the order of the metadata. At least one has a key that sign-in accepts. */
  readonly signingCertificates: readonly Certificate[];
  readonly wantAuthnRequestsSigned: boolean;
  readonly nameIdFormats: readonly string[];
  /** RFC 3339, UTC. The earliest of all dates that apply. */
  readonly validUntil?: string;
  /** What the reader ignored in the document. Stored, because a refresh has no administrator who would see it. */
  readonly documentWarnings?: readonly MetadataWarning[];
}
