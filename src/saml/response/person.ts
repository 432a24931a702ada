/**
 * From a verified assertion to a person: a stable identifier, an address, a name and groups. Values are compared code point
 * by code point; nothing is trimmed, folded, split or normalised, as every such kindness makes two people or two groups one.
 */
import { GatewayError } from '../../errors.ts';
import { ASSERTION, NAME_ID_EMAIL, NAME_ID_PERSISTENT, NAME_ID_TRANSIENT } from '../names.ts';
import { attributeOf, childElements, childrenNamed, isElement, textOf, type XmlElement } from '../xml/xml.ts';
import { type RunCheck, stopAtFirst } from './checks.ts';
import type { NameId, VerifiedAssertion } from './response.ts';

/** Which attributes hold what: lists of attribute names, the first that serves counts. */
export interface AttributeMapping {
  readonly email: readonly string[];
  readonly name: readonly string[];
  readonly groups: readonly string[];
}

const WS_CLAIMS = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';
const MS_CLAIMS = 'http://schemas.microsoft.com';

/** The names that Okta, Entra ID, Google Workspace, ADFS and the OID profile use. */
export const DEFAULT_ATTRIBUTE_MAPPING: AttributeMapping = {
  email: [
    'email',
    'mail',
    'emailAddress',
    'Email',
    'emailaddress',
    `${WS_CLAIMS}/emailaddress`,
    'urn:oid:0.9.2342.19200300.100.1.3',
    'urn:oid:1.2.840.113549.1.9.1',
  ],
  name: ['displayName', `${MS_CLAIMS}/identity/claims/displayname`, 'name', 'cn', 'urn:oid:2.16.840.1.113730.3.1.241', 'urn:oid:2.5.4.3'],
  groups: [
    'groups',
    'group',
    'Group',
    'memberOf',
    'isMemberOf',
    `${MS_CLAIMS}/ws/2008/06/identity/claims/groups`,
    'http://schemas.xmlsoap.org/claims/Group',
    'urn:oid:1.3.6.1.4.1.5923.1.5.1.1',
  ],
};

const GIVEN_NAMES = ['firstName', 'givenName', 'first_name', `${WS_CLAIMS}/givenname`, 'urn:oid:2.5.4.42'];
const SURNAMES = ['lastName', 'surname', 'sn', 'last_name', `${WS_CLAIMS}/surname`, 'urn:oid:2.5.4.4'];

/** Entra ID sends one of these in place of the groups where a person has more than 150. */
const OVER_LIMIT = [`${MS_CLAIMS}/claims/groups.link`, 'http://schemas.microsoft.com/ws/2008/06/identity/claims/groups.link'];

/** Identifiers that outlive a change of name or address, the most stable first. */
const STABLE_IDENTIFIERS = [
  `${MS_CLAIMS}/identity/claims/objectidentifier`,
  'urn:oasis:names:tc:SAML:attribute:subject-id',
  'urn:oasis:names:tc:SAML:attribute:pairwise-id',
];

/**
 * `groupsState` tells three cases apart that look alike: no groups attribute at all (`absent`), more groups than the IdP
 * sends (`over_limit`), and groups that were sent (`present`, perhaps none of them with a rule).
 */
export interface Person {
  /** Which kind of identifier, and the identifier: the key of a member within organization and IdP. */
  readonly identity: string;
  readonly email: string;
  readonly name: string;
  readonly groups: readonly string[];
  readonly groupsState: 'present' | 'absent' | 'over_limit';
}

type Attributes = VerifiedAssertion['attributes'];

/** All attributes of the assertion. Kept in a Map: a name like `__proto__` is a name like any other. */
export function readAttributes(assertion: XmlElement): Attributes {
  const attributes = new Map<string, (string | undefined)[]>();
  for (const statement of childrenNamed(assertion, ASSERTION, 'AttributeStatement')) {
    for (const attribute of childElements(statement)) {
      if (attribute.uri === ASSERTION && attribute.local === 'EncryptedAttribute') {
        throw new GatewayError(
          'saml_decryption_failed',
          'An attribute is encrypted by itself, which is not read. The identity provider can encrypt the whole assertion instead.',
        );
      }
      if (attribute.uri !== ASSERTION || attribute.local !== 'Attribute')
        throw new GatewayError('saml_malformed', 'An AttributeStatement has something else than attributes.');
      const name = attributeOf(attribute, 'Name');
      if (name === undefined || name === '') throw new GatewayError('saml_malformed', 'An attribute has no name.');
      const values = attributes.get(name) ?? [];
      // eduPersonTargetedID holds an element by its definition; only who reads such a value as text must refuse.
      for (const value of childrenNamed(attribute, ASSERTION, 'AttributeValue'))
        values.push(value.children.some(isElement) ? undefined : textOf(value));
      attributes.set(name, values);
    }
  }
  return attributes;
}

/**
 * @throws saml_name_id_missing, saml_email_missing, saml_malformed
 */
export const readPerson = (assertion: VerifiedAssertion, mapping: AttributeMapping): Person =>
  readPersonBy(stopAtFirst, assertion, mapping);

/**
 * As {@link readPerson}, check by check: of what nobody has verified only to explain a refusal.
 * @param run does each check
 */
export function readPersonBy(
  run: RunCheck,
  { attributes, nameId }: Pick<VerifiedAssertion, 'attributes' | 'nameId'>,
  mapping: AttributeMapping,
): Person {
  const identity = run('identifier', () => readIdentity(attributes, nameId));
  const email = run('email', () => readEmail(attributes, nameId, mapping.email));
  const groups = run('groups', () => firstPresent(attributes, mapping.groups));
  const overLimit = OVER_LIMIT.some((name) => attributes.has(name));
  return {
    identity,
    email,
    name: run('name', () => readName(attributes, mapping.name)) ?? email,
    groups: [...new Set(groups ?? [])],
    groupsState: overLimit ? 'over_limit' : groups ? 'present' : 'absent',
  };
}

function readIdentity(attributes: Attributes, nameId: NameId | undefined): string {
  for (const name of STABLE_IDENTIFIERS) {
    const value = onlyValue(attributes, name);
    if (value !== undefined && value !== '') return bounded(JSON.stringify([name, value]));
  }
  if (!nameId || nameId.value.trim() === '') throw new GatewayError('saml_name_id_missing', 'There is no NameID.');
  if (nameId.format === NAME_ID_TRANSIENT) {
    throw new GatewayError(
      'saml_name_id_missing',
      'The NameID is transient: another one at every sign-in, so that nobody could be known again.',
    );
  }
  // A persistent NameID is unique within its qualifiers only (saml-core §8.3.7).
  const qualifiers = nameId.format === NAME_ID_PERSISTENT ? [nameId.nameQualifier ?? '', nameId.spNameQualifier ?? ''] : [];
  return bounded(JSON.stringify(['NameID', nameId.value, ...qualifiers]));
}

/** saml-core §8.3.7 allows 256 characters; with qualifiers and some room this still fits an index of the store. */
function bounded(identity: string): string {
  if (identity.length > 900) throw new GatewayError('saml_name_id_missing', 'The identifier of the person is too long.');
  return identity;
}

function readEmail(attributes: Attributes, nameId: NameId | undefined, names: readonly string[]): string {
  for (const name of names) {
    const value = onlyValue(attributes, name);
    if (value !== undefined && isEmail(value)) return value;
  }
  const sent = names.some((name) => (attributes.get(name) ?? []).length > 0);
  // Only a NameID that calls itself an address, and only where no address was sent: Entra ID gives guests a NameID of this
  // format that is no address of theirs (ada_corp.com#EXT#@tenant.onmicrosoft.com).
  if (!sent && nameId?.format === NAME_ID_EMAIL && isEmail(nameId.value) && !nameId.value.includes('#EXT#')) return nameId.value;
  throw new GatewayError(
    'saml_email_missing',
    sent ? 'The e-mail attribute has several values, or none that is an address.' : 'No attribute holds an e-mail address.',
  );
}

function readName(attributes: Attributes, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = onlyValue(attributes, name);
    if (value !== undefined && value.trim() !== '') return shortened(value);
  }
  const parts = [GIVEN_NAMES, SURNAMES].map((known) => known.map((name) => onlyValue(attributes, name)).find((value) => value));
  const full = parts.filter((part) => part !== undefined).join(' ');
  return full === '' ? undefined : shortened(full);
}

const MAX_NAME = 256;

/** Never cut inside a surrogate pair: half of one is no text. */
const shortened = (name: string): string => name.slice(0, MAX_NAME).replace(/[\ud800-\udbff]$/, '');

/** One @, no white space or control characters, a domain of labels; at most 254 characters (RFC 5321 §4.5.3.1.3). */
export const isEmail = (value: string): boolean =>
  value.length <= 254 &&
  /^[^\s@<>()[\]\\,;:"\p{C}]{1,64}@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)*[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?$/u.test(
    value,
  );

const onlyValue = (attributes: Attributes, name: string): string | undefined => {
  const values = texts(attributes, name);
  return values?.length === 1 ? values[0] : undefined;
};

function firstPresent(attributes: Attributes, names: readonly string[]): readonly string[] | undefined {
  for (const name of names) {
    const values = texts(attributes, name);
    if (values) return values;
  }
  return undefined;
}

function texts(attributes: Attributes, name: string): readonly string[] | undefined {
  const values = attributes.get(name);
  if (!values) return undefined;
  return values.map((value) => {
    if (value === undefined) throw new GatewayError('saml_malformed', 'An attribute that is read here has markup inside its value.');
    return value;
  });
}
