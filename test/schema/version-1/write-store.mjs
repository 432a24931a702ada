/**
 * Writes stores of schema version 1 with the program of that version. README.md describes how to run it.
 *
 *     node test/schema/version-1/write-store.mjs OUTPUT_FOLDER
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Redis } from 'ioredis';
import { personOf } from '../../../src/mock-idp/habits.ts';
import { startGatewayProcess } from '../../e2e/support/gateway-process.ts';
import { HttpBrowser } from '../../support/browser.ts';
import { makeTestOrganization, startedBy } from '../../support/identity-provider.ts';
import { startRedis } from '../../support/redis-server.ts';

const output = process.argv[2] ?? '.';
const BASE_URL = 'http://sso.example.com';

/** Fills a store by the interfaces of the gateway. Returns what a test must know about it. */
async function fill(storeUrl) {
  const gateway = await startGatewayProcess({ SAMLGATE_STORE: storeUrl, SAMLGATE_BASE_URL: BASE_URL, SAMLGATE_LOG_LEVEL: 'warn' });
  const api = async (method, resource, body) => {
    const answer = await gateway.api(method, resource, body);
    if (answer.status >= 300) throw new Error(`${method} ${resource}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  // Its URLs are those of the public base URL; requests go to the address that the process listens on.
  const acme = await makeTestOrganization({ url: BASE_URL, api: gateway.api }, Date.now, 'acme');
  const root = `${gateway.url}/saml/acme`;
  const start = async (browser) => startedBy(await browser.request(`${root}/login?return_to=/console/members`));
  const signIn = async (person, groups) => {
    const browser = new HttpBrowser();
    const { relayState, requestId } = await start(browser);
    const xml = acme.respond({ person: { ...person, ...(groups ? { groups } : {}) }, inResponseTo: requestId });
    const SAMLResponse = Buffer.from(xml).toString('base64');
    const body = new URLSearchParams({ SAMLResponse, RelayState: relayState });
    const page = await browser.request(`${root}/acs`, { method: 'POST', body, headers: { 'sec-fetch-site': 'cross-site' } });
    if (page.status !== 303) throw new Error(`${person.key} was refused: ${page.code}`);
    const cookie = `samlgate_session=${browser.cookie('samlgate_session').value}`;
    const headers = { cookie, accept: 'application/json' };
    const me = await (await fetch(`${gateway.url}/api/v1/me`, { headers })).json();
    const post = async (resource, json) => {
      const response = await fetch(`${gateway.url}/api/v1${resource}`, {
        method: 'POST',
        headers: { ...headers, 'x-samlgate-csrf': me.csrf_token, 'content-type': 'application/json' },
        body: JSON.stringify(json),
      });
      if (!response.ok) throw new Error(`POST ${resource}: ${response.status}`);
      return response.json();
    };
    return { id: me.user.id, role: me.user.role, person, cookie, post, SAMLResponse };
  };

  await api('PATCH', '/organizations/acme', { domains: ['acme.example'], allowed_return_urls: ['https://app.acme.example/'] });
  const people = {
    olivia: await signIn(personOf('okta', 'olivia')),
    carl: await signIn(personOf('okta', 'carl')),
    nina: await signIn(personOf('okta', 'nina')),
    sam: await signIn({
      ...personOf('okta', 'carl'),
      key: 'sam',
      firstName: 'Sam',
      email: 'sam@okta.acme.example',
      username: 'sam@okta.acme.example',
    }),
  };
  const retiredKeyToken = (await people.carl.post('/me/tokens', { name: 'signed by a retired key' })).token;
  await api('POST', '/keys/rotate');
  const members = {};
  for (const [name, { id, person, cookie, post, SAMLResponse }] of Object.entries(people)) {
    const { token } = await post('/me/tokens', { name: 'laptop' });
    members[name] = { id, person, cookie, cliToken: token, usedResponse: SAMLResponse };
  }
  await api('PATCH', `/organizations/acme/members/${members.nina.id}`, { role: 'owner' });
  await api('PATCH', `/organizations/acme/members/${members.sam.id}`, { suspended: true });
  for (const [name, { id }] of Object.entries(members)) members[name].role = (await api('GET', `/organizations/acme/members/${id}`)).role;

  // A second set of metadata is a second version in the list.
  await api('PUT', '/organizations/acme/identity-provider', acme.metadata.replace('https://idp.example/sso', 'https://idp.example/sso2'));
  await api('PATCH', '/organizations/acme/identity-provider', { clock_skew_seconds: 120, idp_initiated: 'bounce' });
  const setupLink = await api('POST', '/organizations/acme/setup-links', { expires_in_days: 7 });

  await api('POST', '/organizations', { slug: 'beta', name: 'Values entered manually' });
  const manual = {
    entity_id: 'https://idp.beta.example',
    sso_url: 'https://idp.beta.example/sso',
    certificates: [acme.key.certificatePem],
  };
  await api('PUT', '/organizations/beta/identity-provider', manual);
  await api('POST', '/organizations', { slug: 'unconnected', name: 'No identity provider' });

  const browser = new HttpBrowser();
  const pending = { ...(await start(browser)), cookies: browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ') };
  const writtenAtMs = Date.now();
  if ((await gateway.stop()) !== 0) throw new Error('the gateway did not stop cleanly');
  return {
    writtenAtMs,
    baseUrl: BASE_URL,
    secret: gateway.environment.SAMLGATE_SECRET,
    operatorToken: gateway.operatorToken,
    organization: { id: acme.id, slug: 'acme', key: acme.key, metadata: acme.metadata },
    members,
    retiredKeyToken,
    setupLink,
    pending,
  };
}

async function fillSqlite() {
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-version-1-'));
  const file = path.join(directory, 'samlgate.db');
  const facts = await fill(`sqlite:${file}`);
  const database = new DatabaseSync(file);
  const { user_version: userVersion } = database.prepare('PRAGMA user_version').get();
  const schema = database.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'").all();
  const tables = Object.fromEntries(
    ['records', 'indexes', 'uniques', 'expiring'].map((table) => [table, database.prepare(`SELECT * FROM ${table}`).all()]),
  );
  database.close();
  rmSync(directory, { recursive: true });
  return { facts, userVersion, schema: schema.map(({ sql }) => sql), tables };
}

async function fillRedis() {
  const server = await startRedis();
  const facts = await fill(server.url);
  const client = new Redis(server.url);
  const keys = {};
  for (const key of (await client.keys('samlgate:{*')).sort()) {
    const type = await client.type(key);
    const read = { string: () => client.get(key), hash: () => client.hgetall(key), zset: () => client.zrange(key, 0, -1) }[type];
    const ttlMs = await client.pttl(key);
    keys[key] = { type, value: await read(), ...(ttlMs < 0 ? {} : { expiresAtMs: Date.now() + ttlMs }) };
  }
  client.disconnect();
  await server.stop();
  return { facts, keys };
}

mkdirSync(output, { recursive: true });
const save = (name, value) => writeFileSync(path.join(output, name), `${JSON.stringify(value, null, 1)}\n`);
save('sqlite.json', await fillSqlite());
save('redis.json', await fillRedis());
