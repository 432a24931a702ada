/** SCIM 2.0, `/scim/v2/{org}`: with a SCIM token, the identity provider of one connection provisions users. */
import express, { type Request, type RequestHandler, type Response, Router } from 'express';
import type { Actor } from '../../audit.ts';
import { authenticateScim, type ScimPrincipal } from '../../auth/tokens/scim-tokens.ts';
import { recordTokenUse } from '../../auth/tokens/token-use.ts';
import { changeUser, getUser, removeUser } from '../../organizations/provisioning/change-user.ts';
import { listUsers, MAX_COUNT } from '../../organizations/provisioning/list-users.ts';
import { provisionUser } from '../../organizations/provisioning/provision-user.ts';
import type { ScimUser } from '../../organizations/provisioning/scim-users.ts';
import type { Runtime } from '../../runtime.ts';
import type { Attributes, Json } from '../../scim/attributes.ts';
import { parseFilter } from '../../scim/filter.ts';
import { applyPatch, readAttributes, readPatch } from '../../scim/patch.ts';
import { ScimError } from '../../scim/scim-error.ts';
import { etagOf, projectResource, userResource } from '../../scim/user.ts';
import type { Stored } from '../../store/store.ts';
import { hasBody, runParser } from '../api/request-body.ts';
import { checkBearerToken, requireKeyWithinLimit } from '../limits/rate-limits.ts';
import { actorOf, signalOf } from '../request-context.ts';
import { listResponse, scimErrorExit, sendScim } from './answers.ts';
import { resourceTypes, schemas, serviceProviderConfig } from './discovery.ts';

const ROOT = '/scim/v2/:org';
const DEFAULT_COUNT = 100;
const parseBody = express.json({ limit: '256kb', inflate: false, type: ['application/json', 'application/scim+json'] });

/** An authenticated request, with its validated body. */
interface Call {
  readonly request: Request;
  readonly response: Response;
  readonly principal: ScimPrincipal;
  readonly actor: Actor;
  readonly body: Json | undefined;
  /** The URL of the organization's SCIM service. */
  readonly base: string;
}

export function scimRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  const route = (handle: (call: Call) => Promise<void> | void): RequestHandler => {
    return async (request, response) => {
      await handle(await readCall(runtime, request, response));
    };
  };
  router.use('/scim/v2', (_request, response, next) => {
    response.locals.route = 'scim';
    response.setHeader('Cache-Control', 'no-store');
    next();
  });
  for (const [name, read] of [
    ['Schemas', schemas],
    ['ResourceTypes', resourceTypes],
  ] as const) {
    router.get(
      `${ROOT}/${name}`,
      route(({ response, base }) => sendList(response, read(base))),
    );
    router.get(
      `${ROOT}/${name}/:id`,
      route(({ request, response, base }) => sendOne(response, read(base), request.params.id)),
    );
  }
  router.get(
    `${ROOT}/ServiceProviderConfig`,
    route(({ response, base }) => sendScim(response, 200, serviceProviderConfig(base))),
  );
  router.get(
    `${ROOT}/Users`,
    route((call) => sendUsers(runtime, call)),
  );
  router.post(
    `${ROOT}/Users`,
    route((call) => createUser(runtime, call)),
  );
  router.get(
    `${ROOT}/Users/:id`,
    route((call) => sendUser(runtime, call)),
  );
  router.put(
    `${ROOT}/Users/:id`,
    route((call) => replaceUser(runtime, call)),
  );
  router.patch(
    `${ROOT}/Users/:id`,
    route((call) => patchUser(runtime, call)),
  );
  router.delete(
    `${ROOT}/Users/:id`,
    route((call) => deleteUser(runtime, call)),
  );
  router.post(
    `${ROOT}/Bulk`,
    route(() => {
      throw new ScimError(501, 'Bulk requests are not supported.');
    }),
  );
  router.use(
    ROOT,
    route(() => {
      throw new ScimError(404, 'There is no such endpoint.');
    }),
  );
  router.use('/scim/v2', () => {
    throw new ScimError(404, 'There is no such endpoint.');
  });
  router.use('/scim/v2', scimErrorExit(runtime.log));
  return router;
}

/** Authenticates a request, and again after its body, which a client can send slowly. @throws unauthenticated, rate_limited, ScimError */
async function readCall(runtime: Runtime, request: Request, response: Response): Promise<Call> {
  const slug = String(request.params.org);
  const authorization = request.headers.authorization ?? '';
  const actor = actorOf(request, response);
  const check = () => checkBearerToken(runtime, { actor, authorization }, () => authenticateScim(runtime, slug, authorization));
  let principal = await check();
  const limited = `${principal.organization.id} ${principal.connection.id}`;
  await requireKeyWithinLimit(runtime, 'scim', limited);
  if (request.method !== 'GET' && request.method !== 'HEAD') await requireKeyWithinLimit(runtime, 'scim_changes', limited);
  const body = await readBody(request, response);
  if (hasBody(request)) principal = await check();
  const { organization, tokenId } = principal;
  response.once('finish', () => {
    recordTokenUse(runtime, organization.id, tokenId, () => ({ address: request.ip, userAgent: request.headers['user-agent'] }));
  });
  const base = `${runtime.config.baseUrl}/scim/v2/${organization.slug}`;
  return { request, response, principal, actor: { ...actor, kind: 'scim', id: tokenId }, body, base };
}

async function readBody(request: Request, response: Response): Promise<Json | undefined> {
  if (!hasBody(request)) return undefined;
  if (!request.is(['application/json', 'application/scim+json'])) throw new ScimError(415, 'Send the body as application/scim+json.');
  await runParser(parseBody, request, response);
  return request.body as Json;
}

function sendList(response: Response, items: readonly Attributes[]): void {
  sendScim(response, 200, listResponse({ total: items.length, startIndex: 1, items }));
}

function sendOne(response: Response, items: readonly Attributes[], id: string | string[] | undefined): void {
  const item = items.find((each) => each.id === id);
  if (!item) throw new ScimError(404, 'There is no such resource.');
  sendScim(response, 200, item);
}

/** Returns a parameter of the query that was sent once. */
function parameter({ query }: Request, name: string): string | undefined {
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

const projectionOf = (request: Request) => ({
  attributes: parameter(request, 'attributes'),
  excludedAttributes: parameter(request, 'excludedAttributes'),
});

function resourceOf({ request, base }: Call, { id, version, value }: Stored<ScimUser>): Attributes {
  const { attributes, active, createdAt, changedAt } = value;
  const meta = { id, version, createdAt, changedAt, location: `${base}/Users/${id}` };
  return projectResource(userResource(attributes, active, meta), projectionOf(request));
}

function answerUser(call: Call, status: number, user: Stored<ScimUser>): void {
  call.response.setHeader('ETag', etagOf(user.version));
  if (status === 201) call.response.setHeader('Location', `${call.base}/Users/${user.id}`);
  sendScim(call.response, status, resourceOf(call, user));
}

async function sendUsers(runtime: Runtime, call: Call): Promise<void> {
  const { request, response, principal } = call;
  const text = parameter(request, 'filter');
  const startIndex = numberOf(request, 'startIndex', { min: 1, max: 1_000_000_000, standard: 1 });
  const list = await listUsers(runtime, principal, {
    filter: text === undefined || text.trim() === '' ? undefined : parseFilter(text),
    startIndex,
    count: numberOf(request, 'count', { min: 0, max: MAX_COUNT, standard: DEFAULT_COUNT }),
    clientId: principal.tokenId,
    signal: signalOf(response),
  });
  const items = list.items.map((user) => resourceOf(call, user));
  sendScim(response, 200, listResponse({ total: list.total, startIndex, items }));
}

async function createUser(runtime: Runtime, call: Call): Promise<void> {
  answerUser(call, 201, await provisionUser(runtime, call.actor, call.principal, readAttributes(call.body)));
}

async function sendUser(runtime: Runtime, call: Call): Promise<void> {
  const user = await getUser(runtime, call.principal, idOf(call));
  if (call.request.headers['if-none-match'] === etagOf(user.version)) call.response.status(304).end();
  else answerUser(call, 200, user);
}

async function replaceUser(runtime: Runtime, call: Call): Promise<void> {
  const attributes = readAttributes(call.body);
  answerUser(call, 200, await changeUser(runtime, call.actor, call.principal, { ...conditionOf(call), change: () => attributes }));
}

async function patchUser(runtime: Runtime, call: Call): Promise<void> {
  const operations = readPatch(call.body);
  const change = (attributes: Attributes) => applyPatch(attributes, operations);
  answerUser(call, 200, await changeUser(runtime, call.actor, call.principal, { ...conditionOf(call), change }));
}

async function deleteUser(runtime: Runtime, call: Call): Promise<void> {
  await removeUser(runtime, call.actor, call.principal, conditionOf(call));
  call.response.status(204).end();
}

const idOf = ({ request }: Call): string => String(request.params.id);

/** @see RFC 7644 §3.14 */
function conditionOf(call: Call) {
  const expected = call.request.headers['if-match'];
  const tags = expected?.split(',').map((tag) => tag.trim());
  return {
    id: idOf(call),
    requireVersion: (version: number) => {
      if (tags === undefined || tags.includes('*') || tags.includes(etagOf(version))) return;
      throw new ScimError(412, 'The user has changed since the version in If-Match.');
    },
  };
}
