/** Refused: XML itself, structure, signature wrapping. */
import type { ErrorCode } from '../../../src/errors.ts';
import type { FixtureCase, Keys } from './case.ts';
import {
  ACS_URL,
  attribute,
  audience,
  bearer,
  confirmationData,
  ENTITY_ID,
  IDP,
  message,
  minutes,
  NAME_ID,
  NOW,
  REQUEST_ID,
  SUCCESS,
  sign,
} from './hand-made.ts';

const EVIL = attribute('email', 'mallory@evil.test') + attribute('groups', 'platform-admins');

/** An unsigned assertion of the attacker's choice. */
const evilAssertion = (id = '_evil', inside = ''): string =>
  `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${id}" Version="2.0" IssueInstant="${NOW}"><saml:Issuer>${IDP}</saml:Issuer>${inside}<saml:Subject>${NAME_ID.replace('u-olivia', 'u-mallory')}${bearer(confirmationData())}</saml:Subject><saml:Conditions NotOnOrAfter="${minutes(5)}">${audience(ENTITY_ID)}</saml:Conditions><saml:AuthnStatement AuthnInstant="${NOW}"/><saml:AttributeStatement>${EVIL}</saml:AttributeStatement></saml:Assertion>`;

const cut = (xml: string, name: string): [before: string, element: string, after: string] => {
  const start = xml.search(new RegExp(`<${name}[ >]`));
  const end = xml.lastIndexOf(`</${name}>`) + name.length + 3;
  return [xml.slice(0, start), xml.slice(start, end), xml.slice(end)];
};

export function rejectedXml({ rsa }: Keys): FixtureCase[] {
  const good = sign(message(), rsa.key);
  const bad = (name: string, xml: string | Buffer, code: ErrorCode = 'saml_malformed'): FixtureCase => ({ name: `xml-${name}`, xml, code });
  const inRoot = (text: string) => good.replace('<samlp:Status>', `${text}<samlp:Status>`);
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
    bad('octets-utf-16', Buffer.from(`\ufeff${good}`, 'utf16le')),
    bad('octets-latin-1', Buffer.concat([Buffer.from(good.replace('Olivia', 'Ol')), Buffer.from([0xe9])])),
    bad('overlong-utf-8', Buffer.concat([Buffer.from([0xc0, 0xbc]), Buffer.from(good.slice(1))])),
    bad('lone-surrogate-utf-8', Buffer.concat([Buffer.from([0xed, 0xa0, 0x80]), Buffer.from(good)])),
    bad('declaration-not-first', ` <?xml version="1.0"?>${good}`),
    bad('deep', inRoot(`${'<a>'.repeat(200)}${'</a>'.repeat(200)}`)),
    bad('many-elements', inRoot('<a/>'.repeat(13_000))),
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
    bad('doctype-unclosed', `<!DOCTYPE r [${good}`, 'saml_dtd_forbidden'),
  ];
}

export function rejectedStructure({ rsa }: Keys): FixtureCase[] {
  const bad = (name: string, xml: string, code: ErrorCode = 'saml_structure_ambiguous'): FixtureCase => ({
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
    bad('assertion-version-1-1', attributes(`ID="_assertion1" Version="1.1" IssueInstant="${NOW}"`), 'saml_malformed'),
    bad('assertion-without-version', attributes(`ID="_assertion1" IssueInstant="${NOW}"`), 'saml_malformed'),
    bad('assertion-without-id', message({ assertionAttributes: 'Version="2.0"' }), 'saml_malformed'),
    bad('assertion-id-lower-case', message({ assertionAttributes: 'id="_assertion1" Version="2.0"' }), 'saml_malformed'),
    bad('assertion-id-in-xml-namespace', message({ assertionAttributes: 'xml:id="_assertion1" Version="2.0"' }), 'saml_malformed'),
    bad('assertion-id-with-colon', message({ assertionAttributes: `ID="a:b" Version="2.0"` }), 'saml_malformed'),
    bad('no-assertion', message({ assertion: '' }), 'saml_malformed'),
    bad('two-assertions', good.replace('</samlp:Response>', `${evilAssertion()}</samlp:Response>`)),
    bad('two-assertions-evil-first', good.replace('<saml:Assertion', `${evilAssertion()}<saml:Assertion`)),
    bad('two-good-assertions', good.replace('</samlp:Response>', `${assertion.replaceAll('_assertion1', '_assertion2')}</samlp:Response>`)),
    bad('same-assertion-twice', good.replace('</samlp:Response>', `${assertion}</samlp:Response>`)),
    bad('duplicate-id', good.replace('<samlp:Status>', '<samlp:Status ID="_assertion1">')),
    bad('duplicate-id-of-response', message({ assertionAttributes: 'ID="_response1" Version="2.0"' })),
    bad('duplicate-id-in-foreign-element', good.replace('<samlp:Status>', '<x:y xmlns:x="urn:x" ID="_assertion1"/><samlp:Status>')),
    bad('assertion-in-extensions', message({ extensions: `<samlp:Extensions>${assertion}</samlp:Extensions>`, assertion: '' })),
    bad(
      'second-assertion-in-extensions',
      good.replace('<samlp:Status>', `<samlp:Extensions>${evilAssertion()}</samlp:Extensions><samlp:Status>`),
    ),
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
    bad('two-confirmation-data', signed({ confirmation: bearer(confirmationData() + confirmationData()) })),
  ];
}

/** The eight wrappings of Somorovsky et al. (On Breaking SAML, 2012), and some more places to hide. */
export function rejectedWrapping({ rsa }: Keys): FixtureCase[] {
  const bad = (name: string, xml: string, code: ErrorCode = 'saml_structure_ambiguous'): FixtureCase => ({
    name: `wrapping-${name}`,
    xml,
    code,
  });
  const responseSigned = sign(message(), rsa.key, { id: '_response1' });
  const assertionSigned = sign(message(), rsa.key);
  const [beforeA, assertion, afterA] = cut(assertionSigned, 'saml:Assertion');
  const [, responseSignature] = cut(responseSigned, 'ds:Signature');
  const [, assertionSignature] = cut(assertionSigned, 'ds:Signature');
  const bareResponse = responseSigned.replace(responseSignature, '');
  const bareAssertion = assertion.replace(assertionSignature, '');
  const evilResponse = (signature: string, more = '') =>
    message({
      responseAttributes: `ID="_evilresponse" Version="2.0" Destination="${ACS_URL}" InResponseTo="${REQUEST_ID}"`,
      extensions: signature,
      assertion: evilAssertion(),
      after: more,
    });
  const inSignature = (signature: string, content: string) =>
    signature.replace('</ds:Signature>', `<ds:Object>${content}</ds:Object></ds:Signature>`);
  return [
    bad('xsw1-signed-response-in-signature-object', evilResponse(inSignature(responseSignature, bareResponse))),
    bad('xsw2-signature-before-signed-response', evilResponse(responseSignature + bareResponse)),
    bad('xsw3-evil-assertion-first', beforeA + evilAssertion() + assertion + afterA),
    bad('xsw4-signed-assertion-in-evil', beforeA + evilAssertion().replace('</saml:Assertion>', `${assertion}</saml:Assertion>`) + afterA),
    bad(
      'xsw5-signature-in-evil-signed-last',
      beforeA + evilAssertion('_assertion1', assertionSignature) + bareAssertion.replace('_assertion1', '_moved') + afterA,
    ),
    bad(
      'xsw6-signed-assertion-in-evil-signature',
      beforeA +
        evilAssertion(
          '_evil',
          assertionSignature.replace('</ds:SignatureValue>', `</ds:SignatureValue><ds:Object>${bareAssertion}</ds:Object>`),
        ) +
        afterA,
    ),
    bad(
      'xsw7-evil-in-extensions',
      assertionSigned.replace('<samlp:Status>', `<samlp:Extensions>${evilAssertion()}</samlp:Extensions><samlp:Status>`),
    ),
    bad('xsw8-signed-in-object-of-evil', beforeA + evilAssertion('_evil', inSignature(assertionSignature, bareAssertion)) + afterA),
    bad('same-id-evil-first', beforeA + evilAssertion('_assertion1') + assertion + afterA),
    bad('same-id-evil-last', beforeA + assertion + evilAssertion('_assertion1') + afterA),
    bad('signature-of-child-on-parent', sign(message(), rsa.key, { id: '_response1', reference: 'URI="#_assertion1"' })),
    bad(
      'response-signature-moved-into-assertion',
      responseSigned
        .replace(responseSignature, '')
        .replace(`</saml:Issuer><saml:Subject>`, `</saml:Issuer>${responseSignature}<saml:Subject>`),
    ),
    bad(
      'assertion-signature-moved-into-response',
      assertionSigned.replace(assertionSignature, '').replace('<samlp:Status>', `${assertionSignature}<samlp:Status>`),
    ),
    bad(
      'signature-in-status',
      assertionSigned
        .replace(assertionSignature, '')
        .replace('</samlp:Status>', `<samlp:StatusDetail>${assertionSignature}</samlp:StatusDetail></samlp:Status>`),
    ),
    bad(
      'signature-beside-assertion',
      assertionSigned.replace(assertionSignature, '').replace('</saml:Assertion>', `</saml:Assertion>${assertionSignature}`),
    ),
    bad(
      'signature-in-subject',
      assertionSigned.replace(assertionSignature, '').replace('</saml:Subject>', `${assertionSignature}</saml:Subject>`),
    ),
    bad('signature-last-in-assertion', sign(message(), rsa.key, { place: 'last' })),
    bad('signature-before-issuer', sign(message(), rsa.key, { place: 'first' })),
    bad('signature-last-in-response', sign(message(), rsa.key, { id: '_response1', place: 'last' })),
    bad('two-signatures-in-assertion', assertionSigned.replace(assertionSignature, assertionSignature + assertionSignature)),
    bad('two-signatures-in-response', responseSigned.replace(responseSignature, responseSignature + responseSignature)),
    bad(
      'third-signature-in-extensions',
      assertionSigned.replace('<samlp:Status>', `<samlp:Extensions>${assertionSignature}</samlp:Extensions><samlp:Status>`),
    ),
    bad(
      'signature-in-attribute-value',
      sign(message({ attributes: attribute('email', '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>') }), rsa.key),
    ),
    bad('unsigned-around-signed-changes-id', assertionSigned.replace('ID="_assertion1"', 'ID="_assertion2"')),
    bad('unsigned-evil-alone', message({ assertion: evilAssertion() }), 'saml_signature_missing'),
    bad('evil-with-signature-of-good', beforeA + evilAssertion('_assertion1', assertionSignature) + afterA, 'saml_signature_invalid'),
  ];
}
