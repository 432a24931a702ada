import { randomBytes, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { HABIT_NAMES, HABITS } from '../../src/mock-idp/habits.ts';
import { makeMetadata } from '../../src/mock-idp/metadata.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { parseXml } from '../../src/saml/xml/xml.ts';
import { xmlsec1Verifies } from './judges.ts';

const SSO_URL = 'http://127.0.0.1:1234/sso?a=1&b=2';
let key: KeyAndCertificate;
let next: KeyAndCertificate;

beforeAll(async () => {
  const make = () => createSelfSignedCertificate({ commonName: 'mock', days: 10, nowMs: Date.now(), rsaBits: 2048 });
  [key, next] = await Promise.all([make(), make()]);
});

const count = (text: string, part: string | RegExp) => text.split(part).length - 1;

describe('mock metadata (saml-metadata §2.4.3)', () => {
  test.each(HABIT_NAMES)('%s is well-formed, with entityID, both endpoints and the certificate', (habit) => {
    const xml = makeMetadata(habit, { ssoUrl: SSO_URL, certificatesPem: [key.certificatePem], randomBytes });
    const root = parseXml(xml.replace('\uFEFF', ''));
    expect(root.attributes.find(({ local }) => local === 'entityID')?.value).toBe(HABITS[habit].issuer);
    for (const binding of ['Redirect', 'POST']) {
      expect(xml).toContain(
        `Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-${binding}" Location="http://127.0.0.1:1234/sso?a=1&amp;b=2"/>`,
      );
    }
    const base64 = /X509Certificate>([^<]+)</.exec(xml)?.[1] ?? '';
    const [given, read] = [key.certificatePem, Buffer.from(base64, 'base64')].map((one) => new X509Certificate(one).fingerprint256);
    expect(read).toBe(given);
  });

  test('Okta states whether it wants signed requests', () => {
    const make = (wanted: object) =>
      makeMetadata('okta', { ssoUrl: SSO_URL, certificatesPem: [key.certificatePem], randomBytes, ...wanted });
    expect(make({})).toContain('<md:IDPSSODescriptor WantAuthnRequestsSigned="false" ');
    expect(make({ wantAuthnRequestsSigned: true })).toContain('<md:IDPSSODescriptor WantAuthnRequestsSigned="true" ');
    expect(make({})).toMatch(/HTTP-POST.*HTTP-Redirect/s);
  });

  test('Google is valid until its certificate expires', () => {
    const xml = makeMetadata('google-workspace', { ssoUrl: SSO_URL, certificatesPem: [key.certificatePem], randomBytes });
    expect(/ validUntil="([^"]+)"/.exec(xml)?.[1]).toBe(new Date(new X509Certificate(key.certificatePem).validTo).toISOString());
    expect(xml).toMatch(/HTTP-Redirect.*HTTP-POST/s);
  });

  test('Entra ID starts with a byte order mark, repeats all certificates in WS-Federation descriptors, and is signed', async () => {
    const xml = makeMetadata('entra-id', {
      ssoUrl: SSO_URL,
      sloUrl: 'https://login.example/slo',
      certificatesPem: [key.certificatePem, next.certificatePem],
      documentKey: key,
      randomBytes,
    });
    expect(xml.startsWith('\uFEFF<?xml version="1.0" encoding="utf-8"?><EntityDescriptor ID="_')).toBe(true);
    expect(count(xml, '<RoleDescriptor ')).toBe(2);
    expect(count(xml, '<KeyDescriptor use="signing">')).toBe(6);
    expect(xml).toMatch(/<\/RoleDescriptor><IDPSSODescriptor protocolSupportEnumeration="[^"]+"><KeyDescriptor /);
    expect(xml).toContain('<SingleLogoutService ');
    expect(await xmlsec1Verifies(xml, 'EntityDescriptor', key.certificatePem)).toBe(true);
    expect(await xmlsec1Verifies(xml.replace('/slo', '/slo2'), 'EntityDescriptor', key.certificatePem)).toBe(false);
  });
});
