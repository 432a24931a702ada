import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { GatewayError } from '../../src/errors.ts';
import { readCanonicalXml } from '../../src/saml/xml/canonical-reader.ts';
import { canonicalize } from '../../src/saml/xml/canonical-xml.ts';
import { parseXml } from '../../src/saml/xml/xml.ts';
import { walk, type XmlElement } from '../../src/saml/xml/xml-tree.ts';
import { sampleFrom } from './judges/documents.ts';
import { readFixtures } from './judges/fixtures.ts';

const RUNS = Number(process.env.SAMLGATE_C14N_RUNS ?? 20_000);
const TIMEOUT_MS = 240_000;

/** Serializes a whole tree, so that two trees can be compared. Also checks that each element knows its parent. */
function serialize(element: XmlElement): string {
  for (const each of walk(element)) for (const child of each.children) if (typeof child !== 'string') expect(child.parent).toBe(each);
  expect(element.parent).toBeUndefined();
  return JSON.stringify(element, (key, value) => {
    if (key === 'parent') return undefined;
    return value instanceof Map ? [...value] : value;
  });
}

function expectToReadAsTheParserDoes(canonical: string): void {
  const read = readCanonicalXml(canonical);
  expect({ canonical, tree: serialize(read) }).toEqual({ canonical, tree: serialize(parseXml(canonical)) });
  // Canonicalization is idempotent.
  expect(canonicalize(read)).toBe(canonical);
}

const codeOf = (read: () => unknown): string => {
  try {
    read();
    return 'read';
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
};

/** Nested elements, most of which have equal start tags and declare no namespace. */
const nested = fc.letrec<{ element: string }>((tie) => {
  const tag = fc.constantFrom('a', 'a', 'a b="1"', 'a b="1" c="2"', 'a c="2" b="1"', 'p:a', 'p:a', 'p:a b="1"', 'q:a', 'a p:b="1"');
  const declared = fc.constantFrom('', '', '', '', '', '', ' xmlns:p="urn:p"', ' xmlns:p="urn:q"', ' xmlns="urn:a"', ' xmlns=""');
  const content = fc.array(fc.oneof({ weight: 3, arbitrary: tie('element') }, fc.constantFrom('', 'x', '&amp;')), { maxLength: 4 });
  return {
    element: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.tuple(tag, fc.constantFrom('></>', '>x</>', '/>')).map(([t, end]) => `<${t}${end.replace('</', `</${t.split(' ')[0]}`)}`),
      fc.tuple(tag, declared, content).map(([t, d, inner]) => `<${t}${d}>${inner.join('')}</${t.split(' ')[0]}>`),
    ),
  };
}).element;

const NESTED = [
  ['of one prefix', '<p:a xmlns:p="urn:p"><p:b><p:c d="e">f</p:c><p:c d="e">g</p:c></p:b></p:a>'],
  ['with attributes in canonical order', '<a><b c="1" d="2"><e></e></b></a>'],
  ['with attributes in a different order', '<a><b d="2" c="1"><e></e></b></a>'],
  ['with names beyond the basic plane', '<a><b \uff5e="1" \u{10000}="2"><e></e></b><b \u{10000}="2" \uff5e="1"><e></e></b></a>'],
  ['with an attribute of a namespace', '<a xmlns:q="urn:q"><b><c q:d="1"></c></b></a>'],
  ['with a second prefix for one namespace', '<p:a xmlns:p="urn:p" xmlns:q="urn:p"><p:b><q:c><q:d></q:d></q:c></p:b></p:a>'],
  ['with a prefix that is declared with another namespace', '<p:a xmlns:p="urn:p"><p:b><p:c xmlns:p="urn:q"><p:d></p:d></p:c></p:b></p:a>'],
  ['with a prefix that is declared again', '<p:a xmlns:p="urn:p"><p:b><p:c xmlns:p="urn:p"><p:d></p:d></p:c></p:b></p:a>'],
  ['with an unused declaration', '<p:a xmlns:p="urn:p"><p:b><p:c xmlns:q="urn:q"><p:d></p:d></p:c></p:b></p:a>'],
  ['with a default namespace that is undeclared', '<a xmlns="urn:a"><b><c xmlns=""><d></d></c></b></a>'],
  ['without namespace below a prefix', '<p:a xmlns:p="urn:p"><p:b><c><d></d></c></p:b></p:a>'],
  ['with an empty element', '<a><b><c/></b><b><c></c></b></a>'],
  ['with references', '<a><b c="&amp;&lt;&quot;&#x9;&#xA;&#xD;>"><d>&amp;&lt;&gt;&#xD;"</d></b></a>'],
  ['with equal start tags and different content', '<a><b c="1"><d/></b><b c="1"><d></d></b><b c="1"/><b c="1">e</b></a>'],
  ['with equal starts of their names', '<a><b></b><bb></bb><b></b></a>'],
  ['with equal start tags, one inside the other', '<a><b><b><b></b></b><b></b></b></a>'],
] as const;

describe('readCanonicalXml() on canonical XML', () => {
  test(
    `builds the same tree as the conformant parser (${RUNS} random documents)`,
    () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 400, size: 'max' }), (tape) => {
          expectToReadAsTheParserDoes(canonicalize(parseXml(sampleFrom(tape).xml)));
        }),
        { numRuns: RUNS },
      );
    },
    TIMEOUT_MS,
  );

  test(
    `builds the same tree for nested elements that repeat tags and prefixes (${RUNS} random documents)`,
    () => {
      fc.assert(
        fc.property(nested, (inner) => {
          expectToReadAsTheParserDoes(canonicalize(parseXml(`<q:r xmlns:q="urn:q" xmlns:p="urn:p">${inner}</q:r>`)));
        }),
        { numRuns: RUNS },
      );
    },
    TIMEOUT_MS,
  );

  test.each(NESTED)('builds the same tree for elements %s', (_what, xml) => {
    expectToReadAsTheParserDoes(canonicalize(parseXml(xml)));
  });

  test('builds the same tree for every fixture that is well-formed XML', () => {
    const texts = (['accepted', 'rejected'] as const).flatMap((kind) => readFixtures(kind)).map(({ octets }) => octets.toString('utf8'));
    const canonical = texts.flatMap((text) => {
      try {
        return [canonicalize(parseXml(text))];
      } catch (error) {
        if (error instanceof GatewayError) return [];
        throw error;
      }
    });
    expect(canonical.length).toBeGreaterThan(1000);
    for (const text of canonical) expectToReadAsTheParserDoes(text);
  });
});

/** The pieces that a random edit inserts: everything that has a meaning in XML, and a few characters that have none. */
const PIECES = [
  ...[
    '',
    'b',
    '<',
    '>',
    '/',
    '&',
    ';',
    '"',
    "'",
    '=',
    ':',
    ' ',
    '\n',
    '\t',
    '\r',
    '!',
    '?',
    '#',
    '-',
    ']',
    '\0',
    'a',
    'é',
    '\ufffe',
    '\ud800',
  ],
  ...[
    '/>',
    '<?xml version="1.0"?>',
    '<?xml version="1.1"?>',
    '<a>',
    '</a>',
    '<a/>',
    '<!--c-->',
    '<?p?>',
    '<![CDATA[c]]>',
    '<!DOCTYPE a>',
    ']]>',
    'xmlns',
    ' xmlns=""',
    ' xmlns:a=""',
  ],
  ...[
    ' xmlns:a="urn:a"',
    ' xmlns:xml="urn:a"',
    ' a="v"',
    ' a="w"',
    ' xml:lang="en"',
    '&amp;',
    '&apos;',
    '&#65;',
    '&#xD;',
    '&gt',
    'a:',
    '\ufeff',
  ],
];

describe('readCanonicalXml() on other text', () => {
  test(
    `rejects it, or builds the same tree as the conformant parser (${RUNS} randomly edited documents)`,
    () => {
      let rejected = 0;
      let read = 0;
      const edits = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 }), fc.nat({ max: PIECES.length - 1 })), { minLength: 1, maxLength: 2 });
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 120, size: 'max' }), edits, (tape, changes) => {
          let text = canonicalize(parseXml(sampleFrom(tape).xml));
          for (const [place, removed, piece] of changes) {
            const at = place % (text.length + 1);
            text = text.slice(0, at) + PIECES[piece] + text.slice(at + removed);
          }
          let tree: XmlElement;
          try {
            tree = readCanonicalXml(text);
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError);
            rejected++;
            return;
          }
          read++;
          expect({ text, tree: serialize(tree) }).toEqual({ text, tree: serialize(parseXml(text)) });
        }),
        { numRuns: RUNS },
      );
      expect(Math.min(rejected, read)).toBeGreaterThan(RUNS / 40);
    },
    TIMEOUT_MS,
  );

  test.each([
    ['an empty text', ''],
    ['text alone', 'a'],
    ['an end tag alone', '</a>'],
    ['an end tag alone after the root', '<a></a></a>'],
    ['an unclosed element', '<a>'],
    ['an unclosed tag', '<a'],
    ['an unclosed value', '<a b="c></a>'],
    ['an end tag with another name', '<a></b>'],
    ['an end tag with a longer name', '<a></aa>'],
    ['an end tag with a shorter name', '<aa></a>'],
    ['an end tag with whitespace', '<a></a >'],
    ['text after the end', '<a></a>b'],
    ['a line feed after the end', '<a></a>\n'],
    ['an element after the end', '<a></a><b></b>'],
    ['a line feed before the start', '\n<a></a>'],
    ['a byte order mark', '\ufeff<a></a>'],
    ['an empty-element tag', '<a/>'],
    ['an XML declaration', '<?xml version="1.0"?><a></a>'],
    ['a processing instruction', '<a><?p?></a>'],
    ['a document type', '<!DOCTYPE a><a></a>'],
    ['a comment', '<a>b<!--c-->d</a>'],
    ['a CDATA section', '<a><![CDATA[b]]></a>'],
    ['apostrophes around a value', "<a b='c'></a>"],
    ['two spaces between attributes', '<a b="c"  d="e"></a>'],
    ['a space at the end of a tag', '<a ></a>'],
    ['no space between attributes', '<a b="c"d="e"></a>'],
    ['spaces around the equals sign', '<a b ="c"></a>'],
    ['a name without value', '<a b></a>'],
    ['a value without name', '<a ="b"></a>'],
    ['the same attribute twice', '<a b="c" b="d"></a>'],
    ['the same attribute twice, by two prefixes', '<a xmlns:b="urn:x" xmlns:c="urn:x" b:d="e" c:d="f"></a>'],
    ['the same declaration twice', '<a xmlns="urn:x" xmlns="urn:y"></a>'],
    ['an undeclared prefix', '<b:a></b:a>'],
    ['an undeclared prefix of an attribute', '<a b:c="d"></a>'],
    ['a prefix that was declared in another element', '<a><b xmlns:c="urn:x"></b><c:d></c:d></a>'],
    ['a prefix that is undeclared', '<a xmlns:b="urn:x"><c xmlns:b=""></c></a>'],
    ['another namespace for xml', '<a xmlns:xml="urn:x"></a>'],
    ['a declaration of xml with its own namespace', '<a xmlns:xml="http://www.w3.org/XML/1998/namespace"></a>'],
    ['another prefix for the namespace of xml', '<a xmlns:b="http://www.w3.org/XML/1998/namespace"></a>'],
    ['a declaration of xmlns', '<a xmlns:xmlns="urn:x"></a>'],
    ['another prefix for the namespace of xmlns', '<a xmlns:b="http://www.w3.org/2000/xmlns/"></a>'],
    ['an element with the prefix xmlns', '<xmlns:a></xmlns:a>'],
    ['two colons', '<a xmlns:b="urn:x" b:c:d="e"></a>'],
    ['a prefix without name', '<b: xmlns:b="urn:x"></b:>'],
    ['an empty prefix', '<:a></:a>'],
    ['a declaration of an empty prefix', '<a xmlns:="urn:x"></a>'],
    ['a digit at the start of a name', '<1a></1a>'],
    ['a relative namespace', '<a xmlns="b"></a>'],
    ['an ampersand in text', '<a>b & c</a>'],
    ['an ampersand at the end of text', '<a>b &</a>'],
    ['a greater-than sign in text', '<a>b > c</a>'],
    ['a reference that canonical text never has', '<a>&quot;</a>'],
    ['a tab by reference in text', '<a>&#x9;</a>'],
    ['an unknown entity', '<a>&constructor;</a>'],
    ['an apostrophe by reference', '<a>&apos;</a>'],
    ['a decimal reference', '<a>&#13;</a>'],
    ['a reference in lower case', '<a>&#xd;</a>'],
    ['a carriage return in text', '<a>b\rc</a>'],
    ['a less-than sign in a value', '<a b="<"></a>'],
    ['a greater-than sign by reference in a value', '<a b="&gt;"></a>'],
    ['a line in a value', '<a b="c\nd"></a>'],
    ['a tab in a value', '<a b="c\td"></a>'],
    ['a carriage return in a value', '<a b="c\rd"></a>'],
    ['a NUL', '<a>\0</a>'],
    ['a control character', '<a>\x1f</a>'],
    ['a noncharacter', '<a>\uffff</a>'],
    ['half a surrogate pair', '<a>\ud800</a>'],
    ['an XML declaration with an encoding', '<?xml version="1.0" encoding="UTF-8"?>\n<a></a>'],
    ['an XML declaration of another version', '<?xml version="1.1"?><a></a>'],
    ['an XML declaration of another encoding', '<?xml version="1.0" encoding="ISO-8859-1"?><a></a>'],
    ['two XML declarations', '<?xml version="1.0"?><?xml version="1.0"?><a></a>'],
    ['a line feed before an XML declaration', '\n<?xml version="1.0"?><a></a>'],
    ['a carriage return after the end', '<a></a>\r\n'],
    ['a no-break space after the end', '<a></a>\u00a0'],
    ['empty-element tags', '<a><b/><c d="e"/><f g="h" /><i /></a>'],
    ['text after an empty-element tag', '<a/>b'],
    ['two empty-element tags', '<a/><a/>'],
    ['an end tag without its last character', '<a></a'],
    ['an empty-element tag with a space before its end', '<a><b/ ></a>'],
    ['an empty-element tag with two slashes', '<a><b//></a>'],
    ['a start tag and an end tag without name', '<a></></a>'],
    ['an end tag with a slash at its end', '<a></a/>'],
    ['an empty-element tag followed by an end tag', '<a><b/></b></a>'],
    ['a slash between attributes', '<a b="c"/ d="e"></a>'],
  ])('rejects %s', (_what, text) => {
    expect(codeOf(() => readCanonicalXml(text))).toBe('saml_malformed');
  });

  test('rejects an element that exceeds a limit of a message', () => {
    const nested = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth);
    expect([48, 49].map((depth) => codeOf(() => readCanonicalXml(nested(depth))))).toEqual(['read', 'saml_malformed']);
    const many = (count: number) => `<a>${'<b></b>'.repeat(count)}</a>`;
    expect([7_999, 8_000].map((count) => codeOf(() => readCanonicalXml(many(count))))).toEqual(['read', 'saml_malformed']);
    const attributes = (count: number) => `<a${Array.from({ length: count }, (_, i) => ` b${i}="c"`).join('')}></a>`;
    expect([64, 65].map((count) => codeOf(() => readCanonicalXml(attributes(count))))).toEqual(['read', 'saml_malformed']);
    const declarations = (count: number) => `<a${Array.from({ length: count }, (_, i) => ` xmlns:b${i}="urn:c"`).join('')}></a>`;
    expect([32, 33].map((count) => codeOf(() => readCanonicalXml(declarations(count))))).toEqual(['read', 'saml_malformed']);
    // Reading all of them and comparing them in pairs would take minutes.
    expect(codeOf(() => readCanonicalXml(attributes(200_000)))).toBe('saml_malformed');
    expect(codeOf(() => readCanonicalXml(attributes(97).replace('></a>', ' b0="c" <')))).toBe('saml_malformed');
  });
});
