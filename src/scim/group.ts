/**
 * Groups as SCIM resources (RFC 7643 §4.2). The members of a group are no attribute that is stored with it: a request for a group is read
 * as changes of its members and changes of its other attributes, so that neither needs the whole list of members.
 */
import { type Attributes, attributeOf, GROUP_SCHEMA, isList, isObject, type Json, requireFits } from './attributes.ts';
import { type AttributePath, conditionsOf, parsePath } from './filter.ts';
import { operationsOf, type PatchOperation, plainEntries, readAttributes, readPatch } from './patch.ts';
import { ScimError } from './scim-error.ts';
import { invalid, MAX_NAME_LENGTH, metaOf, type ResourceMeta, textOf } from './user.ts';

/** What a request does to the members of a group, whatever operations it consists of. */
export interface MemberListChange {
  /** Removes all members that are not in `added`. */
  readonly replacesAll: boolean;
  readonly added: ReadonlySet<string>;
  readonly removed: ReadonlySet<string>;
}

export interface GroupPatch {
  readonly operations: readonly PatchOperation[];
  readonly members: MemberListChange;
}

export interface SentGroup {
  readonly attributes: Attributes;
  readonly members: MemberListChange;
}

export interface GroupProfile {
  /** As sent, because role rules compare it code point by code point. */
  readonly displayName: string;
  readonly externalId: string | undefined;
}

/** @throws invalidValue */
export function readGroupProfile(attributes: Attributes): GroupProfile {
  requireFits(attributes);
  const displayName = attributeOf(attributes, 'displayName');
  if (typeof displayName !== 'string' || displayName.trim() === '') throw invalid('displayName: is required.');
  // JSON takes six characters for a control character, and a user shows the names of 500 groups.
  if (displayName.length > MAX_NAME_LENGTH || !displayName.isWellFormed() || /\p{Cc}/u.test(displayName)) {
    throw invalid(`displayName: must be a text of at most ${MAX_NAME_LENGTH} characters without control characters.`);
  }
  return { displayName, externalId: textOf(attributes, 'externalId') };
}

/** Returns a group without its members, as a SCIM client receives it. */
export function groupResource(attributes: Attributes, meta: ResourceMeta): Attributes {
  const schemas = [GROUP_SCHEMA, ...Object.keys(attributes).filter((name) => name.toLowerCase().startsWith('urn:'))];
  return { ...attributes, schemas, id: meta.id, meta: metaOf('Group', meta) };
}

/** Members that one request can name. */
const MAX_MEMBERS = 10_000;

/** Collects the effect of operations in their order. Of each member, only the last operation matters. */
class MemberList {
  replacesAll = false;
  readonly added = new Set<string>();
  readonly removed = new Set<string>();

  add(ids: readonly string[]): void {
    for (const id of ids) {
      this.removed.delete(id);
      this.added.add(id);
    }
    this.#requireFits();
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) {
      this.added.delete(id);
      this.removed.add(id);
    }
    this.#requireFits();
  }

  clear(): void {
    this.replacesAll = true;
    this.added.clear();
    this.removed.clear();
  }

  #requireFits(): void {
    if (this.added.size + this.removed.size <= MAX_MEMBERS) return;
    throw new ScimError(400, `A request can name at most ${MAX_MEMBERS} members.`, 'tooMany');
  }
}

// Members that a client nests in the schema of groups more than once have no effect, and are never stored with the attributes.

/**
 * Reads the body of POST or PUT. Without `members`, the members stay as they are (RFC 7644 §3.5.1).
 * @throws invalidSyntax, invalidPath, invalidValue, tooMany
 */
export function readGroup(body: Json | undefined): SentGroup {
  if (!isObject(body)) throw new ScimError(400, 'The body must be a JSON object.', 'invalidSyntax');
  const { members: sent, others } = splitMembers(body);
  const members = new MemberList();
  for (const [, value] of sent) {
    members.clear();
    members.add(readMembers(value));
  }
  const { members: _nested, ...attributes } = readAttributes(others, GROUP_SCHEMA);
  return { attributes, members };
}

/** Reads the body of PATCH. @throws invalidSyntax, invalidPath, invalidValue, invalidFilter, noTarget, tooMany */
export function readGroupPatch(body: Json | undefined): GroupPatch {
  const members = new MemberList();
  const others: Json[] = [];
  for (const operation of operationsOf(body)) {
    const rest = readMemberOperation(members, operation);
    if (rest !== undefined) others.push(rest);
  }
  const operations = readPatch({ Operations: others }, GROUP_SCHEMA);
  return { operations: operations.filter(({ path }) => path.schema !== undefined || path.name !== 'members'), members };
}

/** Applies what an operation does to the members, and returns what it does to other attributes. */
function readMemberOperation(members: MemberList, operation: Json): Json | undefined {
  if (!isObject(operation)) return operation;
  const sentOp = attributeOf(operation, 'op');
  const op = typeof sentOp === 'string' ? sentOp.toLowerCase() : '';
  if (!isOperationName(op)) return operation;
  const path = attributeOf(operation, 'path');
  const value = attributeOf(operation, 'value');
  const text = typeof path === 'string' ? path.trim() : '';
  if (isMembersPath(text)) {
    changeMembers(members, op, { path: parsePath(text), value });
    return undefined;
  }
  const isWhole = path === undefined || path === null || text === '' || text.toLowerCase() === GROUP_SCHEMA.toLowerCase();
  if (!isWhole || op === 'remove' || !isObject(value)) return operation;
  const { members: sent, others } = splitMembers(value);
  for (const [name, each] of sent) changeMembers(members, op, { path: parsePath(name), value: each });
  return sent.length > 0 && Object.keys(others).length === 0 ? undefined : { op, value: others };
}

const isOperationName = (op: string): op is PatchOperation['op'] => op === 'add' || op === 'replace' || op === 'remove';

const MEMBERS_PATH = new RegExp(`^(?:${GROUP_SCHEMA.replaceAll('.', '\\.')}:)?members(?![\\w$-])`, 'i');
const isMembersPath = (text: string): boolean => MEMBERS_PATH.test(text);

function splitMembers(object: Attributes) {
  const entries = plainEntries(object, GROUP_SCHEMA);
  return {
    members: entries.filter(([name]) => isMembersPath(name)),
    others: Object.fromEntries(entries.filter(([name]) => !isMembersPath(name))),
  };
}

interface MemberOperation {
  readonly path: AttributePath;
  readonly value: Json | undefined;
}

/**
 * Without values, `remove` concerns all members, and with an empty list none. `replace` with neither removes all. Adding a member by a
 * filter that matches nothing adds it, as Entra ID expects.
 */
function changeMembers(members: MemberList, op: PatchOperation['op'], { path, value }: MemberOperation): void {
  if (path.sub !== undefined && path.sub !== 'value') return; // only `value` of a member can be changed
  if (path.where) {
    const ids = idsOf(path.where);
    if (op === 'remove') members.remove(ids);
    else members.add(ids);
    return;
  }
  const isEmpty = value === undefined || value === null;
  if (op === 'remove' && isEmpty) members.clear();
  else if (op === 'remove') members.remove(readMembers(value));
  else {
    if (value === undefined) throw invalid('add and replace need a value.');
    const ids = readMembers(value);
    if (op === 'replace') members.clear();
    members.add(ids);
  }
}

/** All members are users, so `type eq "User"` holds for each of them. @throws invalidFilter if the filter names no member */
function idsOf(where: NonNullable<AttributePath['where']>): readonly string[] {
  const conditions = conditionsOf(where);
  const ids = conditions.flatMap((each) =>
    each.kind === 'equals' && each.path.name === 'value' && each.path.sub === undefined ? [String(each.value)] : [],
  );
  const others = conditions.filter(({ path }) => path.name !== 'value');
  const isUserType = (each: (typeof conditions)[number]) =>
    each.kind === 'equals' && each.path.name === 'type' && String(each.value).toLowerCase() === 'user';
  if (ids.length === 0 || others.some(({ path }) => path.name !== 'type')) {
    throw new ScimError(400, 'Name members by their value, such as members[value eq "…"].', 'invalidFilter');
  }
  return others.every(isUserType) && new Set(ids).size === 1 ? ids : [];
}

/** Reads a list of members, a single one, or their ids. @throws invalidValue */
function readMembers(value: Json | undefined): readonly string[] {
  if (value === undefined || value === null) return [];
  return (isList(value) ? value : [value]).map((each) => {
    const id = isObject(each) ? attributeOf(each, 'value') : each;
    if (typeof id !== 'string') throw invalid('members: each member needs the id of a user as its value.');
    return id;
  });
}
