/** One small function for each rule that an opened response must pass, in the order in which `response.ts` calls them. */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { toIsoTime } from '../../time.ts';
import { decryptAndParse, readEncryptedElement } from '../crypto/decryption.ts';
import { ASSERTION, CONFIRMATION_BEARER, NAME_ID_UNSPECIFIED, PROTOCOL, STATUS_SUCCESS } from '../names.ts';
import { shown } from '../shown-text.ts';
import { readDateTime } from '../xml/date-time.ts';
import { attributeOf, childElements, childrenNamed, isNamed, onlyChild, textOf, type XmlElement } from '../xml/xml.ts';
import type { NameId, ResponseSettings, SignedResponse } from './response.ts';
import { issuerOf } from './response-structure.ts';

const malformed = (detail: string) => new GatewayError('saml_malformed', detail);
const several = (what: string) => () => new GatewayError('saml_structure_ambiguous', `There is more than one ${what}.`);

function mismatch(
  code: 'saml_issuer_unknown' | 'saml_destination_mismatch' | 'saml_recipient_mismatch' | 'saml_audience_mismatch',
  wanted: string,
  got: string | undefined,
): GatewayError {
  return new GatewayError(code, { wanted, got: got === undefined ? '(absent)' : shown(got) });
}

/** Rule 5. The organization comes from the URL; the message may only agree. */
export function checkResponseIssuer(response: XmlElement, settings: ResponseSettings): void {
  const issuer = issuerOf(response);
  if (issuer !== undefined && issuer !== settings.idpEntityId) throw mismatch('saml_issuer_unknown', settings.idpEntityId, issuer);
}

const SAYS_SIGNED = 'The identity provider says';
/** Anybody can post such a message, so nobody shall take it for the identity provider's word, or ours. */
const SAYS_UNSIGNED = 'The answer, which nobody has signed, says';

/**
 * Rule 12, saml-core §3.2.2.2. Entra ID puts its AADSTS number into the StatusMessage, which is why it is shown.
 */
export function checkStatus(response: XmlElement, isSigned: boolean): void {
  const status = onlyChild(response, PROTOCOL, 'Status', several('Status'));
  const code = status && onlyChild(status, PROTOCOL, 'StatusCode', several('StatusCode'));
  const value = code && attributeOf(code, 'Value');
  if (!status || !code || value === undefined) throw malformed('The response has no Status.');
  if (value === STATUS_SUCCESS) return;
  const message = onlyChild(status, PROTOCOL, 'StatusMessage', several('StatusMessage'));
  const second = childrenNamed(code, PROTOCOL, 'StatusCode')[0];
  const codes = [value, second && attributeOf(second, 'Value')].filter((text) => text !== undefined);
  const text = message ? textOf(message) : '';
  throw new GatewayError('saml_status_not_success', {
    detail: text === '' ? 'The identity provider gave no reason in words.' : `${isSigned ? SAYS_SIGNED : SAYS_UNSIGNED}: “${shown(text)}”`,
    got: shown(codes.map((code) => code.replace('urn:oasis:names:tc:SAML:2.0:status:', '')).join(' / ')),
  });
}

/** Rule 13, saml-bindings §3.5.5.2. An unsigned Destination can refuse only. */
export function checkDestination(signed: SignedResponse, settings: ResponseSettings): void {
  const destination = attributeOf(signed.response, 'Destination');
  if (destination === undefined && !signed.responseIsSigned) return;
  if (destination !== settings.acsUrl) throw mismatch('saml_destination_mismatch', settings.acsUrl, destination);
}

/** Rule 14. */
export function checkAssertionIssuer(assertion: XmlElement, settings: ResponseSettings): void {
  if (!isNamed(assertion, ASSERTION, 'Assertion') || attributeOf(assertion, 'Version') !== '2.0' || !attributeOf(assertion, 'ID')) {
    throw malformed('The signed element is not a SAML 2.0 assertion.');
  }
  const issuer = issuerOf(assertion);
  if (issuer !== settings.idpEntityId) throw mismatch('saml_issuer_unknown', settings.idpEntityId, issuer);
}

const subjectOf = (assertion: XmlElement): XmlElement | undefined => onlyChild(assertion, ASSERTION, 'Subject', several('Subject'));

/** A SubjectConfirmationData; undefined for a confirmation that has none. */
type ConfirmationData = XmlElement | undefined;

/**
 * Rule 15, saml-profiles §4.1.4.2–3: one bearer confirmation that is good by itself; where none is, the first, so that the
 * checks below tell what is wrong with it.
 */
export function chooseBearer(signed: SignedResponse, settings: ResponseSettings, nowMs: number): ConfirmationData {
  const subject = subjectOf(signed.assertion);
  const bearers = subject
    ? childrenNamed(subject, ASSERTION, 'SubjectConfirmation').filter((element) => attributeOf(element, 'Method') === CONFIRMATION_BEARER)
    : [];
  let first: { readonly data: ConfirmationData } | undefined;
  for (const bearer of bearers) {
    const data = onlyChild(bearer, ASSERTION, 'SubjectConfirmationData', several('SubjectConfirmationData'));
    const problem =
      recipientProblem(data, settings) ?? confirmationEndProblem(data, settings, nowMs) ?? requestProblem(data, signed.response);
    if (!problem) return data;
    first ??= { data };
  }
  if (!first) throw malformed('The assertion has no bearer subject confirmation.');
  return first.data;
}

/**
 * Until when any of the bearer confirmations could let the assertion in, ms since 1970. The claim of an assertion must live by
 * this and not by the confirmation that was good: when that one has ended, another one may be good.
 */
export function latestConfirmationEnd(assertion: XmlElement): number {
  const subject = subjectOf(assertion);
  const data = subject ? childrenNamed(subject, ASSERTION, 'SubjectConfirmation').flatMap((each) => childElements(each)) : [];
  return Math.max(...data.map(endOf).filter((end) => end !== undefined));
}

/** Undefined for what lets nobody in: no instant, or none that can be read. */
function endOf(data: XmlElement): number | undefined {
  const notOnOrAfter = attributeOf(data, 'NotOnOrAfter');
  try {
    return notOnOrAfter === undefined ? undefined : readDateTime(notOnOrAfter);
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}

export function checkRecipient(data: ConfirmationData, settings: ResponseSettings): void {
  throwIfAny(recipientProblem(data, settings));
}

export function checkConfirmationEnd(data: ConfirmationData, settings: ResponseSettings, nowMs: number): void {
  throwIfAny(confirmationEndProblem(data, settings, nowMs));
}

/** @returns the InResponseTo, which response and assertion agree on */
export function checkSameRequest(data: ConfirmationData, response: XmlElement): string | undefined {
  throwIfAny(requestProblem(data, response));
  return data && attributeOf(data, 'InResponseTo');
}

function throwIfAny(problem: GatewayError | undefined): void {
  if (problem) throw problem;
}

function recipientProblem(data: ConfirmationData, settings: ResponseSettings): GatewayError | undefined {
  if (!data) return malformed('The bearer confirmation has no data.');
  const recipient = attributeOf(data, 'Recipient');
  return recipient === settings.acsUrl ? undefined : mismatch('saml_recipient_mismatch', settings.acsUrl, recipient);
}

/** @throws saml_malformed for an instant that is none: that is no matter of another confirmation */
function confirmationEndProblem(data: ConfirmationData, settings: ResponseSettings, nowMs: number): GatewayError | undefined {
  if (data && attributeOf(data, 'NotBefore') !== undefined) return malformed('The bearer confirmation has a NotBefore.');
  const notOnOrAfter = data && attributeOf(data, 'NotOnOrAfter');
  if (notOnOrAfter === undefined) return malformed('The bearer confirmation has no NotOnOrAfter.');
  const notOnOrAfterMs = readDateTime(notOnOrAfter);
  return hasPassed(notOnOrAfterMs, settings, nowMs) ? expired('The confirmation of the subject', notOnOrAfterMs, nowMs) : undefined;
}

function requestProblem(data: ConfirmationData, response: XmlElement): GatewayError | undefined {
  const inResponseTo = data && attributeOf(data, 'InResponseTo');
  if (inResponseTo === attributeOf(response, 'InResponseTo')) return undefined;
  return new GatewayError('saml_in_response_to_unknown', 'Response and assertion answer different requests.');
}

const hasPassed = (notOnOrAfterMs: number, settings: ResponseSettings, nowMs: number): boolean =>
  nowMs >= notOnOrAfterMs + settings.clockSkewSeconds * 1000;

const expired = (what: string, notOnOrAfterMs: number, nowMs: number): GatewayError =>
  new GatewayError('saml_expired', {
    detail: `${what} has expired.`,
    wanted: `before ${toIsoTime(notOnOrAfterMs)}`,
    got: toIsoTime(nowMs),
  });

const KNOWN_CONDITIONS: ReadonlySet<string> = new Set(['AudienceRestriction', 'OneTimeUse', 'ProxyRestriction']);

/** Rule 16, saml-core §2.5.1. Without conditions there is no audience. */
export function readConditions(assertion: XmlElement, settings: ResponseSettings): XmlElement {
  const conditions = onlyChild(assertion, ASSERTION, 'Conditions', several('Conditions'));
  if (!conditions) throw mismatch('saml_audience_mismatch', settings.entityId, undefined);
  return conditions;
}

export function checkNotBefore(conditions: XmlElement, settings: ResponseSettings, nowMs: number): void {
  const notBefore = attributeOf(conditions, 'NotBefore');
  if (notBefore === undefined) return;
  const notBeforeMs = readDateTime(notBefore);
  if (nowMs < notBeforeMs - settings.clockSkewSeconds * 1000) {
    throw new GatewayError('saml_not_yet_valid', { wanted: `from ${toIsoTime(notBeforeMs)}`, got: toIsoTime(nowMs) });
  }
}

export function checkNotOnOrAfter(conditions: XmlElement, settings: ResponseSettings, nowMs: number): void {
  const notOnOrAfter = attributeOf(conditions, 'NotOnOrAfter');
  if (notOnOrAfter === undefined) return;
  const notOnOrAfterMs = readDateTime(notOnOrAfter);
  if (hasPassed(notOnOrAfterMs, settings, nowMs)) throw expired('The assertion', notOnOrAfterMs, nowMs);
}

/** OneTimeUse is met by the claim of every assertion; ProxyRestriction concerns nobody here. */
export function checkKnownConditions(conditions: XmlElement): void {
  for (const condition of childElements(conditions)) {
    if (condition.uri !== ASSERTION || !KNOWN_CONDITIONS.has(condition.local))
      throw malformed('The assertion has a condition that is not known.');
  }
}

/** saml-core §2.5.1.4: restrictions are joined by "and", the audiences of one by "or". */
export function checkAudience(conditions: XmlElement, settings: ResponseSettings): void {
  const restrictions = childrenNamed(conditions, ASSERTION, 'AudienceRestriction');
  if (restrictions.length === 0) throw mismatch('saml_audience_mismatch', settings.entityId, undefined);
  for (const restriction of restrictions) {
    const audiences = audiencesOf(restriction);
    if (!audiences.includes(settings.entityId)) throw mismatch('saml_audience_mismatch', settings.entityId, audiences.join(' '));
  }
}

export const audiencesOf = (restriction: XmlElement): string[] => childrenNamed(restriction, ASSERTION, 'Audience').map(textOf);

/** Rule 17, saml-core §2.7.2. */
export function readAuthnStatements(assertion: XmlElement): readonly XmlElement[] {
  const statements = childrenNamed(assertion, ASSERTION, 'AuthnStatement');
  if (statements.length === 0) throw malformed('The assertion has no AuthnStatement.');
  return statements;
}

/**
 * Where statements differ the earliest end counts.
 * @returns it, ms since 1970
 */
export function checkSessionEnd(statements: readonly XmlElement[], nowMs: number): number | undefined {
  const ends = statements.flatMap((statement) => attributeOf(statement, 'SessionNotOnOrAfter') ?? []).map(readDateTime);
  const sessionNotOnOrAfterMs = ends.length > 0 ? Math.min(...ends) : undefined;
  // Without skew: a session that has ended by our clock would be one that nobody can use.
  if (sessionNotOnOrAfterMs !== undefined && nowMs >= sessionNotOnOrAfterMs) {
    throw expired('The session at the identity provider', sessionNotOnOrAfterMs, nowMs);
  }
  return sessionNotOnOrAfterMs;
}

/** @returns the AuthnContextClassRef that was asked for, or the first where none was */
export function checkAuthnContext(statements: readonly XmlElement[], settings: ResponseSettings): string | undefined {
  const classRefs = statements.flatMap(classRefsOf);
  const wanted = settings.authnContext;
  if (wanted.length === 0) return classRefs[0];
  const found = classRefs.find((ref) => wanted.includes(ref));
  if (found !== undefined) return found;
  throw new GatewayError('saml_status_not_success', {
    detail: 'The identity provider signed you in by another method than this organization asks for.',
    wanted: wanted.join(' or '),
    got: shown(classRefs.join(' ') || '(absent)'),
  });
}

export const sessionIndexOf = (statements: readonly XmlElement[]): string | undefined =>
  statements.flatMap((statement) => attributeOf(statement, 'SessionIndex') ?? [])[0];

export function classRefsOf(statement: XmlElement): string[] {
  const context = onlyChild(statement, ASSERTION, 'AuthnContext', several('AuthnContext'));
  const ref = context && onlyChild(context, ASSERTION, 'AuthnContextClassRef', several('AuthnContextClassRef'));
  return ref ? [textOf(ref)] : [];
}

/** The subject's NameID. */
export function readNameId(assertion: XmlElement, settings: ResponseSettings): NameId | undefined {
  const subject = subjectOf(assertion);
  return subject && openNameId(subject, settings.decryptionKeys);
}

/** The NameID inside a signed element, in plain or encrypted. Who sends both may mean two people. */
export function openNameId(parent: XmlElement, decryptionKeys: readonly KeyObject[]): NameId | undefined {
  const encrypted = onlyChild(parent, ASSERTION, 'EncryptedID', several('EncryptedID'));
  const plain = onlyChild(parent, ASSERTION, 'NameID', several('NameID'));
  if (encrypted && plain) throw several('NameID')();
  const nameId = encrypted ? openEncryptedId(encrypted, decryptionKeys) : plain;
  if (!nameId) return undefined;
  const nameQualifier = attributeOf(nameId, 'NameQualifier');
  const spNameQualifier = attributeOf(nameId, 'SPNameQualifier');
  return {
    value: textOf(nameId),
    format: attributeOf(nameId, 'Format') ?? NAME_ID_UNSPECIFIED,
    ...(nameQualifier === undefined ? {} : { nameQualifier }),
    ...(spNameQualifier === undefined ? {} : { spNameQualifier }),
  };
}

/** saml-core §2.2.4. The ciphertext is covered by a signature, so each failure may be told as what it is. */
function openEncryptedId(encryptedId: XmlElement, decryptionKeys: readonly KeyObject[]): XmlElement {
  const nameId = decryptAndParse(readEncryptedElement(encryptedId), decryptionKeys);
  if (!isNamed(nameId, ASSERTION, 'NameID')) throw malformed('What was encrypted as an EncryptedID is not a NameID.');
  return nameId;
}
