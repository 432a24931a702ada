import { GatewayError } from '../../errors.ts';
import {
  decodeParameter,
  MAX_XML_OCTETS,
  type MessageField,
  readParameters,
  type UnverifiedMessage,
} from '../../saml/messages/bindings.ts';
import { decodeBase64 } from '../../saml/xml/base64.ts';
import { decodeUtf8 } from '../../saml/xml/xml.ts';

/** 256 KiB of XML are 342 KiB of base64; the rest is for percent-encoding and the RelayState. */
export const MAX_FORM = '600kb';

/**
 * Reads the one message of a form. Rules 1 and 2.
 * @param fields where it may stand
 * @throws saml_malformed, payload_too_large
 */
export function readMessageForm(body: unknown, fields: readonly MessageField[]): UnverifiedMessage {
  const names = fields.join(' or ');
  if (!Buffer.isBuffer(body)) {
    throw new GatewayError(
      'saml_malformed',
      `The message must come as a form (application/x-www-form-urlencoded) with the field ${names}.`,
    );
  }
  if (hasManyFields(body)) throw new GatewayError('saml_malformed', 'The form has too many fields.');
  const form = readParameters(body.toString('utf8'));
  const [field, ...more] = fields.filter((name) => form.has(name));
  if (!field) throw new GatewayError('saml_malformed', `The form has no field ${names}.`);
  if (more.length > 0) throw new GatewayError('saml_malformed', 'There are a request and a response in one form.');
  const octets = decodeBase64(decodeParameter(form.get(field)) ?? '');
  if (octets.length > MAX_XML_OCTETS) throw new GatewayError('payload_too_large', 'The message is larger than 256 KiB.');
  return {
    binding: 'post',
    field,
    unverifiedXml: decodeUtf8(octets),
    unverifiedRelayState: decodeParameter(form.get('RelayState')) || undefined,
  };
}

const MAX_FIELDS = 20;
const AMPERSAND = 0x26;

/** Looked for in the octets: to read 200,000 fields takes as long as to read the message. */
function hasManyFields(body: Buffer): boolean {
  let at = -1;
  for (let fields = 0; fields < MAX_FIELDS; fields++) {
    at = body.indexOf(AMPERSAND, at + 1);
    if (at < 0) return false;
  }
  return true;
}
