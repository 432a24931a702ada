/** Rejected: malformed XML and ambiguous structure. */
import { deflateRawSync } from 'node:zlib';
import type { ErrorCode } from '../../../src/errors.ts';
import type { RejectedCase } from './case.ts';
import { cut, evilAssertion } from './evil-assertion.ts';
import {
  ACS_URL,
  attribute,
  audience,
  bearer,
  confirmationData,
  ENTITY_ID,
  IDP,
  message,
  NAME_ID,
  NOW,
  REQUEST_ID,
  SUCCESS,
  sign,
} from './hand-made.ts';
import type { Keys } from './keys.ts';

const nested = (levels: number): string => '<a>'.repeat(levels) + '</a>'.repeat(levels);

function utf32(text: string): Buffer {
  const points = Array.from(text, (char) => char.codePointAt(0) as number);
  const octets = Buffer.alloc(points.length * 4);
  points.forEach((point, i) => {
    octets.writeUInt32BE(point, i * 4);
  });
  return octets;
}

export function rejectedXml({ rsa }: Keys): RejectedCase[] {
  const good = sign(message(), rsa.key);
  const bad = (name: string, xml: string | Buffer, code: ErrorCode = 'saml_malformed'): RejectedCase => ({
    name: `xml-${name}`,
    xml,
    code,
  });
  const inRoot = (text: string) => good.replace('<samlp:Status>', `${text}<samlp:Status>`);
  const withOctets = (...octets: number[]) => {
    const [before, after] = inRoot('<a>|</a>')
      .split('|')
      .map((text) => Buffer.from(text));
    return Buffer.concat([before ?? Buffer.alloc(0), Buffer.from(octets), after ?? Buffer.alloc(0)]);
  };
  return [
    bad('empty', ''),
    bad('white-space-only', ' \n'),
    bad('not-xml', 'SAMLResponse'),
    bad('json', '{"Response":{}}'),
    bad('truncated', good.slice(0, -20)),
    bad('two-roots', `${good}${good}`),
    bad('text-after-root', `${good}x`),
    bad('text-before-root', `x${good}`),
    bad('unclosed-element', inRoot('<a>')),
    bad('mismatched-end-tag', inRoot('<a></b>')),
    bad('attribute-without-quotes', inRoot('<a b=c/>')),
    bad('attribute-twice', inRoot('<a b="1" b="2"/>')),
    bad('attribute-twice-by-namespace', inRoot('<a xmlns:p="urn:x" xmlns:q="urn:x" p:b="1" q:b="2"/>')),
    bad('unbound-prefix', inRoot('<nowhere:a/>')),
    bad('prefix-undeclared', inRoot('<a xmlns:p=""/>')),
    bad('xml-prefix-rebound', inRoot('<a xmlns:xml="urn:x"/>')),
    bad('xmlns-prefix-declared', inRoot('<a xmlns:xmlns="urn:x"/>')),
    bad('relative-namespace', inRoot('<a xmlns="../relative"/>')),
    bad('relative-namespace-of-prefix', inRoot('<a xmlns:p="relative"/>')),
    bad('less-than-in-attribute', inRoot('<a b="<"/>')),
    bad('bare-ampersand', inRoot('<a>&</a>')),
    bad('undeclared-entity', inRoot('<a>&nbsp;</a>')),
    bad('entity-in-attribute', inRoot('<a b="&x;"/>')),
    bad('character-reference-to-nul', inRoot('<a>&#0;</a>')),
    bad('character-reference-to-control', inRoot('<a>&#8;</a>')),
    bad('character-reference-to-surrogate', inRoot('<a>&#xD800;</a>')),
    bad('character-reference-beyond-unicode', inRoot('<a>&#x110000;</a>')),
    bad('nul-octet', inRoot('<a>\u0000</a>')),
    bad('control-octet', inRoot('<a>\u0001</a>')),
    bad('noncharacter-fffe', inRoot('<a>\ufffe</a>')),
    bad('cdata-end-in-text', inRoot('<a>]]></a>')),
    bad('cdata-unclosed', inRoot('<a><![CDATA[</a>')),
    bad('comment-with-double-hyphen', inRoot('<!-- a -- b -->')),
    bad('processing-instruction-first', `<?evil do?>${good}`),
    bad('processing-instruction-inside', inRoot('<?evil do?>')),
    bad('processing-instruction-last', `${good}<?evil do?>`),
    bad('stylesheet-instruction', `<?xml-stylesheet href="x.xsl"?>${good}`),
    bad('version-1-1', `<?xml version="1.1"?>${good}`),
    bad('version-2-0', `<?xml version="2.0"?>${good}`),
    bad('encoding-latin-1', `<?xml version="1.0" encoding="ISO-8859-1"?>${good}`),
    bad('encoding-utf-16', `<?xml version="1.0" encoding="UTF-16"?>${good}`),
    bad('octets-utf-16', Buffer.from(`\ufeff${message()}`, 'utf16le')),
    bad('octets-latin-1', withOctets(0xe9)),
    bad('overlong-utf-8', withOctets(0xc0, 0xbc)),
    bad('lone-surrogate-utf-8', withOctets(0xed, 0xa0, 0x80)),
    bad('declaration-not-first', ` <?xml version="1.0"?>${good}`),
    bad('two-byte-order-marks', `\ufeff\ufeff${good}`),
    bad('byte-order-mark-after-declaration', `<?xml version="1.0"?>\ufeff${good}`),
    bad('overlong-nul-utf-8', withOctets(0xc0, 0x80)),
    bad('octet-of-continuation-alone', withOctets(0x80)),
    bad('octets-utf-7', good.replace('Olivia', '+AE8-livia').replace('<samlp', '+ADw-samlp')),
    bad('octets-utf-32', utf32(message())),
    bad('octets-cut-inside-a-character', withOctets(0xc3)),
    bad('utf-8-beyond-unicode', withOctets(0xf4, 0x90, 0x80, 0x80)),
    bad('control-octet-in-attribute', inRoot('<a b="\u0002"/>')),
    bad('control-octet-in-comment', inRoot('<!--\u0003-->')),
    bad('control-octet-in-cdata', inRoot('<a><![CDATA[\u001f]]></a>')),
    bad('noncharacter-ffff', inRoot('<a>\uffff</a>')),
    bad('character-reference-to-fffe', inRoot('<a>&#xFFFE;</a>')),
    bad('character-reference-with-capital-x', inRoot('<a>&#X41;</a>')),
    bad('character-reference-without-semicolon', inRoot('<a>&#65</a>')),
    bad('character-reference-without-digits', inRoot('<a>&#;</a>')),
    bad('character-reference-negative', inRoot('<a>&#-65;</a>')),
    bad('character-reference-with-space', inRoot('<a>&# 65;</a>')),
    bad('entity-without-semicolon', inRoot('<a>&lt</a>')),
    bad('entity-in-other-case', inRoot('<a>&LT;</a>')),
    bad('no-white-space-between-attributes', inRoot('<a b="1"c="2"/>')),
    bad('no-break-space-between-attributes', inRoot('<a\u00a0b="1"/>')),
    bad('next-line-between-attributes', inRoot('<a\u0085b="1"/>')),
    bad('space-before-name', inRoot('< a/>')),
    bad('space-inside-empty-end', inRoot('<a/ >')),
    bad('end-tag-with-attribute', inRoot('<a></a b="1">')),
    bad('name-begins-with-digit', inRoot('<1a/>')),
    bad('name-with-two-colons', inRoot('<saml:a:b/>')),
    bad('name-begins-with-colon', inRoot('<:a/>')),
    bad('name-ends-with-colon', inRoot('<saml:/>')),
    bad('namespace-declared-twice', inRoot('<a xmlns:p="urn:x" xmlns:p="urn:y"/>')),
    bad('namespace-of-declarations-bound', inRoot('<a xmlns:p="http://www.w3.org/2000/xmlns/"/>')),
    bad('namespace-of-declarations-as-default', inRoot('<a xmlns="http://www.w3.org/2000/xmlns/"/>')),
    bad('namespace-of-xml-as-default', inRoot('<a xmlns="http://www.w3.org/XML/1998/namespace"/>')),
    bad('namespace-of-xml-with-other-prefix', inRoot('<a xmlns:p="http://www.w3.org/XML/1998/namespace"/>')),
    bad('attribute-with-unbound-prefix', inRoot('<a p:b="1"/>')),
    bad('comment-unclosed', inRoot('<!-- ')),
    bad('comment-with-three-hyphens', inRoot('<!-- --->')),
    bad('comment-closed-as-in-html', inRoot('<!-- --!>')),
    bad('cdata-in-lower-case', inRoot('<a><![cdata[x]]></a>')),
    bad('cdata-after-root', `${good}<![CDATA[x]]>`),
    bad('cdata-before-root', `<![CDATA[x]]>${good}`),
    bad('entity-after-root', `${good}&amp;`),
    bad('processing-instruction-in-value', inRoot('<a>b<?php echo 1 ?>c</a>')),
    bad('declaration-in-upper-case', `<?XML version="1.0"?>${good}`),
    bad('declaration-twice', `<?xml version="1.0"?><?xml version="1.0"?>${good}`),
    bad('declaration-inside', inRoot('<?xml version="1.0"?>')),
    bad('declaration-without-version', `<?xml encoding="UTF-8"?>${good}`),
    bad('declaration-standalone-maybe', `<?xml version="1.0" standalone="maybe"?>${good}`),
    bad('declaration-with-unknown-part', `<?xml version="1.0" evil="1"?>${good}`),
    bad('encoding-empty', `<?xml version="1.0" encoding=""?>${good}`),
    bad('encoding-utf8-without-hyphen', `<?xml version="1.0" encoding="utf8"?>${good}`),
    bad('encoding-utf-7', `<?xml version="1.0" encoding="UTF-7"?>${good}`),
    bad('html', '<!-- x --><html><body>Sign in</body></html>'),
    bad('base64-again', Buffer.from(message()).toString('base64')),
    { ...bad('deflated', deflateRawSync(good)), live: true },
    bad('one-level-too-deep', inRoot(nested(48))),
    bad('deep-inside-the-assertion', good.replace('<saml:Subject>', `${nested(48)}<saml:Subject>`)),
    { ...bad('deep-by-the-thousand', inRoot(nested(20_000))), live: true },
    {
      ...bad(
        'many-values',
        good.replace('</saml:AttributeStatement>', `${attribute('groups', ...Array(12_000).fill('g'))}</saml:AttributeStatement>`),
      ),
      live: true,
    },
    {
      // Canonical XML would repeat the long namespace on each of the elements.
      ...bad(
        'canonical-form-of-gigabytes',
        good.replace(
          '<saml:Subject>',
          `<saml:Advice xmlns:p="urn:${'x'.repeat(60_000)}">${'<p:a/>'.repeat(10_000)}</saml:Advice><saml:Subject>`,
        ),
      ),
      live: true,
    },
    bad('deep', inRoot(nested(200))),
    { ...bad('many-elements', inRoot('<a/>'.repeat(13_000))), live: true },
    bad('many-attributes', inRoot(`<a ${Array.from({ length: 100 }, (_, i) => `a${i}=""`).join(' ')}/>`)),
    bad('many-namespaces', inRoot(`<a ${Array.from({ length: 100 }, (_, i) => `xmlns:p${i}="urn:${i}"`).join(' ')}/>`)),
    bad('doctype', `<!DOCTYPE Response>${good}`, 'saml_dtd_forbidden'),
    bad('doctype-after-declaration', `<?xml version="1.0"?>\n<!DOCTYPE Response>${good}`, 'saml_dtd_forbidden'),
    bad('doctype-after-comment', `<!-- x --><!DOCTYPE Response>${good}`, 'saml_dtd_forbidden'),
    bad(
      'doctype-billion-laughs',
      `<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>${inRoot('<a>&b;</a>')}`,
      'saml_dtd_forbidden',
    ),
    bad('doctype-external-entity', `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>${inRoot('<a>&x;</a>')}`, 'saml_dtd_forbidden'),
    bad('doctype-parameter-entity', `<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x">%x;]>${good}`, 'saml_dtd_forbidden'),
    bad('doctype-default-attribute', `<!DOCTYPE r [<!ATTLIST saml:Assertion ID CDATA "_x">]>${good}`, 'saml_dtd_forbidden'),
    bad('doctype-inside', inRoot('<!DOCTYPE x>'), 'saml_dtd_forbidden'),
    bad('doctype-in-cdata', inRoot('<a><![CDATA[<!DOCTYPE x>]]></a>'), 'saml_dtd_forbidden'),
    bad('doctype-in-comment', inRoot('<!-- <!DOCTYPE x> -->'), 'saml_dtd_forbidden'),
    bad('doctype-after-root', `${good}<!DOCTYPE x>`, 'saml_dtd_forbidden'),
    bad('doctype-before-bad-xml', '<!DOCTYPE x><a>&', 'saml_dtd_forbidden'),
    bad('doctype-of-html', '<!DOCTYPE html><html/>', 'saml_dtd_forbidden'),
    bad('doctype-by-public-identifier', `<!DOCTYPE r PUBLIC "-//X//Y" "http://127.0.0.1:1/x.dtd">${good}`, 'saml_dtd_forbidden'),
    bad('doctype-entity-in-value', `<!DOCTYPE r [<!ENTITY o "olivia">]>${good.replace('olivia@', '&o;@')}`, 'saml_dtd_forbidden'),
    bad(
      'doctype-quadratic-blowup',
      `<!DOCTYPE r [<!ENTITY a "${'a'.repeat(5000)}">]>${inRoot(`<a>${'&a;'.repeat(500)}</a>`)}`,
      'saml_dtd_forbidden',
    ),
    bad('doctype-recursive-entity', `<!DOCTYPE r [<!ENTITY a "&b;"><!ENTITY b "&a;">]>${inRoot('<a>&a;</a>')}`, 'saml_dtd_forbidden'),
    bad('doctype-notation', `<!DOCTYPE r [<!NOTATION n SYSTEM "x">]>${good}`, 'saml_dtd_forbidden'),
    bad('doctype-in-lower-case', `<!doctype Response>${good}`),
    bad('doctype-with-space', `<! DOCTYPE Response>${good}`),
    bad('entity-declaration-alone', `<!ENTITY x "y">${good}`),
    bad('attribute-list-alone', inRoot('<!ATTLIST a b CDATA "c">')),
    bad('conditional-section', inRoot('<![INCLUDE[ <a/> ]]>')),
    bad('doctype-unclosed', `<!DOCTYPE r [${good}`, 'saml_dtd_forbidden'),
  ];
}

export function rejectedStructure({ rsa }: Keys): RejectedCase[] {
  const bad = (name: string, xml: string, code: ErrorCode = 'saml_structure_ambiguous'): RejectedCase => ({
    name: `structure-${name}`,
    xml,
    code,
  });
  const signed = (parts: Parameters<typeof message>[0]) => sign(message(parts), rsa.key);
  const good = signed({});
  const [, assertion] = cut(good, 'saml:Assertion');
  const attributes = (text: string) => signed({ assertionAttributes: text });
  const response = (text: string) => signed({ responseAttributes: text });
  return [
    bad(
      'authn-request',
      `<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_a" Version="2.0"/>`,
      'saml_malformed',
    ),
    bad('logout-response', good.replaceAll('samlp:Response', 'samlp:LogoutResponse'), 'saml_malformed'),
    bad(
      'assertion-alone',
      assertion.replace('<saml:Assertion', '<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"'),
      'saml_malformed',
    ),
    bad(
      'response-of-saml-1',
      good.replace('urn:oasis:names:tc:SAML:2.0:protocol', 'urn:oasis:names:tc:SAML:1.0:protocol'),
      'saml_malformed',
    ),
    bad('response-without-namespace', '<Response ID="_a" Version="2.0"/>', 'saml_malformed'),
    bad(
      'response-in-soap',
      `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${good}</s:Body></s:Envelope>`,
      'saml_malformed',
    ),
    bad('response-name-in-other-case', good.replaceAll('samlp:Response', 'samlp:response'), 'saml_malformed'),
    bad('response-version-1-1', response(`ID="_r" Version="1.1" Destination="${ACS_URL}" InResponseTo="${REQUEST_ID}"`), 'saml_malformed'),
    bad('response-without-version', response(`ID="_r" Destination="${ACS_URL}" InResponseTo="${REQUEST_ID}"`), 'saml_malformed'),
    bad('response-without-id', response(`Version="2.0" Destination="${ACS_URL}" InResponseTo="${REQUEST_ID}"`), 'saml_malformed'),
    bad(
      'response-id-not-ncname',
      response(`ID="1 2" Version="2.0" Destination="${ACS_URL}" InResponseTo="${REQUEST_ID}"`),
      'saml_malformed',
    ),
    bad('response-id-empty', response(`ID="" Version="2.0" Destination="${ACS_URL}" InResponseTo="${REQUEST_ID}"`), 'saml_malformed'),
    ...['2', '2.1', '02.0', '2.0 ', ' 2.0', '2,0', '3.0', ''].map((version) =>
      bad(
        `response-version-${version.replaceAll(' ', 'space').replaceAll(/[.,]/g, '-') || 'empty'}${version === '2,0' ? '-comma' : ''}`,
        response(`ID="_r" Version="${version}"`),
        'saml_malformed',
      ),
    ),
    bad('response-version-in-namespace', response('ID="_r" samlp:Version="2.0"'), 'saml_malformed'),
    bad('response-version-in-lower-case', response('ID="_r" version="2.0"'), 'saml_malformed'),
    bad('response-id-begins-with-digit', response('ID="1r" Version="2.0"'), 'saml_malformed'),
    bad('response-id-begins-with-hyphen', response('ID="-r" Version="2.0"'), 'saml_malformed'),
    bad('response-id-with-line-break', response('ID="_r&#10;" Version="2.0"'), 'saml_malformed'),
    bad('response-id-in-namespace', response('samlp:ID="_r" Version="2.0"'), 'saml_malformed'),
    ...['2', '2.1', '2.0 ', ''].map((version) =>
      bad(
        `assertion-version-${version.replace(' ', '-space').replace('.', '-') || 'empty'}`,
        attributes(`ID="_assertion1" Version="${version}"`),
        'saml_malformed',
      ),
    ),
    bad('assertion-id-begins-with-digit', message({ assertionAttributes: 'ID="1" Version="2.0"' }), 'saml_malformed'),
    bad('assertion-id-with-space', message({ assertionAttributes: 'ID="_a b" Version="2.0"' }), 'saml_malformed'),
    bad('assertion-id-empty', message({ assertionAttributes: 'ID="" Version="2.0"' }), 'saml_malformed'),
    bad('assertion-id-with-markup', message({ assertionAttributes: 'ID="&lt;a&gt;" Version="2.0"' }), 'saml_malformed'),
    bad('assertion-in-lower-case', message().replaceAll('saml:Assertion', 'saml:assertion'), 'saml_malformed'),
    bad('id-elsewhere-not-ncname', good.replace('<samlp:Status>', '<samlp:Status ID="a b">'), 'saml_malformed'),
    bad(
      'id-of-foreign-element-twice',
      good.replace('<samlp:Status>', '<x:y xmlns:x="urn:x" ID="_f"/><x:y xmlns:x="urn:x" ID="_f"/><samlp:Status>'),
    ),
    bad(
      'id-of-response-and-attribute-value',
      signed({ attributes: '<saml:Attribute Name="a"><saml:AttributeValue ID="_response1"/></saml:Attribute>' }),
    ),
    bad('authn-response-of-artifact', good.replaceAll('samlp:Response', 'samlp:ArtifactResponse'), 'saml_malformed'),
    bad('logout-request', good.replaceAll('samlp:Response', 'samlp:LogoutRequest'), 'saml_malformed'),
    bad('response-in-assertion-namespace', good.replaceAll('samlp:Response', 'saml:Response'), 'saml_malformed'),
    bad(
      'metadata',
      '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.test/metadata"/>',
      'saml_malformed',
    ),
    bad('assertion-version-1-1', attributes(`ID="_assertion1" Version="1.1" IssueInstant="${NOW}"`), 'saml_malformed'),
    bad('assertion-without-version', attributes(`ID="_assertion1" IssueInstant="${NOW}"`), 'saml_malformed'),
    bad('assertion-without-id', message({ assertionAttributes: 'Version="2.0"' }), 'saml_malformed'),
    bad('assertion-id-lower-case', message({ assertionAttributes: 'id="_assertion1" Version="2.0"' }), 'saml_malformed'),
    bad('assertion-id-in-xml-namespace', message({ assertionAttributes: 'xml:id="_assertion1" Version="2.0"' }), 'saml_malformed'),
    bad('assertion-id-with-colon', message({ assertionAttributes: `ID="a:b" Version="2.0"` }), 'saml_malformed'),
    bad('no-assertion', message({ assertion: '' }), 'saml_malformed'),
    bad('two-assertions', good.replace('</samlp:Response>', `${evilAssertion()}</samlp:Response>`)),
    bad('two-good-assertions', good.replace('</samlp:Response>', `${assertion.replaceAll('_assertion1', '_assertion2')}</samlp:Response>`)),
    bad('same-assertion-twice', good.replace('</samlp:Response>', `${assertion}</samlp:Response>`)),
    bad('duplicate-id', good.replace('<samlp:Status>', '<samlp:Status ID="_assertion1">')),
    bad('duplicate-id-of-response', message({ assertionAttributes: 'ID="_response1" Version="2.0"' })),
    bad('duplicate-id-in-foreign-element', good.replace('<samlp:Status>', '<x:y xmlns:x="urn:x" ID="_assertion1"/><samlp:Status>')),
    bad('assertion-in-extensions', message({ extensions: `<samlp:Extensions>${assertion}</samlp:Extensions>`, assertion: '' })),
    bad(
      'second-assertion-in-status-detail',
      good.replace('</samlp:Status>', `<samlp:StatusDetail>${evilAssertion()}</samlp:StatusDetail></samlp:Status>`),
    ),
    bad('second-assertion-in-advice', signed({ advice: `<saml:Advice>${evilAssertion()}</saml:Advice>` })),
    bad('second-assertion-in-attribute-value', signed({ attributes: attribute('email', evilAssertion()) })),
    bad(
      'second-assertion-in-confirmation-data',
      signed({ confirmation: bearer(confirmationData().replace('/>', `>${evilAssertion()}</saml:SubjectConfirmationData>`)) }),
    ),
    bad('second-assertion-in-issuer', good.replace(`<saml:Issuer>${IDP}`, `<saml:Issuer>${evilAssertion()}${IDP}`)),
    bad(
      'second-assertion-of-saml-1',
      good.replace('</samlp:Response>', '<Assertion xmlns="urn:oasis:names:tc:SAML:1.0:assertion"/></samlp:Response>'),
    ),
    bad('second-assertion-without-namespace', good.replace('</samlp:Response>', '<Assertion xmlns=""/></samlp:Response>')),
    bad('second-assertion-in-other-namespace', good.replace('<samlp:Status>', '<x:Assertion xmlns:x="urn:x"/><samlp:Status>')),
    bad('assertion-in-other-namespace', good.replaceAll('saml:Assertion', 'samlp:Assertion')),
    bad(
      'assertion-one-level-down',
      good.replace('<saml:Assertion', '<x:y xmlns:x="urn:x"><saml:Assertion').replace('</saml:Assertion>', '</saml:Assertion></x:y>'),
    ),
    bad('encrypted-assertion-beside', good.replace('</samlp:Response>', '<saml:EncryptedAssertion/></samlp:Response>')),
    bad('encrypted-assertion-inside', signed({ advice: '<saml:Advice><saml:EncryptedAssertion/></saml:Advice>' })),
    bad(
      'encrypted-data-alone',
      good.replace('<samlp:Status>', '<e:EncryptedData xmlns:e="http://www.w3.org/2001/04/xmlenc#"/><samlp:Status>'),
    ),
    bad(
      'response-in-response',
      good.replace('<samlp:Status>', `<samlp:Extensions><samlp:Response ID="_x"/></samlp:Extensions><samlp:Status>`),
    ),
    bad('response-of-other-namespace-inside', good.replace('<samlp:Status>', '<Response xmlns="urn:x"/><samlp:Status>')),
    bad('two-response-issuers', good.replace('<samlp:Status>', `<saml:Issuer>${IDP}</saml:Issuer><samlp:Status>`)),
    bad(
      'two-assertion-issuers',
      signed({ subject: `<saml:Issuer>${IDP}</saml:Issuer><saml:Subject>${NAME_ID}${bearer(confirmationData())}</saml:Subject>` }),
    ),
    bad('two-status-elements', good.replace(SUCCESS, SUCCESS + SUCCESS)),
    bad(
      'two-status-codes',
      good.replace('</samlp:Status>', '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"/></samlp:Status>'),
    ),
    bad('two-subjects', signed({ advice: `<saml:Subject>${NAME_ID}</saml:Subject>` })),
    bad('two-name-ids', signed({ nameId: NAME_ID + NAME_ID })),
    bad('two-conditions', signed({ advice: `<saml:Conditions>${audience(ENTITY_ID)}</saml:Conditions>` })),
    bad('second-assertion-empty', good.replace('</samlp:Response>', '<saml:Assertion/></samlp:Response>')),
    bad('second-assertion-before-issuer', good.replace('<saml:Issuer>', `${evilAssertion()}<saml:Issuer>`)),
    bad('assertion-in-status', message({ assertion: '', status: SUCCESS.replace('</samlp:Status>', `${assertion}</samlp:Status>`) })),
    bad('assertion-in-assertion', signed({ statements: evilAssertion() })),
    bad(
      'assertion-in-soap-body',
      message({ assertion: `<s:Body xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">${assertion}</s:Body>` }),
    ),
    bad(
      'two-status-messages',
      message({
        assertion: '',
        status: `<samlp:Status><samlp:StatusCode Value="urn:x"/><samlp:StatusMessage>a</samlp:StatusMessage><samlp:StatusMessage>b</samlp:StatusMessage></samlp:Status>`,
      }),
    ),
    bad('encrypted-data-in-subject', signed({ nameId: `${NAME_ID}<e:EncryptedData xmlns:e="http://www.w3.org/2001/04/xmlenc#"/>` })),
    bad(
      'encrypted-data-in-attribute-value',
      signed({ attributes: attribute('email', '<e:EncryptedData xmlns:e="http://www.w3.org/2001/04/xmlenc#"/>') }),
    ),
    bad('two-confirmation-data', signed({ confirmation: bearer(confirmationData() + confirmationData()) })),
  ];
}
