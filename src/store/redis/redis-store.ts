/** The store on Redis: standalone, Sentinel or Cluster. Redis is the store of record then; {@link RedisStore.warnings} says what that asks for. */
import { randomUUID } from 'node:crypto';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { BoundedCache } from '../../bounded-cache.ts';
import { GatewayError } from '../../errors.ts';
import { createCursor, readCursor } from '../cursor.ts';
import { entriesOf, toTtlMs } from '../entries.ts';
import {
  type Collection,
  type CommitOptions,
  type Page,
  type Range,
  type Step,
  type Store,
  type Stored,
  storeUnavailable,
} from '../store.ts';
import { COMMIT, FIND, GET_UNIQUE, PURGE, SERVER_FACTS } from './redis-scripts.ts';
import { ReplicaWait } from './replica-wait.ts';

/** How long a mark stays that nobody asks for. */
const MARK_SECONDS = 10;
/** A commit that Redis has not begun by then never happens; the caller is told somewhat later, so that this is true by then. */
const COMMIT_WITHIN_MS = 2000;
const ANSWER_WITHIN_MS = 2500;
const OPEN_WITHIN_MS = 4000;
/** How long it is believed how far the server's clock is from ours, and how many replicas it has. */
const SERVER_FACTS_FOR_MS = 10_000;
const MAX_FACTS = 10_000;
const OLDEST_VERSION = [6, 2] as const;

/** Two keys that never exist. {@link prefixOf} begins all others; both tell a cluster where a script is to run. */
type Keys = readonly [prefix: string, twin: string];

type Client = (Redis | Cluster) & {
  samlgateServerFacts(...keys: Keys): Promise<[seconds: string, micros: string, info: string]>;
  samlgateCommit(...values: [...Keys, ...(string | number)[]]): Promise<number>;
  samlgateGetUnique(...values: [...Keys, ...string[]]): Promise<string[]>;
  samlgateFind(...values: [...Keys, ...(string | number)[]]): Promise<string[]>;
  samlgatePurge(...values: [...Keys, string]): Promise<string>;
};

/**
 * A node that gives a slot away knows half of its keys, and so does the one that gets it; a script that finds nothing there would
 * take it for absent. Where a script names two keys and they are not there, both nodes refuse it until the move is over.
 */
const SCRIPTS = {
  samlgateServerFacts: { lua: SERVER_FACTS, numberOfKeys: 2 },
  samlgateCommit: { lua: COMMIT, numberOfKeys: 2 },
  samlgateGetUnique: { lua: GET_UNIQUE, numberOfKeys: 2 },
  samlgateFind: { lua: FIND, numberOfKeys: 2 },
  samlgatePurge: { lua: PURGE, numberOfKeys: 2 },
};

/**
 * Nothing waits for a connection and nothing is sent again by itself: a caller who was told `store_unavailable` must be able
 * to rely on it that the write does not happen after all.
 */
const CONNECTION = {
  lazyConnect: true,
  connectTimeout: 3000,
  commandTimeout: ANSWER_WITHIN_MS,
  // A way that swallows everything is not believed in for the quarter of an hour that TCP would.
  socketTimeout: ANSWER_WITHIN_MS + 500,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: retryDelayMs,
  scripts: SCRIPTS,
} satisfies RedisOptions;

/** A primary that was replaced is left as soon as a Sentinel says so: what it still acknowledges will be lost. */
const SENTINEL = { failoverDetector: true, sentinelCommandTimeout: 1000 } satisfies RedisOptions;

function retryDelayMs(times: number): number {
  return Math.min(50 * times, 500);
}

/**
 * Connects to the Redis of a URL.
 * @throws store_unavailable where it does not answer or does not let us in
 */
export async function openRedisStore(url: string): Promise<Store> {
  return new RedisStore(await connect(url), new ReplicaWait(() => connect(url)));
}

/** @throws store_unavailable */
async function connect(url: string): Promise<Client> {
  const client = makeClient(url);
  // Whoever waits for an answer is told by it; without a listener the event would end the process.
  client.on('error', ignore);
  // Of a cluster each node has a client of its own, which would print what nobody listens to.
  client.on('+node', (node: Redis) => node.on('error', ignore));
  // Sentinels are asked without end; a start is not.
  const late = setTimeout(() => client.disconnect(), OPEN_WITHIN_MS);
  try {
    await client.connect();
    await client.get('samlgate:{global}:e:ping');
    return client;
  } catch (error) {
    client.disconnect();
    throw storeUnavailable(error);
  } finally {
    clearTimeout(late);
  }
}

const ignore = () => {};

function makeClient(url: string): Client {
  const [, tls, kind, rest = ''] = /^redis(s?)(?:\+(cluster|sentinel))?:\/\/(.+)$/.exec(url) ?? [];
  if (kind === undefined) return new Redis(url, CONNECTION) as Client;
  const [authority = '', name = ''] = rest.split('/');
  const [credentials, hosts] = authority.includes('@') ? (authority.split('@') as [string, string]) : [undefined, authority];
  const nodes = hosts.split(',').map((host) => {
    const { hostname, port } = new URL(`redis://${host}`);
    return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (kind === 'sentinel' ? 26_379 : 6379)) };
  });
  const options = { ...CONNECTION, ...readCredentials(credentials), ...(tls ? { tls: {} } : {}) };
  if (kind === 'sentinel') return new Redis({ ...options, ...SENTINEL, sentinels: nodes, name: decodeURIComponent(name) }) as Client;
  const { retryStrategy: _1, enableOfflineQueue: _2, scripts: _3, lazyConnect: _4, ...ofNodes } = options;
  return new Cluster(nodes, {
    lazyConnect: true,
    enableOfflineQueue: false,
    // As above: what may have happened is never sent a second time.
    retryDelayOnFailover: 0,
    clusterRetryStrategy: retryDelayMs,
    clusterNodeRetryStrategy: retryDelayMs,
    scripts: SCRIPTS,
    redisOptions: ofNodes,
  }) as unknown as Client;
}

function readCredentials(text: string | undefined): Pick<RedisOptions, 'username' | 'password'> {
  if (text === undefined) return {};
  const [username = '', password = ''] = text.split(':').map(decodeURIComponent);
  return { ...(username === '' ? {} : { username }), password };
}

/** Our clock here is the one that nobody sets, `performance.now()`. */
interface ServerFacts {
  readonly readAtMs: number;
  /** What to add to our clock for the server's. */
  readonly offsetMs: number;
  readonly replicas: number;
}

/**
 * Holds back what is sent to one server until all requests that have come in by now were looked at: it then goes out with one
 * call of the system, which costs more than all else of a read.
 */
function sendTogether(client: Client): void {
  const { stream } = client as Partial<Pick<Redis, 'stream'>>;
  if (!stream || stream.writableCorked > 0) return;
  stream.cork();
  setImmediate(() => stream.uncork());
}

class RedisStore implements Store {
  readonly #connection: Client;
  readonly #replicaWait: ReplicaWait;
  readonly #facts = new BoundedCache<ServerFacts>(MAX_FACTS);

  constructor(client: Client, replicaWait: ReplicaWait) {
    this.#connection = client;
    this.#replicaWait = replicaWait;
  }

  /** To send something. */
  get #client(): Client {
    sendTogether(this.#connection);
    return this.#connection;
  }

  async get<T>(partition: string, collection: Collection<T>, id: string): Promise<Stored<T> | undefined> {
    const key = `${prefixOf(partition)}r:${collection.name}:${id}`;
    const [version, value] = await answer(this.#client.hmget(key, 'v', 'd'));
    return version && value ? toStored<T>(id, version, value) : undefined;
  }

  async getUnique<T>(partition: string, collection: Collection<T>, unique: string, value: string): Promise<Stored<T> | undefined> {
    const [id, version, text] = await answer(this.#client.samlgateGetUnique(...keysOf(partition), collection.name, unique, value));
    return id !== undefined && version && text ? toStored<T>(id, version, text) : undefined;
  }

  async find<T>(partition: string, collection: Collection<T>, index: string, range: Range): Promise<Page<T>> {
    const { equals, descending, limit } = range;
    const list = { partition, collection, index, range };
    const after = range.cursor === undefined ? undefined : readCursor(range.cursor, list);
    const from = after && `(${after.text}\0${after.id}`;
    const lower = (descending ? undefined : from) ?? (equals === undefined ? '-' : `[${equals}\0`);
    const upper = (descending ? from : undefined) ?? (equals === undefined ? '+' : `(${equals}\u0001`);
    const flat = await answer(
      this.#client.samlgateFind(...keysOf(partition), collection.name, index, lower, upper, descending ? 'REV' : '', limit + 1),
    );
    const rows: { text: string; stored: Stored<T> }[] = [];
    for (let i = 0; i < flat.length; i += 4) {
      const [text, id, version, value] = flat.slice(i, i + 4) as [string, string, string, string];
      rows.push({ text, stored: toStored<T>(id, version, value) });
    }
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    const nextCursor = rows.length > limit && last ? createCursor(list, last.text, last.stored.id) : null;
    return { items: items.map(({ stored }) => stored), nextCursor };
  }

  async peek(partition: string, key: string): Promise<string | undefined> {
    return (await answer(this.#client.get(`${prefixOf(partition)}e:${key}`))) ?? undefined;
  }

  async commit(partition: string, steps: readonly Step[], options: CommitOptions = {}): ReturnType<Store['commit']> {
    const keys = keysOf(partition);
    const facts = await this.#serverFacts(keys, options.replicated === true);
    const replicas = options.replicated ? facts.replicas : 0;
    const mark = replicas === 0 ? undefined : `replicated:${randomUUID()}`;
    const values: (string | number)[] = [];
    for (const step of [...steps, ...(mark === undefined ? [] : markSteps(mark))]) {
      const written = writtenStep(step);
      values.push(written.length, ...written);
    }
    const deadline = Math.floor(performance.now() + facts.offsetMs + COMMIT_WITHIN_MS);
    const failed = await answer(this.#client.samlgateCommit(...keys, deadline, ...values));
    if (failed < 0) {
      this.#facts.clear(); // perhaps a clock was set
      throw storeUnavailable('the commit reached Redis too late');
    }
    if (failed > 0) return { ok: false, failed: failed - 1 };
    if (mark !== undefined) await answer(this.#replicaWait.until(this.#nodeOf(keys), `${keys[0]}e:${mark}`, replicas));
    return { ok: true };
  }

  /** Of a cluster each partition has its own node, as far as we know. */
  #nodeOf([prefix]: Keys): string {
    return this.#connection instanceof Cluster ? prefix : '';
  }

  async #serverFacts(keys: Keys, isFresh: boolean): Promise<ServerFacts> {
    const client = this.#client;
    const node = this.#nodeOf(keys);
    const known = this.#facts.get(node);
    const startedMs = performance.now();
    if (known && !isFresh && startedMs - known.readAtMs < SERVER_FACTS_FOR_MS) return known;
    const [seconds, micros, info] = await answer(client.samlgateServerFacts(...keys));
    // One that has only begun to copy acknowledges nothing, and can't take over either.
    const replicas = info.match(/^slave\d+:.*\bstate=online\b/gm)?.length ?? 0;
    // The clock was read before now: the true offset is not less than this, so a deadline is never later than meant.
    const facts = { readAtMs: startedMs, offsetMs: Number(seconds) * 1000 + Number(micros) / 1000 - performance.now(), replicas };
    this.#facts.set(node, facts);
    return facts;
  }

  async purge(partition: string): Promise<void> {
    const keys = keysOf(partition);
    let cursor = '0';
    do cursor = await answer(this.#client.samlgatePurge(...keys, cursor));
    while (cursor !== '0');
  }

  get limiterClient(): object {
    return this.#connection;
  }

  async ping(): Promise<void> {
    await this.peek('global', 'ping');
  }

  async warnings(): Promise<readonly string[]> {
    const client = this.#connection;
    const nodes = client instanceof Cluster ? client.nodes('master') : [client];
    const told = await Promise.all(nodes.map(async (node) => warningsOf(await answer(node.info()))));
    return [...new Set(told.flat())];
  }

  async close(): Promise<void> {
    this.#connection.disconnect();
    await this.#replicaWait.close();
  }
}

/** `INFO`, as a server answers it, held against what a store of record needs. */
function warningsOf(info: string): string[] {
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? '';
  const version = field('redis_version').split('.').map(Number);
  const isOld = (version[0] ?? 0) < OLDEST_VERSION[0] || (version[0] === OLDEST_VERSION[0] && (version[1] ?? 0) < OLDEST_VERSION[1]);
  return [
    ...(isOld ? [`Redis ${field('redis_version')} is too old: ${OLDEST_VERSION.join('.')} or newer is needed.`] : []),
    ...(field('aof_enabled') === '1'
      ? []
      : ['Redis keeps no append-only file, so a restart loses members and revives revoked tokens. Set: appendonly yes']),
    ...(field('maxmemory_policy') === 'noeviction'
      ? []
      : [`Redis may throw away what it holds (maxmemory-policy ${field('maxmemory_policy')}). Set: maxmemory-policy noeviction`]),
  ];
}

function prefixOf(partition: string): string {
  if (!/^[\w-]{1,64}$/.test(partition)) throw new TypeError('a partition has only letters, digits, _ and -');
  return `samlgate:{${partition}}:`;
}

function keysOf(partition: string): Keys {
  const prefix = prefixOf(partition);
  return [prefix, `${prefix}-`];
}

/** A full Redis refuses a write that takes memory, but not behind one that takes none: the first of a commit that has no other. */
const markSteps = (key: string): Step[] => [
  { do: 'drop', key },
  { do: 'put', key, value: '', ttlSeconds: MARK_SECONDS },
];

/** Its name, and its arguments as `COMMIT` has them. */
function writtenStep(step: Step): (string | number)[] {
  switch (step.do) {
    case 'insert':
      return ['insert', step.collection.name, step.id, JSON.stringify(step.value), JSON.stringify(entriesOf(step.collection, step.value))];
    case 'replace': {
      const entries = JSON.stringify(entriesOf(step.collection, step.value));
      return ['replace', step.collection.name, step.id, step.version, JSON.stringify(step.value), entries];
    }
    case 'delete':
    case 'require':
      return [step.do, step.collection.name, step.id, step.version ?? ''];
    case 'put':
      return ['put', step.key, step.value, toTtlMs(step.ttlSeconds)];
    case 'claim':
      return ['claim', step.key, toTtlMs(step.ttlSeconds)];
    case 'take':
    case 'absent':
    case 'drop':
      return [step.do, step.key];
  }
}

const toStored = <T>(id: string, version: string, value: string): Stored<T> => ({
  id,
  version: Number(version),
  value: JSON.parse(value) as T,
});

/** @throws store_unavailable for whatever Redis, or the way to it, refuses */
async function answer<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw error instanceof GatewayError ? error : storeUnavailable(error);
  }
}
