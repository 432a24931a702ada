import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { lastUseOf, recordTokenUse } from '../../src/auth/tokens/token-use.ts';
import type { Runtime } from '../../src/runtime.ts';
import type { Store } from '../../src/store/store.ts';
import { storeUnavailable } from '../../src/store/store.ts';
import { makeRuntime } from '../support/seed.ts';

let runtime: Runtime;
let offsetMs = 0;
let commits = 0;
let isDown = false;

beforeEach(async () => {
  [offsetMs, commits, isDown] = [0, 0, false];
  const secret = Buffer.alloc(32, 7).toString('base64');
  const base = await makeRuntime(
    { SAMLGATE_STORE: 'sqlite::memory:', SAMLGATE_SECRET: secret, SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32) },
    () => 1_800_000_000_000 + offsetMs,
  );
  runtime = replicaOf(base);
});
afterEach(() => runtime.store.close());

/** Creates another gateway on the same store. */
function replicaOf(other: Runtime): Runtime {
  const store: Store = Object.assign(Object.create(other.store) as Store, {
    get: other.store.get.bind(other.store),
    peek: other.store.peek.bind(other.store),
    close: other.store.close.bind(other.store),
    commit: async (...args: Parameters<Store['commit']>) => {
      commits++;
      if (isDown) throw storeUnavailable('down');
      return other.store.commit(...args);
    },
  });
  return { ...other, store };
}

const record = (by: Runtime, userAgent: string) => recordTokenUse(by, 'org_1', 'tok_1', () => ({ address: '192.0.2.1', userAgent }));
const last = () => lastUseOf(runtime, 'org_1', 'tok_1');

describe('last use of a CLI token', () => {
  test('is written at most once a minute', async () => {
    for (let n = 0; n < 100; n++) record(runtime, `client/${n}`);
    expect(commits).toBe(1);
    expect(await last()).toEqual({ atMs: 1_800_000_000_000, address: '192.0.2.1', userAgent: 'client/0' });
    offsetMs = 60_000;
    record(runtime, 'client/late');
    expect(commits).toBe(2);
    expect(await last()).toMatchObject({ atMs: 1_800_000_060_000, userAgent: 'client/late' });
  });

  test('is written once for all replicas', async () => {
    record(runtime, 'first');
    record(replicaOf(runtime), 'second');
    expect(await last()).toMatchObject({ userAgent: 'first' });
  });

  test('is written for each token separately', async () => {
    record(runtime, 'client');
    recordTokenUse(runtime, 'org_1', 'tok_2', () => ({ address: undefined, userAgent: undefined }));
    expect(commits).toBe(2);
  });

  test('counts failed writes and does not throw', async () => {
    isDown = true;
    record(runtime, 'client');
    await new Promise((resolve) => setImmediate(resolve));
    expect((await runtime.metrics.tokenUseFailures.get()).values).toMatchObject([{ value: 1 }]);
    expect(await last()).toBeUndefined();
  });

  test('truncates the user agent to 256 characters', async () => {
    record(runtime, 'x'.repeat(5000));
    expect((await last())?.userAgent).toHaveLength(256);
  });
});
