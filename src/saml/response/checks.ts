/**
 * The checks of a response, in the order in which they are done. Each is done through a {@link RunCheck}, so that what decides
 * about a sign-in (`response.ts`, `attributes.ts`) and what explains it afterwards (`examine-response.ts`) are one list.
 */

import type { SignedOctets } from '../crypto/signature.ts';
import type { XmlElement } from '../xml/xml.ts';
import type { OpenedAssertion } from './encrypted-assertion.ts';
import type { NameId, OpenedResponse, VerifiedAssertion } from './response.ts';
import type { FoundSignatures } from './response-structure.ts';

/** What each check gives to those after it; `unknown` where that is nothing. */
export interface CheckValues {
  readonly xml: XmlElement;
  readonly response: unknown;
  readonly one_assertion: XmlElement | undefined;
  readonly assertion_version: unknown;
  readonly unique_ids: unknown;
  readonly signature_places: FoundSignatures;
  readonly response_issuer: unknown;
  readonly answer: unknown;
  readonly response_signature: OpenedResponse | undefined;
  readonly encryption: unknown;
  readonly assertion_signature: SignedOctets | undefined;
  readonly coverage: OpenedAssertion;
  readonly decryption: OpenedAssertion;
  readonly status: unknown;
  readonly destination: unknown;
  readonly assertion_issuer: unknown;
  /** The SubjectConfirmationData of the confirmation that counts. */
  readonly bearer: XmlElement | undefined;
  readonly recipient: unknown;
  /** Its NotOnOrAfter, ms since 1970. */
  readonly confirmation_end: number;
  readonly in_response_to: string | undefined;
  readonly conditions: XmlElement;
  readonly not_before: unknown;
  readonly not_on_or_after: unknown;
  readonly known_conditions: unknown;
  readonly audience: unknown;
  readonly authn_statement: readonly XmlElement[];
  /** Ms since 1970. */
  readonly session_end: number | undefined;
  /** The AuthnContextClassRef that counts. */
  readonly authn_context: string | undefined;
  readonly name_id: NameId | undefined;
  readonly attributes: VerifiedAssertion['attributes'];
  readonly identifier: string;
  readonly email: string;
  readonly groups: readonly string[] | undefined;
  readonly name: string | undefined;
}

export type CheckName = keyof CheckValues;

/** Each check in words, in the order in which they are done. */
export const CHECKS: Readonly<Record<CheckName, string>> = {
  xml: 'The message is well-formed XML, without a document type declaration',
  response: 'It is a SAML 2.0 Response with an ID',
  one_assertion: 'It has no more than one assertion, directly in the response',
  assertion_version: 'The assertion is of version 2.0 and has an ID',
  unique_ids: 'No two elements have the same ID',
  signature_places: 'Signatures stand only where they may',
  response_issuer: 'The response comes from this organization’s identity provider',
  answer: 'It brings an assertion',
  response_signature: 'The signature of the response is good',
  encryption: 'The assertion is encrypted where the organization asks for it',
  assertion_signature: 'The signature of the assertion is good',
  coverage: 'A signature covers the assertion',
  decryption: 'The encrypted assertion opens, and a signature covers it',
  status: 'The identity provider says that the sign-in succeeded',
  destination: 'The response was sent to this gateway’s ACS URL',
  assertion_issuer: 'The assertion comes from this organization’s identity provider',
  bearer: 'The subject is confirmed for whoever bears the assertion',
  recipient: 'The assertion is for this gateway’s ACS URL',
  confirmation_end: 'The confirmation of the subject has not expired',
  in_response_to: 'Response and assertion answer the same request',
  conditions: 'The assertion says under which conditions it holds',
  not_before: 'The assertion is valid already',
  not_on_or_after: 'The assertion has not expired',
  known_conditions: 'All its conditions are known',
  audience: 'The assertion is for this organization’s service provider',
  authn_statement: 'The assertion says that the person authenticated',
  session_end: 'The session at the identity provider has not ended',
  authn_context: 'The person authenticated in the way that the organization asks for',
  name_id: 'The NameID can be read',
  attributes: 'The attributes can be read',
  identifier: 'The person has an identifier that lasts',
  email: 'The person has one e-mail address',
  groups: 'The groups can be read',
  name: 'The name can be read',
};

/** Does one check. */
export type RunCheck = <N extends CheckName>(name: N, check: () => CheckValues[N]) => CheckValues[N];

/** The first check that fails throws, and none after it is done: the only way in which a message may be accepted. */
export const stopAtFirst: RunCheck = (_name, check) => check();
