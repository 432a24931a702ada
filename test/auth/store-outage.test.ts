import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

let directory: string;
let redis: RedisServer;
let gateway: TestGateway;
let carl: SignedIn;
let token: string;

const OPTIONS = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction'];

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-outage-'));
  redis = await startRedis(OPTIONS, { port: await freePort(), directory });
  gateway = await startGateway({ environment: { SAMLGATE_STORE: redis.url } });
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

/** Every way to ask about a token, or for one. */
const ASKED: readonly [what: string, path: string, request: () => RequestInit][] = [
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

describe('while the store can’t be reached', () => {
  test.each(ASKED)('before: %s is answered', async (_what, url, request) => {
    expect((await ask(url, request()))[0]).toBe(200);
  });

  describe('it has gone', () => {
    beforeAll(() => redis.stop());

    test.each(ASKED)('%s says so, and neither yes nor no', async (_what, url, request) => {
      expect(await ask(url, request())).toEqual([503, 'store_unavailable']);
    });

    test('a token is not said to be revoked', async () => {
      expect(await ask('/oauth/revoke', form({ token }))).toEqual([503, 'store_unavailable']);
    });
  });

  describe('it has come back', () => {
    beforeAll(async () => {
      redis = await startRedis(OPTIONS, { port: redis.port, directory });
      for (let attempt = 0; attempt < 200 && (await fetch(`${gateway.url}/readyz`)).status !== 200; attempt++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });

    test.each(ASKED)('%s is answered', async (_what, url, request) => {
      expect((await ask(url, request()))[0]).toBe(200);
    });
  });
});
