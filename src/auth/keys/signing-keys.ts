/**
 * The life cycle of the token signing keys:
 *
 *     next ──> active ──> retired ──> (deleted when every token that it signed has expired)
 *       └────────┴───────────┴──────> revoked
 *
 * Each step is one compare-and-set of the ring, so only one replica performs it. `key-lease.ts` tells when the others apply it.
 */
import { type Actor, type AuditEvent, auditStep } from '../../audit.ts';
import { ConfigError } from '../../config.ts';
import { codeOf, GatewayError } from '../../errors.ts';
import { rewrapSpKeys } from '../../organizations/sp-keys.ts';
import type { Runtime } from '../../runtime.ts';
import { GLOBAL } from '../../store/store.ts';
import { updateRecord } from '../../store/update-record.ts';
import { DAY_MS, MINUTE_MS } from '../../time.ts';
import { dropKeyLease, KEY_LEASE_MS, waitOutKeyLeases } from './key-lease.ts';
import { createSigningKey, KEY_RING, KEY_RING_RECORD, type KeyRing, keyIn, purposeOf, readKeyRing, type SigningKey } from './key-ring.ts';
import { isOutdated, readTokenCounts, recountTokens } from './token-counts.ts';

/** The time for which others may cache the JWKS. */
export const JWKS_MAX_AGE_SECONDS = 60;
/** After this time, every verifier's copy of the JWKS contains the next key. */
const PUBLISHED_AFTER_MS = JWKS_MAX_AGE_SECONDS * 1000 + 2 * KEY_LEASE_MS;
/** Longer than a session token is valid, and longer than a replica may sign with a key that was just retired. */
const DELETE_RETIRED_AFTER_MS = 20 * MINUTE_MS;
const DELETE_REVOKED_AFTER_MS = 400 * DAY_MS;
const MAINTAIN_EVERY_MS = 10 * MINUTE_MS;

const RING_RECORD = { partition: GLOBAL, collection: KEY_RING, id: KEY_RING_RECORD };

const GATEWAY: Actor = { kind: 'gateway' };

/**
 * Prepares the keys at startup. Creates the first keys, and wraps all private keys again that were wrapped with the previous
 * secret. The ring comes last, so that an interrupted startup is completed by the next one.
 * @throws ConfigError if the keys were wrapped with another secret
 */
export async function prepareSigningKeys(runtime: Runtime): Promise<void> {
  const ring = (await readKeyRing(runtime)) ?? (await createKeyRing(runtime));
  const wrapped = ring.keys.filter(({ wrappedPrivateKey }) => wrappedPrivateKey !== undefined);
  for (const key of wrapped) await unwrapKey(runtime, key);
  if (wrapped.some(({ wrappedPrivateKey = '' }) => runtime.secrets.isOutdated(wrappedPrivateKey))) {
    await rewrapSpKeys(runtime);
    await rewrapKeyRing(runtime, ring);
  }
  if (keyIn(ring, 'next')?.algorithm !== runtime.config.tokenAlgorithm) await replaceNextKey(runtime);
}

async function unwrapKey({ secrets, config }: Runtime, { kid, wrappedPrivateKey = '' }: SigningKey): Promise<string> {
  try {
    return await secrets.unwrap(purposeOf(kid), wrappedPrivateKey);
  } catch {
    throw new ConfigError([
      config.secretFile?.isCurrent
        ? `The file ${config.secretFile.path} does not contain the secret that the keys in the store are wrapped with. If SAMLGATE_SECRET was replaced, the file still contains the former secret. Write the new one into it`
        : 'SAMLGATE_SECRET is not the secret that the keys in the store are wrapped with. Set it to that secret. To replace that secret, also set SAMLGATE_SECRET_PREVIOUS to it',
    ]);
  }
}

async function rewrapKeyRing(runtime: Runtime, ring: KeyRing): Promise<void> {
  const { store, secrets } = runtime;
  const rewrapped = new Map<string, string>();
  for (const key of ring.keys) {
    if (key.wrappedPrivateKey === undefined || !secrets.isOutdated(key.wrappedPrivateKey)) continue;
    rewrapped.set(key.wrappedPrivateKey, await secrets.wrap(purposeOf(key.kid), await unwrapKey(runtime, key)));
  }
  await updateRecord(store, {
    ...RING_RECORD,
    change: ({ keys }) => ({
      keys: keys.map((key) => {
        const wrappedPrivateKey = rewrapped.get(key.wrappedPrivateKey ?? '');
        return wrappedPrivateKey === undefined ? key : { ...key, wrappedPrivateKey };
      }),
    }),
  });
}

async function createKeyRing(runtime: Runtime): Promise<KeyRing> {
  const nowMs = runtime.now();
  const active: SigningKey = { ...(await createSigningKey(runtime, nowMs)), state: 'active', activatedAtMs: nowMs };
  const ring: KeyRing = { keys: [active, await createSigningKey(runtime, nowMs)] };
  const { algorithm, kid } = active;
  await runtime.store.commit(GLOBAL, [
    { do: 'insert', collection: KEY_RING, id: KEY_RING_RECORD, value: ring },
    auditStep(nowMs, GATEWAY, 'signing_key.created', { details: { kid, algorithm } }),
  ]);
  // Another replica may have created the ring first, so the stored one is used.
  const stored = await readKeyRing(runtime);
  if (!stored) throw new GatewayError('store_unavailable', { cause: 'the store did not keep the signing keys' });
  return stored;
}

/** Replaces the next key, which has signed nothing yet, with one of the configured algorithm. */
async function replaceNextKey(runtime: Runtime): Promise<void> {
  const { tokenAlgorithm } = runtime.config;
  const fresh = await createSigningKey(runtime, runtime.now());
  await updateRecord(runtime.store, {
    ...RING_RECORD,
    change: (ring) => {
      if (keyIn(ring, 'next')?.algorithm === tokenAlgorithm) return undefined;
      return { keys: [...ring.keys.filter(({ state }) => state !== 'next'), fresh] };
    },
  });
}

export interface ListedKey {
  readonly key: SigningKey;
  /** The number of CLI tokens that it signed (see `token-counts.ts`). */
  readonly cliTokens: number;
}

/** Returns all keys, newest first. @throws store_unavailable */
export async function listSigningKeys(runtime: Runtime): Promise<ListedKey[]> {
  const keys = (await readKeyRing(runtime))?.keys ?? [];
  const { byKey } = await readTokenCounts(runtime);
  return keys.toReversed().map((key) => ({ key, cliTokens: key.state === 'revoked' ? 0 : (byKey[key.kid] ?? 0) }));
}

/**
 * Activates the next key and retires the active one.
 * @returns the key that signs now
 * @throws conflict if the next key has not been published for long enough, because of another rotation
 */
export async function rotateSigningKeys(runtime: Runtime, actor: Actor): Promise<ListedKey> {
  const keys = await changeRing(runtime, actor, {
    event: 'signing_key.rotated',
    change: (ring, fresh, nowMs) => {
      const waitMs = unpublishedForMs(ring, nowMs);
      if (waitMs <= 0) return advance(ring, fresh, nowMs);
      throw new GatewayError('conflict', {
        detail: `The next key was published a moment ago, and services that cache the JWKS do not know it yet. Try again in ${Math.ceil(waitMs / 1000)} seconds.`,
        retryAfterSeconds: Math.ceil(waitMs / 1000),
      });
    },
  });
  const key = keyIn({ keys }, 'active');
  if (!key) throw new GatewayError('internal', { cause: 'a rotation left no active key' });
  return { key, cliTokens: 0 };
}

/** Returns the time until every verifier knows the next key. The first two keys were published together, so verifiers know both. */
function unpublishedForMs(ring: KeyRing, nowMs: number): number {
  const next = keyIn(ring, 'next');
  if (!next || next.createdAtMs === keyIn(ring, 'active')?.createdAtMs) return 0;
  return next.createdAtMs + PUBLISHED_AFTER_MS - nowMs;
}

function advance(ring: KeyRing, fresh: SigningKey, nowMs: number): KeyRing {
  return { keys: [...ring.keys.map((key) => advanceKey(key, nowMs)), fresh] };
}

function advanceKey(key: SigningKey, nowMs: number): SigningKey {
  if (key.state === 'next') return { ...key, state: 'active', activatedAtMs: nowMs };
  return key.state === 'active' ? { ...withoutPrivateKey(key), state: 'retired', retiredAtMs: nowMs } : key;
}

function withoutPrivateKey({ wrappedPrivateKey: _, ...key }: SigningKey): SigningKey {
  return key;
}

/**
 * Revokes a key. When this resolves, after a little more than {@link KEY_LEASE_MS}, every replica rejects all tokens that the key
 * signed. If the key was active, the next key signs from then on.
 * @returns the key, with the number of valid CLI tokens that were revoked with it
 * @throws not_found, conflict if the key is already revoked
 */
export async function revokeSigningKey(runtime: Runtime, actor: Actor, kid: string): Promise<ListedKey> {
  const cliTokens = (await readTokenCounts(runtime)).byKey[kid] ?? 0;
  const keys = await changeRing(runtime, actor, {
    event: 'signing_key.revoked',
    details: { kid, cli_tokens: cliTokens },
    change: (ring, fresh, nowMs) => revoke(ring, kid, fresh, nowMs),
  });
  await waitOutKeyLeases();
  const key = keys.find((each) => each.kid === kid);
  if (!key) throw new GatewayError('not_found');
  return { key, cliTokens };
}

function revoke(ring: KeyRing, kid: string, fresh: SigningKey, nowMs: number): KeyRing {
  const key = ring.keys.find((each) => each.kid === kid);
  if (!key) throw new GatewayError('not_found', 'This signing key does not exist.');
  if (key.state === 'revoked') throw new GatewayError('conflict', 'This signing key is already revoked.');
  const { keys } = key.state === 'active' ? advance(ring, fresh, nowMs) : ring;
  const after = keys.map(
    (each): SigningKey => (each.kid === kid ? { ...withoutPrivateKey(each), state: 'revoked', revokedAtMs: nowMs } : each),
  );
  return { keys: key.state === 'next' ? [...after, fresh] : after };
}

interface RingChange {
  readonly event: AuditEvent;
  readonly details?: Readonly<Record<string, unknown>>;
  /** Returns the new ring, or undefined to leave it unchanged. `fresh` is a new key that may become the next one. */
  readonly change: (ring: KeyRing, fresh: SigningKey, nowMs: number) => KeyRing | undefined;
}

async function changeRing(runtime: Runtime, actor: Actor, { event, details = {}, change }: RingChange): Promise<readonly SigningKey[]> {
  const nowMs = runtime.now();
  const fresh = await createSigningKey(runtime, nowMs);
  const stored = await updateRecord(runtime.store, {
    ...RING_RECORD,
    change: (ring) => change(ring, fresh, nowMs),
    extraSteps: (_before, after) => [auditStep(nowMs, actor, event, { details: { ...details, active: keyIn(after, 'active')?.kid } })],
    replicated: true,
  });
  if (!stored) throw new GatewayError('store_unavailable', { cause: 'there are no signing keys in the store' });
  dropKeyLease(runtime);
  return stored.value.keys;
}

/** Rotates if the active key has reached the configured age. Only one replica does it; the others find it done. */
export async function rotateWhenDue(runtime: Runtime): Promise<void> {
  const { keyRotationDays } = runtime.config;
  const isDue = (ring: KeyRing, nowMs: number) =>
    keyRotationDays > 0 && nowMs - (keyIn(ring, 'active')?.activatedAtMs ?? nowMs) >= keyRotationDays * DAY_MS;
  const ring = await readKeyRing(runtime);
  if (!ring || !isDue(ring, runtime.now())) return;
  await changeRing(runtime, GATEWAY, {
    event: 'signing_key.rotated',
    change: (current, fresh, nowMs) =>
      isDue(current, nowMs) && unpublishedForMs(current, nowMs) <= 0 ? advance(current, fresh, nowMs) : undefined,
  });
}

/** Deletes retired keys when every token that they signed has expired, and keys that were revoked long ago. */
export async function deleteOldKeys(runtime: Runtime): Promise<void> {
  const nowMs = runtime.now();
  const isOld = (key: SigningKey) =>
    nowMs - (key.retiredAtMs ?? nowMs) > DELETE_RETIRED_AFTER_MS || nowMs - (key.revokedAtMs ?? nowMs) > DELETE_REVOKED_AFTER_MS;
  let counts = await readTokenCounts(runtime);
  if (isOutdated(counts, nowMs)) counts = await recountTokens(runtime);
  const keys = (await readKeyRing(runtime))?.keys ?? [];
  if (!keys.some(isDeletable)) return;
  counts = await recountTokens(runtime);
  await updateRecord(runtime.store, {
    ...RING_RECORD,
    change: ({ keys }) => {
      const kept = keys.filter((key) => !isDeletable(key));
      return kept.length === keys.length ? undefined : { keys: kept };
    },
  });
  function isDeletable(key: SigningKey): boolean {
    if (key.state === 'retired') return isOld(key) && (counts.byKey[key.kid] ?? 0) === 0;
    return key.state === 'revoked' && nowMs - (key.revokedAtMs ?? nowMs) > DELETE_REVOKED_AFTER_MS;
  }
}

/** Rotates and deletes keys from time to time. Returns how to stop it. */
export function maintainSigningKeys(runtime: Runtime): () => void {
  const maintain = async () => {
    try {
      await rotateWhenDue(runtime);
      await deleteOldKeys(runtime);
    } catch (error) {
      runtime.log.warn({ code: codeOf(error) }, 'signing key maintenance failed');
    }
  };
  const timer = setInterval(maintain, MAINTAIN_EVERY_MS).unref();
  return () => clearInterval(timer);
}
