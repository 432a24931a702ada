/** Mutates elements, their names and their namespaces. */
import { XMLDSIG, XMLENC } from '../../../src/saml/names.ts';
import { cut, type ElementSpan, inserted, localName, replaced, scan } from './markup.ts';
import { BINDINGS, type Mutations, pickElement, pickGap, without } from './mutation.ts';

const URIS = [
  '',
  'urn:x',
  'x',
  'urn:oasis:names:tc:SAML:2.0:assertion',
  'urn:oasis:names:tc:SAML:2.0:protocol',
  'urn:oasis:names:tc:SAML:1.0:assertion',
  XMLDSIG,
  XMLENC,
  'http://www.w3.org/XML/1998/namespace',
  'http://www.w3.org/2000/xmlns/',
];
const PREFIXES = ['saml', 'samlp', 'saml2', 'saml2p', 'ds', 'x', 'xml', 'xmlns', '__proto__', 'é'];

const prefixesIn = (text: string): string[] => [...new Set([...text.matchAll(/xmlns:([^\s=]+)=/g)].map((match) => match[1] as string))];

export const NAMESPACES: Mutations = {
  declare: (random, text) => {
    const element = pickElement(random, text);
    if (!element) return text;
    const prefix = random.pick(['', ...PREFIXES, ...prefixesIn(text)]);
    return inserted(text, element.open.start + 1 + element.name.length, ` xmlns${prefix && `:${prefix}`}="${random.pick(URIS)}"`);
  },
  undeclare: (random, text) => {
    const declaration = random.pickAny(scan(text).attributes.filter(({ name }) => name.startsWith('xmlns')));
    return declaration ? without(text, declaration) : text;
  },
  moveDeclaration: (random, text) => {
    const declaration = random.pickAny(scan(text).attributes.filter(({ name }) => name.startsWith('xmlns')));
    const element = pickElement(random, text);
    if (!declaration || !element) return text;
    return inserted(text, element.open.start + 1 + element.name.length, ` ${cut(text, declaration)}`);
  },
  renamePrefix: (random, text) => {
    const from = random.pickAny(prefixesIn(text));
    const to = random.pick(PREFIXES);
    return from ? text.replaceAll(`${from}:`, `${to}:`).replaceAll(`xmlns:${from}=`, `xmlns:${to}=`) : text;
  },
  prefixOfOne: (random, text) => {
    const element = pickElement(random, text);
    if (!element) return text;
    const prefix = random.pick(['', ...PREFIXES.map((one) => `${one}:`)]);
    return renamed(text, element, prefix + localName(element.name));
  },
  nameOfOne: (random, text) => {
    const element = pickElement(random, text);
    const other = pickElement(random, text);
    if (!element || !other) return text;
    return renamed(
      text,
      element,
      random.pick([other.name, 'Assertion', 'Response', 'Signature', 'EncryptedAssertion', element.name.toLowerCase()]),
    );
  },
};

function renamed(text: string, element: ElementSpan, name: string): string {
  const open = { start: element.open.start + 1, end: element.open.start + 1 + element.name.length };
  if (element.close.start === element.open.start) return replaced(text, open, name);
  return replaced(replaced(text, element.close, `</${name}>`), open, name);
}

const WRAPPERS = [
  'x',
  'samlp:Extensions',
  'saml:Advice',
  'ds:Object',
  'ds:Signature',
  'saml:Assertion',
  'saml:EncryptedAssertion',
  'samlp:Response',
  'saml:AttributeValue',
  'samlp:StatusDetail',
];

export const ELEMENTS: Mutations = {
  deleteElement: (random, text) => {
    const element = pickElement(random, text);
    return element ? without(text, element) : text;
  },
  copyElement: (random, text) => {
    const element = pickElement(random, text);
    return element ? inserted(text, pickGap(random, text), cut(text, element)) : text;
  },
  moveElement: (random, text) => {
    const element = pickElement(random, text);
    if (!element) return text;
    const rest = without(text, element);
    return inserted(rest, pickGap(random, rest), cut(text, element));
  },
  wrapElement: (random, text) => {
    const element = pickElement(random, text);
    const wrapper = random.pick(WRAPPERS);
    return element ? replaced(text, element, `<${wrapper} ${BINDINGS}>${cut(text, element)}</${wrapper}>`) : text;
  },
  unwrapElement: (random, text) => {
    const element = pickElement(random, text);
    if (!element || element.close.start === element.open.start) return text;
    return without(without(text, element.close), element.open);
  },
  elementOfAnother: (random, text, others) => {
    const here = pickElement(random, text);
    const other = random.pick(others);
    const there = here && pickElement(random, other, localName(here.name));
    return here && there ? replaced(text, here, cut(other, there)) : text;
  },
  elementBesideAnother: (random, text, others) => {
    const other = random.pick(others);
    const there = pickElement(
      random,
      other,
      'Assertion',
      'Signature',
      'Attribute',
      'AttributeStatement',
      'Subject',
      'NameID',
      'Conditions',
      'SignedInfo',
    );
    return there ? inserted(text, pickGap(random, text), cut(other, there)) : text;
  },
  emptyElement: (random, text) => {
    const element = pickElement(random, text);
    return element ? replaced(text, { start: element.open.end, end: Math.max(element.open.end, element.close.start) }, '') : text;
  },
  repeated: (random, text) => {
    const uri = `urn:${'x'.repeat(random.below(random.pick([100, 180_000])))}`;
    const count = random.below(random.pick([100, 12_000]));
    return inserted(text, pickGap(random, text), `<x xmlns:p="${uri}">${random.pick(['<p:y/>', '<y p:z=""/>', '<y/>']).repeat(count)}</x>`);
  },
  deep: (random, text) => {
    const depth = 1 + random.below(60);
    return inserted(text, pickGap(random, text), '<x>'.repeat(depth) + '</x>'.repeat(depth));
  },
};
