import { describe, expect, test } from '@jest/globals';
import type { Page, Range } from '../../src/store/store.ts';
import type { Subject } from './conformance.ts';
import { codeOf, findAll, idsOf, insert, newPartition, OK, PEOPLE, PETS, type Person, put, remove } from './people.ts';

const nameOf = (i: number): string => `n${String(i).padStart(5, '0')}`;

/** Strings that were never a cursor. */
const GARBAGE = [
  '',
  ' ',
  '0',
  '-1',
  'x',
  'null',
  'undefined',
  '[]',
  '{}',
  '[object Object]',
  'e30',
  'bnVsbA',
  'W10',
  'AAAA',
  '____',
  '====',
  '../../..',
  '%00',
  '\u0000',
  '\ud800',
  '\u{1f600}',
  '{"a":1}',
  "' OR 1=1 --",
  '\r\nFLUSHALL\r\n',
  Buffer.from('["x","y"]').toString('base64url'),
  Buffer.from('{"__proto__":{"x":1}}').toString('base64url'),
  'A'.repeat(100_000),
];

/** Changes of the text that a cursor encodes: other collections, other partitions, strings before and after. */
const TEXT_FORGERIES = [
  ['person', 'pet'],
  ['name', 'group'],
  ['org_', 'org'],
  ['n0', 'n~'],
  ['"g"', '"f"'],
  ['"g"', '"h"'],
  ['"g"', '""'],
];

/** Returns the cursor with one change, at every position and in the text that it encodes. */
function forgeries(cursor: string): string[] {
  const changed = [cursor.slice(1), cursor.slice(0, -1), `${cursor}x`, `x${cursor}`, cursor + cursor, cursor.toUpperCase(), ` ${cursor}`];
  for (let i = 0; i < cursor.length; i += 3) changed.push(`${cursor.slice(0, i)}${cursor[i] === 'A' ? 'B' : 'A'}${cursor.slice(i + 1)}`);
  const decoded = Buffer.from(cursor, 'base64url').toString('latin1');
  for (const [from = '', to = ''] of TEXT_FORGERIES) {
    changed.push(Buffer.from(decoded.replaceAll(from, to), 'latin1').toString('base64url'));
  }
  return changed.filter((forged) => forged !== cursor);
}

export function cursorGuarantees({ store }: Subject): void {
  /** Creates 1,000 records with even numbers, so that others fit between them. Each has the group `all` and one of `g0` to `g9`. */
  async function thousand(): Promise<string> {
    const partition = newPartition();
    for (let start = 0; start < 2000; start += 500) {
      const people = Array.from({ length: 250 }, (_, i) => start + 2 * i).map((n) =>
        insert(`p${n}`, { name: nameOf(n), groups: ['all', `g${n % 10}`] }),
      );
      expect(await store().commit(partition, people)).toEqual(OK);
    }
    return partition;
  }

  describe('cursors', () => {
    test.each([false, true])('page through 1,000 records while others are inserted and deleted (descending: %s)', async (descending) => {
      const partition = await thousand();
      const seen: string[] = [];
      let cursor: string | undefined;
      for (let round = 0; cursor !== undefined || round === 0; round++) {
        const page: Page<Person> = await store().find(partition, PEOPLE, 'name', { limit: 60, descending, cursor });
        seen.push(...page.items.map(({ value }) => value.name));
        const last = Number(page.items.at(-1)?.id.slice(1));
        // Inserts one record before the cursor and one after it, and deletes the record at the cursor.
        const others = [last - 1, last + 1].map((n) => insert(`p${n}`, { name: nameOf(n) }));
        expect(await store().commit(partition, [...others, remove(`p${last}`, 1)])).toEqual(OK);
        cursor = page.nextCursor ?? undefined;
        expect(round).toBeLessThan(40);
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen).toEqual(descending ? seen.toSorted().toReversed() : seen.toSorted());
      const evens = seen.filter((name) => Number(name.slice(1)) % 2 === 0);
      expect(evens).toHaveLength(1000);
      // Records that were inserted after the cursor are returned, those before it are not.
      expect(seen.length).toBeGreaterThan(1000);
      expect(seen.length).toBeLessThanOrEqual(1000 + 17);
    });

    test('page through the records of one string', async () => {
      const partition = await thousand();
      for (const descending of [false, true]) {
        const found = idsOf(await findAll(store(), partition, PEOPLE, 'group', { equals: 'all', limit: 200, descending }));
        const wanted = Array.from({ length: 1000 }, (_, i) => `p${2 * i}`).toSorted();
        expect(found).toEqual(descending ? wanted.toReversed() : wanted);
      }
    });

    test('return the same page when used again', async () => {
      const partition = await thousand();
      const { nextCursor } = await store().find(partition, PEOPLE, 'name', { limit: 3 });
      const range = { limit: 3, cursor: nextCursor ?? '' };
      const page = await store().find(partition, PEOPLE, 'name', range);
      expect(idsOf(page.items)).toEqual(['p6', 'p8', 'p10']);
      expect(await store().find(partition, PEOPLE, 'name', range)).toEqual(page);
    });

    test('work with another limit', async () => {
      const partition = await thousand();
      const { nextCursor } = await store().find(partition, PEOPLE, 'name', { limit: 2 });
      const page = await store().find(partition, PEOPLE, 'name', { limit: 4, cursor: nextCursor ?? '' });
      expect(idsOf(page.items)).toEqual(['p4', 'p6', 'p8', 'p10']);
    });

    test('return an empty page if all later records were deleted', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [insert('a', { name: 'a' }), insert('b', { name: 'b' })])).toEqual(OK);
      const { nextCursor } = await store().find(partition, PEOPLE, 'name', { limit: 1 });
      expect(await store().commit(partition, [remove('a', 1), remove('b', 1)])).toEqual(OK);
      const page = await store().find(partition, PEOPLE, 'name', { limit: 1, cursor: nextCursor ?? '' });
      expect(page).toEqual({ items: [], nextCursor: null });
    });
  });

  describe('foreign cursors', () => {
    const twoPages = async (partition: string, range: Partial<Range> = {}, index = 'name'): Promise<string> => {
      const steps = ['a', 'b', 'c'].map((name) => insert(name, { name: `n0${name}`, groups: ['f', 'g', 'h'] }));
      expect(await store().commit(partition, [...steps, put('a', 'expiring')])).toEqual(OK);
      const { nextCursor } = await store().find(partition, PEOPLE, index, { limit: 1, ...range });
      expect(nextCursor).not.toBeNull();
      return nextCursor ?? '';
    };

    test('rejects garbage', async () => {
      const partition = newPartition();
      await twoPages(partition);
      for (const cursor of GARBAGE) {
        const code = await codeOf(() => store().find(partition, PEOPLE, 'name', { limit: 5, cursor }));
        expect([cursor.slice(0, 50), code]).toEqual([cursor.slice(0, 50), 'validation_failed']);
      }
    });

    test('rejects cursors of another partition', async () => {
      const [one, other] = [newPartition(), newPartition()];
      const cursor = await twoPages(one);
      await twoPages(other);
      expect(await codeOf(() => store().find(other, PEOPLE, 'name', { limit: 5, cursor }))).toBe('validation_failed');
    });

    test('rejects cursors of another collection, index, string or direction', async () => {
      const partition = newPartition();
      const cursor = await twoPages(partition, { equals: 'g' }, 'group');
      const asks = (collection: typeof PEOPLE, index: string, range: Partial<Range>) =>
        codeOf(() => store().find(partition, collection, index, { limit: 5, cursor, ...range }));
      expect(await asks(PETS, 'group', { equals: 'g' })).toBe('validation_failed');
      expect(await asks(PEOPLE, 'name', { equals: 'g' })).toBe('validation_failed');
      expect(await asks(PEOPLE, 'group', { equals: 'h' })).toBe('validation_failed');
      expect(await asks(PEOPLE, 'group', {})).toBe('validation_failed');
      expect(await asks(PEOPLE, 'group', { equals: 'g', descending: true })).toBe('validation_failed');
      expect(idsOf((await store().find(partition, PEOPLE, 'group', { limit: 5, cursor, equals: 'g' })).items)).toEqual(['b', 'c']);
    });

    test.each<[string, string, Partial<Range>]>([
      ['the whole index', 'name', {}],
      ['one string', 'group', { equals: 'g' }],
    ])('never leads out of the list with a forged cursor: %s', async (_title, index, range) => {
      const [partition, other] = [newPartition(), newPartition()];
      await twoPages(other, range, index);
      const cursor = await twoPages(partition, range, index);
      const pets = ['a', 'b', 'c'].map((name) => insert(name, { name: `n0${name}`, groups: ['f', 'g', 'h'], note: 'pet' }, PETS));
      expect(await store().commit(partition, pets)).toEqual(OK);
      const all = idsOf(await findAll(store(), partition, PEOPLE, index, range));
      for (const forged of forgeries(cursor)) {
        const asked = { limit: 5, ...range, cursor: forged };
        const answer = await store()
          .find(partition, PEOPLE, index, asked)
          .then(
            ({ items }) => items.map(({ id, value }) => (value.note === undefined ? id : 'a pet')),
            async () => codeOf(() => store().find(partition, PEOPLE, index, asked)),
          );
        // A forged cursor may lead to another position of the same list, which the caller can read anyway, but never elsewhere.
        if (typeof answer === 'string') expect([forged, answer]).toEqual([forged, 'validation_failed']);
        else expect(all.join()).toContain(answer.join());
      }
    });
  });
}
