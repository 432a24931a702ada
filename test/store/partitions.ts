import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { GLOBAL } from '../../src/store/store.ts';
import type { Subject } from './conformance.ts';
import { claim, everything, failedAt, findAll, idsOf, insert, newPartition, OK, PEOPLE, PETS, put, remove, take } from './people.ts';

export function partitionGuarantees({ store }: Subject): void {
  const furnish = async (partition: string, mark: string): Promise<void> => {
    const steps = [
      insert('ada', { name: mark, email: 'ada@x', groups: ['g'] }),
      insert('ada', { name: mark, handles: ['ada'] }, PETS),
      put('key', mark),
      claim('claimed'),
    ];
    expect(await store().commit(partition, steps)).toEqual(OK);
  };
  const look = (partition: string) => everything(store(), partition, ['ada', 'ada@x', 'key', 'claimed']);

  describe('partitions', () => {
    test('keep equal ids, unique strings and keys apart', async () => {
      const [one, other] = [newPartition(), newPartition()];
      await furnish(one, 'one');
      await furnish(other, 'other');
      for (const [partition, mark] of [[one, 'one'] as const, [other, 'other'] as const]) {
        expect((await store().get(partition, PEOPLE, 'ada'))?.value.name).toBe(mark);
        expect((await store().getUnique(partition, PEOPLE, 'email', 'ada@x'))?.value.name).toBe(mark);
        expect((await findAll(store(), partition, PEOPLE, 'group', { equals: 'g' })).map(({ value }) => value.name)).toEqual([mark]);
        expect(await store().peek(partition, 'key')).toBe(mark);
      }
      const before = await look(other);
      expect(await store().commit(one, [remove('ada', 1), take('key'), take('claimed')])).toEqual(OK);
      expect(await look(other)).toEqual(before);
    });

    test('include the global partition, which works like the others', async () => {
      const [partition, id] = [newPartition(), newPartition()];
      expect(await store().commit(GLOBAL, [insert(id, { name: id, email: id }), put(id, id)])).toEqual(OK);
      expect((await store().getUnique(GLOBAL, PEOPLE, 'email', id))?.id).toBe(id);
      expect(await store().get(partition, PEOPLE, id)).toBeUndefined();
      expect(await store().peek(partition, id)).toBeUndefined();
      expect(await store().commit(GLOBAL, [remove(id, 1), take(id)])).toEqual(OK);
    });
  });

  describe('purge', () => {
    test('deletes a partition completely, and nothing of the others', async () => {
      const base = newPartition();
      // Names with the same prefix, and names that are patterns for the purged one.
      const others = [`${base}0`, base.slice(0, -1), `${base.slice(0, -1)}_`, `x${base}`, newPartition(), GLOBAL];
      await furnish(base, 'gone');
      const kept = others.filter((partition) => partition !== GLOBAL);
      for (const partition of kept) await furnish(partition, 'kept');
      const before = await Promise.all(others.map(look));
      const empty = await look(newPartition());
      await store().purge(base);
      expect(await look(base)).toEqual(empty);
      expect(await Promise.all(others.map(look))).toEqual(before);
      for (const partition of kept) await store().purge(partition);
      expect(await Promise.all(kept.map(look))).toEqual(kept.map(() => empty));
    });

    test('frees ids, unique strings and claims', async () => {
      const partition = newPartition();
      await furnish(partition, 'first');
      await store().purge(partition);
      await furnish(partition, 'second');
      expect((await store().get(partition, PEOPLE, 'ada'))?.version).toBe(1);
      expect(await store().commit(partition, [claim('claimed')])).toEqual(failedAt(0));
    });

    test('keeps the expiring values whose keys begin as asked, until they expire', async () => {
      const partition = newPartition();
      await furnish(partition, 'gone');
      const keys = ['kept:a', 'kept:\u00fc', 'kept:'];
      const others = ['kept', 'kepT:a', 'kept;', 'a', 'z'];
      await store().commit(
        partition,
        [...keys, ...others].map((key) => put(key, 'x')),
      );
      await store().commit(partition, [put('kept:short', 'x', 1)]);
      for (let i = 0; i < 2; i++) {
        await store().purge(partition, 'kept:');
        expect(await Promise.all([...keys, ...others].map((key) => store().peek(partition, key)))).toEqual([
          ...keys.map(() => 'x'),
          ...others.map(() => undefined),
        ]);
        expect(await store().get(partition, PEOPLE, 'ada')).toBeUndefined();
      }
      await sleep(1100);
      expect(await store().peek(partition, 'kept:short')).toBeUndefined();
    });

    test('can be repeated, also on an empty partition', async () => {
      const partition = newPartition();
      await store().purge(partition);
      await furnish(partition, 'x');
      await store().purge(partition);
      await store().purge(partition);
      expect(await store().get(partition, PEOPLE, 'ada')).toBeUndefined();
    });

    test('deletes a partition with thousands of records', async () => {
      const partition = newPartition();
      for (let start = 0; start < 3000; start += 500) {
        const numbers = Array.from({ length: 500 }, (_, i) => start + i);
        const people = numbers.map((n) => insert(`p${n}`, { name: `${n}`, email: `${n}@x`, groups: ['all', `${n % 3}`] }));
        expect(await store().commit(partition, [...people, ...numbers.map((n) => put(`k${n}`, `${n}`))])).toEqual(OK);
      }
      await store().purge(partition);
      for (const index of ['name', 'group']) expect(idsOf(await findAll(store(), partition, PEOPLE, index))).toEqual([]);
      const traces = Array.from({ length: 60 }, (_, i) => i * 50).map(async (n) => [
        await store().get(partition, PEOPLE, `p${n}`),
        await store().getUnique(partition, PEOPLE, 'email', `${n}@x`),
        await store().peek(partition, `k${n}`),
      ]);
      expect((await Promise.all(traces)).flat().filter((trace) => trace !== undefined)).toEqual([]);
    });
  });
}
