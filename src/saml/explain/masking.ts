/**
 * Shows the structure of a response without personal data. A fixed list of values is shown: identifiers of software, algorithms,
 * instants and the words of a refusal. Every other value is masked: only its length and form are shown.
 */
import { isEmail } from '../email-address.ts';
import { ASSERTION, PROTOCOL, XMLDSIG, XMLENC, XMLENC11 } from '../names.ts';
import { shown, shownExactly } from '../shown-text.ts';
import { trimXmlSpace } from '../xml/white-space.ts';
import { isElement, isNamed, XML_NAMESPACE, type XmlAttribute, type XmlElement } from '../xml/xml-tree.ts';

/** A value, or a description of its length and form. */
export type MaskedValue = { readonly shown: string } | { readonly masked: string };

export type MaskedAttribute = { readonly name: string } & MaskedValue;

/** One element. The rows of a response are in document order. */
export interface MaskedRow {
  /** 0 for the root. */
  readonly depth: number;
  /** With the prefix that the response uses. */
  readonly name: string;
  /** Only if it differs from the namespace of the parent. */
  readonly namespace?: string;
  readonly attributes?: readonly MaskedAttribute[];
  readonly text?: MaskedValue;
  /** The row replaces this many more elements: those with the same name, or the rest of the response. */
  readonly omitted?: number;
}

const MAX_NAME = 100;
const MAX_ATTRIBUTES = 20;
/** For consecutive elements of one name: a hundred groups look like the first few. */
const MAX_ALIKE = 3;

/** Elements whose text is shown. A StatusMessage can contain the name of a user; {@link withoutPersons} removes it. */
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

/** Attributes whose values are shown on all elements of the SAML and XML security namespaces. */
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
 * Returns the rows of an element and everything inside it.
 * @param maxRows after this many rows, one last row has the number of omitted elements
 */
export function maskElement(root: XmlElement, maxRows: number): MaskedRow[] {
  const rows: MaskedRow[] = [];
  let omitted = 0;
  const visit = (element: XmlElement, depth: number): void => {
    if (rows.length >= maxRows) {
      omitted += countElements(element);
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
  if (omitted > 0) rows.push({ depth: 0, name: '…', omitted });
  return rows;
}

function countElements(element: XmlElement): number {
  let count = 1;
  for (const child of element.children) if (isElement(child)) count += countElements(child);
  return count;
}

function rowOf(element: XmlElement, depth: number): MaskedRow {
  const hasOwnNamespace = element.parent === undefined || depth === 0 || element.parent.uri !== element.uri;
  const attributes = element.attributes.slice(0, MAX_ATTRIBUTES).map((attribute) => maskAttribute(element, attribute));
  const text = maskText(element);
  return {
    depth,
    name: nameOf(element),
    ...(hasOwnNamespace ? { namespace: shown(element.uri, MAX_NAME) } : {}),
    ...(attributes.length === 0 ? {} : { attributes }),
    ...(text === undefined ? {} : { text }),
  };
}

const nameOf = ({ prefix, local }: { prefix: string; local: string }): string =>
  shown(prefix === '' ? local : `${prefix}:${local}`, MAX_NAME);

function maskAttribute(element: XmlElement, attribute: XmlAttribute): MaskedAttribute {
  const value = isShown(element, attribute) ? { shown: shownExactly(attribute.value) } : { masked: describeValue(attribute.value) };
  return { name: nameOf(attribute), ...value };
}

function isShown(element: XmlElement, { uri, local }: XmlAttribute): boolean {
  if (uri !== '') return (uri === XSI && (local === 'type' || local === 'nil')) || uri === XML_NAMESPACE;
  if (local === 'Name' || local === 'FriendlyName') return isNamed(element, ASSERTION, 'Attribute');
  if (local === 'Value') return isNamed(element, PROTOCOL, 'StatusCode');
  return KNOWN_NAMESPACES.has(element.uri) && SHOWN_ATTRIBUTES.has(local);
}

/** Returns undefined for an element without text, or with only white space between its children. */
function maskText(element: XmlElement): MaskedValue | undefined {
  const text = element.children.filter((child) => typeof child === 'string').join('');
  const hasElements = element.children.some(isElement);
  if (hasElements ? text.trim() === '' : element.children.length === 0) return undefined;
  const isListed = !hasElements && SHOWN_TEXTS.some(([uri, local]) => isNamed(element, uri, local));
  if (!isListed) return { masked: describeValue(text) };
  return { shown: element.local === 'StatusMessage' ? shown(text) : shownExactly(text) };
}

const FORMS: readonly (readonly [form: string, matches: (value: string) => boolean])[] = [
  ['an email address', isEmail],
  ['a URL', (value) => /^https?:\/\/\S+$/i.test(value)],
  ['a URN', (value) => /^urn:\S+$/i.test(value)],
  ['a UUID', (value) => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)],
  ['a number', (value) => /^\d+$/.test(value)],
  ['a timestamp', (value) => /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(value)],
  ['base64', (value) => value.length >= 40 && /^[A-Za-z0-9+/\s]+={0,2}$/.test(value.trim())],
  ['several words', (value) => /\S\s+\S/.test(value)],
];

/** Describes a value by its length and form. */
export function describeValue(value: string): string {
  if (value === '') return 'empty';
  const length = value.length === 1 ? '1 character' : `${value.length} characters`;
  const inner = trimXmlSpace(value);
  const form = FORMS.find(([, matches]) => matches(inner))?.[0];
  return [length, form, inner === value ? undefined : 'with white space around it'].filter((part) => part !== undefined).join(', ');
}

/** Email addresses in a shown text, including those with a percent-encoded `@`. */
const ADDRESS = /[^\s@"'<>(),;]+(?:@|%40)[^\s@"'<>(),;]+/gi;

/** Shows of a user only the first character and the domain of an email address, or the form of another identifier. */
export function maskSubject(subject: string): string {
  if (!isEmail(subject)) return describeValue(subject);
  const [first = ''] = subject;
  return `${first}…${subject.slice(subject.lastIndexOf('@'))}`;
}

/** Replaces the email addresses in every string of a value. */
export function withoutAddresses<T>(value: T): T {
  const mask = (_key: string, part: unknown) => (typeof part === 'string' ? part.replace(ADDRESS, '(an email address)') : part);
  return JSON.parse(JSON.stringify(value), mask) as T;
}

/** Entra ID's and AD FS's. Other words of capitals and digits can be the name of a user. */
const ERROR_NUMBER = /\b(?:AADSTS|MSIS)\d{3,9}\b/g;

/** Keeps only the error numbers of a StatusMessage, such as AADSTS50105: the rest may name the user. */
export function errorNumbersOf(text: string): string {
  const numbers = [...new Set(text.match(ERROR_NUMBER) ?? [])].slice(0, 5);
  const described = describeValue(text);
  return numbers.length === 0 ? described : `${described}, with ${numbers.join(', ')}`;
}

/** Removes email addresses and StatusMessages from rows, for readers who must not learn which user a response is about. */
export const withoutPersons = (rows: readonly MaskedRow[]): readonly MaskedRow[] =>
  withoutAddresses(
    rows.map((row) =>
      /(?:^|:)StatusMessage$/.test(row.name) && row.text && 'shown' in row.text
        ? { ...row, text: { masked: errorNumbersOf(row.text.shown) } }
        : row,
    ),
  );
