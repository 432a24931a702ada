import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { makeSelfSignedCertificate } from '../../src/saml/self-signed-certificate.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER } from '../support/identity-provider.ts';
import { type RedisServer, runRedisCli, startRedis } from '../support/redis-server.ts';

/** Redis with one replica; where that does not follow, what must not be lost by a failover is not acknowledged. */
let primary: RedisServer;
let replica: RedisServer;
let gateway: TestGateway;

beforeAll(async () => {
  primary = await startRedis(['--repl-diskless-sync-delay', '0']);
  replica = await startRedis(['--replicaof', `127.0.0.1 ${primary.port}`]);
  while (!(await runRedisCli('-p', String(primary.port), 'info', 'replication')).includes('state=online')) await sleep(20);
  gateway = await startGateway({ environment: { SAMLGATE_STORE: primary.url } });
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all([primary.stop(), replica.stop()]);
});

test('a change of who may come in is acknowledged only when every replica of the store has it', async () => {
  const { certificatePem } = await makeSelfSignedCertificate({ commonName: 'test only', days: 1, nowMs: Date.now(), rsaBits: 2048 });
  const manual = { entity_id: OKTA_ISSUER, sso_url: 'https://idp.example/sso', certificates: [certificatePem] };
  const changes = [
    ['PUT', '/identity-provider', manual],
    ['PATCH', '/identity-provider', { idp_initiated: 'reject' }],
    ['DELETE', '/identity-provider', undefined],
    ['PUT', '/role-mapping', { rules: [], default_role: 'none' }],
    ['PATCH', '', { cli_token_max_days: 1 }],
  ] as const;
  const organizations = await Promise.all(changes.map(() => makeTestOrganization(gateway)));
  const all = () =>
    Promise.all(
      changes.map(async ([method, path, body], i) => {
        const { status, body: told } = await gateway.api(method, `/organizations/${organizations[i]?.slug}${path}`, body);
        return [method, path, status < 300 ? 'acknowledged' : told?.code];
      }),
    );
  replica.process.kill('SIGSTOP');
  const without = await all();
  replica.process.kill('SIGCONT');
  expect(without).toEqual(changes.map(([method, path]) => [method, path, 'store_unavailable']));
  // It is there all the same; who asks again is told so.
  expect((await all()).map(([, , told]) => told)).toEqual(changes.map(() => 'acknowledged'));
});
