/**
 * The store's port: what the gateway asks of SQLite and Redis, and what both promise. `test/store/conformance.ts` proves
 * every promise, with racing processes, over each engine.
 *
 * Everything lies in a **partition** (an organization's id, or {@link GLOBAL}). Atomicity ends at a partition: in Redis
 * Cluster a partition is a hash tag, so that all of it lies in one slot. Two kinds of things live in it:
 *
 * - **records**: JSON values of a {@link Collection} with a version and indexes that the collection computes from the value;
 * - **expiring values**: a key, a string and a time to live, for login requests, sessions and one-time claims.
 *
 * All writing goes through {@link Store.commit}. If the store can't answer, every method throws `store_unavailable`, and a
 * commit that threw this way has either happened as a whole or will never happen.
 */
import { createHash } from 'node:crypto';
import { GatewayError } from '../errors.ts';
import { AGAIN, compareAndSet } from './compare-and-set.ts';

/** The partition of what belongs to no organization. A partition's name has only letters, digits, `_` and `-`. */
export const GLOBAL = 'global';

/**
 * A kind of record. `indexes` gives, for each index, the strings under which a value can be found (none, one or several);
 * `unique` the strings that no two records of the partition may share. A string is at most 1024 characters and
 * has neither a NUL nor half a surrogate pair.
 */
export interface Collection<T> {
  readonly name: string;
  readonly indexes: Readonly<Record<string, (value: T) => readonly string[]>>;
  readonly unique: Readonly<Record<string, (value: T) => readonly string[]>>;
}

export interface Stored<T> {
  readonly id: string;
  /** Starts at 1, one more with each replacement. */
  readonly version: number;
  readonly value: T;
}

/** One step of a commit. Steps that can fail say when; if one fails, none happens. */
export type Step =
  /** Fails where the id exists or a unique string is taken. */
  | { readonly do: 'insert'; readonly collection: Collection<never>; readonly id: string; readonly value: unknown }
  /** Fails where the record has not this version, or a unique string is another record's. */
  | {
      readonly do: 'replace';
      readonly collection: Collection<never>;
      readonly id: string;
      readonly version: number;
      readonly value: unknown;
    }
  /** Fails where the record has not this version. */
  | { readonly do: 'delete'; readonly collection: Collection<never>; readonly id: string; readonly version: number }
  /** Changes nothing. Fails where the record does not exist, or has not this version (where one is given). */
  | { readonly do: 'require'; readonly collection: Collection<never>; readonly id: string; readonly version?: number }
  /** Writes an expiring value, whether there was one or not. */
  | { readonly do: 'put'; readonly key: string; readonly value: string; readonly ttlSeconds: number }
  /** Deletes an expiring value. Fails where there is none (any more). */
  | { readonly do: 'take'; readonly key: string }
  /** Writes a marker. Fails where there is a value under this key: a claim succeeds once until it expires. */
  | { readonly do: 'claim'; readonly key: string; readonly ttlSeconds: number }
  /** Changes nothing. Fails where there is a value under this key. */
  | { readonly do: 'absent'; readonly key: string }
  /** Deletes an expiring value, if there is one. */
  | { readonly do: 'drop'; readonly key: string };

/** `failed` is the position of the first step that failed; then nothing was written. */
export type CommitResult = { readonly ok: true } | { readonly ok: false; readonly failed: number };

export interface CommitOptions {
  /** Waits until every connected replica has it (Redis), so that a failover can't undo it: for what ends a credential or decides who comes in. */
  readonly replicated?: boolean;
}

export interface Range {
  /** Only this string; without it the whole index, in the order of the UTF-8 octets of its strings (the order of code points). */
  readonly equals?: string;
  /** Newest, or last, first. */
  readonly descending?: boolean;
  /** 1–200. */
  readonly limit: number;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

export interface Page<T> {
  readonly items: readonly Stored<T>[];
  readonly nextCursor: string | null;
}

export interface Store {
  get<T>(partition: string, collection: Collection<T>, id: string): Promise<Stored<T> | undefined>;
  /** The record that holds this unique string. */
  getUnique<T>(partition: string, collection: Collection<T>, unique: string, value: string): Promise<Stored<T> | undefined>;
  /**
   * One page of an index, ordered by (string, id). A record that is indexed under several strings appears once for each.
   * @throws validation_failed for a cursor that this method did not make, or made for another partition, collection, index, string or direction
   */
  find<T>(partition: string, collection: Collection<T>, index: string, range: Range): Promise<Page<T>>;
  /** An expiring value, left where it is. Never one that has expired. */
  peek(partition: string, key: string): Promise<string | undefined>;
  /** All steps or none, at once for every other reader and writer, on disk (SQLite) or acknowledged by the primary (Redis) before it returns. */
  commit(partition: string, steps: readonly Step[], options?: CommitOptions): Promise<CommitResult>;
  /** Deletes all records and expiring values of a partition. Not atomic; may be repeated. */
  purge(partition: string): Promise<void>;
  /** Resolves where the store answers. */
  ping(): Promise<void>;
  /** What the operator should change about the server so that the promises hold, each a sentence that says what to set. */
  warnings(): Promise<readonly string[]>;
  /** The engine's own connection, for counters that replicas share; where there is none, each counts for itself. */
  readonly limiterClient?: object | undefined;
  close(): Promise<void>;
}

/** The index and unique strings of a value, as (name, string) pairs; what an engine keeps beside the record. */
export interface Entries {
  readonly indexes: readonly (readonly [name: string, text: string])[];
  readonly uniques: readonly (readonly [name: string, text: string])[];
}

export function entriesOf(collection: Collection<never>, value: unknown): Entries {
  const pairs = (functions: Collection<never>['indexes']) =>
    Object.entries(functions).flatMap(([name, texts]) =>
      [...new Set(texts(value as never))].map((text) => [name, checkText(text)] as const),
    );
  return { indexes: pairs(collection.indexes), uniques: pairs(collection.unique) };
}

function checkText(text: string): string {
  if (text.length > 1024 || text.includes('\0')) throw new TypeError('a string of an index is over 1024 characters or has a NUL');
  // Halves of surrogate pairs become one and the same character in UTF-8: different strings would count as equal.
  if (!text.isWellFormed()) throw new TypeError('a string of an index has half a surrogate pair');
  return text;
}

/** A time to live as both engines take it. Redis would refuse anything else when its script has written already. */
export function millisecondsOf(ttlSeconds: number): number {
  if (Number.isNaN(ttlSeconds)) throw new TypeError('a time to live is no number');
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(1, Math.ceil(ttlSeconds * 1000)));
}

/** One list in one direction: what a cursor is good for. */
export interface List {
  readonly partition: string;
  readonly collection: Collection<never>;
  readonly index: string;
  readonly range: Range;
}

/** A place in a list, opaque to callers. Not secret and not signed: with a forged one somebody gets another place of the same list. */
export function makeCursor({ partition, collection, index, range }: List, text: string, id: string): string {
  const list = JSON.stringify([partition, collection.name, index, range.equals ?? null, range.descending === true]);
  const mark = createHash('sha256').update(list).digest('base64url').slice(0, 16);
  return Buffer.from(JSON.stringify([mark, text, id])).toString('base64url');
}

/** @throws validation_failed for what {@link makeCursor} did not make for this list */
export function readCursor(cursor: string, list: List): { text: string; id: string } {
  const { equals } = list.range;
  try {
    const [, text, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown[];
    const isPlace = typeof text === 'string' && typeof id === 'string' && !`${text}${id}`.includes('\0');
    if (isPlace && (equals === undefined || equals === text) && makeCursor(list, text, id) === cursor) return { text, id };
  } catch {
    // not JSON, or no list: the same answer
  }
  throw new GatewayError('validation_failed', 'cursor: is not one that this list gave.');
}

export const unavailable = (cause: unknown): GatewayError => new GatewayError('store_unavailable', { cause });

/**
 * Waits until every connected replica has what the partition holds by now. For what is found done already: perhaps whoever did it was
 * told `store_unavailable`, as a replica had not got it, and asks again; a yes must be one that survives a failover.
 * @throws store_unavailable
 */
export async function confirmReplicated(store: Store, partition: string): Promise<void> {
  await store.commit(partition, [], { replicated: true });
}

/**
 * Compare-and-set in a loop: reads the record, lets `change` make the new value, and writes it with `extra` steps in one
 * commit; starts over where somebody else was faster. `change` returns undefined to leave everything as it is.
 * @returns the record as written, as it is (nothing to change), or undefined where there is none
 * @throws conflict where 20 rounds were not enough, or one of the `extra` steps failed
 */
export async function updateRecord<T>(
  store: Store,
  partition: string,
  collection: Collection<T>,
  id: string,
  change: (value: T) => T | undefined,
  extra: (before: T, after: T) => readonly Step[] = () => [],
  options: CommitOptions = {},
): Promise<Stored<T> | undefined> {
  return compareAndSet(async () => {
    const before = await store.get(partition, collection, id);
    const settled = async () => {
      if (options.replicated) await confirmReplicated(store, partition);
    };
    let value: T | undefined;
    try {
      value = before && change(before.value);
    } catch (error) {
      await settled(); // perhaps there is nothing to change any more, and that is why
      throw error;
    }
    if (!before || value === undefined) {
      await settled();
      return before;
    }
    const steps: Step[] = [{ do: 'replace', collection, id, version: before.version, value }, ...extra(before.value, value)];
    const result = await store.commit(partition, steps, options);
    if (result.ok) return { id, version: before.version + 1, value };
    if (result.failed !== 0) throw new GatewayError('conflict');
    return AGAIN;
  });
}
