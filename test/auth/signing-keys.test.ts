import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { AUDIT, type AuditEntry } from '../../src/audit.ts';
import { authenticateBearer } from '../../src/auth/authenticate.ts';
import { currentSigner, publicKeySet, verifyingKey } from '../../src/auth/keys/key-lease.ts';
import { KEY_RING, KEY_RING_RECORD, type KeyState, readKeyRing } from '../../src/auth/keys/key-ring.ts';
import {
  deleteOldKeys,
  listSigningKeys,
  prepareSigningKeys,
  revokeSigningKey,
  rotateSigningKeys,
  rotateWhenDue,
} from '../../src/auth/keys/signing-keys.ts';
import type { TokenCounts } from '../../src/auth/keys/token-counts.ts';
import type { MemberPrincipal } from '../../src/auth/principal.ts';
import { createCliToken } from '../../src/auth/tokens/cli-tokens.ts';
import { issueSessionToken } from '../../src/auth/tokens/session-tokens.ts';
import { ConfigError } from '../../src/config.ts';
import { GatewayError } from '../../src/errors.ts';
import { createOrganization } from '../../src/organizations/organization-lifecycle.ts';
import { getOrganizationById } from '../../src/organizations/organizations.ts';
import { openSpKey } from '../../src/organizations/sp-keys.ts';
import type { Runtime } from '../../src/runtime.ts';
import { GLOBAL, type Store } from '../../src/store/store.ts';
import { makeRuntime, OPERATOR, seedMember, seedOrganization } from '../support/seed.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const SECRET = randomBytes(32).toString('base64');

let directory: string;
let files = 0;
let offsetMs = 0;
const open: Runtime[] = [];

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-keys-'));
});
afterEach(async () => {
  offsetMs = 0;
  for (const runtime of open.splice(0)) await runtime.store.close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const newFile = (): string => path.join(directory, `${++files}.db`);

/** Creates a runtime on a SQLite file. Several runtimes on one file have separate key leases, like several processes. */
async function replica(file: string, environment: Record<string, string> = {}): Promise<Runtime> {
  const given = { SAMLGATE_STORE: `sqlite:${file}`, SAMLGATE_SECRET: SECRET, SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32), ...environment };
  const runtime = await makeRuntime(given, () => Date.now() + offsetMs);
  open.push(runtime);
  return runtime;
}

async function states(runtime: Runtime): Promise<KeyState[]> {
  return ((await readKeyRing(runtime))?.keys ?? []).map(({ state }) => state).sort();
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'done';
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
}

/** Creates a member with a session, and functions that create tokens of both kinds. */
async function holder(runtime: Runtime) {
  const { id: organizationId } = await seedOrganization(runtime, `org-${++files}`);
  const member = await seedMember(runtime, organizationId);
  const credential = { kind: 'session', id: member.sessions[0]?.id ?? '', expiresAtMs: member.sessions[0]?.endsAtMs ?? 0 } as const;
  const principal = { kind: 'member', organizationId, member, credential, csrfToken: '' } as MemberPrincipal;
  return {
    cliToken: async (by = runtime, expiresInDays?: number | null) =>
      (await createCliToken(by, OPERATOR, { organizationId, memberId: member.id, credential }, { name: 'test', expiresInDays })).token,
    sessionToken: async (by = runtime) => (await issueSessionToken(by, principal)).token,
  };
}

const check = (runtime: Runtime, token: string): Promise<string> => codeOf(authenticateBearer(runtime, `Bearer ${token}`));
const kidOf = (token: string): string => String(decodeProtectedHeader(token.replace('samlgate_cli_', '')).kid);

describe('life cycle of signing keys', () => {
  test('creates an active and a next key at first start, once for all replicas', async () => {
    const file = newFile();
    const replicas = await Promise.all([replica(file), replica(file), replica(file)]);
    for (const runtime of replicas) {
      expect(await states(runtime)).toEqual(['active', 'next']);
      expect(await readKeyRing(runtime)).toEqual(await readKeyRing(replicas[0] as Runtime));
    }
  });

  test('stores private keys wrapped', async () => {
    const runtime = await replica(newFile());
    const text = JSON.stringify(await readKeyRing(runtime));
    expect(text).not.toContain('PRIVATE KEY');
    expect(text).not.toContain('"d":');
    for (const key of (await readKeyRing(runtime))?.keys ?? [])
      expect(key.wrappedPrivateKey).toMatch(/^eyJ[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/);
  });

  test('publishes the next key before it signs, and signs with it after a rotation', async () => {
    const runtime = await replica(newFile());
    const published = (await publicKeySet(runtime)).keys.map(({ kid }) => kid);
    const { key } = await rotateSigningKeys(runtime, OPERATOR);
    expect(key.state).toBe('active');
    expect(published).toContain(key.kid);
    expect((await currentSigner(runtime)).kid).toBe(key.kid);
    expect(await states(runtime)).toEqual(['active', 'next', 'retired']);
  });

  test('verifies tokens with a retired key, whose private key is deleted', async () => {
    const runtime = await replica(newFile());
    const { cliToken } = await holder(runtime);
    const before = await cliToken();
    await rotateSigningKeys(runtime, OPERATOR);
    const after = await cliToken();
    expect(kidOf(after)).not.toBe(kidOf(before));
    expect([await check(runtime, before), await check(runtime, after)]).toEqual(['done', 'done']);
    const retired = (await readKeyRing(runtime))?.keys.find(({ state }) => state === 'retired');
    expect(retired).toMatchObject({ kid: kidOf(before) });
    expect(retired).not.toHaveProperty('wrappedPrivateKey');
  });

  test('refuses a rotation until every copy of the JWKS contains the next key', async () => {
    const runtime = await replica(newFile());
    await rotateSigningKeys(runtime, OPERATOR);
    expect(await codeOf(rotateSigningKeys(runtime, OPERATOR))).toBe('conflict');
    offsetMs += 63_000;
    expect(await codeOf(rotateSigningKeys(runtime, OPERATOR))).toBe('conflict');
    offsetMs += 2000;
    expect(await codeOf(rotateSigningKeys(runtime, OPERATOR))).toBe('done');
  });

  test('lets one of several replicas rotate at the same time', async () => {
    const file = newFile();
    const replicas = await Promise.all([replica(file), replica(file), replica(file), replica(file)]);
    const codes = await Promise.all(replicas.map((runtime) => codeOf(rotateSigningKeys(runtime, OPERATOR))));
    expect(codes.sort()).toEqual(['conflict', 'conflict', 'conflict', 'done']);
    expect(await states(replicas[0] as Runtime)).toEqual(['active', 'next', 'retired']);
  });

  test.each(['ES256', 'RS256', 'EdDSA'])('signs with the configured algorithm %s', async (algorithm) => {
    const runtime = await replica(newFile(), { SAMLGATE_TOKEN_ALGORITHM: algorithm });
    const { cliToken, sessionToken } = await holder(runtime);
    for (const token of [await cliToken(), await sessionToken()]) {
      expect(decodeProtectedHeader(token.replace('samlgate_cli_', '')).alg).toBe(algorithm);
      expect(await check(runtime, token)).toBe('done');
    }
    expect((await publicKeySet(runtime)).keys.map(({ alg }) => alg)).toEqual([algorithm, algorithm]);
  });

  test('uses a newly configured algorithm for the next key', async () => {
    const file = newFile();
    const before = await replica(file);
    const { cliToken } = await holder(before);
    const old = await cliToken();
    const runtime = await replica(file, { SAMLGATE_TOKEN_ALGORITHM: 'EdDSA' });
    expect((await listSigningKeys(runtime)).map(({ key }) => [key.state, key.algorithm])).toEqual([
      ['next', 'EdDSA'],
      ['active', 'ES256'],
    ]);
    offsetMs += 65_000;
    await rotateSigningKeys(runtime, OPERATOR);
    expect(decodeProtectedHeader((await cliToken(runtime)).replace('samlgate_cli_', '')).alg).toBe('EdDSA');
    expect(await check(runtime, old)).toBe('done');
  });

  test('writes to the audit trail', async () => {
    const runtime = await replica(newFile());
    const { key } = await rotateSigningKeys(runtime, OPERATOR);
    const { items } = await runtime.store.find<AuditEntry>('global', AUDIT, 'time', { equals: '', descending: true, limit: 2 });
    expect(items.map(({ value }) => [value.event, value.actor.kind])).toEqual([
      ['signing_key.rotated', 'operator'],
      ['signing_key.created', 'gateway'],
    ]);
    expect(items[0]?.value.details).toMatchObject({ active: key.kid });
  });
});

describe('rotation by age', () => {
  test('rotates when the key has reached the configured age, once for all replicas', async () => {
    const file = newFile();
    const replicas = await Promise.all([0, 1, 2].map(() => replica(file, { SAMLGATE_KEY_ROTATION_DAYS: '30' })));
    const rotate = async () => Promise.all(replicas.map(rotateWhenDue));
    offsetMs += 30 * DAY_MS - MINUTE_MS;
    await rotate();
    expect(await states(replicas[0] as Runtime)).toEqual(['active', 'next']);
    offsetMs += 2 * MINUTE_MS;
    await rotate();
    await rotate();
    expect(await states(replicas[0] as Runtime)).toEqual(['active', 'next', 'retired']);
  });

  test('does not rotate if the setting is 0', async () => {
    const runtime = await replica(newFile(), { SAMLGATE_KEY_ROTATION_DAYS: '0' });
    offsetMs += 3650 * DAY_MS;
    await rotateWhenDue(runtime);
    expect(await states(runtime)).toEqual(['active', 'next']);
  });
});

describe('retention of retired keys', () => {
  test('keeps a key until the CLI tokens that it signed have expired', async () => {
    const runtime = await replica(newFile());
    const { cliToken } = await holder(runtime);
    const token = await cliToken(runtime, 20);
    await rotateSigningKeys(runtime, OPERATOR);
    offsetMs += 19 * DAY_MS;
    await deleteOldKeys(runtime);
    expect(await states(runtime)).toEqual(['active', 'next', 'retired']);
    expect(await check(runtime, token)).toBe('done');
    offsetMs += 2 * DAY_MS;
    await deleteOldKeys(runtime);
    expect(await states(runtime)).toEqual(['active', 'next']);
  });

  test('keeps a key if the stored number of its tokens is too small', async () => {
    const runtime = await replica(newFile());
    const { cliToken } = await holder(runtime);
    const token = await cliToken(runtime, null);
    const kid = (await listSigningKeys(runtime)).find(({ key }) => key.state === 'active')?.key.kid ?? '';
    await rotateSigningKeys(runtime, OPERATOR);
    const counts = { name: 'cli-token-counts', indexes: {}, unique: {} };
    offsetMs += 30 * MINUTE_MS;
    const stored = await runtime.store.get<TokenCounts>(GLOBAL, counts, 'cli-token-counts');
    expect(stored?.value.byKey).toEqual({ [kid]: 1 });
    const value = { countedAtMs: runtime.now(), byKey: {} };
    const step = { do: 'replace', collection: counts, id: 'cli-token-counts', version: stored?.version ?? 0, value } as const;
    expect(await runtime.store.commit(GLOBAL, [step])).toEqual({ ok: true });
    await deleteOldKeys(runtime);
    expect(await check(runtime, token)).toBe('done');
    expect(await states(runtime)).toEqual(['active', 'next', 'retired']);
  });

  test('lists the number of tokens without counting them again', async () => {
    const runtime = await replica(newFile());
    const { cliToken } = await holder(runtime);
    const numbers = async () => (await listSigningKeys(runtime)).map(({ cliTokens }) => cliTokens).toSorted();
    expect(await numbers()).toEqual([0, 0]);
    await cliToken(runtime, 20);
    await cliToken(runtime, null);
    expect(await numbers()).toEqual([0, 2]);
    const reads: string[] = [];
    const store = new Proxy(runtime.store, {
      get(target, name: keyof Store) {
        if (name === 'find') reads.push(name);
        const member = target[name];
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    await listSigningKeys({ ...runtime, store });
    expect(reads).toEqual([]);
    offsetMs += 21 * DAY_MS;
    await deleteOldKeys(runtime);
    expect(await numbers()).toEqual([0, 1]);
  });

  test('keeps a key forever for a token that never expires', async () => {
    const runtime = await replica(newFile());
    const { cliToken } = await holder(runtime);
    const token = await cliToken(runtime, null);
    await rotateSigningKeys(runtime, OPERATOR);
    offsetMs += 3650 * DAY_MS;
    await deleteOldKeys(runtime);
    expect(await check(runtime, token)).toBe('done');
  });

  test('keeps a key until the session tokens that it signed have expired', async () => {
    const runtime = await replica(newFile());
    const { sessionToken } = await holder(runtime);
    const token = await sessionToken();
    await rotateSigningKeys(runtime, OPERATOR);
    offsetMs += 10 * MINUTE_MS - 5000;
    await deleteOldKeys(runtime);
    expect(await check(runtime, token)).toBe('done');
    offsetMs += 11 * MINUTE_MS;
    await deleteOldKeys(runtime);
    expect(await states(runtime)).toEqual(['active', 'next']);
  });
});

describe('revoking a key', () => {
  test('rejects every token that the key signed, on every replica, when the revocation has succeeded', async () => {
    const file = newFile();
    const [a, b] = await Promise.all([replica(file), replica(file)]);
    const { cliToken, sessionToken } = await holder(a);
    const tokens = [await cliToken(), await cliToken(), await sessionToken()];
    // Both replicas have cached the key, and tokens that they verified before.
    for (const runtime of [a, b]) for (const token of tokens) expect(await check(runtime, token)).toBe('done');
    const kid = kidOf(tokens[0] ?? '');
    expect((await listSigningKeys(a)).find(({ key }) => key.kid === kid)?.cliTokens).toBe(2);
    const revoking = revokeSigningKey(a, OPERATOR, kid);
    // b keeps checking, so that its lease is as recent as possible.
    let isOver = false;
    const busy = (async () => {
      for (; !isOver; ) {
        await check(b, tokens[0] ?? '');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    const revoked = await revoking;
    const verdicts = await Promise.all([a, b].flatMap((runtime) => tokens.map((token) => check(runtime, token))));
    isOver = true;
    await busy;
    expect(verdicts).toEqual(Array(6).fill('unauthenticated'));
    expect(revoked).toMatchObject({ cliTokens: 2, key: { kid, state: 'revoked' } });
  }, 20_000);

  test('activates the next key when the active key is revoked, and creates a new next key', async () => {
    const runtime = await replica(newFile());
    const { cliToken } = await holder(runtime);
    const { kid } = await currentSigner(runtime);
    await revokeSigningKey(runtime, OPERATOR, kid);
    expect(await states(runtime)).toEqual(['active', 'next', 'revoked']);
    expect((await publicKeySet(runtime)).keys.map((key) => key.kid)).not.toContain(kid);
    expect(await check(runtime, await cliToken())).toBe('done');
    expect(await codeOf(revokeSigningKey(runtime, OPERATOR, kid))).toBe('conflict');
  });

  test('replaces the next key when it is revoked', async () => {
    const runtime = await replica(newFile());
    const next = (await listSigningKeys(runtime))[0]?.key.kid ?? '';
    const { kid } = await currentSigner(runtime);
    await revokeSigningKey(runtime, OPERATOR, next);
    expect(await states(runtime)).toEqual(['active', 'next', 'revoked']);
    expect((await currentSigner(runtime)).kid).toBe(kid);
  });

  test('refuses an unknown key', async () => {
    const runtime = await replica(newFile());
    expect(await codeOf(revokeSigningKey(runtime, OPERATOR, 'unknown'))).toBe('not_found');
  });
});

describe('a kid that is unknown to a replica', () => {
  test('is looked up in the store immediately, but at most once a second for forged ones', async () => {
    const runtime = await replica(newFile());
    let reads = 0;
    const { store } = runtime;
    const counting: Runtime = {
      ...runtime,
      store: Object.assign(Object.create(store) as typeof store, {
        get: (...asked: Parameters<typeof store.get>) => {
          reads++;
          return store.get(...asked);
        },
      }),
    };
    await verifyingKey(counting, 'made-up');
    const startedMs = performance.now();
    const before = reads;
    for (let n = 0; n < 200; n++) expect(await verifyingKey(counting, `made-up-${n}`)).toBeUndefined();
    // One read per second, and those that renew the lease.
    expect(reads - before).toBeLessThanOrEqual(Math.ceil((2 * (performance.now() - startedMs)) / 1000));
  });

  test('is found when the first token that it signed is checked', async () => {
    const file = newFile();
    const [a, b] = await Promise.all([replica(file), replica(file)]);
    const { cliToken } = await holder(a);
    expect(await check(b, await cliToken())).toBe('done');
    await new Promise((resolve) => setTimeout(resolve, 1050));
    // Created, published and activated before the lease of the other replica ends, so it has never seen this key.
    await rotateSigningKeys(a, OPERATOR);
    offsetMs += 65_000;
    await rotateSigningKeys(a, OPERATOR);
    expect(await check(b, await cliToken())).toBe('done');
  });
});

describe('a changed master secret (SAMLGATE_SECRET)', () => {
  const NEW_SECRET = randomBytes(32).toString('base64');

  test('wraps every private key again if the previous secret is given', async () => {
    const file = newFile();
    const before = await replica(file);
    const { cliToken } = await holder(before);
    const token = await cliToken();
    const { id } = await createOrganization(before, OPERATOR, { slug: 'wrapped', name: 'W', domains: [], allowedReturnUrls: [] });
    const spKey = await openKey(before, id);
    const both = await replica(file, { SAMLGATE_SECRET: NEW_SECRET, SAMLGATE_SECRET_PREVIOUS: SECRET });
    expect(await openKey(both, id)).toBe(spKey);
    const after = await replica(file, { SAMLGATE_SECRET: NEW_SECRET });
    expect(await openKey(after, id)).toBe(spKey);
    expect(await check(after, token)).toBe('done');
    expect(await check(after, await cliToken(after))).toBe('done');
    expect(kidOf(await cliToken(after))).toBe(kidOf(token));
  });

  const openKey = async (runtime: Runtime, id: string): Promise<string> => {
    const [key] = (await getOrganizationById(runtime.store, id))?.spKeys ?? [];
    if (!key) throw new Error('the organization has no key');
    return openSpKey(runtime, key);
  };

  test('stops startup without the previous secret, with one line of instructions, and changes nothing', async () => {
    const file = newFile();
    const before = await replica(file);
    const ring = await readKeyRing(before);
    const start = replica(file, { SAMLGATE_SECRET: NEW_SECRET });
    await expect(start).rejects.toThrow(ConfigError);
    await expect(start).rejects.toThrow(/^SAMLGATE_SECRET is not the secret .* SAMLGATE_SECRET_PREVIOUS to it$/);
    const neither = { SAMLGATE_SECRET: NEW_SECRET, SAMLGATE_SECRET_PREVIOUS: randomBytes(32).toString('base64') };
    await expect(replica(file, neither)).rejects.toThrow(ConfigError);
    expect(await readKeyRing(before)).toEqual(ring);
  });

  test('refuses a wrapped key that was moved to another kid', async () => {
    const file = newFile();
    const runtime = await replica(file);
    const stored = await runtime.store.get('global', KEY_RING, KEY_RING_RECORD);
    if (!stored) throw new Error('there is no ring');
    const [active, next] = stored.value.keys;
    const swapped = [
      { ...active, wrappedPrivateKey: next?.wrappedPrivateKey },
      { ...next, wrappedPrivateKey: active?.wrappedPrivateKey },
    ];
    await runtime.store.commit('global', [
      { do: 'replace', collection: KEY_RING, id: KEY_RING_RECORD, version: stored.version, value: { keys: swapped } },
    ]);
    await expect(prepareSigningKeys(runtime)).rejects.toThrow(ConfigError);
  });
});
