import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import type { Subject } from './conformance.ts';
import { absent, claim, drop, failedAt, insert, need, newPartition, OK, put, take } from './people.ts';

/** The allowed difference between the clocks of gateway and store. Both are the clock of this machine, in whole milliseconds. */
const ROUNDING_MS = 20;

export function expiringGuarantees({ store }: Subject): void {
  /** Reads until the key has expired. Returns when the last read that found it and the first that did not were started. */
  async function watch(partition: string, key: string): Promise<{ lastSeenMs: number; goneMs: number }> {
    let lastSeenMs = 0;
    for (;;) {
      const beganMs = performance.now();
      if ((await store().peek(partition, key)) === undefined) return { lastSeenMs, goneMs: performance.now() };
      lastSeenMs = beganMs;
      await sleep(5);
    }
  }

  /** Resolves when the key, with a time to live of one second, has expired. */
  const gone = (partition: string, key: string) => watch(partition, key);

  describe('expiring values', () => {
    test('expire after their time to live, not earlier and not later', async () => {
      const partition = newPartition();
      const beforeMs = performance.now();
      expect(await store().commit(partition, [put('put', 'value', 1), claim('claim', 1), put('long', 'value', 100)])).toEqual(OK);
      const afterMs = performance.now();
      for (const { lastSeenMs, goneMs } of await Promise.all([watch(partition, 'put'), watch(partition, 'claim')])) {
        expect(goneMs - beforeMs).toBeGreaterThanOrEqual(1000 - ROUNDING_MS);
        expect(lastSeenMs - afterMs).toBeLessThanOrEqual(1000 + ROUNDING_MS);
      }
      expect(await store().peek(partition, 'long')).toBe('value');
    });

    test('never reappear, and have no effect after they expired', async () => {
      const partition = newPartition();
      const keys = ['peeked', 'taken', 'claimed', 'dropped', 'put'];
      expect(await store().commit(partition, [...keys.map((key) => put(key, 'old', 1)), claim('marker', 1)])).toEqual(OK);
      expect(await store().commit(partition, [claim('marker')])).toEqual(failedAt(0));
      await Promise.all([...keys, 'marker'].map((key) => gone(partition, key)));
      expect(await store().commit(partition, [insert('x', { name: 'x' }), take('taken')])).toEqual(failedAt(1));
      expect(await store().commit(partition, [need('x')])).toEqual(failedAt(0));
      expect(await store().commit(partition, [absent('peeked'), claim('claimed'), drop('dropped'), put('put', 'new', 100)])).toEqual(OK);
      expect(await store().commit(partition, [claim('marker')])).toEqual(OK);
      expect(await store().commit(partition, [claim('marker')])).toEqual(failedAt(0));
      expect(await store().peek(partition, 'put')).toBe('new');
      for (const key of ['peeked', 'taken', 'dropped']) expect(await store().peek(partition, key)).toBeUndefined();
    });

    test('reject a time to live that is not a number, and accept any length', async () => {
      const partition = newPartition();
      for (const nothing of [put('key', 'value', Number.NaN), claim('key', Number.NaN)])
        await expect(store().commit(partition, [insert('x', { name: 'x' }), nothing])).rejects.toThrow('a time to live is not a number');
      expect(await store().commit(partition, [need('x')])).toEqual(failedAt(0));
      expect(await store().commit(partition, [put('key', 'value', Number.POSITIVE_INFINITY), claim('gone', -1)])).toEqual(OK);
      expect(await store().peek(partition, 'key')).toBe('value');
      await sleep(ROUNDING_MS);
      expect(await store().peek(partition, 'gone')).toBeUndefined();
    });

    test('get the time to live of the last put', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [put('longer', 'first', 1), put('shorter', 'first', 600), put('clock', '', 1)])).toEqual(OK);
      expect(await store().commit(partition, [put('longer', 'second', 600), put('shorter', 'second', 1)])).toEqual(OK);
      await Promise.all([gone(partition, 'clock'), gone(partition, 'shorter')]);
      expect(await store().peek(partition, 'longer')).toBe('second');
      expect(await store().commit(partition, [claim('shorter')])).toEqual(OK);
    });

    test('keep their time to live after a failed claim or put', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [claim('once', 1), put('value', 'first', 1)])).toEqual(OK);
      expect(await store().commit(partition, [claim('once', 600)])).toEqual(failedAt(0));
      expect(await store().commit(partition, [put('value', 'second', 600), claim('once', 600)])).toEqual(failedAt(1));
      expect(await store().peek(partition, 'value')).toBe('first');
      await Promise.all([gone(partition, 'once'), gone(partition, 'value')]);
      expect(await store().commit(partition, [claim('once')])).toEqual(OK);
    });

    test('can live for a year', async () => {
      const partition = newPartition();
      expect(await store().commit(partition, [put('long', 'value', 366 * 86_400), claim('claim', 366 * 86_400)])).toEqual(OK);
      expect(await store().peek(partition, 'long')).toBe('value');
      expect(await store().commit(partition, [claim('claim')])).toEqual(failedAt(0));
    });
  });
}
