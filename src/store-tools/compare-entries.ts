import type { Pairs, RawEntry } from '../store/raw/raw-entries.ts';

export { refText } from '../store/raw/raw-entries.ts';

/** Returns whether two entries have the same content. The remaining time of a value does not count. */
export function isSame(one: RawEntry, other: RawEntry | undefined): boolean {
  if (one.kind === 'expiring') return other?.kind === 'expiring' && one.value === other.value;
  return (
    other?.kind === 'record' &&
    one.version === other.version &&
    one.text === other.text &&
    textOf(one.indexes) === textOf(other.indexes) &&
    textOf(one.uniques) === textOf(other.uniques)
  );
}

const textOf = (pairs: Pairs): string => JSON.stringify(pairs.map(([name, text]) => `${name}\0${text}`).sort());
