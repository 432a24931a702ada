/** `/readyz`, and how a gateway goes out of service. */
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { pino } from 'pino';
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { type RedisServer, runRedisCli, startRedis } from '../support/redis-server.ts';
import { signedIn } from '../support/signed-in.ts';

jest.setTimeout(90_000);

let gateway: TestGateway | undefined;
let redis: RedisServer | undefined;
afterEach(async () => {
  await gateway?.stop();
  await redis?.stop();
  gateway = redis = undefined;
});

interface Answer {
  readonly status: number;
  readonly connection: string | undefined;
  readonly type: string | undefined;
  readonly body: Record<string, unknown>;
}

async function ask(path: string, options: { agent?: Agent; method?: string; headers?: Record<string, string>; send?: string } = {}) {
  const { send, ...rest } = options;
  const asking = request(`${gateway?.url.replace('localhost', '127.0.0.1')}${path}`, rest);
  asking.end(send);
  return answerOf(asking);
}

async function answerOf(asking: ReturnType<typeof request>): Promise<Answer> {
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  const { 'content-type': type, connection } = response.headers;
  return { status: response.statusCode ?? 0, connection, type, body: type?.includes('json') ? JSON.parse(text) : {} };
}

/** Starts a gateway and returns the lines of its log. */
async function startLogged(options: TestGatewayOptions = {}): Promise<Record<string, unknown>[]> {
  const lines: Record<string, unknown>[] = [];
  gateway = await startGateway({ ...options, log: pino({}, { write: (line) => lines.push(JSON.parse(line)) }) });
  return lines;
}

describe('GET /readyz', () => {
  test('answers 503 with problem details while Redis is full, although it can be read, and logs it once', async () => {
    redis = await startRedis();
    const lines = await startLogged({ environment: { SAMLGATE_STORE: redis.url } });
    expect((await ask('/readyz')).status).toBe(200);
    await runRedisCli('-p', String(redis.port), 'config', 'set', 'maxmemory', '1');
    await sleep(1100);
    for (const accept of ['text/html', 'application/json', '*/*']) {
      const answer = await ask('/readyz', { headers: { accept } });
      expect(answer).toMatchObject({ status: 503, type: expect.stringMatching(/^application\/problem\+json/) });
      expect(answer.body).toMatchObject({ code: 'store_unavailable', status: 503, request_id: expect.any(String) });
    }
    expect((await ask('/healthz')).status).toBe(200);
    await sleep(1100);
    expect((await ask('/readyz')).status).toBe(503);
    await runRedisCli('-p', String(redis.port), 'config', 'set', 'maxmemory', '0');
    await sleep(1100);
    expect((await ask('/readyz')).status).toBe(200);
    const said = lines.filter(({ msg }) => /ready/.test(String(msg)));
    expect(said.map(({ level, reason }) => [level, reason])).toEqual([
      [50, expect.stringContaining('OOM')],
      [30, undefined],
    ]);
  });

  test('costs at most one write per second, however often it is requested', async () => {
    await startLogged();
    const { store } = (gateway as TestGateway).runtime;
    const commit = jest.spyOn(store, 'commit');
    const startedMs = performance.now();
    await Promise.all(Array.from({ length: 200 }, () => ask('/readyz')));
    expect(commit.mock.calls.length).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - startedMs) / 1000));
    commit.mockRestore();
  });

  test('names an unreachable Redis in the log once, with address and reason, and its return once', async () => {
    redis = await startRedis();
    const lines = await startLogged({ environment: { SAMLGATE_STORE: redis.url } });
    await redis.stop();
    for (let i = 0; i < 20; i++) {
      expect([200, 503]).toContain((await ask('/readyz')).status);
      await sleep(100);
    }
    expect((await ask('/readyz')).status).toBe(503);
    redis = await startRedis([], { port: redis.port });
    for (let i = 0; i < 50 && (await ask('/readyz')).status !== 200; i++) await sleep(100);
    const address = `127.0.0.1:${redis.port}`;
    // On a busy machine, the refusal of the next connection can come too late to be the reason.
    const reason = expect.stringMatching(/^(connection refused|the connection was closed)$/);
    expect(lines.filter((line) => 'redis' in line).map(({ level, redis: at, reason }) => [level, at, reason])).toEqual([
      [50, address, reason],
      [30, address, undefined],
    ]);
  });
});

describe('a gateway that drains', () => {
  test('answers requests, closes each connection after its response, and is not ready', async () => {
    await startLogged();
    const own = gateway as TestGateway;
    const member = await signedIn(own, await own.makeOrganization(), 'carl');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await ask('/healthz', { agent })).toMatchObject({ status: 200, connection: 'keep-alive' });
    // A request whose body arrives while the gateway drains.
    const half = request(`${own.url.replace('localhost', '127.0.0.1')}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': 8 },
    });
    half.write('who=');
    await sleep(100);
    const startedMs = performance.now();
    const drained = own.drain();
    expect(await ask('/readyz')).toMatchObject({ status: 503, connection: 'close', type: expect.stringContaining('problem+json') });
    half.end('acme');
    expect(await answerOf(half)).toMatchObject({ status: 404, connection: 'close' });
    expect(await ask('/auth/verify', { headers: { cookie: member.cookie } })).toMatchObject({ status: 200, connection: 'close' });
    expect(await ask('/auth/verify')).toMatchObject({ status: 401, connection: 'close' });
    await sleep(2500);
    // A proxy may still send a request on an idle connection.
    expect(await ask('/healthz', { agent })).toMatchObject({ status: 200, connection: 'close' });
    await drained;
    expect(performance.now() - startedMs).toBeLessThan(8000);
    agent.destroy();
  });

  test('waits for idle connections for less than 8 seconds', async () => {
    await startLogged();
    const agent = new Agent({ keepAlive: true });
    await ask('/healthz', { agent });
    const startedMs = performance.now();
    await gateway?.drain();
    const tookMs = performance.now() - startedMs;
    expect(tookMs).toBeGreaterThan(7000);
    expect(tookMs).toBeLessThan(8000);
    agent.destroy();
  });
});
