/**
 * From an EncryptedAssertion to an assertion that stands there as if it had come in plain, and has passed the same rules.
 *
 * AES-CBC does not authenticate. Whoever holds a ciphertext can change it, send it many times in responses of his own and
 * learn the plaintext from how each is refused: by its padding, its characters, its markup or its signature. So with CBC in a
 * response that no signature covers there is one refusal for everything from the key to the signature inside, and each goes
 * through all the steps, with a stand-in where a step has nothing to work on. Steps of about one size are not constant time,
 * and JavaScript has none to offer; the caller limits how often this refusal can be had.
 * @see xmlenc-core1 §6.1.1 (chosen-ciphertext attacks); saml-core §2.3.4
 */
import { randomUUID } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { type Decrypted, decryptAndParse, decryptElement, type EncryptedElement, readEncryptedElement } from '../crypto/decryption.ts';
import { type SignedOctets, type VerificationKey, verifySignature } from '../crypto/signature.ts';
import { ASSERTION, ENVELOPED_SIGNATURE, EXCLUSIVE_C14N, XMLDSIG, XMLENC } from '../names.ts';
import { readCanonicalXml } from '../xml/canonical-reader.ts';
import { decodeUtf8, parseXml, type XmlElement } from '../xml/xml.ts';
import type { ResponseSettings } from './response.ts';
import { type DecryptedAssertion, readDecryptedStructure } from './response-structure.ts';

export interface OpenedAssertion {
  readonly assertion: XmlElement;
  /** Of the signature inside; undefined where the response's signature is what covers the assertion. */
  readonly key: VerificationKey | undefined;
}

/**
 * Rule 10. What is returned is covered: by the signature inside, parsed anew from the octets of that; or, where there is none,
 * by the signature of the response, which covers the ciphertext.
 * @param wrapper the EncryptedAssertion; of a signed response the one in its signed octets, so that no namespace is inherited
 *   that is not signed, too
 * @param responseIsSigned whether a good signature covers it, so that nobody but the identity provider made it
 * @throws what an assertion in plain is refused with, and saml_decryption_failed
 */
export function openEncryptedAssertion(wrapper: XmlElement, responseIsSigned: boolean, settings: ResponseSettings): OpenedAssertion {
  const encrypted = readEncryptedElement(wrapper);
  if (encrypted.cipher.mode === 'cbc' && !responseIsSigned) return openUnauthenticated(encrypted, settings);
  const { assertion, signature } = readDecryptedStructure(decryptAndParse(encrypted, settings.decryptionKeys), wrapper);
  if (signature) return reread(verifySignature(assertion, signature, settings.keys));
  if (!responseIsSigned) throw new GatewayError('saml_signature_missing', 'Neither the response nor the assertion is signed.');
  if (settings.requireSignedAssertion) throw new GatewayError('saml_signature_missing', 'This organization asks for a signed assertion.');
  return { assertion, key: undefined };
}

const reread = ({ octets, key }: SignedOctets): OpenedAssertion => ({ assertion: readCanonicalXml(octets), key });

/** What the plaintext did not come to, a stand-in does; and only then it is judged. */
function openUnauthenticated(encrypted: EncryptedElement, settings: ResponseSettings): OpenedAssertion {
  const decrypted = decryptElement(encrypted, settings.decryptionKeys);
  const signed = attempt(() => {
    const { assertion, signature } = readPlaintext(decrypted, encrypted.wrapper);
    return verifySignature(assertion, signature, settings.keys);
  });
  if (!wasVerified(signed)) attempt(() => verifyStandIn(decrypted.octets.length, encrypted.wrapper, settings.keys));
  if (!decrypted.isValid || !signed.value) throw oneRefusal(signed.error);
  return reread(signed.value);
}

type Attempt<T> = { readonly value: T; readonly error?: undefined } | { readonly value?: undefined; readonly error: unknown };

/** Also what is no refusal but a defect: an answer of its own would tell as much. */
function attempt<T>(step: () => T): Attempt<T> {
  try {
    return { value: step() };
  } catch (error) {
    return { error };
  }
}

/** Whether it came to the digest and the signature, for good or for bad. */
const wasVerified = ({ value, error }: Attempt<SignedOctets>): boolean =>
  value !== undefined || (error instanceof GatewayError && error.code === 'saml_signature_invalid');

const oneRefusal = (cause: unknown): GatewayError =>
  new GatewayError('saml_decryption_failed', {
    detail:
      'The assertion can’t be decrypted, or what is in it is not an assertion with a good signature. For AES-CBC in a response that is not signed no more is told; with AES-GCM the reason stands here.',
    cause,
  });

interface SignedPlaintext {
  readonly assertion: XmlElement;
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
    parseXml(`<a>${FILLER.repeat(fillersIn(octets.length - readCharacters))}</a>`); // what would have been read
    throw error;
  }
  if (!read.signature) throw new GatewayError('saml_signature_missing', 'Neither the response nor the assertion is signed.');
  return { assertion: read.assertion, signature: read.signature };
}

/** Markup about as dense as in the assertions of the products, so that a character of it is read in about the same time. */
const FILLER = '<a b="cccccccccccccccccccc">texttexttexttexttexttext</a>';

const fillersIn = (characters: number): number => Math.max(0, Math.floor(characters / FILLER.length));

/** Not to be guessed: an ID in the message that is the same would be another way to fail. */
const STAND_IN_ID = `_${randomUUID()}`;

/** An assertion with a signature that refers to it, in the right form, and with a digest that is not its own. */
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

/** Large as the plaintext; no time is lost in making it, as it has one child many times. */
function verifyStandIn(characters: number, wrapper: XmlElement, keys: readonly VerificationKey[]): void {
  const [signature, filler] = STAND_IN.children as [XmlElement, XmlElement];
  const children = [signature, ...new Array<XmlElement>(fillersIn(characters)).fill(filler)];
  const { assertion } = readDecryptedStructure({ ...STAND_IN, children }, wrapper);
  verifySignature(assertion, signature, keys);
}
