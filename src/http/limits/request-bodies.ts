/**
 * Bounds the memory of all request bodies together, also with SAMLGATE_RATE_LIMITS=off. Each route limits its own bodies, but a
 * thousand clients that send slowly would hold a thousand of them.
 */
import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import type { Runtime } from '../../runtime.ts';

/** 27 of the largest SAML responses, or more than a thousand of usual ones. */
const MAX_OCTETS = 16 * 1024 * 1024;
/** When they are too many, the largest bodies are dropped until this much is left. */
const LEAVE_OCTETS = MAX_OCTETS * 0.9;
/** A chunk takes about this much besides its content. Clients can send one octet per chunk. */
const CHUNK_OCTETS = 256;
/** How long the rest of a refused request is read and dropped. Clients lose the answer if a connection is closed while they send. */
const LINGER_MS = 5000;

interface Body {
  octets: number;
  readonly request: IncomingMessage;
}

export function boundBodies({ metrics }: Pick<Runtime, 'metrics'>): RequestHandler {
  const bodies = new Set<Body>();
  let octets = 0;

  /** Closes the connections of the largest incomplete bodies. Users send small ones, which are complete after a moment. */
  const dropLargest = () => {
    const incomplete = [...bodies].filter(({ request }) => !request.complete).sort((a, b) => b.octets - a.octets);
    for (const body of incomplete) {
      if (octets <= LEAVE_OCTETS) break;
      metrics.limited.inc({ limit: 'request_bodies' });
      release(body);
      body.request.destroy();
    }
  };

  const release = (body: Body) => {
    if (bodies.delete(body)) octets -= body.octets;
  };

  return (request, response, next) => {
    const body: Body = { octets: 0, request };
    const count = ({ length }: Buffer) => {
      // A parser that has refused a body reads the rest of it, but keeps nothing.
      if (!bodies.has(body) || request.listenerCount('data') < 2) return;
      body.octets += length + CHUNK_OCTETS;
      octets += length + CHUNK_OCTETS;
      if (octets > MAX_OCTETS) dropLargest();
    };
    // Starts with the parser of the route. A body that nothing reads takes no memory.
    request.on('newListener', function start(event) {
      if (event !== 'data') return;
      request.removeListener('newListener', start);
      bodies.add(body);
      request.on('data', count);
    });
    response.once('close', () => release(body));
    response.once('finish', () => closeUnlessComplete(request));
    next();
  };
}

/** Reads and drops the rest of the body after the answer, and closes the connection of a client that is too slow for that. */
function closeUnlessComplete(request: IncomingMessage): void {
  if (request.complete) return;
  request.resume();
  setTimeout(() => {
    if (!request.complete) request.destroy();
  }, LINGER_MS).unref();
}
