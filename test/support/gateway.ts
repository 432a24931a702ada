/** Starts a real gateway for a test, on a free port, with SQLite in its own directory or with a redis-server. */
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
  /** `redis` starts one redis-server for all concurrent gateways of a test file. They need the same SAMLGATE_SECRET. */
  readonly store?: 'sqlite' | 'redis';
  /** Environment variables that are added or replaced. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/** The fields of an organization that tests need most often. */
export interface OrganizationJson {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
}

export interface TestGateway {
  readonly url: string;
  readonly operatorToken: string;
  readonly runtime: Gateway['runtime'];
  /** Calls `/api/v1` + path with a JSON body (a string is sent as metadata). Default token: the operator's. */
  api<Body = Record<string, unknown>>(method: string, path: string, body?: unknown, token?: string): Promise<Answer<Body>>;
  /** Started at the first call. */
  mockIdp(): Promise<MockIdp>;
  /** Creates an organization with the mock identity provider. Members of platform-admins are owners, others collaborators. */
  makeOrganization(slug?: string, habit?: HabitName): Promise<OrganizationJson>;
  /** Returns the URL that starts a sign-in. */
  loginUrl(slug: string): string;
  /** As at SIGTERM, before {@link stop}. */
  drain(): Promise<void>;
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
    // Tests send more requests than users do.
    SAMLGATE_RATE_LIMITS: 'off',
    ...environment,
  });
  const gateway = await createGateway(config, parts).catch(async (error: unknown) => {
    await leave();
    throw error;
  });
  await gateway.listen();
  const { operatorToken } = config;
  // Replicas share the base URL of one of them, but each is called at its own address. Behind a proxy, all are called at the base URL.
  const url = baseUrls.has(config.baseUrl) ? `http://localhost:${config.listen.port}` : config.baseUrl;
  if (config.baseUrl === `http://localhost:${config.listen.port}`) baseUrls.add(config.baseUrl);
  const api: TestGateway['api'] = (method, resource, body, token = operatorToken) => callApi(url, method, resource, body, token);
  let idp: Promise<MockIdp> | undefined;
  const mockIdp = () => {
    idp ??= startMockIdp({ gatewayBaseUrl: config.baseUrl, port: 0, ...(parts.now && { nowMs: parts.now }) });
    return idp;
  };
  return {
    url,
    operatorToken,
    runtime: gateway.runtime,
    api,
    mockIdp,
    makeOrganization: async (slug = newSlug(), habit = 'okta') => createOrganization(api, await mockIdp(), slug, habit),
    loginUrl: (slug) => `${url}/saml/${slug}/login`,
    drain: () => gateway.drain(),
    stop: async () => {
      await (await idp)?.close();
      await gateway.close();
      baseUrls.delete(url);
      await leave();
    },
  };
}

/** The base URLs of the running gateways that are called directly. */
const baseUrls = new Set<string>();

/** Shared within a test file only, because the keys in a store are encrypted with the secret of that file. */
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

async function createOrganization(api: TestGateway['api'], idp: MockIdp, slug: string, habit: HabitName): Promise<OrganizationJson> {
  const created = await api<OrganizationJson>('POST', '/organizations', { slug, name: `Test ${slug}` });
  expectStatus(201, created);
  const metadata = await (await fetch(idp.metadataUrl(habit))).text();
  expectStatus(200, await api('PUT', `/organizations/${slug}/identity-provider`, metadata));
  const group = habit === 'entra-id' ? ENTRA_GROUP_IDS['platform-admins'] : 'platform-admins';
  const mapping = { rules: [{ group, role: 'owner' }], default_role: 'collaborator' };
  expectStatus(200, await api('PUT', `/organizations/${slug}/role-mapping`, mapping));
  return created.body;
}

function expectStatus(status: number, answer: Answer<unknown>): void {
  if (answer.status !== status) throw new Error(`The gateway answered ${answer.status}: ${JSON.stringify(answer.body)}`);
}
