/** Accepted: encrypted assertions and NameIDs. */
import { randomBytes } from 'node:crypto';
import { encryptAssertion } from '../../../src/mock-idp/encryption.ts';
import { assertionIn, encrypted, type Parties, partiesOf, signedAssertion, signedResponse, wrapped } from '../encrypted-messages.ts';
import { CIPHER_NAMES, type CipherName, encrypt, encryptedKey, wrap } from '../encrypting.ts';
import { acceptedMockIdps } from './accepted-products.ts';
import type { AcceptedCase, CaseSettings } from './case.ts';
import { message, minutes, NAME_ID, OLIVIA, REQUEST_ID, sign } from './hand-made.ts';
import type { Keys } from './keys.ts';

const STATEMENT: AcceptedCase['statement'] = {
  assertionId: '_assertion1',
  inResponseTo: REQUEST_ID,
  acceptableUntil: minutes(8),
  nameId: { value: 'u-olivia', format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent' },
  sessionIndex: '_session1',
};

const row = (name: string, xml: string, settings: CaseSettings = { requireEncryptedAssertion: true }): AcceptedCase => ({
  name: `encrypted-${name}`,
  xml,
  settings,
  person: OLIVIA,
  statement: STATEMENT,
  live: true,
});

export function acceptedEncrypted(keys: Keys): AcceptedCase[] {
  const parties = partiesOf(keys);
  const key = Buffer.alloc(32, 9);
  const [forUs, forOther] = [parties.ours, parties.stranger].map((reader) => encryptedKey(wrap(key, reader.publicKey))) as [string, string];
  const good = signedAssertion(parties);
  return [
    ...CIPHER_NAMES.flatMap((cipher) => byEach(parties, cipher)),
    row('key-beside', encrypted(parties, good, { key, beside: forUs })),
    row('second-key', encrypted(parties, good, { key, inside: forOther + forUs })),
    row('four-keys', encrypted(parties, good, { key, inside: forOther.repeat(2), beside: forOther + forUs })),
    row('white-space-around', encrypted(parties, `\r\n\t ${good} \n`)),
    row('whole-padding', encrypted(parties, good.padEnd(Math.ceil(good.length / 16) * 16), { cipher: 'aes256-cbc' })),
    row('not-asked-for', encrypted(parties, good), {}),
    ...mockIdps(keys),
  ];
}

/** Only cases whose assertion alone is signed: a signed response would have to be signed after the encryption. */
function mockIdps(keys: Keys): AcceptedCase[] {
  const { certificatePem } = keys.own;
  const plain = acceptedMockIdps(keys).filter(({ name }) => name.endsWith('-assertion-signed'));
  return plain.flatMap((one) =>
    CIPHER_NAMES.map((content) => ({
      ...one,
      name: `encrypted-${content}-${one.name}`,
      xml: encryptAssertion(String(one.xml), { certificatePem, content }, randomBytes),
      settings: { ...one.settings, requireEncryptedAssertion: true },
      live: true as const,
    })),
  );
}

function byEach(parties: Parties, cipher: CipherName): AcceptedCase[] {
  const good = encrypted(parties, signedAssertion(parties), { cipher });
  const unsigned = encrypted(parties, assertionIn(message()), { cipher });
  const encryptedId = `<saml:EncryptedID>${encrypt(NAME_ID, parties.ours.publicKey, { cipher })}</saml:EncryptedID>`;
  const idp = parties.idp.privateKey;
  return [
    row(`${cipher}-assertion-signed`, good, { requireEncryptedAssertion: true, requireSignedAssertion: true }),
    row(`${cipher}-response-signed`, signedResponse(parties, unsigned), { requireEncryptedAssertion: true, requireSignedResponse: true }),
    row(`${cipher}-both-signed`, signedResponse(parties, good), { requireSignedAssertion: true, requireSignedResponse: true }),
    row(`${cipher}-name-id`, sign(message({ nameId: encryptedId }), idp), {}),
    row(`${cipher}-name-id-in-assertion`, encrypted(parties, signedAssertion(parties, { nameId: encryptedId }), { cipher })),
    row(`${cipher}-in-pretty-wrapper`, wrapped(`\n  ${encrypt(signedAssertion(parties), parties.ours.publicKey, { cipher })}\n`)),
  ];
}
