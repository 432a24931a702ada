/**
 * Bounds how many requests of one client or organization run at the same time, and with them the memory that they use. A SCIM request
 * takes a slot before its body is read. Each request keeps its slot until its work has ended, even if the client disconnects before.
 */
import type { Response } from 'express';
import { GatewayError } from '../../errors.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';

/** Waiting requests take little memory: their bodies are not read yet or, for comparisons, are limited by `request-bodies.ts`. */
const MAX_WAITING = 128;
/** Shorter than the time limit for the arrival of a request. */
const MAX_WAIT_MS = 10_000;
const RETRY_SECONDS = 5;

interface Slots {
  running: number;
  /** Requests in their order. Calling one starts it. */
  readonly waiting: Set<() => void>;
}

const slotsOf = perRuntime(() => new Map<string, Slots>());

export interface SlotOptions {
  /** The client, and the kind of its requests. */
  readonly key: string;
  /** Requests that run at the same time on each gateway. */
  readonly count: number;
  readonly response: Response;
}

/**
 * Runs the work of a request when fewer than `count` others of the client run.
 * @throws rate_limited if too many wait, if the request waited too long, or if the client disconnected before the work began
 */
export async function runInSlot<T>(
  runtime: Runtime,
  { key, count, response }: SlotOptions,
  work: (hasWaited: boolean) => Promise<T>,
): Promise<T> {
  const all = slotsOf(runtime);
  const slots = all.get(key) ?? { running: 0, waiting: new Set() };
  all.set(key, slots);
  const hasToWait = slots.running >= count;
  if (hasToWait) await waitForSlot(runtime, slots, response);
  else slots.running++;
  try {
    return await work(hasToWait);
  } finally {
    const [next] = slots.waiting;
    if (next) {
      slots.waiting.delete(next);
      next();
    } else if (--slots.running === 0) all.delete(key);
  }
}

/**
 * Runs the comparison of a table of identifiers with the members of an organization. An organization has one slot, because each comparison
 * takes some megabytes, and the more objects are in use, the longer the pauses of the garbage collector.
 * @throws as {@link runInSlot}
 */
export const runComparison = <T>(runtime: Runtime, organizationId: string, response: Response, compare: () => Promise<T>): Promise<T> =>
  runInSlot(runtime, { key: `comparison ${organizationId}`, count: 1, response }, compare);

async function waitForSlot(runtime: Runtime, { waiting }: Slots, response: Response): Promise<void> {
  if (waiting.size >= MAX_WAITING || response.closed) throw tooManyAtOnce(runtime);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const leave = () => {
    waiting.delete(resolve);
    reject(tooManyAtOnce(runtime));
  };
  const timer = setTimeout(leave, MAX_WAIT_MS);
  response.once('close', leave);
  waiting.add(resolve);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    response.off('close', leave);
  }
}

function tooManyAtOnce({ metrics }: Runtime): GatewayError {
  metrics.limited.inc({ limit: 'requests_at_once' });
  return new GatewayError('rate_limited', {
    detail: 'Too many of these requests are running at the same time. Try again in a few seconds.',
    retryAfterSeconds: RETRY_SECONDS,
  });
}
