/**
 * Reads the metadata of an identity provider: which entity it is, where sign-in and logout are, and which keys speak for it.
 *
 * A signature on the metadata is not verified. There is no key to verify it with before the metadata is trusted: what makes it
 * trusted is who gave it (an owner of the organization or the operator, signed in) or where it was fetched from (https). Whoever
 * can give metadata decides who gets into that organization, with or without a signature on the file.
 */
import { GatewayError } from '../../errors.ts';
import { toIsoTime } from '../../time.ts';
import { HTTP_POST, HTTP_REDIRECT, METADATA, PROTOCOL, XMLDSIG } from '../names.ts';
import { readDateTime } from '../xml/date-time.ts';
import {
  attributeOf,
  childElements,
  childrenNamed,
  decodeUtf8,
  isNamed,
  onlyChild,
  parseXml,
  textOf,
  type XmlElement,
} from '../xml/xml.ts';
import { type Certificate, eachOnce, endCertificates, readCertificates } from './certificates.ts';
import {
  certificateInstead,
  type IdpMetadata,
  type LogoutEndpoint,
  lintIdpMetadata,
  type MetadataWarning,
  refuseOtherFiles,
  requireUsable,
} from './idp-metadata-lint.ts';

export type { IdpMetadata, LogoutEndpoint, MetadataWarning } from './idp-metadata-lint.ts';

export interface ReadOptions {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Which identity provider is meant, exactly; needed where the metadata describes several. */
  readonly entityId?: string | undefined;
}

export interface ReadMetadata {
  readonly metadata: IdpMetadata;
  readonly warnings: MetadataWarning[];
}

/** The values of an identity provider that has no metadata file, as the JSON API names them. */
export interface ManualIdp {
  readonly entity_id: string;
  /** Taken as the HTTP-Redirect endpoint: every identity provider of today has one, and a single URL says no more. */
  readonly sso_url: string;
  /** Each one certificate, PEM or bare base64. */
  readonly certificates: readonly string[];
  /** Taken as the HTTP-Redirect endpoint of single logout. */
  readonly slo_url?: string | undefined;
}

const MAX_OCTETS = 1024 * 1024;
const MAX_ENTITY_ID = 1024;
const MAX_URL = 2048;
const MAX_NAME_ID_FORMATS = 32;
const MAX_LISTED = 10;

const invalid = (detail: string, cause?: unknown) => new GatewayError('idp_metadata_invalid', { detail, cause });

/**
 * Reads a metadata document.
 * @param input the file as it is, or its text; at most 1 MiB of UTF-8, with or without byte order mark
 * @throws idp_metadata_invalid with a detail that says what was given instead, or what is wrong in it; payload_too_large
 * @see saml-metadata §2.3, §2.4.1–§2.4.3
 */
export function readIdpMetadata(input: Uint8Array | string, { nowMs, entityId }: ReadOptions): ReadMetadata {
  const text = readText(input);
  refuseOtherFiles(text);
  return mappingXmlErrors(() => {
    const chosen = chooseIdentityProvider(parseMetadata(text), entityId);
    const validUntil = readValidUntil(chosen.descriptor, nowMs);
    const { certificates, warnings } = readSigningCertificates(chosen.descriptor);
    const metadata: IdpMetadata = {
      entityId: chosen.entityId,
      ...readEndpoints(chosen.descriptor),
      signingCertificates: certificates,
      wantAuthnRequestsSigned: readBoolean(chosen.descriptor, 'WantAuthnRequestsSigned'),
      nameIdFormats: readNameIdFormats(chosen.descriptor),
      ...(validUntil === undefined ? {} : { validUntil }),
    };
    requireUsable(metadata);
    return { metadata, warnings: [...lintIdpMetadata(metadata, nowMs), ...warnings] };
  });
}

/**
 * The same from values that somebody typed in, with the same checks.
 * @throws idp_metadata_invalid
 */
export function readManualIdp(values: ManualIdp, nowMs: number): ReadMetadata {
  const redirect = checkUrl(values.sso_url, 'sso_url');
  const logout = values.slo_url === undefined ? undefined : checkUrl(values.slo_url, 'slo_url');
  const metadata: IdpMetadata = {
    entityId: checkEntityId(values.entity_id, 'entity_id'),
    singleSignOn: { redirect },
    singleLogout: logout === undefined ? {} : { redirect: { location: logout } },
    signingCertificates: eachOnce(readCertificates(values.certificates)),
    wantAuthnRequestsSigned: false,
    nameIdFormats: [],
  };
  requireUsable(metadata);
  return { metadata, warnings: lintIdpMetadata(metadata, nowMs) };
}

function readText(input: Uint8Array | string): string {
  const octets = typeof input === 'string' ? Buffer.byteLength(input) : input.byteLength;
  if (octets > MAX_OCTETS) {
    const detail =
      'Metadata may have 1 MiB at most. If this is the file of a whole federation, take the metadata of your identity provider alone.';
    throw new GatewayError('payload_too_large', detail);
  }
  // Around the document only: a pasted text often begins with an empty line. The byte order mark goes with it.
  if (typeof input === 'string') return input.trim();
  const [first, second] = input;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw invalid('The file is UTF-16 text. Save it as UTF-8 (or download it again) and upload that.');
  }
  if (first === 0x30 && second !== undefined && second >= 0x80) throw certificateInstead(); // DER
  try {
    return decodeUtf8(input).trim();
  } catch (cause) {
    throw invalid(
      'The file is not UTF-8 text. Upload the metadata as the identity provider gives it, neither packed nor converted.',
      cause,
    );
  }
}

/** What the parser and the readers of values refuse as a message is refused as metadata here, with the same detail. */
function mappingXmlErrors<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (error.code === 'saml_dtd_forbidden')
      throw invalid('The metadata has a document type declaration (DOCTYPE), which SAML never needs.', error);
    if (error.code === 'saml_malformed') throw invalid(error.facts.detail ?? 'The metadata can’t be read.', error);
    throw error;
  }
}

/** The parser's limits are for one entity; the file of a federation goes past them. */
function parseMetadata(text: string): XmlElement {
  try {
    return parseXml(text);
  } catch (error) {
    const entities = text.match(/<(?:[\w.-]{1,40}:)?EntityDescriptor\s/g) ?? [];
    if (entities.length <= MAX_LISTED) throw error;
    throw invalid(
      'This looks like the metadata of a whole federation, which can’t be read in one piece. Take the metadata of your identity provider alone.',
      error,
    );
  }
}

interface ChosenIdentityProvider {
  readonly entityId: string;
  readonly descriptor: XmlElement;
}

function chooseIdentityProvider(root: XmlElement, wanted: string | undefined): ChosenIdentityProvider {
  const entities = entitiesIn(root);
  const providers = entities.filter((entity) => saml2Descriptors(entity).length > 0);
  if (providers.length === 0) throw noIdentityProvider(entities);
  const meant = wanted === undefined ? providers : providers.filter((entity) => attributeOf(entity, 'entityID') === wanted);
  const [entity, ...others] = meant;
  if (!entity) throw invalid(`The metadata has no identity provider with the entity_id that was given. It has: ${listed(providers)}`);
  if (others.length > 0) {
    if (wanted !== undefined) throw invalid('The metadata describes this entity_id more than once; which one counts can’t be told.');
    throw invalid(
      `The metadata describes ${meant.length} identity providers, as that of a federation does. Choose one with entity_id: ${listed(meant)}`,
    );
  }
  const [descriptor, ...more] = saml2Descriptors(entity);
  if (!descriptor || more.length > 0) throw invalid('The entity has several IDPSSODescriptors; which one counts can’t be told.');
  return { entityId: checkEntityId(attributeOf(entity, 'entityID'), 'The entityID'), descriptor };
}

function entitiesIn(root: XmlElement): XmlElement[] {
  if (isNamed(root, METADATA, 'EntityDescriptor')) return [root];
  if (!isNamed(root, METADATA, 'EntitiesDescriptor')) {
    throw invalid(
      'This XML is not SAML 2.0 metadata: it begins with neither EntityDescriptor nor EntitiesDescriptor of the metadata namespace.',
    );
  }
  const inside = childElements(root).filter(
    (child) => isNamed(child, METADATA, 'EntityDescriptor') || isNamed(child, METADATA, 'EntitiesDescriptor'),
  );
  return inside.flatMap(entitiesIn);
}

/**
 * Only IDPSSODescriptor is read: Entra ID and ADFS repeat certificates in RoleDescriptors of WS-Federation, and a key of one
 * protocol has no say in another.
 */
function saml2Descriptors(entity: XmlElement): XmlElement[] {
  return childrenNamed(entity, METADATA, 'IDPSSODescriptor').filter((descriptor) =>
    (attributeOf(descriptor, 'protocolSupportEnumeration') ?? '').split(/\s+/).includes(PROTOCOL),
  );
}

function noIdentityProvider(entities: readonly XmlElement[]): GatewayError {
  const has = (local: string) => entities.some((entity) => childrenNamed(entity, METADATA, local).length > 0);
  if (has('IDPSSODescriptor')) return invalid('The identity provider in this metadata does not offer SAML 2.0, only something older.');
  if (has('SPSSODescriptor')) {
    return invalid('This is the metadata of a service provider (an application). What is needed is the metadata of the identity provider.');
  }
  if (has('RoleDescriptor')) return invalid('This metadata is for WS-Federation only. Download the metadata of SAML-based sign-on.');
  return invalid('The metadata describes no identity provider: there is no IDPSSODescriptor in it.');
}

function readEndpoints(descriptor: XmlElement): Pick<IdpMetadata, 'singleSignOn' | 'singleLogout'> {
  const forSignOn = (binding: string) => {
    const element = endpoint(descriptor, 'SingleSignOnService', binding);
    return element && checkUrl(attributeOf(element, 'Location'), 'The Location of a SingleSignOnService');
  };
  const forLogout = (binding: string): LogoutEndpoint | undefined => {
    const element = endpoint(descriptor, 'SingleLogoutService', binding);
    if (!element) return undefined;
    const location = checkUrl(attributeOf(element, 'Location'), 'The Location of a SingleLogoutService');
    const response = attributeOf(element, 'ResponseLocation');
    return response === undefined
      ? { location }
      : { location, responseLocation: checkUrl(response, 'The ResponseLocation of a SingleLogoutService') };
  };
  return { singleSignOn: byBinding(forSignOn), singleLogout: byBinding(forLogout) };
}

function byBinding<T>(read: (binding: string) => T | undefined): { redirect?: T; post?: T } {
  const redirect = read(HTTP_REDIRECT);
  const post = read(HTTP_POST);
  return { ...(redirect === undefined ? {} : { redirect }), ...(post === undefined ? {} : { post }) };
}

/** The first with this binding: these endpoints have neither index nor default (saml-metadata §2.2.2), and the order is the IdP's. */
const endpoint = (descriptor: XmlElement, local: string, binding: string): XmlElement | undefined =>
  childrenNamed(descriptor, METADATA, local).find((element) => attributeOf(element, 'Binding') === binding);

/**
 * Every certificate of a KeyDescriptor for signing, or for no use in particular, that is not the issuer of another one there.
 * Entra ID lists inactive ones too, and says that any may become active at any moment.
 */
function readSigningCertificates(descriptor: XmlElement): { certificates: Certificate[]; warnings: MetadataWarning[] } {
  const warnings: MetadataWarning[] = [];
  const found: Certificate[] = [];
  let seen = 0;
  let bareKeys = 0;
  for (const keyDescriptor of childrenNamed(descriptor, METADATA, 'KeyDescriptor')) {
    const use = attributeOf(keyDescriptor, 'use');
    if (use !== undefined && use !== 'signing') continue;
    const keyInfo = onlyChild(keyDescriptor, XMLDSIG, 'KeyInfo', () => invalid('A KeyDescriptor has several KeyInfo elements.'));
    const data = keyInfo ? childrenNamed(keyInfo, XMLDSIG, 'X509Data') : [];
    const texts = data.flatMap((element) => childrenNamed(element, XMLDSIG, 'X509Certificate')).map(textOf);
    if (texts.length === 0) bareKeys++;
    const certificates = readCertificates(texts, seen);
    seen += texts.length;
    const ends = endCertificates(eachOnce(certificates));
    if (ends.length < eachOnce(certificates).length) warnings.push(CHAIN_IGNORED);
    found.push(...ends);
  }
  if (found.length === 0 && bareKeys > 0) {
    throw invalid(
      'The metadata gives its signing key only as a bare key or a name (KeyValue, KeyName). A certificate (X509Certificate) is needed.',
    );
  }
  if (bareKeys > 0) warnings.push(KEY_WITHOUT_CERTIFICATE);
  return { certificates: eachOnce(found), warnings };
}

const CHAIN_IGNORED: MetadataWarning = {
  code: 'certificate_chain_ignored',
  level: 'info',
  text: 'A signing certificate came with the certificates of its issuers. Those were left out: only the certificate itself is trusted.',
};

const KEY_WITHOUT_CERTIFICATE: MetadataWarning = {
  code: 'key_without_certificate',
  level: 'warning',
  text: 'A signing key in the metadata has no certificate and was left out; a sign-in signed with it is refused. Let the identity provider publish it as a certificate.',
};

function readNameIdFormats(descriptor: XmlElement): string[] {
  const formats = childrenNamed(descriptor, METADATA, 'NameIDFormat').map((element) => textOf(element).trim());
  if (formats.length > MAX_NAME_ID_FORMATS) throw invalid(`There are more than ${MAX_NAME_ID_FORMATS} NameIDFormats.`);
  if (!formats.every((format) => /^[\x21-\x7e]{1,256}$/.test(format))) throw invalid('A NameIDFormat is not a URI.');
  return [...new Set(formats)];
}

/** The earliest of the role, its entity and everything around that: an aggregate's date binds what is in it (saml-metadata §2.3.1). */
function readValidUntil(descriptor: XmlElement, nowMs: number): string | undefined {
  let earliest = Number.POSITIVE_INFINITY;
  for (let element: XmlElement | undefined = descriptor; element; element = element.parent) {
    const text = attributeOf(element, 'validUntil');
    if (text === undefined) continue;
    try {
      earliest = Math.min(earliest, readDateTime(text.trim()));
    } catch (cause) {
      throw invalid('validUntil is not a date and time with time zone (xs:dateTime).', cause);
    }
  }
  if (earliest === Number.POSITIVE_INFINITY) return undefined;
  const validUntil = toIsoTime(earliest);
  if (earliest <= nowMs) throw invalid(`The metadata was valid until ${validUntil} only. Download it again from the identity provider.`);
  return validUntil;
}

function readBoolean(element: XmlElement, name: string): boolean {
  const value = attributeOf(element, name)?.trim() ?? 'false';
  if (value !== 'true' && value !== 'false' && value !== '1' && value !== '0') throw invalid(`${name} is neither true nor false.`);
  return value === 'true' || value === '1';
}

/** An entity ID is compared as an exact string, so it is kept as it is; saml-core §8.3.6 allows 1024 characters. */
function checkEntityId(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw invalid(`${name} is missing.`);
  if (value.length > MAX_ENTITY_ID) throw invalid(`${name} is longer than ${MAX_ENTITY_ID} characters.`);
  if (value !== value.trim() || /[\p{C}\p{Zl}\p{Zp}]/u.test(value))
    throw invalid(`${name} has white space around it or control characters in it.`);
  return value;
}

/** RFC 3986's characters and a host right after the slashes: what `new URL` would mend (tabs, backslashes, missing slashes) is refused. */
const ABSOLUTE_HTTP_URL = /^https?:\/\/[A-Za-z0-9[][A-Za-z0-9\-._~:/?[\]@!$&'()*+,;=%]*$/i;

function checkUrl(value: string | undefined, name: string): string {
  const url = value?.trim() ?? '';
  if (url.length > MAX_URL) throw invalid(`${name} is longer than ${MAX_URL} characters.`);
  if (url.includes('#')) throw invalid(`${name} must be a URL without fragment (#…).`);
  if (!ABSOLUTE_HTTP_URL.test(url) || !URL.canParse(url)) throw invalid(`${name} must be an absolute http or https URL.`);
  if (url.split(/[/?]/, 3)[2]?.includes('@')) throw invalid(`${name} must be a URL without user name or password.`);
  return url;
}

/** Entity IDs for a message: input, so clipped and without anything that could be markup, control or layout. */
function listed(entities: readonly XmlElement[]): string {
  const names = entities
    .slice(0, MAX_LISTED)
    .map((entity) => (attributeOf(entity, 'entityID') ?? '').replaceAll(/[\p{C}\p{Z}<>&"'`]/gu, '').slice(0, 100));
  return `${names.join(', ')}${entities.length > MAX_LISTED ? ', …' : ''}`;
}
