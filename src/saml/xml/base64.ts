import { GatewayError } from '../../errors.ts';

/**
 * Decodes base64 by the grammar of XML Schema and RFC 4648 §4. Whitespace between the characters is allowed. The URL alphabet,
 * missing padding and leftover bits are rejected: Node's own decoder ignores them, so that several texts would have one value.
 * @throws saml_malformed
 * @see XML Schema part 2 §3.2.16
 */
export function decodeBase64(text: string): Buffer {
  const compact = text.replace(/[ \t\r\n]/g, '');
  const octets = Buffer.from(compact, 'base64');
  if (compact === '' || octets.toString('base64') !== compact) throw new GatewayError('saml_malformed', 'A base64 value is invalid.');
  return octets;
}
