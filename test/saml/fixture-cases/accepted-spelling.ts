/** Accepted: many spellings of one response. By the XML specifications they all have the same meaning. */
import type { AcceptedCase } from './case.ts';
import { cut, into } from './evil-assertion.ts';
import {
  ASSERTION,
  attribute,
  CONDITIONS_TIMES,
  EVERYTHING,
  type ExpectedPerson,
  IDP,
  message,
  OLIVIA,
  type Parts,
  PROTOCOL,
  SUCCESS,
  sign,
} from './hand-made.ts';
import type { Keys } from './keys.ts';

const XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
const EMAIL = attribute('email', 'olivia@acme.test');
const GROUPS = attribute('groups', 'platform-admins', 'engineering');
const NAMED = EMAIL + attribute('displayName', 'Olivia Owner');

/** Replaces a prefix everywhere. An empty new prefix makes its namespace the default. */
function respelled(xml: string, from: string, to: string): string {
  const renamed = xml.replaceAll(new RegExp(`(</?)${from}:`, 'g'), to === '' ? '$1' : `$1${to}:`);
  return renamed.replaceAll(`xmlns:${from}=`, to === '' ? 'xmlns=' : `xmlns:${to}=`);
}

export function acceptedSpelling({ rsa }: Keys): AcceptedCase[] {
  const signed = (parts: Partial<Parts> = {}) => sign(message(parts), rsa.key);
  const good = signed();
  const accepted = (name: string, xml: string | Buffer, person: Partial<ExpectedPerson> = {}): AcceptedCase => ({
    name: `xml-${name}`,
    xml,
    person: { ...OLIVIA, ...person },
  });
  const attributes = (name: string, text: string, person: Partial<ExpectedPerson> = {}) =>
    accepted(name, signed({ attributes: text }), person);
  const displayName = (name: string, spelled: string, read: string) =>
    attributes(name, EMAIL + attribute('displayName', spelled) + GROUPS, { name: read });
  const group = (name: string, spelled: string) => attributes(name, NAMED + attribute('groups', spelled), { groups: ['platform-admins'] });
  const outside = (name: string, text: string) => accepted(name, good.replace('<samlp:Status>', `${text}<samlp:Status>`));
  const local = {
    responseNamespaces: `xmlns:samlp="${PROTOCOL}"`,
    responseIssuer: `<saml:Issuer xmlns:saml="${ASSERTION}">${IDP}</saml:Issuer>`,
    assertionNamespaces: `xmlns:saml="${ASSERTION}"`,
  };
  const pretty = message(EVERYTHING).replaceAll('><', '>\n  <');
  return [
    accepted('byte-order-mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(good)])),
    accepted('byte-order-mark-and-declaration', `\ufeff<?xml version="1.0" encoding="UTF-8"?>${good}`),
    accepted('declaration', `<?xml version="1.0"?>${good}`),
    accepted('declaration-in-single-quotes', `<?xml version='1.0' encoding='utf-8' standalone='no' ?>\r\n${good}`),
    accepted('declaration-standalone', `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>${good}`),
    accepted('white-space-around', `\n\t ${good}\r\n `),
    accepted('comments-around', `<!-- before -->${good}<!-- after --><!---->`),
    outside('comment-inside', '<!-- <samlp:Status/> & -->'),
    outside('text-in-response', ' text '),
    outside('foreign-element', '<x:y xmlns:x="urn:x" a="1">z</x:y>'),
    outside('unknown-element-without-namespace', '<y xmlns=""/>'),
    accepted(
      'foreign-ids-twice',
      into(
        into(good, 'samlp:Status', '<x xmlns="urn:x" Id="_1" id="_assertion1" xml:id="_3"/>'),
        'samlp:Status',
        '<x xmlns="urn:x" Id="_1" id="_2"/>',
      ),
    ),
    accepted('consent', signed({ responseAttributes: `Consent="urn:oasis:names:tc:SAML:2.0:consent:obtained" ${RESPONSE}` })),
    accepted('unknown-attribute', signed({ responseAttributes: `xmlns:x="urn:x" x:a="1" ${RESPONSE}` })),
    accepted(
      'attributes-of-same-name-in-namespaces',
      signed({ assertionAttributes: 'ID="_assertion1" Version="2.0" xmlns:x="urn:x" x:ID="_response1" x:Version="1.1"' }),
    ),
    accepted(
      'attributes-in-other-order',
      signed({ assertionAttributes: 'Version="2.0" IssueInstant="2026-01-15T12:00:00Z" ID="_assertion1"' }),
    ),
    accepted('attributes-in-lines', signed({ assertionAttributes: '\n  ID="_assertion1"\r\n\tVersion = "2.0"\n' })),
    accepted(
      'attributes-in-single-quotes',
      signed({
        conditions:
          message({})
            .match(/<saml:Conditions.*<\/saml:Conditions>/)?.[0]
            .replaceAll('"', "'") ?? '',
      }),
    ),
    accepted('end-tags-with-space', signed().replaceAll('</saml:Audience>', '</saml:Audience >')),
    accepted('empty-elements-in-long-form', signed({ status: SUCCESS.replace('/></', '></samlp:StatusCode></') })),
    accepted('prefixes-of-okta', sign(respelled(respelled(message(), 'samlp', 'saml2p'), 'saml', 'saml2'), rsa.key)),
    accepted('prefix-of-one-letter', sign(respelled(respelled(message(), 'samlp', 'p'), 'saml', 'a'), rsa.key)),
    accepted('prefixes-swapped', sign(respelled(respelled(respelled(message(), 'samlp', 'tmp'), 'saml', 'samlp'), 'tmp', 'saml'), rsa.key)),
    accepted('prefix-in-other-script', sign(respelled(message(), 'saml', 'σαμλ'), rsa.key)),
    accepted('protocol-as-default', sign(respelled(message(), 'samlp', ''), rsa.key)),
    accepted('assertion-as-default', sign(respelled(message(local), 'saml', ''), rsa.key)),
    accepted('assertion-as-default-response-signed', sign(respelled(message(local), 'saml', ''), rsa.key, { id: '_response1' })),
    accepted('both-as-default', sign(respelled(respelled(message(local), 'saml', ''), 'samlp', ''), rsa.key)),
    accepted('declared-on-assertion', sign(message(local), rsa.key)),
    accepted(
      'declared-again-and-again',
      sign(
        message(local)
          .replaceAll(/<saml:(\w+)/g, `<saml:$1 xmlns:saml="${ASSERTION}"`)
          .replaceAll(/( xmlns:saml="[^"]*")([^>]*)\1/g, '$1$2'),
        rsa.key,
      ),
    ),
    accepted(
      'two-prefixes-for-one-namespace',
      sign(
        message({ assertionNamespaces: `xmlns:also="${ASSERTION}"` }).replace(
          /<saml:Subject>(.*)<\/saml:Subject>/,
          '<also:Subject>$1</also:Subject>',
        ),
        rsa.key,
      ),
    ),
    accepted(
      'prefix-bound-anew-inside',
      signed({
        advice:
          '<saml:Advice><saml:AssertionIDRef>_a</saml:AssertionIDRef><x:a xmlns:x="urn:x"><x:b xmlns:x="urn:y"><x:c xmlns:x="urn:x"/></x:b></x:a></saml:Advice>',
      }),
    ),
    accepted(
      'default-namespace-undone',
      signed({ advice: '<saml:Advice><a xmlns="urn:x"><b xmlns=""><c xmlns="urn:x"/></b></a></saml:Advice>' }),
    ),
    accepted(
      'attributes-in-canonical-order',
      signed({
        advice: '<saml:Advice xmlns:b="urn:a" xmlns:a="urn:b"><x z="1" a:m="2" b:n="3" xml:lang="cs" a="4" xmlns="urn:z"/></saml:Advice>',
      }),
    ),
    accepted('unused-namespaces', signed({ assertionNamespaces: 'xmlns:unused="urn:x" xmlns:other="urn:y"' })),
    accepted('indented', sign(pretty, rsa.key)),
    accepted('indented-response-signed', sign(pretty, rsa.key, { id: '_response1' })),
    accepted('indented-with-tabs', sign(pretty.replaceAll('\n  ', '\n\t\t'), rsa.key)),
    accepted('lines-of-old-macintosh', sign(pretty.replaceAll('\n', '\r'), rsa.key)),
    accepted('lines-changed-on-the-way', sign(pretty, rsa.key).replaceAll('\n', '\r\n')),
    accepted('comments-added-on-the-way', good.replaceAll('><saml:', '><!-- added --><saml:')),
    accepted(
      'prefixes-of-attributes-only',
      signed({
        attributes: `<saml:Attribute Name="email"><saml:AttributeValue ${XSI} xmlns:xs="http://www.w3.org/2001/XMLSchema" xsi:type="xs:string">olivia@acme.test</saml:AttributeValue></saml:Attribute>${attribute('displayName', 'Olivia Owner')}${GROUPS}`,
      }),
    ),
    accepted('as-deep-as-allowed', signed({ advice: `<saml:Advice>${'<x xmlns="urn:x">'.repeat(40)}${'</x>'.repeat(40)}</saml:Advice>` })),
    accepted(
      'long-text',
      signed({ advice: `<saml:Advice><x xmlns="urn:x">${'Lorem ipsum &amp; dolor. '.repeat(1000)}</x></saml:Advice>` }),
    ),
    accepted('language-and-base', signed({ advice: '<saml:Advice xml:lang="en" xml:space="preserve" xml:base="urn:x"/>' })),
    accepted(
      'attribute-value-with-references',
      signed({
        conditions:
          message()
            .match(/<saml:Conditions.*<\/saml:Conditions>/)?.[0]
            .replace(CONDITIONS_TIMES, CONDITIONS_TIMES.replaceAll('2026', '&#50;0&#x32;6')) ?? '',
      }),
    ),
    accepted('text-with-reference-in-url', good.replace(`>${IDP}</saml:Issuer>`, `>${IDP.replace(':', '&#58;')}</saml:Issuer>`)),
    accepted('text-in-cdata-on-the-way', good.replace('>olivia@acme.test<', '><![CDATA[olivia]]>@<![CDATA[acme.test]]><')),
    displayName('comment-in-text', 'Olivia<!-- not --> Owner', 'Olivia Owner'),
    displayName('comment-first-in-text', '<!-- not -->Olivia Owner', 'Olivia Owner'),
    displayName('comments-split-every-letter', 'O<!---->l<!---->i<!----><!---->via', 'Olivia'),
    displayName('cdata', '<![CDATA[Olivia <b> & Owner]]>', 'Olivia <b> & Owner'),
    displayName('cdata-in-pieces', 'Oli<![CDATA[vi]]>a<![CDATA[]]> <![CDATA[Owner]]>', 'Olivia Owner'),
    displayName('cdata-with-end-of-cdata', '<![CDATA[a]]]]><![CDATA[>b]]>', 'a]]>b'),
    displayName('cdata-with-comment-inside', '<![CDATA[a<!-- b -->c]]>', 'a<!-- b -->c'),
    displayName('character-references', '&#79;liv&#x69;a&#32;Owner', 'Olivia Owner'),
    displayName('character-reference-beyond-basic-plane', '&#x1F600;&#128512;', '\u{1f600}\u{1f600}'),
    displayName('entities', 'a &lt;b&gt; &amp; &quot;c&quot; &apos;d&apos;', 'a <b> & "c" \'d\''),
    displayName('entity-of-entity', '&amp;lt;b&amp;gt;', '&lt;b&gt;'),
    displayName('greater-than-and-quotes', `a > "b" 'c'`, `a > "b" 'c'`),
    displayName('carriage-return-by-reference', 'a&#13;b', 'a\rb'),
    displayName('carriage-return-and-line-feed', 'a\r\nb\rc', 'a\nb\nc'),
    displayName('tab', 'a\tb&#9;c', 'a\tb\tc'),
    displayName('czech', 'Příliš žluťoučký kůň', 'Příliš žluťoučký kůň'),
    displayName('arabic', 'عليّة المالكة', 'عليّة المالكة'),
    displayName('chinese', '所有者奥利维亚', '所有者奥利维亚'),
    displayName('beyond-basic-plane', '𠮷野家 👩🏽‍💻', '𠮷野家 👩🏽‍💻'),
    displayName('decomposed', 'Zoe\u0308', 'Zoe\u0308'),
    displayName('composed', 'Zo\u00eb', 'Zo\u00eb'),
    displayName('zero-width-characters', 'a\u200b\u200d\ufeffb', 'a\u200b\u200d\ufeffb'),
    displayName('delete-and-c1-controls', 'a\u007f\u0085\u009fb', 'a\u007f\u0085\u009fb'),
    displayName('private-use', '\ue000\u{10fffd}', '\ue000\u{10fffd}'),
    displayName('line-separator', 'a\u2028b', 'a\u2028b'),
    group('group-with-comment', 'platform-<!-- -->admins'),
    group('group-in-cdata', '<![CDATA[platform-admins]]>'),
    group('group-with-references', 'platform&#45;admins'),
    attributes(
      'types-languages-and-nil',
      `${NAMED}<saml:Attribute Name="groups" xml:lang="en"><saml:AttributeValue ${XSI} xsi:type="x:unknown" xmlns:x="urn:x">platform-admins</saml:AttributeValue><saml:AttributeValue ${XSI} xsi:nil="true" xml:lang="de">engineering</saml:AttributeValue></saml:Attribute>`,
    ),
    attributes(
      'empty-value',
      `${NAMED}<saml:Attribute Name="groups"><saml:AttributeValue/><saml:AttributeValue></saml:AttributeValue><saml:AttributeValue>platform-admins</saml:AttributeValue></saml:Attribute>`,
      { groups: ['platform-admins'] },
    ),
    attributes(
      'text-between-values',
      `${NAMED}\n x <saml:Attribute Name="groups"> a <saml:AttributeValue>platform-admins</saml:AttributeValue> b </saml:Attribute>`,
      { groups: ['platform-admins'] },
    ),
    accepted('signature-looks-alike-in-value', signed({ attributes: NAMED + GROUPS + attribute('note', '&lt;ds:Signature/&gt;') })),
    accepted('assertion-written-in-comment', good.replace('<saml:Assertion', `<!--${cut(good, 'saml:Assertion')[1]}--><saml:Assertion`)),
    accepted(
      'assertion-written-in-cdata',
      signed({ attributes: NAMED + GROUPS + attribute('note', '<![CDATA[<saml:Assertion ID="_assertion1"/>]]>') }),
    ),
  ];
}

const RESPONSE = message().match(/ID="_response1"[^>]*/)?.[0] ?? '';
