/** Counts points per key in fixed windows: in Redis for all replicas together, or in memory with another store. */
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Runtime } from '../../runtime.ts';

/** The points of a key in its current window. */
interface Window {
  readonly points: number;
  readonly endsAtMs: number;
}

/**
 * The windows of many keys. All of them last equally long, so the oldest end first, and are dropped when another one is added. If
 * there are too many, the oldest are dropped before they end, which only an attacker with very many addresses can cause.
 */
export class Windows {
  readonly #windows = new Map<string, Window>();
  readonly #now: () => number;
  readonly #maxKeys: number;

  constructor(now: () => number, maxKeys: number) {
    this.#now = now;
    this.#maxKeys = maxKeys;
  }

  get(key: string): Window | undefined {
    const window = this.#windows.get(key);
    return window && window.endsAtMs > this.#now() ? window : undefined;
  }

  set(key: string, window: Window): void {
    const nowMs = this.#now();
    // A new window moves to the end.
    if ((this.#windows.get(key)?.endsAtMs ?? 0) <= nowMs) this.#windows.delete(key);
    this.#windows.set(key, window);
    for (const [oldest, { endsAtMs }] of this.#windows) {
      if (endsAtMs > nowMs && this.#windows.size <= this.#maxKeys) break;
      this.#windows.delete(oldest);
    }
  }

  get size(): number {
    return this.#windows.size;
  }
}

export interface CounterOptions {
  /** Distinguishes the keys of this counter in Redis. */
  readonly name: string;
  readonly points: number;
  readonly seconds: number;
}

/** For each counter, in each process. A key takes about 150 bytes. */
const MAX_KEYS = 4000;

/**
 * One limit. Every replica remembers the points that it has seen last, so that a key over its limit costs no further read. If Redis
 * does not answer, the replica counts for itself.
 */
export class LimitCounter {
  readonly #runtime: Runtime;
  readonly #options: CounterOptions;
  readonly #known: Windows;
  readonly #reserved = new Map<string, number>();
  #shared: { readonly client: object; readonly limiter: RateLimiterRedis } | undefined;

  constructor(runtime: Runtime, options: CounterOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#known = new Windows(runtime.now, MAX_KEYS);
  }

  /** Returns the milliseconds until the key is below its limit again, or undefined if it is below. Counts nothing. */
  waitMs(key: string): number | undefined {
    const window = this.#known.get(key);
    const points = (window?.points ?? 0) + (this.#reserved.get(key) ?? 0);
    if (points < this.#options.points) return undefined;
    return window ? window.endsAtMs - this.#runtime.now() : 1000;
  }

  /** Counts. Returns the milliseconds until the key is below its limit again if it is over the limit now; undefined otherwise. */
  async count(key: string, cost = 1): Promise<number | undefined> {
    const { points, endsAtMs } = (await this.#countShared(key, cost)) ?? this.#countHere(key, cost);
    this.#known.set(key, { points, endsAtMs });
    return points > this.#options.points ? endsAtMs - this.#runtime.now() : undefined;
  }

  /**
   * Returns one point of a key that has used more than half of them in the current window. Below that, nothing is at stake, and
   * the store is spared a write.
   */
  async giveBack(key: string): Promise<void> {
    const window = this.#known.get(key);
    if (!window || window.points * 2 <= this.#options.points) return;
    this.#known.set(key, { ...window, points: window.points - 1 });
    // If Redis does not answer, its count is too high until the window ends.
    await this.#limiter()
      ?.reward(key, 1)
      .catch(() => undefined);
  }

  /**
   * Reserves one point for a request whose outcome is not known yet, so that concurrent requests cannot exceed the limit together.
   * @returns releases the point
   */
  reserve(key: string): () => void {
    this.#reserved.set(key, (this.#reserved.get(key) ?? 0) + 1);
    return () => {
      const left = (this.#reserved.get(key) ?? 0) - 1;
      if (left > 0) this.#reserved.set(key, left);
      else this.#reserved.delete(key);
    };
  }

  #countHere(key: string, cost: number): Window {
    const window = this.#known.get(key) ?? { points: 0, endsAtMs: this.#runtime.now() + this.#options.seconds * 1000 };
    return { ...window, points: window.points + cost };
  }

  async #countShared(key: string, cost: number): Promise<Window | undefined> {
    const limiter = this.#limiter();
    if (!limiter) return undefined;
    const result: unknown = await limiter.consume(key, cost).catch((rejected: unknown) => rejected);
    if (!(result instanceof RateLimiterRes)) return undefined; // Redis does not answer.
    return { points: result.consumedPoints, endsAtMs: this.#runtime.now() + result.msBeforeNext };
  }

  #limiter(): RateLimiterRedis | undefined {
    const client = this.#runtime.store.limiterClient;
    if (client === undefined) return undefined;
    if (this.#shared?.client !== client) {
      const { name, points, seconds } = this.#options;
      const options = { points, duration: seconds, keyPrefix: `samlgate:limit:${name}`, rejectIfRedisNotReady: true };
      this.#shared = { client, limiter: new RateLimiterRedis({ ...options, storeClient: client }) };
    }
    return this.#shared?.limiter;
  }
}
