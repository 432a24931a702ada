/** Refused: signatures, references, transforms, algorithms, keys. */
import { createPublicKey } from 'node:crypto';
import type { ErrorCode } from '../../../src/errors.ts';
import type { CaseSettings, FixtureCase, Keys } from './case.ts';
import { attribute, ENVELOPED, EXC, type HandSigning, message, RSA_SHA256, sign } from './hand-made.ts';

const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
const MORE = 'http://www.w3.org/2001/04/xmldsig-more#';
const INCLUSIVE = 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315';

export function rejectedSignature(keys: Keys): FixtureCase[] {
  const { rsa, rogue } = keys;
  const good = sign(message(), rsa.key);
  const bad = (name: string, xml: string, code: ErrorCode = 'saml_signature_invalid', settings?: CaseSettings): FixtureCase => ({
    name: `signature-${name}`,
    xml,
    code,
    ...(settings ? { settings } : {}),
  });
  const bent = (name: string, changes: Partial<HandSigning>, code: ErrorCode) => bad(name, sign(message(), rsa.key, changes), code);
  const ambiguous = (name: string, changes: Partial<HandSigning>) => bent(name, changes, 'saml_structure_ambiguous');
  const keyInfo = (pem: string) =>
    `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>${pem.replace(/-----[A-Z ]+-----|\s/g, '')}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`;
  const change = (from: string | RegExp, to: string) => good.replace(from, to);
  return [
    bad('none', message(), 'saml_signature_missing'),
    bad('stripped', good.replace(/<ds:Signature .*<\/ds:Signature>/, ''), 'saml_signature_missing'),
    bad(
      'empty-element',
      change(/<ds:Signature .*<\/ds:Signature>/, '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>'),
      'saml_structure_ambiguous',
    ),
    bad('response-wanted-assertion-signed', good, 'saml_signature_missing', { requireSignedResponse: true }),
    bad('assertion-wanted-response-signed', sign(message(), rsa.key, { id: '_response1' }), 'saml_signature_missing', {
      requireSignedAssertion: true,
    }),
    bad('encryption-wanted', good, 'saml_decryption_failed', { requireEncryptedAssertion: true }),
    bad('by-rogue-key', sign(message(), rogue.key)),
    bad('by-rogue-key-with-its-certificate', sign(message(), rogue.key, { keyInfo: keyInfo(rogue.certificatePem) })),
    bad('by-rogue-key-with-our-certificate', sign(message(), rogue.key, { keyInfo: keyInfo(rsa.certificatePem) })),
    bad(
      'by-rogue-key-with-key-value',
      sign(message(), rogue.key, { keyInfo: `<ds:KeyInfo>${rsaKeyValue(rogue.certificatePem)}</ds:KeyInfo>` }),
    ),
    bad('good-response-bad-assertion', sign(sign(message(), rogue.key), rsa.key, { id: '_response1' })),
    bad('bad-response-good-assertion', sign(sign(message(), rsa.key), rogue.key, { id: '_response1' })),
    bad('by-replaced-certificate', good, 'saml_signature_invalid', { trusted: ['second'] }),
    bad('email-changed', change('olivia@acme.test', 'mallory@acme.test')),
    bad('group-changed', change('engineering', 'owners')),
    bad('name-id-changed', change('u-olivia', 'u-carl')),
    bad('audience-changed', change('/saml/acme/metadata</saml:Audience>', '/saml/other/metadata</saml:Audience>')),
    bad('attribute-added', change('</saml:AttributeStatement>', `${attribute('role', 'owner')}</saml:AttributeStatement>`)),
    bad('attribute-removed', change(attribute('displayName', 'Olivia Owner'), '')),
    bad('white-space-added', change('<saml:Subject>', ' <saml:Subject>')),
    bad('time-changed', change(/NotOnOrAfter="[^"]*" InResponseTo/, 'NotOnOrAfter="2036-01-01T00:00:00Z" InResponseTo')),
    bad(
      'destination-changed-in-signed-response',
      sign(message(), rsa.key, { id: '_response1' }).replace('Destination=', 'Consent="x" Destination='),
    ),
    bad(
      'status-changed-in-signed-response',
      sign(message(), rsa.key, { id: '_response1' }).replace(
        '</samlp:Status>',
        '<samlp:StatusMessage>x</samlp:StatusMessage></samlp:Status>',
      ),
    ),
    bad('digest-changed', sign(message(), rsa.key, { digestValue: flip })),
    bad('value-changed', sign(message(), rsa.key, { signatureValue: flip })),
    bad('value-of-zeros', sign(message(), rsa.key, { signatureValue: () => Buffer.alloc(256).toString('base64') })),
    bad('value-short', sign(message(), rsa.key, { signatureValue: () => 'AAAA' })),
    bad(
      'signed-info-changed',
      change(`<ds:SignatureMethod Algorithm="${RSA_SHA256}">`, `<ds:SignatureMethod Algorithm="${MORE}rsa-sha512">`),
    ),
    bad('value-empty', sign(message(), rsa.key, { signatureValue: () => '' }), 'saml_malformed'),
    bad('value-not-base64', sign(message(), rsa.key, { signatureValue: (value) => `*${value}` }), 'saml_malformed'),
    bad('value-base64url', sign(message(), rsa.key, { signatureValue: (value) => `-_${value.slice(2)}` }), 'saml_malformed'),
    bad('value-without-padding', sign(message(), rsa.key, { signatureValue: (value) => value.replace(/=+$/, '') }), 'saml_malformed'),
    bad('value-with-child', sign(message(), rsa.key, { signatureValue: (value) => `${value}<x xmlns=""/>` }), 'saml_malformed'),
    bad('digest-not-base64', sign(message(), rsa.key, { digestValue: (value) => `${value}!` }), 'saml_malformed'),
    bad('digest-with-child', sign(message(), rsa.key, { digestValue: (value) => `<ds:x/>${value}` }), 'saml_malformed'),
    bad('digest-with-split-text', sign(message(), rsa.key, { digestValue: (value) => `${flip(value)}<ds:x/>${value}` }), 'saml_malformed'),
    bad('digest-empty', sign(message(), rsa.key, { digestValue: () => '' }), 'saml_malformed'),
    ambiguous('no-reference-uri', { reference: '' }),
    ambiguous('empty-reference', { reference: 'URI=""' }),
    ambiguous('reference-to-response', { reference: 'URI="#_response1"' }),
    ambiguous('reference-to-nothing', { reference: 'URI="#_nowhere"' }),
    ambiguous('reference-without-hash', { reference: 'URI="_assertion1"' }),
    ambiguous('reference-by-xpointer', { reference: `URI="#xpointer(id('_assertion1'))"` }),
    ambiguous('reference-to-root-xpointer', { reference: 'URI="#xpointer(/)"' }),
    ambiguous('reference-to-file', { reference: 'URI="file:///etc/passwd"' }),
    ambiguous('reference-to-url', { reference: 'URI="http://127.0.0.1:1/x"' }),
    ambiguous('reference-with-space', { reference: 'URI="#_assertion1 "' }),
    ambiguous('reference-percent-encoded', { reference: 'URI="#%5Fassertion1"' }),
    ambiguous('two-references', { moreReferences: `<ds:Reference URI="#_assertion1"/>` }),
    ambiguous('text-in-signed-info', { moreReferences: 'text' }),
    ambiguous('object', { objects: '<ds:Object>x</ds:Object>' }),
    ambiguous('manifest', { objects: '<ds:Object><ds:Manifest/></ds:Object>' }),
    ambiguous('two-key-infos', { keyInfo: '<ds:KeyInfo/><ds:KeyInfo/>' }),
    ambiguous('foreign-element', { objects: '<x xmlns="urn:x"/>' }),
    ambiguous('hmac-output-length', { methodContent: '<ds:HMACOutputLength>1</ds:HMACOutputLength>' }),
    ambiguous('digest-method-content', { digestContent: '<ds:x/>' }),
    ambiguous('no-transforms', { transformsElement: '' }),
    ambiguous('canonicalization-content', { canonicalizationContent: '<x xmlns="urn:x"/>' }),
    ambiguous('inclusive-namespaces-twice', {
      canonicalizationContent: `<i:InclusiveNamespaces xmlns:i="${EXC}" PrefixList="a"/><i:InclusiveNamespaces xmlns:i="${EXC}" PrefixList="b"/>`,
    }),
    ambiguous('inclusive-namespaces-with-content', {
      canonicalizationContent: `<i:InclusiveNamespaces xmlns:i="${EXC}" PrefixList="a"><i:x/></i:InclusiveNamespaces>`,
    }),
    bent(
      'prefix-list-endless',
      { canonicalizationContent: `<i:InclusiveNamespaces xmlns:i="${EXC}" PrefixList="${'a '.repeat(100)}"/>` },
      'saml_malformed',
    ),
  ];
}

const flip = (base64: string): string => (base64.startsWith('A') ? `B${base64.slice(1)}` : `A${base64.slice(1)}`);

function rsaKeyValue(certificatePem: string): string {
  const { n, e } = createPublicKey(certificatePem).export({ format: 'jwk' });
  const value = (part: string | undefined) => Buffer.from(part ?? '', 'base64url').toString('base64');
  return `<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>${value(n)}</ds:Modulus><ds:Exponent>${value(e)}</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>`;
}

export function rejectedAlgorithms(keys: Keys): FixtureCase[] {
  const { rsa, p256 } = keys;
  const bad = (name: string, xml: string, code: ErrorCode = 'saml_algorithm_forbidden', settings?: CaseSettings): FixtureCase => ({
    name: `algorithm-${name}`,
    xml,
    code,
    ...(settings ? { settings } : {}),
  });
  const bent = (name: string, changes: Partial<HandSigning>) => bad(name, sign(message(), rsa.key, changes));
  const transforms = (...list: string[]): Partial<HandSigning> => ({
    transforms: list.map((algorithm): [string, string] => [algorithm, '']),
  });
  return [
    bent('rsa-sha1', { signatureMethod: `${DSIG}rsa-sha1` }),
    bent('rsa-md5', { signatureMethod: `${MORE}rsa-md5` }),
    bent('rsa-ripemd160', { signatureMethod: `${MORE}rsa-ripemd160` }),
    bent('rsa-sha224', { signatureMethod: `${MORE}rsa-sha224` }),
    bent('rsa-pss', { signatureMethod: 'http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1' }),
    bent('dsa-sha1', { signatureMethod: `${DSIG}dsa-sha1` }),
    bent('dsa-sha256', { signatureMethod: 'http://www.w3.org/2009/xmldsig11#dsa-sha256' }),
    bent('empty', { signatureMethod: '' }),
    bent('unknown', { signatureMethod: 'urn:none' }),
    bent('in-upper-case', { signatureMethod: RSA_SHA256.toUpperCase() }),
    bad('hmac-with-public-certificate', sign(message(), rsa.certificatePem, { signatureMethod: `${MORE}hmac-sha256` })),
    bad('hmac-sha1-with-public-certificate', sign(message(), rsa.certificatePem, { signatureMethod: `${DSIG}hmac-sha1` })),
    bad('ecdsa-sha1', sign(message(), p256.key, { signatureMethod: `${MORE}ecdsa-sha1` }), 'saml_algorithm_forbidden', {
      trusted: ['p256'],
    }),
    bent('digest-sha1', { digestMethod: `${DSIG}sha1` }),
    bent('digest-md5', { digestMethod: `${MORE}md5` }),
    bent('digest-unknown', { digestMethod: 'urn:none' }),
    bent('inclusive-c14n-of-signed-info', { canonicalizationMethod: INCLUSIVE }),
    bent('c14n-with-comments-of-signed-info', { canonicalizationMethod: `${EXC}WithComments` }),
    bent('c14n11-of-signed-info', { canonicalizationMethod: 'http://www.w3.org/2006/12/xml-c14n11' }),
    bent('unknown-c14n', { canonicalizationMethod: 'urn:none' }),
    bent('transforms-empty', { transformsElement: '<ds:Transforms/>' }),
    bent('transform-enveloped-only', transforms(ENVELOPED)),
    bent('transform-c14n-only', transforms(EXC)),
    bent('transforms-in-other-order', transforms(EXC, ENVELOPED)),
    bent('transform-enveloped-twice', transforms(ENVELOPED, ENVELOPED)),
    bent('transforms-three', transforms(ENVELOPED, EXC, EXC)),
    bent('transform-inclusive-c14n', transforms(ENVELOPED, INCLUSIVE)),
    bent('transform-c14n-with-comments', transforms(ENVELOPED, `${EXC}WithComments`)),
    bent('transform-base64', transforms(ENVELOPED, `${DSIG}base64`)),
    bent('transform-xpath', transforms('http://www.w3.org/TR/1999/REC-xpath-19991116', EXC)),
    bent('transform-xpath-filter', transforms(ENVELOPED, 'http://www.w3.org/2002/06/xmldsig-filter2')),
    bent('transform-xslt', transforms('http://www.w3.org/TR/1999/REC-xslt-19991116', EXC)),
    bent('transform-xslt-third', transforms(ENVELOPED, EXC, 'http://www.w3.org/TR/1999/REC-xslt-19991116')),
    bent('transform-in-other-namespace', {
      transformsElement: `<ds:Transforms><x:Transform xmlns:x="urn:x" Algorithm="${ENVELOPED}"/><x:Transform xmlns:x="urn:x" Algorithm="${EXC}"/></ds:Transforms>`,
    }),
    bad(
      'enveloped-with-content',
      sign(message(), rsa.key, {
        transforms: [
          [ENVELOPED, '<ds:XPath>//x</ds:XPath>'],
          [EXC, ''],
        ],
      }),
    ),
    bad('rsa-key-of-1024-bits', sign(message(), keys.rsa1024.key), 'saml_algorithm_forbidden', { trusted: ['rsa1024'] }),
    bad('rsa-method-ec-key', sign(message(), rsa.key), 'saml_algorithm_forbidden', { trusted: ['p256'] }),
    bad('ec-method-rsa-key', sign(message(), p256.key, { signatureMethod: `${MORE}ecdsa-sha256` })),
    bad('curve-secp256k1', sign(message(), keys.secp256k1.key, { signatureMethod: `${MORE}ecdsa-sha256` }), 'saml_algorithm_forbidden', {
      trusted: ['secp256k1'],
    }),
    bad(
      'ecdsa-in-der',
      sign(message(), p256.key, { signatureMethod: `${MORE}ecdsa-sha256`, ecdsaEncoding: 'der' }),
      'saml_signature_invalid',
      { trusted: ['p256'] },
    ),
    bad('ecdsa-other-curve', sign(message(), keys.p384.key, { signatureMethod: `${MORE}ecdsa-sha256` }), 'saml_signature_invalid', {
      trusted: ['p256'],
    }),
  ];
}
