import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { type ErrorCode, GatewayError } from '../../src/errors.ts';
import { type SignedOctets, type VerificationKey, verifySignature, verifySignedOctets } from '../../src/saml/crypto/signature.ts';
import { EXCLUSIVE_C14N, XMLDSIG, XMLENC } from '../../src/saml/names.ts';
import { canonicalize } from '../../src/saml/xml/canonical-xml.ts';
import { parseXml } from '../../src/saml/xml/xml.ts';
import { childElements } from '../../src/saml/xml/xml-tree.ts';

const MORE = 'http://www.w3.org/2001/04/xmldsig-more#';

interface Pair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
const p256 = ec('P-256');

const keyOf = ({ publicKey }: Pair, fingerprint = '', notAfterMs = Number.MAX_SAFE_INTEGER): VerificationKey => ({
  key: publicKey,
  fingerprint,
  notAfterMs,
});

interface SigningChanges {
  readonly by: Pair;
  readonly signatureMethod: string;
  readonly digestMethod: string;
  /** Changes the text of SignedInfo before signing. */
  readonly signedInfo: (text: string) => string;
  /** Changes the whole element after signing. */
  readonly element: (text: string) => string;
  readonly signature: (octets: Buffer) => Buffer;
  readonly encoding: 'ieee-p1363' | 'der';
}

const NAMESPACES = `xmlns:ds="${XMLDSIG}" xmlns:n="urn:n" xmlns="urn:unused"`;
const hashOf = (method: string): string => /sha\d+$/.exec(method)?.[0] ?? 'sha256';

/** Returns an element with a valid enveloped signature, except for the changes. */
function signed(changes: Partial<SigningChanges> = {}): string {
  const { by = rsa, signatureMethod = `${MORE}rsa-sha256`, digestMethod = `${XMLENC}sha256`, encoding = 'ieee-p1363' } = changes;
  const element = (signature: string) => `<n:a ${NAMESPACES} ID="_1">${signature}<n:b c="d">text</n:b></n:a>`;
  const digest = createHash(hashOf(digestMethod))
    .update(canonicalize(parseXml(element(''))))
    .digest('base64');
  const plain = [
    `<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="${EXCLUSIVE_C14N}"/>`,
    `<ds:SignatureMethod Algorithm="${signatureMethod}"/><ds:Reference URI="#_1"><ds:Transforms>`,
    `<ds:Transform Algorithm="${XMLDSIG}enveloped-signature"/><ds:Transform Algorithm="${EXCLUSIVE_C14N}"/></ds:Transforms>`,
    `<ds:DigestMethod Algorithm="${digestMethod}"/><ds:DigestValue>${digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>`,
  ].join('');
  const signedInfo = (changes.signedInfo ?? String)(plain);
  const [toSign] = childElements(parseXml(`<n:a ${NAMESPACES}>${signedInfo}</n:a>`));
  const octets = sign(hashOf(signatureMethod), Buffer.from(canonicalize(toSign!)), { key: by.privateKey, dsaEncoding: encoding });
  const value = (changes.signature ?? ((same) => same))(octets).toString('base64');
  return (changes.element ?? String)(element(`<ds:Signature>${signedInfo}<ds:SignatureValue>${value}</ds:SignatureValue></ds:Signature>`));
}

function verified(xml: string, keys: readonly VerificationKey[] = [keyOf(rsa)]): SignedOctets | ErrorCode {
  const parent = parseXml(xml);
  try {
    return verifySignature(parent, childElements(parent)[0]!, keys);
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
}

describe('verifySignature(): valid signatures', () => {
  test('returns the canonical octets of the signed element without the signature', () => {
    expect(verified(signed())).toEqual({ octets: '<n:a xmlns:n="urn:n" ID="_1"><n:b c="d">text</n:b></n:a>', key: keyOf(rsa) });
  });

  test.each(['256', '384', '512'].flatMap((bits) => ['256', '384', '512'].map((digest) => [bits, digest])))(
    'accepts rsa-sha%s with digest sha%s',
    (bits, digest) => {
      const digestMethod = digest === '384' ? `${MORE}sha384` : `${XMLENC}sha${digest}`;
      expect(verified(signed({ signatureMethod: `${MORE}rsa-sha${bits}`, digestMethod }))).toHaveProperty('octets');
    },
  );

  test.each(['P-256', 'P-384', 'P-521'].flatMap((curve) => ['256', '384', '512'].map((bits) => [curve, bits])))(
    'accepts ECDSA on %s with sha%s',
    (curve, bits) => {
      const by = ec(curve!);
      expect(verified(signed({ by, signatureMethod: `${MORE}ecdsa-sha${bits}` }), [keyOf(by)])).toHaveProperty('octets');
    },
  );

  test.each([2048, 3072, 4096])('accepts RSA with %d bits', (modulusLength) => {
    const by = generateKeyPairSync('rsa', { modulusLength });
    expect(verified(signed({ by }), [keyOf(by)])).toHaveProperty('octets');
  });

  test('accepts line breaks in values and whitespace between the elements of a signature', () => {
    const wide = (text: string) => text.replaceAll('><ds:', '>\n  <ds:');
    const element = (text: string) => text.replace(/(?<=SignatureValue>)[^<]+/, (value) => `\n${value.replace(/.{76}/g, '$&\r\n')}\n`);
    expect(verified(signed({ signedInfo: wide, element }))).toHaveProperty('octets');
  });
});

describe('verifySignature(): keys', () => {
  const xml = signed();

  test('tries each key and returns the one that verifies', () => {
    const keys = [keyOf(otherRsa, 'first'), keyOf(p256, 'second'), keyOf(rsa, 'third'), keyOf(rsa, 'fourth')];
    expect(verified(xml, keys)).toHaveProperty('key.fingerprint', 'third');
    expect(verified(xml, keys.toReversed())).toHaveProperty('key.fingerprint', 'fourth');
  });

  test('accepts a key whose certificate has expired, and returns its date', () => {
    expect(verified(xml, [keyOf(otherRsa), keyOf(rsa, 'expired', 1)])).toHaveProperty('key', keyOf(rsa, 'expired', 1));
  });

  test('rejects a signature of another key', () => {
    expect(verified(xml, [keyOf(otherRsa)])).toBe('saml_signature_invalid');
    expect(verified(xml, [keyOf(otherRsa), keyOf(otherRsa)])).toBe('saml_signature_invalid');
  });

  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const almost = generateKeyPairSync('rsa', { modulusLength: 2040 });
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
  const secp256k1 = ec('secp256k1');
  const secp224r1 = ec('secp224r1');
  const ecdsa = { signatureMethod: `${MORE}ecdsa-sha256` };

  test.each<[what: string, xml: string, keys: Pair[]]>([
    ['no key at all', xml, []],
    ['RSA of 1024 bits', signed({ by: weak }), [weak]],
    ['RSA of 2040 bits', signed({ by: almost }), [almost]],
    ['an RSA key for PSS only', xml, [pss]],
    ['an RSA signature with an EC key', xml, [p256]],
    ['an ECDSA signature with an RSA key', signed({ by: p256, ...ecdsa }), [rsa]],
    ['secp256k1', signed({ by: secp256k1, ...ecdsa }), [secp256k1]],
    ['P-224', signed({ by: secp224r1, ...ecdsa }), [secp224r1]],
    ['Ed25519', xml, [generateKeyPairSync('ed25519')]],
  ])('forbids %s', (_, message, keys) => {
    expect(
      verified(
        message,
        keys.map((pair) => keyOf(pair)),
      ),
    ).toBe('saml_algorithm_forbidden');
  });

  test('ignores unusable keys if another key is usable', () => {
    expect(verified(xml, [keyOf(weak), keyOf(p256), keyOf(pss), keyOf(rsa, 'usable')])).toHaveProperty('key.fingerprint', 'usable');
    expect(verified(signed({ by: weak }), [keyOf(weak), keyOf(rsa)])).toBe('saml_signature_invalid');
  });

  test('accepts a public key that was imported again', () => {
    const again = createPublicKey(rsa.publicKey.export({ type: 'spki', format: 'pem' }));
    expect(verified(xml, [{ ...keyOf(rsa), key: again }])).toHaveProperty('octets');
  });
});

describe('verifySignature(): signature values (XML Signature §6.4.3)', () => {
  const ecdsa = { by: p256, signatureMethod: `${MORE}ecdsa-sha256` };

  test('rejects an ECDSA signature in DER form', () => {
    expect(verified(signed({ ...ecdsa, encoding: 'der' }), [keyOf(p256)])).toBe('saml_signature_invalid');
    const p521 = ec('P-521');
    expect(verified(signed({ by: p521, signatureMethod: `${MORE}ecdsa-sha512`, encoding: 'der' }), [keyOf(p521)])).toBe(
      'saml_signature_invalid',
    );
  });

  const changes: [string, (octets: Buffer) => Buffer][] = [
    ['with one bit flipped', (octets) => Buffer.concat([octets.subarray(0, -1), Buffer.of(octets.at(-1)! ^ 1)])],
    ['without its first octet', (octets) => octets.subarray(1)],
    ['with an octet appended', (octets) => Buffer.concat([octets, Buffer.of(0)])],
    ['with a zero prepended', (octets) => Buffer.concat([Buffer.of(0), octets])],
    ['of one octet', () => Buffer.of(0)],
    ['of zeros', (octets) => Buffer.alloc(octets.length)],
    ['of ones', (octets) => Buffer.alloc(octets.length, 1)],
    ['of 0xFF octets', (octets) => Buffer.alloc(octets.length, 0xff)],
    ['of random octets', (octets) => randomBytes(octets.length)],
    ['of 100 kB', () => Buffer.alloc(100_000, 7)],
  ];

  test.each(changes)('rejects an RSA signature %s', (_, signature) => {
    expect(verified(signed({ signature }))).toBe('saml_signature_invalid');
  });

  test.each(changes)('rejects an ECDSA signature %s', (_, signature) => {
    expect(verified(signed({ ...ecdsa, signature }), [keyOf(p256)])).toBe('saml_signature_invalid');
  });
});

describe('verifySignature(): the profile (saml-core §5.4)', () => {
  const beforehand = (from: string | RegExp, to: string): Partial<SigningChanges> => ({ signedInfo: (text) => text.replace(from, to) });
  const afterwards = (from: string | RegExp, to: string): Partial<SigningChanges> => ({ element: (text) => text.replace(from, to) });
  const list = (prefixes: string) => `<i:InclusiveNamespaces xmlns:i="${EXCLUSIVE_C14N}" PrefixList="${prefixes}"/>`;
  const canonicalization = `<ds:CanonicalizationMethod Algorithm="${EXCLUSIVE_C14N}"`;
  const exclusive = `<ds:Transform Algorithm="${EXCLUSIVE_C14N}"`;
  const inTransform = (content: string) => beforehand(`${exclusive}/>`, `${exclusive}>${content}</ds:Transform>`);
  const many = Array.from({ length: 32 }, (_, i) => `p${i}`).join(' ');

  test.each<[what: string, changes: Partial<SigningChanges>]>([
    [
      'an empty PrefixList for SignedInfo',
      beforehand(`${canonicalization}/>`, `${canonicalization}>${list('')}</ds:CanonicalizationMethod>`),
    ],
    ['32 prefixes without a binding', inTransform(list(many))],
    ['an empty PrefixList', inTransform(list(' \n'))],
    ['InclusiveNamespaces without a list', inTransform(`<i:InclusiveNamespaces xmlns:i="${EXCLUSIVE_C14N}"/>`)],
    ['attributes without a meaning', beforehand('<ds:Reference ', '<ds:Reference Id="r" Type="t" ')],
    ['a KeyInfo with any content', afterwards('</ds:Signature>', '<ds:KeyInfo><n:x/>text</ds:KeyInfo></ds:Signature>')],
    ['comments anywhere', afterwards('<ds:Signature>', '<!-- 1 --><ds:Signature><!-- 2 -->')],
  ])('allows %s', (_, changes) => {
    expect(verified(signed(changes))).toHaveProperty('octets');
  });

  test.each(['ds', '#default', 'nowhere #default'])('applies PrefixList %j to the digested and to the signed octets', (prefixes) => {
    // The digest and the signature were computed without these prefixes.
    expect(verified(signed(inTransform(list(prefixes))))).toBe('saml_signature_invalid');
    const inMethod = beforehand(`${canonicalization}/>`, `${canonicalization}>${list(prefixes)}</ds:CanonicalizationMethod>`);
    const isRenderedAnyway = prefixes === 'ds';
    expect(verified(signed(inMethod)) !== 'saml_signature_invalid').toBe(isRenderedAnyway);
  });

  const NAMED = ['SignedInfo', 'CanonicalizationMethod', 'SignatureMethod', 'Reference', 'Transforms', 'DigestMethod', 'DigestValue'];

  test.each(NAMED)('rejects %s with another namespace or name', (name) => {
    const otherNamespace = beforehand(new RegExp(`ds:${name}(?=[ />])`, 'g'), `n:${name}`);
    expect(verified(signed(otherNamespace))).toBe('saml_structure_ambiguous');
    const otherName = beforehand(new RegExp(`ds:${name}(?=[ />])`, 'g'), `ds:${name}s`);
    expect(verified(signed(otherName))).toBe('saml_structure_ambiguous');
  });

  test.each<[what: string, changes: Partial<SigningChanges>, code: ErrorCode]>([
    ['SignedInfo twice', afterwards('<ds:SignedInfo>', '<ds:SignedInfo/><ds:SignedInfo>'), 'saml_structure_ambiguous'],
    ['no SignatureValue', afterwards(/<ds:SignatureValue>.*<\/ds:SignatureValue>/, ''), 'saml_structure_ambiguous'],
    ['KeyInfo before SignatureValue', afterwards('<ds:SignatureValue>', '<ds:KeyInfo/><ds:SignatureValue>'), 'saml_structure_ambiguous'],
    ['an Object', afterwards('</ds:Signature>', '<ds:Object/></ds:Signature>'), 'saml_structure_ambiguous'],
    ['an Object after KeyInfo', afterwards('</ds:Signature>', '<ds:KeyInfo/><ds:Object/></ds:Signature>'), 'saml_structure_ambiguous'],
    ['text in Signature', afterwards('</ds:Signature>', 'x</ds:Signature>'), 'saml_structure_ambiguous'],
    ['text in SignedInfo', beforehand('</ds:SignedInfo>', 'x</ds:SignedInfo>'), 'saml_structure_ambiguous'],
    ['text in Reference', beforehand('<ds:DigestMethod', 'x<ds:DigestMethod'), 'saml_structure_ambiguous'],
    ['text in Transforms', beforehand('<ds:Transforms>', '<ds:Transforms>x'), 'saml_structure_ambiguous'],
    ['a no-break space in SignedInfo', beforehand('</ds:SignedInfo>', '\u00a0</ds:SignedInfo>'), 'saml_structure_ambiguous'],
    ['no CanonicalizationMethod', beforehand(`${canonicalization}/>`, ''), 'saml_structure_ambiguous'],
    ['no SignatureMethod', beforehand(/<ds:SignatureMethod[^>]*>/, ''), 'saml_structure_ambiguous'],
    ['two References', beforehand(/<ds:Reference.*<\/ds:Reference>/, '$&$&'), 'saml_structure_ambiguous'],
    ['no Reference', beforehand(/<ds:Reference.*<\/ds:Reference>/, ''), 'saml_structure_ambiguous'],
    [
      'SignatureMethod with content',
      beforehand(/(<ds:SignatureMethod[^>]*)\/>/, '$1><n:x/></ds:SignatureMethod>'),
      'saml_structure_ambiguous',
    ],
    ['DigestMethod with content', beforehand(/(<ds:DigestMethod[^>]*)\/>/, '$1><n:x/></ds:DigestMethod>'), 'saml_structure_ambiguous'],
    ['no Transforms', beforehand(/<ds:Transforms>.*<\/ds:Transforms>/, ''), 'saml_structure_ambiguous'],
    ['no DigestMethod', beforehand(/<ds:DigestMethod[^>]*>/, ''), 'saml_structure_ambiguous'],
    ['no DigestValue', beforehand(/<ds:DigestValue>.*<\/ds:DigestValue>/, ''), 'saml_structure_ambiguous'],
    ['two DigestValues', beforehand(/<ds:DigestValue>.*<\/ds:DigestValue>/, '$&$&'), 'saml_structure_ambiguous'],
    ['a child element in DigestValue', beforehand('</ds:DigestValue>', '<n:x/></ds:DigestValue>'), 'saml_malformed'],
    ['a child element in SignatureValue', afterwards('</ds:SignatureValue>', '<n:x/></ds:SignatureValue>'), 'saml_malformed'],
    ['a reference to a missing ID', beforehand('#_1', '#_2'), 'saml_structure_ambiguous'],
    ['a reference to the document', beforehand('#_1', ''), 'saml_structure_ambiguous'],
    ['an element without ID', afterwards(' ID="_1"', ''), 'saml_structure_ambiguous'],
    ['an element with Id', afterwards(' ID="_1"', ' Id="_1"'), 'saml_structure_ambiguous'],
    ['an ID in a namespace', afterwards(' ID="_1"', ' n:ID="_1"'), 'saml_structure_ambiguous'],
    ['SignatureValue of another namespace', afterwards(/ds:SignatureValue/g, 'n:SignatureValue'), 'saml_structure_ambiguous'],
    [
      'XPath in place of enveloped-signature',
      beforehand(`${XMLDSIG}enveloped-signature`, 'http://www.w3.org/TR/1999/REC-xpath-19991116'),
      'saml_algorithm_forbidden',
    ],
    ['exclusive C14N twice', beforehand(`${XMLDSIG}enveloped-signature`, EXCLUSIVE_C14N), 'saml_algorithm_forbidden'],
    ['enveloped-signature only', beforehand(`${exclusive}/>`, ''), 'saml_algorithm_forbidden'],
    ['exclusive C14N only', beforehand(/<ds:Transform [^>]*enveloped[^>]*>/, ''), 'saml_algorithm_forbidden'],
    ['the transforms in the other order', beforehand(/(<ds:Transform [^>]*>)(<ds:Transform [^>]*>)/, '$2$1'), 'saml_algorithm_forbidden'],
    ['a third transform', beforehand('</ds:Transforms>', `${exclusive}/></ds:Transforms>`), 'saml_algorithm_forbidden'],
    [
      'content in enveloped-signature',
      beforehand(/(<ds:Transform [^>]*enveloped[^>]*)\/>/, '$1><n:x/></ds:Transform>'),
      'saml_algorithm_forbidden',
    ],
    ['transforms of another namespace', beforehand(/ds:Transform(?=[ >])/g, 'n:Transform'), 'saml_algorithm_forbidden'],
    [
      'exclusive C14N with comments',
      beforehand(`${exclusive}/>`, `<ds:Transform Algorithm="${EXCLUSIVE_C14N}WithComments"/>`),
      'saml_algorithm_forbidden',
    ],
    [
      'inclusive C14N for SignedInfo',
      beforehand(`${canonicalization}/>`, '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>'),
      'saml_algorithm_forbidden',
    ],
    ['no algorithm for SignedInfo', beforehand(`${canonicalization}/>`, '<ds:CanonicalizationMethod/>'), 'saml_algorithm_forbidden'],
    ['InclusiveNamespaces twice', inTransform(list('a') + list('b')), 'saml_structure_ambiguous'],
    ['InclusiveNamespaces of another namespace', inTransform(`<n:InclusiveNamespaces PrefixList="a"/>`), 'saml_structure_ambiguous'],
    [
      'InclusiveNamespaces with content',
      inTransform(list('a').replace('/>', '><n:x/></i:InclusiveNamespaces>')),
      'saml_structure_ambiguous',
    ],
    ['33 prefixes', inTransform(list(`${many} p32`)), 'saml_malformed'],
    ['SHA-1 for the digest', beforehand(`${XMLENC}sha256`, `${XMLDSIG}sha1`), 'saml_algorithm_forbidden'],
    ['no algorithm for the digest', beforehand(/<ds:DigestMethod[^>]*>/, '<ds:DigestMethod/>'), 'saml_algorithm_forbidden'],
    ['rsa-sha1', beforehand(`${MORE}rsa-sha256`, `${XMLDSIG}rsa-sha1`), 'saml_algorithm_forbidden'],
    ['hmac-sha256', beforehand(`${MORE}rsa-sha256`, `${MORE}hmac-sha256`), 'saml_algorithm_forbidden'],
    ['rsa-sha256 in other letters', beforehand(`${MORE}rsa-sha256`, `${MORE}RSA-SHA256`), 'saml_algorithm_forbidden'],
    ['RSA-PSS', beforehand(`${MORE}rsa-sha256`, 'http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1'), 'saml_algorithm_forbidden'],
    ['rsa-sha512 for a signature with SHA-256', afterwards(`${MORE}rsa-sha256`, `${MORE}rsa-sha512`), 'saml_signature_invalid'],
    ['a changed digest', beforehand(/<ds:DigestValue>.../, '<ds:DigestValue>AAA'), 'saml_signature_invalid'],
    ['changed content', afterwards('text', 'Text'), 'saml_signature_invalid'],
    ['a changed SignedInfo', afterwards('<ds:Reference ', '<ds:Reference Id="r" '), 'saml_signature_invalid'],
  ])('rejects %s', (_, changes, code) => {
    expect(signed(changes)).not.toBe(signed());
    expect(verified(signed(changes))).toBe(code);
  });
});

describe('verifySignedOctets() (HTTP-Redirect, saml-bindings §3.4.4.1)', () => {
  const octets = Buffer.from('SAMLRequest=a&SigAlg=b');
  const value = sign('sha256', octets, rsa.privateKey);
  const judged = (data: Buffer, signature: Buffer, algorithm: string, keys: readonly VerificationKey[]) => {
    try {
      return verifySignedOctets(data, signature, algorithm, keys).fingerprint;
    } catch (error) {
      if (error instanceof GatewayError) return error.code;
      throw error;
    }
  };

  test('returns the key that verifies', () => {
    expect(judged(octets, value, `${MORE}rsa-sha256`, [keyOf(otherRsa, 'one'), keyOf(rsa, 'two')])).toBe('two');
  });

  test.each([
    ['other octets', Buffer.from('SAMLRequest=a&SigAlg=c'), value, `${MORE}rsa-sha256`, 'saml_signature_invalid'],
    ['no signature', octets, Buffer.alloc(0), `${MORE}rsa-sha256`, 'saml_signature_invalid'],
    ['another hash', octets, value, `${MORE}rsa-sha512`, 'saml_signature_invalid'],
    ['another kind of key', octets, value, `${MORE}ecdsa-sha256`, 'saml_algorithm_forbidden'],
    ['rsa-sha1', octets, sign('sha1', octets, rsa.privateKey), `${XMLDSIG}rsa-sha1`, 'saml_algorithm_forbidden'],
    ['no algorithm', octets, value, '', 'saml_algorithm_forbidden'],
  ])('rejects %s', (_, data, signature, algorithm, code) => {
    expect(judged(data, signature, algorithm, [keyOf(rsa)])).toBe(code);
  });
});
