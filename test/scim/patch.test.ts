import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Attributes, Json } from '../../src/scim/attributes.ts';
import { applyPatch, readAttributes, readPatch } from '../../src/scim/patch.ts';
import { ScimError } from '../../src/scim/scim-error.ts';
import { readProfile } from '../../src/scim/user.ts';

const CORE = 'urn:ietf:params:scim:schemas:core:2.0:User';
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const patch = (resource: Attributes, ...Operations: Json[]) => applyPatch(resource, readPatch({ Operations }));
const work = { type: 'work', value: 'a@acme.example' };
const home = { type: 'home', value: 'a@home.example' };

const scimTypeOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    if (error instanceof ScimError) return error.scimType;
    throw error;
  }
  return undefined;
};

describe('PATCH as Okta sends it', () => {
  it('reads a value without a path', () => {
    expect(patch({ active: true }, { op: 'replace', value: { active: false } })).toEqual({ active: false });
  });

  it('ignores attributes that only the gateway sets', () => {
    const value = { id: 'other', displayName: 'New', schemas: ['x'], meta: { version: '9' }, password: 'secret' };
    expect(patch({ displayName: 'Old' }, { op: 'replace', value })).toEqual({ displayName: 'New' });
  });

  it('removes and adds members in one request', () => {
    const operations = [
      { op: 'remove', path: 'members[value eq "1"]' },
      { op: 'add', path: 'members', value: [{ value: '3', display: 'c' }] },
    ];
    const after = patch({ members: [{ value: '1' }, { value: '2' }] }, ...operations);
    expect(after).toEqual({ members: [{ value: '2' }, { value: '3', display: 'c' }] });
  });
});

describe('PATCH as Entra ID sends it', () => {
  it.each([
    ['False', false],
    ['True', true],
    ['false', false],
    [true, true],
  ])('reads active %j', (value, active) => {
    expect(patch({}, { op: 'Replace', path: 'active', value })).toEqual({ active });
    expect(patch({}, { op: 'Add', value: { active: value } })).toEqual({ active });
  });

  it('adds and replaces an element that a filter does not find', () => {
    for (const op of ['Add', 'Replace']) {
      expect(patch({}, { op, path: 'emails[type eq "work"].value', value: 'a@acme.example' })).toEqual({ emails: [work] });
      expect(patch({ emails: [home] }, { op, path: 'emails[type eq "work"].value', value: 'a@acme.example' })).toEqual({
        emails: [home, work],
      });
    }
    expect(patch({ roles: [] }, { op: 'Add', path: 'roles[primary eq "True"].value', value: 'admin' })).toEqual({
      roles: [{ primary: true, value: 'admin' }],
    });
  });

  it('changes the element that a filter finds, and only this one', () => {
    const changed = patch({ emails: [home, work] }, { op: 'Replace', path: 'emails[type eq "work"].value', value: 'b@acme.example' });
    expect(changed).toEqual({ emails: [home, { type: 'work', value: 'b@acme.example' }] });
  });

  it('does nothing if a removal finds nothing', () => {
    expect(patch({ emails: [home] }, { op: 'Remove', path: 'emails[type eq "work"]' })).toEqual({ emails: [home] });
    expect(patch({}, { op: 'Remove', path: 'title' })).toEqual({});
    expect(patch({}, { op: 'Remove', path: 'name.familyName' })).toEqual({});
  });

  it('removes only the members of the value', () => {
    const after = patch(
      { members: [{ value: '1' }, { value: '2' }] },
      { op: 'Remove', path: 'members', value: [{ $ref: null, value: '1' }] },
    );
    expect(after).toEqual({ members: [{ value: '2' }] });
  });

  it('reads dotted names and URNs in a value without a path', () => {
    const value = {
      'name.givenName': 'Anna',
      'name.familyName': 'Čapek',
      [`${ENTERPRISE}:employeeNumber`]: '7',
      [ENTERPRISE]: { department: 'R' },
    };
    expect(patch({ name: { formatted: 'x' } }, { op: 'Add', value })).toEqual({
      name: { formatted: 'x', givenName: 'Anna', familyName: 'Čapek' },
      [ENTERPRISE]: { employeeNumber: '7', department: 'R' },
    });
  });

  it('reads a manager as text, and removes it', () => {
    const after = patch({}, { op: 'Add', path: `${ENTERPRISE}:manager`, value: 'usr_1' });
    expect(after).toEqual({ [ENTERPRISE]: { manager: { value: 'usr_1' } } });
    expect(patch(after, { op: 'Remove', path: `${ENTERPRISE}:manager` })).toEqual({});
    expect(patch(after, { op: 'Replace', path: `${ENTERPRISE}:manager`, value: null })).toEqual({});
  });
});

describe('PATCH (RFC 7644 §3.5.2)', () => {
  it('keeps the sub-attributes that a complex value does not name', () => {
    const after = patch({ name: { givenName: 'A', familyName: 'B' } }, { op: 'replace', path: 'name', value: { familyName: 'C' } });
    expect(after).toEqual({ name: { givenName: 'A', familyName: 'C' } });
  });

  it.each([
    [[{ op: 'move', path: 'title', value: 'x' }], 'invalidSyntax'],
    [[{ op: 'remove' }], 'noTarget'],
    [[{ op: 'replace', value: 'x' }], 'invalidValue'],
    [[{ op: 'add', path: 'title' }], 'invalidValue'],
    [[{ op: 'add', path: 'active', value: 'maybe' }], 'invalidValue'],
    [[{ op: 'add', path: 'active', value: [true] }], 'invalidValue'],
    [[{ op: 'add', path: 7, value: 1 }], 'invalidPath'],
    [['x'], 'invalidSyntax'],
    ['x', 'invalidSyntax'],
    [Array.from({ length: 101 }, () => ({ op: 'add', path: 'title', value: 'x' })), 'tooMany'],
    [[{ op: 'add', value: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`a${i}`, i])) }], 'tooMany'],
    [[{ op: { toString: 1 }, path: 'title', value: 'x' }], 'invalidSyntax'],
    [[{ op: 7, path: 'title', value: 'x' }], 'invalidSyntax'],
    [[{ op: 'add', path: 'title', value: 'x'.repeat(17_000) }], 'invalidValue'],
    [[{ op: 'remove', path: CORE }], 'noTarget'],
    [[{ op: 'add', value: { [CORE]: { [CORE]: { active: false } } } }], 'invalidPath'],
  ])('refuses %j', (Operations, scimType) => expect(scimTypeOf(() => readPatch({ Operations } as Json))).toBe(scimType));

  it.each([
    '{"op":"add","path":"__proto__.polluted","value":1}',
    '{"op":"add","path":"constructor.prototype.polluted","value":1}',
    '{"op":"add","path":"name.__proto__","value":{"polluted":1}}',
    '{"op":"add","value":{"__proto__":{"polluted":1}}}',
    '{"op":"add","value":{"name":{"__proto__":{"polluted":1}}}}',
    '{"op":"add","value":{"constructor":{"prototype":{"polluted":1}}}}',
    '{"op":"add","path":"name[__proto__ eq 1].x","value":1}',
  ])('reaches no prototype with %s', (operation) => {
    expect(scimTypeOf(() => patch({ name: {} }, JSON.parse(operation) as Json))).toBe('invalidPath');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('refuses values that are nested too deeply or have too many parts', () => {
    let deep: Json = 'x';
    for (let i = 0; i < 10; i++) deep = { a: deep };
    expect(scimTypeOf(() => readAttributes({ a: deep }))).toBe('invalidSyntax');
    expect(scimTypeOf(() => readAttributes({ a: Array.from({ length: 3000 }, () => 'x') }))).toBe('invalidSyntax');
  });
});

/** A model that changes a Map of scalars and a list of emails in place, as an administrator would by hand. */
class SlowModel {
  readonly scalars = new Map<string, Json>();
  emails: { type: string; value: string }[] = [];

  run({ op, attribute, type, value }: Edit): void {
    if (attribute !== 'emails') {
      if (op === 'remove') this.scalars.delete(attribute);
      else this.scalars.set(attribute, value);
      return;
    }
    const found = this.emails.filter((email) => email.type === type);
    if (op === 'remove') this.emails = this.emails.filter((email) => email.type !== type);
    else if (found.length === 0) this.emails.push({ type, value });
    else for (const email of found) email.value = value;
  }

  get resource(): Attributes {
    return { ...Object.fromEntries(this.scalars), ...(this.emails.length > 0 ? { emails: this.emails } : {}) };
  }
}

interface Edit {
  readonly op: 'add' | 'replace' | 'remove';
  readonly attribute: string;
  readonly type: string;
  readonly value: string;
  readonly form: number;
}

/** Returns an operation in one of the forms in which clients send it. */
function operationOf({ op, attribute, type, value, form }: Edit): Json {
  const shown = form % 2 === 0 ? op : `${op.charAt(0).toUpperCase()}${op.slice(1)}`;
  if (attribute === 'emails') {
    const path = `${form % 3 === 0 ? 'emails' : 'EMAILS'}[type eq "${type}"]`;
    return op === 'remove' ? { op: shown, path } : { op: shown, path: `${path}.value`, value };
  }
  if (op === 'remove') return { op: shown, path: attribute };
  return form > 2 ? { op: shown, value: { [attribute]: value } } : { op: shown, path: attribute, value };
}

describe('a PATCH request that takes much time', () => {
  const values = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ value: `${from + i}` }));

  it('is refused at the operation that makes a list too long, also if a later one empties the list', () => {
    const operations = [
      ...[0, 300].map((from) => ({ op: 'add', path: 'emails', value: values(from, 300) })),
      { op: 'remove', path: 'emails' },
    ];
    expect(patch({}, ...operations.slice(0, 1)).emails).toHaveLength(300);
    expect(scimTypeOf(() => patch({}, ...operations))).toBe('invalidValue');
    const extension = operations.map((operation) => ({ ...operation, path: `${ENTERPRISE}:x` }));
    expect(scimTypeOf(() => patch({}, ...extension))).toBe('invalidValue');
  });

  it('is refused at the operation that makes the user too large', () => {
    const fill = Array.from({ length: 3 }, (_, i) => ({ op: 'add', path: `a${i}`, value: 'x'.repeat(6000) }));
    const empty = fill.map(({ path }) => ({ op: 'remove', path }));
    expect(scimTypeOf(() => patch({}, ...fill, ...empty))).toBe('invalidValue');
    const copies = [
      { op: 'add', path: 'emails', value: values(0, 400) },
      { op: 'add', path: 'emails.display', value: 'x'.repeat(1000) },
    ];
    expect(scimTypeOf(() => patch({}, ...copies, { op: 'remove', path: 'emails' }))).toBe('invalidValue');
  });
});

describe('a user whose attributes are named with the core schema', () => {
  it.each([
    { [CORE]: { active: 'False', displayName: 'x' } },
    { [CORE.toUpperCase()]: { active: false, displayName: 'x' } },
    { [`${CORE}:active`]: 'false', [`${CORE}:displayName`]: 'x' },
  ])('is read like plain names in %j', (value) => {
    expect(patch({ active: true }, { op: 'replace', value })).toEqual({ active: false, displayName: 'x' });
    expect(readAttributes(value)).toEqual({ active: false, displayName: 'x' });
  });

  it('is read like plain names in the value of the schema as a path', () => {
    expect(patch({ active: true }, { op: 'replace', path: CORE, value: { active: false } })).toEqual({ active: false });
  });
});

describe('a user with attributes of other types', () => {
  it.each([
    { active: [false] },
    { active: { value: false } },
    { active: [] },
    { emails: [{ value: { toString: 1 } }] },
    { emails: [{ value: 'a@b', type: { toString: 1 } }, { value: 'c@d' }] },
  ])('is refused with %j', (value) => {
    expect(scimTypeOf(() => readProfile(readAttributes({ userName: 'ada', ...value })))).toBe('invalidValue');
  });

  it('is never active because a PATCH names a part of active', () => {
    const after = patch({ userName: 'ada', active: false }, { op: 'replace', path: 'active.value', value: true });
    expect(scimTypeOf(() => readProfile(after))).toBe('invalidValue');
  });
});

describe('PATCH sequences', () => {
  const edit = fc.record({
    op: fc.constantFrom('add' as const, 'replace' as const, 'remove' as const),
    attribute: fc.constantFrom('title', 'displayName', 'emails', 'nickName'),
    type: fc.constantFrom('work', 'home', 'other'),
    value: fc.string({ minLength: 1, maxLength: 5 }),
    form: fc.nat(5),
  });

  it('have the result of a slow model, in one request or in several', () => {
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 12 }), (edits) => {
        const model = new SlowModel();
        for (const each of edits) model.run(each);
        const operations = edits.map(operationOf);
        expect(patch({}, ...operations)).toEqual(model.resource);
        expect(operations.reduce<Attributes>((resource, each) => patch(resource, each), {})).toEqual(model.resource);
      }),
    );
  });

  it('change neither their input nor a prototype, whatever a client sends', () => {
    const name = fc.constantFrom(
      'active',
      'emails',
      'name',
      '__proto__',
      'constructor',
      'prototype',
      'toString',
      'hasOwnProperty',
      '$ref',
      '',
    );
    const path = fc.array(fc.oneof(name, fc.constantFrom('.', '[type eq "work"]', '[', 'value', ':', ENTERPRISE)), { maxLength: 6 });
    const operation = fc.record({
      op: fc.constantFrom('add', 'Replace', 'REMOVE', 'x'),
      path: fc.option(path.map((parts) => parts.join(''))),
      value: fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.dictionary(name, fc.jsonValue({ maxDepth: 2 }))),
    });
    const before = JSON.stringify(Object.getOwnPropertyNames(Object.prototype));
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 5 }), fc.jsonValue({ maxDepth: 3 }), (operations, value) => {
        const resource = { emails: [work], name: { familyName: 'x' }, title: 'y' };
        const copy = structuredClone(resource);
        for (const run of [() => patch(resource, ...(operations as Json[])), () => readAttributes(value as Json)]) {
          try {
            run();
          } catch (error) {
            expect(error).toBeInstanceOf(ScimError);
          }
        }
        expect(resource).toEqual(copy);
        expect(JSON.stringify(Object.getOwnPropertyNames(Object.prototype))).toBe(before);
      }),
      { numRuns: 300 },
    );
  });
});
