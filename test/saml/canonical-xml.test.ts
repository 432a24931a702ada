import { describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { GatewayError } from '../../src/errors.ts';
import { XMLDSIG } from '../../src/saml/names.ts';
import { canonicalize } from '../../src/saml/xml/canonical-xml.ts';
import { parseXml } from '../../src/saml/xml/xml.ts';
import { attributeOf, childElements, isNamed, type XmlElement } from '../../src/saml/xml/xml-tree.ts';
import { type Sample, sampleFrom } from './judges/documents.ts';
import { readFixtures } from './judges/fixtures.ts';
import { canonicalByLibxml2 } from './judges/libxml2.ts';
import { canonicalByXmlCrypto, XML_CRYPTO_KNOWN_WRONG } from './judges/xml-crypto.ts';

/** Set more documents for a longer run: SAMLGATE_C14N_RUNS=1000000 npm test -- test/saml/canonical-xml.test.ts */
const RUNS = Number(process.env.SAMLGATE_C14N_RUNS ?? 20_000);

const TIMEOUT_MS = 300_000;

const apexOf = (sample: Sample): XmlElement =>
  sample.apexPath.reduce<XmlElement>((element, index) => childElements(element)[index]!, parseXml(sample.xml));

const inclusive = (prefixList: readonly string[]) => new Set(prefixList.map((prefix) => (prefix === '#default' ? '' : prefix)));

const ours = (sample: Sample, apex: XmlElement): string =>
  canonicalize(apex, {
    inclusivePrefixes: inclusive(sample.prefixList),
    without: sample.signatureIndex === undefined ? undefined : childElements(apex)[sample.signatureIndex],
  });

const whole = (xml: string, prefixList: readonly string[] = []): Sample => ({ xml, apexPath: [], signatureIndex: undefined, prefixList });

/** xml-crypto's parser also prints its complaints to the console. */
function xmlCryptoOrItsError(sample: Sample): string {
  const quiet = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  try {
    return canonicalByXmlCrypto(sample);
  } catch (error) {
    return String(error);
  } finally {
    quiet.mockRestore();
  }
}

describe('canonicalize() compared with libxml2 and xml-crypto (exclusive C14N §3)', () => {
  test(
    `returns the same text for ${RUNS} random documents`,
    () => {
      let judgedTwice = 0;
      const octets = fc.uint8Array({ maxLength: 400, size: 'max' });
      fc.assert(
        fc.property(octets, (tape) => {
          const sample = sampleFrom(tape);
          const apex = apexOf(sample);
          const canonical = ours(sample, apex);
          expect({ sample, canonical }).toEqual({ sample, canonical: canonicalByLibxml2(sample) });
          if (XML_CRYPTO_KNOWN_WRONG.some(({ applies }) => applies(sample, apex))) return;
          judgedTwice++;
          expect({ sample, canonical }).toEqual({ sample, canonical: canonicalByXmlCrypto(sample) });
        }),
        { numRuns: RUNS },
      );
      expect(judgedTwice).toBeGreaterThan(RUNS / 3);
    },
    TIMEOUT_MS,
  );

  test.each(XML_CRYPTO_KNOWN_WRONG)('xml-crypto is still wrong about $name', ({ example, prefixList, applies }) => {
    const sample = whole(example, prefixList);
    const apex = apexOf(sample);
    expect(ours(sample, apex)).toBe(canonicalByLibxml2(sample));
    expect(applies(sample, apex)).toBe(true);
    expect(xmlCryptoOrItsError(sample)).not.toBe(ours(sample, apex));
  });
});

const isSignature = (element: XmlElement): boolean => isNamed(element, XMLDSIG, 'Signature');

/** The first elements are the signed ones; a few others suffice. */
const MAX_ELEMENTS = 12;

/** Samples with elements of the document as apex, with and without their signature and some prefixes. Empty for invalid XML. */
function samplesIn(xml: string): Sample[] {
  try {
    return [...placed(parseXml(xml))].slice(0, MAX_ELEMENTS).flatMap(([apexPath, apex]) => {
      const signature = childElements(apex).findIndex(isSignature);
      const plain = { ...whole(xml), apexPath };
      if (signature < 0) return [plain];
      return [plain, { ...plain, signatureIndex: signature }, { ...plain, signatureIndex: signature, prefixList: ['xs', 'saml', 'ds'] }];
    });
  } catch (error) {
    if (error instanceof GatewayError) return [];
    throw error;
  }
}

function* placed(element: XmlElement, path: readonly number[] = []): Generator<[path: readonly number[], element: XmlElement]> {
  yield [path, element];
  for (const [index, child] of childElements(element).entries()) yield* placed(child, [...path, index]);
}

describe('canonicalize() on the fixtures', () => {
  const judged = (verdict: 'accepted' | 'rejected') =>
    readFixtures(verdict).flatMap(({ name, octets }) => {
      const xml = octets.toString('utf8').replace(/^\ufeff/, '');
      return samplesIn(xml).map((sample) => ({ name, sample, apex: apexOf(sample) }));
    });

  test(
    'agrees with libxml2 on the elements of all well-formed fixtures',
    () => {
      const all = [...judged('accepted'), ...judged('rejected')];
      for (const { name, sample, apex } of all) expect([name, ours(sample, apex)]).toEqual([name, canonicalByLibxml2(sample)]);
      expect(all.length).toBeGreaterThan(5000);
    },
    TIMEOUT_MS,
  );

  test(
    'agrees with xml-crypto on each signed element of the accepted fixtures',
    () => {
      const covered = judged('accepted').filter(({ sample, apex }) => {
        const isWhole = sample.signatureIndex !== undefined || !childElements(apex).some(isSignature);
        // xml-crypto's signer would add an ID to other elements.
        return isWhole && attributeOf(apex, 'ID') !== undefined && !XML_CRYPTO_KNOWN_WRONG.some(({ applies }) => applies(sample, apex));
      });
      for (const { name, sample, apex } of covered) expect([name, ours(sample, apex)]).toEqual([name, canonicalByXmlCrypto(sample)]);
      expect(covered.length).toBeGreaterThan(600);
    },
    TIMEOUT_MS,
  );
});

describe('canonicalize() on hand-written XML (exclusive C14N §3)', () => {
  test.each<[behaviour: string, xml: string, canonical: string, prefixList?: string[]]>([
    ['expands empty-element tags and removes whitespace in tags', '<a  b = "1"\n/>', '<a b="1"></a>'],
    ['replaces single quotes with double ones', `<a b='"x"'/>`, '<a b="&quot;x&quot;"></a>'],
    [
      'removes the XML declaration, comments and everything around the root',
      '<?xml version="1.0"?>\n<!-- x --><a>1<!-- x -->2</a>\n',
      '<a>12</a>',
    ],
    ['escapes text', '<a>&amp;&lt;&gt;>&quot;"&apos;&#13;&#x9;&#10;</a>', '<a>&amp;&lt;&gt;&gt;""\'&#xD;\t\n</a>'],
    ['escapes attributes', '<a b="&amp;&lt;&gt;>&quot;&apos;&#13;&#x9;&#10;"/>', '<a b="&amp;&lt;>>&quot;\'&#xD;&#x9;&#xA;"></a>'],
    ['writes line ends and whitespace in attributes as the parser normalizes them', '<a b="\r\n\t">\r\n\r</a>', '<a b="  ">\n\n</a>'],
    ['writes CDATA as text', '<a><![CDATA[<&>]]></a>', '<a>&lt;&amp;&gt;</a>'],
    ['writes characters beyond the basic plane as themselves', '<a>&#x1F600;😀</a>', '<a>😀😀</a>'],
    [
      'sorts attributes by namespace URI, then by local name, those without namespace first',
      '<a xmlns:x="urn:2" xmlns:y="urn:1" x:b="" y:c="" x:a="" z="" b=""/>',
      '<a xmlns:x="urn:2" xmlns:y="urn:1" b="" z="" y:c="" x:a="" x:b=""></a>',
    ],
    ['sorts attributes by code point, not by UTF-16 unit', '<a 𐐀="" \uf900="" é="" Z=""/>', '<a Z="" é="" \uf900="" 𐐀=""></a>'],
    [
      'sorts declarations by prefix, the default one first',
      '<b:a xmlns:b="urn:b" xmlns:B="urn:B" xmlns="urn:d" B:x=""><c/></b:a>',
      '<b:a xmlns:B="urn:B" xmlns:b="urn:b" B:x=""><c xmlns="urn:d"></c></b:a>',
    ],
    [
      'sorts declarations by code point, not by UTF-16 unit',
      '<𐐀:a xmlns:𐐀="urn:b" xmlns:\uf900="urn:a" \uf900:x=""/>',
      '<𐐀:a xmlns:\uf900="urn:a" xmlns:𐐀="urn:b" \uf900:x=""></𐐀:a>',
    ],
    ['removes unused declarations', '<a xmlns:b="urn:b"><c xmlns="urn:c"/></a>', '<a><c xmlns="urn:c"></c></a>'],
    [
      'moves a declaration to each element that uses it',
      '<a xmlns:b="urn:b"><b:c/><b:c><b:d/></b:c></a>',
      '<a><b:c xmlns:b="urn:b"></b:c><b:c xmlns:b="urn:b"><b:d></b:d></b:c></a>',
    ],
    ['removes a repeated declaration', '<b:a xmlns:b="urn:b"><b:c xmlns:b="urn:b"/></b:a>', '<b:a xmlns:b="urn:b"><b:c></b:c></b:a>'],
    [
      'declares a prefix again when its namespace changes back and forth',
      '<b:a xmlns:b="urn:1"><b:c xmlns:b="urn:2"><b:d xmlns:b="urn:1"/></b:c><b:e/></b:a>',
      '<b:a xmlns:b="urn:1"><b:c xmlns:b="urn:2"><b:d xmlns:b="urn:1"></b:d></b:c><b:e></b:e></b:a>',
    ],
    [
      'undeclares the default namespace if an ancestor declared it',
      '<a xmlns="urn:a"><b xmlns=""><c/></b></a>',
      '<a xmlns="urn:a"><b xmlns=""><c></c></b></a>',
    ],
    [
      'does not undeclare a default namespace that is not in the output',
      '<x:a xmlns:x="urn:x" xmlns="urn:a"><b xmlns=""/></x:a>',
      '<x:a xmlns:x="urn:x"><b></b></x:a>',
    ],
    [
      'never declares the xml prefix',
      '<a xmlns:xml="http://www.w3.org/XML/1998/namespace" xml:lang="en"/>',
      '<a xml:lang="en"></a>',
      ['xml'],
    ],
    ['escapes an ampersand in a namespace', '<a xmlns="urn:a&amp;b"/>', '<a xmlns="urn:a&amp;b"></a>'],
    ['declares an unused inclusive prefix on the apex', '<a xmlns:b="urn:b"><c/></a>', '<a xmlns:b="urn:b"><c></c></a>', ['b']],
    [
      'declares an inclusive prefix again when its namespace changes',
      '<a xmlns:b="urn:b"><c xmlns:b="urn:c"/></a>',
      '<a xmlns:b="urn:b"><c xmlns:b="urn:c"></c></a>',
      ['b'],
    ],
    ['ignores an inclusive prefix that is not in scope', '<a/>', '<a></a>', ['b']],
    [
      'supports an inclusive default namespace',
      '<b:a xmlns:b="urn:b" xmlns="urn:d"><b:c xmlns=""/></b:a>',
      '<b:a xmlns="urn:d" xmlns:b="urn:b"><b:c xmlns=""></b:c></b:a>',
      ['#default'],
    ],
  ])('%s', (_, xml, canonical, prefixList = []) => {
    expect(ours(whole(xml, prefixList), parseXml(xml))).toBe(canonical);
    expect(canonicalByLibxml2(whole(xml, prefixList))).toBe(canonical);
  });

  test('declares what an inner apex uses from its ancestors, without their xml attributes', () => {
    const xml = '<a xmlns="urn:a" xmlns:b="urn:b" xmlns:c="urn:c" xml:lang="en"><b:d><e/></b:d></a>';
    const sample = { ...whole(xml, ['c']), apexPath: [0] };
    expect(ours(sample, apexOf(sample))).toBe('<b:d xmlns:b="urn:b" xmlns:c="urn:c"><e xmlns="urn:a"></e></b:d>');
  });

  test('leaves out only the given signature, with all its content', () => {
    const sample = { ...whole('<a>1<s><t/></s>2<s/></a>'), signatureIndex: 0 };
    expect(ours(sample, apexOf(sample))).toBe('<a>12<s></s></a>');
  });

  test('keeps canonical text unchanged', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400, size: 'max' }), (tape) => {
        const sample = sampleFrom(tape);
        const canonical = ours(sample, apexOf(sample));
        expect(canonicalize(parseXml(canonical), { inclusivePrefixes: inclusive(sample.prefixList) })).toBe(canonical);
      }),
    );
  });
});

describe('canonicalize(): limits', () => {
  /** Larger than the parser would allow. */
  const repeated = (uriLength: number, times: number): XmlElement => {
    const common = { attributes: [], declarations: new Map<string, string>(), parent: undefined };
    const child = { ...common, prefix: 'p', local: 'a', uri: `urn:${'x'.repeat(uriLength - 4)}`, children: [] };
    return { ...common, prefix: '', local: 'r', uri: '', children: new Array<XmlElement>(times).fill(child) };
  };

  test('rejects XML whose declarations would become huge', () => {
    const huge = repeated(150_000, 11_000);
    expect(() => canonicalize(huge)).toThrow(GatewayError);
    expect(() => canonicalize(huge)).toThrow('saml_malformed');
  });

  test('writes up to 4 MiB of declarations', () => {
    expect(canonicalize(repeated(1023, 4096))).toHaveLength('<r></r>'.length + 4096 * ('<p:a xmlns:p=""></p:a>'.length + 1023));
    expect(() => canonicalize(repeated(1024, 4096))).toThrow('saml_malformed');
  });
});
