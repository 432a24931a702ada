import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Attributes, Json } from '../../src/scim/attributes.ts';
import { type MemberListChange, readGroup, readGroupPatch, readGroupProfile } from '../../src/scim/group.ts';
import { applyPatch, readPatch } from '../../src/scim/patch.ts';
import { ScimError } from '../../src/scim/scim-error.ts';

const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const operations = (...Operations: Json[]) => readGroupPatch({ Operations });
/** The members of a group after a change. */
const applied = (before: readonly string[], { replacesAll, added, removed }: MemberListChange): string[] =>
  [...new Set([...before.filter((id) => !replacesAll && !removed.has(id)), ...added])].sort();
const after = (before: readonly string[], ...all: Json[]) => applied(before, operations(...all).members);
const scimTypeOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    if (error instanceof ScimError) return error.scimType;
    throw error;
  }
  return undefined;
};

describe('PATCH of a group', () => {
  it.each<[string, Json, string[]]>([
    ['adds members', { op: 'Add', path: 'members', value: [{ $ref: null, value: 'c' }] }, ['a', 'b', 'c']],
    ['adds a single member', { op: 'add', path: 'MEMBERS', value: { Value: 'c' } }, ['a', 'b', 'c']],
    ['adds members without a path', { op: 'add', value: { members: [{ value: 'c' }] } }, ['a', 'b', 'c']],
    ['adds members named with the URN', { op: 'add', value: { [`${GROUP}:members`]: [{ value: 'c' }] } }, ['a', 'b', 'c']],
    ['adds members within the schema', { op: 'add', value: { [GROUP]: { members: [{ value: 'c' }] } } }, ['a', 'b', 'c']],
    ['adds by a path with the URN', { op: 'add', path: `${GROUP}:members`, value: [{ value: 'c' }] }, ['a', 'b', 'c']],
    ['adds by a value path that matches nothing', { op: 'Add', path: 'members[value eq "c"]', value: { display: 'c' } }, ['a', 'b', 'c']],
    ['adds nothing with an empty list', { op: 'add', path: 'members', value: [] }, ['a', 'b']],
    ['removes by a value path', { op: 'Remove', path: 'members[value eq "a"]' }, ['b']],
    ['removes by a value path with a type', { op: 'remove', path: 'members[type eq "User" and value eq "a"]' }, ['b']],
    ['removes no member of another type', { op: 'remove', path: 'members[type eq "Group" and value eq "a"]' }, ['a', 'b']],
    ['removes no member with two ids', { op: 'remove', path: 'members[value eq "a" and value eq "b"]' }, ['a', 'b']],
    ['removes by values', { op: 'Remove', path: 'members', value: [{ value: 'a' }] }, ['b']],
    ['removes nothing with an empty list', { op: 'remove', path: 'members', value: [] }, ['a', 'b']],
    ['removes a member that is not there', { op: 'remove', path: 'members[value eq "x"]' }, ['a', 'b']],
    ['removes all without values', { op: 'remove', path: 'members' }, []],
    ['replaces all', { op: 'Replace', path: 'members', value: [{ value: 'c' }] }, ['c']],
    ['replaces all without a path', { op: 'replace', value: { id: 'x', members: [{ value: 'c' }] } }, ['c']],
    ['replaces all by none', { op: 'replace', path: 'members', value: null }, []],
    ['keeps the members with a new name', { op: 'replace', value: { id: 'x', displayName: 'New' } }, ['a', 'b']],
    ['changes no other part of a member', { op: 'replace', path: 'members[value eq "a"].display', value: 'x' }, ['a', 'b']],
  ])('%s', (_name, operation, expected) => expect(after(['a', 'b'], operation)).toEqual(expected));

  it('stores no members, however often the client nests the schema', () => {
    const members = [{ value: 'a' }];
    const nested = { displayName: 'New', [GROUP]: { [GROUP]: { MEMBERS: members } } };
    expect(readGroup(nested).attributes).toEqual({ displayName: 'New' });
    for (const value of [nested, { [GROUP]: { [`${GROUP}:members`]: members } }]) {
      const { operations: rest } = operations({ op: 'add', value }, { op: 'replace', path: GROUP, value });
      expect(applyPatch({ displayName: 'New' }, rest)).toEqual({ displayName: 'New' });
    }
  });

  it('leaves other attributes to the operations on attributes', () => {
    const { operations: rest, members } = operations(
      { op: 'replace', value: { id: 'x', displayName: 'New', members: [{ value: 'a' }] } },
      { op: 'Replace', path: 'externalId', value: 'e' },
    );
    expect(applyPatch({ displayName: 'Old' }, rest)).toEqual({ displayName: 'New', externalId: 'e' });
    expect([...members.added]).toEqual(['a']);
  });

  it.each<[Json, string]>([
    [{ op: 'add', path: 'members', value: [{ display: 'x' }] }, 'invalidValue'],
    [{ op: 'add', path: 'members', value: 7 }, 'invalidValue'],
    [{ op: 'add', path: 'members' }, 'invalidValue'],
    [{ op: 'remove', path: 'members[display eq "x"]' }, 'invalidFilter'],
    [{ op: 'remove', path: 'members[type eq "User"]' }, 'invalidFilter'],
    [{ op: 'remove', path: 'members[value co "x"]' }, 'invalidPath'],
    [{ op: 'remove', path: 'members[' }, 'invalidPath'],
    [{ op: 'remove' }, 'noTarget'],
    [{ op: 'move', path: 'members', value: [] }, 'invalidSyntax'],
    [{ op: { toString: 1 }, path: 'members', value: [] }, 'invalidSyntax'],
    ['x', 'invalidSyntax'],
    [JSON.parse('{"op":"add","value":{"__proto__":{"members":["a"]}}}') as Json, 'invalidPath'],
    [JSON.parse('{"op":"add","path":"members.__proto__","value":["a"]}') as Json, 'invalidPath'],
    [JSON.parse('{"op":"add","path":"members[__proto__ eq 1]","value":["a"]}') as Json, 'invalidPath'],
    [JSON.parse('{"op":"add","path":"constructor.prototype.members","value":["a"]}') as Json, 'invalidPath'],
  ])('refuses %j', (operation, scimType) => {
    expect(scimTypeOf(() => operations(operation))).toBe(scimType);
    expect(({} as { members?: unknown }).members).toBeUndefined();
  });

  it('refuses more than 10,000 members', () => {
    const add = (length: number) => operations({ op: 'add', path: 'members', value: Array.from({ length }, (_, i) => String(i)) });
    expect(add(10_000).members.added.size).toBe(10_000);
    expect(scimTypeOf(() => add(10_001))).toBe('tooMany');
  });

  const ids = ['a', 'b', 'c', 'd', 'e'];
  const list = fc.uniqueArray(fc.constantFrom(...ids), { maxLength: 4 });
  const elements = (values: readonly string[]): Json => values.map((value) => ({ value }));
  const names = (...all: string[]) => fc.constantFrom(...all);
  const operation: fc.Arbitrary<Json> = fc.oneof(
    fc.record({ op: names('add', 'Add', 'ADD'), path: names('members', 'Members', `${GROUP}:members`), value: list.map(elements) }),
    fc.record({ op: names('replace', 'Replace'), path: fc.constant('members'), value: list.map(elements) }),
    fc.record({ op: names('remove', 'Remove'), path: fc.constant('members'), value: list.map(elements) }),
    fc.record({ op: names('remove', 'Remove'), path: names(...ids).map((id) => `members[value eq "${id}"]`) }),
    fc.record({ op: fc.constant('remove'), path: fc.constant('members') }),
    fc.record({ op: names('add', 'replace'), value: list.map((values) => ({ displayName: 'x', members: elements(values) })) }),
    fc.record({ op: fc.constant('replace'), value: fc.constant({ displayName: 'y' }) }),
  );

  it('does the same as one operation after the other on the whole list', () => {
    fc.assert(
      fc.property(list, fc.array(operation, { maxLength: 8 }), (before, all) => {
        const sorted = (resource: Attributes) =>
          [...new Set(((resource.members ?? []) as readonly { value: string }[]).map(({ value }) => value))].sort();
        // The slow model holds the members as an attribute.
        const model = applyPatch({ members: elements(before) }, readPatch({ Operations: all }, GROUP));
        const { operations: rest, members } = operations(...all);
        expect(applied(before, members)).toEqual(sorted(model));
        expect(applyPatch({}, rest).displayName).toBe(model.displayName);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a group', () => {
  it('has its members apart from the attributes, and keeps those that are not named', () => {
    const { attributes, members } = readGroup({ schemas: [GROUP], id: 'x', displayName: 'Staff', Members: [{ value: 'a' }] });
    expect(attributes).toEqual({ displayName: 'Staff' });
    expect(applied(['b'], members)).toEqual(['a']);
    expect(applied(['b'], readGroup({ displayName: 'Staff' }).members)).toEqual(['b']);
    expect(applied(['b'], readGroup({ displayName: 'Staff', members: [] }).members)).toEqual([]);
  });

  it('keeps white space of its name, which role rules compare', () => {
    expect(readGroupProfile({ displayName: ' staff ' }).displayName).toBe(' staff ');
  });
});
