/** Entries of a store as they are stored. */

/** (name, string) pairs, in any order. */
export type Pairs = readonly (readonly [name: string, text: string])[];

export interface RawRecord {
  readonly kind: 'record';
  readonly partition: string;
  readonly collection: string;
  readonly id: string;
  readonly version: number;
  /** JSON. */
  readonly text: string;
  readonly indexes: Pairs;
  readonly uniques: Pairs;
}

export interface RawExpiring {
  readonly kind: 'expiring';
  readonly partition: string;
  readonly key: string;
  readonly value: string;
  readonly ttlMs: number;
}

export type RawEntry = RawRecord | RawExpiring;

/** Identifies an entry. */
export type RawRef = Pick<RawRecord, 'kind' | 'partition' | 'collection' | 'id'> | Pick<RawExpiring, 'kind' | 'partition' | 'key'>;

export interface RawStore {
  /**
   * Yields batches of all entries. An entry that is there during the whole scan is yielded at least once; one that is written or
   * deleted meanwhile may be missing. Expired values are not yielded.
   */
  scan(): AsyncIterable<readonly RawEntry[]>;
  /** Returns the entries in the order of the references. Undefined for a missing one. */
  read(refs: readonly RawRef[]): Promise<readonly (RawEntry | undefined)[]>;
  /** Returns descriptions of index and unique strings that lead to no record, and of records that lack theirs. */
  findBrokenIndexes(records: readonly RawRecord[]): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Entries of one batch, about. */
export const SCAN_BATCH = 200;

export const refText = (ref: RawRef): string =>
  ref.kind === 'record' ? `r ${ref.partition} ${ref.collection} ${ref.id}` : `e ${ref.partition} ${ref.key}`;
