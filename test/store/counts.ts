import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import type { Subject } from './conformance.ts';
import { ANYTHING, below, claim, failedAt, increment, insert, newPartition, OK, PEOPLE, PETS, put, remove, replace } from './people.ts';

export function countGuarantees({ store }: Subject): void {
  describe('counts', () => {
    test('follow inserts and deletions, by partition and collection', async () => {
      const partition = newPartition();
      expect(await store().count(partition, PEOPLE)).toBe(0);
      await store().commit(partition, [insert('a', { name: 'A' }), insert('b', { name: 'B' }), insert('c', { name: 'C' }, PETS)]);
      await store().commit(newPartition(), [insert('a', { name: 'A' })]);
      expect(await store().count(partition, PEOPLE)).toBe(2);
      await store().commit(partition, [replace('a', 1, { name: 'Z', groups: ['x', 'y'] })]);
      expect(await store().count(partition, PEOPLE)).toBe(2);
      // A commit that fails counts nothing.
      expect(await store().commit(partition, [insert('d', { name: 'D' }), insert('b', { name: 'B' })])).toEqual(failedAt(1));
      expect(await store().count(partition, PEOPLE)).toBe(2);
      await store().commit(partition, [remove('a', 2), remove('b', 1)]);
      expect(await store().count(partition, PEOPLE)).toBe(0);
      expect(await store().count(partition, PETS)).toBe(1);
      await store().purge(partition);
      expect(await store().count(partition, PETS)).toBe(0);
    });

    test('exist only for collections that are counted', async () => {
      await expect(store().count(newPartition(), ANYTHING)).rejects.toThrow(TypeError);
    });

    test('limit inserts', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [below(0)])).toEqual(failedAt(0));
      expect(await store().commit(partition, [below(1), insert('a', { name: 'A' }), insert('b', { name: 'B' })])).toEqual(OK);
      expect(await store().commit(partition, [put('x', 'y'), below(2), insert('c', { name: 'C' })])).toEqual(failedAt(1));
      expect(await store().get(partition, PEOPLE, 'c')).toBeUndefined();
      expect(await store().commit(partition, [below(3)])).toEqual(OK);
    });
  });

  describe('counters', () => {
    test('count to their maximum, and no further', async () => {
      const partition = newPartition();
      for (let i = 0; i < 3; i++) expect(await store().commit(partition, [increment('n', 3)])).toEqual(OK);
      expect(await store().commit(partition, [put('other', 'x'), increment('n', 3)])).toEqual(failedAt(1));
      expect(await store().peek(partition, 'other')).toBeUndefined();
      expect(await store().peek(partition, 'n')).toBe('3');
      expect(await store().commit(partition, [increment('n', 4)])).toEqual(OK);
      expect(await store().commit(partition, [increment('none', 0)])).toEqual(failedAt(0));
      expect(await store().commit(partition, [increment('m', 1), claim('m')])).toEqual(failedAt(1));
    });

    test('start again when they expire, which later steps do not delay', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [increment('n', 2, 1)])).toEqual(OK);
      await sleep(500);
      expect(await store().commit(partition, [increment('n', 2, 1)])).toEqual(OK);
      expect(await store().commit(partition, [increment('n', 2, 1)])).toEqual(failedAt(0));
      await sleep(700);
      expect(await store().commit(partition, [increment('n', 2, 1)])).toEqual(OK);
      expect(await store().peek(partition, 'n')).toBe('1');
    });
  });
}
