import { GatewayError } from '../errors.ts';

/**
 * Decodes base64 as XML Schema and RFC 4648 §4 have it: white space between the characters is allowed, anything else
 * (the URL alphabet, missing padding, bits left over) is not. Node's own decoder skips what it does not know, so that two
 * texts would be one value.
 * @throws saml_malformed
 */
export function decodeBase64(text: string): Buffer {
  const compact = /[ \t\r\n]/.test(text) ? text.replace(/[ \t\r\n]+/g, '') : text;
  const octets = Buffer.from(compact, 'base64');
  if (compact === '' || octets.toString('base64') !== compact)
    throw new GatewayError('saml_malformed', 'A value that must be base64 is not.');
  return octets;
}
