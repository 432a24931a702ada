import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors.ts';

const MAX_TRIES = 20;
const PAUSE_MS = 5;

/** Returned by an attempt whose write lost against a concurrent change. */
export const RETRY = Symbol('retry');

/**
 * Repeats an optimistic change until its write succeeds. Pauses between attempts are random and grow, because two replicas that
 * retry in step could lose to each other every time.
 * @param attempt reads the current state and writes on condition that it is unchanged; returns {@link RETRY} if it was not
 * @throws conflict after 20 attempts, and every error of `attempt`
 */
export async function compareAndSet<T>(attempt: () => Promise<T | typeof RETRY>, onConflict = 'nothing was changed'): Promise<T> {
  for (let tries = 1; ; tries++) {
    const result = await attempt();
    if (result !== RETRY) return result;
    if (tries === MAX_TRIES) throw new GatewayError('conflict', `Too many changes at the same time; ${onConflict}.`);
    await sleep(Math.random() * PAUSE_MS * tries);
  }
}
