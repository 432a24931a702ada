const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

/** Escapes text for an attribute or an element. Whitespace that a parser would normalize in an attribute becomes a reference. */
export const escapeXml = (text: string): string => text.replace(/[&<>"'\t\n\r]/g, (char) => ESCAPES[char] ?? `&#${char.charCodeAt(0)};`);
