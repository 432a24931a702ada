/** The genuine responses that the fuzzer mutates: from the mock identity providers with fresh keys, and accepted fixtures. */
import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { encryptAssertion } from '../../../src/mock-idp/encryption.ts';
import { HABIT_NAMES, HABITS, type HabitName, personOf } from '../../../src/mock-idp/habits.ts';
import { makeResponse, type ResponseOptions } from '../../../src/mock-idp/response.ts';
import type { RoleMapping } from '../../../src/organizations/role-mapping.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../../src/saml/metadata/self-signed-certificate.ts';
import { type AttributeMapping, DEFAULT_ATTRIBUTE_MAPPING } from '../../../src/saml/response/attribute-mapping.ts';
import type { PersonContext } from '../../../src/saml/response/checks.ts';
import type { ResponseSettings } from '../../../src/saml/response/response-settings.ts';
import { decodeUtf8 } from '../../../src/saml/xml/xml.ts';
import { readFixtures, settingsOf } from '../judges/fixtures.ts';

/** A response as it was signed, and the settings for which it is accepted. */
export interface Genuine {
  readonly name: string;
  readonly xml: string;
  readonly settings: ResponseSettings;
  readonly attributeMapping: AttributeMapping;
  readonly identifier?: PersonContext['identifier'] | undefined;
  readonly roleMapping: RoleMapping;
  readonly nowMs: number;
  /** Encrypts the assertion in a text, which only needs our certificate. */
  readonly encrypt?: (xml: string) => string;
  /** The identity provider's own key, if known, to sign mutated messages. */
  readonly idpKey?: KeyObject;
}

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const BASE = 'https://sso.example.test/saml/acme';
/** Larger fixtures slow the fuzzer down without finding more. */
const MAX_FIXTURE_CHARACTERS = 12_000;
const ROLES: RoleMapping = { rules: [{ group: 'platform-admins', role: 'owner' }], defaultRole: 'collaborator' };

export async function makeCorpus(): Promise<Genuine[]> {
  const make = (commonName: string) => createSelfSignedCertificate({ commonName, days: 1, nowMs: Date.now(), rsaBits: 2048 });
  const [idp, ours] = await Promise.all([make('idp'), make('sp')]);
  return [...HABIT_NAMES.flatMap((habit) => fromMock(habit, idp, ours)), ...fromFixtures()];
}

/** Returns every combination of signatures, users and encryption. */
function fromMock(habit: HabitName, idp: KeyAndCertificate, ours: KeyAndCertificate): Genuine[] {
  const signings = [{}, { response: true, assertion: true }, { response: true, assertion: false }, { response: false, assertion: true }];
  const encryptions = [
    undefined,
    { certificatePem: ours.certificatePem, content: 'aes256-gcm' },
    { certificatePem: ours.certificatePem },
  ] as const;
  const common = {
    settings: mockSettings(habit, idp, ours),
    attributeMapping: { ...DEFAULT_ATTRIBUTE_MAPPING, groups: [...DEFAULT_ATTRIBUTE_MAPPING.groups, 'teams'] },
    roleMapping: ROLES,
    nowMs: NOW_MS,
    idpKey: createPrivateKey(idp.privateKeyPem),
    encrypt: (xml: string) => encryptAssertion(xml, { certificatePem: ours.certificatePem, content: 'aes128-gcm' }, randomBytes),
  };
  return ['olivia', 'carl'].flatMap((person) =>
    signings.flatMap((signing) =>
      encryptions.map((encryption) => {
        const options: ResponseOptions = {
          ...{ habit, person: personOf(habit, person), key: idp, signing, encryption, nowMs: NOW_MS, randomBytes },
          ...{ acsUrl: `${BASE}/acs`, spEntityId: `${BASE}/metadata`, inResponseTo: '_request' },
        };
        return {
          ...common,
          name: `${habit} ${person} ${JSON.stringify(signing)} ${encryption ? 'encrypted' : ''}`,
          xml: makeResponse(options),
        };
      }),
    ),
  );
}

function mockSettings(habit: HabitName, idp: KeyAndCertificate, ours: KeyAndCertificate): ResponseSettings {
  const { publicKey, fingerprint256, validTo } = new X509Certificate(idp.certificatePem);
  return {
    entityId: `${BASE}/metadata`,
    acsUrl: `${BASE}/acs`,
    idpEntityId: HABITS[habit].issuer,
    keys: [{ key: publicKey, fingerprint: fingerprint256, notAfterMs: Date.parse(validTo) }],
    decryptionKeys: [createPrivateKey(ours.privateKeyPem)],
    requireSignedAssertion: false,
    requireSignedResponse: false,
    requireEncryptedAssertion: false,
    clockSkewSeconds: 180,
    authnContext: [],
  };
}

const fromFixtures = (): Genuine[] =>
  readFixtures('accepted')
    .filter(({ octets }) => octets.length < MAX_FIXTURE_CHARACTERS)
    .map(({ name, octets, written: { settings } }) => ({
      name,
      xml: decodeUtf8(octets),
      settings: settingsOf(settings),
      attributeMapping: { ...DEFAULT_ATTRIBUTE_MAPPING, ...settings.attributeMapping },
      identifier: settings.identifier,
      roleMapping: settings.roleMapping,
      nowMs: settings.nowMs,
    }));
