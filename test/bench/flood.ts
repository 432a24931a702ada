/**
 * `npm run bench:flood`: what strangers can do to a gateway. For a minute, one address sends traffic of every kind at 110 % of the
 * rate limits, with the most expensive SAML messages and slow bodies. Prints the responses, the event loop delay, the memory, and
 * what the store has more than before, once everything has expired that is kept for a limited time.
 *
 * Exits with 1 if the store has grown, if the event loop delay (p99) reaches 50 ms, or if the memory reaches 1.5 times that of the
 * idle gateway, which has answered some requests of each kind and then none for six seconds. Also prints the memory after the start,
 * before the first request. The delay and the memory only say something on an idle machine with two cores or more. FLOOD_SECONDS and
 * ADDRESSES change the amount of work, STORES the engines (`sqlite,redis`), GATEWAY_NODE_OPTIONS the options of Node.js (default: those of
 * the image).
 */
import { readFileSync } from 'node:fs';
import { flushRefusalCounts, pruneRefusalCounts, REFUSAL_COUNT_DAYS } from '../../src/audit-trail/refusal-counts.ts';
import { trimAudit } from '../../src/audit-trail/trim-audit.ts';
import { GLOBAL } from '../../src/store/store.ts';
import { DAY_MS } from '../../src/time.ts';
import { type GatewayProcess, IMAGE_NODE_OPTIONS, startGatewayProcess } from '../e2e/support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';
import { makeRuntime } from '../support/seed.ts';
import { flood, growth, makeFloodTarget, storedOctets } from './flood-traffic.ts';

const SECONDS = Number(process.env.FLOOD_SECONDS ?? 60);
const ADDRESSES = Number(process.env.ADDRESSES ?? 1);
const STORES = (process.env.STORES ?? 'sqlite,redis').split(',');
const MAX_DELAY_MS = 50;
const MAX_RSS_RATIO = 1.5;

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const status = ({ process: { pid } }: GatewayProcess, field: string): number =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000;

/** Returns the 99th percentile since the last call, which prom-client then resets. */
async function eventLoopDelayMs({ url }: GatewayProcess): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^nodejs_eventloop_lag_p99_seconds (.+)$/m.exec(text)?.[1]) * 1000;
}

/** Waits until everything that is kept for a limited time has expired, on the clock of the store. */
async function expire(environment: Readonly<Record<string, string>>, organizationId: string, nowMs: number): Promise<void> {
  const runtime = await makeRuntime(environment, () => nowMs);
  await flushRefusalCounts(runtime);
  for (const partition of [organizationId, GLOBAL]) {
    await pruneRefusalCounts(runtime, partition);
    await trimAudit(runtime, partition);
  }
  await runtime.store.close();
}

async function run(kind: string): Promise<boolean> {
  const redis = kind === 'redis' ? await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']) : undefined;
  const gateway = await startGatewayProcess({
    ...(redis ? { SAMLGATE_STORE: redis.url } : {}),
    NODE_OPTIONS: process.env.GATEWAY_NODE_OPTIONS ?? IMAGE_NODE_OPTIONS,
    SAMLGATE_AUDIT_DAYS: '1',
    SAMLGATE_LOG_LEVEL: 'warn',
    SAMLGATE_TRUST_PROXY: 'loopback',
  });
  try {
    const startedMb = status(gateway, 'VmRSS');
    const target = await makeFloodTarget(gateway);
    const url = gateway.environment.SAMLGATE_STORE ?? '';
    // Some requests of each kind load the code for it.
    await flood(target, { seconds: 5, addresses: ['203.0.113.1'], share: 0.02 });
    await wait(6000);
    const idleMb = status(gateway, 'VmRSS');
    const before = await storedOctets(url, Date.now());
    await eventLoopDelayMs(gateway);
    let mostMb = idleMb;
    const addresses = Array.from({ length: ADDRESSES }, (_, i) => `198.51.100.${i}`);
    const watch = setInterval(() => (mostMb = Math.max(mostMb, status(gateway, 'VmRSS'))), 100);
    const result = await flood(target, { seconds: SECONDS, addresses });
    clearInterval(watch);
    const delayMs = await eventLoopDelayMs(gateway);
    await wait(6000);
    const grown = growth(before, await storedOctets(url, Date.now()));
    const laterMs = Date.now() + (REFUSAL_COUNT_DAYS + 1) * DAY_MS;
    await expire(gateway.environment, target.organization.id, laterMs);
    const left = growth(before, await storedOctets(url, laterMs));
    console.table(result);
    console.log('The store has grown by these octets, until they expire:', grown);
    console.log('The store has grown by these octets, once they have expired:', left);
    console.log(`Event loop delay (p99) ${delayMs.toFixed(1)} ms`);
    const ratio = (mostMb / idleMb).toFixed(2);
    console.log(
      `Memory ${startedMb.toFixed(0)} MB after the start, ${idleMb.toFixed(0)} MB idle, at most ${mostMb.toFixed(0)} MB: ${ratio} times`,
    );
    return Object.keys(left).length === 0 && delayMs < MAX_DELAY_MS && mostMb < idleMb * MAX_RSS_RATIO;
  } finally {
    await gateway.stop();
    await redis?.stop();
  }
}

let isWithinLimits = true;
for (const kind of STORES) {
  console.log(`${kind}: ${SECONDS} s from ${ADDRESSES} addresses`);
  isWithinLimits = (await run(kind)) && isWithinLimits;
}
process.exitCode = isWithinLimits ? 0 : 1;
