import { describe, expect, test } from '@jest/globals';
import type { Collection } from '../../src/store/store.ts';
import type { Subject } from './conformance.ts';
import {
  byOctets,
  failedAt,
  findAll,
  idsOf,
  insert,
  need,
  newPartition,
  OK,
  PEOPLE,
  PETS,
  type Person,
  remove,
  replace,
} from './people.ts';

/** Strings that octets, code units, escapes, patterns and separators treat differently. */
const PARTS = ['', ' ', '!', '"', '%', '*', ':', '[', '\\', '_', 'a', 'A', '{', '|', '}', '~', '\u0001', '\u007f'].concat([
  '\u0080',
  '\u00e9',
  '\u07ff',
  '\u0800',
  '\ue000',
  '\uff5e',
  '\uffff',
  '\u{10000}',
  '\u{1f600}',
  '\u{10ffff}',
]);
const NASTY = [...new Set(PARTS.flatMap((first) => PARTS.map((second) => first + second)))];

export function indexGuarantees({ store }: Subject): void {
  describe('indexes', () => {
    test('are ordered by string, then id, both by their octets, forwards and backwards', async () => {
      const partition = newPartition();
      const people = NASTY.flatMap((name, i) => [insert(NASTY.at(-1 - i) ?? '', { name }), insert(`${name}2`, { name })]);
      const written = [...new Map(people.map((step) => ['id' in step ? step.id : '', step])).values()];
      for (let i = 0; i < written.length; i += 200) expect(await store().commit(partition, written.slice(i, i + 200))).toEqual(OK);
      const wanted = written
        .map((step) => (step.do === 'insert' ? { id: step.id, name: (step.value as { name: string }).name } : { id: '', name: '' }))
        .sort((a, b) => byOctets(a.name, b.name) || byOctets(a.id, b.id));
      for (const descending of [false, true]) {
        const found = await findAll(store(), partition, PEOPLE, 'name', { descending, limit: 97 });
        expect(found.map(({ id, value }) => ({ id, name: value.name }))).toEqual(descending ? wanted.toReversed() : wanted);
      }
    });

    test('are empty without records that have a string', async () => {
      const partition = newPartition();
      const areEmpty = () => Promise.all(['name', 'group'].map((index) => store().isEmpty(partition, PEOPLE, index)));
      expect(await areEmpty()).toEqual([true, true]);
      expect(await store().commit(partition, [insert('ada', { name: '' }), insert('rex', { name: 'Rex', groups: ['x'] }, PETS)])).toEqual(
        OK,
      );
      expect(await areEmpty()).toEqual([false, true]);
      expect(await store().commit(partition, [replace('ada', 1, { name: 'Ada', groups: ['x', 'y'] })])).toEqual(OK);
      expect(await areEmpty()).toEqual([false, false]);
      expect(await store().commit(partition, [replace('ada', 2, { name: 'Ada' })])).toEqual(OK);
      expect(await areEmpty()).toEqual([false, true]);
      expect(await store().commit(partition, [remove('ada', 3)])).toEqual(OK);
      expect(await areEmpty()).toEqual([true, true]);
    });

    test('match equals exactly', async () => {
      const partition = newPartition();
      const steps = NASTY.map((name, i) => insert(`p${i}`, { name }));
      for (let i = 0; i < steps.length; i += 200) expect(await store().commit(partition, steps.slice(i, i + 200))).toEqual(OK);
      for (const [i, name] of NASTY.entries()) {
        if (i % 7 !== 0) continue;
        const { items, nextCursor } = await store().find(partition, PEOPLE, 'name', { equals: name, limit: 2 });
        expect({ name, ids: idsOf(items), nextCursor }).toEqual({ name, ids: [`p${i}`], nextCursor: null });
      }
    });

    test('return all records of a string, ordered by id, and none of a string with the same prefix', async () => {
      const partition = newPartition();
      const names = ['b', 'a', 'c', 'ab'].flatMap((id) => ['x', 'x ', 'x\u0001', 'w', ''].map((name) => insert(`${id}-${name}`, { name })));
      expect(await store().commit(partition, names)).toEqual(OK);
      const found = await findAll(store(), partition, PEOPLE, 'name', { equals: 'x' });
      expect(idsOf(found)).toEqual(['a-x', 'ab-x', 'b-x', 'c-x']);
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'name', { equals: 'x', descending: true }))).toEqual(
        idsOf(found).toReversed(),
      );
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'name', { equals: '' }))).toEqual(['a-', 'ab-', 'b-', 'c-']);
      expect(await findAll(store(), partition, PEOPLE, 'name', { equals: 'y' })).toEqual([]);
    });

    test('accept strings of 1024 characters', async () => {
      const partition = newPartition();
      const names = ['x'.repeat(1024), `${'x'.repeat(1023)}y`, '\uffff'.repeat(1024), '\u{1f600}'.repeat(512)];
      expect(
        await store().commit(
          partition,
          names.map((name, i) => insert(`p${i}`, { name, email: name })),
        ),
      ).toEqual(OK);
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'name', { limit: 1 }))).toEqual(['p0', 'p1', 'p2', 'p3']);
      for (const [i, name] of names.entries()) {
        expect((await store().getUnique(partition, PEOPLE, 'email', name))?.id).toBe(`p${i}`);
        expect(idsOf((await store().find(partition, PEOPLE, 'name', { equals: name, limit: 5 })).items)).toEqual([`p${i}`]);
      }
    });

    test('return a record once for each of its strings', async () => {
      const partition = newPartition();
      const steps = [
        insert('ada', { name: 'Ada', groups: ['c', 'a', 'b'] }),
        insert('bob', { name: 'Bob', groups: ['b', 'b'] }),
        insert('eve', { name: 'Eve', groups: [] }),
      ];
      expect(await store().commit(partition, steps)).toEqual(OK);
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'group'))).toEqual(['ada', 'ada', 'bob', 'ada']);
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'group', { limit: 1, descending: true }))).toEqual([
        'ada',
        'bob',
        'ada',
        'ada',
      ]);
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'group', { equals: 'b' }))).toEqual(['ada', 'bob']);
    });

    test('follow replace and delete, but not a failed commit', async () => {
      const partition = newPartition();
      const before = { name: 'Ada', groups: ['a', 'b'] };
      expect(await store().commit(partition, [insert('ada', before), insert('bob', before)])).toEqual(OK);
      expect(await store().commit(partition, [replace('ada', 1, { name: 'Zoe', groups: ['b', 'c'] })])).toEqual(OK);
      expect(await store().commit(partition, [replace('bob', 1, { name: 'No', groups: ['z'] }), need('nobody')])).toEqual(failedAt(1));
      const found = async (equals: string) => idsOf(await findAll(store(), partition, PEOPLE, 'group', { equals }));
      expect(await Promise.all(['a', 'b', 'c', 'z'].map(found))).toEqual([['bob'], ['ada', 'bob'], ['ada'], []]);
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'name'))).toEqual(['bob', 'ada']);
      expect(await store().commit(partition, [remove('bob', 1)])).toEqual(OK);
      expect(await findAll(store(), partition, PEOPLE, 'group')).toEqual([
        { id: 'ada', version: 2, value: { name: 'Zoe', groups: ['b', 'c'] } },
        { id: 'ada', version: 2, value: { name: 'Zoe', groups: ['b', 'c'] } },
      ]);
    });

    test('leave nothing behind if the collection had other indexes when the record was written', async () => {
      const partition = newPartition();
      const former: Collection<Person> = {
        ...PEOPLE,
        indexes: { ...PEOPLE.indexes, name: ({ name }) => [name.toLowerCase()] },
        unique: { ...PEOPLE.unique, email: ({ email }) => [`mail:${email}`] },
      };
      const ada = { name: 'Ada', email: 'x' };
      expect(
        await store().commit(
          partition,
          ['a', 'b'].map((id) => insert(id, { ...ada, email: id }, former)),
        ),
      ).toEqual(OK);
      expect(await store().commit(partition, [replace('a', 1, ada), remove('b', 1)])).toEqual(OK);
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'name'))).toEqual(['a']);
      expect(await findAll(store(), partition, PEOPLE, 'name', { equals: 'ada' })).toEqual([]);
      for (const id of ['a', 'b']) expect(await store().getUnique(partition, PEOPLE, 'email', `mail:${id}`)).toBeUndefined();
      expect((await store().getUnique(partition, PEOPLE, 'email', 'x'))?.version).toBe(2);
      const others = ['mail:a', 'mail:b'].map((email) => insert(email, { name: 'Other', email }));
      expect(await store().commit(partition, others)).toEqual(OK);
    });

    test('keep collections and partitions apart', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [insert('ada', { name: 'x' }), insert('cat', { name: 'x' }, PETS)])).toEqual(OK);
      expect(await store().commit(newPartition(), [insert('eve', { name: 'x' })])).toEqual(OK);
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'name'))).toEqual(['ada']);
      expect(idsOf(await findAll(store(), partition, PETS, 'name', { equals: 'x' }))).toEqual(['cat']);
      expect(await findAll(store(), newPartition(), PEOPLE, 'name')).toEqual([]);
    });
  });

  describe('invalid index strings', () => {
    test.each([
      ['of 1025 characters', 'x'.repeat(1025)],
      ['with a NUL', 'a\0b'],
      ['with half a surrogate pair', 'a\ud800'],
    ])('rejects %s and writes nothing', async (_title, text) => {
      const partition = newPartition();
      for (const person of [{ name: text }, { name: 'x', email: text }]) {
        await expect(store().commit(partition, [insert('ada', { name: 'Ada' }), insert('bob', person)])).rejects.toThrow(TypeError);
        expect(await store().get(partition, PEOPLE, 'ada')).toBeUndefined();
      }
      expect(await store().commit(partition, [insert('ada', { name: 'Ada' })])).toEqual(OK);
      await expect(store().commit(partition, [replace('ada', 1, { name: text })])).rejects.toThrow(TypeError);
      expect(await findAll(store(), partition, PEOPLE, 'name')).toEqual([{ id: 'ada', version: 1, value: { name: 'Ada' } }]);
    });
  });

  describe('limits', () => {
    test('return the requested number of records, and a cursor only if more follow', async () => {
      const partition = newPartition();
      const people = Array.from({ length: 201 }, (_, i) => insert(`p${i}`, { name: `${i}`.padStart(3, '0') }));
      expect(await store().commit(partition, people)).toEqual(OK);
      for (const [limit, more] of [[1, true] as const, [50, true] as const, [200, true] as const]) {
        const page = await store().find(partition, PEOPLE, 'name', { limit });
        expect(idsOf(page.items)).toEqual(Array.from({ length: limit }, (_, i) => `p${i}`));
        expect(page.nextCursor !== null).toBe(more);
      }
      expect(await store().commit(partition, [remove('p200', 1)])).toEqual(OK);
      const whole = await store().find(partition, PEOPLE, 'name', { limit: 200 });
      expect([whole.items.length, whole.nextCursor]).toEqual([200, null]);
    });
  });
}
