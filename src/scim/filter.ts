/**
 * Filters and paths (RFC 7644 §3.4.2.2, §3.5.2). `eq`, `and`, `pr` and value paths are supported, which is what identity providers
 * send. Other operators are refused with `invalidFilter`.
 */
import {
  type Attributes,
  attributeOf,
  canonicalName,
  ENTERPRISE_SCHEMA,
  GROUP_SCHEMA,
  isCaseExact,
  isList,
  isObject,
  type Json,
  USER_SCHEMA,
} from './attributes.ts';
import { ScimError, type ScimType } from './scim-error.ts';

/** `emails[type eq "work"].value`, or a part of it. */
export interface AttributePath {
  /** The URN of an extension. Attributes of the core schemas have none. */
  readonly schema?: string | undefined;
  /** Absent if the path is an extension as a whole. */
  readonly name?: string | undefined;
  readonly where?: Filter | undefined;
  readonly sub?: string | undefined;
}

export type Filter =
  | { readonly kind: 'and'; readonly filters: readonly Filter[] }
  | { readonly kind: 'present'; readonly path: AttributePath }
  | { readonly kind: 'equals'; readonly path: AttributePath; readonly value: string | number | boolean | null };

const MAX_LENGTH = 2000;
const MAX_CONDITIONS = 20;
const CORE_SCHEMAS = [USER_SCHEMA, GROUP_SCHEMA];
const KNOWN_SCHEMAS = [...CORE_SCHEMAS, ENTERPRISE_SCHEMA];

/** Reads a text from left to right. */
class Reader {
  readonly #text: string;
  readonly #scimType: ScimType;
  #at = 0;
  #conditions = 0;

  constructor(text: string, scimType: ScimType) {
    this.#text = text;
    this.#scimType = scimType;
    if (text.length > MAX_LENGTH) throw this.fail();
  }

  fail(): ScimError {
    const what = this.#scimType === 'invalidFilter' ? 'filter' : 'path';
    return new ScimError(
      400,
      `The ${what} cannot be read. Supported are attribute paths, the operators eq, pr and and, and value paths such as emails[type eq "work"].value.`,
      this.#scimType,
    );
  }

  /** Returns the match of a sticky pattern at the present position, and moves behind it. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (!match) return undefined;
    this.#at = pattern.lastIndex;
    return match[0];
  }

  end(): void {
    this.take(/ */y);
    if (this.#at < this.#text.length) throw this.fail();
  }

  /** @param isInside whether the filter is within brackets, which do not nest */
  filter(isInside: boolean): Filter {
    const filters = [this.condition(isInside)];
    while (this.take(/ +and +/iy) !== undefined) filters.push(this.condition(isInside));
    const [only, ...others] = filters;
    return only && others.length === 0 ? only : { kind: 'and', filters };
  }

  condition(isInside: boolean): Filter {
    if (++this.#conditions > MAX_CONDITIONS) throw this.fail();
    this.take(/ */y);
    const path = this.path(isInside);
    if (this.take(/ +pr(?=[ \]]|$)/iy) !== undefined) return { kind: 'present', path };
    if (this.take(/ +eq +/iy) === undefined) {
      // `emails[type eq "work"]` means that there is such an element.
      if (path.where && path.sub === undefined) return { kind: 'present', path };
      throw this.fail();
    }
    return { kind: 'equals', path, value: this.value() };
  }

  path(isInside: boolean): AttributePath {
    const schema = this.schema();
    if (schema !== undefined && this.take(/:/y) === undefined) return { schema };
    const name = this.name();
    const where = !isInside && this.take(/\[/y) !== undefined ? this.filter(true) : undefined;
    if (where && this.take(/ *\]/y) === undefined) throw this.fail();
    const sub = this.take(/\./y) === undefined ? undefined : this.name();
    return { ...(schema === undefined || CORE_SCHEMAS.includes(schema) ? {} : { schema }), name, where, sub };
  }

  /** Reads a schema URN without the attribute name behind it. Versions such as `2.0` have dots, so known schemas are matched first. */
  schema(): string | undefined {
    if (!/^urn:/i.test(this.#text.slice(this.#at, this.#at + 4))) return undefined;
    const rest = this.#text.slice(this.#at).toLowerCase();
    const known = KNOWN_SCHEMAS.find((each) => rest.startsWith(each.toLowerCase()) && !/[\w.]/.test(rest.charAt(each.length)));
    if (known !== undefined) {
      this.#at += known.length;
      return known;
    }
    const urn = this.take(/urn:[\w.:-]+(?=:[\w$-]+)/iy);
    if (urn === undefined) throw this.fail();
    return canonicalName(urn);
  }

  name(): string {
    const name = this.take(/[A-Za-z$][\w$-]*/y);
    if (name === undefined) throw this.fail();
    try {
      return canonicalName(name);
    } catch {
      throw this.fail();
    }
  }

  /** Some clients send strings without quotation marks. */
  value(): string | number | boolean | null {
    const text = this.take(/"(?:[^"\\]|\\.)*"/y);
    if (text === undefined) {
      const bare = this.take(/[^\s"[\]()]+/y);
      if (bare === undefined) throw this.fail();
      if (/^(?:true|false)$/i.test(bare)) return bare.toLowerCase() === 'true';
      return bare === 'null' ? null : /^-?\d{1,15}$/.test(bare) ? Number(bare) : bare;
    }
    try {
      return JSON.parse(text) as string;
    } catch {
      throw this.fail();
    }
  }
}

/** @throws invalidFilter */
export function parseFilter(text: string): Filter {
  const reader = new Reader(text, 'invalidFilter');
  const filter = reader.filter(false);
  reader.end();
  return filter;
}

/** @throws invalidPath */
export function parsePath(text: string): AttributePath {
  const reader = new Reader(text, 'invalidPath');
  const path = reader.path(false);
  reader.end();
  return path;
}

/** Returns the conditions that must all hold. */
export const conditionsOf = (filter: Filter): readonly Exclude<Filter, { kind: 'and' }>[] =>
  filter.kind === 'and' ? filter.filters.flatMap(conditionsOf) : [filter];

/**
 * Returns the filter with the spaces around the values of some attributes removed. Clients send names with and without them, and both
 * mean the same user or group.
 */
export const withTrimmedValues = (filter: Filter, names: readonly string[]): Filter => ({
  kind: 'and',
  filters: conditionsOf(filter).map((condition) =>
    condition.kind === 'equals' &&
    condition.path.schema === undefined &&
    typeof condition.value === 'string' &&
    names.includes(condition.path.name ?? '')
      ? { ...condition, value: condition.value.trim() }
      : condition,
  ),
});

export const matchesFilter = (resource: Attributes, filter: Filter): boolean =>
  conditionsOf(filter).every((condition) => {
    const values = valuesAt(resource, condition.path);
    const name = condition.path.sub ?? condition.path.name ?? '';
    return condition.kind === 'present' ? values.some(isPresent) : values.some((value) => isEqual(value, condition.value, name));
  });

const isPresent = (value: Json): boolean =>
  value !== null && value !== '' && !(isList(value) && value.length === 0) && !(isObject(value) && Object.keys(value).length === 0);

/** A list of objects is compared by their `value` (RFC 7644 §3.4.2.2). */
function isEqual(value: Json, expected: string | number | boolean | null, name: string): boolean {
  if (isObject(value)) return isEqual(attributeOf(value, 'value') ?? null, expected, 'value');
  if (isList(value) || value === null || expected === null) return value === expected;
  if (isCaseExact(name)) return String(value) === String(expected);
  return String(value).toLowerCase() === String(expected).toLowerCase();
}

function valuesAt(resource: Attributes, { schema, name, where, sub }: AttributePath): readonly Json[] {
  const base = schema === undefined ? resource : attributeOf(resource, schema);
  if (name === undefined) return base === undefined ? [] : [base];
  const value = isObject(base) ? attributeOf(base, name) : undefined;
  const elements = value === undefined ? [] : isList(value) ? value : [value];
  const chosen = where ? elements.filter((each) => isObject(each) && matchesFilter(each, where)) : elements;
  if (sub === undefined) return chosen;
  return chosen.map((each) => (isObject(each) ? attributeOf(each, sub) : undefined)).filter((each) => each !== undefined);
}

/** Returns the attributes that an element must have to match, for an element that is created because none matches. */
export function elementFor(where: Filter): Attributes {
  const pairs = conditionsOf(where).flatMap(({ path, ...condition }) =>
    'value' in condition && condition.value !== null && path.name !== undefined && path.sub === undefined && path.schema === undefined
      ? [[path.name, condition.value] as const]
      : [],
  );
  return Object.fromEntries(pairs);
}
