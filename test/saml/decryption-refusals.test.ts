import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { ErrorCode } from '../../src/errors.ts';
import { acceptResponse, type VerifiedAssertion } from '../../src/saml/response/response.ts';
import type { ResponseSettings } from '../../src/saml/response/response-settings.ts';
import {
  assertionIn,
  encrypted,
  makeParties,
  type Parties,
  refusalOf,
  settingsOf,
  signedAssertion,
  signedResponse,
  wrapped,
} from './encrypted-messages.ts';
import {
  cipherValue,
  digestMethod,
  encrypt,
  encryptedKey,
  type HandEncryption,
  type HandKey,
  maskFunction,
  wrap,
  XENC,
  XENC11,
} from './encrypting.ts';
import { BAD_CIPHERTEXTS, BAD_PLAINTEXTS, CUT_TAGS, GENUINE_BUT_REFUSED } from './encryption-cases.ts';
import { attribute, DSIG, message, NAME_ID, NOW_MS, sign } from './fixture-cases/hand-made.ts';

let parties: Parties;

beforeAll(async () => {
  parties = await makeParties();
});

const accept = (xml: string, changes?: Partial<ResponseSettings>): VerifiedAssertion =>
  acceptResponse(xml, settingsOf(parties, changes), NOW_MS);
const refusal = (xml: string, changes?: Partial<ResponseSettings>) => refusalOf(acceptResponse, xml, settingsOf(parties, changes));
const codeOf = (xml: string, changes?: Partial<ResponseSettings>): ErrorCode => refusal(xml, changes).code;

const signedPlaintext = () => signedAssertion(parties);

describe('EncryptedData: algorithms (xmlenc-core1 §5)', () => {
  test.each([
    ['3DES', `${XENC}tripledes-cbc`],
    ['AES-192-CBC', `${XENC}aes192-cbc`],
    ['AES-192-GCM', `${XENC11}aes192-gcm`],
    ['an AES key wrap', `${XENC}kw-aes256`],
    ['AES-GCM in the older namespace', `${XENC}aes256-gcm`],
    ['capital letters', `${XENC11}AES256-GCM`],
    ['a space at the end', `${XENC11}aes256-gcm `],
    ['with an unknown URI', 'urn:none'],
    ['with an empty URI', ''],
  ])('rejects the content encryption %s', (_what, method) => {
    for (const cipher of ['aes256-gcm', 'aes256-cbc'] as const) {
      const xml = encrypted(parties, signedPlaintext(), { cipher, method });
      expect(codeOf(xml)).toBe('saml_algorithm_forbidden');
      expect(codeOf(signedResponse(parties, xml))).toBe('saml_algorithm_forbidden');
    }
  });

  test('rejects an EncryptedData without EncryptionMethod or with unknown parameters', () => {
    const valid = encrypt(signedPlaintext(), parties.ours.publicKey);
    expect(codeOf(wrapped(valid.replace(/<xenc:EncryptionMethod .*?<\/xenc:EncryptionMethod>/, '')))).toBe('saml_algorithm_forbidden');
    for (const methodContent of ['<xenc:KeySize>128</xenc:KeySize>', '<xenc:OAEPparams/>', '<x xmlns="urn:x"/>'])
      expect(codeOf(encrypted(parties, signedPlaintext(), { methodContent }))).toBe('saml_algorithm_forbidden');
  });

  const key = randomBytes(32);
  const withKey = (changes: Partial<HandKey>, oaepHash?: string) =>
    encrypted(parties, signedPlaintext(), { key, inside: encryptedKey(wrap(key, parties.ours.publicKey, oaepHash), changes) });
  const OAEP = `${XENC11}rsa-oaep`;

  test.each<[string, Partial<HandKey>]>([
    ['RSA 1.5', { method: `${XENC}rsa-1_5` }],
    ['an AES key wrap', { method: `${XENC}kw-aes256` }],
    ['an unknown URI', { method: 'urn:none' }],
    ['an empty URI', { method: '' }],
    ['rsa-oaep in the older namespace', { method: `${XENC}rsa-oaep` }],
    ['SHA-384', { methodContent: digestMethod('http://www.w3.org/2001/04/xmldsig-more#sha384') }],
    ['SHA-512', { methodContent: digestMethod(`${XENC}sha512`) }],
    ['MD5', { methodContent: digestMethod('http://www.w3.org/2001/04/xmldsig-more#md5') }],
    ['an empty digest', { methodContent: digestMethod('') }],
    ['a digest without algorithm', { methodContent: `<ds:DigestMethod xmlns:ds="${DSIG}"/>` }],
    ['a label', { methodContent: '<xenc:OAEPparams>AAAA</xenc:OAEPparams>' }],
    ['MGF1 with SHA-256 although the identifier means SHA-1', { methodContent: maskFunction(`${XENC11}mgf1sha256`) }],
    ['MGF1 with SHA-512', { method: OAEP, methodContent: maskFunction(`${XENC11}mgf1sha512`) }],
    ['an unknown mask', { method: OAEP, methodContent: maskFunction('urn:none') }],
    ['the digest of xml-encryption in the newer identifier', { method: OAEP, methodContent: digestMethod(`${DSIG}sha256`) }],
    ['an unknown parameter', { methodContent: '<x xmlns="urn:x"/>' }],
  ])('rejects a key encryption with %s', (_what, changes) => {
    expect(codeOf(withKey(changes))).toBe('saml_algorithm_forbidden');
    expect(codeOf(signedResponse(parties, withKey(changes)))).toBe('saml_algorithm_forbidden');
  });

  test('rejects an EncryptedKey without EncryptionMethod', () => {
    const inside = encryptedKey(wrap(key, parties.ours.publicKey)).replace(/<xenc:EncryptionMethod .*?<\/xenc:EncryptionMethod>/, '');
    expect(codeOf(encrypted(parties, signedPlaintext(), { key, inside }))).toBe('saml_algorithm_forbidden');
  });

  test('rejects CipherReference for the data and for the key', () => {
    const reference = `<xenc:CipherData xmlns:xenc="${XENC}"><xenc:CipherReference URI="#d1"/></xenc:CipherData>`;
    expect(codeOf(encrypted(parties, signedPlaintext(), { cipherData: reference }))).toBe('saml_algorithm_forbidden');
    expect(codeOf(withKey({ cipherData: reference }))).toBe('saml_algorithm_forbidden');
  });
});

describe('EncryptedAssertion: structure (saml-core §2.3.4, xmlenc-core1 §3)', () => {
  const data = (changes?: Partial<HandEncryption>) => encrypt(signedPlaintext(), parties.ours.publicKey, changes);
  const withData = (cipherData: string) => wrapped(data({ cipherData }));
  const keyInfo = (content: string) => `<ds:KeyInfo xmlns:ds="${DSIG}">${content}</ds:KeyInfo>`;
  const aKey = () => encryptedKey(wrap(randomBytes(32), parties.ours.publicKey));
  const noise = (length: number) => cipherValue(randomBytes(length));

  test.each<[string, () => string, ErrorCode]>([
    ['two EncryptedData', () => wrapped(data() + data()), 'saml_structure_ambiguous'],
    ['no EncryptedData', () => wrapped(''), 'saml_malformed'],
    ['only a key', () => wrapped(aKey()), 'saml_malformed'],
    ['another element beside EncryptedData', () => wrapped(`${data()}<x:x xmlns:x="urn:x"/>`), 'saml_malformed'],
    ['EncryptedData in another namespace', () => wrapped(data().replaceAll(XENC, 'urn:x')), 'saml_malformed'],
    ['Type: content', () => wrapped(data({ dataAttributes: `Type="${XENC}Content"` })), 'saml_malformed'],
    ['Type: unknown', () => wrapped(data({ dataAttributes: 'Type="urn:x"' })), 'saml_malformed'],
    ['Type: empty', () => wrapped(data({ dataAttributes: 'Type=""' })), 'saml_malformed'],
    ['no EncryptedKey', () => wrapped(data({ inside: '' })), 'saml_malformed'],
    ['only a KeyName', () => wrapped(data({ keyInfo: keyInfo('<ds:KeyName>sp</ds:KeyName>') })), 'saml_malformed'],
    ['five keys', () => wrapped(data({ inside: aKey().repeat(5) })), 'saml_malformed'],
    ['five keys, in both places', () => wrapped(data({ inside: aKey().repeat(3), beside: aKey().repeat(2) })), 'saml_malformed'],
    ['a key in the KeyInfo of a key', () => wrapped(data({ inside: `<x:x xmlns:x="urn:x">${aKey()}</x:x>` })), 'saml_malformed'],
    ['two KeyInfo', () => wrapped(data({ keyInfo: keyInfo(aKey()).repeat(2) })), 'saml_structure_ambiguous'],
    ['two CipherData', () => withData(noise(64).repeat(2)), 'saml_structure_ambiguous'],
    [
      'two EncryptionMethod',
      () => wrapped(data().replace('<xenc:EncryptionMethod', '<xenc:EncryptionMethod/>$&')),
      'saml_structure_ambiguous',
    ],
    ['no CipherData', () => withData(''), 'saml_malformed'],
    ['an empty CipherData', () => withData('<xenc:CipherData/>'), 'saml_malformed'],
    ['two CipherValue', () => withData(noise(64).replace(/<xenc:CipherValue>.*<\/xenc:CipherValue>/, '$&$&')), 'saml_malformed'],
    ['another element in CipherData', () => withData(noise(64).replaceAll('CipherValue', 'CipherText')), 'saml_malformed'],
    [
      'a CipherValue with an element in it',
      () => withData(noise(64).replace('</xenc:CipherValue>', '<x xmlns="urn:x"/>$&')),
      'saml_malformed',
    ],
    ['a CipherValue that is not base64', () => withData(noise(64).replace('</xenc:CipherValue>', '*$&')), 'saml_malformed'],
    ['an empty CipherValue', () => withData(cipherValue(Buffer.alloc(0))), 'saml_malformed'],
    ['GCM data with nothing between IV and tag', () => withData(noise(28)), 'saml_malformed'],
    ['GCM data of one octet', () => withData(noise(1)), 'saml_malformed'],
    ['CBC data with an IV alone', () => wrapped(data({ cipher: 'aes128-cbc', cipherData: noise(16) })), 'saml_malformed'],
    ['CBC data with an incomplete block', () => wrapped(data({ cipher: 'aes128-cbc', cipherData: noise(47) })), 'saml_malformed'],
    [
      'an EncryptedAssertion beside an unencrypted Assertion',
      () => wrapped(data()).replace('<saml:EncryptedAssertion>', () => `${signedPlaintext()}<saml:EncryptedAssertion>`),
      'saml_structure_ambiguous',
    ],
    [
      'two EncryptedAssertions',
      () => wrapped(data(), { after: `<saml:EncryptedAssertion>${data()}</saml:EncryptedAssertion>` }),
      'saml_structure_ambiguous',
    ],
    [
      'an EncryptedAssertion in Extensions',
      () =>
        message({
          assertion: '',
          extensions: `<samlp:Extensions><saml:EncryptedAssertion>${data()}</saml:EncryptedAssertion></samlp:Extensions>`,
        }),
      'saml_structure_ambiguous',
    ],
    [
      'an EncryptedAssertion of another namespace',
      () => wrapped(data()).replaceAll('saml:EncryptedAssertion', 'samlp:EncryptedAssertion'),
      'saml_structure_ambiguous',
    ],
    ['EncryptedData directly in the Response', () => message({ assertion: data() }), 'saml_structure_ambiguous'],
    ['an Assertion in its KeyInfo', () => wrapped(data({ keyInfo: keyInfo(aKey() + signedPlaintext()) })), 'saml_structure_ambiguous'],
    ['EncryptedData in its KeyInfo', () => wrapped(data({ keyInfo: keyInfo(aKey() + data()) })), 'saml_structure_ambiguous'],
    ['a signature in its KeyInfo', () => wrapped(data({ keyInfo: keyInfo(`${aKey()}<ds:Signature/>`) })), 'saml_structure_ambiguous'],
  ])('rejects %s', (_what, make, code) => {
    expect(codeOf(make())).toBe(code);
  });
});

describe('EncryptedAssertion: invalid ciphertexts (AES-GCM, and AES-CBC in a signed response)', () => {
  test.each([...BAD_CIPHERTEXTS, ...CUT_TAGS].filter(({ onlyCbc }) => !onlyCbc))('rejects GCM with $name', ({ make }) => {
    for (const cipher of ['aes128-gcm', 'aes256-gcm'] as const) {
      const xml = make(parties, cipher);
      expect(codeOf(xml)).toBe('saml_decryption_failed');
      expect(codeOf(signedResponse(parties, xml))).toMatch(/^saml_(decryption_failed|malformed)$/);
    }
  });

  test.each(BAD_CIPHERTEXTS)('rejects CBC in a signed response with $name', ({ make, cbcIsReadable }) => {
    for (const cipher of ['aes128-cbc', 'aes256-cbc'] as const) {
      const code = codeOf(signedResponse(parties, make(parties, cipher)));
      if (cbcIsReadable) expect(code).toMatch(/^saml_(decryption_failed|malformed|signature_invalid)$/);
      else expect(code).toBe('saml_decryption_failed');
    }
  });

  test('names the possible causes in the error detail', () => {
    const xml = wrapped(encrypt(signedPlaintext(), parties.stranger.publicKey));
    expect(refusal(xml).facts.detail).toMatch(/^None of the gateway’s keys/);
  });
});

describe('EncryptedAssertion: the plaintext is checked like an unencrypted assertion', () => {
  test.each([...BAD_PLAINTEXTS, ...GENUINE_BUT_REFUSED])('rejects $name with $code', ({ make, code, signedCode }) => {
    for (const cipher of ['aes128-gcm', 'aes256-gcm'] as const) expect(codeOf(encrypted(parties, make(parties), { cipher }))).toBe(code);
    for (const cipher of ['aes256-gcm', 'aes256-cbc'] as const) {
      const xml = signedResponse(parties, encrypted(parties, make(parties), { cipher }));
      if (signedCode === 'accepted') expect(accept(xml).attributes.get('email')).toEqual(['olivia@acme.test']);
      else expect(codeOf(xml)).toBe(signedCode ?? code);
    }
  });
});

describe('EncryptedAssertion: signatures (saml-core §5.4)', () => {
  const unsigned = () => assertionIn(message());

  test('verifies the signature of the response before anything encrypted', () => {
    const wrong = [
      encrypted(parties, signedPlaintext()),
      encrypted(parties, signedPlaintext(), { method: `${XENC}tripledes-cbc` }),
      encrypted(parties, signedPlaintext(), { inside: '' }),
      encrypted(parties, 'noise', { cipher: 'aes256-cbc' }),
    ];
    for (const xml of wrong) expect(codeOf(sign(xml, parties.stranger.privateKey, { id: '_response1' }))).toBe('saml_signature_invalid');
  });

  test('rejects a signed response whose ciphertext was replaced', () => {
    const xml = signedResponse(parties, encrypted(parties, signedPlaintext()));
    const other = encrypt(signedPlaintext(), parties.ours.publicKey);
    expect(codeOf(xml.replace(/<xenc:EncryptedData.*<\/xenc:EncryptedData>/s, () => other))).toBe('saml_signature_invalid');
  });

  test('accepts an unsigned assertion in a signed response', () => {
    for (const cipher of ['aes256-gcm', 'aes256-cbc'] as const) {
      const xml = signedResponse(parties, encrypted(parties, unsigned(), { cipher }));
      expect(accept(xml).attributes.get('groups')).toEqual(['platform-admins', 'engineering']);
      expect(codeOf(xml, { requireSignedAssertion: true })).toBe('saml_signature_missing');
    }
  });

  test('accepts a signature inside for require_signed_assertion', () => {
    const xml = encrypted(parties, signedPlaintext());
    for (const one of [xml, signedResponse(parties, xml)])
      expect(accept(one, { requireSignedAssertion: true }).nameId?.value).toBe('u-olivia');
  });

  test('checks require_signed_response before it decrypts', () => {
    for (const xml of [encrypted(parties, signedPlaintext()), encrypted(parties, signedPlaintext(), { method: 'urn:none' })])
      expect(codeOf(xml, { requireSignedResponse: true })).toBe('saml_signature_missing');
  });

  test('rejects an unencrypted assertion for require_encrypted_assertion', () => {
    const plain = sign(message(), parties.idp.privateKey);
    for (const xml of [plain, signedResponse(parties, plain)]) {
      expect(codeOf(xml)).toBe('saml_decryption_failed');
      expect(accept(xml, { requireEncryptedAssertion: false }).nameId?.value).toBe('u-olivia');
    }
    expect(accept(encrypted(parties, signedPlaintext()), { requireEncryptedAssertion: false }).nameId?.value).toBe('u-olivia');
  });

  test('rejects an assertion that no signature covers', () => {
    expect(codeOf(encrypted(parties, unsigned()))).toBe('saml_signature_missing');
  });
});

describe('EncryptedID (saml-core §2.2.4)', () => {
  const encryptedId = (plaintext: string, changes?: Partial<HandEncryption>) =>
    `<saml:EncryptedID>${encrypt(plaintext, parties.ours.publicKey, changes)}</saml:EncryptedID>`;
  const plainMessage = (nameId: string) => sign(message({ nameId }), parties.idp.privateKey);
  const plain = { requireEncryptedAssertion: false };

  test.each(['aes128-gcm', 'aes256-gcm', 'aes128-cbc', 'aes256-cbc'] as const)(
    'is decrypted with %s from every kind of signed content',
    (cipher) => {
      const nameId = encryptedId(`<saml:NameID Format="urn:x:f" NameQualifier="q" SPNameQualifier="s">u-<!-- -->1</saml:NameID>`, {
        cipher,
      });
      const messages = [
        plainMessage(nameId),
        signedResponse(parties, message({ nameId })),
        encrypted(parties, signedAssertion(parties, { nameId }), { cipher }),
        signedResponse(parties, encrypted(parties, assertionIn(message({ nameId })), { cipher })),
      ];
      const read = { value: 'u-1', format: 'urn:x:f', nameQualifier: 'q', spNameQualifier: 's' };
      for (const xml of messages) expect(accept(xml, plain).nameId).toEqual(read);
    },
  );

  test.each<[string, () => string, ErrorCode]>([
    ['an unencrypted NameID beside it', () => NAME_ID + encryptedId(NAME_ID), 'saml_structure_ambiguous'],
    ['two EncryptedIDs', () => encryptedId(NAME_ID).repeat(2), 'saml_structure_ambiguous'],
    ['two NameIDs in it', () => encryptedId(NAME_ID.repeat(2)), 'saml_malformed'],
    ['a BaseID in it', () => encryptedId('<saml:BaseID/>'), 'saml_malformed'],
    ['an EncryptedID in it', () => encryptedId(encryptedId(NAME_ID)), 'saml_malformed'],
    [
      'a NameID of another namespace in it',
      () => encryptedId(NAME_ID.replaceAll('saml:', 'samlp:').replace(' ', ` xmlns:samlp="urn:x" `)),
      'saml_malformed',
    ],
    ['a NameID with an element in it', () => encryptedId('<saml:NameID>u<x xmlns="urn:x"/></saml:NameID>'), 'saml_malformed'],
    ['text only', () => encryptedId('u-olivia'), 'saml_malformed'],
    ['its own end tag inside', () => encryptedId(`</saml:EncryptedID>${NAME_ID}<saml:EncryptedID>`), 'saml_malformed'],
    ['a DTD', () => encryptedId(`<!DOCTYPE x>${NAME_ID}`), 'saml_dtd_forbidden'],
    [
      'two EncryptedData',
      () => encryptedId(NAME_ID).replace(/<xenc:EncryptedData.*<\/xenc:EncryptedData>/s, '$&$&'),
      'saml_structure_ambiguous',
    ],
    ['3DES', () => encryptedId(NAME_ID, { method: `${XENC}tripledes-cbc` }), 'saml_algorithm_forbidden'],
    [
      'a changed GCM tag',
      () => encryptedId(NAME_ID, { change: (octets) => Buffer.concat([octets.subarray(0, -16), randomBytes(16)]) }),
      'saml_decryption_failed',
    ],
    [
      'another organization’s key',
      () => `<saml:EncryptedID>${encrypt(NAME_ID, parties.stranger.publicKey)}</saml:EncryptedID>`,
      'saml_decryption_failed',
    ],
  ])('rejects %s', (_what, make, code) => {
    expect(codeOf(plainMessage(make()), plain)).toBe(code);
    expect(codeOf(encrypted(parties, signedAssertion(parties, { nameId: make() })))).toBe(code);
  });
});

describe('EncryptedAttribute (saml-core §2.7.3.2)', () => {
  test('is rejected with advice', () => {
    const hidden = `<saml:EncryptedAttribute>${encrypt(attribute('role', 'owner'), parties.ours.publicKey)}</saml:EncryptedAttribute>`;
    const xml = sign(message({ attributes: attribute('email', 'olivia@acme.test') + hidden }), parties.idp.privateKey);
    const { code, facts } = refusal(xml, { requireEncryptedAssertion: false });
    expect(code).toBe('saml_decryption_failed');
    expect(facts.administratorDetail).toMatch(/Encrypt the whole assertion/);
  });
});
