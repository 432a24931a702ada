/** The context of a request: its ID, the actor for the audit trail, and the metrics. */
import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import type { Actor } from '../audit.ts';
import type { Principal } from '../auth/principal.ts';
import { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';

declare global {
  namespace Express {
    interface Locals {
      requestId: string;
      /** The route that handles the request, for metrics. */
      route?: string;
      /** The page on which the user can try again, for error pages. */
      retryHref?: string;
      /** Whether the page shows a new token or link. It is then not compressed. */
      showsSecret?: boolean;
      /** Another page to continue on, for error pages. */
      wayOut?: { readonly href: string; readonly label: string };
    }
  }
}

/** Assigns an ID to the request and returns it in a header. IDs that clients send are ignored. */
export const requestContext: RequestHandler = (_request, response, next) => {
  response.locals.requestId = randomUUID();
  response.setHeader('X-Request-Id', response.locals.requestId);
  next();
};

/** Returns the actor for the audit trail. It never contains bodies, cookies or query strings. */
export function actorOf(request: Request, response: Response, principal?: Principal): Actor {
  const base = { requestId: response.locals.requestId, ...(request.ip === undefined ? {} : { address: request.ip }) };
  if (!principal) return { kind: 'anonymous', ...base };
  if (principal.kind === 'operator') return { kind: 'operator', ...base };
  return { kind: 'member', id: principal.member.id, email: principal.member.email, ...base };
}

/** The time limit of a request that reads as much as the store holds. */
const READ_WITHIN_MS = 30_000;

/** Returns a signal that is aborted when the client is gone or the time limit has passed. Give it to every loop over the store. */
export function signalOf(response: Response, withinMs: number = READ_WITHIN_MS): AbortSignal {
  const controller = new AbortController();
  const abort = (cause: string) => controller.abort(new GatewayError('store_unavailable', { cause }));
  if (response.closed) {
    abort('the client is gone');
    return controller.signal;
  }
  const timer = setTimeout(() => abort('reading took too long'), withinMs);
  response.once('close', () => {
    clearTimeout(timer);
    abort('the client is gone');
  });
  return controller.signal;
}

/** One for all requests, because the default reason, a DOMException with a stack, takes 30 µs. */
const CLOSED = new Error('The response is closed.');

/** Returns a signal that is aborted when the response was sent or the client disconnected. */
export function closeSignalOf(response: Response): AbortSignal {
  const controller = new AbortController();
  if (response.closed) controller.abort(CLOSED);
  else response.once('close', () => controller.abort(CLOSED));
  return controller.signal;
}

/** Runs work once the response is sent or the client has disconnected, or immediately if it already has. The work must not throw. */
export function afterAnswer(response: Response, work: () => void): void {
  if (response.closed) setImmediate(work);
  else response.once('close', work);
}

/** Counts and times the responses of each route. Label values come from our routes, never from the request. */
export function observe(runtime: Runtime): RequestHandler {
  return (_request, response, next) => {
    const stop = runtime.metrics.requests.startTimer();
    response.on('finish', () => stop({ route: response.locals.route ?? 'other', status: `${Math.floor(response.statusCode / 100)}xx` }));
    next();
  };
}
