/** Builds the tree from the events of a parser, and limits the CPU time of one message. */
import { GatewayError } from '../../errors.ts';
import type { XmlAttribute, XmlElement } from './xml-tree.ts';

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

export const malformed = (detail: string, cause?: unknown) => new GatewayError('saml_malformed', { detail, cause });
export const tooManyAttributes = () => malformed('An element, or the whole XML, has too many attributes.');

interface Growing extends XmlElement {
  /** {@link NO_CHILDREN} until the first child. */
  children: (XmlElement | string)[];
}

/**
 * Most elements have none, so sharing these values saves most of a tree's memory. They are not frozen: V8 does not inline loops over
 * frozen arrays, and each step of a loop would create an object, 60 kB for a response of 9 KB.
 */
export const NO_ATTRIBUTES: readonly XmlAttribute[] = [];
export const NO_DECLARATIONS: ReadonlyMap<string, string> = new Map();
const NO_CHILDREN: readonly (XmlElement | string)[] = [];

/** The name of a tag. */
export type ExpandedName = Pick<XmlElement, 'prefix' | 'local' | 'uri'>;

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
