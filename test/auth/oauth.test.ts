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
let stranger: SignedIn;

beforeAll(async () => {
  gateway = await startGateway();
  organization = await gateway.makeOrganization();
  owner = await signedIn(gateway, organization, 'olivia');
  carl = await signedIn(gateway, organization, 'carl');
  stranger = await signedIn(gateway, await gateway.makeOrganization(), 'olivia');
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

  test('tells the operator and the members of the same organization about a good token', async () => {
    const made = await carl.makeToken({ expires_in_days: 3 });
    const colleague = (await owner.makeToken()).token;
    for (const caller of [gateway.operatorToken, colleague, made.token, await sessionTokenOf(owner)]) {
      expect(await introspect(made.token, caller)).toEqual({
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
        jti: made.id,
        iat: Date.parse(made.created_at) / 1000,
        exp: Date.parse(made.expires_at ?? '') / 1000,
      });
    }
  });

  test('a session token comes with its audience and where it came from', async () => {
    const token = await sessionTokenOf(carl);
    const { aud, sid, jti, exp } = decodeJwt(token);
    expect(await introspect(token, gateway.operatorToken)).toMatchObject({ active: true, kind: 'session_token', aud, sid, jti, exp });
  });

  test('says no more than “not active” of what is another organization’s, revoked or no token', async () => {
    const made = await carl.makeToken();
    const foreign = (await stranger.makeToken()).token;
    expect(await introspect(made.token, foreign)).toEqual({ active: false });
    expect(await introspect(foreign, made.token)).toEqual({ active: false });
    expect(await introspect('nothing', made.token)).toEqual({ active: false });
    expect(await introspect(gateway.operatorToken, gateway.operatorToken)).toEqual({ active: false });
    await carl.api('DELETE', `/me/tokens/${made.id}`);
    expect(await introspect(made.token, gateway.operatorToken)).toEqual({ active: false });
  });

  test('answers nobody who is not authenticated', async () => {
    const { token } = await carl.makeToken();
    for (const headers of [{}, bearer('nothing'), { cookie: carl.cookie }] as Record<string, string>[]) {
      const { status, body, headers: answered } = await post('introspect', { token }, headers);
      expect([status, body.code, body.error, body.active]).toEqual([401, 'unauthenticated', 'invalid_client', undefined]);
      expect(answered.get('www-authenticate')).toContain('Bearer');
    }
  });
});

describe('token revocation (RFC 7009)', () => {
  test('who holds a CLI token ends it', async () => {
    const [gone, kept] = [await carl.makeToken(), await carl.makeToken()];
    expect((await post('revoke', { token: gone.token, token_type_hint: 'access_token' })).status).toBe(200);
    expect([await me(gone.token), await me(kept.token)]).toEqual([401, 200]);
  });

  test('who holds a session token ends it, and nothing else', async () => {
    const [gone, kept] = [await sessionTokenOf(carl), await sessionTokenOf(carl)];
    expect((await post('revoke', { token: gone })).status).toBe(200);
    expect([await me(gone), await me(kept)]).toEqual([401, 200]);
    expect((await post('introspect', { token: gone }, bearer(gateway.operatorToken))).body).toEqual({ active: false });
    expect((await carl.api('GET', '/me')).status).toBe(200);
    expect((await post('revoke', { token: gone })).status).toBe(200);
  });

  test('what is not known, or ended already, needs no ending', async () => {
    const made = await carl.makeToken();
    await carl.api('DELETE', `/me/tokens/${made.id}`);
    for (const token of [made.token, 'nothing', gateway.operatorToken, 'a.b.c']) expect((await post('revoke', { token })).status).toBe(200);
    expect((await gateway.api('GET', '/organizations')).status).toBe(200);
  });

  test('a token of a suspended member can be ended too', async () => {
    const nina = await signedIn(gateway, organization, 'nina');
    const { token } = await nina.makeToken();
    const member = `/organizations/${organization.slug}/members/${nina.id}`;
    await owner.api('PATCH', member, { suspended: true });
    expect((await post('revoke', { token })).status).toBe(200);
    await owner.api('PATCH', member, { suspended: false });
    expect(await me(token)).toBe(401);
  });

  test('stands in the audit trail as the member’s', async () => {
    const made = await carl.makeToken();
    await post('revoke', { token: made.token });
    type Entry = { event: string; actor: { kind: string; id: string }; details: { token_id: string } };
    const { items } = (await gateway.api<{ items: Entry[] }>('GET', `/organizations/${organization.slug}/audit?limit=1`)).body;
    expect(items).toMatchObject([{ event: 'cli_token.revoked', actor: { kind: 'member', id: carl.id }, details: { token_id: made.id } }]);
  });
});

describe('token exchange (RFC 8693)', () => {
  const exchange = (token: string, more: Record<string, string> = {}) =>
    post('token', { grant_type: TOKEN_EXCHANGE, subject_token: token, subject_token_type: ACCESS_TOKEN, ...more });

  test('gives a session token for a CLI token', async () => {
    const made = await carl.makeToken();
    const { status, body, headers } = await exchange(made.token);
    expect(status).toBe(200);
    expect(body).toEqual({
      access_token: expect.any(String),
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: expect.any(Number),
    });
    expect(headers.get('cache-control')).toBe('no-store');
    const token = String(body.access_token);
    expect(decodeJwt(token)).toMatchObject({ sub: carl.id, sid: made.id, aud: gateway.url });
    expect(Number(body.expires_in)).toBeLessThanOrEqual(600);
    expect(Number(body.expires_in)).toBeGreaterThan(590);
    expect(await me(token)).toBe(200);
  });

  test('for an audience that the organization lists', async () => {
    const { token } = await carl.makeToken();
    expect((await exchange(token, { audience: 'https://stock.example.com' })).body).toMatchObject({
      error: 'invalid_target',
      code: 'validation_failed',
    });
    await gateway.api('PATCH', `/organizations/${organization.slug}`, { session_token_audiences: ['https://stock.example.com'] });
    const { body } = await exchange(token, { audience: 'https://stock.example.com' });
    expect(decodeJwt(String(body.access_token)).aud).toBe('https://stock.example.com');
  });

  test('refuses everything but a CLI token that is good', async () => {
    const made = await carl.makeToken();
    await carl.api('DELETE', `/me/tokens/${made.id}`);
    for (const token of [made.token, await sessionTokenOf(carl), 'nothing', gateway.operatorToken]) {
      const { status, body } = await exchange(token);
      expect([status, body.error, body.code, body.access_token]).toEqual([400, 'invalid_request', 'validation_failed', undefined]);
    }
  });

  test.each([
    [{}, 'invalid_request'],
    [{ grant_type: 'password', username: 'a', password: 'b' }, 'unsupported_grant_type'],
    [{ grant_type: TOKEN_EXCHANGE }, 'invalid_request'],
    [{ grant_type: TOKEN_EXCHANGE, subject_token: 'x', subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }, 'invalid_request'],
  ])('refuses %j', async (form, error) => {
    const { status, body } = await post('token', form as unknown as Record<string, string>);
    expect([status, body.error, body.code]).toEqual([400, error, 'validation_failed']);
  });

  test('refuses a parameter that is given twice (RFC 6749 §3.1)', async () => {
    const { token } = await carl.makeToken();
    const form = `grant_type=${encodeURIComponent(TOKEN_EXCHANGE)}&subject_token=${token}&subject_token=${token}&subject_token_type=${ACCESS_TOKEN}`;
    expect((await post('token', form)).body).toMatchObject({ error: 'invalid_request' });
  });
});

describe('refusals of OAuth endpoints (RFC 6749 §5.2 and RFC 9457 in one)', () => {
  test('have the members of both', async () => {
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

  test('come as application/json to clients that ask for it and know of no problem+json', async () => {
    expect((await post('token', {}, { accept: 'application/json' })).type).toBe('application/json; charset=utf-8');
    expect((await post('token', {}, { accept: 'application/problem+json, application/json' })).type).toContain('application/problem+json');
  });

  test('a body that is no form is refused', async () => {
    const response = await fetch(`${gateway.url}/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"grant_type":"x"}',
    });
    expect(((await response.json()) as { error: string }).error).toBe('invalid_request');
  });

  test('what is too large is refused', async () => {
    expect((await post('introspect', { token: 'x'.repeat(40_000) }, bearer(gateway.operatorToken))).body.code).toBe('payload_too_large');
  });

  test('GET is nothing there', async () => {
    for (const path of ['token', 'revoke', 'introspect', 'device_authorization'])
      expect((await fetch(`${gateway.url}/oauth/${path}`)).status).toBe(404);
  });
});

describe('discovery', () => {
  test('the metadata names what is there (RFC 8414)', async () => {
    const response = await fetch(`${gateway.url}/.well-known/oauth-authorization-server`);
    const metadata = (await response.json()) as Record<string, unknown>;
    expect(metadata.issuer).toBe(gateway.url);
    expect(response.headers.get('cache-control')).toBe('public, max-age=60');
    for (const [name, value] of Object.entries(metadata).filter(([name]) => name.endsWith('_endpoint'))) {
      expect([name, (await fetch(String(value), { method: 'POST', body: new URLSearchParams() })).status]).not.toEqual([name, 404]);
    }
    expect((await fetch(String(metadata.jwks_uri))).status).toBe(200);
  });

  test('the JWKS has public parts only, may be kept for a while, and is not sent again unchanged (RFC 7517)', async () => {
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
    // fetch would add no-cache by itself.
    const ask = (wanted: string) => fetch(response.url, { headers: { 'if-none-match': wanted, 'cache-control': 'max-age=0' } });
    const again = await ask(etag);
    expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag]);
    expect((await ask('"other"')).status).toBe(200);
  });
});
