/**
 * Rate limits, counted in Redis for all replicas together, or in memory with another store. A limiter that cannot count lets
 * requests pass: the store is down then, so nothing is accepted anyway.
 *
 * The assertion consumer service counts responses without a valid signature, by address and by organization. Accepted sign-ins
 * and genuine responses that are refused cost nothing. Over the limit, a response is examined only if it answers a sign-in
 * that its browser started here, which one read finds out. So neither an attacker behind the same address nor a flood against
 * one organization keeps users from signing in; the attacker's responses are no longer parsed.
 */
import { hash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Request, RequestHandler } from 'express';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { ResponseLimits } from '../auth/sign-in/answer-response.ts';
import { type ErrorCode, GatewayError } from '../errors.ts';
import { perRuntime, type Runtime } from '../runtime.ts';

interface Limit {
  readonly points: number;
  readonly seconds: number;
}

/** Each limit is far above what users and programs need, and far below what harms the gateway. */
export const LIMITS = {
  /**
   * Responses without a valid signature. The slowest to examine cost about 20 ms of CPU, so this is a tenth of one core. The form is
   * decoded before the limit applies; base64 with white space between all characters costs about 90 ms there.
   */
  refusals_by_address: { points: 300, seconds: 60 },
  refusals_by_organization: { points: 1200, seconds: 60 },
  /** Genuine responses that were refused (a replay, a user without a role). More are refused as well, but no longer recorded. */
  genuine_refusals: { points: 300, seconds: 60 },
  /** Responses to one request of a browser. An accepted response consumes the request. */
  tries_of_request: { points: 5, seconds: 1800 },
  /** Unsolicited responses with an unknown key, for which metadata is fetched. */
  unsolicited_fetches: { points: 5, seconds: 300 },
  login_start: { points: 300, seconds: 60 },
  /** Single logout messages, by address only: no flood against an organization may keep its sessions from being ended. */
  logout: { points: 300, seconds: 60 },
  login_form: { points: 60, seconds: 60 },
  device_start: { points: 60, seconds: 60 },
  /** Guesses of another user's device code, which has eight letters and lives for ten minutes. */
  device_code: { points: 60, seconds: 300 },
  token: { points: 600, seconds: 60 },
  /** Look-ups in DNS that the members of an organization start. */
  domain_check: { points: 100, seconds: 600 },
  operator_sign_in: { points: 10, seconds: 300 },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof LIMITS;

/** A failed decryption could serve as an oracle, so a tenth of the refusals reach the limit. */
const COST: Partial<Record<ErrorCode, number>> = { saml_decryption_failed: 10 };

/** Addresses share 65,536 places, which bounds the memory that an attacker with many addresses can use. */
const PLACE_HEX_DIGITS = 4;

/** A request has a place of its own. Only as many exist as were started, and no user may use up the tries of another. */
const placeOf = (name: LimitName, key: string): string =>
  name === 'tries_of_request' ? hash('sha256', key, 'hex') : hash('sha256', key, 'hex').slice(0, PLACE_HEX_DIGITS);

/** Counts one use of a key. Returns the milliseconds until the key is below its limit again, or undefined if it is below. */
type Counter = (key: string, points?: number) => Promise<number | undefined>;

const countersOf = perRuntime((runtime) => {
  const counters = new Map<LimitName, Counter>();
  return (name: LimitName): Counter => {
    const counter = counters.get(name) ?? makeCounter(runtime, name);
    counters.set(name, counter);
    return counter;
  };
});

function makeCounter({ store, metrics }: Runtime, name: LimitName): Counter {
  const { points, seconds }: Limit = LIMITS[name];
  const options = { points, duration: seconds, keyPrefix: `samlgate:limit:${name}` };
  const memory = new RateLimiterMemory(options);
  const client = store.limiterClient;
  const limiter = client === undefined ? memory : new RateLimiterRedis({ ...options, storeClient: client, insuranceLimiter: memory });
  return async (key, cost = 1) => {
    try {
      await limiter.consume(placeOf(name, key), cost);
      return undefined;
    } catch (rejected) {
      if (!(rejected instanceof RateLimiterRes)) return undefined; // the limiter cannot count
      metrics.limited.inc({ limit: name });
      return rejected.msBeforeNext;
    }
  };
}

/**
 * Places that are over a limit, and until when. All of them stay for about as long, so the oldest expire first and are dropped
 * when another one is added.
 */
export class PlacesOverLimit {
  readonly #untilMs = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(place: string, forMs: number): void {
    const nowMs = this.#now();
    for (const [oldest, untilMs] of this.#untilMs) {
      if (untilMs > nowMs) break;
      this.#untilMs.delete(oldest);
    }
    this.delete(place); // so that it moves to the end
    this.#untilMs.set(place, nowMs + forMs);
  }

  has(place: string): boolean {
    return (this.#untilMs.get(place) ?? 0) > this.#now();
  }

  delete(place: string): void {
    this.#untilMs.delete(place);
  }

  get size(): number {
    return this.#untilMs.size;
  }
}

interface RefusalCounter {
  readonly count: Counter;
  /** Whether the key was over its limit when it was last counted by this replica. Costs no read. */
  isOver(key: string): boolean;
}

function makeRefusalCounter(runtime: Runtime, name: LimitName): RefusalCounter {
  const places = new PlacesOverLimit(runtime.now);
  const counter = countersOf(runtime)(name);
  return {
    async count(key, cost) {
      const waitMs = await counter(key, cost);
      const place = placeOf(name, key);
      if (waitMs === undefined) places.delete(place);
      else places.add(place, waitMs);
      return waitMs;
    },
    isOver: (key) => places.has(placeOf(name, key)),
  };
}

const refusalCountersOf = perRuntime((runtime) => ({
  byAddress: makeRefusalCounter(runtime, 'refusals_by_address'),
  byOrganization: makeRefusalCounter(runtime, 'refusals_by_organization'),
}));

/** Groups IPv6 addresses by their /64, from which one host may choose any address. */
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
export const requireWithinLimit = (runtime: Runtime, name: LimitName, request: Request): Promise<void> =>
  requireKeyWithinLimit(runtime, name, addressGroup(request.ip));

/**
 * Counts by something other than the address, such as an organization.
 * @throws rate_limited
 */
export async function requireKeyWithinLimit(runtime: Runtime, name: LimitName, key: string): Promise<void> {
  if (!runtime.config.rateLimits) return;
  const waitMs = await countersOf(runtime)(name)(key);
  if (waitMs !== undefined) throw tooMany(waitMs);
}

/** Limits the requests of one address to a route, whatever their outcome. */
export const limited =
  (runtime: Runtime, name: LimitName): RequestHandler =>
  async (request, _response, next) => {
    await requireWithinLimit(runtime, name, request);
    next();
  };

/** The limits of the assertion consumer service. */
export function responseLimits(runtime: Runtime): ResponseLimits {
  const isOn = runtime.config.rateLimits;
  const counters = countersOf(runtime);
  const { byAddress, byOrganization } = refusalCountersOf(runtime);
  return {
    isOverRefusals: ({ address, organizationId }) =>
      isOn && (byAddress.isOver(addressGroup(address)) || byOrganization.isOver(organizationId)),

    countTry: async (requestId) => (await counters('tries_of_request')(requestId)) === undefined,

    countUnsolicitedFetch: async (address) => !isOn || (await counters('unsolicited_fetches')(addressGroup(address))) === undefined,

    async countRefusal({ address, organizationId }, { code, isGenuine }) {
      if (!isOn) return false;
      if (isGenuine) return (await counters('genuine_refusals')(organizationId)) !== undefined;
      const waits = await Promise.all([byAddress.count(addressGroup(address), COST[code]), byOrganization.count(organizationId)]);
      return waits.some((waitMs) => waitMs !== undefined);
    },

    tooManyRefusals: () =>
      new GatewayError('rate_limited', {
        detail:
          'Too many sign-ins from your network or to this organization were refused. Sign-ins that start at the gateway’s sign-in page still work.',
        retryAfterSeconds: LIMITS.refusals_by_address.seconds,
      }),
  };
}
