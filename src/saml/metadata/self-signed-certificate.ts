/**
 * Creates an RSA key with a self-signed certificate, for the service provider of each organization and for the mock identity
 * provider. The few DER structures are written here, because an X.509 library costs each gateway 20 MB of memory and a sixth of
 * its start-up time (`npm run bench:start`), for one certificate per organization.
 */
import { generateKeyPair, randomBytes, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { DAY_MS, HOUR_MS, toIsoTime } from '../../time.ts';

/** A private key (PKCS#8) and the certificate of its public key (X.509), both as PEM text. */
export interface KeyAndCertificate {
  readonly privateKeyPem: string;
  readonly certificatePem: string;
}

export interface SelfSignedCertificateOptions {
  /** Any text. It becomes the CN of subject and issuer. */
  readonly commonName: string;
  /** Validity in days from {@link nowMs}. */
  readonly days: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly rsaBits?: 2048 | 3072;
}

/**
 * Creates a key and its certificate, signed with sha256WithRSAEncryption. The certificate has a random positive serial number
 * and allows signatures and key encipherment. It is valid from one hour ago, because the other side's clock may be behind.
 *
 * @example
 * const { privateKeyPem, certificatePem } = await createSelfSignedCertificate({
 *   commonName: 'samlgate acme', days: 3650, nowMs: Date.now(),
 * });
 * @see RFC 5280 §4.1
 */
export async function createSelfSignedCertificate(options: SelfSignedCertificateOptions): Promise<KeyAndCertificate> {
  const pair = await promisify(generateKeyPair)('rsa', {
    modulusLength: options.rsaBits ?? 3072,
    publicExponent: 65_537,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const toBeSigned = tbsCertificate(options, pair.publicKey);
  const signature = sign('sha256', toBeSigned, pair.privateKey);
  const certificate = sequence(toBeSigned, SHA256_WITH_RSA, bitString(signature));
  return { privateKeyPem: pair.privateKey, certificatePem: pem(certificate) };
}

function tbsCertificate(options: SelfSignedCertificateOptions, subjectPublicKeyInfo: Buffer): Buffer {
  const name = sequence(der(TAG.set, sequence(OID.commonName, der(TAG.utf8String, Buffer.from(options.commonName)))));
  const validity = sequence(time(options.nowMs - HOUR_MS), time(options.nowMs + options.days * DAY_MS));
  const version3 = der(TAG.explicit0, der(TAG.integer, Buffer.of(2)));
  return sequence(version3, randomSerial(), SHA256_WITH_RSA, name, validity, name, subjectPublicKeyInfo, EXTENSIONS);
}

/** 16 octets, the first between 0x40 and 0x7f, so that the number is positive and always has the same length. */
function randomSerial(): Buffer {
  const octets = randomBytes(16);
  octets.writeUInt8((octets.readUInt8(0) & 0x3f) | 0x40, 0);
  return der(TAG.integer, octets);
}

function pem(octets: Buffer): string {
  const lines = octets.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

// DER: tag, length, content. @see ITU-T X.690 §8, §10

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  nil: 0x05,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  explicit0: 0xa0,
  explicit3: 0xa3,
};

/** Object identifiers with tag and length. */
const OID = {
  /** 1.2.840.113549.1.1.11 */
  sha256WithRsaEncryption: Buffer.from('06092a864886f70d01010b', 'hex'),
  /** 2.5.4.3 */
  commonName: Buffer.from('0603550403', 'hex'),
  /** 2.5.29.19 */
  basicConstraints: Buffer.from('0603551d13', 'hex'),
  /** 2.5.29.15 */
  keyUsage: Buffer.from('0603551d0f', 'hex'),
};

const SHA256_WITH_RSA = sequence(OID.sha256WithRsaEncryption, der(TAG.nil, Buffer.of()));

/** digitalSignature (bit 0) and keyEncipherment (bit 2); five bits of the octet are unused. */
const KEY_USAGE = der(TAG.bitString, Buffer.of(5, 0b1010_0000));
const NO_CERTIFICATE_AUTHORITY = sequence();
const EXTENSIONS = der(
  TAG.explicit3,
  sequence(criticalExtension(OID.basicConstraints, NO_CERTIFICATE_AUTHORITY), criticalExtension(OID.keyUsage, KEY_USAGE)),
);

function criticalExtension(id: Buffer, value: Buffer): Buffer {
  return sequence(id, der(TAG.boolean, Buffer.of(0xff)), der(TAG.octetString, value));
}

/** UTCTime through 2049, GeneralizedTime after. @see RFC 5280 §4.1.2.5 */
function time(instantMs: number): Buffer {
  const digits = `${toIsoTime(instantMs).slice(0, 19).replaceAll(/[-:T]/g, '')}Z`;
  return digits < '2050' ? der(TAG.utcTime, Buffer.from(digits.slice(2))) : der(TAG.generalizedTime, Buffer.from(digits));
}

function bitString(octets: Buffer): Buffer {
  return der(TAG.bitString, Buffer.concat([Buffer.of(0), octets]));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(TAG.sequence, Buffer.concat(parts));
}

function der(tag: number, content: Buffer): Buffer {
  if (content.length < 0x80) return Buffer.concat([Buffer.of(tag, content.length), content]);
  const hex = content.length.toString(16);
  const length = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length), length, content]);
}
