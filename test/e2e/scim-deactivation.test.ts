/** Deactivation by SCIM at one of two gateway processes on one Redis. `SAMLGATE_ROUNDS=1000` runs more rounds than CI. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { personOf } from '../../src/mock-idp/habits.ts';
import type { DirectoryUser, ProvisioningClient } from '../../src/mock-idp/provisioning/directory.ts';
import { EntraClient } from '../../src/mock-idp/provisioning/entra-client.ts';
import { OktaClient } from '../../src/mock-idp/provisioning/okta-client.ts';
import { HttpBrowser } from '../support/browser.ts';
import { holdCredentials } from '../support/held-credentials.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { makeScimClient } from '../support/scim-client.ts';
import { type GatewayProcess, startGatewayProcess } from './support/gateway-process.ts';

const ROUNDS = Number(process.env.SAMLGATE_ROUNDS ?? 10);

let redis: RedisServer;
let a: GatewayProcess;
let b: GatewayProcess;
let acme: TestOrganization;
let clients: readonly ProvisioningClient[];

beforeAll(async () => {
  redis = await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
  a = await startGatewayProcess({ SAMLGATE_STORE: redis.url, SAMLGATE_RATE_LIMITS: 'off', SAMLGATE_LOG_LEVEL: 'error' });
  // Another replica with the same public URL and its own address.
  b = await startGatewayProcess({ ...a.environment, SAMLGATE_LISTEN: `127.0.0.2:${new URL(a.url).port}` });
  acme = await makeTestOrganization(a);
  const { token } = await makeScimClient(a, acme);
  const target = { baseUrl: `${a.url}/scim/v2/${acme.slug}`, token };
  clients = [
    new OktaClient(target, { app: 'catalogue' }),
    new OktaClient(target, { app: 'custom' }),
    new EntraClient(target),
    new EntraClient(target, { flag: true }),
  ];
}, 60_000);
afterAll(async () => {
  for (const gateway of [a, b]) await gateway?.stop();
  await redis?.stop();
});

const signIn = (browser: HttpBrowser, user: DirectoryUser) => acme.post(browser, acme.respond({ person: user }));

describe(`a user whom SCIM deactivates at one gateway, ${ROUNDS} rounds`, () => {
  it(
    'is refused with every credential at the next request to the other gateway',
    async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const client = clients[round % clients.length] as ProvisioningClient;
        const username = `user${round}@acme.example`;
        const user = { ...personOf('okta', 'carl'), objectId: `object-${round}`, username, email: username };
        await client.assign(user);
        const browser = new HttpBrowser();
        expect((await signIn(browser, user)).status).toBe(303);
        const credentials = await holdCredentials(a.url, browser, a.operatorToken);
        const statuses = async () =>
          Object.fromEntries(await Promise.all(Object.entries(credentials).map(async ([name, check]) => [name, await check(b.url)])));
        const accepted = Object.fromEntries(Object.keys(credentials).map((name) => [name, 200]));
        expect([round, await statuses()]).toEqual([round, accepted]);
        // Entra ID deletes every other user for good.
        const isDeleted = client instanceof EntraClient && round % 8 > 3;
        if (isDeleted) await client.remove(user);
        else await client.unassign(user);
        const after = await statuses();
        expect([round, Object.entries(after).filter(([, status]) => status === 200)]).toEqual([round, []]);
        if (!isDeleted) expect((await signIn(new HttpBrowser(), user)).code).toBe('member_suspended');
      }
    },
    60_000 + ROUNDS * 5_000,
  );
});
