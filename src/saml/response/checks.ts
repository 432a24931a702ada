/**
 * The checks of a SAML response, one row each, in the order in which they run. The verdict (`response.ts`, `person.ts`) runs them
 * until the first failure. The examination (`examine-response.ts`) runs the same rows to the end to explain a refusal. The sign-in
 * log, the console, `samlgate doctor` and `docs/saml-checks.md` show them. To add a check, add a row.
 */
import { toIsoTime } from '../../time.ts';
import { describeSource, type IdentifierSettings, readIdentifier } from '../identifier/identifier.ts';
import { ASSERTION } from '../names.ts';
import { shown, shownExactly } from '../shown-text.ts';
import { parseXml } from '../xml/xml.ts';
import { childrenNamed, walk, type XmlElement } from '../xml/xml-tree.ts';
import { readAttributes } from './attributes.ts';
import { ABSENT, anyOf, attributeIn, attributeNames, comparison, countOf, period, signatureFacts, statusOf } from './check-facts.ts';
import { checkPlainIsAllowed, openEncryptedAssertion } from './encrypted-assertion.ts';
import { hasEncryptedId } from './name-id.ts';
import { coveredAssertion, openResponse, verifyAssertion } from './opened-response.ts';
import { readEmail, readGroups, readName } from './person-checks.ts';
import {
  audiencesOf,
  checkAssertionIssuer,
  checkAudience,
  checkAuthnContext,
  checkConfirmationEnd,
  checkDestination,
  checkKnownConditions,
  checkNotBefore,
  checkNotOnOrAfter,
  checkProxyRestriction,
  checkRecipient,
  checkResponseIssuer,
  checkSameRequest,
  checkSessionEnd,
  checkStatus,
  chooseBearer,
  classRefsOf,
  proxyLimitsOf,
  readAuthnStatements,
  readConditions,
  readNameId,
  requireAssertion,
} from './response-checks.ts';
import type { ResponseSettings } from './response-settings.ts';
import {
  findAssertion,
  findSignatures,
  isResponse,
  issuerOf,
  requireAssertionVersion,
  requireResponse,
  requireUniqueIds,
} from './response-structure.ts';
import { type CheckValues, checkFor } from './run-checks.ts';

/** The input of the response checks. */
export interface ResponseContext {
  /** The decoded response. */
  readonly unverifiedXml: string;
  readonly settings: ResponseSettings;
  readonly nowMs: number;
}

/** The input of the person checks, besides the values of the response checks. */
export type PersonContext = IdentifierSettings;

const responseCheck = checkFor<ResponseContext>();
const personCheck = checkFor<PersonContext>();

/** The response as later checks read it: the signed content, or, if only the assertion is signed, the response as it arrived. */
const responseIn = ({ openedResponse, unverifiedRoot }: Pick<CheckValues, 'openedResponse' | 'unverifiedRoot'>): XmlElement =>
  openedResponse?.element ?? unverifiedRoot;

/** The checks that decide whether a response is accepted. */
export const RESPONSE_CHECKS = {
  xml: responseCheck({
    title: 'The SAML response is well-formed XML without a document type declaration',
    section: 'XML 1.0 §2.1',
    codes: ['saml_malformed', 'saml_dtd_forbidden'],
    part: 'structure',
    needs: [],
    provides: 'unverifiedRoot',
    run: (_values, { unverifiedXml }) => parseXml(unverifiedXml),
  }),
  response: responseCheck({
    title: 'The root element is a SAML 2.0 Response with an ID',
    section: 'saml-core §3.2.2, §3.3.3',
    codes: ['saml_malformed'],
    part: 'structure',
    needs: ['unverifiedRoot'],
    provides: 'unverifiedElements',
    run: ({ unverifiedRoot }) => {
      requireResponse(unverifiedRoot);
      return walk(unverifiedRoot);
    },
    standIn: ({ unverifiedRoot: root }) => (root && isResponse(root) ? { value: walk(root) } : undefined),
  }),
  one_assertion: responseCheck({
    title: 'The response has at most one assertion, as a direct child',
    section: 'saml-core §3.3.3',
    codes: ['saml_structure_ambiguous'],
    part: 'structure',
    needs: ['unverifiedRoot', 'unverifiedElements'],
    provides: 'unverifiedAssertionIfAny',
    run: ({ unverifiedRoot, unverifiedElements }) => findAssertion(unverifiedRoot, unverifiedElements),
    standIn: ({ unverifiedElements }) => unverifiedElements && { value: undefined },
  }),
  assertion_version: responseCheck({
    title: 'The assertion has version 2.0 and an ID',
    section: 'saml-core §2.3.3',
    codes: ['saml_malformed'],
    part: 'structure',
    needs: ['unverifiedAssertionIfAny'],
    run: ({ unverifiedAssertionIfAny }) => requireAssertionVersion(unverifiedAssertionIfAny),
  }),
  unique_ids: responseCheck({
    title: 'Every ID is valid and unique',
    section: 'saml-core §1.3.4',
    codes: ['saml_structure_ambiguous', 'saml_malformed'],
    part: 'structure',
    needs: ['unverifiedElements'],
    run: ({ unverifiedElements }) => requireUniqueIds(unverifiedElements),
  }),
  signature_places: responseCheck({
    title: 'Signatures appear only immediately after the Issuer of the response or the assertion',
    section: 'saml-core §5.4.1',
    codes: ['saml_structure_ambiguous'],
    part: 'structure',
    needs: ['unverifiedRoot', 'unverifiedAssertionIfAny', 'unverifiedElements'],
    provides: 'unverifiedSignatures',
    run: ({ unverifiedRoot, unverifiedAssertionIfAny, unverifiedElements }) =>
      findSignatures(unverifiedRoot, unverifiedAssertionIfAny, unverifiedElements),
  }),
  response_issuer: responseCheck({
    title: 'The issuer of the response is the identity provider of this organization',
    section: 'saml-profiles §4.1.4.2',
    codes: ['saml_issuer_unknown', 'saml_structure_ambiguous', 'saml_malformed'],
    part: 'response',
    needs: ['unverifiedRoot', 'unverifiedElements'],
    run: ({ unverifiedRoot }, { settings }) => checkResponseIssuer(unverifiedRoot, settings),
    facts: ({ unverifiedRoot }, { settings }) => comparison(settings.idpEntityId, issuerOf(unverifiedRoot)),
  }),
  answer: responseCheck({
    title: 'The response contains an assertion',
    section: 'saml-profiles §4.1.4.2',
    codes: ['saml_status_not_success', 'saml_malformed', 'saml_structure_ambiguous'],
    part: 'response',
    needs: ['unverifiedRoot', 'unverifiedAssertionIfAny'],
    provides: 'unverifiedAssertion',
    run: ({ unverifiedRoot, unverifiedAssertionIfAny }) => requireAssertion(unverifiedRoot, unverifiedAssertionIfAny),
    refusesStandIns: true,
  }),
  response_signature: responseCheck({
    title: 'The response has a valid signature or needs none',
    section: 'saml-core §5.4, xmldsig-core1 §3.2',
    codes: ['saml_signature_missing', 'saml_signature_invalid', 'saml_algorithm_forbidden', 'saml_structure_ambiguous', 'saml_malformed'],
    part: 'signature',
    needs: ['unverifiedRoot', 'unverifiedSignatures'],
    provides: 'openedResponse',
    run: ({ unverifiedRoot, unverifiedSignatures }, { settings }) => openResponse(unverifiedRoot, unverifiedSignatures.response, settings),
    standIn: ({ unverifiedElements }) => unverifiedElements && { value: undefined },
    facts: ({ unverifiedSignatures, openedResponse }, { settings }) =>
      signatureFacts(settings.requireSignedResponse, unverifiedSignatures.response, openedResponse?.key),
  }),
  encryption: responseCheck({
    title: 'The assertion is encrypted if the organization requires it',
    section: 'saml-core §2.3.4',
    codes: ['saml_decryption_failed'],
    part: 'signature',
    form: 'Assertion',
    needs: [],
    run: (_values, { settings }) => checkPlainIsAllowed(settings),
    facts: (_values, { settings }) => ({
      wanted: settings.requireEncryptedAssertion ? 'encrypted' : 'encrypted or not',
      got: 'not encrypted',
    }),
  }),
  assertion_signature: responseCheck({
    title: 'The assertion has a valid signature or needs none',
    section: 'saml-core §5.4, xmldsig-core1 §3.2',
    codes: ['saml_signature_missing', 'saml_signature_invalid', 'saml_algorithm_forbidden', 'saml_structure_ambiguous', 'saml_malformed'],
    part: 'signature',
    form: 'Assertion',
    needs: ['unverifiedAssertion', 'unverifiedSignatures'],
    provides: 'signedAssertion',
    run: ({ unverifiedAssertion, unverifiedSignatures }, { settings }) =>
      verifyAssertion(unverifiedAssertion, unverifiedSignatures.assertion, settings),
    facts: ({ unverifiedSignatures, signedAssertion }, { settings }) =>
      signatureFacts(settings.requireSignedAssertion, unverifiedSignatures.assertion, signedAssertion?.key),
  }),
  coverage: responseCheck({
    title: 'A valid signature covers the assertion',
    section: 'saml-profiles §4.1.4.5',
    codes: ['saml_signature_missing', 'saml_structure_ambiguous', 'saml_malformed'],
    part: 'signature',
    form: 'Assertion',
    needs: ['openedResponse', 'signedAssertion'],
    provides: 'assertion',
    run: ({ openedResponse, signedAssertion }) => coveredAssertion(openedResponse, signedAssertion),
    refusesStandIns: true,
    standIn: ({ unverifiedAssertion: element }) => element && { value: { element, key: undefined } },
  }),
  decryption: responseCheck({
    title: 'The encrypted assertion can be decrypted, and a valid signature covers it',
    section: 'saml-core §2.3.4, xmlenc-core1 §3',
    codes: [
      ...(['saml_decryption_failed', 'saml_signature_missing', 'saml_signature_invalid', 'saml_algorithm_forbidden'] as const),
      ...(['saml_structure_ambiguous', 'saml_malformed', 'saml_dtd_forbidden'] as const),
    ],
    part: 'signature',
    form: 'EncryptedAssertion',
    needs: ['unverifiedRoot', 'unverifiedAssertion', 'openedResponse'],
    provides: 'assertion',
    run: ({ unverifiedRoot, openedResponse }, { settings }) => openEncryptedAssertion(unverifiedRoot, openedResponse, settings),
    decrypts: () => true,
  }),
  status: responseCheck({
    title: 'The identity provider reports a successful sign-in',
    section: 'saml-core §3.2.2.2',
    codes: ['saml_status_not_success', 'saml_malformed', 'saml_structure_ambiguous'],
    part: 'response',
    needs: ['unverifiedRoot', 'openedResponse'],
    run: (values) => checkStatus(responseIn(values), values.openedResponse !== undefined),
    facts: (values) => ({ wanted: 'Success', got: statusOf(responseIn(values)) }),
  }),
  destination: responseCheck({
    title: 'The destination of the response is the ACS URL of this organization',
    section: 'saml-bindings §3.5.5.2',
    codes: ['saml_destination_mismatch'],
    part: 'response',
    needs: ['unverifiedRoot', 'openedResponse'],
    run: (values, { settings }) => checkDestination(responseIn(values), values.openedResponse !== undefined, settings),
    facts: (values, { settings }) => comparison(settings.acsUrl, attributeIn(responseIn(values), 'Destination')),
  }),
  assertion_issuer: responseCheck({
    title: 'The issuer of the assertion is the identity provider of this organization',
    section: 'saml-profiles §4.1.4.2',
    codes: ['saml_issuer_unknown', 'saml_structure_ambiguous', 'saml_malformed'],
    part: 'assertion',
    needs: ['assertion'],
    run: ({ assertion }, { settings }) => checkAssertionIssuer(assertion.element, settings),
    facts: ({ assertion }, { settings }) => comparison(settings.idpEntityId, issuerOf(assertion.element)),
  }),
  bearer: responseCheck({
    title: 'The assertion has a bearer subject confirmation',
    section: 'saml-profiles §4.1.4.2',
    codes: ['saml_malformed', 'saml_structure_ambiguous'],
    part: 'assertion',
    needs: ['assertion', 'unverifiedRoot', 'openedResponse'],
    provides: 'bearer',
    run: (values, { settings, nowMs }) => chooseBearer(values.assertion.element, { response: responseIn(values), settings, nowMs }),
  }),
  recipient: responseCheck({
    title: 'The recipient of the assertion is the ACS URL of this organization',
    section: 'saml-profiles §4.1.4.3',
    codes: ['saml_recipient_mismatch', 'saml_malformed'],
    part: 'assertion',
    needs: ['bearer'],
    run: ({ bearer }, { settings }) => checkRecipient(bearer, settings),
    facts: ({ bearer }, { settings }) => comparison(settings.acsUrl, attributeIn(bearer, 'Recipient')),
  }),
  confirmation_end: responseCheck({
    title: 'The subject confirmation has not expired',
    section: 'saml-profiles §4.1.4.3',
    codes: ['saml_expired', 'saml_malformed'],
    part: 'assertion',
    needs: ['bearer', 'assertion'],
    provides: 'confirmedUntilMs',
    run: ({ bearer, assertion }, context) => checkConfirmationEnd(bearer, assertion.element, context),
    facts: ({ bearer }, { nowMs }) => period('before', attributeIn(bearer, 'NotOnOrAfter'), nowMs),
  }),
  in_response_to: responseCheck({
    title: 'The response and the assertion answer the same request',
    section: 'saml-profiles §4.1.4.3',
    codes: ['saml_in_response_to_unknown'],
    part: 'assertion',
    needs: ['bearer', 'unverifiedRoot', 'openedResponse'],
    provides: 'inResponseTo',
    run: (values) => checkSameRequest(values.bearer, responseIn(values)),
  }),
  conditions: responseCheck({
    title: 'The assertion has conditions',
    section: 'saml-profiles §4.1.4.2, saml-core §2.5.1',
    codes: ['saml_audience_mismatch', 'saml_structure_ambiguous'],
    part: 'assertion',
    needs: ['assertion'],
    provides: 'conditions',
    run: ({ assertion }, { settings }) => readConditions(assertion.element, settings),
  }),
  not_before: responseCheck({
    title: 'The assertion is already valid',
    section: 'saml-core §2.5.1.2',
    codes: ['saml_not_yet_valid', 'saml_malformed'],
    part: 'assertion',
    needs: ['conditions'],
    run: ({ conditions }, { settings, nowMs }) => checkNotBefore(conditions, settings, nowMs),
    facts: ({ conditions }, { nowMs }) => period('from', attributeIn(conditions, 'NotBefore'), nowMs),
  }),
  not_on_or_after: responseCheck({
    title: 'The assertion has not expired',
    section: 'saml-core §2.5.1.2',
    codes: ['saml_expired', 'saml_malformed'],
    part: 'assertion',
    needs: ['conditions'],
    run: ({ conditions }, { settings, nowMs }) => checkNotOnOrAfter(conditions, settings, nowMs),
    facts: ({ conditions }, { nowMs }) => period('before', attributeIn(conditions, 'NotOnOrAfter'), nowMs),
  }),
  known_conditions: responseCheck({
    title: 'All conditions of the assertion are supported',
    section: 'saml-core §2.5.1.1',
    codes: ['saml_malformed'],
    part: 'assertion',
    needs: ['conditions'],
    run: ({ conditions }) => checkKnownConditions(conditions),
  }),
  audience: responseCheck({
    title: 'The audience of the assertion is the service provider of this organization',
    section: 'saml-core §2.5.1.4',
    codes: ['saml_audience_mismatch', 'saml_malformed'],
    part: 'assertion',
    needs: ['conditions'],
    run: ({ conditions }, { settings }) => checkAudience(conditions, settings),
    facts: ({ conditions }, { settings }) => {
      const audiences = childrenNamed(conditions, ASSERTION, 'AudienceRestriction').flatMap(audiencesOf);
      return { wanted: settings.entityId, got: shown(audiences.map((each) => shownExactly(each)).join(' ') || ABSENT) };
    },
  }),
  proxy_restriction: responseCheck({
    title: 'The identity provider lets the gateway vouch for the user to other services',
    section: 'saml-core §2.5.1.6',
    codes: ['saml_proxy_restricted', 'saml_malformed'],
    part: 'assertion',
    needs: ['conditions'],
    run: ({ conditions }) => checkProxyRestriction(conditions),
    facts: ({ conditions }) => ({ wanted: 'no ProxyRestriction', got: proxyLimitsOf(conditions)[0] ?? 'none' }),
  }),
  authn_statement: responseCheck({
    title: 'The assertion states that the user authenticated',
    section: 'saml-profiles §4.1.4.2',
    codes: ['saml_malformed'],
    part: 'assertion',
    needs: ['assertion'],
    provides: 'authnStatements',
    run: ({ assertion }) => readAuthnStatements(assertion.element),
  }),
  session_end: responseCheck({
    title: 'The session at the identity provider has not ended',
    section: 'saml-core §2.7.2',
    codes: ['saml_expired', 'saml_malformed'],
    part: 'assertion',
    needs: ['authnStatements'],
    provides: 'sessionNotOnOrAfterMs',
    run: ({ authnStatements }, { nowMs }) => checkSessionEnd(authnStatements, nowMs),
    facts: ({ sessionNotOnOrAfterMs: endMs }, { nowMs }) => (endMs === undefined ? {} : period('before', toIsoTime(endMs), nowMs)),
  }),
  authn_context: responseCheck({
    title: 'The user authenticated with a method that the organization accepts',
    section: 'saml-core §2.7.2.2',
    codes: ['saml_authn_context_mismatch', 'saml_structure_ambiguous', 'saml_malformed'],
    part: 'assertion',
    needs: ['authnStatements'],
    provides: 'authnContextClassRef',
    run: ({ authnStatements }, { settings }) => checkAuthnContext(authnStatements, settings),
    facts: ({ authnStatements }, { settings }) => ({
      wanted: settings.authnContext.length === 0 ? 'any' : shown(settings.authnContext.join(' or ')),
      got: shown(
        authnStatements
          .flatMap(classRefsOf)
          .map((ref) => shownExactly(ref))
          .join(' ') || ABSENT,
      ),
    }),
  }),
  name_id: responseCheck({
    title: 'The NameID can be read',
    section: 'saml-core §2.2.3, §2.2.4',
    codes: ['saml_structure_ambiguous', 'saml_malformed', 'saml_algorithm_forbidden', 'saml_dtd_forbidden', 'saml_decryption_failed'],
    part: 'assertion',
    needs: ['assertion'],
    provides: 'nameId',
    run: ({ assertion }, { settings }) => readNameId(assertion.element, settings),
    decrypts: ({ assertion }) => hasEncryptedId(assertion.element),
    facts: ({ nameId }) => ({ got: nameId ? `format ${shown(nameId.format)}` : ABSENT }),
  }),
  attributes: responseCheck({
    title: 'The attributes can be read',
    section: 'saml-core §2.7.3',
    codes: ['saml_malformed', 'saml_decryption_failed'],
    part: 'assertion',
    needs: ['assertion'],
    provides: 'attributes',
    run: ({ assertion }) => readAttributes(assertion.element),
  }),
};

/** The checks that read the user. A sign-in runs them after it has found the request that the response answers. */
export const PERSON_CHECKS = {
  identifier: personCheck({
    title: 'The user has a persistent identifier',
    section: 'saml-core §8.3.7',
    codes: ['saml_name_id_missing', 'saml_identifier_changed', 'saml_malformed'],
    part: 'assertion',
    needs: ['attributes', 'nameId'],
    provides: 'identifier',
    run: (subject, context) => readIdentifier(subject, context),
    facts: ({ identifier }, { identifier: setting }) => ({
      wanted: shown(setting === 'auto' ? 'a persistent identifier' : describeSource(setting)),
      ...(identifier ? { got: shown(describeSource(identifier.source)) } : {}),
    }),
  }),
  email: personCheck({
    title: 'The user has exactly one email address',
    section: 'saml-core §2.7.3.1.1',
    codes: ['saml_email_missing', 'saml_malformed'],
    part: 'assertion',
    needs: ['attributes', 'nameId'],
    provides: 'email',
    run: ({ attributes, nameId }, { attributeMapping }) => readEmail(attributes, nameId, attributeMapping.email),
    facts: ({ attributes }, { attributeMapping }) => ({ wanted: anyOf(attributeMapping.email), got: attributeNames(attributes) }),
  }),
  groups: personCheck({
    title: 'The groups can be read',
    section: 'saml-core §2.7.3.1.1',
    codes: ['saml_malformed'],
    part: 'assertion',
    needs: ['attributes'],
    provides: 'groups',
    run: ({ attributes }, { attributeMapping }) => readGroups(attributes, attributeMapping.groups),
    facts: ({ attributes, groups }, { attributeMapping }) => ({
      wanted: anyOf(attributeMapping.groups),
      got: groups === undefined ? attributeNames(attributes) : countOf(groups),
    }),
  }),
  name: personCheck({
    title: 'The name can be read',
    section: 'saml-core §2.7.3.1.1',
    codes: ['saml_malformed'],
    part: 'assertion',
    needs: ['attributes'],
    provides: 'name',
    run: ({ attributes }, { attributeMapping }) => readName(attributes, attributeMapping.name),
  }),
};

export const CHECKS = { ...RESPONSE_CHECKS, ...PERSON_CHECKS };

export type CheckName = keyof typeof CHECKS;

export const CHECK_TITLES = Object.fromEntries(Object.entries(CHECKS).map(([name, { title }]) => [name, title])) as Record<
  CheckName,
  string
>;
