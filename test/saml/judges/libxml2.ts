/** Exclusive C14N by libxml2, which shares no code with ours and is what xmlsec1, PHP, Python and Ruby use. */
import { ParseOption, XmlC14NMode, XmlDocument, XmlElement, type XmlNode } from 'libxml2-wasm';
import type { Sample } from './documents.ts';

/**
 * The canonical form of the sample's apex. Where libxml2 leaves an ampersand in a namespace URI as it is, which is no XML any
 * more, it is escaped here, as Canonical XML §2.3 has it for namespace nodes.
 * @throws XmlParseError where libxml2 does not read the document
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
  let left = index;
  for (let node: XmlNode | null = parent.firstChild; node; node = 'next' in node ? (node.next as XmlNode | null) : null) {
    if (node instanceof XmlElement && left-- === 0) return node;
  }
  throw new Error(`libxml2 sees no child element number ${index}`);
}
