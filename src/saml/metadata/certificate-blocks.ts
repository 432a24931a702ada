/** Finds the certificates in text that administrators paste and products write into metadata. */
import { GatewayError } from '../../errors.ts';
import { decodeBase64 } from '../xml/base64.ts';
import { invalidMetadata } from './idp-metadata-values.ts';

/** The longest text that is split: 20 certificates, each with what `openssl x509 -text` prints about it. */
const MAX_CHARACTERS = 256 * 1024;
const BEGIN = '-----BEGIN ';
/** The rest of a certificate after {@link BEGIN}. No text inside it is allowed, and none of its characters can start another one. */
const REST_OF_BLOCK = /^CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/;
/** The first octet of every DER certificate: a SEQUENCE. */
const DER_SEQUENCE = 0x30;

/**
 * Returns the PEM blocks in a text, without the explanations around them (RFC 7468 §2). The text may be the base64 of PEM, as in
 * secrets of Kubernetes. Any other text is returned as it is, for `readCertificate()` to read or to reject.
 * @throws idp_metadata_invalid if the text contains a private key
 */
export function splitCertificates(text: string): string[] {
  refusePrivateKey(text);
  if (text.length > MAX_CHARACTERS) return [text];
  const pem = text.includes(BEGIN) ? text : decodePem(text);
  if (pem === undefined) return [text];
  refusePrivateKey(pem);
  const blocks: string[] = [];
  for (const part of pem.split(BEGIN).slice(1)) {
    const rest = REST_OF_BLOCK.exec(part)?.[0];
    // A damaged or unknown block is not skipped, because it may be the certificate that signs.
    if (rest === undefined) return [text];
    blocks.push(BEGIN + rest);
  }
  return blocks;
}

/** Returns the PEM text whose base64 was given, or undefined. What starts like a DER certificate is never read as text. */
function decodePem(base64: string): string | undefined {
  try {
    const octets = decodeBase64(base64);
    const text = octets.toString('latin1');
    return octets[0] !== DER_SEQUENCE && text.includes(BEGIN) ? text : undefined;
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}

/** @throws idp_metadata_invalid if the text contains a private key */
export function refusePrivateKey(text: string): void {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return;
  throw invalidMetadata(
    'This is a private key, which must never leave the identity provider. Replace the key there, then upload only its certificate or the metadata.',
  );
}
