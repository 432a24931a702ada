/** The OpenAPI 3.1 document: made of the table of operations and of the shapes that check what comes in and describe what goes out. */
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../../errors.ts';
import * as answers from './answer-shapes.ts';
import { OPERATIONS, type Operation } from './operation.ts';
import * as shapes from './request-shapes.ts';

type Json = Record<string, unknown>;

/** @param version of the package */
export function openApiDocument(baseUrl: string, version: string): Json {
  return {
    openapi: '3.1.1',
    info: {
      title: 'samlgate',
      version,
      description:
        'The API of the gateway. Times are RFC 3339 UTC strings; lists take `limit` and `cursor`. Refusals are problem details (RFC 9457) with a `code`.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: baseUrl }],
    tags: Object.keys(OPERATIONS).map((name) => ({ name })),
    paths: paths(),
    components: { securitySchemes: SECURITY_SCHEMES, schemas: { ...schemasOf(REQUESTS), ...schemasOf(ANSWERS, withoutClosing) } },
  };
}

const SECURITY_SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer', description: 'CLI token, session token, or the operator’s token' },
  session: { type: 'apiKey', in: 'cookie', name: 'samlgate_session', description: 'With https its name is __Host-samlgate_session' },
  csrf: { type: 'apiKey', in: 'header', name: 'X-Samlgate-CSRF', description: '`csrf_token` of GET /api/v1/me' },
};

type Registry = z.core.$ZodRegistry<{ id: string }>;

const BODIES = new Set(Object.values(OPERATIONS).flatMap((operations) => operations.flatMap(({ body = {} }) => Object.values(body))));
/** The shapes that have names of their own become components; what is used in one place only stays there. */
const REQUESTS = registryOf(shapes, (shape) => BODIES.has(shape));
const ANSWERS = registryOf(answers, () => true);

/** `NEW_CLI_TOKEN` is called NewCliToken. */
function registryOf(module: object, isWanted: (shape: z.ZodType) => boolean): Registry {
  const registry: Registry = z.registry<{ id: string }>();
  for (const [name, value] of Object.entries(module)) {
    const id = name.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (value instanceof z.ZodType && isWanted(value)) registry.add(value, { id });
  }
  return registry;
}

function schemasOf(registry: Registry, override: Override = () => undefined): Json {
  const { schemas } = z.toJSONSchema(registry, { uri: componentUri, io: 'input', override: tidying(override) });
  return Object.fromEntries(Object.entries(schemas).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema]));
}

const componentUri = (id: string): string => `#/components/schemas/${id}`;

function schemaOf(shape: z.ZodType, registry: Registry): Json {
  const id = registry.get(shape)?.id;
  if (id !== undefined) return { $ref: componentUri(id) };
  const { $schema: _, ...schema } = z.toJSONSchema(shape, { io: 'input', override: tidying(() => undefined) });
  return schema;
}

type Override = (schema: z.core.JSONSchema.BaseSchema) => void;

/** Tomorrow's answers may have more fields. */
const withoutClosing: Override = (schema) => {
  if (schema.additionalProperties === false) delete schema.additionalProperties;
};

/** The pattern of a date says what its format says, at length; and that JavaScript's integers have an end is nobody's business. */
const tidying =
  (override: Override) =>
  ({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void => {
    if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    override(jsonSchema);
  };

function paths(): Json {
  const found: Record<string, Json> = {};
  for (const [tag, operations] of Object.entries(OPERATIONS)) {
    for (const operation of operations) {
      const { path, method } = operation;
      found[path] = { ...found[path], [method]: operationObject(operation, tag) };
    }
  }
  return found;
}

function operationObject(operation: Operation, tag: string): Json {
  const { id, summary, description, body, query, path } = operation;
  const parameters = [...pathParameters(path), ...queryParameters(query)];
  return {
    operationId: id,
    tags: [tag],
    summary,
    description: [description, WHO[operation.who]].filter((text) => text !== undefined).join('\n\n'),
    security: securityOf(operation),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(body) } }),
    responses: { [operation.status]: answerObject(operation), ...refusalObjects(operation) },
  };
}

const WHO: Readonly<Record<Operation['who'], string>> = {
  anybody: 'For anybody.',
  member: 'For members.',
  owner: 'For owners of the organization and the operator.',
  operator: 'For the operator.',
};

/** With the cookie an unsafe method needs the header too; the OAuth endpoints and the operator know no cookie. */
function securityOf({ who, method, path }: Operation): Json[] {
  if (who === 'anybody') return [];
  if (who === 'operator' || path.startsWith('/oauth/')) return [{ bearer: [] }];
  return [{ bearer: [] }, method === 'get' ? { session: [] } : { session: [], csrf: [] }];
}

const PATH_PARAMETERS: Readonly<Record<string, Json>> = {
  org: { schema: schemaOf(shapes.SLUG, REQUESTS), description: 'Slug of the organization' },
  id: { schema: { type: 'string' } },
  kid: { schema: { type: 'string' } },
};

const pathParameters = (path: string): Json[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({ name, in: 'path', required: true, ...PATH_PARAMETERS[name] }));

function queryParameters(query: z.ZodObject | undefined): Json[] {
  if (!query) return [];
  const { properties = {} } = schemaOf(query, REQUESTS) as { properties?: Record<string, Json> };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

const contentOf = (body: NonNullable<Operation['body']>): Json =>
  Object.fromEntries(
    Object.entries(body).map(([type, shape]) => [type, { schema: shape === 'text' ? { type: 'string' } : schemaOf(shape, REQUESTS) }]),
  );

function answerObject({ summary, answer, headers = [] }: Operation): Json {
  return {
    description: answer ? summary : 'Done',
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers.map((name) => [name, { schema: { type: 'string' } }])) }),
    ...(answer ? { content: { 'application/json': { schema: schemaOf(answer, ANSWERS) } } } : {}),
  };
}

/** Several codes may have one status. */
function refusalObjects(operation: Operation): Json {
  const codes = new Map<number, ErrorCode[]>();
  for (const code of refusalsOf(operation)) codes.set(ERRORS[code].status, [...(codes.get(ERRORS[code].status) ?? []), code]);
  const problem = operation.path.startsWith('/oauth/') ? answers.OAUTH_PROBLEM : answers.PROBLEM;
  const content = { 'application/problem+json': { schema: schemaOf(problem, ANSWERS) } };
  return Object.fromEntries(
    [...codes].map(([status, all]) => [
      status,
      { description: all.map((code) => `${code}: ${ERRORS[code].user.title}`).join('; '), content },
    ]),
  );
}

function refusalsOf({ who, path, query, body, refusals = [] }: Operation): ReadonlySet<ErrorCode> {
  return new Set<ErrorCode>([
    ...(query || body ? (['validation_failed'] as const) : []),
    ...(who === 'anybody' ? [] : (['unauthenticated'] as const)),
    ...(who === 'owner' || who === 'operator' ? (['forbidden'] as const) : []),
    ...(path.includes('{org}') ? (['organization_unknown'] as const) : []),
    ...refusals,
    'rate_limited',
    'store_unavailable',
  ]);
}
