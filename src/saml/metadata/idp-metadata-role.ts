/** Reads an IDPSSODescriptor: endpoints, signing certificates, NameID formats and dates. */
import { GatewayError } from '../../errors.ts';
import { toIsoTime } from '../../time.ts';
import { HTTP_POST, HTTP_REDIRECT, METADATA, XMLDSIG } from '../names.ts';
import { readDateTime } from '../xml/date-time.ts';
import { attributeOf, childrenNamed, onlyChild, textOf, type XmlElement } from '../xml/xml-tree.ts';
import { splitCertificates } from './certificate-blocks.ts';
import { type Certificate, eachOnce, endCertificates, numbered, readCertificate, refuseTooManyCertificates } from './certificates.ts';
import type { IdpMetadata, LogoutEndpoint, MetadataWarning } from './idp-metadata.ts';
import {
  CERTIFICATE_CHAIN_IGNORED,
  certificateUnreadable,
  KEY_WITHOUT_CERTIFICATE,
  NAME_ID_FORMAT_INVALID,
  sloUrlInvalid,
  ssoUrlInvalid,
  WANT_SIGNED_INVALID,
} from './idp-metadata-lint.ts';
import { invalidMetadata, readUrl } from './idp-metadata-values.ts';

const MAX_NAME_ID_FORMATS = 32;

/**
 * Reads the endpoints for browsers. Invalid ones are ignored with a warning if the metadata can be used without them.
 * @param warnings receives the warnings
 * @throws idp_metadata_invalid if no sign-in endpoint is valid
 */
export function readEndpoints(descriptor: XmlElement, warnings: MetadataWarning[]): Pick<IdpMetadata, 'singleSignOn' | 'singleLogout'> {
  const signOn = readByBinding(descriptor, 'SingleSignOnService', (element, name) => readUrl(attributeOf(element, 'Location'), name));
  const [refusal] = signOn.refusals;
  if (refusal && signOn.endpoints.redirect === undefined && signOn.endpoints.post === undefined) throw refusal;
  if (refusal) warnings.push(ssoUrlInvalid(refusal.facts.detail ?? ''));
  const logout = readByBinding(descriptor, 'SingleLogoutService', readLogoutEndpoint);
  const [logoutRefusal] = logout.refusals;
  if (logoutRefusal) warnings.push(sloUrlInvalid(logoutRefusal.facts.detail ?? ''));
  return { singleSignOn: signOn.endpoints, singleLogout: logout.endpoints };
}

function readLogoutEndpoint(element: XmlElement, name: string): LogoutEndpoint {
  const location = readUrl(attributeOf(element, 'Location'), name);
  const response = attributeOf(element, 'ResponseLocation');
  if (response === undefined) return { location };
  return { location, responseLocation: readUrl(response, 'The ResponseLocation of a SingleLogoutService') };
}

interface ReadByBinding<T> {
  readonly endpoints: { readonly redirect?: T; readonly post?: T };
  /** The errors of the endpoints that are ignored. */
  readonly refusals: readonly GatewayError[];
}

/**
 * Reads the first valid endpoint of each binding for browsers.
 * @param read returns an endpoint; `name` is the name of its URL in error texts
 */
function readByBinding<T>(descriptor: XmlElement, local: string, read: (element: XmlElement, name: string) => T): ReadByBinding<T> {
  const refusals: GatewayError[] = [];
  const firstOf = (binding: string): T | undefined => {
    // These endpoints have neither index nor default, so the first one with the binding is used (saml-metadata §2.2.2).
    for (const element of childrenNamed(descriptor, METADATA, local)) {
      if (attributeOf(element, 'Binding') !== binding) continue;
      const endpoint = refusedOr(() => read(element, `The Location of a ${local}`));
      if (!(endpoint instanceof GatewayError)) return endpoint;
      refusals.push(endpoint);
    }
    return undefined;
  };
  const [redirect, post] = [firstOf(HTTP_REDIRECT), firstOf(HTTP_POST)];
  const endpoints = { ...(redirect === undefined ? {} : { redirect }), ...(post === undefined ? {} : { post }) };
  return { endpoints, refusals };
}

/** Returns the value, or the error if this part of the metadata is invalid. */
function refusedOr<T>(read: () => T): T | GatewayError {
  try {
    return read();
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'idp_metadata_invalid') return error;
    throw error;
  }
}

/**
 * Reads the certificates of all KeyDescriptors for signing or without a use, except issuers of another certificate in the same
 * KeyDescriptor. Entra ID also lists inactive certificates, and may activate any of them at any time.
 *
 * A KeyDescriptor with an unreadable certificate is ignored as a whole: the others in it may be its issuers, and a certificate
 * authority must not be able to sign for the identity provider.
 * @param warnings receives the warnings
 * @throws idp_metadata_invalid if there is a private key, if there are too many certificates, or if none of them can be read
 * @see saml-metadata §2.4.1.1
 */
export function readSigningCertificates(descriptor: XmlElement, warnings: MetadataWarning[]): Certificate[] {
  const trusted: Certificate[] = [];
  const refusals: GatewayError[] = [];
  let count = 0;
  let bareKeys = 0;
  for (const keyDescriptor of childrenNamed(descriptor, METADATA, 'KeyDescriptor')) {
    const use = attributeOf(keyDescriptor, 'use');
    if (use !== undefined && use !== 'signing') continue;
    const texts = certificateTexts(keyDescriptor);
    if (texts.length === 0) bareKeys++;
    refuseTooManyCertificates(count + texts.length);
    const results = texts.map((text) => refusedOr(() => readCertificate(text)));
    const unreadable = results.findIndex((result) => result instanceof GatewayError);
    const refusal = results[unreadable];
    if (refusal instanceof GatewayError) {
      refusals.push(numbered(count + unreadable + 1, refusal));
      warnings.push(certificateUnreadable(count + unreadable + 1, refusal.facts.detail ?? ''));
    } else {
      const certificates = eachOnce(results as Certificate[]);
      const ends = endCertificates(certificates);
      if (ends.length < certificates.length) warnings.push(CERTIFICATE_CHAIN_IGNORED);
      trusted.push(...ends);
    }
    count += texts.length;
  }
  refuseWithoutCertificate(trusted, refusals, bareKeys);
  if (bareKeys > 0) warnings.push(KEY_WITHOUT_CERTIFICATE);
  return eachOnce(trusted);
}

function refuseWithoutCertificate(trusted: readonly Certificate[], [refusal]: readonly GatewayError[], bareKeys: number): void {
  if (trusted.length > 0) return;
  if (refusal) throw refusal;
  if (bareKeys === 0) return; // The reader refuses metadata without any certificate.
  throw invalidMetadata(
    'The metadata contains its signing key only as a bare key or a key name (KeyValue, KeyName). Set the identity provider to publish a certificate (X509Certificate).',
  );
}

function certificateTexts(keyDescriptor: XmlElement): string[] {
  const keyInfo = onlyChild(keyDescriptor, XMLDSIG, 'KeyInfo', () => invalidMetadata('A KeyDescriptor has several KeyInfo elements.'));
  const data = keyInfo ? childrenNamed(keyInfo, XMLDSIG, 'X509Data') : [];
  // Products also put PEM text there, sometimes a whole chain in one element.
  return data
    .flatMap((element) => childrenNamed(element, XMLDSIG, 'X509Certificate'))
    .flatMap((element) => splitCertificates(textOf(element)));
}

/**
 * Reads the NameIDFormats. They only lead to warnings, so an invalid one is ignored.
 * @param warnings receives the warnings
 * @throws idp_metadata_invalid for more than {@link MAX_NAME_ID_FORMATS}
 */
export function readNameIdFormats(descriptor: XmlElement, warnings: MetadataWarning[]): string[] {
  const formats = childrenNamed(descriptor, METADATA, 'NameIDFormat').map((element) => textOf(element).trim());
  if (formats.length > MAX_NAME_ID_FORMATS) throw invalidMetadata(`The metadata has more than ${MAX_NAME_ID_FORMATS} NameIDFormats.`);
  const valid = formats.filter((format) => /^[\x21-\x7e]{1,256}$/.test(format));
  if (valid.length < formats.length) warnings.push(NAME_ID_FORMAT_INVALID);
  return [...new Set(valid)];
}

/**
 * Returns the earliest validUntil of the role, its entity and all groups around it (saml-metadata §2.3.1).
 * @throws idp_metadata_invalid if that date has passed
 */
export function readValidUntil(descriptor: XmlElement, nowMs: number): string | undefined {
  const earliest = validUntilMs(descriptor);
  if (earliest === Number.POSITIVE_INFINITY) return undefined;
  const validUntil = toIsoTime(earliest);
  if (earliest > nowMs) return validUntil;
  throw invalidMetadata(`The metadata was valid until ${validUntil} and has expired. Download it again from the identity provider.`);
}

/**
 * Returns the same instant in milliseconds since 1970, or infinity.
 * @throws idp_metadata_invalid if a validUntil is not a date
 */
export function validUntilMs(descriptor: XmlElement): number {
  let earliest = Number.POSITIVE_INFINITY;
  for (let element: XmlElement | undefined = descriptor; element; element = element.parent) {
    const text = attributeOf(element, 'validUntil');
    if (text === undefined) continue;
    try {
      earliest = Math.min(earliest, readDateTime(text.trim()));
    } catch (cause) {
      throw invalidMetadata('validUntil is not a date and time with a time zone (xs:dateTime).', cause);
    }
  }
  return earliest;
}

/**
 * Returns whether the identity provider requires signed requests. A value that XML Schema does not allow, like “True”, is read as
 * a requirement unless it is a spelling of “false”, because an identity provider that does not require signatures also accepts them.
 * @param warnings receives the warnings
 */
export function readWantAuthnRequestsSigned(descriptor: XmlElement, warnings: MetadataWarning[]): boolean {
  const value = attributeOf(descriptor, 'WantAuthnRequestsSigned')?.trim() ?? 'false';
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  warnings.push(WANT_SIGNED_INVALID);
  return value.toLowerCase() !== 'false' && value !== '';
}
