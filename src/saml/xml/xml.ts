/**
 * Parses all XML that others write: one pass with a conformant, namespace-aware parser that stops at the first error. The result
 * is a small tree without comments, in which adjacent text is one string, so that markup cannot split or shift a value.
 */
import { type SaxesAttributeNS, SaxesParser } from 'saxes';
import { GatewayError } from '../../errors.ts';
import { MAX_IN_A_TAG, malformed, NO_ATTRIBUTES, NO_DECLARATIONS, TreeBuilder, tooManyAttributes } from './tree-builder.ts';
import { XMLNS_NAMESPACE, type XmlAttribute, type XmlElement } from './xml-tree.ts';

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
