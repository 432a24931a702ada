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
  const made = await makeRuntime(
    { SAMLGATE_STORE: 'sqlite::memory:', SAMLGATE_SECRET: secret, SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32) },
    () => 1_800_000_000_000 + offsetMs,
  );
  runtime = replicaOf(made);
});
afterEach(() => runtime.store.close());

/** Another gateway on the same store. */
function replicaOf(other: Runtime): Runtime {
  const store: Store = Object.assign(Object.create(other.store) as Store, {
    get: other.store.get.bind(other.store),
    peek: other.store.peek.bind(other.store),
    close: other.store.close.bind(other.store),
    commit: async (...asked: Parameters<Store['commit']>) => {
      commits++;
      if (isDown) throw storeUnavailable('down');
      return other.store.commit(...asked);
    },
  });
  return { ...other, store };
}

const note = (by: Runtime, userAgent: string) => recordTokenUse(by, 'org_1', 'tok_1', () => ({ address: '192.0.2.1', userAgent }));
const last = () => lastUseOf(runtime, 'org_1', 'tok_1');

describe('the last use of a CLI token', () => {
  test('is written once a minute, however often it is used', async () => {
    for (let n = 0; n < 100; n++) note(runtime, `client/${n}`);
    expect(commits).toBe(1);
    expect(await last()).toEqual({ atMs: 1_800_000_000_000, address: '192.0.2.1', userAgent: 'client/0' });
    offsetMs = 60_000;
    note(runtime, 'client/late');
    expect(commits).toBe(2);
    expect(await last()).toMatchObject({ atMs: 1_800_000_060_000, userAgent: 'client/late' });
  });

  test('once for all replicas', async () => {
    note(runtime, 'first');
    note(replicaOf(runtime), 'second');
    expect(await last()).toMatchObject({ userAgent: 'first' });
  });

  test('of each token by itself', async () => {
    note(runtime, 'client');
    recordTokenUse(runtime, 'org_1', 'tok_2', () => ({ address: undefined, userAgent: undefined }));
    expect(commits).toBe(2);
  });

  test('is counted where it could not be written, and throws at nobody', async () => {
    isDown = true;
    note(runtime, 'client');
    await new Promise((resolve) => setImmediate(resolve));
    expect((await runtime.metrics.tokenUseFailures.get()).values).toMatchObject([{ value: 1 }]);
    expect(await last()).toBeUndefined();
  });

  test('is asked for no more than is kept', async () => {
    note(runtime, 'x'.repeat(5000));
    expect((await last())?.userAgent).toHaveLength(256);
  });
});
