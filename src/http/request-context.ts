/** What every handler may want to know of a request. */
import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import type { Actor } from '../audit.ts';
import type { Principal } from '../auth/principal.ts';
import type { Runtime } from '../runtime.ts';

declare global {
  namespace Express {
    interface Locals {
      requestId: string;
      /** The route that answers, for metrics. */
      route?: string;
      /** Where trying again makes sense, should this end in a refusal. */
      retryHref?: string;
      /** Where else a person can go then. */
      wayOut?: { readonly href: string; readonly label: string };
    }
  }
}

/** Gives the request an id, and the response the header that tells it. Ids from outside are not taken over. */
export const requestContext: RequestHandler = (_request, response, next) => {
  response.locals.requestId = randomUUID();
  response.setHeader('X-Request-Id', response.locals.requestId);
  next();
};

/** Without a body, a cookie or a query: who asked, from where, in which request. */
export function actorOf(request: Request, response: Response, principal?: Principal): Actor {
  const base = { requestId: response.locals.requestId, ...(request.ip === undefined ? {} : { address: request.ip }) };
  if (!principal) return { kind: 'anonymous', ...base };
  if (principal.kind === 'operator') return { kind: 'operator', ...base };
  return { kind: 'member', id: principal.member.id, email: principal.member.email, ...base };
}

/** Does something when the answer is out, or nobody is there to get it any more. It must not throw. */
export const afterAnswer = (response: Response, work: () => void): void => void response.once('close', work);

/** Counts and times what a route answers. Label values come from our route table, never from the request. */
export function observe(runtime: Runtime): RequestHandler {
  return (_request, response, next) => {
    const stop = runtime.metrics.requests.startTimer();
    response.on('finish', () => stop({ route: response.locals.route ?? 'other', status: `${Math.floor(response.statusCode / 100)}xx` }));
    next();
  };
}
