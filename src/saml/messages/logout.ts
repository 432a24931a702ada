/**
 * The verdict on a logout message of the identity provider. Nothing is read of one without a good signature, whatever the
 * binding: who could end sessions of others, or say that they have ended, would hold a switch over everybody.
 * @see saml-core §3.7, saml-profiles §4.4, saml-bindings §3.4.4.1, §3.5.4
 */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { MINUTE_MS, toIsoTime } from '../../time.ts';
import { type VerificationKey, verifySignature, verifySignedOctets } from '../crypto/signature.ts';
import { PROTOCOL, STATUS_PARTIAL_LOGOUT, STATUS_SUCCESS } from '../names.ts';
import type { NameId } from '../response/name-id.ts';
import { openNameId } from '../response/name-id.ts';
import { MAX_CLOCK_SKEW_MS } from '../response/response-settings.ts';
import {
  issuerOf,
  requireNoOtherSignature,
  requireUniqueIds,
  requireVersionAndId,
  signatureAfterIssuer,
} from '../response/response-structure.ts';
import { readCanonicalXml } from '../xml/canonical-reader.ts';
import { readDateTime } from '../xml/date-time.ts';
import { attributeOf, childrenNamed, isNamed, onlyChild, parseXml, textOf, walk, type XmlElement } from '../xml/xml.ts';
import type { UnverifiedMessage } from './bindings.ts';

/** What a logout message is held against. URLs and entity IDs are compared as exact strings. */
export interface LogoutSettings {
  /** Our single logout URL for this organization. */
  readonly sloUrl: string;
  readonly idpEntityId: string;
  readonly keys: readonly VerificationKey[];
  /** For a NameID that is encrypted. */
  readonly decryptionKeys: readonly KeyObject[];
  /** 0–300, both ways. */
  readonly clockSkewSeconds: number;
}

declare const verified: unique symbol;

/** What a signed LogoutRequest says. Only {@link acceptLogoutRequest} makes one. */
export interface VerifiedLogoutRequest {
  readonly [verified]: true;
  /** Claimed once, and answered. */
  readonly requestId: string;
  readonly nameId: NameId;
  /** The sessions to end; none for all of that NameID. */
  readonly sessionIndexes: readonly string[];
  /** Until when it could be accepted, skew included, ms since 1970: how long the claim must be kept. */
  readonly acceptableUntilMs: number;
}

/** What a signed LogoutResponse says. Only {@link acceptLogoutResponse} makes one. */
export interface VerifiedLogoutResponse {
  readonly [verified]: true;
  readonly inResponseTo: string;
  /** `partial`: some other participant may still have a session. */
  readonly outcome: 'success' | 'partial' | 'failed';
}

/** How long a message may be under way, ms. */
const MAX_AGE_MS = 5 * MINUTE_MS;
/** Each is looked for and remembered. */
const MAX_SESSION_INDEXES = 100;

const malformed = (detail: string) => new GatewayError('saml_malformed', detail);
const ambiguous = (detail: string) => new GatewayError('saml_structure_ambiguous', detail);
const several = (what: string) => () => ambiguous(`There is more than one ${what}.`);

/**
 * Accepts a LogoutRequest, or says why not.
 * @throws every `saml_…` code that a message can have; nothing may have been done then
 * @see saml-core §3.7.1
 */
export function acceptLogoutRequest(message: UnverifiedMessage, settings: LogoutSettings, nowMs: number): VerifiedLogoutRequest {
  const request = openSigned(message, 'LogoutRequest', settings);
  checkAddress(request, message.binding, settings);
  const acceptableUntilMs = checkTime(request, settings, nowMs);
  const sessionIndexes = childrenNamed(request, PROTOCOL, 'SessionIndex').map(textOf);
  if (sessionIndexes.length > MAX_SESSION_INDEXES) throw malformed('The logout request names too many sessions.');
  const statement: Omit<VerifiedLogoutRequest, typeof verified> = {
    requestId: attributeOf(request, 'ID') as string,
    nameId: readLogoutNameId(request, settings),
    sessionIndexes,
    acceptableUntilMs,
  };
  return statement as VerifiedLogoutRequest;
}

/**
 * Accepts a LogoutResponse, or says why not. Whether it answers a request of ours, the caller knows.
 * @throws every `saml_…` code that a message can have; nothing may have been done then
 * @see saml-core §3.7.2
 */
export function acceptLogoutResponse(message: UnverifiedMessage, settings: LogoutSettings, nowMs: number): VerifiedLogoutResponse {
  const response = openSigned(message, 'LogoutResponse', settings);
  checkAddress(response, message.binding, settings);
  checkTime(response, settings, nowMs);
  const inResponseTo = attributeOf(response, 'InResponseTo');
  if (inResponseTo === undefined) throw new GatewayError('saml_in_response_to_unknown', 'The logout response answers no request.');
  const statement: Omit<VerifiedLogoutResponse, typeof verified> = { inResponseTo, outcome: readOutcome(response) };
  return statement as VerifiedLogoutResponse;
}

/**
 * Verifies the message. What is returned is signed as a whole: parsed anew from the octets of the XML signature (HTTP-POST),
 * or the XML of which each octet is in the signed query (HTTP-Redirect).
 */
function openSigned(message: UnverifiedMessage, local: 'LogoutRequest' | 'LogoutResponse', settings: LogoutSettings): XmlElement {
  const unverified = parseXml(message.unverifiedXml);
  if (!isNamed(unverified, PROTOCOL, local)) throw malformed(`The message is not a SAML 2.0 ${local}.`);
  requireVersionAndId(unverified);
  const elements = walk(unverified);
  requireUniqueIds(elements);
  const signature = signatureAfterIssuer(unverified);
  requireNoOtherSignature(elements, [signature]);
  checkIssuer(unverified, settings);
  if (message.binding === 'post') {
    if (!signature) throw new GatewayError('saml_signature_missing', 'The logout message is not signed.');
    return readCanonicalXml(verifySignature(unverified, signature, settings.keys).octets);
  }
  // saml-bindings §3.4.4.1 has it removed; two signatures would be two answers to who signed.
  if (signature) throw ambiguous('A message in a URL has a signature inside as well.');
  const { querySignature } = message;
  if (!querySignature) throw new GatewayError('saml_signature_missing', 'The logout message is not signed.');
  verifySignedOctets(querySignature.octets, querySignature.value, querySignature.algorithm, settings.keys);
  return unverified;
}

/** Before the cryptography, of a message that may still be anybody's; it is the same afterwards, as the signature covers it. */
function checkIssuer(message: XmlElement, settings: LogoutSettings): void {
  const issuer = issuerOf(message);
  if (issuer !== settings.idpEntityId) {
    throw new GatewayError('saml_issuer_unknown', { detail: 'The logout message comes from another identity provider.' });
  }
}

/** saml-bindings §3.5.5.2. Over HTTP-Redirect some products leave it out although they sign; what is there must be right. */
function checkAddress(message: XmlElement, binding: UnverifiedMessage['binding'], { sloUrl }: LogoutSettings): void {
  const destination = attributeOf(message, 'Destination');
  if (destination === sloUrl || (destination === undefined && binding === 'redirect')) return;
  throw new GatewayError('saml_destination_mismatch', { wanted: sloUrl, got: destination?.slice(0, 300) ?? '(absent)' });
}

/** @returns when it ends to be acceptable, skew included */
function checkTime(message: XmlElement, { clockSkewSeconds }: LogoutSettings, nowMs: number): number {
  const skewMs = clockSkewSeconds * 1000;
  const issuedMs = readDateTime(attributeOf(message, 'IssueInstant') ?? '');
  if (issuedMs - skewMs > nowMs) {
    throw new GatewayError('saml_not_yet_valid', { wanted: `from ${toIsoTime(issuedMs)}`, got: toIsoTime(nowMs) });
  }
  const notOnOrAfter = attributeOf(message, 'NotOnOrAfter');
  const endMs = Math.min(issuedMs + MAX_AGE_MS, notOnOrAfter === undefined ? Number.POSITIVE_INFINITY : readDateTime(notOnOrAfter));
  if (nowMs >= endMs + skewMs) {
    throw new GatewayError('saml_expired', {
      detail: 'The logout message has expired.',
      wanted: `before ${toIsoTime(endMs)}`,
      got: toIsoTime(nowMs),
    });
  }
  return endMs + MAX_CLOCK_SKEW_MS;
}

function readLogoutNameId(request: XmlElement, settings: LogoutSettings): NameId {
  const nameId = openNameId(request, settings.decryptionKeys);
  if (!nameId) throw new GatewayError('saml_name_id_missing', 'The logout request has no NameID.');
  return nameId;
}

function readOutcome(response: XmlElement): VerifiedLogoutResponse['outcome'] {
  const status = onlyChild(response, PROTOCOL, 'Status', several('Status'));
  const code = status && onlyChild(status, PROTOCOL, 'StatusCode', several('StatusCode'));
  const value = code && attributeOf(code, 'Value');
  if (value === undefined) throw malformed('The logout response has no Status.');
  const second = code && childrenNamed(code, PROTOCOL, 'StatusCode').some((inner) => attributeOf(inner, 'Value') === STATUS_PARTIAL_LOGOUT);
  if (second || value === STATUS_PARTIAL_LOGOUT) return 'partial';
  return value === STATUS_SUCCESS ? 'success' : 'failed';
}
