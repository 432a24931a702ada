import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { type ContentEncryption, encryptAssertion } from '../../src/mock-idp/encryption.ts';
import { HABIT_NAMES, HABITS } from '../../src/mock-idp/habits.ts';
import { makeResponse } from '../../src/mock-idp/response.ts';
import { mayBeEncrypted } from '../../src/saml/crypto/decryption.ts';
import { acceptResponse, type VerifiedAssertion } from '../../src/saml/response/response.ts';
import type { ResponseSettings } from '../../src/saml/response/response-settings.ts';
import { xmlsec1Verifies } from '../mock-idp/judges.ts';
import { ACS_URL as MOCK_ACS_URL, NOW_MS as MOCK_NOW_MS, SP_ENTITY_ID, signInOf } from '../mock-idp/sign-in.ts';
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
  CIPHER_NAMES,
  digestMethod,
  encrypt,
  encryptedKey,
  type HandEncryption,
  keyOctetsOf,
  maskFunction,
  padded,
  wrap,
  XENC,
  XENC11,
} from './encrypting.ts';
import {
  opensslUnwraps,
  opensslWraps,
  xmlEncryptionDecrypts,
  xmlEncryptionEncrypts,
  xmlsec1Decrypts,
  xmlsec1Encrypts,
} from './encryption-judges.ts';
import { ASSERTION, DSIG, ENTITY_ID, message, NAME_ID, NOW_MS, PROTOCOL, sign } from './fixture-cases/hand-made.ts';

let parties: Parties;

beforeAll(async () => {
  parties = await makeParties();
});

const accept = (xml: string, changes?: Partial<ResponseSettings>): VerifiedAssertion =>
  acceptResponse(xml, settingsOf(parties, changes), NOW_MS);
const refusal = (xml: string, changes?: Partial<ResponseSettings>) => refusalOf(acceptResponse, xml, settingsOf(parties, changes));
const expectOlivia = ({ attributes }: VerifiedAssertion) => expect(attributes.get('email')).toEqual(['olivia@acme.test']);

describe('EncryptedAssertion from other software (xmlenc-core1 §5)', () => {
  test.each(CIPHER_NAMES.flatMap((cipher) => (['sha1', 'sha256'] as const).map((digest) => ({ cipher, digest }))))(
    'decrypts $cipher and OAEP with $digest from xml-encryption',
    async ({ cipher, digest }) => {
      const { certificatePem, publicKey } = parties.ours;
      const publicKeyPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
      const xml = wrapped(await xmlEncryptionEncrypts(signedAssertion(parties), cipher, certificatePem, publicKeyPem, digest));
      expectOlivia(accept(xml));
      expectOlivia(accept(signedResponse(parties, xml)));
    },
  );

  test.each(CIPHER_NAMES)('decrypts %s from xmlsec1, whose plaintext inherits namespaces from the response', async (cipher) => {
    const xml = await xmlsec1Encrypts(wrapped(signedAssertion(parties)), cipher, parties.ours.certificatePem);
    expect(xml).not.toContain('olivia');
    expectOlivia(accept(xml));
    expectOlivia(accept(signedResponse(parties, xml)));
  });

  const SHA1 = digestMethod(`${DSIG}sha1`);
  const SHA256 = digestMethod(`${XENC}sha256`);
  const MGF_SHA1 = maskFunction(`${XENC11}mgf1sha1`);
  const MGF_SHA256 = maskFunction(`${XENC11}mgf1sha256`);

  test.each([
    { method: `${XENC}rsa-oaep-mgf1p`, digest: 'sha1', mgf: 'sha1', methodContent: '' },
    { method: `${XENC}rsa-oaep-mgf1p`, digest: 'sha1', mgf: 'sha1', methodContent: `${SHA1}<xenc:OAEPparams/>` },
    { method: `${XENC}rsa-oaep-mgf1p`, digest: 'sha256', mgf: 'sha1', methodContent: SHA256 },
    { method: `${XENC}rsa-oaep-mgf1p`, digest: 'sha256', mgf: 'sha1', methodContent: `\n${SHA256}\n${MGF_SHA1}\n` },
    { method: `${XENC11}rsa-oaep`, digest: 'sha1', mgf: 'sha1', methodContent: '' },
    { method: `${XENC11}rsa-oaep`, digest: 'sha256', mgf: 'sha1', methodContent: SHA256 },
    { method: `${XENC11}rsa-oaep`, digest: 'sha1', mgf: 'sha256', methodContent: MGF_SHA256 },
    { method: `${XENC11}rsa-oaep`, digest: 'sha256', mgf: 'sha256', methodContent: SHA256 + MGF_SHA256 },
  ] as const)('unwraps a key of openssl: $method with $digest, MGF1 with $mgf', async ({ digest, mgf, ...method }) => {
    for (const cipher of CIPHER_NAMES) {
      const key = randomBytes(keyOctetsOf(cipher));
      const inside = encryptedKey(await opensslWraps(key, parties.ours.certificatePem, { digest, mgf }), method);
      expectOlivia(accept(encrypted(parties, signedAssertion(parties), { cipher, key, inside })));
    }
  });
});

describe('EncryptedAssertion from mock-idp', () => {
  test.each(HABIT_NAMES.flatMap((habit) => CIPHER_NAMES.map((content: ContentEncryption) => ({ habit, content }))))(
    'is decrypted by xmlsec1, xml-encryption and the gateway: $habit, $content',
    async ({ habit, content }) => {
      const { idp, ours } = parties;
      const options = signInOf(habit, idp);
      const encryption = { certificatePem: ours.certificatePem, content };
      const xml = makeResponse({ ...options, encryption });
      expect((await xmlEncryptionDecrypts(xml, ours.privateKeyPem)).includes(options.person.email)).toBe(true);
      const plain = await xmlsec1Decrypts(xml, ours.privateKeyPem);
      expect(plain.includes(options.person.email)).toBe(true);
      if (HABITS[habit].signs.assertion) expect(await xmlsec1Verifies(plain, 'Assertion', idp.certificatePem)).toBe(true);
      const beside = makeResponse({ ...options, encryption: { ...encryption, keyPlace: 'beside' } });
      const newer = makeResponse({ ...options, encryption: { ...encryption, keyTransport: 'rsa-oaep' } });
      const settings = settingsOf(parties, { entityId: SP_ENTITY_ID, acsUrl: MOCK_ACS_URL, idpEntityId: HABITS[habit].issuer });
      for (const one of [xml, beside, newer]) {
        const { attributes } = acceptResponse(one, settings, MOCK_NOW_MS);
        expect([...attributes.values()].flat()).toContain(options.person.email);
      }
    },
  );

  test('has a key that openssl unwraps with rsa-oaep of XML Encryption 1.1', async () => {
    const encryption = { certificatePem: parties.ours.certificatePem, content: 'aes128-gcm', keyTransport: 'rsa-oaep' } as const;
    const xml = makeResponse({ ...signInOf('okta', parties.idp), encryption });
    const wrappedKey = /<xenc:EncryptedKey.*?<xenc:CipherValue>(.*?)</s.exec(xml)?.[1] ?? '';
    const key = await opensslUnwraps(Buffer.from(wrappedKey, 'base64'), parties.ours, { digest: 'sha256', mgf: 'sha256' });
    expect(key).toHaveLength(16);
  });

  test('contains no plaintext of the assertion', () => {
    const xml = makeResponse({ ...signInOf('okta', parties.idp), encryption: { certificatePem: parties.ours.certificatePem } });
    for (const word of ['olivia', 'NameID', 'AttributeValue', '<saml2:Assertion']) expect(xml.includes(word)).toBe(false);
  });

  test('is not created from a response without assertion', () => {
    const { certificatePem } = parties.ours;
    expect(() => encryptAssertion('<samlp:Response/>', { certificatePem }, randomBytes)).toThrow(/no assertion/);
  });
});

describe('EncryptedAssertion: keys (saml-core §2.3.4)', () => {
  const key = Buffer.alloc(32, 7);
  const forUs = (attributes = '') => encryptedKey(wrap(key, parties.ours.publicKey), { attributes });
  const forStranger = () => encryptedKey(wrap(key, parties.stranger.publicKey), { attributes: `Recipient="${ENTITY_ID}"` });
  const retrieval = (uri: string) =>
    `<ds:KeyInfo xmlns:ds="${DSIG}"><ds:RetrievalMethod Type="${XENC}EncryptedKey" URI="${uri}"/></ds:KeyInfo>`;

  test.each<[string, () => Partial<HandEncryption>]>([
    ['a key inside EncryptedData', () => ({ inside: forUs() })],
    ['a key beside EncryptedData', () => ({ beside: forUs() })],
    ['a key beside it that a RetrievalMethod references', () => ({ beside: forUs('Id="k1"'), keyInfo: retrieval('#k1') })],
    ['a key beside it and a RetrievalMethod with another URL', () => ({ beside: forUs(), keyInfo: retrieval('http://127.0.0.1:1/key') })],
    ['the second of two keys', () => ({ inside: forStranger() + forUs() })],
    ['the last of four keys', () => ({ inside: forStranger().repeat(2), beside: forStranger() + forUs() })],
    ['a key after one with RSA 1.5', () => ({ inside: encryptedKey(Buffer.alloc(256), { method: `${XENC}rsa-1_5` }) + forUs() })],
    ['a key with a hint for another recipient', () => ({ inside: forUs('Recipient="https://other.test"') })],
    [
      'a key with its own KeyInfo',
      () => ({ inside: forUs().replace('<xenc:CipherData', '<ds:KeyInfo><ds:KeyName>any</ds:KeyName></ds:KeyInfo><xenc:CipherData') }),
    ],
  ])('decrypts with %s', (_place, changes) => {
    for (const cipher of ['aes256-gcm', 'aes256-cbc'] as const)
      expectOlivia(accept(encrypted(parties, signedAssertion(parties), { ...changes(), key, cipher })));
  });

  test.each(CIPHER_NAMES)('decrypts %s with a former key, in any order', (cipher) => {
    const { ours, former } = parties;
    const xml = wrapped(encrypt(signedAssertion(parties), former.publicKey, { cipher }));
    for (const keys of [[ours, former], [former, ours], [former]])
      expectOlivia(accept(xml, { decryptionKeys: keys.map(({ privateKey }) => privateKey) }));
    expect(refusal(xml).code).toBe('saml_decryption_failed');
  });

  test('rejects it without the organization’s key', () => {
    const xml = encrypted(parties, signedAssertion(parties));
    const { privateKey: elliptic } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const { privateKey: small } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    for (const decryptionKeys of [[parties.stranger.privateKey], [elliptic], [small], []]) {
      expect(refusal(xml, { decryptionKeys }).code).toBe('saml_decryption_failed');
      expect(refusal(signedResponse(parties, xml), { decryptionKeys }).code).toBe('saml_decryption_failed');
    }
  });

  test('shows in the text of a message whether keys are needed', () => {
    expect(mayBeEncrypted(encrypted(parties, signedAssertion(parties)))).toBe(true);
    expect(mayBeEncrypted(message({ nameId: `<saml:EncryptedID>${encrypt(NAME_ID, parties.ours.publicKey)}</saml:EncryptedID>` }))).toBe(
      true,
    );
    expect(mayBeEncrypted(message())).toBe(false);
  });
});

describe('EncryptedAssertion: namespaces of the plaintext (xmlenc-core1 §4.4)', () => {
  const XS = 'http://www.w3.org/2001/XMLSchema';
  const wrapper = (declarations: string, content: string) =>
    `<saml:EncryptedAssertion ${declarations}>${content}</saml:EncryptedAssertion>`;

  test('inherit prefixes from the Response and the EncryptedAssertion', () => {
    const assertion = signedAssertion(parties).replaceAll(/(<\/?)saml:/g, '$1other:');
    const unsigned = assertion.replace(/<ds:Signature .*<\/ds:Signature>/s, '');
    const content = encrypt(unsigned, parties.ours.publicKey);
    const xml = message({ assertion: wrapper(`xmlns:other="${ASSERTION}"`, content) });
    expect(refusal(xml).code).toBe('saml_signature_missing');
    // Exclusive C14N keeps only used prefixes, so the prefix is signed only if it is also used outside the plaintext.
    const used = message({ assertion: wrapper(`xmlns:other="${ASSERTION}"`, content).replaceAll('saml:Encrypted', 'other:Encrypted') });
    expectOlivia(accept(signedResponse(parties, used)));
  });

  test('inherit the innermost declaration', () => {
    const assertion = assertionIn(message()).replaceAll(/(<\/?)saml:/g, '$1other:');
    const content = encrypt(assertion, parties.ours.publicKey);
    const inner = wrapper(`xmlns:other="${ASSERTION}"`, content);
    const response = (uri: string) => `xmlns:samlp="${PROTOCOL}" xmlns:saml="${ASSERTION}" xmlns:other="${uri}"`;
    // The result shows whether the element was an assertion, which is checked before its signature.
    expect(refusal(message({ assertion: inner, responseNamespaces: response('urn:x:outer') })).code).toBe('saml_signature_missing');
    const swapped = inner.replace(`xmlns:other="${ASSERTION}"`, 'xmlns:other="urn:x:inner"');
    expect(refusal(message({ assertion: swapped, responseNamespaces: response(ASSERTION) })).code).toBe('saml_malformed');
  });

  test('inherit the default namespace unless it is undeclared', () => {
    const assertion = assertionIn(message()).replaceAll(/(<\/?)saml:/g, '$1');
    const content = encrypt(assertion, parties.ours.publicKey);
    const xml = message({ assertion: `<EncryptedAssertion xmlns="${ASSERTION}">${content}</EncryptedAssertion>` });
    expectOlivia(accept(signedResponse(parties, xml)));
    const undeclared = message({ assertion: `<saml:EncryptedAssertion xmlns="">${content}</saml:EncryptedAssertion>` });
    expect(refusal(signedResponse(parties, undeclared)).code).toBe('saml_malformed');
  });

  test('do not inherit an unsigned prefix from a signed response', () => {
    const assertion = assertionIn(message()).replaceAll(/(<\/?)saml:/g, '$1other:');
    const xml = message({ assertion: wrapper(`xmlns:other="${ASSERTION}"`, encrypt(assertion, parties.ours.publicKey)) });
    expect(refusal(signedResponse(parties, xml)).code).toBe('saml_malformed');
  });

  test('allow a signature inside that includes an inherited prefix', () => {
    const declared = message({ responseNamespaces: `xmlns:samlp="${PROTOCOL}" xmlns:saml="${ASSERTION}" xmlns:xs="${XS}"` });
    const inclusive = `<i:InclusiveNamespaces xmlns:i="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="xs"/>`;
    const signed = sign(declared, parties.idp.privateKey, {
      inclusivePrefixes: ['xs'],
      transforms: [
        [`${DSIG}enveloped-signature`, ''],
        ['http://www.w3.org/2001/10/xml-exc-c14n#', inclusive],
      ],
    });
    const content = encrypt(assertionIn(signed), parties.ours.publicKey);
    expectOlivia(accept(signed.replace(assertionIn(signed), () => `<saml:EncryptedAssertion>${content}</saml:EncryptedAssertion>`)));
    expect(refusal(wrapped(content)).code).toBe('saml_signature_invalid');
  });

  test.each(['__proto__', 'constructor', 'toString'])('allow the prefix %s', (prefix) => {
    const assertion = assertionIn(message()).replaceAll(/(<\/?)saml:/g, `$1${prefix}:`);
    const content = encrypt(assertion, parties.ours.publicKey);
    const bound = `<${prefix}:EncryptedAssertion xmlns:${prefix}="${ASSERTION}">${content}</${prefix}:EncryptedAssertion>`;
    expectOlivia(accept(signedResponse(parties, message({ assertion: bound }))));
    expect(refusal(signedResponse(parties, wrapped(content))).code).toBe('saml_malformed');
  });

  test('allow whitespace around the element, and comments and CDATA inside it', () => {
    const assertion = signedAssertion(parties, { nameId: NAME_ID.replace('u-olivia', 'u-<!-- x -->oliv<![CDATA[ia]]>') });
    for (const cipher of ['aes256-gcm', 'aes256-cbc'] as const)
      expect(accept(encrypted(parties, `\n\t ${assertion}\r\n`, { cipher })).nameId?.value).toBe('u-olivia');
  });

  test('allow arbitrary CBC padding before its last octet, up to a whole block', () => {
    const assertion = signedAssertion(parties);
    for (let spaces = 0; spaces < 16; spaces++) {
      const pad = (octets: Buffer) => padded(octets, undefined, 0xfe);
      expectOlivia(accept(encrypted(parties, assertion + ' '.repeat(spaces), { cipher: 'aes128-cbc', pad })));
    }
  });

  test('allow a KeySize that matches the algorithm, and EncryptedData without Type', () => {
    const changes = { methodContent: '<xenc:KeySize>256</xenc:KeySize>', dataAttributes: 'Id="d1" MimeType="text/xml"' };
    expectOlivia(accept(encrypted(parties, signedAssertion(parties), changes)));
  });
});
