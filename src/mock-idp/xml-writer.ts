/** Writes XML text. Markup and plain text are two types, so that nothing gets into a message without being escaped. */

import { MockIdpRefusal } from './refusal.ts';

declare const markup: unique symbol;
/** Well-formed XML text. Only this file makes it. */
export type Markup = string & { readonly [markup]: true };

/** What XML 1.0 has no way to hold, not even as a reference. */
const NOT_XML = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;

/**
 * An element. An attribute that is undefined is left out, and so is a child that is undefined.
 *
 * @example element('saml2:Audience', {}, text(entityId))
 * @throws MockIdpRefusal for a character in an attribute that XML can't hold
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
 * Character data.
 * @throws MockIdpRefusal for a character that XML can't hold
 */
export function text(value: string): Markup {
  return escapeXml(value).replaceAll('>', '&gt;').replaceAll('\r', '&#xD;') as Markup;
}

/** Several pieces after each other; what is undefined is left out. */
export function pieces(...parts: readonly (Markup | undefined)[]): Markup {
  return parts.filter((part) => part !== undefined).join('') as Markup;
}

/** Without the references, a parser would turn these into plain spaces. */
function attributeValue(value: string): string {
  return escapeXml(value).replaceAll('"', '&quot;').replaceAll('\t', '&#x9;').replaceAll('\n', '&#xA;').replaceAll('\r', '&#xD;');
}

function escapeXml(value: string): string {
  if (NOT_XML.test(value)) throw new MockIdpRefusal('A character in this value can’t stand in XML 1.0.');
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
