import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { listSigningKeys, revokeSigningKey } from '../../src/auth/keys/signing-keys.ts';
import { endAllSessions, type SessionOwner } from '../../src/auth/sessions/sign-out.ts';
import { createCliToken, revokeCliToken } from '../../src/auth/tokens/cli-tokens.ts';
import { changeMember, getMember, removeMember } from '../../src/organizations/members.ts';
import { deleteOrganization } from '../../src/organizations/organization-lifecycle.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { codeOf } from '../store/people.ts';
import { HttpBrowser } from '../support/browser.ts';
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
  const { certificatePem } = await createSelfSignedCertificate({ commonName: 'test only', days: 1, nowMs: Date.now(), rsaBits: 2048 });
  const manual = { entity_id: OKTA_ISSUER, sso_url: 'https://idp.example/sso', certificates: [certificatePem] };
  const changes = [
    ['PUT', '/identity-provider', manual],
    ['PATCH', '/identity-provider', { idp_initiated: 'reject' }],
    ['DELETE', '/identity-provider', undefined],
    ['PUT', '/role-mapping', { rules: [], default_role: 'none', allow_no_owner: true }],
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
  const without = [await all(), await all()];
  replica.process.kill('SIGCONT');
  // The second time it is done already, but it is not to be relied on yet.
  const refused = changes.map(([method, path]) => [method, path, 'store_unavailable']);
  expect(without).toEqual([refused, refused]);
  expect((await all()).map(([, , told]) => told)).toEqual(changes.map(() => 'acknowledged'));
});

test('what ends a credential is not said to have ended, nor to be unknown, before every replica of the store knows', async () => {
  const { id: organizationId, slug, post, respond } = await makeTestOrganization(gateway);
  for (const user of ['olivia', 'carl', 'nina']) expect((await post(new HttpBrowser(), respond({ user }))).status).toBe(303);
  const { body } = await gateway.api<{ items: { id: string; email: string }[] }>('GET', `/organizations/${slug}/members`);
  const idOf = (user: string) => body.items.find(({ email }) => email.startsWith(user))?.id ?? '';
  const { runtime } = gateway;
  const [carl, nina] = ['carl', 'nina'].map((user) => ({ organizationId, memberId: idOf(user) })) as [SessionOwner, SessionOwner];
  const operator = { kind: 'operator' } as const;
  const [listed] = await listSigningKeys(runtime);
  const { id: doomed } = await makeTestOrganization(gateway);
  const { id: tokenId } = (
    await createCliToken(
      runtime,
      operator,
      { ...nina, credential: { kind: 'session', id: await sessionOf(nina), expiresAtMs: undefined } },
      {},
    )
  ).record;
  const ends: Readonly<Record<string, () => Promise<unknown>>> = {
    remove: () => removeMember(runtime, operator, carl),
    revoke: () => revokeCliToken(runtime, operator, nina, tokenId),
    'end sessions': () => endAllSessions(runtime, operator, nina),
    'delete organization': () => deleteOrganization(runtime, operator, doomed),
    'revoke key': () => revokeSigningKey(runtime, operator, listed?.key.kid ?? ''),
    suspend: () => changeMember(runtime, operator, { ...nina, changes: { suspended: true } }),
  };
  /** In turn, as three of them change the same member. */
  const all = async () => {
    const told: string[] = [];
    for (const end of Object.values(ends)) told.push((await codeOf(end)).replace(/^answered.*/, 'done'));
    return told;
  };
  replica.process.kill('SIGSTOP');
  const without = [await all(), await all()];
  replica.process.kill('SIGCONT');
  const refused = Object.keys(ends).map(() => 'store_unavailable');
  expect(without).toEqual([refused, refused]);
  expect(await all()).toEqual(['not_found', 'not_found', 'done', 'done', 'conflict', 'done']);
});

test('a browser is not told that it is signed out before every replica of the store knows', async () => {
  const acme = await makeTestOrganization(gateway);
  const browser = new HttpBrowser();
  await acme.signIn(browser);
  const console = await browser.request(`${gateway.url}/console`);
  const form = console.forms.find(({ action }) => action.endsWith('/logout'));
  const csrf = form?.fields.find(({ name }) => name === 'csrf')?.value ?? '';
  const leave = async () => {
    const { status, code } = await browser.request(`${gateway.url}/logout`, {
      method: 'POST',
      body: new URLSearchParams({ csrf }),
      from: console,
    });
    return status === 503 ? code : status;
  };
  replica.process.kill('SIGSTOP');
  const without = [await leave(), await leave()];
  replica.process.kill('SIGCONT');
  expect(without).toEqual(['store_unavailable', 'store_unavailable']);
  expect(await leave()).toBe(303);
});

const sessionOf = async ({ organizationId, memberId }: SessionOwner): Promise<string> =>
  (await getMember(gateway.runtime.store, organizationId, memberId)).value.sessions[0]?.id ?? '';
