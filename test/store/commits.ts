import { describe, expect, test } from '@jest/globals';
import type { Step } from '../../src/store/store.ts';
import type { Subject } from './conformance.ts';
import {
  absent,
  claim,
  drop,
  everything,
  failedAt,
  findAll,
  idsOf,
  insert,
  need,
  newPartition,
  OK,
  PEOPLE,
  PETS,
  put,
  remove,
  replace,
  take,
} from './people.ts';

const ADA = { name: 'Ada', email: 'ada@x', handles: ['ada', 'countess'], groups: ['math', 'poets'] };
const BOB = { name: 'Bob', email: 'bob@x', groups: ['math'] };
/** Every id, unique string and key that the table of failures uses. */
const KNOWN = ['ada', 'bob', 'new', 'gone', 'ada@x', 'bob@x', 'new@x', 'countess', 'kept', 'claimed', 'fresh'];

/** Each makes a commit fail, after the beginning of {@link commitPromises}’ table. */
const FAILURES: readonly (readonly [string, Step])[] = [
  ['insert of an id that is there', insert('ada', { name: 'other' })],
  ['insert of a taken unique string', insert('other', { name: 'other', email: 'ada@x' })],
  ['insert of a taken unique string of several', insert('other', { name: 'other', handles: ['free', 'countess'] })],
  ['replace of an older version', replace('ada', 1, ADA)],
  ['replace of a version to come', replace('ada', 3, ADA)],
  ['replace of version 0', replace('ada', 0, ADA)],
  ['replace of a record that is not there', replace('gone', 1, ADA)],
  ['replace of a record of another collection', replace('ada', 2, ADA, PETS)],
  ['replace by a taken unique string', replace('bob', 1, { ...BOB, email: 'ada@x' })],
  ['delete of an older version', remove('ada', 1)],
  ['delete of a version to come', remove('ada', 3)],
  ['delete of a record that is not there', remove('gone', 1)],
  ['require of a record that is not there', need('gone')],
  ['require of an older version', need('ada', 1)],
  ['require of a version to come', need('ada', 3)],
  ['take of a key that is not there', take('gone')],
  ['claim of a key with a value', claim('kept')],
  ['claim of a claimed key', claim('claimed')],
  ['absent of a key with a value', absent('kept')],
  ['absent of a claimed key', absent('claimed')],
];

/** Steps of every kind that succeed and would leave a trace. */
const TRACES: readonly Step[] = [
  insert('new', { name: 'New', email: 'new@x', groups: ['math', 'new'] }),
  replace('bob', 1, { name: 'Robert', groups: ['poets'] }),
  put('fresh', 'value'),
  put('kept', 'overwritten'),
  claim('new'),
];

export function commitPromises({ store }: Subject): void {
  /** A partition with records, indexes, unique strings and expiring values: `ada` has version 2, `bob` version 1. */
  async function furnished(): Promise<string> {
    const partition = newPartition();
    const steps = [insert('ada', BOB), replace('ada', 1, ADA), insert('bob', BOB), put('kept', 'precious'), claim('claimed')];
    expect(await store().commit(partition, steps)).toEqual(OK);
    return partition;
  }

  describe('steps', () => {
    test('insert writes version 1', async () => {
      const partition = newPartition();
      expect(await store().get(partition, PEOPLE, 'ada')).toBeUndefined();
      expect(await store().commit(partition, [insert('ada', ADA)])).toEqual(OK);
      expect(await store().get(partition, PEOPLE, 'ada')).toEqual({ id: 'ada', version: 1, value: ADA });
    });

    test('replace counts versions and takes the whole value', async () => {
      const partition = await furnished();
      for (let version = 2; version < 13; version++) {
        expect(await store().commit(partition, [replace('ada', version, { name: `v${version + 1}` })])).toEqual(OK);
        expect(await store().get(partition, PEOPLE, 'ada')).toEqual({
          id: 'ada',
          version: version + 1,
          value: { name: `v${version + 1}` },
        });
      }
      expect(await store().commit(partition, [replace('ada', 2, ADA)])).toEqual(failedAt(0));
    });

    test('delete leaves nothing, and the id may be inserted again from version 1', async () => {
      const partition = await furnished();
      expect(await store().commit(partition, [remove('ada', 2)])).toEqual(OK);
      expect(await store().get(partition, PEOPLE, 'ada')).toBeUndefined();
      expect(await store().getUnique(partition, PEOPLE, 'email', 'ada@x')).toBeUndefined();
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'name'))).toEqual(['bob']);
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'group'))).toEqual(['bob']);
      expect(await store().commit(partition, [insert('ada', ADA)])).toEqual(OK);
      expect((await store().get(partition, PEOPLE, 'ada'))?.version).toBe(1);
    });

    test('require and absent change nothing', async () => {
      const partition = await furnished();
      const before = await everything(store(), partition, KNOWN);
      expect(
        await store().commit(partition, [need('ada'), need('ada', 2), absent('new'), need('bob', 1), absent('new'), absent('ada')]),
      ).toEqual(OK);
      expect(await everything(store(), partition, KNOWN)).toEqual(before);
    });

    test('put writes over what is there, take and drop delete', async () => {
      const partition = await furnished();
      expect(await store().peek(partition, 'kept')).toBe('precious');
      expect(await store().commit(partition, [put('kept', ''), put('claimed', 'no marker')])).toEqual(OK);
      expect(await store().peek(partition, 'kept')).toBe('');
      expect(await store().peek(partition, 'claimed')).toBe('no marker');
      expect(await store().commit(partition, [take('kept'), drop('claimed'), drop('never there')])).toEqual(OK);
      expect(await store().peek(partition, 'kept')).toBeUndefined();
      expect(await store().peek(partition, 'claimed')).toBeUndefined();
      expect(await store().commit(partition, [take('kept')])).toEqual(failedAt(0));
    });

    test('claim succeeds once, and again after its value was taken or dropped', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [claim('once')])).toEqual(OK);
      expect(await store().peek(partition, 'once')).not.toBeUndefined();
      expect(await store().commit(partition, [claim('once')])).toEqual(failedAt(0));
      expect(await store().commit(partition, [take('once')])).toEqual(OK);
      expect(await store().commit(partition, [claim('once')])).toEqual(OK);
      expect(await store().commit(partition, [drop('once')])).toEqual(OK);
      expect(await store().commit(partition, [claim('once')])).toEqual(OK);
    });

    test('no step at all is a commit', async () => {
      expect(await store().commit(newPartition(), [])).toEqual(OK);
    });

    test('keys and ids are apart', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [put('ada', 'a key'), insert('ada', ADA), insert('ada', BOB, PETS)])).toEqual(OK);
      expect(await store().commit(partition, [drop('ada'), remove('ada', 1, PETS)])).toEqual(OK);
      expect(await store().get(partition, PEOPLE, 'ada')).toEqual({ id: 'ada', version: 1, value: ADA });
      expect(await store().get(partition, PETS, 'ada')).toBeUndefined();
    });

    test('a commit to more than one replica, where there are any, is a commit', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [insert('ada', ADA)], { replicated: true })).toEqual(OK);
      expect(await store().commit(partition, [insert('ada', ADA)], { replicated: true })).toEqual(failedAt(0));
      expect((await store().get(partition, PEOPLE, 'ada'))?.version).toBe(1);
    });
  });

  describe('a commit is all or nothing', () => {
    test.each(FAILURES)('%s: its position is told, nothing is written', async (_title, failing) => {
      const partition = await furnished();
      const before = await everything(store(), partition, KNOWN);
      for (const position of [0, 2, TRACES.length]) {
        const steps = [...TRACES.slice(0, position), failing, ...TRACES.slice(position)];
        expect(await store().commit(partition, steps)).toEqual(failedAt(position));
        expect(await everything(store(), partition, KNOWN)).toEqual(before);
      }
      // The trace that all of this would have left:
      expect(await store().commit(partition, TRACES)).toEqual(OK);
      expect(await everything(store(), partition, KNOWN)).not.toEqual(before);
    });

    test('what was to be deleted stays', async () => {
      const partition = await furnished();
      const before = await everything(store(), partition, KNOWN);
      const steps = [remove('ada', 2), take('kept'), drop('claimed'), replace('bob', 1, { name: 'Robert' }), need('gone')];
      expect(await store().commit(partition, steps)).toEqual(failedAt(4));
      expect(await everything(store(), partition, KNOWN)).toEqual(before);
    });

    test('the first of several that fail is told', async () => {
      const partition = await furnished();
      expect(await store().commit(partition, [need('ada'), take('gone'), need('gone'), insert('ada', ADA)])).toEqual(failedAt(1));
    });
  });

  describe('steps of one commit see those before them', () => {
    test.each<[string, readonly Step[]]>([
      ['insert, replace, require', [insert('new', ADA), replace('new', 1, BOB), need('new', 2)]],
      ['insert, delete, insert', [insert('new', ADA), remove('new', 1), insert('new', ADA), need('new', 1)]],
      ['put, take, claim', [put('new', ''), take('new'), claim('new')]],
      ['claim, drop, claim', [claim('new'), drop('new'), claim('new')]],
      ['absent, put, take, absent', [absent('new'), put('new', ''), take('new'), absent('new')]],
    ])('%s', async (_title, steps) => {
      expect(await store().commit(newPartition(), steps)).toEqual(OK);
    });

    test.each<[string, readonly Step[]]>([
      ['insert twice', [insert('new', ADA), insert('new', BOB)]],
      ['the same unique string twice', [insert('new', ADA), insert('other', { ...BOB, handles: ['countess'] })]],
      ['replace one version twice', [insert('new', ADA), replace('new', 1, ADA), replace('new', 1, BOB)]],
      ['delete twice', [insert('new', ADA), remove('new', 1), remove('new', 1)]],
      ['require what was deleted', [insert('new', ADA), remove('new', 1), need('new')]],
      ['claim twice', [claim('new'), claim('new')]],
      ['claim what was put', [put('new', ''), claim('new')]],
      ['absent of what was put', [put('new', ''), absent('new')]],
      ['absent of what was claimed', [claim('new'), absent('new')]],
      ['take twice', [put('new', ''), take('new'), take('new')]],
      ['take what was dropped', [put('new', ''), drop('new'), take('new')]],
    ])('%s fails at the last', async (_title, steps) => {
      const partition = newPartition();
      const before = await everything(store(), partition, KNOWN);
      expect(await store().commit(partition, steps)).toEqual(failedAt(steps.length - 1));
      expect(await everything(store(), partition, KNOWN)).toEqual(before);
    });

    test('the last of several values of one record is what stays, with its indexes only', async () => {
      const partition = newPartition();
      const steps = [insert('ada', ADA), replace('ada', 1, BOB), replace('ada', 2, { name: 'Last', email: 'last@x', groups: ['last'] })];
      expect(await store().commit(partition, steps)).toEqual(OK);
      expect(await store().getUnique(partition, PEOPLE, 'email', 'bob@x')).toBeUndefined();
      expect(await store().getUnique(partition, PEOPLE, 'handle', 'ada')).toBeUndefined();
      expect((await store().getUnique(partition, PEOPLE, 'email', 'last@x'))?.version).toBe(3);
      expect(await findAll(store(), partition, PEOPLE, 'group', { equals: 'math' })).toEqual([]);
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'group'))).toEqual(['ada']);
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'name'))).toEqual(['ada']);
    });

    test('a thousand steps', async () => {
      const partition = newPartition();
      const steps = Array.from({ length: 500 }, (_, i) => [
        insert(`p${i}`, { name: `${i}`, email: `${i}@x` }),
        put(`k${i}`, `${i}`),
      ]).flat();
      expect(await store().commit(partition, [...steps, take('k500')])).toEqual(failedAt(1000));
      expect(await findAll(store(), partition, PEOPLE, 'name')).toEqual([]);
      expect(await store().commit(partition, steps)).toEqual(OK);
      expect(await findAll(store(), partition, PEOPLE, 'name')).toHaveLength(500);
      expect(await store().peek(partition, 'k499')).toBe('499');
    });

    test('five thousand records of one list', async () => {
      const partition = newPartition();
      const ids = Array.from({ length: 5000 }, (_, i) => `p${i}`);
      const found = async () => (await findAll(store(), partition, PEOPLE, 'name')).length;
      const steps = ids.map((id) => insert(id, { name: 'Ada' }));
      expect(await store().commit(partition, steps)).toEqual(OK);
      expect(await found()).toBe(5000);
      const others = ids.map((id, i) => (i % 2 ? remove(id, 1) : replace(id, 1, { name: 'Bob' })));
      expect(await store().commit(partition, others)).toEqual(OK);
      expect([await found(), (await findAll(store(), partition, PEOPLE, 'name', { equals: 'Ada' })).length]).toEqual([2500, 0]);
    });
  });
}
