/** Assembles the parts of a gateway. */
import type { Server } from 'node:http';
import { logAuditEntries } from './audit-trail/audit-log.ts';
import { flushRefusalCounts } from './audit-trail/refusal-counts.ts';
import { trimAuditTrails } from './audit-trail/trim-audit.ts';
import { maintainSigningKeys, prepareSigningKeys } from './auth/keys/signing-keys.ts';
import { flushSignInLog } from './auth/sign-in-log/record-sign-in.ts';
import type { Config } from './config.ts';
import { makeApp } from './http/app.ts';
import { withForwardAuth } from './http/forward-auth.ts';
import { Drain } from './http/health/drain.ts';
import { readinessOf } from './http/health/readiness.ts';
import { createLog, type Log } from './log.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { summarizeCertificates } from './organizations/connections/expiring-certificates.ts';
import { refreshDueMetadata } from './organizations/connections/metadata-refresh.ts';
import { resumeRevocations } from './organizations/connections/revoke-credentials.ts';
import { resumeDeletions } from './organizations/deletion.ts';
import { hasOrganizations } from './organizations/directory.ts';
import { recheckDueDomains } from './organizations/domains/recheck-domains.ts';
import { resumeGroupChanges } from './organizations/groups/group-changes.ts';
import { noteOrganizationsDaily } from './organizations/note-organizations.ts';
import { flushProvisioningLog } from './organizations/provisioning/provisioning-log.ts';
import type { Runtime } from './runtime.ts';
import { prepareSchema, watchSchema } from './schema/schema-version.ts';
import { createSecrets } from './secrets.ts';
import { nextTurn } from './store/next-turn.ts';
import { observeStore, STORE_OPERATIONS, type StoreOperation } from './store/observe-store.ts';
import { openStore } from './store/open-store.ts';
import type { Reachability } from './store/store.ts';

export interface Gateway {
  readonly runtime: Runtime;
  /** Starts listening. Resolves with the port, which the system chooses if the configuration has 0. */
  listen(): Promise<number>;
  /** Resolves with a message for the operator if a newer program migrates the store. The process must end then. */
  readonly outdated: Promise<string>;
  /** Returns false on a new gateway. @throws store_unavailable */
  hasOrganizations(): Promise<boolean>;
  /**
   * Prepares for {@link close} without losing a request. `/readyz` fails, and every response closes its connection. Resolves when
   * load balancers have noticed, after at most 7.5 s.
   */
  drain(): Promise<void>;
  /** Stops accepting requests, finishes those in progress (for at most 8 s, or 1 s after {@link drain}) and closes the store. */
  close(): Promise<void>;
}

/** Replacements for tests. */
export interface GatewayOverrides {
  readonly now?: () => number;
  readonly log?: Log;
}

// An ES import of node:http would evaluate its lazy WebSocket export, which loads all of fetch (15 MB, 35 ms).
const { createServer } = process.getBuiltinModule('node:http');

const CLOSE_WITHIN_MS = 8_000;
/** A request that arrives at the end of a drain gets this long. The process ends within 10 s after SIGTERM. */
const CLOSE_AFTER_DRAIN_MS = 1_000;
const REPEAT_EVERY_MS = 60_000;
/** The time limit for writing the sign-in log and refusal counters: a store that does not answer must not delay shutdown. */
const SETTLE_WITHIN_MS = 1_000;

/**
 * Migrates an older store before it returns.
 * @throws ConfigError if a newer program has written the store, or if its keys were wrapped with another secret; store_unavailable
 */
export async function createGateway(config: Config, overrides: GatewayOverrides = {}): Promise<Gateway> {
  const log = overrides.log ?? createLog(config.logLevel);
  const metrics = createMetrics({ byOrganization: config.metricsByOrganization });
  const store = await openStore(config.store, overrides.now, {
    onReachability: (change) => logReachability(log, change),
    onReplicationWait: (seconds) => metrics.replicationWait.observe(seconds),
  });
  observeStore(store, storeReporter(metrics));
  const runtime: Runtime = {
    config,
    store,
    log,
    secrets: createSecrets(config.secret, config.previousSecret),
    metrics,
    now: overrides.now ?? Date.now,
  };
  logAuditEntries(runtime);
  try {
    await prepareSchema(runtime);
    await prepareSigningKeys(runtime);
  } catch (error) {
    await store.close();
    throw error;
  }
  const outdated = Promise.withResolvers<string>();
  const stopWatching = watchSchema(runtime, outdated.resolve);
  const stopMaintenance = maintainSigningKeys(runtime);
  const stopRefreshing = repeat(log, 'metadata refresh', () => refreshDueMetadata(runtime));
  const stopMeasuring = repeat(log, 'certificate metrics', () => measureCertificates(runtime));
  void measureCertificates(runtime).catch(() => {}); // the next run follows in a minute
  const stopRechecking = repeat(log, 'domain check', () => recheckDueDomains(runtime));
  const stopTrimming = repeat(log, 'audit retention', () => trimAuditTrails(runtime));
  const stopRevoking = repeat(log, 'revocation', () => resumeRevocations(runtime));
  const stopChangingGroups = repeat(log, 'change of groups', () => resumeGroupChanges(runtime));
  const stopNoting = repeat(log, 'update of the directory', () => noteOrganizationsDaily(runtime));
  const stopDeleting = repeat(log, 'deletion of organizations', () => resumeDeletions(runtime));
  const drain = new Drain();
  let closeWithinMs = CLOSE_WITHIN_MS;
  // By default, Node checks the two time limits below only every 30 seconds.
  const server = createServer({ connectionsCheckingInterval: 1000 }, withForwardAuth(runtime, makeApp(runtime), drain));
  // Browsers and proxies send a request within seconds. Slower clients only occupy connections.
  server.headersTimeout = 15_000;
  server.requestTimeout = 30_000;
  // A proxy reuses idle connections. If the gateway closes one at the same moment, the proxy answers 502.
  server.keepAliveTimeout = config.keepAliveSeconds * 1000;
  return {
    runtime,
    outdated: outdated.promise,
    hasOrganizations: () => hasOrganizations(store),
    listen: () => listenOn(server, config.listen),
    drain: async () => {
      readinessOf(runtime).stop();
      closeWithinMs = CLOSE_AFTER_DRAIN_MS;
      await drain.run(server);
    },
    close: async () => {
      stopMaintenance();
      stopRefreshing();
      stopRevoking();
      stopChangingGroups();
      stopDeleting();
      stopTrimming();
      stopNoting();
      stopWatching();
      stopRechecking();
      stopMeasuring();
      await closeServer(server, closeWithinMs);
      await within(SETTLE_WITHIN_MS, Promise.all([flushSignInLog(runtime), flushRefusalCounts(runtime), flushProvisioningLog(runtime)]));
      await store.close();
    },
  };
}

function storeReporter({ storeTimes, storeErrors }: Metrics) {
  const times = Object.fromEntries(STORE_OPERATIONS.map((operation) => [operation, storeTimes.labels({ operation })]));
  return (operation: StoreOperation, seconds: number, hasFailed: boolean): void => {
    times[operation]?.observe(seconds);
    if (hasFailed) storeErrors.inc({ operation });
  };
}

async function measureCertificates({ store, metrics, now }: Runtime): Promise<void> {
  const { daysLeft, expiring } = await summarizeCertificates(store, now());
  metrics.certificateDaysLeft.set(daysLeft);
  metrics.expiringCertificates.set(expiring);
}

function logReachability(log: Log, change: Reachability): void {
  if (change.isReachable) log.info({ redis: change.redis }, 'Redis can be reached again');
  else log.error({ redis: change.redis, reason: change.reason }, 'Redis cannot be reached');
}

/** Runs a task every minute, but never twice at a time. Failures are logged; the next run still happens. Returns how to stop it. */
function repeat(log: Log, name: string, task: () => Promise<void>): () => void {
  let running = false;
  const timer = setInterval(() => {
    if (running) return;
    running = true;
    // All tasks are due at the same time, but each begins in a turn of its own.
    nextTurn()
      .then(task)
      .catch((error: unknown) => log.error({ name: error instanceof Error ? error.name : 'unknown' }, `${name} failed`))
      .finally(() => {
        running = false;
      });
  }, REPEAT_EVERY_MS).unref();
  return () => clearInterval(timer);
}

/** Resolves when the work is done or the time limit has passed. */
function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, limitMs);
    work.then(() => resolve(), reject).finally(() => clearTimeout(timer));
  });
}

function listenOn(server: Server, { host, port }: Config['listen']): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}

async function closeServer(server: Server, withinMs: number): Promise<void> {
  if (!server.listening) return;
  await quietMoment();
  await new Promise<void>((resolve) => {
    const deadline = setTimeout(() => server.closeAllConnections(), withinMs);
    // Idle connections are closed now, and busy ones soon after their response.
    const closeIdle = setInterval(() => server.closeIdleConnections(), 50);
    server.close(() => {
      clearTimeout(deadline);
      clearInterval(closeIdle);
      resolve();
    });
    server.closeIdleConnections();
  });
}

const QUIET_ITERATION_MS = 0.05;
const QUIET_WITHIN_MS = 300;

/**
 * Resolves after an iteration of the event loop that handled nothing. The system resets connections that wait to be accepted when
 * the port is closed, and after such an iteration there are none.
 */
async function quietMoment(): Promise<void> {
  const deadlineMs = performance.now() + QUIET_WITHIN_MS;
  for (let startedMs = performance.now(); startedMs < deadlineMs; startedMs = performance.now()) {
    await new Promise((resolve) => setImmediate(resolve));
    if (performance.now() - startedMs < QUIET_ITERATION_MS) return;
  }
}
