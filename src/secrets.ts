/** Derives keys from the master secret: to sign cookies, to wrap private keys at rest, and to seal short-lived data. */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose';
import { GatewayError } from './errors.ts';

export interface Secrets {
  /** The first key signs cookies; all keys verify them. */
  readonly cookieKeys: readonly [current: string, ...previous: string[]];
  /** Wraps a private key as JWE (`dir`, A256GCM). {@link unwrap} needs the same `purpose`, so that no key can replace one of another kind. */
  wrap(purpose: string, plaintext: string): Promise<string>;
  /** @throws internal unless it was wrapped for this purpose with the current or the previous secret */
  unwrap(purpose: string, wrapped: string): Promise<string>;
  /**
   * Encrypts with a key for this purpose only (HKDF, AES-256-GCM). Costs a tenth of {@link wrap}, for data that is written often.
   * A purpose may be used some billion times (NIST SP 800-38D §8.3).
   */
  seal(purpose: string, plaintext: string): string;
  /** @throws internal unless it was sealed for this purpose with the current or the previous secret */
  unseal(purpose: string, sealed: string): string;
  /** Returns a MAC of a text (HMAC-SHA-256, base64url) with a key for this purpose only, from the current secret. */
  mac(purpose: string, text: string): string;
  /** Returns whether the value was wrapped with the previous secret. */
  isOutdated(wrapped: string): boolean;
}

/** Keys are KeyObjects, because each operation of Node.js with a key in a Buffer takes 13 µs more. */
const derive = (secret: KeyObject, label: string): KeyObject =>
  createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', `samlgate ${label}`, 32)));

const cookieKey = (secret: KeyObject): string => derive(secret, 'cookie').export().toString('base64url');

const NONCE_OCTETS = 12;
const TAG_OCTETS = 16;
const sealingKey = (key: KeyObject, purpose: string): KeyObject => derive(key, `sealing ${purpose}`);

/** @param previous the former secret while it is being replaced: it still unwraps and verifies, but wraps and signs nothing */
export function createSecrets(currentSecret: Buffer, previousSecret: Buffer | undefined): Secrets {
  const current = createSecretKey(currentSecret);
  const previous = previousSecret && createSecretKey(previousSecret);
  const all = previous ? [current, previous] : [current];
  const wrapping = new Map(
    all.map((secret) => [derive(secret, 'wrapping key id').export().toString('base64url').slice(0, 16), derive(secret, 'wrapping')]),
  );
  const [kid, key] = [...wrapping][0] as [string, KeyObject];
  const macKeys = new Map<string, KeyObject>();
  return {
    cookieKeys: [cookieKey(current), ...(previous ? [cookieKey(previous)] : [])],
    wrap: (purpose, plaintext) =>
      new CompactEncrypt(Buffer.from(plaintext)).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid, purpose }).encrypt(key),
    async unwrap(purpose, wrapped) {
      const opener = wrapping.get(decodeProtectedHeader(wrapped).kid ?? '');
      if (!opener) throw new GatewayError('internal', { cause: 'a key in the store was wrapped with another SAMLGATE_SECRET' });
      const { plaintext, protectedHeader } = await compactDecrypt(wrapped, opener, {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
      });
      if (protectedHeader.purpose !== purpose)
        throw new GatewayError('internal', { cause: 'a wrapped key has the purpose of another key' });
      return Buffer.from(plaintext).toString('utf8');
    },
    seal(purpose, plaintext) {
      const nonce = randomBytes(NONCE_OCTETS);
      const cipher = createCipheriv('aes-256-gcm', sealingKey(key, purpose), nonce);
      const octets = Buffer.concat([nonce, cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return `${kid}.${octets.toString('base64url')}`;
    },
    unseal(purpose, sealed) {
      const [sealedBy = '', text = ''] = sealed.split('.');
      const opener = wrapping.get(sealedBy);
      if (!opener) throw new GatewayError('internal', { cause: 'sealed data in the store was sealed with another SAMLGATE_SECRET' });
      const octets = Buffer.from(text, 'base64url');
      try {
        const nonce = octets.subarray(0, NONCE_OCTETS);
        const decipher = createDecipheriv('aes-256-gcm', sealingKey(opener, purpose), nonce, { authTagLength: TAG_OCTETS });
        decipher.setAuthTag(octets.subarray(-TAG_OCTETS));
        return Buffer.concat([decipher.update(octets.subarray(NONCE_OCTETS, -TAG_OCTETS)), decipher.final()]).toString('utf8');
      } catch (cause) {
        throw new GatewayError('internal', { cause });
      }
    },
    mac(purpose, text) {
      const macKey = macKeys.get(purpose) ?? derive(current, `mac ${purpose}`);
      macKeys.set(purpose, macKey);
      return createHmac('sha256', macKey).update(text).digest('base64url');
    },
    isOutdated: (wrapped) => decodeProtectedHeader(wrapped).kid !== kid,
  };
}
