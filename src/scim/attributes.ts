/**
 * The attributes of SCIM resources: names in any case, dotted paths and schema URNs. Resources are plain JSON objects. Only their own
 * properties are read, and names that JavaScript objects inherit are never written.
 */
import { ScimError } from './scim-error.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
export type Attributes = { readonly [name: string]: Json };

export const USER_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const GROUP_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Group';
export const ENTERPRISE_SCHEMA = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

/** The spelling of names that clients may send in any case (RFC 7643 §2.1). */
const CANONICAL_NAMES = new Map(
  [
    ...['schemas', 'id', 'externalId', 'meta', 'userName', 'name', 'displayName', 'nickName', 'profileUrl', 'title', 'userType'],
    ...['preferredLanguage', 'locale', 'timezone', 'active', 'password', 'emails', 'phoneNumbers', 'ims', 'photos', 'addresses'],
    ...['groups', 'entitlements', 'roles', 'x509Certificates', 'members', 'formatted', 'familyName', 'givenName', 'middleName'],
    ...['honorificPrefix', 'honorificSuffix', 'value', 'display', 'type', 'primary', '$ref', 'streetAddress', 'locality', 'region'],
    ...['postalCode', 'country', 'employeeNumber', 'costCenter', 'organization', 'division', 'department', 'manager'],
    ...[USER_SCHEMA, GROUP_SCHEMA, ENTERPRISE_SCHEMA],
  ].map((name) => [name.toLowerCase(), name]),
);

const MULTI_VALUED = new Set([
  ...['emails', 'phoneNumbers', 'ims', 'photos', 'addresses', 'groups', 'entitlements', 'roles', 'x509Certificates', 'members'],
]);
const BOOLEANS = new Set(['active', 'primary']);
/** Values that are compared with their case (RFC 7643 §3.1). */
const CASE_EXACT = new Set(['id', 'externalId', '$ref']);

const NAME = /^[A-Za-z$][\w$-]{0,63}$/;
const URN = /^urn:[\w.:$-]{1,200}$/i;
const INHERITED = new Set(['constructor', 'prototype']);

export const isMultiValued = (name: string): boolean => MULTI_VALUED.has(name);
export const isBoolean = (name: string): boolean => BOOLEANS.has(name);
export const isCaseExact = (name: string): boolean => CASE_EXACT.has(name);

/** Returns an attribute name in its canonical spelling. @throws invalidPath if it is no name */
export function canonicalName(name: string): string {
  const canonical = CANONICAL_NAMES.get(name.toLowerCase());
  if (canonical !== undefined) return canonical;
  if ((!NAME.test(name) && !URN.test(name)) || INHERITED.has(name)) {
    throw new ScimError(400, 'An attribute name or path is invalid.', 'invalidPath');
  }
  return name;
}

export const isObject = (value: Json | undefined): value is Attributes =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

/** Users of Okta and Entra ID have about 2,000 characters. */
const MAX_LENGTH = 16_384;

/** @throws invalidValue */
export function requireFits(resource: Json): void {
  if (JSON.stringify(resource).length <= MAX_LENGTH) return;
  throw new ScimError(400, `A user or group can have at most ${MAX_LENGTH} characters of attributes.`, 'invalidValue');
}

/** Returns the name under which an object has an attribute, in whatever case, or the given name if it has none. */
function ownName(object: Attributes, name: string): string {
  if (Object.hasOwn(object, name)) return name;
  const folded = name.toLowerCase();
  return Object.keys(object).find((key) => key.toLowerCase() === folded) ?? name;
}

/** Returns an attribute of an object. */
export function attributeOf(object: Attributes, name: string): Json | undefined {
  const own = ownName(object, name);
  return Object.hasOwn(object, own) ? object[own] : undefined;
}

/**
 * Returns the object with one attribute set, or removed if the value is undefined. All keep their order, so that a change to the present
 * value is recognized as no change.
 */
export function withAttribute(object: Attributes, name: string, value: Json | undefined): Attributes {
  const own = ownName(object, name);
  if (value !== undefined) return { ...object, [own]: value };
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== own));
}

const MAX_DEPTH = 6;
/** More than the attributes of any user that Okta or Entra ID sends. */
const MAX_VALUES = 2000;

/**
 * Returns a value from a client with canonical names, boolean strings as booleans, and without nulls, which mean "no value"
 * (RFC 7643 §2.5).
 * @throws invalidSyntax if the value is nested too deeply or has too many parts; invalidPath, invalidValue
 */
export function normalize(value: Json, name = ''): Json | undefined {
  let count = 0;
  const visit = (each: Json, at: string, depth: number): Json | undefined => {
    if (depth > MAX_DEPTH || ++count > MAX_VALUES)
      throw new ScimError(400, 'The resource is nested too deeply or too large.', 'invalidSyntax');
    if (each === null) return undefined;
    if (isList(each)) return each.map((item) => visit(item, '', depth + 1)).filter((item) => item !== undefined);
    if (isObject(each)) {
      const result = new Map<string, Json>();
      for (const [key, item] of Object.entries(each)) {
        const canonical = canonicalName(key);
        const visited = visit(item, canonical, depth + 1);
        if (visited !== undefined) result.set(canonical, visited);
      }
      return Object.fromEntries(result);
    }
    return isBoolean(at) ? toBoolean(each) : each;
  };
  return visit(value, name, 0);
}

/** Entra ID sends booleans as the strings `True` and `False`. @throws invalidValue */
function toBoolean(value: string | number | boolean): boolean {
  if (typeof value === 'boolean') return value;
  const text = String(value).toLowerCase();
  if (text === 'true' || text === 'false') return text === 'true';
  throw new ScimError(400, 'A boolean attribute must be true or false.', 'invalidValue');
}
