import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import express from 'express';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT, UnsecuredJWT } from 'jose';
import { type Auth, requireAuth } from '../../src/client/express.ts';
import { freePort } from '../support/redis-server.ts';
import { type StubGateway, startStubGateway } from './stub-gateway.ts';

interface Key {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

async function makeKey(kid: string, alg = 'ES256'): Promise<Key> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

const IN_AN_HOUR = () => Math.floor(Date.now() / 1000) + 3600;
const CLAIMS = { sub: 'usr_1', org: 'org_1', email: 'ada@acme.example', name: 'Ada', role: 'collaborator', sid: 'ses_1', jti: 'j1' };

let gateway: StubGateway;
let published: Key;
let unpublished: Key;
const servers: Server[] = [];
/** Answers the token endpoint of the gateway. */
let exchange: (
  body: URLSearchParams,
) => { status?: number; body?: unknown; hangUp?: boolean } | Promise<{ status?: number; body?: unknown }>;

beforeAll(async () => {
  [published, unpublished] = await Promise.all([makeKey('k1'), makeKey('k2')]);
});
// Each test has its own gateway, because keys and exchanged tokens are cached per issuer.
beforeEach(async () => {
  gateway = await startStubGateway();
  gateway.answer(({ url, body }) => {
    if (url === '/.well-known/jwks.json') return { body: { keys: [published.jwk] } };
    return url === '/oauth/token' ? exchange(new URLSearchParams(body)) : { status: 404, body: {} };
  });
});
afterEach(async () => {
  jest.restoreAllMocks();
  await gateway.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});
afterAll(() => expect(servers).toEqual([]));

type Claims = Readonly<Record<string, unknown>>;

function sign(claims: Claims = {}, { key = published, typ = 'at+jwt', kid = key.kid }: { key?: Key; typ?: string; kid?: string } = {}) {
  const base = { ...CLAIMS, iss: gateway.url, aud: gateway.url, iat: IN_AN_HOUR() - 3600, exp: IN_AN_HOUR() };
  const payload = Object.fromEntries(Object.entries({ ...base, ...claims }).filter(([, value]) => value !== undefined));
  return new SignJWT(payload).setProtectedHeader({ alg: key.alg, kid, typ }).sign(key.privateKey);
}

const cliToken = async (claims: Claims = {}, key = published) =>
  `samlgate_cli_${await sign({ aud: undefined, exp: undefined, role: undefined, ...claims }, { key, typ: 'samlgate-cli+jwt' })}`;

type Options = Partial<Parameters<typeof requireAuth>[0]>;

async function listen(server: Server): Promise<string> {
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function startService(options: Options = {}): Promise<string> {
  const app = express();
  app.get('/', requireAuth({ issuer: gateway.url, ...options }), (request, response) => {
    response.json(request.auth);
  });
  return listen(createServer(app));
}

async function ask(service: string, token?: string) {
  const response = await fetch(service, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, body, challenge: response.headers.get('www-authenticate'), headers: response.headers };
}

const AUTH: Omit<Auth, 'expiresAtMs'> = {
  userId: 'usr_1',
  organizationId: 'org_1',
  email: 'ada@acme.example',
  name: 'Ada',
  role: 'collaborator',
  sessionId: 'ses_1',
  tokenId: 'j1',
};
const INVALID = {
  status: 401,
  challenge: 'Bearer realm="samlgate", error="invalid_token"',
  body: { code: 'unauthenticated', status: 401 },
};

describe('samlgate/express requireAuth: session tokens', () => {
  test('are verified offline and identify the member', async () => {
    const service = await startService();
    const exp = IN_AN_HOUR();
    for (let i = 0; i < 3; i++) expect((await ask(service, await sign({ exp }))).body).toEqual({ ...AUTH, expiresAtMs: exp * 1000 });
    expect(gateway.requests.map(({ url }) => url)).toEqual(['/.well-known/jwks.json']);
  });

  test.each(['ES256', 'RS256', 'EdDSA'])('are accepted if signed with %s', async (alg) => {
    published = await makeKey('other', alg);
    expect((await ask(await startService(), await sign())).status).toBe(200);
    published = await makeKey('k1');
  });

  test('are required: answers 401 with a challenge without one', async () => {
    const { status, challenge, body, headers } = await ask(await startService());
    expect({ status, challenge, body }).toMatchObject({
      status: 401,
      challenge: 'Bearer realm="samlgate"',
      body: { type: 'urn:samlgate:error:unauthenticated', status: 401, code: 'unauthenticated' },
    });
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  test.each(['Basic dTpw', 'Bearer', 'Bearer a b', 'Bearer "a"', 'bearer\ta'])('answers 401 to the header %j', async (authorization) => {
    const response = await fetch(await startService(), { headers: { authorization } });
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="samlgate"']);
  });

  test.each<[string, () => Promise<string> | string]>([
    ['signed by another key with a known kid', () => sign({}, { key: unpublished, kid: 'k1' })],
    ['signed by a key that is not published', () => sign({}, { key: unpublished })],
    ['that has expired', () => sign({ exp: IN_AN_HOUR() - 3610 })],
    ['without an expiry', () => sign({ exp: undefined })],
    ['that is not valid yet', () => sign({ nbf: IN_AN_HOUR() })],
    ['of another issuer', () => sign({ iss: 'https://other.example' })],
    ['without an issuer', () => sign({ iss: undefined })],
    ['for another audience', () => sign({ aud: 'https://other.example' })],
    ['without an audience', () => sign({ aud: undefined })],
    [
      'without a type',
      () =>
        new SignJWT({ ...CLAIMS, iss: gateway.url, aud: gateway.url, exp: IN_AN_HOUR() })
          .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
          .sign(published.privateKey),
    ],
    ['of the type of CLI tokens', () => sign({}, { typ: 'samlgate-cli+jwt' })],
    ['of the type of ID tokens', () => sign({}, { typ: 'JWT' })],
    ['without a subject', () => sign({ sub: undefined })],
    ['without an organization', () => sign({ org: undefined })],
    ['without a role', () => sign({ role: undefined })],
    ['with an unknown role', () => sign({ role: 'none' })],
    ['without a signature', () => new UnsecuredJWT({ ...CLAIMS, iss: gateway.url, aud: gateway.url, exp: IN_AN_HOUR() }).encode()],
    ['with an HMAC keyed with the public key', hmacByPublicKey],
    ['that is not a JWT', () => 'not.a.token'],
    ['that is too long', () => sign({ name: 'A'.repeat(8192) })],
  ])('reject a token %s', async (_what, make) => {
    expect(await ask(await startService(), await make())).toMatchObject(INVALID);
  });

  async function hmacByPublicKey(): Promise<string> {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ alg: 'HS256', kid: 'k1', typ: 'at+jwt' })}.${part({ ...CLAIMS, iss: gateway.url, aud: gateway.url, exp: IN_AN_HOUR() })}`;
    return `${signed}.${createHmac('sha256', await exportSPKI(published.publicKey))
      .update(signed)
      .digest('base64url')}`;
  }

  test('allow clocks to differ by 5 seconds', async () => {
    const service = await startService();
    expect((await ask(service, await sign({ exp: IN_AN_HOUR() - 3602 }))).status).toBe(200);
    expect((await ask(await startService({ clockToleranceSeconds: 0 }), await sign({ exp: IN_AN_HOUR() - 3602 }))).status).toBe(401);
  });

  test('are checked for the audience of the service', async () => {
    const service = await startService({ audience: 'https://reports.example' });
    expect((await ask(service, await sign({ aud: ['x', 'https://reports.example'] }))).status).toBe(200);
    expect(await ask(service, await sign())).toMatchObject(INVALID);
  });

  test.each<[Options['role'], string, number]>([
    [undefined, 'collaborator', 200],
    ['collaborator', 'collaborator', 200],
    ['collaborator', 'owner', 200],
    ['owner', 'owner', 200],
    ['owner', 'collaborator', 403],
  ])('with the required role %s, a token with the role %s gets %i', async (role, held, status) => {
    const answer = await ask(await startService({ role }), await sign({ role: held }));
    expect(answer.status).toBe(status);
    if (status !== 403) return;
    expect(answer.body).toMatchObject({ code: 'forbidden', status: 403 });
    expect(answer.challenge).toBe('Bearer realm="samlgate", error="insufficient_scope"');
  });

  test('of other organizations are refused if an organization is set, even those of owners', async () => {
    const service = await startService({ organization: 'org_1' });
    expect((await ask(service, await sign())).status).toBe(200);
    for (const org of ['org_2', 'org_1 ', 'ORG_1']) {
      expect(await ask(service, await sign({ org, role: 'owner' }))).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
  });

  test.each(['acme', '', 'org_', 'ORG_1', 'org_1 ', 'org_1/x', ' org_1'])('requireAuth throws for the organization %j', (organization) => {
    expect(() => requireAuth({ issuer: gateway.url, organization })).toThrow(expect.objectContaining({ code: 'argument_invalid' }));
  });

  test.each<[string, () => void]>([
    ['does not answer', () => gateway.answer(() => ({ hangUp: true }))],
    ['has no keys', () => gateway.answer(() => ({ status: 503, body: {} }))],
    ['is something else', () => gateway.answer(() => ({ body: '<html>' }))],
    ['is something else with JSON', () => gateway.answer(() => ({ body: { keys: 'none' } }))],
    ['sends somewhere else', () => gateway.answer(() => ({ status: 302, headers: { location: '/' } }))],
  ])('get 503 while the gateway %s', async (_what, breakIt) => {
    const service = await startService();
    const token = await sign();
    breakIt();
    const answer = await ask(service, token);
    expect(answer).toMatchObject({ status: 503, challenge: null, body: { code: 'gateway_unreachable' } });
    expect(answer.headers.get('retry-after')).toBe('2');
    gateway.answer(() => ({ body: { keys: [published.jwk] } }));
    expect((await ask(service, token)).status).toBe(200);
  });

  test('requireAuth throws for an invalid issuer', () => {
    expect(() => requireAuth({ issuer: 'sso.example.com' })).toThrow('https://sso.example.com');
  });

  test('get 503 if the gateway can’t be reached', async () => {
    const issuer = `http://127.0.0.1:${await freePort()}`;
    expect((await ask(await startService({ issuer }), await sign())).status).toBe(503);
  });

  test('are verified in front of a plain node:http handler too', async () => {
    const middleware = requireAuth({ issuer: gateway.url });
    const server = createServer((request: Parameters<typeof middleware>[0], response) =>
      middleware(request, response, () => response.end(JSON.stringify({ user: request.auth?.userId }))),
    );
    const service = await listen(server);
    expect((await ask(service, await sign())).body).toEqual({ user: 'usr_1' });
    expect((await ask(service)).status).toBe(401);
  });
});

describe('samlgate/express requireAuth: CLI tokens', () => {
  const exchanges = () => gateway.requests.filter(({ url }) => url === '/oauth/token');
  const answerSessionToken = (claims: Claims = {}) => {
    exchange = async () => ({ body: { access_token: await sign(claims), token_type: 'Bearer' } });
  };

  test('are exchanged once for many concurrent requests', async () => {
    answerSessionToken({ role: 'owner' });
    const service = await startService();
    const token = await cliToken();
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(service, token)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(answers[0]?.body).toMatchObject({ userId: 'usr_1', role: 'owner' });
    expect((await ask(service, token)).status).toBe(200);
    expect(exchanges()).toHaveLength(1);
    expect(Object.fromEntries(new URLSearchParams(exchanges()[0]?.body))).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    });
  });

  test('are exchanged for the audience of the service', async () => {
    const audience = 'https://reports.example';
    answerSessionToken({ aud: audience });
    expect((await ask(await startService({ audience }), await cliToken())).status).toBe(200);
    expect(new URLSearchParams(exchanges()[0]?.body).get('audience')).toBe(audience);
  });

  test('are exchanged again shortly before the session token expires', async () => {
    const service = await startService();
    const token = await cliToken();
    answerSessionToken({ exp: Math.floor(Date.now() / 1000) + 29 });
    await ask(service, token);
    await ask(service, token);
    expect(exchanges()).toHaveLength(2);
    answerSessionToken({ exp: Math.floor(Date.now() / 1000) + 90 });
    await ask(service, token);
    await ask(service, token);
    expect(exchanges()).toHaveLength(3);
  });

  test('are not exchanged again for some seconds after a refusal', async () => {
    exchange = () => ({ status: 400, body: { error: 'invalid_grant' } });
    const service = await startService();
    const token = await cliToken();
    expect(await ask(service, token)).toMatchObject(INVALID);
    expect(await ask(service, token)).toMatchObject(INVALID);
    expect(exchanges()).toHaveLength(1);
    answerSessionToken();
    const now = Date.now();
    jest.spyOn(Date, 'now').mockImplementation(() => now + 5100);
    expect((await ask(service, token)).status).toBe(200);
  });

  test.each<[string, () => void]>([
    ['does not answer', () => (exchange = () => ({ hangUp: true }))],
    ['has no store', () => (exchange = () => ({ status: 503, body: { code: 'store_unavailable' } }))],
    ['rate-limits the service', () => (exchange = () => ({ status: 429, body: { code: 'rate_limited' } }))],
  ])('get 503 if the gateway %s, and are exchanged by the next request', async (_what, breakIt) => {
    breakIt();
    const service = await startService();
    const token = await cliToken();
    expect(await ask(service, token)).toMatchObject({ status: 503, body: { code: 'gateway_unreachable' } });
    answerSessionToken();
    expect((await ask(service, token)).status).toBe(200);
  });

  test.each<[string, () => Promise<string>]>([
    ['that the gateway never signed', () => cliToken({}, unpublished)],
    ['of another issuer', () => cliToken({ iss: 'https://other.example' })],
    ['that has expired', () => cliToken({ exp: IN_AN_HOUR() - 3610 })],
    ['with a session token in it', async () => `samlgate_cli_${await sign()}`],
    ['with nothing in it', async () => 'samlgate_cli_'],
  ])('reject a token %s without a request to the gateway', async (_what, make) => {
    answerSessionToken();
    expect(await ask(await startService(), await make())).toMatchObject(INVALID);
    expect(exchanges()).toEqual([]);
  });

  test('are rejected without their prefix', async () => {
    answerSessionToken();
    const token = (await cliToken({ aud: gateway.url, exp: IN_AN_HOUR(), role: 'owner' })).slice('samlgate_cli_'.length);
    expect(await ask(await startService(), token)).toMatchObject(INVALID);
  });

  test('are rejected if the session token is invalid', async () => {
    answerSessionToken({ aud: 'https://other.example' });
    expect(await ask(await startService(), await cliToken())).toMatchObject(INVALID);
  });
});

describe('samlgate/express requireAuth: secrets', () => {
  test('prints no token', async () => {
    const written: string[] = [];
    for (const stream of [process.stdout, process.stderr]) {
      jest.spyOn(stream, 'write').mockImplementation((text) => {
        written.push(String(text));
        return true;
      });
    }
    exchange = () => ({ hangUp: true });
    const service = await startService();
    const answers = [
      await ask(service, await sign({ exp: 1 })),
      await ask(service, await cliToken()),
      await ask(service, 'secret.secret.secret'),
    ];
    jest.restoreAllMocks();
    expect(written.join('')).toBe('');
    expect(JSON.stringify(answers)).not.toMatch(/secret|eyJ/);
  });
});
