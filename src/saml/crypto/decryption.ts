/**
 * Decrypts XML. No other file does. The public parts of an encrypted element are read first, and each error in them has its own
 * text. After a private key was used, a failure is only a flag, and the caller decides how much of it to reveal.
 * @see xmlenc-core1 §3, §5; saml-core §2.3.4, §2.2.4
 */
import { createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { XMLDSIG, XMLENC, XMLENC11 } from '../names.ts';
import { decodeBase64 } from '../xml/base64.ts';
import { decodeUtf8, parseXml } from '../xml/xml.ts';
import { attributeOf, childElements, childrenNamed, isNamed, onlyChild, textOf, type XmlElement } from '../xml/xml-tree.ts';
import { type OaepHash, type OaepParameters, type UnwrappedKey, unwrapKey } from './rsa-oaep.ts';

interface GcmCipher {
  readonly mode: 'gcm';
  readonly name: 'aes-128-gcm' | 'aes-256-gcm';
  readonly keyOctets: number;
}

interface CbcCipher {
  readonly mode: 'cbc';
  readonly name: 'aes-128-cbc' | 'aes-256-cbc';
  readonly keyOctets: number;
}

const CIPHERS: ReadonlyMap<string, GcmCipher | CbcCipher> = new Map<string, GcmCipher | CbcCipher>([
  [`${XMLENC11}aes128-gcm`, { mode: 'gcm', name: 'aes-128-gcm', keyOctets: 16 }],
  [`${XMLENC11}aes256-gcm`, { mode: 'gcm', name: 'aes-256-gcm', keyOctets: 32 }],
  [`${XMLENC}aes128-cbc`, { mode: 'cbc', name: 'aes-128-cbc', keyOctets: 16 }],
  [`${XMLENC}aes256-cbc`, { mode: 'cbc', name: 'aes-256-cbc', keyOctets: 32 }],
]);

const OAEP_MGF1P = `${XMLENC}rsa-oaep-mgf1p`;
const OAEP = `${XMLENC11}rsa-oaep`;

const OAEP_DIGESTS: ReadonlyMap<string, OaepHash> = new Map([
  [`${XMLDSIG}sha1`, 'sha1'],
  [`${XMLENC}sha256`, 'sha256'],
]);

const MASK_FUNCTIONS: ReadonlyMap<string, OaepHash> = new Map([
  [`${XMLENC11}mgf1sha1`, 'sha1'],
  [`${XMLENC11}mgf1sha256`, 'sha256'],
]);

/** Not specified, but the npm package xml-encryption (Auth0) writes it, and then also uses SHA-256 in MGF1. */
const SHA256_OF_XML_ENCRYPTION = `${XMLDSIG}sha256`;

const GCM_IV_OCTETS = 12;
const GCM_TAG_OCTETS = 16;
const BLOCK_OCTETS = 16;
/** An assertion for several recipients has a key for each. Each costs one RSA operation per key of ours. */
const MAX_WRAPPED_KEYS = 4;

interface WrappedKey {
  readonly octets: Buffer;
  readonly oaep: OaepParameters;
}

/** An encrypted element, read without any key. */
export interface EncryptedElement {
  /** The EncryptedAssertion or EncryptedID. */
  readonly wrapper: XmlElement;
  readonly cipher: GcmCipher | CbcCipher;
  readonly wrappedKeys: readonly WrappedKey[];
  /** The IV, the ciphertext and, with GCM, the tag. */
  readonly octets: Buffer;
}

export interface Decrypted {
  /** Meaningless if `isValid` is false. With CBC it then still has the length of a plaintext, so that the caller can do the same work. */
  readonly octets: Buffer;
  /** Whether a key matched and the padding (CBC) or the tag (GCM) was valid. */
  readonly isValid: boolean;
}

const malformed = (detail: string) => new GatewayError('saml_malformed', detail);
const ambiguous = (detail: string) => new GatewayError('saml_structure_ambiguous', detail);
const forbidden = (detail: string) => new GatewayError('saml_algorithm_forbidden', detail);
const several = (what: string) => () => ambiguous(`An encrypted element has more than one ${what}.`);

/** Whether a message could need decryption keys. Element names have only one spelling in XML. */
export const mayBeEncrypted = (unverifiedXml: string): boolean => unverifiedXml.includes('EncryptedData');

/**
 * Decrypts and parses an element that is in a signed message or uses an authenticated cipher. For other elements, the
 * different errors would be a decryption oracle.
 * @throws saml_malformed, saml_structure_ambiguous, saml_algorithm_forbidden, saml_dtd_forbidden, saml_decryption_failed
 */
export function decryptAndParse(encrypted: EncryptedElement, keys: readonly KeyObject[]): XmlElement {
  const { octets, isValid } = decryptElement(encrypted, keys);
  if (!isValid) {
    throw new GatewayError(
      'saml_decryption_failed',
      'None of the gateway’s keys for this organization can decrypt the encrypted element, or the element was altered.',
    );
  }
  return parseXml(decodeUtf8(octets), { place: encrypted.wrapper });
}

/**
 * Reads an EncryptedAssertion or EncryptedID without any key. The wrapped keys are inside EncryptedData or beside it. Nothing is
 * fetched and no reference (RetrievalMethod, CarriedKeyName) is followed. Hints (Recipient, KeyName) are ignored, so every key
 * is tried.
 * @throws saml_malformed, saml_structure_ambiguous, saml_algorithm_forbidden
 */
export function readEncryptedElement(wrapper: XmlElement): EncryptedElement {
  const data = onlyChild(wrapper, XMLENC, 'EncryptedData', several('EncryptedData'));
  if (!data) throw malformed('An encrypted element has no EncryptedData.');
  const beside = childrenNamed(wrapper, XMLENC, 'EncryptedKey');
  if (childElements(wrapper).length > 1 + beside.length) throw malformed('An encrypted element contains more than data and keys.');
  const type = attributeOf(data, 'Type');
  if (type !== undefined && type !== `${XMLENC}Element`) throw malformed('The encrypted content is not an element.');
  const method = onlyChild(data, XMLENC, 'EncryptionMethod', several('EncryptionMethod'));
  const cipher = readCipher(method);
  const keyInfo = onlyChild(data, XMLDSIG, 'KeyInfo', several('KeyInfo'));
  const inside = keyInfo ? childrenNamed(keyInfo, XMLENC, 'EncryptedKey') : [];
  return { wrapper, cipher, wrappedKeys: readWrappedKeys([...inside, ...beside]), octets: cipherOctets(cipher, cipherValue(data)) };
}

function readCipher(method: XmlElement | undefined): GcmCipher | CbcCipher {
  const cipher = CIPHERS.get((method && attributeOf(method, 'Algorithm')) ?? '');
  if (!method || !cipher) throw forbidden('Only AES-128 and AES-256 in GCM or CBC mode are allowed for encryption.');
  for (const parameter of childElements(method)) {
    if (!isNamed(parameter, XMLENC, 'KeySize') || textOf(parameter).trim() !== String(cipher.keyOctets * 8))
      throw forbidden('The encryption method has unknown parameters.');
  }
  return cipher;
}

/** Lengths are public, so an error may reveal them. */
function cipherOctets({ mode }: GcmCipher | CbcCipher, octets: Buffer): Buffer {
  const isPossible =
    mode === 'gcm'
      ? octets.length > GCM_IV_OCTETS + GCM_TAG_OCTETS
      : octets.length >= 2 * BLOCK_OCTETS && octets.length % BLOCK_OCTETS === 0;
  if (!isPossible) throw malformed('The length of the encrypted data is invalid.');
  return octets;
}

/** Reads the octets in the message (xmlenc §3.3). A CipherReference would make us fetch and transform something. */
function cipherValue(parent: XmlElement): Buffer {
  const data = onlyChild(parent, XMLENC, 'CipherData', several('CipherData'));
  const [value, ...more] = data ? childElements(data) : [];
  if (!value || more.length > 0) throw malformed('CipherData must have exactly one CipherValue.');
  if (isNamed(value, XMLENC, 'CipherReference')) throw forbidden('CipherReference is not allowed.');
  if (!isNamed(value, XMLENC, 'CipherValue')) throw malformed('CipherData must have exactly one CipherValue.');
  return decodeBase64(textOf(value));
}

/** Ignores keys with a forbidden method if there is another one, because they may be for another recipient. */
function readWrappedKeys(elements: readonly XmlElement[]): WrappedKey[] {
  if (elements.length === 0) throw malformed('An encrypted element has no EncryptedKey.');
  if (elements.length > MAX_WRAPPED_KEYS) throw malformed('An encrypted element has too many keys.');
  const keys = elements.flatMap((element) => {
    const oaep = readOaep(onlyChild(element, XMLENC, 'EncryptionMethod', several('EncryptionMethod')));
    return oaep ? [{ octets: cipherValue(element), oaep }] : [];
  });
  if (keys.length === 0) {
    throw forbidden('The key must be encrypted with RSA-OAEP, with SHA-1 or SHA-256 and without a label; RSA 1.5 is not allowed.');
  }
  return keys;
}

/** Defaults to SHA-1. MGF1 has its own hash, which only the newer identifier can set. @see xmlenc-core1 §5.5.2 */
function readOaep(method: XmlElement | undefined): OaepParameters | undefined {
  const algorithm = method && attributeOf(method, 'Algorithm');
  if (!method || (algorithm !== OAEP_MGF1P && algorithm !== OAEP)) return undefined;
  const digest = onlyChild(method, XMLDSIG, 'DigestMethod', several('DigestMethod'));
  const mask = onlyChild(method, XMLENC11, 'MGF', several('MGF'));
  const label = onlyChild(method, XMLENC, 'OAEPparams', several('OAEPparams'));
  if (childElements(method).some((child) => child !== digest && child !== mask && child !== label)) return undefined;
  if (label && textOf(label).trim() !== '') return undefined;
  const digestName = digest ? attributeOf(digest, 'Algorithm') : `${XMLDSIG}sha1`;
  if (algorithm === OAEP_MGF1P && digestName === SHA256_OF_XML_ENCRYPTION && !mask) return { hash: 'sha256', mgfHash: 'sha256' };
  const hash = OAEP_DIGESTS.get(digestName ?? '');
  const mgfHash = MASK_FUNCTIONS.get((mask ? attributeOf(mask, 'Algorithm') : `${XMLENC11}mgf1sha1`) ?? '');
  if (!hash || !mgfHash || (algorithm === OAEP_MGF1P && mgfHash !== 'sha1')) return undefined;
  return { hash, mgfHash };
}

/**
 * Decrypts an element and never throws. After a failure it continues with a random key to the end, and sets a flag.
 * @param keys RSA private keys: the current one and previous ones
 */
export function decryptElement({ cipher, wrappedKeys, octets }: EncryptedElement, keys: readonly KeyObject[]): Decrypted {
  const unwrapped = unwrapAny(wrappedKeys, keys, cipher.keyOctets);
  const decrypted = cipher.mode === 'gcm' ? decryptGcm(cipher, unwrapped.key, octets) : decryptCbc(cipher, unwrapped.key, octets);
  return { octets: decrypted.octets, isValid: decrypted.isValid && unwrapped.isValid };
}

/** Tries every key even after one matched, so that the time does not reveal which one did. */
function unwrapAny(wrappedKeys: readonly WrappedKey[], keys: readonly KeyObject[], lengthOctets: number): UnwrappedKey {
  let found: UnwrappedKey = { key: randomBytes(lengthOctets), isValid: false };
  for (const wrapped of wrappedKeys) {
    for (const key of keys) {
      const unwrapped = unwrapKey(wrapped.octets, key, wrapped.oaep, lengthOctets);
      if (unwrapped.isValid && !found.isValid) found = unwrapped;
    }
  }
  return found;
}

/** xmlenc-core1 §5.2.4: an IV of 96 bits, and always the full tag of 128 bits. */
function decryptGcm({ name }: GcmCipher, key: Buffer, octets: Buffer): Decrypted {
  const decipher = createDecipheriv(name, key, octets.subarray(0, GCM_IV_OCTETS), { authTagLength: GCM_TAG_OCTETS });
  decipher.setAuthTag(octets.subarray(-GCM_TAG_OCTETS));
  const plaintext = decipher.update(octets.subarray(GCM_IV_OCTETS, -GCM_TAG_OCTETS));
  try {
    decipher.final();
    return { octets: plaintext, isValid: true };
  } catch {
    return { octets: Buffer.alloc(0), isValid: false };
  }
}

/** xmlenc-core1 §5.2.2: the last octet is the number of padding octets. The other padding octets are arbitrary. */
function decryptCbc({ name }: CbcCipher, key: Buffer, octets: Buffer): Decrypted {
  const decipher = createDecipheriv(name, key, octets.subarray(0, BLOCK_OCTETS)).setAutoPadding(false);
  const padded = Buffer.concat([decipher.update(octets.subarray(BLOCK_OCTETS)), decipher.final()]);
  const padding = padded.readUInt8(padded.length - 1);
  const isValid = padding >= 1 && padding <= BLOCK_OCTETS;
  return { octets: padded.subarray(0, padded.length - (isValid ? padding : BLOCK_OCTETS)), isValid };
}
