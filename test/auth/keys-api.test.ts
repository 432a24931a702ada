import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KEY_RING, KEY_RING_RECORD } from '../../src/auth/keys/key-ring.ts';
import { type Answer, startGateway, type TestGateway } from '../support/gateway.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let owner: SignedIn;

beforeAll(async () => {
  gateway = await startGateway();
  owner = await signedIn(gateway, await gateway.makeOrganization(), 'olivia');
});
afterAll(() => gateway.stop());

interface KeyJson {
  readonly kid: string;
  readonly state: string;
  readonly live_tokens: number;
}

const outcome = ({ status, body }: Answer<unknown>): unknown => (body as { code?: string }).code ?? status;
const list = async (): Promise<KeyJson[]> => (await gateway.api<{ items: KeyJson[] }>('GET', '/keys')).body.items;
const published = async (): Promise<string[]> =>
  ((await (await fetch(`${gateway.url}/.well-known/jwks.json`)).json()) as { keys: KeyJson[] }).keys.map(({ kid }) => kid);

describe('signing keys in the API (/keys)', () => {
  test('are available only to the operator', async () => {
    const [{ kid }] = (await list()) as [KeyJson];
    const { token } = await owner.makeToken();
    for (const [method, path] of [
      ['GET', '/keys'],
      ['POST', '/keys/rotate'],
      ['POST', `/keys/${kid}/revoke`],
    ] as const) {
      expect(outcome(await owner.api(method, path))).toBe('forbidden');
      expect(outcome(await gateway.api(method, path, undefined, token))).toBe('forbidden');
      expect((await fetch(`${gateway.url}/api/v1${path}`, { method })).status).toBe(401);
    }
    expect((await list()).map(({ state }) => state)).toEqual(['next', 'active']);
  });

  test('are listed with the number of their CLI tokens', async () => {
    const alive = (await list()).find(({ state }) => state === 'active');
    expect(alive).toEqual({ kid: expect.any(String), alg: 'ES256', state: 'active', created_at: expect.any(String), live_tokens: 1 });
  });

  test('rotate, but not again before verifiers know the next key', async () => {
    const [next, active] = (await list()) as [KeyJson, KeyJson];
    const rotated = await gateway.api<KeyJson>('POST', '/keys/rotate');
    expect(rotated.body).toMatchObject({ kid: next.kid, state: 'active' });
    expect((await list()).map(({ kid, state }) => [kid, state]).slice(1)).toEqual([
      [next.kid, 'active'],
      [active.kid, 'retired'],
    ]);
    expect(await published()).toEqual(expect.arrayContaining([next.kid, active.kid]));
    const again = await gateway.api('POST', '/keys/rotate');
    expect([outcome(again), Number(again.headers.get('retry-after'))]).toEqual(['conflict', expect.any(Number)]);
  });

  test('are revoked with all tokens that they signed', async () => {
    const { token } = await owner.makeToken();
    const active = (await list()).find(({ state }) => state === 'active');
    const before = active?.live_tokens;
    const revoked = await gateway.api('POST', `/keys/${active?.kid}/revoke`);
    expect([revoked.status, revoked.body]).toEqual([200, { kid: active?.kid, revoked_tokens: before }]);
    expect(outcome(await gateway.api('GET', '/me', undefined, token))).toBe('unauthenticated');
    expect(await published()).not.toContain(active?.kid);
    expect((await owner.api<{ items: unknown[] }>('GET', '/me/tokens')).body.items).toHaveLength(1);
    expect(outcome(await gateway.api('GET', '/me', undefined, (await owner.makeToken()).token))).toBe(200);
    expect(outcome(await gateway.api('POST', `/keys/${active?.kid}/revoke`))).toBe('conflict');
    expect(outcome(await gateway.api('POST', '/keys/unknown/revoke'))).toBe('not_found');
  });

  test('GET /readyz fails without an active key', async () => {
    const ready = async () => (await fetch(`${gateway.url}/readyz`)).status;
    expect(await ready()).toBe(200);
    const { store } = gateway.runtime;
    const ring = await store.get('global', KEY_RING, KEY_RING_RECORD);
    const value = { keys: ring?.value.keys.filter(({ state }) => state !== 'active') ?? [] };
    await store.commit('global', [{ do: 'replace', collection: KEY_RING, id: KEY_RING_RECORD, version: ring?.version ?? 0, value }]);
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect(await ready()).toBe(503);
  });
});
