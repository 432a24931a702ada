/** Encrypts and decrypts XML with software that shares no code with the gateway: xml-encryption (npm), xmlsec1 and openssl. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { type CipherName, keyOctetsOf, methodOf, XENC } from './encrypting.ts';

const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
const run = promisify(execFile);

type Done = (error: Error | null, result: string) => void;
const xmlEncryption = createRequire(import.meta.url)('xml-encryption') as {
  encrypt(content: string, options: Record<string, string | boolean>, done: Done): void;
  decrypt(xml: string, options: Record<string, string | boolean>, done: Done): void;
};

/** Returns EncryptedData from xml-encryption, which node-saml and Auth0 use. */
export function xmlEncryptionEncrypts(
  plaintext: string,
  cipher: CipherName,
  certificatePem: string,
  publicKeyPem: string,
  keyEncryptionDigest: 'sha1' | 'sha256',
): Promise<string> {
  const options = {
    rsa_pub: publicKeyPem,
    pem: certificatePem,
    encryptionAlgorithm: methodOf(cipher),
    keyEncryptionAlgorithm: `${XENC}rsa-oaep-mgf1p`,
    keyEncryptionDigest,
  };
  return promisify(xmlEncryption.encrypt)(plaintext, options);
}

/** Returns the plaintext of the EncryptedData in a message. */
export const xmlEncryptionDecrypts = (xml: string, privateKeyPem: string): Promise<string> =>
  promisify(xmlEncryption.decrypt)(xml, { key: privateKeyPem, disallowDecryptionWithInsecureAlgorithm: true });

async function inFolder<T>(
  files: Readonly<Record<string, string | Buffer>>,
  work: (path: (name: string) => string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'samlgate-encryption-'));
  const path = (name: string) => join(folder, name);
  try {
    for (const [name, content] of Object.entries(files)) await writeFile(path(name), content, { mode: 0o600 });
    return await work(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const template = (cipher: CipherName): string =>
  `<xenc:EncryptedData xmlns:xenc="${XENC}" Type="${XENC}Element"><xenc:EncryptionMethod Algorithm="${methodOf(cipher)}"/><ds:KeyInfo xmlns:ds="${DSIG}"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="${XENC}rsa-oaep-mgf1p"/><ds:KeyInfo><ds:KeyName/></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>`;

/** Replaces the Assertion in a message with EncryptedData. xmlsec1 does not declare inherited namespaces in the plaintext. */
export function xmlsec1Encrypts(xml: string, cipher: CipherName, certificatePem: string): Promise<string> {
  return inFolder({ 'message.xml': xml, 'template.xml': template(cipher), 'reader.pem': certificatePem }, async (path) => {
    await run('xmlsec1', [
      '--encrypt',
      '--pubkey-cert-pem',
      path('reader.pem'),
      '--session-key',
      `aes-${keyOctetsOf(cipher) * 8}`,
      '--xml-data',
      path('message.xml'),
      '--node-xpath',
      "//*[local-name()='Assertion']",
      '--output',
      path('encrypted.xml'),
      path('template.xml'),
    ]);
    return readFile(path('encrypted.xml'), 'utf8');
  });
}

/** Replaces EncryptedData in a message with its plaintext. */
export function xmlsec1Decrypts(xml: string, privateKeyPem: string): Promise<string> {
  return inFolder({ 'message.xml': xml, 'reader.pem': privateKeyPem }, async (path) => {
    await run('xmlsec1', ['--decrypt', '--privkey-pem', path('reader.pem'), '--output', path('plain.xml'), path('message.xml')]);
    return readFile(path('plain.xml'), 'utf8');
  });
}

export interface OaepHashes {
  readonly digest: 'sha1' | 'sha256';
  readonly mgf: 'sha1' | 'sha256';
}

const oaepOptions = ({ digest, mgf }: OaepHashes): string[] =>
  ['rsa_padding_mode:oaep', `rsa_oaep_md:${digest}`, `rsa_mgf1_md:${mgf}`].flatMap((option) => ['-pkeyopt', option]);

/** Wraps a key with openssl, which can set the two hashes of OAEP separately. */
export function opensslWraps(key: Buffer, certificatePem: string, hashes: OaepHashes): Promise<Buffer> {
  return inFolder({ key, 'reader.pem': certificatePem }, async (path) => {
    const files = ['-certin', '-inkey', path('reader.pem'), '-in', path('key'), '-out', path('wrapped')];
    await run('openssl', ['pkeyutl', '-encrypt', ...files, ...oaepOptions(hashes)]);
    return readFile(path('wrapped'));
  });
}

export function opensslUnwraps(wrapped: Buffer, { privateKeyPem }: KeyAndCertificate, hashes: OaepHashes): Promise<Buffer> {
  return inFolder({ wrapped, 'reader.pem': privateKeyPem }, async (path) => {
    const files = ['-inkey', path('reader.pem'), '-in', path('wrapped'), '-out', path('key')];
    await run('openssl', ['pkeyutl', '-decrypt', ...files, ...oaepOptions(hashes)]);
    return readFile(path('key'));
  });
}
