/**
 * Two gateways on a Redis with Sentinel, whose primary is killed again and again under load. `SAMLGATE_TEST_FAILOVERS=10` runs more
 * rounds than CI.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { pino } from 'pino';
import { createCliToken, type TokenCreator } from '../../src/auth/tokens/cli-tokens.ts';
import { newSlug, startGateway, type TestGateway } from '../support/gateway.ts';
import { freePort, type RedisServer, runRedisCli, startRedis, startSentinel } from '../support/redis-server.ts';
import { OPERATOR, seedMember, seedOrganization } from '../support/seed.ts';

const ROUNDS = Number(process.env.SAMLGATE_TEST_FAILOVERS ?? 2);
const CLIENTS_PER_GATEWAY = 20;
/** After the Sentinel has named the new primary. Two seconds, and the slowness of a machine that runs other tests. */
const RECOVER_WITHIN_MS = 5000;

jest.setTimeout(60_000 + ROUNDS * 30_000);

const NAME = 'samlgate';
const cli = ({ port }: { readonly port: number }, ...command: string[]) => runRedisCli('-p', String(port), ...command);
const directories: string[] = [];
let sentinel: RedisServer;
let servers: RedisServer[];
let gateways: TestGateway[];
const lines: string[] = [];

const DURABLE = ['--appendonly', 'yes', '--repl-diskless-sync-delay', '0', '--maxmemory-policy', 'noeviction'];

async function startServer(port: number, directory: string, primaryPort?: number): Promise<RedisServer> {
  const follow = primaryPort === undefined ? [] : ['--replicaof', `127.0.0.1 ${primaryPort}`];
  return startRedis([...DURABLE, ...follow], { port, directory });
}

async function until(isTrue: () => Promise<boolean>, withinMs = 20_000): Promise<void> {
  const startedMs = performance.now();
  for (; !(await isTrue().catch(() => false)); await sleep(20)) {
    if (performance.now() - startedMs > withinMs) throw new Error(`not true in time: ${isTrue}`);
  }
}

beforeAll(async () => {
  for (let i = 0; i < 2; i++) directories.push(mkdtempSync(path.join(tmpdir(), 'samlgate-failover-')));
  const primary = await startServer(await freePort(), directories[0] as string);
  servers = [primary, await startServer(await freePort(), directories[1] as string, primary.port)];
  sentinel = await startSentinel(NAME, primary.port);
  await isReplicated(primary);
  // Tokens name the base URL as their issuer, so both gateways need the same.
  const environment = {
    SAMLGATE_BASE_URL: 'http://localhost:8080',
    SAMLGATE_STORE: sentinel.url,
    SAMLGATE_SECRET: randomBytes(32).toString('base64'),
  };
  const log = () => pino({}, { write: (line) => lines.push(line) });
  gateways = [await startGateway({ environment, log: log() }), await startGateway({ environment, log: log() })];
}, 60_000);

afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  await Promise.all([sentinel, ...servers].map((server) => server.stop()));
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** Waits until the replica follows and the Sentinel knows it. */
async function isReplicated(primary: RedisServer): Promise<void> {
  await until(async () => (await cli(primary, 'info', 'replication')).includes('state=online'));
  await until(async () => {
    const known = await cli(sentinel, 'sentinel', 'replicas', NAME);
    return (
      servers.every((server) => server.port === primary.port || known.includes(String(server.port))) && !/s_down|disconnected/.test(known)
    );
  });
}

interface Acknowledged {
  /** Tokens whose creation was acknowledged, and that no request revoked. */
  readonly kept: string[];
  /** Tokens whose revocation was acknowledged. */
  readonly revoked: string[];
  readonly claimed: string[];
}

const call = (gateway: TestGateway, method: string, resource: string, token?: string) =>
  fetch(`http://127.0.0.1:${gateway.runtime.config.listen.port}${resource}`, {
    method,
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
  });

/** Creates and revokes tokens and claims assertion IDs, and notes what was acknowledged. */
async function work(gateway: TestGateway, minter: TokenCreator, acknowledged: Acknowledged, isDone: () => boolean): Promise<void> {
  const { runtime } = gateway;
  for (let i = 0; !isDone(); i++) {
    try {
      const { token, record } = await createCliToken(runtime, OPERATOR, minter, { name: 'test' });
      if (i % 50 === 0) acknowledged.kept.push(token);
      else if ((await call(gateway, 'DELETE', `/api/v1/me/tokens/${record.id}`, token)).status === 204) acknowledged.revoked.push(token);
      const key = `assertion:${randomBytes(16).toString('hex')}`;
      if ((await runtime.store.commit('global', [{ do: 'claim', key, ttlSeconds: 600 }])).ok) acknowledged.claimed.push(key);
    } catch {
      await sleep(20); // the store is away
    }
  }
}

test(`two gateways survive ${ROUNDS} failovers by Sentinel under load`, async () => {
  const acknowledged: Acknowledged = { kept: [], revoked: [], claimed: [] };
  let isDone = false;
  const clients: Promise<void>[] = [];
  const { id: organizationId } = await seedOrganization((gateways[0] as TestGateway).runtime, newSlug());
  for (const gateway of gateways) {
    for (let i = 0; i < CLIENTS_PER_GATEWAY; i++) {
      const { id, sessions } = await seedMember(gateway.runtime, organizationId);
      const credential = { kind: 'session', id: sessions[0]?.id ?? '', expiresAtMs: undefined } as const;
      clients.push(work(gateway, { organizationId, memberId: id, credential }, acknowledged, () => isDone));
    }
  }
  const recoveries: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const primary = servers[round % 2] as RedisServer;
    const replica = servers[(round + 1) % 2] as RedisServer;
    await sleep(1000);
    const gone = once(primary.process, 'exit');
    primary.process.kill('SIGKILL');
    await gone;
    await until(async () => (await cli(sentinel, 'sentinel', 'get-master-addr-by-name', NAME)).includes(String(replica.port)));
    const promotedMs = performance.now();
    for (const gateway of gateways) {
      await until(async () => (await call(gateway, 'GET', '/readyz')).status === 200, RECOVER_WITHIN_MS);
      recoveries.push(Math.round(performance.now() - promotedMs));
    }
    servers[round % 2] = await startServer(primary.port, directories[round % 2] as string, replica.port);
    await isReplicated(replica);
  }
  isDone = true;
  await Promise.all(clients);
  const counts = Object.entries(acknowledged).map(([name, { length }]) => `${length} ${name}`);
  if (process.env.SAMLGATE_TEST_FAILOVERS) process.stderr.write(`recovered after ${recoveries.join(', ')} ms; ${counts.join(', ')}\n`);

  const [first, second] = gateways as [TestGateway, TestGateway];
  const isValid = async (gateway: TestGateway, token: string) => (await call(gateway, 'GET', '/auth/verify', token)).status;
  for (const gateway of [first, second]) {
    const statuses = await Promise.all([
      Promise.all(acknowledged.kept.map((token) => isValid(gateway, token))),
      Promise.all(acknowledged.revoked.slice(-500).map((token) => isValid(gateway, token))),
    ]);
    expect(statuses.map((each) => [...new Set(each)])).toEqual([[200], [401]]);
    for (const key of acknowledged.claimed) {
      expect((await gateway.runtime.store.commit('global', [{ do: 'claim', key, ttlSeconds: 600 }])).ok).toBe(false);
    }
  }
  // Each gateway has told about each outage, and about its end.
  const told = lines.map((line) => JSON.parse(line) as { msg: string }).filter(({ msg }) => msg.startsWith('Redis can'));
  expect(told.filter(({ msg }) => msg === 'Redis cannot be reached').length).toBeLessThanOrEqual(2 * ROUNDS);
  expect(told.filter(({ msg }) => msg === 'Redis can be reached again').length).toBeGreaterThanOrEqual(ROUNDS);
});
