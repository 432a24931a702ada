/**
 * Encrypts elements by hand, part by part, so that the tests can write what no library would. Output of libraries comes from
 * `encryption-judges.ts`, output of identity providers from `src/mock-idp`.
 */
import { constants, createCipheriv, createPublicKey, type KeyObject, publicEncrypt, randomBytes } from 'node:crypto';

export const XENC = 'http://www.w3.org/2001/04/xmlenc#';
export const XENC11 = 'http://www.w3.org/2009/xmlenc11#';
const DSIG = 'http://www.w3.org/2000/09/xmldsig#';

const CIPHERS = {
  'aes128-gcm': { method: `${XENC11}aes128-gcm`, keyOctets: 16 },
  'aes256-gcm': { method: `${XENC11}aes256-gcm`, keyOctets: 32 },
  'aes128-cbc': { method: `${XENC}aes128-cbc`, keyOctets: 16 },
  'aes256-cbc': { method: `${XENC}aes256-cbc`, keyOctets: 32 },
} as const;

export type CipherName = keyof typeof CIPHERS;
export const CIPHER_NAMES = Object.keys(CIPHERS) as readonly CipherName[];
export const methodOf = (name: CipherName): string => CIPHERS[name].method;
export const keyOctetsOf = (name: CipherName): number => CIPHERS[name].keyOctets;

export interface HandEncryption {
  readonly cipher: CipherName;
  /** The Algorithm of EncryptionMethod, `cipher` by default, and its content. */
  readonly method: string;
  readonly methodContent: string;
  readonly key: Buffer;
  /** Attributes of EncryptedData. */
  readonly dataAttributes: string;
  /** Pads octets for CBC. By default as in xmlenc, with zeros before the length. */
  readonly pad: (octets: Buffer) => Buffer;
  /** Changes IV, ciphertext and tag after the encryption. */
  readonly change: (octets: Buffer) => Buffer;
  /** Replaces the CipherData of EncryptedData. */
  readonly cipherData: string | undefined;
  /** EncryptedKey elements inside the KeyInfo of EncryptedData, and beside EncryptedData. */
  readonly inside: string;
  readonly beside: string;
  /** Replaces the KeyInfo of EncryptedData that contains `inside`. */
  readonly keyInfo: string | undefined;
}

/** Returns the content of an EncryptedAssertion or EncryptedID for a recipient. */
export function encrypt(plaintext: string | Buffer, recipient: KeyObject, changes: Partial<HandEncryption> = {}): string {
  const cipher = changes.cipher ?? 'aes256-gcm';
  const key = changes.key ?? randomBytes(keyOctetsOf(cipher));
  const e: HandEncryption = {
    cipher,
    method: methodOf(cipher),
    methodContent: '',
    key,
    dataAttributes: `Type="${XENC}Element"`,
    pad: padded,
    change: (octets) => octets,
    cipherData: undefined,
    inside: changes.beside === undefined ? encryptedKey(wrap(key, recipient)) : '',
    beside: '',
    keyInfo: undefined,
    ...changes,
  };
  const octets = e.change(encryptOctets(e, Buffer.from(plaintext as string)));
  const keyInfo = e.keyInfo ?? (e.inside === '' ? '' : `<ds:KeyInfo xmlns:ds="${DSIG}">${e.inside}</ds:KeyInfo>`);
  const cipherData = e.cipherData ?? cipherValue(octets);
  return `<xenc:EncryptedData xmlns:xenc="${XENC}" ${e.dataAttributes}><xenc:EncryptionMethod Algorithm="${e.method}">${e.methodContent}</xenc:EncryptionMethod>${keyInfo}${cipherData}</xenc:EncryptedData>${e.beside}`;
}

function encryptOctets({ cipher, key, pad }: HandEncryption, octets: Buffer): Buffer {
  const bits = key.length * 8;
  if (cipher.endsWith('gcm')) {
    const iv = randomBytes(12);
    const gcm = createCipheriv(`aes-${bits as 128}-gcm`, key, iv);
    return Buffer.concat([iv, gcm.update(octets), gcm.final(), gcm.getAuthTag()]);
  }
  const iv = randomBytes(16);
  const cbc = createCipheriv(`aes-${bits}-cbc`, key, iv).setAutoPadding(false);
  return Buffer.concat([iv, cbc.update(pad(octets)), cbc.final()]);
}

/** Adds padding with this last octet and these other octets. */
export function padded(octets: Buffer, last?: number, others = 0): Buffer {
  const padding = Buffer.alloc(16 - (octets.length % 16), others);
  padding.writeUInt8(last ?? padding.length, padding.length - 1);
  return Buffer.concat([octets, padding]);
}

export const cipherValue = (octets: Buffer): string =>
  `<xenc:CipherData xmlns:xenc="${XENC}"><xenc:CipherValue>${octets.toString('base64')}</xenc:CipherValue></xenc:CipherData>`;

export const publicHalf = (key: KeyObject): KeyObject => createPublicKey(key);

export const wrap = (key: Buffer, recipient: KeyObject, oaepHash = 'sha1'): Buffer =>
  publicEncrypt({ key: recipient, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, key);

export interface HandKey {
  readonly method: string;
  readonly methodContent: string;
  readonly attributes: string;
  readonly keyInfo: string;
  readonly cipherData: string;
}

/** Returns an EncryptedKey that contains a wrapped key. */
export function encryptedKey(wrapped: Buffer, changes: Partial<HandKey> = {}): string {
  const {
    method = `${XENC}rsa-oaep-mgf1p`,
    methodContent = '',
    attributes = '',
    keyInfo = '',
    cipherData = cipherValue(wrapped),
  } = changes;
  return `<xenc:EncryptedKey xmlns:xenc="${XENC}" xmlns:ds="${DSIG}" ${attributes}><xenc:EncryptionMethod Algorithm="${method}">${methodContent}</xenc:EncryptionMethod>${keyInfo}${cipherData}</xenc:EncryptedKey>`;
}

export const digestMethod = (uri: string): string => `<ds:DigestMethod xmlns:ds="${DSIG}" Algorithm="${uri}"/>`;
export const maskFunction = (uri: string): string => `<xenc11:MGF xmlns:xenc11="${XENC11}" Algorithm="${uri}"/>`;
