/** The OpenAPI 3.1 document, derived from the operations and from the schemas of requests and answers. */
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../../errors.ts';
import * as oauthAnswers from '../oauth-answers.ts';
import * as answers from './answer-shapes.ts';
import { SLUG } from './field-shapes.ts';
import type { OperationDescription, Who } from './operation.ts';
import type { RequestBody } from './request-body.ts';
import * as shapes from './request-shapes.ts';

type Json = Record<string, unknown>;

/** Operations by heading. */
type Operations = Readonly<Record<string, readonly OperationDescription[]>>;

/** @param version of the package */
export function openApiDocument(operations: Operations, baseUrl: string, version: string): Json & { openapi: string } {
  const bodies = new Set(
    Object.values(operations)
      .flat()
      .flatMap(({ body }) => Object.values(body?.content ?? {})),
  );
  const requests = registryOf(shapes, (shape) => bodies.has(shape));
  return {
    openapi: '3.1.1',
    info: {
      title: 'samlgate',
      version,
      description:
        'The API of the samlgate gateway. Times are RFC 3339 strings in UTC. Lists take `limit` and `cursor`. Errors are problem details (RFC 9457) with a `code`.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: baseUrl }],
    tags: Object.keys(operations).map((name) => ({ name })),
    paths: pathsOf(operations, requests),
    components: { securitySchemes: SECURITY_SCHEMES, schemas: componentsOf(requests) },
  };
}

const SECURITY_SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer', description: 'A CLI token, a session token or the operator token.' },
  session: { type: 'apiKey', in: 'cookie', name: 'samlgate_session', description: 'With https, the name is `__Host-samlgate_session`.' },
  csrf: { type: 'apiKey', in: 'header', name: 'X-Samlgate-CSRF', description: 'The `csrf_token` of GET /api/v1/me.' },
};

type Registry = z.core.$ZodRegistry<{ id: string }>;

/** Exported schemas become components. All others are written out in place. */
const ANSWERS = registryOf({ ...answers, ...oauthAnswers }, () => true);

/** Names each schema after its constant: `NEW_CLI_TOKEN` becomes `NewCliToken`. */
function registryOf(module: object, isIncluded: (shape: z.ZodType) => boolean): Registry {
  const registry: Registry = z.registry<{ id: string }>();
  for (const [name, value] of Object.entries(module)) {
    const id = name.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (value instanceof z.ZodType && isIncluded(value)) registry.add(value, { id });
  }
  return registry;
}

function componentsOf(requests: Registry): Json {
  const ofRequests = schemasOf(requests);
  const ofAnswers = schemasOf(ANSWERS, withoutClosing);
  const shared = Object.keys(ofRequests).filter((id) => id in ofAnswers);
  if (shared.length > 0) throw new TypeError(`a request and an answer have the same name: ${shared.join(', ')}`);
  return { ...ofRequests, ...ofAnswers };
}

function schemasOf(registry: Registry, override: Override = () => undefined): Json {
  const { schemas } = z.toJSONSchema(registry, { uri: componentUri, io: 'input', override: tidying(override) });
  return Object.fromEntries(Object.entries(schemas).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema]));
}

const componentUri = (id: string): string => `#/components/schemas/${id}`;

/** Returns a reference to a component, or the schema itself. */
function schemaOf(shape: z.ZodType, registry?: Registry): Json {
  const id = registry?.get(shape)?.id;
  if (id !== undefined) return { $ref: componentUri(id) };
  const { $schema: _, ...schema } = z.toJSONSchema(shape, { io: 'input', override: tidying(() => undefined) });
  return schema;
}

type Override = (schema: z.core.JSONSchema.BaseSchema) => void;

/** Allows more fields in answers, because later versions may add some. */
const withoutClosing: Override = (schema) => {
  if (schema.additionalProperties === false) delete schema.additionalProperties;
};

/** Removes the pattern of dates, which repeats their format, and the limits of JavaScript integers. */
const tidying =
  (override: Override) =>
  ({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void => {
    if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    override(jsonSchema);
  };

function pathsOf(operations: Operations, requests: Registry): Json {
  const paths: Record<string, Json> = {};
  for (const [tag, rows] of Object.entries(operations)) {
    for (const row of rows) paths[row.path] = { ...paths[row.path], [row.method]: operationObject(row, tag, requests) };
  }
  return paths;
}

function operationObject(row: OperationDescription, tag: string, requests: Registry): Json {
  const { id, summary, description, body, query, path } = row;
  const parameters = [...pathParameters(path), ...queryParameters(query)];
  return {
    operationId: id,
    tags: [tag],
    summary,
    description: [description, WHO[row.who]].filter((text) => text !== undefined).join('\n\n'),
    security: securityOf(row),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(body.content, requests) } }),
    responses: { [row.status]: answerObject(row), ...refusalObjects(row) },
  };
}

const WHO: Readonly<Record<Who, string>> = {
  public: 'Requires no authentication.',
  authenticated: 'Available to members and the operator.',
  member: 'Available to members.',
  owner: 'Available to owners of the organization and the operator.',
  operator: 'Available to the operator.',
};

/** For unsafe methods, the cookie also needs the CSRF header. The OAuth endpoints and the operator use no cookie. */
function securityOf({ who, method, path }: OperationDescription): Json[] {
  if (who === 'public') return [];
  if (who === 'operator' || path.startsWith('/oauth/')) return [{ bearer: [] }];
  return [{ bearer: [] }, method === 'get' ? { session: [] } : { session: [], csrf: [] }];
}

const PATH_PARAMETERS: Readonly<Record<string, Json>> = {
  org: { schema: schemaOf(SLUG), description: 'The slug of the organization.' },
  con: { schema: { type: 'string' }, description: 'The ID of the connection.' },
  id: { schema: { type: 'string' } },
  kid: { schema: { type: 'string' } },
  domain: { schema: { type: 'string' } },
};

const pathParameters = (path: string): Json[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({ name, in: 'path', required: true, ...PATH_PARAMETERS[name] }));

function queryParameters(query: z.ZodObject | undefined): Json[] {
  if (!query) return [];
  const { properties = {} } = schemaOf(query) as { properties?: Record<string, Json> };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

const FILES: Readonly<Record<'text' | 'octets', Json>> = { text: { type: 'string' }, octets: { type: 'string', format: 'binary' } };

const contentOf = (content: RequestBody<unknown>['content'], requests: Registry): Json =>
  Object.fromEntries(
    Object.entries(content).map(([type, shape]) => [
      type,
      { schema: typeof shape === 'string' ? FILES[shape] : schemaOf(shape, requests) },
    ]),
  );

function answerObject({ summary, answer, headers = [] }: OperationDescription): Json {
  return {
    description: answer ? summary : 'Done',
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers.map((name) => [name, { schema: { type: 'string' } }])) }),
    ...(answer ? { content: { 'application/json': { schema: schemaOf(answer, ANSWERS) } } } : {}),
  };
}

/** Groups the error codes of an operation by status, since several may share one. */
function refusalObjects(row: OperationDescription): Json {
  const codes = Map.groupBy(refusalsOf(row), (code) => ERRORS[code].status);
  const problem = row.path.startsWith('/oauth/') ? answers.OAUTH_PROBLEM : answers.PROBLEM;
  const content = { 'application/problem+json': { schema: schemaOf(problem, ANSWERS) } };
  return Object.fromEntries(
    [...codes].map(([status, all]) => [
      status,
      { description: all.map((code) => `${code}: ${ERRORS[code].user.title}`).join('; '), content },
    ]),
  );
}

/** Returns the error codes that an operation can answer with. */
export function refusalsOf({ who, path, query, body, refusals = [] }: OperationDescription): ReadonlySet<ErrorCode> {
  return new Set<ErrorCode>([
    ...(query || body ? (['validation_failed'] as const) : []),
    ...(who === 'public' ? [] : (['unauthenticated'] as const)),
    ...(who === 'owner' || who === 'operator' ? (['forbidden'] as const) : []),
    ...(path.includes('{org}') ? (['organization_unknown'] as const) : []),
    ...refusals,
    'rate_limited',
    'store_unavailable',
  ]);
}
