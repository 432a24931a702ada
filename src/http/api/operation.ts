/**
 * API operations: one row for each. The route, the authorization, the validation of input, the status of the answer and the
 * OpenAPI document derive from the row, so none of them can differ from the others.
 */
import { type Request, type RequestHandler, type Response, Router } from 'express';
import type { z } from 'zod';
import type { Actor } from '../../audit.ts';
import type { MemberPrincipal, Principal } from '../../auth/principal.ts';
import { type ErrorCode, GatewayError } from '../../errors.ts';
import { getOrganization } from '../../organizations/directory.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import type { Store } from '../../store/store.ts';
import type { LimitName } from '../limits/limits.ts';
import { requireWithinLimit } from '../limits/rate-limits.ts';
import { actorOf } from '../request-context.ts';
import { authenticateAgain, principalOf } from './callers.ts';
import { hasBody, type RequestBody } from './request-body.ts';
import { checkShape } from './request-shapes.ts';

/** The principal that each kind of operation receives. An `owner` operation admits owners of the organization and the operator. */
interface PrincipalFor {
  readonly public: undefined;
  readonly authenticated: Principal;
  readonly member: MemberPrincipal;
  readonly owner: Principal;
  readonly operator: Principal & { readonly kind: 'operator' };
}

export type Who = keyof PrincipalFor;

/** What the OpenAPI document says about an operation. */
export interface OperationDescription {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** In the notation of OpenAPI, such as `/api/v1/keys/{kid}`. `{org}` is the slug of an organization. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly who: Who;
  readonly query?: z.ZodObject;
  readonly body?: Pick<RequestBody<unknown>, 'content'>;
  readonly status: number;
  /** Schema of the JSON in the answer. Undefined if the answer has no content. */
  readonly answer?: z.ZodType;
  /** Names of headers that carry data of the answer. */
  readonly headers?: readonly string[];
  /** Error codes besides those that follow from the other members. */
  readonly refusals?: readonly ErrorCode[];
}

export interface Operation extends OperationDescription {
  readonly body?: RequestBody<unknown>;
  readonly limit?: LimitName;
  readonly findOrganization?: FindOrganization<{ readonly id: string }>;
  handle(call: Call): unknown;
}

/** What a handler receives: the authorized caller and validated input. */
interface Call<Path extends string = string, Caller extends Who = Who, Query = unknown, Body = unknown, Found = { readonly id: string }> {
  readonly runtime: Runtime;
  readonly request: Request;
  readonly response: Response;
  readonly principal: PrincipalFor[Caller];
  /** The caller, for the audit trail. */
  readonly actor: Actor;
  readonly params: PathParameters<Path>;
  /** The organization of the path. */
  readonly organization: Path extends `${string}{org}${string}` ? Found : undefined;
  readonly query: Query;
  readonly body: Body;
  /** Authenticates and authorizes the caller again, after a wait that the caller can prolong. @throws unauthenticated, forbidden */
  authorizeAgain(): Promise<unknown>;
}

/** `{ org: string; id: string }` for `/organizations/{org}/members/{id}`. */
type PathParameters<Path extends string> = { readonly [Name in ParameterName<Path>]: string };
type ParameterName<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | ParameterName<Rest> : never;

type FindOrganization<Found> = (store: Store, slug: string) => Promise<Found>;

interface Row<
  Path extends string,
  Caller extends Who,
  Query extends z.ZodObject,
  Body,
  Answer extends z.ZodType,
  Found extends { readonly id: string },
> extends OperationDescription {
  readonly path: Path;
  readonly who: Caller;
  readonly query?: Query;
  readonly body?: RequestBody<Body>;
  readonly answer?: Answer;
  /** Counts the requests of each address to this operation, and refuses those over the limit. */
  readonly limit?: LimitName;
  /** Resolves `{org}`; {@link getOrganization} unless given. @throws organization_unknown */
  readonly findOrganization?: FindOrganization<Found>;
  readonly handle: (call: Call<Path, Caller, z.output<Query>, Body, Found>) => Result<Answer> | Promise<Result<Answer>>;
}

/** What a handler returns: the JSON of the answer, or nothing if the row has no `answer`. */
type Result<Answer extends z.ZodType> = DeepReadonly<z.output<Answer>>;

type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** Checks the types of a row: its handler receives what the row validates, and returns what the row documents. */
export function operation<
  const Path extends string,
  Caller extends Who,
  Query extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Body = undefined,
  Answer extends z.ZodType = z.ZodVoid,
  Found extends { readonly id: string } = Organization,
>(row: Row<Path, Caller, Query, Body, Answer, Found>): Operation {
  if (row.who === 'owner' && !hasOrganization(row)) throw new TypeError(`${row.id}: only an organization in the path has owners`);
  return row as unknown as Operation;
}

const hasOrganization = ({ path }: OperationDescription): boolean => path.includes('{org}');

/**
 * Returns a router with a route for each operation. All operations but public ones need a principal in `response.locals`.
 * @param authenticate sets the principal, if no middleware in front of the router does
 */
export function operationRoutes(runtime: Runtime, operations: readonly Operation[], authenticate: readonly RequestHandler[] = []): Router {
  const router = Router({ caseSensitive: true });
  for (const row of operations) {
    const path = row.path.replace(/\{(\w+)\}/g, ':$1');
    const handlers = row.who === 'public' ? [] : authenticate;
    router[row.method](path, ...handlers, (request, response) => answer(runtime, row, request, response));
  }
  return router;
}

/**
 * Answers one request. Input is read only after the caller is authorized, so that others learn nothing from its validation. A body
 * can take until its time limit, so the caller is authenticated and authorized again after it: a credential may have been revoked,
 * or its member suspended, while the body was incomplete.
 */
async function answer(runtime: Runtime, row: Operation, request: Request, response: Response): Promise<void> {
  const params = request.params as Record<string, string>;
  let principal = row.who === 'public' ? undefined : principalOf(response);
  let organization = principal && (await authorize(runtime, row, principal, params.org));
  if (row.limit) await requireWithinLimit(runtime, row.limit, request);
  const query = row.query && checkShape(row.query, request.query);
  const body = await row.body?.read(request, response);
  const authorizeAgain = async () => {
    if (!principal) return undefined;
    principal = await authenticateAgain(response);
    const current = await authorize(runtime, row, principal, params.org);
    // Another organization may have this slug now.
    if (current?.id !== organization?.id) throw new GatewayError('organization_unknown');
    return current;
  };
  if (row.body && hasBody(request)) organization = await authorizeAgain();
  const actor = actorOf(request, response, principal);
  const call = { runtime, request, response, principal, actor, params, organization, query, body, authorizeAgain };
  const result = await row.handle(call as unknown as Call);
  response.status(row.status);
  if (row.answer) response.json(result);
  else response.end();
}

/**
 * Decides whether the caller may use the operation. The organization is found first: to members of other organizations it does
 * not exist, whatever they ask for.
 * @returns the organization of the path
 * @throws organization_unknown, forbidden
 */
async function authorize(
  runtime: Runtime,
  row: Operation,
  principal: Principal,
  slug: string | undefined,
): Promise<{ readonly id: string } | undefined> {
  const { findOrganization = getOrganization } = row;
  const organization = hasOrganization(row) ? await findOrganization(runtime.store, slug ?? '') : undefined;
  if (organization && principal.kind === 'member' && principal.organizationId !== organization.id) {
    throw new GatewayError('organization_unknown');
  }
  requireAllowed(row, principal);
  return organization;
}

/** Checks the role of a caller. The caller's organization has already been matched with the path. @throws forbidden unless `who` admits the caller */
function requireAllowed({ who, method }: Operation, principal: Principal): void {
  const isOperator = principal.kind === 'operator';
  switch (who) {
    case 'authenticated':
      return;
    case 'member':
      if (isOperator) throw new GatewayError('forbidden', 'Only members can do this. The operator token is not accepted here.');
      return;
    case 'operator':
      if (!isOperator) throw new GatewayError('forbidden', 'Only the operator of this gateway can do this.');
      return;
    case 'owner':
      if (isOperator) return;
      if (principal.member.role !== 'owner') throw new GatewayError('forbidden', 'Only owners of the organization can do this.');
      // Services receive session tokens of their users. None of them may change an organization because an owner uses it.
      if (principal.credential.kind === 'session_token' && method !== 'get') {
        throw new GatewayError('forbidden', 'A session token cannot change an organization. Use a CLI token or the console.');
      }
      return;
    default:
      throw new GatewayError('forbidden');
  }
}
