/**
 * Something of the store that lies in memory, because every check needs it: used for at most `leaseMs` after the read from
 * which it comes was **begun**. Then the next who asks waits for a new read, one at a time whoever asks. Something that is
 * asked for often is read again at half the time, so that nobody waits; something that nobody asks for is not read.
 */
import { GatewayError } from '../errors.ts';

interface Held<T> {
  readonly value: T;
  /** By two clocks: the monotonic one stands still while a machine sleeps, the other may be set. */
  readonly begunMonotonicMs: number;
  readonly begunWallMs: number;
}

export class Lease<T> {
  readonly #leaseMs: number;
  readonly #read: (former: T | undefined) => Promise<T>;
  #held: Held<T> | undefined;
  #reading: Promise<Held<T>> | undefined;

  /** @param read is given the former value, so that what costs to make need not be made again */
  constructor(leaseMs: number, read: (former: T | undefined) => Promise<T>) {
    this.#leaseMs = leaseMs;
    this.#read = read;
  }

  /**
   * To be called anew for each check; never kept. A promise only where the store is asked: a check must not wait for nothing.
   * Whoever calls must await what they get: a rejection that nobody hears ends the process.
   * @param maxAgeMs less than the lease, for who wants to know better
   * @throws store_unavailable, as a rejection
   */
  current(maxAgeMs: number = this.#leaseMs): T | Promise<T> {
    const held = this.#held;
    const ageMs = held ? ageOf(held) : Number.POSITIVE_INFINITY;
    if (!held || ageMs >= maxAgeMs) return this.#readFor(maxAgeMs);
    if (ageMs > this.#leaseMs / 2 && !this.#reading) this.#begin().catch(() => {}); // who needs it is told
    return held.value;
  }

  async #readFor(maxAgeMs: number): Promise<T> {
    // What is under way may have begun too long ago by the time when it ends: the store was slow.
    for (let attempt = 0; attempt < 2; attempt++) {
      const fresh = await (this.#reading ?? this.#begin());
      if (ageOf(fresh) < maxAgeMs) return fresh.value;
    }
    throw new GatewayError('store_unavailable', { cause: 'the store answers too slowly' });
  }

  /** This replica has changed it: it need not wait to know. A read that is under way may have come before. */
  drop(): void {
    this.#held = undefined;
    this.#reading = undefined;
  }

  async #begin(): Promise<Held<T>> {
    const reading = this.#readNow();
    this.#reading = reading;
    try {
      const held = await reading;
      if (this.#reading === reading) this.#held = held;
      return held;
    } finally {
      if (this.#reading === reading) this.#reading = undefined;
    }
  }

  async #readNow(): Promise<Held<T>> {
    const begun = { begunMonotonicMs: performance.now(), begunWallMs: Date.now() };
    return { value: await this.#read(this.#held?.value), ...begun };
  }
}

/** A clock that went back counts as too old. */
function ageOf({ begunMonotonicMs, begunWallMs }: Held<unknown>): number {
  const wallMs = Date.now() - begunWallMs;
  return wallMs < 0 ? Number.POSITIVE_INFINITY : Math.max(wallMs, performance.now() - begunMonotonicMs);
}
