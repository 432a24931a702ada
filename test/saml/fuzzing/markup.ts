/**
 * Finds markup in text that was XML once. The fuzzer has its own scanner, so that it does not depend on the parser that it
 * tests and also works on text that the parser rejects.
 */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface ElementSpan extends Span {
  readonly name: string;
  /** The start tag and the end tag. They are the same for an empty-element tag. */
  readonly open: Span;
  readonly close: Span;
}

export interface AttributeSpan extends Span {
  readonly name: string;
  readonly value: Span;
}

export interface Markup {
  readonly tokens: readonly Span[];
  readonly elements: readonly ElementSpan[];
  readonly attributes: readonly AttributeSpan[];
  /** Text, except pure whitespace. */
  readonly texts: readonly Span[];
}

const TOKEN = /<!--.*?-->|<!\[CDATA\[.*?\]\]>|<[^<>]*>|[^<]+|</gs;
const ATTRIBUTE = /([^\s=<>"'/]+)\s*=\s*("[^"]*"|'[^']*')/g;

export function scan(text: string): Markup {
  const tokens: Span[] = [];
  const elements: ElementSpan[] = [];
  const tags: Span[] = [];
  const texts: Span[] = [];
  const open: { name: string; span: Span }[] = [];
  for (const match of text.matchAll(TOKEN)) {
    const [token] = match;
    const span = { start: match.index, end: match.index + token.length };
    tokens.push(span);
    if (token.startsWith('</')) {
      const name = token.slice(2, -1).trim();
      const at = open.findLastIndex((one) => one.name === name);
      const [from] = at < 0 ? [] : open.splice(at);
      if (from) elements.push({ name, start: from.span.start, end: span.end, open: from.span, close: span });
    } else if (/^<[^!?]/.test(token)) {
      const name = /^<([^\s/>]*)/.exec(token)?.[1] ?? '';
      tags.push(span);
      if (token.endsWith('/>')) elements.push({ name, ...span, open: span, close: span });
      else open.push({ name, span });
    } else if (!token.startsWith('<') && token.trim() !== '') texts.push(span);
  }
  return {
    tokens,
    elements,
    texts,
    get attributes() {
      return tags.flatMap((tag) => attributesIn(cut(text, tag), tag.start));
    },
  };
}

function attributesIn(tag: string, offset: number): AttributeSpan[] {
  return [...tag.matchAll(ATTRIBUTE)].map((match) => {
    const start = offset + match.index;
    const end = start + match[0].length;
    return { name: match[1] as string, start, end, value: { start: end - (match[2] as string).length + 1, end: end - 1 } };
  });
}

export const localName = (name: string): string => name.slice(name.indexOf(':') + 1);

export const cut = (text: string, { start, end }: Span): string => text.slice(start, end);

export const replaced = (text: string, { start, end }: Span, by: string): string => text.slice(0, start) + by + text.slice(end);

export const inserted = (text: string, at: number, what: string): string => text.slice(0, at) + what + text.slice(at);
