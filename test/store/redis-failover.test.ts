/** Redis with replicas, and with a Sentinel that promotes one of them. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { confirmReplicated } from '../../src/store/confirm-replicated.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Step, Store } from '../../src/store/store.ts';
import { freePort, type RedisServer, runRedisCli, startRedis, startSentinel } from '../support/redis-server.ts';
import { expectUnavailable, isBack, TOLD_WITHIN_MS } from './outages.ts';
import { claim, codeOf, failedAt, insert, newPartition, OK, PEOPLE, put, remove, take } from './people.ts';

jest.setTimeout(60_000);

const FAST_SYNC = ['--repl-diskless-sync-delay', '0'];
const replicaOf = ({ port }: RedisServer): string[] => [...FAST_SYNC, '--replicaof', `127.0.0.1 ${port}`];
const tell = ({ port }: RedisServer, ...command: string[]) => runRedisCli('-p', String(port), ...command);

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await sleep(20);
}

const isFollowing = async (replica: RedisServer) => (await tell(replica, 'info', 'replication')).includes('master_link_status:up');
const hasReplica = async (primary: RedisServer) => (await tell(primary, 'info', 'replication')).includes('state=online');

describe('commits that wait for replicas', () => {
  let primary: RedisServer;
  let replica: RedisServer;
  let store: Store;

  beforeAll(async () => {
    primary = await startRedis(FAST_SYNC);
    replica = await startRedis(replicaOf(primary));
    await until(() => hasReplica(primary));
    store = await openStore(primary.url);
  });
  afterAll(async () => {
    await store.close();
    await Promise.all([primary.stop(), replica.stop()]);
  });

  test('are on the replica when they are acknowledged', async () => {
    const partition = newPartition();
    const follower = await openStore(replica.url);
    for (let i = 0; i < 50; i++) {
      expect(await store.commit(partition, [put('key', `${i}`), insert(`p${i}`, { name: 'x' })], { replicated: true })).toEqual(OK);
      expect(await follower.peek(partition, 'key')).toBe(`${i}`);
      expect((await follower.get(partition, PEOPLE, `p${i}`))?.version).toBe(1);
    }
    await follower.close();
  });

  test('throw store_unavailable in time if the replica does not acknowledge, without delaying other commits', async () => {
    const partition = newPartition();
    replica.process.kill('SIGSTOP');
    const startedMs = performance.now();
    expect(await codeOf(() => store.commit(partition, [insert('ada', { name: 'Ada' }), claim('once')], { replicated: true }))).toBe(
      'store_unavailable',
    );
    expect(performance.now() - startedMs).toBeLessThan(TOLD_WITHIN_MS);
    // The commit has happened completely.
    expect((await store.get(partition, PEOPLE, 'ada'))?.version).toBe(1);
    expect(await store.commit(partition, [claim('once')])).toEqual(failedAt(0));
    expect(await store.commit(partition, [claim('other')])).toEqual(OK);
    replica.process.kill('SIGCONT');
    await until(async () => (await codeOf(() => store.commit(partition, [put('key', '')], { replicated: true }))).startsWith('answered'));
  });

  test('delay no other command while they wait, however many there are', async () => {
    const partition = newPartition();
    expect(await store.commit(partition, [insert('ada', { name: 'Ada' })])).toEqual(OK);
    replica.process.kill('SIGSTOP');
    let waiting = 5;
    const ends = Array.from({ length: waiting }, (_, i) =>
      codeOf(() => store.commit(newPartition(), [claim(`${i}`)], { replicated: true })).finally(() => waiting--),
    );
    for (let i = 0; i < 20; i++) {
      expect((await store.get(partition, PEOPLE, 'ada'))?.value.name).toBe('Ada');
      expect(await store.commit(partition, [claim(`other${i}`)])).toEqual(OK);
    }
    expect(waiting).toBe(5);
    expect(await Promise.all(ends)).toEqual(Array.from({ length: 5 }, () => 'store_unavailable'));
    replica.process.kill('SIGCONT');
    await until(async () => (await codeOf(() => store.commit(partition, [put('key', '')], { replicated: true }))).startsWith('answered'));
  });

  test('revoke and confirm revocations in a full Redis, which refuses additions', async () => {
    const partition = newPartition();
    const replicated = (...steps: Step[]) => codeOf(() => store.commit(partition, steps, { replicated: true }));
    expect(await store.commit(partition, [insert('ada', { name: 'Ada' }), put('session', '')])).toEqual(OK);
    await tell(primary, 'config', 'set', 'maxmemory', '1');
    try {
      expect(await replicated(remove('ada', 1))).toBe('answered {"ok":true}');
      expect(await replicated(take('session'))).toBe('answered {"ok":true}');
      expect(await codeOf(() => confirmReplicated(store, partition))).toBe('answered undefined');
      expect(await replicated(claim('once'))).toBe('store_unavailable');
      expect(await replicated(insert('ada', { name: 'Ada' }))).toBe('store_unavailable');
    } finally {
      await tell(primary, 'config', 'set', 'maxmemory', '0');
    }
  });

  test('do not wait for a replica that has disconnected or is still copying', async () => {
    const copying = await startRedis(['--replicaof', `127.0.0.1 ${primary.port}`]);
    await tell(primary, 'config', 'set', 'repl-diskless-sync-delay', '60');
    await tell(copying, 'replicaof', 'no', 'one');
    await tell(copying, 'replicaof', '127.0.0.1', String(primary.port));
    await until(async () => (await tell(primary, 'info', 'replication')).includes('state=wait_bgsave'));
    const gone = once(replica.process, 'exit');
    replica.process.kill('SIGKILL');
    await gone;
    await until(async () => !(await hasReplica(primary)));
    expect(await store.commit(newPartition(), [claim('once')], { replicated: true })).toEqual(OK);
    await copying.stop();
  });

  test('wait for a replica that has just connected', async () => {
    const [alone, partition] = [await startRedis(FAST_SYNC), newPartition()];
    const opened = await openStore(alone.url);
    expect(await opened.commit(partition, [claim('once')], { replicated: true })).toEqual(OK);
    const newcomer = await startRedis(replicaOf(alone));
    await until(() => hasReplica(alone));
    newcomer.process.kill('SIGSTOP');
    expect(await codeOf(() => opened.commit(partition, [put('key', '')], { replicated: true }))).toBe('store_unavailable');
    await opened.close();
    await Promise.all([alone.stop(), newcomer.stop()]);
  });

  test('throw store_unavailable on a replica, which can only be read', async () => {
    const [alone, partition] = [await startRedis(FAST_SYNC), newPartition()];
    const follower = await startRedis(replicaOf(alone));
    await until(() => isFollowing(follower));
    const opened = await openStore(follower.url);
    expect(await codeOf(() => opened.commit(partition, [claim('once')]))).toBe('store_unavailable');
    expect(await opened.peek(partition, 'once')).toBeUndefined();
    await opened.close();
    await Promise.all([alone.stop(), follower.stop()]);
  });
});

describe('Redis Sentinel', () => {
  let primary: RedisServer;
  let replica: RedisServer;
  let sentinel: RedisServer;
  let store: Store;

  beforeAll(async () => {
    primary = await startRedis(FAST_SYNC);
    replica = await startRedis(replicaOf(primary));
    await until(() => isFollowing(replica));
    sentinel = await startSentinel('samlgate', primary.port);
    store = await openStore(sentinel.url);
  });
  afterAll(async () => {
    await store.close();
    await Promise.all([primary, replica, sentinel].map((server) => server.stop()));
  });

  test('finds the primary', async () => {
    const partition = newPartition();
    expect(await store.commit(partition, [insert('ada', { name: 'Ada', email: 'x' }), claim('once')])).toEqual(OK);
    expect((await store.getUnique(partition, PEOPLE, 'email', 'x'))?.id).toBe('ada');
    const direct = await openStore(primary.url);
    expect(await direct.commit(partition, [claim('once')])).toEqual(failedAt(0));
    await direct.close();
  });

  test('throws store_unavailable in time for an unknown name and for an unreachable Sentinel', async () => {
    const startedMs = performance.now();
    const absent = `redis+sentinel://127.0.0.1:${await freePort()}/samlgate`;
    const codes = [`redis+sentinel://127.0.0.1:${sentinel.port}/other`, absent].map((url) => codeOf(() => openStore(url)));
    expect(await Promise.all(codes)).toEqual(['store_unavailable', 'store_unavailable']);
    expect(performance.now() - startedMs).toBeLessThan(TOLD_WITHIN_MS);
  });

  test('opens if another Sentinel answers than a silent one', async () => {
    const silent = createServer();
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const opened = await openStore(`redis+sentinel://127.0.0.1:${port},127.0.0.1:${sentinel.port}/samlgate`);
    await opened.ping();
    await opened.close();
    silent.close();
  });

  test('follows a failover, even an idle store whose former primary comes back, and loses nothing replicated', async () => {
    const partition = newPartition();
    const idle = await openStore(sentinel.url);
    expect(await store.commit(partition, [insert('ada', { name: 'Ada' }), claim('once')], { replicated: true })).toEqual(OK);
    await until(async () => (await tell(sentinel, 'sentinel', 'replicas', 'samlgate')).includes(`127.0.0.1:${replica.port}`));
    primary.process.kill('SIGSTOP');
    await expectUnavailable(store, newPartition());
    await until(async () => (await tell(sentinel, 'sentinel', 'get-master-addr-by-name', 'samlgate')).includes(String(replica.port)));
    primary.process.kill('SIGCONT');
    await Promise.all([isBack(store), isBack(idle)]);
    for (const [id, opened] of [['idle', idle] as const, ['busy', store] as const]) {
      expect(await opened.commit(partition, [insert(id, { name: id }), claim(id)])).toEqual(OK);
    }
    const direct = await openStore(replica.url);
    for (const id of ['ada', 'idle', 'busy']) expect((await direct.get(partition, PEOPLE, id))?.version).toBe(1);
    for (const key of ['once', 'idle', 'busy']) expect(await idle.commit(partition, [claim(key)])).toEqual(failedAt(0));
    await Promise.all([direct.close(), idle.close()]);
  });
});
