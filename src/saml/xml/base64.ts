import { GatewayError } from '../../errors.ts';

/**
 * Decodes base64 as XML Schema and RFC 4648 §4 have it: white space between the characters is allowed, anything else
 * (the URL alphabet, missing padding, bits left over) is not. Node's own decoder skips what it does not know, so that two
 * texts would be one value.
 * @throws saml_malformed
 */
export function decodeBase64(text: string): Buffer {
  const octets = decodedStrictly(text) ?? decodedStrictly(withoutWhiteSpace(text));
  if (!octets) throw new GatewayError('saml_malformed', 'A value that must be base64 is not.');
  return octets;
}

/** Undefined for a text that is not the one base64 of some octets. */
function decodedStrictly(text: string): Buffer | undefined {
  const octets = Buffer.from(text, 'base64');
  return text !== '' && octets.toString('base64') === text ? octets : undefined;
}

/** Octet by octet: white space between all characters would make a replacement for each of them. */
function withoutWhiteSpace(text: string): string {
  const octets = Buffer.from(text, 'utf8');
  let kept = 0;
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i] as number;
    if (octet !== 0x20 && octet !== 0x09 && octet !== 0x0d && octet !== 0x0a) octets[kept++] = octet;
  }
  // What is not ASCII stays what it is not, and is no base64.
  return octets.toString('latin1', 0, kept);
}
