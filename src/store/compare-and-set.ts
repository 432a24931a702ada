import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors.ts';

const MAX_TRIES = 20;
const PAUSE_MS = 5;

/** What a try returns that somebody else was faster than. */
export const AGAIN = Symbol('again');

/**
 * A change that is read, made and written on condition that nothing has changed in between; tried again where something has.
 * The pauses between the tries grow, by chance: of two replicas that do the same without pause one can lose each time.
 * @param attempt reads, and writes; {@link AGAIN} where the write's condition did not hold
 * @throws conflict after 20 tries; what `attempt` throws
 */
export async function compareAndSet<T>(attempt: () => Promise<T | typeof AGAIN>, onConflict = 'nothing was changed'): Promise<T> {
  for (let tries = 1; ; tries++) {
    const result = await attempt();
    if (result !== AGAIN) return result;
    if (tries === MAX_TRIES) throw new GatewayError('conflict', `Too many changes at the same time; ${onConflict}.`);
    await sleep(Math.random() * PAUSE_MS * tries);
  }
}
