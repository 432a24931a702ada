import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type MockIdp, startMockIdp } from '../../src/mock-idp/server.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { xmlsec1Decrypts } from '../saml/encryption-judges.ts';
import { ACS_URL, SP_ENTITY_ID } from './sign-in.ts';

let recipient: KeyAndCertificate;
let idp: MockIdp;

beforeAll(async () => {
  recipient = await createSelfSignedCertificate({ commonName: 'sp', days: 1, nowMs: Date.now(), rsaBits: 2048 });
  const encryption = { certificatePem: recipient.certificatePem, content: 'aes256-gcm' } as const;
  const encryptionFor = (spEntityId: string) => (spEntityId === SP_ENTITY_ID ? encryption : undefined);
  idp = await startMockIdp({ gatewayBaseUrl: 'http://localhost:8080', port: 0, encryptionFor });
});
afterAll(() => idp.close());

async function respondTo(sp: string): Promise<string> {
  const body = new URLSearchParams({ person: 'olivia', acs: ACS_URL, sp });
  const html = await (await fetch(`${idp.url}/okta/answer`, { method: 'POST', body })).text();
  return Buffer.from(/name="SAMLResponse" value="([^"]*)"/.exec(html)?.[1] ?? '', 'base64').toString();
}

describe('mock identity provider: encryption', () => {
  test('encrypts for a service provider with a certificate', async () => {
    const xml = await respondTo(SP_ENTITY_ID);
    expect(xml).toContain('EncryptedAssertion');
    expect(xml.includes('olivia')).toBe(false);
    expect((await xmlsec1Decrypts(xml, recipient.privateKeyPem)).includes('olivia')).toBe(true);
  });

  test('sends an unencrypted assertion to another service provider', async () => {
    const xml = await respondTo('http://localhost:8080/saml/other/metadata');
    expect(xml).not.toContain('EncryptedAssertion');
    expect(xml).toContain('olivia');
  });
});
