/** Rejected: signatures, references, transforms, algorithms and keys. */
import { constants, createHash, createPublicKey, sign as signOctets } from 'node:crypto';
import type { ErrorCode } from '../../../src/errors.ts';
import type { CaseSettings, RejectedCase } from './case.ts';
import { cut } from './evil-assertion.ts';
import {
  ACS_URL,
  attribute,
  DSIG,
  ENVELOPED,
  EXC,
  type HandSigning,
  IDP,
  MORE,
  message,
  NAME_ID,
  RSA_SHA256,
  SHA256,
  sign,
} from './hand-made.ts';
import type { Keys } from './keys.ts';

const INCLUSIVE = 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315';

export function rejectedSignature(keys: Keys): RejectedCase[] {
  const { rsa, rogue } = keys;
  const good = sign(message(), rsa.key);
  const bad = (name: string, xml: string, code: ErrorCode = 'saml_signature_invalid', settings?: CaseSettings): RejectedCase => ({
    name: `signature-${name}`,
    xml,
    code,
    ...(settings ? { settings } : {}),
  });
  const bent = (name: string, changes: Partial<HandSigning>, code: ErrorCode) => bad(name, sign(message(), rsa.key, changes), code);
  const ambiguous = (name: string, changes: Partial<HandSigning>) => bent(name, changes, 'saml_structure_ambiguous');
  const keyInfo = (...pems: string[]) => `<ds:KeyInfo><ds:X509Data>${pems.map(x509Certificate).join('')}</ds:X509Data></ds:KeyInfo>`;
  const inSignedResponse = (from: string, to: string) => sign(message(), rsa.key, { id: '_response1' }).replace(from, to);
  const [, goodSignature] = cut(good, 'ds:Signature');
  const [, rogueSignature] = cut(sign(message(), rogue.key), 'ds:Signature');
  // Changed after signing. The digest that would match is in the SignedInfo that the rogue key signs.
  const evil = good.replace('olivia@acme.test', 'mallory@acme.test');
  const [, evilSignedInfo] = cut(sign(evil.replace(goodSignature, ''), rogue.key), 'ds:SignedInfo');
  const evilDigest = /<ds:DigestValue>([^<]*)/.exec(evilSignedInfo)?.[1] ?? '';
  const change = (from: string | RegExp, to: string) => good.replace(from, to);
  return [
    bad('none', message(), 'saml_signature_missing'),
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
      sign(message(), rsa.key, { id: '_response1' }).replace(ACS_URL, ACS_URL.replace('acme', 'other')),
    ),
    bad(
      'status-changed-in-signed-response',
      sign(message(), rsa.key, { id: '_response1' }).replace(
        '</samlp:Status>',
        '<samlp:StatusMessage>x</samlp:StatusMessage></samlp:Status>',
      ),
    ),
    bad('name-id-qualifier-added', change('<saml:NameID ', '<saml:NameID SPNameQualifier="x" ')),
    bad('attribute-renamed', change('Name="groups"', 'Name="email"')),
    bad('value-emptied', change('>engineering<', '><')),
    bad('element-renamed', change(/saml:AuthnStatement/g, 'saml:AuthnStatementX')),
    bad('namespace-changed', change('<saml:Subject>', '<saml:Subject xmlns:saml="urn:x">')),
    bad('prefix-changed', good.replaceAll('saml:', 's:').replaceAll('xmlns:saml=', 'xmlns:s=')),
    bad('id-and-reference-changed', good.replaceAll('_assertion1', '_assertion2')),
    bad('text-in-assertion-added', change('</saml:Issuer><ds:', '</saml:Issuer>x<ds:')),
    bad('carriage-return-added', change('</saml:Issuer><ds:', '</saml:Issuer>&#xD;<ds:')),
    bad('letter-recomposed', sign(message({ nameId: NAME_ID.replace('olivia', 'Zoe\u0301') }), rsa.key).replace('Zoe\u0301', 'Zo\u00e9')),
    bad('assertion-changed-in-signed-response', inSignedResponse('olivia@acme.test', 'mallory@acme.test')),
    bad('issuer-removed-from-signed-response', inSignedResponse(`<saml:Issuer>${IDP}</saml:Issuer>`, '')),
    bad('extensions-added-to-signed-response', inSignedResponse('<samlp:Status>', '<samlp:Extensions/><samlp:Status>')),
    bad('destination-removed-from-signed-response', inSignedResponse(` Destination="${ACS_URL}"`, '')),
    bad('inner-signature-removed-from-signed-response', sign(good, rsa.key, { id: '_response1' }).replace(goodSignature, '')),
    bad('inner-signature-changed-in-signed-response', sign(good, rsa.key, { id: '_response1' }).replace(goodSignature, rogueSignature)),
    bad('of-another-message', change(goodSignature, cut(sign(message({ advice: '<saml:Advice/>' }), rsa.key), 'ds:Signature')[1])),
    bad(
      'value-of-another-message',
      change(
        /<ds:SignatureValue>[^<]*/,
        (/<ds:SignatureValue>[^<]*/.exec(sign(message({ advice: '<saml:Advice/>' }), rsa.key)) ?? [''])[0],
      ),
    ),
    bad('digest-of-evil-in-comment', evil.replace('<ds:DigestValue>', `<ds:DigestValue><!--${evilDigest}-->`)),
    bad('digest-of-evil-before-comment', evil.replace('<ds:DigestValue>', `<ds:DigestValue>${evilDigest}<!---->`), 'saml_malformed'),
    bad('digest-of-evil-in-cdata', evil.replace(/<ds:DigestValue>[^<]*/, `<ds:DigestValue><![CDATA[${evilDigest}]]>`)),
    bad(
      'digest-of-evil-as-second',
      evil.replace('<ds:DigestValue>', `<ds:DigestValue>${evilDigest}</ds:DigestValue><ds:DigestValue>`),
      'saml_structure_ambiguous',
    ),
    bad('signed-info-of-evil-first', evil.replace('<ds:SignedInfo>', `${evilSignedInfo}<ds:SignedInfo>`), 'saml_structure_ambiguous'),
    bad('signed-info-of-evil-last', evil.replace('</ds:SignedInfo>', `</ds:SignedInfo>${evilSignedInfo}`), 'saml_structure_ambiguous'),
    bad(
      'signed-info-of-evil-in-object',
      evil.replace('</ds:SignatureValue>', `</ds:SignatureValue><ds:Object>${evilSignedInfo}</ds:Object>`),
      'saml_structure_ambiguous',
    ),
    bad('signed-info-inside-signed-info', evil.replace('<ds:SignedInfo>', `<ds:SignedInfo>${evilSignedInfo}`), 'saml_structure_ambiguous'),
    bad(
      'reference-of-evil-first',
      evil.replace('<ds:Reference', `${(/<ds:Reference.*<\/ds:Reference>/.exec(evilSignedInfo) ?? [''])[0]}<ds:Reference`),
      'saml_structure_ambiguous',
    ),
    bad(
      'two-values-rogue-first',
      change('<ds:SignatureValue>', `${(/<ds:SignatureValue>.*<\/ds:SignatureValue>/.exec(rogueSignature) ?? [''])[0]}<ds:SignatureValue>`),
      'saml_structure_ambiguous',
    ),
    bad('digest-cut', sign(message(), rsa.key, { digestValue: (value) => octets(value).subarray(0, 16).toString('base64') })),
    bad(
      'digest-lengthened',
      sign(message(), rsa.key, { digestValue: (value) => Buffer.concat([octets(value), Buffer.alloc(1)]).toString('base64') }),
    ),
    bad('digest-of-other-hash', sign(message(), rsa.key, { digestValue: () => createHash('sha512').update('x').digest('base64') })),
    bad('digest-in-hexadecimal', sign(message(), rsa.key, { digestValue: (value) => octets(value).toString('hex') })),
    bad('digest-of-nothing', evil.replace(/<ds:DigestValue>[^<]*/, `<ds:DigestValue>${createHash('sha256').digest('base64')}`)),
    bad('digest-with-bits-left-over', sign(message(), rsa.key, { digestValue: leftover }), 'saml_malformed'),
    bad('value-with-bits-left-over', sign(message(), rsa.key, { signatureValue: leftover }), 'saml_malformed'),
    bad('value-with-data-after-padding', sign(message(), rsa.key, { signatureValue: (value) => `${value}AAAA` }), 'saml_malformed'),
    bad('value-with-no-break-space', sign(message(), rsa.key, { signatureValue: (value) => `\u00a0${value}` }), 'saml_malformed'),
    bad('value-in-two-elements', change('</ds:SignatureValue>', '</ds:SignatureValue><ds:SignatureValue/>'), 'saml_structure_ambiguous'),
    bad(
      'value-with-leading-zero-octet',
      sign(message(), rsa.key, { signatureValue: (value) => Buffer.concat([Buffer.alloc(1), octets(value)]).toString('base64') }),
    ),
    bad('value-plus-modulus', sign(message(), rsa.key, { signatureValue: (value) => plusModulus(value, rsa.certificatePem) })),
    bad('by-rogue-key-in-chain-with-ours', sign(message(), rogue.key, { keyInfo: keyInfo(rsa.certificatePem, rogue.certificatePem) })),
    bad('by-rogue-key-in-other-spelling', sign(message(), rogue.key, { prefix: '', between: '\n' })),
    bad(
      'by-rogue-key-with-retrieval-method',
      sign(message(), rogue.key, { keyInfo: '<ds:KeyInfo><ds:RetrievalMethod URI="http://127.0.0.1:1/key"/></ds:KeyInfo>' }),
    ),
    bad('by-rogue-key-with-name-of-ours', sign(message(), rogue.key, { keyInfo: '<ds:KeyInfo><ds:KeyName>rsa</ds:KeyName></ds:KeyInfo>' })),
    bad('both-by-rogue-key', sign(sign(message(), rogue.key), rogue.key, { id: '_response1' })),
    bad('by-none-of-several-certificates', good, 'saml_signature_invalid', { trusted: ['second', 'rsa4096', 'p256'] }),
    bad('both-wanted-assertion-signed', good, 'saml_signature_missing', { requireSignedAssertion: true, requireSignedResponse: true }),
    bad('both-wanted-response-signed', sign(message(), rsa.key, { id: '_response1' }), 'saml_signature_missing', {
      requireSignedAssertion: true,
      requireSignedResponse: true,
    }),
    bad('response-wanted-response-by-rogue', sign(good, rogue.key, { id: '_response1' }), 'saml_signature_invalid', {
      requireSignedResponse: true,
    }),
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
    ambiguous('reference-with-two-hashes', { reference: 'URI="##_assertion1"' }),
    ambiguous('reference-with-query', { reference: 'URI="?#_assertion1"' }),
    ambiguous('reference-to-id-in-other-case', { reference: 'URI="#_ASSERTION1"' }),
    ambiguous('reference-to-beginning-of-id', { reference: 'URI="#_assertion"' }),
    ambiguous('reference-to-issuer-before-hash', { reference: `URI="${IDP}#_assertion1"` }),
    ambiguous('reference-by-prefixed-attribute', { reference: 'ds:URI="#_assertion1"' }),
    ambiguous('reference-by-attribute-in-other-case', { reference: 'uri="#_assertion1"' }),
    ambiguous('reference-of-response-signature-empty', { id: '_response1', reference: 'URI=""' }),
    ambiguous('cdata-in-signed-info', { moreReferences: '<![CDATA[text]]>' }),
    ambiguous('object-before-key-info', { keyInfo: '<ds:Object/><ds:KeyInfo/>' }),
    ambiguous('object-properties', { objects: '<ds:Object><ds:SignatureProperties/></ds:Object>' }),
    ambiguous('object-of-xades', {
      objects: '<ds:Object><q:QualifyingProperties xmlns:q="http://uri.etsi.org/01903/v1.3.2#"/></ds:Object>',
    }),
    bad('key-info-before-value', change('<ds:SignatureValue>', '<ds:KeyInfo/><ds:SignatureValue>'), 'saml_structure_ambiguous'),
    bad('value-before-signed-info', reordered(good, 'SignedInfo', 'SignatureValue'), 'saml_structure_ambiguous'),
    bad('methods-in-other-order', reordered(good, 'CanonicalizationMethod', 'SignatureMethod'), 'saml_structure_ambiguous'),
    bad('digest-before-transforms', reordered(good, 'Transforms', 'DigestMethod'), 'saml_structure_ambiguous'),
    bad(
      'canonicalization-absent',
      good.replace(/<ds:CanonicalizationMethod.*<\/ds:CanonicalizationMethod>/, ''),
      'saml_structure_ambiguous',
    ),
    bad('method-absent', good.replace(/<ds:SignatureMethod.*<\/ds:SignatureMethod>/, ''), 'saml_structure_ambiguous'),
    bad('reference-absent', good.replace(/<ds:Reference.*<\/ds:Reference>/, ''), 'saml_structure_ambiguous'),
    bad('value-absent', good.replace(/<ds:SignatureValue.*<\/ds:SignatureValue>/, ''), 'saml_structure_ambiguous'),
    bad('digest-method-absent', good.replace(/<ds:DigestMethod.*<\/ds:DigestMethod>/, ''), 'saml_structure_ambiguous'),
    bad('digest-value-absent', good.replace(/<ds:DigestValue.*<\/ds:DigestValue>/, ''), 'saml_structure_ambiguous'),
    bad('signed-info-in-other-namespace', good.replaceAll('ds:SignedInfo', 'saml:SignedInfo'), 'saml_structure_ambiguous'),
    bad('reference-in-other-namespace', good.replaceAll('ds:Reference', 'saml:Reference'), 'saml_structure_ambiguous'),
    bad('digest-value-in-other-namespace', good.replaceAll('ds:DigestValue', 'saml:DigestValue'), 'saml_structure_ambiguous'),
    bad('text-in-signature', change('<ds:SignatureValue>', 'x<ds:SignatureValue>'), 'saml_structure_ambiguous'),
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

const octets = (base64: string): Buffer => Buffer.from(base64, 'base64');

/** Sets the unused bits before the padding. A lenient decoder reads the same octets. */
const leftover = (base64: string): string =>
  base64.replace(/(.)(=+)$/, (_, last: string, padding: string) => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    return `${alphabet[alphabet.indexOf(last) + 1] ?? ''}${padding}`;
  });

const x509Certificate = (pem: string): string => `<ds:X509Certificate>${pem.replace(/-----[A-Z ]+-----|\s/g, '')}</ds:X509Certificate>`;

/** Swaps two children of the signature. */
function reordered(xml: string, first: string, second: string): string {
  return xml.replace(new RegExp(`(<ds:${first}[ >].*</ds:${first}>)(<ds:${second}[ >].*?</ds:${second}>)`), '$2$1');
}

/** Adds the modulus to a signature value. It is valid for a verifier that does not compare it with the modulus. */
function plusModulus(base64: string, certificatePem: string): string {
  const { n } = createPublicKey(certificatePem).export({ format: 'jwk' });
  const sum = BigInt(`0x${octets(base64).toString('hex')}`) + BigInt(`0x${Buffer.from(n ?? '', 'base64url').toString('hex')}`);
  const hex = sum.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64');
}

function rsaKeyValue(certificatePem: string): string {
  const { n, e } = createPublicKey(certificatePem).export({ format: 'jwk' });
  const value = (part: string | undefined) => Buffer.from(part ?? '', 'base64url').toString('base64');
  return `<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>${value(n)}</ds:Modulus><ds:Exponent>${value(e)}</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>`;
}

export function rejectedAlgorithms(keys: Keys): RejectedCase[] {
  const { rsa, p256 } = keys;
  const bad = (name: string, xml: string, code: ErrorCode = 'saml_algorithm_forbidden', settings?: CaseSettings): RejectedCase => ({
    name: `algorithm-${name}`,
    xml,
    code,
    ...(settings ? { settings } : {}),
  });
  const bent = (name: string, changes: Partial<HandSigning>) => bad(name, sign(message(), rsa.key, changes));
  const transforms = (...list: string[]): Partial<HandSigning> => ({
    transforms: list.map((algorithm): [string, string] => [algorithm, '']),
  });
  const sha256 = (text: string) => createHash('sha256').update(text).digest();
  const ecdsa = { signatureMethod: `${MORE}ecdsa-sha256` };
  const byCurve = (name: string, changes: Partial<HandSigning>) =>
    bad(name, sign(message(), p256.key, { ...ecdsa, ...changes }), 'saml_signature_invalid', { trusted: ['p256'] });
  return [
    bent('rsa-sha3', { signatureMethod: 'http://www.w3.org/2021/04/xmldsig-more#rsa-sha3-256' }),
    bent('ecdsa-ripemd160', { signatureMethod: 'http://www.w3.org/2007/05/xmldsig-more#ecdsa-ripemd160' }),
    bent('hmac-sha512', { signatureMethod: `${MORE}hmac-sha512`, key: 'secret' }),
    bent('with-space', { signatureMethod: `${RSA_SHA256} ` }),
    bent('with-line-break', { signatureMethod: `&#10;${RSA_SHA256}` }),
    bent('name-only', { signatureMethod: 'rsa-sha256' }),
    bent('of-digest', { signatureMethod: SHA256 }),
    bad('attribute-absent', sign(message(), rsa.key).replace(`SignatureMethod Algorithm="${RSA_SHA256}"`, 'SignatureMethod')),
    bad('attribute-in-namespace', sign(message(), rsa.key).replace('SignatureMethod Algorithm', 'SignatureMethod ds:Algorithm')),
    bent('digest-sha224', { digestMethod: `${MORE}sha224` }),
    bent('digest-sha3', { digestMethod: 'http://www.w3.org/2007/05/xmldsig-more#sha3-256' }),
    bent('digest-ripemd160', { digestMethod: 'http://www.w3.org/2001/04/xmlenc#ripemd160' }),
    bent('digest-empty', { digestMethod: '' }),
    bent('digest-sha384-in-other-namespace', { digestMethod: 'http://www.w3.org/2001/04/xmlenc#sha384' }),
    bent('c14n-empty', { canonicalizationMethod: '' }),
    bent('c14n-inclusive-with-comments', { canonicalizationMethod: `${INCLUSIVE}#WithComments` }),
    bent('c14n-is-a-transform', { canonicalizationMethod: ENVELOPED }),
    bent('transform-decrypt', transforms('http://www.w3.org/2002/07/decrypt#XML', EXC)),
    bent('transform-c14n11', transforms(ENVELOPED, 'http://www.w3.org/2006/12/xml-c14n11')),
    bent('transform-empty', transforms('', EXC)),
    bent('transform-with-space', transforms(`${ENVELOPED} `, EXC)),
    bent('transform-exclusive-twice', transforms(EXC, EXC)),
    bent('transform-xpath-between', transforms(ENVELOPED, 'http://www.w3.org/TR/1999/REC-xpath-19991116', EXC)),
    bent('transform-without-algorithm', { transformsElement: '<ds:Transforms><ds:Transform/><ds:Transform/></ds:Transforms>' }),
    bad('rsa-key-of-2047-bits', sign(message(), keys.rsa2047.key), 'saml_algorithm_forbidden', { trusted: ['rsa2047'] }),
    bad('rsa-key-limited-to-pss', sign(message(), rsa.key), 'saml_algorithm_forbidden', { trusted: ['rsapss'] }),
    bad(
      'eddsa',
      sign(message(), rsa.key, { signatureMethod: 'http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519' }),
      'saml_algorithm_forbidden',
      { trusted: ['ed25519'] },
    ),
    bad('rsa-method-ed25519-key', sign(message(), rsa.key), 'saml_algorithm_forbidden', { trusted: ['ed25519'] }),
    bad('weak-key-beside-good-one', sign(message(), keys.rsa1024.key), 'saml_signature_invalid', { trusted: ['rsa', 'rsa1024'] }),
    bad(
      'pss-padding',
      sign(message(), rsa.key, {
        signatureValue: () =>
          signOctets('sha256', sha256('x'), { key: rsa.key, padding: constants.RSA_PKCS1_PSS_PADDING }).toString('base64'),
      }),
      'saml_signature_invalid',
    ),
    byCurve('ecdsa-of-zeros', { signatureValue: () => Buffer.alloc(64).toString('base64') }),
    byCurve('ecdsa-of-ones', { signatureValue: () => Buffer.alloc(64, 0xff).toString('base64') }),
    byCurve('ecdsa-short', { signatureValue: (value) => octets(value).subarray(0, 63).toString('base64') }),
    byCurve('ecdsa-padded-to-66', { signatureValue: (value) => Buffer.concat([Buffer.alloc(2), octets(value)]).toString('base64') }),
    byCurve('ecdsa-halves-swapped', {
      signatureValue: (value) => Buffer.concat([octets(value).subarray(32), octets(value).subarray(0, 32)]).toString('base64'),
    }),
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
