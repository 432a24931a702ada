/**
 * The only XML parser of the gateway: one pass with a conformant, namespace-aware parser that stops at the first error.
 * It makes a small tree in which a comment has left no trace and a text is one string, so that nothing that reads the tree
 * can be split or shifted by markup.
 */
import { type SaxesAttributeNS, SaxesParser, type SaxesTagNS } from 'saxes';
import { GatewayError } from '../errors.ts';

export const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace';
const XMLNS_NAMESPACE = 'http://www.w3.org/2000/xmlns/';

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

/** What a message may cost. A response with 10,000 groups still fits. */
const LIMITS = { depth: 48, elements: 12_000, attributesPerElement: 64, declarationsPerElement: 32 };

const malformed = (detail: string, cause?: unknown) => new GatewayError('saml_malformed', { detail, cause });

/**
 * Decodes strict UTF-8; a byte order mark is dropped.
 * @throws saml_malformed for octets that are not UTF-8
 */
export function decodeUtf8(octets: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets);
  } catch (cause) {
    throw malformed('The message is not UTF-8 text.', cause);
  }
}

/**
 * Parses a document into a tree.
 * @throws saml_malformed where it is not namespace-well-formed XML 1.0, has a processing instruction or a relative namespace
 *   URI, or is over a limit; saml_dtd_forbidden for a document type declaration
 */
export function parseXml(text: string): XmlElement {
  // Looked for in the text, before the parser sees one character: a message has no reason to hold it even as character data.
  if (text.includes('<!DOCTYPE')) throw new GatewayError('saml_dtd_forbidden');
  const builder = new TreeBuilder();
  const parser = new SaxesParser({ xmlns: true, forceXMLVersion: true, defaultXMLVersion: '1.0' });
  parser.on('xmldecl', (declaration) => builder.declaration(declaration.version, declaration.encoding));
  parser.on('doctype', () => {
    throw new GatewayError('saml_dtd_forbidden');
  });
  parser.on('processinginstruction', () => {
    throw malformed('The message has a processing instruction.');
  });
  parser.on('opentag', (tag) => builder.open(tag));
  parser.on('closetag', () => builder.close());
  parser.on('text', (value) => builder.text(value));
  parser.on('cdata', (value) => builder.text(value));
  parser.on('error', (cause) => {
    // The parser's own message quotes the input, so it goes to the log only.
    throw malformed(`The XML is not well-formed (line ${parser.line}, column ${parser.column}).`, cause);
  });
  parser.write(text).close();
  return builder.finish();
}

interface Growing extends XmlElement {
  readonly attributes: XmlAttribute[];
  readonly declarations: Map<string, string>;
  readonly children: (XmlElement | string)[];
  readonly parent: Growing | undefined;
}

class TreeBuilder {
  #root: Growing | undefined;
  #current: Growing | undefined;
  #depth = 0;
  #elements = 0;

  declaration(version: string | undefined, encoding: string | undefined): void {
    if (version !== '1.0') throw malformed('Only XML 1.0 is read.');
    if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8') throw malformed('Only UTF-8 is read.');
  }

  open(tag: SaxesTagNS): void {
    if (++this.#depth > LIMITS.depth) throw malformed('The message is nested too deep.');
    if (++this.#elements > LIMITS.elements) throw malformed('The message has too many elements.');
    const element: Growing = {
      prefix: tag.prefix,
      local: tag.local,
      uri: tag.uri,
      attributes: [],
      declarations: new Map(),
      children: [],
      parent: this.#current,
    };
    for (const name in tag.attributes) addAttribute(element, tag.attributes[name] as SaxesAttributeNS);
    if (element.attributes.length > LIMITS.attributesPerElement || element.declarations.size > LIMITS.declarationsPerElement) {
      throw malformed('An element has too many attributes.');
    }
    if (this.#current) this.#current.children.push(element);
    else this.#root = element;
    this.#current = element;
  }

  close(): void {
    this.#depth--;
    this.#current = this.#current?.parent;
  }

  text(value: string): void {
    const children = this.#current?.children;
    if (!children || value === '') return; // white space around the root; anything else there is an error of the parser
    const last = children.length - 1;
    const before = children[last];
    if (typeof before === 'string') children[last] = before + value;
    else children.push(value);
  }

  finish(): XmlElement {
    if (!this.#root) throw malformed('The message has no element.');
    return this.#root;
  }
}

function addAttribute(element: Growing, attribute: SaxesAttributeNS): void {
  if (attribute.uri !== XMLNS_NAMESPACE) {
    element.attributes.push({ prefix: attribute.prefix, local: attribute.local, uri: attribute.uri, value: attribute.value });
    return;
  }
  const uri = attribute.value;
  // Canonical XML leaves relative namespace URIs undefined; two processors would read two different documents.
  if (uri !== '' && !/^[A-Za-z][A-Za-z0-9+.-]*:/.test(uri)) throw malformed('The message has a relative namespace URI.');
  element.declarations.set(attribute.prefix === 'xmlns' ? attribute.local : '', uri);
}

export const isElement = (node: XmlElement | string): node is XmlElement => typeof node !== 'string';

export const isNamed = (element: XmlElement, uri: string, local: string): boolean => element.local === local && element.uri === uri;

export const childElements = (element: XmlElement): XmlElement[] => element.children.filter(isElement);

export const childrenNamed = (element: XmlElement, uri: string, local: string): XmlElement[] =>
  childElements(element).filter((child) => isNamed(child, uri, local));

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
  return element.attributes.find((attribute) => attribute.local === local && attribute.uri === '')?.value;
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
export function* walk(element: XmlElement): Generator<XmlElement> {
  yield element;
  for (const child of element.children) if (isElement(child)) yield* walk(child);
}
