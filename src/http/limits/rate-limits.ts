/** Applies rate limits to routes, and counts failed credentials. */
import type { Request, RequestHandler } from 'express';
import type { Actor } from '../../audit.ts';
import { mayBeOperatorToken, reportWrongOperatorToken } from '../../auth/sessions/operator-sessions.ts';
import { GatewayError } from '../../errors.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { LimitCounter } from './limit-counter.ts';
import { type AddressGroups, addressGroups, limitKey } from './limit-keys.ts';
import { LIMITS, type LimitName, NETWORK_FACTOR } from './limits.ts';

interface Counters {
  readonly address: LimitCounter;
  readonly network: LimitCounter;
}

const countersOf = perRuntime((runtime) => {
  const counters = new Map<LimitName, Counters>();
  return (name: LimitName): Counters => {
    let both = counters.get(name);
    if (!both) {
      const { points, seconds } = LIMITS[name];
      both = {
        address: new LimitCounter(runtime, { name, points, seconds }),
        network: new LimitCounter(runtime, { name: `${name}:network`, points: points * NETWORK_FACTOR, seconds }),
      };
      counters.set(name, both);
    }
    return both;
  };
});

/** The counters of one limit for one client or organization. */
export interface LimitState {
  /** Returns the milliseconds to wait, or undefined below the limit. Counts nothing. */
  waitMs(): number | undefined;
  /** Counts. Returns the milliseconds to wait if the limit is exceeded now. */
  count(cost?: number): Promise<number | undefined>;
  /** See {@link LimitCounter.reserve}. */
  reserve(): () => void;
  /** See {@link LimitCounter.giveBack}. */
  giveBack(): Promise<void>;
}

/** @param groups the groups of an address, or the ID of an organization or a request */
export function limitOf(runtime: Runtime, name: LimitName, groups: AddressGroups | string): LimitState {
  const counters = countersOf(runtime)(name);
  const { address, network } = typeof groups === 'string' ? { address: groups, network: undefined } : groups;
  // The larger network is first, because a network over its limit must not create further counters.
  const parts = [
    ...(network === undefined ? [] : [{ counter: counters.network, key: limitKey(runtime, name, network) }]),
    { counter: counters.address, key: limitKey(runtime, name, address) },
  ];
  const exceeded = (waitMs: number | undefined): number | undefined => {
    if (waitMs !== undefined) runtime.metrics.limited.inc({ limit: name });
    return waitMs;
  };
  const waitMs = () => parts.map(({ counter, key }) => counter.waitMs(key)).find((ms) => ms !== undefined);
  return {
    waitMs,
    async count(cost) {
      for (const { counter, key } of parts) {
        const ms = await counter.count(key, cost);
        if (ms !== undefined) return exceeded(ms);
      }
      return undefined;
    },
    reserve() {
      const releases = parts.map(({ counter, key }) => counter.reserve(key));
      return () => {
        for (const release of releases) release();
      };
    },
    async giveBack() {
      for (const { counter, key } of parts) await counter.giveBack(key);
    },
  };
}

export const tooMany = (ms: number): GatewayError =>
  new GatewayError('rate_limited', { retryAfterSeconds: Math.max(1, Math.ceil(ms / 1000)) });

/** @throws rate_limited */
export const requireWithinLimit = (runtime: Runtime, name: LimitName, request: Request): Promise<void> =>
  requireKeyWithinLimit(runtime, name, addressGroups(request.ip));

/**
 * Counts a request, also by something other than the address, such as an organization.
 * @throws rate_limited
 */
export async function requireKeyWithinLimit(runtime: Runtime, name: LimitName, groups: AddressGroups | string): Promise<void> {
  if (!runtime.config.rateLimits) return;
  const limit = limitOf(runtime, name, groups);
  // Without a look at Redis, if this replica knows that the limit is exceeded.
  const waitMs = limit.waitMs() ?? (await limit.count());
  if (waitMs !== undefined) throw tooMany(waitMs);
}

/** Limits the requests of one address to a route, whatever their outcome. */
export const limited =
  (runtime: Runtime, name: LimitName): RequestHandler =>
  async (request, _response, next) => {
    await requireWithinLimit(runtime, name, request);
    next();
  };

/**
 * Checks a credential, and counts if it fails. A valid credential is always accepted, also over the limit. Otherwise one client could
 * lock out all others at its address.
 * @throws rate_limited instead of the failure, once the address has too many
 */
export async function countFailures<T>(runtime: Runtime, { name, address, isFailure }: FailureLimit, check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    const isCounted = runtime.config.rateLimits && error instanceof GatewayError && isFailure(error);
    const waitMs = isCounted ? await countFailure(runtime, name, address) : undefined;
    throw waitMs === undefined ? error : tooMany(waitMs);
  }
}

interface FailureLimit {
  readonly name: LimitName;
  readonly address: string | undefined;
  readonly isFailure: (error: GatewayError) => boolean;
}

/** Counts a failure. Returns the milliseconds to wait if the address has too many. */
export async function countFailure(runtime: Runtime, name: LimitName, address: string | undefined): Promise<number | undefined> {
  if (!runtime.config.rateLimits) return undefined;
  const limit = limitOf(runtime, name, addressGroups(address));
  return limit.waitMs() ?? (await limit.count());
}

/**
 * Authenticates a request with an Authorization header. Refused tokens count, and guesses of the operator token are reported.
 * @throws unauthenticated, rate_limited
 */
export function checkBearerToken<T>(
  runtime: Runtime,
  { actor, authorization }: { readonly actor: Actor; readonly authorization: string },
  check: () => Promise<T>,
): Promise<T> {
  const limit = wrongTokens(actor.address);
  return countFailures(runtime, limit, async () => {
    try {
      return await check();
    } catch (error) {
      const isRefused = error instanceof GatewayError && limit.isFailure(error);
      if (isRefused && mayBeOperatorToken(authorization)) await reportWrongOperatorToken(runtime, actor, 'bearer_token');
      throw error;
    }
  });
}

/** The limit of bearer tokens. Requests without a token are no guesses. */
export const wrongTokens = (address: string | undefined): FailureLimit => ({
  name: 'wrong_tokens',
  address,
  isFailure: ({ code }) => code === 'unauthenticated',
});
