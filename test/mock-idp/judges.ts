/** Two independent signature verifiers. Only xml-crypto shares code with the mock identity provider. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignedXml } from 'xml-crypto';

export type SignedElement = 'Response' | 'Assertion';

/** Checks with xmlsec1 whether the signature of an element is valid for a certificate or public key (PEM). */
export async function xmlsec1Verifies(
  xml: string,
  signed: SignedElement | 'EntityDescriptor' | 'AuthnRequest' | 'LogoutRequest' | 'LogoutResponse',
  keyPem: string,
): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'samlgate-xmlsec1-'));
  try {
    await writeFile(join(folder, 'message.xml'), xml);
    await writeFile(join(folder, 'key.pem'), keyPem);
    const keyOption = keyPem.includes('BEGIN CERTIFICATE') ? '--pubkey-cert-pem' : '--pubkey-pem';
    const uri = signed === 'EntityDescriptor' ? 'metadata' : signed === 'Assertion' ? 'assertion' : 'protocol';
    return await succeeds('xmlsec1', [
      '--verify',
      // Ignores the KeyInfo of the message.
      '--enabled-key-data',
      'key-name',
      keyOption,
      join(folder, 'key.pem'),
      '--id-attr:ID',
      `urn:oasis:names:tc:SAML:2.0:${uri}:${signed}`,
      '--node-xpath',
      `//*[local-name()='${signed}']/*[local-name()='Signature']`,
      join(folder, 'message.xml'),
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function succeeds(command: string, options: readonly string[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    execFile(command, options, (error) => {
      // A string code means that the command is missing, which is not a verdict.
      if (typeof error?.code === 'string') reject(error);
      else resolve(error === null);
    });
  });
}

/** Returns the canonical octets that the certificate signed according to xml-crypto, or undefined if the signature is invalid. */
export function xmlCryptoVerifies(xml: string, signed: SignedElement, certificatePem: string): string | undefined {
  const verifier = new SignedXml({ publicCert: certificatePem, getCertFromKeyInfo: () => null });
  verifier.loadSignature(signatureOf(xml, signed));
  try {
    return verifier.checkSignature(xml) ? verifier.getSignedReferences()[0] : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the signature directly after the element's Issuer. */
export function signatureOf(xml: string, signed: SignedElement): string {
  const inside = xml.slice(xml.search(new RegExp(`<[a-z0-9]*:?${signed} `)));
  return /^<[^>]+><(?:\w+:)?Issuer\b[^>]*>[^<]*<\/(?:\w+:)?Issuer>(<(?:ds:)?Signature .*?<\/(?:ds:)?Signature>)/s.exec(inside)?.[1] ?? '';
}
