/** How the three imitated identity providers behave. */
import { NAME_ID_EMAIL } from '../saml/names.ts';
import { MINUTE_MS } from '../time.ts';
import { entraAttributes, googleAttributes, oktaAttributes, type SamlAttribute } from './attributes.ts';
import { ENTRA_PEOPLE, ENTRA_TENANT_ID, GOOGLE_PEOPLE, OKTA_PEOPLE, type Person } from './people.ts';
import type { SignatureSpelling } from './xml-signature.ts';

export type HabitName = 'okta' | 'entra-id' | 'google-workspace';

/** How one product behaves with its default settings. */
export interface Habit {
  readonly name: HabitName;
  readonly label: string;
  /** Entity ID of the identity provider. */
  readonly issuer: string;
  readonly people: readonly Person[];
  readonly signs: { readonly response: boolean; readonly assertion: boolean };
  readonly signature: SignatureSpelling;
  readonly nameIdFormat: string;
  readonly authnContextClass: string;
  /** Validity of the assertion before and after the instant of issue, in milliseconds. */
  readonly validBeforeMs: number;
  readonly validAfterMs: number;
  /** Returns an ID for an XML element from 16 random octets. */
  readonly elementId: (octets: Uint8Array) => string;
  readonly attributes: (person: Person) => readonly SamlAttribute[];
}

const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex');
const guid = (octets: Uint8Array) => hex(octets).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** Returns the 25 digits that follow `id` in Okta's IDs. */
const oktaDigits = (octets: Uint8Array) => (BigInt(`0x${hex(octets)}`) % 10n ** 25n).toString().padStart(25, '1');

export const HABITS: Readonly<Record<HabitName, Habit>> = {
  okta: {
    name: 'okta',
    label: 'Okta',
    issuer: 'http://www.okta.com/exk1samlgateexample697',
    people: OKTA_PEOPLE,
    signs: { response: true, assertion: true },
    signature: { prefix: 'ds', inclusivePrefixes: ['xs'], signatureLineLength: undefined, certificateLineLength: 76, subjectName: false },
    nameIdFormat: NAME_ID_EMAIL,
    authnContextClass: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
    validBeforeMs: 5 * MINUTE_MS,
    validAfterMs: 5 * MINUTE_MS,
    elementId: (octets) => `id${oktaDigits(octets)}`,
    attributes: oktaAttributes,
  },
  'entra-id': {
    name: 'entra-id',
    label: 'Microsoft Entra ID',
    issuer: `https://sts.windows.net/${ENTRA_TENANT_ID}/`,
    people: ENTRA_PEOPLE,
    signs: { response: false, assertion: true },
    signature: { prefix: '', inclusivePrefixes: [], signatureLineLength: undefined, certificateLineLength: undefined, subjectName: false },
    nameIdFormat: NAME_ID_EMAIL,
    authnContextClass: 'urn:oasis:names:tc:SAML:2.0:ac:classes:Password',
    validBeforeMs: 5 * MINUTE_MS,
    validAfterMs: 60 * MINUTE_MS,
    elementId: (octets) => `_${guid(octets)}`,
    attributes: entraAttributes,
  },
  'google-workspace': {
    name: 'google-workspace',
    label: 'Google Workspace',
    issuer: 'https://accounts.google.com/o/saml2?idpid=C0samlgat',
    people: GOOGLE_PEOPLE,
    // As with "Signed response" selected in the Google Admin console. Otherwise Google signs only the assertion.
    signs: { response: true, assertion: false },
    signature: { prefix: 'ds', inclusivePrefixes: [], signatureLineLength: 76, certificateLineLength: 76, subjectName: true },
    nameIdFormat: NAME_ID_EMAIL,
    authnContextClass: 'urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified',
    validBeforeMs: 5 * MINUTE_MS,
    validAfterMs: 5 * MINUTE_MS,
    elementId: (octets) => `_${hex(octets)}`,
    attributes: googleAttributes,
  },
};

export const HABIT_NAMES = Object.keys(HABITS) as readonly HabitName[];

/** Returns the habit with this name. */
export function findHabit(name: string): Habit | undefined {
  return Object.values(HABITS).find((habit) => habit.name === name);
}

/**
 * Returns a person of an identity provider by key.
 * @throws Error if the key is unknown
 */
export function personOf(habit: HabitName, key: string): Person {
  const found = HABITS[habit].people.find((person) => person.key === key);
  if (found === undefined) throw new Error(`The mock ${HABITS[habit].label} has no user “${key}”.`);
  return found;
}
