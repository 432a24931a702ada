import { createHash } from 'node:crypto';
import { TokenError } from './token-error.ts';

const MAX_ENTRIES = 5000;
/** A token is exchanged again this long before the cached session token expires. */
const RENEW_BEFORE_MS = 30_000;
/** A refusal is cached this long. */
const CACHE_REFUSAL_MS = 5000;

interface Entry<T> {
  /** Settles when the exchange is done. */
  readonly result: Promise<T>;
  /** Milliseconds since 1970. */
  usableUntilMs: number;
}

/**
 * Caches what tokens were exchanged for, each until shortly before it expires. Entries are keyed by digest, so that the cache holds no
 * tokens of users. The least recently used entry is evicted first.
 */
export class ExchangedTokens<T extends { readonly expiresAtMs: number }> {
  readonly #exchange: (token: string) => Promise<T>;
  readonly #maxEntries: number;
  readonly #entries = new Map<string, Entry<T>>();

  /** @param exchange rejects with {@link TokenError} */
  constructor(exchange: (token: string) => Promise<T>, maxEntries = MAX_ENTRIES) {
    this.#exchange = exchange;
    this.#maxEntries = maxEntries;
  }

  /** Returns the cached result of a token, which may be a pending exchange or a recent refusal. */
  find(token: string): Promise<T> | undefined {
    const key = digestOf(token);
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    if (!entry || Date.now() >= entry.usableUntilMs) return undefined;
    this.#entries.set(key, entry);
    return entry.result;
  }

  /** Returns the cached result, or exchanges the token. @throws TokenError */
  get(token: string): Promise<T> {
    const cached = this.find(token);
    if (cached) return cached;
    const entry: Entry<T> = { result: this.#exchange(token), usableUntilMs: Number.POSITIVE_INFINITY };
    this.#entries.set(digestOf(token), entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#maxEntries && oldest !== undefined) this.#entries.delete(oldest);
    entry.result.then(
      ({ expiresAtMs }) => {
        entry.usableUntilMs = expiresAtMs - RENEW_BEFORE_MS;
      },
      (error: unknown) => {
        // A gateway that can't be reached now may answer the next request.
        const isRefused = error instanceof TokenError && error.reason === 'refused';
        entry.usableUntilMs = isRefused ? Date.now() + CACHE_REFUSAL_MS : 0;
      },
    );
    return entry.result;
  }
}

const digestOf = (token: string): string => createHash('sha256').update(token).digest('base64');
