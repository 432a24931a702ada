/** Exclusive C14N with xml-crypto: runs its signer up to the octets that it would digest. */
import { SignedXml } from 'xml-crypto';
import { ENVELOPED_SIGNATURE, EXCLUSIVE_C14N } from '../../../src/saml/names.ts';
import { walk, type XmlElement } from '../../../src/saml/xml/xml-tree.ts';
import type { Sample } from './documents.ts';

const CAPTURE = 'urn:capture';
const WITHOUT_SIGNATURE = 'urn:without-signature';
const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';

/** Thrown inside the signer, to stop it at the digest. */
class Captured extends Error {
  readonly octets: string;

  constructor(octets: string) {
    super('captured');
    this.octets = octets;
  }
}

class CapturingDigest {
  getHash(octets: string): string {
    throw new Captured(octets);
  }

  getAlgorithmName(): string {
    return CAPTURE;
  }
}

/**
 * Returns the canonical form of the sample's apex.
 * @throws Error if xml-crypto cannot read or write the document
 */
export function canonicalByXmlCrypto(sample: Sample): string {
  const signer = new SignedXml({ canonicalizationAlgorithm: EXCLUSIVE_C14N, signatureAlgorithm: RSA_SHA256 });
  signer.HashAlgorithms = { [CAPTURE]: CapturingDigest };
  const Enveloped = signer.CanonicalizationAlgorithms[ENVELOPED_SIGNATURE]!;
  // The signer would pass the signature that it is creating; here the transform must find the existing one.
  signer.CanonicalizationAlgorithms[WITHOUT_SIGNATURE] = class extends Enveloped {
    override process(...[node]: Parameters<InstanceType<typeof Enveloped>['process']>) {
      return super.process(node, {});
    }
  };
  signer.addReference({
    xpath: `/*${sample.apexPath.map((index) => `/*[${index + 1}]`).join('')}`,
    transforms: sample.signatureIndex === undefined ? [EXCLUSIVE_C14N] : [WITHOUT_SIGNATURE, EXCLUSIVE_C14N],
    digestAlgorithm: CAPTURE,
    inclusiveNamespacesPrefixList: [...sample.prefixList],
  });
  try {
    signer.computeSignature(sample.xml);
  } catch (error) {
    if (error instanceof Captured) return error.octets;
    throw error;
  }
  throw new Error('xml-crypto digested nothing');
}

interface KnownWrong {
  readonly name: string;
  /** The deviation of xml-crypto, and the rule. */
  readonly why: string;
  /** A document, and a PrefixList, that show the deviation. */
  readonly example: string;
  readonly prefixList?: readonly string[];
  readonly applies: (sample: Sample, apex: XmlElement) => boolean;
}

const utf8Order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
const utf16Order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const someElement = (apex: XmlElement, is: (element: XmlElement) => boolean): boolean => [...walk(apex)].some(is);

/** Whether two orders differ for any pair. */
const differ = <T>(items: readonly T[], one: (a: T, b: T) => number, other: (a: T, b: T) => number): boolean =>
  items.some((a, i) => items.slice(i + 1).some((b) => Math.sign(one(a, b)) !== Math.sign(other(a, b))));

const prefixesOf = (apex: XmlElement): string[] => [
  ...new Set(
    [...walk(apex)].flatMap((element) => [
      element.prefix,
      ...element.attributes.map(({ prefix }) => prefix),
      ...element.declarations.keys(),
    ]),
  ),
];

const rootOf = (element: XmlElement): XmlElement => (element.parent ? rootOf(element.parent) : element);

const namesOf = (root: XmlElement): string =>
  [...walk(root)]
    .flatMap((element) =>
      [element, ...element.attributes].flatMap(({ prefix, local }) => [prefix, local]).concat(...element.declarations.keys()),
    )
    .join(' ');

/**
 * Documents for which the canonical form of xml-crypto is known to be wrong. libxml2 agrees with the gateway on all of them. None occurs
 * in messages of identity providers.
 */
export const XML_CRYPTO_KNOWN_WRONG: readonly KnownWrong[] = [
  {
    name: 'default-in-prefix-list',
    why: 'It looks for a prefix named "#default", but the token means the default namespace (exclusive C14N §2.1).',
    example: '<a:e xmlns:a="urn:a" xmlns="urn:b" ID="apex"/>',
    prefixList: ['#default'],
    applies: ({ prefixList }) => prefixList.includes('#default'),
  },
  {
    name: 'xml-in-prefix-list',
    why: 'It writes xmlns:xml="http://www.w3.org/XML/1998/namespace", which must never be written (Canonical XML §2.3).',
    example: '<e xmlns:xml="http://www.w3.org/XML/1998/namespace" ID="apex"/>',
    prefixList: ['xml'],
    applies: ({ prefixList, xml }) => prefixList.includes('xml') && xml.includes('xmlns:xml'),
  },
  {
    name: 'attribute-local-name-in-prefix-list',
    why: 'It mistakes any prefixed attribute whose local name is in the PrefixList for the declaration of that prefix.',
    example: '<e xmlns:a="urn:a" a:a="x" ID="apex"/>',
    prefixList: ['a'],
    applies: ({ prefixList }, apex) =>
      someElement(apex, ({ attributes }) => attributes.some(({ prefix, local }) => prefix !== '' && prefixList.includes(local))),
  },
  {
    name: 'attribute-order',
    why: 'It sorts attributes by the joined URI and local name, by UTF-16 units. The rule is first the URI, then the local name, by code points (Canonical XML §2.2).',
    example: '<e xmlns:a="urn:a" xmlns:b="urn:a:b" a:g="" b:f="" ID="apex"/>',
    applies: (_, apex) =>
      someElement(apex, ({ attributes }) =>
        differ(
          attributes,
          (a, b) => utf8Order(a.uri, b.uri) || utf8Order(a.local, b.local),
          (a, b) => Math.sign(Number(a.uri !== '') - Number(b.uri !== '')) || utf16Order(a.uri + a.local, b.uri + b.local),
        ),
      ),
  },
  {
    name: 'namespace-order',
    why: 'It sorts declarations by the locale of the host. The rule is by code points (Canonical XML §2.2).',
    example: '<A:e xmlns:A="urn:a" xmlns:b="urn:b" xmlns:a="urn:c" a:f="" b:f="" ID="apex"/>',
    applies: ({ prefixList }, apex) => differ([...prefixesOf(apex), ...prefixList], utf8Order, (a, b) => a.localeCompare(b)),
  },
  {
    name: 'namespace-not-escaped',
    why: 'It does not escape namespace URIs. The rule is to escape them like attribute values (Canonical XML §2.3).',
    example: '<e xmlns="urn:a&amp;b" ID="apex"/>',
    applies: (_, apex) => someElement(rootOf(apex), ({ declarations }) => [...declarations.values()].some((uri) => uri.includes('&'))),
  },
  {
    name: 'attribute-begins-with-xmlns',
    why: 'It omits every attribute whose name starts with xmlns.',
    example: '<e xmlnsx="" ID="apex"/>',
    applies: (_, apex) =>
      someElement(apex, ({ attributes }) => attributes.some(({ prefix, local }) => (prefix || local).startsWith('xmlns'))),
  },
  {
    name: 'line-ends-of-xml-1.1',
    why: 'Its parser turns NEL and LINE SEPARATOR into line feeds, which only XML 1.1 does (XML 1.0 §2.11).',
    example: '<e ID="apex">\u2028</e>',
    applies: ({ xml }) => /[\u0085\u2028]/.test(xml),
  },
  {
    name: 'names-beyond-the-basic-plane',
    why: 'Its parser cannot read names with characters beyond U+FFFF (XML 1.0 §2.3).',
    example: '<𐐀 ID="apex"/>',
    applies: (_, apex) => /[\u{10000}-\u{10ffff}]/u.test(namesOf(rootOf(apex))),
  },
];
