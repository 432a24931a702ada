import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { auditStep } from '../../src/audit.ts';
import { logAuditEntries } from '../../src/audit-trail/audit-log.ts';
import { listSigningKeys, revokeSigningKey } from '../../src/auth/keys/signing-keys.ts';
import { endAllSessions, type SessionOwner } from '../../src/auth/sessions/sign-out.ts';
import { createCliToken, revokeCliToken } from '../../src/auth/tokens/cli-tokens.ts';
import { deleteOrganization } from '../../src/organizations/deletion.ts';
import { changeMember, removeMember } from '../../src/organizations/member-changes.ts';
import { getMember } from '../../src/organizations/members.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { openStore } from '../../src/store/open-store.ts';
import { GLOBAL } from '../../src/store/store.ts';
import { codeOf } from '../store/people.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER } from '../support/identity-provider.ts';
import { type RedisServer, runRedisCli, startRedis } from '../support/redis-server.ts';

/** Redis with one replica. While the replica is stopped, no change that a failover could undo may be acknowledged. */
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

test('acknowledges changes of sign-in settings only when every replica has them', async () => {
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
        const { status, body: answer } = await gateway.api(method, `/organizations/${organizations[i]?.slug}${path}`, body);
        return [method, path, status < 300 ? 'acknowledged' : answer?.code];
      }),
    );
  replica.process.kill('SIGSTOP');
  const whileStopped = [await all(), await all()];
  replica.process.kill('SIGCONT');
  // At the second attempt the change is stored, but a failover could still undo it.
  const refused = changes.map(([method, path]) => [method, path, 'store_unavailable']);
  expect(whileStopped).toEqual([refused, refused]);
  expect((await all()).map(([, , outcome]) => outcome)).toEqual(changes.map(() => 'acknowledged'));
});

test('reports the end of a credential, or that it is unknown, only when every replica knows', async () => {
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
    revoke: () => revokeCliToken(runtime, operator, { ...nina, credential: undefined }, tokenId),
    'end sessions': () => endAllSessions(runtime, operator, nina),
    'delete organization': () => deleteOrganization(runtime, operator, doomed),
    'revoke key': () => revokeSigningKey(runtime, operator, listed?.key.kid ?? ''),
    suspend: () => changeMember(runtime, operator, { ...nina, changes: { suspended: true } }),
  };
  /** Runs them one after the other, because three of them change the same member. */
  const all = async () => {
    const outcomes: string[] = [];
    for (const end of Object.values(ends)) outcomes.push((await codeOf(end)).replace(/^answered.*/, 'done'));
    return outcomes;
  };
  replica.process.kill('SIGSTOP');
  const whileStopped = [await all(), await all()];
  replica.process.kill('SIGCONT');
  const refused = Object.keys(ends).map(() => 'store_unavailable');
  expect(whileStopped).toEqual([refused, refused]);
  expect(await all()).toEqual(['not_found', 'not_found', 'done', 'done', 'conflict', 'done']);
});

test('confirms a sign-out only when every replica knows', async () => {
  const acme = await makeTestOrganization(gateway);
  const browser = new HttpBrowser();
  await acme.signIn(browser);
  const console = await browser.request(`${gateway.url}/console`);
  const form = console.forms.find(({ action }) => action.endsWith('/logout'));
  const csrf = form?.fields.find(({ name }) => name === 'csrf')?.value ?? '';
  const signOut = async () => {
    const { status, code } = await browser.request(`${gateway.url}/logout`, {
      method: 'POST',
      body: new URLSearchParams({ csrf }),
      from: console,
    });
    return status === 503 ? code : status;
  };
  replica.process.kill('SIGSTOP');
  const whileStopped = [await signOut(), await signOut()];
  replica.process.kill('SIGCONT');
  expect(whileStopped).toEqual(['store_unavailable', 'store_unavailable']);
  expect(await signOut()).toBe(303);
});

test('logs the audit entry of a change that a replica has not acknowledged, because the change has happened', async () => {
  const store = await openStore(primary.url);
  const lines: Record<string, unknown>[] = [];
  const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) });
  logAuditEntries({ ...gateway.runtime, store, log });
  const step = auditStep(Date.now(), { kind: 'operator' }, 'login.refused');
  replica.process.kill('SIGSTOP');
  const outcome = await store.commit(GLOBAL, [step], { replicated: true }).catch(({ code }: { code: string }) => code);
  replica.process.kill('SIGCONT');
  await store.close();
  expect(outcome).toBe('store_unavailable');
  expect(lines).toMatchObject([{ audit: true, event: 'login.refused' }]);
});

const sessionOf = async ({ organizationId, memberId }: SessionOwner): Promise<string> =>
  (await getMember(gateway.runtime.store, organizationId, memberId)).value.sessions[0]?.id ?? '';
