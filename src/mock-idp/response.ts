/** Creates the response that a product would send, or one that differs from it only in the requested values. */
import type { KeyAndCertificate } from '../saml/metadata/self-signed-certificate.ts';
import { type Encryption, encryptAssertion } from './encryption.ts';
import { HABITS } from './habits.ts';
import { type ResponseValues, responseValues, type SignIn } from './response-values.ts';
import { writeResponse } from './response-xml.ts';
import { RSA_SHA256, SHA256, signElement } from './xml-signature.ts';

/** The signed parts, the keys and the algorithms. Defaults are those of the product. */
export interface Signing {
  readonly response: boolean;
  readonly assertion: boolean;
  /** Algorithm identifiers (URIs). */
  readonly signatureAlgorithm: string;
  readonly digestAlgorithm: string;
  readonly responseKey: KeyAndCertificate;
  readonly assertionKey: KeyAndCertificate;
  /** Whether the signatures carry their certificate. */
  readonly keyInfo: boolean;
}

export interface ResponseOptions extends SignIn {
  /** Signing key of the identity provider. */
  readonly key: KeyAndCertificate;
  /** Replaces what the product would write. A key with the value undefined leaves that part out. */
  readonly values?: Partial<ResponseValues>;
  readonly signing?: Partial<Signing>;
  /** Encrypts the assertion. Default: not encrypted. */
  readonly encryption?: Encryption | undefined;
}

const RESPONSE = "/*[local-name(.)='Response']";
const ASSERTION = `${RESPONSE}/*[local-name(.)='Assertion']`;

/**
 * Returns a response as XML text.
 *
 * @example
 * // An assertion for another service provider, otherwise as Okta sends it.
 * makeResponse({ habit: 'okta', person: personOf('okta', 'carl'), acsUrl, spEntityId, key, nowMs, randomBytes,
 *   values: { audiences: [['https://other.example/metadata']] } });
 * @see saml-core §3.3.3, saml-profiles §4.1.4.2
 */
export function makeResponse(options: ResponseOptions): string {
  const values: ResponseValues = { ...responseValues(options), ...options.values };
  return signResponse(writeResponse(values, options.habit), values, options);
}

/** Signs the assertion, encrypts it, then signs the response, because the response's signature covers the other two. */
function signResponse(xml: string, values: ResponseValues, options: ResponseOptions): string {
  const habit = HABITS[options.habit];
  const signing: Signing = {
    ...habit.signs,
    signatureAlgorithm: RSA_SHA256,
    digestAlgorithm: SHA256,
    responseKey: options.key,
    assertionKey: options.key,
    keyInfo: true,
    ...options.signing,
  };
  const common = { ...signing, spelling: habit.signature };
  let signed = xml;
  if (signing.assertion && values.hasAssertion) {
    const afterPath = values.assertionIssuer === undefined ? undefined : `${ASSERTION}/*[local-name(.)='Issuer']`;
    signed = signElement(signed, { ...common, key: signing.assertionKey, elementPath: ASSERTION, afterPath });
  }
  if (options.encryption) signed = encryptAssertion(signed, options.encryption, options.randomBytes);
  if (signing.response) {
    const afterPath = values.responseIssuer === undefined ? undefined : `${RESPONSE}/*[local-name(.)='Issuer']`;
    signed = signElement(signed, { ...common, key: signing.responseKey, elementPath: RESPONSE, afterPath });
  }
  return signed;
}
