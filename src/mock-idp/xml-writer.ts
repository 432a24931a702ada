/** Writes XML. Markup and plain text have different types, so that unescaped text can't get into a message. */
import { MockIdpRefusal } from './refusal.ts';

declare const markup: unique symbol;
/** Well-formed XML. Only this file creates it. */
export type Markup = string & { readonly [markup]: true };

/** Characters that XML 1.0 can't represent, not even as a reference. */
const NOT_XML = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;

/**
 * Returns an element. Attributes and children that are undefined are left out.
 *
 * @example element('saml2:Audience', {}, text(entityId))
 * @throws MockIdpRefusal for an attribute with a character that XML can't represent
 */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | undefined>>,
  ...children: readonly (Markup | undefined)[]
): Markup {
  const written = Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [` ${key}="${attributeValue(value)}"`]));
  const content = children.filter((child) => child !== undefined).join('');
  return (content === '' ? `<${name}${written.join('')}/>` : `<${name}${written.join('')}>${content}</${name}>`) as Markup;
}

/**
 * Returns escaped character data.
 * @throws MockIdpRefusal for a character that XML can't represent
 */
export function text(value: string): Markup {
  return escapeXml(value).replaceAll('>', '&gt;').replaceAll('\r', '&#xD;') as Markup;
}

/** Joins pieces of markup. Undefined pieces are left out. */
export function pieces(...parts: readonly (Markup | undefined)[]): Markup {
  return parts.filter((part) => part !== undefined).join('') as Markup;
}

/** Also escapes white space, because a parser normalizes it in attributes. */
function attributeValue(value: string): string {
  return escapeXml(value).replaceAll('"', '&quot;').replaceAll('\t', '&#x9;').replaceAll('\n', '&#xA;').replaceAll('\r', '&#xD;');
}

function escapeXml(value: string): string {
  if (NOT_XML.test(value)) throw new MockIdpRefusal('This value contains a character that XML 1.0 does not allow.');
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
