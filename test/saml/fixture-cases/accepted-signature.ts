/** Accepted: every supported algorithm, key and form of a signature. */
import { createPublicKey } from 'node:crypto';
import type { AcceptedCase, CaseSettings } from './case.ts';
import {
  attribute,
  DSIG,
  ENVELOPED,
  EVERYTHING,
  EXC,
  type HandSigning,
  inclusiveNamespaces,
  keyInfoOf,
  lines,
  MORE,
  message,
  minutes,
  OLIVIA,
  type Parts,
  REQUEST_ID,
  sign,
} from './hand-made.ts';
import type { KeyName, Keys } from './keys.ts';

const DIGESTS = {
  sha256: 'http://www.w3.org/2001/04/xmlenc#sha256',
  sha384: `${MORE}sha384`,
  sha512: 'http://www.w3.org/2001/04/xmlenc#sha512',
} as const;
const HASHES = ['sha256', 'sha384', 'sha512'] as const;
const CURVES = ['p256', 'p384', 'p521'] as const;

type Row = readonly [name: string, xml: string, settings?: CaseSettings, statement?: AcceptedCase['statement']];

const rows = (prefix: string, list: readonly Row[]): AcceptedCase[] =>
  list.map(([name, xml, settings, statement]) => ({
    name: `${prefix}-${name}`,
    xml,
    person: OLIVIA,
    ...(settings ? { settings } : {}),
    ...(statement ? { statement } : {}),
  }));

export function acceptedAlgorithms(keys: Keys): AcceptedCase[] {
  const method = (family: 'rsa' | 'ecdsa', hash: string) => ({ signatureMethod: `${MORE}${family}-${hash}` });
  const of = (key: KeyName, changes: Partial<HandSigning>) => sign(message(), keys[key].key, changes);
  return rows('algorithm', [
    ...HASHES.flatMap((hash) =>
      HASHES.map((digest): Row => [`rsa-${hash}-digest-${digest}`, of('rsa', { ...method('rsa', hash), digestMethod: DIGESTS[digest] })]),
    ),
    ...HASHES.map((hash): Row => [`rsa4096-${hash}`, of('rsa4096', method('rsa', hash)), { trusted: ['rsa4096'] }]),
    ...CURVES.flatMap((curve) =>
      HASHES.map(
        (hash): Row => [
          `ecdsa-${curve}-${hash}`,
          of(curve, { ...method('ecdsa', hash), digestMethod: DIGESTS[hash] }),
          { trusted: [curve] },
        ],
      ),
    ),
  ]);
}

export function acceptedKeys(keys: Keys): AcceptedCase[] {
  const { rsa, second, rogue } = keys;
  const good = sign(message(), rsa.key);
  const of = (key: KeyName) => sign(message(), keys[key].key);
  const bare = (pem: string) => pem.replace(/-----[A-Z ]+-----|\s/g, '');
  const withKeyInfo = (keyInfo: string) => sign(message(), rsa.key, { keyInfo });
  const { n, e } = createPublicKey(rsa.certificatePem).export({ format: 'jwk' });
  const base64 = (part: string | undefined) => Buffer.from(part ?? '', 'base64url').toString('base64');
  return rows('key', [
    ['first-of-two', of('rsa'), { trusted: ['rsa', 'second'] }],
    ['second-of-two', of('second'), { trusted: ['rsa', 'second'] }],
    ['last-of-many', of('second'), { trusted: ['rsa', 'rsa4096', 'p256', 'p521', 'rogue', 'second'] }],
    ['given-twice', good, { trusted: ['rsa', 'rsa'] }],
    ['beside-weak-ones', good, { trusted: ['rsa1024', 'ed25519', 'secp256k1', 'rsapss', 'rsa'] }],
    [
      'beside-other-types',
      sign(message(), keys.p384.key, { signatureMethod: `${MORE}ecdsa-sha384` }),
      { trusted: ['rsa', 'p256', 'p384'] },
    ],
    ['of-response-and-of-assertion-differ', sign(of('second'), rsa.key, { id: '_response1' }), { trusted: ['rsa', 'second'] }],
    ['expired-certificate', of('expired'), { trusted: ['expired'] }, { expiredCertificates: ['expired.crt'] }],
    ['expired-certificate-beside-good', of('expired'), { trusted: ['rsa', 'expired'] }, { expiredCertificates: ['expired.crt'] }],
    ['good-certificate-beside-expired', good, { trusted: ['expired', 'rsa'] }, { expiredCertificates: [] }],
    ['info-empty', withKeyInfo('<ds:KeyInfo/>')],
    ['info-with-our-certificate', withKeyInfo(keyInfoOf(bare(rsa.certificatePem)))],
    // KeyInfo is ignored: it neither adds a trusted key nor makes a response invalid.
    ['info-with-certificate-of-somebody-else', withKeyInfo(keyInfoOf(bare(rogue.certificatePem)))],
    ['info-with-chain', withKeyInfo(keyInfoOf(bare(rsa.certificatePem), bare(second.certificatePem)))],
    ['info-with-certificate-in-lines', withKeyInfo(keyInfoOf(lines(bare(rsa.certificatePem), 64)))],
    ['info-with-name', withKeyInfo('<ds:KeyInfo><ds:KeyName>anything</ds:KeyName></ds:KeyInfo>')],
    [
      'info-with-value',
      withKeyInfo(
        `<ds:KeyInfo><ds:KeyValue><ds:RSAKeyValue><ds:Modulus>${base64(n)}</ds:Modulus><ds:Exponent>${base64(e)}</ds:Exponent></ds:RSAKeyValue></ds:KeyValue></ds:KeyInfo>`,
      ),
    ],
    [
      'info-with-subject-and-issuer',
      withKeyInfo(
        '<ds:KeyInfo><ds:X509Data><ds:X509SubjectName>CN=x</ds:X509SubjectName><ds:X509IssuerSerial><ds:X509IssuerName>CN=x</ds:X509IssuerName><ds:X509SerialNumber>1</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data></ds:KeyInfo>',
      ),
    ],
    ['info-with-wrong-base64', withKeyInfo(keyInfoOf('***'))],
  ]);
}

export function acceptedSignatures({ rsa, second }: Keys): AcceptedCase[] {
  const of = (changes: Partial<HandSigning>, parts?: Partial<Parts>) => sign(message(parts), rsa.key, changes);
  const ofResponse = (changes: Partial<HandSigning> = {}, parts?: Partial<Parts>) => of({ ...changes, id: '_response1' }, parts);
  const assertionSigned = of({});
  const both = sign(assertionSigned, rsa.key, { id: '_response1' });
  const transform = (content: string): Partial<HandSigning> => ({
    transforms: [
      [ENVELOPED, ''],
      [EXC, content],
    ],
  });
  const xs = 'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
  const typed = {
    assertionNamespaces: xs,
    attributes:
      attribute('email', 'olivia@acme.test').replace('<saml:AttributeValue>', '<saml:AttributeValue xsi:type="xs:string">') + REST,
  };
  return rows('signature', [
    [
      'on-assertion',
      assertionSigned,
      {},
      {
        assertionId: '_assertion1',
        inResponseTo: REQUEST_ID,
        acceptableUntil: minutes(8),
        nameId: { value: 'u-olivia', format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent' },
        sessionIndex: '_session1',
        sessionNotOnOrAfter: null,
        authnContextClassRef: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
        expiredCertificates: [],
      },
    ],
    ['on-response', ofResponse()],
    ['on-both', both],
    ['on-assertion-as-asked', assertionSigned, { requireSignedAssertion: true }],
    ['on-response-as-asked', ofResponse(), { requireSignedResponse: true }],
    ['on-both-as-asked', both, { requireSignedAssertion: true, requireSignedResponse: true }],
    ['on-both-only-assertion-asked', both, { requireSignedAssertion: true }],
    ['on-both-only-response-asked', both, { requireSignedResponse: true }],
    ['on-response-without-issuer', ofResponse({ place: 'first' }, { responseIssuer: '' })],
    ['on-message-with-everything', of({ keyInfo: '<ds:KeyInfo/>' }, EVERYTHING)],
    ['on-response-with-everything', ofResponse({}, EVERYTHING)],
    ['on-both-with-everything', sign(of({}, EVERYTHING), rsa.key, { id: '_response1' })],
    ['without-prefix', of({ prefix: '' })],
    ['with-prefix-dsig', of({ prefix: 'dsig' })],
    ['with-prefix-of-the-protocol', of({ prefix: 'samlp' })],
    ['with-prefix-in-other-script', of({ prefix: 'подпись' })],
    ['response-without-prefix', ofResponse({ prefix: '' })],
    ['in-lines', of({ between: '\n' })],
    ['indented', of({ between: '\n    \t' })],
    ['with-carriage-returns', of({ between: '&#xD;\n' })],
    ['value-in-lines', of({ signatureValue: (value) => `\n${lines(value, 64)}\n` })],
    ['value-in-lines-of-windows', of({ signatureValue: (value) => lines(value, 76).replaceAll('\n', '&#xD;\n') })],
    ['value-with-comment', of({ signatureValue: (value) => `${value.slice(0, 40)}<!-- x -->${value.slice(40)}` })],
    ['value-in-cdata', of({ signatureValue: (value) => `<![CDATA[${value}]]>` })],
    ['value-with-character-reference', of({ signatureValue: (value) => `&#${value.charCodeAt(0)};${value.slice(1)}` })],
    ['digest-with-white-space', of({ digestValue: (value) => ` ${value}\n` })],
    ['digest-with-comment', of({ digestValue: (value) => `<!-- AAAA -->${value}` })],
    ['digest-in-cdata', of({ digestValue: (value) => `<![CDATA[${value}]]>` })],
    ['with-comment', assertionSigned.replace('<ds:SignatureValue>', '<!-- x --><ds:SignatureValue>')],
    ['with-id', of({ signatureAttributes: ' Id="_signature1"' })],
    ['with-id-of-the-assertion', of({ signatureAttributes: ' Id="_assertion1"' })],
    ['reference-with-id-and-type', of({ reference: `Id="_r" Type="${DSIG}Object" URI="#_assertion1"` })],
    ['reference-with-character-reference', of({ reference: 'URI="&#35;_assertion1"' })],
    ['id-in-other-script', of({ id: '_утверждение·1' }, { assertionAttributes: 'ID="_утверждение·1" Version="2.0"' })],
    ['id-of-one-letter', of({ id: 'a' }, { assertionAttributes: 'ID="a" Version="2.0"' })],
    ['id-long', of({ id: `_${'a'.repeat(500)}` }, { assertionAttributes: `ID="_${'a'.repeat(500)}" Version="2.0"` })],
    ['inclusive-namespaces', of({ ...transform(inclusiveNamespaces('xs')), inclusivePrefixes: ['xs'] }, typed)],
    ['inclusive-namespaces-two', of({ ...transform(inclusiveNamespaces('xs xsi')), inclusivePrefixes: ['xs', 'xsi'] }, typed)],
    ['inclusive-namespaces-in-lines', of({ ...transform(inclusiveNamespaces('xs\nxsi')), inclusivePrefixes: ['xs', 'xsi'] }, typed)],
    ['inclusive-namespaces-empty', of(transform(inclusiveNamespaces('')))],
    ['inclusive-namespaces-unbound', of({ ...transform(inclusiveNamespaces('nowhere')), inclusivePrefixes: ['nowhere'] })],
    ['inclusive-namespaces-from-response', of({ ...transform(inclusiveNamespaces('samlp')), inclusivePrefixes: ['samlp'] })],
    [
      'inclusive-default-namespace',
      of(
        { ...transform(inclusiveNamespaces('#default')), inclusivePrefixes: [''] },
        {
          assertionNamespaces: 'xmlns="urn:x:default"',
          advice: '<saml:Advice><saml:AssertionIDRef>_a</saml:AssertionIDRef></saml:Advice>',
        },
      ),
    ],
    [
      'inclusive-namespaces-of-signed-info',
      of({ canonicalizationContent: inclusiveNamespaces('xs saml'), signedInfoPrefixes: ['xs', 'saml'] }, typed),
    ],
    [
      'inclusive-namespaces-of-both',
      ofResponse(
        {
          ...transform(inclusiveNamespaces('xs')),
          inclusivePrefixes: ['xs'],
          canonicalizationContent: inclusiveNamespaces('saml'),
          signedInfoPrefixes: ['saml'],
        },
        typed,
      ),
    ],
    ['types-without-inclusive-namespaces', of({}, typed)],
    // Content that no signature covers is not read, so it does no harm.
    [
      'statement-beside-signed-assertion',
      of({}, { after: `<saml:AttributeStatement>${attribute('groups', 'x')}</saml:AttributeStatement>` }),
    ],
    [
      'extensions-beside-signed-assertion',
      of({}, { extensions: '<samlp:Extensions><x:email xmlns:x="urn:x">m@evil.test</x:email></samlp:Extensions>' }),
    ],
    ['comment-in-signed-assertion', assertionSigned.replace('<saml:Subject>', '<!-- x --><saml:Subject>')],
    ['response-by-second-assertion-by-first', sign(assertionSigned, second.key, { id: '_response1' }), { trusted: ['rsa', 'second'] }],
  ]);
}

const REST = attribute('displayName', 'Olivia Owner') + attribute('groups', 'platform-admins', 'engineering');
