import { describe, expect, test } from '@jest/globals';
import type { Step } from '../../src/store/store.ts';
import type { Subject } from './conformance.ts';
import { ANYTHING, byOctets, drop, findAll, idsOf, insert, newPartition, OK, PEOPLE, put, remove, take } from './people.ts';

/** JSON texts that careless conversion by another language, a string or an object would change. */
const JSON_TEXTS = [
  'null',
  'true',
  '0',
  '""',
  '[]',
  '{}',
  '{"empty":[],"also":{},"nested":[[],[{}],null]}',
  '0.1',
  '0.30000000000000004',
  '3.141592653589793',
  '9007199254740993',
  '1e+21',
  '5e-324',
  '1.7976931348623157e+308',
  '-1',
  '{"__proto__":{"polluted":true},"constructor":1,"toString":null,"hasOwnProperty":[]}',
  '{"":"empty name","1":"number","a.b":{"$c":1}}',
  '{"b":1,"a":2}',
  JSON.stringify('\u0000\u0001\u001f\u007f\u2028\u2029\ufeff\ufffd\uffff\u{1f600}\u{10ffff}'),
  '"\\ud800 alone \\udc00"',
  JSON.stringify('null \\ " \' ` $ {x} {{x}} %s <script>&amp;</script>'),
  JSON.stringify('ελληνικά, 日本語, עברית, \u{1f469}\u200d\u{1f469}\u200d\u{1f467}'),
  `${'['.repeat(500)}${']'.repeat(500)}`,
];

const ODD_NAMES = [
  ' ',
  'a b',
  'a%20b',
  '%',
  '_',
  '*',
  '?',
  '[a-z]',
  '^',
  '{',
  '}',
  '{}',
  '}{',
  '{other}',
  ':',
  'a:b',
  '::',
  '"',
  "'",
  "'; DROP TABLE records; --",
  '\\',
  '/',
  '../x',
  '\n',
  '\r\n',
  '\t',
  '\u0001',
  '\u007f',
  '\u00e9',
  'e\u0301',
  '\uff5e',
  '\u{1f600}',
  '__proto__',
  'constructor',
  'toString',
  'null',
  '0',
  '-1',
  'person',
  'x'.repeat(1024),
];

export function valueGuarantees({ store }: Subject): void {
  describe('values', () => {
    test.each(JSON_TEXTS.map((text) => [text.slice(0, 60), text] as const))('returns %s unchanged', async (_title, text) => {
      const partition = newPartition();
      const given: unknown = JSON.parse(text);
      const person = { name: 'Ada', email: 'x', note: given };
      expect(await store().commit(partition, [{ do: 'insert', collection: ANYTHING, id: 'x', value: given }, insert('x', person)])).toEqual(
        OK,
      );
      const alone = await store().get(partition, ANYTHING, 'x');
      expect(alone === undefined ? undefined : JSON.stringify(alone.value)).toBe(JSON.stringify(given));
      const read = [
        await store().get(partition, PEOPLE, 'x'),
        await store().getUnique(partition, PEOPLE, 'email', 'x'),
        (await store().find(partition, PEOPLE, 'name', { limit: 1 })).items[0],
      ];
      for (const stored of read) expect(JSON.stringify(stored)).toBe(JSON.stringify({ id: 'x', version: 1, value: person }));
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    });

    test('are returned unchanged with 1 MiB', async () => {
      const partition = newPartition();
      const note = Array.from({ length: 1024 }, (_, i) => `${i}é`.padEnd(1022, '\u{1f600}"\\'));
      expect(await store().commit(partition, [insert('big', { name: 'Big', note }), put('big', JSON.stringify(note))])).toEqual(OK);
      expect((await store().get(partition, PEOPLE, 'big'))?.value.note).toEqual(note);
      expect((await store().find(partition, PEOPLE, 'name', { limit: 1 })).items[0]?.value.note).toEqual(note);
      expect(await store().peek(partition, 'big')).toBe(JSON.stringify(note));
    });

    test('are copied when they are written and when they are read', async () => {
      const partition = newPartition();
      const groups = ['a'];
      expect(await store().commit(partition, [insert('ada', { name: 'Ada', groups })])).toEqual(OK);
      groups.push('b');
      const read = await store().get(partition, PEOPLE, 'ada');
      const given = read?.value as unknown as { groups: string[] };
      given.groups.push('c');
      expect((await store().get(partition, PEOPLE, 'ada'))?.value.groups).toEqual(['a']);
    });
  });

  describe('ids, keys and strings with unusual characters', () => {
    test('are distinct in every way to read', async () => {
      const partition = newPartition();
      const steps = ODD_NAMES.flatMap((odd): Step[] => [
        insert(odd, { name: odd, email: odd, groups: ['all'] }),
        put(odd, `value of ${odd}`),
      ]);
      expect(await store().commit(partition, steps)).toEqual(OK);
      for (const odd of ODD_NAMES) {
        const wanted = { id: odd, version: 1, value: { name: odd, email: odd, groups: ['all'] } };
        expect(await store().get(partition, PEOPLE, odd)).toEqual(wanted);
        expect(await store().getUnique(partition, PEOPLE, 'email', odd)).toEqual(wanted);
        expect((await store().find(partition, PEOPLE, 'name', { equals: odd, limit: 2 })).items).toEqual([wanted]);
        expect(await store().peek(partition, odd)).toBe(`value of ${odd}`);
      }
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'group', { limit: 7 }))).toEqual(ODD_NAMES.toSorted(byOctets));
    });

    test('are deleted one at a time', async () => {
      const partition = newPartition();
      const steps = ODD_NAMES.flatMap((odd) => [insert(odd, { name: odd, email: odd }), put(odd, odd)]);
      expect(await store().commit(partition, steps)).toEqual(OK);
      const left = [...ODD_NAMES];
      for (const [i, odd] of ODD_NAMES.entries()) {
        expect(await store().commit(partition, [remove(odd, 1), i % 2 ? take(odd) : drop(odd)])).toEqual(OK);
        left.shift();
        expect(await store().get(partition, PEOPLE, odd)).toBeUndefined();
        expect(await store().peek(partition, odd)).toBeUndefined();
        expect(idsOf(await findAll(store(), partition, PEOPLE, 'name'))).toEqual(left.toSorted(byOctets));
      }
    });
  });
}
