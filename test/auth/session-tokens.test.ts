import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { authenticateSession } from '../../src/auth/authenticate.ts';
import { issueSessionToken } from '../../src/auth/tokens/session-tokens.ts';
import { type Answer, type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { seedMember } from '../support/seed.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

const MINUTE_MS = 60_000;

let gateway: TestGateway;
let offsetMs = 0;
let organization: OrganizationJson;
let owner: SignedIn;
let carl: SignedIn;

beforeAll(async () => {
  gateway = await startGateway({ now: () => Date.now() + offsetMs, environment: { SAMLGATE_SESSION_MAX_MINUTES: '60' } });
  organization = await gateway.makeOrganization();
  owner = await signedIn(gateway, organization, 'olivia');
  carl = await signedIn(gateway, organization, 'carl');
});
afterAll(() => gateway.stop());

interface SessionTokenJson {
  readonly token: string;
  readonly expires_at: string;
}

const outcome = ({ status, body }: Answer<unknown>): unknown => (body as { code?: string }).code ?? status;
const me = async (token: string): Promise<unknown> => outcome(await gateway.api('GET', '/me', undefined, token));
const mint = async (person: SignedIn): Promise<SessionTokenJson> => (await person.api<SessionTokenJson>('POST', '/me/session-token')).body;
const issueWith = (token: string, body?: unknown) => gateway.api<SessionTokenJson>('POST', '/me/session-token', body, token);

async function later<T>(ms: number, run: () => Promise<T>): Promise<T> {
  offsetMs += ms;
  try {
    return await run();
  } finally {
    offsetMs -= ms;
  }
}

describe('session tokens (POST /me/session-token, RFC 9068)', () => {
  test('identifies the member and can be verified with the JWKS alone', async () => {
    const { token, expires_at: expiresAt } = await mint(carl);
    const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', gateway.url));
    const { payload, protectedHeader } = await jwtVerify(token, keys, { issuer: gateway.url, audience: gateway.url, typ: 'at+jwt' });
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) });
    expect(payload).toEqual({
      iss: gateway.url,
      sub: carl.id,
      org: organization.id,
      aud: gateway.url,
      email: 'carl@okta.acme.example',
      name: 'Carl Čapek',
      role: 'collaborator',
      sid: expect.stringMatching(/^ses_/),
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: Date.parse(expiresAt) / 1000,
    });
    expect(Number(payload.exp) - Number(payload.iat)).toBe(600);
  });

  test('is valid for ten minutes', async () => {
    const { token } = await mint(carl);
    expect(await me(token)).toBe(200);
    expect(await later(10 * MINUTE_MS - 2000, () => me(token))).toBe(200);
    expect(await later(10 * MINUTE_MS, () => me(token))).toBe('unauthenticated');
  });

  test('does not expire later than its session', async () => {
    const { body } = await carl.api<{ credential: { expires_at: string } }>('GET', '/me');
    const sessionEndMs = Date.parse(body.credential.expires_at);
    await later(sessionEndMs - Date.now() - 5 * MINUTE_MS, async () => {
      // A request for a console page keeps the session from becoming idle.
      const { token, expires_at: expiresAt } = await mint(carl);
      expect(Date.parse(expiresAt)).toBe(Math.floor(sessionEndMs / 1000) * 1000);
      expect(decodeJwt(token).exp).toBe(Math.floor(sessionEndMs / 1000));
    });
  });

  test('does not expire later than its CLI token, and carries the id of that token', async () => {
    const created = await carl.makeToken({ expires_in_days: 1 });
    await later(86_400_000 - 3 * MINUTE_MS, async () => {
      const { body } = await issueWith(created.token);
      expect(body.expires_at).toBe(created.expires_at);
      expect(decodeJwt(body.token).sid).toBe(created.id);
    });
  });

  test('cannot be exchanged for another session token', async () => {
    const { token } = await mint(carl);
    expect(outcome(await issueWith(token))).toBe('forbidden');
  });

  test('becomes invalid when its session ends', async () => {
    const nina = await signedIn(gateway, organization, 'nina');
    const { token } = await mint(nina);
    expect(await me(token)).toBe(200);
    await nina.browser.submit(await nina.browser.open(`${gateway.url}/console`), {}, '/logout');
    expect(await me(token)).toBe('unauthenticated');
  });

  test('becomes invalid when its CLI token is revoked or rotated', async () => {
    const [one, two] = [await carl.makeToken(), await carl.makeToken()];
    const [ofOne, ofTwo, ofSession] = [(await issueWith(one.token)).body, (await issueWith(two.token)).body, await mint(carl)];
    await carl.api('DELETE', `/me/tokens/${one.id}`);
    expect([await me(ofOne.token), await me(ofTwo.token)]).toEqual(['unauthenticated', 200]);
    await carl.api('POST', '/me/tokens/rotate', {});
    expect([await me(ofTwo.token), await me(ofSession.token)]).toEqual(['unauthenticated', 200]);
  });

  test('authorizes with the current role, not with the role claim', async () => {
    const { token } = await mint(carl);
    const path = `/organizations/${organization.slug}/members`;
    const roleNow = async () =>
      (await fetch(`${gateway.url}/auth/verify`, { headers: { authorization: `Bearer ${token}` } })).headers.get('x-samlgate-role');
    expect(outcome(await gateway.api('PATCH', `${path}/${carl.id}`, { role: 'owner' }))).toBe(200);
    expect([decodeJwt(token).role, await roleNow()]).toEqual(['collaborator', 'owner']);
    expect(outcome(await gateway.api('GET', path, undefined, token))).toBe(200);
    expect(outcome(await gateway.api('PATCH', `${path}/${carl.id}`, { role: 'collaborator' }))).toBe(200);
    expect(outcome(await gateway.api('GET', path, undefined, token))).toBe('forbidden');
  });

  test('becomes invalid when the member is suspended or removed', async () => {
    const nina = await signedIn(gateway, organization, 'nina');
    const member = `/organizations/${organization.slug}/members/${nina.id}`;
    const [ofSession, ofToken] = [(await mint(nina)).token, (await issueWith((await nina.makeToken()).token)).body.token];
    await owner.api('PATCH', member, { suspended: true });
    expect([await me(ofSession), await me(ofToken)]).toEqual(['unauthenticated', 'unauthenticated']);
    await owner.api('PATCH', member, { suspended: false });
    expect([await me(ofSession), await me(ofToken)]).toEqual(['unauthenticated', 200]);
    await owner.api('DELETE', member);
    expect(await me(ofToken)).toBe('unauthenticated');
  });

  test('accepts only the gateway or a listed audience of the organization as audience', async () => {
    const audience = 'https://orders.example.com';
    const request = (requested: unknown) => carl.api<SessionTokenJson>('POST', '/me/session-token', { audience: requested });
    expect(outcome(await request(audience))).toBe('validation_failed');
    await gateway.api('PATCH', `/organizations/${organization.slug}`, { session_token_audiences: [audience] });
    const { body } = await request(audience);
    expect(decodeJwt(body.token).aud).toBe(audience);
    expect(await me(body.token)).toBe('unauthenticated');
    expect(decodeJwt((await request(gateway.url)).body.token).aud).toBe(gateway.url);
    for (const wrong of ['', `${audience}/`, 7, [audience], 'https://other.example.com'])
      expect(outcome(await request(wrong))).toBe('validation_failed');
  });

  test('stays within the length limit of token checks for members with long names', async () => {
    const { runtime } = gateway;
    const name = '𝔄'.repeat(600);
    const email = `${'é'.repeat(60)}@${'x'.repeat(60)}.${'y'.repeat(60)}.${'z'.repeat(60)}.example`;
    const member = await seedMember(runtime, organization.id, { name, email });
    const login = {
      organizationId: organization.id,
      memberId: member.id,
      sessionId: member.sessions[0]?.id ?? '',
      csrfToken: 'c',
      endsAtMs: 0,
      touchedAtMs: 0,
    };
    const { token } = await issueSessionToken(runtime, await authenticateSession(runtime, login));
    expect(decodeJwt(token).name).toBe('𝔄'.repeat(200));
    const verified = await fetch(`${gateway.url}/auth/verify`, { headers: { authorization: `Bearer ${token}` } });
    expect(verified.status).toBe(200);
    expect(decodeURIComponent(verified.headers.get('x-samlgate-email') ?? '')).toBe(email);
    expect(verified.headers.get('x-samlgate-email')).toMatch(/^[\x21-\x7e]+$/);
  });

  test.each(['a%0d%0ax-samlgate-role:owner\r\nX-Samlgate-Role: owner@example.com', 'a%40b@example.com', '"two words"@example.com'])(
    'forward auth writes no header that the address %j could break out of, and one that means nothing else',
    async (email) => {
      const { runtime } = gateway;
      const member = await seedMember(runtime, organization.id, { email });
      const login = {
        organizationId: organization.id,
        memberId: member.id,
        sessionId: member.sessions[0]?.id ?? '',
        csrfToken: 'c',
        endsAtMs: 0,
        touchedAtMs: 0,
      };
      const { token } = await issueSessionToken(runtime, await authenticateSession(runtime, login));
      const verified = await fetch(`${gateway.url}/auth/verify`, { headers: { authorization: `Bearer ${token}` } });
      expect([verified.status, verified.headers.get('x-samlgate-role')]).toEqual([200, 'collaborator']);
      expect(decodeURIComponent(verified.headers.get('x-samlgate-email') ?? '')).toBe(email);
    },
  );
});
