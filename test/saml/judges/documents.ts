/**
 * Generates XML documents with everything that matters to canonicalization. A tape of octets determines the document: each octet is one
 * choice, and 0 is always the simplest one. fast-check can therefore generate, replay and shrink documents like any array of numbers.
 */
import { XMLDSIG } from '../../../src/saml/names.ts';

/** A document and the element to canonicalize (the apex). */
export interface Sample {
  readonly xml: string;
  /** The indexes of child elements from the root down to the apex. */
  readonly apexPath: readonly number[];
  /** The index of the child element that the enveloped-signature transform removes. */
  readonly signatureIndex: number | undefined;
  /** The PrefixList of InclusiveNamespaces, possibly with `#default`. */
  readonly prefixList: readonly string[];
}

class Tape {
  readonly #octets: Uint8Array;
  #at = 0;

  constructor(octets: Uint8Array) {
    this.#octets = octets;
  }

  next(): number {
    return this.#octets[this.#at++] ?? 0;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.next() % choices.length] as T;
  }

  /** Returns true with a probability of `parts` / 16. */
  chance(parts: number): boolean {
    return this.next() % 16 >= 16 - parts;
  }

  several<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.next() % (most + 1) }, make);
  }
}

interface Alphabet {
  /** The empty string means no prefix. */
  readonly prefixes: readonly string[];
  readonly uris: readonly string[];
  readonly names: readonly string[];
  readonly text: readonly string[];
  readonly values: readonly string[];
  readonly cdata: readonly string[];
}

const TEXT = ['t', ' ', '\n', '&amp;', '&lt;', '&gt;', '>', '"', "'", '&quot;', '&apos;', '&#13;', '&#xD;&#10;', '&#x9;', '\t'];
const BEYOND = ['é', '😀', '&#x1F600;', '\uf900', '&#xF900;', '𐐀', '\ufffd', '\ufeff', '&#65;', ']]&gt;'];
const LINES = ['\r\n', '\r', '\n\r'];

const PLAIN: Alphabet = {
  prefixes: ['', 'a', 'b', 'c1', 'ds', 'xs'],
  uris: ['urn:a', 'urn:b', 'http://c.example/x'],
  names: ['e', 'f', 'g', 'ID2', 'd-e', 'd.e', '_f'],
  text: [...TEXT, ...BEYOND, ...LINES],
  values: ['v', ' ', '&amp;', '&lt;', '>', '&gt;', '&quot;', '&apos;', '&#9;', '&#xA;', '&#xD;', '\t', '\n', ...LINES, ...BEYOND],
  cdata: ['<x a="1">', '&amp;', ']]', '>', '\r\n', 'é😀', ' '],
};

/**
 * Characters for which XML libraries differ: capitals, names beyond the basic plane, URIs that must be escaped, line ends of XML 1.1.
 * U+F900 sorts before U+10400 (𐐀) by code points, and after it by UTF-16 units.
 */
const WILD: Alphabet = {
  prefixes: ['', 'a', 'A', 'B', 'b', 'é', '\uf900', '𐐀', '_', 'a-1', 'a.1'],
  uris: ['urn:a', 'urn:ab', 'urn:a:b', 'urn:a&amp;b', 'urn:a&apos;b', 'urn:A', 'u:', 'urn:a%20b', 'urn:_', 'urn:a?q=&#38;#f'],
  names: ['a', 'A', 'b', 'ba', 'é', '\uf900', '𐐀', '𐐀b', 'xmlnsx', '_', 'a-b', 'a·'],
  text: [...PLAIN.text, '\u0085', '\u2028', '\r\u0085', '&#x85;', '\u007f', '&#x10FFFF;', '\u{1fffe}'],
  values: [...PLAIN.values, '\u0085', '\u2028', '&#x2028;', '\u007f', '\u{1fffe}'],
  cdata: [...PLAIN.cdata, '\u0085', '', ']'],
};

const XML_ATTRIBUTES = ['xml:lang="en"', "xml:space='preserve'", 'xml:base="urn:base"', 'xml:lang=""'];
const XML_DECLARATION = 'xmlns:xml="http://www.w3.org/XML/1998/namespace"';
const COMMENTS = ['<!-- c -->', '<!--<a>&x;-->', '<!--\r\n-->', '<!---->'];
const WHITE_SPACE = [' ', '\n', '  ', '\t', '\r\n'];

type Scope = ReadonlyMap<string, string>;

interface ElementPlan {
  readonly name: string;
  /** Declarations and attributes, in document order. */
  readonly attributes: string[];
  readonly scope: Scope;
  readonly content: (ElementPlan | string)[];
  readonly short: boolean;
}

const isPlan = (node: ElementPlan | string): node is ElementPlan => typeof node !== 'string';

/** Generates the document of a tape. */
export function sampleFrom(octets: Uint8Array): Sample {
  const tape = new Tape(octets);
  const planner = new Planner(tape, tape.chance(8) ? WILD : PLAIN);
  const root = planner.element(new Map(), 0);
  const [apex, apexPath] = tape.pick([...paths(root)]);
  // As in SAML. Some libraries would otherwise add an ID of their own.
  apex.attributes.push('ID="apex"');
  const signatureIndex = tape.chance(6) ? planner.addSignature(apex) : undefined;
  const before = tape.pick(['', '<?xml version="1.0" encoding="UTF-8"?>', '<?xml version="1.0"?>\n<!-- before -->\n', '<!-- before -->']);
  const after = tape.pick(['', '\n', '\n<!-- after -->']);
  return { xml: `${before}${write(root, tape)}${after}`, apexPath, signatureIndex, prefixList: planner.prefixList() };
}

class Planner {
  readonly #tape: Tape;
  readonly #alphabet: Alphabet;

  constructor(tape: Tape, alphabet: Alphabet) {
    this.#tape = tape;
    this.#alphabet = alphabet;
  }

  element(outer: Scope, depth: number): ElementPlan {
    const tape = this.#tape;
    const { scope, written } = this.#declarations(outer);
    const prefix = tape.pick([...scope.keys()]);
    const attributes = shuffled(tape, [...written, ...this.#attributes(scope)]);
    const name = qualified(prefix, tape.pick(this.#alphabet.names));
    const content = this.#content(scope, depth);
    return { name, attributes, scope, content, short: content.length === 0 && tape.chance(8) };
  }

  #declarations(outer: Scope): { scope: Scope; written: string[] } {
    const tape = this.#tape;
    const scope = new Map([['', ''], ...outer]);
    const added = new Map<string, string>();
    tape.several(3, () => {
      const prefix = tape.pick(this.#alphabet.prefixes);
      added.set(prefix, prefix === '' && tape.chance(5) ? '' : tape.pick(this.#alphabet.uris));
    });
    const written = [...added].map(([prefix, uri]) =>
      prefix === '' ? this.#attribute('xmlns', uri) : this.#attribute(`xmlns:${prefix}`, uri),
    );
    if (tape.chance(1)) written.push(XML_DECLARATION);
    for (const [prefix, uri] of added) scope.set(prefix, uri);
    return { scope, written };
  }

  #attributes(scope: Scope): string[] {
    const tape = this.#tape;
    const prefixes = [...scope.keys()];
    const taken = new Set<string>();
    const written = tape.several(5, () => {
      const prefix = tape.pick(prefixes);
      const local = tape.pick(this.#alphabet.names);
      // Two prefixes may be bound to one namespace, which would give the same attribute twice.
      const expanded = prefix === '' ? local : `${scope.get(prefix)} ${local}`;
      if (taken.has(expanded)) return '';
      taken.add(expanded);
      return this.#attribute(qualified(prefix, local), tape.several(3, () => tape.pick(this.#alphabet.values)).join(''));
    });
    if (tape.chance(2)) written.push(tape.pick(XML_ATTRIBUTES));
    return written.filter((attribute) => attribute !== '');
  }

  #attribute(name: string, value: string): string {
    const quote = this.#tape.chance(4) ? "'" : '"';
    return `${name}${this.#tape.chance(1) ? ' = ' : '='}${quote}${value}${quote}`;
  }

  #content(scope: Scope, depth: number): (ElementPlan | string)[] {
    const tape = this.#tape;
    return tape.several(depth > 6 ? 1 : 4, () => {
      const kind = tape.next() % 8;
      if (kind < 2) return tape.several(4, () => tape.pick(this.#alphabet.text)).join('');
      if (kind === 2) return `<![CDATA[${tape.several(3, () => tape.pick(this.#alphabet.cdata)).join('')}]]>`.replace(/]]>(?=.)/gs, ']] >');
      if (kind === 3) return tape.pick(COMMENTS);
      return depth > 6 ? 'deep' : this.element(scope, depth + 1);
    });
  }

  /** Inserts a signature with arbitrary content into the apex. Returns the index of the child element. */
  addSignature(apex: ElementPlan): number {
    const tape = this.#tape;
    const prefix = tape.pick(['ds', '']);
    const scope = new Map([...apex.scope, [prefix, XMLDSIG]]);
    const signature: ElementPlan = {
      name: qualified(prefix, 'Signature'),
      attributes: [prefix === '' ? `xmlns="${XMLDSIG}"` : `xmlns:${prefix}="${XMLDSIG}"`],
      scope,
      content: this.#content(scope, 6),
      short: false,
    };
    const at = tape.next() % (apex.content.length + 1);
    apex.content.splice(at, 0, signature);
    return apex.content.slice(0, at).filter(isPlan).length;
  }

  prefixList(): string[] {
    const some = [...this.#alphabet.prefixes.slice(1), '#default', 'xml', 'nowhere'];
    return [...new Set(this.#tape.several(4, () => this.#tape.pick(some)))];
  }
}

const qualified = (prefix: string, local: string): string => (prefix === '' ? local : `${prefix}:${local}`);

function shuffled(tape: Tape, items: readonly string[]): string[] {
  const result: string[] = [];
  for (const item of items) result.splice(tape.next() % (result.length + 1), 0, item);
  return result;
}

function* paths(element: ElementPlan, path: readonly number[] = []): Generator<[ElementPlan, readonly number[]]> {
  yield [element, path];
  let index = 0;
  for (const child of element.content) if (isPlan(child)) yield* paths(child, [...path, index++]);
}

function write(element: ElementPlan, tape: Tape): string {
  const open = `<${element.name}${element.attributes.map((attribute) => tape.pick(WHITE_SPACE) + attribute).join('')}${tape.chance(1) ? '\n' : ''}`;
  if (element.short && element.content.length === 0) return `${open}/>`;
  return `${open}>${element.content.map((node) => (isPlan(node) ? write(node, tape) : node)).join('')}</${element.name}>`;
}
