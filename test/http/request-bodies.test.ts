/** Clients whose request bodies fill the memory that all bodies share. */
import { createServer, type ServerResponse, request as sendRequest } from 'node:http';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

let gateway: TestGateway;
let evil: TestOrganization;
const held = new Set<ServerResponse>();
let mostHeld = 0;
/** A metadata server that never answers. */
const server = createServer((_request, response) => {
  held.add(response);
  response.once('close', () => held.delete(response));
  mostHeld = Math.max(mostHeld, held.size);
});
let metadataUrl: string;

beforeAll(async () => {
  gateway = await startGateway({ environment: { SAMLGATE_TRUST_PROXY: 'loopback' } });
  evil = await makeTestOrganization(gateway);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  metadataUrl = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await gateway.stop();
});

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const until = async (isDone: () => boolean) => {
  for (let i = 0; i < 200 && !isDone(); i++) await wait(50);
};

/** Starts a request of a client at an address. `outcome` is the status, or the error of a closed connection. */
function start(address: string, path: string, type: string, length: number) {
  const { operatorToken } = gateway;
  const headers = { 'x-forwarded-for': address, 'content-type': type, 'content-length': length, authorization: `Bearer ${operatorToken}` };
  const request = sendRequest(`${gateway.url}${path}`, { method: 'POST', headers });
  const state: { outcome?: number | string } = {};
  request.on('response', (response) => {
    state.outcome = response.statusCode ?? 0;
    response.resume();
  });
  request.on('error', ({ message }) => {
    state.outcome ??= message;
  });
  return { request, state };
}

const dryRun = (address: string) => {
  const body = `{"name":"x","metadata_url":"${metadataUrl}"${' '.repeat(2_000_000)}}`;
  const run = start(address, `/api/v1/organizations/${evil.slug}/connections?dry_run=true`, 'application/json', body.length);
  run.request.end(body);
  return run;
};
const FORM = 'application/x-www-form-urlencoded';
const acs = (address: string, length: number) => start(address, new URL(evil.acsUrl).pathname, FORM, length);

it('limits the bodies and metadata fetches of one organization, so that bodies of others are not dropped', async () => {
  // Larger than usual responses, and waiting for the rest. Above 64 kB, it could be one of the slowest bodies.
  const victim = acs('198.51.100.7', 60_000);
  victim.request.write('a'.repeat(50_000));
  await wait(300);
  // One address, then others, as an owner with a /32 has them.
  const runs = Array.from({ length: 9 }, () => dryRun('203.0.113.1'));
  await until(() => runs.filter(({ state }) => state.outcome !== undefined).length >= 7);
  const others = Array.from({ length: 9 }, (_, i) => dryRun(`203.0.113.${10 + i}`));
  await until(() => others.every(({ state }) => state.outcome !== undefined));
  // A fetch ends after five seconds, which lets another one start.
  expect([...runs, ...others].filter(({ state }) => state.outcome === 429).length).toBeGreaterThan(8);
  expect(mostHeld).toBe(2);
  victim.request.end('a'.repeat(10_000));
  await until(() => victim.state.outcome !== undefined);
  for (const { request } of runs) request.destroy();
  expect(victim.state.outcome).toBe(400);
}, 60_000);

it('drops the bodies that several addresses hold back, and not a larger upload', async () => {
  const held: ReturnType<typeof acs>[] = [];
  // A little below the limit of each address, and of all together.
  for (let i = 0; i < 28; i++) held.push(acs(`203.0.113.${60 + (i % 4)}`, 590_000));
  for (const { request } of held) request.write('a'.repeat(570_000));
  await wait(3000);
  expect(held.filter(({ request }) => request.destroyed)).toEqual([]);
  // They go on sending a little, so that none of them is idle.
  const drip = setInterval(() => {
    for (const { request } of held) if (!request.destroyed) request.write('a'.repeat(10));
  }, 100);
  const upload = start('198.51.100.9', `/api/v1/organizations/${evil.slug}/connections`, 'application/json', 2_000_000);
  for (let i = 0; i < 20; i++) {
    upload.request.write(' '.repeat(100_000));
    await wait(20);
  }
  upload.request.end();
  await until(() => upload.state.outcome !== undefined);
  clearInterval(drip);
  expect(upload.state.outcome).toBe(400);
  expect(held.filter(({ request }) => request.destroyed).length).toBeGreaterThan(0);
  for (const { request } of held) request.destroy();
}, 60_000);

it('refuses the slowest bodies of one address, and no small one', async () => {
  const small = acs('203.0.113.50', 50_000);
  small.request.write('a'.repeat(40_000));
  const large = Array.from({ length: 12 }, () => acs('203.0.113.50', 590_000));
  for (const { request } of large) request.write('a'.repeat(580_000));
  await until(() => large.filter(({ request }) => request.destroyed).length >= 5);
  const other = acs('198.51.100.8', 590_000);
  other.request.write('a'.repeat(580_000));
  await wait(300);
  for (const { request } of [small, other]) request.end('a'.repeat(10_000));
  await until(() => small.state.outcome !== undefined && other.state.outcome !== undefined);
  expect([small.state.outcome, other.state.outcome]).toEqual([400, 400]);
  expect(large.filter(({ request }) => !request.destroyed).length).toBeLessThanOrEqual(8);
  for (const { request } of large) request.destroy();
}, 60_000);
