import { createHash } from 'node:crypto';
import { TokenError } from './token-error.ts';

const MAX_KEPT = 5000;
/** How long before the end of what is kept it is fetched anew. */
const RENEW_BEFORE_MS = 30_000;
/** How long a token that was refused is not asked about again. */
const REFUSED_FOR_MS = 5000;

interface Kept<T> {
  readonly answer: Promise<T>;
  /** Milliseconds since 1970. */
  goodUntilMs: number;
}

/**
 * What tokens were exchanged for, each until shortly before it ends. Kept by digest, so that memory holds no token of anybody;
 * the one that was not needed longest goes first.
 */
export class ExchangedTokens<T extends { readonly expiresAtMs: number }> {
  readonly #exchange: (token: string) => Promise<T>;
  readonly #maxKept: number;
  readonly #kept = new Map<string, Kept<T>>();

  /** @param exchange throws {@link TokenError} */
  constructor(exchange: (token: string) => Promise<T>, maxKept = MAX_KEPT) {
    this.#exchange = exchange;
    this.#maxKept = maxKept;
  }

  /** What is kept for a token: also an exchange that is under way, and a refusal of a moment ago. */
  find(token: string): Promise<T> | undefined {
    const key = keyOf(token);
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    if (!kept || Date.now() >= kept.goodUntilMs) return undefined;
    this.#kept.set(key, kept);
    return kept.answer;
  }

  /** What is kept, or what it is exchanged for now. @throws TokenError */
  get(token: string): Promise<T> {
    const found = this.find(token);
    if (found) return found;
    const key = keyOf(token);
    const kept: Kept<T> = { answer: this.#exchange(token), goodUntilMs: Number.POSITIVE_INFINITY };
    this.#kept.set(key, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > this.#maxKept && oldest !== undefined) this.#kept.delete(oldest);
    kept.answer.then(
      ({ expiresAtMs }) => {
        kept.goodUntilMs = expiresAtMs - RENEW_BEFORE_MS;
      },
      (error: unknown) => {
        // That nobody could tell says nothing about the next time.
        const isRefused = error instanceof TokenError && error.reason === 'refused';
        kept.goodUntilMs = isRefused ? Date.now() + REFUSED_FOR_MS : 0;
      },
    );
    return kept.answer;
  }
}

const keyOf = (token: string): string => createHash('sha256').update(token).digest('base64');
