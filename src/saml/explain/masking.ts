/**
 * The structure of a message that people may see, and nothing of whom it is about. What is shown is on a list: identifiers of
 * software, algorithms, instants and the words of a refusal. Of every other value only its length and form are told.
 */

import { isEmail } from '../email-address.ts';
import { ASSERTION, PROTOCOL, XMLDSIG, XMLENC, XMLENC11 } from '../names.ts';
import { shown } from '../shown-text.ts';
import { isElement, isNamed, XML_NAMESPACE, type XmlAttribute, type XmlElement } from '../xml/xml.ts';

/** A value as it is, or what may be told of it. */
export type MaskedValue = { readonly shown: string } | { readonly masked: string };

export type MaskedAttribute = { readonly name: string } & MaskedValue;

/** One element; the rows of a message are in document order. */
export interface MaskedRow {
  /** 0 for the outermost. */
  readonly depth: number;
  /** With its prefix, as it was written. */
  readonly name: string;
  /** Where it is another than that of the element around it. */
  readonly namespace?: string;
  readonly attributes?: readonly MaskedAttribute[];
  readonly text?: MaskedValue;
  /** This row stands for so many more elements of the name, or for all that comes after it. */
  readonly omitted?: number;
}

const MAX_NAME = 100;
const MAX_ATTRIBUTES = 20;
/** Of elements of one name that follow each other: what is to learn of a hundred groups is in the first. */
const MAX_ALIKE = 3;

/** Elements whose text is shown. A person’s name can stand in a StatusMessage; {@link withoutPersons} is for what leaves the house. */
const SHOWN_TEXTS: readonly (readonly [uri: string, local: string])[] = [
  [ASSERTION, 'Issuer'],
  [ASSERTION, 'Audience'],
  [ASSERTION, 'AuthnContextClassRef'],
  [ASSERTION, 'AuthenticatingAuthority'],
  [PROTOCOL, 'StatusMessage'],
];

const KNOWN_NAMESPACES: ReadonlySet<string> = new Set([
  ASSERTION,
  PROTOCOL,
  XMLDSIG,
  XMLENC,
  XMLENC11,
  'http://www.w3.org/2001/10/xml-exc-c14n#',
]);

/** Attributes whose values are shown on any element that the specifications know. */
const SHOWN_ATTRIBUTES: ReadonlySet<string> = new Set([
  'Algorithm',
  'AuthnInstant',
  'Consent',
  'Destination',
  'Encoding',
  'Format',
  'IssueInstant',
  'Method',
  'NameFormat',
  'NotBefore',
  'NotOnOrAfter',
  'PrefixList',
  'Recipient',
  'SessionNotOnOrAfter',
  'Version',
]);

const XSI = 'http://www.w3.org/2001/XMLSchema-instance';

/**
 * The rows of an element and all that is in it.
 * @param maxRows after so many the last row only tells how many more there are
 */
export function maskElement(root: XmlElement, maxRows: number): MaskedRow[] {
  const rows: MaskedRow[] = [];
  let left = 0;
  const visit = (element: XmlElement, depth: number): void => {
    if (rows.length >= maxRows) {
      left += countElements(element);
      return;
    }
    rows.push(rowOf(element, depth));
    let alike = 0;
    let before: XmlElement | undefined;
    const flush = () => {
      if (before && alike > MAX_ALIKE) rows.push({ depth: depth + 1, name: nameOf(before), omitted: alike - MAX_ALIKE });
    };
    for (const child of element.children) {
      if (!isElement(child)) continue;
      if (!before || !isNamed(child, before.uri, before.local)) {
        flush();
        alike = 0;
      }
      before = child;
      if (++alike <= MAX_ALIKE) visit(child, depth + 1);
    }
    flush();
  };
  visit(root, 0);
  if (left > 0) rows.push({ depth: 0, name: '…', omitted: left });
  return rows;
}

function countElements(element: XmlElement): number {
  let count = 1;
  for (const child of element.children) if (isElement(child)) count += countElements(child);
  return count;
}

function rowOf(element: XmlElement, depth: number): MaskedRow {
  const isOther = element.parent === undefined || depth === 0 || element.parent.uri !== element.uri;
  const attributes = element.attributes.slice(0, MAX_ATTRIBUTES).map((attribute) => maskAttribute(element, attribute));
  const text = maskText(element);
  return {
    depth,
    name: nameOf(element),
    ...(isOther ? { namespace: shown(element.uri, MAX_NAME) } : {}),
    ...(attributes.length === 0 ? {} : { attributes }),
    ...(text === undefined ? {} : { text }),
  };
}

const nameOf = ({ prefix, local }: { prefix: string; local: string }): string =>
  shown(prefix === '' ? local : `${prefix}:${local}`, MAX_NAME);

function maskAttribute(element: XmlElement, attribute: XmlAttribute): MaskedAttribute {
  const value = isShown(element, attribute) ? { shown: shown(attribute.value) } : { masked: describeValue(attribute.value) };
  return { name: nameOf(attribute), ...value };
}

function isShown(element: XmlElement, { uri, local }: XmlAttribute): boolean {
  if (uri !== '') return (uri === XSI && (local === 'type' || local === 'nil')) || uri === XML_NAMESPACE;
  if (local === 'Name' || local === 'FriendlyName') return isNamed(element, ASSERTION, 'Attribute');
  if (local === 'Value') return isNamed(element, PROTOCOL, 'StatusCode');
  return KNOWN_NAMESPACES.has(element.uri) && SHOWN_ATTRIBUTES.has(local);
}

/** White space between elements is nothing to tell. */
function maskText(element: XmlElement): MaskedValue | undefined {
  const text = element.children.filter((child) => typeof child === 'string').join('');
  const hasElements = element.children.some(isElement);
  if (hasElements ? text.trim() === '' : element.children.length === 0) return undefined;
  const isListed = !hasElements && SHOWN_TEXTS.some(([uri, local]) => isNamed(element, uri, local));
  return isListed ? { shown: shown(text) } : { masked: describeValue(text) };
}

const FORMS: readonly (readonly [form: string, isSo: (value: string) => boolean])[] = [
  ['an e-mail address', isEmail],
  ['a URL', (value) => /^https?:\/\/\S+$/i.test(value)],
  ['a URN', (value) => /^urn:\S+$/i.test(value)],
  ['a UUID', (value) => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)],
  ['a number', (value) => /^\d+$/.test(value)],
  ['an instant', (value) => /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(value)],
  ['base64', (value) => value.length >= 40 && /^[A-Za-z0-9+/\s]+={0,2}$/.test(value.trim())],
  ['several words', (value) => /\S\s+\S/.test(value)],
];

/** What may be told of a value: its length and form. */
export function describeValue(value: string): string {
  if (value === '') return 'empty';
  const length = value.length === 1 ? '1 character' : `${value.length} characters`;
  const form = FORMS.find(([, isSo]) => isSo(value))?.[0];
  return form === undefined ? length : `${length}, ${form}`;
}

/** Addresses in a text that is shown, an `@` that is percent-encoded among them. */
const ADDRESS = /[^\s@"'<>(),;]+(?:@|%40)[^\s@"'<>(),;]+/gi;

/** A shown text without e-mail addresses. */
export const withoutAddresses = (text: string): string => text.replace(ADDRESS, '(an e-mail address)');

/** Of the words of an identity provider only the error numbers, as Entra ID's AADSTS50105: the rest may name the person. */
export function errorNumbersOf(text: string): string {
  const numbers = [...new Set(text.match(/\b[A-Z]{3,12}\d{3,9}\b/g) ?? [])].slice(0, 5);
  const described = describeValue(text);
  return numbers.length === 0 ? described : `${described}, with ${numbers.join(', ')}`;
}

/** The rows for who may not know whom a message is about: no address in what is shown, no words of the identity provider. */
export const withoutPersons = (rows: readonly MaskedRow[]): MaskedRow[] =>
  rows.map(({ attributes, text, ...row }) => ({
    ...row,
    name: withoutAddresses(row.name),
    ...(attributes ? { attributes: attributes.map((attribute) => ({ ...attribute, ...withoutPerson(attribute) })) } : {}),
    ...(text
      ? { text: /(?:^|:)StatusMessage$/.test(row.name) && 'shown' in text ? { masked: errorNumbersOf(text.shown) } : withoutPerson(text) }
      : {}),
  }));

const withoutPerson = (value: MaskedValue): MaskedValue =>
  'shown' in value ? { shown: withoutAddresses(value.shown) } : { masked: value.masked };
