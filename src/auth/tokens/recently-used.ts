/**
 * Remembers what was used last, at most `size` of it, and forgets what was used longest ago. In two halves, so that finding
 * something moves nothing: where the newer half is full it becomes the older one, and what was found in neither goes.
 */
export class RecentlyUsed<T> {
  readonly #half: number;
  #newer = new Map<string, T>();
  #older = new Map<string, T>();

  constructor(size: number) {
    this.#half = Math.floor(size / 2);
  }

  get(key: string): T | undefined {
    return this.#newer.get(key) ?? this.#older.get(key);
  }

  /** Also when it was found: then it counts as used. */
  set(key: string, value: T): void {
    if (this.#newer.has(key)) return;
    if (this.#newer.size >= this.#half) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(key, value);
  }
}
