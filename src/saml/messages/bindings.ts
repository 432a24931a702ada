/**
 * Reads and creates messages that travel through a browser, in the query of a URL (HTTP-Redirect) or in a form (HTTP-POST).
 * Signatures are verified elsewhere.
 * @see saml-bindings §3.4 (Redirect), §3.5 (POST)
 */
import { sign } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { GatewayError } from '../../errors.ts';
import { ENVELOPED_SIGNATURE, EXCLUSIVE_C14N } from '../names.ts';
import { decodeBase64 } from '../xml/base64.ts';
import { decodeUtf8 } from '../xml/xml.ts';

/** The next step of the browser: open a URL, or post a form. */
export type BrowserMessage =
  | { readonly binding: 'redirect'; readonly url: string }
  | { readonly binding: 'post'; readonly action: string; readonly fields: Readonly<Record<string, string>> };

export type MessageField = 'SAMLRequest' | 'SAMLResponse';

/** A received message. With HTTP-POST, a signature is inside the XML. With HTTP-Redirect, it is beside it. */
export interface UnverifiedMessage {
  readonly binding: 'redirect' | 'post';
  readonly field: MessageField;
  readonly unverifiedXml: string;
  readonly unverifiedRelayState: string | undefined;
  readonly querySignature?: QuerySignature | undefined;
}

export interface QuerySignature {
  /** The signed parameters exactly as received, with their percent-encoding. */
  readonly octets: Buffer;
  /** The URI of the algorithm. */
  readonly algorithm: string;
  readonly value: Buffer;
}

/** The key that signs the gateway's SAML messages for one organization, as PEM. */
export interface MessageSigningKey {
  readonly privateKeyPem: string;
  readonly certificatePem: string;
}

const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
const DEFLATE = 'urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE';

/** The limit after decompression. A few kilobytes in a URL can inflate to a thousand times as much. */
export const MAX_XML_OCTETS = 256 * 1024;
/** The specification allows 80 octets, but products send more. */
const MAX_RELAY_STATE = 2048;

const PARAMETERS = ['SAMLRequest', 'SAMLResponse', 'RelayState', 'SigAlg', 'Signature', 'SAMLEncoding'] as const;

const malformed = (detail: string, cause?: unknown) => new GatewayError('saml_malformed', { detail, cause });

/**
 * Reads a message from the query of a URL.
 * @param query exactly as received, without the question mark
 * @throws saml_malformed; payload_too_large
 */
export function readRedirect(query: string): UnverifiedMessage {
  const raw = readParameters(query);
  const encoding = decodeParameter(raw.get('SAMLEncoding'));
  if (encoding !== undefined && encoding !== DEFLATE) throw malformed('The message has an unknown SAMLEncoding.');
  const field = onlyField(raw);
  return {
    binding: 'redirect',
    field,
    unverifiedXml: decodeUtf8(inflate(decodeBase64(decodeParameter(raw.get(field)) ?? ''))),
    unverifiedRelayState: checkRelayState(decodeParameter(raw.get('RelayState'))),
    querySignature: readQuerySignature(raw, field),
  };
}

/**
 * Returns the SAML parameters of a query or a form, without decoding their values.
 * @throws saml_malformed for a repeated parameter, and for a percent-encoded name, which other software may read differently
 */
export function readParameters(query: string): ReadonlyMap<string, string> {
  const raw = new Map<string, string>();
  for (const parameter of query.split('&')) {
    const [encodedName = '', ...value] = parameter.split('=');
    const name = PARAMETERS.find((known) => known === decodeParameter(encodedName));
    if (name === undefined) continue;
    if (encodedName !== name) throw malformed('The name of a parameter is percent-encoded.');
    if (raw.has(name)) throw malformed('A parameter appears twice.');
    raw.set(name, value.join('='));
  }
  return raw;
}

/**
 * Decodes a parameter of a query or a form.
 * @throws saml_malformed for invalid percent-encoding
 */
export function decodeParameter(text: string): string;
export function decodeParameter(text: string | undefined): string | undefined;
export function decodeParameter(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text.replace(/\+/g, ' '));
  } catch (cause) {
    throw malformed('A parameter is not percent-encoded UTF-8.', cause);
  }
}

function onlyField(parameters: ReadonlyMap<string, string>): MessageField {
  const [field, ...more] = (['SAMLRequest', 'SAMLResponse'] as const).filter((name) => parameters.has(name));
  if (!field || more.length > 0) throw malformed('There must be exactly one SAMLRequest or SAMLResponse.');
  return field;
}

/** @throws saml_malformed if it is longer than any product sends */
export function checkRelayState(relayState: string | undefined): string | undefined {
  if (relayState !== undefined && relayState.length > MAX_RELAY_STATE) throw malformed('The RelayState is too long.');
  return relayState;
}

/** The octets must be exactly one DEFLATE stream, because other software might read data after its end. */
function inflate(octets: Buffer): Buffer {
  try {
    const { buffer, engine } = inflateRawSync(octets, { maxOutputLength: MAX_XML_OCTETS, info: true }) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    if (engine.bytesWritten === octets.length) return buffer;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new GatewayError('payload_too_large', { detail: 'A SAML message may have at most 256 KiB.', cause });
    }
    throw malformed('The message is not compressed with DEFLATE.', cause);
  }
  throw malformed('There is data after the compressed message.');
}

/** saml-bindings §3.4.4.1: the signature covers the message, the RelayState (if present) and SigAlg, in this order. */
function readQuerySignature(raw: ReadonlyMap<string, string>, field: MessageField): QuerySignature | undefined {
  const value = decodeParameter(raw.get('Signature'));
  if (value === undefined) return undefined;
  const signed = [field, 'RelayState', 'SigAlg'].filter((name) => raw.has(name)).map((name) => `${name}=${raw.get(name)}`);
  return {
    octets: Buffer.from(signed.join('&'), 'latin1'),
    algorithm: decodeParameter(raw.get('SigAlg')) ?? '',
    value: decodeBase64(value),
  };
}

/** A message of the gateway. It is signed with rsa-sha256 with either binding. */
export interface OutgoingMessage {
  readonly field: MessageField;
  readonly id: string;
  /** Has an Issuer; the signature is inserted after it. */
  readonly xml: string;
  readonly location: string;
  readonly relayState: string | undefined;
  readonly signWith: MessageSigningKey;
}

export async function createBrowserMessage(binding: 'redirect' | 'post', message: OutgoingMessage): Promise<BrowserMessage> {
  const { field, location, relayState } = message;
  if (binding === 'redirect') return { binding, url: signedUrl(message) };
  const signed = await signEnveloped(message.xml, message.id, message.signWith);
  const fields = { [field]: Buffer.from(signed).toString('base64'), ...(relayState === undefined ? {} : { RelayState: relayState }) };
  return { binding, action: location, fields };
}

function signedUrl({ field, xml, location, relayState, signWith }: OutgoingMessage): string {
  const parameters = [
    `${field}=${encodeURIComponent(deflateRawSync(xml).toString('base64'))}`,
    ...(relayState === undefined ? [] : [`RelayState=${encodeURIComponent(relayState)}`]),
    `SigAlg=${encodeURIComponent(RSA_SHA256)}`,
  ].join('&');
  const signature = sign('sha256', Buffer.from(parameters), signWith.privateKeyPem).toString('base64');
  return `${location}${location.includes('?') ? '&' : '?'}${parameters}&Signature=${encodeURIComponent(signature)}`;
}

/** Inserts an enveloped signature right after the Issuer (saml-core §5.4). */
export async function signEnveloped(xml: string, id: string, key: MessageSigningKey): Promise<string> {
  // Loaded on demand, because most gateways sign nothing.
  const { SignedXml } = await import('../libraries.ts');
  const signer = new SignedXml({
    privateKey: key.privateKeyPem,
    publicCert: key.certificatePem,
    signatureAlgorithm: RSA_SHA256,
    canonicalizationAlgorithm: EXCLUSIVE_C14N,
    idAttribute: 'ID',
  });
  signer.addReference({
    xpath: `/*[@ID='${id}']`,
    transforms: [ENVELOPED_SIGNATURE, EXCLUSIVE_C14N],
    digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256',
  });
  signer.computeSignature(xml, { prefix: 'ds', location: { reference: `/*/*[local-name(.)='Issuer']`, action: 'after' } });
  return signer.getSignedXml();
}
