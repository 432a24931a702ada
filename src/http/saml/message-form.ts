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

/** 256 KiB of XML are 342 KiB of base64. The rest is for percent-encoding and the RelayState. */
export const MAX_FORM = '600kb';

/**
 * Reads and decodes the SAML message of a form: strict base64, strict UTF-8, each field at most once.
 * @param fields the fields that may hold the message, of which the form has exactly one
 * @throws saml_malformed, payload_too_large
 * @see saml-bindings §3.5.4
 */
export function readMessageForm(body: unknown, fields: readonly MessageField[]): UnverifiedMessage {
  const names = fields.join(' or ');
  if (!Buffer.isBuffer(body)) {
    throw new GatewayError('saml_malformed', `The request is not a form (application/x-www-form-urlencoded) with the field ${names}.`);
  }
  if (hasManyFields(body)) throw new GatewayError('saml_malformed', 'The form has too many fields.');
  const form = readParameters(body.toString('utf8'));
  const [field, ...more] = fields.filter((name) => form.has(name));
  if (!field) throw new GatewayError('saml_malformed', `The form has no field ${names}.`);
  if (more.length > 0) throw new GatewayError('saml_malformed', 'The form has both a SAMLRequest and a SAMLResponse.');
  const octets = decodeBase64(decodeParameter(form.get(field)) ?? '');
  if (octets.length > MAX_XML_OCTETS) throw new GatewayError('payload_too_large', { variant: 'response_too_large' });
  return {
    binding: 'post',
    field,
    unverifiedXml: decodeUtf8(octets),
    unverifiedRelayState: decodeParameter(form.get('RelayState')) || undefined,
  };
}

const MAX_FIELDS = 20;
const AMPERSAND = 0x26;

/** Counts separators in the octets, because parsing 200,000 fields takes as long as parsing the message. */
function hasManyFields(body: Buffer): boolean {
  let at = -1;
  for (let fields = 0; fields < MAX_FIELDS; fields++) {
    at = body.indexOf(AMPERSAND, at + 1);
    if (at < 0) return false;
  }
  return true;
}
