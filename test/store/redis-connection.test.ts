import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { GatewayError } from '../../src/errors.ts';
import { openStore } from '../../src/store/open-store.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts';

/** Returns the detail of the error with which the store does not open. */
async function refusalOf(url: string): Promise<string | undefined> {
  const error = await openStore(url).then(
    (store) => store.close(),
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: 'store_unavailable' });
  return (error as GatewayError).facts.detail;
}

describe('a Redis that cannot be reached at startup', () => {
  let closedPort: number;
  let redis: RedisServer;
  beforeAll(async () => {
    closedPort = await freePort();
    redis = await startRedis(['--requirepass', 'correct-horse']);
  });
  afterAll(() => redis.stop());

  it.each(['redis', 'redis+cluster', 'redis+sentinel'])('%s: names host, port and the refused connection', async (scheme) => {
    const url = `${scheme}://:battery-staple@127.0.0.1:${closedPort}/${scheme === 'redis+sentinel' ? 'primary' : ''}`;
    expect(await refusalOf(url)).toBe(`Cannot connect to Redis at 127.0.0.1:${closedPort}: connection refused.`);
  });

  it.each(['redis', 'redis+cluster'])('%s: names the failed authentication, without the password', async (scheme) => {
    for (const credentials of [':battery-staple@', 'user:battery-staple@', '']) {
      const detail = await refusalOf(`${scheme}://${credentials}127.0.0.1:${redis.port}`);
      expect(detail).toBe(`Cannot connect to Redis at 127.0.0.1:${redis.port}: authentication failed.`);
    }
  });

  it('names an unknown host', async () => {
    expect(await refusalOf('redis://redis.invalid')).toBe('Cannot connect to Redis at redis.invalid:6379: unknown host name.');
  });

  it('does not quote a malformed URL, which may contain a password', async () => {
    expect(await refusalOf('redis://:battery%staple@127.0.0.1')).toBe(
      'The Redis URL is malformed. Percent-encode special characters in its user name and password.',
    );
  });
});

describe('a Redis with a password', () => {
  it('opens with percent-encoded credentials, standalone and with a path', async () => {
    const redis = await startRedis(['--requirepass', 'p@ss/word']);
    for (const database of ['', '/1']) {
      const store = await openStore(`redis://:p%40ss%2Fword@127.0.0.1:${redis.port}${database}`);
      await store.ping();
      await store.close();
    }
    await redis.stop();
  });
});
