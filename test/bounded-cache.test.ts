import { describe, expect, it } from '@jest/globals';
import { BoundedCache } from '../src/bounded-cache.ts';

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** How many of the keys the cache holds. Reading is a use, so each call asks a copy with the same history. */
const heldAfter = (history: (cache: BoundedCache<number>) => void, keys: readonly number[]) =>
  keys.filter((key) => {
    const cache = new BoundedCache<number>(10);
    history(cache);
    return cache.get(String(key)) === key;
  });

const setAll = (cache: BoundedCache<number>, keys: readonly number[]) => {
  for (const key of keys) cache.set(String(key), key);
};

describe('bounded cache', () => {
  it('keeps the latest half of its size, and never more than its size', () => {
    for (const last of [1, 5, 6, 10, 11, 99, 100]) {
      const history = (cache: BoundedCache<number>) => setAll(cache, numbers(1, last));
      const latest = numbers(Math.max(1, last - 4), last);
      expect(heldAfter(history, latest)).toEqual(latest);
      expect(heldAfter(history, numbers(1, last)).length).toBeLessThanOrEqual(10);
    }
  });

  it('keeps an entry that is read, however many others are added', () => {
    const cache = new BoundedCache<number>(10);
    cache.set('0', 0);
    for (const key of numbers(1, 1000)) {
      setAll(cache, [key]);
      expect(cache.get('0')).toBe(0);
    }
  });

  it('drops an entry that is no longer used', () => {
    expect(heldAfter((cache) => setAll(cache, numbers(0, 5)), [0])).toEqual([0]);
    expect(heldAfter((cache) => setAll(cache, numbers(0, 10)), [0])).toEqual([]);
  });

  it('returns the latest value of a key that was set twice', () => {
    const cache = new BoundedCache<number>(10);
    cache.set('a', 1);
    setAll(cache, numbers(1, 5)); // moves a to the older generation
    cache.set('a', 2);
    expect(cache.get('a')).toBe(2);
  });

  it('does not return a deleted entry, whichever generation it was in', () => {
    const cache = new BoundedCache<number>(10);
    cache.set('a', 1);
    setAll(cache, numbers(1, 5));
    cache.set('a', 2);
    cache.delete('a');
    expect(cache.get('a')).toBeUndefined();
  });

  it('is empty after it was cleared', () => {
    const cache = new BoundedCache<number>(10);
    setAll(cache, numbers(1, 8));
    cache.clear();
    expect(numbers(1, 8).filter((key) => cache.get(String(key)) !== undefined)).toEqual([]);
  });
});
