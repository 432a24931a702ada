import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

let directory: string;
let redis: RedisServer;
let gateway: TestGateway;
let carl: SignedIn;
let token: string;
let nowMs = Date.now();

const OPTIONS = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction'];

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-outage-'));
  redis = await startRedis(OPTIONS, { port: await freePort(), directory });
  gateway = await startGateway({ environment: { SAMLGATE_STORE: redis.url }, now: () => nowMs });
  carl = await signedIn(gateway, await gateway.makeOrganization(), 'carl');
  token = (await carl.makeToken()).token;
});
afterAll(async () => {
  await gateway.stop();
  await redis.stop();
  rmSync(directory, { recursive: true, force: true });
});

const bearer = () => ({ authorization: `Bearer ${token}` });
const form = (fields: Record<string, string>): RequestInit => ({ method: 'POST', body: new URLSearchParams(fields) });

/** Every endpoint that checks or issues a token. */
const ENDPOINTS: readonly [what: string, path: string, request: () => RequestInit][] = [
  ['API', '/api/v1/me', () => ({ headers: bearer() })],
  ['API by cookie', '/api/v1/me', () => ({ headers: { cookie: carl.cookie } })],
  ['forward auth', '/auth/verify', () => ({ headers: bearer() })],
  ['forward auth by cookie', '/auth/verify', () => ({ headers: { cookie: carl.cookie } })],
  ['introspection', '/oauth/introspect', () => ({ ...form({ token }), headers: bearer() })],
  [
    'token exchange',
    '/oauth/token',
    () =>
      form({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      }),
  ],
  ['device authorization', '/oauth/device_authorization', () => form({ client_id: 'samlgate-cli' })],
];

const ask = async (url: string, request: RequestInit): Promise<[number, unknown]> => {
  const response = await fetch(`${gateway.url}${url}`, request);
  const text = await response.text();
  return [response.status, text === '' ? undefined : (JSON.parse(text) as { code?: string }).code];
};

/** Calls a path with the session cookie and returns whether it reused a connection. */
const askOn = async (agent: Agent, url: string, cookie: string): Promise<{ status: number | undefined; reused: boolean }> => {
  await new Promise((resolve) => setTimeout(resolve, 20)); // lets late events arrive
  const asked = get(`${gateway.url}${url}`, { agent, headers: { cookie } });
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return { status: response.statusCode, reused: asked.reusedSocket };
};

describe('while the store accepts no writes', () => {
  test('answers pages without delay and renews the session with a later request', async () => {
    nowMs += 61_000;
    const admin = new Redis(redis.url);
    await admin.call('CLIENT', 'PAUSE', '10000', 'WRITE');
    const startedMs = performance.now();
    const page = await fetch(`${gateway.url}/console`, { headers: { cookie: carl.cookie } });
    expect([page.status, (await page.text()).endsWith('</html>')]).toEqual([200, true]);
    expect(performance.now() - startedMs).toBeLessThan(2000); // the store gives up after 2.5 s
    await admin.call('CLIENT', 'UNPAUSE');
    await admin.quit();
    expect((await ask('/api/v1/me', { headers: { cookie: carl.cookie } }))[0]).toBe(200);
  });
});

describe('while the store is unreachable', () => {
  test.each(ENDPOINTS)('%s works before', async (_what, url, request) => {
    expect((await ask(url, request()))[0]).toBe(200);
  });

  describe('store unavailable', () => {
    beforeAll(() => redis.stop());

    test.each(ENDPOINTS)('%s answers store_unavailable, neither valid nor invalid', async (_what, url, request) => {
      expect(await ask(url, request())).toEqual([503, 'store_unavailable']);
    });

    test('keeps the connection open: nothing fails after the response', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      expect(await askOn(agent, '/api/v1/me', carl.cookie)).toEqual({ status: 503, reused: false });
      expect(await askOn(agent, '/api/v1/me', carl.cookie)).toEqual({ status: 503, reused: true });
      agent.destroy();
    });

    test('does not report a token as revoked', async () => {
      expect(await ask('/oauth/revoke', form({ token }))).toEqual([503, 'store_unavailable']);
    });
  });

  describe('store available again', () => {
    beforeAll(async () => {
      redis = await startRedis(OPTIONS, { port: redis.port, directory });
      for (let attempt = 0; attempt < 200 && (await fetch(`${gateway.url}/readyz`)).status !== 200; attempt++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });

    test.each(ENDPOINTS)('%s works', async (_what, url, request) => {
      expect((await ask(url, request()))[0]).toBe(200);
    });
  });
});
