/**
 * Lets organizations verify SAML responses in turn. A verification keeps the processor busy for some milliseconds, and any number of new
 * responses with a valid signature is allowed, so one organization could otherwise delay the sign-ins of all others. Within an
 * organization, addresses take turns. Between two verifications, other requests that have arrived are answered.
 */
import { GatewayError } from '../../errors.ts';
import { perRuntime } from '../../runtime.ts';

/** The characters of all responses that wait. Usual responses have about 10,000, and some hundred are verified per second. */
const MAX_WAITING = 8 * 1024 * 1024;
const RETRY_SECONDS = 5;

export interface TurnRequest {
  readonly organizationId: string;
  readonly address: string;
  /** Characters of the response. */
  readonly length: number;
}

interface Waiting extends TurnRequest {
  readonly start: () => void;
  readonly refuse: (error: GatewayError) => void;
}

/** The responses of one organization that wait, by address. The first address is next. */
class Queue {
  readonly #addresses = new Map<string, Waiting[]>();
  length = 0;

  add(waiting: Waiting): void {
    const present = this.#addresses.get(waiting.address);
    if (present) present.push(waiting);
    else this.#addresses.set(waiting.address, [waiting]);
    this.length += waiting.length;
  }

  /** Removes the response that is next, and moves its address to the end. */
  next(): Waiting | undefined {
    const [entry] = this.#addresses;
    if (!entry) return undefined;
    const [address, [first, ...others]] = entry;
    this.#addresses.delete(address);
    if (others.length > 0) this.#addresses.set(address, others);
    this.length -= first?.length ?? 0;
    return first;
  }

  /** Removes the last response of the address that sent the most. */
  dropLast(): Waiting | undefined {
    const sizes = [...this.#addresses].map(([address, waiting]) => ({
      address,
      length: waiting.reduce((sum, each) => sum + each.length, 0),
    }));
    const { address } = sizes.reduce((one, other) => (other.length > one.length ? other : one));
    const waiting = this.#addresses.get(address);
    const last = waiting?.pop();
    if (waiting?.length === 0) this.#addresses.delete(address);
    this.length -= last?.length ?? 0;
    return last;
  }
}

export class VerificationTurns {
  /** By organization. The first one is next. */
  readonly #queues = new Map<string, Queue>();
  #length = 0;
  #isBusy = false;

  /**
   * Waits for the turn of a response.
   * @returns ends the turn. Later calls do nothing.
   * @throws rate_limited if too many responses wait. Those of the organization that sent the most are refused.
   */
  async take(request: TurnRequest): Promise<() => void> {
    if (this.#isBusy) await new Promise<void>((start, refuse) => this.#add({ ...request, start, refuse }));
    this.#isBusy = true;
    let hasEnded = false;
    return () => {
      if (!hasEnded) setImmediate(() => this.#startNext());
      hasEnded = true;
    };
  }

  #add(waiting: Waiting): void {
    const queue = this.#queues.get(waiting.organizationId) ?? new Queue();
    this.#queues.set(waiting.organizationId, queue);
    queue.add(waiting);
    this.#length += waiting.length;
    while (this.#length > MAX_WAITING) this.#refuseOne();
  }

  #startNext(): void {
    const [entry] = this.#queues;
    if (!entry) {
      this.#isBusy = false;
      return;
    }
    const [organizationId, queue] = entry;
    const next = queue.next();
    this.#queues.delete(organizationId);
    if (queue.length > 0) this.#queues.set(organizationId, queue);
    this.#length -= next?.length ?? 0;
    next?.start();
  }

  #refuseOne(): void {
    const [organizationId, queue] = [...this.#queues].reduce((one, other) => (other[1].length > one[1].length ? other : one));
    const last = queue.dropLast();
    if (queue.length === 0) this.#queues.delete(organizationId);
    this.#length -= last?.length ?? 0;
    const detail = 'Too many users of your organization are signing in at this moment. Try again in a few seconds.';
    last?.refuse(new GatewayError('rate_limited', { detail, retryAfterSeconds: RETRY_SECONDS }));
  }
}

export const turnsOf = perRuntime(() => new VerificationTurns());
