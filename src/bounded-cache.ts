/**
 * A map that keeps at most `maxEntries` entries and drops those that were not used for the longest time. It keeps at least the
 * `maxEntries / 2` entries that were used last.
 *
 * Entries live in two generations, so that reading a recent entry moves nothing. When the newer generation is full, it
 * becomes the older one, and entries that were only in the older one are dropped.
 */
export class BoundedCache<V extends NonNullable<unknown>> {
  readonly #generationSize: number;
  #newer = new Map<string, V>();
  #older = new Map<string, V>();

  constructor(maxEntries: number) {
    this.#generationSize = Math.floor(maxEntries / 2);
  }

  /** Returns the value of the key, and counts as a use of the entry. */
  get(key: string): V | undefined {
    const recent = this.#newer.get(key);
    if (recent !== undefined) return recent;
    const value = this.#older.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    if (this.#newer.size >= this.#generationSize && !this.#newer.has(key)) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(key, value);
  }

  delete(key: string): void {
    this.#newer.delete(key);
    this.#older.delete(key);
  }

  clear(): void {
    this.#newer.clear();
    this.#older.clear();
  }
}
