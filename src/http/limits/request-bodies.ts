/**
 * Bounds the memory of all request bodies together and of those of one address, even with SAMLGATE_RATE_LIMITS=off. Each route limits
 * its own bodies, but a thousand clients that send slowly would hold a thousand of them.
 */
import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { GatewayError } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import { addressGroups } from './limit-keys.ts';

/** 27 of the largest SAML responses, or more than a thousand of usual ones. */
const MAX_OCTETS = 16 * 1024 * 1024;
/** Two of the largest bodies that a route accepts, or seven of the largest SAML responses. */
const MAX_ADDRESS_OCTETS = 4.5 * 1024 * 1024;
/** When they are too many, the slowest bodies are dropped until this part of the limit is left. */
const LEAVE = 0.9;
/** What arrived this long ago counts e times less for the speed of a body. */
const RECENT_MS = 1000;
/** Users send smaller bodies. They are dropped only above twice a limit, which large bodies alone cannot reach. */
const SMALL_OCTETS = 64 * 1024;
/** A chunk takes about this much besides its content until the body is complete. Clients can send one octet per chunk. */
const CHUNK_OCTETS = 256;
/** How long the rest of a refused request is read and dropped. Clients lose the answer if a connection is closed while they send. */
const LINGER_MS = 5000;
const RETRY_SECONDS = 5;

export class Body {
  octets = 0;
  /** The octets without the overhead of chunks. */
  length = 0;
  readonly request: IncomingMessage;
  #recent = 0;
  #recentAtMs = performance.now();

  constructor(request: IncomingMessage) {
    this.request = request;
  }

  receive(length: number): void {
    this.#recent = this.recentAt(performance.now()) + length;
    this.#recentAtMs = performance.now();
    this.length += length;
  }

  /** Returns how much has arrived lately, whatever the body held before. */
  recentAt(nowMs: number): number {
    return this.#recent * Math.exp((this.#recentAtMs - nowMs) / RECENT_MS);
  }
}

/** Bodies with a common limit. Each counts until its request is answered. */
export class BodyGroup {
  readonly #bodies = new Set<Body>();
  readonly #maxOctets: number;
  #octets = 0;
  /** A search found nothing to drop shortly below this size, so it is not repeated for each chunk. */
  #searchAboveOctets = 0;

  constructor(maxOctets: number) {
    this.#maxOctets = maxOctets;
  }

  get isEmpty(): boolean {
    return this.#bodies.size === 0;
  }

  add(body: Body): void {
    this.#bodies.add(body);
  }

  delete(body: Body): void {
    if (this.#bodies.delete(body)) this.count(-body.octets);
  }

  /** Call this before `body.octets` changes. */
  count(octets: number): void {
    this.#octets += octets;
    this.#searchAboveOctets = Math.min(this.#searchAboveOctets, this.#octets + SMALL_OCTETS);
  }

  /**
   * Returns the bodies to drop, the slowest first, because clients that hold bodies back would otherwise keep out an upload that is
   * larger than theirs. A complete body is in use by its request, so it cannot be dropped.
   */
  findExcess(): readonly Body[] {
    if (this.#octets <= Math.max(this.#maxOctets, this.#searchAboveOctets)) return [];
    const excess: Body[] = [];
    let left = this.#octets;
    const nowMs = performance.now();
    const incomplete = [...this.#bodies].filter(({ request }) => !request.complete);
    const bySpeed = incomplete.map((body) => ({ body, speed: body.recentAt(nowMs) })).sort((a, b) => a.speed - b.speed);
    for (const { body } of bySpeed) {
      if (left <= LEAVE * this.#maxOctets) break;
      if (body.octets < SMALL_OCTETS && left <= 2 * this.#maxOctets) continue;
      excess.push(body);
      left -= body.octets;
    }
    this.#searchAboveOctets = excess.length > 0 ? 0 : this.#octets + SMALL_OCTETS;
    return excess;
  }
}

export function boundBodies({ metrics }: Pick<Runtime, 'metrics'>): RequestHandler {
  const all = new BodyGroup(MAX_OCTETS);
  const groups = new Map<string, BodyGroup>();
  const releases = new Map<Body, () => void>();

  const track = (body: Body, address: string): void => {
    const own = groups.get(address) ?? new BodyGroup(MAX_ADDRESS_OCTETS);
    groups.set(address, own);
    all.add(body);
    own.add(body);
    const count = (octets: number) => {
      if (!releases.has(body)) return;
      all.count(octets);
      own.count(octets);
      body.octets += octets;
    };
    const { request } = body;
    request.on('data', ({ length }: Buffer) => {
      // A parser that has refused a body reads the rest of it, but keeps nothing.
      if (!releases.has(body) || request.listenerCount('data') < 2) return;
      body.receive(length);
      count(length + CHUNK_OCTETS);
      for (const each of own.findExcess()) drop(each, refuse);
      for (const each of all.findExcess()) drop(each, ({ request: dropped }) => dropped.destroy());
    });
    // The parser has joined the chunks.
    request.once('end', () => count(body.length - body.octets));
    releases.set(body, () => {
      all.delete(body);
      own.delete(body);
      if (own.isEmpty && groups.get(address) === own) groups.delete(address);
      releases.delete(body);
    });
  };

  const drop = (body: Body, close: (body: Body) => void) => {
    metrics.limited.inc({ limit: 'request_bodies' });
    releases.get(body)?.();
    close(body);
  };

  return (request, response, next) => {
    const body = new Body(request);
    // Starts with the parser of the route. A body that nothing reads takes no memory.
    request.on('newListener', function start(event) {
      if (event !== 'data') return;
      request.removeListener('newListener', start);
      track(body, addressGroups(request.ip).address);
    });
    response.once('close', () => releases.get(body)?.());
    response.once('finish', () => closeUnlessComplete(request));
    next();
  };
}

/** Makes the parser fail, so that the request gets 429 and the rest of its body is read without keeping it. */
function refuse({ request }: Body): void {
  const cause = new GatewayError('rate_limited', {
    detail: 'Your network sends too many large requests at the same time. Send fewer at a time.',
    retryAfterSeconds: RETRY_SECONDS,
  });
  // Body parsers set the status of the errors that they pass on.
  const error = Object.assign(new Error('too many request bodies', { cause }), { status: cause.status });
  // A parser that has refused the body no longer listens, and an error without listeners ends the process.
  if (request.listenerCount('error') > 0) request.emit('error', error);
  destroyUnlessComplete(request);
}

/** Reads and drops the rest of the body after the answer, and closes the connection of a client that is too slow for that. */
function closeUnlessComplete(request: IncomingMessage): void {
  if (request.complete) return;
  request.resume();
  destroyUnlessComplete(request);
}

/** Closes the connection if the rest of the body does not arrive soon. */
function destroyUnlessComplete(request: IncomingMessage): void {
  setTimeout(() => {
    if (!request.complete) request.destroy();
  }, LINGER_MS).unref();
}
