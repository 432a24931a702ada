/** What callers see while Redis, or the connection to it, is broken, and that they recover. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { freePort, type RedisServer, runRedisCli, startRedis } from '../support/redis-server.ts';
import { agreement } from './agreement.ts';
import { agreedNumber } from './kills.ts';
import { expectUnavailable, isBack, TOLD_WITHIN_MS } from './outages.ts';
import { claim, codeOf, drop, failedAt, insert, newPartition, OK, PEOPLE, put, replace } from './people.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

jest.setTimeout(90_000);

/** Redis writes to disk before it acknowledges, so that acknowledged commits survive a kill. */
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always'];

describe('a silent Redis', () => {
  let redis: RedisServer;
  let store: Store;

  beforeAll(async () => {
    redis = await startRedis(DURABLE);
    store = await openStore(redis.url);
  });
  afterAll(async () => {
    await store.close();
    await redis.stop();
  });

  test('makes every method throw store_unavailable in time, and never applies a refused commit later', async () => {
    const partition = newPartition();
    const idle = await openStore(redis.url);
    expect(await store.commit(partition, [insert('ada', { name: 'Ada' }), put('key', 'before')])).toEqual(OK);
    redis.process.kill('SIGSTOP');
    const steps = [replace('ada', 1, { name: 'late' }), put('key', 'late'), insert('late', { name: 'late' })];
    const late = codeOf(() => store.commit(partition, steps));
    // One store has already sent commands to the server, the other has not.
    await Promise.all([expectUnavailable(store, newPartition()), expectUnavailable(idle, newPartition())]);
    expect(await late).toBe('store_unavailable');
    redis.process.kill('SIGCONT');
    await Promise.all([isBack(store), isBack(idle)]);
    // By then the server has answered all earlier commands.
    expect(await store.get(partition, PEOPLE, 'ada')).toEqual({ id: 'ada', version: 1, value: { name: 'Ada' } });
    expect(await idle.get(partition, PEOPLE, 'late')).toBeUndefined();
    expect(await store.peek(partition, 'key')).toBe('before');
    for (const opened of [store, idle]) expect(await opened.commit(newPartition(), agreement(1))).toEqual(OK);
    await idle.close();
  });

  test('makes opening a store throw store_unavailable in time', async () => {
    redis.process.kill('SIGSTOP');
    const startedMs = performance.now();
    expect(await codeOf(() => openStore(redis.url))).toBe('store_unavailable');
    expect(performance.now() - startedMs).toBeLessThan(TOLD_WITHIN_MS);
    redis.process.kill('SIGCONT');
    await isBack(store);
  });
});

describe('a Redis that is killed and restarted', () => {
  test('makes every method throw store_unavailable, leaves no partial commit and loses no acknowledged one', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-redis-'));
    const port = await freePort();
    const partition = newPartition();
    let redis = await startRedis(DURABLE, { port, directory });
    const store = await openStore(redis.url);
    let n = 0;
    for (let kill = 0; kill < 5; kill++) {
      const before = n;
      const gone = once(redis.process, 'exit');
      const killer = sleep(20 + Math.random() * 60).then(() => redis.process.kill('SIGKILL'));
      let code = '';
      while (code === '') {
        code = await store.commit(partition, agreement(n + 1)).then(
          (result) => (result.ok ? '' : `failed at ${result.failed}`),
          (error: unknown) => codeOf(() => Promise.reject(error)),
        );
        if (code === '') n++;
      }
      expect(code).toBe('store_unavailable');
      await Promise.all([killer, gone]);
      expect(n).toBeGreaterThan(before);
      await expectUnavailable(store, newPartition());
      redis = await startRedis(DURABLE, { port, directory });
      await isBack(store);
      const agreed = await agreedNumber(store, partition);
      expect([n, n + 1]).toContain(agreed);
      n = agreed;
    }
    await store.close();
    await redis.stop();
    rmSync(directory, { recursive: true });
  });

  test('makes opening a store throw store_unavailable', async () => {
    const port = await freePort();
    expect(await codeOf(() => openStore(`redis://127.0.0.1:${port}`))).toBe('store_unavailable');
  });
});

describe('a Redis that refuses commands', () => {
  test('throws store_unavailable for a wrong password, and opens with the right one', async () => {
    const redis = await startRedis(['--requirepass', 'right: %/@']);
    const url = (password: string) => `redis://:${encodeURIComponent(password)}@127.0.0.1:${redis.port}`;
    expect(await codeOf(() => openStore(url('wrong')))).toBe('store_unavailable');
    expect(await codeOf(() => openStore(redis.url))).toBe('store_unavailable');
    const store = await openStore(url('right: %/@'));
    expect(await store.commit(newPartition(), [claim('once')])).toEqual(OK);
    await store.close();
    await redis.stop();
  });

  test('throws store_unavailable when out of memory, and leaves no partial commit', async () => {
    const redis = await startRedis();
    const store = await openStore(redis.url);
    const partition = newPartition();
    expect(await store.commit(partition, [insert('ada', { name: 'Ada' }), put('kept', 'precious'), claim('other')])).toEqual(OK);
    const config = (maxmemory: string) => runRedisCli('-p', String(redis.port), 'config', 'set', 'maxmemory', maxmemory);
    await config('1');
    expect(await codeOf(() => store.commit(partition, [put('more', 'more'), drop('kept')]))).toBe('store_unavailable');
    expect(await store.peek(partition, 'kept')).toBe('precious');
    // Redis still allows deletions when out of memory. They must not happen without the rest of the commit.
    const steps = [drop('kept'), replace('ada', 1, { name: 'new', email: 'x' }), put('late', 'late')];
    const code = await codeOf(() => store.commit(partition, steps));
    const state = [
      await store.peek(partition, 'kept'),
      (await store.get(partition, PEOPLE, 'ada'))?.version,
      await store.peek(partition, 'late'),
    ];
    expect([code, state]).toEqual(
      code === 'store_unavailable' ? [code, ['precious', 1, undefined]] : ['answered {"ok":true}', [undefined, 2, 'late']],
    );
    await config('0');
    expect(await store.commit(partition, [put('more', 'more')])).toEqual(OK);
    await store.close();
    await redis.stop();
  });
});

describe('a broken connection to Redis', () => {
  let proxy: TcpProxy;
  let store: Store;
  let partition: string;

  beforeEach(async () => {
    proxy = await startTcpProxy(Number(new URL(process.env.TEST_REDIS_URL ?? '').port));
    store = await openStore(`redis://127.0.0.1:${proxy.port}`);
    partition = newPartition();
    expect(await store.commit(partition, [insert('ada', { name: 'Ada' })])).toEqual(OK);
  });
  afterEach(async () => {
    await store.close();
    await proxy.close();
    jest.restoreAllMocks();
  });

  test('applies a commit once whose answer was lost, and throws store_unavailable', async () => {
    proxy.setMode('loseAnswers');
    const answered = proxy.nextAnswer();
    const code = codeOf(() => store.commit(partition, [replace('ada', 1, { name: 'new' }), claim('once')]));
    await answered;
    proxy.cut();
    proxy.setMode('pass');
    expect(await code).toBe('store_unavailable');
    await isBack(store);
    expect(await store.get(partition, PEOPLE, 'ada')).toEqual({ id: 'ada', version: 2, value: { name: 'new' } });
    expect(await store.commit(partition, [claim('once')])).toEqual(failedAt(0));
  });

  test('never applies a commit that did not arrive', async () => {
    proxy.setMode('holdRequests');
    const code = codeOf(() => store.commit(partition, [replace('ada', 1, { name: 'new' })]));
    await sleep(50);
    proxy.cut();
    proxy.setMode('pass');
    expect(await code).toBe('store_unavailable');
    await isBack(store);
    expect((await store.get(partition, PEOPLE, 'ada'))?.version).toBe(1);
  });

  async function expectLateCommitNeverHappens(): Promise<void> {
    proxy.setMode('holdRequests');
    const steps = [replace('ada', 1, { name: 'late' }), claim('once'), put('key', 'late')];
    expect(await codeOf(() => store.commit(partition, steps))).toBe('store_unavailable');
    await proxy.deliver();
    proxy.setMode('pass');
    await isBack(store);
    expect((await store.get(partition, PEOPLE, 'ada'))?.version).toBe(1);
    expect(await store.peek(partition, 'key')).toBeUndefined();
    expect(await store.commit(partition, [claim('once')])).toEqual(OK);
  }

  test('never applies a commit that arrives after its caller got an error', expectLateCommitNeverHappens);

  test('never applies a late commit even if the gateway’s clock was just set five seconds forward', async () => {
    const now = Date.now;
    jest.spyOn(Date, 'now').mockImplementation(() => now() + 5000);
    await expectLateCommitNeverHappens();
  });

  test.each([3_600_000, -3_600_000, 5000, -5000])('works when the gateway’s clock jumps by %d ms', async (offsetMs) => {
    const now = Date.now;
    jest.spyOn(Date, 'now').mockImplementation(() => now() + offsetMs);
    expect(await store.commit(partition, [replace('ada', 1, { name: 'new' })])).toEqual(OK);
  });

  test('replaces a connection that loses everything', async () => {
    proxy.silence();
    await expectUnavailable(store, partition);
    await isBack(store);
    expect(await store.commit(partition, [replace('ada', 1, { name: 'new' })])).toEqual(OK);
  });
});
