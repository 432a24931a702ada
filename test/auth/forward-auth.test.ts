import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readAudit } from '../../src/audit-trail/read-audit.ts';
import { GLOBAL } from '../../src/store/store.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let organization: OrganizationJson;
let owner: SignedIn;
let collaborator: SignedIn;

beforeAll(async () => {
  gateway = await startGateway();
  organization = await gateway.makeOrganization();
  owner = await signedIn(gateway, organization, 'olivia');
  collaborator = await signedIn(gateway, organization, 'carl');
});
afterAll(() => gateway.stop());

interface Verdict {
  readonly status: number;
  readonly headers: Headers;
  readonly code: string | undefined;
}

async function verify(headers: Record<string, string>, query = '', method = 'GET'): Promise<Verdict> {
  const response = await fetch(`${gateway.url}/auth/verify${query}`, { method, headers });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    code: text === '' ? undefined : (JSON.parse(text) as { code: string }).code,
  };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('forward authentication (/auth/verify)', () => {
  test('returns the member of a CLI token', async () => {
    const { token } = await collaborator.makeToken();
    const { status, headers } = await verify(bearer(token));
    expect(status).toBe(200);
    expect(headers.get('x-samlgate-user')).toBe(collaborator.id);
    expect(headers.get('x-samlgate-email')).toBe('carl@okta.acme.example');
    expect(headers.get('x-samlgate-role')).toBe('collaborator');
    expect(headers.get('x-samlgate-organization')).toBe(organization.id);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('returns the member of a session token and of a session cookie', async () => {
    const { token } = (await owner.api<{ token: string }>('POST', '/me/session-token')).body;
    for (const credential of [bearer(token), { cookie: owner.cookie }, { cookie: `other=1; ${owner.cookie}; more=2` }]) {
      const { status, headers } = await verify(credential);
      expect([status, headers.get('x-samlgate-user'), headers.get('x-samlgate-role')]).toEqual([200, owner.id, 'owner']);
    }
  });

  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'])('accepts %s like GET', async (method) => {
    expect((await verify({ cookie: owner.cookie }, '', method)).status).toBe(200);
  });

  test('refuses missing and invalid credentials', async () => {
    for (const headers of [{}, bearer('nothing'), { authorization: 'Basic YTpi' }, { cookie: 'samlgate_session=nothing' }] as Record<
      string,
      string
    >[]) {
      const { status, code, headers: answered } = await verify(headers);
      expect([status, code]).toEqual([401, 'unauthenticated']);
      expect(answered.get('www-authenticate')).toContain('Bearer');
      expect(answered.get('x-samlgate-user')).toBeNull();
    }
  });

  test('refuses an invalid bearer token even with a valid cookie', async () => {
    expect((await verify({ ...bearer('nothing'), cookie: owner.cookie })).status).toBe(401);
  });

  test('refuses a session ID with a missing, invalid or foreign signature', async () => {
    const [sid = ''] = decodeURIComponent(owner.cookie.replace('samlgate_session=s%3A', '')).split(/\.(?=[^.]*$)/);
    const signed = (key: string) => {
      const signature = createHmac('sha256', key).update(sid).digest('base64').replace(/=+$/, '');
      return { cookie: `samlgate_session=${encodeURIComponent(`s:${sid}.${signature}`)}` };
    };
    expect((await verify(signed(gateway.runtime.secrets.cookieKeys[0] ?? ''))).status).toBe(200);
    expect((await verify(signed('another key'))).code).toBe('unauthenticated');
    expect((await verify({ cookie: `samlgate_session=${sid}` })).code).toBe('unauthenticated');
    expect((await verify({ cookie: `samlgate_session=${encodeURIComponent(`s:${sid}.${'ü'.repeat(43)}`)}` })).code).toBe('unauthenticated');
  });

  test('refuses the operator token like any wrong token, and reports guesses of its length', async () => {
    const { operatorToken } = gateway;
    const entries = async () => (await readAudit(gateway.runtime.store, GLOBAL, { event: 'operator.sign_in_refused', limit: 100 })).items;
    // API keys of a protected service.
    for (const key of ['k'.repeat(operatorToken.length - 1), 'k'.repeat(operatorToken.length + 1)]) await verify(bearer(key));
    await verify({ authorization: `Basic ${operatorToken}` });
    expect(await entries()).toEqual([]);
    const wrong = await verify(bearer('k'.repeat(operatorToken.length)));
    const right = await verify(bearer(operatorToken));
    expect([right.status, right.code]).toEqual([401, 'unauthenticated']);
    expect(wrong).toMatchObject({ status: right.status, code: right.code });
    expect(right.headers.get('www-authenticate')).toBe(wrong.headers.get('www-authenticate'));
    for (let i = 0; i < 100 && (await entries()).length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await entries()).map(({ value }) => value.details)).toEqual([{ through: 'bearer_token' }]);
  });

  test('accepts only owners with ?role=owner', async () => {
    expect((await verify({ cookie: owner.cookie }, '?role=owner')).status).toBe(200);
    expect((await verify({ cookie: collaborator.cookie }, '?role=owner')).code).toBe('forbidden');
    expect((await verify({ cookie: collaborator.cookie }, '/?role=owner')).code).toBe('forbidden');
    expect((await verify({ cookie: collaborator.cookie }, '?role=collaborator&role=owner')).code).toBe('forbidden');
    expect((await verify({ cookie: collaborator.cookie }, '?role=owner&role=collaborator')).code).toBe('forbidden');
    expect((await verify({ cookie: owner.cookie }, '?role=collaborator')).status).toBe(200);
    expect((await verify({ cookie: owner.cookie }, '?role=admin')).code).toBe('validation_failed');
    expect((await verify({}, '?role=owner')).status).toBe(401);
  });

  test('accepts only members of the organization in ?organization=', async () => {
    const other = await gateway.makeOrganization();
    for (const name of [organization.slug, organization.id]) {
      expect((await verify({ cookie: collaborator.cookie }, `?organization=${name}`)).status).toBe(200);
    }
    for (const name of [other.slug, other.id, '', 'unknown']) {
      expect((await verify({ cookie: collaborator.cookie }, `?organization=${name}`)).code).toBe('forbidden');
    }
  });

  test('ignores the query after a longer path, which belongs to the original request', async () => {
    expect((await verify({ cookie: collaborator.cookie }, '/orders?role=anything&organization=x')).status).toBe(200);
    expect((await verify({}, '/orders')).status).toBe(401);
  });

  test('does not handle other paths that start the same', async () => {
    const response = await fetch(`${gateway.url}/auth/verifying`, { headers: { cookie: owner.cookie } });
    expect(response.status).toBe(404);
  });
});
