/** The key ring: all token signing keys in one record of the global partition, so that one compare-and-set changes their states. */
import { type CryptoKey, calculateJwkThumbprint, exportJWK, exportPKCS8, generateKeyPair, importPKCS8, type JWK } from 'jose';
import type { TokenAlgorithm } from '../../config.ts';
import type { Runtime } from '../../runtime.ts';
import { type Collection, GLOBAL } from '../../store/store.ts';

/**
 * - `next` is published in the JWKS, but signs nothing yet
 * - `active` signs
 * - `retired` only verifies; its private key is deleted
 * - `revoked` neither signs nor verifies
 */
export type KeyState = 'next' | 'active' | 'retired' | 'revoked';

export interface SigningKey {
  /** The thumbprint of the public key (RFC 7638), so that a `kid` never identifies two keys. */
  readonly kid: string;
  readonly algorithm: TokenAlgorithm;
  readonly state: KeyState;
  readonly publicJwk: JWK;
  /** PKCS#8 PEM, wrapped for this `kid`. Only `next` and `active` keys have one. */
  readonly wrappedPrivateKey?: string;
  readonly createdAtMs: number;
  readonly activatedAtMs?: number;
  readonly retiredAtMs?: number;
  readonly revokedAtMs?: number;
}

export interface KeyRing {
  readonly keys: readonly SigningKey[];
}

export const KEY_RING: Collection<KeyRing> = { name: 'key-ring-2', indexes: {}, unique: {} };
export const KEY_RING_RECORD = 'tokens';

export const keyIn = (ring: KeyRing, state: KeyState): SigningKey | undefined => ring.keys.find((key) => key.state === state);

/** @throws store_unavailable */
export const readKeyRing = async ({ store }: Runtime): Promise<KeyRing | undefined> =>
  (await store.get(GLOBAL, KEY_RING, KEY_RING_RECORD))?.value;

/** Creates a `next` key with the configured algorithm. */
export async function createSigningKey({ secrets, config }: Runtime, nowMs: number): Promise<SigningKey> {
  const algorithm = config.tokenAlgorithm;
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  const wrappedPrivateKey = await secrets.wrap(purposeOf(kid), await exportPKCS8(privateKey));
  return { kid, algorithm, state: 'next', publicJwk, wrappedPrivateKey, createdAtMs: nowMs };
}

/** Returns the purpose that a private key is wrapped for. */
export const purposeOf = (kid: string): string => `signing-key ${kid}`;

/** Unwraps the private key of a `next` or `active` key. @throws internal if it was wrapped with another secret */
export const openSigningKey = async ({ secrets }: Runtime, key: SigningKey): Promise<CryptoKey> =>
  importPKCS8(await secrets.unwrap(purposeOf(key.kid), key.wrappedPrivateKey ?? ''), key.algorithm);
