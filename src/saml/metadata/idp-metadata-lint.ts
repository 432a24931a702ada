/**
 * What metadata of an identity provider says, and what there is to tell about it: what makes it useless refuses it, what an
 * administrator should know becomes a warning in words. It runs when metadata comes in, and again whenever somebody asks,
 * because certificates expire while nobody looks.
 */
import { GatewayError } from '../../errors.ts';
import { DAY_MS } from '../../time.ts';
import { NAME_ID_TRANSIENT } from '../names.ts';
import { type Certificate, refusePrivateKey } from './certificates.ts';
import { isLoopbackHost } from './loopback-host.ts';

/** Where logout messages go; answers go to `responseLocation` where there is one. */
export interface LogoutEndpoint {
  readonly location: string;
  readonly responseLocation?: string;
}

/** What samlgate takes from the metadata of an identity provider: plain data that survives JSON. */
export interface IdpMetadata {
  readonly entityId: string;
  /** URLs as they were written (a request's Destination repeats them), by binding. At least one is there. */
  readonly singleSignOn: { readonly redirect?: string; readonly post?: string };
  readonly singleLogout: { readonly redirect?: LogoutEndpoint; readonly post?: LogoutEndpoint };
  /** Each once, in the order of the metadata. At least one has a key that sign-in accepts. */
  readonly signingCertificates: readonly Certificate[];
  readonly wantAuthnRequestsSigned: boolean;
  readonly nameIdFormats: readonly string[];
  /** RFC 3339, UTC; the earliest that applies. */
  readonly validUntil?: string;
}

export type MetadataWarningCode =
  | 'certificate_expired'
  | 'certificate_not_yet_valid'
  | 'certificate_expires_soon'
  | 'certificate_key_weak'
  | 'certificate_key_unsupported'
  | 'certificates_several'
  | 'certificate_chain_ignored'
  | 'key_without_certificate'
  | 'sso_url_plain_http'
  | 'slo_url_plain_http'
  | 'single_logout_missing'
  | 'name_id_transient_only'
  | 'requests_signed'
  | 'entity_id_shared'
  | 'metadata_expired'
  | 'metadata_expires_soon';

export interface MetadataWarning {
  readonly code: MetadataWarningCode;
  /** `warning`: somebody should act; `info`: good to know. */
  readonly level: 'warning' | 'info';
  /** What it is and what to do, for an IT administrator. No text from the input but dates, numbers and fingerprints. */
  readonly text: string;
}

const CERTIFICATE_NOTICE_DAYS = 60;
const METADATA_NOTICE_DAYS = 14;
const MIN_RSA_BITS = 2048;
/** The keys that `signature.ts` verifies with. */
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

const warning = (code: MetadataWarningCode, text: string): MetadataWarning => ({ code, level: 'warning', text });
const info = (code: MetadataWarningCode, text: string): MetadataWarning => ({ code, level: 'info', text });

/**
 * Refuses metadata with which nobody could ever sign in.
 * @throws idp_metadata_invalid where there is no sign-in endpoint that browsers can use, no signing certificate, or no
 *   certificate whose key sign-in accepts
 */
export function requireUsable(metadata: IdpMetadata): void {
  const { redirect, post } = metadata.singleSignOn;
  if (redirect === undefined && post === undefined) {
    throw unusable(
      'The metadata has no SingleSignOnService with the HTTP-Redirect or the HTTP-POST binding. Turn one of them on at the identity provider.',
    );
  }
  if (metadata.signingCertificates.length === 0) {
    throw unusable(
      'The metadata has no signing certificate. Without one no sign-in could be checked; download the metadata again, or add the certificate.',
    );
  }
  if (metadata.signingCertificates.every((certificate) => keyVerdict(certificate) !== 'accepted')) {
    throw unusable(
      'No signing certificate has a key that is accepted: RSA with 2048 bits or more, or ECDSA on P-256, P-384 or P-521. Make a new signing certificate at the identity provider.',
    );
  }
}

const unusable = (detail: string) => new GatewayError('idp_metadata_invalid', detail);

/** For a certificate that was given where metadata belongs. */
export const certificateInstead = () =>
  unusable(
    'This is a certificate, not metadata. Download the metadata XML of the identity provider, or enter entity ID, sign-in URL and certificate one by one.',
  );

/**
 * The usual mistakes, told by how the text begins, because an XML parser could only say that it is no XML.
 * @param text without white space around it
 * @throws idp_metadata_invalid
 */
export function refuseOtherFiles(text: string): void {
  const start = withoutLeadingComments(text);
  if (start === '') throw unusable('The file is empty.');
  if (/^(?:<!doctype\s+html|<html[\s>])/i.test(start)) {
    throw unusable('This is a web page, not metadata: perhaps the sign-in page was saved in its place. Download the metadata file itself.');
  }
  if (start.startsWith('<')) return;
  if (/^[{[]/.test(start)) {
    throw unusable('This is JSON, not SAML metadata. If it is an OpenID Connect configuration, look for the SAML 2.0 metadata (XML).');
  }
  refusePrivateKey(start);
  if (/^(?:-----BEGIN |MI[A-Za-z0-9+/\s]{60})/.test(start)) throw certificateInstead();
  if (/^https?:\/\/\S+$/i.test(start)) {
    throw unusable('This is an address, not metadata. Give it as the metadata URL, or open it and upload what it shows.');
  }
  throw unusable('This is not XML. Upload the metadata XML of the identity provider unchanged.');
}

/** From the first character that is neither XML declaration nor comment (Microsoft’s sign-in page begins with one). */
function withoutLeadingComments(text: string): string {
  let rest = text;
  for (const [open, close] of [
    ['<?xml', '?>'],
    ['<!--', '-->'],
  ] as const) {
    while (rest.startsWith(open)) {
      const end = rest.indexOf(close);
      if (end < 0) return rest;
      rest = rest.slice(end + close.length).trimStart();
    }
  }
  return rest;
}

function keyVerdict({ keyType, keyBits, curve }: Certificate): 'accepted' | 'weak' | 'unsupported' {
  if (keyType === 'ec') return CURVES.has(curve ?? '') ? 'accepted' : 'unsupported';
  if (keyType !== 'rsa') return 'unsupported';
  return (keyBits ?? 0) >= MIN_RSA_BITS ? 'accepted' : 'weak';
}

/** What there is to say about metadata at this moment; never throws. */
export function lintIdpMetadata(metadata: IdpMetadata, nowMs: number): MetadataWarning[] {
  const { signingCertificates, singleLogout } = metadata;
  const warnings = [
    ...lintValidity(metadata, nowMs),
    ...signingCertificates.flatMap((certificate) => [...lintDates(certificate, nowMs), ...lintKey(certificate)]),
    ...lintTransport(metadata),
  ];
  if (metadata.nameIdFormats.length > 0 && metadata.nameIdFormats.every((format) => format === NAME_ID_TRANSIENT)) {
    warnings.push(
      warning(
        'name_id_transient_only',
        'The identity provider offers only transient NameIDs, which differ at every sign-in and so identify nobody. Let it send a persistent or e-mail NameID, or a subject-id attribute.',
      ),
    );
  }
  if (signingCertificates.length > 1) {
    warnings.push(
      info(
        'certificates_several',
        `There are ${signingCertificates.length} signing certificates; a sign-in signed with any of them is accepted. That is right while the identity provider changes from one to the other.`,
      ),
    );
  }
  if (metadata.wantAuthnRequestsSigned) {
    warnings.push(
      info(
        'requests_signed',
        'The identity provider asks for signed requests, so requests will be signed. Give it the service provider’s metadata, which has the certificate.',
      ),
    );
  }
  if (!singleLogout.redirect && !singleLogout.post) {
    warnings.push(
      info('single_logout_missing', 'The identity provider has no single logout: signing out here leaves the person signed in there.'),
    );
  }
  return warnings;
}

/** The same entityID at another organization of this gateway. Rightly so for Entra ID and Google, whose entityID is that of the tenant. */
export const ENTITY_ID_SHARED: MetadataWarning = warning(
  'entity_id_shared',
  'Another organization here has an identity provider with the same entity ID. That is right where one company has several organizations; else it may be the metadata of another customer.',
);

function lintValidity({ validUntil }: IdpMetadata, nowMs: number): MetadataWarning[] {
  if (validUntil === undefined) return [];
  const left = daysLeft(validUntil, nowMs);
  if (left === undefined) {
    return [warning('metadata_expired', `The metadata was valid until ${day(validUntil)}. Download it again and upload it.`)];
  }
  if (left > METADATA_NOTICE_DAYS) return [];
  const text = `The metadata is valid until ${day(validUntil)} (${inDays(left)}). Download it again from the identity provider and upload it before that.`;
  return [warning('metadata_expires_soon', text)];
}

function lintDates(certificate: Certificate, nowMs: number): MetadataWarning[] {
  const name = nameOf(certificate);
  if (Date.parse(certificate.notBefore) > nowMs) {
    const text = `${name} is not valid before ${day(certificate.notBefore)}. Sign-in does not look at that date; check that it is the certificate that the identity provider uses.`;
    return [warning('certificate_not_yet_valid', text)];
  }
  const left = daysLeft(certificate.notAfter, nowMs);
  if (left === undefined) {
    const text = `${name} expired on ${day(certificate.notAfter)}. Sign-in still goes through, because its key is the one that was configured; make a new certificate at the identity provider and upload its metadata.`;
    return [warning('certificate_expired', text)];
  }
  if (left > CERTIFICATE_NOTICE_DAYS) return [];
  const text = `${name} expires on ${day(certificate.notAfter)} (${inDays(left)}). Make a new certificate at the identity provider and upload its metadata before that.`;
  return [warning('certificate_expires_soon', text)];
}

function lintKey(certificate: Certificate): MetadataWarning[] {
  const verdict = keyVerdict(certificate);
  if (verdict === 'accepted') return [];
  const consequence = 'A sign-in signed with it is refused. Make a new signing certificate at the identity provider.';
  return verdict === 'weak'
    ? [
        warning(
          'certificate_key_weak',
          `${nameOf(certificate)} has an RSA key of ${certificate.keyBits ?? 0} bits, fewer than ${MIN_RSA_BITS}. ${consequence}`,
        ),
      ]
    : [
        warning(
          'certificate_key_unsupported',
          `${nameOf(certificate)} has a key that is neither RSA nor ECDSA on P-256, P-384 or P-521. ${consequence}`,
        ),
      ];
}

function lintTransport({ singleSignOn, singleLogout }: IdpMetadata): MetadataWarning[] {
  const warnings: MetadataWarning[] = [];
  if ([singleSignOn.redirect, singleSignOn.post].some(isPlainHttp)) {
    const text =
      'The sign-in page of the identity provider is on plain http: people would type their passwords in the clear. Use its https address.';
    warnings.push(warning('sso_url_plain_http', text));
  }
  const logout = [singleLogout.redirect, singleLogout.post].flatMap((endpoint) => [endpoint?.location, endpoint?.responseLocation]);
  if (logout.some(isPlainHttp)) {
    const text =
      'The single logout of the identity provider is on plain http: who signs out can be read on the way. Use its https address.';
    warnings.push(warning('slo_url_plain_http', text));
  }
  return warnings;
}

/** http to somewhere else than this computer. */
function isPlainHttp(url: string | undefined): boolean {
  return url !== undefined && new URL(url).protocol === 'http:' && !isLoopbackHost(new URL(url).hostname);
}

/** Whole days until an instant; undefined when it has passed. */
function daysLeft(instant: string, nowMs: number): number | undefined {
  const leftMs = Date.parse(instant) - nowMs;
  return leftMs <= 0 ? undefined : Math.floor(leftMs / DAY_MS);
}

const inDays = (days: number): string => (days === 0 ? 'within a day' : days === 1 ? 'in 1 day' : `in ${days} days`);

const day = (instant: string): string => instant.slice(0, 10);

/** The first eight octets of the fingerprint tell one certificate from another; the whole stands beside it. */
const nameOf = (certificate: Certificate): string => `The signing certificate ${certificate.fingerprintSha256.slice(0, 23)}…`;
