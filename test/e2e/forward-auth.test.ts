/**
 * The configurations in docker/forward-auth with Debian's nginx and Caddy, in front of a gateway and of a hostile service, which
 * tries everything that it receives at the gateway.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { COOKIES } from '../../src/auth/sessions/cookies.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/redis-server.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

interface Addresses {
  readonly directory: string;
  /** Port at which browsers reach the gateway. */
  readonly frontPort: number;
  readonly gatewayPort: number;
  /** Port at which browsers reach the service. */
  readonly protectedPort: number;
  readonly servicePort: number;
}

interface Proxy {
  readonly name: string;
  /** Returns the shipped configuration with the ports of this test and without TLS. */
  readonly configuration: (addresses: Addresses) => string;
  readonly command: (file: string, directory: string) => readonly [program: string, ...args: string[]];
}

const shipped = (name: string): string => readFileSync(path.join(import.meta.dirname, '../../docker/forward-auth', name), 'utf8');

/** Replaces a text that the shipped configuration must contain. */
function replace(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`The configuration has no ${from}`);
  return text.replaceAll(from, to);
}

const withPorts = (text: string, { gatewayPort, servicePort }: Addresses): string =>
  replace(replace(text, '127.0.0.1:8080', `127.0.0.1:${gatewayPort}`), '127.0.0.1:9000', `127.0.0.1:${servicePort}`);

const nginxServers = (addresses: Addresses): string => {
  const { frontPort, protectedPort } = addresses;
  const plain = withPorts(shipped('nginx.conf'), addresses).replace(/^ *ssl_certificate.*$/gm, '');
  return replace(
    replace(plain, 'listen 443 ssl;', `listen 127.0.0.1:${frontPort};`),
    'listen 8443 ssl;',
    `listen 127.0.0.1:${protectedPort};`,
  );
};

const NGINX: Proxy = {
  name: 'nginx',
  configuration: (addresses) => `
daemon off;
master_process off;
pid ${addresses.directory}/nginx.pid;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${addresses.directory}/${name};`).join('\n  ')}
  ${nginxServers(addresses)}
}`,
  command: (file, directory) => ['nginx', '-c', file, '-p', directory, '-e', 'stderr'],
};

const CADDY: Proxy = {
  name: 'Caddy',
  configuration: (addresses) => {
    const { frontPort, protectedPort } = addresses;
    const text = withPorts(shipped('Caddyfile'), addresses);
    const withService = replace(text, '\nsso.example.com:8443 {', `\nhttp://localhost:${protectedPort} {\n\tbind 127.0.0.1`);
    const sites = replace(withService, '\nsso.example.com {', `\nhttp://localhost:${frontPort} {\n\tbind 127.0.0.1`);
    return `{\n\tadmin off\n\tauto_https off\n\tlog {\n\t\tlevel ERROR\n\t}\n}\n${sites}`;
  },
  command: (file) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', file],
};

async function listens(port: number): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const socket = createConnection(port, '127.0.0.1');
    const isThere = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(
      () => false,
    );
    socket.destroy();
    if (isThere) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('the proxy does not listen');
}

/** What a hostile service sends to replace the user's session, also with the spellings that browsers and proxies read differently. */
const HOSTILE_COOKIES = [
  '__Host-samlgate_session=evil; Path=/; Secure',
  'samlgate_session=evil; Path=/',
  '\tsamlgate_session=evil;\tPath=/;\tSecure',
  '=__Host-samlgate_session=evil; Path=/; Secure',
  '__host-SAMLGATE_session=evil; Path=/; Secure',
  ...Object.values(COOKIES).flatMap(({ name }) => [`${name}=evil`, `__Host-${name}=evil; Path=/; Secure`]),
];

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe.each([NGINX, CADDY])('forward authentication with $name', (proxy) => {
  let directory: string;
  let gateway: TestGateway;
  let organization: OrganizationJson;
  let owner: SignedIn;
  let carl: SignedIn;
  let service: Server;
  let child: ChildProcess;
  let url: string;
  /** Headers of the last request that the service received, as name and value in turn. */
  let received: readonly string[] = [];

  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'samlgate-forward-auth-'));
    chmodSync(directory, 0o711);
    service = createServer((request, response) => {
      received = request.rawHeaders;
      response.setHeader('Set-Cookie', [...HOSTILE_COOKIES, 'shop=1; Path=/', ...HOSTILE_COOKIES]);
      response.end(JSON.stringify(request.headers));
    });
    service.on('upgrade', (_request, socket) => {
      const cookies = HOSTILE_COOKIES.map((cookie) => `Set-Cookie: ${cookie}\r\n`).join('');
      socket.end(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${cookies}\r\n`);
    });
    service.listen(0, '127.0.0.1');
    await once(service, 'listening');
    const [frontPort, gatewayPort, protectedPort] = [await freePort(), await freePort(), await freePort()];
    const servicePort = (service.address() as AddressInfo).port;
    url = `http://localhost:${protectedPort}`;
    const file = path.join(directory, 'proxy.conf');
    writeFileSync(file, proxy.configuration({ directory, frontPort, gatewayPort, protectedPort, servicePort }));
    const [program, ...args] = proxy.command(file, directory);
    child = spawn(program, args, {
      env: { PATH: `${process.env.PATH}:/usr/sbin`, HOME: directory, XDG_CONFIG_HOME: directory, XDG_DATA_HOME: directory },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await listens(protectedPort);
    gateway = await startGateway({
      environment: {
        SAMLGATE_BASE_URL: `http://localhost:${frontPort}`,
        SAMLGATE_LISTEN: `127.0.0.1:${gatewayPort}`,
        SAMLGATE_TRUST_PROXY: 'loopback',
      },
    });
    organization = await gateway.makeOrganization('acme');
    [owner, carl] = [await signedIn(gateway, organization, 'olivia'), await signedIn(gateway, organization, 'carl')];
  }, 60_000);

  afterAll(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
    await gateway.stop();
    service.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function ask(
    resource: string,
    headers: Record<string, string> = {},
    method = 'GET',
  ): Promise<{ status: number; seen: Record<string, string> }> {
    received = [];
    const response = await fetch(`${url}${resource}`, { method, headers, body: method === 'POST' ? 'x'.repeat(10_000) : null });
    const text = await response.text();
    return { status: response.status, seen: response.status === 200 ? (JSON.parse(text) as Record<string, string>) : {} };
  }

  /** Calls the gateway with every header that the service received, as it could. */
  async function useReceivedCredentials(): Promise<number[]> {
    const attempts: Record<string, string>[] = [];
    for (let at = 0; at + 1 < received.length; at += 2) {
      const value = received[at + 1] ?? '';
      attempts.push({ authorization: value }, { authorization: `Bearer ${value}` }, { cookie: value });
    }
    const answers = await Promise.all(attempts.map((headers) => fetch(`${gateway.url}/api/v1/me`, { headers })));
    return [...new Set(answers.map(({ status }) => status))];
  }

  test('refuses a request without a credential', async () => {
    expect((await ask('/')).status).toBe(401);
    expect((await ask('/', bearer('nothing'))).status).toBe(401);
    expect(received).toEqual([]);
  });

  test('refuses members of other organizations', async () => {
    const stranger = await signedIn(gateway, await gateway.makeOrganization(), 'olivia');
    expect((await ask('/', { cookie: stranger.cookie })).status).toBe(403);
    expect(received).toEqual([]);
  });

  test('replaces the identity headers of the client, also those with underscores', async () => {
    const { token } = await carl.makeToken();
    const forged = {
      'x-samlgate-user': 'usr_other',
      'X-SAMLGATE-Email': 'olivia@okta.acme.example',
      'x-samlgate-role': 'owner',
      'x-samlgate-organization': 'org_other',
      'x-samlgate-csrf': 'forged',
      x_samlgate_user: 'usr_other',
      'x-samlgate_role': 'owner',
      'x_samlgate-email': 'olivia@okta.acme.example',
    };
    for (const method of ['GET', 'POST']) {
      const { status, seen } = await ask('/orders?role=owner', { ...bearer(token), ...forged }, method);
      expect(status).toBe(200);
      const ours = Object.entries(seen).filter(([name]) => /samlgate/.test(name));
      expect(Object.fromEntries(ours)).toEqual({
        'x-samlgate-user': carl.id,
        'x-samlgate-email': 'carl@okta.acme.example',
        'x-samlgate-role': 'collaborator',
        'x-samlgate-organization': organization.id,
      });
    }
  });

  test('keeps CLI tokens and session tokens from the service', async () => {
    const { token } = await owner.makeToken();
    const sessionToken = (await owner.api<{ token: string }>('POST', '/me/session-token', {})).body.token;
    for (const credential of [token, sessionToken]) {
      expect((await ask('/', bearer(credential))).status).toBe(200);
      expect(received.join('\n')).not.toContain(credential);
      expect(await useReceivedCredentials()).toEqual([401]);
    }
  });

  test('keeps every cookie of the gateway from the service and passes the service’s own cookies', async () => {
    const names = Object.values(COOKIES).map(({ name }) => name);
    const gatewayCookies = [...names, ...names.map((name) => `__Host-${name}`)].filter((name) => name !== 'samlgate_session');
    const secrets = [owner.cookie, ...gatewayCookies.map((name) => `${name}=secret-of-${name}`)];
    const headers = [
      ['theme=dark', ...secrets, 'shop=42', 'lang=en=US'],
      [...secrets, 'theme=dark', 'shop=42', 'lang=en=US'],
      ['theme=dark', 'shop=42', 'lang=en=US', ...secrets],
      ['theme=dark', owner.cookie, 'shop=42', '__Host-samlgate_session=secret', 'lang=en=US', owner.cookie],
    ];
    for (const separator of ['; ', ';']) {
      for (const cookies of headers) {
        const { status, seen } = await ask('/', { cookie: cookies.join(separator) });
        expect(status).toBe(200);
        expect(received.join('\n')).not.toMatch(/samlgate_|secret/);
        expect(seen.cookie?.split(/; */).filter(Boolean)).toEqual(['theme=dark', 'shop=42', 'lang=en=US']);
        expect(await useReceivedCredentials()).toEqual([401]);
      }
    }
    expect((await ask('/', { cookie: owner.cookie })).seen.cookie ?? '').toBe('');
    expect((await ask('/', { cookie: `nosamlgate_session=1; ${owner.cookie}` })).seen.cookie).toMatch(/^nosamlgate_session=1;? ?$/);
  });

  test('never passes a gateway cookie, however many cookies are between them', async () => {
    const cookies = Array.from({ length: 30 }, (_, at) => `c${at}=1; ${owner.cookie}; __Host-samlgate_login=secret`).join('; ');
    expect((await ask('/', { cookie: cookies })).status).toBe(200);
    expect(received.join('\n')).not.toMatch(/samlgate_|secret/);
  });

  test('protects a browser that visits the service after a sign-in', async () => {
    const page = await owner.browser.open(`${url}/`);
    expect(page.status).toBe(200);
    expect(page.text).toContain(owner.id);
    expect(page.text).not.toMatch(/samlgate_/);
    expect(await useReceivedCredentials()).toEqual([401]);
  });

  test('passes a cookie of the service to the browser, and never one of the gateway', async () => {
    const response = await fetch(`${url}/`, { headers: { cookie: owner.cookie } });
    expect(response.status).toBe(200);
    const cookies = response.headers.getSetCookie().filter((cookie) => cookie !== '');
    expect(cookies).toEqual([expect.stringMatching(/^shop=1; Path=\//)]);
    // The user is still the same at the gateway.
    await owner.browser.open(`${url}/`);
    expect((await owner.browser.request(`${gateway.url}/api/v1/me`)).status).toBe(200);
  });

  test('never passes a cookie of the gateway with the response that opens a WebSocket', async () => {
    const { port } = new URL(url);
    const socket = createConnection(Number(port), '127.0.0.1');
    const upgrade = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ];
    socket.write(`GET / HTTP/1.1\r\nHost: localhost:${port}\r\nCookie: ${owner.cookie}\r\n${upgrade.join('\r\n')}\r\n\r\n`);
    const [head] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    expect(head.toString()).toMatch(/^HTTP\/1\.1 /);
    expect(head.toString()).not.toMatch(/evil/);
  });

  test('refuses an old token immediately after a rotation', async () => {
    for (let round = 0; round < 5; round++) {
      const { token } = await carl.makeToken();
      expect((await ask('/', bearer(token))).status).toBe(200);
      await carl.api('POST', '/me/tokens/rotate', {});
      expect((await ask('/', bearer(token))).status).toBe(401);
    }
  });

  test('hides metrics', async () => {
    for (const resource of ['/metrics', '/Metrics/', '/%6detrics', '//metrics']) {
      expect([resource, (await fetch(`${gateway.url}${resource}`)).status]).toEqual([resource, 404]);
    }
    expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200);
  });
});
