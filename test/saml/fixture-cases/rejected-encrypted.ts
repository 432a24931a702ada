/** Rejected: ciphertexts that cannot be decrypted, plaintexts other than one valid assertion, and unsupported encryption. */
import type { KeyObject } from 'node:crypto';
import type { ErrorCode } from '../../../src/errors.ts';
import { assertionIn, encrypted, partiesOf, signedAssertion, signedResponse, wrapped } from '../encrypted-messages.ts';
import { type CipherName, encrypt, encryptedKey, wrap, XENC } from '../encrypting.ts';
import { BAD_CIPHERTEXTS, BAD_PLAINTEXTS, CUT_TAGS, GENUINE_BUT_REFUSED } from '../encryption-cases.ts';
import type { CaseSettings, RejectedCase } from './case.ts';
import { evilAssertion } from './evil-assertion.ts';
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

/** An attacker knows the gateway's certificate, so anyone can encrypt a forged assertion and add it to a genuine response. */
export function rejectedCompanions(keys: Keys): RejectedCase[] {
  const parties = partiesOf(keys);
  const genuine = signedAssertion(parties);
  const forms = (assertion: string) => ({
    plain: assertion,
    gcm: encryptedAssertion(assertion, parties.ours.publicKey, 'aes256-gcm'),
    cbc: encryptedAssertion(assertion, parties.ours.publicKey, 'aes256-cbc'),
  });
  const [ours, forged, stolenId] = [genuine, evilAssertion(), evilAssertion('_assertion1')].map(forms) as [Forms, Forms, Forms];
  const both = (name: string, first: string, second: string): RejectedCase[] => [
    row(`${name} after`, message({ assertion: first + second }), 'saml_structure_ambiguous'),
    row(`${name} before`, message({ assertion: second + first }), 'saml_structure_ambiguous'),
    row(`${name} after if encryption is required`, message({ assertion: first + second }), 'saml_structure_ambiguous', {
      settings: { requireEncryptedAssertion: true },
    }),
    row(`${name} before if a signed assertion is required`, message({ assertion: second + first }), 'saml_structure_ambiguous', {
      settings: { requireSignedAssertion: true },
    }),
  ];
  return [
    ...both('forged gcm beside signed plain', ours.plain, forged.gcm),
    ...both('forged cbc beside signed plain', ours.plain, forged.cbc),
    ...both('forged gcm with the same id beside signed plain', ours.plain, stolenId.gcm),
    ...both('forged plain beside signed gcm', ours.gcm, forged.plain),
    ...both('forged plain beside signed cbc', ours.cbc, forged.plain),
    ...both('forged gcm beside signed gcm', ours.gcm, forged.gcm),
    row('forged inside the extensions', message({ assertion: ours.plain, extensions: extensions(forged.gcm) }), 'saml_structure_ambiguous'),
    row(
      'forged inside the advice of a signed assertion',
      sign(message({ advice: `<saml:Advice>${forged.gcm}</saml:Advice>` }), parties.idp.privateKey),
      'saml_structure_ambiguous',
    ),
  ];
}

type Forms = Readonly<Record<'plain' | 'gcm' | 'cbc', string>>;

const extensions = (content: string): string => `<samlp:Extensions>${content}</samlp:Extensions>`;

const encryptedAssertion = (assertion: string, key: KeyObject, cipher: CipherName): string =>
  `<saml:EncryptedAssertion>${encrypt(assertion, key, { cipher })}</saml:EncryptedAssertion>`;

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
