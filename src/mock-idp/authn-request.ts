/** Reads AuthnRequests. It is tolerant and checks no signature, because a mock has nothing to protect. */
import { inflateRawSync } from 'node:zlib';
import { SaxesParser, type SaxesTagNS } from 'saxes';
import { ASSERTION, PROTOCOL } from '../saml/names.ts';
import { MockIdpRefusal } from './refusal.ts';

/** The parts of an AuthnRequest that the mock identity provider uses. */
export interface AuthnRequest {
  readonly id: string;
  readonly issuer: string;
  readonly acsUrl: string | undefined;
  /** Format of the NameIDPolicy, if there is one. */
  readonly nameIdFormat: string | undefined;
}

const MAX_XML_OCTETS = 100 * 1024;

/**
 * Decodes a `SAMLRequest` parameter to XML.
 * @throws MockIdpRefusal if it can't be decoded or is larger than 100 KB
 * @see saml-bindings §3.4.4.1 (redirect: base64 of raw deflate), §3.5.4 (POST: base64)
 */
export function decodeSamlRequest(parameter: string, binding: 'redirect' | 'post'): string {
  const octets = Buffer.from(parameter, 'base64');
  if (octets.length > MAX_XML_OCTETS) throw new MockIdpRefusal('The SAMLRequest is larger than 100 KB.');
  if (binding === 'post') return octets.toString('utf8');
  try {
    return inflateRawSync(octets, { maxOutputLength: MAX_XML_OCTETS }).toString('utf8');
  } catch (cause) {
    throw new MockIdpRefusal('The SAMLRequest is not base64-encoded raw DEFLATE data, or is larger than 100 KB.', { cause });
  }
}

/**
 * Reads an AuthnRequest.
 * @throws MockIdpRefusal if the XML is not an AuthnRequest with ID and Issuer
 * @see saml-core §3.4.1
 */
export function readAuthnRequest(xml: string): AuthnRequest {
  const found = { root: undefined as SaxesTagNS | undefined, issuer: '', nameIdFormat: undefined as string | undefined };
  const path: SaxesTagNS[] = [];
  const parser = new SaxesParser({ xmlns: true });
  parser.on('error', (cause) => {
    throw new MockIdpRefusal('The SAMLRequest is not well-formed XML.', { cause });
  });
  parser.on('opentag', (tag) => {
    path.push(tag);
    found.root ??= tag;
    if (path.length === 2 && isNamed(tag, PROTOCOL, 'NameIDPolicy')) found.nameIdFormat = tag.attributes.Format?.value;
  });
  parser.on('text', (characters) => {
    const tag = path.at(-1);
    if (path.length === 2 && tag !== undefined && isNamed(tag, ASSERTION, 'Issuer')) found.issuer += characters;
  });
  parser.on('closetag', () => path.pop());
  parser.write(xml).close();
  const { root, nameIdFormat } = found;
  if (root === undefined || !isNamed(root, PROTOCOL, 'AuthnRequest')) throw new MockIdpRefusal('The SAMLRequest is not an AuthnRequest.');
  const id = root.attributes.ID?.value;
  const issuer = found.issuer.trim();
  if (id === undefined || issuer === '') throw new MockIdpRefusal('The AuthnRequest has no ID or no Issuer.');
  return { id, issuer, acsUrl: root.attributes.AssertionConsumerServiceURL?.value, nameIdFormat };
}

function isNamed(tag: SaxesTagNS, uri: string, local: string): boolean {
  return tag.uri === uri && tag.local === local;
}
