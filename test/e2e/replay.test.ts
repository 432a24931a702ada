import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { type GatewayProcess, startGatewayProcess } from './support/gateway-process.ts';

const COPIES = 20;
const ROUNDS = 200;

/** Posts copies of one response at the same time, to the ACS URLs in turn, and counts the outcomes. */
async function race(organization: TestOrganization, acsUrls: readonly string[]): Promise<Record<string, number>> {
  const body = new URLSearchParams({ SAMLResponse: Buffer.from(organization.respond()).toString('base64') });
  const outcomes = await Promise.all(
    Array.from({ length: COPIES }, async (_, i) => {
      const page = await new HttpBrowser().request(acsUrls[i % acsUrls.length] as string, { method: 'POST', body });
      return page.code ?? String(page.status);
    }),
  );
  const counted: Record<string, number> = {};
  for (const outcome of outcomes) counted[outcome] = (counted[outcome] ?? 0) + 1;
  return counted;
}

describe(`${COPIES} copies of one response at the same time, ${ROUNDS} rounds`, () => {
  let redis: RedisServer;
  let gateways: readonly GatewayProcess[] = [];

  beforeAll(async () => {
    redis = await startRedis(['--appendonly', 'yes']);
  });

  afterAll(async () => {
    for (const gateway of gateways) await gateway.stop();
    await redis.stop();
  });

  const rounds = async (organization: TestOrganization, acsUrls: readonly string[]) => {
    for (let round = 0; round < ROUNDS; round++) {
      expect([round, await race(organization, acsUrls)]).toEqual([round, { '303': 1, saml_replayed: COPIES - 1 }]);
    }
  };

  it('accepts one through two gateways on one Redis, and rejects the others as replays', async () => {
    const limits = { SAMLGATE_RATE_LIMITS: 'off', SAMLGATE_LOG_LEVEL: 'error' };
    const first = await startGatewayProcess({ SAMLGATE_STORE: redis.url, ...limits });
    // The second is another replica of the gateway, with the same public URL and its own address.
    const second = await startGatewayProcess({ ...first.environment, SAMLGATE_LISTEN: `127.0.0.2:${new URL(first.url).port}` });
    gateways = [first, second];
    const organization = await makeTestOrganization(first);
    await rounds(organization, [organization.acsUrl, organization.acsUrl.replace('localhost', '127.0.0.2')]);
  }, 300_000);

  it('accepts one within one process on SQLite', async () => {
    const gateway = await startGatewayProcess({ SAMLGATE_RATE_LIMITS: 'off', SAMLGATE_LOG_LEVEL: 'error' });
    gateways = [...gateways, gateway];
    const organization = await makeTestOrganization(gateway);
    await rounds(organization, [organization.acsUrl]);
  }, 300_000);
});
