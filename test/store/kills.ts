import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { agreedValue } from './agreement.ts';
import { type Child, startChild } from './children.ts';
import type { Subject } from './conformance.ts';
import { findAll, newPartition, PEOPLE } from './people.ts';

const KILLS = 15;
const MOST_MS_ALIVE = 60;

/** Checks that all parts of the store agree on a number, and returns it. */
export async function agreedNumber(store: Store, partition: string): Promise<number> {
  const left = await store.get(partition, PEOPLE, 'left');
  const n = left?.version ?? 0;
  const both = n === 0 ? [] : ['left', 'right'].map((id) => ({ id, version: n, value: agreedValue(id, n) }));
  expect(await store.get(partition, PEOPLE, 'right')).toEqual(both[1]);
  expect(left).toEqual(both[0]);
  expect(await findAll(store, partition, PEOPLE, 'name')).toEqual(both);
  expect(await findAll(store, partition, PEOPLE, 'group')).toEqual([...both, ...both]);
  expect(await findAll(store, partition, PEOPLE, 'group', { equals: `n${n}` })).toEqual(both);
  for (const [i, id] of ['left', 'right'].entries()) {
    expect(await store.getUnique(partition, PEOPLE, 'email', `${id}${n}`)).toEqual(both[i]);
    for (const other of [n - 1, n + 1]) expect(await store.getUnique(partition, PEOPLE, 'email', `${id}${other}`)).toBeUndefined();
  }
  for (const key of ['first', 'last']) expect(await store.peek(partition, key)).toBe(n === 0 ? undefined : `${n}`);
  return n;
}

export function killGuarantees({ url }: Subject): void {
  describe('a process killed during commits', () => {
    test(`leaves no partial commit and loses no acknowledged one, in ${KILLS} kills`, async () => {
      const partition = newPartition();
      const start = () => startChild('./killed-writer.ts', [url(), partition]);
      // The next process starts while this one works, so that most of the time is spent in commits.
      let next: Child = start();
      let before = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        const child = next;
        expect(await child.nextLine()).toBe('ready');
        if (kill < KILLS - 1) next = start();
        child.send('go');
        const acknowledged = [await child.nextLine()];
        await sleep(Math.random() * MOST_MS_ALIVE);
        acknowledged.push(...(await child.kill()));
        const last = Number(acknowledged.at(-1));
        expect(acknowledged.map(Number)).toEqual(Array.from({ length: last - before }, (_, i) => before + 1 + i));
        const store = await openStore(url());
        const n = await agreedNumber(store, partition);
        expect([last, last + 1]).toContain(n);
        before = n;
        await store.close();
      }
    });
  });
}
