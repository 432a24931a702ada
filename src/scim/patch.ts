/**
 * Applies PATCH operations (RFC 7644 §3.5.2) in all forms that Okta and Entra ID send: operations in any case, values without a path
 * with dotted and URN names, filters that match nothing, and `Remove` with a value. Returns new objects and changes none.
 */
import {
  type Attributes,
  attributeOf,
  canonicalName,
  ENTERPRISE_SCHEMA,
  isBoolean,
  isList,
  isMultiValued,
  isObject,
  type Json,
  normalize,
  requireFits,
  USER_SCHEMA,
  withAttribute,
} from './attributes.ts';
import { type AttributePath, elementFor, matchesFilter, parsePath } from './filter.ts';
import { ScimError } from './scim-error.ts';

export interface PatchOperation {
  readonly op: 'add' | 'replace' | 'remove';
  readonly path: AttributePath;
  /** Undefined removes the value, as null does. */
  readonly value: Json | undefined;
}

/** Path-less values count one for each attribute. */
const MAX_OPERATIONS = 100;
const MAX_ELEMENTS = 500;
/** Attributes that only the gateway sets. Clients repeat them, for example Okta the `id` of a group. */
const READ_ONLY = new Set(['schemas', 'id', 'meta', 'groups', 'password']);

/**
 * Reads the body of a PATCH request.
 * @param coreSchema the schema of the resource, whose URN may come before the names of attributes
 * @throws invalidSyntax, invalidPath, invalidValue, noTarget
 */
export function readPatch(body: Json | undefined, coreSchema: string = USER_SCHEMA): readonly PatchOperation[] {
  const all: PatchOperation[] = [];
  for (const operation of operationsOf(body)) {
    all.push(...readOperation(operation, coreSchema));
    if (all.length > MAX_OPERATIONS) throw new ScimError(400, `A request can have at most ${MAX_OPERATIONS} operations.`, 'tooMany');
  }
  return all.filter(({ path }) => path.schema !== undefined || path.name === undefined || !READ_ONLY.has(path.name));
}

/** @throws invalidSyntax */
export function operationsOf(body: Json | undefined): readonly Json[] {
  const operations = isObject(body) ? attributeOf(body, 'Operations') : undefined;
  if (!isList(operations)) throw new ScimError(400, 'Operations: must be a list.', 'invalidSyntax');
  return operations;
}

function readOperation(operation: Json, coreSchema: string): readonly PatchOperation[] {
  if (!isObject(operation)) throw new ScimError(400, 'Each operation must be an object.', 'invalidSyntax');
  const sent = attributeOf(operation, 'op');
  const op = typeof sent === 'string' ? sent.toLowerCase() : undefined;
  if (op !== 'add' && op !== 'replace' && op !== 'remove') {
    throw new ScimError(400, 'op: must be add, replace or remove.', 'invalidSyntax');
  }
  const path = attributeOf(operation, 'path');
  const value = attributeOf(operation, 'value');
  const text = typeof path === 'string' ? path.trim() : undefined;
  const isWhole = text === '' || text?.toLowerCase() === coreSchema.toLowerCase();
  if (text !== undefined && !isWhole) return [newOperation({ op, text, value }, coreSchema)];
  if (path !== undefined && path !== null && !isWhole) throw new ScimError(400, 'path: must be a string.', 'invalidPath');
  if (op === 'remove') throw new ScimError(400, 'remove needs a path.', 'noTarget');
  if (!isObject(value)) throw new ScimError(400, 'value: must be an object if there is no path.', 'invalidValue');
  return plainEntries(value, coreSchema).map(([name, each]) => newOperation({ op, text: name, value: each }, coreSchema));
}

/** Returns attributes that a client names with the URN of the core schema under their plain names. Otherwise they would have no effect. */
export function plainEntries(object: Attributes, coreSchema: string): readonly (readonly [string, Json])[] {
  const urn = coreSchema.toLowerCase();
  return Object.entries(object).flatMap(([name, value]): readonly (readonly [string, Json])[] => {
    if (name.toLowerCase() === urn && isObject(value)) return Object.entries(value);
    return [[name.toLowerCase().startsWith(`${urn}:`) ? name.slice(urn.length + 1) : name, value]];
  });
}

interface SentOperation extends Pick<PatchOperation, 'op'> {
  readonly text: string;
  readonly value: Json | undefined;
}

function newOperation({ op, text, value }: SentOperation, coreSchema: string): PatchOperation {
  const path = parsePath(text);
  const name = path.sub ?? path.name ?? '';
  if (path.schema === coreSchema) throw new ScimError(400, 'path: name an attribute of the resource.', 'invalidPath');
  const normalized = value === undefined ? undefined : normalize(value, name);
  // An operation can write its value into many elements.
  if (normalized !== undefined) requireFits(normalized);
  if (op !== 'remove' && value === undefined) throw new ScimError(400, 'add and replace need a value.', 'invalidValue');
  if (normalized !== undefined && isBoolean(name) && typeof normalized !== 'boolean') {
    throw new ScimError(400, 'A boolean attribute must be true or false.', 'invalidValue');
  }
  return { op, path, value: normalized };
}

/** The result is bounded after each operation, because the next one takes time for each part of it. @throws invalidValue */
export const applyPatch = (resource: Attributes, operations: readonly PatchOperation[]): Attributes =>
  operations.reduce((before, operation) => {
    const after = applyOperation(before, operation);
    requireFits(after);
    return after;
  }, resource);

function applyOperation(resource: Attributes, { op, path, value }: PatchOperation): Attributes {
  const { schema } = path;
  const remove = op === 'remove' || value === undefined;
  if (schema === undefined) return applyAt(resource, path, { op, value, remove });
  const extension = attributeOf(resource, schema);
  const base = isObject(extension) ? extension : {};
  const changed =
    path.name === undefined
      ? wholeExtension(base, { op, value, remove })
      : applyAt(base, path, { op, value: asManager(path, value), remove });
  return withAttribute(resource, schema, Object.keys(changed).length === 0 ? undefined : changed);
}

/** Entra ID sends the manager as a string, which is the `value` of the attribute. */
const asManager = ({ schema, name, sub }: AttributePath, value: Json | undefined): Json | undefined =>
  schema === ENTERPRISE_SCHEMA && name === 'manager' && sub === undefined && typeof value === 'string'
    ? value === ''
      ? undefined
      : { value }
    : value;

interface Change {
  readonly op: PatchOperation['op'];
  readonly value: Json | undefined;
  readonly remove: boolean;
}

function wholeExtension(base: Attributes, { value, remove }: Change): Attributes {
  if (remove) return {};
  if (!isObject(value)) throw new ScimError(400, 'The value of an extension must be an object.', 'invalidValue');
  return { ...base, ...value };
}

function applyAt(object: Attributes, { name, where, sub }: AttributePath, change: Change): Attributes {
  if (name === undefined) return object;
  const current = attributeOf(object, name);
  const set = (value: Json | undefined) => {
    if (isList(value) && value.length > MAX_ELEMENTS) {
      throw new ScimError(400, `An attribute can have at most ${MAX_ELEMENTS} values.`, 'invalidValue');
    }
    return withAttribute(object, name, isList(value) && value.length === 0 ? undefined : value);
  };
  if (where) {
    const elements = elementsOf(current);
    const isMatch = (each: Json) => isObject(each) && matchesFilter(each, where);
    if (elements.some(isMatch)) {
      const changed = elements.map((each) => (isMatch(each) && isObject(each) ? changeElement(each, sub, change) : each));
      return set(changed.filter((each) => each !== undefined));
    }
    // RFC 7644 answers noTarget. Entra ID expects the element to be created.
    const created = change.remove ? undefined : changeElement(normalizedElement(where), sub, change);
    return created === undefined ? object : set([...elements, created]);
  }
  if (sub !== undefined) {
    if (!isMultiValued(name) && !isList(current)) {
      const parent = withAttribute(isObject(current) ? current : {}, sub, change.remove ? undefined : change.value);
      return set(Object.keys(parent).length === 0 ? undefined : parent);
    }
    const elements = elementsOf(current);
    const targets = elements.length === 0 && !change.remove ? [{}] : elements;
    return set(targets.map((each) => (isObject(each) ? changeElement(each, sub, change) : each)).filter((each) => each !== undefined));
  }
  if (change.remove) return set(change.op === 'remove' && isList(current) ? withoutElements(current, change.value) : undefined);
  return set(merge(name, current, change));
}

const normalizedElement = (where: NonNullable<AttributePath['where']>): Attributes => {
  const element = normalize(elementFor(where));
  return isObject(element) ? element : {};
};

const elementsOf = (value: Json | undefined): readonly Json[] => (value === undefined ? [] : isList(value) ? value : [value]);

/** Returns an element of a list after a change, or undefined if it is removed. */
function changeElement(element: Attributes, sub: string | undefined, { value, remove }: Change): Attributes | undefined {
  if (sub !== undefined) {
    const changed = withAttribute(element, sub, remove ? undefined : value);
    return Object.keys(changed).length === 0 ? undefined : changed;
  }
  if (remove) return undefined;
  return isObject(value) ? { ...element, ...value } : value === undefined ? element : { ...element, value };
}

/** `Remove` with a path and values removes these elements only. Without values it removes all. */
function withoutElements(current: readonly Json[], value: Json | undefined): readonly Json[] | undefined {
  if (value === undefined) return undefined;
  const keys = new Set(elementsOf(value).map(keyOf));
  return current.filter((each) => !keys.has(keyOf(each)));
}

/** Returns a text that is the same for the same element: elements of a list are the same if their `value` is. */
const keyOf = (element: Json): string => JSON.stringify(isObject(element) ? (attributeOf(element, 'value') ?? element) : element);

function merge(name: string, current: Json | undefined, { op, value }: Change): Json | undefined {
  if (isMultiValued(name) || isList(current)) {
    const added = elementsOf(value).map((each) => (isObject(each) ? each : { value: each }));
    if (op === 'replace') return added;
    const keys = new Set(added.map(keyOf));
    return [...elementsOf(current).filter((each) => !keys.has(keyOf(each))), ...added];
  }
  // The sub-attributes of a complex attribute that the value does not name stay (RFC 7644 §3.5.2.3).
  return isObject(current) && isObject(value) ? { ...current, ...value } : value;
}

/** Returns the attributes of a body of POST or PUT that clients may set. @throws invalidSyntax, invalidPath, invalidValue */
export function readAttributes(body: Json | undefined, coreSchema: string = USER_SCHEMA): Attributes {
  if (!isObject(body)) throw new ScimError(400, 'The body must be a JSON object.', 'invalidSyntax');
  const normalized = normalize(Object.fromEntries(plainEntries(body, coreSchema)));
  const entries = Object.entries(isObject(normalized) ? normalized : {})
    .filter(([name]) => !READ_ONLY.has(name))
    .map(([name, value]) => [canonicalName(name), value] as const);
  return Object.fromEntries(entries);
}
