/**
 * Unwraps keys that were encrypted with RSA-OAEP.
 *
 * The padding is removed here and not by OpenSSL, for two reasons that have nothing to do with speed. `node:crypto` uses one
 * hash for the label and for MGF1, but `rsa-oaep-mgf1p` of XML Encryption always uses MGF1 with SHA-1. And `node:crypto`
 * throws for an invalid padding, which takes a different time than a valid one.
 * @see RFC 8017 §7.1.2, xmlenc-core1 §5.5.2
 */
import { constants, createHash, type KeyObject, privateDecrypt, randomBytes, timingSafeEqual } from 'node:crypto';

export type OaepHash = 'sha1' | 'sha256';

export interface OaepParameters {
  /** Hash of the label, which is always empty. */
  readonly hash: OaepHash;
  readonly mgfHash: OaepHash;
}

export interface UnwrappedKey {
  /** Has the requested length. Random if `isValid` is false. */
  readonly key: Buffer;
  readonly isValid: boolean;
}

/**
 * Unwraps a key of a known length. Any failure, including a key of another length, returns a random key, so that the caller
 * continues in the same way.
 * @param lengthOctets the length of the unwrapped key
 */
export function unwrapKey(wrapped: Buffer, key: KeyObject, oaep: OaepParameters, lengthOctets: number): UnwrappedKey {
  const standIn = randomBytes(lengthOctets);
  const encoded = rawDecrypt(wrapped, key);
  const decoded = encoded && decodeOaep(encoded, oaep, lengthOctets);
  return decoded?.isValid ? decoded : { key: standIn, isValid: false };
}

/** Returns undefined for octets that cannot be a ciphertext for this key, which is public knowledge. */
function rawDecrypt(wrapped: Buffer, key: KeyObject): Buffer | undefined {
  if (key.asymmetricKeyType !== 'rsa' || wrapped.length * 8 !== key.asymmetricKeyDetails?.modulusLength) return undefined;
  try {
    return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, wrapped);
  } catch {
    return undefined; // As a number, it is not smaller than the modulus.
  }
}

/**
 * Because the length of the key is known, all octets before it are known too: a zero, then under the masks the hash of the
 * label, zeros and a one. They are compared together in constant time. If an attacker could tell which octet is wrong,
 * Manger's attack would recover the key.
 */
function decodeOaep(encoded: Buffer, { hash, mgfHash }: OaepParameters, lengthOctets: number): UnwrappedKey | undefined {
  const labelHash = createHash(hash).digest();
  const zeros = encoded.length - 2 * labelHash.length - 2 - lengthOctets;
  if (zeros < 0) return undefined; // The RSA key is too small.
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
  for (let length = 0, counter = 0; length < lengthOctets; counter++) {
    const octets = Buffer.alloc(4);
    octets.writeUInt32BE(counter);
    const part = createHash(hash).update(seed).update(octets).digest();
    parts.push(part);
    length += part.length;
  }
  return Buffer.concat(parts, lengthOctets);
}

const xor = (left: Buffer, right: Buffer): Buffer => Buffer.from(left.map((octet, i) => octet ^ (right[i] as number)));
