/** SAML messages at our door: out through the browser, in by a form. */
import type { Response } from 'express';
import { renderPage } from '../console/layout.tsx';
import { PostFormPage } from '../console/post-form-page.tsx';
import { GatewayError } from '../errors.ts';
import { decodeBase64 } from '../saml/base64.ts';
import { type BrowserMessage, MAX_XML_OCTETS, type MessageField, type UnverifiedMessage } from '../saml/bindings.ts';
import { decodeUtf8 } from '../saml/xml.ts';
import { sendPage } from './pages.ts';

/** 256 KiB of XML are 342 KiB of base64; the rest is for percent-encoding and the RelayState. */
export const MAX_FORM = '600kb';

/** Sends the browser on, by a redirect or by a page whose form submits itself. */
export function sendBrowserMessage(response: Response, message: BrowserMessage): void {
  response.setHeader('Cache-Control', 'no-store');
  // After a POST only 303 says that what follows is a GET.
  if (message.binding === 'redirect') response.redirect(response.req.method === 'GET' ? 302 : 303, message.url);
  else sendPage(response, 200, renderPage(<PostFormPage action={message.action} fields={message.fields} />), { formsMayLeave: true });
}

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
  const form = new URLSearchParams(body.toString('utf8'));
  const given = fields.filter((field) => form.has(field));
  const [field, ...more] = given;
  if (!field) throw new GatewayError('saml_malformed', `The form has no field ${names}.`);
  const [message = '', ...moreMessages] = form.getAll(field);
  const [relayState, ...moreStates] = form.getAll('RelayState');
  if (more.length + moreMessages.length + moreStates.length > 0)
    throw new GatewayError('saml_malformed', 'A field of the form is there twice.');
  const octets = decodeBase64(message);
  if (octets.length > MAX_XML_OCTETS) throw new GatewayError('payload_too_large', 'The message is larger than 256 KiB.');
  return {
    binding: 'post',
    field,
    unverifiedXml: decodeUtf8(octets),
    unverifiedRelayState: relayState === '' ? undefined : relayState,
  };
}
