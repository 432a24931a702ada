/** What is derived from the master secret: the cookie signature and the wrapping of private keys at rest. */
import { hkdfSync } from 'node:crypto';
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose';
import { GatewayError } from './errors.ts';

export interface Secrets {
  /** The first signs cookies, all of them verify. */
  readonly cookieKeys: readonly string[];
  /** Wraps as JWE (`dir`, A256GCM). `purpose` must be the same at {@link unwrap}: a wrapped key can't stand in for another kind. */
  wrap(purpose: string, plaintext: string): Promise<string>;
  /** @throws internal where neither the present nor the previous secret opens it */
  unwrap(purpose: string, wrapped: string): Promise<string>;
  /** True where the previous secret was used to wrap. */
  isOutdated(wrapped: string): boolean;
}

const derive = (secret: Buffer, label: string): Buffer => Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `samlgate ${label}`, 32));

/** @param previous the former secret while it is being replaced: it still opens and verifies, but nothing new is made with it */
export function makeSecrets(current: Buffer, previous: Buffer | undefined): Secrets {
  const all = previous ? [current, previous] : [current];
  const wrapping = new Map(
    all.map((secret) => [derive(secret, 'wrapping key id').toString('base64url').slice(0, 16), derive(secret, 'wrapping')]),
  );
  const [kid, key] = [...wrapping][0] as [string, Buffer];
  return {
    cookieKeys: all.map((secret) => derive(secret, 'cookie').toString('base64url')),
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
    isOutdated: (wrapped) => decodeProtectedHeader(wrapped).kid !== kid,
  };
}
