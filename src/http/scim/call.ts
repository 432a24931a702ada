/** A request of a SCIM client: its authentication, its limits, its body and its parameters. */
import express, { type Request, type Response } from 'express';
import type { Actor } from '../../audit.ts';
import { authenticateScim, type ScimPrincipal } from '../../auth/tokens/scim-tokens.ts';
import { recordTokenUse } from '../../auth/tokens/token-use.ts';
import { MAX_COUNT, type PageQuery } from '../../organizations/provisioning/paged-list.ts';
import type { Runtime } from '../../runtime.ts';
import type { Json } from '../../scim/attributes.ts';
import { type Filter, parseFilter } from '../../scim/filter.ts';
import { ScimError } from '../../scim/scim-error.ts';
import { etagOf, type Projection, readProjection } from '../../scim/user.ts';
import { hasBody, runParser } from '../api/request-body.ts';
import { checkBearerToken, requireKeyWithinLimit } from '../limits/rate-limits.ts';
import { runInSlot } from '../limits/request-slots.ts';
import { actorOf, afterAnswer, closeSignalOf, signalOf } from '../request-context.ts';
import { recordRequest } from './record-request.ts';

const DEFAULT_COUNT = 100;
const MEDIA_TYPES = ['application/json', 'application/scim+json'];
const parseBody = express.json({ limit: '256kb', inflate: false, type: MEDIA_TYPES });
/** A group of 10,000 members, each with its name. */
const parseGroup = express.json({ limit: '1mb', inflate: false, type: MEDIA_TYPES });

/** An authenticated request, with its validated body. */
export interface Call {
  readonly request: Request;
  readonly response: Response;
  readonly principal: ScimPrincipal;
  readonly actor: Actor;
  readonly body: Json | undefined;
  /** The URL of the organization's SCIM service. */
  readonly base: string;
}

export interface CallOptions {
  readonly request: Request;
  readonly response: Response;
  /** Groups have larger bodies than users. */
  readonly isForGroup?: boolean;
}

/** Requests of a connection that run at the same time on each gateway. Those that change groups can be large and take long. */
const SLOTS = { group_changes: 2, others: 8 } as const;

/**
 * Authenticates a request, and again after its body, which a client can send slowly. Then handles it, within the limits of its
 * connection.
 * @throws unauthenticated, rate_limited, ScimError, or an error of `handle`
 */
export async function handleCall(
  runtime: Runtime,
  { request, response, isForGroup = false }: CallOptions,
  handle: (call: Call) => Promise<void> | void,
): Promise<void> {
  const slug = String(request.params.org);
  const authorization = request.headers.authorization ?? '';
  const actor = actorOf(request, response);
  const check = () => checkBearerToken(runtime, { actor, authorization }, () => authenticateScim(runtime, slug, authorization));
  let principal = await check();
  const { organization, tokenId } = principal;
  recordTokenUse(runtime, organization.id, tokenId, () => ({ address: request.ip, userAgent: request.headers['user-agent'] }));
  afterAnswer(response, () => recordRequest(runtime, principal, { request, response }));
  const limited = limitedOf(principal);
  const isChange = request.method !== 'GET' && request.method !== 'HEAD';
  await requireKeyWithinLimit(runtime, 'scim', limited);
  if (isChange) await requireKeyWithinLimit(runtime, 'scim_changes', limited);
  const kind = isForGroup && isChange ? 'group_changes' : 'others';
  await runInSlot(runtime, { key: `${limited} ${kind}`, count: SLOTS[kind], response }, async (hasWaited) => {
    const body = await readBody(request, response, isForGroup);
    if (hasWaited || hasBody(request)) principal = await check();
    const base = `${runtime.config.baseUrl}/scim/v2/${organization.slug}`;
    const target = { ...principal, signal: closeSignalOf(response) };
    await handle({ request, response, principal: target, actor: { ...actor, kind: 'scim', id: tokenId }, body, base });
  });
}

async function readBody(request: Request, response: Response, isForGroup: boolean): Promise<Json | undefined> {
  if (!hasBody(request)) return undefined;
  if (!request.is(MEDIA_TYPES)) throw new ScimError(415, 'Send the body as application/scim+json.');
  await runParser(isForGroup ? parseGroup : parseBody, request, response);
  return request.body as Json;
}

export const limitedOf = ({ organization, connection }: ScimPrincipal): string => `${organization.id} ${connection.id}`;

/** Returns a parameter of the query that was sent once. */
export function parameter({ query }: Request, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new ScimError(400, `${name}: send it once.`, 'invalidValue');
}

/** Values below the smallest one mean the smallest one (RFC 7644 §3.4.2.4). */
function numberOf(request: Request, name: string, { min, max, standard }: { min: number; max: number; standard: number }): number {
  const text = parameter(request, name);
  if (text === undefined || text === '') return standard;
  if (!/^-?\d{1,9}$/.test(text)) throw new ScimError(400, `${name}: must be a whole number.`, 'invalidValue');
  return Math.min(max, Math.max(min, Number(text)));
}

export const projectionOf = (request: Request): Projection =>
  readProjection({ attributes: parameter(request, 'attributes'), excludedAttributes: parameter(request, 'excludedAttributes') });

/** Reads the parameters of a list. @throws ScimError with invalidFilter, invalidValue */
export function readListQuery({ request, response, principal }: Call): PageQuery & { readonly filter: Filter | undefined } {
  const text = parameter(request, 'filter');
  return {
    filter: text === undefined || text.trim() === '' ? undefined : parseFilter(text),
    startIndex: numberOf(request, 'startIndex', { min: 1, max: 1_000_000_000, standard: 1 }),
    count: numberOf(request, 'count', { min: 0, max: MAX_COUNT, standard: DEFAULT_COUNT }),
    clientId: principal.tokenId,
    signal: signalOf(response),
  };
}

export const idOf = ({ request }: Call): string => String(request.params.id);

/** @see RFC 7644 §3.14 */
export function conditionOf(call: Call) {
  const expected = call.request.headers['if-match'];
  const tags = expected?.split(',').map((tag) => tag.trim());
  return {
    id: idOf(call),
    requireVersion: (version: number) => {
      if (tags === undefined || tags.includes('*') || tags.includes(etagOf(version))) return;
      throw new ScimError(412, 'The resource has changed since the version in If-Match.');
    },
  };
}
