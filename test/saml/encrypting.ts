/**
 * Elements encrypted by hand, part by part: what no library would write must be possible here. What libraries write comes from
 * `encryption-judges.ts`, what identity providers write from `src/mock-idp`.
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
  /** The Algorithm that EncryptionMethod names, and its content; as `cipher` where nothing is said. */
  readonly method: string;
  readonly methodContent: string;
  readonly key: Buffer;
  /** Attributes of EncryptedData. */
  readonly dataAttributes: string;
  /** Octets before their encryption with CBC: by default padded as xmlenc has it, with zeros before the length. */
  readonly pad: (octets: Buffer) => Buffer;
  /** IV, ciphertext and tag, after the encryption. */
  readonly change: (octets: Buffer) => Buffer;
  /** In place of CipherData of EncryptedData. */
  readonly cipherData: string | undefined;
  /** EncryptedKey elements that stand inside KeyInfo of EncryptedData, and beside it. */
  readonly inside: string;
  readonly beside: string;
  /** In place of KeyInfo of EncryptedData with `inside`. */
  readonly keyInfo: string | undefined;
}

/** The content of an EncryptedAssertion or EncryptedID for that reader. */
export function encrypt(plaintext: string | Buffer, reader: KeyObject, bent: Partial<HandEncryption> = {}): string {
  const cipher = bent.cipher ?? 'aes256-gcm';
  const key = bent.key ?? randomBytes(keyOctetsOf(cipher));
  const e: HandEncryption = {
    cipher,
    method: methodOf(cipher),
    methodContent: '',
    key,
    dataAttributes: `Type="${XENC}Element"`,
    pad: padded,
    change: (octets) => octets,
    cipherData: undefined,
    inside: bent.beside === undefined ? encryptedKey(wrap(key, reader)) : '',
    beside: '',
    keyInfo: undefined,
    ...bent,
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

/** Padding whose last octet is `last`, and whose others are `others`. */
export function padded(octets: Buffer, last?: number, others = 0): Buffer {
  const padding = Buffer.alloc(16 - (octets.length % 16), others);
  padding.writeUInt8(last ?? padding.length, padding.length - 1);
  return Buffer.concat([octets, padding]);
}

export const cipherValue = (octets: Buffer): string =>
  `<xenc:CipherData xmlns:xenc="${XENC}"><xenc:CipherValue>${octets.toString('base64')}</xenc:CipherValue></xenc:CipherData>`;

export const publicHalf = (key: KeyObject): KeyObject => createPublicKey(key);

export const wrap = (key: Buffer, reader: KeyObject, oaepHash = 'sha1'): Buffer =>
  publicEncrypt({ key: reader, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, key);

export interface HandKey {
  readonly method: string;
  readonly methodContent: string;
  readonly attributes: string;
  readonly keyInfo: string;
  readonly cipherData: string;
}

/** An EncryptedKey around an already wrapped key. */
export function encryptedKey(wrapped: Buffer, bent: Partial<HandKey> = {}): string {
  const { method = `${XENC}rsa-oaep-mgf1p`, methodContent = '', attributes = '', keyInfo = '', cipherData = cipherValue(wrapped) } = bent;
  return `<xenc:EncryptedKey xmlns:xenc="${XENC}" xmlns:ds="${DSIG}" ${attributes}><xenc:EncryptionMethod Algorithm="${method}">${methodContent}</xenc:EncryptionMethod>${keyInfo}${cipherData}</xenc:EncryptedKey>`;
}

export const digestMethod = (uri: string): string => `<ds:DigestMethod xmlns:ds="${DSIG}" Algorithm="${uri}"/>`;
export const maskFunction = (uri: string): string => `<xenc11:MGF xmlns:xenc11="${XENC11}" Algorithm="${uri}"/>`;
