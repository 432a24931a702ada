import { describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { GatewayError } from '../../src/errors.ts';
import { XMLDSIG } from '../../src/saml/names.ts';
import { canonicalize } from '../../src/saml/xml/canonical-xml.ts';
import { attributeOf, childElements, isNamed, parseXml, type XmlElement } from '../../src/saml/xml/xml.ts';
import { type Sample, sampleFrom } from './judges/documents.ts';
import { readFixtures } from './judges/fixtures.ts';
import { canonicalByLibxml2 } from './judges/libxml2.ts';
import { canonicalByXmlCrypto, XML_CRYPTO_KNOWN_WRONG } from './judges/xml-crypto.ts';

/** More documents for a longer hunt: SAMLGATE_C14N_RUNS=1000000 npm test -- test/saml/canonical-xml.test.ts */
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

/** xml-crypto's parser also writes what it does not like to the console. */
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

describe('exclusive C14N §3, as libxml2 and xml-crypto have it', () => {
  test(
    `${RUNS} documents`,
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

  test.each(XML_CRYPTO_KNOWN_WRONG)('xml-crypto is still wrong: $name', ({ example, prefixList, applies }) => {
    const sample = whole(example, prefixList);
    const apex = apexOf(sample);
    expect(ours(sample, apex)).toBe(canonicalByLibxml2(sample));
    expect(applies(sample, apex)).toBe(true);
    expect(xmlCryptoOrItsError(sample)).not.toBe(ours(sample, apex));
  });
});

const isSignature = (element: XmlElement): boolean => isNamed(element, XMLDSIG, 'Signature');

/** The first are those that are signed; of the rest some will do. */
const MAX_ELEMENTS = 12;

/** Elements of the document for an apex, with and without its signature and some prefixes; none for what is no XML to us. */
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

describe('the fixtures', () => {
  const judged = (verdict: 'accepted' | 'rejected') =>
    readFixtures(verdict).flatMap(({ name, octets }) => {
      const xml = octets.toString('utf8').replace(/^\ufeff/, '');
      return samplesIn(xml).map((sample) => ({ name, sample, apex: apexOf(sample) }));
    });

  test(
    'elements of all that we can read are the same to libxml2',
    () => {
      const all = [...judged('accepted'), ...judged('rejected')];
      for (const { name, sample, apex } of all) expect([name, ours(sample, apex)]).toEqual([name, canonicalByLibxml2(sample)]);
      expect(all.length).toBeGreaterThan(5000);
    },
    TIMEOUT_MS,
  );

  test(
    'each element that is signed in the accepted ones is the same to xml-crypto',
    () => {
      const covered = judged('accepted').filter(({ sample, apex }) => {
        const isWhole = sample.signatureIndex !== undefined || !childElements(apex).some(isSignature);
        // Other elements would get an ID from xml-crypto's signer.
        return isWhole && attributeOf(apex, 'ID') !== undefined && !XML_CRYPTO_KNOWN_WRONG.some(({ applies }) => applies(sample, apex));
      });
      for (const { name, sample, apex } of covered) expect([name, ours(sample, apex)]).toEqual([name, canonicalByXmlCrypto(sample)]);
      expect(covered.length).toBeGreaterThan(600);
    },
    TIMEOUT_MS,
  );
});

describe('exclusive C14N §3, by hand', () => {
  test.each<[behaviour: string, xml: string, canonical: string, prefixList?: string[]]>([
    ['an empty element gets an end tag, white space in tags goes', '<a  b = "1"\n/>', '<a b="1"></a>'],
    ['single quotes become double ones', `<a b='"x"'/>`, '<a b="&quot;x&quot;"></a>'],
    ['the XML declaration, comments and what is around the root go', '<?xml version="1.0"?>\n<!-- x --><a>1<!-- x -->2</a>\n', '<a>12</a>'],
    ['text escapes', '<a>&amp;&lt;&gt;>&quot;"&apos;&#13;&#x9;&#10;</a>', '<a>&amp;&lt;&gt;&gt;""\'&#xD;\t\n</a>'],
    ['attribute escapes', '<a b="&amp;&lt;&gt;>&quot;&apos;&#13;&#x9;&#10;"/>', '<a b="&amp;&lt;>>&quot;\'&#xD;&#x9;&#xA;"></a>'],
    ['line ends and white space of attributes, as they are read', '<a b="\r\n\t">\r\n\r</a>', '<a b="  ">\n\n</a>'],
    ['CDATA is text', '<a><![CDATA[<&>]]></a>', '<a>&lt;&amp;&gt;</a>'],
    ['characters beyond the basic plane as they are', '<a>&#x1F600;😀</a>', '<a>😀😀</a>'],
    [
      'attributes by namespace URI, then local name, those without first',
      '<a xmlns:x="urn:2" xmlns:y="urn:1" x:b="" y:c="" x:a="" z="" b=""/>',
      '<a xmlns:x="urn:2" xmlns:y="urn:1" b="" z="" y:c="" x:a="" x:b=""></a>',
    ],
    ['attributes by code point, not by UTF-16 unit', '<a 𐐀="" \uf900="" é="" Z=""/>', '<a Z="" é="" \uf900="" 𐐀=""></a>'],
    [
      'declarations by prefix, the default one first',
      '<b:a xmlns:b="urn:b" xmlns:B="urn:B" xmlns="urn:d" B:x=""><c/></b:a>',
      '<b:a xmlns:B="urn:B" xmlns:b="urn:b" B:x=""><c xmlns="urn:d"></c></b:a>',
    ],
    [
      'declarations by code point, not by UTF-16 unit',
      '<𐐀:a xmlns:𐐀="urn:b" xmlns:\uf900="urn:a" \uf900:x=""/>',
      '<𐐀:a xmlns:\uf900="urn:a" xmlns:𐐀="urn:b" \uf900:x=""></𐐀:a>',
    ],
    ['declarations that nothing uses go', '<a xmlns:b="urn:b"><c xmlns="urn:c"/></a>', '<a><c xmlns="urn:c"></c></a>'],
    [
      'a declaration moves down to where it is used, on each sibling',
      '<a xmlns:b="urn:b"><b:c/><b:c><b:d/></b:c></a>',
      '<a><b:c xmlns:b="urn:b"></b:c><b:c xmlns:b="urn:b"><b:d></b:d></b:c></a>',
    ],
    ['a repeated declaration goes', '<b:a xmlns:b="urn:b"><b:c xmlns:b="urn:b"/></b:a>', '<b:a xmlns:b="urn:b"><b:c></b:c></b:a>'],
    [
      'a prefix bound anew, and again to what it was',
      '<b:a xmlns:b="urn:1"><b:c xmlns:b="urn:2"><b:d xmlns:b="urn:1"/></b:c><b:e/></b:a>',
      '<b:a xmlns:b="urn:1"><b:c xmlns:b="urn:2"><b:d xmlns:b="urn:1"></b:d></b:c><b:e></b:e></b:a>',
    ],
    [
      'the default namespace undone where it counts',
      '<a xmlns="urn:a"><b xmlns=""><c/></b></a>',
      '<a xmlns="urn:a"><b xmlns=""><c></c></b></a>',
    ],
    [
      'the default namespace undone where it was not written',
      '<x:a xmlns:x="urn:x" xmlns="urn:a"><b xmlns=""/></x:a>',
      '<x:a xmlns:x="urn:x"><b></b></x:a>',
    ],
    [
      'the xml prefix is never declared',
      '<a xmlns:xml="http://www.w3.org/XML/1998/namespace" xml:lang="en"/>',
      '<a xml:lang="en"></a>',
      ['xml'],
    ],
    ['an ampersand in a namespace is escaped', '<a xmlns="urn:a&amp;b"/>', '<a xmlns="urn:a&amp;b"></a>'],
    ['an inclusive prefix is written at the apex though unused', '<a xmlns:b="urn:b"><c/></a>', '<a xmlns:b="urn:b"><c></c></a>', ['b']],
    [
      'an inclusive prefix is written where it is bound anew',
      '<a xmlns:b="urn:b"><c xmlns:b="urn:c"/></a>',
      '<a xmlns:b="urn:b"><c xmlns:b="urn:c"></c></a>',
      ['b'],
    ],
    ['an inclusive prefix out of scope is nothing', '<a/>', '<a></a>', ['b']],
    [
      'an inclusive default namespace',
      '<b:a xmlns:b="urn:b" xmlns="urn:d"><b:c xmlns=""/></b:a>',
      '<b:a xmlns="urn:d" xmlns:b="urn:b"><b:c xmlns=""></b:c></b:a>',
      ['#default'],
    ],
  ])('%s', (_, xml, canonical, prefixList = []) => {
    expect(ours(whole(xml, prefixList), parseXml(xml))).toBe(canonical);
    expect(canonicalByLibxml2(whole(xml, prefixList))).toBe(canonical);
  });

  test('an apex inside takes the declarations that it uses from above, and no xml attributes', () => {
    const xml = '<a xmlns="urn:a" xmlns:b="urn:b" xmlns:c="urn:c" xml:lang="en"><b:d><e/></b:d></a>';
    const sample = { ...whole(xml, ['c']), apexPath: [0] };
    expect(ours(sample, apexOf(sample))).toBe('<b:d xmlns:b="urn:b" xmlns:c="urn:c"><e xmlns="urn:a"></e></b:d>');
  });

  test('a signature is left out with all it contains, and nothing else', () => {
    const sample = { ...whole('<a>1<s><t/></s>2<s/></a>'), signatureIndex: 0 };
    expect(ours(sample, apexOf(sample))).toBe('<a>12<s></s></a>');
  });

  test('what was canonical stays as it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400, size: 'max' }), (tape) => {
        const sample = sampleFrom(tape);
        const canonical = ours(sample, apexOf(sample));
        expect(canonicalize(parseXml(canonical), { inclusivePrefixes: inclusive(sample.prefixList) })).toBe(canonical);
      }),
    );
  });
});

describe('what canonicalisation may cost', () => {
  /** As no reader of messages would let it pass. */
  const repeated = (uriLength: number, times: number): XmlElement => {
    const common = { attributes: [], declarations: new Map<string, string>(), parent: undefined };
    const child = { ...common, prefix: 'p', local: 'a', uri: `urn:${'x'.repeat(uriLength - 4)}`, children: [] };
    return { ...common, prefix: '', local: 'r', uri: '', children: new Array<XmlElement>(times).fill(child) };
  };

  test('refuses what its declarations would make huge', () => {
    const huge = repeated(150_000, 11_000);
    expect(() => canonicalize(huge)).toThrow(GatewayError);
    expect(() => canonicalize(huge)).toThrow('saml_malformed');
  });

  test('4 MiB of declarations are still written', () => {
    expect(canonicalize(repeated(1023, 4096))).toHaveLength('<r></r>'.length + 4096 * ('<p:a xmlns:p=""></p:a>'.length + 1023));
    expect(() => canonicalize(repeated(1024, 4096))).toThrow('saml_malformed');
  });
});
