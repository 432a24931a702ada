/** Matches invisible characters: control and format characters (bidirectional overrides, zero widths), lone surrogates, private use and unassigned. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\u2028\u2029]/gu;

/** Writes invisible characters, and those that change how their neighbours look, as U+XXXX. */
export const visibleText = (text: string): string =>
  text.replace(INVISIBLE, (character) => `⟨U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}⟩`);

/**
 * Shows text that users or identity providers chose: names, groups, attribute values, user agents. The text is isolated (`bdi`), so
 * that it can neither reverse nor hide the text around it.
 */
export const ForeignText = ({ text }: { readonly text: string }) => <bdi>{visibleText(text)}</bdi>;
