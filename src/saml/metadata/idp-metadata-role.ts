/** Reads an IDPSSODescriptor: endpoints, signing certificates, NameID formats and dates. */
import { toIsoTime } from '../../time.ts';
import { HTTP_POST, HTTP_REDIRECT, METADATA, XMLDSIG } from '../names.ts';
import { readDateTime } from '../xml/date-time.ts';
import { attributeOf, childrenNamed, onlyChild, textOf, type XmlElement } from '../xml/xml-tree.ts';
import { type Certificate, eachOnce, endCertificates, readCertificates } from './certificates.ts';
import type { IdpMetadata, LogoutEndpoint } from './idp-metadata.ts';
import { CERTIFICATE_CHAIN_IGNORED, KEY_WITHOUT_CERTIFICATE, type MetadataWarning } from './idp-metadata-lint.ts';
import { invalidMetadata, readUrl } from './idp-metadata-values.ts';

const MAX_NAME_ID_FORMATS = 32;

/** @throws idp_metadata_invalid */
export function readEndpoints(descriptor: XmlElement): Pick<IdpMetadata, 'singleSignOn' | 'singleLogout'> {
  const signOnUrl = (binding: string) => {
    const element = endpointWith(binding, descriptor, 'SingleSignOnService');
    return element && readUrl(attributeOf(element, 'Location'), 'The Location of a SingleSignOnService');
  };
  const logoutEndpoint = (binding: string): LogoutEndpoint | undefined => {
    const element = endpointWith(binding, descriptor, 'SingleLogoutService');
    if (!element) return undefined;
    const location = readUrl(attributeOf(element, 'Location'), 'The Location of a SingleLogoutService');
    const response = attributeOf(element, 'ResponseLocation');
    return response === undefined
      ? { location }
      : { location, responseLocation: readUrl(response, 'The ResponseLocation of a SingleLogoutService') };
  };
  return { singleSignOn: byBinding(signOnUrl), singleLogout: byBinding(logoutEndpoint) };
}

function byBinding<T>(read: (binding: string) => T | undefined): { redirect?: T; post?: T } {
  const redirect = read(HTTP_REDIRECT);
  const post = read(HTTP_POST);
  return { ...(redirect === undefined ? {} : { redirect }), ...(post === undefined ? {} : { post }) };
}

/** These endpoints have neither index nor default, so the first one with the binding is used (saml-metadata §2.2.2). */
const endpointWith = (binding: string, descriptor: XmlElement, local: string): XmlElement | undefined =>
  childrenNamed(descriptor, METADATA, local).find((element) => attributeOf(element, 'Binding') === binding);

/**
 * Reads the certificates of all KeyDescriptors for signing or without a use, except issuers of another certificate in the same
 * KeyDescriptor. Entra ID lists inactive certificates too, and may activate any of them at any time.
 * @throws idp_metadata_invalid
 * @see saml-metadata §2.4.1.1
 */
export function readSigningCertificates(descriptor: XmlElement): { certificates: Certificate[]; warnings: MetadataWarning[] } {
  const warnings: MetadataWarning[] = [];
  const trusted: Certificate[] = [];
  let count = 0;
  let bareKeys = 0;
  for (const keyDescriptor of childrenNamed(descriptor, METADATA, 'KeyDescriptor')) {
    const use = attributeOf(keyDescriptor, 'use');
    if (use !== undefined && use !== 'signing') continue;
    const texts = certificateTexts(keyDescriptor);
    if (texts.length === 0) bareKeys++;
    const certificates = eachOnce(readCertificates(texts, count));
    count += texts.length;
    const ends = endCertificates(certificates);
    if (ends.length < certificates.length) warnings.push(CERTIFICATE_CHAIN_IGNORED);
    trusted.push(...ends);
  }
  if (trusted.length === 0 && bareKeys > 0) {
    throw invalidMetadata(
      'The metadata contains its signing key only as a bare key or a key name (KeyValue, KeyName). Set the identity provider to publish a certificate (X509Certificate).',
    );
  }
  if (bareKeys > 0) warnings.push(KEY_WITHOUT_CERTIFICATE);
  return { certificates: eachOnce(trusted), warnings };
}

function certificateTexts(keyDescriptor: XmlElement): string[] {
  const keyInfo = onlyChild(keyDescriptor, XMLDSIG, 'KeyInfo', () => invalidMetadata('A KeyDescriptor has several KeyInfo elements.'));
  const data = keyInfo ? childrenNamed(keyInfo, XMLDSIG, 'X509Data') : [];
  return data.flatMap((element) => childrenNamed(element, XMLDSIG, 'X509Certificate')).map(textOf);
}

/** @throws idp_metadata_invalid */
export function readNameIdFormats(descriptor: XmlElement): string[] {
  const formats = childrenNamed(descriptor, METADATA, 'NameIDFormat').map((element) => textOf(element).trim());
  if (formats.length > MAX_NAME_ID_FORMATS) throw invalidMetadata(`The metadata has more than ${MAX_NAME_ID_FORMATS} NameIDFormats.`);
  if (!formats.every((format) => /^[\x21-\x7e]{1,256}$/.test(format))) throw invalidMetadata('A NameIDFormat is not a URI.');
  return [...new Set(formats)];
}

/**
 * Returns the earliest validUntil of the role, its entity and all groups around it (saml-metadata §2.3.1).
 * @throws idp_metadata_invalid if that date has passed
 */
export function readValidUntil(descriptor: XmlElement, nowMs: number): string | undefined {
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
  if (earliest === Number.POSITIVE_INFINITY) return undefined;
  const validUntil = toIsoTime(earliest);
  if (earliest <= nowMs) {
    throw invalidMetadata(`The metadata was valid until ${validUntil} and has expired. Download it again from the identity provider.`);
  }
  return validUntil;
}

/** @throws idp_metadata_invalid */
export function readBoolean(element: XmlElement, name: string): boolean {
  const value = attributeOf(element, name)?.trim() ?? 'false';
  if (value !== 'true' && value !== 'false' && value !== '1' && value !== '0') {
    throw invalidMetadata(`${name} is neither true nor false.`);
  }
  return value === 'true' || value === '1';
}
