/**
 * Accepts or rejects logout messages of the identity provider. A valid signature is required with either binding. Otherwise, an
 * attacker could end the sessions of any user, or pretend that sessions have ended.
 * @see saml-core §3.7, saml-profiles §4.4, saml-bindings §3.4.4.1, §3.5.4
 */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { MINUTE_MS, toIsoTime } from '../../time.ts';
import { type VerificationKey, verifySignature, verifySignedOctets } from '../crypto/signature.ts';
import { PROTOCOL, STATUS_PARTIAL_LOGOUT, STATUS_SUCCESS } from '../names.ts';
import { type NameId, openNameIdElement, readNameId } from '../response/name-id.ts';
import { MAX_CLOCK_SKEW_MS } from '../response/response-settings.ts';
import {
  issuerOf,
  requireNoOtherSignature,
  requireUniqueIds,
  requireVersionAndId,
  signatureAfterIssuer,
} from '../response/response-structure.ts';
import { shownExactly } from '../shown-text.ts';
import { readCanonicalXml } from '../xml/canonical-reader.ts';
import { readDateTime } from '../xml/date-time.ts';
import { trimXmlSpace } from '../xml/white-space.ts';
import { parseXml } from '../xml/xml.ts';
import { attributeOf, childrenNamed, isNamed, onlyChild, textOf, walk, type XmlElement } from '../xml/xml-tree.ts';
import type { UnverifiedMessage } from './bindings.ts';

/** The expected values of a logout message. URLs and entity IDs are compared as exact strings, without white space around them. */
export interface LogoutSettings {
  /** Our single logout URL for this organization. */
  readonly sloUrl: string;
  readonly idpEntityId: string;
  readonly keys: readonly VerificationKey[];
  /** Decrypt an encrypted NameID. */
  readonly decryptionKeys: readonly KeyObject[];
  /** 0–300, in both directions. */
  readonly clockSkewSeconds: number;
}

declare const verified: unique symbol;

/** The contents of a signed LogoutRequest. Only {@link acceptLogoutRequest} creates one. */
export interface VerifiedLogoutRequest {
  readonly [verified]: true;
  /** Must be claimed, so that the request is accepted only once. */
  readonly requestId: string;
  readonly nameId: NameId;
  /** Whether the NameID has a Format. Entra ID omits it in logout requests, even if its assertions have one. */
  readonly hasFormat: boolean;
  /** The sessions to end. Empty for all sessions of the NameID. */
  readonly sessionIndexes: readonly string[];
  /** The end of its validity with the largest clock skew, ms since 1970. The claim must be kept until then. */
  readonly acceptableUntilMs: number;
}

/** The contents of a signed LogoutResponse. Only {@link acceptLogoutResponse} creates one. */
export interface VerifiedLogoutResponse {
  readonly [verified]: true;
  readonly inResponseTo: string;
  /** `partial`: another service provider may still have a session. */
  readonly outcome: 'success' | 'partial' | 'failed';
}

/** The largest age of a message. */
const MAX_AGE_MS = 5 * MINUTE_MS;
/** Each index is looked up and remembered in the store. */
const MAX_SESSION_INDEXES = 100;

const malformed = (detail: string) => new GatewayError('saml_malformed', detail);
const ambiguous = (detail: string) => new GatewayError('saml_structure_ambiguous', detail);
const several = (name: string) => () => ambiguous(`There is more than one ${name}.`);

/**
 * Accepts a LogoutRequest.
 * @throws every `saml_…` code that a message can have. The caller must not have changed anything before.
 * @see saml-core §3.7.1
 */
export function acceptLogoutRequest(message: UnverifiedMessage, settings: LogoutSettings, nowMs: number): VerifiedLogoutRequest {
  const request = openSigned(message, 'LogoutRequest', settings);
  checkDestination(request, message.binding, settings);
  const acceptableUntilMs = checkTime(request, settings, nowMs);
  const sessionIndexes = childrenNamed(request, PROTOCOL, 'SessionIndex')
    .map(textOf)
    .filter((index) => index !== '');
  if (sessionIndexes.length > MAX_SESSION_INDEXES) throw malformed('The LogoutRequest has too many SessionIndexes.');
  const statement: Omit<VerifiedLogoutRequest, typeof verified> = {
    requestId: attributeOf(request, 'ID') as string,
    ...readLogoutNameId(request, settings),
    sessionIndexes,
    acceptableUntilMs,
  };
  return statement as VerifiedLogoutRequest;
}

/**
 * Accepts a LogoutResponse. The caller must check that it answers one of our requests.
 * @throws every `saml_…` code that a message can have. The caller must not have changed anything before.
 * @see saml-core §3.7.2
 */
export function acceptLogoutResponse(message: UnverifiedMessage, settings: LogoutSettings, nowMs: number): VerifiedLogoutResponse {
  const response = openSigned(message, 'LogoutResponse', settings);
  checkDestination(response, message.binding, settings);
  checkTime(response, settings, nowMs);
  const inResponseTo = attributeOf(response, 'InResponseTo');
  if (inResponseTo === undefined)
    throw new GatewayError('saml_in_response_to_unknown', {
      detail: 'The LogoutResponse has no InResponseTo.',
      variant: 'logout_unknown',
    });
  const statement: Omit<VerifiedLogoutResponse, typeof verified> = { inResponseTo, outcome: readOutcome(response) };
  return statement as VerifiedLogoutResponse;
}

/**
 * Verifies the message, and returns an element that is signed as a whole. It is parsed again from the octets of the XML signature
 * (HTTP-POST), or every octet of it is part of the signed query (HTTP-Redirect).
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
  // saml-bindings §3.4.4.1 requires its removal. Two signatures could name two signers.
  if (signature) throw ambiguous('A logout message in a URL also has a signature inside its XML.');
  const { querySignature } = message;
  if (!querySignature) throw new GatewayError('saml_signature_missing', 'The logout message is not signed.');
  verifySignedOctets(querySignature.octets, querySignature.value, querySignature.algorithm, settings.keys);
  return unverified;
}

/** Runs before the cryptography, on a message that anybody could have sent. The signature covers the Issuer, so it cannot differ later. */
function checkIssuer(message: XmlElement, settings: LogoutSettings): void {
  const issuer = issuerOf(message);
  if (issuer !== settings.idpEntityId) {
    throw new GatewayError('saml_issuer_unknown', { detail: 'The logout message comes from another identity provider.' });
  }
}

/**
 * saml-bindings §3.5.5.2. With HTTP-Redirect, some products omit the Destination although they sign the message. If it is
 * present, it must match.
 */
function checkDestination(message: XmlElement, binding: UnverifiedMessage['binding'], { sloUrl }: LogoutSettings): void {
  const destination = attributeOf(message, 'Destination');
  if ((destination !== undefined && trimXmlSpace(destination) === sloUrl) || (destination === undefined && binding === 'redirect')) return;
  throw new GatewayError('saml_destination_mismatch', {
    wanted: sloUrl,
    got: destination === undefined ? '(absent)' : shownExactly(destination),
  });
}

/** @returns the end of its validity with the largest clock skew, ms since 1970 */
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
      variant: 'logout_expired',
      detail: 'The logout message has expired.',
      wanted: `before ${toIsoTime(endMs)}`,
      got: toIsoTime(nowMs),
    });
  }
  return endMs + MAX_CLOCK_SKEW_MS;
}

function readLogoutNameId(request: XmlElement, settings: LogoutSettings): Pick<VerifiedLogoutRequest, 'nameId' | 'hasFormat'> {
  const nameId = openNameIdElement(request, settings.decryptionKeys);
  if (!nameId) throw new GatewayError('saml_name_id_missing', 'The LogoutRequest has no NameID.');
  return { nameId: readNameId(nameId), hasFormat: attributeOf(nameId, 'Format') !== undefined };
}

function readOutcome(response: XmlElement): VerifiedLogoutResponse['outcome'] {
  const status = onlyChild(response, PROTOCOL, 'Status', several('Status'));
  const code = status && onlyChild(status, PROTOCOL, 'StatusCode', several('StatusCode'));
  const value = code && attributeOf(code, 'Value');
  if (value === undefined) throw malformed('The LogoutResponse has no Status.');
  const isPartial =
    code && childrenNamed(code, PROTOCOL, 'StatusCode').some((inner) => attributeOf(inner, 'Value') === STATUS_PARTIAL_LOGOUT);
  if (isPartial || value === STATUS_PARTIAL_LOGOUT) return 'partial';
  return value === STATUS_SUCCESS ? 'success' : 'failed';
}
