/**
 * The life of the keys that sign tokens:
 *
 *     next ──> active ──> retired ──> (forgotten, when nothing that it signed can live any more)
 *       └────────┴───────────┴──────> revoked
 *
 * Each step is one compare-and-set of the ring, so two replicas never both do it. How soon every replica knows: `key-lease.ts`.
 */
import { type Actor, type AuditEvent, auditStep } from '../../audit.ts';
import { ConfigError } from '../../config.ts';
import { codeOf, GatewayError } from '../../errors.ts';
import { countCliTokensByKey } from '../../organizations/members.ts';
import { rewrapSpKeys } from '../../organizations/sp-keys.ts';
import type { Runtime } from '../../runtime.ts';
import { GLOBAL } from '../../store/store.ts';
import { updateRecord } from '../../store/update-record.ts';
import { DAY_MS, MINUTE_MS } from '../../time.ts';
import { dropKeyLease, KEY_LEASE_MS, waitOutKeyLeases } from './key-lease.ts';
import { KEY_RING, KEY_RING_RECORD, type KeyRing, keyIn, makeSigningKey, purposeOf, readKeyRing, type SigningKey } from './key-ring.ts';

/** How long others may keep the JWKS. */
export const JWKS_MAX_AGE_SECONDS = 60;
/** After this long the next key is in every verifier's copy of the JWKS. */
const PUBLISHED_AFTER_MS = JWKS_MAX_AGE_SECONDS * 1000 + 2 * KEY_LEASE_MS;
/** Longer than a session token lives, and than a replica may go on to sign with a key that was just retired. */
const FORGET_AFTER_MS = 20 * MINUTE_MS;
const FORGET_REVOKED_AFTER_MS = 400 * DAY_MS;
const MAINTAIN_EVERY_MS = 10 * MINUTE_MS;

const RING_RECORD = { partition: GLOBAL, collection: KEY_RING, id: KEY_RING_RECORD };

const GATEWAY: Actor = { kind: 'gateway' };

/**
 * At the start: makes the first keys where there are none, and wraps all private keys in the store anew where the previous
 * secret wrapped them. The ring comes last, so that a start that died half-way is seen by the next one.
 * @throws ConfigError where the secret is not the one that wrapped them
 */
export async function prepareSigningKeys(runtime: Runtime): Promise<void> {
  const ring = (await readKeyRing(runtime)) ?? (await makeKeyRing(runtime));
  const wrapped = ring.keys.filter(({ wrappedPrivateKey }) => wrappedPrivateKey !== undefined);
  for (const key of wrapped) await openKeptKey(runtime, key);
  if (wrapped.some(({ wrappedPrivateKey = '' }) => runtime.secrets.isOutdated(wrappedPrivateKey))) {
    await rewrapSpKeys(runtime);
    await rewrapKeyRing(runtime, ring);
  }
  if (keyIn(ring, 'next')?.algorithm !== runtime.config.tokenAlgorithm) await replaceNextKey(runtime);
}

async function openKeptKey({ secrets }: Runtime, { kid, wrappedPrivateKey = '' }: SigningKey): Promise<string> {
  try {
    return await secrets.unwrap(purposeOf(kid), wrappedPrivateKey);
  } catch {
    throw new ConfigError([
      'SAMLGATE_SECRET is not the secret that the keys in the store are wrapped with. Give that one again; to replace it, give the new one as SAMLGATE_SECRET and the former one as SAMLGATE_SECRET_PREVIOUS',
    ]);
  }
}

async function rewrapKeyRing(runtime: Runtime, ring: KeyRing): Promise<void> {
  const { store, secrets } = runtime;
  const rewrapped = new Map<string, string>();
  for (const key of ring.keys) {
    if (key.wrappedPrivateKey === undefined || !secrets.isOutdated(key.wrappedPrivateKey)) continue;
    rewrapped.set(key.wrappedPrivateKey, await secrets.wrap(purposeOf(key.kid), await openKeptKey(runtime, key)));
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

async function makeKeyRing(runtime: Runtime): Promise<KeyRing> {
  const nowMs = runtime.now();
  const active: SigningKey = { ...(await makeSigningKey(runtime, nowMs)), state: 'active', activatedAtMs: nowMs };
  const ring: KeyRing = { keys: [active, await makeSigningKey(runtime, nowMs)] };
  const { algorithm, kid } = active;
  await runtime.store.commit(GLOBAL, [
    { do: 'insert', collection: KEY_RING, id: KEY_RING_RECORD, value: ring },
    auditStep(nowMs, GATEWAY, 'signing_key.created', { details: { kid, algorithm } }),
  ]);
  // Another replica may have been faster: what stands in the store counts.
  const made = await readKeyRing(runtime);
  if (!made) throw new GatewayError('store_unavailable', { cause: 'the store did not keep the signing keys' });
  return made;
}

/** The setting names another algorithm than the next key has; that key has signed nothing yet. */
async function replaceNextKey(runtime: Runtime): Promise<void> {
  const { tokenAlgorithm } = runtime.config;
  const fresh = await makeSigningKey(runtime, runtime.now());
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
  /** How many would die with it. */
  readonly cliTokens: number;
}

/** Newest first. @throws store_unavailable */
export async function listSigningKeys(runtime: Runtime): Promise<ListedKey[]> {
  const keys = (await readKeyRing(runtime))?.keys ?? [];
  const alive = await countCliTokensByKey(runtime.store, runtime.now());
  return keys.toReversed().map((key) => ({ key, cliTokens: key.state === 'revoked' ? 0 : (alive.get(key.kid) ?? 0) }));
}

/**
 * The next key signs from now on, the active one only verifies.
 * @returns the key that signs now
 * @throws conflict where the next key has not been published for long enough (another rotation was just done)
 */
export async function rotateSigningKeys(runtime: Runtime, actor: Actor): Promise<ListedKey> {
  const keys = await changeRing(runtime, actor, 'signing_key.rotated', (ring, fresh, nowMs) => {
    const waitMs = unpublishedForMs(ring, nowMs);
    if (waitMs <= 0) return advance(ring, fresh, nowMs);
    throw new GatewayError('conflict', {
      detail: `The next key was published a moment ago; services that keep the key list do not know it yet. Try again in ${Math.ceil(waitMs / 1000)} seconds.`,
      retryAfterSeconds: Math.ceil(waitMs / 1000),
    });
  });
  const key = keyIn({ keys }, 'active');
  if (!key) throw new GatewayError('internal', { cause: 'a rotation left no active key' });
  return { key, cliTokens: 0 };
}

/** How long until every verifier knows the next key. The first two keys were published together, so nobody has only one of them. */
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
 * Revokes a key: whatever it signed is refused by every replica from the moment when this returns (so it takes a little over
 * {@link KEY_LEASE_MS}). Where it was active, the next key signs from then on.
 * @returns the key, and how many live CLI tokens died with it
 * @throws not_found, conflict where it is revoked already
 */
export async function revokeSigningKey(runtime: Runtime, actor: Actor, kid: string): Promise<ListedKey> {
  const cliTokens = (await countCliTokensByKey(runtime.store, runtime.now())).get(kid) ?? 0;
  const keys = await changeRing(runtime, actor, 'signing_key.revoked', (ring, fresh, nowMs) => revoke(ring, kid, fresh, nowMs), {
    kid,
    cli_tokens: cliTokens,
  });
  await waitOutKeyLeases();
  const key = keys.find((each) => each.kid === kid);
  if (!key) throw new GatewayError('not_found');
  return { key, cliTokens };
}

function revoke(ring: KeyRing, kid: string, fresh: SigningKey, nowMs: number): KeyRing {
  const key = ring.keys.find((each) => each.kid === kid);
  if (!key) throw new GatewayError('not_found', 'There is no such key.');
  if (key.state === 'revoked') throw new GatewayError('conflict', 'This key is revoked already.');
  const { keys } = key.state === 'active' ? advance(ring, fresh, nowMs) : ring;
  const after = keys.map(
    (each): SigningKey => (each.kid === kid ? { ...withoutPrivateKey(each), state: 'revoked', revokedAtMs: nowMs } : each),
  );
  return { keys: key.state === 'next' ? [...after, fresh] : after };
}

type RingPlan = (ring: KeyRing, fresh: SigningKey, nowMs: number) => KeyRing | undefined;

/** @param plan is given a new key that it may make the next one; undefined leaves everything as it is */
async function changeRing(
  runtime: Runtime,
  actor: Actor,
  event: AuditEvent,
  plan: RingPlan,
  details: Readonly<Record<string, unknown>> = {},
): Promise<readonly SigningKey[]> {
  const nowMs = runtime.now();
  const fresh = await makeSigningKey(runtime, nowMs);
  const stored = await updateRecord(runtime.store, {
    ...RING_RECORD,
    change: (ring) => plan(ring, fresh, nowMs),
    extraSteps: (_before, after) => [auditStep(nowMs, actor, event, { details: { ...details, active: keyIn(after, 'active')?.kid } })],
    replicated: true,
  });
  if (!stored) throw new GatewayError('store_unavailable', { cause: 'there are no signing keys in the store' });
  dropKeyLease(runtime);
  return stored.value.keys;
}

/** Rotates where the active key is as old as the setting allows. Of several replicas one does it; the others find it done. */
export async function rotateWhenDue(runtime: Runtime): Promise<void> {
  const { keyRotationDays } = runtime.config;
  const isDue = (ring: KeyRing, nowMs: number) =>
    keyRotationDays > 0 && nowMs - (keyIn(ring, 'active')?.activatedAtMs ?? nowMs) >= keyRotationDays * DAY_MS;
  const ring = await readKeyRing(runtime);
  if (!ring || !isDue(ring, runtime.now())) return;
  await changeRing(runtime, GATEWAY, 'signing_key.rotated', (now, fresh, nowMs) =>
    isDue(now, nowMs) && unpublishedForMs(now, nowMs) <= 0 ? advance(now, fresh, nowMs) : undefined,
  );
}

/** Drops retired keys when nothing that they signed can live any more, and what was revoked long ago. */
export async function forgetDeadKeys(runtime: Runtime): Promise<void> {
  const nowMs = runtime.now();
  const isOld = (key: SigningKey) =>
    nowMs - (key.retiredAtMs ?? nowMs) > FORGET_AFTER_MS || nowMs - (key.revokedAtMs ?? nowMs) > FORGET_REVOKED_AFTER_MS;
  if (!(await readKeyRing(runtime))?.keys.some(isOld)) return;
  const alive = await countCliTokensByKey(runtime.store, nowMs);
  await updateRecord(runtime.store, {
    ...RING_RECORD,
    change: ({ keys }) => {
      const kept = keys.filter((key) => !isDead(key));
      return kept.length === keys.length ? undefined : { keys: kept };
    },
  });
  function isDead(key: SigningKey): boolean {
    if (key.state === 'retired') return isOld(key) && !alive.has(key.kid);
    return key.state === 'revoked' && nowMs - (key.revokedAtMs ?? nowMs) > FORGET_REVOKED_AFTER_MS;
  }
}

/** Rotates and forgets from time to time. @returns how to end it */
export function maintainSigningKeys(runtime: Runtime): () => void {
  const maintain = async () => {
    try {
      await rotateWhenDue(runtime);
      await forgetDeadKeys(runtime);
    } catch (error) {
      runtime.log.warn({ code: codeOf(error) }, 'signing keys could not be maintained');
    }
  };
  const timer = setInterval(maintain, MAINTAIN_EVERY_MS).unref();
  return () => clearInterval(timer);
}
