/** Commits whose parts must always agree: what a writer that is killed leaves is held against them. */
import type { Step } from '../../src/store/store.ts';
import { insert, type Person, put, replace } from './people.ts';

/** What the record `left` or `right` says after the nth commit; big enough to be torn. */
export const agreedValue = (id: string, n: number): Person => ({
  name: `n${n}`,
  email: `${id}${n}`,
  groups: ['all', `n${n}`],
  note: `${n} `.repeat(2000),
});

/** The steps of the nth commit: two records, their index entries and unique strings, and two expiring values, which all say n. */
export function agreement(n: number): readonly Step[] {
  const record = (id: string) => (n === 1 ? insert(id, agreedValue(id, n)) : replace(id, n - 1, agreedValue(id, n)));
  return [record('left'), put('first', `${n}`), record('right'), put('last', `${n}`)];
}
