/**
 * Restarts two gateways behind the shipped nginx configuration, one after the other, under load. `SAMLGATE_TEST_RESTARTS=10` runs
 * more rounds than CI.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts';
import { type GatewayProcess, startGatewayProcess } from './support/gateway-process.ts';

const ROUNDS = Number(process.env.SAMLGATE_TEST_RESTARTS ?? 1);
const CLIENTS = 8;

jest.setTimeout(30_000 + ROUNDS * 40_000);

let directory: string;
let redis: RedisServer;
let gateways: GatewayProcess[];
let nginx: ChildProcess | undefined;
let front: string;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-rolling-'));
  chmodSync(directory, 0o711); // workers of an nginx that root started run as another user
  redis = await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
  const port = await freePort();
  front = `http://127.0.0.1:${port}`;
  const environment = {
    SAMLGATE_BASE_URL: front,
    SAMLGATE_STORE: redis.url,
    SAMLGATE_TRUST_PROXY: '1',
    SAMLGATE_RATE_LIMITS: 'off',
    SAMLGATE_SECRET: randomBytes(32).toString('base64'),
    SAMLGATE_OPERATOR_TOKEN: randomBytes(32).toString('hex'),
  };
  gateways = [await startGatewayProcess(environment), await startGatewayProcess(environment)];
  await configureNginx();
  nginx = spawn('nginx', ['-p', directory, '-c', path.join(directory, 'nginx.conf'), '-g', 'daemon off;'], {
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
    stdio: 'ignore',
  });
  for (let i = 0; i < 200 && !(await fetch(`${front}/healthz`).catch(() => undefined))?.ok; i++) await sleep(25);
}, 60_000);

afterAll(async () => {
  if (nginx?.kill('SIGTERM')) await once(nginx, 'exit');
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  await redis.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Writes the shipped configuration for this machine and loads it. `down` is a gateway that gets no requests. */
async function configureNginx(down?: number): Promise<void> {
  let text = readFileSync(path.join(import.meta.dirname, '../../docker/nginx.conf'), 'utf8')
    .replace('listen 8080;', `listen ${front.replace('http://', '')};`)
    .replaceAll('/tmp/', `${directory}/`)
    .replace('/dev/stderr', `${directory}/error.log`)
    .replace('/dev/stdout', `${directory}/access.log`);
  for (const [at, { environment }] of gateways.entries())
    text = text.replace(`gateway-${at + 1}:8080`, `${environment.SAMLGATE_LISTEN}${at === down ? ' down' : ''}`);
  writeFileSync(path.join(directory, 'nginx.conf'), text);
  nginx?.kill('SIGHUP'); // what nginx -s reload sends
  await sleep(300);
}

/** Requests without keep-alive, because nginx closes idle connections of clients when it reloads. */
const HEADERS = { connection: 'close' };

/** Reads and writes through nginx. POSTs matter most, because nginx never sends one twice. */
const REQUESTS: readonly (() => Promise<Response>)[] = [
  () => fetch(`${front}/healthz`, { headers: HEADERS }),
  () =>
    fetch(`${front}/oauth/introspect`, {
      method: 'POST',
      headers: { ...HEADERS, authorization: `Bearer ${gateways[0]?.operatorToken}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'token=nothing',
    }),
  () =>
    fetch(`${front}/login`, {
      method: 'POST',
      headers: { ...HEADERS, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'who=unknown',
    }),
];

test(`loses no request in ${ROUNDS} rolling restarts of two gateways behind the shipped nginx configuration`, async () => {
  const counts: Record<string, number> = {};
  let isDone = false;
  const send = async (client: number) => {
    for (let i = client; !isDone; i++) {
      const status = await (REQUESTS[i % REQUESTS.length] as () => Promise<Response>)().then(
        async (response) => {
          await response.arrayBuffer();
          return String(response.status);
        },
        (error: Error) => error.message,
      );
      counts[status] = (counts[status] ?? 0) + 1;
      await sleep(5);
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, client) => send(client));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [at, gateway] of gateways.entries()) {
      await configureNginx(at);
      expect(await gateway.stop('SIGTERM')).toBe(0);
      // Resolves when /readyz is 200.
      gateways[at] = await startGatewayProcess(gateway.environment);
      await configureNginx();
    }
  }
  isDone = true;
  await Promise.all(clients);
  const failures = readFileSync(path.join(directory, 'error.log'), 'utf8').match(/^.*\[error\].*$/gm) ?? [];
  // Refused connections are expected: nginx sends those requests to the other gateway.
  expect(failures.filter((line) => !line.includes('Connection refused'))).toEqual([]);
  expect(Object.keys(counts).sort()).toEqual(['200', '404']);
  expect(counts['200']).toBeGreaterThan(100);
});
