/** The checks of an opened response, one function each, in the order of `checks.ts`. */
import { GatewayError } from '../../errors.ts';
import { toIsoTime } from '../../time.ts';
import { ASSERTION, CONFIRMATION_BEARER, PROTOCOL, STATUS_PREFIX, STATUS_SUCCESS } from '../names.ts';
import { shown, shownExactly } from '../shown-text.ts';
import { readDateTime } from '../xml/date-time.ts';
import { trimXmlSpace } from '../xml/white-space.ts';
import { attributeOf, childElements, childrenNamed, isNamed, onlyChild, textOf, type XmlElement } from '../xml/xml-tree.ts';
import { ABSENT, comparison } from './check-facts.ts';
import { type NameId, openNameId } from './name-id.ts';
import type { ResponseSettings } from './response-settings.ts';
import { issuerOf } from './response-structure.ts';

const malformed = (detail: string) => new GatewayError('saml_malformed', detail);
const several = (name: string) => () => new GatewayError('saml_structure_ambiguous', `There is more than one ${name}.`);

function mismatch(
  code: 'saml_issuer_unknown' | 'saml_destination_mismatch' | 'saml_recipient_mismatch' | 'saml_audience_mismatch',
  wanted: string,
  got: string | undefined,
): GatewayError {
  return new GatewayError(code, comparison(wanted, got));
}

/** Compares a URI that was received with an expected one, without the white space around it (XML Schema part 2 §3.2.17). */
const isSameUri = (received: string | undefined, expected: string): boolean =>
  received !== undefined && trimXmlSpace(received) === expected;

/** Checks the Issuer of the response, which is optional. The URL selects the organization; the response can only agree. */
export function checkResponseIssuer(response: XmlElement, { idpEntityId }: ResponseSettings): void {
  const issuer = issuerOf(response);
  if (issuer !== undefined && issuer !== idpEntityId) throw mismatch('saml_issuer_unknown', idpEntityId, issuer);
}

/**
 * Checks that the response has an assertion. A response without one can only report a failure, and grants nothing, so its status is
 * read even though no signature covers it.
 */
export function requireAssertion(unverifiedRoot: XmlElement, unverifiedAssertion: XmlElement | undefined): XmlElement {
  if (unverifiedAssertion) return unverifiedAssertion;
  checkStatus(unverifiedRoot, false);
  throw malformed('The response has no assertion.');
}

/** The detail of a refusal by an identity provider that sent no StatusMessage. */
export const NO_STATUS_MESSAGE = 'The identity provider gave no reason.';

/**
 * Checks that the status is Success. The StatusMessage is part of the refusal, because Entra ID reports its AADSTS number there. Anyone
 * can post an unsigned response, so its message must not pass for the word of the identity provider or the gateway.
 */
export function checkStatus(response: XmlElement, isSigned: boolean): void {
  const status = onlyChild(response, PROTOCOL, 'Status', several('Status'));
  const code = status && onlyChild(status, PROTOCOL, 'StatusCode', several('StatusCode'));
  const value = code && attributeOf(code, 'Value');
  if (!status || !code || value === undefined) throw malformed('The response has no Status.');
  if (value === STATUS_SUCCESS) return;
  const message = onlyChild(status, PROTOCOL, 'StatusMessage', several('StatusMessage'));
  const second = childrenNamed(code, PROTOCOL, 'StatusCode')[0];
  const codes = [value, second && attributeOf(second, 'Value')].filter((each) => each !== undefined);
  const text = message ? shown(textOf(message)) : '';
  const source = isSigned ? 'The identity provider says' : 'The response, which is not signed, says';
  throw new GatewayError('saml_status_not_success', {
    detail: text === '' ? NO_STATUS_MESSAGE : `${source}: “${text}”`,
    got: shown(codes.map((each) => each.replace(STATUS_PREFIX, '')).join(' / ')),
  });
}

/** Checks the Destination. A signed response must have one; in an unsigned response it can only cause a refusal. */
export function checkDestination(response: XmlElement, isSigned: boolean, { acsUrl }: ResponseSettings): void {
  const destination = attributeOf(response, 'Destination');
  if (destination === undefined && !isSigned) return;
  if (!isSameUri(destination, acsUrl)) throw mismatch('saml_destination_mismatch', acsUrl, destination);
}

export function checkAssertionIssuer(assertion: XmlElement, { idpEntityId }: ResponseSettings): void {
  if (!isNamed(assertion, ASSERTION, 'Assertion') || attributeOf(assertion, 'Version') !== '2.0' || !attributeOf(assertion, 'ID')) {
    throw malformed('The signed element is not a SAML 2.0 assertion.');
  }
  const issuer = issuerOf(assertion);
  if (issuer !== idpEntityId) throw mismatch('saml_issuer_unknown', idpEntityId, issuer);
}

const subjectOf = (assertion: XmlElement): XmlElement | undefined => onlyChild(assertion, ASSERTION, 'Subject', several('Subject'));

/** A SubjectConfirmationData; undefined for a confirmation that has none. */
type ConfirmationData = XmlElement | undefined;

/** The response and assertion that a confirmation is checked against. */
export interface ConfirmationContext {
  readonly response: XmlElement;
  readonly settings: ResponseSettings;
  readonly nowMs: number;
}

/**
 * Chooses the first bearer confirmation that passes all its checks. If none does, it chooses the first one, so that the checks below
 * report what is wrong with it.
 */
export function chooseBearer(assertion: XmlElement, context: ConfirmationContext): ConfirmationData {
  const subject = subjectOf(assertion);
  const bearers = subject
    ? childrenNamed(subject, ASSERTION, 'SubjectConfirmation').filter((each) => attributeOf(each, 'Method') === CONFIRMATION_BEARER)
    : [];
  let first: { readonly data: ConfirmationData } | undefined;
  for (const bearer of bearers) {
    const data = onlyChild(bearer, ASSERTION, 'SubjectConfirmationData', several('SubjectConfirmationData'));
    const problem =
      recipientProblem(data, context.settings) ??
      confirmationEndProblem(data, context.settings, context.nowMs) ??
      requestProblem(data, context.response);
    if (!problem) return data;
    first ??= { data };
  }
  if (!first) throw malformed('The assertion has no bearer subject confirmation.');
  return first.data;
}

export function checkRecipient(data: ConfirmationData, settings: ResponseSettings): void {
  throwIfAny(recipientProblem(data, settings));
}

/**
 * Checks that the confirmation has not expired.
 * @returns the latest end of all confirmations of the assertion, ms since 1970. The claim of the assertion must be kept until then: when
 *   the chosen confirmation has expired, another one may still be valid.
 */
export function checkConfirmationEnd(
  data: ConfirmationData,
  assertion: XmlElement,
  { settings, nowMs }: Omit<ConfirmationContext, 'response'>,
): number {
  throwIfAny(confirmationEndProblem(data, settings, nowMs));
  const subject = subjectOf(assertion);
  const confirmations = subject ? childrenNamed(subject, ASSERTION, 'SubjectConfirmation').flatMap((each) => childElements(each)) : [];
  return Math.max(...confirmations.map(endOf).filter((end) => end !== undefined));
}

/** Returns undefined if the confirmation can never be accepted, because its end is missing or unreadable. */
const endOf = (data: XmlElement): number | undefined => instantIn(data, 'NotOnOrAfter');

/** Returns undefined if the attribute is missing or unreadable. */
function instantIn(element: XmlElement, name: string): number | undefined {
  const text = attributeOf(element, name);
  try {
    return text === undefined ? undefined : readDateTime(text);
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}

/** @returns the InResponseTo that the response and the assertion agree on; undefined for an unsolicited response */
export function checkSameRequest(data: ConfirmationData, response: XmlElement): string | undefined {
  throwIfAny(requestProblem(data, response));
  return data && attributeOf(data, 'InResponseTo');
}

function throwIfAny(problem: GatewayError | undefined): void {
  if (problem) throw problem;
}

function recipientProblem(data: ConfirmationData, { acsUrl }: ResponseSettings): GatewayError | undefined {
  if (!data) return malformed('The bearer confirmation has no SubjectConfirmationData.');
  const recipient = attributeOf(data, 'Recipient');
  return isSameUri(recipient, acsUrl) ? undefined : mismatch('saml_recipient_mismatch', acsUrl, recipient);
}

/** @throws saml_malformed for an unreadable instant, which refuses the response even if another confirmation is valid */
function confirmationEndProblem(data: ConfirmationData, settings: ResponseSettings, nowMs: number): GatewayError | undefined {
  if (data && attributeOf(data, 'NotBefore') !== undefined) return malformed('The bearer confirmation has a NotBefore.');
  const notOnOrAfter = data && attributeOf(data, 'NotOnOrAfter');
  if (notOnOrAfter === undefined) return malformed('The bearer confirmation has no NotOnOrAfter.');
  const notOnOrAfterMs = readDateTime(notOnOrAfter);
  return hasPassed(notOnOrAfterMs, settings, nowMs) ? expired('The subject confirmation', notOnOrAfterMs, nowMs) : undefined;
}

function requestProblem(data: ConfirmationData, response: XmlElement): GatewayError | undefined {
  const inResponseTo = data && attributeOf(data, 'InResponseTo');
  if (inResponseTo === attributeOf(response, 'InResponseTo')) return undefined;
  return new GatewayError('saml_in_response_to_unknown', 'The response and its assertion answer different requests.');
}

const hasPassed = (notOnOrAfterMs: number, { clockSkewSeconds }: ResponseSettings, nowMs: number): boolean =>
  nowMs >= notOnOrAfterMs + clockSkewSeconds * 1000;

const expired = (subject: string, notOnOrAfterMs: number, nowMs: number): GatewayError =>
  new GatewayError('saml_expired', {
    detail: `${subject} has expired.`,
    wanted: `before ${toIsoTime(notOnOrAfterMs)}`,
    got: toIsoTime(nowMs),
  });

/** Reads the Conditions. An assertion without them has no audience. */
export function readConditions(assertion: XmlElement, { entityId }: ResponseSettings): XmlElement {
  const conditions = onlyChild(assertion, ASSERTION, 'Conditions', several('Conditions'));
  if (!conditions) throw mismatch('saml_audience_mismatch', entityId, undefined);
  return conditions;
}

export function checkNotBefore(conditions: XmlElement, { clockSkewSeconds }: ResponseSettings, nowMs: number): void {
  const notBefore = attributeOf(conditions, 'NotBefore');
  if (notBefore === undefined) return;
  const notBeforeMs = readDateTime(notBefore);
  if (nowMs < notBeforeMs - clockSkewSeconds * 1000) {
    throw new GatewayError('saml_not_yet_valid', { wanted: `from ${toIsoTime(notBeforeMs)}`, got: toIsoTime(nowMs) });
  }
}

export function checkNotOnOrAfter(conditions: XmlElement, settings: ResponseSettings, nowMs: number): void {
  const notOnOrAfter = attributeOf(conditions, 'NotOnOrAfter');
  if (notOnOrAfter === undefined) return;
  const notOnOrAfterMs = readDateTime(notOnOrAfter);
  if (hasPassed(notOnOrAfterMs, settings, nowMs)) throw expired('The assertion', notOnOrAfterMs, nowMs);
}

/** OneTimeUse is satisfied because every assertion is claimed once. {@link checkProxyRestriction} reads ProxyRestriction. */
const KNOWN_CONDITIONS: ReadonlySet<string> = new Set(['AudienceRestriction', 'OneTimeUse', 'ProxyRestriction']);

/** Checks that every condition is known: an assertion with an unknown condition must not be relied on (saml-core §2.5.1). */
export function checkKnownConditions(conditions: XmlElement): void {
  for (const condition of childElements(conditions)) {
    if (condition.uri !== ASSERTION || !KNOWN_CONDITIONS.has(condition.local))
      throw malformed('The assertion has a condition that is not supported.');
  }
}

/** Checks that every restriction has a matching audience. Restrictions combine with "and", the audiences of one restriction with "or". */
export function checkAudience(conditions: XmlElement, { entityId }: ResponseSettings): void {
  const restrictions = childrenNamed(conditions, ASSERTION, 'AudienceRestriction');
  if (restrictions.length === 0) throw mismatch('saml_audience_mismatch', entityId, undefined);
  for (const restriction of restrictions) {
    const audiences = audiencesOf(restriction);
    if (!audiences.some((audience) => isSameUri(audience, entityId))) throw audienceMismatch(entityId, audiences);
  }
}

/** @param audiences as they are spelled in the assertion */
function audienceMismatch(entityId: string, audiences: readonly string[]): GatewayError {
  return new GatewayError('saml_audience_mismatch', {
    wanted: entityId,
    got: shown(audiences.map((each) => shownExactly(each)).join(' ')),
  });
}

export const audiencesOf = (restriction: XmlElement): string[] => childrenNamed(restriction, ASSERTION, 'Audience').map(textOf);

/**
 * Checks that the gateway may vouch for the user to other services. A ProxyRestriction limits the assertions that are issued on the
 * basis of this one, and the gateway's tokens serve the same purpose. The gateway cannot enforce a list of audiences, because it does
 * not know which services accept its tokens. A count of 1 or more allows one further step, which is the token.
 */
export function checkProxyRestriction(conditions: XmlElement): void {
  const got = proxyLimitsOf(conditions)[0];
  if (got !== undefined) throw new GatewayError('saml_proxy_restricted', { wanted: 'no ProxyRestriction', got });
}

/** Describes each restriction that excludes the gateway's tokens. @throws saml_malformed for an invalid Count */
export function proxyLimitsOf(conditions: XmlElement): string[] {
  return childrenNamed(conditions, ASSERTION, 'ProxyRestriction').flatMap((restriction) => {
    const count = attributeOf(restriction, 'Count');
    if (count !== undefined && !/^\d{1,20}$/.test(count)) throw malformed('The Count of a ProxyRestriction is not a number.');
    // Any child element counts as an audience, so that no spelling of one is overlooked.
    if (childElements(restriction).length > 0) return ['a ProxyRestriction with audiences'];
    return count !== undefined && Number(count) === 0 ? ['a ProxyRestriction with Count="0"'] : [];
  });
}

export function readAuthnStatements(assertion: XmlElement): readonly XmlElement[] {
  const statements = childrenNamed(assertion, ASSERTION, 'AuthnStatement');
  if (statements.length === 0) throw malformed('The assertion has no AuthnStatement.');
  return statements;
}

/**
 * Checks that the session at the identity provider has not ended.
 * @returns the earliest SessionNotOnOrAfter of all statements, ms since 1970
 */
export function checkSessionEnd(statements: readonly XmlElement[], nowMs: number): number | undefined {
  const ends = statements.flatMap((statement) => attributeOf(statement, 'SessionNotOnOrAfter') ?? []).map(readDateTime);
  const sessionNotOnOrAfterMs = ends.length > 0 ? Math.min(...ends) : undefined;
  // No clock skew here: a session that has ended by this clock could never be used.
  if (sessionNotOnOrAfterMs !== undefined && nowMs >= sessionNotOnOrAfterMs) {
    throw expired('The session at the identity provider', sessionNotOnOrAfterMs, nowMs);
  }
  return sessionNotOnOrAfterMs;
}

/** @returns the first AuthnContextClassRef that the organization accepts */
export function checkAuthnContext(statements: readonly XmlElement[], { authnContext }: ResponseSettings): string | undefined {
  const classRefs = statements.flatMap(classRefsOf);
  if (authnContext.length === 0) return classRefs[0];
  const accepted = classRefs.find((ref) => authnContext.includes(ref));
  if (accepted !== undefined) return accepted;
  throw new GatewayError('saml_authn_context_mismatch', {
    detail: 'The authentication method that was used at the identity provider is not one that this organization accepts.',
    wanted: authnContext.join(' or '),
    got: shown(classRefs.map((ref) => shownExactly(ref)).join(' ') || ABSENT),
  });
}

/**
 * Returns the time of the latest authentication with an accepted method, ms since 1970; undefined if no such statement has a readable
 * AuthnInstant. An older authentication with an accepted method does not become newer by one with another method.
 */
export function authnInstantOf(statements: readonly XmlElement[], { authnContext }: ResponseSettings): number | undefined {
  const accepted = statements.filter(
    (statement) => authnContext.length === 0 || classRefsOf(statement).some((ref) => authnContext.includes(ref)),
  );
  const instants = accepted.map((statement) => instantIn(statement, 'AuthnInstant')).filter((instant) => instant !== undefined);
  return instants.length === 0 ? undefined : Math.max(...instants);
}

export const sessionIndexOf = (statements: readonly XmlElement[]): string | undefined =>
  statements.flatMap((statement) => attributeOf(statement, 'SessionIndex') ?? [])[0];

export function classRefsOf(statement: XmlElement): string[] {
  const context = onlyChild(statement, ASSERTION, 'AuthnContext', several('AuthnContext'));
  const ref = context && onlyChild(context, ASSERTION, 'AuthnContextClassRef', several('AuthnContextClassRef'));
  return ref ? [textOf(ref)] : [];
}

export function readNameId(assertion: XmlElement, { decryptionKeys }: ResponseSettings): NameId | undefined {
  const subject = subjectOf(assertion);
  return subject && openNameId(subject, decryptionKeys);
}
