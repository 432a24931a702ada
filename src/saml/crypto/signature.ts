/**
 * Verifies signatures. No other file verifies XML signatures. The result is the signed octets, and everything that decides
 * about a sign-in reads only these.
 */
import { hash, type KeyObject, verify } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { ENVELOPED_SIGNATURE, EXCLUSIVE_C14N, XMLDSIG } from '../names.ts';
import { decodeBase64 } from '../xml/base64.ts';
import { canonicalize } from '../xml/canonical-xml.ts';
import { attributeOf, childElements, isElement, isNamed, textOf, type XmlElement } from '../xml/xml-tree.ts';

/** A key of one of the certificates that are configured for the organization. */
export interface VerificationKey {
  readonly key: KeyObject;
  /** SHA-256 of the certificate, for the log. */
  readonly fingerprint: string;
  /** End of the certificate's validity, ms since 1970. */
  readonly notAfterMs: number;
}

/** Marks refusals of signatures that another key of the identity provider might verify. */
const UNKNOWN_KEY = 'unknown signing key';

/** Returns whether a response was refused only because its signature needs a key that is not known. */
export const needsUnknownKey = (error: unknown): boolean => error instanceof GatewayError && error.facts.cause === UNKNOWN_KEY;

export interface SignedOctets {
  /** The canonical form of the signed element without its signature. Read only this from here on. */
  readonly octets: string;
  readonly key: VerificationKey;
}

interface Algorithm {
  readonly keyType: 'rsa' | 'ec';
  readonly hash: string;
}

const SIGNATURE_ALGORITHMS: ReadonlyMap<string, Algorithm> = new Map(
  ['256', '384', '512'].flatMap((bits): [string, Algorithm][] => [
    [`http://www.w3.org/2001/04/xmldsig-more#rsa-sha${bits}`, { keyType: 'rsa', hash: `sha${bits}` }],
    [`http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha${bits}`, { keyType: 'ec', hash: `sha${bits}` }],
  ]),
);

const DIGEST_ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['http://www.w3.org/2001/04/xmlenc#sha256', 'sha256'],
  ['http://www.w3.org/2001/04/xmldsig-more#sha384', 'sha384'],
  ['http://www.w3.org/2001/04/xmlenc#sha512', 'sha512'],
]);

export const MIN_RSA_BITS = 2048;
/** OpenSSL's names of P-256, P-384 and P-521. */
export const ACCEPTED_CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const MAX_PREFIXES = 32;

const ambiguous = (detail: string) => new GatewayError('saml_structure_ambiguous', detail);
const forbidden = (detail: string) => new GatewayError('saml_algorithm_forbidden', detail);

/** The contents of a signature, checked against the SAML profile of XML Signature before any cryptography. */
interface SignatureProfile {
  readonly signedInfo: XmlElement;
  readonly signedInfoPrefixes: ReadonlySet<string>;
  readonly referencePrefixes: ReadonlySet<string>;
  readonly algorithm: Algorithm;
  readonly digestHash: string;
  readonly digestValue: Buffer;
  readonly signatureValue: Buffer;
}

/**
 * Verifies the enveloped signature of `parent` with one of the keys.
 * @throws saml_structure_ambiguous, saml_algorithm_forbidden, saml_malformed, saml_signature_invalid
 * @see saml-core §5.4, XML Signature §3.2
 */
export function verifySignature(parent: XmlElement, signature: XmlElement, keys: readonly VerificationKey[]): SignedOctets {
  const profile = readProfile(parent, signature);
  const octets = canonicalize(parent, { inclusivePrefixes: profile.referencePrefixes, without: signature });
  const digest = hash(profile.digestHash, octets, 'buffer'); // hashes the UTF-8 octets
  if (!digest.equals(profile.digestValue)) {
    throw new GatewayError('saml_signature_invalid', 'The signed content was altered after it was signed: its digest differs.');
  }
  const signedInfo = Buffer.from(canonicalize(profile.signedInfo, { inclusivePrefixes: profile.signedInfoPrefixes }), 'utf8');
  return { octets, key: keyThatVerifies(profile.algorithm, signedInfo, profile.signatureValue, keys) };
}

/**
 * Verifies a signature over plain octets, as in the HTTP-Redirect binding.
 * @param signatureAlgorithm the URI from the message
 * @returns the key that verified it
 * @throws saml_algorithm_forbidden, saml_signature_invalid
 * @see saml-bindings §3.4.4.1
 */
export function verifySignedOctets(
  octets: Buffer,
  signatureValue: Buffer,
  signatureAlgorithm: string,
  keys: readonly VerificationKey[],
): VerificationKey {
  return keyThatVerifies(signatureAlgorithmOf(signatureAlgorithm), octets, signatureValue, keys);
}

function signatureAlgorithmOf(uri: string | undefined): Algorithm {
  const algorithm = SIGNATURE_ALGORITHMS.get(uri ?? '');
  if (!algorithm) throw forbidden('The signature algorithm is not RSA or ECDSA with SHA-256, SHA-384 or SHA-512.');
  return algorithm;
}

function keyThatVerifies(algorithm: Algorithm, data: Buffer, signature: Buffer, keys: readonly VerificationKey[]): VerificationKey {
  const usable = keys.filter(({ key }) => isUsable(key, algorithm));
  if (usable.length === 0) {
    throw new GatewayError('saml_algorithm_forbidden', {
      detail:
        'No certificate of this identity provider has a key for the signature’s algorithm. Accepted keys are RSA with at least 2048 bits, P-256, P-384 and P-521.',
      cause: UNKNOWN_KEY,
    });
  }
  const key = usable.find((candidate) => verifyOctets(algorithm, data, candidate.key, signature));
  if (!key) {
    const detail = 'No certificate of this identity provider verifies the signature.';
    throw new GatewayError('saml_signature_invalid', { detail, cause: UNKNOWN_KEY });
  }
  return key;
}

function isUsable(key: KeyObject, { keyType }: Algorithm): boolean {
  if (key.asymmetricKeyType !== keyType) return false;
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  return keyType === 'rsa' ? modulusLength >= MIN_RSA_BITS : ACCEPTED_CURVES.has(namedCurve);
}

function verifyOctets(algorithm: Algorithm, data: Buffer, key: KeyObject, signature: Buffer): boolean {
  return algorithm.keyType === 'rsa'
    ? verify(algorithm.hash, data, key, signature) // RSASSA-PKCS1-v1_5, Node's default for this key type
    : verify(algorithm.hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature); // XML Signature §6.4.3: r ‖ s
}

function readProfile(parent: XmlElement, signature: XmlElement): SignatureProfile {
  const [signedInfo, signatureValue, keyInfo, ...more] = elementContent(signature);
  if (!signedInfo || !isNamed(signedInfo, XMLDSIG, 'SignedInfo')) throw ambiguous('A signature does not start with SignedInfo.');
  if (!signatureValue || !isNamed(signatureValue, XMLDSIG, 'SignatureValue'))
    throw ambiguous('A signature has no SignatureValue after SignedInfo.');
  if ((keyInfo && !isNamed(keyInfo, XMLDSIG, 'KeyInfo')) || more.length > 0)
    throw ambiguous('A signature has more elements than SAML allows.');

  const [canonicalization, method, reference, ...others] = elementContent(signedInfo);
  if (!canonicalization || !isNamed(canonicalization, XMLDSIG, 'CanonicalizationMethod'))
    throw ambiguous('SignedInfo has no CanonicalizationMethod.');
  if (!method || !isNamed(method, XMLDSIG, 'SignatureMethod')) throw ambiguous('SignedInfo has no SignatureMethod.');
  if (!reference || !isNamed(reference, XMLDSIG, 'Reference') || others.length > 0)
    throw ambiguous('SignedInfo must have exactly one Reference.');

  const algorithm = signatureAlgorithmOf(attributeOf(method, 'Algorithm'));
  if (elementContent(method).length > 0) throw ambiguous('SignatureMethod has parameters.');
  return {
    signedInfo,
    signedInfoPrefixes: exclusivePrefixes(canonicalization),
    algorithm,
    ...readReference(parent, reference),
    signatureValue: decodeBase64(textOf(signatureValue)),
  };
}

function readReference(
  parent: XmlElement,
  reference: XmlElement,
): Pick<SignatureProfile, 'referencePrefixes' | 'digestHash' | 'digestValue'> {
  const id = attributeOf(parent, 'ID');
  if (id === undefined || attributeOf(reference, 'URI') !== `#${id}`) throw ambiguous('A signature does not reference its parent element.');
  const [transforms, digestMethod, digestValue, ...others] = elementContent(reference);
  if (!transforms || !isNamed(transforms, XMLDSIG, 'Transforms')) throw ambiguous('A Reference has no Transforms.');
  if (!digestMethod || !isNamed(digestMethod, XMLDSIG, 'DigestMethod')) throw ambiguous('A Reference has no DigestMethod.');
  if (!digestValue || !isNamed(digestValue, XMLDSIG, 'DigestValue') || others.length > 0)
    throw ambiguous('A Reference must have exactly one DigestValue.');

  const digestHash = DIGEST_ALGORITHMS.get(attributeOf(digestMethod, 'Algorithm') ?? '');
  if (!digestHash) throw forbidden('The digest algorithm is not SHA-256, SHA-384 or SHA-512.');
  if (elementContent(digestMethod).length > 0) throw ambiguous('DigestMethod has parameters.');

  const [enveloped, exclusive, ...moreTransforms] = elementContent(transforms);
  const areTransforms = [enveloped, exclusive].every((element) => element && isNamed(element, XMLDSIG, 'Transform'));
  if (!enveloped || !exclusive || !areTransforms || moreTransforms.length > 0) {
    throw forbidden('The transforms must be enveloped-signature and exclusive canonicalization, in this order.');
  }
  if (attributeOf(enveloped, 'Algorithm') !== ENVELOPED_SIGNATURE || elementContent(enveloped).length > 0) {
    throw forbidden('The first transform must be enveloped-signature.');
  }
  return { referencePrefixes: exclusivePrefixes(exclusive), digestHash, digestValue: decodeBase64(textOf(digestValue)) };
}

/** Returns the InclusiveNamespaces PrefixList of an exclusive canonicalization. `#default` becomes the empty prefix. */
function exclusivePrefixes(method: XmlElement): ReadonlySet<string> {
  if (attributeOf(method, 'Algorithm') !== EXCLUSIVE_C14N) throw forbidden('Only exclusive canonicalization without comments is allowed.');
  const [inclusive, ...more] = elementContent(method);
  if (!inclusive) return new Set();
  if (more.length > 0 || !isNamed(inclusive, EXCLUSIVE_C14N, 'InclusiveNamespaces') || elementContent(inclusive).length > 0) {
    throw ambiguous('A canonicalization has unknown parameters.');
  }
  const prefixes = (attributeOf(inclusive, 'PrefixList') ?? '').split(/[ \t\r\n]+/).filter((prefix) => prefix !== '');
  if (prefixes.length > MAX_PREFIXES) throw new GatewayError('saml_malformed', 'A PrefixList has too many prefixes.');
  return new Set(prefixes.map((prefix) => (prefix === '#default' ? '' : prefix)));
}

/** Returns the child elements of an element that may contain only elements and whitespace. */
function elementContent(element: XmlElement): XmlElement[] {
  for (const node of element.children)
    if (!isElement(node) && !/^[ \t\r\n]*$/.test(node)) throw ambiguous('A signature has text between its elements.');
  return childElements(element);
}
