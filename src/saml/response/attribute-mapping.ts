/** The attribute names that are read for each property of a user. The first attribute with a usable value is taken. */
export interface AttributeMapping {
  readonly email: readonly string[];
  readonly name: readonly string[];
  readonly groups: readonly string[];
}

export const WS_CLAIMS = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';
export const MS_CLAIMS = 'http://schemas.microsoft.com';

/**
 * Attributes in which Keycloak and Entra ID send roles. They are suggested for groups, but not read by default: what was not a group
 * yesterday would decide about roles today.
 */
export const ROLE_ATTRIBUTES: readonly string[] = ['Role', 'roles', `${MS_CLAIMS}/ws/2008/06/identity/claims/role`];

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
