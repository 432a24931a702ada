/** SCIM 2.0, `/scim/v2/{org}`: with a SCIM token, the identity provider of one connection provisions users. */
import { type RequestHandler, type Response, Router } from 'express';
import { type GroupOfUser, groupReader } from '../../organizations/groups/scim-groups.ts';
import { changeUser, getUser, removeUser } from '../../organizations/provisioning/change-user.ts';
import { listUsers } from '../../organizations/provisioning/list-users.ts';
import { provisionUser } from '../../organizations/provisioning/provision-user.ts';
import type { ScimUser } from '../../organizations/provisioning/scim-users.ts';
import type { Runtime } from '../../runtime.ts';
import type { Attributes } from '../../scim/attributes.ts';
import { applyPatch, readAttributes, readPatch } from '../../scim/patch.ts';
import { ScimError } from '../../scim/scim-error.ts';
import { etagOf, includesAttribute, projectResource, userResource } from '../../scim/user.ts';
import type { Stored } from '../../store/store.ts';
import { signalOf } from '../request-context.ts';
import { listResponse, PageBudget, scimErrorExit, sendScim, streamList } from './answers.ts';
import { type Call, conditionOf, handleCall, idOf, projectionOf, readListQuery } from './call.ts';
import { resourceTypes, schemas, serviceProviderConfig } from './discovery.ts';
import { GROUP_ROUTES } from './groups.ts';

const ROOT = '/scim/v2/:org';

type Handler = (runtime: Runtime, call: Call) => Promise<void> | void;
type Route = readonly ['get' | 'post' | 'put' | 'patch' | 'delete', path: string, Handler];

const DISCOVERY_ROUTES: readonly Route[] = [
  ['get', '/ServiceProviderConfig', (_runtime, { response, base }) => sendScim(response, 200, serviceProviderConfig(base))],
  ['get', '/ResourceTypes', (_runtime, { response, base }) => sendList(response, resourceTypes(base))],
  ['get', '/ResourceTypes/:id', (_runtime, { request, response, base }) => sendOne(response, resourceTypes(base), request.params.id)],
  ['get', '/Schemas', (_runtime, { response, base }) => sendList(response, schemas(base))],
  ['get', '/Schemas/:id', (_runtime, { request, response, base }) => sendOne(response, schemas(base), request.params.id)],
];

const USER_ROUTES: readonly Route[] = [
  ['get', '/Users', sendUsers],
  ['post', '/Users', createUser],
  ['get', '/Users/:id', sendUser],
  ['put', '/Users/:id', replaceUser],
  ['patch', '/Users/:id', patchUser],
  ['delete', '/Users/:id', deleteUser],
];

export function scimRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  const route =
    (handle: Handler, options: { readonly isForGroup?: boolean } = {}): RequestHandler =>
    (request, response) =>
      handleCall(runtime, { request, response, ...options }, (call) => handle(runtime, call));
  router.use('/scim/v2', (_request, response, next) => {
    response.locals.route = 'scim';
    response.setHeader('Cache-Control', 'no-store');
    next();
  });
  for (const [method, path, handle] of [...DISCOVERY_ROUTES, ...USER_ROUTES]) router[method](`${ROOT}${path}`, route(handle));
  for (const [method, path, handle] of GROUP_ROUTES) router[method](`${ROOT}${path}`, route(handle, { isForGroup: true }));
  router.post(`${ROOT}/Bulk`, route(refuseBulk));
  router.use(ROOT, route(refuseUnknown));
  router.use('/scim/v2', refuseUnknown);
  router.use('/scim/v2', scimErrorExit(runtime.log));
  return router;
}

function refuseBulk(): never {
  throw new ScimError(501, 'Bulk requests are not supported.');
}

function refuseUnknown(): never {
  throw new ScimError(404, 'There is no such endpoint.');
}

function sendList(response: Response, items: readonly Attributes[]): void {
  sendScim(response, 200, listResponse({ total: items.length, startIndex: 1, items }));
}

function sendOne(response: Response, items: readonly Attributes[], id: string | string[] | undefined): void {
  const item = items.find((each) => each.id === id);
  if (!item) throw new ScimError(404, 'There is no such resource.');
  sendScim(response, 200, item);
}

/** Returns how users are represented. Their groups are read only if the client asks for them. */
function resourcesOf(
  { store }: Runtime,
  { request, response, principal, base }: Call,
  onGroups: (count: number) => void = () => {},
): (user: Stored<ScimUser>) => Promise<Attributes> {
  const projection = projectionOf(request);
  const wantsGroups = includesAttribute(projection, 'groups');
  const at = { organizationId: principal.organization.id, connectionId: principal.connection.id, signal: signalOf(response) };
  const readGroups = groupReader(store, at);
  return async ({ id, version, value: { attributes, active, createdAt, changedAt } }) => {
    const meta = { id, version, createdAt, changedAt, location: `${base}/Users/${id}` };
    const groups = wantsGroups ? await readGroups(id) : [];
    onGroups(groups.length);
    return projectResource(userResource({ attributes, active }, meta, groupsAttribute(groups, base)), projection);
  };
}

const groupsAttribute = (groups: readonly GroupOfUser[], base: string): Attributes =>
  groups.length === 0
    ? {}
    : { groups: groups.map(({ id, displayName }) => ({ value: id, $ref: `${base}/Groups/${id}`, display: displayName, type: 'direct' })) };

async function answerUser(runtime: Runtime, call: Call, { status, user }: UserAnswer): Promise<void> {
  const resource = await resourcesOf(runtime, call)(user);
  call.response.setHeader('ETag', etagOf(user.version));
  if (status === 201) call.response.setHeader('Location', `${call.base}/Users/${user.id}`);
  sendScim(call.response, status, resource);
}

interface UserAnswer {
  readonly status: number;
  readonly user: Stored<ScimUser>;
}

async function sendUsers(runtime: Runtime, call: Call): Promise<void> {
  const query = readListQuery(call);
  const list = await listUsers(runtime, call.principal, query);
  const budget = new PageBudget();
  const resourceOf = resourcesOf(runtime, call, (groups) => budget.spend(groups));
  async function* textOf(user: Stored<ScimUser>) {
    yield JSON.stringify(await resourceOf(user));
  }
  await streamList(call.response, { ...list, startIndex: query.startIndex }, { textOf, budget });
}

async function createUser(runtime: Runtime, call: Call): Promise<void> {
  const user = await provisionUser(runtime, call.actor, call.principal, readAttributes(call.body));
  await answerUser(runtime, call, { status: 201, user });
}

async function sendUser(runtime: Runtime, call: Call): Promise<void> {
  const user = await getUser(runtime, call.principal, idOf(call));
  if (call.request.headers['if-none-match'] === etagOf(user.version)) call.response.status(304).end();
  else await answerUser(runtime, call, { status: 200, user });
}

async function replaceUser(runtime: Runtime, call: Call): Promise<void> {
  const attributes = readAttributes(call.body);
  const user = await changeUser(runtime, call.actor, call.principal, { ...conditionOf(call), change: () => attributes });
  await answerUser(runtime, call, { status: 200, user });
}

async function patchUser(runtime: Runtime, call: Call): Promise<void> {
  const operations = readPatch(call.body);
  const change = (attributes: Attributes) => applyPatch(attributes, operations);
  const user = await changeUser(runtime, call.actor, call.principal, { ...conditionOf(call), change });
  await answerUser(runtime, call, { status: 200, user });
}

async function deleteUser(runtime: Runtime, call: Call): Promise<void> {
  await removeUser(runtime, call.actor, call.principal, conditionOf(call));
  call.response.status(204).end();
}
