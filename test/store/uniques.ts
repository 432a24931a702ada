import { describe, expect, test } from '@jest/globals';
import type { Step } from '../../src/store/store.ts';
import type { Subject } from './conformance.ts';
import { failedAt, insert, newPartition, OK, PEOPLE, PETS, remove, replace } from './people.ts';

export function uniqueGuarantees({ store }: Subject): void {
  const holder = async (partition: string, email: string) => (await store().getUnique(partition, PEOPLE, 'email', email))?.id;
  const started = async (...steps: readonly Step[]): Promise<string> => {
    const partition = newPartition();
    expect(await store().commit(partition, steps)).toEqual(OK);
    return partition;
  };

  describe('unique strings', () => {
    test('find the complete record that has them', async () => {
      const ada = { name: 'Ada', email: 'ada@x', handles: ['a', 'b'] };
      const partition = await started(insert('ada', ada), insert('bob', { name: 'Bob' }));
      for (const [unique, value] of [['email', 'ada@x'] as const, ['handle', 'a'] as const, ['handle', 'b'] as const]) {
        expect(await store().getUnique(partition, PEOPLE, unique, value)).toEqual({ id: 'ada', version: 1, value: ada });
      }
      expect(await store().getUnique(partition, PEOPLE, 'email', 'a')).toBeUndefined();
      expect(await store().getUnique(partition, PEOPLE, 'handle', 'ada@x')).toBeUndefined();
      expect(await store().getUnique(partition, PETS, 'email', 'ada@x')).toBeUndefined();
    });

    test('belong to one record of a partition', async () => {
      const partition = await started(insert('ada', { name: 'Ada', email: 'x' }), insert('bob', { name: 'Bob', email: 'y' }));
      expect(await store().commit(partition, [insert('eve', { name: 'Eve', email: 'x' })])).toEqual(failedAt(0));
      expect(await store().commit(partition, [replace('bob', 1, { name: 'Bob', email: 'x' })])).toEqual(failedAt(0));
      expect(await holder(partition, 'x')).toBe('ada');
      expect(await holder(partition, 'y')).toBe('bob');
    });

    test('can be equal with another name, in another collection or in another partition', async () => {
      const partition = await started(insert('ada', { name: 'Ada', email: 'x' }));
      expect(await store().commit(partition, [insert('bob', { name: 'Bob', handles: ['x'] })])).toEqual(OK);
      expect(await store().commit(partition, [insert('ada', { name: 'Ada', email: 'x' }, PETS)])).toEqual(OK);
      expect(await store().commit(newPartition(), [insert('eve', { name: 'Eve', email: 'x' })])).toEqual(OK);
    });

    test('are compared exactly', async () => {
      const strings = [
        'x',
        'X',
        ' x',
        'x ',
        'x\n',
        '\u00e9',
        'e\u0301',
        'ß',
        'ss',
        '\u{1f600}',
        '\uff5e',
        '',
        '%',
        '_',
        '*',
        'x*',
        'null',
        '1',
        '01',
      ];
      const partition = await started(...strings.map((email, i) => insert(`p${i}`, { name: 'P', email })));
      for (const [i, email] of strings.entries()) {
        expect(await holder(partition, email)).toBe(`p${i}`);
        expect(await store().commit(partition, [insert('other', { name: 'O', email })])).toEqual(failedAt(0));
      }
    });

    test('stay with a record that is replaced by a value with the same strings', async () => {
      const partition = await started(insert('ada', { name: 'Ada', email: 'x', handles: ['a', 'b'] }));
      expect(await store().commit(partition, [replace('ada', 1, { name: 'Countess', email: 'x', handles: ['b', 'c'] })])).toEqual(OK);
      expect((await store().getUnique(partition, PEOPLE, 'email', 'x'))?.version).toBe(2);
      expect((await store().getUnique(partition, PEOPLE, 'handle', 'b'))?.value.name).toBe('Countess');
      expect(await store().getUnique(partition, PEOPLE, 'handle', 'a')).toBeUndefined();
    });

    test('can occur twice in one value', async () => {
      const partition = await started(insert('ada', { name: 'Ada', handles: ['a', 'a'] }));
      expect((await store().getUnique(partition, PEOPLE, 'handle', 'a'))?.id).toBe('ada');
      expect(await store().commit(partition, [replace('ada', 1, { name: 'Ada', handles: ['b', 'b'] })])).toEqual(OK);
      expect(await store().commit(partition, [insert('bob', { name: 'Bob', handles: ['a'] })])).toEqual(OK);
      expect(await store().commit(partition, [insert('eve', { name: 'Eve', handles: ['b'] })])).toEqual(failedAt(0));
    });

    test('are freed by delete', async () => {
      const partition = await started(insert('ada', { name: 'Ada', email: 'x' }));
      expect(await store().commit(partition, [remove('ada', 1)])).toEqual(OK);
      expect(await store().commit(partition, [insert('bob', { name: 'Bob', email: 'x' })])).toEqual(OK);
      expect(await holder(partition, 'x')).toBe('bob');
    });

    test('are freed by replace', async () => {
      const partition = await started(insert('ada', { name: 'Ada', email: 'x' }));
      expect(await store().commit(partition, [replace('ada', 1, { name: 'Ada', email: 'y' })])).toEqual(OK);
      expect(await holder(partition, 'x')).toBeUndefined();
      expect(await store().commit(partition, [insert('bob', { name: 'Bob', email: 'x' })])).toEqual(OK);
      expect(await holder(partition, 'x')).toBe('bob');
    });

    test('are not freed by a failed commit', async () => {
      const partition = await started(insert('ada', { name: 'Ada', email: 'x' }));
      expect(await store().commit(partition, [remove('ada', 1), remove('ada', 1)])).toEqual(failedAt(1));
      expect(await store().commit(partition, [replace('ada', 1, { name: 'Ada' }), remove('ada', 1)])).toEqual(failedAt(1));
      expect(await store().commit(partition, [insert('bob', { name: 'Bob', email: 'x' })])).toEqual(failedAt(0));
      expect(await holder(partition, 'x')).toBe('ada');
    });

    test('are not taken by a failed commit', async () => {
      const partition = await started(insert('ada', { name: 'Ada' }));
      expect(await store().commit(partition, [insert('bob', { name: 'Bob', email: 'x' }), insert('ada', { name: 'Ada' })])).toEqual(
        failedAt(1),
      );
      expect(await store().commit(partition, [insert('eve', { name: 'Eve', email: 'x' })])).toEqual(OK);
      expect(await holder(partition, 'x')).toBe('eve');
    });

    test.each<[string, readonly Step[]]>([
      ['given up by replace, taken by replace', [replace('ada', 1, { name: 'Ada' }), replace('bob', 1, { name: 'Bob', email: 'x' })]],
      ['given up by delete, taken by replace', [remove('ada', 1), replace('bob', 1, { name: 'Bob', email: 'x' })]],
    ])('move between records within one commit: %s', async (_title, steps) => {
      const partition = await started(insert('ada', { name: 'Ada', email: 'x' }), insert('bob', { name: 'Bob', email: 'y' }));
      expect(await store().commit(partition, steps)).toEqual(OK);
      expect(await holder(partition, 'x')).toBe('bob');
      expect(await holder(partition, 'y')).toBeUndefined();
      expect(await store().commit(partition, [insert('eve', { name: 'Eve', email: 'y' })])).toEqual(OK);
    });

    test('move to a record that is inserted in place of the other', async () => {
      const partition = await started(insert('ada', { name: 'Ada', email: 'x' }));
      expect(await store().commit(partition, [remove('ada', 1), insert('ada', { name: 'New', email: 'x' })])).toEqual(OK);
      expect((await store().getUnique(partition, PEOPLE, 'email', 'x'))?.value.name).toBe('New');
    });

    test('rotate between records within one commit', async () => {
      const partition = await started(insert('ada', { name: 'Ada', email: 'x' }), insert('bob', { name: 'Bob', email: 'y' }));
      const steps = [
        replace('ada', 1, { name: 'Ada' }),
        replace('bob', 1, { name: 'Bob', email: 'x' }),
        replace('ada', 2, { name: 'Ada', email: 'y' }),
      ];
      expect(await store().commit(partition, steps)).toEqual(OK);
      expect([await holder(partition, 'x'), await holder(partition, 'y')]).toEqual(['bob', 'ada']);
    });

    test('cannot be taken before they are freed', async () => {
      const partition = await started(insert('ada', { name: 'Ada', email: 'x' }), insert('bob', { name: 'Bob', email: 'y' }));
      const taken = [replace('bob', 1, { name: 'Bob', email: 'x' }), replace('ada', 1, { name: 'Ada' })];
      expect(await store().commit(partition, taken)).toEqual(failedAt(0));
      expect([await holder(partition, 'x'), await holder(partition, 'y')]).toEqual(['ada', 'bob']);
    });
  });
}
