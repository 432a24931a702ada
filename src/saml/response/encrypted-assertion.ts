/**
 * Opens an EncryptedAssertion. The assertion inside passes the same checks as a plain one.
 *
 * AES-CBC does not authenticate. An attacker with a ciphertext can change it, send it many times in responses of their own, and learn
 * the plaintext from how each one is refused: by its padding, its characters, its markup or its signature. With CBC in a response that
 * no signature covers, everything from the key to the inner signature therefore has one refusal, and every response goes through all
 * steps, with a stand-in if a step has nothing to work on. Steps of similar size do not take constant time, and JavaScript offers no
 * constant time; the caller limits how often this refusal can be provoked.
 * @see xmlenc-core1 §6.1.1 (chosen-ciphertext attacks); saml-core §2.3.4
 */
import { randomUUID } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { type Decrypted, decryptAndParse, decryptElement, type EncryptedElement, readEncryptedElement } from '../crypto/decryption.ts';
import { type SignedOctets, type VerificationKey, verifySignature } from '../crypto/signature.ts';
import { ASSERTION, ENVELOPED_SIGNATURE, EXCLUSIVE_C14N, XMLDSIG, XMLENC } from '../names.ts';
import { readCanonicalXml } from '../xml/canonical-reader.ts';
import { decodeUtf8, parseXml } from '../xml/xml.ts';
import type { XmlElement } from '../xml/xml-tree.ts';
import { type OpenedAssertion, type OpenedResponse, onlyAssertion } from './opened-response.ts';
import type { ResponseSettings } from './response-settings.ts';
import { type DecryptedAssertion, readDecryptedStructure } from './response-structure.ts';

const missing = (detail: string) => new GatewayError('saml_signature_missing', detail);
const UNSIGNED = 'Neither the response nor the assertion is signed.';

/** Refuses a plain assertion if the organization requires encryption. @throws saml_decryption_failed */
export function checkPlainIsAllowed({ requireEncryptedAssertion }: ResponseSettings): void {
  if (requireEncryptedAssertion) throw new GatewayError('saml_decryption_failed', 'This organization requires an encrypted assertion.');
}

/**
 * Decrypts the assertion of a response. A valid signature covers the result: the signature inside, and then the result is parsed
 * again from the signed octets, or the signature of the response, which covers the ciphertext.
 * @param openedResponse undefined if the response is not signed. Of a signed response only the signed content is decrypted, so no
 *   unsigned namespace declaration is inherited.
 * @throws the codes of a plain assertion, and saml_decryption_failed
 */
export function openEncryptedAssertion(
  unverifiedRoot: XmlElement,
  openedResponse: OpenedResponse | undefined,
  settings: ResponseSettings,
): OpenedAssertion {
  const encrypted = readEncryptedElement(onlyAssertion(openedResponse?.element ?? unverifiedRoot, 'EncryptedAssertion'));
  if (encrypted.cipher.mode === 'cbc' && !openedResponse) return openUnauthenticated(encrypted, settings);
  const plaintext = decryptAndParse(encrypted, settings.decryptionKeys);
  const { unverifiedAssertion, signature } = readDecryptedStructure(plaintext, encrypted.wrapper);
  if (signature) return parseAgain(verifySignature(unverifiedAssertion, signature, settings.keys));
  if (!openedResponse) throw missing(UNSIGNED);
  if (settings.requireSignedAssertion) throw missing('This organization requires a signed assertion.');
  return { element: unverifiedAssertion, key: undefined }; // the signature of the response covers it
}

const parseAgain = ({ octets, key }: SignedOctets): OpenedAssertion => ({ element: readCanonicalXml(octets), key });

/** Does every step, on a stand-in if the plaintext does not get that far, and only then decides. */
function openUnauthenticated(encrypted: EncryptedElement, settings: ResponseSettings): OpenedAssertion {
  const decrypted = decryptElement(encrypted, settings.decryptionKeys);
  const signed = attempt(() => {
    const { unverifiedAssertion, signature } = readPlaintext(decrypted, encrypted.wrapper);
    return verifySignature(unverifiedAssertion, signature, settings.keys);
  });
  if (!wasVerified(signed)) attempt(() => verifyStandIn(decrypted.octets.length, encrypted.wrapper, settings.keys));
  if (!decrypted.isValid || !signed.value) throw sameRefusal(signed.error);
  return parseAgain(signed.value);
}

type Attempt<T> = { readonly value: T; readonly error?: undefined } | { readonly value?: undefined; readonly error: unknown };

/** Catches defects as well as refusals: an answer of its own would tell them apart. */
function attempt<T>(step: () => T): Attempt<T> {
  try {
    return { value: step() };
  } catch (error) {
    return { error };
  }
}

/** Whether the digest and the signature were computed, whatever the result. */
const wasVerified = ({ value, error }: Attempt<SignedOctets>): boolean =>
  value !== undefined || (error instanceof GatewayError && error.code === 'saml_signature_invalid');

const sameRefusal = (cause: unknown): GatewayError =>
  new GatewayError('saml_decryption_failed', {
    detail: 'The assertion could not be decrypted, or its content is not an assertion with a valid signature.',
    administratorDetail:
      'The assertion could not be decrypted, or its content is not an assertion with a valid signature. For AES-CBC in an unsigned response, the gateway does not report which of the two. With AES-GCM, it reports the exact reason here.',
    cause,
  });

interface SignedPlaintext {
  readonly unverifiedAssertion: XmlElement;
  readonly signature: XmlElement;
}

function readPlaintext({ octets }: Decrypted, wrapper: XmlElement): SignedPlaintext {
  let readCharacters = 0;
  let read: DecryptedAssertion;
  try {
    const text = decodeUtf8(octets);
    const onStop = (position: number) => {
      readCharacters = position;
    };
    const root = parseXml(text, { place: wrapper, onStop });
    readCharacters = text.length;
    read = readDecryptedStructure(root, wrapper);
  } catch (error) {
    parseXml(`<a>${FILLER.repeat(fillersIn(octets.length - readCharacters))}</a>`); // takes the time of the rest
    throw error;
  }
  if (!read.signature) throw missing(UNSIGNED);
  return { unverifiedAssertion: read.unverifiedAssertion, signature: read.signature };
}

/** Markup about as dense as in real assertions, so that a character takes about the same time to read. */
const FILLER = '<a b="cccccccccccccccccccc">texttexttexttexttexttext</a>';

const fillersIn = (characters: number): number => Math.max(0, Math.floor(characters / FILLER.length));

/** Random, because a response with the same ID would fail in a different way. */
const STAND_IN_ID = `_${randomUUID()}`;

/** An assertion with a well-formed signature that refers to it but has a wrong digest. */
const STAND_IN = parseXml(
  [
    `<a:Assertion xmlns:a="${ASSERTION}" xmlns:d="${XMLDSIG}" ID="${STAND_IN_ID}" Version="2.0"><d:Signature><d:SignedInfo>`,
    `<d:CanonicalizationMethod Algorithm="${EXCLUSIVE_C14N}"/>`,
    `<d:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><d:Reference URI="#${STAND_IN_ID}"><d:Transforms>`,
    `<d:Transform Algorithm="${ENVELOPED_SIGNATURE}"/><d:Transform Algorithm="${EXCLUSIVE_C14N}"/></d:Transforms>`,
    `<d:DigestMethod Algorithm="${XMLENC}sha256"/><d:DigestValue>AAAA</d:DigestValue></d:Reference></d:SignedInfo>`,
    `<d:SignatureValue>AAAA</d:SignatureValue></d:Signature>${FILLER}</a:Assertion>`,
  ].join(''),
);

/** Verifies a stand-in as large as the plaintext. It repeats one child, so creating it takes no time. */
function verifyStandIn(characters: number, wrapper: XmlElement, keys: readonly VerificationKey[]): void {
  const [signature, filler] = STAND_IN.children as [XmlElement, XmlElement];
  const children = [signature, ...new Array<XmlElement>(fillersIn(characters)).fill(filler)];
  const { unverifiedAssertion } = readDecryptedStructure({ ...STAND_IN, children }, wrapper);
  verifySignature(unverifiedAssertion, signature, keys);
}
