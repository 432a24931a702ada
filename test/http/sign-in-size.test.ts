import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { flushSignInLog } from '../../src/auth/sign-in-log/record-sign-in.ts';
import { personOf } from '../../src/mock-idp/habits.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

const SIGN_INS = 60;

const MAX_OCTETS = 1000;
/** Each sign-in names the group that gave the role. */
const LONG_GROUP = 'g'.repeat(1024);

describe.each(['sqlite', 'redis'] as const)('a sign-in of a member with %s', (store) => {
  let gateway: TestGateway;
  let acme: TestOrganization;

  beforeAll(async () => {
    gateway = await startGateway({ store });
    acme = await makeTestOrganization(gateway);
    const rules = [{ group: LONG_GROUP, role: 'owner' }];
    await gateway.api('PUT', `/organizations/${acme.slug}/role-mapping`, { rules, default_role: 'none' });
    // The mock identity provider sends no such group.
    const mapping = { attribute_mapping: { groups: ['firstName'] } };
    await gateway.api('PATCH', `/organizations/${acme.slug}/identity-provider`, mapping);
    // Until the member has the most sessions, the sign-in log is full, and Redis no longer packs its sorted sets.
    for (let i = 0; i < 140; i++) await signIn();
  }, 120_000);
  afterAll(() => gateway.stop());

  const signIn = async () => {
    const response = acme.respond({ person: { ...personOf('okta', 'olivia'), firstName: LONG_GROUP } });
    expect((await acme.post(new HttpBrowser(), response)).status).toBe(303);
  };

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

  it(`leaves at most ${MAX_OCTETS} octets behind when its session has ended`, async () => {
    const before = await octets();
    for (let i = 0; i < SIGN_INS; i++) await signIn();
    const each = ((await octets()) - before) / SIGN_INS;
    expect(each).toBeLessThan(MAX_OCTETS);
    expect(each).toBeGreaterThan(300);
  }, 60_000);
});
