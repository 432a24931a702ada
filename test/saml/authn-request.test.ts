import { createPublicKey, verify } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { type AuthnRequestOptions, createAuthnRequest } from '../../src/saml/messages/authn-request.ts';
import type { BrowserMessage } from '../../src/saml/messages/bindings.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { parseXml } from '../../src/saml/xml/xml.ts';
import { attributeOf, childElements, textOf, walk } from '../../src/saml/xml/xml-tree.ts';
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
  allowCreate: true,
  forceAuthn: false,
  authnContext: [],
};

const xmlOf = (message: BrowserMessage): string =>
  message.binding === 'redirect'
    ? inflateRawSync(Buffer.from(new URL(message.url).searchParams.get('SAMLRequest') ?? '', 'base64')).toString('utf8')
    : Buffer.from(message.fields.SAMLRequest ?? '', 'base64').toString('utf8');

const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';

/** Returns the attributes of each NameIDPolicy. */
const policyOf = (xml: string) =>
  [...walk(parseXml(xml))]
    .filter(({ local }) => local === 'NameIDPolicy')
    .map(({ attributes }) => Object.fromEntries(attributes.map(({ local, value }) => [local, value])));

describe.each(['redirect', 'post'] as const)('createAuthnRequest() by %s (saml-core §3.4.1)', (binding) => {
  const create = async (options: Partial<AuthnRequestOptions> = {}) => createAuthnRequest({ ...PLAIN, binding, ...options });
  const signWith = () => ({ privateKeyPem: key.privateKeyPem, certificatePem: key.certificatePem });

  it('contains only the issuer, the destination, the ACS URL and AllowCreate by default', async () => {
    const xml = xmlOf(await create());
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
    // There is no Format and no RequestedAuthnContext, because Entra ID and Okta refuse requests that do not match.
    expect(childElements(root).map(({ local }) => local)).toEqual(['Issuer', 'NameIDPolicy']);
    expect(childElements(root).map(textOf)).toEqual([PLAIN.entityId, '']);
    expect(policyOf(xml)).toEqual([{ AllowCreate: 'true' }]);
  });

  it.each([
    ['no NameIDPolicy if neither is configured', { allowCreate: false }, []],
    ['a format without AllowCreate', { allowCreate: false, nameIdFormat: PERSISTENT }, [{ Format: PERSISTENT }]],
    ['a format with AllowCreate', { nameIdFormat: PERSISTENT }, [{ Format: PERSISTENT, AllowCreate: 'true' }]],
    ['never AllowCreate with a transient NameID', { nameIdFormat: TRANSIENT }, [{ Format: TRANSIENT }]],
  ])('requests %s (saml-core §3.4.1.1)', async (_title, options, policies) => {
    const xml = xmlOf(await create(options));
    expect(await schemaProblems(xml, 'protocol')).toBe('');
    expect(policyOf(xml)).toEqual(policies);
  });

  it('contains the configured options', async () => {
    const classes = ['https://refeds.org/profile/mfa', 'urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken'];
    const nameIdFormat = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
    const xml = xmlOf(await create({ forceAuthn: true, nameIdFormat, authnContext: classes }));
    expect(await schemaProblems(xml, 'protocol')).toBe('');
    const root = parseXml(xml);
    expect(attributeOf(root, 'ForceAuthn')).toBe('true');
    const named = (local: string) => [...walk(root)].filter((element) => element.local === local);
    expect(named('NameIDPolicy').map((element) => attributeOf(element, 'Format'))).toEqual([nameIdFormat]);
    expect(named('RequestedAuthnContext').map((element) => attributeOf(element, 'Comparison'))).toEqual(['exact']);
    expect(named('AuthnContextClassRef').map(textOf)).toEqual(classes);
  });

  it('is valid by the schema and has a signature that xmlsec1 or openssl verifies', async () => {
    const message = await create({ signWith: signWith(), nameIdFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent' });
    const xml = xmlOf(message);
    expect(await schemaProblems(xml, 'protocol')).toBe('');
    if (message.binding === 'post') {
      expect(await xmlsec1Verifies(xml, 'AuthnRequest', key.certificatePem)).toBe(true);
      expect(await xmlsec1Verifies(xml.replace('_request-1', '_request-2'), 'AuthnRequest', key.certificatePem)).toBe(false);
      expect(childElements(parseXml(xml)).map(({ local }) => local)).toEqual(['Issuer', 'Signature', 'NameIDPolicy']);
      expect(xml).toContain('http://www.w3.org/2001/04/xmldsig-more#rsa-sha256');
    } else {
      // saml-bindings §3.4.4.1: the signature covers the octets exactly as sent.
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

  it('keeps the RelayState and the query of the endpoint', async () => {
    const message = await create();
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
