/** The store on Redis, which is the store of record: {@link RedisStore.warnings} reports settings with which it could lose data. */
import { randomUUID } from 'node:crypto';
import { Cluster, type Redis } from 'ioredis';
import { BoundedCache } from '../../bounded-cache.ts';
import { GatewayError } from '../../errors.ts';
import { createCursor, readCursor } from '../cursor.ts';
import { countedIndexOf, entriesOf, requireReplaceable, toTtlMs } from '../entries.ts';
import {
  type Collection,
  type CommitOptions,
  type Page,
  type Range,
  type Step,
  type Store,
  type Stored,
  type StoreObserver,
  storeUnavailable,
  UnacknowledgedCommit,
} from '../store.ts';
import { closeConnection } from './keep-connected.ts';
import { type Client, connectRedis, type Keys } from './redis-connection.ts';
import { ReplicaWait } from './replica-wait.ts';

/** How long a replication mark lives if no replica wait deletes it. */
const MARK_SECONDS = 10;
/** A commit that Redis has not begun by then never happens. Callers wait a little longer, so that this holds when they see the error. */
const COMMIT_WITHIN_MS = 2000;
/** How long the clock offset and the number of replicas of a server are cached. */
const SERVER_FACTS_FOR_MS = 10_000;
const MAX_FACTS = 10_000;
const OLDEST_VERSION = [6, 2] as const;

/** Entries that one call of `PURGE` deletes: about a millisecond, during which Redis does nothing else. */
const PURGED_AT_ONCE = 500;
/**
 * Keys of partitions that were written when partitions had no list of their keys. Their expiring values are not listed either, and
 * are left to expire. This list never changes: newer partitions have a list of their own.
 */
const UNLISTED_KEYS = [
  ...['time', 'event', 'member'].map((name) => `i:audit:${name}`),
  ...['email', 'activeRole', 'nameId', 'seenNameId', 'identityScope', 'suspendedIdentifier', 'holdsTokens'].map(
    (name) => `i:member:${name}`,
  ),
  'u:member:identity',
  'i:metadata-version:all',
  'i:setup-link:all',
  'i:sign_in_log:all',
  'r:organization:organization',
  'r:organization-2:organization',
];

/**
 * Connects to the Redis of a URL.
 * @throws store_unavailable; its detail is for the operator who starts the gateway
 */
export async function openRedisStore(url: string, observer: StoreObserver = {}): Promise<Store> {
  const client = await connectRedis(url, observer.onReachability).catch((error: Error) => {
    throw new GatewayError('store_unavailable', error.message);
  });
  return new RedisStore(client, new ReplicaWait(() => connectRedis(url)), observer);
}

/** Local times are `performance.now()`, because the wall clock may be set. */
interface ServerFacts {
  readonly readAtMs: number;
  /** Added to the local time, it gives the time of the server. */
  readonly offsetMs: number;
  readonly replicas: number;
}

/**
 * Sends the commands of all requests that arrived in the same turn of the event loop with one system call, which is the most
 * expensive part of a read. With 32 concurrent reads, a read takes 7 µs of CPU time instead of 15 µs (`node test/bench/tricks.ts`).
 * The option `enableAutoPipelining` of ioredis was about as expensive as sending each command on its own, and makes commands wait
 * until the previous pipeline was answered.
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
  readonly #observer: StoreObserver;
  readonly #facts = new BoundedCache<ServerFacts>(MAX_FACTS);

  constructor(client: Client, replicaWait: ReplicaWait, observer: StoreObserver) {
    this.#observer = observer;
    this.#connection = client;
    this.#replicaWait = replicaWait;
  }

  /** The connection, prepared to send commands. */
  get #client(): Client {
    sendTogether(this.#connection);
    return this.#connection;
  }

  async get<T>(partition: string, collection: Collection<T>, id: string): Promise<Stored<T> | undefined> {
    const key = `${prefixOf(partition)}r:${collection.name}:${id}`;
    const [version, value] = await answer(
      collection.writtenOnce ? this.#client.samlgateRead(...keysOf(partition), collection.name, id) : this.#client.hmget(key, 'v', 'd'),
    );
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

  async isEmpty<T>(partition: string, collection: Collection<T>, index: string): Promise<boolean> {
    return (await answer(this.#client.exists(`${prefixOf(partition)}i:${collection.name}:${index}`))) === 0;
  }

  async count<T>(partition: string, collection: Collection<T>): Promise<number> {
    return answer(this.#client.zcard(`${prefixOf(partition)}i:${collection.name}:${countedIndexOf(collection)}`));
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
      const args = stepArguments(step);
      values.push(args.length, ...args);
    }
    const deadline = Math.floor(performance.now() + facts.offsetMs + COMMIT_WITHIN_MS);
    const failed = await answer(this.#client.samlgateCommit(...keys, deadline, ...values));
    if (failed < 0) {
      this.#facts.clear(); // the clock of the server may have been set
      throw storeUnavailable('the commit reached Redis too late');
    }
    if (failed > 0) return { ok: false, failed: failed - 1 };
    if (mark !== undefined) await this.#waitForReplicas(keys, mark, replicas);
    return { ok: true };
  }

  async #waitForReplicas(keys: Keys, mark: string, replicas: number): Promise<void> {
    const startedMs = performance.now();
    try {
      await this.#replicaWait.until(this.#nodeOf(keys), `${keys[0]}e:${mark}`, replicas);
    } catch (error) {
      throw new UnacknowledgedCommit(error);
    } finally {
      this.#observer.onReplicationWait?.((performance.now() - startedMs) / 1000);
    }
  }

  /** Any two partitions of a cluster may be on different nodes. */
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
    // A replica that is still copying acknowledges nothing, and cannot be promoted either.
    const replicas = info.match(/^slave\d+:.*\bstate=online\b/gm)?.length ?? 0;
    // The server read its clock before now, so the true offset is not smaller, and no deadline is later than intended.
    const facts = { readAtMs: startedMs, offsetMs: Number(seconds) * 1000 + Number(micros) / 1000 - performance.now(), replicas };
    this.#facts.set(node, facts);
    return facts;
  }

  async purge(partition: string, kept = ''): Promise<void> {
    const keys = keysOf(partition);
    while ((await answer(this.#client.samlgatePurge(...keys, PURGED_AT_ONCE, kept, ...UNLISTED_KEYS))) !== 0);
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
    const warnings = await Promise.all(nodes.map(async (node) => warningsOf(await answer(node.info()))));
    return [...new Set(warnings.flat())];
  }

  async close(): Promise<void> {
    closeConnection(this.#connection);
    await this.#replicaWait.close();
  }
}

/** Compares the answer to `INFO` with what a store of record needs. */
function warningsOf(info: string): string[] {
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? '';
  const version = field('redis_version').split('.').map(Number);
  const isOld = (version[0] ?? 0) < OLDEST_VERSION[0] || (version[0] === OLDEST_VERSION[0] && (version[1] ?? 0) < OLDEST_VERSION[1]);
  return [
    ...(isOld ? [`Redis ${field('redis_version')} is too old. Use ${OLDEST_VERSION.join('.')} or newer.`] : []),
    ...(field('aof_enabled') === '1'
      ? []
      : ['Redis keeps no append-only file, so a restart loses members and makes revoked tokens valid again. Set: appendonly yes']),
    ...(field('maxmemory_policy') === 'noeviction'
      ? []
      : [`Redis may evict stored data (maxmemory-policy ${field('maxmemory_policy')}). Set: maxmemory-policy noeviction`]),
  ];
}

function prefixOf(partition: string): string {
  if (!/^[\w-]{1,64}$/.test(partition)) throw new TypeError('a partition name contains only letters, digits, _ and -');
  return `samlgate:{${partition}}:`;
}

export function keysOf(partition: string): Keys {
  const prefix = prefixOf(partition);
  return [prefix, `${prefix}-`];
}

/**
 * A full Redis refuses a script whose first write needs memory, but not one whose first write frees some. So the steps begin with
 * a deletion, for commits that have no other step.
 */
const markSteps = (key: string): Step[] => [
  { do: 'drop', key },
  { do: 'put', key, value: '', ttlSeconds: MARK_SECONDS },
];

/** Returns the name and the arguments of a step for `COMMIT`. */
function stepArguments(step: Step): (string | number)[] {
  switch (step.do) {
    case 'insert': {
      const { collection, id, value } = step;
      return ['insert', collection.name, id, JSON.stringify(value), JSON.stringify(entriesOf(collection, value)), onceArgument(collection)];
    }
    case 'replace': {
      requireReplaceable(step.collection);
      const entries = JSON.stringify(entriesOf(step.collection, step.value));
      return ['replace', step.collection.name, step.id, step.version, JSON.stringify(step.value), entries];
    }
    case 'restore': {
      const { collection, id, version, text, indexes, uniques } = step;
      return ['restore', collection.name, id, version, text, JSON.stringify({ indexes, uniques }), onceArgument(collection)];
    }
    case 'delete':
    case 'require':
      return [step.do, step.collection.name, step.id, step.version ?? ''];
    case 'below':
      return ['below', step.collection.name, countedIndexOf(step.collection), step.count];
    case 'increment':
      return ['increment', step.key, step.max, toTtlMs(step.ttlSeconds)];
    case 'put':
      return ['put', step.key, step.value, toTtlMs(step.ttlSeconds)];
    case 'claim':
      return ['claim', step.key, step.value ?? '', toTtlMs(step.ttlSeconds)];
    case 'take':
    case 'absent':
    case 'drop':
      return [step.do, step.key];
  }
}

const onceArgument = ({ writtenOnce }: Pick<Collection<never>, 'writtenOnce'>): string => (writtenOnce ? '1' : '');

const toStored = <T>(id: string, version: string, value: string): Stored<T> => ({
  id,
  version: Number(version),
  value: JSON.parse(value) as T,
});

/** @throws store_unavailable for every error of Redis or of the connection */
async function answer<T>(command: Promise<T>): Promise<T> {
  try {
    return await command;
  } catch (error) {
    throw error instanceof GatewayError ? error : storeUnavailable(error);
  }
}
