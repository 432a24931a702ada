/** Verifies the signatures of a response. What it returns is parsed again from the signed octets, never the element that arrived. */
import { GatewayError } from '../../errors.ts';
import { type SignedOctets, type VerificationKey, verifySignature } from '../crypto/signature.ts';
import { ASSERTION } from '../names.ts';
import { readCanonicalXml } from '../xml/canonical-reader.ts';
import { childrenNamed, type XmlElement } from '../xml/xml-tree.ts';
import type { ResponseSettings } from './response-settings.ts';

/** A response whose signature is valid. */
export interface OpenedResponse {
  readonly element: XmlElement;
  readonly key: VerificationKey;
}

/** An assertion that a valid signature covers: its own, or that of the response. */
export interface OpenedAssertion {
  readonly element: XmlElement;
  /** The key of the assertion's own signature; undefined if only the response is signed. */
  readonly key: VerificationKey | undefined;
}

const missing = (detail: string) => new GatewayError('saml_signature_missing', detail);

/**
 * Verifies the signature of the response. A signature that is present must be valid, required or not.
 * @returns undefined if the response is not signed
 * @throws saml_signature_missing if the organization requires a signed response; everything that `verifySignature` throws
 */
export function openResponse(
  unverifiedRoot: XmlElement,
  signature: XmlElement | undefined,
  { keys, requireSignedResponse }: ResponseSettings,
): OpenedResponse | undefined {
  if (signature) {
    const { octets, key } = verifySignature(unverifiedRoot, signature, keys);
    return { element: readCanonicalXml(octets), key };
  }
  if (requireSignedResponse) throw missing('This organization requires a signed response.');
  return undefined;
}

/**
 * Verifies the signature of a plain assertion. A signature that is present must be valid, required or not.
 * @returns undefined if the assertion is not signed
 * @throws saml_signature_missing if the organization requires a signed assertion; everything that `verifySignature` throws
 */
export function verifyAssertion(
  unverifiedAssertion: XmlElement,
  signature: XmlElement | undefined,
  { keys, requireSignedAssertion }: ResponseSettings,
): SignedOctets | undefined {
  if (signature) return verifySignature(unverifiedAssertion, signature, keys);
  if (requireSignedAssertion) throw missing('This organization requires a signed assertion.');
  return undefined;
}

/**
 * Returns the plain assertion as the outermost signature covers it.
 * @throws saml_signature_missing if neither part is signed, saml_structure_ambiguous
 */
export function coveredAssertion(response: OpenedResponse | undefined, assertion: SignedOctets | undefined): OpenedAssertion {
  if (response) return { element: onlyAssertion(response.element, 'Assertion'), key: assertion?.key };
  if (assertion) return { element: readCanonicalXml(assertion.octets), key: assertion.key };
  throw missing('Neither the response nor the assertion is signed.');
}

/** @throws saml_structure_ambiguous unless the response has exactly one such child */
export function onlyAssertion(response: XmlElement, local: 'Assertion' | 'EncryptedAssertion'): XmlElement {
  const [assertion, ...more] = childrenNamed(response, ASSERTION, local);
  if (!assertion || more.length > 0) throw new GatewayError('saml_structure_ambiguous', 'The response must have exactly one assertion.');
  return assertion;
}
