import { describe, expect, test } from '@jest/globals';
import { RecentlyUsed } from '../../src/auth/tokens/recently-used.ts';

const held = (remembered: RecentlyUsed<number>, keys: readonly number[]) => keys.filter((key) => remembered.get(String(key)) === key);
const use = (remembered: RecentlyUsed<number>, ...keys: number[]) => {
  for (const key of keys) remembered.set(String(key), key);
};
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('what was used last', () => {
  test('is remembered, never more of it than the size', () => {
    const remembered = new RecentlyUsed<number>(10);
    for (const key of numbers(1, 1000)) {
      use(remembered, key);
      expect(held(remembered, numbers(Math.max(1, key - 4), key))).toEqual(numbers(Math.max(1, key - 4), key));
      expect(held(remembered, numbers(1, 1000)).length).toBeLessThanOrEqual(10);
    }
  });

  test('stays as long as it is used, however much comes by', () => {
    const remembered = new RecentlyUsed<number>(10);
    for (const key of numbers(1, 1000)) use(remembered, 0, key);
    expect(held(remembered, [0])).toEqual([0]);
  });

  test('goes when it is not used any more', () => {
    const remembered = new RecentlyUsed<number>(10);
    use(remembered, 0, ...numbers(1, 5));
    expect(held(remembered, [0])).toEqual([0]);
    use(remembered, ...numbers(6, 10));
    expect(held(remembered, [0])).toEqual([]);
  });
});
