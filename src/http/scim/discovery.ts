/** The documents that tell SCIM clients what the gateway supports (RFC 7643 §5, §6, §7). */

import { MAX_COUNT } from '../../organizations/provisioning/paged-list.ts';
import { type Attributes, ENTERPRISE_SCHEMA, GROUP_SCHEMA, type Json, USER_SCHEMA } from '../../scim/attributes.ts';

const SCHEMAS = 'urn:ietf:params:scim:schemas:core:2.0';

export const serviceProviderConfig = (base: string): Attributes => ({
  schemas: [`${SCHEMAS}:ServiceProviderConfig`],
  patch: { supported: true },
  bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
  filter: { supported: true, maxResults: MAX_COUNT },
  changePassword: { supported: false },
  sort: { supported: false },
  etag: { supported: true },
  authenticationSchemes: [
    {
      type: 'oauthbearertoken',
      name: 'SCIM token',
      description: 'A token that an owner or the operator creates, sent as a bearer token.',
      primary: true,
    },
  ],
  meta: { resourceType: 'ServiceProviderConfig', location: `${base}/ServiceProviderConfig` },
});

export const resourceTypes = (base: string): readonly Attributes[] => [
  {
    schemas: [`${SCHEMAS}:ResourceType`],
    id: 'User',
    name: 'User',
    endpoint: '/Users',
    description: 'Members of the organization',
    schema: USER_SCHEMA,
    schemaExtensions: [{ schema: ENTERPRISE_SCHEMA, required: false }],
    meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/User` },
  },
  {
    schemas: [`${SCHEMAS}:ResourceType`],
    id: 'Group',
    name: 'Group',
    endpoint: '/Groups',
    description: 'Groups of users, which can give roles',
    schema: GROUP_SCHEMA,
    meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/Group` },
  },
];

interface AttributeOptions {
  readonly required?: boolean;
  readonly caseExact?: boolean;
  readonly uniqueness?: 'none' | 'server';
  readonly subAttributes?: readonly Attributes[];
  readonly multiValued?: boolean;
  readonly mutability?: 'readWrite' | 'readOnly' | 'immutable';
}

const attribute = (name: string, type: string, description: string, options: AttributeOptions = {}): Attributes => {
  const {
    required = false,
    caseExact = false,
    uniqueness = 'none',
    subAttributes,
    multiValued = false,
    mutability = 'readWrite',
  } = options;
  return {
    name,
    type,
    multiValued,
    description,
    required,
    caseExact,
    mutability,
    returned: 'default',
    uniqueness,
    ...(subAttributes ? { subAttributes } : {}),
  };
};

const text = (name: string, description: string, options: AttributeOptions = {}) => attribute(name, 'string', description, options);

export const schemas = (base: string): readonly Attributes[] => [
  schema(base, USER_SCHEMA, 'User', [
    text('userName', 'The name of the user at the identity provider', { required: true, uniqueness: 'server' }),
    text('externalId', 'The id of the user at the identity provider', { caseExact: true }),
    attribute('name', 'complex', 'The parts of the name', {
      subAttributes: ['formatted', 'familyName', 'givenName', 'middleName'].map((name) => text(name, 'A part of the name')),
    }),
    text('displayName', 'The name of the user'),
    attribute('active', 'boolean', 'Whether the user has access'),
    attribute('emails', 'complex', 'Email addresses. The primary one is that of the member', {
      multiValued: true,
      subAttributes: [
        text('value', 'The address'),
        text('type', 'Such as work'),
        attribute('primary', 'boolean', 'Whether it is the primary one'),
      ],
    }),
    attribute('groups', 'complex', 'The groups of the user, which only requests for groups change', {
      multiValued: true,
      mutability: 'readOnly',
      subAttributes: ['value', '$ref', 'display', 'type'].map((name) => text(name, 'A part of the group', { mutability: 'readOnly' })),
    }),
    ...['title', 'userType', 'preferredLanguage', 'locale', 'timezone'].map((name) => text(name, 'Stored and returned, but not used')),
  ]),
  schema(base, GROUP_SCHEMA, 'Group', [
    text('displayName', 'The name of the group, by which role rules give roles', { required: true, uniqueness: 'server' }),
    text('externalId', 'The id of the group at the identity provider', { caseExact: true }),
    attribute('members', 'complex', 'The users in the group', {
      multiValued: true,
      subAttributes: [
        text('value', 'The id of the user', { mutability: 'immutable' }),
        text('$ref', 'The URL of the user', { mutability: 'readOnly' }),
        text('type', 'Always User', { mutability: 'readOnly' }),
      ],
    }),
  ]),
  schema(base, ENTERPRISE_SCHEMA, 'EnterpriseUser', [
    ...['employeeNumber', 'costCenter', 'organization', 'division', 'department'].map((name) =>
      text(name, 'Stored and returned, but not used'),
    ),
    attribute('manager', 'complex', 'Stored and returned, but not used', { subAttributes: [text('value', 'The id of the manager')] }),
  ]),
];

const schema = (base: string, id: string, name: string, attributes: readonly Json[]): Attributes => ({
  schemas: [`${SCHEMAS}:Schema`],
  id,
  name,
  description: name,
  attributes,
  meta: { resourceType: 'Schema', location: `${base}/Schemas/${id}` },
});
