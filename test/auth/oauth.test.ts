import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

let gateway: TestGateway;
let organization: OrganizationJson;
let owner: SignedIn;
let carl: SignedIn;
let otherOwner: SignedIn;

beforeAll(async () => {
  gateway = await startGateway();
  organization = await gateway.makeOrganization();
  owner = await signedIn(gateway, organization, 'olivia');
  carl = await signedIn(gateway, organization, 'carl');
  otherOwner = await signedIn(gateway, await gateway.makeOrganization(), 'olivia');
});
afterAll(() => gateway.stop());

interface OAuthAnswer {
  readonly status: number;
  readonly type: string | null;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

async function post(path: string, form: Record<string, string> | string, headers: Record<string, string> = {}): Promise<OAuthAnswer> {
  const response = await fetch(`${gateway.url}/oauth/${path}`, { method: 'POST', headers, body: new URLSearchParams(form) });
  const text = await response.text();
  const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
  return { status: response.status, type: response.headers.get('content-type'), headers: response.headers, body };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const me = async (token: string): Promise<number> => (await gateway.api('GET', '/me', undefined, token)).status;
const sessionTokenOf = async (person: SignedIn) => (await person.api<{ token: string }>('POST', '/me/session-token')).body.token;

describe('token introspection (RFC 7662)', () => {
  const introspect = async (token: string, caller: string) => (await post('introspect', { token }, bearer(caller))).body;

  test('describes a valid token to the operator and to members of the same organization', async () => {
    const created = await carl.makeToken({ expires_in_days: 3 });
    const colleague = (await owner.makeToken()).token;
    for (const caller of [gateway.operatorToken, colleague, created.token, await sessionTokenOf(owner)]) {
      expect(await introspect(created.token, caller)).toEqual({
        active: true,
        token_type: 'Bearer',
        kind: 'cli_token',
        iss: gateway.url,
        sub: carl.id,
        org: organization.id,
        username: 'carl@okta.acme.example',
        email: 'carl@okta.acme.example',
        name: 'Carl Čapek',
        role: 'collaborator',
        jti: created.id,
        iat: Date.parse(created.created_at) / 1000,
        exp: Date.parse(created.expires_at ?? '') / 1000,
      });
    }
  });

  test('returns the audience and the source of a session token', async () => {
    const token = await sessionTokenOf(carl);
    const { aud, sid, jti, exp } = decodeJwt(token);
    expect(await introspect(token, gateway.operatorToken)).toMatchObject({ active: true, kind: 'session_token', aud, sid, jti, exp });
  });

  test('returns only inactive for revoked and invalid tokens and for those of another organization', async () => {
    const created = await carl.makeToken();
    const foreign = (await otherOwner.makeToken()).token;
    expect(await introspect(created.token, foreign)).toEqual({ active: false });
    expect(await introspect(foreign, created.token)).toEqual({ active: false });
    expect(await introspect('nothing', created.token)).toEqual({ active: false });
    expect(await introspect(gateway.operatorToken, gateway.operatorToken)).toEqual({ active: false });
    await carl.api('DELETE', `/me/tokens/${created.id}`);
    expect(await introspect(created.token, gateway.operatorToken)).toEqual({ active: false });
  });

  test('refuses callers without a valid bearer token', async () => {
    const { token } = await carl.makeToken();
    for (const headers of [{}, bearer('nothing'), { cookie: carl.cookie }] as Record<string, string>[]) {
      const { status, body, headers: answered } = await post('introspect', { token }, headers);
      expect([status, body.code, body.error, body.active]).toEqual([401, 'unauthenticated', 'invalid_client', undefined]);
      expect(answered.get('www-authenticate')).toContain('Bearer');
    }
  });
});

describe('token revocation (RFC 7009)', () => {
  test('revokes a CLI token for its holder', async () => {
    const [gone, kept] = [await carl.makeToken(), await carl.makeToken()];
    expect((await post('revoke', { token: gone.token, token_type_hint: 'access_token' })).status).toBe(200);
    expect([await me(gone.token), await me(kept.token)]).toEqual([401, 200]);
  });

  test('revokes only the given session token', async () => {
    const [gone, kept] = [await sessionTokenOf(carl), await sessionTokenOf(carl)];
    expect((await post('revoke', { token: gone })).status).toBe(200);
    expect([await me(gone), await me(kept)]).toEqual([401, 200]);
    expect((await post('introspect', { token: gone }, bearer(gateway.operatorToken))).body).toEqual({ active: false });
    expect((await carl.api('GET', '/me')).status).toBe(200);
    expect((await post('revoke', { token: gone })).status).toBe(200);
  });

  test('accepts unknown and revoked tokens without an effect', async () => {
    const created = await carl.makeToken();
    await carl.api('DELETE', `/me/tokens/${created.id}`);
    for (const token of [created.token, 'nothing', gateway.operatorToken, 'a.b.c'])
      expect((await post('revoke', { token })).status).toBe(200);
    expect((await gateway.api('GET', '/organizations')).status).toBe(200);
  });

  test('revokes a token of a suspended member', async () => {
    const nina = await signedIn(gateway, organization, 'nina');
    const { token } = await nina.makeToken();
    const member = `/organizations/${organization.slug}/members/${nina.id}`;
    await owner.api('PATCH', member, { suspended: true });
    expect((await post('revoke', { token })).status).toBe(200);
    await owner.api('PATCH', member, { suspended: false });
    expect(await me(token)).toBe(401);
  });

  test('records the revocation as the member’s in the audit trail', async () => {
    const created = await carl.makeToken();
    await post('revoke', { token: created.token });
    type Entry = { event: string; actor: { kind: string; id: string }; details: { token_id: string } };
    const { items } = (await gateway.api<{ items: Entry[] }>('GET', `/organizations/${organization.slug}/audit?limit=1`)).body;
    expect(items).toMatchObject([
      { event: 'cli_token.revoked', actor: { kind: 'member', id: carl.id }, details: { token_id: created.id } },
    ]);
  });
});

describe('token exchange (RFC 8693)', () => {
  const exchange = (token: string, more: Record<string, string> = {}) =>
    post('token', { grant_type: TOKEN_EXCHANGE, subject_token: token, subject_token_type: ACCESS_TOKEN, ...more });

  test('returns a session token for a CLI token', async () => {
    const created = await carl.makeToken();
    const { status, body, headers } = await exchange(created.token);
    expect(status).toBe(200);
    expect(body).toEqual({
      access_token: expect.any(String),
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: expect.any(Number),
    });
    expect(headers.get('cache-control')).toBe('no-store');
    const token = String(body.access_token);
    expect(decodeJwt(token)).toMatchObject({ sub: carl.id, sid: created.id, aud: gateway.url });
    expect(Number(body.expires_in)).toBeLessThanOrEqual(600);
    expect(Number(body.expires_in)).toBeGreaterThan(590);
    expect(await me(token)).toBe(200);
  });

  test('accepts only audiences of the organization', async () => {
    const { token } = await carl.makeToken();
    expect((await exchange(token, { audience: 'https://stock.example.com' })).body).toMatchObject({
      error: 'invalid_target',
      code: 'validation_failed',
    });
    await gateway.api('PATCH', `/organizations/${organization.slug}`, { session_token_audiences: ['https://stock.example.com'] });
    const { body } = await exchange(token, { audience: 'https://stock.example.com' });
    expect(decodeJwt(String(body.access_token)).aud).toBe('https://stock.example.com');
  });

  test('rejects everything but a valid CLI token', async () => {
    const created = await carl.makeToken();
    await carl.api('DELETE', `/me/tokens/${created.id}`);
    for (const token of [created.token, await sessionTokenOf(carl), 'nothing', gateway.operatorToken]) {
      const { status, body } = await exchange(token);
      expect([status, body.error, body.code, body.access_token]).toEqual([400, 'invalid_request', 'validation_failed', undefined]);
    }
  });

  test.each([
    [{}, 'invalid_request'],
    [{ grant_type: 'password', username: 'a', password: 'b' }, 'unsupported_grant_type'],
    [{ grant_type: TOKEN_EXCHANGE }, 'invalid_request'],
    [{ grant_type: TOKEN_EXCHANGE, subject_token: 'x', subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }, 'invalid_request'],
  ])('rejects %j', async (form, error) => {
    const { status, body } = await post('token', form as unknown as Record<string, string>);
    expect([status, body.error, body.code]).toEqual([400, error, 'validation_failed']);
  });

  test('rejects a repeated parameter (RFC 6749 §3.1)', async () => {
    const { token } = await carl.makeToken();
    const form = `grant_type=${encodeURIComponent(TOKEN_EXCHANGE)}&subject_token=${token}&subject_token=${token}&subject_token_type=${ACCESS_TOKEN}`;
    expect((await post('token', form)).body).toMatchObject({ error: 'invalid_request' });
  });
});

describe('errors of OAuth endpoints (RFC 6749 §5.2, RFC 9457)', () => {
  test('have the members of both specifications', async () => {
    const { status, type, body, headers } = await post('token', { grant_type: 'none' });
    expect([status, type]).toEqual([400, 'application/problem+json; charset=utf-8']);
    expect(body).toEqual({
      error: 'unsupported_grant_type',
      error_description: expect.stringMatching(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/),
      type: 'urn:samlgate:error:validation_failed',
      title: expect.any(String),
      status: 400,
      detail: expect.any(String),
      code: 'validation_failed',
      request_id: headers.get('x-request-id'),
    });
  });

  test('are application/json for clients that accept it but not problem+json', async () => {
    expect((await post('token', {}, { accept: 'application/json' })).type).toBe('application/json; charset=utf-8');
    expect((await post('token', {}, { accept: 'application/problem+json, application/json' })).type).toContain('application/problem+json');
  });

  test('reject a body that is not a form', async () => {
    const response = await fetch(`${gateway.url}/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"grant_type":"x"}',
    });
    expect(((await response.json()) as { error: string }).error).toBe('invalid_request');
  });

  test('reject a body that is too large', async () => {
    expect((await post('introspect', { token: 'x'.repeat(40_000) }, bearer(gateway.operatorToken))).body.code).toBe('payload_too_large');
  });

  test('answer 404 to GET', async () => {
    for (const path of ['token', 'revoke', 'introspect', 'device_authorization'])
      expect((await fetch(`${gateway.url}/oauth/${path}`)).status).toBe(404);
  });
});

describe('OAuth discovery', () => {
  test('lists endpoints that exist (RFC 8414)', async () => {
    const response = await fetch(`${gateway.url}/.well-known/oauth-authorization-server`);
    const metadata = (await response.json()) as Record<string, unknown>;
    expect(metadata.issuer).toBe(gateway.url);
    expect(response.headers.get('cache-control')).toBe('public, max-age=60');
    for (const [name, value] of Object.entries(metadata).filter(([name]) => name.endsWith('_endpoint'))) {
      expect([name, (await fetch(String(value), { method: 'POST', body: new URLSearchParams() })).status]).not.toEqual([name, 404]);
    }
    expect((await fetch(String(metadata.jwks_uri))).status).toBe(200);
  });

  test('publishes only public keys, cacheable and with an ETag (RFC 7517)', async () => {
    const response = await fetch(`${gateway.url}/.well-known/jwks.json`);
    const { keys } = (await response.json()) as { keys: Record<string, unknown>[] };
    expect(keys).toHaveLength(2);
    for (const key of keys) {
      expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
      expect(key).toMatchObject({ alg: 'ES256', use: 'sig' });
    }
    expect(response.headers.get('content-type')).toContain('application/jwk-set+json');
    expect(response.headers.get('cache-control')).toBe('public, max-age=60');
    const etag = response.headers.get('etag') ?? '';
    // fetch would add no-cache.
    const ask = (wanted: string) => fetch(response.url, { headers: { 'if-none-match': wanted, 'cache-control': 'max-age=0' } });
    const again = await ask(etag);
    expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag]);
    expect((await ask('"other"')).status).toBe(200);
  });
});
