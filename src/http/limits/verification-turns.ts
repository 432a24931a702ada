/**
 * Lets organizations verify SAML responses in turn. A verification keeps the processor busy for some milliseconds, and any number of new
 * responses with a valid signature is allowed, so one organization could otherwise delay the sign-ins of all others. The organization
 * whose verifications have taken the least time is next. Within an organization, addresses take turns. Between two verifications, other
 * requests that have arrived are answered.
 */
import type { Client } from '../../auth/sign-in/browser-context.ts';
import { GatewayError } from '../../errors.ts';
import { perRuntime } from '../../runtime.ts';

/** The octets of all responses that wait. Usual forms have about 14,000, and some hundred responses are verified per second. */
const MAX_WAITING = 16 * 1024 * 1024;
/** The octets of those that one address sent, to whatever organizations. */
const MAX_ADDRESS_WAITING = 8 * 1024 * 1024;
/** A waiting request takes about this much besides its form. */
const REQUEST_OCTETS = 4096;
const RETRY_SECONDS = 5;
/** Verifications that follow each other for this time share one turn of the event loop, so that their writes to the store go out together. */
const SLICE_MS = 5;

export interface TurnRequest {
  readonly organizationId: string;
  readonly address: string;
  /** Octets of the form. */
  readonly octets: number;
  /** The response no longer waits when the client is gone. */
  readonly client: Client;
}

interface Waiting {
  readonly address: string;
  /** With those of the request. */
  readonly octets: number;
  readonly start: () => void;
  readonly refuse: (error: GatewayError) => void;
}

/** The responses of one address to one organization that wait. */
interface Share {
  readonly responses: Set<Waiting>;
  octets: number;
}

/** The responses of one organization that wait, by address. The first address is next. */
class Queue {
  readonly organizationId: string;
  /** The time that verifications of this organization have taken, or would have taken if it had waited from the beginning. */
  usedMs: number;
  octets = 0;
  readonly #addresses = new Map<string, Share>();

  constructor(organizationId: string, usedMs: number) {
    this.organizationId = organizationId;
    this.usedMs = usedMs;
  }

  get isEmpty(): boolean {
    return this.#addresses.size === 0;
  }

  add(waiting: Waiting): void {
    const share = this.#addresses.get(waiting.address) ?? { responses: new Set(), octets: 0 };
    this.#addresses.set(waiting.address, share);
    share.responses.add(waiting);
    share.octets += waiting.octets;
    this.octets += waiting.octets;
  }

  delete(waiting: Waiting): boolean {
    const share = this.#addresses.get(waiting.address);
    if (!share?.responses.delete(waiting)) return false;
    if (share.responses.size === 0) this.#addresses.delete(waiting.address);
    share.octets -= waiting.octets;
    this.octets -= waiting.octets;
    return true;
  }

  /** Returns the response that is next, and moves its address to the end. */
  next(): Waiting | undefined {
    const [entry] = this.#addresses;
    if (!entry) return undefined;
    const [address, share] = entry;
    this.#addresses.delete(address);
    this.#addresses.set(address, share);
    const [first] = share.responses;
    return first;
  }

  octetsOf(address: string): number {
    return this.#addresses.get(address)?.octets ?? 0;
  }

  /** Returns the last response of an address, by default of the one that sent the most. */
  last(address = largest([...this.#addresses.keys()], (each) => this.octetsOf(each))): Waiting | undefined {
    return address === undefined ? undefined : [...(this.#addresses.get(address)?.responses ?? [])].at(-1);
  }
}

function largest<T>(all: readonly T[], sizeOf: (one: T) => number): T | undefined {
  const sized = all.map((one) => ({ one, size: sizeOf(one) }));
  return sized.length === 0 ? undefined : sized.reduce((a, b) => (b.size > a.size ? b : a)).one;
}

export class VerificationTurns {
  /** By organization. Those without waiting responses stay only while they have used more time than others that wait. */
  readonly #queues = new Map<string, Queue>();
  readonly #octetsByAddress = new Map<string, number>();
  readonly #now: () => number;
  #octets = 0;
  #isBusy = false;
  /** The time that the organization whose turn it is had used. Others that come later start with it, so that they catch up with nothing. */
  #reachedMs = 0;
  /** When the slice of the present turn of the event loop started. */
  #sliceStartedMs: number | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The octets of all responses that wait. */
  get waitingOctets(): number {
    return this.#octets;
  }

  /**
   * Waits for the turn of a response.
   * @returns a function that ends the turn. Later calls of it do nothing.
   * @throws rate_limited if too many responses wait, or if the client is gone. Too many of one address are refused to the organization
   *   to which it sent the most, and too many of all to the organization that received the most.
   */
  async take(request: TurnRequest): Promise<() => void> {
    if (request.client.closed) throw clientIsGone();
    const queue = this.#queueOf(request.organizationId);
    if (this.#isBusy) await this.#wait(queue, request);
    this.#isBusy = true;
    const sliceStartedMs = this.#sliceStart();
    const startedMs = this.#now();
    let hasEnded = false;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      const nowMs = this.#now();
      queue.usedMs += nowMs - startedMs;
      if (nowMs - sliceStartedMs < SLICE_MS) this.#startNext();
      else setImmediate(() => this.#startNext());
    };
  }

  #sliceStart(): number {
    if (this.#sliceStartedMs === undefined) {
      this.#sliceStartedMs = this.#now();
      setImmediate(() => {
        this.#sliceStartedMs = undefined;
      });
    }
    return this.#sliceStartedMs;
  }

  #queueOf(organizationId: string): Queue {
    let queue = this.#queues.get(organizationId);
    if (!queue) {
      queue = new Queue(organizationId, this.#reachedMs);
      this.#queues.set(organizationId, queue);
    }
    if (queue.isEmpty) queue.usedMs = Math.max(queue.usedMs, this.#reachedMs);
    return queue;
  }

  async #wait(queue: Queue, { address, octets, client }: TurnRequest): Promise<void> {
    let leave = (): void => {};
    const turn = new Promise<void>((start, refuse) => {
      const waiting: Waiting = { address, octets: octets + REQUEST_OCTETS, start, refuse };
      leave = () => this.#refuse(queue, waiting, clientIsGone());
      queue.add(waiting);
      this.#count(waiting, waiting.octets);
      while ((this.#octetsByAddress.get(address) ?? 0) > MAX_ADDRESS_WAITING) this.#refuseOneOf(address);
      while (this.#octets > MAX_WAITING) this.#refuseOne();
    });
    client.once('close', leave);
    await turn.finally(() => client.off('close', leave));
  }

  #startNext(): void {
    const queue = this.#nextQueue();
    const next = queue?.next();
    if (!queue || !next) {
      this.#isBusy = false;
      this.#reachedMs = 0;
      this.#queues.clear();
      return;
    }
    this.#reachedMs = queue.usedMs;
    // Those that have used the same time take turns.
    this.#queues.delete(queue.organizationId);
    this.#queues.set(queue.organizationId, queue);
    this.#remove(queue, next);
    next.start();
  }

  /** Returns the queue whose organization has used the least time, and forgets those that no longer differ from new ones. */
  #nextQueue(): Queue | undefined {
    let next: Queue | undefined;
    for (const [organizationId, queue] of this.#queues) {
      if (!queue.isEmpty) {
        if (!next || queue.usedMs < next.usedMs) next = queue;
      } else if (queue.usedMs <= this.#reachedMs) this.#queues.delete(organizationId);
    }
    return next;
  }

  #refuseOneOf(address: string): void {
    const queue = largest([...this.#queues.values()], (each) => each.octetsOf(address));
    const last = queue?.last(address);
    if (queue && last) this.#refuse(queue, last, tooManyWait('your network'));
  }

  #refuseOne(): void {
    const queue = largest([...this.#queues.values()], ({ octets }) => octets);
    const last = queue?.last();
    if (queue && last) this.#refuse(queue, last, tooManyWait('your organization'));
  }

  #refuse(queue: Queue, waiting: Waiting, error: GatewayError): void {
    if (this.#remove(queue, waiting)) waiting.refuse(error);
  }

  #remove(queue: Queue, waiting: Waiting): boolean {
    if (!queue.delete(waiting)) return false;
    this.#count(waiting, -waiting.octets);
    return true;
  }

  #count({ address }: Waiting, octets: number): void {
    this.#octets += octets;
    const ofAddress = (this.#octetsByAddress.get(address) ?? 0) + octets;
    if (ofAddress > 0) this.#octetsByAddress.set(address, ofAddress);
    else this.#octetsByAddress.delete(address);
  }
}

const tooManyWait = (whose: string): GatewayError =>
  new GatewayError('rate_limited', {
    detail: `Too many users of ${whose} are signing in at this moment. Try again in a few seconds.`,
    retryAfterSeconds: RETRY_SECONDS,
  });

const clientIsGone = (): GatewayError => new GatewayError('rate_limited', { detail: 'The browser closed the connection.' });

export const turnsOf = perRuntime(() => new VerificationTurns());
