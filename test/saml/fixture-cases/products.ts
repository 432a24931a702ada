/** Responses as the identity provider products write them, unsigned. */
import type { CaseSettings } from './case.ts';
import {
  ACS_URL,
  ASSERTION,
  ENTITY_ID,
  ENVELOPED,
  EXC,
  type ExpectedPerson,
  type HandSigning,
  inclusiveNamespaces,
  keyInfoOf,
  lines,
  NOW,
  PROTOCOL,
  REQUEST_ID,
} from './hand-made.ts';

const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';
const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';
const SAML2 = 'urn:oasis:names:tc:SAML:2.0';
const EMAIL_FORMAT = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';
const PASSWORD = `${SAML2}:ac:classes:PasswordProtectedTransport`;
const XS = 'http://www.w3.org/2001/XMLSchema';
const XSI = 'http://www.w3.org/2001/XMLSchema-instance';

/** The settings of an administrator at the identity provider. Default: those of the fixtures. */
export interface SetUp {
  readonly idp?: string;
  /** The attributes, for products in which the administrator chooses all attribute names. */
  readonly sent?: readonly (readonly [name: string, ...values: string[]])[];
}

export interface Product {
  readonly name: string;
  readonly idp: string;
  /** Unsigned. */
  readonly xml: string;
  readonly responseId: string;
  readonly assertionId: string;
  readonly signature: Partial<HandSigning>;
  readonly person: ExpectedPerson;
  readonly settings?: CaseSettings;
}

const adfs = (certificate: string, { idp = 'http://adfs.acme.test/adfs/services/trust' }: SetUp = {}): Product => {
  const claims = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';
  const [responseId, assertionId] = ['_0d8e6c1b-2f4a-4c59-9d3b-7a1e5f608c42', '_b7f2a9d4-1c3e-4f68-8a05-3d9c6e2b7f10'];
  return {
    name: 'adfs',
    idp,
    responseId,
    assertionId,
    xml: `<samlp:Response ID="${responseId}" Version="2.0" IssueInstant="2026-01-15T12:00:00.123Z" Destination="${ACS_URL}" Consent="${SAML2}:consent:unspecified" InResponseTo="${REQUEST_ID}" xmlns:samlp="${PROTOCOL}"><Issuer xmlns="${ASSERTION}">${idp}</Issuer><samlp:Status><samlp:StatusCode Value="${SUCCESS}" /></samlp:Status><Assertion ID="${assertionId}" IssueInstant="2026-01-15T12:00:00.123Z" Version="2.0" xmlns="${ASSERTION}"><Issuer>${idp}</Issuer><Subject><NameID Format="${SAML2}:nameid-format:persistent">S-1-5-21-1004336348-1177238915-682003330-512</NameID><SubjectConfirmation Method="${BEARER}"><SubjectConfirmationData InResponseTo="${REQUEST_ID}" NotOnOrAfter="2026-01-15T12:05:00.123Z" Recipient="${ACS_URL}" /></SubjectConfirmation></Subject><Conditions NotBefore="2026-01-15T12:00:00.107Z" NotOnOrAfter="2026-01-15T13:00:00.107Z"><AudienceRestriction><Audience>${ENTITY_ID}</Audience></AudienceRestriction></Conditions><AttributeStatement><Attribute Name="${claims}/emailaddress"><AttributeValue>olivia@acme.test</AttributeValue></Attribute><Attribute Name="${claims}/givenname"><AttributeValue>Olivia</AttributeValue></Attribute><Attribute Name="${claims}/surname"><AttributeValue>Owner</AttributeValue></Attribute><Attribute Name="http://schemas.xmlsoap.org/claims/Group"><AttributeValue>Domain Users</AttributeValue><AttributeValue>platform-admins</AttributeValue></Attribute></AttributeStatement><AuthnStatement AuthnInstant="2026-01-15T11:59:59.842Z" SessionIndex="${assertionId}"><AuthnContext><AuthnContextClassRef>${PASSWORD}</AuthnContextClassRef></AuthnContext></AuthnStatement></Assertion></samlp:Response>`,
    signature: {
      keyInfo: `<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${certificate}</ds:X509Certificate></ds:X509Data></KeyInfo>`,
    },
    person: {
      identity: JSON.stringify(['NameID', 'S-1-5-21-1004336348-1177238915-682003330-512', '', '']),
      email: 'olivia@acme.test',
      name: 'Olivia Owner',
      groups: ['Domain Users', 'platform-admins'],
      groupsState: 'present',
    },
  };
};

/** Groups are paths. The administrator names their attribute; the default is `member`. */
const keycloak = (certificate: string, { idp = 'https://keycloak.acme.test/realms/acme' }: SetUp = {}): Product => {
  const [responseId, assertionId] = ['ID_2b0c7a5e-93d1-4b8f-8e64-5c1f0a7d3e92', 'ID_7e41d9c6-0b52-4af3-a9d8-61c3f5e2b074'];
  const session = '5f0d2c9e-7b14-4e6a-b3d8-8a92c1f7e605::0c8b6d3e-1f47-4a92-9e5d-b2a7f4c80d16';
  const attribute = (name: string, format: string, ...values: string[]) =>
    `<saml:Attribute FriendlyName="${name}" Name="${name}" NameFormat="${SAML2}:attrname-format:${format}">${values.map((value) => `<saml:AttributeValue xmlns:xs="${XS}" xmlns:xsi="${XSI}" xsi:type="xs:string">${value}</saml:AttributeValue>`).join('')}</saml:Attribute>`;
  return {
    name: 'keycloak',
    idp,
    responseId,
    assertionId,
    xml: `<samlp:Response xmlns:samlp="${PROTOCOL}" xmlns:saml="${ASSERTION}" Destination="${ACS_URL}" ID="${responseId}" InResponseTo="${REQUEST_ID}" IssueInstant="2026-01-15T12:00:00.411Z" Version="2.0"><saml:Issuer>${idp}</saml:Issuer><samlp:Status><samlp:StatusCode Value="${SUCCESS}"/></samlp:Status><saml:Assertion xmlns="${ASSERTION}" ID="${assertionId}" IssueInstant="2026-01-15T12:00:00.410Z" Version="2.0"><saml:Issuer>${idp}</saml:Issuer><saml:Subject><saml:NameID Format="${SAML2}:nameid-format:persistent">G-9c1f5e27-4b3d-4a80-b6e9-2d7f0c8a5e13</saml:NameID><saml:SubjectConfirmation Method="${BEARER}"><saml:SubjectConfirmationData InResponseTo="${REQUEST_ID}" NotOnOrAfter="2026-01-15T12:04:58.410Z" Recipient="${ACS_URL}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-01-15T11:59:58.410Z" NotOnOrAfter="2026-01-15T12:00:58.410Z"><saml:AudienceRestriction><saml:Audience>${ENTITY_ID}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-01-15T12:00:00.411Z" SessionIndex="${session}" SessionNotOnOrAfter="2026-01-15T22:00:00.411Z"><saml:AuthnContext><saml:AuthnContextClassRef>${SAML2}:ac:classes:unspecified</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>${attribute('email', 'basic', 'olivia@acme.test')}${attribute('firstName', 'basic', 'Olivia')}${attribute('lastName', 'basic', 'Owner')}${attribute('member', 'basic', '/platform-admins', '/engineering')}${attribute('Role', 'basic', 'manage-account')}${attribute('Role', 'basic', 'view-profile')}</saml:AttributeStatement></saml:Assertion></samlp:Response>`,
    signature: {
      prefix: 'dsig',
      keyInfo: `<ds:KeyInfo><ds:KeyName>9mWgM5bUu7Y</ds:KeyName>${keyInfoOf(certificate).replaceAll(/<\/?ds:KeyInfo>/g, '')}</ds:KeyInfo>`,
    },
    person: {
      identity: JSON.stringify(['NameID', 'G-9c1f5e27-4b3d-4a80-b6e9-2d7f0c8a5e13', '', '']),
      email: 'olivia@acme.test',
      name: 'Olivia Owner',
      groups: ['/platform-admins', '/engineering'],
      groupsState: 'present',
    },
    settings: {
      attributeMapping: { groups: ['member'] },
      roleMapping: { rules: [{ group: '/platform-admins', role: 'owner' }], defaultRole: 'collaborator' },
    },
  };
};

/** A transient NameID and a persistent subject-id. eduPersonTargetedID contains an element by definition. */
const shibboleth = (certificate: string, { idp = 'https://idp.university.test/idp/shibboleth' }: SetUp = {}): Product => {
  const [responseId, assertionId] = ['_4c0f6c2a5d9be7830e1f7a92bd64c518', '_a91e3b7f5c280d46e9f1c7b3d8506a2e'];
  const attribute = (friendlyName: string, name: string, ...values: string[]) =>
    `<saml2:Attribute FriendlyName="${friendlyName}" Name="${name}" NameFormat="${SAML2}:attrname-format:uri">${values.map((value) => `<saml2:AttributeValue xmlns:xsi="${XSI}" xsi:type="xsd:string">${value}</saml2:AttributeValue>`).join('')}</saml2:Attribute>`;
  return {
    name: 'shibboleth',
    idp,
    responseId,
    assertionId,
    xml: `<?xml version="1.0" encoding="UTF-8"?>\n<saml2p:Response xmlns:saml2p="${PROTOCOL}" Destination="${ACS_URL}" ID="${responseId}" InResponseTo="${REQUEST_ID}" IssueInstant="2026-01-15T12:00:00.730Z" Version="2.0">\n<saml2:Issuer xmlns:saml2="${ASSERTION}">${idp}</saml2:Issuer><saml2p:Status><saml2p:StatusCode Value="${SUCCESS}"/></saml2p:Status><saml2:Assertion xmlns:saml2="${ASSERTION}" xmlns:xsd="${XS}" ID="${assertionId}" IssueInstant="2026-01-15T12:00:00.730Z" Version="2.0"><saml2:Issuer>${idp}</saml2:Issuer><saml2:Subject><saml2:NameID Format="${SAML2}:nameid-format:transient" NameQualifier="${idp}" SPNameQualifier="${ENTITY_ID}">AAdzZWNyZXQxb8mXTBLp0wq3+YBZmVA=</saml2:NameID><saml2:SubjectConfirmation Method="${BEARER}"><saml2:SubjectConfirmationData Address="192.0.2.17" InResponseTo="${REQUEST_ID}" NotOnOrAfter="2026-01-15T12:05:00.741Z" Recipient="${ACS_URL}"/></saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore="2026-01-15T12:00:00.730Z" NotOnOrAfter="2026-01-15T12:05:00.730Z"><saml2:AudienceRestriction><saml2:Audience>${ENTITY_ID}</saml2:Audience></saml2:AudienceRestriction></saml2:Conditions><saml2:AuthnStatement AuthnInstant="2026-01-15T11:59:58.210Z" SessionIndex="_8f2d1c9b7a6e5f403d1c2b9a8e7f6d5c"><saml2:SubjectLocality Address="192.0.2.17"/><saml2:AuthnContext><saml2:AuthnContextClassRef>${PASSWORD}</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement>${attribute('mail', 'urn:oid:0.9.2342.19200300.100.1.3', 'o.owner@university.test')}${attribute('displayName', 'urn:oid:2.16.840.1.113730.3.1.241', 'Olivia Öwner')}${attribute('subject-id', 'urn:oasis:names:tc:SAML:attribute:subject-id', 'oowner@university.test')}${attribute('isMemberOf', 'urn:oid:1.3.6.1.4.1.5923.1.5.1.1', 'platform-admins', 'urn:mace:university.test:staff')}<saml2:Attribute FriendlyName="eduPersonTargetedID" Name="urn:oid:1.3.6.1.4.1.5923.1.1.1.10" NameFormat="${SAML2}:attrname-format:uri"><saml2:AttributeValue><saml2:NameID Format="${SAML2}:nameid-format:persistent" NameQualifier="${idp}" SPNameQualifier="${ENTITY_ID}">wXv1c9Qe7Jm4</saml2:NameID></saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement></saml2:Assertion></saml2p:Response>`,
    signature: {
      between: '\n',
      transforms: [
        [ENVELOPED, ''],
        [EXC, inclusiveNamespaces('xsd')],
      ],
      inclusivePrefixes: ['xsd'],
      signatureValue: (value) => `\n${lines(value, 76)}\n`,
      keyInfo: keyInfoOf(lines(certificate, 64)),
    },
    person: {
      identity: JSON.stringify(['urn:oasis:names:tc:SAML:attribute:subject-id', 'oowner@university.test']),
      email: 'o.owner@university.test',
      name: 'Olivia Öwner',
      groups: ['platform-admins', 'urn:mace:university.test:staff'],
      groupsState: 'present',
    },
  };
};

const simpleSamlPhp = (certificate: string, { idp = 'https://idp.acme.test/simplesaml/saml2/idp/metadata.php' }: SetUp = {}): Product => {
  const [responseId, assertionId] = ['_c3a7be6f15d0941e8b2f7c6d0a935e4817fd2b6c90', '_58e1d7f3a06b9c24e5d8f17b3a6c0e924d5f8b71ca'];
  const attribute = (name: string, ...values: string[]) =>
    `<saml:Attribute Name="${name}" NameFormat="${SAML2}:attrname-format:basic">${values.map((value) => `<saml:AttributeValue xsi:type="xs:string">${value}</saml:AttributeValue>`).join('')}</saml:Attribute>`;
  return {
    name: 'simplesamlphp',
    idp,
    responseId,
    assertionId,
    xml: `<samlp:Response xmlns:samlp="${PROTOCOL}" xmlns:saml="${ASSERTION}" ID="${responseId}" Version="2.0" IssueInstant="${NOW}" Destination="${ACS_URL}" InResponseTo="${REQUEST_ID}"><saml:Issuer>${idp}</saml:Issuer><samlp:Status><samlp:StatusCode Value="${SUCCESS}"/></samlp:Status><saml:Assertion xmlns:xsi="${XSI}" xmlns:xs="${XS}" ID="${assertionId}" Version="2.0" IssueInstant="${NOW}"><saml:Issuer>${idp}</saml:Issuer><saml:Subject><saml:NameID SPNameQualifier="${ENTITY_ID}" Format="${SAML2}:nameid-format:persistent">b7d1f8e6a93c02547e1b9d6f8a03c5e27d4f1b9a</saml:NameID><saml:SubjectConfirmation Method="${BEARER}"><saml:SubjectConfirmationData NotOnOrAfter="2026-01-15T12:05:00Z" Recipient="${ACS_URL}" InResponseTo="${REQUEST_ID}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-01-15T11:59:30Z" NotOnOrAfter="2026-01-15T12:05:00Z"><saml:AudienceRestriction><saml:Audience>${ENTITY_ID}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-01-15T11:58:12Z" SessionNotOnOrAfter="2026-01-15T20:00:00Z" SessionIndex="_77c1e0b9f5d3824a6e1c9b7f0d5a83e2"><saml:AuthnContext><saml:AuthnContextClassRef>${SAML2}:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>${attribute('uid', 'olivia')}${attribute('mail', 'olivia@acme.test')}${attribute('cn', 'Olivia Owner')}${attribute('eduPersonAffiliation', 'employee', 'staff')}${attribute('groups', 'platform-admins', 'engineering')}</saml:AttributeStatement></saml:Assertion></samlp:Response>`,
    signature: { between: '\n  ', keyInfo: keyInfoOf(certificate) },
    person: {
      identity: JSON.stringify(['NameID', 'b7d1f8e6a93c02547e1b9d6f8a03c5e27d4f1b9a', '', ENTITY_ID]),
      email: 'olivia@acme.test',
      name: 'Olivia Owner',
      groups: ['platform-admins', 'engineering'],
      groupsState: 'present',
    },
  };
};

/** Several roles arrive as one text with semicolons, which the gateway does not split. The attribute names need a mapping. */
const oneLogin = (
  certificate: string,
  {
    idp = 'https://app.onelogin.com/saml/metadata/6f0b2a9e-31c7-4d58-8e16-b9d3f7c5a204',
    sent = [
      ['User.email', 'olivia@acme.test'],
      ['User.FirstName', 'Olivia'],
      ['User.LastName', 'Owner'],
      ['memberOf', 'platform-admins;engineering'],
    ],
  }: SetUp = {},
): Product => {
  const [responseId, assertionId] = ['R8f1c6d3b9e7a50241f8d6b3c9e0a7f52d4b81c63', 'pfx3e9d6f1b-58a7-c240-9e6d-1f8b3c7a5d20'];
  const attribute = (name: string, ...values: string[]) =>
    `<saml:Attribute NameFormat="${SAML2}:attrname-format:basic" Name="${name}">${values.map((value) => `<saml:AttributeValue xmlns:xsi="${XSI}" xsi:type="xs:string">${value}</saml:AttributeValue>`).join('')}</saml:Attribute>`;
  return {
    name: 'onelogin',
    idp,
    responseId,
    assertionId,
    xml: `<samlp:Response xmlns:saml="${ASSERTION}" xmlns:samlp="${PROTOCOL}" ID="${responseId}" Version="2.0" IssueInstant="${NOW}" Destination="${ACS_URL}" InResponseTo="${REQUEST_ID}"><saml:Issuer>${idp}</saml:Issuer><samlp:Status><samlp:StatusCode Value="${SUCCESS}"/></samlp:Status><saml:Assertion xmlns:saml="${ASSERTION}" xmlns:xs="${XS}" xmlns:xsi="${XSI}" Version="2.0" ID="${assertionId}" IssueInstant="${NOW}"><saml:Issuer>${idp}</saml:Issuer><saml:Subject><saml:NameID Format="${EMAIL_FORMAT}">olivia@acme.test</saml:NameID><saml:SubjectConfirmation Method="${BEARER}"><saml:SubjectConfirmationData NotOnOrAfter="2026-01-15T12:03:00Z" Recipient="${ACS_URL}" InResponseTo="${REQUEST_ID}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-01-15T11:57:00Z" NotOnOrAfter="2026-01-15T12:03:00Z"><saml:AudienceRestriction><saml:Audience>${ENTITY_ID}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-01-15T11:59:59Z" SessionNotOnOrAfter="2026-01-16T12:00:00Z" SessionIndex="_9b6e0d40-d46a-013e-2f19-0a1c7e5b3f82"><saml:AuthnContext><saml:AuthnContextClassRef>${PASSWORD}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>${sent.map((each) => attribute(...each)).join('')}</saml:AttributeStatement></saml:Assertion></samlp:Response>`,
    signature: { keyInfo: keyInfoOf(certificate) },
    person: {
      identity: JSON.stringify(['NameID', 'olivia@acme.test']),
      email: 'olivia@acme.test',
      name: 'Olivia',
      groups: ['platform-admins;engineering'],
      groupsState: 'present',
    },
    settings: {
      attributeMapping: { email: ['User.email'], name: ['User.FirstName'] },
      roleMapping: { rules: [{ group: 'platform-admins;engineering', role: 'owner' }], defaultRole: 'collaborator' },
    },
  };
};

/** The entityID is not always a URL. */
const ping = (
  certificate: string,
  {
    idp = 'acme:pingfederate',
    sent = [
      ['mail', 'olivia@acme.test'],
      ['givenName', 'Olivia'],
      ['sn', 'Owner'],
      ['memberOf', 'CN=platform-admins,OU=Groups,DC=acme,DC=test'],
    ],
  }: SetUp = {},
): Product => {
  const [responseId, assertionId] = ['u5Qw.9ZkTyB2-vL1mXrC7pNdEa', 'hR3f.K8tWqJ0-yV6bGsM4nXcUo'];
  const attribute = (name: string, ...values: string[]) =>
    `<saml:Attribute Name="${name}" NameFormat="${SAML2}:attrname-format:basic">${values.map((value) => `<saml:AttributeValue xsi:type="xs:string" xmlns:xs="${XS}" xmlns:xsi="${XSI}">${value}</saml:AttributeValue>`).join('')}</saml:Attribute>`;
  return {
    name: 'ping',
    idp,
    responseId,
    assertionId,
    xml: `<samlp:Response Version="2.0" ID="${responseId}" IssueInstant="2026-01-15T12:00:00.512Z" InResponseTo="${REQUEST_ID}" Destination="${ACS_URL}" xmlns:samlp="${PROTOCOL}"><saml:Issuer xmlns:saml="${ASSERTION}">${idp}</saml:Issuer><samlp:Status><samlp:StatusCode Value="${SUCCESS}"/></samlp:Status><saml:Assertion ID="${assertionId}" IssueInstant="2026-01-15T12:00:00.606Z" Version="2.0" xmlns:saml="${ASSERTION}"><saml:Issuer>${idp}</saml:Issuer><saml:Subject><saml:NameID Format="${SAML2.replace('2.0', '1.1')}:nameid-format:unspecified">oowner</saml:NameID><saml:SubjectConfirmation Method="${BEARER}"><saml:SubjectConfirmationData Recipient="${ACS_URL}" NotOnOrAfter="2026-01-15T12:05:00.606Z" InResponseTo="${REQUEST_ID}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-01-15T11:55:00.606Z" NotOnOrAfter="2026-01-15T12:05:00.606Z"><saml:AudienceRestriction><saml:Audience>${ENTITY_ID}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement SessionIndex="${assertionId}" AuthnInstant="2026-01-15T12:00:00.605Z"><saml:AuthnContext><saml:AuthnContextClassRef>${SAML2}:ac:classes:unspecified</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>${sent.map((each) => attribute(...each)).join('')}</saml:AttributeStatement></saml:Assertion></samlp:Response>`,
    signature: { between: '\n', keyInfo: keyInfoOf(lines(certificate, 76)), signatureValue: (value) => `\n${lines(value, 76)}\n` },
    person: {
      identity: JSON.stringify(['NameID', 'oowner']),
      email: 'olivia@acme.test',
      name: 'Olivia Owner',
      groups: ['CN=platform-admins,OU=Groups,DC=acme,DC=test'],
      groupsState: 'present',
    },
    settings: {
      roleMapping: { rules: [{ group: 'CN=platform-admins,OU=Groups,DC=acme,DC=test', role: 'owner' }], defaultRole: 'collaborator' },
    },
  };
};

const jumpCloud = (
  certificate: string,
  {
    idp = 'JumpCloud-acme',
    sent = [
      ['email', 'olivia@acme.test'],
      ['firstname', 'Olivia'],
      ['lastname', 'Owner'],
      ['memberOf', 'engineering', 'platform-admins'],
    ],
  }: SetUp = {},
): Product => {
  const entity = `${SAML2}:nameid-format:entity`;
  const [responseId, assertionId] = ['_XQ4PW2LD9YB7M6KFR1CJ8ZT0', '_H3N5VG8SWK2EJ7QXA9TD1MBC'];
  const attribute = (name: string, ...values: string[]) =>
    `<saml2:Attribute Name="${name}" NameFormat="${SAML2}:attrname-format:unspecified">${values.map((value) => `<saml2:AttributeValue xmlns:xs="${XS}" xmlns:xsi="${XSI}" xsi:type="xs:string">${value}</saml2:AttributeValue>`).join('')}</saml2:Attribute>`;
  return {
    name: 'jumpcloud',
    idp,
    responseId,
    assertionId,
    xml: `<?xml version="1.0" encoding="UTF-8"?><saml2p:Response xmlns:saml2p="${PROTOCOL}" xmlns:xs="${XS}" Destination="${ACS_URL}" ID="${responseId}" InResponseTo="${REQUEST_ID}" IssueInstant="2026-01-15T12:00:00.298Z" Version="2.0"><saml2:Issuer xmlns:saml2="${ASSERTION}" Format="${entity}">${idp}</saml2:Issuer><saml2p:Status><saml2p:StatusCode Value="${SUCCESS}"/></saml2p:Status><saml2:Assertion xmlns:saml2="${ASSERTION}" xmlns:xs="${XS}" ID="${assertionId}" IssueInstant="2026-01-15T12:00:00.298Z" Version="2.0"><saml2:Issuer Format="${entity}">${idp}</saml2:Issuer><saml2:Subject><saml2:NameID Format="${SAML2.replace('2.0', '1.1')}:nameid-format:unspecified">olivia@acme.test</saml2:NameID><saml2:SubjectConfirmation Method="${BEARER}"><saml2:SubjectConfirmationData InResponseTo="${REQUEST_ID}" NotOnOrAfter="2026-01-15T12:10:00.298Z" Recipient="${ACS_URL}"/></saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore="2026-01-15T11:50:00.298Z" NotOnOrAfter="2026-01-15T12:10:00.298Z"><saml2:AudienceRestriction><saml2:Audience>${ENTITY_ID}</saml2:Audience></saml2:AudienceRestriction></saml2:Conditions><saml2:AuthnStatement AuthnInstant="2026-01-15T12:00:00.298Z" SessionIndex="3fd6b2c8-5e19-4a70-9c3d-8b1f7e60a5d4"><saml2:AuthnContext><saml2:AuthnContextClassRef>${PASSWORD}</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement>${sent.map((each) => attribute(...each)).join('')}</saml2:AttributeStatement></saml2:Assertion></saml2p:Response>`,
    signature: {
      transforms: [
        [ENVELOPED, ''],
        [EXC, inclusiveNamespaces('xs')],
      ],
      inclusivePrefixes: ['xs'],
      keyInfo: keyInfoOf(certificate),
    },
    person: {
      identity: JSON.stringify(['NameID', 'olivia@acme.test']),
      email: 'olivia@acme.test',
      name: 'olivia@acme.test',
      groups: ['engineering', 'platform-admins'],
      groupsState: 'present',
    },
  };
};

/** The products, by the name of their organization file in `config/idp-examples`. */
export const PRODUCTS = { adfs, keycloak, shibboleth, simplesamlphp: simpleSamlPhp, onelogin: oneLogin, ping, jumpcloud: jumpCloud };
