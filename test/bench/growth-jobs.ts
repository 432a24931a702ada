/** The long jobs of `bench:growth`, and how long the gateway does not answer while each of them runs. */
import { execFile, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { MEMBERS } from '../../src/organizations/members.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { GatewayProcess } from '../e2e/support/gateway-process.ts';
import { HttpBrowser } from '../support/browser.ts';
import { makeScimClient } from '../support/scim-client.ts';
import { makeRuntime } from '../support/seed.ts';
import { identifierTable, makeRefreshDue, REFRESHED_COUNT } from './growth-fill.ts';
import { call, cookieOf, numberOf, operatorCookie, report, type Target } from './growth-target.ts';

const MAX_WAIT_MS = numberOf('WAIT_MS', 50);
/** Parts of the names of the jobs to run. Default: all. */
const JOBS = process.env.JOBS?.split(',');
const MAIN = path.join(import.meta.dirname, '../../dist/main.js');
const POLLER = path.join(import.meta.dirname, 'health-poller.ts');

/** Where the gateways write the stretches in which their event loop was not free. */
const turnsDirectory = mkdtempSync(path.join(tmpdir(), 'samlgate-growth-'));
export const turnsFile = (target: Target | string) => path.join(turnsDirectory, typeof target === 'string' ? target : target.name);

interface Turn {
  readonly endedAtMs: number;
  readonly cpuMs: number;
}

/** Reports the longest time that `/healthz` took while a job ran, and the longest stretch of CPU time without a free event loop. */
async function reportWaiting(target: Target, name: string, job: () => Promise<unknown>, limitMs = MAX_WAIT_MS): Promise<void> {
  if (JOBS && !JOBS.some((part) => name.includes(part))) return;
  const startedAtMs = Date.now();
  const waitMs = await longestWaitMs(target, job);
  const turns = readFileSync(turnsFile(target), 'utf8')
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Turn);
  const cpuMs = Math.max(0, ...turns.filter(({ endedAtMs }) => endedAtMs >= startedAtMs).map((turn) => turn.cpuMs));
  report(`${name}: /healthz waits at most`, waitMs, 'ms', limitMs);
  report(`${name}: longest stretch of CPU time`, cpuMs, 'ms', limitMs);
}

/** Returns the longest time that `/healthz` took while a job ran. */
async function longestWaitMs({ gateway }: Target, job: () => Promise<unknown>): Promise<number> {
  const poller = fork(POLLER, [`${gateway.url}/healthz`]);
  prefer(poller.pid);
  const exited = once(poller, 'exit').then(() => {
    const { exitCode, signalCode } = gateway.process;
    throw new Error(`the gateway did not answer (${exitCode ?? signalCode ?? 'still runs'}): ${gateway.output()}`);
  });
  const nextMessage = async () => (await Promise.race([once(poller, 'message'), exited]))[0] as unknown;
  try {
    await nextMessage(); // it is warm
    await Promise.race([job(), exited]);
    poller.send('finish');
    return (await nextMessage()) as number;
  } finally {
    exited.catch(() => {});
    poller.kill();
  }
}

/** Reads without a lock, which would make the gateway wait. */
async function hasMembers({ environment }: GatewayProcess, partition: string): Promise<boolean> {
  const { SAMLGATE_STORE = '' } = environment;
  if (SAMLGATE_STORE.startsWith('sqlite:')) {
    const database = new DatabaseSync(SAMLGATE_STORE.slice('sqlite:'.length), { readOnly: true });
    const row = database.prepare('SELECT 1 FROM records WHERE partition = ? LIMIT 1').get(partition);
    database.close();
    return row !== undefined;
  }
  const store = await openStore(SAMLGATE_STORE);
  const { items } = await store.find(partition, MEMBERS, 'email', { limit: 1 });
  await store.close();
  return items.length > 0;
}

/** Other load on the machine would count as waiting. Needs root; without it, compare with the time without a job. */
function prefer(pid: number | undefined): void {
  if (pid !== undefined) spawnSync('renice', ['-n', '-19', '-p', String(pid)], { stdio: 'ignore' });
}

export async function measureJobs(target: Target, metadata: MetadataServer): Promise<void> {
  prefer(target.gateway.process.pid);
  prefer(target.redis?.process.pid);
  // The first visit of the console after a start loads its pages, which takes about 50 ms. No job does that.
  await call(`${target.gateway.url}/console/members`, { cookie: await cookieOf(target.organization), accept: 'text/html' });
  await reportWaiting(target, 'no job', () => sleep(2000), Number.POSITIVE_INFINITY);
  await measureOwnerPages(target);
  await measureOperatorPages(target);
  await measureProvisioning(target);
  await measureCommands(target);
  await measureRefresh(target, metadata);
  await measureEnds(target);
}

async function measureOwnerPages(target: Target): Promise<void> {
  const { gateway, organization } = target;
  const cookie = await cookieOf(organization);
  const operator = { authorization: `Bearer ${gateway.operatorToken}` };
  await reportWaiting(target, 'download', async () => {
    const startedMs = performance.now();
    const megabytes = (await call(`${gateway.url}/console/audit/download?format=jsonl`, { cookie })).octets / 1e6;
    console.log(`  the download had ${megabytes.toFixed(0)} MB and took ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  });
  const search = `${gateway.url}/api/v1/organizations/${organization.slug}/members?query=nobody+has+this+name`;
  await reportWaiting(target, 'five searches', () => several(5, () => call(search, operator)));
  const browser = new HttpBrowser();
  await organization.signIn(browser, 'olivia');
  const roles = await browser.open(`${gateway.url}/console/roles`);
  await reportWaiting(target, 'three previews of role rules', () =>
    several(3, () => browser.submit(roles, { default_role: 'owner' }, '/preview')),
  );
  const { connection } = await connectionOf(target);
  const preview = `/organizations/${organization.slug}/connections/${connection.id}/preview-change`;
  const change = { on_new_entity_id: 'keep', identifiers_csv: identifierTable() };
  await reportWaiting(target, 'two comparisons of a table of identifiers', () =>
    several(2, async () => requireStatus(200, await gateway.api('POST', preview, change))),
  );
}

async function measureOperatorPages(target: Target): Promise<void> {
  const cookie = await operatorCookie(target);
  for (const page of ['health', 'keys', 'audit']) {
    const visit = () => call(`${target.gateway.url}/console/operator/${page}`, { cookie, accept: 'text/html' });
    await reportWaiting(target, `five visits of ${page}`, () => several(5, visit));
  }
}

async function measureProvisioning(target: Target): Promise<void> {
  const { token } = await makeScimClient(target.gateway, target.organization);
  const scim = `${target.gateway.url}/scim/v2/${target.organization.slug}`;
  const get = async (resource: string) => requireStatus(200, await call(`${scim}${resource}`, { authorization: `Bearer ${token}` }));
  await reportWaiting(target, 'five pages of 200 SCIM users with groups', () => several(5, () => get('/Users?count=200')));
  await reportWaiting(target, 'five pages of 200 SCIM groups with members', () => several(5, () => get('/Groups?count=200')));
  const cookie = await cookieOf(target.organization);
  const { connection } = await connectionOf(target);
  const groups = `${target.gateway.url}/console/provisioning?connection=${connection.id}`;
  await reportWaiting(target, 'five visits of provisioned groups', () =>
    several(5, async () => requireStatus(200, await call(groups, { cookie, accept: 'text/html' }))),
  );
}

/** Runs commands on the machine of the operator, beside the gateway. */
async function measureCommands(target: Target): Promise<void> {
  const { gateway, organization } = target;
  const run = (...args: string[]) =>
    new Promise<void>((resolve) => {
      const env = { PATH: process.env.PATH ?? '', ...gateway.environment, SAMLGATE_URL: gateway.url, NODE_OPTIONS: '' };
      execFile(process.execPath, [MAIN, ...args], { env, maxBuffer: 1e8 }, (error, _stdout, stderr) => {
        if (error) console.log(`  samlgate ${args[0]} ${args[1]} exited with ${error.code}: ${stderr.trim().split('\n').at(-1)}`);
        resolve();
      });
    });
  await reportWaiting(target, 'store check', () => run('store', 'check'));
  const copy = path.join(turnsDirectory, 'copy.db');
  await reportWaiting(target, 'store copy, which is refused', () =>
    run('store', 'copy', gateway.environment.SAMLGATE_STORE ?? '', `sqlite:${copy}`),
  );
  const file = path.join(turnsDirectory, 'organization.yaml');
  const rules = Array.from({ length: 400 }, (_, n) => `    - { group: group-${n}, role: ${n === 0 ? 'owner' : 'collaborator'} }`);
  const mapping = ['role_mapping:', '  rules:', '    - { group: platform-admins, role: owner }', ...rules, '  default_role: collaborator'];
  writeFileSync(file, [`slug: ${organization.slug}`, `name: ${organization.slug}`, ...mapping, ''].join('\n'));
  await reportWaiting(target, 'org apply', () => run('org', 'apply', file));
}

/** A gateway begins with the refresh of metadata once a minute. */
async function measureRefresh(target: Target, metadata: MetadataServer): Promise<void> {
  if (JOBS && !JOBS.some((part) => 'metadata refresh'.includes(part))) return;
  const runtime = await makeRuntime(target.gateway.environment);
  metadata.requests = 0;
  await makeRefreshDue(runtime);
  await runtime.store.close();
  await reportWaiting(target, 'metadata refresh', async () => {
    for (let waitedMs = 0; metadata.requests < REFRESHED_COUNT && waitedMs < 120_000; waitedMs += 500) await sleep(500);
    await sleep(1000);
    console.log(`  ${metadata.requests} documents were fetched`);
  });
}

/** Measures what ends credentials or members, so nothing can follow it. */
async function measureEnds(target: Target): Promise<void> {
  const { gateway, organization } = target;
  const { connection } = await connectionOf(target);
  const resource = `/organizations/${organization.slug}`;
  await reportWaiting(target, 'revocation of all credentials of a connection', async () =>
    requireStatus(200, await gateway.api('PATCH', `${resource}/connections/${connection.id}`, { state: 'disabled' })),
  );
  await reportWaiting(target, 'deletion', async () => {
    await gateway.api('DELETE', resource);
    while (await hasMembers(gateway, organization.id)) await sleep(100);
  });
}

const several = <T>(count: number, run: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: count }, run));

function requireStatus(expected: number, answer: { readonly status: number; readonly body?: unknown }): void {
  if (answer.status !== expected) throw new Error(`expected ${expected}, received ${answer.status} ${JSON.stringify(answer.body ?? '')}`);
}

async function connectionOf({ gateway, organization }: Target) {
  const { body } = await gateway.api<{ items: { id: string }[] }>('GET', `/organizations/${organization.slug}/connections`);
  const [connection] = body.items;
  if (!connection) throw new Error('there is no connection');
  return { connection };
}

export interface MetadataServer {
  readonly url: string;
  requests: number;
  readonly server: Server;
  /** Set before the first request. */
  document: string;
}

/** Serves metadata on a free port. */
export async function startMetadataServer(): Promise<MetadataServer> {
  const server = createServer((_request, response) => {
    metadata.requests++;
    response.setHeader('content-type', 'application/samlmetadata+xml').end(metadata.document);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const metadata = { url: `http://127.0.0.1:${port}/metadata`, requests: 0, server, document: '' };
  return metadata;
}

export const deleteTurns = (): void => rmSync(turnsDirectory, { recursive: true });
