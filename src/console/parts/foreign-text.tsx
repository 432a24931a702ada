/** What cannot be seen: control and format characters (bidirectional overrides, zero widths), half surrogates, private and unassigned ones. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\u2028\u2029]/gu;

/** The text with everything that can't be seen, or that changes how its neighbours are seen, written out as U+XXXX. */
export const visibleText = (text: string): string =>
  text.replace(INVISIBLE, (character) => `⟨U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}⟩`);

/**
 * Text that somebody else chose: names, groups, attribute values, user agents. It stays by itself (`bdi`), so that it can
 * neither reverse nor hide what stands beside it.
 */
export const ForeignText = ({ text }: { readonly text: string }) => <bdi>{visibleText(text)}</bdi>;
