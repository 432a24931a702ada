/** A process of the built gateway while its Redis is unavailable for longer than the key lease. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { KEY_LEASE_MS } from '../../src/auth/keys/key-lease.ts';
import { createCliToken } from '../../src/auth/tokens/cli-tokens.ts';
import { type BuiltPackage, buildPackage, type RunningCommand } from '../support/built-package.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts';
import { makeRuntime, OPERATOR, seedMember, seedOrganization } from '../support/seed.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-outage-'));
let redis: RedisServer;
let built: BuiltPackage;
let gateway: RunningCommand;
let url: string;
let token: string;

const startHere = (port: number) => startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction'], { port, directory });

beforeAll(async () => {
  redis = await startHere(await freePort());
  const port = await freePort();
  url = `http://localhost:${port}`;
  const environment = {
    SAMLGATE_STORE: redis.url,
    SAMLGATE_SECRET: randomBytes(32).toString('base64'),
    SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32),
    SAMLGATE_LISTEN: `127.0.0.1:${port}`,
    SAMLGATE_BASE_URL: url,
    SAMLGATE_RATE_LIMITS: 'off',
  };
  const runtime = await makeRuntime(environment);
  const { id: organizationId } = await seedOrganization(runtime, 'acme');
  const member = await seedMember(runtime, organizationId);
  const credential = { kind: 'session', id: member.sessions[0]?.id ?? '', expiresAtMs: undefined } as const;
  ({ token } = await createCliToken(runtime, OPERATOR, { organizationId, memberId: member.id, credential }, { name: 'test' }));
  await runtime.store.close();
  built = await buildPackage();
  gateway = built.start(['serve'], environment);
  await gateway.says(/samlgate is ready/);
}, 60_000);

afterAll(async () => {
  await gateway?.end('SIGKILL');
  built?.remove();
  await redis?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const ask = async (pathAndQuery = '/auth/verify'): Promise<number> =>
  (await fetch(`${url}${pathAndQuery}`, { headers: { authorization: `Bearer ${token}` } })).status;

/** Repeats requests for this long and returns the status codes that occurred. */
async function askFor(milliseconds: number): Promise<Set<number>> {
  const seen = new Set<number>();
  for (const until = performance.now() + milliseconds; performance.now() < until; await sleep(50)) {
    for (const status of await Promise.all([ask(), ask('/auth/verify?organization=acme'), ask('/api/v1/me')])) seen.add(status);
  }
  return seen;
}

test('answers 503 while Redis is stopped, keeps running and recovers', async () => {
  for (let round = 0; round < 2; round++) {
    expect([await ask(), await ask('/api/v1/me')]).toEqual([200, 200]);
    await redis.stop();
    expect(await askFor(2 * KEY_LEASE_MS)).toEqual(new Set([503]));
    expect(gateway.process.exitCode).toBeNull();
    redis = await startHere(redis.port);
    for (let i = 0; i < 100 && (await ask()) !== 200; i++) await sleep(50);
  }
  expect(await ask()).toBe(200);
}, 60_000);

test('answers 503 while Redis accepts connections but does not respond, and recovers', async () => {
  redis.process.kill('SIGSTOP');
  const seen = await askFor(2 * KEY_LEASE_MS);
  redis.process.kill('SIGCONT');
  expect(seen).toEqual(new Set([503]));
  expect(gateway.process.exitCode).toBeNull();
  for (let i = 0; i < 100 && (await ask()) !== 200; i++) await sleep(50);
  expect(await ask()).toBe(200);
}, 60_000);
