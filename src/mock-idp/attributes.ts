/** The attributes that each product sends about a person. */
import { ENTRA_TENANT_ID, type Person } from './people.ts';

/** An `Attribute` element of a response. */
export interface SamlAttribute {
  readonly name: string;
  readonly nameFormat?: string | undefined;
  readonly friendlyName?: string | undefined;
  /** The `xsi:type` of the values. */
  readonly valueType?: 'xs:string' | 'xs:anyType' | undefined;
  readonly values: readonly string[];
}

const NAME_FORMAT_UNSPECIFIED = 'urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified';

/** The groups filter of the Okta application ("Matches regex"). */
const OKTA_GROUP_FILTER = /^(?:platform-admins|engineering)$/;

/** Above this number of groups Entra ID sends {@link ENTRA_GROUPS_LINK_CLAIM} instead. */
export const ENTRA_GROUP_LIMIT = 150;
export const ENTRA_GROUPS_CLAIM = 'http://schemas.microsoft.com/ws/2008/06/identity/claims/groups';
export const ENTRA_GROUPS_LINK_CLAIM = 'http://schemas.microsoft.com/claims/groups.link';

/** Carries the object id, which provisioning sends as `externalId`. */
export const ENTRA_OBJECT_ID_CLAIM = 'http://schemas.microsoft.com/identity/claims/objectidentifier';

/** The names that an administrator entered in Google's attribute mapping. */
export const GOOGLE_ATTRIBUTE_NAMES = { email: 'email', firstName: 'firstName', lastName: 'lastName', groups: 'groups' } as const;

/** Returns Okta's attributes. If no group matches the filter, Okta omits the groups attribute. */
export function oktaAttributes(person: Person): readonly SamlAttribute[] {
  const attribute = (name: string, values: readonly string[]): SamlAttribute => ({
    name,
    nameFormat: NAME_FORMAT_UNSPECIFIED,
    valueType: 'xs:string',
    values,
  });
  return [
    attribute('email', [person.email]),
    attribute('firstName', [person.firstName]),
    attribute('lastName', [person.lastName]),
    ...unlessEmpty(
      attribute(
        'groups',
        person.groups.filter((group) => OKTA_GROUP_FILTER.test(group)),
      ),
    ),
  ];
}

/**
 * Returns Entra ID's claims. For a person in no group, Entra ID omits the groups claim. For a person in too many groups it sends a link
 * to Microsoft Graph, which only a client with a Graph token can follow.
 */
export function entraAttributes(person: Person): readonly SamlAttribute[] {
  const microsoft = 'http://schemas.microsoft.com/identity/claims';
  const soap = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';
  const claim = (name: string, ...values: readonly string[]): SamlAttribute => ({ name, values });
  return [
    claim(`${microsoft}/tenantid`, ENTRA_TENANT_ID),
    claim(ENTRA_OBJECT_ID_CLAIM, person.objectId),
    claim(`${microsoft}/displayname`, `${person.firstName} ${person.lastName}`),
    ...entraGroups(person),
    claim(`${microsoft}/identityprovider`, `https://sts.windows.net/${person.homeTenantId ?? ENTRA_TENANT_ID}/`),
    claim(
      'http://schemas.microsoft.com/claims/authnmethodsreferences',
      'http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password',
    ),
    claim(`${soap}/givenname`, person.firstName),
    claim(`${soap}/surname`, person.lastName),
    claim(`${soap}/emailaddress`, person.email),
    claim(`${soap}/name`, person.username),
  ];
}

function entraGroups(person: Person): readonly SamlAttribute[] {
  if (person.groups.length <= ENTRA_GROUP_LIMIT) return unlessEmpty({ name: ENTRA_GROUPS_CLAIM, values: person.groups });
  const link = `https://graph.windows.net/${ENTRA_TENANT_ID}/users/${person.objectId}/getMemberObjects`;
  return [{ name: ENTRA_GROUPS_LINK_CLAIM, values: [link] }];
}

/** Returns Google's attributes. Google sends no NameFormat, and only the groups that an administrator selected for the application. */
export function googleAttributes(person: Person): readonly SamlAttribute[] {
  const attribute = (name: string, values: readonly string[]): SamlAttribute => ({ name, valueType: 'xs:anyType', values });
  return [
    attribute(GOOGLE_ATTRIBUTE_NAMES.email, [person.email]),
    attribute(GOOGLE_ATTRIBUTE_NAMES.firstName, [person.firstName]),
    attribute(GOOGLE_ATTRIBUTE_NAMES.lastName, [person.lastName]),
    ...unlessEmpty(attribute(GOOGLE_ATTRIBUTE_NAMES.groups, person.groups)),
  ];
}

function unlessEmpty(attribute: SamlAttribute): readonly SamlAttribute[] {
  return attribute.values.length === 0 ? [] : [attribute];
}
