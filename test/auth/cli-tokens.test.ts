import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { HttpBrowser, signIn } from '../support/browser.ts';
import { type Answer, type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { type NewTokenJson, type SignedIn, signedIn } from '../support/signed-in.ts';

const DAY_MS = 86_400_000;

let gateway: TestGateway;
let offsetMs = 0;
let organization: OrganizationJson;
let owner: SignedIn;
let carl: SignedIn;

beforeAll(async () => {
  gateway = await startGateway({
    now: () => Date.now() + offsetMs,
    environment: { SAMLGATE_SESSION_IDLE_MINUTES: '43200', SAMLGATE_SESSION_MAX_MINUTES: '43200' },
  });
  organization = await gateway.makeOrganization();
  owner = await signedIn(gateway, organization, 'olivia');
  carl = await signedIn(gateway, organization, 'carl');
});
afterAll(() => gateway.stop());

const members = () => `/organizations/${organization.slug}/members`;

/** Returns the error code of a refusal, or else the status. */
const outcome = ({ status, body }: Answer<unknown>): unknown => (body as { code?: string }).code ?? status;

const me = async (token: string): Promise<unknown> => outcome(await gateway.api('GET', '/me', undefined, token));

async function later<T>(ms: number, run: () => Promise<T>): Promise<T> {
  offsetMs += ms;
  try {
    return await run();
  } finally {
    offsetMs -= ms;
  }
}

interface TokenJson {
  readonly id: string;
  readonly name: string;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly last_used_at: string | null;
  readonly last_used_address: string | null;
  readonly last_used_client: string | null;
}

const listed = async (person: SignedIn): Promise<readonly TokenJson[]> =>
  (await person.api<{ items: TokenJson[] }>('GET', '/me/tokens?limit=200')).body.items;

describe('creating CLI tokens (POST /me/tokens)', () => {
  test('issues a JWT with a prefix, for the member, without a role, that expires after 90 days by default', async () => {
    const created = await carl.makeToken({ name: 'laptop' });
    expect(created.token).toMatch(/^samlgate_cli_eyJ/);
    const jwt = created.token.slice('samlgate_cli_'.length);
    expect(decodeProtectedHeader(jwt)).toEqual({ alg: 'ES256', typ: 'samlgate-cli+jwt', kid: expect.any(String) });
    expect(decodeJwt(jwt)).toEqual({
      iss: gateway.url,
      sub: carl.id,
      org: organization.id,
      jti: created.id,
      iat: Date.parse(created.created_at) / 1000,
      exp: Date.parse(created.created_at) / 1000 + (90 * DAY_MS) / 1000,
    });
    expect(created).toEqual({
      id: expect.stringMatching(/^tok_/),
      name: 'laptop',
      token: created.token,
      created_at: created.created_at,
      expires_at: new Date(Date.parse(created.created_at) + 90 * DAY_MS).toISOString(),
    });
    expect(await later(90 * DAY_MS - 60_000, () => me(created.token))).toBe(200);
    expect(await later(90 * DAY_MS, () => me(created.token))).toBe('unauthenticated');
  });

  test('issues a token that never expires only if expires_in_days is null', async () => {
    const created = await carl.makeToken({ expires_in_days: null });
    expect(created.expires_at).toBeNull();
    expect(decodeJwt(created.token.slice('samlgate_cli_'.length)).exp).toBeUndefined();
    const { body } = await gateway.api<{ credential: unknown }>('GET', '/me', undefined, created.token);
    expect(body.credential).toEqual({ kind: 'cli_token', id: created.id, expires_at: null });
    const rotated = await gateway.api<{ token: NewTokenJson }>('POST', '/me/tokens/rotate', {}, created.token);
    expect(rotated.body.token.expires_at).toBe(new Date(Date.parse(rotated.body.token.created_at) + 90 * DAY_MS).toISOString());
    const lasting = await carl.api<{ token: NewTokenJson }>('POST', '/me/tokens/rotate', { expires_in_days: null });
    expect(lasting.body.token.expires_at).toBeNull();
    expect(await later(3650 * DAY_MS, () => me(lasting.body.token.token))).toBe(200);
  });

  test('authenticates as the member, with the member’s current role', async () => {
    const { token, id, expires_at } = await carl.makeToken();
    const { body } = await gateway.api<{ user: { id: string; role: string }; credential: unknown }>('GET', '/me', undefined, token);
    expect(body.user).toMatchObject({ id: carl.id, role: 'collaborator' });
    expect(body.credential).toEqual({ kind: 'cli_token', id, expires_at });
    expect(body).not.toHaveProperty('csrf_token');
    expect(await gateway.api('GET', members(), undefined, token).then(outcome)).toBe('forbidden');
    expect(outcome(await gateway.api('PATCH', `${members()}/${carl.id}`, { role: 'owner' }))).toBe(200);
    expect(await gateway.api('GET', members(), undefined, token).then(outcome)).toBe(200);
    expect(outcome(await gateway.api('PATCH', `${members()}/${carl.id}`, { role: 'collaborator' }))).toBe(200);
    expect(await gateway.api('GET', members(), undefined, token).then(outcome)).toBe('forbidden');
  });

  test('shows the token once and does not store it', async () => {
    const { token, id } = await carl.makeToken({ name: 'secret' });
    expect(JSON.stringify(await listed(carl))).not.toContain(token.split('.')[2]);
    const stored = await gateway.runtime.store.get(organization.id, { name: 'member', indexes: {}, unique: {} }, carl.id);
    expect(JSON.stringify(stored)).toContain(id);
    expect(JSON.stringify(stored)).not.toContain(token.split('.')[2]);
  });

  test('writes a requested expiry into the token and enforces it', async () => {
    const created = await carl.makeToken({ expires_in_days: 30 });
    const end = Date.parse(created.created_at) + 30 * DAY_MS;
    expect(created.expires_at).toBe(new Date(end).toISOString());
    expect(decodeJwt(created.token.slice('samlgate_cli_'.length)).exp).toBe(end / 1000);
    expect(await me(created.token)).toBe(200);
    expect(await later(30 * DAY_MS - 60_000, () => me(created.token))).toBe(200);
    expect(await later(30 * DAY_MS, () => me(created.token))).toBe('unauthenticated');
    expect(await later(30 * DAY_MS - 60_000, () => listed(carl))).toContainEqual(expect.objectContaining({ id: created.id }));
    expect((await later(29 * DAY_MS, () => listed(carl))).map(({ id }) => id)).toContain(created.id);
  });

  test.each([
    {},
    { name: '' },
    { name: 'a\nb' },
    { name: 'x'.repeat(101) },
    { name: 'a', expires_in_days: 0 },
    { name: 'a', expires_in_days: 1.5 },
    { name: 'a', expires_in_days: 3651 },
    { name: 'a', expires_in_days: '7' },
    { name: 'a', expires_in_days: 'never' },
    { name: 'a', role: 'owner' },
  ])('rejects %j', async (body) => {
    expect(outcome(await carl.api('POST', '/me/tokens', body))).toBe('validation_failed');
  });

  test('requires the CSRF token if the session cookie is the credential', async () => {
    const response = await fetch(`${gateway.url}/api/v1/me/tokens`, {
      method: 'POST',
      headers: { cookie: carl.cookie, 'content-type': 'application/json' },
      body: '{"name":"forged"}',
    });
    expect(((await response.json()) as { code: string }).code).toBe('forbidden');
  });

  test('refuses to create, revoke or rotate CLI tokens with a session token, which other services receive', async () => {
    const cli = await owner.makeToken({ name: 'kept' });
    const { token: other, id: otherId } = await carl.makeToken({ name: 'kept' });
    const ofSession = (await owner.api<{ token: string }>('POST', '/me/session-token')).body.token;
    const ofToken = (await gateway.api<{ token: string }>('POST', '/me/session-token', undefined, cli.token)).body.token;
    for (const token of [ofSession, ofToken]) {
      expect(await me(token)).toBe(200);
      for (const [method, path, body] of [
        ['POST', '/me/tokens', { name: 'a' }],
        ['POST', '/me/tokens/rotate', {}],
        ['DELETE', `/me/tokens/${cli.id}`, undefined],
        ['DELETE', '/me/tokens/tok_unknown', undefined],
        ['DELETE', `/me/tokens/${otherId}`, undefined],
        ['POST', `${members()}/${carl.id}/tokens/rotate`, undefined],
      ] as const) {
        expect([path, outcome(await gateway.api(method, path, body, token))]).toEqual([path, 'forbidden']);
      }
      // The console accepts no bearer token at all.
      for (const path of [`/tokens/${cli.id}/revoke`, '/revoke-all', `/members/${carl.id}/tokens/rotate`]) {
        const headers = { authorization: `Bearer ${token}` };
        const answer = await fetch(`${gateway.url}/console${path}`, { method: 'POST', headers, redirect: 'manual' });
        expect([path, answer.status, answer.headers.get('location')]).toEqual([path, 303, '/login?return_to=%2Fconsole']);
      }
      // Revoking the session token itself ends nothing else.
      const revoked = await fetch(`${gateway.url}/oauth/revoke`, { method: 'POST', body: new URLSearchParams({ token }) });
      expect(revoked.status).toBe(200);
      expect(await me(token)).toBe('unauthenticated');
    }
    expect([await me(cli.token), await me(other), outcome(await owner.api('GET', '/me'))]).toEqual([200, 200, 200]);
  });

  test('revokes the CLI tokens of a member for an owner with a CLI token or a session, and for the operator', async () => {
    const nina = await signedIn(gateway, organization, 'nina');
    const path = `${members()}/${nina.id}/tokens/rotate`;
    const { token } = await owner.makeToken();
    const revoke = [() => gateway.api('POST', path, undefined, token), () => owner.api('POST', path), () => gateway.api('POST', path)];
    for (const each of revoke) {
      await nina.makeToken();
      expect((await each()).body).toEqual({ revoked: 1 });
    }
  });

  test('rejects the operator, because only members have CLI tokens', async () => {
    for (const path of ['/me/tokens', '/me/tokens/rotate', '/me/session-token']) {
      expect(outcome(await gateway.api('POST', path, { name: 'a' }))).toBe('forbidden');
    }
    expect(outcome(await gateway.api('GET', '/me/tokens'))).toBe('forbidden');
  });

  test('does not let a token that was created with another token expire later than that token', async () => {
    const first = await carl.makeToken({ expires_in_days: 7 });
    const make = (body: unknown) => gateway.api<NewTokenJson>('POST', '/me/tokens', body, first.token);
    expect((await make({ name: 'same end' })).body.expires_at).toBe(first.expires_at);
    expect(outcome(await make({ name: 'longer', expires_in_days: 8 }))).toBe('validation_failed');
    expect(outcome(await make({ name: 'never', expires_in_days: null }))).toBe('validation_failed');
    expect((await make({ name: 'shorter', expires_in_days: 6 })).status).toBe(201);
    const rotated = await gateway.api<{ token: NewTokenJson }>('POST', '/me/tokens/rotate', {}, first.token);
    expect(rotated.body.token.expires_at).toBe(first.expires_at);
  });

  test('allows 50 tokens per member, not counting expired ones', async () => {
    const member = await signedIn(gateway, await gateway.makeOrganization(), 'nina');
    await member.makeToken({ name: 'short', expires_in_days: 1 });
    for (let n = 1; n < 50; n++) await member.makeToken();
    expect(outcome(await member.api('POST', '/me/tokens', { name: 'too many' }))).toBe('quota_exceeded');
    await later(DAY_MS, async () => {
      expect((await member.makeToken()).id).toMatch(/^tok_/);
      expect(outcome(await member.api('POST', '/me/tokens', { name: 'too many' }))).toBe('quota_exceeded');
    });
  });
});

describe('listing CLI tokens (GET /me/tokens)', () => {
  test('lists the newest tokens first, in pages', async () => {
    const nina = await signedIn(gateway, organization, 'nina');
    for (const name of ['one', 'two', 'three']) await nina.makeToken({ name });
    expect((await listed(nina)).map(({ name }) => name)).toEqual(['three', 'two', 'one']);
    type Page = { items: TokenJson[]; next_cursor: string | null };
    const first = (await nina.api<Page>('GET', '/me/tokens?limit=2')).body;
    expect(first.items.map(({ name }) => name)).toEqual(['three', 'two']);
    const second = (await nina.api<Page>('GET', `/me/tokens?limit=2&cursor=${first.next_cursor}`)).body;
    expect([second.items.map(({ name }) => name), second.next_cursor]).toEqual([['one'], null]);
    expect(outcome(await nina.api('GET', '/me/tokens?cursor=tok_other'))).toBe('validation_failed');
  });

  test('shows time, address and user agent of the last use, recorded at most once a minute', async () => {
    const created = await carl.makeToken({ name: 'used' });
    const find = async () => (await listed(carl)).find(({ id }) => id === created.id);
    expect(await find()).toMatchObject({ last_used_at: null, last_used_address: null, last_used_client: null });
    const use = (client: string) =>
      fetch(`${gateway.url}/api/v1/me`, { headers: { authorization: `Bearer ${created.token}`, 'user-agent': client } });
    await use('first/1.0');
    const noted = await until(find, (token) => token?.last_used_at != null);
    expect(noted).toMatchObject({ last_used_address: '127.0.0.1', last_used_client: 'first/1.0' });
    await use('second/1.0');
    expect(await later(59_000, () => use('third/1.0').then(find))).toMatchObject({ last_used_client: 'first/1.0' });
    await later(61_000, () => use('fourth/1.0'));
    expect(await until(find, (token) => token?.last_used_client !== 'first/1.0')).toMatchObject({ last_used_client: 'fourth/1.0' });
  });

  test('records forward auth and token exchange as uses', async () => {
    const ask: ((token: string) => Promise<unknown>)[] = [
      (token) => fetch(`${gateway.url}/auth/verify`, { headers: { authorization: `Bearer ${token}` } }),
      (token) =>
        fetch(`${gateway.url}/oauth/token`, {
          method: 'POST',
          body: new URLSearchParams({
            grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
            subject_token: token,
            subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          }),
        }),
    ];
    for (const use of ask) {
      const created = await carl.makeToken();
      await use(created.token);
      const find = async () => (await listed(carl)).find(({ id }) => id === created.id);
      expect(await until(find, (token) => token?.last_used_at != null)).toMatchObject({ last_used_address: '127.0.0.1' });
    }
  });
});

/** Repeats a request until the answer is as expected, because uses are recorded some time after the response. */
async function until<T>(ask: () => Promise<T>, isGood: (answer: T) => boolean): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const answer = await ask();
    if (isGood(answer) || attempt === 200) return answer;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('revoking CLI tokens', () => {
  test('revokes one token and keeps the others (DELETE /me/tokens/{id})', async () => {
    const [gone, kept] = [await carl.makeToken(), await carl.makeToken()];
    expect((await carl.api('DELETE', `/me/tokens/${gone.id}`)).status).toBe(204);
    expect([await me(gone.token), await me(kept.token)]).toEqual(['unauthenticated', 200]);
    expect((await listed(carl)).map(({ id }) => id)).not.toContain(gone.id);
    expect(outcome(await carl.api('DELETE', `/me/tokens/${gone.id}`))).toBe('not_found');
  });

  test('does not let a member revoke the token of another member', async () => {
    const created = await carl.makeToken();
    expect(outcome(await owner.api('DELETE', `/me/tokens/${created.id}`))).toBe('not_found');
    expect(await me(created.token)).toBe(200);
  });

  test('revokes all tokens and creates a new one (POST /me/tokens/rotate)', async () => {
    await carl.api('POST', '/me/tokens/rotate', {});
    const old = [await carl.makeToken({ name: 'a' }), await carl.makeToken({ name: 'b' })];
    const { body } = await carl.api<{ revoked: number; token: NewTokenJson }>('POST', '/me/tokens/rotate', { name: 'fresh' });
    expect(body).toEqual({ revoked: 3, token: expect.objectContaining({ name: 'fresh', token: expect.stringMatching(/^samlgate_cli_/) }) });
    for (const { token } of old) expect(await me(token)).toBe('unauthenticated');
    expect(await me(body.token.token)).toBe(200);
    expect((await listed(carl)).map(({ id }) => id)).toEqual([body.token.id]);
  });

  test('gives the new token the name of the token that requested the rotation', async () => {
    const created = await carl.makeToken({ name: 'build server' });
    const { body } = await gateway.api<{ token: NewTokenJson }>('POST', '/me/tokens/rotate', undefined, created.token);
    expect(body.token.name).toBe('build server');
    expect([await me(created.token), await me(body.token.token)]).toEqual(['unauthenticated', 200]);
  });

  test('lets an owner revoke all tokens of a member, and returns their number', async () => {
    const created = [await carl.makeToken(), await carl.makeToken()];
    const { body } = await owner.api<{ revoked: number }>('POST', `${members()}/${carl.id}/tokens/rotate`);
    expect(body).toEqual({ revoked: 3 });
    for (const { token } of created) expect(await me(token)).toBe('unauthenticated');
    expect(await listed(carl)).toEqual([]);
    expect((await owner.api('POST', `${members()}/${carl.id}/tokens/rotate`)).body).toEqual({ revoked: 0 });
    expect((await carl.api('GET', '/me')).status).toBe(200);
  });

  test('refuses collaborators, owners of other organizations, and unknown members', async () => {
    const created = await carl.makeToken();
    const stranger = await signedIn(gateway, await gateway.makeOrganization(), 'olivia');
    const path = `${members()}/${carl.id}/tokens/rotate`;
    expect(outcome(await carl.api('POST', path))).toBe('forbidden');
    expect(outcome(await stranger.api('POST', path))).toBe('organization_unknown');
    expect(outcome(await gateway.api('POST', path, undefined, (await stranger.makeToken()).token))).toBe('organization_unknown');
    expect(outcome(await stranger.api('POST', `/organizations/${await slugOf(stranger)}/members/${carl.id}/tokens/rotate`))).toBe(
      'not_found',
    );
    expect(outcome(await owner.api('POST', `${members()}/usr_00000000000000000000/tokens/rotate`))).toBe('not_found');
    expect(await me(created.token)).toBe(200);
    expect(outcome(await gateway.api('POST', path))).toBe(200);
    expect(await me(created.token)).toBe('unauthenticated');
  });

  test('rejects tokens during a suspension and accepts them afterwards', async () => {
    const created = await carl.makeToken();
    expect(outcome(await owner.api('PATCH', `${members()}/${carl.id}`, { suspended: true }))).toBe(200);
    expect(await me(created.token)).toBe('unauthenticated');
    expect(outcome(await owner.api('PATCH', `${members()}/${carl.id}`, { suspended: false }))).toBe(200);
    expect(await me(created.token)).toBe(200);
    carl = await signedIn(gateway, organization, 'carl');
  });

  test('does not restore the tokens of a removed member at the next sign-in', async () => {
    const created = await carl.makeToken();
    const former = carl.id;
    expect(outcome(await owner.api('DELETE', `${members()}/${carl.id}`))).toBe(204);
    expect(await me(created.token)).toBe('unauthenticated');
    carl = await signedIn(gateway, organization, 'carl');
    expect(carl.id).not.toBe(former);
    expect(await me(created.token)).toBe('unauthenticated');
    expect(await listed(carl)).toEqual([]);
  });

  test('keeps tokens valid after their session has ended', async () => {
    const nina = await signedIn(gateway, organization, 'nina');
    const created = await nina.makeToken();
    const page = await nina.browser.open(`${gateway.url}/console`);
    await nina.browser.submit(page, {}, '/logout');
    expect(outcome(await nina.api('GET', '/me'))).toBe('unauthenticated');
    expect(await me(created.token)).toBe(200);
  });

  test('rejects tokens of a deleted organization', async () => {
    const other = await gateway.makeOrganization();
    const member = await signedIn(gateway, other, 'carl');
    const created = await member.makeToken();
    expect((await gateway.api('DELETE', `/organizations/${other.slug}`)).status).toBe(204);
    expect(await me(created.token)).toBe('unauthenticated');
  });
});

const slugOf = async (person: SignedIn): Promise<string> =>
  (await person.api<{ organization: { slug: string } }>('GET', '/me')).body.organization.slug;

describe('token policy of an organization', () => {
  const LEASE_MS = 2100;
  let slug: string;
  let person: SignedIn;
  const setPolicy = async (policy: Record<string, unknown>) => {
    expect(outcome(await gateway.api('PATCH', `/organizations/${slug}`, policy))).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, LEASE_MS));
  };
  beforeAll(async () => {
    ({ slug } = await gateway.makeOrganization());
    person = await signedIn(gateway, { slug }, 'carl');
  });

  test('is part of the organization, and only the operator can change it', async () => {
    const policy = { cli_token_max_days: 90, cli_token_sso_within_days: 30, session_token_audiences: ['https://orders.example.com'] };
    const none = { cli_token_max_days: null, cli_token_sso_within_days: null, session_token_audiences: [] };
    expect((await gateway.api('GET', `/organizations/${slug}`)).body).toMatchObject(none);
    expect((await gateway.api('PATCH', `/organizations/${slug}`, policy)).body).toMatchObject(policy);
    expect((await gateway.api('GET', `/organizations/${slug}`)).body).toMatchObject(policy);
    for (const wrong of [
      { cli_token_max_days: 0 },
      { cli_token_max_days: 3651 },
      { cli_token_sso_within_days: 366 },
      { cli_token_max_days: '9' },
    ]) {
      expect(outcome(await gateway.api('PATCH', `/organizations/${slug}`, wrong))).toBe('validation_failed');
    }
    expect((await gateway.api('PATCH', `/organizations/${slug}`, none)).body).toMatchObject(none);
    const admin = await signedIn(gateway, { slug }, 'olivia');
    expect(outcome(await admin.api('PATCH', `/organizations/${slug}`, policy))).toBe('forbidden');
  });

  test('limits the lifetime of new tokens and expires older ones by their age', async () => {
    const older = await person.makeToken({ name: 'older', expires_in_days: null });
    await setPolicy({ cli_token_max_days: 10 });
    const created = await person.makeToken({ name: 'newer' });
    expect(created.expires_at).toBe(new Date(Date.parse(created.created_at) + 10 * DAY_MS).toISOString());
    for (const days of [11, null]) {
      expect(outcome(await person.api('POST', '/me/tokens', { name: 'a', expires_in_days: days }))).toBe('validation_failed');
      expect(outcome(await person.api('POST', '/me/tokens/rotate', { expires_in_days: days }))).toBe('validation_failed');
    }
    expect((await listed(person)).find(({ id }) => id === older.id)?.expires_at).not.toBeNull();
    expect(await later(9 * DAY_MS, () => me(older.token))).toBe(200);
    expect(await later(10 * DAY_MS, () => me(older.token))).toBe('unauthenticated');
    const rotated = await person.api<{ token: NewTokenJson }>('POST', '/me/tokens/rotate', {});
    expect(rotated.body.token.expires_at).not.toBeNull();
    await setPolicy({ cli_token_max_days: null });
  });

  test('pauses tokens while the last sign-in is too long ago, until the next sign-in', async () => {
    await setPolicy({ cli_token_sso_within_days: 7 });
    const { token } = await person.makeToken();
    expect(await later(7 * DAY_MS - 60_000, () => me(token))).toBe(200);
    await later(7 * DAY_MS + 60_000, async () => {
      const paused = await gateway.api<{ code: string; detail: string }>('GET', '/me', undefined, token);
      expect([outcome(paused), paused.body.detail]).toEqual(['unauthenticated', expect.stringContaining('every 7 days')]);
      const exchanged = await fetch(`${gateway.url}/auth/verify`, { headers: { authorization: `Bearer ${token}` } });
      expect(exchanged.status).toBe(401);
      await signIn(new HttpBrowser(), gateway.loginUrl(slug), 'carl');
      expect(await me(token)).toBe(200);
    });
  });
});

describe('concurrent requests', () => {
  const rotate = (token: string) => gateway.api<{ revoked: number; token: NewTokenJson }>('POST', '/me/tokens/rotate', {}, token);

  test('performs one of two rotations with the same token, because it revokes the credential of the other', async () => {
    for (let round = 0; round < 20; round++) {
      const { token } = await carl.makeToken();
      const answers = await Promise.all([rotate(token), rotate(token)]);
      expect(answers.map(outcome).sort()).toEqual([200, 'unauthenticated']);
      const alive = answers.find(({ status }) => status === 200)?.body.token.token ?? '';
      expect([await me(token), await me(alive)]).toEqual(['unauthenticated', 200]);
      expect(await listed(carl)).toHaveLength(1);
    }
  });

  test('performs both rotations with a session, and leaves one token', async () => {
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all([0, 1].map(() => carl.api<{ token: NewTokenJson }>('POST', '/me/tokens/rotate', {})));
      expect(answers.map(outcome)).toEqual([200, 200]);
      const alive = await Promise.all(answers.map(({ body }) => me(body.token.token)));
      expect(alive.sort()).toEqual([200, 'unauthenticated']);
    }
  });

  test('does not let a token that was created with a leaked token survive the rotation of that token', async () => {
    for (let round = 0; round < 40; round++) {
      const leaked = (await carl.makeToken()).token;
      const [created] = await Promise.all([
        gateway.api<NewTokenJson>('POST', '/me/tokens', { name: 'thief' }, leaked),
        carl.api('POST', '/me/tokens/rotate', {}),
      ]);
      expect(await me(leaked)).toBe('unauthenticated');
      // Either created before the rotation and revoked by it, or refused.
      if (created.status === 201) expect(await me(created.body.token)).toBe('unauthenticated');
      else expect(outcome(created)).toBe('unauthenticated');
      expect(await listed(carl)).toHaveLength(1);
    }
  });
});

describe('audit trail of CLI tokens', () => {
  test('records who created and revoked each token, but not the token itself', async () => {
    const nina = await signedIn(gateway, organization, 'nina');
    const created = await nina.makeToken({ name: 'audited' });
    await nina.api('DELETE', `/me/tokens/${created.id}`);
    await nina.api('POST', '/me/tokens/rotate', {});
    await owner.api('POST', `${members()}/${nina.id}/tokens/rotate`);
    type Entry = { event: string; actor: { id: string }; details: Record<string, unknown> };
    const { items } = (await owner.api<{ items: Entry[] }>('GET', `/organizations/${organization.slug}/audit?member=${nina.id}&limit=4`))
      .body;
    expect(items.map(({ event, actor }) => [event, actor.id])).toEqual([
      ['cli_tokens.rotated', owner.id],
      ['cli_tokens.rotated', nina.id],
      ['cli_token.revoked', nina.id],
      ['cli_token.created', nina.id],
    ]);
    expect(items[3]?.details).toMatchObject({ token_id: created.id, name: 'audited' });
    expect(JSON.stringify(items)).not.toContain(created.token.split('.')[2]);
  });
});
