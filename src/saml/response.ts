/**
 * The verdict on a response: one ordered list of checks, stopped by the first that fails. Rule numbers are those of
 * `saml/README.md`. Text, settings and the time come in; a {@link VerifiedAssertion} or a GatewayError comes out.
 */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../errors.ts';
import { readAttributes } from './attributes.ts';
import { type OpenedAssertion, openEncryptedAssertion } from './encrypted-assertion.ts';
import { ASSERTION } from './names.ts';
import {
  checkAssertionIssuer,
  checkAuthnStatements,
  checkConditions,
  checkDestination,
  checkResponseIssuer,
  checkStatus,
  checkSubjectConfirmation,
  readNameId,
} from './response-checks.ts';
import { readStructure, type UnverifiedResponse } from './response-structure.ts';
import { type VerificationKey, verifySignature } from './signature.ts';
import { attributeOf, childrenNamed, parseXml, type XmlElement } from './xml.ts';

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

declare const verified: unique symbol;

/** What signed octets say, and nothing else. Only {@link acceptResponse} makes one. */
export interface VerifiedAssertion {
  readonly [verified]: true;
  /** Claimed once, so that the assertion is good for one login. */
  readonly assertionId: string;
  /** The AuthnRequest that it answers; undefined for an unsolicited one. */
  readonly inResponseTo: string | undefined;
  /** Until when it could be accepted, skew included, ms since 1970: how long the claim must be kept. */
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
  const unverified = readStructure(parseXml(unverifiedXml)); // 3, 4
  checkResponseIssuer(unverified.unverifiedResponse, settings); // 5
  if (!unverified.unverifiedAssertion && !unverified.encryptedAssertion) refuseWithoutAssertion(unverified); // 12
  const signed = openSigned(unverified, settings); // 6–11
  checkStatus(signed.response); // 12
  checkDestination(signed, settings); // 13
  checkAssertionIssuer(signed.assertion, settings); // 14
  const confirmation = checkSubjectConfirmation(signed, settings, nowMs); // 15
  checkConditions(signed.assertion, settings, nowMs); // 16
  const authn = checkAuthnStatements(signed.assertion, settings, nowMs); // 17
  const statement: Omit<VerifiedAssertion, typeof verified> = {
    assertionId: attributeOf(signed.assertion, 'ID') as string,
    inResponseTo: confirmation.inResponseTo,
    acceptableUntilMs: confirmation.notOnOrAfterMs + settings.clockSkewSeconds * 1000,
    nameId: readNameId(signed.assertion, settings),
    ...authn,
    attributes: readAttributes(signed.assertion),
    expiredCertificates: signed.keys.filter((key) => key.notAfterMs <= nowMs).map((key) => key.fingerprint),
  };
  return statement as VerifiedAssertion;
}

/** An answer without assertion can only say that it failed. Nothing is granted, so its status is read although nothing signs it. */
function refuseWithoutAssertion(unverified: UnverifiedResponse): never {
  checkStatus(unverified.unverifiedResponse);
  throw new GatewayError('saml_malformed', 'The response has no assertion.');
}

/** Verifies whatever is signed, and parses anew what the signatures cover. A signature that is there must be good. */
function openSigned(unverified: UnverifiedResponse, settings: ResponseSettings): SignedResponse {
  const { unverifiedResponse, responseSignature, unverifiedAssertion, assertionSignature } = unverified;
  if (!responseSignature && settings.requireSignedResponse) {
    throw new GatewayError('saml_signature_missing', 'This organization asks for a signed response.');
  }
  const ofResponse = responseSignature && verifySignature(unverifiedResponse, responseSignature, settings.keys);
  const signedResponse = ofResponse && parseXml(ofResponse.octets);
  const response = signedResponse ?? unverifiedResponse;
  const { assertion, key } = unverifiedAssertion
    ? openPlainAssertion(unverifiedAssertion, assertionSignature, signedResponse, settings)
    : openEncryptedAssertion(theOne(response, 'EncryptedAssertion'), signedResponse !== undefined, settings);
  const keys = [ofResponse?.key, key].filter((one) => one !== undefined);
  return { response, responseIsSigned: signedResponse !== undefined, assertion, keys };
}

function openPlainAssertion(
  unverifiedAssertion: XmlElement,
  signature: XmlElement | undefined,
  signedResponse: XmlElement | undefined,
  settings: ResponseSettings,
): OpenedAssertion {
  if (settings.requireEncryptedAssertion)
    throw new GatewayError('saml_decryption_failed', 'This organization asks for an encrypted assertion.');
  if (!signature && settings.requireSignedAssertion) {
    throw new GatewayError('saml_signature_missing', 'This organization asks for a signed assertion.');
  }
  const ofAssertion = signature && verifySignature(unverifiedAssertion, signature, settings.keys);
  if (signedResponse) return { assertion: theOne(signedResponse, 'Assertion'), key: ofAssertion?.key };
  if (ofAssertion) return { assertion: parseXml(ofAssertion.octets), key: ofAssertion.key };
  throw new GatewayError('saml_signature_missing', 'Neither the response nor the assertion is signed.');
}

function theOne(response: XmlElement, local: 'Assertion' | 'EncryptedAssertion'): XmlElement {
  const [assertion, ...more] = childrenNamed(response, ASSERTION, local);
  if (!assertion || more.length > 0) throw new GatewayError('saml_structure_ambiguous', 'The response has not exactly one assertion.');
  return assertion;
}
