/** Exclusive C14N with libxml2, which shares no code with the gateway. xmlsec1, PHP, Python and Ruby use it. */
import { ParseOption, XmlC14NMode, XmlDocument, XmlElement, type XmlNode } from 'libxml2-wasm';
import type { Sample } from './documents.ts';

/**
 * Returns the canonical form of the sample's apex. libxml2 does not escape an ampersand in a namespace URI, which leaves malformed XML,
 * so it is escaped here as Canonical XML §2.3 requires.
 * @throws XmlParseError if libxml2 cannot read the document
 */
export function canonicalByLibxml2(sample: Sample): string {
  const document = XmlDocument.fromString(sample.xml, { option: ParseOption.XML_PARSE_NOERROR });
  try {
    let apex = document.root;
    for (const index of sample.apexPath) apex = childElement(apex, index);
    if (sample.signatureIndex !== undefined) childElement(apex, sample.signatureIndex).remove();
    const options = { mode: XmlC14NMode.XML_C14N_EXCLUSIVE_1_0, inclusiveNamespacePrefixes: [...sample.prefixList] };
    return apex.canonicalizeToString(options).replace(/ xmlns(?::[^=]+)?="[^"]*"/g, (declaration) => declaration.replaceAll('&', '&amp;'));
  } finally {
    document.dispose();
  }
}

function childElement(parent: XmlElement, index: number): XmlElement {
  let remaining = index;
  for (let node: XmlNode | null = parent.firstChild; node; node = 'next' in node ? (node.next as XmlNode | null) : null) {
    if (node instanceof XmlElement && remaining-- === 0) return node;
  }
  throw new Error(`libxml2 finds no child element with index ${index}`);
}
