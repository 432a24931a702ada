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
  /** Does not include namespace declarations. */
  readonly attributes: readonly XmlAttribute[];
  /** Namespace declarations on this element itself, as prefix (empty for the default namespace) to URI. */
  readonly declarations: ReadonlyMap<string, string>;
  readonly children: readonly (XmlElement | string)[];
  readonly parent: XmlElement | undefined;
}

/**
 * Canonical XML does not define relative namespace URIs, so two processors could read two different documents. libxml2 also
 * treats text that is not a URI as a relative one. (RFC 3986 §3. Brackets are excluded, as no namespace is an IPv6 address.)
 */
const ABSOLUTE_URI = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*$/;

/**
 * Limits the CPU time of one message; `npm run bench:hostile` measures the worst messages within these limits. All groups that
 * fit into 256 KiB are still allowed. Namespaces are short in the specifications and products, and a long one costs its length
 * each time it is used.
 */
const LIMITS = {
  depth: 48,
  elements: 8_000,
  /** In the whole message, including namespace declarations. */
  attributes: 16_000,
  attributesPerElement: 64,
  declarationsPerElement: 32,
  namespaceCharacters: 256,
  /** The sum over all attributes of the lengths of their namespaces. */
  attributeNamespaceCharacters: 1_000_000,
};

/** A tag with more is rejected while it is read, before its attributes are processed. */
export const MAX_IN_A_TAG = LIMITS.attributesPerElement + LIMITS.declarationsPerElement;

const malformed = (detail: string, cause?: unknown) => new GatewayError('saml_malformed', { detail, cause });
const tooManyAttributes = () => malformed('An element, or the whole XML, has too many attributes.');

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Decodes strict UTF-8 and removes a byte order mark.
 * @throws saml_malformed
 */
export function decodeUtf8(octets: Uint8Array): string {
  try {
    return UTF8.decode(octets);
  } catch (cause) {
    throw malformed('The XML is not UTF-8 text.', cause);
  }
}

export interface ParseOptions {
  /**
   * The parent element, if the text is one element that was encrypted inside it. Namespaces that are bound there apply to the
   * text (xmlenc §4.4), so the parser starts with these bindings. Wrapping the text in an element that declares them would be
   * simpler, but a hostile text could start with the end tag of that element.
   */
  readonly place?: XmlElement | undefined;
  /** Receives the number of characters that were read when the parser stopped at an error. */
  readonly onStop?: ((position: number) => void) | undefined;
}

/**
 * Parses a document into a tree.
 *
 * One deviation from namespace-aware XML 1.0 is allowed: after the colon, a name may start with a character that cannot start
 * a name. The reader of canonical XML rejects it.
 * @throws saml_malformed if the text is not well-formed XML 1.0 with namespaces, has a processing instruction or a relative
 *   namespace URI, or exceeds a limit; saml_dtd_forbidden for a document type declaration
 */
export function parseXml(text: string, { place, onStop }: ParseOptions = {}): XmlElement {
  // Checked in the text, before the parser sees a character. A message has no reason to contain it even as character data.
  if (text.includes('<!DOCTYPE')) throw new GatewayError('saml_dtd_forbidden');
  // decodeUtf8() removed one byte order mark; the parser would remove a second one.
  if (text.startsWith('\ufeff')) throw malformed('The XML starts with two byte order marks.');
  if (place && hasOuterComment(text)) throw malformed('The decrypted XML has a comment before or after its element.');
  const builder = new TreeBuilder(place);
  const parser = createParser(builder, place);
  try {
    parser.write(text);
    builder.declaration(parser.xmlDecl);
    parser.close();
  } catch (error) {
    onStop?.(parser.position);
    // The parser's own error text quotes the input, so it goes to the log only.
    throw error instanceof GatewayError
      ? error
      : malformed(`The XML is not well-formed (line ${parser.line}, column ${parser.column}).`, error);
  }
  return builder.finish();
}

/**
 * At most six handlers: with a seventh, V8 stores the parser's properties in a dictionary, and parsing takes ten times as long.
 * Without a handler for errors, the parser throws them. parseXml() checks the document type and the XML declaration.
 */
function createParser(builder: TreeBuilder, place: XmlElement | undefined) {
  /** Attributes and namespace declarations of the current tag. */
  let all: SaxesAttributeNS[] = [];
  const parser = new SaxesParser({
    xmlns: true,
    forceXMLVersion: true,
    defaultXMLVersion: '1.0',
    additionalNamespaces: place ? Object.fromEntries(bindingsIn(place)) : {},
  });
  parser.on('attribute', (attribute) => {
    // Attributes get their namespace at the end of the tag. With 256 KiB of them in one tag, counting there would be too late.
    if (all.push(attribute as SaxesAttributeNS) > MAX_IN_A_TAG) throw tooManyAttributes();
  });
  parser.on('processinginstruction', () => {
    throw malformed('The XML contains a processing instruction.');
  });
  parser.on('opentag', (tag) => {
    const { attributes, declarations } = separateDeclarations(all);
    builder.open(tag, attributes, declarations);
    all = [];
  });
  parser.on('closetag', () => builder.close());
  parser.on('text', (value) => builder.text(value));
  parser.on('cdata', (value) => builder.text(value));
  return parser;
}

function separateDeclarations(all: readonly SaxesAttributeNS[]): Pick<XmlElement, 'attributes' | 'declarations'> {
  if (all.length === 0) return { attributes: NO_ATTRIBUTES, declarations: NO_DECLARATIONS };
  const attributes: XmlAttribute[] = [];
  let declarations: Map<string, string> | undefined;
  for (const { prefix, local, uri, value } of all) {
    if (uri !== XMLNS_NAMESPACE) attributes.push({ prefix, local, uri, value });
    else declarations = (declarations ?? new Map<string, string>()).set(prefix === 'xmlns' ? local : '', value);
  }
  return { attributes, declarations: declarations ?? NO_DECLARATIONS };
}

/** Comments inside the element are dropped by the parser. (`-->` could also end a tag named `a--`, but no such element exists.) */
const hasOuterComment = (text: string): boolean => text.trimStart().startsWith('<!--') || text.trimEnd().endsWith('-->');

/** Returns the namespaces in scope, as prefix (empty for the default namespace) to URI. The innermost declaration wins. */
function bindingsIn(place: XmlElement): Map<string, string> {
  const bindings = new Map<string, string>();
  for (let at: XmlElement | undefined = place; at; at = at.parent) {
    for (const [prefix, uri] of at.declarations) if (!bindings.has(prefix)) bindings.set(prefix, uri);
  }
  return bindings;
}

interface Growing extends XmlElement {
  /** {@link NO_CHILDREN} until the first child. */
  children: (XmlElement | string)[];
}

/** Most elements have none, so sharing these values saves most of a tree's memory. */
export const NO_ATTRIBUTES: readonly XmlAttribute[] = Object.freeze([]);
export const NO_DECLARATIONS: ReadonlyMap<string, string> = new Map();
const NO_CHILDREN: readonly (XmlElement | string)[] = Object.freeze([]);

/** The name of a tag. */
export type ExpandedName = Pick<XmlElement, 'prefix' | 'local' | 'uri'>;

/** Builds the tree from the events of a parser, and enforces the limits. */
export class TreeBuilder {
  readonly #place: XmlElement | undefined;
  #root: Growing | undefined;
  /** The open elements, from the root to the current one. */
  readonly #open: Growing[] = [];
  #elements = 0;
  #attributes = 0;
  #attributeNamespaceCharacters = 0;

  constructor(place?: XmlElement) {
    this.#place = place;
  }

  declaration({ version, encoding }: { readonly version?: string | undefined; readonly encoding?: string | undefined }): void {
    if (version === undefined && encoding === undefined) return;
    if (this.#place) throw malformed('The decrypted XML has an XML declaration.');
    if (version !== '1.0') throw malformed('The XML version is not 1.0.');
    if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8') throw malformed('The XML declares an encoding other than UTF-8.');
  }

  /** The innermost open element. */
  get current(): XmlElement | undefined {
    return this.#open.at(-1);
  }

  open({ prefix, local, uri }: ExpandedName, attributes: XmlElement['attributes'], declarations: XmlElement['declarations']): XmlElement {
    const parent = this.#open.at(-1);
    if (this.#open.length >= LIMITS.depth) throw malformed('The XML is nested too deeply.');
    if (++this.#elements > LIMITS.elements) throw malformed('The XML has too many elements.');
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
    if (!parent || value === '') return; // Whitespace around the root. The parser rejects other text there.
    const last = parent.children.length - 1;
    const before = parent.children[last];
    if (typeof before === 'string') parent.children[last] = before + value;
    else addChild(parent, value);
  }

  finish(): XmlElement {
    if (!this.#root) throw malformed('The XML has no element.');
    return this.#root;
  }
}

function addChild(parent: Growing, child: XmlElement | string): void {
  if (parent.children === NO_CHILDREN) parent.children = [child];
  else parent.children.push(child);
}

function checkNamespace(uri: string): void {
  if (uri.length > LIMITS.namespaceCharacters) throw malformed('A namespace in the XML is too long.');
  if (uri !== '' && !ABSOLUTE_URI.test(uri)) throw malformed('A namespace in the XML is not an absolute URI.');
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
 * Returns the only child with this name, or undefined.
 * @throws the error of `onSeveral` if there are several
 */
export function onlyChild(element: XmlElement, uri: string, local: string, onSeveral: () => GatewayError): XmlElement | undefined {
  const found = childrenNamed(element, uri, local);
  if (found.length > 1) throw onSeveral();
  return found[0];
}

/** Returns the value of an attribute without namespace. */
export function attributeOf(element: XmlElement, local: string): string | undefined {
  for (const attribute of element.attributes) if (attribute.local === local && attribute.uri === '') return attribute.value;
  return undefined;
}

/**
 * Returns the whole text of an element.
 * @throws saml_malformed if it has a child element, because a reader that used only a part of the text would see another value
 */
export function textOf(element: XmlElement): string {
  const [first, ...more] = element.children;
  if (first === undefined) return '';
  if (more.length > 0 || typeof first !== 'string') throw malformed('A value contains an element.');
  return first;
}

/** Returns this element and all elements inside it, in document order. */
export function walk(element: XmlElement, found: XmlElement[] = []): XmlElement[] {
  found.push(element);
  for (const child of element.children) if (isElement(child)) walk(child, found);
  return found;
}
