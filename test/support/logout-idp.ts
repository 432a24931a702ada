/** Logout messages of an identity provider, written and signed without a library, so that a test can change every part. */
import { type KeyObject, sign as signOctets } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { ASSERTION, type HandSigning, MORE, PROTOCOL, sign } from '../saml/fixture-cases/hand-made.ts';

export type LogoutField = 'SAMLRequest' | 'SAMLResponse';

/** Every part is inserted unchanged. */
export interface LogoutParts {
  name: 'LogoutRequest' | 'LogoutResponse';
  id: string;
  attributes: string;
  issuer: string;
  /** After the Issuer. */
  content: string;
}

const ATTRIBUTES = (instant: string, destination: string | undefined) =>
  `Version="2.0" IssueInstant="${instant}"${destination === undefined ? '' : ` Destination="${destination}"`}`;

export interface Addressed {
  readonly idp: string;
  readonly destination: string | undefined;
  readonly instant: string;
}

export const EMAIL = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';
export const nameId = (value: string, attributes = ` Format="${EMAIL}"`): string => `<saml:NameID${attributes}>${value}</saml:NameID>`;
export const sessionIndex = (value: string): string => `<samlp:SessionIndex>${value}</samlp:SessionIndex>`;
export const status = (code: string, second = ''): string =>
  `<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:${code}">${second}</samlp:StatusCode></samlp:Status>`;

export function logoutRequest(to: Addressed, content: string, parts: Partial<LogoutParts> = {}): string {
  return write({
    name: 'LogoutRequest',
    id: '_logout1',
    attributes: ATTRIBUTES(to.instant, to.destination),
    issuer: issuer(to.idp),
    content,
    ...parts,
  });
}

export function logoutResponse(to: Addressed, inResponseTo: string | undefined, parts: Partial<LogoutParts> = {}): string {
  const answers = inResponseTo === undefined ? '' : ` InResponseTo="${inResponseTo}"`;
  const attributes = ATTRIBUTES(to.instant, to.destination) + answers;
  return write({ name: 'LogoutResponse', id: '_logout1', attributes, issuer: issuer(to.idp), content: status('Success'), ...parts });
}

export const issuer = (entityId: string): string => `<saml:Issuer>${entityId}</saml:Issuer>`;

const write = ({ name, id, attributes, issuer, content }: LogoutParts): string =>
  `<samlp:${name} xmlns:samlp="${PROTOCOL}" xmlns:saml="${ASSERTION}" ID="${id}" ${attributes}>${issuer}${content}</samlp:${name}>`;

/** Signs a message for HTTP-POST. */
export const signXml = (xml: string, key: KeyObject, changes: Partial<HandSigning> = {}): string =>
  sign(xml, key, { id: '_logout1', ...changes });

export interface QuerySigning {
  readonly key: KeyObject;
  readonly relayState?: string;
  readonly algorithm?: string;
  readonly hash?: string;
  /** Change the parameters before and after they are signed. */
  readonly before?: (parameters: string) => string;
  readonly after?: (query: string) => string;
}

/** Returns the signed query of a URL for HTTP-Redirect. */
export function signQuery(field: LogoutField, xml: string, signing: QuerySigning): string {
  const { key, relayState, algorithm = `${MORE}rsa-sha256`, hash = 'sha256', before = (text) => text, after = (text) => text } = signing;
  const relay = relayState === undefined ? '' : `&RelayState=${encodeURIComponent(relayState)}`;
  const parameters = before(`${field}=${deflated(xml)}${relay}&SigAlg=${encodeURIComponent(algorithm)}`);
  const value = signOctets(hash, Buffer.from(parameters), key.asymmetricKeyType === 'ec' ? { key, dsaEncoding: 'ieee-p1363' } : key);
  return after(`${parameters}&Signature=${encodeURIComponent(value.toString('base64'))}`);
}

export const deflated = (content: string | Buffer): string => encodeURIComponent(deflateRawSync(content).toString('base64'));
