const MAX_SHOWN = 300;
const MAX_NAMES = 64;

/** Shortens a received value to one line that is safe to show. The page that shows it escapes it. */
export function shown(value: string, maxCharacters = MAX_SHOWN): string {
  const line = value.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  // Never cuts a surrogate pair in half.
  return line.length > maxCharacters ? `${line.slice(0, maxCharacters).replace(/[\ud800-\udbff]$/, '')}…` : line;
}

const MARKS: Readonly<Record<string, string>> = { '\t': '⇥', '\n': '⏎', '\r': '␍' };

/**
 * Like {@link shown}, but white space and invisible characters can be seen, so that a value never looks like the one that it differs
 * from. A value with such characters is in quotes: `"ada⏎"`.
 */
export function shownExactly(value: string, maxCharacters = MAX_SHOWN): string {
  const start = value.slice(0, maxCharacters + 1);
  const marked = start
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (character) => MARKS[character] ?? codePointOf(character))
    .replace(/^ +| +$| {2,}/g, (spaces) => '␣'.repeat(spaces.length));
  if (value !== '' && marked === start) return shown(value, maxCharacters);
  return `"${shown(marked, maxCharacters)}${value.length > start.length ? '…' : ''}"`;
}

const codePointOf = (character: string): string => `⟨U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}⟩`;

/** Shows only the white space and the invisible characters of a value, because the rest describes a user: `"…⏎…"`. */
export function shownWithoutText(value: string): string {
  const withoutText = value.replace(/[^\p{Cc}\p{Cf}\p{Z}…]+/gu, '…').replaceAll(' ', '␣');
  return `"${shownExactly(withoutText).replaceAll('"', '')}"`;
}

/** Shortens the attribute names of an assertion and limits their number, so that they can be stored and shown. */
export const shownNames = (names: Iterable<string>): string[] => [...names].slice(0, MAX_NAMES).map((name) => shownExactly(name, 200));
