/** The ring: all keys that sign tokens, as one record of the global partition, so that a change of states is one compare-and-set. */
import { type CryptoKey, calculateJwkThumbprint, exportJWK, exportPKCS8, generateKeyPair, importPKCS8, type JWK } from 'jose';
import type { TokenAlgorithm } from '../../config.ts';
import type { Runtime } from '../../runtime.ts';
import { type Collection, GLOBAL } from '../../store/store.ts';

/**
 * - `next` stands in the JWKS, and signs nothing yet
 * - `active` signs
 * - `retired` only verifies; its private part is gone
 * - `revoked`: as if it had never been
 */
export type KeyState = 'next' | 'active' | 'retired' | 'revoked';

export interface SigningKey {
  /** Thumbprint of the public key (RFC 7638), so a `kid` never means another key. */
  readonly kid: string;
  readonly algorithm: TokenAlgorithm;
  readonly state: KeyState;
  readonly publicJwk: JWK;
  /** PKCS#8 PEM, wrapped for this `kid`; while it signs or will. */
  readonly wrappedPrivateKey?: string;
  readonly createdAtMs: number;
  readonly activatedAtMs?: number;
  readonly retiredAtMs?: number;
  readonly revokedAtMs?: number;
}

export interface KeyRing {
  readonly keys: readonly SigningKey[];
}

export const KEY_RING: Collection<KeyRing> = { name: 'key-ring', indexes: {}, unique: {} };
export const KEY_RING_RECORD = 'tokens';

export const keyIn = (ring: KeyRing, state: KeyState): SigningKey | undefined => ring.keys.find((key) => key.state === state);

/** @throws store_unavailable */
export const readKeyRing = async ({ store }: Runtime): Promise<KeyRing | undefined> =>
  (await store.get(GLOBAL, KEY_RING, KEY_RING_RECORD))?.value;

/** A new key, in the algorithm of the setting, that is to be the next one. */
export async function makeSigningKey({ secrets, config }: Runtime, nowMs: number): Promise<SigningKey> {
  const algorithm = config.tokenAlgorithm;
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  const wrappedPrivateKey = await secrets.wrap(purposeOf(kid), await exportPKCS8(privateKey));
  return { kid, algorithm, state: 'next', publicJwk, wrappedPrivateKey, createdAtMs: nowMs };
}

/** For which its private part is wrapped. */
export const purposeOf = (kid: string): string => `signing-key ${kid}`;

/** The private part of a key that signs. */
export const openSigningKey = async ({ secrets }: Runtime, key: SigningKey): Promise<CryptoKey> =>
  importPKCS8(await secrets.unwrap(purposeOf(key.kid), key.wrappedPrivateKey ?? ''), key.algorithm);
