import { describe, expect, test } from '@jest/globals';
import type { Step } from '../../src/store/store.ts';
import type { Subject } from './conformance.ts';
import {
  absent,
  claim,
  claimWith,
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
/** All ids, unique strings and keys in the table of failures. */
const KNOWN = ['ada', 'bob', 'new', 'gone', 'ada@x', 'bob@x', 'new@x', 'countess', 'kept', 'claimed', 'fresh'];

const restored = (id: string, email: string): Step => ({
  do: 'restore',
  collection: PEOPLE,
  id,
  version: 7,
  text: '{"name":"Old \\u00fc"}',
  indexes: [['group', 'restored']],
  uniques: [['email', email]],
});

/** Each row makes a commit fail that starts with steps that succeed. */
const FAILURES: readonly (readonly [string, Step])[] = [
  ['insert of an existing id', insert('ada', { name: 'other' })],
  ['insert of a taken unique string', insert('other', { name: 'other', email: 'ada@x' })],
  ['insert of a taken unique string of several', insert('other', { name: 'other', handles: ['free', 'countess'] })],
  ['restore of an existing id', restored('ada', 'free@x')],
  ['restore of a taken unique string', restored('other', 'ada@x')],
  ['replace of an older version', replace('ada', 1, ADA)],
  ['replace of a future version', replace('ada', 3, ADA)],
  ['replace of version 0', replace('ada', 0, ADA)],
  ['replace of a missing record', replace('gone', 1, ADA)],
  ['replace of a record of another collection', replace('ada', 2, ADA, PETS)],
  ['replace with a taken unique string', replace('bob', 1, { ...BOB, email: 'ada@x' })],
  ['delete of an older version', remove('ada', 1)],
  ['delete of a future version', remove('ada', 3)],
  ['delete of a missing record', remove('gone', 1)],
  ['require of a missing record', need('gone')],
  ['require of an older version', need('ada', 1)],
  ['require of a future version', need('ada', 3)],
  ['take of a missing key', take('gone')],
  ['claim of a key with a value', claim('kept')],
  ['claim of a claimed key', claim('claimed')],
  ['absent of a key with a value', absent('kept')],
  ['absent of a claimed key', absent('claimed')],
];

/** Steps of every kind that succeed and leave a trace. */
const TRACES: readonly Step[] = [
  insert('new', { name: 'New', email: 'new@x', groups: ['math', 'new'] }),
  replace('bob', 1, { name: 'Robert', groups: ['poets'] }),
  put('fresh', 'value'),
  put('kept', 'overwritten'),
  claim('new'),
];

export function commitGuarantees({ store }: Subject): void {
  /** Creates a partition with records, indexes, unique strings and expiring values. `ada` has version 2, `bob` version 1. */
  async function furnished(): Promise<string> {
    const partition = newPartition();
    const steps = [insert('ada', BOB), replace('ada', 1, ADA), insert('bob', BOB), put('kept', 'precious'), claim('claimed')];
    expect(await store().commit(partition, steps)).toEqual(OK);
    return partition;
  }

  describe('steps', () => {
    test('inserts version 1', async () => {
      const partition = newPartition();
      expect(await store().get(partition, PEOPLE, 'ada')).toBeUndefined();
      expect(await store().commit(partition, [insert('ada', ADA)])).toEqual(OK);
      expect(await store().get(partition, PEOPLE, 'ada')).toEqual({ id: 'ada', version: 1, value: ADA });
    });

    test('replaces the complete value and increments the version', async () => {
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

    test('deletes everything of a record, whose id can be inserted again with version 1', async () => {
      const partition = await furnished();
      expect(await store().commit(partition, [remove('ada', 2)])).toEqual(OK);
      expect(await store().get(partition, PEOPLE, 'ada')).toBeUndefined();
      expect(await store().getUnique(partition, PEOPLE, 'email', 'ada@x')).toBeUndefined();
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'name'))).toEqual(['bob']);
      expect(idsOf(await findAll(store(), partition, PEOPLE, 'group'))).toEqual(['bob']);
      expect(await store().commit(partition, [insert('ada', ADA)])).toEqual(OK);
      expect((await store().get(partition, PEOPLE, 'ada'))?.version).toBe(1);
    });

    test('changes nothing for require and absent', async () => {
      const partition = await furnished();
      const before = await everything(store(), partition, KNOWN);
      expect(
        await store().commit(partition, [need('ada'), need('ada', 2), absent('new'), need('bob', 1), absent('new'), absent('ada')]),
      ).toEqual(OK);
      expect(await everything(store(), partition, KNOWN)).toEqual(before);
    });

    test('overwrites with put, and deletes with take and drop', async () => {
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

    test('keeps the value of the claim that succeeded, which is empty if it has none', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [claim('plain'), claimWith('with', 'first “✓”')])).toEqual(OK);
      expect(await store().commit(partition, [claimWith('with', 'second')])).toEqual(failedAt(0));
      expect(await store().commit(partition, [claimWith('plain', 'second')])).toEqual(failedAt(0));
      expect(await store().peek(partition, 'with')).toBe('first “✓”');
      expect(await store().peek(partition, 'plain')).toBe('');
    });

    test('lets a claim succeed once, and again after its value was taken or dropped', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [claim('once')])).toEqual(OK);
      expect(await store().peek(partition, 'once')).not.toBeUndefined();
      expect(await store().commit(partition, [claim('once')])).toEqual(failedAt(0));
      expect(await store().commit(partition, [take('once')])).toEqual(OK);
      expect(await store().commit(partition, [claim('once')])).toEqual(OK);
      expect(await store().commit(partition, [drop('once')])).toEqual(OK);
      expect(await store().commit(partition, [claim('once')])).toEqual(OK);
    });

    test('accepts a commit without steps', async () => {
      expect(await store().commit(newPartition(), [])).toEqual(OK);
    });

    test('keeps keys and ids apart', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [put('ada', 'a key'), insert('ada', ADA), insert('ada', BOB, PETS)])).toEqual(OK);
      expect(await store().commit(partition, [drop('ada'), remove('ada', 1, PETS)])).toEqual(OK);
      expect(await store().get(partition, PEOPLE, 'ada')).toEqual({ id: 'ada', version: 1, value: ADA });
      expect(await store().get(partition, PETS, 'ada')).toBeUndefined();
    });

    test('accepts a replicated commit if there are no replicas', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [insert('ada', ADA)], { replicated: true })).toEqual(OK);
      expect(await store().commit(partition, [insert('ada', ADA)], { replicated: true })).toEqual(failedAt(0));
      expect((await store().get(partition, PEOPLE, 'ada'))?.version).toBe(1);
    });
  });

  describe('atomicity', () => {
    test.each(FAILURES)('%s: returns the position of the failed step and writes nothing', async (_title, failing) => {
      const partition = await furnished();
      const before = await everything(store(), partition, KNOWN);
      for (const position of [0, 2, TRACES.length]) {
        const steps = [...TRACES.slice(0, position), failing, ...TRACES.slice(position)];
        expect(await store().commit(partition, steps)).toEqual(failedAt(position));
        expect(await everything(store(), partition, KNOWN)).toEqual(before);
      }
      // The trace that the steps would have left:
      expect(await store().commit(partition, TRACES)).toEqual(OK);
      expect(await everything(store(), partition, KNOWN)).not.toEqual(before);
    });

    test('keeps what a failed commit would have deleted', async () => {
      const partition = await furnished();
      const before = await everything(store(), partition, KNOWN);
      const steps = [remove('ada', 2), take('kept'), drop('claimed'), replace('bob', 1, { name: 'Robert' }), need('gone')];
      expect(await store().commit(partition, steps)).toEqual(failedAt(4));
      expect(await everything(store(), partition, KNOWN)).toEqual(before);
    });

    test('returns the position of the first step that fails', async () => {
      const partition = await furnished();
      expect(await store().commit(partition, [need('ada'), take('gone'), need('gone'), insert('ada', ADA)])).toEqual(failedAt(1));
    });
  });

  describe('steps see the effects of earlier steps in the commit', () => {
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
      ['require after delete', [insert('new', ADA), remove('new', 1), need('new')]],
      ['claim twice', [claim('new'), claim('new')]],
      ['claim after put', [put('new', ''), claim('new')]],
      ['absent after put', [put('new', ''), absent('new')]],
      ['absent after claim', [claim('new'), absent('new')]],
      ['take twice', [put('new', ''), take('new'), take('new')]],
      ['take after drop', [put('new', ''), drop('new'), take('new')]],
    ])('fails at the last step: %s', async (_title, steps) => {
      const partition = newPartition();
      const before = await everything(store(), partition, KNOWN);
      expect(await store().commit(partition, steps)).toEqual(failedAt(steps.length - 1));
      expect(await everything(store(), partition, KNOWN)).toEqual(before);
    });

    test('keeps the last of several values of one record, with its index entries only', async () => {
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

    test('commits a thousand steps', async () => {
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

    test('commits five thousand records with one index string', async () => {
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
