/** Ciphertexts that must not decrypt, and plaintexts that must be rejected. Two tests try them with every cipher. */
import { constants, privateDecrypt, publicEncrypt, randomBytes } from 'node:crypto';
import type { ErrorCode } from '../../src/errors.ts';
import { assertionIn, encrypted, type Parties, signedAssertion, wrapped } from './encrypted-messages.ts';
import { type CipherName, encrypt, encryptedKey, type HandEncryption, keyOctetsOf, methodOf, padded, wrap } from './encrypting.ts';
import { attribute, confirmationData, DSIG, message, NAME_ID, sign } from './fixture-cases/hand-made.ts';

export interface BadCiphertext {
  readonly name: string;
  readonly make: (parties: Parties, cipher: CipherName) => string;
  readonly onlyCbc?: true;
  /** With CBC, decryption returns noise whose padding may be valid by chance. */
  readonly cbcIsReadable?: true;
}

type Change = (octets: Buffer) => Buffer;

const flip =
  (at: number): Change =>
  (octets) => {
    const index = at < 0 ? octets.length + at : at;
    octets.writeUInt8(octets.readUInt8(index) ^ 1, index);
    return octets;
  };

const cut =
  (length: number): Change =>
  (octets) =>
    octets.subarray(0, -length);

const changed = (name: string, change: Change, facts: Partial<BadCiphertext> = {}): BadCiphertext => ({
  name,
  make: (parties, cipher) => encrypted(parties, signedAssertion(parties), { cipher, change }),
  ...facts,
});

/** `wrappedOf` returns the octets of the EncryptedKey for a valid key. */
const withKey = (
  name: string,
  wrappedOf: (key: Buffer, parties: Parties, cipher: CipherName) => Buffer,
  facts: Partial<BadCiphertext> = {},
): BadCiphertext => ({
  ...facts,
  name,
  make: (parties, cipher) => {
    const key = randomBytes(keyOctetsOf(cipher));
    return encrypted(parties, signedAssertion(parties), { cipher, key, inside: encryptedKey(wrappedOf(key, parties, cipher)) });
  },
});

const altered = (
  name: string,
  changes: (cipher: CipherName, parties: Parties) => Partial<HandEncryption>,
  facts: Partial<BadCiphertext> = {},
) => ({
  name,
  make: (parties: Parties, cipher: CipherName) => encrypted(parties, signedAssertion(parties), { cipher, ...changes(cipher, parties) }),
  ...facts,
});

const forUs = (key: Buffer, { ours }: Parties): Buffer => wrap(key, ours.publicKey);

const otherMode = (cipher: CipherName): CipherName =>
  cipher.endsWith('gcm') ? (cipher.replace('gcm', 'cbc') as CipherName) : (cipher.replace('cbc', 'gcm') as CipherName);

/** Fills the last block with spaces, so that the assertion is complete even without the block of padding. */
const lastOctet = (last: number) => {
  const pad = (octets: Buffer) => padded(Buffer.concat([octets, Buffer.alloc(16 - (octets.length % 16), ' ')]), last);
  return altered(`a padding length of ${last}`, () => ({ pad }), { onlyCbc: true });
};

export const BAD_CIPHERTEXTS: readonly BadCiphertext[] = [
  withKey('a key for another organization', (key, { stranger }) => wrap(key, stranger.publicKey)),
  withKey('a key from another message', (_key, parties, cipher) => forUs(randomBytes(keyOctetsOf(cipher)), parties), {
    cbcIsReadable: true,
  }),
  withKey('a key one octet too short', (key, parties) => forUs(key.subarray(1), parties)),
  withKey('a key one octet too long', (key, parties) => forUs(Buffer.concat([key, Buffer.of(0)]), parties)),
  withKey('a key with a zero before it', (key, parties) => forUs(Buffer.concat([Buffer.of(0), key]), parties)),
  withKey('a key of half the length', (key, parties) => forUs(key.subarray(0, key.length / 2), parties)),
  withKey('an empty key', (_key, parties) => forUs(Buffer.alloc(0), parties)),
  withKey('a key wrapped with another hash than declared', (key, { ours }) => wrap(key, ours.publicKey, 'sha256')),
  withKey('a key wrapped with an undeclared label', (key, { ours }) =>
    publicEncrypt({ key: ours.publicKey, oaepLabel: Buffer.from('label') }, key),
  ),
  withKey('a key wrapped with a one instead of the first zero', (key, parties) => {
    const { privateKey, publicKey } = parties.ours;
    const encoded = privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, forUs(key, parties));
    return publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, flip(0)(encoded));
  }),
  withKey('a wrapped key with its first octet changed', (key, parties) => flip(0)(forUs(key, parties))),
  withKey('a wrapped key with its last octet changed', (key, parties) => flip(-1)(forUs(key, parties))),
  withKey('a wrapped key of zeros', (key, parties) => forUs(key, parties).fill(0)),
  withKey('a wrapped key that is 1', (key, parties) => flip(-1)(forUs(key, parties).fill(0))),
  withKey('a wrapped key larger than the modulus', (key, parties) => forUs(key, parties).fill(0xff)),
  withKey('a truncated wrapped key', (key, parties) => forUs(key, parties).subarray(0, -1)),
  withKey('a wrapped key with an octet appended', (key, parties) => Buffer.concat([forUs(key, parties), Buffer.of(0)])),
  withKey('a wrapped key with a zero before it', (key, parties) => Buffer.concat([Buffer.of(0), forUs(key, parties)])),
  withKey('random octets as wrapped key', (key, parties) => randomBytes(forUs(key, parties).length).fill(0, 0, 1)),
  {
    name: 'four wrong keys',
    cbcIsReadable: true,
    make: (parties, cipher) => {
      const inside = encryptedKey(forUs(randomBytes(keyOctetsOf(cipher)), parties)).repeat(4);
      return encrypted(parties, signedAssertion(parties), { cipher, inside });
    },
  },
  {
    name: 'a message for another organization',
    make: (parties, cipher) => wrapped(encrypt(signedAssertion(parties), parties.stranger.publicKey, { cipher })),
  },
  altered(
    'the other mode for the same key',
    (cipher) => ({ method: methodOf(otherMode(cipher)), change: (octets) => octets.subarray(0, octets.length - (octets.length % 16)) }),
    { cbcIsReadable: true },
  ),
  altered('the other key length', (cipher) => ({
    method: methodOf((cipher.includes('256') ? cipher.replace('256', '128') : cipher.replace('128', '256')) as CipherName),
  })),
  changed('the IV changed in its first octet', flip(0), { cbcIsReadable: true }),
  changed('the IV changed in its last octet', flip(11), { cbcIsReadable: true }),
  changed('the first block changed', flip(20), { cbcIsReadable: true }),
  changed('a block in the middle changed', (octets) => flip(Math.floor(octets.length / 32) * 16 + 3)(octets), { cbcIsReadable: true }),
  changed('the last octet of the tag changed', flip(-1), { cbcIsReadable: true }),
  changed('the first octet of the tag changed', flip(-16), { cbcIsReadable: true }),
  changed('the last block before the tag changed', flip(-17), { cbcIsReadable: true }),
  changed('all octets changed', (octets) => randomBytes(octets.length), { cbcIsReadable: true }),
  changed('the last block removed', cut(16), { cbcIsReadable: true }),
  changed('all but two blocks removed', (octets) => octets.subarray(0, 32), { cbcIsReadable: true }),
  changed('a block appended', (octets) => Buffer.concat([octets, Buffer.alloc(16)]), { cbcIsReadable: true }),
  changed(
    'two blocks swapped',
    (octets) => Buffer.concat([octets.subarray(0, 16), octets.subarray(32, 48), octets.subarray(16, 32), octets.subarray(48)]),
    { cbcIsReadable: true },
  ),
  lastOctet(0),
  lastOctet(17),
  lastOctet(255),
];

/** A GCM tag always has 16 octets, so removing its end moves the end of the ciphertext into the tag. */
export const CUT_TAGS: readonly BadCiphertext[] = [1, 3, 4, 8, 12].map((length) =>
  changed(`the last ${length === 1 ? 'octet' : `${length} octets`} removed`, cut(length)),
);

export interface BadPlaintext {
  readonly name: string;
  readonly make: (parties: Parties) => string | Buffer;
  readonly code: ErrorCode;
  /** The code in a signed response, `code` by default. */
  readonly signedCode?: ErrorCode | 'accepted';
}

const plain = (name: string, code: ErrorCode, make: BadPlaintext['make'], signedCode?: BadPlaintext['signedCode']): BadPlaintext => ({
  name,
  code,
  make,
  ...(signedCode === undefined ? {} : { signedCode }),
});

/** Edits the text of the valid assertion. */
const edited = (name: string, code: ErrorCode, edit: (assertion: string, parties: Parties) => string | Buffer) =>
  plain(name, code, (parties) => edit(signedAssertion(parties), parties));

export const BAD_PLAINTEXTS: readonly BadPlaintext[] = [
  edited('two assertions', 'saml_malformed', (assertion) => assertion + assertion),
  edited('two assertions with whitespace between', 'saml_malformed', (assertion) => `${assertion}\n${assertion}`),
  edited('an empty element after it', 'saml_malformed', (assertion) => `${assertion}<x/>`),
  edited('a comment before it', 'saml_malformed', (assertion) => `<!-- x -->${assertion}`),
  edited('a comment after it', 'saml_malformed', (assertion) => `${assertion}<!-- x -->`),
  edited('a processing instruction before it', 'saml_malformed', (assertion) => `<?x y?>${assertion}`),
  edited('a processing instruction in it', 'saml_malformed', (assertion) => assertion.replace('<saml:Subject>', '<?x y?>$&')),
  edited('an XML declaration', 'saml_malformed', (assertion) => `<?xml version="1.0"?>${assertion}`),
  edited('a document type', 'saml_dtd_forbidden', (assertion) => `<!DOCTYPE x>${assertion}`),
  edited('a document type with an entity', 'saml_dtd_forbidden', (assertion) => `<!DOCTYPE x [<!ENTITY e "v">]>${assertion}`),
  edited('text before it', 'saml_malformed', (assertion) => `x${assertion}`),
  edited('text after it', 'saml_malformed', (assertion) => `${assertion}x`),
  edited('a reference after it', 'saml_malformed', (assertion) => `${assertion}&#32;`),
  edited('CDATA after it', 'saml_malformed', (assertion) => `${assertion}<![CDATA[ ]]>`),
  edited(
    'the end of the EncryptedAssertion before it',
    'saml_malformed',
    (assertion) => `</saml:EncryptedAssertion>${assertion}<saml:EncryptedAssertion>`,
  ),
  edited('the end of the Response after it', 'saml_malformed', (assertion) => `${assertion}</saml:EncryptedAssertion></samlp:Response>`),
  edited('its last character removed', 'saml_malformed', (assertion) => assertion.slice(0, -1)),
  edited('its first half', 'saml_malformed', (assertion) => assertion.slice(0, assertion.length / 2)),
  edited('an octet that is not UTF-8', 'saml_malformed', (assertion) => Buffer.concat([Buffer.from(assertion), Buffer.of(0xff)])),
  edited('UTF-16', 'saml_malformed', (assertion) => Buffer.from(assertion, 'utf16le')),
  edited('a NUL', 'saml_malformed', (assertion) => `${assertion}\0`),
  edited('an undeclared prefix', 'saml_malformed', (assertion) => assertion.replace('<saml:Subject>', '<none:x/>$&')),
  edited('nesting over the limit', 'saml_malformed', (assertion) =>
    assertion.replace('<saml:Subject>', `${'<x>'.repeat(60)}${'</x>'.repeat(60)}$&`),
  ),
  edited('elements over the limit', 'saml_malformed', (assertion) => assertion.replace('<saml:Subject>', `${'<x/>'.repeat(12_000)}$&`)),
  plain('only whitespace', 'saml_malformed', () => ' \n'),
  plain('one octet', 'saml_malformed', () => 'x'),
  plain('an empty element', 'saml_malformed', () => '<x/>'),
  edited('a Response around it', 'saml_malformed', (assertion) => `<samlp:Response ID="_r2" Version="2.0">${assertion}</samlp:Response>`),
  plain(
    'an EncryptedAssertion',
    'saml_malformed',
    (parties) => `<saml:EncryptedAssertion>${encrypt(signedAssertion(parties), parties.ours.publicKey)}</saml:EncryptedAssertion>`,
  ),
  plain('EncryptedData', 'saml_malformed', (parties) => encrypt(signedAssertion(parties), parties.ours.publicKey)),
  edited('an assertion of another namespace', 'saml_malformed', (assertion) =>
    assertion.replace('<saml:Assertion ', '<saml:Assertion xmlns:saml="urn:x" '),
  ),
  edited('an assertion of SAML 1', 'saml_malformed', (assertion) =>
    assertion.replace('<saml:Assertion ', '<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion" '),
  ),
  edited('another version', 'saml_malformed', (assertion) => assertion.replace('Version="2.0"', 'Version="1.1"')),
  edited('no ID', 'saml_malformed', (assertion) => assertion.replace('ID="_assertion1" ', '')),
  edited('an ID that is not an NCName', 'saml_malformed', (assertion) => assertion.replace('ID="_assertion1"', 'ID="1"')),
  plain('an assertion in its Advice', 'saml_structure_ambiguous', (parties) =>
    signedAssertion(parties, { advice: `<saml:Advice>${assertionIn(message()).replaceAll('_assertion1', '_other')}</saml:Advice>` }),
  ),
  plain('an EncryptedAssertion in its Advice', 'saml_structure_ambiguous', (parties) =>
    signedAssertion(parties, {
      advice: `<saml:Advice><saml:EncryptedAssertion>${encrypt('x', parties.ours.publicKey)}</saml:EncryptedAssertion></saml:Advice>`,
    }),
  ),
  plain('EncryptedData in its Advice', 'saml_structure_ambiguous', (parties) =>
    signedAssertion(parties, { advice: `<saml:Advice>${encrypt('x', parties.ours.publicKey)}</saml:Advice>` }),
  ),
  plain('the ID of the Response', 'saml_structure_ambiguous', ({ idp }) =>
    assertionIn(
      sign(message({ assertionAttributes: 'ID="_taken" Version="2.0"', responseAttributes: 'ID="_r" Version="2.0"' }), idp.privateKey, {
        id: '_taken',
      }),
    ).replaceAll('_taken', '_response1'),
  ),
  plain('two elements with one ID', 'saml_structure_ambiguous', (parties) =>
    signedAssertion(parties, { advice: '<saml:Advice><x xmlns="urn:x" ID="_assertion1"/></saml:Advice>' }),
  ),
  plain('two elements inside with one ID', 'saml_structure_ambiguous', (parties) =>
    signedAssertion(parties, { advice: '<saml:Advice><x xmlns="urn:x" ID="_a"/><x xmlns="urn:x" ID="_a"/></saml:Advice>' }),
  ),
  edited('two signatures', 'saml_structure_ambiguous', (assertion) => assertion.replace(/<ds:Signature .*<\/ds:Signature>/s, '$&$&')),
  edited('a signature at the end', 'saml_structure_ambiguous', (assertion) =>
    assertion.replace(/(<ds:Signature .*<\/ds:Signature>)(.*)(<\/saml:Assertion>)/s, '$2$1$3'),
  ),
  edited('a signature in an attribute', 'saml_structure_ambiguous', (assertion) =>
    assertion.replace('<saml:AttributeValue>', `$&<ds:Signature xmlns:ds="${DSIG}"/>`),
  ),
  plain('no signature', 'saml_signature_missing', () => assertionIn(message()), 'accepted'),
  edited('an empty signature', 'saml_structure_ambiguous', (assertion) =>
    assertion.replace(/<ds:Signature .*<\/ds:Signature>/s, `<ds:Signature xmlns:ds="${DSIG}"/>`),
  ),
  edited('a changed address', 'saml_signature_invalid', (assertion) => assertion.replace('olivia@acme.test', 'mallory@acme.test')),
  edited('an additional attribute', 'saml_signature_invalid', (assertion) =>
    assertion.replace('</saml:AttributeStatement>', `${attribute('role', 'owner')}$&`),
  ),
  edited('another NameID', 'saml_signature_invalid', (assertion) => assertion.replace(NAME_ID, NAME_ID.replace('olivia', 'carl'))),
  edited('a changed digest', 'saml_signature_invalid', (assertion) =>
    assertion.replace(/(<ds:DigestValue>)(.)/, (_all, tag, first) => tag + (first === 'A' ? 'B' : 'A')),
  ),
  edited('a changed signature value', 'saml_signature_invalid', (assertion) =>
    assertion.replace(/(<ds:SignatureValue>)(.)/, (_all, tag, first) => tag + (first === 'A' ? 'B' : 'A')),
  ),
  plain('the signature of another key', 'saml_signature_invalid', ({ stranger }) => assertionIn(sign(message(), stranger.privateKey))),
  plain('a signature with SHA-1', 'saml_algorithm_forbidden', (parties) =>
    signedAssertion(parties, {}, { signatureMethod: `${DSIG}rsa-sha1` }),
  ),
  plain('a signature of another element', 'saml_structure_ambiguous', (parties) =>
    signedAssertion(parties, {}, { reference: 'URI="#_response1"' }),
  ),
  plain('inclusive canonicalization', 'saml_algorithm_forbidden', (parties) =>
    signedAssertion(parties, {}, { canonicalizationMethod: 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315' }),
  ),
];

/** Rejected after the signature inside was verified, so each has its own code, even with CBC. */
export const GENUINE_BUT_REFUSED: readonly BadPlaintext[] = [
  plain('another issuer', 'saml_issuer_unknown', (parties) =>
    signedAssertion(parties, { assertionIssuer: '<saml:Issuer>https://other.test</saml:Issuer>' }),
  ),
  plain('another recipient', 'saml_recipient_mismatch', (parties) =>
    signedAssertion(parties, {
      confirmation: `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">${confirmationData().replace('/acs"', '/other"')}</saml:SubjectConfirmation>`,
    }),
  ),
  plain('no AuthnStatement', 'saml_malformed', (parties) => signedAssertion(parties, { authn: '' })),
];
