/**
 * The limits of the assertion consumer service. Accepted sign-ins never count. If they were started here, they return the points of the
 * requests that led to them, so that a large organization behind one address can sign in, however many members arrive in a minute.
 *
 * Responses without a valid signature count by address and by organization. Above either limit, a response is read only if its
 * browser has the cookie of a started sign-in, and examined only if it answers one. Such attempts have a limit of their own per
 * address. So no flood against one organization keeps users from signing in, and an attacker cannot multiply the limits by starting
 * sign-ins. An attacker behind the same address does so only by also starting sign-ins and answering them with invalid responses, until
 * the next minute. Anyone can invent the cookie, so a response above the limits that answers no request counts nothing. It is read and
 * decoded, and not examined.
 *
 * Responses with a valid signature count only if they are copies, because each new one needs the identity provider. All responses are
 * verified in turns, so that no organization takes the processor from the others (`verification-turns.ts`).
 */
import type { Admission, CountedRefusal, ResponseLimits, ResponseSource, WaitingResponse } from '../../auth/sign-in/answer-response.ts';
import { type ErrorCode, GatewayError } from '../../errors.ts';
import { hashOf, sha256 } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import { type AddressGroups, addressGroups } from './limit-keys.ts';
import { LIMITS, type LimitName } from './limits.ts';
import { type LimitState, limitOf } from './rate-limits.ts';
import { turnsOf } from './verification-turns.ts';

/** A failed decryption could serve as an oracle, so a tenth of the refusals reach the limit. */
const COST: Partial<Record<ErrorCode, number>> = { saml_decryption_failed: 10 };

export function responseLimits(runtime: Runtime): ResponseLimits {
  return {
    admit: (source, mayAnswerRequest) =>
      runtime.config.rateLimits ? new LimitedAdmission(runtime, source, mayAnswerRequest) : unlimited(runtime, source),
    countUnsolicitedFetch: async (address) =>
      !runtime.config.rateLimits || (await limitOf(runtime, 'unsolicited_fetches', addressGroups(address)).count()) === undefined,
  };
}

const unlimited = (runtime: Runtime, source: ResponseSource): Admission => ({
  requireNewResponse: () => {},
  reserveCopy: () => {},
  requireReason: async () => {},
  takeTurn: (waiting) => takeTurn(runtime, source, waiting),
  countRefusal: async () => false,
  countAccepted: async () => {},
  release: () => {},
});

function takeTurn(runtime: Runtime, { organizationId, address }: ResponseSource, waiting: WaitingResponse): Promise<() => void> {
  return turnsOf(runtime).take({ ...waiting, organizationId, address: addressGroups(address).address });
}

/** Decoding more than this costs so much that even known copies count as refusals. Usual responses are much smaller. */
const MAX_FREE_COPY_LENGTH = 32 * 1024;

/**
 * The limits of the requests that lead to a sign-in. Look-ups of organizations (`login_form`) are not among them: a sign-in can start
 * without one, so an attacker with an organization could look up others without limit.
 */
const WAY_TO_SIGN_IN: readonly LimitName[] = ['login_page', 'login_start'];

class LimitedAdmission implements Admission {
  readonly #runtime: Runtime;
  readonly #source: ResponseSource;
  readonly #refusals: readonly LimitState[];
  readonly #groups: AddressGroups;
  /** Copies of exactly this response. Set once the response is read. */
  #copies: LimitState | undefined;
  /** Whether the response was refused before it was verified, which costs nothing worth counting. */
  #isUnread = false;
  /** Whether the response claims to answer a started sign-in of its browser. */
  #claimsRequest = false;
  readonly #releases: (() => void)[] = [];
  /** Whether the refusals were over a limit, so that only an answer to a started sign-in is examined. */
  #isAttempt: boolean;

  constructor(runtime: Runtime, source: ResponseSource, mayAnswerRequest: boolean) {
    const groups = addressGroups(source.address);
    this.#runtime = runtime;
    this.#source = source;
    this.#groups = groups;
    this.#refusals = [limitOf(runtime, 'refusals_by_address', groups), limitOf(runtime, 'refusals_by_organization', source.organizationId)];
    this.#isAttempt = this.#isOverRefusals();
    if (this.#isAttempt && !(mayAnswerRequest && this.#attempts.waitMs() === undefined)) throw this.#refuse();
  }

  requireNewResponse(unverifiedXml: string): void {
    this.#copies ??= this.#copiesOf(unverifiedXml);
    if (this.#copies.waitMs() === undefined || unverifiedXml.length > MAX_FREE_COPY_LENGTH) return;
    this.#isUnread = true;
    this.#runtime.metrics.limited.inc({ limit: 'copies_of_response' });
    throw new GatewayError('rate_limited', {
      detail: 'Your browser sent the same response of your identity provider too often. Sign in again.',
      retryAfterSeconds: 1,
    });
  }

  reserveCopy(): void {
    if (this.#copies) this.#reserve([this.#copies]);
  }

  async requireReason(requestId: string | undefined): Promise<void> {
    this.#isAttempt ||= this.#isOverRefusals();
    // Nothing is awaited between the look at a limit and the reservation.
    if (!this.#isAttempt) return this.#reserve(this.#refusals);
    if (requestId === undefined || this.#attempts.waitMs() !== undefined) throw this.#refuse();
    this.#reserve([this.#attempts]);
    if ((await limitOf(this.#runtime, 'tries_of_request', requestId).count()) !== undefined) throw this.#refuse();
  }

  async takeTurn(waiting: WaitingResponse): Promise<() => void> {
    this.#claimsRequest = waiting.requestId !== undefined;
    try {
      return await takeTurn(this.#runtime, this.#source, waiting);
    } catch (error) {
      // It was decoded for nothing, and clients could repeat that without limit.
      if (waiting.client.closed) throw error;
      this.#isUnread = true;
      this.#runtime.metrics.limited.inc({ limit: 'verification_turns' });
      throw error;
    }
  }

  async countRefusal({ code, assertionId }: CountedRefusal): Promise<boolean> {
    if (this.#isUnread) return true;
    if (assertionId !== undefined && !(await this.#countCopy(assertionId)))
      return code !== undefined && (await limitOf(this.#runtime, 'genuine_refusals', this.#source.organizationId).count()) !== undefined;
    if (this.#isAttempt && !this.#claimsRequest) return true;
    const limits = this.#isAttempt ? [this.#attempts] : this.#refusals;
    const waits = await Promise.all(limits.map((limit) => limit.count(code && COST[code])));
    return waits.some((waitMs) => waitMs !== undefined);
  }

  async countAccepted(): Promise<void> {
    await Promise.all(WAY_TO_SIGN_IN.map((name) => limitOf(this.#runtime, name, this.#groups).giveBack()));
  }

  release(): void {
    for (const release of this.#releases.splice(0)) release();
  }

  /** Counts the response and its assertion. Returns whether the assertion was sent too often, in whatever response. */
  async #countCopy(assertionId: string): Promise<boolean> {
    const [, waitMs] = await Promise.all([this.#copies?.count(), this.#copiesOf(assertionId).count()]);
    return waitMs !== undefined;
  }

  #copiesOf(text: string): LimitState {
    return limitOf(this.#runtime, 'copies_of_response', hashOf(this.#source.organizationId, sha256(text)));
  }

  get #attempts(): LimitState {
    return limitOf(this.#runtime, 'attempts_by_address', this.#groups);
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
