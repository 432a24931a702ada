import { describe, expect, test } from '@jest/globals';
import { type ErrorCode, GatewayError } from '../../src/errors.ts';
import { decodeUtf8, parseXml } from '../../src/saml/xml/xml.ts';
import {
  attributeOf,
  childElements,
  childrenNamed,
  isElement,
  isNamed,
  onlyChild,
  textOf,
  walk,
  type XmlElement,
} from '../../src/saml/xml/xml-tree.ts';

function codeOf(act: () => unknown): ErrorCode | 'nothing thrown' {
  try {
    act();
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

/** Summarizes a tree as name, attributes and children. */
const summarize = (node: XmlElement | string): unknown =>
  isElement(node)
    ? [
        node.uri === '' ? node.local : `{${node.uri}}${node.local}`,
        ...node.attributes.map(({ uri, local, value }) => `@${uri === '' ? local : `{${uri}}${local}`}=${value}`),
        ...node.children.map(summarize),
      ]
    : node;

describe('decodeUtf8(): strict UTF-8', () => {
  const octets = (...parts: (string | number[])[]) =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

  test('removes a byte order mark and keeps every other U+FEFF', () => {
    expect(decodeUtf8(octets([0xef, 0xbb, 0xbf], '<a/>'))).toBe('<a/>');
    expect(decodeUtf8(octets('<a>\ufeff</a>'))).toBe('<a>\ufeff</a>');
  });

  test.each([
    ['up to U+10FFFF', [0xf4, 0x8f, 0xbf, 0xbf], '\u{10ffff}'],
    ['a noncharacter', [0xef, 0xbf, 0xbf], '\uffff'],
    ['no octets', [], ''],
  ])('decodes %s', (_, bytes, text) => {
    expect(decodeUtf8(octets(bytes))).toBe(text);
  });

  test.each([
    ['a slash in two octets', [0xc0, 0xaf]],
    ['a slash in three octets', [0xe0, 0x80, 0xaf]],
    ['NUL in two octets', [0xc0, 0x80]],
    ['a high surrogate', [0xed, 0xa0, 0x80]],
    ['a surrogate pair in six octets', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
    ['beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['five octets', [0xf8, 0x88, 0x80, 0x80, 0x80]],
    ['a continuation octet alone', [0x80]],
    ['a truncated character', [0xe2, 0x82]],
    ['a truncated character before another one', [0xe2, 0x82, 0x41]],
    ['0xFF', [0xff]],
    ['UTF-16 with its byte order mark', [0xff, 0xfe, 0x3c, 0x00]],
    ['UTF-16, big endian', [0xfe, 0xff, 0x00, 0x3c]],
    ['Latin-1', [0xe9, 0x3c]],
  ])('rejects %s', (_, bytes) => {
    expect(codeOf(() => decodeUtf8(octets('<a>', bytes, '</a>')))).toBe('saml_malformed');
  });

  test.each([
    ['UTF-16 without byte order mark', Buffer.from('<a/>', 'utf16le').toString('latin1')],
    ['UTF-32 without byte order mark', '<\0\0\0a\0\0\0/\0\0\0>\0\0\0'],
    ['UTF-7', '+ADw-a+AD4-'],
    ['EBCDIC', 'L\x6fam'],
  ])('%s is rejected as XML', (_, text) => {
    expect(codeOf(() => parseXml(text))).toBe('saml_malformed');
  });
});

describe('parseXml(): document type declarations', () => {
  test.each([
    '<!DOCTYPE a><a/>',
    '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    '\ufeff<!DOCTYPE a><a/>',
    '<?xml version="1.0"?><!DOCTYPE a><a/>',
    '<!-- --><!DOCTYPE\na SYSTEM "file:///x"><a/>',
    '<a><!DOCTYPE a></a>',
    '<a/><!DOCTYPE a>',
    '<!DOCTYPE',
    'x<!DOCTYPE a><a/>',
    // No message needs these, and another parser might read them as a declaration.
    '<a><![CDATA[<!DOCTYPE a>]]></a>',
    '<a><!-- <!DOCTYPE a> --></a>',
    "<a b='<!DOCTYPE a>'/>",
  ])('rejects %j', (xml) => {
    expect(codeOf(() => parseXml(xml))).toBe('saml_dtd_forbidden');
  });

  test.each([
    '<!doctype a><a/>',
    '<!DocType a><a/>',
    '<! DOCTYPE a><a/>',
    '<!ENTITY a "b"><a/>',
    '<!ELEMENT a ANY><a/>',
    '<!><a/>',
    '<![CDATA[x]]><a/>',
  ])('rejects %j as not well-formed', (xml) => {
    expect(codeOf(() => parseXml(xml))).toBe('saml_malformed');
  });

  test('accepts the words as escaped text', () => {
    expect(textOf(parseXml('<a>DOCTYPE &lt;!DOCTYPE a&gt;</a>'))).toBe('DOCTYPE <!DOCTYPE a>');
  });
});

describe('parseXml(): one reading of each text', () => {
  test.each<[behaviour: string, xml: string, tree: unknown]>([
    ['removes a comment inside a text', '<a>admin@acme.test<!-- x -->.evil.test</a>', ['a', 'admin@acme.test.evil.test']],
    ['removes adjacent comments', '<a><!--1--><!--2-->t<!----></a>', ['a', 't']],
    ['joins CDATA sections with the text around them', '<a>1<![CDATA[<b>&amp;]]>2<![CDATA[]]>3</a>', ['a', '1<b>&amp;23']],
    ['ignores an empty CDATA section', '<a><![CDATA[]]></a>', ['a']],
    [
      'resolves character references and the five predefined entities',
      '<a>&#65;&#x42;&amp;&lt;&gt;&quot;&apos;&#x1F600;</a>',
      ['a', 'AB&<>"\'😀'],
    ],
    ['resolves a reference only once', '<a>&amp;lt;&#38;lt;</a>', ['a', '&lt;&lt;']],
    ['normalizes line ends by the rules of XML 1.0', '<a>1\r\n2\r3\n4\u00855\u2028</a>', ['a', '1\n2\n3\n4\u00855\u2028']],
    ['keeps a carriage return that is a reference', '<a>&#13;&#10;</a>', ['a', '\r\n']],
    ['normalizes whitespace in attributes, except references', '<a b="1\t2\n3\r\n4&#9;&#10;&#13;"/>', ['a', '@b=1 2 3 4\t\n\r']],
    ['keeps spaces around values', '<a b=" 1 "> 2 </a>', ['a', '@b= 1 ', ' 2 ']],
    ['ignores whitespace around the root', '\n<!-- --> <a/> \n', ['a']],
    ['accepts an XML declaration with UTF-8', "<?xml version='1.0' encoding='utf-8' standalone='yes'?><a/>", ['a']],
    ['accepts names in any script', '<é 名="1"><a·b/></é>', ['é', '@名=1', ['a·b']]],
    [
      'accepts element names of JavaScript’s built-in properties',
      '<__proto__ constructor="1"><toString/></__proto__>',
      ['__proto__', '@constructor=1', ['toString']],
    ],
    [
      'accepts attribute names of JavaScript’s built-in properties',
      '<a __proto__="1" hasOwnProperty="2"/>',
      ['a', '@__proto__=1', '@hasOwnProperty=2'],
    ],
  ])('%s', (_, xml, tree) => {
    expect(summarize(parseXml(xml))).toEqual(tree);
  });

  test.each([
    '',
    ' ',
    'a',
    '<a>',
    '<a></b>',
    '<a/><b/>',
    '<a/>x',
    'x<a/>',
    '<a><b></a></b>',
    '<a b/>',
    '<a b=c/>',
    '<a b="<"/>',
    '<a b="1" b="1"/>',
    '<a b="1"c="2"/>',
    '<a>&</a>',
    '<a>&b;</a>',
    '<a>&nbsp;</a>',
    '<a>&AMP;</a>',
    '<a>&amp</a>',
    '<a b="&c;"/>',
    '<a>&#0;</a>',
    '<a>&#x1;</a>',
    '<a>&#xB;</a>',
    '<a>&#xD800;</a>',
    '<a>&#xFFFE;</a>',
    '<a>&#x110000;</a>',
    '<a>&#;</a>',
    '<a>&#-1;</a>',
    '<a>\0</a>',
    '<a>\u0008</a>',
    '<a>\uffff</a>',
    '<a>\ud800</a>',
    '<a>]]></a>',
    '<a><!-- -- --></a>',
    '<a><!-- ---></a>',
    '<a><!--</a>',
    '<a><![CDATA[</a>',
    '<a><![cdata[]]></a>',
    '< a/>',
    '<a/ >',
    '<1/>',
    '<a><//a></a>',
    ' <?xml version="1.0"?><a/>',
    '<?xml?><a/>',
    '<?xml encoding="UTF-8"?><a/>',
    '<?xml version="1.1"?><a/>',
    '<?xml version="1.2"?><a/>',
    '<?xml version="1.0" encoding="UTF-16"?><a/>',
    '<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
    '<?xml version="1.0" encoding="UTF8"?><a/>',
    '<?xml version="1.0" standalone="maybe"?><a/>',
    '<?XML version="1.0"?><a/>',
    '<?xml version="1.0"?><?xml version="1.0"?><a/>',
    '<a><?xml version="1.0"?></a>',
    '<?a?><a/>',
    '<a><?b c?></a>',
    '<a/><?b?>',
    '<a><?php echo 1 ?></a>',
    '<?xml-stylesheet href="a"?><a/>',
  ])('rejects %j', (xml) => {
    expect(codeOf(() => parseXml(xml))).toBe('saml_malformed');
  });

  test('adds nothing to an earlier tree, whose empty elements share their lists', () => {
    const earlier = parseXml('<a/>');
    parseXml('<a>text<b/>text<c d="e"/></a>');
    expect(summarize(earlier)).toEqual(['a']);
  });

  test('does not quote the input in the error detail', () => {
    try {
      parseXml('<a><secret:b/></a>');
      throw new Error('nothing was thrown');
    } catch (error) {
      expect((error as GatewayError).facts.detail).toBe('The XML is not well-formed (line 1, column 14).');
      expect(String((error as GatewayError).facts.cause)).toContain('secret');
    }
  });
});

describe('parseXml(): namespaces', () => {
  test('resolves prefixes by their binding, and applies the default namespace to elements only', () => {
    const xml = '<a xmlns="urn:1" xmlns:p="urn:2" b="" p:b=""><p:c xmlns:p="urn:3"/><d xmlns=""/><p:e/></a>';
    expect(summarize(parseXml(xml))).toEqual(['{urn:1}a', '@b=', '@{urn:2}b=', ['{urn:3}c'], ['d'], ['{urn:2}e']]);
  });

  test('returns declarations apart from the attributes of their element', () => {
    const root = parseXml('<a xmlns="urn:1" xmlns:p="urn:2"><b xmlns="" xmlns:p="urn:2"/></a>');
    expect([...root.declarations]).toEqual([
      ['', 'urn:1'],
      ['p', 'urn:2'],
    ]);
    expect([...childElements(root)[0]!.declarations]).toEqual([
      ['', ''],
      ['p', 'urn:2'],
    ]);
    expect(root.attributes).toEqual([]);
  });

  test('accepts prefixes of JavaScript’s built-in properties', () => {
    const xml = '<__proto__:a xmlns:__proto__="urn:1" constructor:b="" xmlns:constructor="urn:2"/>';
    expect(summarize(parseXml(xml))).toEqual(['{urn:1}a', '@{urn:2}b=']);
    expect(codeOf(() => parseXml('<toString:a/>'))).toBe('saml_malformed');
  });

  test.each([
    '<p:a/>',
    '<a p:b=""/>',
    '<a><b xmlns:p="urn:1"/><p:c/></a>',
    '<a xmlns:p=""/>',
    '<a xmlns:xml="urn:1"/>',
    '<a xmlns:p="http://www.w3.org/XML/1998/namespace"/>',
    '<a xmlns="http://www.w3.org/XML/1998/namespace"/>',
    '<a xmlns:xmlns="urn:1"/>',
    '<a xmlns:p="http://www.w3.org/2000/xmlns/"/>',
    '<xmlns:a/>',
    '<a xmlns:p="urn:1" xmlns:q="urn:1" p:b="" q:b=""/>',
    '<a xmlns="urn:1" xmlns="urn:1"/>',
    '<a:b:c xmlns:a="urn:1"/>',
    '<:a/>',
    '<a :b=""/>',
    '<a: xmlns:a="urn:1"/>',
  ])('rejects %j', (xml) => {
    expect(codeOf(() => parseXml(xml))).toBe('saml_malformed');
  });

  test.each(['urn:a', 'http://a.example/b?c=d#e', 'a:', 'a+b.c-d:e', 'urn:a%20b', "urn:~!$'()*,;=@_"])(
    'accepts %j as an absolute URI',
    (uri) => {
      expect(parseXml(`<a xmlns="${uri}"/>`).uri).toBe(uri);
    },
  );

  test.each([
    'a',
    '/a',
    '../a',
    '//a.example',
    '?a',
    '#a',
    ':a',
    '1:a',
    'a b:c',
    ' urn:a',
    'urn:a b',
    'urn:é',
    'urn:<',
    'urn:"',
    'urn:%',
    'urn:%2',
    'urn:%zz',
    'urn:\\',
    'urn:a\n',
  ])('rejects %j, which is not an absolute URI', (uri) => {
    const escaped = uri.replaceAll('<', '&lt;').replaceAll('"', '&quot;').replaceAll('\n', '&#10;');
    expect(codeOf(() => parseXml(`<a xmlns="${escaped}"/>`))).toBe('saml_malformed');
    expect(codeOf(() => parseXml(`<a><b xmlns:p="${escaped}"/></a>`))).toBe('saml_malformed');
  });
});

describe('parseXml(): limits', () => {
  const nested = (depth: number) => `${'<a>'.repeat(depth)}${'</a>'.repeat(depth)}`;
  const attributes = (count: number) => `<a ${Array.from({ length: count }, (_, i) => `a${i}=""`).join(' ')}/>`;
  const inAll = (count: number) =>
    `<a>${'<b xmlns:p="urn:p" a="" b="" c=""/>'.repeat(count >> 2)}<b${Array.from({ length: count % 4 }, (_, i) => ` a${i}=""`).join('')}/></a>`;
  const uriOf = (length: number) => `urn:${'x'.repeat(length - 4)}`;
  const qualified = (length: number) =>
    `<r xmlns:p="${uriOf(250)}" xmlns:q="${uriOf(length - 3999 * 250)}">${'<b p:a=""/>'.repeat(3999)}<b q:a=""/></r>`;
  const declarations = (count: number) => `<a ${Array.from({ length: count }, (_, i) => `xmlns:p${i}="urn:p"`).join(' ')}/>`;

  test.each([
    ['48 levels', nested, 48],
    ['8,000 elements', (count: number) => `<a>${'<b/>'.repeat(count - 1)}</a>`, 8_000],
    ['64 attributes on one element', attributes, 64],
    ['32 declarations on one element', declarations, 32],
    ['16,000 attributes and declarations', inAll, 16_000],
    ['256 characters in a namespace', (length: number) => `<a xmlns="${uriOf(length)}"/>`, 256],
    ['1,000,000 characters of the namespaces of attributes', qualified, 1_000_000],
  ])('accepts %s and rejects one more', (_, make, most) => {
    expect(codeOf(() => parseXml(make(most)))).toBe('nothing thrown');
    expect(codeOf(() => parseXml(make(most + 1)))).toBe('saml_malformed');
  });

  test('rejects a tag at the first attribute over the limit, whatever follows', () => {
    const detailOf = (text: string) => {
      try {
        parseXml(text);
      } catch (error) {
        return (error as GatewayError).facts.detail;
      }
    };
    const broken = (write: (i: number) => string, count: number) =>
      detailOf(`<a><y${Array.from({ length: count }, (_, i) => write(i)).join('')} <`);
    const crowded = [
      (i: number) => ` a${i}="x>"`,
      (i: number) => `\n\ta${i} = '"'`,
      (i: number) => ` xmlns:ü${i}="urn:p"`,
      (i: number) => ` a${i}=""`,
    ];
    for (const write of crowded) expect(broken(write, 97)).toContain('too many attributes');
    for (const write of crowded) expect(broken(write, 96)).toContain('not well-formed');
    // Each tag is counted separately.
    const full = `<y${Array.from({ length: 64 }, (_, i) => ` a${i}=""`).join('')}/>`;
    expect(codeOf(() => parseXml(`<a>${full}${full}</a>`))).toBe('nothing thrown');
  });

  test('counts open levels only', () => {
    expect(codeOf(() => parseXml(`<a>${nested(47)}${nested(47)}</a>`))).toBe('nothing thrown');
    expect(codeOf(() => parseXml(`<a>${nested(47)}${nested(48)}</a>`))).toBe('saml_malformed');
  });

  test('stops at the first element over the limit, not at the end of the text', () => {
    expect(codeOf(() => parseXml('<a>'.repeat(1_000_000)))).toBe('saml_malformed');
    expect(codeOf(() => parseXml(`<a>${'<!DOCTYPE a>'}${'<a>'.repeat(1_000_000)}`))).toBe('saml_dtd_forbidden');
  });
});

describe('functions that read the tree', () => {
  const root = parseXml('<a xmlns:p="urn:p" p:ID="p" ID="1"><b>t</b><p:b/>x<b/><c><b/></c></a>');

  test('find children by namespace and name', () => {
    expect(childElements(root)).toHaveLength(4);
    expect(childrenNamed(root, '', 'b')).toHaveLength(2);
    expect(childrenNamed(root, 'urn:p', 'b')).toHaveLength(1);
    expect(isNamed(root, '', 'A')).toBe(false);
    expect([...walk(root)].map(({ local }) => local)).toEqual(['a', 'b', 'b', 'b', 'c', 'b']);
  });

  test('return only attributes without namespace', () => {
    expect(attributeOf(root, 'ID')).toBe('1');
    expect(attributeOf(root, 'id')).toBeUndefined();
    expect(attributeOf(parseXml('<a xmlns:p="urn:p" p:ID="p"/>'), 'ID')).toBeUndefined();
  });

  test('return the only child, or throw if there are several', () => {
    const several = () => new GatewayError('saml_structure_ambiguous');
    expect(onlyChild(root, '', 'c', several)?.local).toBe('c');
    expect(onlyChild(root, '', 'd', several)).toBeUndefined();
    expect(codeOf(() => onlyChild(root, '', 'b', several))).toBe('saml_structure_ambiguous');
  });

  test('return a whole text, or throw', () => {
    expect(textOf(parseXml('<a/>'))).toBe('');
    expect(textOf(parseXml('<a>1<!-- -->2</a>'))).toBe('12');
    for (const xml of ['<a>1<b/></a>', '<a><b/>1</a>', '<a><b>1</b></a>', '<a>1<b/>2</a>', '<a><b/></a>']) {
      expect(codeOf(() => textOf(parseXml(xml)))).toBe('saml_malformed');
    }
  });
});
