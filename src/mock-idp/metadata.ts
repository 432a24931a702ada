/** Metadata of the imitated identity providers. */
import type { KeyAndCertificate } from '../saml/metadata/self-signed-certificate.ts';
import { HTTP_POST, HTTP_REDIRECT, METADATA, NAME_ID_EMAIL, NAME_ID_UNSPECIFIED, PROTOCOL, XMLDSIG } from '../saml/names.ts';
import { certificateBody, certificateEnd } from './certificate-text.ts';
import { HABITS, type HabitName } from './habits.ts';
import { RSA_SHA256, SHA256, signElement } from './xml-signature.ts';
import { element, type Markup, pieces, text } from './xml-writer.ts';

export interface MetadataOptions {
  /** Endpoint for AuthnRequests, both Redirect and POST. */
  readonly ssoUrl: string;
  /** Single logout endpoint. Only Entra ID lists one. */
  readonly sloUrl?: string;
  /** Certificates of the signing keys. Entra ID also lists the one that is not active yet. */
  readonly certificatesPem: readonly [string, ...string[]];
  /** Okta: whether "Signed Requests" is selected. */
  readonly wantAuthnRequestsSigned?: boolean;
  /** The key that signs the document, as Entra ID does. Without it, the document is not signed. */
  readonly documentKey?: KeyAndCertificate;
  readonly randomBytes: (size: number) => Uint8Array;
}

/**
 * Returns the metadata of one product as XML text. Entra ID's starts with a byte order mark, as in the product.
 *
 * @example makeMetadata('okta', { ssoUrl, certificatesPem: [key.certificatePem], randomBytes })
 * @see saml-metadata §2.4.3
 */
export function makeMetadata(habit: HabitName, options: MetadataOptions): string {
  if (habit === 'entra-id') return entraMetadata(options);
  return habit === 'okta' ? oktaMetadata(options) : googleMetadata(options);
}

function oktaMetadata(options: MetadataOptions): string {
  const root = element(
    'md:EntityDescriptor',
    { entityID: HABITS.okta.issuer, 'xmlns:md': METADATA },
    element(
      'md:IDPSSODescriptor',
      { WantAuthnRequestsSigned: String(options.wantAuthnRequestsSigned ?? false), protocolSupportEnumeration: PROTOCOL },
      ...options.certificatesPem.map(prefixedKeyDescriptor),
      element('md:NameIDFormat', {}, text(NAME_ID_UNSPECIFIED)),
      element('md:NameIDFormat', {}, text(NAME_ID_EMAIL)),
      element('md:SingleSignOnService', { Binding: HTTP_POST, Location: options.ssoUrl }),
      element('md:SingleSignOnService', { Binding: HTTP_REDIRECT, Location: options.ssoUrl }),
    ),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>${root}`;
}

/** Returns Google's metadata, which is valid until the first certificate expires. */
function googleMetadata(options: MetadataOptions): string {
  const lines = (indent: string, ...children: readonly Markup[]) =>
    pieces(...children.map((child) => pieces(text(`\n${indent}`), child)), text(`\n${indent.slice(2)}`));
  const root = element(
    'md:EntityDescriptor',
    {
      'xmlns:md': METADATA,
      entityID: HABITS['google-workspace'].issuer,
      validUntil: certificateEnd(options.certificatesPem[0]),
    },
    lines(
      '  ',
      element(
        'md:IDPSSODescriptor',
        { WantAuthnRequestsSigned: 'false', protocolSupportEnumeration: PROTOCOL },
        lines(
          '    ',
          ...options.certificatesPem.map(prefixedKeyDescriptor),
          element('md:NameIDFormat', {}, text(NAME_ID_EMAIL)),
          element('md:SingleSignOnService', { Binding: HTTP_REDIRECT, Location: options.ssoUrl }),
          element('md:SingleSignOnService', { Binding: HTTP_POST, Location: options.ssoUrl }),
        ),
      ),
    ),
  );
  return `<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n${root}\n`;
}

function prefixedKeyDescriptor(certificatePem: string): Markup {
  const certificate = element('ds:X509Certificate', {}, certificateBody(certificatePem, 76));
  const keyInfo = element('ds:KeyInfo', { 'xmlns:ds': XMLDSIG }, element('ds:X509Data', {}, certificate));
  return element('md:KeyDescriptor', { use: 'signing' }, keyInfo);
}

const WS_FEDERATION = 'http://docs.oasis-open.org/wsfed/federation/200706';
const WS_AUTHORIZATION = 'http://docs.oasis-open.org/wsfed/authorization/200706';
const WS_ADDRESSING = 'http://www.w3.org/2005/08/addressing';

/** Returns Entra ID's metadata: two WS-Federation descriptors that repeat all certificates, then the SAML descriptor. */
function entraMetadata(options: MetadataOptions): string {
  const habit = HABITS['entra-id'];
  const root = element(
    'EntityDescriptor',
    { ID: habit.elementId(options.randomBytes(16)), entityID: habit.issuer, xmlns: METADATA },
    securityTokenService(options),
    applicationService(options),
    element(
      'IDPSSODescriptor',
      { protocolSupportEnumeration: PROTOCOL },
      ...options.certificatesPem.map(plainKeyDescriptor),
      options.sloUrl === undefined ? undefined : element('SingleLogoutService', { Binding: HTTP_REDIRECT, Location: options.sloUrl }),
      element('SingleSignOnService', { Binding: HTTP_REDIRECT, Location: options.ssoUrl }),
      element('SingleSignOnService', { Binding: HTTP_POST, Location: options.ssoUrl }),
    ),
  );
  const xml = `<?xml version="1.0" encoding="utf-8"?>${root}`;
  return `\uFEFF${options.documentKey === undefined ? xml : signDocument(xml, options.documentKey)}`;
}

function signDocument(xml: string, key: KeyAndCertificate): string {
  const spelling = HABITS['entra-id'].signature;
  return signElement(xml, { key, spelling, keyInfo: true, signatureAlgorithm: RSA_SHA256, digestAlgorithm: SHA256, elementPath: '/*' });
}

function plainKeyDescriptor(certificatePem: string): Markup {
  const certificate = element('X509Certificate', {}, certificateBody(certificatePem, undefined));
  const keyInfo = element('KeyInfo', { xmlns: XMLDSIG }, element('X509Data', {}, certificate));
  return element('KeyDescriptor', { use: 'signing' }, keyInfo);
}

function securityTokenService(options: MetadataOptions): Markup {
  return roleDescriptor(
    'fed:SecurityTokenServiceType',
    ...options.certificatesPem.map(plainKeyDescriptor),
    element('fed:ClaimTypesOffered', {}, ...CLAIM_TYPES.map(claimType)),
    element('fed:SecurityTokenServiceEndpoint', {}, endpointReference(wsFederationUrl(options))),
    element('fed:PassiveRequestorEndpoint', {}, endpointReference(wsFederationUrl(options))),
  );
}

function applicationService(options: MetadataOptions): Markup {
  return roleDescriptor(
    'fed:ApplicationServiceType',
    ...options.certificatesPem.map(plainKeyDescriptor),
    element('fed:TargetScopes', {}, endpointReference(HABITS['entra-id'].issuer)),
    element('fed:ApplicationServiceEndpoint', {}, endpointReference(wsFederationUrl(options))),
    element('fed:PassiveRequestorEndpoint', {}, endpointReference(wsFederationUrl(options))),
  );
}

function roleDescriptor(type: string, ...children: readonly Markup[]): Markup {
  const attributes = {
    'xsi:type': type,
    protocolSupportEnumeration: WS_FEDERATION,
    'xmlns:xsi': 'http://www.w3.org/2001/XMLSchema-instance',
    'xmlns:fed': WS_FEDERATION,
  };
  return element('RoleDescriptor', attributes, ...children);
}

/** A few of the claims that Entra ID lists, with descriptions of our own. */
const CLAIM_TYPES: readonly (readonly [uri: string, name: string, description: string])[] = [
  ['http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name', 'Name', 'Sign-in name'],
  ['http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress', 'Email', 'Email address'],
  ['http://schemas.microsoft.com/identity/claims/objectidentifier', 'ObjectIdentifier', 'Identifier that never changes'],
  ['http://schemas.microsoft.com/ws/2008/06/identity/claims/groups', 'Groups', 'Groups of the user'],
  ['http://schemas.microsoft.com/claims/groups.link', 'GroupsOverageClaim', 'URL of the groups if there are too many to list'],
];

function claimType([uri, name, description]: (typeof CLAIM_TYPES)[number]): Markup {
  return element(
    'auth:ClaimType',
    { Uri: uri, 'xmlns:auth': WS_AUTHORIZATION },
    element('auth:DisplayName', {}, text(name)),
    element('auth:Description', {}, text(description)),
  );
}

function endpointReference(address: string): Markup {
  const attributes = { 'xmlns:wsa': WS_ADDRESSING };
  return element('wsa:EndpointReference', attributes, element('wsa:Address', {}, text(address)));
}

function wsFederationUrl({ ssoUrl }: MetadataOptions): string {
  return ssoUrl.replace(/\/[^/]*$/, '/wsfed');
}
