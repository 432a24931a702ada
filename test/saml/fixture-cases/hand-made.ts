/**
 * Writes responses part by part and signs them without a library, because fixtures need content that no library would write. Only for
 * fixtures; `src/mock-idp` creates responses as identity providers send them.
 */
import { createHash, createHmac, type KeyObject, sign as signOctets } from 'node:crypto';
import type { Person } from '../../../src/saml/response/person.ts';
import { canonicalize } from '../../../src/saml/xml/canonical-xml.ts';
import { parseXml } from '../../../src/saml/xml/xml.ts';
import { attributeOf, isNamed, walk, type XmlElement } from '../../../src/saml/xml/xml-tree.ts';

export const NOW = '2026-01-15T12:00:00Z';
export const NOW_MS = Date.parse(NOW);
export const BASE = 'https://sso.example.test';
export const ENTITY_ID = `${BASE}/saml/acme/metadata`;
export const ACS_URL = `${BASE}/saml/acme/acs`;
export const IDP = 'https://idp.example.test/metadata';
export const REQUEST_ID = '_request1';

export const minutes = (n: number): string => new Date(NOW_MS + n * 60_000).toISOString();

export const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';
export const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';
export const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
export const EXC = 'http://www.w3.org/2001/10/xml-exc-c14n#';
export const ENVELOPED = `${DSIG}enveloped-signature`;
export const MORE = 'http://www.w3.org/2001/04/xmldsig-more#';

/** The parts of a response. Each is inserted as text, without escaping. */
export interface Parts {
  declaration: string;
  responseName: string;
  responseNamespaces: string;
  responseAttributes: string;
  responseIssuer: string;
  /** Inserted after the Issuer, in the place of Extensions. */
  extensions: string;
  status: string;
  /** Inserted immediately before and after the assertion. */
  before: string;
  after: string;
  /** Default: built from the parts below. */
  assertion: string | undefined;
  assertionNamespaces: string;
  assertionAttributes: string;
  assertionIssuer: string;
  subject: string | undefined;
  nameId: string;
  confirmation: string;
  conditions: string;
  /** Inserted between Conditions and AuthnStatement, in the place of Advice. */
  advice: string;
  authn: string;
  attributes: string;
  statements: string | undefined;
}

export const attribute = (name: string, ...values: string[]): string =>
  `<saml:Attribute Name="${name}">${values.map((value) => `<saml:AttributeValue>${value}</saml:AttributeValue>`).join('')}</saml:Attribute>`;

export const confirmationData = (more = ''): string =>
  `<saml:SubjectConfirmationData Recipient="${ACS_URL}" NotOnOrAfter="${minutes(5)}" InResponseTo="${REQUEST_ID}"${more}/>`;

export const bearer = (data: string): string =>
  `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">${data}</saml:SubjectConfirmation>`;

/** A confirmation that holds only for the owner of a key, which the gateway cannot check. Everything else in it fits the gateway. */
export const holderOfKey = (): string =>
  `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:holder-of-key">${confirmationData(
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="saml:KeyInfoConfirmationDataType"',
  ).replace(
    '/>',
    `><ds:KeyInfo xmlns:ds="${DSIG}"><ds:KeyName>device-key</ds:KeyName></ds:KeyInfo></saml:SubjectConfirmationData>`,
  )}</saml:SubjectConfirmation>`;

export const audience = (...uris: string[]): string =>
  `<saml:AudienceRestriction>${uris.map((uri) => `<saml:Audience>${uri}</saml:Audience>`).join('')}</saml:AudienceRestriction>`;

export const SUCCESS = '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>';
export const NAME_ID = '<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">u-olivia</saml:NameID>';
export const CONDITIONS_TIMES = `NotBefore="${minutes(-5)}" NotOnOrAfter="${minutes(5)}"`;

const DEFAULTS: Parts = {
  declaration: '',
  responseName: 'samlp:Response',
  responseNamespaces: `xmlns:samlp="${PROTOCOL}" xmlns:saml="${ASSERTION}"`,
  responseAttributes: `ID="_response1" Version="2.0" IssueInstant="${NOW}" Destination="${ACS_URL}" InResponseTo="${REQUEST_ID}"`,
  responseIssuer: `<saml:Issuer>${IDP}</saml:Issuer>`,
  extensions: '',
  status: SUCCESS,
  before: '',
  after: '',
  assertion: undefined,
  assertionNamespaces: '',
  assertionAttributes: `ID="_assertion1" Version="2.0" IssueInstant="${NOW}"`,
  assertionIssuer: `<saml:Issuer>${IDP}</saml:Issuer>`,
  subject: undefined,
  nameId: NAME_ID,
  confirmation: bearer(confirmationData()),
  conditions: `<saml:Conditions ${CONDITIONS_TIMES}>${audience(ENTITY_ID)}</saml:Conditions>`,
  advice: '',
  authn: `<saml:AuthnStatement AuthnInstant="${NOW}" SessionIndex="_session1"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`,
  attributes:
    attribute('email', 'olivia@acme.test') +
    attribute('displayName', 'Olivia Owner') +
    attribute('groups', 'platform-admins', 'engineering'),
  statements: undefined,
};

/** Parts with every element that the schema allows in a response. */
export const EVERYTHING: Partial<Parts> = {
  extensions: '<samlp:Extensions><x:note xmlns:x="urn:x">seen</x:note></samlp:Extensions>',
  status:
    '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"><samlp:StatusCode Value="urn:x:fine"/></samlp:StatusCode><samlp:StatusMessage>All is well.</samlp:StatusMessage><samlp:StatusDetail><x:detail xmlns:x="urn:x"/></samlp:StatusDetail></samlp:Status>',
  confirmation: bearer(
    `${NAME_ID}${confirmationData(' Address="192.0.2.17"').replace('/>', '><x:more xmlns:x="urn:x"/></saml:SubjectConfirmationData>')}`,
  ),
  conditions: `<saml:Conditions ${CONDITIONS_TIMES}>${audience(ENTITY_ID)}<saml:OneTimeUse/><saml:ProxyRestriction Count="2"/></saml:Conditions>`,
  advice:
    '<saml:Advice><saml:AssertionIDRef>_earlier</saml:AssertionIDRef><saml:AssertionURIRef>urn:x:earlier</saml:AssertionURIRef></saml:Advice>',
  authn: `<saml:AuthnStatement AuthnInstant="${NOW}" SessionIndex="_session1" SessionNotOnOrAfter="${minutes(480)}"><saml:SubjectLocality Address="192.0.2.17" DNSName="desk.acme.test"/><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef><saml:AuthnContextDecl><x:by xmlns:x="urn:x"/></saml:AuthnContextDecl><saml:AuthenticatingAuthority>${IDP}</saml:AuthenticatingAuthority></saml:AuthnContext></saml:AuthnStatement>`,
};

/** The user of a response with the default parts. */
/** The user of a case. `identity` is the form in which versions without formats and folding stored the identifier. */
export type ExpectedPerson = Omit<Person, 'identifier'> & { readonly identity: string };

export const OLIVIA: ExpectedPerson = {
  identity: '["NameID","u-olivia","",""]',
  email: 'olivia@acme.test',
  name: 'Olivia Owner',
  groups: ['platform-admins', 'engineering'],
  groupsState: 'present',
};

export function message(parts: Partial<Parts> = {}): string {
  const p = { ...DEFAULTS, ...parts };
  const subject = p.subject ?? `<saml:Subject>${p.nameId}${p.confirmation}</saml:Subject>`;
  const statements = p.statements ?? (p.attributes === '' ? '' : `<saml:AttributeStatement>${p.attributes}</saml:AttributeStatement>`);
  const assertion =
    p.assertion ??
    `<saml:Assertion${p.assertionNamespaces === '' ? '' : ` ${p.assertionNamespaces}`} ${p.assertionAttributes}>${p.assertionIssuer}${subject}${p.conditions}${p.advice}${p.authn}${statements}</saml:Assertion>`;
  return `${p.declaration}<${p.responseName} ${p.responseNamespaces} ${p.responseAttributes}>${p.responseIssuer}${p.extensions}${p.status}${p.before}${assertion}${p.after}</${p.responseName}>`;
}

export interface HandSigning {
  /** The `ID` of the signed element, which also contains the signature. */
  id: string;
  key: KeyObject | string;
  /** The URI attribute of the Reference, including its name. */
  reference: string;
  signatureMethod: string;
  /** The content of SignatureMethod and DigestMethod. */
  methodContent: string;
  digestContent: string;
  digestMethod: string;
  canonicalizationMethod: string;
  canonicalizationContent: string;
  /** The algorithm and content of each Transform. */
  transforms: readonly (readonly [string, string])[];
  /** Default: built from `transforms`. */
  transformsElement: string | undefined;
  inclusivePrefixes: readonly string[];
  /** Like `inclusivePrefixes`, for SignedInfo. */
  signedInfoPrefixes: readonly string[];
  /** The prefix of the elements of the signature; empty for the default namespace. */
  prefix: string;
  /** White space between the elements of the signature. */
  between: string;
  signatureAttributes: string;
  /** Inserted in SignedInfo after the Reference. The next two are inserted at the end of Signature. */
  moreReferences: string;
  keyInfo: string;
  objects: string;
  /** Changes a value after it was computed. */
  digestValue: (base64: string) => string;
  signatureValue: (base64: string) => string;
  ecdsaEncoding: 'ieee-p1363' | 'der';
  /** The position of the signature in its element. */
  place: 'after-issuer' | 'first' | 'last';
}

const HASHES: Record<string, string> = {
  [`${DSIG}sha1`]: 'sha1',
  'http://www.w3.org/2001/04/xmlenc#sha256': 'sha256',
  [`${MORE}sha384`]: 'sha384',
  'http://www.w3.org/2001/04/xmlenc#sha512': 'sha512',
  [`${MORE}md5`]: 'md5',
};

export const RSA_SHA256 = `${MORE}rsa-sha256`;
export const SHA256 = 'http://www.w3.org/2001/04/xmlenc#sha256';

/** The InclusiveNamespaces parameter of an exclusive canonicalization. */
export const inclusiveNamespaces = (prefixList: string): string => `<ec:InclusiveNamespaces xmlns:ec="${EXC}" PrefixList="${prefixList}"/>`;

/** @param certificates base64 of the DER form */
export const keyInfoOf = (...certificates: string[]): string =>
  `<ds:KeyInfo><ds:X509Data>${certificates.map((base64) => `<ds:X509Certificate>${base64}</ds:X509Certificate>`).join('')}</ds:X509Data></ds:KeyInfo>`;

export const lines = (base64: string, length: number): string => (base64.match(new RegExp(`.{1,${length}}`, 'g')) ?? []).join('\n');

const find = (root: XmlElement, id: string): XmlElement => {
  for (const element of walk(root)) if (attributeOf(element, 'ID') === id) return element;
  throw new Error(`no element with ID ${id}`);
};

/** Signs an element. `changes` can make every part of the signature invalid. */
export function sign(xml: string, key: KeyObject | string, changes: Partial<HandSigning> = {}): string {
  const s: HandSigning = {
    id: '_assertion1',
    key,
    reference: `URI="#${changes.id ?? '_assertion1'}"`,
    signatureMethod: RSA_SHA256,
    methodContent: '',
    digestContent: '',
    digestMethod: SHA256,
    canonicalizationMethod: EXC,
    canonicalizationContent: '',
    transforms: [
      [ENVELOPED, ''],
      [EXC, ''],
    ],
    transformsElement: undefined,
    inclusivePrefixes: [],
    signedInfoPrefixes: [],
    prefix: 'ds',
    between: '',
    signatureAttributes: '',
    moreReferences: '',
    keyInfo: '',
    objects: '',
    digestValue: (value) => value,
    signatureValue: (value) => value,
    ecdsaEncoding: 'ieee-p1363',
    place: 'after-issuer',
    ...changes,
  };
  const octets = canonicalize(find(parseXml(xml), s.id), { inclusivePrefixes: new Set(s.inclusivePrefixes) });
  const digest = s.digestValue(
    createHash(HASHES[s.digestMethod] ?? 'sha256')
      .update(octets)
      .digest('base64'),
  );
  const transforms =
    s.transformsElement ??
    `<ds:Transforms>${s.transforms.map(([algorithm, content]) => `<ds:Transform Algorithm="${algorithm}">${content}</ds:Transform>`).join('')}</ds:Transforms>`;
  const signedInfo = `<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="${s.canonicalizationMethod}">${s.canonicalizationContent}</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="${s.signatureMethod}">${s.methodContent}</ds:SignatureMethod><ds:Reference ${s.reference}>${transforms}<ds:DigestMethod Algorithm="${s.digestMethod}">${s.digestContent}</ds:DigestMethod><ds:DigestValue>${digest}</ds:DigestValue></ds:Reference>${s.moreReferences}</ds:SignedInfo>`;
  const withSignature = (value: string) =>
    insert(
      xml,
      s,
      spelled(
        `<ds:Signature xmlns:ds="${DSIG}"${s.signatureAttributes}>${signedInfo}<ds:SignatureValue>${value}</ds:SignatureValue>${s.keyInfo}${s.objects}</ds:Signature>`,
        s,
      ),
    );
  const placed = [...walk(find(parseXml(withSignature('AAAA')), s.id))].find((element) => isNamed(element, DSIG, 'SignedInfo'));
  if (!placed) throw new Error('no SignedInfo');
  const octetsOfSignedInfo = canonicalize(placed, { inclusivePrefixes: new Set(s.signedInfoPrefixes) });
  return withSignature(s.signatureValue(signatureOf(s, Buffer.from(octetsOfSignedInfo))));
}

function spelled(signature: string, { prefix, between }: HandSigning): string {
  const spaced = signature.replaceAll('><', `>${between}<`);
  if (prefix === 'ds') return spaced;
  const declaration = prefix === '' ? 'xmlns=' : `xmlns:${prefix}=`;
  return spaced.replaceAll(/(<\/?)ds:/g, prefix === '' ? '$1' : `$1${prefix}:`).replaceAll('xmlns:ds=', declaration);
}

function signatureOf(s: HandSigning, data: Buffer): string {
  const hash = /(md5|sha\d+)$/.exec(s.signatureMethod)?.[1] ?? 'sha256';
  if (s.signatureMethod.includes('hmac'))
    return createHmac(hash, s.key as string)
      .update(data)
      .digest('base64');
  const key = s.key as KeyObject;
  return signOctets(hash, data, key.asymmetricKeyType === 'ec' ? { key, dsaEncoding: s.ecdsaEncoding } : key).toString('base64');
}

/** Inserts the signature as text, so that the document around it does not change. */
function insert(xml: string, s: HandSigning, signature: string): string {
  const open = xml.indexOf(`ID="${s.id}"`);
  const start = xml.indexOf('>', open) + 1;
  if (s.place === 'first') return xml.slice(0, start) + signature + xml.slice(start);
  if (s.place === 'last') {
    const name = /<([\w:]+)[^<]*$/.exec(xml.slice(0, open))?.[1] ?? '';
    const end = xml.indexOf(`</${name}>`, start);
    return xml.slice(0, end) + signature + xml.slice(end);
  }
  const issuerEnd = /<\/(?:[^\s<>/:]+:)?Issuer>|<(?:[^\s<>/:]+:)?Issuer\b[^>]*\/>/.exec(xml.slice(start));
  if (!issuerEnd) return xml.slice(0, start) + signature + xml.slice(start);
  const at = start + issuerEnd.index + issuerEnd[0].length;
  return xml.slice(0, at) + signature + xml.slice(at);
}
