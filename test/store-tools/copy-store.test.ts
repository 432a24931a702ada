import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { MEMBER_SESSION } from '../../src/auth/sessions/member-sessions.ts';
import { PENDING_SIGN_IN, putPendingSignIn } from '../../src/auth/sessions/pending-sign-ins.ts';
import { sha256 } from '../../src/ids.ts';
import { DIRECTORY } from '../../src/organizations/directory.ts';
import { LOGO, LOGO_IMAGE, LOGO_RECORD, setLogo } from '../../src/organizations/logo/logo.ts';
import { SCHEMA, SCHEMA_RECORD } from '../../src/schema/schema-version.ts';
import { createSecrets } from '../../src/secrets.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { RawEntry } from '../../src/store/raw/raw-entries.ts';
import { openRawStore } from '../../src/store/raw/raw-store.ts';
import { GLOBAL, type Store } from '../../src/store/store.ts';
import { checkStore } from '../../src/store-tools/check-store.ts';
import { refText } from '../../src/store-tools/compare-entries.ts';
import { type CopyOptions, copyStore } from '../../src/store-tools/copy-store.ts';
import { PEOPLE } from '../store/people.ts';
import { HttpBrowser } from '../support/browser.ts';
import { makeHome } from '../support/command.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { PNG } from '../support/images.ts';
import { freePort, type RedisCluster, type RedisServer, startRedis, startRedisCluster } from '../support/redis-server.ts';

jest.setTimeout(120_000);

const SECRET = randomBytes(32).toString('base64');
const OPERATOR_TOKEN = randomBytes(32).toString('hex');
const secrets = createSecrets(Buffer.from(SECRET, 'base64'), undefined);

let directory: string;
let redis: RedisServer;
let cluster: RedisCluster;
let port: number;
/** A store that a gateway has written, and the facts about it. */
let source: string;
let organization: TestOrganization;
let browser: HttpBrowser;
let response: string;
const tokens = { live: '', revoked: '' };

const sqlite = (name: string) => `sqlite:${path.join(directory, `${name}.db`)}`;
const redisAt = (database: number) => `${redis.url}/${database}`;
const copy = (from: string, to: string, options: Partial<CopyOptions> = {}) =>
  copyStore({ from, to, secrets, withoutSessions: false, isDryRun: false, ...options });

const gatewayOn = (store: string): Promise<TestGateway> =>
  startGateway({
    environment: {
      SAMLGATE_STORE: store,
      SAMLGATE_SECRET: SECRET,
      SAMLGATE_OPERATOR_TOKEN: OPERATOR_TOKEN,
      SAMLGATE_BASE_URL: `http://localhost:${port}`,
      SAMLGATE_LISTEN: `127.0.0.1:${port}`,
    },
  });

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-copy-'));
  redis = await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
  cluster = await startRedisCluster();
  port = await freePort();
  source = sqlite('source');
  const gateway = await gatewayOn(source);
  organization = await makeTestOrganization(gateway);
  browser = new HttpBrowser();
  const { requestId } = await organization.start(browser);
  response = organization.respond({ inResponseTo: requestId });
  await organization.post(browser, response);
  const make = async () => {
    const { csrf_token } = await me<{ csrf_token: string }>();
    const { text } = await browser.request(`${gateway.url}/api/v1/me/tokens`, {
      method: 'POST',
      body: JSON.stringify({ name: 'test' }),
      headers: { 'content-type': 'application/json', 'x-samlgate-csrf': csrf_token },
    });
    return JSON.parse(text) as { id: string; token: string };
  };
  const me = async <Body>() => JSON.parse((await browser.request(`${gateway.url}/api/v1/me`)).text) as Body;
  await setLogo(gateway.runtime, { kind: 'operator' }, { organizationId: organization.id, octets: PNG });
  tokens.live = (await make()).token;
  const revoked = await make();
  tokens.revoked = revoked.token;
  await gateway.api('DELETE', `/me/tokens/${revoked.id}`, undefined, tokens.live);
  await gateway.stop();
});
afterAll(async () => {
  await Promise.all([redis?.stop(), cluster?.stop()]);
  rmSync(directory, { recursive: true, force: true });
});

/** Everything in a store except what differs by design. */
async function contentOf(url: string): Promise<Map<string, unknown>> {
  const store = await openRawStore(url);
  const content = new Map<string, unknown>();
  const sorted = (pairs: readonly (readonly [string, string])[]) => pairs.map(String).sort();
  const shown = (entry: RawEntry) =>
    entry.kind === 'record'
      ? { ...entry, indexes: sorted(entry.indexes), uniques: sorted(entry.uniques) }
      : { ...entry, ttlMs: entry.ttlMs > 0 };
  for await (const batch of store.scan()) {
    for (const entry of batch)
      if (!/^e global replicated:|^e \S+ replicated:/.test(refText(entry))) content.set(refText(entry), shown(entry));
  }
  await store.close();
  return content;
}

async function withStore<T>(url: string, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(url);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

describe('copying a store', () => {
  test('copies from SQLite to Redis, Cluster, Redis and back, so that gateways go on with the last one', async () => {
    const route = [source, redisAt(0), cluster.url, redisAt(1), sqlite('last')] as const;
    const before = await contentOf(source);
    for (const [i, from] of route.slice(0, -1).entries()) {
      const to = route[i + 1] as string;
      const dry = await copy(from, to, { isDryRun: true });
      expect((await contentOf(to).catch(() => new Map())).size).toBe(0);
      const { records, values, notes } = await copy(from, to);
      expect([records, values, notes]).toEqual([dry.records, dry.values, []]);
      expect(await contentOf(to)).toEqual(before);
      expect(await checkStore(to, secrets)).toMatchObject({ problems: [] });
      const gateway = await gatewayOn(to);
      const status = async (token: string) => (await gateway.api('GET', '/me', undefined, token)).status;
      expect([await status(tokens.live), await status(tokens.revoked)]).toEqual([200, 401]);
      expect((await browser.request(`${gateway.url}/api/v1/me`)).status).toBe(200);
      // The attacker has a response that was used before the copy.
      const replayed = await organization.post(new HttpBrowser(), response);
      expect([replayed.status, replayed.text]).toEqual([400, expect.stringContaining('saml_replayed')]);
      await gateway.stop();
      // What the gateway wrote is not compared.
      if (i < 3) await withStore(to, async () => {});
      before.clear();
      for (const [ref, entry] of await contentOf(to)) before.set(ref, entry);
    }
  });

  test('leaves out sessions on request, but never claims, tokens and revocations', async () => {
    const [from, to] = [sqlite('with-sessions'), sqlite('without-sessions')];
    await copy(source, from);
    const login = { organizationId: organization.id, memberId: 'usr_x', sessionId: 'ses_x', csrfToken: 'x', endsAtMs: 0, touchedAtMs: 0 };
    await withStore(from, (store) => store.commit(organization.id, [putPendingSignIn('hash', { login, returnTo: '/' }, Date.now())]));
    const isSession = (ref: string) => [MEMBER_SESSION, PENDING_SIGN_IN].some(({ keyPrefix }) => ref.includes(` ${keyPrefix}:`));
    expect([...(await contentOf(from)).keys()].filter(isSession)).toHaveLength(2);
    await copy(from, to, { withoutSessions: true });
    expect([...(await contentOf(to)).keys()].filter(isSession)).toEqual([]);
    const gateway = await gatewayOn(to);
    expect((await browser.request(`${gateway.url}/api/v1/me`)).status).toBe(401);
    const status = async (token: string) => (await gateway.api('GET', '/me', undefined, token)).status;
    expect([await status(tokens.live), await status(tokens.revoked)]).toEqual([200, 401]);
    expect((await organization.post(new HttpBrowser(), response)).text).toContain('saml_replayed');
    await gateway.stop();
  });

  test('copies records with many index strings, versions and characters unchanged, also above a batch', async () => {
    const [from, to] = [sqlite('many'), redisAt(2)];
    await copy(source, from);
    await withStore(from, async (store) => {
      for (let i = 0; i < 450; i++) {
        const value = { name: `n${i} \u{1f600} "\\"`, email: `${i}@x`, groups: ['a', `g${i % 7}`, 'ü '] };
        await store.commit(`org_${i % 3}`, [{ do: 'insert', collection: PEOPLE, id: `p${i}`, value }]);
        if (i % 5 === 0) await store.commit(`org_${i % 3}`, [{ do: 'replace', collection: PEOPLE, id: `p${i}`, version: 1, value }]);
      }
      await store.commit('org_0', [{ do: 'put', key: 'a:b\n', value: '', ttlSeconds: 900 }]);
    });
    await copy(from, to);
    expect(await contentOf(to)).toEqual(await contentOf(from));
    await withStore(to, async (store) => {
      expect(await store.getUnique('org_0', PEOPLE, 'email', '3@x')).toMatchObject({ id: 'p3', version: 1 });
      expect(await store.get('org_0', PEOPLE, 'p0')).toMatchObject({ version: 2 });
      const page = await store.find('org_1', PEOPLE, 'group', { equals: 'g1', limit: 200 });
      expect(page.items.map(({ id }) => id)).toContain('p1');
      await store.purge('org_1');
      expect((await store.find('org_1', PEOPLE, 'group', { limit: 10 })).items).toEqual([]);
    });
  });
});

describe('refusals of a copy', () => {
  const refused = async (from: string, to: string, words: string, options: Partial<CopyOptions> = {}) => {
    const before = await contentOf(to).catch(() => undefined);
    await expect(copy(from, to, options)).rejects.toThrow(words);
    expect(await contentOf(to).catch(() => undefined)).toEqual(before);
  };

  test('refuses a source with a running gateway', async () => {
    const gateway = await gatewayOn(source);
    await refused(source, sqlite('a'), 'uses the source');
    await gateway.stop();
    expect(existsSync(path.join(directory, 'a.db'))).toBe(false);
  });

  test('refuses a source and a target on Redis with a running gateway', async () => {
    const [from, to] = [redisAt(3), redisAt(4)];
    await copy(source, from);
    const gateway = await gatewayOn(from);
    const home = makeHome();
    const environment = { SAMLGATE_SECRET: SECRET, FROM_STORE: from };
    // Another process than the gateway's, which is the one of this test.
    const copied = await home.run(['store', 'copy', 'FROM_STORE', to], environment);
    expect(copied).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('uses the source') });
    const target = await home.run(['store', 'copy', source, redisAt(5)], environment);
    expect(target).toMatchObject({ code: 1, stderr: expect.stringContaining('uses the target') });
    await gateway.stop();
    expect((await contentOf(to)).size).toBe(0);
    home.remove();
  });

  test('refuses a target with data, also with data of the same gateway', async () => {
    const to = sqlite('with-data');
    await withStore(to, (store) => store.commit('org_x', [{ do: 'put', key: 'x', value: '', ttlSeconds: 900 }]));
    await refused(source, to, 'not empty');
    await refused(source, to, 'not empty', { isDryRun: true });
    const again = sqlite('copied');
    await copy(source, again);
    await refused(source, again, 'not empty');
    await refused(source, source, 'same store');
  });

  test('refuses a secret that does not open the keys', async () => {
    const wrong = createSecrets(randomBytes(32), undefined);
    await refused(source, sqlite('b'), 'SAMLGATE_SECRET does not open', { secrets: wrong });
    expect((await checkStore(source, wrong)).problems).toEqual(expect.arrayContaining([expect.stringContaining('cannot be opened')]));
  });

  test('names the command that deletes the entry of an organization that does not exist', async () => {
    const url = sqlite('half-deleted');
    await copy(source, url);
    const value = { slug: 'half-deleted', domains: [], createdAtMs: 0 };
    await withStore(url, (store) => store.commit(GLOBAL, [{ do: 'insert', collection: DIRECTORY, id: 'org_gone', value }]));
    const [problem] = (await checkStore(url, secrets)).problems;
    expect(problem).toMatch(/^org_gone: .* samlgate org delete half-deleted$/);
  });

  test('copies audit entries to Redis in the form that needs the least memory', async () => {
    await copy(source, redisAt(9));
    const client = new Redis(redisAt(9));
    const keys = await client.keys('*:r:audit:*');
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) expect(await client.type(key)).toBe('string');
    client.disconnect();
  });

  test.each([
    [3, undefined, 'newer version of samlgate'],
    [2, 3, 'newer version of samlgate'],
    [1, undefined, 'older schema version'],
  ])('refuses a source of schema version %s that migrates to %s', async (version, migratingTo, words) => {
    const from = sqlite(`schema-${version}-${migratingTo}`);
    await copy(source, from);
    await withStore(from, async (store) => {
      const present = await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD);
      const value = { version, ...(migratingTo === undefined ? {} : { migratingTo }) };
      await store.commit(GLOBAL, [{ do: 'replace', collection: SCHEMA, id: SCHEMA_RECORD, version: present?.version ?? 0, value }]);
    });
    await refused(from, sqlite('c'), words);
  });

  test('refuses an empty source and one that does not exist', async () => {
    await withStore(sqlite('empty'), async () => {});
    await refused(sqlite('empty'), sqlite('d'), 'empty');
    await expect(copy(sqlite('nowhere'), sqlite('d'))).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(existsSync(path.join(directory, 'nowhere.db'))).toBe(false);
  });
});

describe('an interrupted copy', () => {
  /** A source of some thousand entries, so that a copy takes several batches. */
  async function makeLarge(name: string): Promise<string> {
    const from = sqlite(name);
    await copy(source, from);
    await withStore(from, async (store) => {
      for (let i = 0; i < 40; i++) {
        const steps = Array.from({ length: 100 }, (_, j) => ({
          do: 'insert' as const,
          collection: PEOPLE,
          id: `p${i}-${j}`,
          value: { name: 'n', email: `${i}-${j}@x`, groups: ['all'] },
        }));
        await store.commit('org_large', steps);
      }
    });
    return from;
  }

  test('is no store for a gateway, and continues after kill -9 with what the source has by then', async () => {
    const [from, to] = [await makeLarge('large'), redisAt(6)];
    const home = makeHome();
    const running = home.start(['store', 'copy', from, to], { SAMLGATE_SECRET: SECRET });
    await running.tells(/Copied 1\d\d\d entries/);
    running.kill();
    expect((await running.ended).code).not.toBe(0);
    const half = await contentOf(to);
    expect(half.size).toBeGreaterThan(500);
    expect(half.size).toBeLessThan(4000);
    await expect(gatewayOn(to)).rejects.toThrow('incomplete copy');
    expect((await checkStore(to, secrets)).problems).toEqual([expect.stringContaining('incomplete copy')]);
    // No other store can be copied from it, and a member whose removal happens meanwhile must stay removed.
    await expect(copy(to, sqlite('e'))).rejects.toThrow('incomplete copy');
    await withStore(from, async (store) => {
      await store.commit('org_large', [{ do: 'delete', collection: PEOPLE, id: 'p0-0', version: 1 }]);
      // The unique string of a deleted record goes to another one.
      await store.commit('org_large', [{ do: 'insert', collection: PEOPLE, id: 'p99', value: { name: 'n', email: '0-0@x' } }]);
      await store.commit('org_large', [{ do: 'replace', collection: PEOPLE, id: 'p0-1', version: 1, value: { name: 'changed' } }]);
    });
    const continued = await home.run(['store', 'copy', from, to, '--json'], { SAMLGATE_SECRET: SECRET });
    expect(continued.code).toBe(0);
    expect(continued.stderr).toMatch(/^(?:Copied \d+ entries …\n)+(?:Verified \d+ entries …\n)+$/);
    const result = JSON.parse(continued.stdout) as { records: number; already: number };
    expect(result.already).toBeGreaterThan(500);
    expect(await contentOf(to)).toEqual(await contentOf(from));
    expect(await checkStore(to, secrets)).toMatchObject({ problems: [] });
    home.remove();
  });

  test('is refused if the source changes while it runs', async () => {
    const [from, to] = [await makeLarge('changing'), sqlite('changing-target')];
    let isChanged = false;
    const report = () => {
      if (isChanged) return;
      isChanged = true;
      void withStore(from, (store) =>
        store
          .commit('org_zzz', [{ do: 'insert', collection: PEOPLE, id: 'late', value: { name: 'n' } }])
          .then(() => store.commit('global', [{ do: 'insert', collection: PEOPLE, id: 'aaa-late', value: { name: 'n' } }])),
      );
    };
    await expect(copy(from, to, { report })).rejects.toThrow(/source changed|uses the source/);
    await expect(gatewayOn(to)).rejects.toThrow('incomplete copy');
    await copy(from, to);
    expect(await contentOf(to)).toEqual(await contentOf(from));
  });
});

describe('checking a store', () => {
  test('reports broken index entries, records and directory entries', async () => {
    const url = redisAt(7);
    await copy(source, url);
    const { runRedisCli } = await import('../support/redis-server.ts');
    const cli = (...args: string[]) => runRedisCli('-p', String(redis.port), '-n', '7', ...args);
    await cli('DEL', `samlgate:{${organization.id}}:u:member:identity`);
    await cli('HSET', 'samlgate:{org_gone}:r:person:x', 'v', '1', 'd', '{', 'x', '{}');
    await cli('DEL', 'samlgate:{global}:i:directory-2:slug');
    const { problems } = await checkStore(url, secrets);
    expect(problems).toEqual(
      expect.arrayContaining([
        expect.stringContaining('is missing in its unique identity'),
        'org_gone: the person x is not JSON',
        expect.stringMatching(/^global: the directory-2 org_\S+ is missing in its index slug$/),
      ]),
    );
  });

  test('reports a logo that is no longer the image that was checked', async () => {
    const url = sqlite('damaged-logo');
    await copy(source, url);
    const page = Buffer.from('<script>alert(1)</script>');
    await withStore(url, async (store) => {
      const { version } = (await store.get(organization.id, LOGO_IMAGE, LOGO_RECORD)) ?? { version: 0 };
      const damaged = { data: page.toString('base64'), hash: sha256(page) };
      const step = { do: 'replace', collection: LOGO_IMAGE, id: LOGO_RECORD, version, value: damaged } as const;
      expect(await store.commit(organization.id, [step])).toEqual({ ok: true });
    });
    expect((await checkStore(url, secrets)).problems).toEqual([expect.stringMatching(/^org_\S+: the logo is damaged/)]);
    await expectRepaired(url);
  });

  test.each([
    ['image', LOGO_IMAGE],
    ['description', LOGO],
  ])('reports a logo that has lost its %s, and setting the same logo repairs it', async (what, collection) => {
    const url = sqlite(`lost-${what}`);
    await copy(source, url);
    await withStore(url, async (store) => {
      const { version } = (await store.get<never>(organization.id, collection, LOGO_RECORD)) ?? { version: 0 };
      expect(await store.commit(organization.id, [{ do: 'delete', collection, id: LOGO_RECORD, version }])).toEqual({ ok: true });
    });
    expect((await checkStore(url, secrets)).problems).toEqual([expect.stringMatching(/^org_\S+: the logo is damaged/)]);
    await expectRepaired(url);
  });

  /** Follows the advice of the problem. */
  async function expectRepaired(url: string): Promise<void> {
    const gateway = await gatewayOn(url);
    await setLogo(gateway.runtime, { kind: 'operator' }, { organizationId: organization.id, octets: PNG });
    await gateway.stop();
    expect((await checkStore(url, secrets)).problems).toEqual([]);
  }

  test('prints problems and exits with 1, and reads the secret beside the SQLite file', async () => {
    const home = makeHome();
    writeFileSync(path.join(directory, 'secret'), `${SECRET}\n`);
    const good = await home.run(['store', 'check'], { SAMLGATE_STORE: source });
    expect(good).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^Read \d+ records and \d+ values that expire\.\n$/) });
    const bad = await home.run(['store', 'check', source], { SAMLGATE_SECRET: randomBytes(32).toString('base64') });
    expect(bad).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('ERROR global: the signing key'),
      stderr: expect.stringContaining('found'),
    });
    for (const url of ['nonsense', 'redis+sentinel://127.0.0.1:26379'])
      expect(await home.run(['store', 'check', url])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('redis+sentinel://…/NAME'),
      });
    const damaged = `!${SECRET}`;
    expect(await home.run(['store', 'check', source], { SAMLGATE_SECRET: damaged })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('SAMLGATE_SECRET must be 32 bytes or more in base64.'),
    });
    expect(await home.run(['store', 'check', 'redis://127.0.0.1:1'], { SAMLGATE_SECRET: SECRET })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('connection refused'),
    });
    home.remove();
  });
});
