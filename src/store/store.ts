/**
 * The interface of the store, with the guarantees that SQLite and Redis both give. `test/store/conformance.ts` checks every
 * guarantee on each engine, with racing processes.
 *
 * Everything belongs to a **partition** (an organization's id, or {@link GLOBAL}). Commits are atomic within a partition only,
 * because Redis Cluster keeps each partition in one slot (its name is the hash tag). A partition holds
 *
 * - **records**: JSON values of a {@link Collection}, with a version and with indexes that the collection computes from the value;
 * - **expiring values**: a key, a string and a time to live, for sign-in requests, sessions and one-time claims.
 *
 * All writes go through {@link Store.commit}. If the store does not answer, every method throws `store_unavailable`. A commit
 * that threw `store_unavailable` has either happened completely or will never happen.
 */
import { GatewayError } from '../errors.ts';

/** The partition for everything that belongs to no organization. Partition names contain only letters, digits, `_` and `-`. */
export const GLOBAL = 'global';

/**
 * A kind of record. `indexes` returns, for each index, the strings under which a value is found (none, one or several).
 * `unique` returns the strings that no two records of a partition may share. Index strings have at most 1024 characters, and
 * contain neither NUL nor unpaired surrogates.
 */
export interface Collection<T> {
  readonly name: string;
  readonly indexes: Readonly<Record<string, (value: T) => readonly string[]>>;
  readonly unique: Readonly<Record<string, (value: T) => readonly string[]>>;
  /** An index that has exactly one string for each record. {@link Store.count} and the step `below` need it. */
  readonly counted?: string;
  /** Records are never replaced and have no unique strings. Redis then needs much less memory for each of them. */
  readonly writtenOnce?: true;
}

export interface Stored<T> {
  readonly id: string;
  /** Starts at 1 and increases by 1 with each replacement. */
  readonly version: number;
  readonly value: T;
}

/** One step of a commit. If a step fails, the whole commit has no effect. */
export type Step =
  /** Fails if the id exists, or if another record has one of the unique strings. */
  | { readonly do: 'insert'; readonly collection: Collection<never>; readonly id: string; readonly value: unknown }
  /** Fails unless the record has this version, or if another record has one of the unique strings. */
  | {
      readonly do: 'replace';
      readonly collection: Collection<never>;
      readonly id: string;
      readonly version: number;
      readonly value: unknown;
    }
  /** Fails unless the record has this version. */
  | { readonly do: 'delete'; readonly collection: Collection<never>; readonly id: string; readonly version: number }
  /**
   * Writes a record as another store had it, with its version and its index strings. Fails if the id exists, or if another record has
   * one of the unique strings. For tools that copy a store; gateways insert.
   */
  | {
      readonly do: 'restore';
      readonly collection: Pick<Collection<never>, 'name' | 'writtenOnce'>;
      readonly id: string;
      readonly version: number;
      /** JSON. */
      readonly text: string;
      readonly indexes: readonly (readonly [name: string, text: string])[];
      readonly uniques: readonly (readonly [name: string, text: string])[];
    }
  /** Changes nothing. Fails unless the record exists and has this version (any version, if none is given). */
  | { readonly do: 'require'; readonly collection: Collection<never>; readonly id: string; readonly version?: number }
  /** Changes nothing. Fails unless the collection has fewer records than `count`. Must come before inserts and deletions of the collection. */
  | { readonly do: 'below'; readonly collection: Collection<never>; readonly count: number }
  /**
   * Adds 1 to a counter, which expires `ttlSeconds` after it was 0. Fails if it is already `max`. Each counter only once in a commit.
   */
  | { readonly do: 'increment'; readonly key: string; readonly max: number; readonly ttlSeconds: number }
  /** Writes an expiring value, and replaces a former one. */
  | { readonly do: 'put'; readonly key: string; readonly value: string; readonly ttlSeconds: number }
  /** Deletes an expiring value. Fails if the key has no value, or an expired one. */
  | { readonly do: 'take'; readonly key: string }
  /** Writes a value (empty, if none is given). Fails if the key has a value, so a claim succeeds once until it expires. */
  | { readonly do: 'claim'; readonly key: string; readonly value?: string; readonly ttlSeconds: number }
  /** Changes nothing. Fails if the key has a value. */
  | { readonly do: 'absent'; readonly key: string }
  /** Deletes an expiring value, if there is one. Never fails. */
  | { readonly do: 'drop'; readonly key: string };

/** `failed` is the position of the first step that failed. Nothing was written then. */
export type CommitResult = { readonly ok: true } | { readonly ok: false; readonly failed: number };

export interface CommitOptions {
  /**
   * Waits until every connected replica has acknowledged the commit (Redis only), so that a failover cannot undo it. Set for
   * every commit that revokes a credential or changes which users can sign in.
   */
  readonly replicated?: boolean;
}

export interface Range {
  /** Returns only records with this index string. Without it: the whole index, ordered by the UTF-8 octets of the strings. */
  readonly equals?: string | undefined;
  /** Reverses the order: newest, or last, first. */
  readonly descending?: boolean;
  /** 1 to 200. */
  readonly limit: number;
  /** The `nextCursor` of the previous page. */
  readonly cursor?: string | undefined;
}

export interface Page<T> {
  readonly items: readonly Stored<T>[];
  readonly nextCursor: string | null;
}

export interface Store {
  get<T>(partition: string, collection: Collection<T>, id: string): Promise<Stored<T> | undefined>;
  /** Returns the record that has this unique string. */
  getUnique<T>(partition: string, collection: Collection<T>, unique: string, value: string): Promise<Stored<T> | undefined>;
  /**
   * Returns one page of an index, ordered by string and id. A record with several strings in the index appears once for each.
   * @throws validation_failed if the cursor is not one of this partition, collection, index, string and direction
   */
  find<T>(partition: string, collection: Collection<T>, index: string, range: Range): Promise<Page<T>>;
  /** Returns whether an index has no records. Costs less than {@link Store.find}. */
  isEmpty<T>(partition: string, collection: Collection<T>, index: string): Promise<boolean>;
  /** Returns the number of records of a counted collection. Takes the same time however many there are. */
  count<T>(partition: string, collection: Collection<T>): Promise<number>;
  /** Reads an expiring value without deleting it. Never returns an expired one. */
  peek(partition: string, key: string): Promise<string | undefined>;
  /**
   * Applies all steps or none. No reader or writer sees a part of them. The result is on disk (SQLite) or acknowledged by the
   * primary (Redis) when the promise resolves.
   */
  commit(partition: string, steps: readonly Step[], options?: CommitOptions): Promise<CommitResult>;
  /**
   * Deletes all records and expiring values of a partition, in many small steps, between which other work runs. The cost depends on
   * the partition only. Not atomic: after an interruption, call it again.
   * @param kept the first characters of the keys of expiring values that stay until they expire
   */
  purge(partition: string, kept?: string): Promise<void>;
  /** Resolves if the store answers. */
  ping(): Promise<void>;
  /** Returns what the operator must change on the server so that the guarantees hold. Each sentence names the setting. */
  warnings(): Promise<readonly string[]>;
  /** The engine's connection, for rate limits that all replicas of the gateway share. Undefined if each process counts for itself. */
  readonly limiterClient?: object | undefined;
  close(): Promise<void>;
}

/** A server that a store has used, and whether it can be reached. Reported once when that changes. */
export type Reachability =
  | { readonly redis: string; readonly isReachable: false; readonly reason: string }
  | { readonly redis: string; readonly isReachable: true };

/** Receives what a store on Redis notices. */
export interface StoreObserver {
  /** Each outage of a server, and its end. */
  readonly onReachability?: (change: Reachability) => void;
  /** How long a commit waited for the replicas. */
  readonly onReplicationWait?: (seconds: number) => void;
}

/**
 * A `store_unavailable` that {@link Store.commit} throws if the commit has happened, but not every replica has acknowledged it. A
 * failover may undo the commit.
 */
export class UnacknowledgedCommit extends GatewayError {
  constructor(cause: unknown) {
    super('store_unavailable', { cause });
  }
}

/** Creates the error that every method throws if the store does not answer. */
export const storeUnavailable = (cause: unknown): GatewayError => new GatewayError('store_unavailable', { cause });
