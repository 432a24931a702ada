/**
 * Finds problems in usable metadata and describes them to the person who administers the identity provider. Runs when metadata
 * is uploaded and whenever it is shown, because certificates expire in between.
 */
import { DAY_MS } from '../../time.ts';
import { MIN_RSA_BITS } from '../crypto/signature.ts';
import { NAME_ID_TRANSIENT } from '../names.ts';
import { type Certificate, judgeKey } from './certificates.ts';
import type { IdpMetadata, MetadataWarning, MetadataWarningCode } from './idp-metadata.ts';
import { isLoopbackHost } from './loopback-host.ts';

const CERTIFICATE_NOTICE_DAYS = 60;
const METADATA_NOTICE_DAYS = 14;

const warning = (code: MetadataWarningCode, text: string): MetadataWarning => ({ code, level: 'warning', text });
const info = (code: MetadataWarningCode, text: string): MetadataWarning => ({ code, level: 'info', text });

/** Applies if another organization of this gateway has the same entity ID. For Entra ID and Google it is the ID of the tenant. */
export const ENTITY_ID_SHARED = warning(
  'entity_id_shared',
  'Another organization of this gateway uses an identity provider with the same entity ID. This is normal if one company has several organizations. Otherwise, check that this is not the metadata of another customer.',
);

export const CERTIFICATE_CHAIN_IGNORED = info(
  'certificate_chain_ignored',
  'A signing certificate is listed together with the certificates of its issuers. Only the signing certificate is trusted; the others are ignored.',
);

export const KEY_WITHOUT_CERTIFICATE = warning(
  'key_without_certificate',
  'A signing key in the metadata has no certificate and is ignored. Responses signed with it are rejected. Set the identity provider to publish the key as a certificate.',
);

/** @param number counts the signing certificates of the document from 1 */
export const certificateUnreadable = (number: number, detail: string): MetadataWarning =>
  warning(
    'certificate_unreadable',
    `Signing certificate number ${number} of the metadata is unreadable, so its KeyDescriptor is ignored. ${detail} Responses signed with it are rejected. Correct it at the identity provider and upload the new metadata.`,
  );

export const ssoUrlInvalid = (detail: string): MetadataWarning =>
  warning(
    'sso_url_invalid',
    `A sign-in endpoint in the metadata is ignored, and another one is used. ${detail} Correct it at the identity provider and upload the new metadata.`,
  );

export const sloUrlInvalid = (detail: string): MetadataWarning =>
  warning(
    'slo_url_invalid',
    `A single logout URL in the metadata is ignored. ${detail} Sign-ins work without it. For single logout, correct it at the identity provider and upload the new metadata.`,
  );

export const WANT_SIGNED_INVALID = warning(
  'want_authn_requests_signed_invalid',
  'WantAuthnRequestsSigned in the metadata is neither “true” nor “false”, so its meaning was guessed. Choose in the settings whether the gateway signs its requests.',
);

export const NAME_ID_FORMAT_INVALID = warning(
  'name_id_format_invalid',
  'A NameIDFormat in the metadata is not a URI and is ignored. Sign-ins work without it.',
);

const NAME_ID_TRANSIENT_ONLY = warning(
  'name_id_transient_only',
  'The identity provider offers only transient NameIDs. They change at every sign-in, so the gateway cannot recognize a user by them. Set the identity provider to send a persistent or email NameID, or a subject-id attribute.',
);

const REQUESTS_SIGNED = info(
  'requests_signed',
  'The identity provider requires signed requests, so the gateway signs them. Upload the service provider’s metadata at the identity provider; it contains the certificate.',
);

const SINGLE_LOGOUT_MISSING = info(
  'single_logout_missing',
  'The metadata has no single logout endpoint. Users who sign out here stay signed in at the identity provider.',
);

/** Returns what an administrator should know about the metadata at this moment. Never throws. */
export function lintIdpMetadata(metadata: IdpMetadata, nowMs: number): MetadataWarning[] {
  const { signingCertificates, singleLogout, nameIdFormats } = metadata;
  const isTransientOnly = nameIdFormats.length > 0 && nameIdFormats.every((format) => format === NAME_ID_TRANSIENT);
  return [
    ...lintValidity(metadata, nowMs),
    ...signingCertificates.flatMap((certificate) => [...lintDates(certificate, nowMs), ...lintKey(certificate)]),
    ...lintTransport(metadata),
    ...(isTransientOnly ? [NAME_ID_TRANSIENT_ONLY] : []),
    ...(signingCertificates.length > 1 ? [certificatesSeveral(signingCertificates.length)] : []),
    ...(metadata.wantAuthnRequestsSigned ? [REQUESTS_SIGNED] : []),
    ...(singleLogout.redirect || singleLogout.post ? [] : [SINGLE_LOGOUT_MISSING]),
    ...(metadata.documentWarnings ?? []),
  ];
}

const certificatesSeveral = (count: number): MetadataWarning =>
  info(
    'certificates_several',
    `There are ${count} signing certificates, and a response signed with any of them is accepted. This is normal while the identity provider replaces its certificate.`,
  );

function lintValidity({ validUntil }: IdpMetadata, nowMs: number): MetadataWarning[] {
  if (validUntil === undefined) return [];
  const days = daysLeft(validUntil, nowMs);
  if (days === undefined) {
    const text = `The metadata was valid until ${dateOf(validUntil)}. Download it again from the identity provider and upload it.`;
    return [warning('metadata_expired', text)];
  }
  if (days > METADATA_NOTICE_DAYS) return [];
  const text = `The metadata is valid until ${dateOf(validUntil)} (${inDays(days)}). Before then, download it again from the identity provider and upload it.`;
  return [warning('metadata_expires_soon', text)];
}

function lintDates(certificate: Certificate, nowMs: number): MetadataWarning[] {
  const name = nameOf(certificate);
  if (Date.parse(certificate.notBefore) > nowMs) {
    const text = `${name} is not valid before ${dateOf(certificate.notBefore)}. Sign-ins ignore this date, but check that the identity provider already signs with this certificate.`;
    return [warning('certificate_not_yet_valid', text)];
  }
  const days = daysLeft(certificate.notAfter, nowMs);
  if (days === undefined) {
    const text = `${name} expired on ${dateOf(certificate.notAfter)}. Sign-ins still work, because the gateway trusts the key that you configured, whatever the date. Create a new certificate at the identity provider and upload the new metadata.`;
    return [warning('certificate_expired', text)];
  }
  if (days > CERTIFICATE_NOTICE_DAYS) return [];
  const text = `${name} expires on ${dateOf(certificate.notAfter)} (${inDays(days)}). Before then, create a new certificate at the identity provider and upload the new metadata.`;
  return [warning('certificate_expires_soon', text)];
}

function lintKey(certificate: Certificate): MetadataWarning[] {
  const verdict = judgeKey(certificate);
  if (verdict === 'accepted') return [];
  const name = nameOf(certificate);
  const action =
    'Responses signed with it are rejected. Create a new signing certificate at the identity provider and upload the new metadata.';
  if (verdict === 'weak') {
    const bits = certificate.keyBits ?? 0;
    return [warning('certificate_key_weak', `${name} has an RSA key of ${bits} bits; at least ${MIN_RSA_BITS} are required. ${action}`)];
  }
  return [warning('certificate_key_unsupported', `${name} has a key that is neither RSA nor ECDSA on P-256, P-384 or P-521. ${action}`)];
}

function lintTransport({ singleSignOn, singleLogout }: IdpMetadata): MetadataWarning[] {
  const warnings: MetadataWarning[] = [];
  if ([singleSignOn.redirect, singleSignOn.post].some(isPlainHttp)) {
    const text =
      'The sign-in URL of the identity provider uses plain http, so users would send their passwords unencrypted. Change it to the https URL.';
    warnings.push(warning('sso_url_plain_http', text));
  }
  const logoutUrls = [singleLogout.redirect, singleLogout.post].flatMap((endpoint) => [endpoint?.location, endpoint?.responseLocation]);
  if (logoutUrls.some(isPlainHttp)) {
    const text =
      'The single logout URL of the identity provider uses plain http, so logout messages, which name the user, travel unencrypted. Change it to the https URL.';
    warnings.push(warning('slo_url_plain_http', text));
  }
  return warnings;
}

/** Plain http to this computer is fine. */
const isPlainHttp = (url: string | undefined): boolean =>
  url !== undefined && new URL(url).protocol === 'http:' && !isLoopbackHost(new URL(url).hostname);

/** Returns the whole days until an instant, or undefined after it. */
function daysLeft(instant: string, nowMs: number): number | undefined {
  const leftMs = Date.parse(instant) - nowMs;
  return leftMs <= 0 ? undefined : Math.floor(leftMs / DAY_MS);
}

const inDays = (days: number): string => (days === 0 ? 'within a day' : days === 1 ? 'in 1 day' : `in ${days} days`);

const dateOf = (instant: string): string => instant.slice(0, 10);

/** The first eight octets of the fingerprint tell certificates apart; the pages show the whole fingerprint next to the text. */
const nameOf = (certificate: Certificate): string => `The signing certificate ${certificate.fingerprintSha256.slice(0, 23)}…`;
