import { HTTP_POST, HTTP_REDIRECT, METADATA, PROTOCOL, XMLDSIG } from '../names.ts';
import { escapeXml as xml } from '../xml/escape-xml.ts';

export interface ServiceProviderDescription {
  readonly entityId: string;
  readonly acsUrl: string;
  readonly sloUrl: string;
  /** DER as base64. The first is the current one; the others are for a rollover. */
  readonly certificates: readonly string[];
  readonly wantAssertionsSigned: boolean;
  readonly authnRequestsSigned: boolean;
  readonly nameIdFormats: readonly string[];
  readonly displayName?: string | undefined;
  readonly logoUrl?: string | undefined;
  readonly contactEmail?: string | undefined;
}

const ENCRYPTION_METHODS = [
  'http://www.w3.org/2009/xmlenc11#aes256-gcm',
  'http://www.w3.org/2009/xmlenc11#aes128-gcm',
  'http://www.w3.org/2001/04/xmlenc#aes256-cbc',
  'http://www.w3.org/2001/04/xmlenc#aes128-cbc',
  'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
  'http://www.w3.org/2009/xmlenc11#rsa-oaep',
];

/**
 * Returns the service provider metadata of one organization.
 * @see saml-metadata §2.4.4; the schema requires this order of elements
 */
export function createSpMetadata(sp: ServiceProviderDescription): string {
  const parts = [
    '<?xml version="1.0" encoding="UTF-8"?>\n',
    `<md:EntityDescriptor xmlns:md="${METADATA}" xmlns:ds="${XMLDSIG}" entityID="${xml(sp.entityId)}">`,
    `<md:SPSSODescriptor AuthnRequestsSigned="${sp.authnRequestsSigned}" WantAssertionsSigned="${sp.wantAssertionsSigned}" protocolSupportEnumeration="${PROTOCOL}">`,
    uiInfo(sp),
    ...sp.certificates.map((certificate) => keyDescriptor('signing', certificate)),
    ...sp.certificates.slice(0, 1).map((certificate) => keyDescriptor('encryption', certificate)),
    `<md:SingleLogoutService Binding="${HTTP_REDIRECT}" Location="${xml(sp.sloUrl)}"/>`,
    `<md:SingleLogoutService Binding="${HTTP_POST}" Location="${xml(sp.sloUrl)}"/>`,
    ...sp.nameIdFormats.map((format) => `<md:NameIDFormat>${xml(format)}</md:NameIDFormat>`),
    `<md:AssertionConsumerService Binding="${HTTP_POST}" Location="${xml(sp.acsUrl)}" index="0" isDefault="true"/>`,
    '</md:SPSSODescriptor>',
    sp.contactEmail === undefined
      ? ''
      : `<md:ContactPerson contactType="technical"><md:EmailAddress>mailto:${xml(sp.contactEmail)}</md:EmailAddress></md:ContactPerson>`,
    '</md:EntityDescriptor>\n',
  ];
  return parts.join('');
}

function keyDescriptor(use: 'signing' | 'encryption', certificate: string): string {
  const methods =
    use === 'encryption' ? ENCRYPTION_METHODS.map((algorithm) => `<md:EncryptionMethod Algorithm="${algorithm}"/>`).join('') : '';
  const keyInfo = `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>${xml(certificate)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`;
  return `<md:KeyDescriptor use="${use}">${keyInfo}${methods}</md:KeyDescriptor>`;
}

/** @see https://docs.oasis-open.org/security/saml/Post2.0/sstc-saml-metadata-ui/v1.0/ */
function uiInfo(sp: ServiceProviderDescription): string {
  if (sp.displayName === undefined && sp.logoUrl === undefined) return '';
  const name = sp.displayName === undefined ? '' : `<mdui:DisplayName xml:lang="en">${xml(sp.displayName)}</mdui:DisplayName>`;
  const logo = sp.logoUrl === undefined ? '' : `<mdui:Logo height="60" width="60">${xml(sp.logoUrl)}</mdui:Logo>`;
  return `<md:Extensions><mdui:UIInfo xmlns:mdui="urn:oasis:names:tc:SAML:metadata:ui">${name}${logo}</mdui:UIInfo></md:Extensions>`;
}
