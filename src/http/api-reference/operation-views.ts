/** Everything that the API reference shows, derived from the operations and from the OpenAPI document. */
import type { ApiReferenceProps, ObjectView, OperationGroup } from '../../console/docs/api-reference-page.tsx';
import type { BodyView, OperationView } from '../../console/docs/operation-view.ts';
import { ERRORS, type ErrorCode } from '../../errors.ts';
import { refusalsOf } from '../api/openapi.ts';
import type { OperationDescription, Who } from '../api/operation.ts';
import { curlOf, typescriptOf } from './code-samples.ts';
import { type Schemas, sampleOf } from './sample-json.ts';
import { alternativesOf, type FieldRow, fieldRow, fieldRows, type JsonSchema, objectName, typeText } from './schema-rows.ts';

type Operations = Readonly<Record<string, readonly OperationDescription[]>>;

/** The parts of the OpenAPI document that the page shows. */
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: { readonly schemas: Schemas };
}

interface OperationObject {
  readonly parameters?: readonly ParameterObject[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>> }>>;
}

interface ParameterObject {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
}

/** The callers that each kind of operation admits, in words. */
export const CALLERS: Readonly<Record<Who, string>> = {
  public: 'everyone',
  authenticated: 'members, operator',
  member: 'members',
  owner: 'owners, operator',
  operator: 'operator',
};

/** Errors that every operation, or every operation that needs a token, can answer with. The page names them once. */
const COMMON_ERRORS: ReadonlySet<ErrorCode> = new Set(['rate_limited', 'store_unavailable', 'unauthenticated']);

/** Returns what the page shows. Only objects that an answer or a body names are listed. */
export function apiReference(operations: Operations, document: unknown): Pick<ApiReferenceProps, 'groups' | 'objects'> {
  const { paths, components } = document as Document;
  const groups: OperationGroup[] = Object.entries(operations).map(([title, rows]) => ({
    title,
    anchor: anchorOf(title),
    operations: rows.map((row) => operationView(row, paths[row.path]?.[row.method] ?? { responses: {} }, components.schemas)),
  }));
  return { groups, objects: objectViews(groups, components.schemas) };
}

const anchorOf = (title: string): string => title.toLowerCase().replaceAll(' ', '-');

function operationView(
  row: OperationDescription,
  { parameters = [], requestBody, responses }: OperationObject,
  schemas: Schemas,
): OperationView {
  const answer = responses[row.status]?.content?.['application/json']?.schema;
  return {
    id: row.id,
    method: row.method.toUpperCase(),
    path: row.path,
    summary: row.summary,
    callers: CALLERS[row.who],
    queryParameters: queryRows(parameters),
    bodies: bodyViews(requestBody?.content ?? {}, schemas),
    answer: answerView(row, answer, schemas),
    errors: [...refusalsOf(row)]
      .filter((code) => !COMMON_ERRORS.has(code))
      .map((code) => ({ code, status: ERRORS[code].status, title: ERRORS[code].user.title })),
    curl: curlOf(row),
    typescript: typescriptOf(row),
    ...(row.description === undefined ? {} : { description: row.description }),
  };
}

const queryRows = (parameters: readonly ParameterObject[]): FieldRow[] =>
  parameters
    .filter((parameter) => parameter.in === 'query')
    .map(({ name, required = false, description, schema }) =>
      fieldRow(description === undefined ? schema : { ...schema, description }, name, required),
    );

/** Returns each form of the body once, with all media types that have it. */
function bodyViews(content: NonNullable<OperationObject['requestBody']>['content'], schemas: Schemas): BodyView[] {
  const types = Map.groupBy(Object.keys(content), (type) => JSON.stringify(content[type]?.schema));
  return [...types].flatMap(([key, all]) => {
    const schema = JSON.parse(key) as JsonSchema;
    const resolved = schema.$ref === undefined ? schema : (schemas[objectName(schema.$ref)] ?? {});
    const described = new Set<string>();
    return (alternativesOf(resolved) ?? [resolved]).map((form) => ({ types: all, fields: fieldRows(form).map(describeOnce(described)) }));
  });
}

/** Omits the description of a field that an earlier form of the same body also has. */
const describeOnce =
  (described: Set<string>) =>
  ({ description, ...row }: FieldRow): FieldRow => {
    if (description === undefined || described.has(description)) return row;
    described.add(description);
    return { ...row, description };
  };

function answerView(
  { status, headers = [] }: OperationDescription,
  schema: JsonSchema | undefined,
  schemas: Schemas,
): OperationView['answer'] {
  if (!schema) return { status, headers };
  if (schema.$ref === undefined) return { status, headers, type: typeText(schema) };
  const object = objectName(schema.$ref);
  const item = itemOfPage(schemas[object] ?? {});
  return { status, headers, ...(item === undefined ? { type: object, object } : { type: `page of ${item}`, object: item }) };
}

/** Returns the object that a page of a list contains. */
const itemOfPage = ({ properties = {} }: JsonSchema): string | undefined => {
  const ref = properties.items?.items?.$ref;
  return ref === undefined || !('next_cursor' in properties) ? undefined : objectName(ref);
};

/** Returns the objects that operations answer with, and those in their fields. */
function objectViews(groups: readonly OperationGroup[], schemas: Schemas): ObjectView[] {
  const pending = groups.flatMap(({ operations }) =>
    operations.flatMap(({ answer }) => (answer.object === undefined ? [] : [answer.object])),
  );
  const views = new Map<string, ObjectView>();
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (views.has(name)) continue;
    const schema = schemas[name] ?? {};
    const fields = (alternativesOf(schema) ?? [schema]).map((each) => fieldRows(each));
    views.set(name, { name, forms: fields, sample: JSON.stringify(sampleOf(schema, { schemas, parent: name }), null, 1) });
    pending.push(...fields.flat().flatMap(({ object }) => (object === undefined ? [] : [object])));
  }
  return [...views.values()].sort((a, b) => a.name.localeCompare(b.name));
}
