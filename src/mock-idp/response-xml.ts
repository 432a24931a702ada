/** Writes the XML of a response in the style of one product: prefixes, order, and the places of namespace declarations. */
import { ASSERTION, NAME_ID_ENTITY, PROTOCOL } from '../saml/names.ts';
import type { SamlAttribute } from './attributes.ts';
import type { HabitName } from './habits.ts';
import type { ConfirmationValues, ResponseValues } from './response-values.ts';
import { element, type Markup, pieces, text } from './xml-writer.ts';

const XML_SCHEMA = 'http://www.w3.org/2001/XMLSchema';
const XML_SCHEMA_INSTANCE = 'http://www.w3.org/2001/XMLSchema-instance';

/** XML style of one product. The differences have no meaning in SAML. */
interface Spelling {
  readonly declaration: string;
  /** Prefixes with colon. An empty prefix is the default namespace. */
  readonly protocol: 'saml2p:' | 'samlp:';
  readonly assertion: 'saml2:' | '';
  /** Order of the attributes of the two outer elements. */
  readonly responseAttributes: readonly string[];
  readonly assertionAttributes: readonly string[];
  /** Okta writes a Format on each Issuer, and declares the namespace again on each part of the assertion. */
  readonly verbose: boolean;
  /** Okta writes AuthnStatement first, the others AttributeStatement. */
  readonly authnStatementFirst: boolean;
}

const SPELLINGS: Readonly<Record<HabitName, Spelling>> = {
  okta: {
    declaration: '<?xml version="1.0" encoding="UTF-8"?>',
    protocol: 'saml2p:',
    assertion: 'saml2:',
    responseAttributes: ['Destination', 'ID', 'InResponseTo', 'IssueInstant', 'Version', 'xmlns:saml2p', 'xmlns:xs'],
    assertionAttributes: ['ID', 'IssueInstant', 'Version', 'xmlns:saml2', 'xmlns:xs'],
    verbose: true,
    authnStatementFirst: true,
  },
  'entra-id': {
    declaration: '',
    protocol: 'samlp:',
    assertion: '',
    responseAttributes: ['ID', 'Version', 'IssueInstant', 'Destination', 'InResponseTo', 'xmlns:samlp'],
    assertionAttributes: ['ID', 'IssueInstant', 'Version', 'xmlns'],
    verbose: false,
    authnStatementFirst: false,
  },
  'google-workspace': {
    declaration: '<?xml version="1.0" encoding="UTF-8" standalone="no"?>',
    protocol: 'saml2p:',
    assertion: 'saml2:',
    responseAttributes: ['xmlns:saml2p', 'Destination', 'ID', 'InResponseTo', 'IssueInstant', 'Version'],
    assertionAttributes: ['xmlns:saml2', 'ID', 'IssueInstant', 'Version'],
    verbose: false,
    authnStatementFirst: false,
  },
};

const NAMESPACES: Readonly<Record<string, string>> = {
  'xmlns:saml2p': PROTOCOL,
  'xmlns:samlp': PROTOCOL,
  'xmlns:saml2': ASSERTION,
  xmlns: ASSERTION,
  'xmlns:xs': XML_SCHEMA,
};

/** Returns the response without signatures. */
export function writeResponse(values: ResponseValues, habit: HabitName): string {
  const spelling = SPELLINGS[habit];
  const given = {
    ID: values.responseId,
    Version: values.responseVersion,
    IssueInstant: values.responseIssueInstant,
    Destination: values.destination,
    InResponseTo: values.inResponseTo,
  };
  const root = element(
    `${spelling.protocol}Response`,
    inOrder(spelling.responseAttributes, given),
    issuer(values.responseIssuer, spelling, true),
    status(values.status, spelling),
    values.hasAssertion ? assertion(values, spelling) : undefined,
  );
  return spelling.declaration + root;
}

function assertion(values: ResponseValues, spelling: Spelling): Markup {
  const given = { ID: values.assertionId, IssueInstant: values.assertionIssueInstant, Version: values.assertionVersion };
  const authn = values.hasAuthnStatement ? authnStatement(values, spelling) : undefined;
  const attributes = values.attributes.length > 0 ? attributeStatement(values.attributes, spelling) : undefined;
  return element(
    `${spelling.assertion}Assertion`,
    inOrder(spelling.assertionAttributes, given),
    issuer(values.assertionIssuer, spelling, spelling.verbose),
    subject(values, spelling),
    values.hasConditions ? conditions(values, spelling) : undefined,
    ...(spelling.authnStatementFirst ? [authn, attributes] : [attributes, authn]),
  );
}

function inOrder(names: readonly string[], given: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(names.map((name) => [name, NAMESPACES[name] ?? given[name]]));
}

/** Returns the declaration of the assertion namespace, if it is needed. */
function assertionNamespace(spelling: Spelling, declared: boolean): Record<string, string> {
  if (!declared) return {};
  return spelling.assertion === '' ? { xmlns: ASSERTION } : { 'xmlns:saml2': ASSERTION };
}

function issuer(value: string | undefined, spelling: Spelling, declared: boolean): Markup | undefined {
  if (value === undefined) return undefined;
  const format = { Format: spelling.verbose ? NAME_ID_ENTITY : undefined };
  return element(`${spelling.assertion}Issuer`, { ...format, ...assertionNamespace(spelling, declared) }, text(value));
}

function status(value: ResponseValues['status'], spelling: Spelling): Markup | undefined {
  if (value === undefined) return undefined;
  const name = (local: string) => `${spelling.protocol}${local}`;
  const subcode = value.subcode === undefined ? undefined : element(name('StatusCode'), { Value: value.subcode });
  const message = value.message === undefined ? undefined : element(name('StatusMessage'), {}, text(value.message));
  const declaration = spelling.verbose ? { 'xmlns:saml2p': PROTOCOL } : {};
  return element(name('Status'), declaration, element(name('StatusCode'), { Value: value.code }, subcode), message);
}

function subject(values: ResponseValues, spelling: Spelling): Markup {
  const own: ConfirmationValues = {
    method: values.confirmationMethod,
    recipient: values.recipient,
    inResponseTo: values.confirmationInResponseTo,
    notBefore: values.confirmationNotBefore,
    notOnOrAfter: values.confirmationNotOnOrAfter,
  };
  return element(
    `${spelling.assertion}Subject`,
    assertionNamespace(spelling, spelling.verbose),
    nameId(values.nameId, spelling),
    ...[...values.otherConfirmations, own].map((confirmation) => subjectConfirmation(confirmation, spelling)),
  );
}

function nameId(value: ResponseValues['nameId'], spelling: Spelling): Markup | undefined {
  if (value === undefined) return undefined;
  const attributes = { Format: value.format, NameQualifier: value.nameQualifier, SPNameQualifier: value.spNameQualifier };
  return element(`${spelling.assertion}NameID`, attributes, text(value.value));
}

function subjectConfirmation(values: ConfirmationValues, spelling: Spelling): Markup {
  const data = element(`${spelling.assertion}SubjectConfirmationData`, {
    Address: values.address,
    InResponseTo: values.inResponseTo,
    NotBefore: values.notBefore,
    NotOnOrAfter: values.notOnOrAfter,
    Recipient: values.recipient,
  });
  return element(`${spelling.assertion}SubjectConfirmation`, { Method: values.method }, data);
}

function conditions(values: ResponseValues, spelling: Spelling): Markup {
  const audience = (uri: string) => element(`${spelling.assertion}Audience`, {}, text(uri));
  return element(
    `${spelling.assertion}Conditions`,
    { NotBefore: values.notBefore, NotOnOrAfter: values.notOnOrAfter, ...assertionNamespace(spelling, spelling.verbose) },
    ...values.audiences.map((uris) => element(`${spelling.assertion}AudienceRestriction`, {}, ...uris.map(audience))),
    values.oneTimeUse ? element(`${spelling.assertion}OneTimeUse`, {}) : undefined,
  );
}

function authnStatement(values: ResponseValues, spelling: Spelling): Markup {
  const context =
    values.authnContextClass === undefined
      ? undefined
      : element(`${spelling.assertion}AuthnContextClassRef`, {}, text(values.authnContextClass));
  return element(
    `${spelling.assertion}AuthnStatement`,
    {
      AuthnInstant: values.authnInstant,
      SessionIndex: values.sessionIndex,
      SessionNotOnOrAfter: values.sessionNotOnOrAfter,
      ...assertionNamespace(spelling, spelling.verbose),
    },
    element(`${spelling.assertion}AuthnContext`, {}, context),
  );
}

function attributeStatement(attributes: readonly SamlAttribute[], spelling: Spelling): Markup {
  const all = attributes.map((attribute) => attributeElement(attribute, spelling));
  return element(`${spelling.assertion}AttributeStatement`, assertionNamespace(spelling, spelling.verbose), pieces(...all));
}

function attributeElement(attribute: SamlAttribute, spelling: Spelling): Markup {
  const type =
    attribute.valueType === undefined ? {} : { 'xmlns:xs': XML_SCHEMA, 'xmlns:xsi': XML_SCHEMA_INSTANCE, 'xsi:type': attribute.valueType };
  return element(
    `${spelling.assertion}Attribute`,
    { FriendlyName: attribute.friendlyName, Name: attribute.name, NameFormat: attribute.nameFormat },
    ...attribute.values.map((value) => element(`${spelling.assertion}AttributeValue`, type, text(value))),
  );
}
