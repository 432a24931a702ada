/**
 * What this replica knows of the signing keys. It lies in memory, because every check of a token needs it, and it is a lease:
 *
 * - It is used for at most {@link KEY_LEASE_MS} after the read from which it comes was **begun**; then the next check waits for
 *   a new read (one at a time, whoever asks).
 * - Who revokes a key writes, then waits a whole lease, and only then answers. So when the answer is there, no replica has a
 *   lease in which the key is good.
 *
 * A busy replica reads again at half the lease, so that its checks never wait; an idle one reads nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CryptoKey, importJWK } from 'jose';
import type { TokenAlgorithm } from '../config.ts';
import { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import { type KeyState, openSigningKey, readKeyRing, type SigningKey } from './key-ring.ts';

export const KEY_LEASE_MS = 2000;
/** Timers may be early, and clocks of different machines do not run at quite the same speed. */
const LEASE_MARGIN_MS = 100;
const UNKNOWN_KEY_REREAD_MS = 1000;

export interface LeasedKey {
  readonly kid: string;
  readonly algorithm: TokenAlgorithm;
  readonly state: KeyState;
  readonly publicKey: CryptoKey;
}

/** The keys that verify (all but the revoked ones), by `kid`. */
export interface Lease {
  readonly keys: ReadonlyMap<string, LeasedKey>;
  /** The ring as it was read. */
  readonly ring: readonly SigningKey[];
  /** By two clocks: the monotonic one stands still while a machine sleeps, the other may be set. */
  readonly begunMonotonicMs: number;
  readonly begunWallMs: number;
}

interface Leasing {
  lease: Lease | undefined;
  reading: Promise<Lease> | undefined;
}

const leasings = new WeakMap<Runtime, Leasing>();

function leasingOf(runtime: Runtime): Leasing {
  let leasing = leasings.get(runtime);
  if (!leasing) {
    leasing = { lease: undefined, reading: undefined };
    leasings.set(runtime, leasing);
  }
  return leasing;
}

/**
 * The keys under a lease that is good now. To be called anew for each check, never kept.
 * @throws store_unavailable
 */
export async function currentKeys(runtime: Runtime): Promise<Lease> {
  const leasing = leasingOf(runtime);
  const { lease } = leasing;
  const ageMs = lease ? ageOf(lease) : Number.POSITIVE_INFINITY;
  if (lease && ageMs < KEY_LEASE_MS) {
    if (ageMs > KEY_LEASE_MS / 2 && !leasing.reading) read(runtime, leasing).catch(() => {}); // whoever needs it is told
    return lease;
  }
  // What is under way may have begun too long ago when it ends: the store was slow.
  for (let attempt = 0; attempt < 2; attempt++) {
    const fresh = await (leasing.reading ?? read(runtime, leasing));
    if (ageOf(fresh) < KEY_LEASE_MS) return fresh;
  }
  throw new GatewayError('store_unavailable', { cause: 'the signing keys could not be read in time' });
}

/** A clock that went back counts as too old. */
function ageOf({ begunMonotonicMs, begunWallMs }: Lease): number {
  const wallMs = Date.now() - begunWallMs;
  return wallMs < 0 ? Number.POSITIVE_INFINITY : Math.max(wallMs, performance.now() - begunMonotonicMs);
}

async function read(runtime: Runtime, leasing: Leasing): Promise<Lease> {
  const reading = readLease(runtime, leasing.lease);
  leasing.reading = reading;
  try {
    const lease = await reading;
    if (leasing.reading === reading) leasing.lease = lease;
    return lease;
  } finally {
    if (leasing.reading === reading) leasing.reading = undefined;
  }
}

/** This replica has changed the ring: it need not wait to know. A read under way may not. */
export function dropLease(runtime: Runtime): void {
  leasings.delete(runtime);
}

/** Resolves when no replica can have a lease any more that was begun before now. */
export const waitOutLeases = (): Promise<void> => sleep(KEY_LEASE_MS + LEASE_MARGIN_MS);

async function readLease(runtime: Runtime, former: Lease | undefined): Promise<Lease> {
  const begunMonotonicMs = performance.now();
  const begunWallMs = Date.now();
  const ring = (await readKeyRing(runtime))?.keys;
  if (!ring) throw new GatewayError('store_unavailable', { cause: 'there are no signing keys in the store' });
  const keys = new Map<string, LeasedKey>();
  for (const { kid, algorithm, state, publicJwk } of ring) {
    if (state === 'revoked') continue;
    const publicKey = former?.keys.get(kid)?.publicKey ?? ((await importJWK(publicJwk, algorithm)) as CryptoKey);
    keys.set(kid, { kid, algorithm, state, publicKey });
  }
  return { keys, ring, begunMonotonicMs, begunWallMs };
}

/**
 * The key that may verify a token with this `kid`, undefined where there is none. A `kid` that is not known may be newer than
 * the lease, so the keys are read again, at most once a second: made-up ones must not become reads of the store.
 * @throws store_unavailable
 */
export async function verifyingKey(runtime: Runtime, kid: string): Promise<LeasedKey | undefined> {
  const lease = await currentKeys(runtime);
  const known = lease.keys.get(kid);
  if (known || ageOf(lease) < UNKNOWN_KEY_REREAD_MS) return known;
  const leasing = leasingOf(runtime);
  return (await (leasing.reading ?? read(runtime, leasing))).keys.get(kid);
}

const signers = new WeakMap<Runtime, { readonly kid: string; readonly key: Promise<CryptoKey> }>();

export interface Signer {
  readonly kid: string;
  readonly algorithm: TokenAlgorithm;
  readonly privateKey: CryptoKey;
}

/** @throws store_unavailable, internal where the key can't be opened */
export async function currentSigner(runtime: Runtime): Promise<Signer> {
  const { ring } = await currentKeys(runtime);
  const active = ring.find(({ state }) => state === 'active');
  if (!active) throw new GatewayError('store_unavailable', { cause: 'no signing key is active' });
  const { kid, algorithm } = active;
  let signer = signers.get(runtime);
  if (signer?.kid !== kid) {
    signer = { kid, key: openSigningKey(runtime, active) };
    signers.set(runtime, signer);
  }
  return { kid, algorithm, privateKey: await signer.key };
}

/** The public keys for others to verify with (RFC 7517 §5): those that sign, have signed or will. */
export async function publicKeySet(runtime: Runtime): Promise<{ keys: Record<string, unknown>[] }> {
  const { ring } = await currentKeys(runtime);
  const published = ring.filter(({ state }) => state !== 'revoked');
  return { keys: published.map(({ publicJwk, kid, algorithm }) => ({ ...publicJwk, kid, alg: algorithm, use: 'sig' })) };
}
