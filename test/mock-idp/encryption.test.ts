import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type MockIdp, startMockIdp } from '../../src/mock-idp/server.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { xmlsec1Decrypts } from '../saml/encryption-judges.ts';
import { ACS_URL, SP_ENTITY_ID } from './sign-in.ts';

let reader: KeyAndCertificate;
let idp: MockIdp;

beforeAll(async () => {
  reader = await createSelfSignedCertificate({ commonName: 'sp', days: 1, nowMs: Date.now(), rsaBits: 2048 });
  const encryption = { certificatePem: reader.certificatePem, content: 'aes256-gcm' } as const;
  const encryptionFor = (spEntityId: string) => (spEntityId === SP_ENTITY_ID ? encryption : undefined);
  idp = await startMockIdp({ gatewayBaseUrl: 'http://localhost:8080', port: 0, encryptionFor });
});
afterAll(() => idp.close());

async function answerTo(sp: string): Promise<string> {
  const body = new URLSearchParams({ person: 'olivia', acs: ACS_URL, sp });
  const html = await (await fetch(`${idp.url}/okta/answer`, { method: 'POST', body })).text();
  return Buffer.from(/name="SAMLResponse" value="([^"]*)"/.exec(html)?.[1] ?? '', 'base64').toString();
}

describe('the mock identity provider as a server that encrypts', () => {
  test('encrypts for the service provider whose certificate it was told', async () => {
    const xml = await answerTo(SP_ENTITY_ID);
    expect(xml).toContain('EncryptedAssertion');
    expect(xml.includes('olivia')).toBe(false);
    expect((await xmlsec1Decrypts(xml, reader.privateKeyPem)).includes('olivia')).toBe(true);
  });

  test('sends an assertion in plain to another', async () => {
    const xml = await answerTo('http://localhost:8080/saml/other/metadata');
    expect(xml).not.toContain('EncryptedAssertion');
    expect(xml).toContain('olivia');
  });
});
