/** What is derived from the master secret: the cookie signature, the wrapping of private keys at rest, and the sealing of what is only kept for a while. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose';
import { GatewayError } from './errors.ts';

export interface Secrets {
  /** The first signs cookies, all of them verify. */
  readonly cookieKeys: readonly [current: string, ...previous: string[]];
  /** Wraps as JWE (`dir`, A256GCM). `purpose` must be the same at {@link unwrap}: a wrapped key can't stand in for another kind. */
  wrap(purpose: string, plaintext: string): Promise<string>;
  /** @throws internal where neither the present nor the previous secret opens it */
  unwrap(purpose: string, wrapped: string): Promise<string>;
  /**
   * Encrypts with a key of this purpose alone (HKDF, AES-256-GCM); a tenth of the work of {@link wrap}, for what is written often.
   * A purpose may be used some billion times (NIST SP 800-38D §8.3).
   */
  seal(purpose: string, plaintext: string): string;
  /** @throws internal where it was not sealed for this purpose with the present or the previous secret */
  unseal(purpose: string, sealed: string): string;
  /** True where the previous secret was used to wrap. */
  isOutdated(wrapped: string): boolean;
}

const derive = (secret: Buffer, label: string): Buffer => Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `samlgate ${label}`, 32));

const cookieKey = (secret: Buffer): string => derive(secret, 'cookie').toString('base64url');

const NONCE_OCTETS = 12;
const TAG_OCTETS = 16;
const sealingKey = (key: Buffer, purpose: string): Buffer => derive(key, `sealing ${purpose}`);

/** @param previous the former secret while it is being replaced: it still opens and verifies, but nothing new is made with it */
export function makeSecrets(current: Buffer, previous: Buffer | undefined): Secrets {
  const all = previous ? [current, previous] : [current];
  const wrapping = new Map(
    all.map((secret) => [derive(secret, 'wrapping key id').toString('base64url').slice(0, 16), derive(secret, 'wrapping')]),
  );
  const [kid, key] = [...wrapping][0] as [string, Buffer];
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
        throw new GatewayError('internal', { cause: 'a wrapped key stands in the place of another' });
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
      if (!opener) throw new GatewayError('internal', { cause: 'it was sealed with another SAMLGATE_SECRET' });
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
    isOutdated: (wrapped) => decodeProtectedHeader(wrapped).kid !== kid,
  };
}
