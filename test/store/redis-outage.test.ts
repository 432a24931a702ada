/** What callers see while Redis, or the way to it, is broken; and that it is over when that is over. */
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

jest.setTimeout(30_000);

/** Every write is on disk before it is acknowledged, so that what was acknowledged outlives a kill. */
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always'];

describe('a Redis that stops to answer', () => {
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

  test('every method throws store_unavailable in time, and works again when it is back; what was refused never happens', async () => {
    const partition = newPartition();
    const idle = await openStore(redis.url);
    expect(await store.commit(partition, [insert('ada', { name: 'Ada' }), put('key', 'before')])).toEqual(OK);
    redis.process.kill('SIGSTOP');
    const steps = [replace('ada', 1, { name: 'late' }), put('key', 'late'), insert('late', { name: 'late' })];
    const late = codeOf(() => store.commit(partition, steps));
    // One store has just talked to the server, the other not yet.
    await Promise.all([expectUnavailable(store, newPartition()), expectUnavailable(idle, newPartition())]);
    expect(await late).toBe('store_unavailable');
    redis.process.kill('SIGCONT');
    await Promise.all([isBack(store), isBack(idle)]);
    // By then the server has answered all that was sent to it before.
    expect(await store.get(partition, PEOPLE, 'ada')).toEqual({ id: 'ada', version: 1, value: { name: 'Ada' } });
    expect(await idle.get(partition, PEOPLE, 'late')).toBeUndefined();
    expect(await store.peek(partition, 'key')).toBe('before');
    for (const opened of [store, idle]) expect(await opened.commit(newPartition(), agreement(1))).toEqual(OK);
    await idle.close();
  });

  test('a store is not opened in vain: store_unavailable in time', async () => {
    redis.process.kill('SIGSTOP');
    const startedMs = performance.now();
    expect(await codeOf(() => openStore(redis.url))).toBe('store_unavailable');
    expect(performance.now() - startedMs).toBeLessThan(TOLD_WITHIN_MS);
    redis.process.kill('SIGCONT');
    await isBack(store);
  });
});

describe('a Redis that is killed and started again', () => {
  test('every method throws store_unavailable while it is away, nothing is half-written, nothing acknowledged is lost', async () => {
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

  test('a store is not opened where nobody listens', async () => {
    const port = await freePort();
    expect(await codeOf(() => openStore(`redis://127.0.0.1:${port}`))).toBe('store_unavailable');
  });
});

describe('a Redis that refuses', () => {
  test('a wrong password: store_unavailable, and a right one lets in', async () => {
    const redis = await startRedis(['--requirepass', 'right: %/@']);
    const url = (password: string) => `redis://:${encodeURIComponent(password)}@127.0.0.1:${redis.port}`;
    expect(await codeOf(() => openStore(url('wrong')))).toBe('store_unavailable');
    expect(await codeOf(() => openStore(redis.url))).toBe('store_unavailable');
    const store = await openStore(url('right: %/@'));
    expect(await store.commit(newPartition(), [claim('once')])).toEqual(OK);
    await store.close();
    await redis.stop();
  });

  test('no memory left: store_unavailable, and nothing is half-written', async () => {
    const redis = await startRedis();
    const store = await openStore(redis.url);
    const partition = newPartition();
    expect(await store.commit(partition, [insert('ada', { name: 'Ada' }), put('kept', 'precious'), claim('other')])).toEqual(OK);
    const config = (maxmemory: string) => runRedisCli('-p', String(redis.port), 'config', 'set', 'maxmemory', maxmemory);
    await config('1');
    expect(await codeOf(() => store.commit(partition, [put('more', 'more'), drop('kept')]))).toBe('store_unavailable');
    expect(await store.peek(partition, 'kept')).toBe('precious');
    // What deletes is allowed when memory is out: it must not happen alone.
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

describe('a broken way to Redis', () => {
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

  test('a commit whose answer was lost has happened once, and its caller is not told that it failed', async () => {
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

  test('a commit that never arrived never happens', async () => {
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

  test('a commit that arrives after its caller was told never happens', expectLateCommitNeverHappens);

  test('nor where the gateway’s clock has just been set five seconds forward', async () => {
    const now = Date.now;
    jest.spyOn(Date, 'now').mockImplementation(() => now() + 5000);
    await expectLateCommitNeverHappens();
  });

  test.each([3_600_000, -3_600_000, 5000, -5000])('the gateway’s clock may jump by %d ms', async (offsetMs) => {
    const now = Date.now;
    jest.spyOn(Date, 'now').mockImplementation(() => now() + offsetMs);
    expect(await store.commit(partition, [replace('ada', 1, { name: 'new' })])).toEqual(OK);
  });

  test('a way that swallows everything without a word is left for a new one', async () => {
    proxy.silence();
    await expectUnavailable(store, partition);
    await isBack(store);
    expect(await store.commit(partition, [replace('ada', 1, { name: 'new' })])).toEqual(OK);
  });
});
