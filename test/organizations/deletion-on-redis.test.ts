/** Deletions of organizations on Redis, with two gateways, with a replica that stops, and with partitions of an earlier layout. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deleteOrganization, resumeDeletions } from '../../src/organizations/deletion.ts';
import type { Runtime } from '../../src/runtime.ts';
import { GLOBAL } from '../../src/store/store.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { freePort, type RedisServer, runRedisCli, startRedis } from '../support/redis-server.ts';
import { makeRuntime, OPERATOR, seedMember, seedOrganization } from '../support/seed.ts';
import { signedIn } from '../support/signed-in.ts';

const DELETIONS = { name: 'deletion', indexes: { all: () => [''] }, unique: {} };
const SECRET = randomBytes(32).toString('base64');

describe('credentials of a deleted organization', () => {
  let one: TestGateway;
  let two: TestGateway;
  /** The gateways have the same base URL, as behind a load balancer. */
  let urls: readonly string[];

  beforeAll(async () => {
    const token = randomBytes(32).toString('hex');
    const environment = { SAMLGATE_SECRET: SECRET, SAMLGATE_OPERATOR_TOKEN: token };
    one = await startGateway({ store: 'redis', environment });
    const listen = `127.0.0.1:${await freePort()}`;
    two = await startGateway({
      store: 'redis',
      environment: { ...environment, SAMLGATE_BASE_URL: one.url, SAMLGATE_LISTEN: listen },
    });
    urls = [one.url, `http://${listen}`];
  });
  afterAll(async () => {
    await two.stop();
    await one.stop();
  });

  it('are rejected by every gateway from the moment the deletion has returned', async () => {
    const organization = await one.makeOrganization();
    const carl = await signedIn(one, organization, 'carl');
    const { token } = await carl.makeToken();
    const sessionToken = (await carl.api<{ token: string }>('POST', '/me/session-token', {})).body.token;
    const credentials = [{ authorization: `Bearer ${token}` }, { authorization: `Bearer ${sessionToken}` }, { cookie: carl.cookie }];
    const statuses = async () => {
      const answers = urls.flatMap((url) => credentials.map((headers) => fetch(`${url}/auth/verify`, { headers })));
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    expect(new Set(await statuses())).toEqual(new Set([200]));
    // The members' records stay, as they do for minutes in a large organization.
    for (const { runtime } of [one, two]) runtime.store.purge = () => Promise.reject(new Error('the purge has not begun'));
    let isDeleted = false;
    const deletions = [one, two].map(async (gateway, i) => {
      const response = await fetch(`${urls[i]}/api/v1/organizations/${organization.slug}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${gateway.operatorToken}` },
      });
      isDeleted = true;
      return [response.status, await statuses()] as const;
    });
    // Every gateway reads the organization's rules as late as it may.
    while (!isDeleted) await statuses();
    for (const [status, after] of await Promise.all(deletions)) {
      expect([204, 404]).toContain(status);
      expect(new Set(after)).toEqual(new Set([401]));
    }
    expect(new Set(await statuses())).toEqual(new Set([401]));
  });
});

describe('data of a deleted organization', () => {
  let primary: RedisServer;
  let replica: RedisServer;
  let runtime: Runtime;

  beforeAll(async () => {
    primary = await startRedis(['--repl-diskless-sync-delay', '0']);
    replica = await startRedis(['--replicaof', `127.0.0.1 ${primary.port}`]);
    while (!(await redis('info', 'replication')).includes('state=online')) await sleep(20);
    runtime = await makeRuntime({ SAMLGATE_STORE: primary.url, SAMLGATE_SECRET: SECRET, SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32) });
  });
  afterAll(async () => {
    await runtime.store.close();
    await Promise.all([primary.stop(), replica.stop()]);
  });

  const redis = (...command: string[]) => runRedisCli('-p', String(primary.port), ...command);
  const pending = async () => (await runtime.store.find(GLOBAL, DELETIONS, 'all', { limit: 10 })).items.map(({ id }) => id);
  /** Lets the times pass that the store measures. */
  const letTimesPass = (id: string) =>
    runtime.store.commit(GLOBAL, [
      { do: 'drop', key: `deletion-writers:${id}` },
      { do: 'drop', key: `deletion:${id}` },
    ]);

  it('includes the uses of CLI tokens in a partition of an earlier layout', async () => {
    const { store } = runtime;
    const { id } = await seedOrganization(runtime, 'earlier');
    const tokens = Array.from({ length: 3 }, (_, n) => ({ id: `tok_${n}`, name: 'test', kid: 'kid', createdAtMs: 1 }));
    await seedMember(runtime, id, { cliTokens: tokens });
    const keys = tokens.map((token) => `cli-token-use:${token.id}`);
    for (const key of keys) await store.commit(id, [{ do: 'put', key, value: '{"address":"192.0.2.1"}', ttlSeconds: 86_400 }]);
    // Earlier layouts had no lists of the keys of a partition.
    await redis('del', `samlgate:{${id}}:x`, `samlgate:{${id}}:n`);
    await deleteOrganization(runtime, OPERATOR, id);
    await resumeDeletions(runtime);
    expect(await Promise.all(keys.map((key) => store.peek(id, key)))).toEqual(keys.map(() => undefined));
    await letTimesPass(id);
    await resumeDeletions(runtime);
    expect(await pending()).toEqual([]);
  });

  it('is deleted again unless every replica has acknowledged that it is gone', async () => {
    const { store } = runtime;
    const { id } = await seedOrganization(runtime, 'failover');
    await deleteOrganization(runtime, OPERATOR, id);
    await resumeDeletions(runtime);
    await letTimesPass(id);
    const purge = store.purge.bind(store);
    store.purge = async (...values) => {
      await purge(...values);
      replica.process.kill('SIGSTOP');
    };
    await resumeDeletions(runtime);
    replica.process.kill('SIGCONT');
    expect(await pending()).toEqual([id]);
    store.purge = purge;
    await letTimesPass(id);
    await resumeDeletions(runtime);
    expect(await pending()).toEqual([]);
  });
});
