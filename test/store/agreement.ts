/** Commits whose parts must always agree, to check what a killed writer leaves behind. */
import type { Step } from '../../src/store/store.ts';
import { insert, type Person, put, replace } from './people.ts';

/** The value of the records `left` and `right` after the nth commit, large enough to be torn. */
export const agreedValue = (id: string, n: number): Person => ({
  name: `n${n}`,
  email: `${id}${n}`,
  groups: ['all', `n${n}`],
  note: `${n} `.repeat(2000),
});

/** The steps of the nth commit. They write n to two records, their index entries and unique strings, and two expiring values. */
export function agreement(n: number): readonly Step[] {
  const record = (id: string) => (n === 1 ? insert(id, agreedValue(id, n)) : replace(id, n - 1, agreedValue(id, n)));
  return [record('left'), put('first', `${n}`), record('right'), put('last', `${n}`)];
}
