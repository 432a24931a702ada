import { describe, expect, test } from '@jest/globals';
import type { Store } from '../../src/store/store.ts';
import { updateRecord } from '../../src/store/update-record.ts';
import type { Subject } from './conformance.ts';
import { claim, codeOf, insert, newPartition, OK, PEOPLE, put, remove, replace, take } from './people.ts';

export function updateGuarantees({ store }: Subject): void {
  const started = async (): Promise<string> => {
    const partition = newPartition();
    expect(await store().commit(partition, [insert('ada', { name: 'Ada', note: 0 }), insert('bob', { name: 'Bob', email: 'x' })])).toEqual(
      OK,
    );
    return partition;
  };

  describe('updateRecord', () => {
    test('writes the changed value and returns the record', async () => {
      const partition = await started();
      const written = await updateRecord(store(), {
        partition,
        collection: PEOPLE,
        id: 'ada',
        change: (ada) => ({ ...ada, name: 'Countess' }),
      });
      expect(written).toEqual({ id: 'ada', version: 2, value: { name: 'Countess', note: 0 } });
      expect(await store().get(partition, PEOPLE, 'ada')).toEqual(written);
    });

    test('leaves the record unchanged if change returns undefined', async () => {
      const partition = await started();
      const left = await updateRecord(store(), {
        partition,
        collection: PEOPLE,
        id: 'ada',
        change: () => undefined,
        extraSteps: () => [put('key', 'never')],
      });
      expect(left).toEqual({ id: 'ada', version: 1, value: { name: 'Ada', note: 0 } });
      expect((await store().get(partition, PEOPLE, 'ada'))?.version).toBe(1);
      expect(await store().peek(partition, 'key')).toBeUndefined();
    });

    test('returns undefined if there is no record', async () => {
      const partition = await started();
      expect(
        await updateRecord(store(), { partition, collection: PEOPLE, id: 'eve', change: (eve) => ({ ...eve, name: 'Eve' }) }),
      ).toBeUndefined();
      expect(await store().get(partition, PEOPLE, 'eve')).toBeUndefined();
    });

    test('writes extra steps in the same commit', async () => {
      const partition = await started();
      const change = () =>
        updateRecord(store(), {
          partition,
          collection: PEOPLE,
          id: 'ada',
          change: (ada) => ({ ...ada, name: `${ada.name}!` }),
          extraSteps: (before, after) => [put('from', before.name), put('to', after.name), claim('once')],
        });
      expect((await change())?.value.name).toBe('Ada!');
      expect([await store().peek(partition, 'from'), await store().peek(partition, 'to')]).toEqual(['Ada', 'Ada!']);
      expect(await codeOf(change)).toBe('conflict');
      expect((await store().get(partition, PEOPLE, 'ada'))?.value.name).toBe('Ada!');
      expect(await store().peek(partition, 'to')).toBe('Ada!');
    });

    test('starts again after a concurrent change', async () => {
      const partition = await started();
      let calls = 0;
      const racing: Store = {
        ...forwarding(store()),
        get: async (...args) => {
          const read = await store().get(...args);
          if (read && ++calls < 4) await store().commit(partition, [replace('ada', read.version, { name: 'Ada', note: calls })]);
          return read;
        },
      };
      const written = await updateRecord(racing, {
        partition,
        collection: PEOPLE,
        id: 'ada',
        change: (ada) => ({ ...ada, name: `saw ${ada.note}` }),
      });
      expect(written).toEqual({ id: 'ada', version: 5, value: { name: 'saw 3', note: 3 } });
    });

    test('throws conflict after repeated concurrent changes, and if a unique string is taken', async () => {
      const partition = await started();
      const racing: Store = {
        ...forwarding(store()),
        get: async (...args) => {
          const read = await store().get(...args);
          if (read) await store().commit(partition, [replace('ada', read.version, { name: 'other' })]);
          return read;
        },
      };
      expect(await codeOf(() => updateRecord(racing, { partition, collection: PEOPLE, id: 'ada', change: () => ({ name: 'mine' }) }))).toBe(
        'conflict',
      );
      expect(await store().get(partition, PEOPLE, 'ada')).toEqual({ id: 'ada', version: 21, value: { name: 'other' } });
      expect(
        await codeOf(() =>
          updateRecord(store(), { partition, collection: PEOPLE, id: 'ada', change: () => ({ name: 'mine', email: 'x' }) }),
        ),
      ).toBe('conflict');
    });

    test('returns undefined if the record is deleted meanwhile', async () => {
      const partition = await started();
      const racing: Store = {
        ...forwarding(store()),
        get: async (...args) => {
          const read = await store().get(...args);
          if (read) await store().commit(partition, [remove('ada', read.version)]);
          return read;
        },
      };
      expect(
        await updateRecord(racing, {
          partition,
          collection: PEOPLE,
          id: 'ada',
          change: () => ({ name: 'mine' }),
          extraSteps: () => [take('nothing')],
        }),
      ).toBeUndefined();
    });
  });
}

/** Returns the store as an object whose methods can be replaced one by one. */
function forwarding(store: Store): Store {
  return {
    get: (...args) => store.get(...args),
    getUnique: (...args) => store.getUnique(...args),
    find: (...args) => store.find(...args),
    isEmpty: (...args) => store.isEmpty(...args),
    count: (...args) => store.count(...args),
    peek: (...args) => store.peek(...args),
    commit: (...args) => store.commit(...args),
    purge: (...args) => store.purge(...args),
    ping: () => store.ping(),
    warnings: () => store.warnings(),
    close: () => store.close(),
  };
}
