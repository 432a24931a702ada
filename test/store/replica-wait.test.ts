import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { ReplicaWait } from '../../src/store/redis/replica-wait.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';

/** Two servers without replicas: as far as numbers go, everything is everywhere at once. */
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

test('asks the server that has the change, and leaves no mark there', async () => {
  await writer.set('mark', '');
  await expect(waits[0]?.until('', 'mark', 0)).resolves.toBeUndefined();
  expect(await writer.exists('mark')).toBe(0);
});

test('what another server says counts for nothing, as after a failover between the change and the question', async () => {
  await writer.set('mark', '');
  await expect(waits[1]?.until('', 'mark', 0)).rejects.toThrow('another server');
  expect(await writer.exists('mark')).toBe(1);
});

test('one who asks for more replicas than there are is refused, and nobody else', async () => {
  const marks = ['a', 'b', 'c', 'd'];
  for (const mark of marks) await writer.set(mark, '');
  const asked = marks.map((mark, i) => waits[0]?.until('', mark, i === 2 ? 1 : 0));
  expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
});

test('a connection that leads to another server is left, so that the next question finds the way', async () => {
  let at = 1;
  const wait = new ReplicaWait(async () => new Redis(servers[at]?.url ?? ''));
  for (const mark of ['first', 'second']) await writer.set(mark, '');
  await expect(wait.until('', 'first', 0)).rejects.toThrow('another server');
  at = 0;
  await expect(wait.until('', 'second', 0)).resolves.toBeUndefined();
  await wait.close();
  await expect(wait.until('', 'first', 0)).rejects.toThrow('closed');
});

test('a connection that can’t be made is tried again with the next question', async () => {
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
