import { X509Certificate } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { GatewayError } from '../../src/errors.ts';
import { readIdpMetadata } from '../../src/saml/metadata/idp-metadata-reader.ts';
import { acceptResponse } from '../../src/saml/response/response.ts';
import { makeParties, settingsOf } from './encrypted-messages.ts';
import { IDP, message, NOW_MS, sign } from './fixture-cases/hand-made.ts';

const parties = await makeParties();
const { idp, stranger } = parties;

const base64Of = (pem: string): string => pem.replaceAll(/-----[^-]+-----|\s/g, '');
const keyDescriptor = (use: string, pem: string): string =>
  `<KeyDescriptor${use}><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${base64Of(pem)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>`;

/** Returns the verdict on a response of `signer` under metadata in which the IdP's key has no use, and another key has this use. */
function verdict(signer: typeof idp, otherUse: string): string {
  const metadata = `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${IDP}"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">${keyDescriptor('', idp.certificatePem)}${keyDescriptor(otherUse, stranger.certificatePem)}<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example.test/sso"/></IDPSSODescriptor></EntityDescriptor>`;
  const { signingCertificates } = readIdpMetadata(metadata, { nowMs: Date.now() }).metadata;
  const keys = signingCertificates.map(({ pem }) => {
    const { publicKey: key, fingerprint256: fingerprint, validTo } = new X509Certificate(pem);
    return { key, fingerprint, notAfterMs: Date.parse(validTo) };
  });
  try {
    acceptResponse(sign(message(), signer.privateKey), settingsOf(parties, { keys, requireEncryptedAssertion: false }), NOW_MS);
    return 'accepted';
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
}

test('accepts the signature of a KeyDescriptor without use (saml-metadata §2.4.1.1)', () => {
  expect(verdict(idp, ' use="encryption"')).toBe('accepted');
});

test.each([[' use="encryption"'], [' use=""'], [' use="Signing"'], [' use="signing encryption"']])(
  'rejects the signature of a KeyDescriptor with%s',
  (use) => {
    expect(verdict(stranger, use)).toBe('saml_signature_invalid');
  },
);
