/** Mutates tokens, text, attributes and everything outside elements. */
import { cut, inserted, replaced, scan } from './markup.ts';
import { inside, type Mutations, pickElement, pickGap, without } from './mutation.ts';

export const TOKENS: Mutations = {
  deleteToken: (random, text) => {
    const token = random.pickAny(scan(text).tokens);
    return token ? without(text, token) : text;
  },
  repeatToken: (random, text) => {
    const token = random.pickAny(scan(text).tokens);
    return token ? inserted(text, token.end, cut(text, token)) : text;
  },
  moveToken: (random, text) => {
    const token = random.pickAny(scan(text).tokens);
    if (!token) return text;
    const rest = without(text, token);
    return inserted(rest, pickGap(random, rest), cut(text, token));
  },
  tokenOfAnother: (random, text, others) => {
    const other = random.pick(others);
    const [here, there] = [random.pickAny(scan(text).tokens), random.pickAny(scan(other).tokens)];
    return here && there ? replaced(text, here, cut(other, there)) : text;
  },
  truncate: (random, text) => text.slice(0, random.below(text.length)),
  whiteSpace: (random, text) =>
    inserted(text, pickGap(random, text), random.pick([' ', '\n', '\t', '\r', '\r\n', '\u00a0', '\u2028', '&#32;', '&#xD;'])),
  letter: (random, text) => {
    const at = random.below(text.length);
    return replaced(
      text,
      { start: at, end: at + random.below(2) },
      random.pick([...'<>&"\'/=:;#!?-[]{}%aAxX0 \0\u0001\ufeff\ufffe\ud800é😀']),
    );
  },
  case: (random, text) => {
    const token = random.pickAny(scan(text).tokens);
    return token ? replaced(text, token, random.chance(2) ? cut(text, token).toUpperCase() : cut(text, token).toLowerCase()) : text;
  },
};

const WORDS = [
  'mallory@evil.test',
  'mallory',
  'platform-admins',
  'owner',
  '',
  ' ',
  '*',
  '__proto__',
  'constructor',
  '0',
  '-1',
  'null',
  '\u0000',
  'é',
  'e\u0301',
  ...[
    '2026-02-30T00:00:00Z',
    '9999-12-31T24:00:00-14:00',
    '0000-01-01T00:00:00Z',
    '2026-01-02T03:04:05',
    '275760-09-13T00:00:00.001Z',
    'NaN',
  ],
];

export const TEXTS: Mutations = {
  replaceText: (random, text) => {
    const span = random.pickAny(scan(text).texts);
    return span ? replaced(text, span, random.pick(WORDS)) : text;
  },
  textOfAnother: (random, text, others) => {
    const other = random.pick(others);
    const [here, there] = [random.pickAny(scan(text).texts), random.pickAny(scan(other).texts)];
    return here && there ? replaced(text, here, cut(other, there)) : text;
  },
  splitText: (random, text) => {
    const span = random.pickAny(scan(text).texts);
    if (!span) return text;
    const at = span.start + random.below(span.end - span.start + 1);
    const what = [
      '<!---->',
      '<!-- -->',
      '<?a b?>',
      '<![CDATA[]]>',
      '<![CDATA[x]]>',
      '<x/>',
      '<x xmlns="urn:x">y</x>',
      '&#0;',
      '&lol;',
      '&#x200B;',
      '.evil.test',
    ];
    return inserted(text, at, random.pick(what));
  },
  cdata: (random, text) => {
    const span = random.pickAny(scan(text).texts);
    return span ? replaced(text, span, `<![CDATA[${cut(text, span)}]]>`) : text;
  },
  reference: (random, text) => {
    const span = random.pickAny([...scan(text).texts, ...scan(text).attributes.map(({ value }) => value)]);
    if (!span || span.start === span.end) return text;
    const at = span.start + random.below(span.end - span.start);
    const code = text.charCodeAt(at);
    return replaced(
      text,
      { start: at, end: at + 1 },
      random.pick([`&#${code};`, `&#x${code.toString(16)};`, `&#x000${code.toString(16)};`, `&amp;#${code};`, `&#${code}`]),
    );
  },
  digit: (random, text) => {
    const digits = [...text.matchAll(/\d/g)];
    const digit = random.pickAny(digits);
    return digit ? replaced(text, { start: digit.index, end: digit.index + 1 }, String(random.below(10))) : text;
  },
  everyOlivia: (_, text) => text.replaceAll('olivia', 'mallory'),
  someOlivia: (random, text) => {
    const found = random.pickAny([...text.matchAll(/olivia|carl|engineering/gi)]);
    return found
      ? replaced(text, { start: found.index, end: found.index + found[0].length }, random.pick(['mallory', 'platform-admins', 'nina']))
      : text;
  },
  lines: (random, text) => text.replaceAll('\n', random.pick(['\r\n', '\r', '&#10;', ''])),
};

export const ATTRIBUTES: Mutations = {
  manyAttributes: (random, text) => {
    const element = pickElement(random, text);
    if (!element) return text;
    const name = random.pick(['a', 'xmlns:a', 'ID']);
    const added = Array.from({ length: random.below(120) }, (_, i) => ` ${name}${i}="urn:${i}"`).join('');
    return inserted(text, element.open.start + 1 + element.name.length, added);
  },
  deleteAttribute: (random, text) => {
    const attribute = random.pickAny(scan(text).attributes);
    return attribute ? without(text, attribute) : text;
  },
  repeatAttribute: (random, text) => {
    const attribute = random.pickAny(scan(text).attributes);
    return attribute ? inserted(text, attribute.end, ` ${cut(text, attribute)}`) : text;
  },
  renameAttribute: (random, text) => {
    const attribute = random.pickAny(scan(text).attributes);
    if (!attribute) return text;
    const names = [
      'ID',
      'Id',
      'id',
      'xml:id',
      'saml:ID',
      'URI',
      'Name',
      'Algorithm',
      'Version',
      'xmlns',
      'xmlns:saml',
      'xmlns:x',
      '__proto__',
      attribute.name.toLowerCase(),
      `x${attribute.name}`,
    ];
    return replaced(text, { start: attribute.start, end: attribute.start + attribute.name.length }, random.pick(names));
  },
  valueOfAnother: (random, text) => {
    const { attributes } = scan(text);
    const [one, other] = [random.pickAny(attributes), random.pickAny(attributes)];
    return one && other ? replaced(text, one.value, cut(text, other.value)) : text;
  },
  changeValue: (random, text) => {
    const attribute = random.pickAny(scan(text).attributes);
    if (!attribute) return text;
    const value = cut(text, attribute.value);
    const values = [
      ...WORDS,
      `${value} `,
      ` ${value}`,
      `${value}&#x20;`,
      `${value}/`,
      value.toUpperCase(),
      value.slice(1),
      `${value}\n`,
      '#',
      '<',
      '&lt;',
      `#${value}`,
      '1.1',
    ];
    return replaced(text, attribute.value, random.pick(values));
  },
  addAttribute: (random, text) => {
    const element = pickElement(random, text);
    if (!element) return text;
    const [, id] = /ID="([^"]*)"/.exec(text) ?? [];
    const added = [
      `ID="${id}"`,
      `Id="${id}"`,
      `xml:id="${id}"`,
      'ID="_x"',
      'Version="2.0"',
      'xsi:nil="true"',
      'xsi:type="xs:string"',
      'Destination=""',
      'Recipient=""',
      'xml:lang="en"',
      'NotBefore="2000-01-01T00:00:00Z"',
      '__proto__="x"',
    ];
    return inserted(text, element.open.start + 1 + element.name.length, ` ${random.pick(added)}`);
  },
  quotes: (random, text) => {
    const attribute = random.pickAny(scan(text).attributes);
    return attribute ? replaced(text, attribute, `${attribute.name}='${cut(text, attribute.value)}'`) : text;
  },
  order: (random, text) => {
    const { attributes } = scan(text);
    const at = random.below(Math.max(1, attributes.length - 1));
    const [one, other] = [attributes[at], attributes[at + 1]];
    if (!one || !other) return text;
    return replaced(replaced(text, other, cut(text, one)), one, cut(text, other));
  },
};

export const PROLOGUE: Mutations = {
  commentBetween: (random, text) => inside(random, text, random.pick(['<!-- x -->', '<!---->', '<!--<saml:Assertion/>-->'])),
  instruction: (random, text) =>
    inserted(
      text,
      random.chance(3) ? 0 : pickGap(random, text),
      random.pick(['<?x y?>', '<?xml version="1.0"?>', '<?xml-stylesheet href="x"?>']),
    ),
  doctype: (random, text) => {
    const doctypes = [
      '<!DOCTYPE x>',
      '<!doctype x>',
      '<!DOCTYPE x [<!ENTITY y "mallory">]>',
      '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
      '<!DOCTYPE x [<!ENTITY % y SYSTEM "http://127.0.0.1:1/">%y;]>',
      '<!DOC\nTYPE x>',
      '<!ENTITY y "z">',
    ];
    return inserted(text, random.chance(2) ? Math.max(0, text.indexOf('?>') + 2) : pickGap(random, text), random.pick(doctypes)).replace(
      random.chance(2) ? '>olivia' : '\0',
      '>&y;',
    );
  },
  declaration: (random, text) =>
    random.pick([
      '<?xml version="1.0"?>',
      '<?xml version="1.1"?>',
      '<?xml version="1.0" encoding="UTF-16"?>',
      '<?xml version="1.0" encoding="ISO-8859-1"?>',
      '<?xml version="1.0" encoding="utf-7"?>',
      '\ufeff',
      '\ufeff\ufeff',
      ' ',
      '\n',
    ]) + text,
};
