/**
 * How a message travels through a browser: in the query of a URL (HTTP-Redirect) or in a form (HTTP-POST). Reading tells what
 * came and over which octets it is signed; whether that signature is good is decided elsewhere.
 * @see saml-bindings §3.4 (Redirect), §3.5 (POST)
 */
import { sign } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { GatewayError } from '../../errors.ts';
import { ENVELOPED_SIGNATURE, EXCLUSIVE_C14N } from '../names.ts';
import { decodeBase64 } from '../xml/base64.ts';
import { decodeUtf8 } from '../xml/xml.ts';

/** What the browser does next: go to a URL, or post a form. */
export type BrowserMessage =
  | { readonly binding: 'redirect'; readonly url: string }
  | { readonly binding: 'post'; readonly action: string; readonly fields: Readonly<Record<string, string>> };

export type MessageField = 'SAMLRequest' | 'SAMLResponse';

/** A message as it came. Over HTTP-POST a signature is in the XML; over HTTP-Redirect it is beside it. */
export interface UnverifiedMessage {
  readonly binding: 'redirect' | 'post';
  readonly field: MessageField;
  readonly unverifiedXml: string;
  readonly unverifiedRelayState: string | undefined;
  readonly querySignature?: QuerySignature | undefined;
}

export interface QuerySignature {
  /** What was signed: the parameters as they came, percent-encoding and all. */
  readonly octets: Buffer;
  /** URI. */
  readonly algorithm: string;
  readonly value: Buffer;
}

/** The key with which the gateway signs SAML messages for one organization, as PEM. */
export interface MessageSigningKey {
  readonly privateKeyPem: string;
  readonly certificatePem: string;
}

const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
const DEFLATE = 'urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE';

/** Of the XML. A few kilobytes in a URL can inflate to a thousand times as much. */
export const MAX_XML_OCTETS = 256 * 1024;
/** The specification says 80 octets, and products send more. */
const MAX_RELAY_STATE = 2048;

const PARAMETERS = ['SAMLRequest', 'SAMLResponse', 'RelayState', 'SigAlg', 'Signature', 'SAMLEncoding'] as const;

const malformed = (detail: string, cause?: unknown) => new GatewayError('saml_malformed', { detail, cause });

/**
 * Reads a message from the query of a URL as it was received, without the question mark.
 * @throws saml_malformed; payload_too_large
 */
export function readRedirect(query: string): UnverifiedMessage {
  const raw = readParameters(query);
  const encoding = decodeParameter(raw.get('SAMLEncoding'));
  if (encoding !== undefined && encoding !== DEFLATE) throw malformed('The message is encoded in a way that is not known.');
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
 * The parameters of a query or a form that matter, each as the characters that came.
 * @throws saml_malformed for one that is there twice, and for a name that is written in another way: others might read it
 */
export function readParameters(query: string): ReadonlyMap<string, string> {
  const raw = new Map<string, string>();
  for (const parameter of query.split('&')) {
    const [written = '', ...value] = parameter.split('=');
    const name = PARAMETERS.find((known) => known === decodeParameter(written));
    if (name === undefined) continue;
    if (written !== name) throw malformed('A parameter’s name is percent-encoded.');
    if (raw.has(name)) throw malformed('A parameter is there twice.');
    raw.set(name, value.join('='));
  }
  return raw;
}

/** @throws saml_malformed */
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
  if (!field || more.length > 0) throw malformed('There must be one SAMLRequest or one SAMLResponse.');
  return field;
}

/** @throws saml_malformed for one that no product would send */
export function checkRelayState(relayState: string | undefined): string | undefined {
  if (relayState !== undefined && relayState.length > MAX_RELAY_STATE) throw malformed('The RelayState is too long.');
  return relayState;
}

/** The whole must be one stream of DEFLATE: what stands after its end would be read by nobody, or by others. */
function inflate(octets: Buffer): Buffer {
  try {
    const { buffer, engine } = inflateRawSync(octets, { maxOutputLength: MAX_XML_OCTETS, info: true }) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    if (engine.bytesWritten === octets.length) return buffer;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new GatewayError('payload_too_large', { detail: 'The message is larger than 256 KiB.', cause });
    }
    throw malformed('The message is not compressed with DEFLATE.', cause);
  }
  throw malformed('There is something after the compressed message.');
}

/** saml-bindings §3.4.4.1: over the message, RelayState (where there is one) and SigAlg, in this order. */
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

/** A message of ours, signed with rsa-sha256 whatever the binding. */
export interface OutgoingMessage {
  readonly field: MessageField;
  readonly id: string;
  /** Has an Issuer, after which the signature goes. */
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

/** An enveloped signature right after the Issuer (saml-core §5.4). */
export async function signEnveloped(xml: string, id: string, key: MessageSigningKey): Promise<string> {
  // Loaded where it is needed: most gateways sign nothing.
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
