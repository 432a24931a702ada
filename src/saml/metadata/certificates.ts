/**
 * Reads X.509 certificates of identity providers. A certificate is only a container for a key: it is trusted because it was
 * configured for the organization, so neither its issuer nor its dates decide about a sign-in.
 */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { toIsoTime } from '../../time.ts';
import { ACCEPTED_CURVES, MIN_RSA_BITS } from '../crypto/signature.ts';
import { decodeBase64 } from '../xml/base64.ts';
import { refusePrivateKey, splitCertificates } from './certificate-blocks.ts';
import { invalidMetadata } from './idp-metadata-values.ts';

/** The contents of a certificate, as plain data that survives JSON. */
export interface Certificate {
  readonly pem: string;
  /** DER as base64 without line breaks, as in metadata. */
  readonly derBase64: string;
  /** Uppercase hexadecimal with colons, as printed by `openssl x509 -fingerprint -sha256`. */
  readonly fingerprintSha256: string;
  /** For display only, because the creator of the certificate chose it freely. One line, clipped, without control characters. */
  readonly subject: string;
  /** Uppercase hexadecimal. */
  readonly serialNumber: string;
  /** RFC 3339, UTC. */
  readonly notBefore: string;
  /** RFC 3339, UTC. */
  readonly notAfter: string;
  /** `rsa`, `ec`, or another name of Node (`ed25519`, `rsa-pss`, `dsa`…). */
  readonly keyType: string;
  /** Length of the modulus, for RSA only. */
  readonly keyBits?: number;
  /** OpenSSL's name, like `prime256v1`, for EC only. */
  readonly curve?: string;
}

const MAX_CHARACTERS = 16 * 1024;
/** Each key costs time at sign-in, because all of them may be tried. Entra ID lists up to five. */
const MAX_CERTIFICATES = 20;
const MAX_SUBJECT = 300;
/** Also for RSA-PSS. With a larger key, each verification would block the process for long. */
const MAX_RSA_BITS = 8192;
const MAX_RSA_EXPONENT = 2n ** 32n;
const PEM = /^-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----$/;

/**
 * Reads exactly one certificate, either PEM or the bare base64 of its DER encoding. Whitespace is ignored; other text around it
 * is not allowed, see {@link splitCertificates}. The octets must be one DER structure and nothing else, so that each certificate has exactly one fingerprint.
 *
 * @example
 * const { fingerprintSha256, notAfter } = readCertificate(readFileSync('idp.pem', 'utf8'));
 * @throws idp_metadata_invalid with a detail that never repeats input
 * @see RFC 7468 §5, RFC 5280 §4.1
 */
export function readCertificate(text: string): Certificate {
  if (text.length > MAX_CHARACTERS) throw invalidMetadata('The certificate is longer than 16 KiB.');
  const trimmed = text.trim();
  if (trimmed === '') throw invalidMetadata('The certificate is empty.');
  const certificate = parseDer(decodeDer(trimmed));
  return {
    pem: certificate.toString(),
    derBase64: certificate.raw.toString('base64'),
    fingerprintSha256: certificate.fingerprint256,
    subject: printable(certificate.subject),
    serialNumber: certificate.serialNumber,
    notBefore: instant(certificate.validFromDate),
    notAfter: instant(certificate.validToDate),
    ...describeKey(keyOf(certificate)),
  };
}

/**
 * Reads the certificates of several texts, each of which may contain several.
 * @returns one list for each text
 * @throws idp_metadata_invalid with the number of the invalid certificate, or for more than {@link MAX_CERTIFICATES}
 */
export function readCertificates(texts: readonly string[]): Certificate[][] {
  const split = texts.map(splitCertificates);
  refuseTooManyCertificates(split.flat().length);
  let number = 0;
  return split.map((blocks) => blocks.map((block) => readNumbered(block, ++number)));
}

function readNumbered(text: string, number: number): Certificate {
  try {
    return readCertificate(text);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw numbered(number, error);
  }
}

/** @throws idp_metadata_invalid for more than {@link MAX_CERTIFICATES} */
export function refuseTooManyCertificates(count: number): void {
  if (count > MAX_CERTIFICATES) throw invalidMetadata(`There are more than ${MAX_CERTIFICATES} signing certificates.`);
}

/** Returns the error of a certificate with its number in the text, counted from 1. */
export const numbered = (number: number, error: GatewayError): GatewayError =>
  invalidMetadata(`Signing certificate number ${number} is invalid. ${error.facts.detail ?? ''}`, error);

/** Removes duplicates and keeps the order. */
export const eachOnce = (certificates: readonly Certificate[]): Certificate[] => [
  ...new Map(certificates.map((certificate) => [certificate.derBase64, certificate])).values(),
];

function decodeDer(trimmed: string): Buffer {
  refusePrivateKey(trimmed);
  const body = trimmed.includes('-----') ? PEM.exec(trimmed)?.[1] : trimmed;
  if (body === undefined) {
    throw invalidMetadata(
      'A certificate in PEM format must start with -----BEGIN CERTIFICATE----- and end with -----END CERTIFICATE-----. Check that you copied all of it and that every block is a certificate.',
    );
  }
  try {
    return decodeBase64(body);
  } catch (cause) {
    throw invalidMetadata('The certificate is neither PEM nor base64. Check that you copied all of it.', cause);
  }
}

function parseDer(der: Buffer): X509Certificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch (cause) {
    throw invalidMetadata('The certificate is not an X.509 certificate. Check that you copied all of it.', cause);
  }
  // OpenSSL reads the first structure and ignores the rest.
  if (!certificate.raw.equals(der)) throw invalidMetadata('There is other data before or after the certificate.');
  return certificate;
}

function keyOf(certificate: X509Certificate): KeyObject {
  try {
    return certificate.publicKey;
  } catch (cause) {
    throw invalidMetadata('The public key in the certificate can’t be read.', cause);
  }
}

function describeKey(key: KeyObject): Pick<Certificate, 'keyType' | 'keyBits' | 'curve'> {
  const keyType = key.asymmetricKeyType ?? 'unknown';
  const { modulusLength, publicExponent, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (keyType === 'ec') return { keyType, ...(namedCurve === undefined ? {} : { curve: namedCurve }) };
  if (modulusLength === undefined || publicExponent === undefined) return { keyType };
  // With the exponent 1, a signature can be forged without the private key. An RSA exponent is never even.
  const isSoundExponent = publicExponent >= 3n && publicExponent <= MAX_RSA_EXPONENT && publicExponent % 2n === 1n;
  if (!isSoundExponent) throw invalidMetadata('The RSA key in the certificate has an insecure exponent.');
  if (modulusLength > MAX_RSA_BITS) throw invalidMetadata(`The RSA key in the certificate has more than ${MAX_RSA_BITS} bits.`);
  return keyType === 'rsa' ? { keyType, keyBits: modulusLength } : { keyType };
}

function instant(date: Date): string {
  if (Number.isNaN(date.getTime())) throw invalidMetadata('The dates in the certificate can’t be read.');
  return toIsoTime(date.getTime());
}

/** @param subject undefined if it is empty, contrary to Node's type */
function printable(subject: string | undefined = ''): string {
  return subject.trim().replaceAll('\n', ', ').replaceAll(/\p{C}/gu, '').slice(0, MAX_SUBJECT);
}

/** Tells whether sign-in accepts signatures of this certificate's key; see `crypto/signature.ts`. */
export function judgeKey({ keyType, keyBits, curve }: Certificate): 'accepted' | 'weak' | 'unsupported' {
  if (keyType === 'ec') return ACCEPTED_CURVES.has(curve ?? '') ? 'accepted' : 'unsupported';
  if (keyType !== 'rsa') return 'unsupported';
  return (keyBits ?? 0) >= MIN_RSA_BITS ? 'accepted' : 'weak';
}

/**
 * Removes the certificates of one KeyInfo that signed another one in it. A KeyInfo may carry a whole chain, but only the end of
 * the chain holds the signing key, and a certificate authority must not be able to sign for the identity provider.
 * @see XML Signature §4.5.4 (X509Data)
 */
export function endCertificates(certificates: readonly Certificate[]): Certificate[] {
  if (certificates.length < 2) return [...certificates];
  const named = certificates.map((certificate) => {
    const x509 = new X509Certificate(certificate.pem);
    return { certificate, x509, name: comparableName(x509.subject), issuerName: comparableName(x509.issuer) };
  });
  // A certificate that names itself as its issuer is the start of a chain, even if it was renewed with the same key.
  const issued = named.filter(({ name, issuerName }) => name !== issuerName);
  let verifications = 0;
  return named
    .filter(({ certificate: issuer, x509: { publicKey }, name }) => {
      if (!CHAIN_KEYS.has(issuer.keyType)) return true;
      return !issued.some(({ x509, issuerName }) => {
        if (issuerName !== name) return false;
        if (++verifications > MAX_VERIFICATIONS) throw invalidMetadata('Too many certificates in one KeyInfo name the same issuer.');
        return isSignedBy(x509, publicKey);
      });
    })
    .map(({ certificate }) => certificate);
}

/** Certificate authorities have these keys. Their sizes are limited, for RSA by {@link describeKey} and for the others by the curve. */
const CHAIN_KEYS: ReadonlySet<string> = new Set(['rsa', 'rsa-pss', 'ec', 'ed25519', 'ed448']);
/** Enough for {@link MAX_CERTIFICATES} of one issuer, each in a chain of three. With the largest keys, they take some 20 ms. */
const MAX_VERIFICATIONS = 2 * MAX_CERTIFICATES;

/** Folds case and white space, in which the two spellings of a name may differ (RFC 5280 §7.1). */
const comparableName = (name: string | undefined = ''): string => name.toLowerCase().replace(/\s+/g, ' ').trim();

function isSignedBy(certificate: X509Certificate, issuerKey: KeyObject): boolean {
  try {
    return certificate.verify(issuerKey);
  } catch {
    return false; // This kind of key cannot sign certificates.
  }
}

/**
 * Returns the public key of a certificate.
 * @param pem {@link Certificate.pem}
 * @throws idp_metadata_invalid
 */
export function publicKeyOf(pem: string): KeyObject {
  return keyOf(parseDer(decodeDer(pem.trim())));
}
