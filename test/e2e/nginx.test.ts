/** Debian's nginx with auth_request in front of a service that does not know samlgate. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/redis-server.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

let directory: string;
let gateway: TestGateway;
let organization: OrganizationJson;
let owner: SignedIn;
let carl: SignedIn;
let echo: Server;
let nginx: ChildProcess;
let url: string;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-nginx-'));
  gateway = await startGateway();
  organization = await gateway.makeOrganization();
  [owner, carl] = [await signedIn(gateway, organization, 'olivia'), await signedIn(gateway, organization, 'carl')];
  echo = createServer((request, response) => void response.end(JSON.stringify(request.headers))).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const file = path.join(directory, 'nginx.conf');
  writeFileSync(file, configuration(port, (echo.address() as AddressInfo).port));
  nginx = spawn('nginx', ['-c', file, '-p', directory, '-e', 'stderr'], {
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await listens(port);
}, 60_000);

afterAll(async () => {
  nginx.kill('SIGTERM');
  if (nginx.exitCode === null) await once(nginx, 'exit');
  echo.close();
  await gateway.stop();
  rmSync(directory, { recursive: true, force: true });
});

const configuration = (port: number, echoPort: number): string => `
daemon off;
master_process off;
pid ${directory}/nginx.pid;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    location / { auth_request /samlgate; ${handOn(echoPort)} }
    location /administration { auth_request /samlgate-owner; ${handOn(echoPort)} }
    location = /samlgate { ${askGateway('')} }
    location = /samlgate-owner { ${askGateway('?role=owner')} }
  }
}`;

const HEADERS = ['User', 'Email', 'Role', 'Organization'];

const handOn = (echoPort: number): string =>
  [
    ...HEADERS.map((name) => `auth_request_set $samlgate_${name.toLowerCase()} $upstream_http_x_samlgate_${name.toLowerCase()};`),
    ...HEADERS.map((name) => `proxy_set_header X-Samlgate-${name} $samlgate_${name.toLowerCase()};`),
    `proxy_pass http://127.0.0.1:${echoPort};`,
  ].join(' ');

const askGateway = (query: string): string =>
  `internal; proxy_pass ${gateway.url.replace('localhost', '127.0.0.1')}/auth/verify${query}; proxy_pass_request_body off; proxy_set_header Content-Length "";`;

async function listens(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const socket = createConnection(port, '127.0.0.1');
    const isThere = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(
      () => false,
    );
    socket.destroy();
    if (isThere) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('nginx does not listen; install it (apt-get install nginx-light)');
}

async function ask(
  resource: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<{ status: number; seen: Record<string, string> }> {
  const response = await fetch(`${url}${resource}`, { method, headers, body: method === 'POST' ? 'x'.repeat(10_000) : null });
  const text = await response.text();
  return { status: response.status, seen: response.status === 200 ? (JSON.parse(text) as Record<string, string>) : {} };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('nginx auth_request', () => {
  test('refuses a request without a credential', async () => {
    expect((await ask('/')).status).toBe(401);
    expect((await ask('/', bearer('nothing'))).status).toBe(401);
  });

  test('passes a collaborator to the service with our identity headers, whatever headers the request has', async () => {
    const { token } = await carl.makeToken();
    const lies = { 'x-samlgate-user': 'usr_other', 'x-samlgate-email': 'olivia@okta.acme.example', 'x-samlgate-role': 'owner' };
    for (const method of ['GET', 'POST']) {
      const { status, seen } = await ask('/orders?role=owner', { ...bearer(token), ...lies }, method);
      expect(status).toBe(200);
      expect(seen).toMatchObject({
        'x-samlgate-user': carl.id,
        'x-samlgate-email': 'carl@okta.acme.example',
        'x-samlgate-role': 'collaborator',
        'x-samlgate-organization': organization.id,
      });
    }
  });

  test('passes only owners to locations that require owners', async () => {
    expect((await ask('/administration', bearer((await carl.makeToken()).token))).status).toBe(403);
    expect((await ask('/administration', bearer((await owner.makeToken()).token))).status).toBe(200);
    expect((await ask('/administration')).status).toBe(401);
  });

  test('refuses an old token immediately after a rotation', async () => {
    for (let round = 0; round < 20; round++) {
      const { token } = await carl.makeToken();
      expect((await ask('/', bearer(token))).status).toBe(200);
      await carl.api('POST', '/me/tokens/rotate', {});
      expect((await ask('/', bearer(token))).status).toBe(401);
    }
  });

  test('accepts the session cookie', async () => {
    expect(await ask('/', { cookie: owner.cookie })).toMatchObject({ status: 200, seen: { 'x-samlgate-role': 'owner' } });
  });
});
