/** The attributes that can identify users, and those that never do. */
import { type AttributeMapping, DEFAULT_ATTRIBUTE_MAPPING, MS_CLAIMS } from '../response/attribute-mapping.ts';
import type { Attributes } from '../response/attributes.ts';

const EDU_PERSON = 'urn:oid:1.3.6.1.4.1.5923.1.1.1';

/** All names of attributes whose specifications compare values without regard to case. */
const UNIQUE_ID = [`${EDU_PERSON}.13`, 'eduPersonUniqueId', 'urn:mace:dir:attribute-def:eduPersonUniqueId'];
const PRINCIPAL_NAME = [`${EDU_PERSON}.6`, 'eduPersonPrincipalName', 'urn:mace:dir:attribute-def:eduPersonPrincipalName'];
const SUBJECT_ID = 'urn:oasis:names:tc:SAML:attribute:subject-id';
const PAIRWISE_ID = 'urn:oasis:names:tc:SAML:attribute:pairwise-id';
const CASE_INSENSITIVE = new Set([SUBJECT_ID, PAIRWISE_ID, 'subject-id', 'pairwise-id', ...UNIQUE_ID, ...PRINCIPAL_NAME]);

/** Attributes that are preferred to a NameID, because they survive a change of name or email address. The most stable come first. */
export const BEST_ATTRIBUTES: readonly string[] = [`${MS_CLAIMS}/identity/claims/objectidentifier`, SUBJECT_ID, PAIRWISE_ID];

/** Attributes that identify a user if nothing better was sent. */
export const FURTHER_ATTRIBUTES: readonly string[] = [...UNIQUE_ID, ...PRINCIPAL_NAME];

/**
 * Returns whether the values of an attribute are compared without regard to the case of the letters A to Z.
 * @see saml-subject-id-attr §3.3, §3.4; eduPerson 202208 §2.2.8, §2.2.13
 */
export const foldsCase = (name: string): boolean => CASE_INSENSITIVE.has(name);

/** Returns whether an attribute contains email addresses. */
export const isEmailAttribute = (name: string, { email }: AttributeMapping): boolean =>
  email.includes(name) || DEFAULT_ATTRIBUTE_MAPPING.email.includes(name);

/** The last part of a name, without the namespace. An OID has no readable part, so it stays complete. */
const lastPart = (name: string): string => (name.startsWith('urn:oid:') ? name : (/[^/:#]*$/.exec(name)?.[0] ?? '')).toLowerCase();

/** Attributes whose values many users share. */
const SHARED_PART = /group|role|member|affiliation|entitlement/;
const SHARED = new Set([
  ...['o', 'ou', 'organization', 'organizationname', 'company', 'department', 'division', 'title', 'c', 'co', 'country', 'l', 'locality'],
  ...['st', 'preferredlanguage', 'locale', 'tenantid', 'identityprovider', 'authnmethodsreferences', 'schachomeorganization'],
  ...['urn:oid:2.5.4.6', 'urn:oid:2.5.4.7', 'urn:oid:2.5.4.8', 'urn:oid:2.5.4.10', 'urn:oid:2.5.4.11', 'urn:oid:2.5.4.12'],
  ...[1, 3, 4, 5, 7, 8, 9, 11].map((number) => `${EDU_PERSON}.${number}`),
  ...['urn:oid:1.3.6.1.4.1.5923.1.5.1.1', 'urn:oid:2.16.840.1.113730.3.1.39', 'urn:oid:1.3.6.1.4.1.25178.1.2.9'],
]);

/** Names of people, which are not unique. */
const PERSON_NAMES = new Set([
  ...['name', 'displayname', 'cn', 'commonname', 'fullname', 'full_name', 'givenname', 'given_name', 'gn', 'firstname', 'first_name'],
  ...['sn', 'surname', 'lastname', 'last_name', 'familyname', 'family_name', 'middlename', 'nickname', 'initials', 'gecos'],
  ...['urn:oid:2.5.4.3', 'urn:oid:2.5.4.4', 'urn:oid:2.5.4.42', 'urn:oid:2.5.4.43', 'urn:oid:2.16.840.1.113730.3.1.241'],
]);

/** Returns whether an attribute may identify users. Groups, roles and names never do, because several users can share them. */
export function canIdentify(name: string, mapping: AttributeMapping): boolean {
  const part = lastPart(name);
  if (SHARED_PART.test(part) || SHARED.has(part) || PERSON_NAMES.has(part)) return false;
  return ![...mapping.groups, ...mapping.name, ...DEFAULT_ATTRIBUTE_MAPPING.groups, ...DEFAULT_ATTRIBUTE_MAPPING.name].includes(name);
}

const MAX_OFFERED = 20;

/** Returns the names of the attributes that an administrator can choose as identifier: those with one value that may identify users. */
export function offeredAttributes(attributes: Attributes, mapping: AttributeMapping): string[] {
  const offered: string[] = [];
  for (const [name, values] of attributes) {
    const [value, ...others] = values.filter((text) => text !== '');
    const isOnly = others.length === 0 && value !== undefined && !isBlank(value) && value.length <= MAX_IDENTIFIER_LENGTH;
    if (isOnly && name.length <= MAX_NAME_LENGTH && isPlainText(name) && canIdentify(name, mapping)) offered.push(name);
  }
  return offered.slice(0, MAX_OFFERED);
}

/** The settings accept attribute names of this length, on one line. */
const MAX_NAME_LENGTH = 512;
const isPlainText = (name: string): boolean => !/[\p{Cc}\u2028\u2029\p{Cs}]/u.test(name);

/** saml-core §8.3.7 allows 256 characters. This limit also fits qualifiers. */
export const MAX_IDENTIFIER_LENGTH = 900;

export const isBlank = (text: string): boolean => text.trim() === '';
