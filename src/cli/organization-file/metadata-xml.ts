/** Writes the metadata of an identity provider as the gateway has read it. */
import type { IdentityProvider } from '../../client/api-types.ts';

const BINDING = 'urn:oasis:names:tc:SAML:2.0:bindings:';
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => ESCAPES[character] ?? character);

const attributes = (values: Readonly<Record<string, string | undefined>>): string =>
  Object.entries(values)
    .map(([name, value]) => (value === undefined ? '' : ` ${name}="${escaped(value)}"`))
    .join('');

/** Returns a document that the gateway reads as the same metadata. @see saml-metadata §2.4.3 */
export function metadataXml(idp: IdentityProvider): string {
  const { redirect, post } = idp.single_sign_on;
  const lines = [
    ...idp.certificates.map(({ pem }) => keyDescriptor(pem)),
    logoutService('HTTP-Redirect', idp.single_logout.redirect),
    logoutService('HTTP-POST', idp.single_logout.post),
    ...idp.name_id_formats.map((format) => `<md:NameIDFormat>${escaped(format)}</md:NameIDFormat>`),
    signOnService('HTTP-Redirect', redirect),
    signOnService('HTTP-POST', post),
  ].filter((line) => line !== undefined);
  const root = { 'xmlns:md': 'urn:oasis:names:tc:SAML:2.0:metadata', entityID: idp.entity_id, validUntil: idp.valid_until ?? undefined };
  const descriptor = {
    protocolSupportEnumeration: 'urn:oasis:names:tc:SAML:2.0:protocol',
    WantAuthnRequestsSigned: String(idp.want_authn_requests_signed),
  };
  return `<md:EntityDescriptor${attributes(root)}>
  <md:IDPSSODescriptor${attributes(descriptor)}>
${lines.map((line) => `    ${line}`).join('\n')}
  </md:IDPSSODescriptor>
</md:EntityDescriptor>
`;
}

function keyDescriptor(pem: string): string {
  const der = pem.replace(/-----(BEGIN|END) CERTIFICATE-----|\s/g, '');
  const info = `<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${escaped(der)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`;
  return `<md:KeyDescriptor use="signing">${info}</md:KeyDescriptor>`;
}

const signOnService = (binding: string, location: string | undefined): string | undefined =>
  location === undefined ? undefined : `<md:SingleSignOnService${attributes({ Binding: `${BINDING}${binding}`, Location: location })}/>`;

type LogoutEndpoint = IdentityProvider['single_logout']['post'];

const logoutService = (binding: string, endpoint: LogoutEndpoint): string | undefined =>
  endpoint &&
  `<md:SingleLogoutService${attributes({ Binding: `${BINDING}${binding}`, Location: endpoint.location, ResponseLocation: endpoint.response_location })}/>`;
