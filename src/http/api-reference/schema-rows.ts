/** JSON schemas of the OpenAPI document as rows of a table, one for each field. */
import { ERRORS } from '../../errors.ts';

/** The parts of a JSON schema that zod writes. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
}

export interface FieldRow {
  /** With the names of the objects around it, such as `user.email` or `rules[].group`. */
  readonly name: string;
  readonly type: string;
  /** The object that the type names, if it is described elsewhere on the page. */
  readonly object?: string;
  readonly isRequired: boolean;
  readonly description?: string;
  /** All values, if there are too many to be part of the type. */
  readonly values?: readonly string[];
}

export const alternativesOf = (schema: JsonSchema): readonly JsonSchema[] | undefined => schema.anyOf ?? schema.oneOf;
export const objectName = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1);

/** Returns the fields of an object and, below each, the fields of the objects in it. */
export function fieldRows({ properties = {}, required = [] }: JsonSchema, prefix = ''): FieldRow[] {
  return Object.entries(properties).flatMap(([name, schema]) => [
    fieldRow(schema, `${prefix}${name}`, required.includes(name)),
    ...nestedRows(schema, `${prefix}${name}`),
  ]);
}

function nestedRows(schema: JsonSchema, name: string): FieldRow[] {
  const inner = withoutNull(schema);
  if (inner.properties) return fieldRows(inner, `${name}.`);
  return inner.items?.properties ? fieldRows(inner.items, `${name}[].`) : [];
}

/** The type `time` already says this. */
const TIME_FORMAT = 'RFC 3339 in UTC.';

export function fieldRow(schema: JsonSchema, name: string, isRequired: boolean): FieldRow {
  const object = refIn(schema);
  const values = longEnumOf(schema);
  return {
    name,
    type: typeText(schema),
    isRequired,
    ...(schema.description === undefined || schema.description === TIME_FORMAT ? {} : { description: schema.description }),
    ...(object === undefined ? {} : { object }),
    ...(values === undefined ? {} : { values }),
  };
}

/** Returns the schema without its alternative `null`, if that leaves one. */
function withoutNull(schema: JsonSchema): JsonSchema {
  const others = alternativesOf(schema)?.filter(({ type }) => type !== 'null');
  return others?.length === 1 && others[0] ? others[0] : schema;
}

function refIn(schema: JsonSchema): string | undefined {
  const inner = withoutNull(schema);
  const ref = inner.$ref ?? inner.items?.$ref;
  return ref === undefined ? undefined : objectName(ref);
}

const MAX_LISTED_VALUES = 8;
const isErrorCodes = (values: readonly unknown[]): boolean => values.length === Object.keys(ERRORS).length && values.includes('internal');

function longEnumOf(schema: JsonSchema): readonly string[] | undefined {
  const inner = withoutNull(schema);
  const values = inner.enum ?? inner.items?.enum;
  return values && values.length > MAX_LISTED_VALUES && !isErrorCodes(values) ? values.map(String) : undefined;
}

/** Describes a type in words: `string`, `array of Member`, `"draft" or "active"`. */
export function typeText(schema: JsonSchema): string {
  if (schema.$ref !== undefined) return objectName(schema.$ref);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return enumText(schema.enum);
  const alternatives = alternativesOf(schema);
  if (alternatives) return [...new Set(alternatives.map(alternativeText))].join(' or ');
  const types = [schema.type ?? 'any'].flat();
  return types.map((type) => simpleText(type, schema)).join(' or ');
}

/** Names the fields of an object that is one of several alternatives, because it has no rows. */
const alternativeText = (schema: JsonSchema): string =>
  schema.properties ? `{ ${Object.keys(schema.properties).join(', ')} }` : typeText(schema);

function enumText(values: readonly unknown[]): string {
  if (isErrorCodes(values)) return 'error code';
  if (values.length > MAX_LISTED_VALUES) return `one of ${values.length} values`;
  return values.map((value) => JSON.stringify(value)).join(' or ');
}

function simpleText(type: string, { items, format, minimum, maximum, maxLength, maxItems }: JsonSchema): string {
  if (type === 'array') return `array of ${items ? typeText(items) : 'any'}${maxItems === undefined ? '' : `, at most ${maxItems}`}`;
  if (type === 'integer' && minimum !== undefined && maximum !== undefined) return `integer, ${minimum} to ${maximum}`;
  if (type !== 'string') return type;
  if (format === 'date-time') return 'time';
  return maxLength === undefined ? 'string' : `string, at most ${maxLength} characters`;
}
