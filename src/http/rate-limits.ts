/**
 * Who may try how often. Counted in Redis where that is the store, so for all replicas together, else in memory.
 *
 * The assertion consumer service counts messages that no good signature covers, by address and by organization; a sign-in that is
 * accepted costs nothing, however many there are, and neither does a genuine message that is refused. Over the limit a message is
 * looked at only where it answers a request that this browser has just started here, which costs one read to find out. So a
 * stranger behind the same address, or one who floods an organization from many, keeps nobody from signing in the ordinary way;
 * what they lose is that their messages are parsed.
 *
 * A limiter that can't count lets through: then the store is away, and nothing is accepted anyway.
 */
import { hash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Request, RequestHandler } from 'express';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { type ErrorCode, GatewayError } from '../errors.ts';
import { perRuntime, type Runtime } from '../runtime.ts';

interface Limit {
  readonly points: number;
  readonly seconds: number;
}

/** Each is far above what people and programs do, and far below what hurts. */
export const LIMITS = {
  /** Messages at the ACS that no good signature covers. The worst of them costs 20 ms, so this is a tenth of a core. */
  refusals_by_address: { points: 300, seconds: 60 },
  refusals_by_organization: { points: 1200, seconds: 60 },
  /** Genuine messages that were refused all the same (a replay, a person without a role): more are refused, but no longer written down. */
  genuine_refusals: { points: 300, seconds: 60 },
  /** Messages that come for one request of this browser, which is used up by the one that is accepted. */
  tries_of_request: { points: 5, seconds: 1800 },
  login_start: { points: 300, seconds: 60 },
  /** All messages of single logout, by address only: no flood of an organization may keep its sessions from being ended. */
  logout: { points: 300, seconds: 60 },
  login_form: { points: 60, seconds: 60 },
  device_start: { points: 60, seconds: 60 },
  /** Guessing a code of another person: eight letters, ten minutes. */
  device_code: { points: 60, seconds: 300 },
  token: { points: 600, seconds: 60 },
  operator_sign_in: { points: 10, seconds: 300 },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof LIMITS;

/** What is like an oracle costs more: a tenth of the refusals are enough. */
const COST: Partial<Record<ErrorCode, number>> = { saml_decryption_failed: 10 };

/** In memory an address is one of so many places, so that a million of them take no more room than these. */
const PLACES_HEX_DIGITS = 4;

/** A request has a place of its own: there are only as many as were started, and strangers must not use up each other's. */
const placeOf = (name: LimitName, key: string): string =>
  name === 'tries_of_request' ? hash('sha256', key, 'hex') : hash('sha256', key, 'hex').slice(0, PLACES_HEX_DIGITS);

interface Counter {
  /** @returns ms until it is less than too much; undefined where it is not */
  count(key: string, points?: number): Promise<number | undefined>;
  /** Whether it was too much when last counted here; asks nobody. */
  isOver(key: string): boolean;
}

const countersOf = perRuntime((runtime) => {
  const made = new Map<LimitName, Counter>();
  return (name: LimitName): Counter => {
    const counter = made.get(name) ?? makeCounter(runtime, name);
    made.set(name, counter);
    return counter;
  };
});

function makeCounter({ store, metrics, now }: Runtime, name: LimitName): Counter {
  const { points, seconds }: Limit = LIMITS[name];
  const options = { points, duration: seconds, keyPrefix: `samlgate:limit:${name}` };
  const memory = new RateLimiterMemory(options);
  const client = store.limiterClient;
  const limiter = client === undefined ? memory : new RateLimiterRedis({ ...options, storeClient: client, insuranceLimiter: memory });
  const overUntilMs = new Map<string, number>();
  return {
    async count(key, cost = 1) {
      const place = placeOf(name, key);
      try {
        await limiter.consume(place, cost);
        overUntilMs.delete(place);
        return undefined;
      } catch (rejected) {
        if (!(rejected instanceof RateLimiterRes)) return undefined; // it can't count
        overUntilMs.set(place, now() + rejected.msBeforeNext);
        metrics.limited.inc({ limit: name });
        return rejected.msBeforeNext;
      }
    },
    isOver(key) {
      const place = placeOf(name, key);
      const untilMs = overUntilMs.get(place);
      if (untilMs !== undefined && untilMs <= now()) overUntilMs.delete(place);
      return untilMs !== undefined && untilMs > now();
    },
  };
}

/** Somebody with IPv6 has a whole /64 to choose addresses from. */
export function addressGroup(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!isIPv6(plain)) return plain;
  const [left = '', right] = plain.split('::');
  const words = left === '' ? [] : left.split(':');
  if (right !== undefined) {
    const rest = right === '' ? [] : right.split(':');
    while (words.length + rest.length < 8) words.push('0');
    words.push(...rest);
  }
  return words
    .slice(0, 4)
    .map((word) => Number.parseInt(word, 16).toString(16))
    .join(':');
}

const tooMany = (ms: number): GatewayError => new GatewayError('rate_limited', { retryAfterSeconds: Math.max(1, Math.ceil(ms / 1000)) });

/** @throws rate_limited */
export async function requireWithinLimit(runtime: Runtime, name: LimitName, request: Request): Promise<void> {
  if (!runtime.config.rateLimits) return;
  const waitMs = await countersOf(runtime)(name).count(addressGroup(request.ip));
  if (waitMs !== undefined) throw tooMany(waitMs);
}

/** In front of a route: so many requests of an address, whatever comes of them. */
export const limited =
  (runtime: Runtime, name: LimitName): RequestHandler =>
  async (request, _response, next) => {
    await requireWithinLimit(runtime, name, request);
    next();
  };

/** Whether so many messages from here, or for this organization, were refused that the next is looked at only for a reason. */
export function isOverRefusals(runtime: Runtime, address: string | undefined, organizationId: string): boolean {
  if (!runtime.config.rateLimits) return false;
  const counters = countersOf(runtime);
  return counters('refusals_by_address').isOver(addressGroup(address)) || counters('refusals_by_organization').isOver(organizationId);
}

/**
 * Counts a refused message.
 * @returns whether that was too many: then nothing more is to be written about it
 */
export async function countRefusal(
  runtime: Runtime,
  address: string | undefined,
  organizationId: string,
  code: ErrorCode,
  isGenuine: boolean,
): Promise<boolean> {
  if (!runtime.config.rateLimits) return false;
  const counters = countersOf(runtime);
  if (isGenuine) return (await counters('genuine_refusals').count(organizationId)) !== undefined;
  const waits = await Promise.all([
    counters('refusals_by_address').count(addressGroup(address), COST[code]),
    counters('refusals_by_organization').count(organizationId),
  ]);
  return waits.some((wait) => wait !== undefined);
}

/** Whether there were few messages yet for the request behind this RelayState: one request is no leave for any number of them. */
export const mayTryAgain = async (runtime: Runtime, relayState = ''): Promise<boolean> =>
  (await countersOf(runtime)('tries_of_request').count(relayState)) === undefined;

/** For a message that is not looked at. */
export const refusedTooOften = (): GatewayError =>
  new GatewayError('rate_limited', {
    detail: 'Too many messages were refused. Start to sign in on the gateway’s own page; that goes through.',
    retryAfterSeconds: LIMITS.refusals_by_address.seconds,
  });
