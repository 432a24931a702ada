/** Connects to the Redis of a `SAMLGATE_STORE` URL: standalone, Sentinel or Cluster. */
import { randomUUID } from 'node:crypto';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { Reachability } from '../store.ts';
import { addressOf, closeConnection, keepConnected, reportOutages } from './keep-connected.ts';
import { COMMIT, FIND, GET_UNIQUE, PURGE, READ, SERVER_FACTS } from './redis-scripts.ts';

/** By this name in CLIENT LIST, the store tools tell their own connections from those of gateways. */
export const CONNECTION_NAME = `samlgate-${randomUUID()}`;

const ANSWER_WITHIN_MS = 2500;
const OPEN_WITHIN_MS = 4000;

/** Two keys that never exist. All other keys of a partition begin with the first; both tell a cluster where a script must run. */
export type Keys = readonly [prefix: string, twin: string];

export type Client = (Redis | Cluster) & {
  samlgateServerFacts(...keys: Keys): Promise<[seconds: string, micros: string, info: string]>;
  samlgateCommit(...values: [...Keys, ...(string | number)[]]): Promise<number>;
  samlgateRead(...values: [...Keys, ...string[]]): Promise<(string | null)[]>;
  samlgateGetUnique(...values: [...Keys, ...string[]]): Promise<string[]>;
  samlgateFind(...values: [...Keys, ...(string | number)[]]): Promise<string[]>;
  samlgatePurge(...values: [...Keys, ...(string | number)[]]): Promise<number>;
};

/**
 * While a slot moves, both nodes have only some of its keys, and a script would take a key that is on the other node for absent.
 * A script that names two missing keys is refused by both nodes until the move is complete, so every script names two.
 */
const SCRIPTS = {
  samlgateServerFacts: { lua: SERVER_FACTS, numberOfKeys: 2 },
  samlgateCommit: { lua: COMMIT, numberOfKeys: 2 },
  samlgateRead: { lua: READ, numberOfKeys: 2 },
  samlgateGetUnique: { lua: GET_UNIQUE, numberOfKeys: 2 },
  samlgateFind: { lua: FIND, numberOfKeys: 2 },
  samlgatePurge: { lua: PURGE, numberOfKeys: 2 },
};

/**
 * No command waits for a connection, and none is sent a second time: a caller that was told `store_unavailable` relies on the
 * write not happening later.
 */
const CONNECTION = {
  lazyConnect: true,
  connectionName: CONNECTION_NAME,
  connectTimeout: 3000,
  commandTimeout: ANSWER_WITHIN_MS,
  // Without it, TCP would keep a connection to a host that no longer answers for a quarter of an hour.
  socketTimeout: ANSWER_WITHIN_MS + 500,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: retryDelayMs,
  scripts: SCRIPTS,
} satisfies RedisOptions;

/**
 * Leaves a replaced primary as soon as a Sentinel reports the failover, because the writes it still acknowledges will be lost.
 * By default, ioredis would no longer listen to a Sentinel that has restarted.
 */
const SENTINEL = {
  failoverDetector: true,
  sentinelCommandTimeout: 1000,
  sentinelReconnectStrategy: retryDelayMs,
} satisfies RedisOptions;

function retryDelayMs(times: number): number {
  return Math.min(50 * times, 500);
}

interface Target {
  readonly kind: 'standalone' | 'cluster' | 'sentinel';
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** The name of the primary (Sentinel only). */
  readonly name: string;
  readonly options: Pick<RedisOptions, 'username' | 'password' | 'tls'>;
}

/**
 * Connects to the Redis of a URL. The connection is restored whenever it is lost, until {@link closeConnection}.
 * @param report receives each outage of a server, and its end
 * @throws Error with a message for the operator that names the hosts and the reason, and contains no credentials
 */
export async function connectRedis(url: string, report?: (change: Reachability) => void): Promise<Client> {
  const target = readTarget(url);
  const client = createClient(url, target);
  let lastError: unknown;
  // Each command reports its own failure. Without listeners an error event would end the process, or be printed by ioredis.
  client.on('error', (error: unknown) => {
    lastError = error;
  });
  client.on('+node', (node: Redis) => node.on('error', () => {}));
  if (report) reportOutages(client, (error) => reasonOf(textOf(error), target), report);
  // ioredis asks Sentinels without end, but a start must fail at some point.
  const deadline = setTimeout(() => closeConnection(client), OPEN_WITHIN_MS);
  try {
    await client.connect();
    await client.get('samlgate:{global}:e:ping');
    keepConnected(client, retryDelayMs);
    return client;
  } catch (error) {
    closeConnection(client);
    throw new Error(await describeFailure(target, lastError ?? error));
  } finally {
    clearTimeout(deadline);
  }
}

/** @throws Error if the URL cannot be parsed; like all errors here, it does not quote the URL, which may contain a password */
function readTarget(url: string): Target {
  const [, tls, kind = 'standalone', rest = ''] = /^redis(s?)(?:\+(cluster|sentinel))?:\/\/(.+)$/.exec(url) ?? [];
  const [authority = '', name = ''] = rest.split('/');
  const at = authority.lastIndexOf('@');
  try {
    const nodes = authority
      .slice(at + 1)
      .split(',')
      .map((host) => {
        const { hostname, port } = new URL(`redis://${host}`);
        return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (kind === 'sentinel' ? 26_379 : 6379)) };
      });
    const options = { ...readCredentials(at < 0 ? undefined : authority.slice(0, at)), ...(tls ? { tls: {} } : {}) };
    return { kind: kind as Target['kind'], nodes, name: decodeURIComponent(name), options };
  } catch {
    throw new Error('The Redis URL is malformed. Percent-encode special characters in its user name and password.');
  }
}

function readCredentials(text: string | undefined): Pick<RedisOptions, 'username' | 'password'> {
  if (text === undefined) return {};
  const [username = '', password = ''] = text.split(':').map(decodeURIComponent);
  return { ...(username === '' ? {} : { username }), password };
}

function createClient(url: string, { kind, nodes, name, options }: Target): Client {
  if (kind === 'standalone') return new Redis(url, CONNECTION) as Client;
  if (kind === 'sentinel') return new Redis({ ...CONNECTION, ...options, ...SENTINEL, sentinels: [...nodes], name }) as Client;
  const { retryStrategy: _1, enableOfflineQueue: _2, scripts: _3, lazyConnect: _4, ...nodeOptions } = CONNECTION;
  return new Cluster([...nodes], {
    lazyConnect: true,
    enableOfflineQueue: false,
    // As above: a command that may have had an effect is never sent a second time.
    retryDelayOnFailover: 0,
    clusterRetryStrategy: retryDelayMs,
    clusterNodeRetryStrategy: retryDelayMs,
    scripts: SCRIPTS,
    redisOptions: { ...nodeOptions, ...options },
  }) as unknown as Client;
}

const REASONS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/ECONNREFUSED/, 'connection refused'],
  [/ECONNRESET|EPIPE/, 'the connection was closed'],
  [/ETIMEDOUT|timed out|timeout/i, 'timed out'],
  [/ENOTFOUND|EAI_AGAIN/, 'unknown host name'],
  [/WRONGPASS|NOAUTH|NOPERM|invalid password/, 'authentication failed'],
];

async function describeFailure(target: Target, error: unknown): Promise<string> {
  const hosts = target.nodes.map(({ host, port }) => addressOf(host, port)).join(', ');
  let text = textOf(error);
  // ioredis keeps the reason of a standalone connection only.
  if (target.kind !== 'standalone' && /Connection is closed/.test(text)) text = await probe(target);
  return `Cannot connect to Redis at ${hosts}: ${reasonOf(text, target)}.`;
}

function reasonOf(text: string, target: Target): string {
  return REASONS.find(([pattern]) => pattern.test(text))?.[1] ?? withoutPassword(text, target.options.password);
}

function textOf(error: unknown): string {
  const { lastNodeError, code, message } = error as { lastNodeError?: Error } & NodeJS.ErrnoException;
  return lastNodeError ? textOf(lastNodeError) : [code, message].filter((part) => part !== undefined).join(' ');
}

/** A server that does not know a command quotes its arguments. */
function withoutPassword(text: string, password = ''): string {
  return (password === '' ? text : text.replaceAll(password, '[redacted]')).replace(/\.$/, '');
}

/** Returns why the first node of a cluster, or the first Sentinel, does not answer. */
async function probe({ kind, nodes, name, options }: Target): Promise<string> {
  const credentials = kind === 'sentinel' ? {} : options;
  const client = new Redis({ ...CONNECTION, ...credentials, ...nodes[0], retryStrategy: null });
  let text = kind === 'sentinel' ? `no Sentinel knows a primary ${name} that answers` : 'the cluster is not ready';
  client.on('error', (error) => {
    text = textOf(error);
  });
  await client.connect().catch(() => {});
  client.disconnect();
  return text;
}
