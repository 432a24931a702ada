/** Keeps connections to Redis open until the store closes them, and reports outages. */
import type { Cluster, Redis } from 'ioredis';
import type { Reachability } from '../store.ts';

const closed = new WeakSet<Redis | Cluster>();

/** An outage is reported with the reason why a new connection fails, unless none is known by then. */
const REASON_WITHIN_MS = 1000;

/**
 * Connects again whenever ioredis gives up. It ends a connection for good if its failover detector disconnects while it asks a
 * Sentinel for the primary.
 */
export function keepConnected(client: Redis | Cluster, retryDelayMs: (times: number) => number): void {
  let ends = 0;
  client.on('ready', () => {
    ends = 0;
  });
  client.on('end', () => {
    setTimeout(() => {
      // A cluster that has ended can have the status `close`.
      if (closed.has(client) || !['end', 'close'].includes(client.status)) return;
      // If it fails, ioredis tries again, or ends again.
      client.connect().catch(() => {});
    }, retryDelayMs(++ends));
  });
}

/** Closes a connection for good. `disconnect()` alone would be undone by {@link keepConnected}. */
export function closeConnection(client: Redis | Cluster): void {
  closed.add(client);
  client.disconnect();
}

/**
 * Reports each outage of a server once, and once when the server can be reached again. A connection that was never ready has no
 * outage.
 * @param client a connection, or a cluster, whose nodes are reported one by one
 * @param describe returns the reason of an error
 */
export function reportOutages(client: Redis | Cluster, describe: (error: unknown) => string, report: (change: Reachability) => void): void {
  // By node, because ioredis creates a new connection for a node that returns to a cluster.
  const unreachable = new Set<string>();
  const tellOf = (node: string) => (redis: string, reason?: string) => {
    if (closed.has(client) || unreachable.has(node) === (reason !== undefined)) return;
    if (reason === undefined) unreachable.delete(node);
    else unreachable.add(node);
    report(reason === undefined ? { redis, isReachable: true } : { redis, isReachable: false, reason });
  };
  if (!('nodes' in client)) watch(client, describe, tellOf(''));
  else client.on('+node', (node: Redis) => watch(node, describe, tellOf(`${node.options.host}:${node.options.port}`)));
}

function watch(client: Redis, describe: (error: unknown) => string, tell: (redis: string, reason?: string) => void): void {
  /** The server of the last ready connection. After a failover, Sentinel leads to another one. */
  let redis: string | undefined;
  let lastReason: string | undefined;
  let waiting: NodeJS.Timeout | undefined;
  const stopWaiting = () => {
    clearTimeout(waiting);
    waiting = undefined;
  };
  client.on('ready', () => {
    stopWaiting();
    lastReason = undefined;
    redis = addressOf(client.stream.remoteAddress ?? '', client.stream.remotePort);
    tell(redis);
  });
  client.on('error', (error: unknown) => {
    lastReason = describe(error);
    if (!waiting || redis === undefined) return;
    stopWaiting();
    tell(redis, lastReason);
  });
  client.on('close', () => {
    if (redis === undefined || waiting) return;
    const lost = redis;
    if (lastReason !== undefined) tell(lost, lastReason);
    else waiting = setTimeout(() => tell(lost, 'the connection was closed'), REASON_WITHIN_MS).unref();
  });
}

/** Formats host and port for messages. */
export function addressOf(host: string, port: number | undefined): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
