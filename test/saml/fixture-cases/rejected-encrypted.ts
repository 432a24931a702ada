/** Rejected: ciphertexts that cannot be decrypted, plaintexts other than one valid assertion, and unsupported encryption. */
import type { ErrorCode } from '../../../src/errors.ts';
import { assertionIn, encrypted, partiesOf, signedAssertion, signedResponse, wrapped } from '../encrypted-messages.ts';
import { encrypt, encryptedKey, wrap, XENC } from '../encrypting.ts';
import { BAD_CIPHERTEXTS, BAD_PLAINTEXTS, CUT_TAGS, GENUINE_BUT_REFUSED } from '../encryption-cases.ts';
import type { CaseSettings, RejectedCase } from './case.ts';
import { message, NAME_ID, sign } from './hand-made.ts';
import type { Keys } from './keys.ts';

const UNDECRYPTABLE = 'None of the gateway’s keys';
/** The only detail for AES-CBC that no signature covers. */
const SAME_REFUSAL = 'The assertion could not be decrypted, or its content';

const folderOf = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');

const row = (name: string, xml: string, code: ErrorCode, facts: { detail?: string; settings?: CaseSettings } = {}): RejectedCase => ({
  name: `encrypted-${folderOf(name)}`,
  xml,
  code,
  live: true,
  ...facts,
});

export function rejectedCiphertexts(keys: Keys): RejectedCase[] {
  const parties = partiesOf(keys);
  return [
    ...BAD_CIPHERTEXTS.filter(({ onlyCbc, name }) => !onlyCbc && !name.startsWith('the other mode')).map(({ name, make }) =>
      row(`gcm ${name}`, make(parties, 'aes256-gcm'), 'saml_decryption_failed', { detail: UNDECRYPTABLE }),
    ),
    ...CUT_TAGS.map(({ name, make }) =>
      row(`gcm ${name}`, make(parties, 'aes128-gcm'), 'saml_decryption_failed', { detail: UNDECRYPTABLE }),
    ),
    ...BAD_CIPHERTEXTS.filter(({ name }) => !name.startsWith('the other mode')).map(({ name, make }) =>
      row(`cbc ${name}`, make(parties, 'aes256-cbc'), 'saml_decryption_failed', { detail: SAME_REFUSAL }),
    ),
  ];
}

export function rejectedPlaintexts(keys: Keys): RejectedCase[] {
  const parties = partiesOf(keys);
  return [...BAD_PLAINTEXTS, ...GENUINE_BUT_REFUSED].flatMap(({ name, make, code, signedCode = code }) => {
    const isGenuine = GENUINE_BUT_REFUSED.some((one) => one.name === name);
    const byCbc = encrypted(parties, make(parties), { cipher: 'aes256-cbc' });
    const rows = [
      row(`gcm inside ${name}`, encrypted(parties, make(parties)), code),
      isGenuine
        ? row(`cbc inside ${name}`, byCbc, code)
        : row(`cbc inside ${name}`, byCbc, 'saml_decryption_failed', { detail: SAME_REFUSAL }),
    ];
    return signedCode === 'accepted' ? rows : [...rows, row(`signed response inside ${name}`, signedResponse(parties, byCbc), signedCode)];
  });
}

export function rejectedEncryption(keys: Keys): RejectedCase[] {
  const parties = partiesOf(keys);
  const { idp, ours, stranger } = parties;
  const good = signedAssertion(parties);
  const key = Buffer.alloc(32, 9);
  const rsa15 = encryptedKey(wrap(key, ours.publicKey), { method: `${XENC}rsa-1_5` });
  const byRogue = (xml: string) => sign(xml, stranger.privateKey, { id: '_response1' });
  const encryptedId = (reader = ours, nameId = NAME_ID) => `<saml:EncryptedID>${encrypt(nameId, reader.publicKey)}</saml:EncryptedID>`;
  const plainWith = (nameId: string) => sign(message({ nameId }), idp.privateKey);
  return [
    row('3des', encrypted(parties, good, { method: `${XENC}tripledes-cbc` }), 'saml_algorithm_forbidden'),
    row('rsa 1.5', encrypted(parties, good, { key, inside: rsa15 }), 'saml_algorithm_forbidden'),
    row('two data', wrapped(encrypt(good, ours.publicKey).repeat(2)), 'saml_structure_ambiguous'),
    row('no key', encrypted(parties, good, { inside: '' }), 'saml_malformed'),
    row('rogue response signature', byRogue(encrypted(parties, good)), 'saml_signature_invalid'),
    row('rogue response signature on noise', byRogue(encrypted(parties, 'noise', { cipher: 'aes256-cbc' })), 'saml_signature_invalid'),
    row('assertion signature wanted', signedResponse(parties, encrypted(parties, assertionIn(message()))), 'saml_signature_missing', {
      settings: { requireSignedAssertion: true },
    }),
    row('response signature wanted', encrypted(parties, good), 'saml_signature_missing', { settings: { requireSignedResponse: true } }),
    row('encryption wanted', sign(message(), idp.privateKey), 'saml_decryption_failed', { settings: { requireEncryptedAssertion: true } }),
    row('name id beside one in plain', plainWith(NAME_ID + encryptedId()), 'saml_structure_ambiguous'),
    row('name id twice', plainWith(encryptedId().repeat(2)), 'saml_structure_ambiguous'),
    row('name id for another organization', plainWith(encryptedId(stranger)), 'saml_decryption_failed', { detail: UNDECRYPTABLE }),
    row('name id that is none', plainWith(encryptedId(ours, '<saml:BaseID/>')), 'saml_malformed'),
  ];
}
