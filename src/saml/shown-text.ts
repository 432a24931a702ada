const MAX_SHOWN = 300;

/** A value from a message as it may be shown: one line, not endless. Escaping is the page's business. */
export function shown(value: string, maxCharacters = MAX_SHOWN): string {
  const line = value.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  // Never cut inside a surrogate pair: half of one is no text.
  return line.length > maxCharacters ? `${line.slice(0, maxCharacters).replace(/[\ud800-\udbff]$/, '')}…` : line;
}
