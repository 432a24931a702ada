/**
 * Decodes the octets of a metadata file. Only metadata has a choice of encodings, because administrators cannot change how their
 * identity provider writes it. SAML messages are strict UTF-8.
 */
import { decodeUtf8 } from '../xml/xml.ts';
import { invalidMetadata } from './idp-metadata-values.ts';

/** The names that products write, in lower case, by the encoding that they stand for. */
const ENCODINGS: ReadonlyMap<string, (octets: Uint8Array) => string> = new Map([
  ...named(decodeStrictUtf8, 'utf-8', 'utf8'),
  // .NET declares UTF-16 if the file was made from a string, whatever its encoding. Octets that start with `<?xml` are not UTF-16.
  ...named(decodeStrictUtf8, 'utf-16', 'utf-16le', 'utf-16be'),
  ...named(decodeAscii, 'us-ascii', 'ascii'),
  ...named((octets) => Buffer.from(octets).toString('latin1'), 'iso-8859-1', 'iso_8859-1', 'iso8859-1', 'latin1'),
  ...named((octets) => new TextDecoder('windows-1252').decode(octets), 'windows-1252', 'cp1252'),
]);

function named(decode: (octets: Uint8Array) => string, ...names: readonly string[]) {
  return names.map((name) => [name, decode] as const);
}

/**
 * Returns the text of a metadata file in the encoding that its byte order mark shows, or else its XML declaration names. Without
 * both, the encoding is UTF-8.
 * @throws idp_metadata_invalid if the encoding is not supported, or the octets are not text of that encoding
 * @see XML 1.0 §4.3.3, Appendix F
 */
export function decodeMetadata(octets: Uint8Array): string {
  const [first, second, third] = octets;
  if (first === 0xff && second === 0xfe) return decodeUtf16(octets, 'utf-16le');
  if (first === 0xfe && second === 0xff) return decodeUtf16(octets, 'utf-16be');
  if (first === 0xef && second === 0xbb && third === 0xbf) return decodeStrictUtf8(octets);
  if ((first === 0x3c && second === 0) || (first === 0 && second === 0x3c)) {
    throw invalidMetadata('The file is UTF-16 text without a byte order mark. Save it as UTF-8 in a text editor and upload that.');
  }
  // Pictures, archives and most documents have zero octets in their headers. XML has none.
  if (octets.subarray(0, START_OCTETS).includes(0)) {
    throw invalidMetadata('The file is not text. Upload the XML file with the metadata, not a picture, a document or an archive.');
  }
  const name = declaredEncoding(octets) ?? 'UTF-8';
  const decode = ENCODINGS.get(name.toLowerCase());
  if (decode) return decode(octets);
  throw invalidMetadata(
    `The file declares the encoding ${name}, which is not supported. Save it as UTF-8 in a text editor, change encoding="${name}" in its first line to encoding="UTF-8", and upload that.`,
  );
}

/** The start of a file, which shows its type or contains its XML declaration. */
const START_OCTETS = 512;

/** Returns the encoding in the XML declaration. Its name is short and has only the characters that XML 1.0 §4.3.3 allows. */
function declaredEncoding(octets: Uint8Array): string | undefined {
  const start = Buffer.from(octets.subarray(0, START_OCTETS)).toString('latin1');
  return /^\s*<\?xml\s[^>]*?\sencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,39})["']/.exec(start)?.[1];
}

function decodeUtf16(octets: Uint8Array, encoding: 'utf-16le' | 'utf-16be'): string {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(octets);
  } catch (cause) {
    throw invalidMetadata('The file starts like UTF-16 text, but is damaged. Download it again from the identity provider.', cause);
  }
}

function decodeStrictUtf8(octets: Uint8Array): string {
  try {
    return decodeUtf8(octets);
  } catch (cause) {
    throw invalidMetadata(
      'The file is not UTF-8 text, and its first line does not declare another encoding. Save it as UTF-8 in a text editor, or download it again, and upload that.',
      cause,
    );
  }
}

function decodeAscii(octets: Uint8Array): string {
  if (octets.every((octet) => octet < 0x80)) return Buffer.from(octets).toString('latin1');
  throw invalidMetadata(
    'The file declares the encoding US-ASCII, but has other characters. Save it as UTF-8 in a text editor, change the encoding in its first line to UTF-8, and upload that.',
  );
}
