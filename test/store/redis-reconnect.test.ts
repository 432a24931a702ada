/** ioredis can end a connection for good. The store must connect again, and say when a server cannot be reached. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Cluster, Redis } from 'ioredis';
import { openStore } from '../../src/store/open-store.ts';
import type { Reachability, Store } from '../../src/store/store.ts';
import { type RedisCluster, type RedisServer, runRedisCli, startRedis, startRedisCluster, startSentinel } from '../support/redis-server.ts';
import { isBack } from './outages.ts';
import { claim, newPartition, OK } from './people.ts';

jest.setTimeout(90_000);

let redis: RedisServer;
let sentinel: RedisServer;
let cluster: RedisCluster;
let store: Store | undefined;

beforeAll(async () => {
  redis = await startRedis();
  sentinel = await startSentinel('samlgate', redis.port);
  cluster = await startRedisCluster();
});
afterAll(async () => {
  await Promise.all([redis, sentinel, cluster].map((server) => server.stop()));
});
afterEach(async () => {
  await store?.close();
  store = undefined;
});

const clientOf = (opened: Store) => opened.limiterClient as Redis | Cluster;
async function until(isTrue: () => boolean): Promise<void> {
  const startedMs = performance.now();
  for (; !isTrue(); await sleep(10)) if (performance.now() - startedMs > 10_000) throw new Error(`not true in time: ${isTrue}`);
}

describe('a connection that ioredis has ended', () => {
  test.each([
    ['standalone', () => redis.url],
    ['Sentinel', () => sentinel.url],
    ['Cluster', () => cluster.url],
  ])('is opened again (%s), each time', async (_kind, url) => {
    store = await openStore(url());
    for (let round = 0; round < 3; round++) {
      const client = clientOf(store);
      const ended = once(client, 'end');
      client.disconnect();
      await ended;
      await isBack(store);
      expect(await store.commit(newPartition(), [claim('once')])).toEqual(OK);
    }
  });

  test('is opened again if the failover detector disconnects while the Sentinel is asked for the primary', async () => {
    store = await openStore(sentinel.url);
    const client = clientOf(store) as Redis;
    const connecting = once(client, 'connecting');
    client.disconnect(true);
    await connecting;
    // Not `once` of node:events, which rejects: ioredis emits an error before it ends.
    const ended = new Promise<void>((resolve) => client.once('end', resolve));
    // What the detector does.
    (client as unknown as { readonly connector: { disconnect(): void } }).connector.disconnect();
    await ended;
    await isBack(store);
  });

  test('is opened again although Redis cannot be reached at first', async () => {
    const own = await startRedis();
    store = await openStore(own.url);
    const client = clientOf(store);
    client.disconnect();
    await own.stop();
    await sleep(700);
    const restarted = await startRedis([], { port: own.port });
    await isBack(store);
    await store.close();
    await restarted.stop();
  });

  test.each([
    ['standalone', () => redis.url],
    ['Sentinel', () => sentinel.url],
    ['Cluster', () => cluster.url],
  ])('stays closed if the store was closed (%s)', async (_kind, url) => {
    const closing = await openStore(url());
    const client = clientOf(closing);
    await closing.close();
    await sleep(300);
    expect(['end', 'close']).toContain(client.status);
  });
});

describe('a Sentinel that restarts', () => {
  test('is listened to again, so that the next failover is noticed', async () => {
    store = await openStore(sentinel.url);
    const reconnecting = once(clientOf(store), 'sentinelReconnecting');
    while (!(await isSubscribed(sentinel))) await sleep(20);
    await runRedisCli('-p', String(sentinel.port), 'client', 'kill', 'type', 'pubsub');
    await reconnecting;
    while (!(await isSubscribed(sentinel))) await sleep(20);
  });
});

const isSubscribed = async ({ port }: RedisServer) => / sub=1 /.test(await runRedisCli('-p', String(port), 'client', 'list'));

describe('reports', () => {
  test('name address and reason of an outage once, and its end once', async () => {
    const own = await startRedis();
    const changes: Reachability[] = [];
    store = await openStore(own.url, undefined, { onReachability: (change) => changes.push(change) });
    await own.stop();
    await until(() => changes.length > 0);
    await sleep(1500);
    const address = `127.0.0.1:${own.port}`;
    const outage = { redis: address, isReachable: false, reason: 'connection refused' };
    expect(changes).toEqual([outage]);
    const restarted = await startRedis([], { port: own.port });
    await isBack(store);
    await sleep(100);
    expect(changes).toEqual([outage, { redis: address, isReachable: true }]);
    await store.close();
    await restarted.stop();
    expect(changes).toHaveLength(2);
  });

  test('name the silence of a server', async () => {
    const own = await startRedis();
    const changes: Reachability[] = [];
    store = await openStore(own.url, undefined, { onReachability: (change) => changes.push(change) });
    own.process.kill('SIGSTOP');
    void store.ping().catch(() => {});
    await until(() => changes.length > 0);
    expect(changes).toEqual([{ redis: `127.0.0.1:${own.port}`, isReachable: false, reason: 'timed out' }]);
    own.process.kill('SIGCONT');
    await isBack(store);
    await store.close();
    await own.stop();
  });

  test('name the node of a cluster', async () => {
    const changes: Reachability[] = [];
    store = await openStore(cluster.url, undefined, { onReachability: (change) => changes.push(change) });
    const node = cluster.nodes[0] as RedisServer;
    for (let i = 0; i < 30; i++) await store.commit(newPartition(), [claim('once')]);
    node.process.kill('SIGSTOP');
    for (let i = 0; i < 30; i++) void store.commit(newPartition(), [claim('once')]).catch(() => {});
    await until(() => changes.length > 0);
    node.process.kill('SIGCONT');
    expect(changes[0]).toMatchObject({ redis: `127.0.0.1:${node.port}`, isReachable: false });
    await until(() => changes.at(-1)?.isReachable === true);
  });
});
