/**
 * The verdict on a response: one ordered list of checks, stopped by the first that fails. The checks in words are
 * in `check-list.ts`. Text, settings and the time come in; a {@link VerifiedAssertion} or a GatewayError comes out.
 */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { type SignedOctets, type VerificationKey, verifySignature } from '../crypto/signature.ts';
import { ASSERTION } from '../names.ts';
import { readCanonicalXml } from '../xml/canonical-reader.ts';
import { attributeOf, childrenNamed, parseXml, type XmlElement } from '../xml/xml.ts';
import { type RunCheck, stopAtFirst } from './checks.ts';
import { type OpenedAssertion, openEncryptedAssertion } from './encrypted-assertion.ts';
import { readAttributes } from './person.ts';
import {
  checkAssertionIssuer,
  checkAudience,
  checkAuthnContext,
  checkConfirmationEnd,
  checkDestination,
  checkKnownConditions,
  checkNotBefore,
  checkNotOnOrAfter,
  checkRecipient,
  checkResponseIssuer,
  checkSameRequest,
  checkSessionEnd,
  checkStatus,
  chooseBearer,
  latestConfirmationEnd,
  readAuthnStatements,
  readConditions,
  readNameId,
  sessionIndexOf,
} from './response-checks.ts';
import { readStructure, type UnverifiedResponse } from './response-structure.ts';

/** What a response is held against. URLs and entity IDs are compared as exact strings. */
export interface ResponseSettings {
  /** Our entityID for this organization: the audience. */
  readonly entityId: string;
  /** Our ACS URL for this organization: destination and recipient. */
  readonly acsUrl: string;
  /** The entityID of the organization's identity provider. */
  readonly idpEntityId: string;
  /** From the organization's configured certificates; KeyInfo in a message gives nothing. */
  readonly keys: readonly VerificationKey[];
  /**
   * Our private keys for this organization, RSA: the one in use and those of before. Each is tried, so few. Not read for a
   * message of which {@link mayBeEncrypted} says no.
   */
  readonly decryptionKeys: readonly KeyObject[];
  readonly requireSignedAssertion: boolean;
  readonly requireSignedResponse: boolean;
  readonly requireEncryptedAssertion: boolean;
  /** 0–300, both ways. */
  readonly clockSkewSeconds: number;
  /** AuthnContextClassRefs of which the assertion must carry one; empty for any. */
  readonly authnContext: readonly string[];
}

export interface NameId {
  readonly value: string;
  readonly format: string;
  readonly nameQualifier?: string;
  readonly spNameQualifier?: string;
}

/** The most that `clockSkewSeconds` may be: it may be raised while an assertion is alive. */
export const MAX_CLOCK_SKEW_MS = 300_000;

declare const verified: unique symbol;

/** What signed octets say, and nothing else. Only {@link acceptResponse} makes one. */
export interface VerifiedAssertion {
  readonly [verified]: true;
  /** Claimed once, so that the assertion is good for one login. */
  readonly assertionId: string;
  /** The AuthnRequest that it answers; undefined for an unsolicited one. */
  readonly inResponseTo: string | undefined;
  /**
   * Until when it could be accepted by any of its confirmations and with the largest skew that can be set, ms since 1970: how
   * long the claim must be kept.
   */
  readonly acceptableUntilMs: number;
  readonly nameId: NameId | undefined;
  readonly sessionIndex: string | undefined;
  /** Where the IdP limits the session, ms since 1970. */
  readonly sessionNotOnOrAfterMs: number | undefined;
  readonly authnContextClassRef: string | undefined;
  /** By Name; the values of repeated Attribute elements joined. An undefined value has markup inside and can't be read as text. */
  readonly attributes: ReadonlyMap<string, readonly (string | undefined)[]>;
  /** Certificates that verified although their date has passed: told loudly, refused never (the key is what was configured). */
  readonly expiredCertificates: readonly string[];
}

/** The response with what its signatures cover: every element below is parsed from signed octets, but for `response` where only the assertion is signed. */
export interface SignedResponse {
  readonly response: XmlElement;
  readonly responseIsSigned: boolean;
  readonly assertion: XmlElement;
  readonly keys: readonly VerificationKey[];
}

/**
 * Accepts a response, or says why not.
 * @param unverifiedXml the decoded message
 * @throws every `saml_…` code but those about a person, a request or a replay
 * @see saml-profiles §4.1.4.3, saml-core §2, §3, §5
 */
export function acceptResponse(unverifiedXml: string, settings: ResponseSettings, nowMs: number): VerifiedAssertion {
  return readResponse(stopAtFirst, unverifiedXml, settings, nowMs) as VerifiedAssertion;
}

/**
 * The checks, in order. What comes out is worth something only where the first that fails stops all, which is why only
 * {@link acceptResponse} calls it a verified assertion.
 * @param run does each of them; to explain a refusal it goes on after one that failed
 */
export function readResponse(
  run: RunCheck,
  unverifiedXml: string,
  settings: ResponseSettings,
  nowMs: number,
): Omit<VerifiedAssertion, typeof verified> {
  const root = run('xml', () => parseXml(unverifiedXml)); // 3
  const unverified = readStructure(root, run); // 4
  run('response_issuer', () => checkResponseIssuer(root, settings)); // 5
  run('answer', () => requireAssertion(unverified)); // 12
  const signed = openSigned(run, unverified, settings); // 6–11
  const { response, assertion, keys } = signed;
  run('status', () => checkStatus(response, signed.responseIsSigned)); // 12
  run('destination', () => checkDestination(signed, settings)); // 13
  run('assertion_issuer', () => checkAssertionIssuer(assertion, settings)); // 14
  const bearer = run('bearer', () => chooseBearer(signed, settings, nowMs)); // 15
  run('recipient', () => checkRecipient(bearer, settings));
  const confirmedUntilMs = run('confirmation_end', () => {
    checkConfirmationEnd(bearer, settings, nowMs);
    return latestConfirmationEnd(assertion);
  });
  const inResponseTo = run('in_response_to', () => checkSameRequest(bearer, response));
  const conditions = run('conditions', () => readConditions(assertion, settings)); // 16
  run('not_before', () => checkNotBefore(conditions, settings, nowMs));
  run('not_on_or_after', () => checkNotOnOrAfter(conditions, settings, nowMs));
  run('known_conditions', () => checkKnownConditions(conditions));
  run('audience', () => checkAudience(conditions, settings));
  const statements = run('authn_statement', () => readAuthnStatements(assertion)); // 17
  const sessionNotOnOrAfterMs = run('session_end', () => checkSessionEnd(statements, nowMs));
  const authnContextClassRef = run('authn_context', () => checkAuthnContext(statements, settings));
  return {
    assertionId: attributeOf(assertion, 'ID') as string,
    inResponseTo,
    acceptableUntilMs: confirmedUntilMs + MAX_CLOCK_SKEW_MS,
    nameId: run('name_id', () => readNameId(assertion, settings)),
    sessionIndex: sessionIndexOf(statements),
    sessionNotOnOrAfterMs,
    authnContextClassRef,
    attributes: run('attributes', () => readAttributes(assertion)),
    expiredCertificates: keys.filter((key) => key.notAfterMs <= nowMs).map((key) => key.fingerprint),
  };
}

/** An answer without assertion can only say that it failed. Nothing is granted, so its status is read although nothing signs it. */
function requireAssertion({ unverifiedResponse, unverifiedAssertion, encryptedAssertion }: UnverifiedResponse): void {
  if (unverifiedAssertion || encryptedAssertion) return;
  checkStatus(unverifiedResponse, false);
  throw new GatewayError('saml_malformed', 'The response has no assertion.');
}

/** A response that is signed, parsed anew from the signed octets. */
export interface OpenedResponse {
  readonly element: XmlElement;
  readonly key: VerificationKey;
}

/** Verifies whatever is signed, and parses anew what the signatures cover. A signature that is there must be good. */
function openSigned(run: RunCheck, unverified: UnverifiedResponse, settings: ResponseSettings): SignedResponse {
  const ofResponse = run('response_signature', () => openResponse(unverified, settings));
  const response = ofResponse?.element ?? unverified.unverifiedResponse;
  const { assertion, key } = unverified.unverifiedAssertion
    ? openPlainAssertion(run, unverified.unverifiedAssertion, unverified.assertionSignature, ofResponse, settings)
    : run('decryption', () => openEncryptedAssertion(theOne(response, 'EncryptedAssertion'), ofResponse !== undefined, settings));
  const keys = [ofResponse?.key, key].filter((one) => one !== undefined);
  return { response, responseIsSigned: ofResponse !== undefined, assertion, keys };
}

function openResponse(
  { unverifiedResponse, responseSignature }: UnverifiedResponse,
  settings: ResponseSettings,
): OpenedResponse | undefined {
  if (!responseSignature && settings.requireSignedResponse) {
    throw new GatewayError('saml_signature_missing', 'This organization asks for a signed response.');
  }
  const signed = responseSignature && verifySignature(unverifiedResponse, responseSignature, settings.keys);
  return signed && { element: readCanonicalXml(signed.octets), key: signed.key };
}

function openPlainAssertion(
  run: RunCheck,
  unverifiedAssertion: XmlElement,
  signature: XmlElement | undefined,
  ofResponse: OpenedResponse | undefined,
  settings: ResponseSettings,
): OpenedAssertion {
  run('encryption', () => {
    if (settings.requireEncryptedAssertion)
      throw new GatewayError('saml_decryption_failed', 'This organization asks for an encrypted assertion.');
  });
  const ofAssertion = run('assertion_signature', () => {
    if (!signature && settings.requireSignedAssertion) {
      throw new GatewayError('saml_signature_missing', 'This organization asks for a signed assertion.');
    }
    return signature && verifySignature(unverifiedAssertion, signature, settings.keys);
  });
  return run('coverage', () => coveredAssertion(ofResponse, ofAssertion));
}

function coveredAssertion(ofResponse: OpenedResponse | undefined, ofAssertion: SignedOctets | undefined): OpenedAssertion {
  if (ofResponse) return { assertion: theOne(ofResponse.element, 'Assertion'), key: ofAssertion?.key };
  if (ofAssertion) return { assertion: readCanonicalXml(ofAssertion.octets), key: ofAssertion.key };
  throw new GatewayError('saml_signature_missing', 'Neither the response nor the assertion is signed.');
}

function theOne(response: XmlElement, local: 'Assertion' | 'EncryptedAssertion'): XmlElement {
  const [assertion, ...more] = childrenNamed(response, ASSERTION, local);
  if (!assertion || more.length > 0) throw new GatewayError('saml_structure_ambiguous', 'The response has not exactly one assertion.');
  return assertion;
}
