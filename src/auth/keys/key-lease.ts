/**
 * Caches the key ring in a {@link Lease}, for at most {@link KEY_LEASE_MS} after its read started. A revocation writes the ring and
 * then waits for a complete lease before it succeeds. From that moment on, no replica has a lease in which the key is valid.
 *
 * The lease takes less than 1 µs per token check, a read of the ring from Redis 20 µs or more (`node test/bench/tricks.ts`).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CryptoKey, importJWK } from 'jose';
import type { TokenAlgorithm } from '../../config.ts';
import { GatewayError } from '../../errors.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { Lease } from '../../store/lease.ts';
import { openSigningKey, readKeyRing, type SigningKey } from './key-ring.ts';

export const KEY_LEASE_MS = 2000;
/** Timers may fire early, and clocks of different machines run at slightly different speeds. */
const LEASE_MARGIN_MS = 100;
/** An unknown `kid` may be newer than the lease. The limit keeps forged ones from causing a store read each. */
const UNKNOWN_KEY_REREAD_MS = 1000;

export interface VerifyingKey {
  readonly algorithm: TokenAlgorithm;
  readonly publicKey: CryptoKey;
}

interface KnownKeys {
  readonly ring: readonly SigningKey[];
  /** All keys except revoked ones, by `kid`. */
  readonly verifying: ReadonlyMap<string, VerifyingKey>;
}

const leaseOf = perRuntime((runtime) => new Lease<KnownKeys>(KEY_LEASE_MS, (former) => readKeys(runtime, former)));

async function readKeys(runtime: Runtime, former: KnownKeys | undefined): Promise<KnownKeys> {
  const ring = (await readKeyRing(runtime))?.keys;
  if (!ring) throw new GatewayError('store_unavailable', { cause: 'there are no signing keys in the store' });
  const verifying = new Map<string, VerifyingKey>();
  for (const { kid, algorithm, state, publicJwk } of ring) {
    if (state === 'revoked') continue;
    const publicKey = former?.verifying.get(kid)?.publicKey ?? ((await importJWK(publicJwk, algorithm)) as CryptoKey);
    verifying.set(kid, { algorithm, publicKey });
  }
  return { ring, verifying };
}

/** Discards the cached ring after this process changed it. */
export const dropKeyLease = (runtime: Runtime): void => leaseOf(runtime).drop();

/** Resolves when every lease that was read before now has expired, on all replicas. */
export const waitOutKeyLeases = (): Promise<void> => sleep(KEY_LEASE_MS + LEASE_MARGIN_MS);

/** Returns the key that verifies tokens with this `kid`, or undefined if it is unknown or revoked. @throws store_unavailable */
export async function verifyingKey(runtime: Runtime, kid: string): Promise<VerifyingKey | undefined> {
  return findKey(runtime, kid, leaseOf(runtime).current());
}

/** Returns whether a key verifies tokens with this `kid`, and a promise only if the ring must be read. @throws store_unavailable */
export function isVerifyingKey(runtime: Runtime, kid: string): boolean | Promise<boolean> {
  const keys = leaseOf(runtime).current();
  if (!(keys instanceof Promise) && keys.verifying.has(kid)) return true;
  return findKey(runtime, kid, keys).then((key) => key !== undefined);
}

async function findKey(runtime: Runtime, kid: string, keys: KnownKeys | Promise<KnownKeys>): Promise<VerifyingKey | undefined> {
  return (await keys).verifying.get(kid) ?? (await leaseOf(runtime).current(UNKNOWN_KEY_REREAD_MS)).verifying.get(kid);
}

export interface Signer {
  readonly kid: string;
  readonly algorithm: TokenAlgorithm;
  readonly privateKey: CryptoKey;
}

const signers = new WeakMap<Runtime, { readonly kid: string; readonly opened: Promise<CryptoKey> }>();

/** Returns the active key. @throws store_unavailable, also if no key is active */
export async function currentSigner(runtime: Runtime): Promise<Signer> {
  const { ring } = await leaseOf(runtime).current();
  const active = ring.find(({ state }) => state === 'active');
  if (!active) throw new GatewayError('store_unavailable', { cause: 'no signing key is active' });
  const { kid, algorithm } = active;
  let signer = signers.get(runtime);
  if (signer?.kid !== kid) {
    signer = { kid, opened: openSigningKey(runtime, active) };
    signers.set(runtime, signer);
    signer.opened.catch(() => signers.delete(runtime)); // the caller gets the error
  }
  return { kid, algorithm, privateKey: await signer.opened };
}

/** Returns the JWKS (RFC 7517 §5) with all keys except revoked ones. */
export async function publicKeySet(runtime: Runtime): Promise<{ keys: Record<string, unknown>[] }> {
  const { ring } = await leaseOf(runtime).current();
  const published = ring.filter(({ state }) => state !== 'revoked');
  return { keys: published.map(({ publicJwk, kid, algorithm }) => ({ ...publicJwk, kid, alg: algorithm, use: 'sig' })) };
}
