/**
 * Parses metadata with the parser of SAML messages, which stays strict. What only metadata may contain is blanked in the text
 * before: an XML declaration that names another encoding, and stylesheets.
 */
import { GatewayError } from '../../errors.ts';
import { parseXml } from '../xml/xml.ts';
import type { XmlElement } from '../xml/xml-tree.ts';
import { invalidMetadata } from './idp-metadata-values.ts';

/**
 * Parses the text of a metadata document. Lines and columns in error texts are those of the given text.
 * @throws saml_malformed, saml_dtd_forbidden; idp_metadata_invalid with the position of an ampersand that has to be escaped
 */
export function parseMetadataXml(text: string): XmlElement {
  const blanked = blankProlog(text);
  let readCharacters = 0;
  try {
    return parseXml(blanked, { onStop: (position) => (readCharacters = position) });
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'saml_malformed') throw error;
    // The parser reads up to the next semicolon, often many lines below, before it notices an ampersand that starts no reference.
    const ampersand = findStrayAmpersand(blanked, readCharacters);
    if (ampersand === undefined) throw error;
    const before = blanked.slice(0, ampersand).split(/\r\n|\r|\n/);
    const position = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
    throw invalidMetadata(
      `The XML is not well-formed (${position}). A character & there must be written as &amp;. Download the metadata again, or correct it and upload that.`,
      error,
    );
  }
}

const SPACE = '[ \\t\\r\\n]';
/** XML 1.0 §2.8. The encoding was used to decode the octets; pasted text has none anymore. */
const DECLARATION = new RegExp(
  [
    `<\\?xml${SPACE}+version${SPACE}*=${SPACE}*(?:"1\\.0"|'1\\.0')`,
    `(?:${SPACE}+encoding${SPACE}*=${SPACE}*(?:"[A-Za-z][\\w.-]*"|'[A-Za-z][\\w.-]*'))?`,
    `(?:${SPACE}+standalone${SPACE}*=${SPACE}*(?:"(?:yes|no)"|'(?:yes|no)'))?`,
    `${SPACE}*\\?>`,
  ].join(''),
  'y',
);
const STYLESHEET = /<\?xml-stylesheet[ \t\r\n]/y;

/**
 * Replaces the XML declaration and the stylesheets before the root element with spaces, so that positions stay the same. A
 * declaration that XML does not allow stays, for the parser to reject.
 */
function blankProlog(text: string): string {
  const start = text.length - text.trimStart().length;
  let at = endOf(DECLARATION, text, start) ?? start;
  // The parser explains a malformed declaration, which it accepts only at the very start.
  if (at === start && text.startsWith('<?xml', start) && endOf(STYLESHEET, text, start) === undefined) return text.slice(start);
  let blanked = blank(text.slice(0, at));
  for (;;) {
    const next = skipSpace(text, at);
    const isComment = text.startsWith('<!--', next);
    if (!isComment && endOf(STYLESHEET, text, next) === undefined) break;
    const end = isComment ? text.indexOf('-->', next + 4) : text.indexOf('?>', next);
    if (end < 0) break;
    const part = text.slice(at, end + (isComment ? 3 : 2));
    blanked += isComment ? part : blank(part);
    at += part.length;
  }
  return blanked + text.slice(at);
}

const blank = (text: string): string => text.replaceAll(/[^\r\n]/g, ' ');

function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (' \t\r\n'.includes(text.charAt(at)) && at < text.length) at++;
  return at;
}

const REFERENCE = /&(?:#[0-9]+|#x[0-9A-Fa-f]+|[A-Za-z_:][\w.:-]*);/y;

/** Markup in which an ampersand is an ordinary character. */
const OPAQUE = [
  ['<!--', '-->'],
  ['<![CDATA[', ']]>'],
] as const;

/** Returns where the first ampersand before `end` is that starts no reference. Reads each character once. */
function findStrayAmpersand(text: string, end: number): number | undefined {
  const special = /&|<!--|<!\[CDATA\[/g;
  for (let match = special.exec(text); match && match.index < end; match = special.exec(text)) {
    const close = OPAQUE.find(([open]) => open === match?.[0])?.[1];
    if (close === undefined) {
      if (endOf(REFERENCE, text, match.index) === undefined) return match.index;
      continue;
    }
    const closing = text.indexOf(close, special.lastIndex);
    if (closing < 0) return undefined;
    special.lastIndex = closing + close.length;
  }
  return undefined;
}
