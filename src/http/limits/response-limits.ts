/**
 * The limits of the assertion consumer service. Accepted sign-ins never count.
 *
 * Responses without a valid signature count by address and by organization. Above either limit, a response is read only if its
 * browser has the cookie of a started sign-in, and examined only if it answers one. Such attempts have a limit of their own per
 * address. So neither an attacker behind the same address nor a flood against one organization keeps users from signing in, and the
 * attacker cannot multiply the limits by starting sign-ins.
 */
import type { Admission, CountedRefusal, ResponseLimits, ResponseSource } from '../../auth/sign-in/answer-response.ts';
import { type ErrorCode, GatewayError } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import { addressGroups } from './limit-keys.ts';
import { LIMITS } from './limits.ts';
import { type LimitState, limitOf } from './rate-limits.ts';

/** A failed decryption could serve as an oracle, so a tenth of the refusals reach the limit. */
const COST: Partial<Record<ErrorCode, number>> = { saml_decryption_failed: 10 };

export function responseLimits(runtime: Runtime): ResponseLimits {
  return {
    admit: (source, mayAnswerRequest) => (runtime.config.rateLimits ? new LimitedAdmission(runtime, source, mayAnswerRequest) : UNLIMITED),
    countUnsolicitedFetch: async (address) =>
      !runtime.config.rateLimits || (await limitOf(runtime, 'unsolicited_fetches', addressGroups(address)).count()) === undefined,
  };
}

const UNLIMITED: Admission = {
  requireReason: async () => {},
  countRefusal: async () => false,
  release: () => {},
};

class LimitedAdmission implements Admission {
  readonly #runtime: Runtime;
  readonly #source: ResponseSource;
  readonly #refusals: readonly LimitState[];
  readonly #attempts: LimitState;
  readonly #releases: (() => void)[] = [];
  /** Whether the refusals were over a limit, so that only an answer to a started sign-in is examined. */
  #isAttempt: boolean;

  constructor(runtime: Runtime, source: ResponseSource, mayAnswerRequest: boolean) {
    const groups = addressGroups(source.address);
    this.#runtime = runtime;
    this.#source = source;
    this.#refusals = [limitOf(runtime, 'refusals_by_address', groups), limitOf(runtime, 'refusals_by_organization', source.organizationId)];
    this.#attempts = limitOf(runtime, 'attempts_by_address', groups);
    this.#isAttempt = this.#isOverRefusals();
    if (this.#isAttempt && !(mayAnswerRequest && this.#attempts.waitMs() === undefined)) throw this.#refuse();
  }

  async requireReason(requestId: string | undefined): Promise<void> {
    this.#isAttempt ||= this.#isOverRefusals();
    // Nothing is awaited between the look at a limit and the reservation.
    if (!this.#isAttempt) return this.#reserve(this.#refusals);
    if (requestId === undefined || this.#attempts.waitMs() !== undefined) throw this.#refuse();
    this.#reserve([this.#attempts]);
    if ((await limitOf(this.#runtime, 'tries_of_request', requestId).count()) !== undefined) throw this.#refuse();
  }

  async countRefusal({ code, isGenuine }: CountedRefusal): Promise<boolean> {
    if (isGenuine) return (await limitOf(this.#runtime, 'genuine_refusals', this.#source.organizationId).count()) !== undefined;
    const limits = this.#isAttempt ? [this.#attempts] : this.#refusals;
    const waits = await Promise.all(limits.map((limit) => limit.count(COST[code])));
    return waits.some((waitMs) => waitMs !== undefined);
  }

  release(): void {
    for (const release of this.#releases.splice(0)) release();
  }

  #isOverRefusals(): boolean {
    return this.#refusals.some((limit) => limit.waitMs() !== undefined);
  }

  #reserve(limits: readonly LimitState[]): void {
    this.#releases.push(...limits.map((limit) => limit.reserve()));
  }

  #refuse(): GatewayError {
    const isByAddress = this.#refusals[0]?.waitMs() !== undefined;
    this.#runtime.metrics.limited.inc({ limit: isByAddress ? 'refusals_by_address' : 'refusals_by_organization' });
    return new GatewayError('rate_limited', {
      detail:
        'Too many sign-ins from your network or to this organization were refused. Sign-ins that start at the gateway’s sign-in page still work.',
      retryAfterSeconds: LIMITS.refusals_by_address.seconds,
    });
  }
}
