import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const DAY_MS = 86_400_000;

describe('self-signed certificate (RFC 5280 §4.1)', () => {
  test('is signed by its own key and valid from one hour ago for the requested days', async () => {
    const made = await createSelfSignedCertificate({ commonName: 'samlgate acme', days: 3650, nowMs: NOW_MS });
    const certificate = new X509Certificate(made.certificatePem);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(made.privateKeyPem))).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toMatchObject({ modulusLength: 3072, publicExponent: 65_537n });
    expect(certificate.subject).toBe('CN=samlgate acme');
    expect(certificate.issuer).toBe(certificate.subject);
    expect(Date.parse(certificate.validFrom)).toBe(Date.UTC(2026, 0, 2, 2, 4, 5));
    expect(Date.parse(certificate.validTo)).toBe(Date.UTC(2026, 0, 2, 3, 4, 5) + 3650 * DAY_MS);
    expect(certificate.ca).toBe(false);
    expect(made.privateKeyPem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  });

  test('is read by openssl with sha256WithRSAEncryption, version 3 and critical extensions', async () => {
    const { certificatePem } = await createSelfSignedCertificate({ commonName: 'x', days: 1, nowMs: NOW_MS, rsaBits: 2048 });
    const openssl = promisify(execFile)('openssl', ['x509', '-noout', '-text']);
    openssl.child.stdin?.end(certificatePem);
    const text = (await openssl).stdout;
    expect(text).toContain('Version: 3 (0x2)');
    expect(text).toContain('Public-Key: (2048 bit)');
    expect(text.match(/Signature Algorithm: sha256WithRSAEncryption/g)).toHaveLength(2);
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE/);
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature, Key Encipherment\n/);
  });

  test('has a positive, random serial number of 16 octets', async () => {
    const make = () => createSelfSignedCertificate({ commonName: 'x', days: 1, nowMs: NOW_MS, rsaBits: 2048 });
    const serials = (await Promise.all([make(), make()])).map(({ certificatePem }) => new X509Certificate(certificatePem).serialNumber);
    expect(serials[0]).toMatch(/^[4-7][0-9A-F]{31}$/);
    expect(serials[0]).not.toBe(serials[1]);
  });

  test.each(['Größe, "1" + <2> = #3; \\ 😀', 'x'.repeat(200), '/CN=other'])('has the common name %s', async (commonName) => {
    const { certificatePem } = await createSelfSignedCertificate({ commonName, days: 1, nowMs: NOW_MS, rsaBits: 2048 });
    expect(new X509Certificate(certificatePem).toLegacyObject().subject.CN).toBe(commonName);
  });

  test('can expire after 2049, when the date format changes', async () => {
    const days = 365 * 40;
    const { certificatePem } = await createSelfSignedCertificate({ commonName: 'x', days, nowMs: NOW_MS, rsaBits: 2048 });
    expect(Date.parse(new X509Certificate(certificatePem).validTo)).toBe(Math.floor(NOW_MS / 1000) * 1000 + days * DAY_MS);
  });
});
