/** The only place that puts the parts of a gateway together. */
import type { Server } from 'node:http';
import { maintainSigningKeys, prepareSigningKeys } from './auth/keys/signing-keys.ts';
import { flushSignInLog } from './auth/sign-in-log/record-sign-in.ts';
import type { Config } from './config.ts';
import { makeApp } from './http/app.ts';
import { withForwardAuth } from './http/forward-auth.ts';
import { type Log, makeLog } from './log.ts';
import { makeMetrics } from './metrics.ts';
import { refreshDueMetadata } from './organizations/metadata-refresh.ts';
import type { Runtime } from './runtime.ts';
import { makeSecrets } from './secrets.ts';
import { openStore } from './store/open-store.ts';

export interface Gateway {
  readonly runtime: Runtime;
  /** Starts to listen; resolves with the port (that of the configuration, or one chosen for 0). */
  listen(): Promise<number>;
  /** Stops accepting, finishes what is under way (at most 8 s), closes the store. */
  close(): Promise<void>;
}

/** Parts that tests replace. */
export interface GatewayParts {
  readonly now?: () => number;
  readonly log?: Log;
}

// Not imported: an ES import of node:http evaluates its lazy WebSocket export, which loads the whole of fetch (15 MB, 35 ms).
const { createServer } = process.getBuiltinModule('node:http');

const CLOSE_WITHIN_MS = 8_000;
const REPEAT_EVERY_MS = 60_000;
/** For what is only noted: a store that does not answer must not hold up the end. */
const SETTLE_WITHIN_MS = 1_000;

/** @throws ConfigError where the secret does not fit the store; store_unavailable */
export async function createGateway(config: Config, parts: GatewayParts = {}): Promise<Gateway> {
  const log = parts.log ?? makeLog(config.logLevel);
  const store = await openStore(config.store, parts.now);
  const runtime: Runtime = {
    config,
    store,
    log,
    secrets: makeSecrets(config.secret, config.previousSecret),
    metrics: makeMetrics(),
    now: parts.now ?? Date.now,
  };
  await prepareSigningKeys(runtime).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const stopMaintenance = maintainSigningKeys(runtime);
  const stopRefreshing = repeat(log, 'metadata refresh', () => refreshDueMetadata(runtime));
  const server = createServer(withForwardAuth(runtime, makeApp(runtime)));
  // A browser or proxy sends a request within seconds; slower ones only hold connections.
  server.headersTimeout = 15_000;
  server.requestTimeout = 30_000;
  return {
    runtime,
    listen: () => listenOn(server, config.listen),
    close: async () => {
      stopMaintenance();
      stopRefreshing();
      await closeServer(server);
      await within(SETTLE_WITHIN_MS, flushSignInLog(runtime));
      await store.close();
    },
  };
}

/** Repeats a task each minute, never two at a time, until it is stopped. A failure is told, and the next round comes all the same. */
function repeat(log: Log, name: string, task: () => Promise<void>): () => void {
  let running = false;
  const timer = setInterval(() => {
    if (running) return;
    running = true;
    task()
      .catch((error: unknown) => log.error({ name: error instanceof Error ? error.name : 'unknown' }, `${name} failed`))
      .finally(() => {
        running = false;
      });
  }, REPEAT_EVERY_MS).unref();
  return () => clearInterval(timer);
}

/** Waits for it, but no longer than that. */
function within(limitMs: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const impatient = setTimeout(resolve, limitMs);
    work.then(resolve, reject).finally(() => clearTimeout(impatient));
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

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve();
    const impatient = setTimeout(() => server.closeAllConnections(), CLOSE_WITHIN_MS);
    // A connection that is idle now is closed now; one that is at work, soon after it has its answer.
    const tidy = setInterval(() => server.closeIdleConnections(), 50);
    server.close(() => {
      clearTimeout(impatient);
      clearInterval(tidy);
      resolve();
    });
    server.closeIdleConnections();
  });
}
