/**
 * X.509 certificates of identity providers. A certificate is a container for a key here: that somebody configured it is
 * what makes it trusted, so neither its issuer nor its dates decide a sign-in.
 */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { decodeBase64 } from '../xml/base64.ts';

/** What a certificate says, as plain data that survives JSON. */
export interface Certificate {
  readonly pem: string;
  /** DER as base64 without line breaks, as metadata has it. */
  readonly derBase64: string;
  /** As `openssl x509 -fingerprint -sha256` prints it: upper case hexadecimal with colons. */
  readonly fingerprintSha256: string;
  /** For people only: whoever made the certificate wrote it. One line, clipped, without control characters. */
  readonly subject: string;
  /** Upper case hexadecimal. */
  readonly serialNumber: string;
  /** RFC 3339, UTC. */
  readonly notBefore: string;
  /** RFC 3339, UTC. */
  readonly notAfter: string;
  /** `rsa`, `ec`, or what else Node calls it (`ed25519`, `rsa-pss`, `dsa`…). */
  readonly keyType: string;
  /** Length of the modulus; only for RSA. */
  readonly keyBits?: number;
  /** OpenSSL's name, such as `prime256v1`; only for EC. */
  readonly curve?: string;
}

const MAX_CHARACTERS = 16 * 1024;
/** Each is tried at sign-in, so their number is a cost. Entra ID lists up to five. */
const MAX_CERTIFICATES = 20;
const MAX_SUBJECT = 300;
/** A larger key would make every verification at sign-in a way to hold the process. */
const MAX_RSA_BITS = 8192;
const MAX_RSA_EXPONENT = 2n ** 32n;
const PEM = /^-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----$/;

const invalid = (detail: string, cause?: unknown) => new GatewayError('idp_metadata_invalid', { detail, cause });

/**
 * Reads exactly one certificate from PEM or from bare base64 of its DER; white space in it does not matter, anything else
 * around it does. The octets must be one DER structure without anything after it, so that one certificate has one fingerprint.
 *
 * @example
 * const { fingerprintSha256, notAfter } = readCertificate(readFileSync('idp.pem', 'utf8'));
 * @throws idp_metadata_invalid; the detail never has input in it
 * @see RFC 7468 §5, RFC 5280 §4.1
 */
export function readCertificate(text: string): Certificate {
  if (text.length > MAX_CHARACTERS) throw invalid('A certificate is longer than 16 KiB.');
  const trimmed = text.trim();
  if (trimmed === '') throw invalid('A certificate is empty.');
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
 * Reads several, and says which one is wrong.
 * @param before how many were read already, for the count and the limit of {@link MAX_CERTIFICATES}
 * @throws idp_metadata_invalid
 */
export function readCertificates(texts: readonly string[], before = 0): Certificate[] {
  if (before + texts.length > MAX_CERTIFICATES) throw invalid(`There are more than ${MAX_CERTIFICATES} signing certificates.`);
  return texts.map((text, index) => {
    try {
      return readCertificate(text);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      throw invalid(`Signing certificate number ${before + index + 1}: ${error.facts.detail ?? 'it can’t be read.'}`, error);
    }
  });
}

/** Without repetitions, in the order of their first appearance. */
export const eachOnce = (certificates: readonly Certificate[]): Certificate[] => [
  ...new Map(certificates.map((certificate) => [certificate.derBase64, certificate])).values(),
];

/** @throws idp_metadata_invalid where a private key was given in place of something public */
export function refusePrivateKey(text: string): void {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return;
  throw invalid(
    'This is a private key, which must never leave the identity provider; replace it there. Only its certificate or metadata is needed.',
  );
}

function decodeDer(trimmed: string): Buffer {
  refusePrivateKey(trimmed);
  if (trimmed.split('-----BEGIN ', 3).length > 2) throw invalid('There are several certificates where one is expected.');
  const body = trimmed.startsWith('-----') ? PEM.exec(trimmed)?.[1] : trimmed;
  if (body === undefined) {
    throw invalid(
      'A certificate in PEM form must be the text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, and nothing else.',
    );
  }
  try {
    return decodeBase64(body);
  } catch (cause) {
    throw invalid('A certificate is neither PEM nor base64; perhaps it was cut off.', cause);
  }
}

function parseDer(der: Buffer): X509Certificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch (cause) {
    throw invalid('A certificate can’t be read: it is no X.509 certificate.', cause);
  }
  // OpenSSL reads the first structure and leaves the rest.
  if (!certificate.raw.equals(der)) throw invalid('A certificate can’t be read: there is something before or after it.');
  return certificate;
}

function keyOf(certificate: X509Certificate): KeyObject {
  try {
    return certificate.publicKey;
  } catch (cause) {
    throw invalid('The key in a certificate can’t be read.', cause);
  }
}

function describeKey(key: KeyObject): Pick<Certificate, 'keyType' | 'keyBits' | 'curve'> {
  const keyType = key.asymmetricKeyType ?? 'unknown';
  const { modulusLength, publicExponent, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (keyType === 'ec') return { keyType, ...(namedCurve === undefined ? {} : { curve: namedCurve }) };
  if (keyType !== 'rsa' || modulusLength === undefined || publicExponent === undefined) return { keyType };
  // With the exponent 1 every signature is its own proof; an even one is no RSA key.
  const soundExponent = publicExponent >= 3n && publicExponent <= MAX_RSA_EXPONENT && publicExponent % 2n === 1n;
  if (!soundExponent) throw invalid('The RSA key in a certificate has an exponent that is not sound.');
  if (modulusLength > MAX_RSA_BITS) throw invalid(`The RSA key in a certificate has more than ${MAX_RSA_BITS} bits.`);
  return { keyType, keyBits: modulusLength };
}

function instant(date: Date): string {
  if (Number.isNaN(date.getTime())) throw invalid('The dates of a certificate can’t be read.');
  return date.toISOString();
}

/** @param subject undefined where it is empty, whatever the types say */
function printable(subject: string | undefined = ''): string {
  return subject.trim().replaceAll('\n', ', ').replaceAll(/\p{C}/gu, '').slice(0, MAX_SUBJECT);
}

/**
 * The end certificates among those of one KeyInfo: without those that signed another one there. XML Signature lets a KeyInfo
 * carry the whole chain, but only its end holds the signing key; a CA's key must not speak for the identity provider.
 * @see XML Signature §4.5.4 (X509Data)
 */
export function endCertificates(certificates: readonly Certificate[]): Certificate[] {
  if (certificates.length < 2) return [...certificates];
  const parsed = certificates.map((certificate) => ({ certificate, x509: new X509Certificate(certificate.pem) }));
  // A self-signed one has no issuer; one renewed with the same key would else seem to be signed by its twin.
  const issued = parsed.filter(({ x509 }) => !isSignedBy(x509, x509));
  return parsed.filter(({ x509 }) => !issued.some((other) => isSignedBy(other.x509, x509))).map(({ certificate }) => certificate);
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.verify(issuer.publicKey);
  } catch {
    return false; // a key that signs no certificates
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
