import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { flushSignInLog } from '../../src/auth/sign-in-log/record-sign-in.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

const SIGN_INS = 120;

/** Redis stores each entry as a hash and in three sorted sets, which need more than half of this. */
const LIMITS = [
  ['sqlite', 1024],
  ['redis', 1536],
] as const;

describe.each(LIMITS)('a sign-in of a member with %s', (store, maxOctets) => {
  let gateway: TestGateway;
  let acme: TestOrganization;

  beforeAll(async () => {
    gateway = await startGateway({ store });
    acme = await makeTestOrganization(gateway);
    // Until the member has the most sessions, and the sign-in log is full.
    for (let i = 0; i < 90; i++) await acme.post(new HttpBrowser(), acme.respond({ user: 'olivia' }));
  });
  afterAll(() => gateway.stop());

  /** Returns the octets of everything that does not expire within days: sessions, claims and the sign-in log do. */
  const octets = async (): Promise<number> => {
    await flushSignInLog(gateway.runtime);
    const url = gateway.runtime.config.store;
    if (url.startsWith('sqlite:')) {
      const database = new DatabaseSync(url.slice('sqlite:'.length), { readOnly: true });
      const rows = ['records', 'indexes', 'uniques'].map((table) => {
        const columns = database.prepare(`SELECT name FROM pragma_table_info('${table}')`).all() as { name: string }[];
        const length = columns.map(({ name }) => `length(CAST(${name} AS BLOB)) + 1`).join(' + ');
        // The tables without rowid have the columns of their key again in the index by ID.
        const again = table === 'records' ? '' : ' + length(partition) + length(collection) + length(name) + length(text) + length(id)';
        return (database.prepare(`SELECT coalesce(sum(${length}${again}), 0) AS n FROM ${table}`).get() as { n: number }).n;
      });
      database.close();
      return rows.reduce((a, b) => a + b);
    }
    const redis = new Redis(url);
    let sum = 0;
    for (const key of await redis.keys(`samlgate:{${acme.id}}:*`)) {
      if ((await redis.ttl(key)) === -1) sum += (await redis.memory('USAGE', key, 'SAMPLES', 0)) ?? 0;
    }
    redis.disconnect();
    return sum;
  };

  it(`leaves at most ${maxOctets} octets behind when its session has ended`, async () => {
    const before = await octets();
    for (let i = 0; i < SIGN_INS; i++) expect((await acme.post(new HttpBrowser(), acme.respond({ user: 'olivia' }))).status).toBe(303);
    const each = ((await octets()) - before) / SIGN_INS;
    expect(each).toBeLessThan(maxOctets);
    expect(each).toBeGreaterThan(300);
  });
});
