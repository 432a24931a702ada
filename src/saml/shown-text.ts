const MAX_SHOWN = 300;
const MAX_NAMES = 64;

/** Shortens a received value to one line that is safe to show. The page that shows it escapes it. */
export function shown(value: string, maxCharacters = MAX_SHOWN): string {
  const line = value.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  // Never cuts a surrogate pair in half.
  return line.length > maxCharacters ? `${line.slice(0, maxCharacters).replace(/[\ud800-\udbff]$/, '')}…` : line;
}

/** Shortens the attribute names of an assertion and limits their number, so that they can be stored and shown. */
export const shownNames = (names: Iterable<string>): string[] => [...names].slice(0, MAX_NAMES).map((name) => shown(name, 200));
