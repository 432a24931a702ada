/** Reads a store on Redis, key by key. `redis/redis-scripts.ts` describes the keys. */
import type { Redis } from 'ioredis';
import { GatewayError } from '../../errors.ts';
import { closeConnection } from '../redis/keep-connected.ts';
import { type Client, CONNECTION_NAME, connectRedis } from '../redis/redis-connection.ts';
import { keysOf } from '../redis/redis-store.ts';
import { storeUnavailable } from '../store.ts';
import { type RawEntry, type RawRecord, type RawRef, type RawStore, SCAN_BATCH } from './raw-entries.ts';

const KEYS = 'samlgate:{*}:*';
const KEY = /^samlgate:\{([\w-]+)\}:(?:r:([^:]+):(.+)|e:(.+))$/s;

const keyOf = (ref: RawRef): string =>
  ref.kind === 'record' ? `samlgate:{${ref.partition}}:r:${ref.collection}:${ref.id}` : `samlgate:{${ref.partition}}:e:${ref.key}`;

/** Returns the entry that a key holds. Undefined for indexes and lists, which derive from entries. */
function refOf(redisKey: string): RawRef | undefined {
  const [, partition, collection, id, key] = KEY.exec(redisKey) ?? [];
  if (partition === undefined) return undefined;
  if (key !== undefined) return { kind: 'expiring', partition, key };
  return collection === undefined || id === undefined ? undefined : { kind: 'record', partition, collection, id };
}

/** @throws store_unavailable */
export async function openRedisRawStore(url: string): Promise<RawStore> {
  const client = await connect(url);
  const read = (refs: readonly RawRef[]) => answer(Promise.all(refs.map((ref) => readEntry(client, ref))));
  return {
    async *scan() {
      for (const node of nodesOf(client)) {
        let cursor = '0';
        do {
          const [next, keys] = await answer(node.scan(cursor, 'MATCH', KEYS, 'COUNT', SCAN_BATCH));
          const entries = await read(keys.flatMap((key) => refOf(key) ?? []));
          const found = entries.filter((entry) => entry !== undefined);
          if (found.length > 0) yield found;
          cursor = next;
        } while (cursor !== '0');
      }
    },
    read,
    findBrokenIndexes: async (records) => (await answer(Promise.all(records.map((record) => brokenIndexesOf(client, record))))).flat(),
    close: async () => closeConnection(client),
  };
}

async function readEntry(client: Client, ref: RawRef): Promise<RawEntry | undefined> {
  const key = keyOf(ref);
  if (ref.kind === 'expiring') {
    const [value, ttlMs] = await Promise.all([client.get(key), client.pttl(key)]);
    return value === null || ttlMs < 0 ? undefined : { ...ref, value, ttlMs };
  }
  const [version, text, strings] = await client.samlgateRead(...keysOf(ref.partition), ref.collection, ref.id);
  if (!version || text === null || text === undefined) return undefined;
  const { indexes = [], uniques = [] } = JSON.parse(strings ?? '{}') as Partial<Pick<RawRecord, 'indexes' | 'uniques'>>;
  // An empty list of Lua is written as an object.
  return {
    ...ref,
    version: Number(version),
    text,
    indexes: Array.isArray(indexes) ? indexes : [],
    uniques: Array.isArray(uniques) ? uniques : [],
  };
}

async function brokenIndexesOf(client: Client, { partition, collection, id, indexes, uniques }: RawRecord): Promise<string[]> {
  const prefix = `samlgate:{${partition}}:`;
  const missing = await Promise.all([
    ...indexes.map(async ([name, text]) =>
      (await client.zscore(`${prefix}i:${collection}:${name}`, `${text}\0${id}`)) === null ? [`index ${name}`] : [],
    ),
    ...uniques.map(async ([name, text]) =>
      (await client.hget(`${prefix}u:${collection}:${name}`, text)) === id ? [] : [`unique ${name}`],
    ),
  ]);
  return missing.flat().map((what) => `${partition}: the ${collection} ${id} is missing in its ${what}`);
}

const nodesOf = (client: Client): readonly Redis[] => ('nodes' in client ? client.nodes('master') : [client as Redis]);

/** Returns whether other processes of samlgate are connected. Undefined if the server refuses to list its clients. @throws store_unavailable */
export async function isRedisInUse(url: string): Promise<boolean | undefined> {
  const client = await connect(url);
  try {
    const lists = await Promise.all(nodesOf(client).map((node) => node.client('LIST') as Promise<string>));
    const names = lists.flatMap((list) => [...list.matchAll(/ name=(samlgate-\S+)/g)].map(([, name]) => name));
    return names.some((name) => name !== CONNECTION_NAME);
  } catch {
    return undefined;
  } finally {
    closeConnection(client);
  }
}

const connect = (url: string): Promise<Client> =>
  connectRedis(url).catch((error: Error) => {
    throw new GatewayError('store_unavailable', error.message);
  });

/** @throws store_unavailable */
async function answer<T>(command: Promise<T>): Promise<T> {
  try {
    return await command;
  } catch (error) {
    throw storeUnavailable(error);
  }
}
