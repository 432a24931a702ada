/** Turns an uploaded file into text, and recognizes files that are something other than metadata. */
import { GatewayError } from '../../errors.ts';
import { refusePrivateKey } from './certificate-blocks.ts';
import { invalidMetadata } from './idp-metadata-values.ts';
import { decodeMetadata } from './metadata-encoding.ts';

const MAX_OCTETS = 1024 * 1024;
/** The first octet of every DER certificate: a SEQUENCE. */
const DER_SEQUENCE = 0x30;

/**
 * Returns the text of a metadata file. It may start with whitespace and byte order marks, which positions in error texts include.
 * @param input the octets of the file, or its text
 * @throws idp_metadata_invalid with a detail that names the kind of file, if it is recognizably not metadata; payload_too_large
 */
export function readMetadataFile(input: Uint8Array | string): string {
  const size = typeof input === 'string' ? Buffer.byteLength(input) : input.byteLength;
  if (size > MAX_OCTETS) throw new GatewayError('payload_too_large', { variant: 'metadata_too_large' });
  const text = typeof input === 'string' ? input : decodeFile(input);
  // Pasted text often starts with an empty line. trim() also removes the byte order mark.
  refuseOtherFiles(text.trim());
  return text.trimEnd();
}

function decodeFile(octets: Uint8Array): string {
  const [first, second] = octets;
  if (first === DER_SEQUENCE && second !== undefined && second >= 0x80) throw certificateInsteadOfMetadata();
  return decodeMetadata(octets);
}

const certificateInsteadOfMetadata = (): GatewayError =>
  invalidMetadata(
    'This is a certificate, not metadata. Upload the metadata XML of the identity provider, or enter its entity ID, sign-in URL and certificate manually.',
  );

/** Recognizes common mistakes by the start of the text. The XML parser could only say that the file is not XML. */
function refuseOtherFiles(text: string): void {
  const start = withoutLeadingComments(text);
  if (start === '') throw invalidMetadata('The file is empty. Download the metadata again and upload it.');
  if (/^(?:<!doctype\s+html|<html[\s>])/i.test(start)) {
    throw invalidMetadata(
      'This is a web page, not metadata. Perhaps the sign-in page was saved instead. Download the metadata file itself and upload it.',
    );
  }
  if (start.startsWith('<')) return;
  if (/^[{[]/.test(start)) {
    throw invalidMetadata('This is JSON, not SAML metadata. If it is an OpenID Connect configuration, look for SAML 2.0 metadata (XML).');
  }
  refusePrivateKey(start);
  if (/^(?:-----BEGIN |MI[A-Za-z0-9+/\s]{60})/.test(start)) throw certificateInsteadOfMetadata();
  if (/^https?:\/\/\S+$/i.test(start)) {
    throw invalidMetadata('This is a URL, not metadata. Enter it as the metadata URL, or open it and upload the file that you get.');
  }
  throw invalidMetadata('This is not XML. Upload the metadata XML of the identity provider unchanged.');
}

/** Skips an XML declaration and comments. Microsoft's sign-in page starts with a comment. */
function withoutLeadingComments(text: string): string {
  let rest = text;
  for (const [open, close] of [
    ['<?xml', '?>'],
    ['<!--', '-->'],
  ] as const) {
    while (rest.startsWith(open)) {
      const end = rest.indexOf(close);
      if (end < 0) return rest;
      rest = rest.slice(end + close.length).trimStart();
    }
  }
  return rest;
}
