/** Users as SCIM resources (RFC 7643 §4.1): what the gateway reads from one, and what it answers. */
import {
  type Attributes,
  attributeOf,
  ENTERPRISE_SCHEMA,
  GROUP_SCHEMA,
  isList,
  isObject,
  type Json,
  requireFits,
  USER_SCHEMA,
} from './attributes.ts';
import { ScimError } from './scim-error.ts';

/** The parts of a user that the gateway uses. All other attributes are stored and returned as they were sent. */
export interface ScimProfile {
  readonly userName: string;
  readonly externalId: string | undefined;
  readonly active: boolean;
  readonly email: string;
  readonly name: string;
}

/** Names and addresses are at most this long, so that indexes can hold them. */
export const MAX_NAME_LENGTH = 256;

/** @throws invalidValue */
export function readProfile(attributes: Attributes): ScimProfile {
  requireFits(attributes);
  const userName = textOf(attributes, 'userName');
  if (userName === undefined) throw invalid('userName: is required.');
  const active = attributeOf(attributes, 'active') ?? true;
  if (typeof active !== 'boolean') throw invalid('active: must be true or false.');
  return {
    userName,
    externalId: textOf(attributes, 'externalId'),
    active,
    email: emailOf(attributes) ?? userName,
    name: nameOf(attributes) ?? userName,
  };
}

export const invalid = (detail: string): ScimError => new ScimError(400, detail, 'invalidValue');

/** @throws invalidValue if the attribute is no text, or a long one */
export function textOf(attributes: Attributes, name: string): string | undefined {
  const value = attributeOf(attributes, name);
  if (value === undefined) return undefined;
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || text.length > MAX_NAME_LENGTH || !text.isWellFormed() || text.includes('\0')) {
    throw invalid(`${name}: must be a text of at most ${MAX_NAME_LENGTH} characters.`);
  }
  return text.trim() === '' ? undefined : text.trim();
}

/** Directories have other texts in place of addresses. They are stored and returned, but are not the address of a member. */
const ADDRESS = /^[^\s@\p{Cc}]{1,200}@[^\s@\p{Cc}]{1,200}$/u;

function emailOf(attributes: Attributes): string | undefined {
  const emails = attributeOf(attributes, 'emails');
  const all = (isList(emails) ? emails.filter(isObject) : []).filter((each) => ADDRESS.test(simpleText(each, 'value')));
  const chosen =
    all.find((each) => attributeOf(each, 'primary') === true) ??
    all.find((each) => simpleText(each, 'type').toLowerCase() === 'work') ??
    all[0];
  return chosen && textOf(chosen, 'value');
}

/** @throws invalidValue if a part of an email address is an object or a list */
function simpleText(email: Attributes, name: string): string {
  const value = attributeOf(email, name) ?? '';
  if (typeof value === 'object') throw invalid(`emails: ${name} must be a text.`);
  return String(value);
}

function nameOf(attributes: Attributes): string | undefined {
  const name = attributeOf(attributes, 'name');
  const parts = isObject(name) ? name : {};
  const joined = [textOf(parts, 'givenName'), textOf(parts, 'familyName')].filter((part) => part !== undefined).join(' ');
  return textOf(attributes, 'displayName') ?? textOf(parts, 'formatted') ?? (joined === '' ? undefined : joined);
}

export interface ResourceMeta {
  readonly id: string;
  readonly createdAt: string;
  readonly changedAt: string;
  readonly version: number;
  readonly location: string;
}

export const etagOf = (version: number): string => `W/"${version}"`;

/**
 * Returns a user as a SCIM client receives it.
 * @param more attributes that only the gateway sets
 */
export function userResource({ attributes, active }: SentUser, meta: ResourceMeta, more: Attributes): Attributes {
  const schemas = [USER_SCHEMA, ...Object.keys(attributes).filter((name) => name.toLowerCase().startsWith('urn:'))];
  return { ...attributes, schemas, id: meta.id, active, ...more, meta: metaOf('User', meta) };
}

export interface SentUser {
  readonly attributes: Attributes;
  readonly active: boolean;
}

export const metaOf = (resourceType: 'User' | 'Group', { createdAt, changedAt, version, location }: ResourceMeta): Attributes => ({
  resourceType,
  created: createdAt,
  lastModified: changedAt,
  version: etagOf(version),
  location,
});

/** Always returned (RFC 7643 §7, `returned: always`). */
const ALWAYS = new Set(['schemas', 'id', 'meta']);

/** The attributes that a client asks for, each a path without filters, in lower case. */
export interface Projection {
  readonly only: readonly string[];
  readonly without: readonly string[];
}

/** Reads the parameters `attributes` and `excludedAttributes`. Read them once for each request, because lists use them for each item. */
export const readProjection = ({
  attributes,
  excludedAttributes,
}: { [name in 'attributes' | 'excludedAttributes']: string | undefined }) => ({
  only: pathsOf(attributes),
  without: pathsOf(excludedAttributes),
});

/** Returns whether a client wants an attribute, or a part of it. */
export function includesAttribute({ only, without }: Projection, name: string): boolean {
  const key = name.toLowerCase();
  if (only.length > 0) return only.some((path) => path === key || path.startsWith(`${key}.`));
  return !without.includes(key);
}

/** Returns the attributes that a client asks for. @see RFC 7644 §3.9 */
export function projectResource(resource: Attributes, { only, without }: Projection): Attributes {
  if (only.length === 0 && without.length === 0) return resource;
  const entries = Object.entries(resource).flatMap(([name, value]): (readonly [string, Json])[] => {
    if (ALWAYS.has(name)) return [[name, value]];
    const key = name.toLowerCase();
    const subs = (paths: readonly string[]) => paths.filter((path) => path.startsWith(`${key}.`)).map((path) => path.slice(key.length + 1));
    if (only.length > 0) return only.includes(key) ? [[name, value]] : subs(only).length > 0 ? [[name, pick(value, subs(only), true)]] : [];
    return without.includes(key) ? [] : [[name, subs(without).length > 0 ? pick(value, subs(without), false) : value]];
  });
  return Object.fromEntries(entries);
}

/** Core attributes may be written with their URN, and attributes of an extension always are. */
function pathsOf(list: string | undefined): readonly string[] {
  const paths = (list ?? '')
    .slice(0, 2000)
    .split(',')
    .map((path) => path.trim().toLowerCase().replace(`${USER_SCHEMA.toLowerCase()}:`, '').replace(`${GROUP_SCHEMA.toLowerCase()}:`, ''))
    .map((path) => path.replace(`${ENTERPRISE_SCHEMA.toLowerCase()}:`, `${ENTERPRISE_SCHEMA.toLowerCase()}.`))
    .filter((path) => path !== '');
  return [...new Set(paths)];
}

function pick(value: Json, names: readonly string[], isKept: boolean): Json {
  if (isList(value)) return value.map((each) => pick(each, names, isKept));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => names.includes(name.toLowerCase()) === isKept));
}
