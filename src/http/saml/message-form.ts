import express, { type Request, type Response } from 'express';
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
import { runParser } from '../api/request-body.ts';

/** 256 KiB of XML are 342 KiB of base64. The rest is for percent-encoding and the RelayState. */
const MAX_FORM_OCTETS = 600 * 1024;

const parseOctets = express.raw({ type: 'application/x-www-form-urlencoded', limit: MAX_FORM_OCTETS, inflate: false });

/**
 * Reads the octets of a form into `request.body`. Later calls keep them.
 * @throws payload_too_large
 */
export async function readFormOctets(request: Request, response: Response): Promise<void> {
  if (request.body !== undefined) return;
  // The parser would receive all of it before it refuses.
  if (Number(request.headers['content-length']) > MAX_FORM_OCTETS) throw tooLarge();
  await runParser(parseOctets, request, response).catch((error: unknown) => {
    throw asRefusal(error);
  });
}

/** Converts errors of the parser, so that limits count a body that was refused or sent only in part. */
function asRefusal(error: unknown): unknown {
  const { status, cause } = error as { status?: unknown; cause?: unknown };
  if (cause instanceof GatewayError) return cause;
  if (status === 413) return tooLarge();
  if (typeof status !== 'number' || status < 400 || status > 499) return error;
  return new GatewayError('validation_failed', { detail: 'The form is incomplete or malformed. Sign in again.', cause: error });
}

const tooLarge = (): GatewayError => new GatewayError('payload_too_large', { variant: 'response_too_large' });

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
  if (octets.length > MAX_XML_OCTETS) throw tooLarge();
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
