/** One small function for each rule that an opened response must pass, in the order in which `response.ts` calls them. */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../errors.ts';
import { readDateTime } from './date-time.ts';
import { openElement, readEncryptedElement } from './decryption.ts';
import { ASSERTION, CONFIRMATION_BEARER, NAME_ID_UNSPECIFIED, PROTOCOL, STATUS_SUCCESS } from './names.ts';
import type { NameId, ResponseSettings, SignedResponse } from './response.ts';
import { issuerOf } from './response-structure.ts';
import { attributeOf, childElements, childrenNamed, isNamed, onlyChild, textOf, type XmlElement } from './xml.ts';

const malformed = (detail: string) => new GatewayError('saml_malformed', detail);
const several = (what: string) => () => new GatewayError('saml_structure_ambiguous', `There is more than one ${what}.`);

const MAX_SHOWN = 300;

/** A value from a message as it may be shown: one line, not endless. Escaping is the page's business. */
const shown = (value: string): string => {
  const line = value.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  return line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN)}…` : line;
};

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

/**
 * Rule 12, saml-core §3.2.2.2. Entra ID puts its AADSTS number into the StatusMessage, which is why it is shown.
 */
export function checkStatus(response: XmlElement): void {
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
    detail: text === '' ? 'The identity provider gave no reason in words.' : `The identity provider says: “${shown(text)}”`,
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

export interface Confirmation {
  readonly inResponseTo: string | undefined;
  readonly notOnOrAfterMs: number;
}

/** Rule 15, saml-profiles §4.1.4.2–3: one bearer confirmation that is good by itself. Of several that fail the first is told. */
export function checkSubjectConfirmation(signed: SignedResponse, settings: ResponseSettings, nowMs: number): Confirmation {
  const subject = subjectOf(signed.assertion);
  const bearers = subject
    ? childrenNamed(subject, ASSERTION, 'SubjectConfirmation').filter((element) => attributeOf(element, 'Method') === CONFIRMATION_BEARER)
    : [];
  const answers = attributeOf(signed.response, 'InResponseTo');
  let first: GatewayError | undefined;
  for (const bearer of bearers) {
    const result = judgeBearer(bearer, answers, settings, nowMs);
    if (!(result instanceof GatewayError)) return result;
    first ??= result;
  }
  throw first ?? malformed('The assertion has no bearer subject confirmation.');
}

function judgeBearer(
  bearer: XmlElement,
  answers: string | undefined,
  settings: ResponseSettings,
  nowMs: number,
): Confirmation | GatewayError {
  const data = onlyChild(bearer, ASSERTION, 'SubjectConfirmationData', several('SubjectConfirmationData'));
  if (!data) return malformed('The bearer confirmation has no data.');
  const recipient = attributeOf(data, 'Recipient');
  if (recipient !== settings.acsUrl) return mismatch('saml_recipient_mismatch', settings.acsUrl, recipient);
  if (attributeOf(data, 'NotBefore') !== undefined) return malformed('The bearer confirmation has a NotBefore.');
  const notOnOrAfter = attributeOf(data, 'NotOnOrAfter');
  if (notOnOrAfter === undefined) return malformed('The bearer confirmation has no NotOnOrAfter.');
  const notOnOrAfterMs = readDateTime(notOnOrAfter);
  if (hasPassed(notOnOrAfterMs, settings, nowMs)) return expired('The confirmation of the subject', notOnOrAfterMs, nowMs);
  const inResponseTo = attributeOf(data, 'InResponseTo');
  if (inResponseTo !== answers) return new GatewayError('saml_in_response_to_unknown', 'Response and assertion answer different requests.');
  return { inResponseTo, notOnOrAfterMs };
}

const hasPassed = (notOnOrAfterMs: number, settings: ResponseSettings, nowMs: number): boolean =>
  nowMs >= notOnOrAfterMs + settings.clockSkewSeconds * 1000;

const instant = (ms: number): string => new Date(ms).toISOString();

const expired = (what: string, notOnOrAfterMs: number, nowMs: number): GatewayError =>
  new GatewayError('saml_expired', { detail: `${what} has expired.`, wanted: `before ${instant(notOnOrAfterMs)}`, got: instant(nowMs) });

const KNOWN_CONDITIONS: ReadonlySet<string> = new Set(['AudienceRestriction', 'OneTimeUse', 'ProxyRestriction']);

/** Rule 16, saml-core §2.5.1. OneTimeUse is met by the claim of every assertion; ProxyRestriction concerns nobody here. */
export function checkConditions(assertion: XmlElement, settings: ResponseSettings, nowMs: number): void {
  const conditions = onlyChild(assertion, ASSERTION, 'Conditions', several('Conditions'));
  if (!conditions) throw mismatch('saml_audience_mismatch', settings.entityId, undefined);
  const notBefore = attributeOf(conditions, 'NotBefore');
  const notOnOrAfter = attributeOf(conditions, 'NotOnOrAfter');
  if (notBefore !== undefined) {
    const notBeforeMs = readDateTime(notBefore);
    if (nowMs < notBeforeMs - settings.clockSkewSeconds * 1000) {
      throw new GatewayError('saml_not_yet_valid', { wanted: `from ${instant(notBeforeMs)}`, got: instant(nowMs) });
    }
  }
  if (notOnOrAfter !== undefined) {
    const notOnOrAfterMs = readDateTime(notOnOrAfter);
    if (hasPassed(notOnOrAfterMs, settings, nowMs)) throw expired('The assertion', notOnOrAfterMs, nowMs);
  }
  for (const condition of childElements(conditions)) {
    if (condition.uri !== ASSERTION || !KNOWN_CONDITIONS.has(condition.local))
      throw malformed('The assertion has a condition that is not known.');
  }
  checkAudience(childrenNamed(conditions, ASSERTION, 'AudienceRestriction'), settings);
}

/** saml-core §2.5.1.4: restrictions are joined by "and", the audiences of one by "or". */
function checkAudience(restrictions: readonly XmlElement[], settings: ResponseSettings): void {
  if (restrictions.length === 0) throw mismatch('saml_audience_mismatch', settings.entityId, undefined);
  for (const restriction of restrictions) {
    const audiences = childrenNamed(restriction, ASSERTION, 'Audience').map(textOf);
    if (!audiences.includes(settings.entityId)) throw mismatch('saml_audience_mismatch', settings.entityId, audiences.join(' '));
  }
}

export interface Authentication {
  readonly sessionIndex: string | undefined;
  readonly sessionNotOnOrAfterMs: number | undefined;
  readonly authnContextClassRef: string | undefined;
}

/** Rule 17, saml-core §2.7.2. Where statements differ the earliest end counts. */
export function checkAuthnStatements(assertion: XmlElement, settings: ResponseSettings, nowMs: number): Authentication {
  const statements = childrenNamed(assertion, ASSERTION, 'AuthnStatement');
  if (statements.length === 0) throw malformed('The assertion has no AuthnStatement.');
  const ends = statements.flatMap((statement) => attributeOf(statement, 'SessionNotOnOrAfter') ?? []).map(readDateTime);
  const sessionNotOnOrAfterMs = ends.length > 0 ? Math.min(...ends) : undefined;
  if (sessionNotOnOrAfterMs !== undefined && hasPassed(sessionNotOnOrAfterMs, settings, nowMs)) {
    throw expired('The session at the identity provider', sessionNotOnOrAfterMs, nowMs);
  }
  const classRefs = statements.flatMap(classRefsOf);
  const wanted = settings.authnContext;
  const authnContextClassRef = wanted.length === 0 ? classRefs[0] : classRefs.find((ref) => wanted.includes(ref));
  if (wanted.length > 0 && authnContextClassRef === undefined) {
    throw new GatewayError('saml_status_not_success', {
      detail: 'The identity provider signed you in by another method than this organization asks for.',
      wanted: wanted.join(' or '),
      got: shown(classRefs.join(' ') || '(absent)'),
    });
  }
  return {
    sessionIndex: statements.flatMap((statement) => attributeOf(statement, 'SessionIndex') ?? [])[0],
    sessionNotOnOrAfterMs,
    authnContextClassRef,
  };
}

function classRefsOf(statement: XmlElement): string[] {
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
  const nameId = openElement(readEncryptedElement(encryptedId), decryptionKeys);
  if (!isNamed(nameId, ASSERTION, 'NameID')) throw malformed('What was encrypted as an EncryptedID is not a NameID.');
  return nameId;
}
