import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createSpMetadata, type ServiceProviderDescription } from '../../src/saml/metadata/sp-metadata.ts';
import { parseXml } from '../../src/saml/xml/xml.ts';
import { attributeOf, childrenNamed, textOf, walk, type XmlElement } from '../../src/saml/xml/xml-tree.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { schemaProblems } from '../support/schemas.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const all = (root: XmlElement, local: string) => [...walk(root)].filter((element) => element.local === local);

const FULL: ServiceProviderDescription = {
  entityId: 'https://sso.example/saml/acme/metadata',
  acsUrl: 'https://sso.example/saml/acme/acs',
  sloUrl: 'https://sso.example/saml/acme/slo',
  certificates: ['AAAA', 'BBBB'],
  wantAssertionsSigned: true,
  authnRequestsSigned: true,
  nameIdFormats: ['urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'],
  displayName: 'Acme <&> "Söhne"',
  logoUrl: 'https://acme.example/logo.png?a=1&b=2',
  contactEmail: 'it@acme.example',
};

describe('service provider metadata (saml-metadata §2.4.4)', () => {
  it('is valid by the schema, with all and with only required values', async () => {
    expect(await schemaProblems(createSpMetadata(FULL), 'metadata')).toBe('');
    const { displayName: _, logoUrl: __, contactEmail: ___, ...required } = FULL;
    expect(await schemaProblems(createSpMetadata({ ...required, nameIdFormats: [], certificates: ['AAAA'] }), 'metadata')).toBe('');
  });

  it('would be invalid by the schema with elements in another order', async () => {
    const swapped = createSpMetadata(FULL).replace(
      /(<md:NameIDFormat>.*?<\/md:NameIDFormat>)(<md:AssertionConsumerService [^>]*>)/,
      '$2$1',
    );
    expect(await schemaProblems(swapped, 'metadata')).toContain('NameIDFormat');
  });

  it('contains the endpoints of the gateway, regardless of forwarded headers', async () => {
    const organization = await makeTestOrganization(gateway);
    const url = `${gateway.url}/saml/${organization.slug}/metadata`;
    const response = await fetch(url, { headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' } });
    expect(response.headers.get('content-type')).toMatch(/^application\/samlmetadata\+xml/);
    const xml = await response.text();
    expect(await schemaProblems(xml, 'metadata')).toBe('');
    const root = parseXml(xml);
    expect(attributeOf(root, 'entityID')).toBe(url);
    expect(all(root, 'AssertionConsumerService').map((e) => [attributeOf(e, 'Binding'), attributeOf(e, 'Location')])).toEqual([
      ['urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST', organization.acsUrl],
    ]);
    expect(all(root, 'SingleLogoutService').map((e) => [attributeOf(e, 'Binding'), attributeOf(e, 'Location')])).toEqual([
      ['urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect', `${gateway.url}/saml/${organization.slug}/slo`],
      ['urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST', `${gateway.url}/saml/${organization.slug}/slo`],
    ]);
    expect(all(root, 'NameIDFormat')).toEqual([]);
  });

  it('has a self-signed RSA-3072 certificate per organization, for signing and encryption', async () => {
    const certificates = [];
    for (const organization of [await makeTestOrganization(gateway), await makeTestOrganization(gateway)]) {
      const root = parseXml(await (await fetch(`${gateway.url}/saml/${organization.slug}/metadata`)).text());
      const descriptors = all(root, 'KeyDescriptor');
      expect(descriptors.map((descriptor) => attributeOf(descriptor, 'use'))).toEqual(['signing', 'encryption']);
      const [signing = '', encryption] = all(root, 'X509Certificate').map(textOf);
      expect(encryption).toBe(signing);
      const certificate = new X509Certificate(Buffer.from(signing, 'base64'));
      expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(3072);
      expect(certificate.verify(certificate.publicKey)).toBe(true);
      certificates.push(signing);
    }
    expect(certificates[0]).not.toBe(certificates[1]);
  });

  it('reflects the settings of the organization', async () => {
    const organization = await makeTestOrganization(gateway);
    await gateway.api('PATCH', `/organizations/${organization.slug}`, {
      contact_email: 'it@acme.example',
      logo_url: 'https://acme.example/l.png',
    });
    await gateway.api('PATCH', `/organizations/${organization.slug}/identity-provider`, {
      require_signed_assertion: true,
      sign_requests: true,
      name_id_format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    });
    const xml = await (await fetch(`${gateway.url}/saml/${organization.slug}/metadata`)).text();
    expect(await schemaProblems(xml, 'metadata')).toBe('');
    const [descriptor] = all(parseXml(xml), 'SPSSODescriptor') as [XmlElement];
    expect([attributeOf(descriptor, 'WantAssertionsSigned'), attributeOf(descriptor, 'AuthnRequestsSigned')]).toEqual(['true', 'true']);
    expect(childrenNamed(descriptor, 'urn:oasis:names:tc:SAML:2.0:metadata', 'NameIDFormat').map(textOf)).toEqual([
      'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    ]);
    expect(xml).toContain('mailto:it@acme.example');
    expect(xml).toContain('https://acme.example/l.png');
  });
});
