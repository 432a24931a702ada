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

/** The code of a refusal, or the status. */
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

describe('making CLI tokens (POST /me/tokens)', () => {
  test('a token is a JWT of the member with a prefix, without role and without end', async () => {
    const made = await carl.makeToken({ name: 'laptop' });
    expect(made.token).toMatch(/^samlgate_cli_eyJ/);
    const jwt = made.token.slice('samlgate_cli_'.length);
    expect(decodeProtectedHeader(jwt)).toEqual({ alg: 'ES256', typ: 'samlgate-cli+jwt', kid: expect.any(String) });
    expect(decodeJwt(jwt)).toEqual({
      iss: gateway.url,
      sub: carl.id,
      org: organization.id,
      jti: made.id,
      iat: Date.parse(made.created_at) / 1000,
    });
    expect(made).toEqual({
      id: expect.stringMatching(/^tok_/),
      name: 'laptop',
      token: made.token,
      created_at: made.created_at,
      expires_at: null,
    });
  });

  test('it works as the member, with the role that the member has now', async () => {
    const { token, id } = await carl.makeToken();
    const { body } = await gateway.api<{ user: { id: string; role: string }; credential: unknown }>('GET', '/me', undefined, token);
    expect(body.user).toMatchObject({ id: carl.id, role: 'collaborator' });
    expect(body.credential).toEqual({ kind: 'cli_token', id, expires_at: null });
    expect(body).not.toHaveProperty('csrf_token');
    expect(await gateway.api('GET', members(), undefined, token).then(outcome)).toBe('forbidden');
    expect(outcome(await gateway.api('PATCH', `${members()}/${carl.id}`, { role: 'owner' }))).toBe(200);
    expect(await gateway.api('GET', members(), undefined, token).then(outcome)).toBe(200);
    expect(outcome(await gateway.api('PATCH', `${members()}/${carl.id}`, { role: 'collaborator' }))).toBe(200);
    expect(await gateway.api('GET', members(), undefined, token).then(outcome)).toBe('forbidden');
  });

  test('the token itself is shown once and is nowhere in the store', async () => {
    const { token, id } = await carl.makeToken({ name: 'secret' });
    expect(JSON.stringify(await listed(carl))).not.toContain(token.split('.')[2]);
    const stored = await gateway.runtime.store.get(organization.id, { name: 'member', indexes: {}, unique: {} }, carl.id);
    expect(JSON.stringify(stored)).toContain(id);
    expect(JSON.stringify(stored)).not.toContain(token.split('.')[2]);
  });

  test('an end that is asked for is in the token, and holds', async () => {
    const made = await carl.makeToken({ expires_in_days: 30 });
    const end = Date.parse(made.created_at) + 30 * DAY_MS;
    expect(made.expires_at).toBe(new Date(end).toISOString());
    expect(decodeJwt(made.token.slice('samlgate_cli_'.length)).exp).toBe(end / 1000);
    expect(await me(made.token)).toBe(200);
    expect(await later(30 * DAY_MS - 60_000, () => me(made.token))).toBe(200);
    expect(await later(30 * DAY_MS, () => me(made.token))).toBe('unauthenticated');
    expect(await later(30 * DAY_MS - 60_000, () => listed(carl))).toContainEqual(expect.objectContaining({ id: made.id }));
    expect((await later(29 * DAY_MS, () => listed(carl))).map(({ id }) => id)).toContain(made.id);
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
    { name: 'a', role: 'owner' },
  ])('refuses %j', async (body) => {
    expect(outcome(await carl.api('POST', '/me/tokens', body))).toBe('validation_failed');
  });

  test('not without the CSRF token where the cookie is the credential', async () => {
    const response = await fetch(`${gateway.url}/api/v1/me/tokens`, {
      method: 'POST',
      headers: { cookie: carl.cookie, 'content-type': 'application/json' },
      body: '{"name":"forged"}',
    });
    expect(((await response.json()) as { code: string }).code).toBe('forbidden');
  });

  test('not with a session token: what is handed to services must not become something that lasts', async () => {
    const { token } = (await carl.api<{ token: string }>('POST', '/me/session-token')).body;
    expect(await me(token)).toBe(200);
    expect(outcome(await gateway.api('POST', '/me/tokens', { name: 'a' }, token))).toBe('forbidden');
    expect(outcome(await gateway.api('POST', '/me/tokens/rotate', {}, token))).toBe('forbidden');
  });

  test('not by the operator, who is no member', async () => {
    for (const path of ['/me/tokens', '/me/tokens/rotate', '/me/session-token']) {
      expect(outcome(await gateway.api('POST', path, { name: 'a' }))).toBe('forbidden');
    }
    expect(outcome(await gateway.api('GET', '/me/tokens'))).toBe('forbidden');
  });

  test('a token that is made with another one ends no later than that one', async () => {
    const first = await carl.makeToken({ expires_in_days: 7 });
    const make = (body: unknown) => gateway.api<NewTokenJson>('POST', '/me/tokens', body, first.token);
    expect((await make({ name: 'same end' })).body.expires_at).toBe(first.expires_at);
    expect(outcome(await make({ name: 'longer', expires_in_days: 8 }))).toBe('validation_failed');
    expect((await make({ name: 'shorter', expires_in_days: 6 })).status).toBe(201);
    const rotated = await gateway.api<{ token: NewTokenJson }>('POST', '/me/tokens/rotate', {}, first.token);
    expect(rotated.body.token.expires_at).toBe(first.expires_at);
  });

  test('a member has at most 50; expired ones make room', async () => {
    const member = await signedIn(gateway, await gateway.makeOrganization(), 'nina');
    await member.makeToken({ name: 'short', expires_in_days: 1 });
    for (let n = 1; n < 50; n++) await member.makeToken();
    expect(outcome(await member.api('POST', '/me/tokens', { name: 'too many' }))).toBe('conflict');
    await later(DAY_MS, async () => {
      expect((await member.makeToken()).id).toMatch(/^tok_/);
      expect(outcome(await member.api('POST', '/me/tokens', { name: 'too many' }))).toBe('conflict');
    });
  });
});

describe('listing CLI tokens (GET /me/tokens)', () => {
  test('newest first, page by page', async () => {
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

  test('says when, from where and by what a token was last used, once a minute at most', async () => {
    const made = await carl.makeToken({ name: 'used' });
    const find = async () => (await listed(carl)).find(({ id }) => id === made.id);
    expect(await find()).toMatchObject({ last_used_at: null, last_used_address: null, last_used_client: null });
    const use = (client: string) =>
      fetch(`${gateway.url}/api/v1/me`, { headers: { authorization: `Bearer ${made.token}`, 'user-agent': client } });
    await use('first/1.0');
    const noted = await until(find, (token) => token?.last_used_at != null);
    expect(noted).toMatchObject({ last_used_address: '127.0.0.1', last_used_client: 'first/1.0' });
    await use('second/1.0');
    expect(await later(59_000, () => use('third/1.0').then(find))).toMatchObject({ last_used_client: 'first/1.0' });
    await later(61_000, () => use('fourth/1.0'));
    expect(await until(find, (token) => token?.last_used_client !== 'first/1.0')).toMatchObject({ last_used_client: 'fourth/1.0' });
  });

  test('forward auth and token exchange are uses too', async () => {
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
      const made = await carl.makeToken();
      await use(made.token);
      const find = async () => (await listed(carl)).find(({ id }) => id === made.id);
      expect(await until(find, (token) => token?.last_used_at != null)).toMatchObject({ last_used_address: '127.0.0.1' });
    }
  });
});

/** Asks until the answer is as wanted: what happens after an answer has no moment of its own. */
async function until<T>(ask: () => Promise<T>, isGood: (answer: T) => boolean): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const answer = await ask();
    if (isGood(answer) || attempt === 200) return answer;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('ending CLI tokens', () => {
  test('DELETE /me/tokens/{id} ends one and leaves the others', async () => {
    const [gone, kept] = [await carl.makeToken(), await carl.makeToken()];
    expect((await carl.api('DELETE', `/me/tokens/${gone.id}`)).status).toBe(204);
    expect([await me(gone.token), await me(kept.token)]).toEqual(['unauthenticated', 200]);
    expect((await listed(carl)).map(({ id }) => id)).not.toContain(gone.id);
    expect(outcome(await carl.api('DELETE', `/me/tokens/${gone.id}`))).toBe('not_found');
  });

  test('nobody ends the token of another member', async () => {
    const made = await carl.makeToken();
    expect(outcome(await owner.api('DELETE', `/me/tokens/${made.id}`))).toBe('not_found');
    expect(await me(made.token)).toBe(200);
  });

  test('POST /me/tokens/rotate ends all and makes one new', async () => {
    await carl.api('POST', '/me/tokens/rotate', {});
    const old = [await carl.makeToken({ name: 'a' }), await carl.makeToken({ name: 'b' })];
    const { body } = await carl.api<{ revoked: number; token: NewTokenJson }>('POST', '/me/tokens/rotate', { name: 'fresh' });
    expect(body).toEqual({ revoked: 3, token: expect.objectContaining({ name: 'fresh', token: expect.stringMatching(/^samlgate_cli_/) }) });
    for (const { token } of old) expect(await me(token)).toBe('unauthenticated');
    expect(await me(body.token.token)).toBe(200);
    expect((await listed(carl)).map(({ id }) => id)).toEqual([body.token.id]);
  });

  test('a token rotates itself away, and the new one keeps its name', async () => {
    const made = await carl.makeToken({ name: 'build server' });
    const { body } = await gateway.api<{ token: NewTokenJson }>('POST', '/me/tokens/rotate', undefined, made.token);
    expect(body.token.name).toBe('build server');
    expect([await me(made.token), await me(body.token.token)]).toEqual(['unauthenticated', 200]);
  });

  test('an owner ends all of a member, and learns how many there were', async () => {
    const made = [await carl.makeToken(), await carl.makeToken()];
    const { body } = await owner.api<{ revoked: number }>('POST', `${members()}/${carl.id}/tokens/rotate`);
    expect(body).toEqual({ revoked: 3 });
    for (const { token } of made) expect(await me(token)).toBe('unauthenticated');
    expect(await listed(carl)).toEqual([]);
    expect((await owner.api('POST', `${members()}/${carl.id}/tokens/rotate`)).body).toEqual({ revoked: 0 });
    expect((await carl.api('GET', '/me')).status).toBe(200);
  });

  test('nobody else does: no collaborator, no owner of another organization, for no unknown member', async () => {
    const made = await carl.makeToken();
    const stranger = await signedIn(gateway, await gateway.makeOrganization(), 'olivia');
    const path = `${members()}/${carl.id}/tokens/rotate`;
    expect(outcome(await carl.api('POST', path))).toBe('forbidden');
    expect(outcome(await stranger.api('POST', path))).toBe('organization_unknown');
    expect(outcome(await gateway.api('POST', path, undefined, (await stranger.makeToken()).token))).toBe('organization_unknown');
    expect(outcome(await stranger.api('POST', `/organizations/${await slugOf(stranger)}/members/${carl.id}/tokens/rotate`))).toBe(
      'not_found',
    );
    expect(outcome(await owner.api('POST', `${members()}/usr_00000000000000000000/tokens/rotate`))).toBe('not_found');
    expect(await me(made.token)).toBe(200);
    expect(outcome(await gateway.api('POST', path))).toBe(200);
    expect(await me(made.token)).toBe('unauthenticated');
  });

  test('a suspension stops them, and lifting it brings them back', async () => {
    const made = await carl.makeToken();
    expect(outcome(await owner.api('PATCH', `${members()}/${carl.id}`, { suspended: true }))).toBe(200);
    expect(await me(made.token)).toBe('unauthenticated');
    expect(outcome(await owner.api('PATCH', `${members()}/${carl.id}`, { suspended: false }))).toBe(200);
    expect(await me(made.token)).toBe(200);
    carl = await signedIn(gateway, organization, 'carl');
  });

  test('a removed member who comes again never gets old tokens back', async () => {
    const made = await carl.makeToken();
    const former = carl.id;
    expect(outcome(await owner.api('DELETE', `${members()}/${carl.id}`))).toBe(204);
    expect(await me(made.token)).toBe('unauthenticated');
    carl = await signedIn(gateway, organization, 'carl');
    expect(carl.id).not.toBe(former);
    expect(await me(made.token)).toBe('unauthenticated');
    expect(await listed(carl)).toEqual([]);
  });

  test('the end of the session does not end them', async () => {
    const nina = await signedIn(gateway, organization, 'nina');
    const made = await nina.makeToken();
    const page = await nina.browser.open(`${gateway.url}/console`);
    await nina.browser.submit(page, {}, '/logout');
    expect(outcome(await nina.api('GET', '/me'))).toBe('unauthenticated');
    expect(await me(made.token)).toBe(200);
  });

  test('they end with the organization', async () => {
    const other = await gateway.makeOrganization();
    const member = await signedIn(gateway, other, 'carl');
    const made = await member.makeToken();
    expect((await gateway.api('DELETE', `/organizations/${other.slug}`)).status).toBe(204);
    expect(await me(made.token)).toBe('unauthenticated');
  });
});

const slugOf = async (person: SignedIn): Promise<string> =>
  (await person.api<{ organization: { slug: string } }>('GET', '/me')).body.organization.slug;

describe('the policy of an organization', () => {
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

  test('is shown with the organization, and only as the operator sets it', async () => {
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

  test('a greatest lifetime gives every new token an end, and ends older ones by their age', async () => {
    const older = await person.makeToken({ name: 'older' });
    await setPolicy({ cli_token_max_days: 10 });
    const made = await person.makeToken({ name: 'newer' });
    expect(made.expires_at).toBe(new Date(Date.parse(made.created_at) + 10 * DAY_MS).toISOString());
    expect(outcome(await person.api('POST', '/me/tokens', { name: 'a', expires_in_days: 11 }))).toBe('validation_failed');
    expect((await listed(person)).find(({ id }) => id === older.id)?.expires_at).not.toBeNull();
    expect(await later(9 * DAY_MS, () => me(older.token))).toBe(200);
    expect(await later(10 * DAY_MS, () => me(older.token))).toBe('unauthenticated');
    const rotated = await person.api<{ token: NewTokenJson }>('POST', '/me/tokens/rotate', {});
    expect(rotated.body.token.expires_at).not.toBeNull();
    await setPolicy({ cli_token_max_days: null });
  });

  test('a token pauses while the last sign-in is too long ago, and the next one wakes it', async () => {
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

describe('two at once', () => {
  const rotate = (token: string) => gateway.api<{ revoked: number; token: NewTokenJson }>('POST', '/me/tokens/rotate', {}, token);

  test('of two rotations with the same token one is done: it has ended the other one’s right to', async () => {
    for (let round = 0; round < 20; round++) {
      const { token } = await carl.makeToken();
      const answers = await Promise.all([rotate(token), rotate(token)]);
      expect(answers.map(outcome).sort()).toEqual([200, 'unauthenticated']);
      const alive = answers.find(({ status }) => status === 200)?.body.token.token ?? '';
      expect([await me(token), await me(alive)]).toEqual(['unauthenticated', 200]);
      expect(await listed(carl)).toHaveLength(1);
    }
  });

  test('of two rotations with a session both are done, and one token is left', async () => {
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all([0, 1].map(() => carl.api<{ token: NewTokenJson }>('POST', '/me/tokens/rotate', {})));
      expect(answers.map(outcome)).toEqual([200, 200]);
      const alive = await Promise.all(answers.map(({ body }) => me(body.token.token)));
      expect(alive.sort()).toEqual([200, 'unauthenticated']);
    }
  });

  test('a token that is made with a leaked one does not survive the rotation that ends that one', async () => {
    for (let round = 0; round < 40; round++) {
      const leaked = (await carl.makeToken()).token;
      const [made] = await Promise.all([
        gateway.api<NewTokenJson>('POST', '/me/tokens', { name: 'thief' }, leaked),
        carl.api('POST', '/me/tokens/rotate', {}),
      ]);
      expect(await me(leaked)).toBe('unauthenticated');
      // Made before, and ended by it; or refused.
      if (made.status === 201) expect(await me(made.body.token)).toBe('unauthenticated');
      else expect(outcome(made)).toBe('unauthenticated');
      expect(await listed(carl)).toHaveLength(1);
    }
  });
});

describe('the audit trail of CLI tokens', () => {
  test('tells who made and ended which, and never the token', async () => {
    const nina = await signedIn(gateway, organization, 'nina');
    const made = await nina.makeToken({ name: 'audited' });
    await nina.api('DELETE', `/me/tokens/${made.id}`);
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
    expect(items[3]?.details).toMatchObject({ token_id: made.id, name: 'audited' });
    expect(JSON.stringify(items)).not.toContain(made.token.split('.')[2]);
  });
});
