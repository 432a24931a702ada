/** Repairs digests and signatures of a mutated message, as far as an attacker with the given key, or without one, could. */
import { createHash, type KeyObject, sign } from 'node:crypto';
import { EXCLUSIVE_C14N, XMLDSIG } from '../../../src/saml/names.ts';
import { canonicalize } from '../../../src/saml/xml/canonical-xml.ts';
import { parseXml } from '../../../src/saml/xml/xml.ts';
import { attributeOf, childElements, isNamed, walk, type XmlElement } from '../../../src/saml/xml/xml-tree.ts';
import { cut, localName, replaced, scan } from './markup.ts';

/**
 * Writes the digest of its parent element into each signature, inner signatures first. With a key, it also writes the signature
 * values. Text that can no longer be parsed stays unchanged.
 */
export function forge(text: string, key: KeyObject | undefined): string {
  let forged = text;
  try {
    const count = signaturesOf(parseXml(text)).length;
    for (let index = count - 1; index >= 0; index--) forged = forgeOne(forged, index, key);
  } catch {
    // The text is forged as far as possible.
  }
  return forged;
}

/** Returns the signatures in document order, so that inner ones come after outer ones. */
const signaturesOf = (root: XmlElement): XmlElement[] => [...walk(root)].filter((element) => isNamed(element, XMLDSIG, 'Signature'));

function forgeOne(text: string, index: number, key: KeyObject | undefined): string {
  const signature = signaturesOf(parseXml(text))[index];
  if (!signature?.parent) return text;
  const octets = canonicalize(signature.parent, { inclusivePrefixes: prefixesOf(last(signature, 'Transform')), without: signature });
  const digested = withText(text, index, 'DigestValue', digestOf(octets, last(signature, 'DigestMethod')));
  const signedInfo = last(signaturesOf(parseXml(digested))[index], 'SignedInfo');
  if (!key || !signedInfo) return digested;
  const hash = hashOf(last(signedInfo, 'SignatureMethod'));
  const data = Buffer.from(canonicalize(signedInfo, { inclusivePrefixes: prefixesOf(last(signedInfo, 'CanonicalizationMethod')) }));
  return withText(digested, index, 'SignatureValue', sign(hash, data, key).toString('base64'));
}

const last = (element: XmlElement | undefined, local: string): XmlElement | undefined =>
  element && [...walk(element)].findLast((one) => isNamed(one, XMLDSIG, local));

const hashOf = (method: XmlElement | undefined): string =>
  /sha(?:1|256|384|512)$/.exec((method && attributeOf(method, 'Algorithm')) ?? '')?.[0] ?? 'sha256';

const digestOf = (octets: string, method: XmlElement | undefined): string => createHash(hashOf(method)).update(octets).digest('base64');

function prefixesOf(method: XmlElement | undefined): ReadonlySet<string> {
  const list = method && childElements(method).find((element) => isNamed(element, EXCLUSIVE_C14N, 'InclusiveNamespaces'));
  const prefixes = ((list && attributeOf(list, 'PrefixList')) ?? '').split(/\s+/).filter((prefix) => prefix !== '');
  return new Set(prefixes.map((prefix) => (prefix === '#default' ? '' : prefix)));
}

/** Replaces the text of the first element with this name in the signature with this index. */
function withText(text: string, index: number, local: string, value: string): string {
  const elements = scan(text).elements.toSorted((a, b) => a.start - b.start);
  const signature = elements.filter(({ name }) => localName(name) === 'Signature')[index];
  const element =
    signature && elements.find(({ name, start, end }) => localName(name) === local && start > signature.start && end < signature.end);
  return element && cut(text, element.open) !== cut(text, element)
    ? replaced(text, { start: element.open.end, end: element.close.start }, value)
    : text;
}
