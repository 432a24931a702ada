/** Encrypts the assertion of a response for the certificate of a service provider. */
import { constants, createCipheriv, publicEncrypt } from 'node:crypto';
import { ASSERTION, XMLDSIG, XMLENC, XMLENC11 } from '../saml/names.ts';
import { certificateBody } from './certificate-text.ts';
import { element, type Markup, pieces, text } from './xml-writer.ts';

const CONTENT_CIPHERS = {
  'aes128-gcm': { uri: `${XMLENC11}aes128-gcm`, cipher: 'aes-128-gcm', keyOctets: 16 },
  'aes256-gcm': { uri: `${XMLENC11}aes256-gcm`, cipher: 'aes-256-gcm', keyOctets: 32 },
  'aes128-cbc': { uri: `${XMLENC}aes128-cbc`, cipher: 'aes-128-cbc', keyOctets: 16 },
  'aes256-cbc': { uri: `${XMLENC}aes256-cbc`, cipher: 'aes-256-cbc', keyOctets: 32 },
} as const;

export type ContentEncryption = keyof typeof CONTENT_CIPHERS;

/** Defaults are those of Okta and Entra ID: AES-256-CBC, rsa-oaep-mgf1p with SHA-1, and the EncryptedKey inside the EncryptedData. */
export interface Encryption {
  /** Certificate of the service provider. */
  readonly certificatePem: string;
  readonly content?: ContentEncryption;
  /** `rsa-oaep` is the algorithm of XML Encryption 1.1, with SHA-256 for the digest and for MGF1. */
  readonly keyTransport?: 'rsa-oaep-mgf1p' | 'rsa-oaep';
  /** Puts the EncryptedKey into the KeyInfo of the EncryptedData, or beside the EncryptedData. */
  readonly keyPlace?: 'inside' | 'beside';
}

const ASSERTION_ELEMENT = /<((?:\w+:)?)Assertion[ >].*<\/\1Assertion>/s;

/**
 * Replaces the only assertion, including its signature, with an EncryptedAssertion.
 * @param xml a response of this mock identity provider
 * @throws Error if the response has no assertion
 * @see saml-core §2.3.4, xmlenc-core1 §3
 */
export function encryptAssertion(xml: string, encryption: Encryption, randomBytes: (size: number) => Uint8Array): string {
  const [assertion, prefix = ''] = ASSERTION_ELEMENT.exec(xml) ?? [];
  if (assertion === undefined) throw new Error('The response has no assertion to encrypt.');
  const name = prefix === '' ? 'xmlns' : `xmlns:${prefix.slice(0, -1)}`;
  const declaration = { [name]: ASSERTION };
  const encrypted = element(`${prefix}EncryptedAssertion`, declaration, ...encryptElement(assertion, encryption, randomBytes));
  return xml.replace(assertion, () => encrypted);
}

/** Returns the EncryptedData and, if it is placed beside it, the EncryptedKey. */
function encryptElement(plaintext: string, encryption: Encryption, randomBytes: (size: number) => Uint8Array): Markup[] {
  const { content = 'aes256-cbc', keyPlace = 'inside' } = encryption;
  const { uri, keyOctets } = CONTENT_CIPHERS[content];
  const key = randomBytes(keyOctets);
  const wrapped = encryptedKey(key, encryption);
  const data = element(
    'xenc:EncryptedData',
    { 'xmlns:xenc': XMLENC, Type: `${XMLENC}Element` },
    element('xenc:EncryptionMethod', { Algorithm: uri }),
    keyPlace === 'inside' ? element('ds:KeyInfo', { 'xmlns:ds': XMLDSIG }, wrapped) : undefined,
    cipherData(encryptOctets(content, key, Buffer.from(plaintext), randomBytes)),
  );
  return keyPlace === 'inside' ? [data] : [data, wrapped];
}

/** Returns IV, ciphertext and, for GCM, the tag. Node.js pads CBC with PKCS #7, one of the paddings that XML Encryption allows. */
function encryptOctets(content: ContentEncryption, key: Uint8Array, octets: Buffer, randomBytes: (size: number) => Uint8Array): Buffer {
  const { cipher } = CONTENT_CIPHERS[content];
  if (cipher === 'aes-128-cbc' || cipher === 'aes-256-cbc') {
    const iv = randomBytes(16);
    const cbc = createCipheriv(cipher, key, iv);
    return Buffer.concat([iv, cbc.update(octets), cbc.final()]);
  }
  const iv = randomBytes(12);
  const gcm = createCipheriv(cipher, key, iv);
  return Buffer.concat([iv, gcm.update(octets), gcm.final(), gcm.getAuthTag()]);
}

function encryptedKey(key: Uint8Array, { certificatePem, keyTransport = 'rsa-oaep-mgf1p' }: Encryption): Markup {
  const isOlder = keyTransport === 'rsa-oaep-mgf1p';
  const octets = publicEncrypt(
    { key: certificatePem, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: isOlder ? 'sha1' : 'sha256' },
    key,
  );
  const digest = isOlder ? `${XMLDSIG}sha1` : `${XMLENC}sha256`;
  const method = element(
    'xenc:EncryptionMethod',
    { Algorithm: `${isOlder ? XMLENC : XMLENC11}${keyTransport}` },
    element('ds:DigestMethod', { Algorithm: digest, 'xmlns:ds': XMLDSIG }),
    isOlder ? undefined : element('xenc11:MGF', { Algorithm: `${XMLENC11}mgf1sha256`, 'xmlns:xenc11': XMLENC11 }),
  );
  const certificate = element('ds:X509Certificate', {}, certificateBody(certificatePem, undefined));
  const keyInfo = element('ds:KeyInfo', { 'xmlns:ds': XMLDSIG }, element('ds:X509Data', {}, certificate));
  return element('xenc:EncryptedKey', { 'xmlns:xenc': XMLENC }, pieces(method, keyInfo, cipherData(octets)));
}

function cipherData(octets: Buffer): Markup {
  return element('xenc:CipherData', {}, element('xenc:CipherValue', {}, text(octets.toString('base64'))));
}
