/**
 * What this replica knows of the signing keys, held in memory under a {@link Lease}: it is used for at most
 * {@link KEY_LEASE_MS} after the read from which it comes was begun. Who revokes a key writes, then waits out a whole lease,
 * and only then answers; so when the answer is there, no replica has a lease in which the key is good.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CryptoKey, importJWK } from 'jose';
import type { TokenAlgorithm } from '../../config.ts';
import { GatewayError } from '../../errors.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { Lease } from '../../store/lease.ts';
import { openSigningKey, readKeyRing, type SigningKey } from './key-ring.ts';

export const KEY_LEASE_MS = 2000;
/** Timers may be early, and clocks of different machines do not run at quite the same speed. */
const LEASE_MARGIN_MS = 100;
/** A `kid` that is not known may be newer than the lease; but made-up ones must not become reads of the store. */
const UNKNOWN_KEY_REREAD_MS = 1000;

export interface VerifyingKey {
  readonly algorithm: TokenAlgorithm;
  readonly publicKey: CryptoKey;
}

interface KnownKeys {
  readonly ring: readonly SigningKey[];
  /** All but the revoked ones, by `kid`. */
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

/** This replica has changed the ring. */
export const dropKeyLease = (runtime: Runtime): void => leaseOf(runtime).drop();

/** Resolves when no replica can have a lease any more that was begun before now. */
export const waitOutKeyLeases = (): Promise<void> => sleep(KEY_LEASE_MS + LEASE_MARGIN_MS);

/**
 * The key that may verify a token with this `kid`; undefined where there is none.
 * @throws store_unavailable
 */
export async function verifyingKey(runtime: Runtime, kid: string): Promise<VerifyingKey | undefined> {
  return keyAmong(runtime, kid, leaseOf(runtime).current());
}

/** Whether a token with this `kid` may be good (still); a promise only where the store is asked. @throws store_unavailable */
export function isVerifyingKey(runtime: Runtime, kid: string): boolean | Promise<boolean> {
  const keys = leaseOf(runtime).current();
  if (!(keys instanceof Promise) && keys.verifying.has(kid)) return true;
  return keyAmong(runtime, kid, keys).then((key) => key !== undefined);
}

async function keyAmong(runtime: Runtime, kid: string, keys: KnownKeys | Promise<KnownKeys>): Promise<VerifyingKey | undefined> {
  return (await keys).verifying.get(kid) ?? (await leaseOf(runtime).current(UNKNOWN_KEY_REREAD_MS)).verifying.get(kid);
}

export interface Signer {
  readonly kid: string;
  readonly algorithm: TokenAlgorithm;
  readonly privateKey: CryptoKey;
}

const signers = new WeakMap<Runtime, { readonly kid: string; readonly opened: Promise<CryptoKey> }>();

/** @throws store_unavailable, also where no key is active */
export async function currentSigner(runtime: Runtime): Promise<Signer> {
  const { ring } = await leaseOf(runtime).current();
  const active = ring.find(({ state }) => state === 'active');
  if (!active) throw new GatewayError('store_unavailable', { cause: 'no signing key is active' });
  const { kid, algorithm } = active;
  let signer = signers.get(runtime);
  if (signer?.kid !== kid) {
    signer = { kid, opened: openSigningKey(runtime, active) };
    signers.set(runtime, signer);
    signer.opened.catch(() => signers.delete(runtime)); // who waits for it is told
  }
  return { kid, algorithm, privateKey: await signer.opened };
}

/** The public keys for others to verify with (RFC 7517 §5): those that sign, have signed or will. */
export async function publicKeySet(runtime: Runtime): Promise<{ keys: Record<string, unknown>[] }> {
  const { ring } = await leaseOf(runtime).current();
  const published = ring.filter(({ state }) => state !== 'revoked');
  return { keys: published.map(({ publicJwk, kid, algorithm }) => ({ ...publicJwk, kid, alg: algorithm, use: 'sig' })) };
}
