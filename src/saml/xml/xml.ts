/**
 * Parses all XML that others write: one pass with a conformant, namespace-aware parser that stops at the first error. The result
 * is a small tree without comments, in which adjacent text is one string, so that markup cannot split or shift a value.
 */
import { type SaxesAttributeNS, SaxesParser } from 'saxes';
import { GatewayError } from '../../errors.ts';

export const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace';
export const XMLNS_NAMESPACE = 'http://www.w3.org/2000/xmlns/';

export interface XmlAttribute {
  readonly prefix: string;
  readonly local: string;
  /** Empty for an attribute without prefix. */
  readonly uri: string;
  readonly value: string;
}

export interface XmlElement {
  readonly prefix: string;
  readonly local: string;
  readonly uri: string;
  /** Without namespace declarations. */
  readonly attributes: readonly XmlAttribute[];
  /** Namespace declarations that stand on this element: prefix (empty for the default) to URI. */
  readonly declarations: ReadonlyMap<string, string>;
  readonly children: readonly (XmlElement | string)[];
  readonly parent: XmlElement | undefined;
}

/**
 * Canonical XML leaves relative namespace URIs undefined, so that two processors would read two different documents; and
 * libxml2 takes what is no URI at all for a relative one (RFC 3986 §3; without brackets, as no namespace is an IPv6 address).
 */
const ABSOLUTE_URI = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*$/;

/**
 * What a message may cost; `npm run bench:hostile` shows what the worst within these limits do. As many groups as 256 KiB hold
 * still fit. Namespaces are short in the specifications and products; a long one costs its length wherever it is used.
 */
const LIMITS = {
  depth: 48,
  elements: 8_000,
  /** Of all elements, namespace declarations among them. */
  attributes: 16_000,
  attributesPerElement: 64,
  declarationsPerElement: 32,
  namespaceCharacters: 256,
  /** Of the namespaces of all attributes, each as often as it is used. */
  attributeNamespaceCharacters: 1_000_000,
};

/** As soon as a tag has more it is refused, before anything is made of them. */
export const MAX_IN_A_TAG = LIMITS.attributesPerElement + LIMITS.declarationsPerElement;

const malformed = (detail: string, cause?: unknown) => new GatewayError('saml_malformed', { detail, cause });
const tooManyAttributes = () => malformed('An element has too many attributes, or all of them together.');

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Decodes strict UTF-8; a byte order mark is dropped.
 * @throws saml_malformed for octets that are not UTF-8
 */
export function decodeUtf8(octets: Uint8Array): string {
  try {
    return UTF8.decode(octets);
  } catch (cause) {
    throw malformed('The message is not UTF-8 text.', cause);
  }
}

export interface ParseOptions {
  /**
   * Where the text stands, if it is one element that was encrypted inside another: the namespaces that are bound there hold in
   * the text too (xmlenc §4.4), and it becomes the parent. The parser starts with these bindings. To write them around the text
   * as an element would be simpler, and a hostile text would begin with the end tag of that element.
   */
  readonly place?: XmlElement | undefined;
  /** Told how many characters had been read when the parser stopped at an error. */
  readonly onStop?: ((position: number) => void) | undefined;
}

/**
 * Parses a document into a tree.
 * @throws saml_malformed where it is not well-formed XML 1.0 with namespaces (but that a name may go on behind its colon as no name
 *   begins, which the reader of canonical XML refuses), has a processing instruction or a relative namespace
 *   URI, or is over a limit; saml_dtd_forbidden for a document type declaration
 */
export function parseXml(text: string, { place, onStop }: ParseOptions = {}): XmlElement {
  // Looked for in the text, before the parser sees one character: a message has no reason to hold it even as character data.
  if (text.includes('<!DOCTYPE')) throw new GatewayError('saml_dtd_forbidden');
  // Decoding dropped one; the parser would drop a second.
  if (text.startsWith('\ufeff')) throw malformed('The message begins with two byte order marks.');
  if (place && hasCommentBeside(text)) throw malformed('What was encrypted has a comment beside its element.');
  const builder = new TreeBuilder(place);
  /** Of the tag that is being read; declarations among them. */
  let all: SaxesAttributeNS[] = [];
  const parser = new SaxesParser({
    xmlns: true,
    forceXMLVersion: true,
    defaultXMLVersion: '1.0',
    additionalNamespaces: place ? Object.fromEntries(bindingsIn(place)) : {},
  });
  // No more than six handlers: with a seventh V8 keeps the parser's properties in a dictionary, and it reads ten times as long.
  // Without one for errors the parser throws them; a document type was refused above; the declaration is looked at below.
  parser.on('attribute', (attribute) => {
    // Each has its namespace when its tag is told of; for 256 KiB of them in one tag that is too late to say that they are too many.
    if (all.push(attribute as SaxesAttributeNS) > MAX_IN_A_TAG) throw tooManyAttributes();
  });
  parser.on('processinginstruction', () => {
    throw malformed('The message has a processing instruction.');
  });
  parser.on('opentag', (tag) => {
    const { attributes, declarations } = parted(all);
    builder.open(tag, attributes, declarations);
    all = [];
  });
  parser.on('closetag', () => builder.close());
  parser.on('text', (value) => builder.text(value));
  parser.on('cdata', (value) => builder.text(value));
  try {
    parser.write(text);
    builder.declaration(parser.xmlDecl);
    parser.close();
  } catch (error) {
    onStop?.(parser.position);
    // The parser's own message quotes the input, so it goes to the log only.
    throw error instanceof GatewayError
      ? error
      : malformed(`The XML is not well-formed (line ${parser.line}, column ${parser.column}).`, error);
  }
  return builder.finish();
}

/** The namespace declarations among them are none of the attributes. */
function parted(all: readonly SaxesAttributeNS[]): Pick<XmlElement, 'attributes' | 'declarations'> {
  if (all.length === 0) return { attributes: NO_ATTRIBUTES, declarations: NO_DECLARATIONS };
  const attributes: XmlAttribute[] = [];
  let declarations: Map<string, string> | undefined;
  for (const { prefix, local, uri, value } of all) {
    if (uri !== XMLNS_NAMESPACE) attributes.push({ prefix, local, uri, value });
    else declarations = (declarations ?? new Map<string, string>()).set(prefix === 'xmlns' ? local : '', value);
  }
  return { attributes, declarations: declarations ?? NO_DECLARATIONS };
}

/** Before the element or behind it; inside it one leaves no trace. (An element could be called `a--`; none of ours is.) */
const hasCommentBeside = (text: string): boolean => text.trimStart().startsWith('<!--') || text.trimEnd().endsWith('-->');

/** Prefix to URI, the empty prefix for the default; of several declarations the innermost holds. */
function bindingsIn(place: XmlElement): Map<string, string> {
  const bindings = new Map<string, string>();
  for (let at: XmlElement | undefined = place; at; at = at.parent) {
    for (const [prefix, uri] of at.declarations) if (!bindings.has(prefix)) bindings.set(prefix, uri);
  }
  return bindings;
}

interface Growing extends XmlElement {
  /** {@link NO_CHILDREN} until there is one. */
  children: (XmlElement | string)[];
}

/** Most elements have none; one for all spares most of the memory that a tree takes. */
export const NO_ATTRIBUTES: readonly XmlAttribute[] = Object.freeze([]);
export const NO_DECLARATIONS: ReadonlyMap<string, string> = new Map();
const NO_CHILDREN: readonly (XmlElement | string)[] = Object.freeze([]);

/** What a tag is called. */
export type ExpandedName = Pick<XmlElement, 'prefix' | 'local' | 'uri'>;

/** Makes the tree, within the limits, of what a reader finds. */
export class TreeBuilder {
  readonly #place: XmlElement | undefined;
  #root: Growing | undefined;
  /** From the root to the element that is being read. */
  readonly #open: Growing[] = [];
  #elements = 0;
  #attributes = 0;
  #attributeNamespaceCharacters = 0;

  constructor(place?: XmlElement) {
    this.#place = place;
  }

  declaration({ version, encoding }: { readonly version?: string | undefined; readonly encoding?: string | undefined }): void {
    if (version === undefined && encoding === undefined) return; // there is none
    if (this.#place) throw malformed('What was encrypted has an XML declaration.');
    if (version !== '1.0') throw malformed('Only XML 1.0 is read.');
    if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8') throw malformed('Only UTF-8 is read.');
  }

  /** The element that is being read. */
  get current(): XmlElement | undefined {
    return this.#open.at(-1);
  }

  open({ prefix, local, uri }: ExpandedName, attributes: XmlElement['attributes'], declarations: XmlElement['declarations']): XmlElement {
    const parent = this.#open.at(-1);
    if (this.#open.length >= LIMITS.depth) throw malformed('The message is nested too deep.');
    if (++this.#elements > LIMITS.elements) throw malformed('The message has too many elements.');
    this.#count(attributes, declarations);
    const children = NO_CHILDREN as Growing['children'];
    const element: Growing = { prefix, local, uri, attributes, declarations, children, parent: parent ?? this.#place };
    if (parent) addChild(parent, element);
    else this.#root = element;
    this.#open.push(element);
    return element;
  }

  #count(attributes: XmlElement['attributes'], declarations: XmlElement['declarations']): void {
    this.#attributes += attributes.length + declarations.size;
    for (const { uri } of attributes) this.#attributeNamespaceCharacters += uri.length;
    if (
      attributes.length > LIMITS.attributesPerElement ||
      declarations.size > LIMITS.declarationsPerElement ||
      this.#attributes > LIMITS.attributes ||
      this.#attributeNamespaceCharacters > LIMITS.attributeNamespaceCharacters
    ) {
      throw tooManyAttributes();
    }
    if (declarations.size > 0) declarations.forEach(checkNamespace);
  }

  close(): void {
    this.#open.pop();
  }

  text(value: string): void {
    const parent = this.#open.at(-1);
    if (!parent || value === '') return; // white space around the root; anything else there is an error of the parser
    const last = parent.children.length - 1;
    const before = parent.children[last];
    if (typeof before === 'string') parent.children[last] = before + value;
    else addChild(parent, value);
  }

  finish(): XmlElement {
    if (!this.#root) throw malformed('The message has no element.');
    return this.#root;
  }
}

function addChild(parent: Growing, child: XmlElement | string): void {
  if (parent.children === NO_CHILDREN) parent.children = [child];
  else parent.children.push(child);
}

function checkNamespace(uri: string): void {
  if (uri.length > LIMITS.namespaceCharacters) throw malformed('A namespace of the message is too long.');
  if (uri !== '' && !ABSOLUTE_URI.test(uri)) throw malformed('A namespace of the message is not an absolute URI.');
}

export const isElement = (node: XmlElement | string): node is XmlElement => typeof node !== 'string';

export const isNamed = (element: XmlElement, uri: string, local: string): boolean => element.local === local && element.uri === uri;

export const childElements = (element: XmlElement): XmlElement[] => element.children.filter(isElement);

export function childrenNamed(element: XmlElement, uri: string, local: string): XmlElement[] {
  const found: XmlElement[] = [];
  for (const child of element.children) if (isElement(child) && isNamed(child, uri, local)) found.push(child);
  return found;
}

/**
 * The one child of this name, or undefined.
 * @throws the error that `onSeveral` makes where there is more than one
 */
export function onlyChild(element: XmlElement, uri: string, local: string, onSeveral: () => GatewayError): XmlElement | undefined {
  const found = childrenNamed(element, uri, local);
  if (found.length > 1) throw onSeveral();
  return found[0];
}

/** The value of an attribute without namespace, or undefined where it is absent. */
export function attributeOf(element: XmlElement, local: string): string | undefined {
  for (const attribute of element.attributes) if (attribute.local === local && attribute.uri === '') return attribute.value;
  return undefined;
}

/**
 * The whole text of an element that has only text.
 * @throws saml_malformed where it has a child element: a reader that took only a part of the text would read another value
 */
export function textOf(element: XmlElement): string {
  const [first, ...more] = element.children;
  if (first === undefined) return '';
  if (more.length > 0 || typeof first !== 'string') throw malformed('A value has an element inside it.');
  return first;
}

/** Every element below and including this one, in document order. */
export function walk(element: XmlElement, found: XmlElement[] = []): XmlElement[] {
  found.push(element);
  for (const child of element.children) if (isElement(child)) walk(child, found);
  return found;
}
