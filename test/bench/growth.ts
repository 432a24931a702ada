/**
 * `npm run bench:growth`: how the cost of a request grows with the store. Compares a gateway with one organization and 10 members with
 * one that has many organizations, members and audit entries, on SQLite and on Redis, in one interleaved run:
 *
 * - the CPU time of a sign-in and of a token check, of the gateway and its Redis. The ratio is the median of the rounds.
 * - the CPU time of lists and pages in the large store
 * - how long `/healthz` waits during each of the long jobs in `growth-jobs.ts`, and the longest stretch of CPU time in which the event
 *   loop was not free, which does not depend on other load of the machine
 *
 * At full size, it takes about 15 minutes for each store on an idle machine.
 *
 * ORGANIZATIONS, MEMBERS, AUDIT, STORES, ROUNDS, LOGINS and CHECKS change the amount of work, RATIO and WAIT_MS limits. ROUNDS=0 measures
 * only the jobs, and JOBS only those whose names contain one of its parts (`JOBS=download,SCIM`). The gateways run with the
 * `NODE_OPTIONS` of the image, or with GATEWAY_NODE_OPTIONS. Exits with 1 if a limit is exceeded.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createCliToken } from '../../src/auth/tokens/cli-tokens.ts';
import { IMAGE_NODE_OPTIONS, startGatewayProcess } from '../e2e/support/gateway-process.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { startRedis } from '../support/redis-server.ts';
import { makeRuntime, OPERATOR, seedMember } from '../support/seed.ts';
import { AUDIT_COUNT, fill, MEMBER_COUNT, ORGANIZATION_COUNT } from './growth-fill.ts';
import { deleteTurns, type MetadataServer, measureJobs, startMetadataServer, turnsFile } from './growth-jobs.ts';
import { agent, call, cookieOf, cpuMs, hasFailures, numberOf, operatorCookie, report, type Target } from './growth-target.ts';

const ROUNDS = numberOf('ROUNDS', 7);
const LOGINS = numberOf('LOGINS', 150);
const CHECKS = numberOf('CHECKS', 5000);
const MAX_RATIO = numberOf('RATIO', 1.15);
const STORES = (process.env.STORES ?? 'sqlite,redis').split(',');
const MAX_LIST_CPU_MS = 50;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

async function makeTarget(kind: string, metadata: MetadataServer | undefined): Promise<Target> {
  const redis = kind === 'redis' ? await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']) : undefined;
  const store = redis ? { SAMLGATE_STORE: redis.url } : {};
  const name = `${kind}-${metadata ? 'large' : 'small'}`;
  writeFileSync(turnsFile(name), '');
  const options = process.env.GATEWAY_NODE_OPTIONS ?? IMAGE_NODE_OPTIONS;
  const monitor = {
    NODE_OPTIONS: `${options} --import ${path.join(import.meta.dirname, 'long-turns.ts')}`,
    LONG_TURNS_FILE: turnsFile(name),
  };
  // This process does not notice a closed connection while it fills the store.
  const settings = { SAMLGATE_RATE_LIMITS: 'off', SAMLGATE_LOG_LEVEL: 'warn', SAMLGATE_KEEP_ALIVE_SECONDS: '3600' };
  const gateway = await startGatewayProcess({ ...store, ...monitor, ...settings });
  const organization = await makeTestOrganization(gateway);
  await cookieOf(organization); // olivia becomes a member
  const runtime = await makeRuntime(gateway.environment);
  const member = await seedMember(runtime, organization.id);
  const credential = { kind: 'session', id: member.sessions[0]?.id ?? '', expiresAtMs: undefined } as const;
  const owner = { organizationId: organization.id, memberId: member.id, credential };
  const { token } = await createCliToken(runtime, OPERATOR, owner, { name: 'bench' });
  if (metadata) {
    metadata.document = organization.metadata;
    await fill(runtime, organization.id, { member, metadataUrl: metadata.url });
  }
  await runtime.store.close();
  return { name, gateway, redis, organization, cliToken: token };
}

/** Runs requests one after the other. Returns the CPU time of each in ms. */
async function cpuOf(target: Target, count: number, send: (n: number) => Promise<{ status: number }>, expected: number): Promise<number> {
  const before = cpuMs(target);
  for (let n = 0; n < count; n++) {
    const { status } = await send(n);
    if (status !== expected) throw new Error(`expected ${expected}, received ${status}`);
  }
  return (cpuMs(target) - before) / count;
}

function signIns(target: Target): Promise<number> {
  const { organization } = target;
  const bodies = Array.from({ length: LOGINS }, () => {
    const xml = organization.respond({ user: 'olivia' });
    return `SAMLResponse=${encodeURIComponent(Buffer.from(xml).toString('base64'))}`;
  });
  return cpuOf(target, LOGINS, (n) => call(organization.acsUrl, {}, bodies[n] ?? ''), 303);
}

function checks(target: Target): Promise<number> {
  return cpuOf(target, CHECKS, () => call(`${target.gateway.url}/auth/verify`, { authorization: `Bearer ${target.cliToken}` }), 200);
}

/** Compares the small with the large store, in turn, so that other load on the machine affects both. */
async function compare(name: string, targets: readonly [Target, Target], measure: (target: Target) => Promise<number>): Promise<void> {
  for (const target of targets) await measure(target); // warm-up
  const ratios: number[] = [];
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const small = await measure(targets[0]);
    const large = await measure(targets[1]);
    ratios.push(large / small);
    costs.push(large);
  }
  report(`${name}: CPU in the large store`, median(costs), 'ms', Number.POSITIVE_INFINITY);
  report(`${name}: ratio to the small store`, median(ratios), '', MAX_RATIO);
}

async function measureLists(target: Target): Promise<void> {
  const api = `${target.gateway.url}/api/v1`;
  const organization = `${api}/organizations/${target.organization.slug}`;
  const operator = { authorization: `Bearer ${target.gateway.operatorToken}` };
  const owner = { cookie: await cookieOf(target.organization), accept: 'text/html' };
  const operatorPages = { cookie: await operatorCookie(target), accept: 'text/html' };
  const lists: [string, string, Record<string, string>][] = [
    ['API: members', `${organization}/members?limit=50`, operator],
    ['API: search for a member that is missing', `${organization}/members?query=nobody+has+this+name`, operator],
    ['API: audit trail', `${organization}/audit?limit=50`, operator],
    ['API: organizations', `${api}/organizations?limit=50`, operator],
    ['API: signing keys', `${api}/keys`, operator],
    ['console: members', `${target.gateway.url}/console/members`, owner],
    ['console: search for a member that is missing', `${target.gateway.url}/console/members?query=nobody+has+this+name`, owner],
    ['console: audit trail', `${target.gateway.url}/console/audit`, owner],
    ['console: sign-ins in the audit trail', `${target.gateway.url}/console/audit?event=login.accepted`, owner],
    ['console: organizations', `${target.gateway.url}/console/operator`, operatorPages],
    ['console: health', `${target.gateway.url}/console/operator/health`, operatorPages],
    ['console: signing keys', `${target.gateway.url}/console/operator/keys`, operatorPages],
  ];
  for (const [name, url, headers] of lists) {
    await cpuOf(target, 5, () => call(url, headers), 200);
    report(name, await cpuOf(target, 20, () => call(url, headers), 200), 'ms', MAX_LIST_CPU_MS);
  }
}

for (const kind of STORES) {
  console.log(
    `${kind}: 1 organization with 10 members, and ${ORGANIZATION_COUNT} with ${MEMBER_COUNT} members and ${AUDIT_COUNT} audit entries`,
  );
  const metadata = await startMetadataServer();
  const targets: [Target, Target] = [await makeTarget(kind, undefined), await makeTarget(kind, metadata)];
  try {
    if (ROUNDS > 0) {
      await compare('sign-in', targets, signIns);
      await compare('token check', targets, checks);
      await measureLists(targets[1]);
    }
    await measureJobs(targets[1], metadata);
  } finally {
    metadata.server.close();
    for (const { gateway, redis } of targets) {
      await gateway.stop();
      await redis?.stop();
    }
  }
}
agent.destroy();
deleteTurns();
process.exitCode = hasFailures() ? 1 : 0;
