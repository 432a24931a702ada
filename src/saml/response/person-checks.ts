/**
/**
 * Reads an email address, groups and a name from the attributes and the NameID of an assertion. Values are compared code point by code
 * point. Nothing but an email address is trimmed, and nothing is case-folded, split or normalized, because that could merge two groups.
 */
import { GatewayError } from '../../errors.ts';
import { isEmail } from '../email-address.ts';
import { NAME_ID_EMAIL } from '../names.ts';
import { shownWithoutText } from '../shown-text.ts';
import { trimXmlSpace } from '../xml/white-space.ts';
import { MS_CLAIMS, WS_CLAIMS } from './attribute-mapping.ts';
import type { Attributes } from './attributes.ts';
import type { NameId } from './name-id.ts';

const GIVEN_NAMES = ['firstName', 'givenName', 'first_name', `${WS_CLAIMS}/givenname`, 'urn:oid:2.5.4.42'];
const SURNAMES = ['lastName', 'surname', 'sn', 'last_name', `${WS_CLAIMS}/surname`, 'urn:oid:2.5.4.4'];

/** Entra ID sends one of these instead of the groups for a user with more than 150 groups. */
const OVER_LIMIT = [`${MS_CLAIMS}/claims/groups.link`, 'http://schemas.microsoft.com/ws/2008/06/identity/claims/groups.link'];

export interface Groups {
  readonly groups: readonly string[];
  /**
   * Distinguishes three cases that look alike: no groups at all (`absent`), more groups than the identity provider sends
   * (`over_limit`), and groups that were sent, possibly none with a role (`present`).
   */
  readonly groupsState: 'present' | 'absent' | 'over_limit';
}

/** Reads the email address: one value, which may be repeated and may have white space around it. */
export function readEmail(attributes: Attributes, nameId: NameId | undefined, names: readonly string[]): string {
  for (const name of names) {
    const values = new Set(texts(attributes, name)?.map(trimXmlSpace));
    const [value] = values;
    if (value !== undefined && values.size === 1 && isEmail(value)) return value;
  }
  const isSent = names.some((name) => (attributes.get(name) ?? []).length > 0);
  // A NameID is an email address only if its format says so, and is used only if no address was sent: Entra ID gives guests a
  // NameID of this format that is not their address (ada_corp.com#EXT#@tenant.onmicrosoft.com).
  const address = trimXmlSpace(nameId?.value ?? '');
  if (!isSent && nameId?.format === NAME_ID_EMAIL && isEmail(address) && !address.includes('#EXT#')) return address;
  throw emailMissing(names.flatMap((name) => attributes.get(name) ?? []));
}

/** @param values everything that was sent as an email address */
function emailMissing(values: readonly (string | undefined)[]): GatewayError {
  if (values.length === 0) return new GatewayError('saml_email_missing', 'No attribute contains an email address.');
  const detail = 'The email attribute has several values, or none that is an email address.';
  const padded = values.find((value) => value !== undefined && isEmail(value.replaceAll(/[\p{Cc}\p{Cf}\p{Z}]/gu, '')));
  if (padded === undefined || isEmail(trimXmlSpace(padded))) return new GatewayError('saml_email_missing', detail);
  return new GatewayError('saml_email_missing', {
    detail,
    administratorDetail: `The email attribute has white space or invisible characters inside its value: ${shownWithoutText(padded)}.`,
  });
}

/** @returns the values of the first groups attribute that has any; undefined if none has */
export function readGroups(attributes: Attributes, names: readonly string[]): readonly string[] | undefined {
  for (const name of names) {
    const values = texts(attributes, name);
    if (values && values.length > 0) return values;
  }
  return undefined;
}

/** @param groups as {@link readGroups} returns them */
export const groupsOf = (attributes: Attributes, groups: readonly string[] | undefined): Groups => ({
  groups: [...new Set(groups ?? [])],
  groupsState: OVER_LIMIT.some((name) => attributes.has(name)) ? 'over_limit' : groups ? 'present' : 'absent',
});

export function readName(attributes: Attributes, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = onlyValue(attributes, name);
    if (value !== undefined && value.trim() !== '') return shortened(value);
  }
  const parts = [GIVEN_NAMES, SURNAMES].map((known) => known.map((name) => onlyValue(attributes, name)).find((value) => value));
  const full = parts.filter((part) => part !== undefined).join(' ');
  return full === '' ? undefined : shortened(full);
}

const MAX_NAME = 256;

/** Never cuts a surrogate pair in half. */
const shortened = (name: string): string => name.slice(0, MAX_NAME).replace(/[\ud800-\udbff]$/, '');

const onlyValue = (attributes: Attributes, name: string): string | undefined => {
  const values = texts(attributes, name);
  return values?.length === 1 ? values[0] : undefined;
};

/** @throws saml_malformed for a value that cannot be read as text */
function texts(attributes: Attributes, name: string): readonly string[] | undefined {
  const values = attributes.get(name);
  if (!values) return undefined;
  return values.map((value) => {
    if (value === undefined) throw new GatewayError('saml_malformed', 'A required attribute has markup inside its value.');
    return value;
  });
}
