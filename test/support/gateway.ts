/** A real gateway of a test's own, on a free port, over SQLite in a directory of its own or over a redis-server. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readConfig } from '../../src/config.ts';
import { createGateway, type Gateway, type GatewayOverrides } from '../../src/gateway.ts';
import type { HabitName } from '../../src/mock-idp/habits.ts';
import { ENTRA_GROUP_IDS } from '../../src/mock-idp/people.ts';
import { type MockIdp, startMockIdp } from '../../src/mock-idp/server.ts';
import { newSlug } from './new-slug.ts';
import { freePort, type RedisServer, startRedis } from './redis-server.ts';

export { newSlug } from './new-slug.ts';

export interface TestGatewayOptions extends GatewayOverrides {
  /** `redis` is one redis-server for all gateways of a test file that run at the same time; they need the same SAMLGATE_SECRET. */
  readonly store?: 'sqlite' | 'redis';
  /** More of the environment, or other values. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/** As the API shows it; what tests most often need. */
export interface OrganizationJson {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
}

export interface TestGateway {
  readonly url: string;
  readonly operatorToken: string;
  readonly runtime: Gateway['runtime'];
  /** Calls `/api/v1` + path with JSON (text goes as it is, as metadata), as the operator where no token is given. */
  api<Body = Record<string, unknown>>(method: string, path: string, body?: unknown, token?: string): Promise<Answer<Body>>;
  /** Made where it is first asked for. */
  mockIdp(): Promise<MockIdp>;
  /** An organization whose people sign in at the mock identity provider; platform-admins are owners, others collaborators. */
  makeOrganization(slug?: string, habit?: HabitName): Promise<OrganizationJson>;
  /** Where a sign-in starts. */
  loginUrl(slug: string): string;
  stop(): Promise<void>;
}

/**
 * @example
 * const gateway = await startGateway();
 * const { slug } = await gateway.makeOrganization();
 * const { page } = await signIn(new HttpBrowser(), gateway.loginUrl(slug), 'olivia');
 * await gateway.stop();
 */
export async function startGateway({ store = 'sqlite', environment = {}, ...parts }: TestGatewayOptions = {}): Promise<TestGateway> {
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-test-'));
  const redis = store === 'redis' ? await useRedis() : undefined;
  const leave = async () => {
    await redis?.leave();
    rmSync(directory, { recursive: true, force: true });
  };
  const port = await freePort();
  const config = readConfig({
    SAMLGATE_BASE_URL: `http://localhost:${port}`,
    SAMLGATE_LISTEN: `127.0.0.1:${port}`,
    SAMLGATE_STORE: redis?.url ?? `sqlite:${path.join(directory, 'samlgate.db')}`,
    SAMLGATE_SECRET: randomBytes(32).toString('base64'),
    SAMLGATE_OPERATOR_TOKEN: randomBytes(32).toString('hex'),
    SAMLGATE_LOG_LEVEL: 'silent',
    // Suites refuse more than people do.
    SAMLGATE_RATE_LIMITS: 'off',
    ...environment,
  });
  const gateway = await createGateway(config, parts).catch(async (error: unknown) => {
    await leave();
    throw error;
  });
  await gateway.listen();
  const { baseUrl: url, operatorToken } = config;
  const api: TestGateway['api'] = (method, resource, body, token = operatorToken) => callApi(url, method, resource, body, token);
  let idp: Promise<MockIdp> | undefined;
  const mockIdp = () => {
    idp ??= startMockIdp({ gatewayBaseUrl: url, port: 0, ...(parts.now && { nowMs: parts.now }) });
    return idp;
  };
  return {
    url,
    operatorToken,
    runtime: gateway.runtime,
    api,
    mockIdp,
    makeOrganization: async (slug = newSlug(), habit = 'okta') => makeOrganization(api, await mockIdp(), slug, habit),
    loginUrl: (slug) => `${url}/saml/${slug}/login`,
    stop: async () => {
      await (await idp)?.close();
      await gateway.close();
      await leave();
    },
  };
}

/** Of this test file: keys in a store are wrapped with one secret, so files can't share it. */
let sharedRedis: { readonly server: Promise<RedisServer>; users: number } | undefined;

async function useRedis(): Promise<{ readonly url: string; leave(): Promise<void> }> {
  sharedRedis ??= { server: startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']), users: 0 };
  const mine = sharedRedis;
  mine.users++;
  const server = await mine.server;
  const leave = async () => {
    mine.users--;
    if (mine.users > 0) return;
    sharedRedis = undefined;
    await server.stop();
  };
  return { url: server.url, leave };
}

async function callApi<Body>(base: string, method: string, resource: string, body: unknown, token: string): Promise<Answer<Body>> {
  const isText = typeof body === 'string';
  const type = isText ? 'application/samlmetadata+xml' : 'application/json';
  const response = await fetch(`${base}/api/v1${resource}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': type }) },
    body: body === undefined ? null : isText ? body : JSON.stringify(body),
    redirect: 'manual',
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as Body };
}

async function makeOrganization(api: TestGateway['api'], idp: MockIdp, slug: string, habit: HabitName): Promise<OrganizationJson> {
  const made = await api<OrganizationJson>('POST', '/organizations', { slug, name: `Test ${slug}` });
  mustBe(201, made);
  const metadata = await (await fetch(idp.metadataUrl(habit))).text();
  mustBe(200, await api('PUT', `/organizations/${slug}/identity-provider`, metadata));
  if (habit === 'google-workspace')
    mustBe(200, await api('PATCH', `/organizations/${slug}/identity-provider`, { attribute_mapping: { groups: ['teams'] } }));
  const group = habit === 'entra-id' ? ENTRA_GROUP_IDS['platform-admins'] : 'platform-admins';
  const mapping = { rules: [{ group, role: 'owner' }], default_role: 'collaborator' };
  mustBe(200, await api('PUT', `/organizations/${slug}/role-mapping`, mapping));
  return made.body;
}

function mustBe(status: number, answer: Answer<unknown>): void {
  if (answer.status !== status) throw new Error(`The gateway answered ${answer.status}: ${JSON.stringify(answer.body)}`);
}
