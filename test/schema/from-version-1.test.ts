/** Stores that the last program without a schema version wrote (`version-1/README.md`), opened by this program. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readConfig } from '../../src/config.ts';
import { createGateway, type Gateway } from '../../src/gateway.ts';
import { makeResponse } from '../../src/mock-idp/response.ts';
import { DIRECTORY } from '../../src/organizations/directory.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../../src/organizations/organizations.ts';
import { SCHEMA, SCHEMA_RECORD } from '../../src/schema/schema-version.ts';
import { openStore } from '../../src/store/open-store.ts';
import { type Collection, GLOBAL } from '../../src/store/store.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startedBy } from '../support/identity-provider.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts';
import { type Facts, type MemberName, restoreRedis, restoreSqlite } from './version-1/open-store.ts';

let directory: string;
let redis: RedisServer;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-version-1-'));
  redis = await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
});
afterAll(async () => {
  await redis?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const ENGINES: readonly [name: string, restore: () => Promise<{ readonly url: string; readonly facts: Facts }>][] = [
  [
    'SQLite',
    async () => {
      const file = path.join(directory, 'samlgate.db');
      return { url: `sqlite:${file}`, facts: restoreSqlite(file) };
    },
  ],
  ['Redis', async () => ({ url: redis.url, facts: await restoreRedis(redis.url) })],
];

describe.each(ENGINES)('store of schema version 1 on %s', (_name, restore) => {
  let facts: Facts;
  let gateway: Gateway;
  let url: string;

  beforeAll(async () => {
    const restored = await restore();
    facts = restored.facts;
    const port = await freePort();
    const config = readConfig({
      SAMLGATE_STORE: restored.url,
      SAMLGATE_SECRET: facts.secret,
      SAMLGATE_OPERATOR_TOKEN: facts.operatorToken,
      SAMLGATE_BASE_URL: facts.baseUrl,
      SAMLGATE_LISTEN: `127.0.0.1:${port}`,
      SAMLGATE_LOG_LEVEL: 'silent',
      SAMLGATE_RATE_LIMITS: 'off',
    });
    gateway = await createGateway(config, { now: () => facts.writtenAtMs + 60_000 });
    await gateway.listen();
    url = `http://localhost:${port}`;
  });
  afterAll(() => gateway?.close());

  const get = async (resource: string, headers: Readonly<Record<string, string>>) => {
    const response = await fetch(`${url}/api/v1${resource}`, { headers: { accept: 'application/json', ...headers } });
    // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
    return { status: response.status, body: (await response.json()) as any };
  };
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  const post = (browser: HttpBrowser, SAMLResponse: string, RelayState: string) =>
    browser.request(`${url}/saml/acme/acs`, {
      method: 'POST',
      body: new URLSearchParams({ SAMLResponse, RelayState }),
      headers: { 'sec-fetch-site': 'cross-site', accept: 'application/json' },
    });

  const respond = (name: MemberName, inResponseTo: string | undefined): string => {
    const root = `${facts.baseUrl}/saml/acme`;
    const { key } = facts.organization;
    const { person } = facts.members[name];
    const nowMs = gateway.runtime.now();
    const addresses = { acsUrl: `${root}/acs`, spEntityId: `${root}/metadata` };
    const randomBytes = (size: number) => Buffer.from(crypto.getRandomValues(new Uint8Array(size)));
    return Buffer.from(makeResponse({ habit: 'okta', person, ...addresses, inResponseTo, key, nowMs, randomBytes })).toString('base64');
  };

  async function signIn(name: MemberName) {
    const browser = new HttpBrowser();
    const { relayState, requestId } = startedBy(await browser.request(`${url}/saml/acme/login`));
    const page = await post(browser, respond(name, requestId), relayState);
    return { page, cookie: `samlgate_session=${browser.cookie('samlgate_session')?.value}` };
  }

  test('is migrated, and nothing is left in the collections of version 1', async () => {
    const { store } = gateway.runtime;
    expect((await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD))?.value.version).toBeGreaterThanOrEqual(2);
    const former = (name: string): Collection<unknown> => ({ name, indexes: { slug: () => [] }, unique: {} });
    expect((await store.find(GLOBAL, former('directory'), 'slug', { limit: 1 })).items).toEqual([]);
    expect(await store.get(facts.organization.id, former('organization'), 'organization')).toBeUndefined();
    expect((await store.get(GLOBAL, former('key-ring'), 'tokens'))?.value).toEqual({ movedTo: 'key-ring-2' });
  });

  test('has the identity provider as the active default connection, whose members keep their keys', async () => {
    const { store } = gateway.runtime;
    const organization = (await store.get(facts.organization.id, ORGANIZATION, ORGANIZATION_RECORD))?.value;
    const entityId = /entityID="([^"]+)"/.exec(facts.organization.metadata)?.[1];
    expect(organization?.connections).toEqual([
      expect.objectContaining({
        id: expect.stringMatching(/^con_/),
        name: 'Default',
        state: 'active',
        identityScope: entityId,
        readsFormerKeys: true,
        metadata: expect.objectContaining({ entityId }),
        settings: expect.objectContaining({ clockSkewSeconds: 120, idpInitiated: 'bounce' }),
      }),
    ]);
    expect(organization).not.toHaveProperty('identityProvider');
    const { id } = (await store.getUnique(GLOBAL, DIRECTORY, 'slug', 'unconnected')) ?? {};
    expect((await store.get(id ?? '', ORGANIZATION, ORGANIZATION_RECORD))?.value.connections).toEqual([]);
  });

  test.each(['olivia', 'carl', 'nina'] as const)('keeps id, role, session and CLI token of %s', async (name) => {
    const { id, role, cookie, cliToken } = facts.members[name];
    for (const headers of [{ cookie }, bearer(cliToken)]) {
      const me = await get('/me', headers);
      expect([me.status, me.body.user?.id, me.body.user?.role]).toEqual([200, id, role]);
    }
  });

  test('keeps tokens that a retired key signed', async () => {
    expect((await get('/me', bearer(facts.retiredKeyToken))).body.user.id).toBe(facts.members.carl.id);
  });

  test('keeps the suspension of a member for sessions, tokens and sign-ins', async () => {
    const { cookie, cliToken } = facts.members.sam;
    expect([(await get('/me', { cookie })).status, (await get('/me', bearer(cliToken))).status]).toEqual([401, 401]);
    const { page } = await signIn('sam');
    expect([page.status, page.code]).toEqual([403, 'member_suspended']);
  });

  test.each(['olivia', 'carl', 'nina'] as const)('signs %s in as the same member with the same role', async (name) => {
    const { id, role, cliToken } = facts.members[name];
    for (let round = 0; round < 2; round++) {
      const { page, cookie } = await signIn(name);
      expect([page.status, page.code]).toEqual([303, undefined]);
      const me = await get('/me', { cookie });
      expect([me.body.user.id, me.body.user.role]).toEqual([id, role]);
    }
    expect((await get('/me', bearer(cliToken))).status).toBe(200);
  });

  test('has the same members as before, after all of them have signed in', async () => {
    const { body } = await get('/organizations/acme/members', bearer(facts.operatorToken));
    const ids = (body.items as { id: string }[]).map((member) => member.id);
    expect(ids.sort()).toEqual(
      Object.values(facts.members)
        .map(({ id }) => id)
        .sort(),
    );
  });

  test('rejects a SAML response that was used before the upgrade', async () => {
    const page = await post(new HttpBrowser(), facts.members.carl.usedResponse, 'any');
    expect([page.status, page.code]).toEqual([400, 'saml_replayed']);
  });

  test('rejects the answer to a request that was sent before the upgrade, and accepts the next one', async () => {
    const body = new URLSearchParams({ SAMLResponse: respond('carl', facts.pending.requestId), RelayState: facts.pending.relayState });
    const headers = { cookie: facts.pending.cookies, accept: 'application/json' };
    const response = await fetch(`${url}/saml/acme/acs`, { method: 'POST', body, headers, redirect: 'manual' });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, 'saml_in_response_to_unknown']);
    expect(response.headers.getSetCookie().join()).not.toMatch(/samlgate_session/);
    expect((await signIn('carl')).page.status).toBe(303);
  });

  test('keeps organizations, settings, metadata versions, setup links, audit trail and sign-in log', async () => {
    const operator = bearer(facts.operatorToken);
    const list = await get('/organizations', operator);
    expect((list.body.items as { slug: string }[]).map(({ slug }) => slug)).toEqual(['acme', 'beta', 'unconnected']);
    const acme = await get('/organizations/acme', operator);
    expect(acme.body).toMatchObject({
      id: facts.organization.id,
      domains: ['acme.example'],
      allowed_return_urls: ['https://app.acme.example/'],
    });
    const idp = await get('/organizations/acme/identity-provider', bearer(facts.members.olivia.cliToken));
    expect(idp.body).toMatchObject({ clock_skew_seconds: 120, idp_initiated: 'bounce' });
    const versions: Collection<unknown> = { name: 'metadata-version', indexes: { all: () => [''] }, unique: {} };
    expect((await gateway.runtime.store.find(facts.organization.id, versions, 'all', { limit: 10 })).items).toHaveLength(2);
    expect((await get('/organizations/beta/identity-provider', operator)).body).toMatchObject({ entity_id: 'https://idp.beta.example' });
    expect((await get('/organizations/unconnected/identity-provider', operator)).body.code).toBe('idp_not_configured');
    const links = await get('/organizations/acme/setup-links', operator);
    expect(links.body.items).toMatchObject([{ id: facts.setupLink.id, state: 'open' }]);
    const setupPage = await fetch(facts.setupLink.url.replace(facts.baseUrl, url), { redirect: 'manual' });
    expect(setupPage.status).toBe(200);
    const audit = await get('/organizations/acme/audit?event=organization.created', operator);
    expect(audit.body.items).toHaveLength(1);
    const signIns = await get('/organizations/acme/sign-ins?limit=200', operator);
    const logged = (signIns.body.items as { id: string; outcome: string; at: string }[]).filter(
      ({ at }) => Date.parse(at) <= facts.writtenAtMs,
    );
    expect(logged).toHaveLength(4);
    for (const { id } of logged) expect((await get(`/organizations/acme/sign-ins/${id}`, operator)).status).toBe(200);
  });

  test('is opened again without another migration', async () => {
    const { config } = gateway.runtime;
    const store = await openStore(config.store);
    const before = await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD);
    const second = await createGateway(config, { now: gateway.runtime.now });
    await second.close();
    expect(await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD)).toEqual(before);
    await store.close();
  });
});
