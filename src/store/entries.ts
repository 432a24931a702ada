/** What both engines store beside a value: its index strings, its unique strings and its time to live. */
import type { Collection } from './store.ts';

/** The index and unique strings of a value, as (name, string) pairs. */
export interface Entries {
  readonly indexes: readonly (readonly [name: string, text: string])[];
  readonly uniques: readonly (readonly [name: string, text: string])[];
}

/** @throws TypeError if a string is not allowed in an index */
export function entriesOf(collection: Collection<never>, value: unknown): Entries {
  const pairs = (functions: Collection<never>['indexes']) => {
    const found: [name: string, text: string][] = [];
    for (const [name, texts] of Object.entries(functions))
      for (const text of new Set(texts(value as never))) found.push([name, checkText(text)]);
    return found;
  };
  return { indexes: pairs(collection.indexes), uniques: pairs(collection.unique) };
}

/** @throws TypeError if the records of a collection are never replaced */
export function requireReplaceable({ name, writtenOnce }: Collection<never>): void {
  if (writtenOnce) throw new TypeError(`records of the collection ${name} are never replaced`);
}

/**
 * Returns the index by which records are counted.
 * @throws TypeError if the collection has none
 */
export function countedIndexOf({ name, counted }: Collection<never>): string {
  if (counted === undefined) throw new TypeError(`the collection ${name} is not counted`);
  return counted;
}

function checkText(text: string): string {
  if (text.length > 1024 || text.includes('\0')) throw new TypeError('an index string has more than 1024 characters or contains NUL');
  // All unpaired surrogates become the same character in UTF-8, so different strings would be equal in the index.
  if (!text.isWellFormed()) throw new TypeError('an index string contains an unpaired surrogate');
  return text;
}

/**
 * Converts a time to live for both engines. Redis checks it only after its script has begun to write, so it must be valid here.
 * @throws TypeError for NaN
 */
export function toTtlMs(ttlSeconds: number): number {
  if (Number.isNaN(ttlSeconds)) throw new TypeError('a time to live is not a number');
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(1, Math.ceil(ttlSeconds * 1000)));
}
