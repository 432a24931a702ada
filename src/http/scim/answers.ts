/** Answers in the media type of SCIM, errors included (RFC 7644 §3.1, §3.4.2, §3.12). */
import { once } from 'node:events';
import type { ErrorRequestHandler, Response } from 'express';
import { GatewayError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { ListPage } from '../../organizations/provisioning/paged-list.ts';
import type { Attributes } from '../../scim/attributes.ts';
import { ScimError } from '../../scim/scim-error.ts';
import { shareTurns } from '../../store/next-turn.ts';
import { signalOf } from '../request-context.ts';

const MESSAGES = 'urn:ietf:params:scim:api:messages:2.0';

export function sendScim(response: Response, status: number, body: Attributes): void {
  response.status(status).type('application/scim+json').send(JSON.stringify(body));
}

export interface ListPart<T> {
  readonly total: number;
  readonly startIndex: number;
  readonly items: readonly T[];
}

export const listResponse = ({ total, startIndex, items }: ListPart<Attributes>): Attributes => ({
  ...listHead({ total, startIndex, count: items.length }),
  Resources: items,
});

/** Returns a list response without the resources. */
const listHead = ({ total, startIndex, count }: Omit<ListPart<unknown>, 'items'> & { readonly count: number }): Attributes => ({
  schemas: [`${MESSAGES}:ListResponse`],
  totalResults: total,
  startIndex,
  itemsPerPage: count,
});

/** Sends the parts as fast as the client reads them. The first part is read before the status is sent, so that its failure is answered. */
export async function stream(response: Response, status: number, parts: AsyncGenerator<string>): Promise<void> {
  const signal = signalOf(response);
  const first = await parts.next();
  response.status(status).type('application/scim+json');
  for (let part = first; !part.done; part = await parts.next()) {
    signal.throwIfAborted();
    if (!response.write(part.value)) await once(response, 'drain', { signal });
  }
  response.end();
}

/**
 * Counts the memberships that one page of a list reads. A page that has read this many ends early, and says so by `itemsPerPage`
 * (RFC 7644 §3.4.2.4). So 200 groups of 10,000 members take many requests, so requests from other clients can
 * run in between.
 */
export class PageBudget {
  #left = MAX_MEMBERSHIPS_OF_PAGE;

  spend(memberships: number): void {
    this.#left -= memberships;
  }

  get isSpent(): boolean {
    return this.#left <= 0;
  }
}

const MAX_MEMBERSHIPS_OF_PAGE = 10_000;

/** Sends a list while its items are read, so that it needs the memory of one item. Ends the page when the budget is spent. */
export async function streamList<T>(
  response: Response,
  { total, startIndex, items, endAfter }: ListPart<T> & Pick<ListPage<T>, 'endAfter'>,
  { textOf, budget }: { readonly textOf: (item: T) => AsyncGenerator<string>; readonly budget: PageBudget },
): Promise<void> {
  async function* parts() {
    yield '{"Resources":[';
    let count = 0;
    const letOthersRun = shareTurns();
    for (const item of items) {
      if (count > 0 && budget.isSpent) break;
      if (count > 0) yield ',';
      yield* textOf(item);
      count++;
      await letOthersRun();
    }
    if (count < items.length) await endAfter(count);
    yield `],${JSON.stringify(listHead({ total, startIndex, count })).slice(1)}`;
  }
  await stream(response, 200, parts());
}

/** Answers errors with the Error schema. Texts are ours, so they never echo what a client sent. */
export function scimErrorExit(log: Log): ErrorRequestHandler {
  return (thrown: unknown, request, response, next) => {
    const error = asScimError(thrown);
    const fields = {
      status: error.status,
      scim_type: error.scimType,
      detail: error.message,
      request_id: response.locals.requestId,
      address: request.ip,
      method: request.method,
      route: 'scim',
    };
    if (error.status >= 500) log.error({ ...fields, name: thrown instanceof Error ? thrown.name : undefined }, 'request failed');
    else log.info(fields, 'request refused');
    if (response.headersSent) return next(thrown);
    response.locals.scimRefusal = { ...(error.scimType === undefined ? {} : { scimType: error.scimType }), detail: error.message };
    if (error.status === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="samlgate SCIM"');
    const retryAfter = thrown instanceof GatewayError ? thrown.facts.retryAfterSeconds : undefined;
    if (retryAfter !== undefined || error.status === 503) response.setHeader('Retry-After', String(retryAfter ?? 2));
    sendScim(response, error.status, {
      schemas: [`${MESSAGES}:Error`],
      status: String(error.status),
      ...(error.scimType === undefined ? {} : { scimType: error.scimType }),
      detail: error.message,
    });
  };
}

function asScimError(thrown: unknown): ScimError {
  if (thrown instanceof ScimError) return thrown;
  if (thrown instanceof Error && thrown.cause instanceof GatewayError) return asScimError(thrown.cause);
  if (thrown instanceof GatewayError) {
    const { title, advice } = thrown.textFor('user');
    return new ScimError(thrown.status, thrown.facts.detail ?? `${title}. ${advice}`);
  }
  const { status } = thrown as { status?: unknown };
  if (status === 413) return new ScimError(413, 'The body is too large.');
  if (status === 415) return new ScimError(415, 'The body has an encoding that is not supported.');
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new ScimError(400, 'The body is not valid JSON.', 'invalidSyntax');
  return new ScimError(500, 'The gateway failed. Its log has the cause under the request ID in the response header.');
}
