/** Caches what every check needs from the store, for a bounded time. */
import { GatewayError } from '../errors.ts';

interface Snapshot<T> {
  readonly value: T;
  /** Two clocks: the monotonic one stops while a machine sleeps, and the wall clock may be set. */
  readonly startedMonotonicMs: number;
  readonly startedWallMs: number;
}

/**
 * Caches one store read for at most `leaseMs`, counted from when the read **started**. After that, the next caller waits for a
 * new read, which concurrent callers share. A value that is used after half the time is read again in the background, so that
 * callers of a busy value never wait. A value that is not used is not read.
 */
export class Lease<T> {
  readonly #leaseMs: number;
  readonly #read: (former: T | undefined) => Promise<T>;
  #snapshot: Snapshot<T> | undefined;
  #reading: Promise<Snapshot<T>> | undefined;

  /** @param read receives the former value, so that it can reuse parts that are expensive to create */
  constructor(leaseMs: number, read: (former: T | undefined) => Promise<T>) {
    this.#leaseMs = leaseMs;
    this.#read = read;
  }

  /**
   * Returns the current value, and a promise only if it must be read, because most checks need not wait. Call it for each check
   * and do not keep the value. Callers must await a promise, as an unhandled rejection would end the process.
   * @param maxAgeMs a shorter age limit than the lease, for callers that need a more recent value
   * @throws store_unavailable, as a rejection
   */
  current(maxAgeMs: number = this.#leaseMs): T | Promise<T> {
    const snapshot = this.#snapshot;
    const ageMs = snapshot ? ageOf(snapshot) : Number.POSITIVE_INFINITY;
    if (!snapshot || ageMs >= maxAgeMs) return this.#readFor(maxAgeMs);
    if (ageMs > this.#leaseMs / 2 && !this.#reading) this.#start().catch(() => {}); // callers that need the value get the error
    return snapshot.value;
  }

  async #readFor(maxAgeMs: number): Promise<T> {
    // If the store is slow, a read that was already running may be too old when it ends.
    for (let attempt = 0; attempt < 2; attempt++) {
      const snapshot = await (this.#reading ?? this.#start());
      if (ageOf(snapshot) < maxAgeMs) return snapshot.value;
    }
    throw new GatewayError('store_unavailable', { cause: 'the store answers too slowly' });
  }

  /** Discards the value after a change by this process, and a running read, which may have started before the change. */
  drop(): void {
    this.#snapshot = undefined;
    this.#reading = undefined;
  }

  async #start(): Promise<Snapshot<T>> {
    const reading = this.#readNow();
    this.#reading = reading;
    try {
      const snapshot = await reading;
      if (this.#reading === reading) this.#snapshot = snapshot;
      return snapshot;
    } finally {
      if (this.#reading === reading) this.#reading = undefined;
    }
  }

  async #readNow(): Promise<Snapshot<T>> {
    const started = { startedMonotonicMs: performance.now(), startedWallMs: Date.now() };
    return { value: await this.#read(this.#snapshot?.value), ...started };
  }
}

/** Returns the greater age of both clocks. A wall clock that was set back makes the value too old. */
function ageOf({ startedMonotonicMs, startedWallMs }: Snapshot<unknown>): number {
  const wallMs = Date.now() - startedWallMs;
  return wallMs < 0 ? Number.POSITIVE_INFINITY : Math.max(wallMs, performance.now() - startedMonotonicMs);
}
