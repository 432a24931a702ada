import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { ReplicaWait } from '../../src/store/redis/replica-wait.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';

/** Two servers without replicas, so that WAIT returns immediately. */
let servers: readonly RedisServer[];
let writer: Redis;
let waits: ReplicaWait[];

beforeAll(async () => {
  servers = await Promise.all([startRedis(), startRedis()]);
  writer = new Redis(servers[0]?.url ?? '');
  waits = servers.map(({ url }) => new ReplicaWait(async () => new Redis(url)));
});
afterAll(async () => {
  writer.disconnect();
  await Promise.all(waits.map((wait) => wait.close()));
  await Promise.all(servers.map((server) => server.stop()));
});

test('resolves on the server that has the commit, and deletes the mark', async () => {
  await writer.set('mark', '');
  await expect(waits[0]?.until('', 'mark', 0)).resolves.toBeUndefined();
  expect(await writer.exists('mark')).toBe(0);
});

test('rejects the answer of another server, as after a failover between commit and wait', async () => {
  await writer.set('mark', '');
  await expect(waits[1]?.until('', 'mark', 0)).rejects.toThrow('another server');
  expect(await writer.exists('mark')).toBe(1);
});

test('rejects only the commits that need more replicas than there are', async () => {
  const marks = ['a', 'b', 'c', 'd'];
  for (const mark of marks) await writer.set(mark, '');
  const asked = marks.map((mark, i) => waits[0]?.until('', mark, i === 2 ? 1 : 0));
  expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
});

test('replaces a connection that leads to another server', async () => {
  let at = 1;
  const wait = new ReplicaWait(async () => new Redis(servers[at]?.url ?? ''));
  for (const mark of ['first', 'second']) await writer.set(mark, '');
  await expect(wait.until('', 'first', 0)).rejects.toThrow('another server');
  at = 0;
  await expect(wait.until('', 'second', 0)).resolves.toBeUndefined();
  await wait.close();
  await expect(wait.until('', 'first', 0)).rejects.toThrow('closed');
});

test('connects again for the next wait after a failed connection', async () => {
  let tries = 0;
  const wait = new ReplicaWait(async () => {
    if (++tries === 1) throw new Error('away');
    return new Redis(servers[0]?.url ?? '');
  });
  await writer.set('mark', '');
  await expect(wait.until('', 'mark', 0)).rejects.toThrow('away');
  await expect(wait.until('', 'mark', 0)).resolves.toBeUndefined();
  await wait.close();
});
