/** Checks every method of a store during an outage and after it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { Store } from '../../src/store/store.ts';
import { codeOf, PEOPLE, put } from './people.ts';

/** A sign-in has failed by then. */
export const TOLD_WITHIN_MS = 5000;

/** All methods of a store, by name. */
const callsOf = (store: Store, partition: string): Record<string, () => Promise<unknown>> => ({
  get: () => store.get(partition, PEOPLE, 'ada'),
  getUnique: () => store.getUnique(partition, PEOPLE, 'email', 'ada@x'),
  find: () => store.find(partition, PEOPLE, 'name', { limit: 1 }),
  peek: () => store.peek(partition, 'key'),
  commit: () => store.commit(partition, [put('key', 'value')]),
  purge: () => store.purge(partition),
  ping: () => store.ping(),
});

/** Checks that every method throws `store_unavailable` in time. */
export async function expectUnavailable(store: Store, partition: string): Promise<void> {
  const startedMs = performance.now();
  const calls = Object.entries(callsOf(store, partition));
  const codes = await Promise.all(calls.map(async ([name, call]) => [name, await codeOf(call)]));
  expect(codes).toEqual(calls.map(([name]) => [name, 'store_unavailable']));
  expect(performance.now() - startedMs).toBeLessThan(TOLD_WITHIN_MS);
}

/** Resolves when a call succeeds again. Until then it must throw `store_unavailable`. */
export async function answers(call: () => Promise<unknown>, withinMs = 10_000): Promise<void> {
  const startedMs = performance.now();
  for (let code = await codeOf(call); !code.startsWith('answered'); code = await codeOf(call)) {
    expect(code).toBe('store_unavailable');
    expect(performance.now() - startedMs).toBeLessThan(withinMs);
    await sleep(20);
  }
}

/** Resolves when the store answers again, without being opened again. */
export const isBack = (store: Store): Promise<void> => answers(() => store.ping());
