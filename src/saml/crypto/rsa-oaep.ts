/**
 * Unwraps keys that were encrypted with RSA-OAEP. The padding is undone here and not by OpenSSL for two reasons: `node:crypto`
 * has one hash for the label and for MGF1, while XML Encryption's `rsa-oaep-mgf1p` has MGF1 with SHA-1 always; and it answers
 * a bad padding by an exception, which takes another time than a good one does.
 * @see RFC 8017 §7.1.2, xmlenc-core1 §5.5.2
 */
import { constants, createHash, type KeyObject, privateDecrypt, randomBytes, timingSafeEqual } from 'node:crypto';

export type OaepHash = 'sha1' | 'sha256';

export interface OaepParameters {
  /** Of the label, which is empty always. */
  readonly hash: OaepHash;
  readonly mgfHash: OaepHash;
}

export interface UnwrappedKey {
  /** Of the length that was asked for; noise where `isValid` is false. */
  readonly key: Buffer;
  readonly isValid: boolean;
}

/**
 * Unwraps a key whose length is known before. Whatever is wrong, a key of another length included, gives a random key, so that
 * the caller can go on in the same way.
 * @param lengthOctets of the wrapped key
 */
export function unwrapKey(wrapped: Buffer, key: KeyObject, oaep: OaepParameters, lengthOctets: number): UnwrappedKey {
  const stand = randomBytes(lengthOctets);
  const encoded = rawDecrypt(wrapped, key);
  const decoded = encoded && decodeOaep(encoded, oaep, lengthOctets);
  return decoded?.isValid ? decoded : { key: stand, isValid: false };
}

/** Undefined for what is no ciphertext of this key by its length or size, which everybody can see. */
function rawDecrypt(wrapped: Buffer, key: KeyObject): Buffer | undefined {
  if (key.asymmetricKeyType !== 'rsa' || wrapped.length * 8 !== key.asymmetricKeyDetails?.modulusLength) return undefined;
  try {
    return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, wrapped);
  } catch {
    return undefined; // as a number it is not below the modulus
  }
}

/**
 * As the length of the key is known, all octets before it are: zero, then under the masks the hash of the label, zeros and a
 * one. They are compared at once, in constant time; to tell one wrong octet from another is Manger's attack.
 */
function decodeOaep(encoded: Buffer, { hash, mgfHash }: OaepParameters, lengthOctets: number): UnwrappedKey | undefined {
  const labelHash = createHash(hash).digest();
  const zeros = encoded.length - 2 * labelHash.length - 2 - lengthOctets;
  if (zeros < 0) return undefined; // the RSA key is too small for this
  const maskedSeed = encoded.subarray(1, 1 + labelHash.length);
  const maskedBlock = encoded.subarray(1 + labelHash.length);
  const seed = xor(maskedSeed, maskOf(maskedBlock, maskedSeed.length, mgfHash));
  const block = xor(maskedBlock, maskOf(seed, maskedBlock.length, mgfHash));
  const expected = Buffer.concat([Buffer.of(0), labelHash, Buffer.alloc(zeros), Buffer.of(1)]);
  const before = Buffer.concat([encoded.subarray(0, 1), block.subarray(0, -lengthOctets)]);
  return { key: block.subarray(-lengthOctets), isValid: timingSafeEqual(before, expected) };
}

/** MGF1. @see RFC 8017 §B.2.1 */
function maskOf(seed: Buffer, lengthOctets: number, hash: OaepHash): Buffer {
  const parts: Buffer[] = [];
  for (let made = 0, counter = 0; made < lengthOctets; counter++) {
    const octets = Buffer.alloc(4);
    octets.writeUInt32BE(counter);
    const part = createHash(hash).update(seed).update(octets).digest();
    parts.push(part);
    made += part.length;
  }
  return Buffer.concat(parts, lengthOctets);
}

const xor = (left: Buffer, right: Buffer): Buffer => Buffer.from(left.map((octet, i) => octet ^ (right[i] as number)));
