import { createPublicKey, verify } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { type AuthnRequestOptions, createAuthnRequest } from '../../src/saml/messages/authn-request.ts';
import type { BrowserMessage } from '../../src/saml/messages/bindings.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { attributeOf, childElements, parseXml, textOf, walk } from '../../src/saml/xml/xml.ts';
import { xmlsec1Verifies } from '../mock-idp/judges.ts';
import { schemaProblems } from '../support/schemas.ts';

let key: KeyAndCertificate;
beforeAll(async () => {
  key = await createSelfSignedCertificate({ commonName: 'test only', days: 10, nowMs: Date.now(), rsaBits: 2048 });
});

const PLAIN: AuthnRequestOptions = {
  id: '_request-1',
  entityId: 'https://sso.example/saml/acme/metadata',
  acsUrl: 'https://sso.example/saml/acme/acs',
  ssoUrl: 'https://idp.example/sso?tenant=1&x=a%20b',
  binding: 'redirect',
  relayState: 'relay-state.1',
  forceAuthn: false,
  authnContext: [],
};

const xmlOf = (message: BrowserMessage): string =>
  message.binding === 'redirect'
    ? inflateRawSync(Buffer.from(new URL(message.url).searchParams.get('SAMLRequest') ?? '', 'base64')).toString('utf8')
    : Buffer.from(message.fields.SAMLRequest ?? '', 'base64').toString('utf8');

describe.each(['redirect', 'post'] as const)('AuthnRequest by %s (saml-core §3.4.1)', (binding) => {
  const make = async (options: Partial<AuthnRequestOptions> = {}) => createAuthnRequest({ ...PLAIN, binding, ...options });
  const signWith = () => ({ privateKeyPem: key.privateKeyPem, certificatePem: key.certificatePem });

  it('says who asks, where to, and where the answer goes; nothing else', async () => {
    const xml = xmlOf(await make());
    expect(await schemaProblems(xml, 'protocol')).toBe('');
    const root = parseXml(xml);
    expect(Object.fromEntries(root.attributes.map(({ local, value }) => [local, value]))).toEqual({
      ID: '_request-1',
      Version: '2.0',
      IssueInstant: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      ProtocolBinding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
      Destination: PLAIN.ssoUrl,
      AssertionConsumerServiceURL: PLAIN.acsUrl,
    });
    // No NameIDPolicy and no RequestedAuthnContext: Entra ID and Okta refuse what does not fit.
    expect(childElements(root).map(({ local }) => local)).toEqual(['Issuer']);
    expect(childElements(root).map(textOf)).toEqual([PLAIN.entityId]);
  });

  it('carries what is set', async () => {
    const classes = ['https://refeds.org/profile/mfa', 'urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken'];
    const nameIdFormat = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
    const xml = xmlOf(await make({ forceAuthn: true, nameIdFormat, authnContext: classes }));
    expect(await schemaProblems(xml, 'protocol')).toBe('');
    const root = parseXml(xml);
    expect(attributeOf(root, 'ForceAuthn')).toBe('true');
    const named = (local: string) => [...walk(root)].filter((element) => element.local === local);
    expect(named('NameIDPolicy').map((element) => attributeOf(element, 'Format'))).toEqual([nameIdFormat]);
    expect(named('RequestedAuthnContext').map((element) => attributeOf(element, 'Comparison'))).toEqual(['exact']);
    expect(named('AuthnContextClassRef').map(textOf)).toEqual(classes);
  });

  it('signed, it is valid and verified by others', async () => {
    const message = await make({ signWith: signWith(), nameIdFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent' });
    const xml = xmlOf(message);
    expect(await schemaProblems(xml, 'protocol')).toBe('');
    if (message.binding === 'post') {
      expect(await xmlsec1Verifies(xml, 'AuthnRequest', key.certificatePem)).toBe(true);
      expect(await xmlsec1Verifies(xml.replace('_request-1', '_request-2'), 'AuthnRequest', key.certificatePem)).toBe(false);
      expect(childElements(parseXml(xml)).map(({ local }) => local)).toEqual(['Issuer', 'Signature', 'NameIDPolicy']);
      expect(xml).toContain('http://www.w3.org/2001/04/xmldsig-more#rsa-sha256');
    } else {
      // saml-bindings §3.4.4.1: over the octets as they are sent.
      const query = message.url.slice(message.url.indexOf('SAMLRequest='));
      const [signed = '', signature = ''] = query.split('&Signature=');
      expect(signed).toMatch(
        /^SAMLRequest=[^&]+&RelayState=[^&]+&SigAlg=http%3A%2F%2Fwww\.w3\.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256$/,
      );
      expect(
        verify('sha256', Buffer.from(signed), createPublicKey(key.certificatePem), Buffer.from(decodeURIComponent(signature), 'base64')),
      ).toBe(true);
    }
  });

  it('the relay state and the endpoint’s own query go along', async () => {
    const message = await make();
    if (message.binding === 'post') {
      expect(message.action).toBe(PLAIN.ssoUrl);
      expect(message.fields.RelayState).toBe(PLAIN.relayState);
    } else {
      const { searchParams } = new URL(message.url);
      expect(Object.fromEntries([...searchParams].filter(([name]) => name !== 'SAMLRequest'))).toEqual({
        tenant: '1',
        x: 'a b',
        RelayState: PLAIN.relayState,
      });
    }
  });
});
