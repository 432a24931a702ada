import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { SAML } from '@node-saml/node-saml';
import type { GatewayError } from '../../src/errors.ts';
import { type BrowserMessage, checkRelayState, readRedirect, type UnverifiedMessage } from '../../src/saml/messages/bindings.ts';
import { acceptLogoutRequest, acceptLogoutResponse, type LogoutSettings } from '../../src/saml/messages/logout.ts';
import {
  createLogoutRequest,
  createLogoutResponse,
  type LogoutRequestOptions,
  type LogoutStatus,
} from '../../src/saml/messages/logout-messages.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { NAME_ID_UNSPECIFIED } from '../../src/saml/names.ts';
import { parseXml } from '../../src/saml/xml/xml.ts';
import { attributeOf, childElements, textOf, walk } from '../../src/saml/xml/xml-tree.ts';
import { xmlsec1Verifies } from '../mock-idp/judges.ts';
import {
  type Addressed,
  deflated,
  issuer,
  logoutRequest,
  logoutResponse,
  nameId,
  type QuerySigning,
  sessionIndex,
  signQuery,
  signXml,
  status,
} from '../support/logout-idp.ts';
import { schemaProblems } from '../support/schemas.ts';
import { encrypt } from './encrypting.ts';
import { type HandSigning, IDP, MORE, minutes, NOW, NOW_MS } from './fixture-cases/hand-made.ts';

const SLO = 'https://sso.example.test/saml/acme/slo';
const ENTITY_ID = 'https://sso.example.test/saml/acme/metadata';
const TO: Addressed = { idp: IDP, destination: SLO, instant: NOW };
const OLIVIA = nameId('olivia@acme.test');

interface Party extends KeyAndCertificate {
  readonly key: KeyObject;
  readonly publicKey: KeyObject;
}
let idp: Party;
let ours: Party;
let stranger: Party;
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

beforeAll(async () => {
  const make = async (commonName: string): Promise<Party> => {
    const pem = await createSelfSignedCertificate({ commonName, days: 1, nowMs: Date.now(), rsaBits: 2048 });
    return { ...pem, key: createPrivateKey(pem.privateKeyPem), publicKey: createPublicKey(pem.certificatePem) };
  };
  [idp, ours, stranger] = await Promise.all([make('idp'), make('sp'), make('stranger')]);
});

const settings = (changes: Partial<LogoutSettings> = {}): LogoutSettings => ({
  sloUrl: SLO,
  idpEntityId: IDP,
  keys: [stranger.publicKey, idp.publicKey].slice(1).map((key) => ({ key, fingerprint: 'AA', notAfterMs: 0 })),
  decryptionKeys: [ours.key],
  clockSkewSeconds: 180,
  ...changes,
});

type Field = 'SAMLRequest' | 'SAMLResponse';
const overPost = (field: Field, xml: string, key = idp.key, changes: Partial<HandSigning> = {}): UnverifiedMessage =>
  unsigned(field, signXml(xml, key, changes));
const unsigned = (field: Field, xml: string): UnverifiedMessage => ({
  binding: 'post',
  field,
  unverifiedXml: xml,
  unverifiedRelayState: undefined,
});
const overRedirect = (field: Field, xml: string, signing: Partial<QuerySigning> = {}): UnverifiedMessage =>
  readRedirect(signQuery(field, xml, { key: idp.key, ...signing }));

const BINDINGS = [
  ['HTTP-POST', overPost],
  ['HTTP-Redirect', (field: Field, xml: string) => overRedirect(field, xml)],
] as const;

function codeOf(step: () => unknown): string {
  try {
    step();
  } catch (error) {
    return (error as GatewayError).code;
  }
  return 'accepted';
}
const verdict = (message: () => UnverifiedMessage, changes: Partial<LogoutSettings> = {}, nowMs = NOW_MS): string =>
  codeOf(() => {
    const read = message();
    return read.field === 'SAMLRequest'
      ? acceptLogoutRequest(read, settings(changes), nowMs)
      : acceptLogoutResponse(read, settings(changes), nowMs);
  });

describe.each(BINDINGS)('acceptLogoutRequest() over %s (saml-core §3.7.1)', (_name, send) => {
  const judged = (xml: string, changes?: Partial<LogoutSettings>, nowMs?: number) =>
    verdict(() => send('SAMLRequest', xml), changes, nowMs);

  test('returns the NameID, the sessions and how long to remember the request', () => {
    const qualified = nameId('<![CDATA[o]]>livia<!-- -->&amp;', ` Format="f" NameQualifier="n" SPNameQualifier="s"`);
    const xml = logoutRequest(TO, qualified + sessionIndex('one') + sessionIndex('two'));
    expect(acceptLogoutRequest(send('SAMLRequest', xml), settings(), NOW_MS)).toEqual({
      requestId: '_logout1',
      nameId: { value: 'olivia&', format: 'f', nameQualifier: 'n', spNameQualifier: 's' },
      hasFormat: true,
      sessionIndexes: ['one', 'two'],
      acceptableUntilMs: NOW_MS + (5 + 5) * 60_000, // with the largest possible clock skew
    });
    expect(acceptLogoutRequest(send('SAMLRequest', logoutRequest(TO, nameId('o', ''))), settings(), NOW_MS)).toMatchObject({
      nameId: { value: 'o', format: NAME_ID_UNSPECIFIED },
      hasFormat: false,
      sessionIndexes: [],
    });
  });

  test('ignores an empty SessionIndex, which names no session', () => {
    const xml = logoutRequest(TO, OLIVIA + sessionIndex(''));
    expect(acceptLogoutRequest(send('SAMLRequest', xml), settings(), NOW_MS).sessionIndexes).toEqual([]);
  });

  test('decrypts the NameID', () => {
    const content = encrypt(
      `<saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" Format="f">olivia</saml:NameID>`,
      ours.publicKey,
    );
    const xml = logoutRequest(TO, `<saml:EncryptedID>${content}</saml:EncryptedID>`);
    expect(acceptLogoutRequest(send('SAMLRequest', xml), settings(), NOW_MS).nameId).toEqual({ value: 'olivia', format: 'f' });
    expect(judged(xml, { decryptionKeys: [stranger.key] })).toBe('saml_decryption_failed');
    expect(judged(xml.replace('<saml:EncryptedID>', `${OLIVIA}<saml:EncryptedID>`))).toBe('saml_structure_ambiguous');
  });

  const request = (content = OLIVIA, parts = {}, to: Partial<Addressed> = {}) => logoutRequest({ ...TO, ...to }, content, parts);
  const attributes = (more: string) => ({ attributes: `Version="2.0" IssueInstant="${NOW}" Destination="${SLO}"${more}` });

  test.each([
    ['that is valid', () => request(), 'accepted'],
    ['from another identity provider', () => request(OLIVIA, {}, { idp: `${IDP}/` }), 'saml_issuer_unknown'],
    ['without an Issuer', () => request(OLIVIA, { issuer: '' }), 'saml_issuer_unknown'],
    ['with two Issuers', () => request(OLIVIA, { issuer: issuer(IDP) + issuer(IDP) }), 'saml_structure_ambiguous'],
    ['for another Destination', () => request(OLIVIA, {}, { destination: SLO.replace('acme', 'other') }), 'saml_destination_mismatch'],
    ['for almost the same Destination', () => request(OLIVIA, {}, { destination: `${SLO}/` }), 'saml_destination_mismatch'],
    ['with an empty Destination', () => request(OLIVIA, {}, { destination: '' }), 'saml_destination_mismatch'],
    ['with white space around the Destination', () => request(OLIVIA, {}, { destination: ` ${SLO}&#10;` }), 'accepted'],
    [
      'with a no-break space after the Destination',
      () => request(OLIVIA, {}, { destination: `${SLO}\u00a0` }),
      'saml_destination_mismatch',
    ],
    ['with white space around the Issuer', () => request(OLIVIA, { issuer: issuer(`\n ${IDP}\t`) }), 'accepted'],
    ['with a no-break space after the Issuer', () => request(OLIVIA, { issuer: issuer(`${IDP}\u00a0`) }), 'saml_issuer_unknown'],
    ['without NameID', () => request(sessionIndex('one')), 'saml_name_id_missing'],
    ['with two NameIDs', () => request(OLIVIA + OLIVIA), 'saml_structure_ambiguous'],
    ['with markup in the NameID', () => request(nameId('olivia<b/>')), 'saml_malformed'],
    ['with markup in a SessionIndex', () => request(OLIVIA + sessionIndex('a<b/>')), 'saml_malformed'],
    [
      'with another version',
      () => request(OLIVIA, { attributes: `Version="1.1" IssueInstant="${NOW}" Destination="${SLO}"` }),
      'saml_malformed',
    ],
    ['without IssueInstant', () => request(OLIVIA, { attributes: `Version="2.0" Destination="${SLO}"` }), 'saml_malformed'],
    ['with an IssueInstant without time zone', () => request(OLIVIA, {}, { instant: NOW.replace('Z', '') }), 'saml_malformed'],
    ['whose NotOnOrAfter has just passed', () => request(OLIVIA, attributes(` NotOnOrAfter="${minutes(-3)}"`)), 'saml_expired'],
    ['whose NotOnOrAfter is about to pass', () => request(OLIVIA, attributes(` NotOnOrAfter="${minutes(-2.99)}"`)), 'accepted'],
    ['issued 5 minutes and the skew ago', () => request(OLIVIA, {}, { instant: minutes(-8) }), 'saml_expired'],
    ['issued almost 5 minutes and the skew ago', () => request(OLIVIA, {}, { instant: minutes(-7.99) }), 'accepted'],
    ['issued later than the skew allows', () => request(OLIVIA, {}, { instant: minutes(3.01) }), 'saml_not_yet_valid'],
    ['issued as late as the skew allows', () => request(OLIVIA, {}, { instant: minutes(3) }), 'accepted'],
    ['with too many SessionIndexes', () => request(OLIVIA + sessionIndex('s').repeat(101)), 'saml_malformed'],
    ['with the same ID twice', () => request(OLIVIA.replace('<saml:NameID', '<saml:NameID ID="_logout1"')), 'saml_structure_ambiguous'],
    ['with a processing instruction', () => request(`<?x y?>${OLIVIA}`), 'saml_malformed'],
    ['with a document type declaration', () => `<!DOCTYPE x>${request()}`, 'saml_dtd_forbidden'],
    ['with the name of a response', () => request(OLIVIA, { name: 'LogoutResponse' }), 'saml_malformed'],
  ])('judges a request %s', (_case, xml, expected) => {
    expect(judged(xml())).toBe(expected);
  });

  test('shortens how long to remember the request to NotOnOrAfter', () => {
    const xml = request(OLIVIA, attributes(` NotOnOrAfter="${minutes(1)}"`));
    expect(acceptLogoutRequest(send('SAMLRequest', xml), settings(), NOW_MS).acceptableUntilMs).toBe(NOW_MS + (1 + 5) * 60_000);
  });

  test('rejects a signature of another key', () => {
    const keys = [{ key: stranger.publicKey, fingerprint: 'AA', notAfterMs: 0 }];
    expect(judged(request(), { keys })).toBe('saml_signature_invalid');
    expect(judged(request(), { keys: [...keys, ...settings().keys] })).toBe('accepted');
    expect(judged(request(), { keys: [{ key: ec.publicKey, fingerprint: 'AA', notAfterMs: 0 }] })).toBe('saml_algorithm_forbidden');
  });
});

describe.each(BINDINGS)('acceptLogoutResponse() over %s (saml-core §3.7.2)', (_name, send) => {
  const response = (content = status('Success'), inResponseTo: string | undefined = '_asked') =>
    logoutResponse(TO, inResponseTo, { content });
  const read = (xml: string) => acceptLogoutResponse(send('SAMLResponse', xml), settings(), NOW_MS);
  const partial = '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:PartialLogout"/>';

  test.each([
    ['success', status('Success')],
    ['failed', status('Responder')],
    ['failed', status('Requester', '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:RequestDenied"/>')],
    ['partial', status('Success', partial)],
    ['partial', status('Responder', partial)],
    ['partial', status('PartialLogout')],
  ])('returns the outcome %s', (outcome, content) => {
    expect(read(response(content))).toEqual({ inResponseTo: '_asked', outcome });
  });

  test.each([
    ['without InResponseTo', () => logoutResponse(TO, undefined), 'saml_in_response_to_unknown'],
    ['without a Status', () => response(''), 'saml_malformed'],
    ['with two Statuses', () => response(status('Responder') + status('Success')), 'saml_structure_ambiguous'],
    ['from another identity provider', () => logoutResponse({ ...TO, idp: 'x' }, '_asked'), 'saml_issuer_unknown'],
    ['for another Destination', () => logoutResponse({ ...TO, destination: 'x' }, '_asked'), 'saml_destination_mismatch'],
    ['that is too old', () => logoutResponse({ ...TO, instant: minutes(-8) }, '_asked'), 'saml_expired'],
    ['issued later than the skew allows', () => logoutResponse({ ...TO, instant: minutes(4) }, '_asked'), 'saml_not_yet_valid'],
    ['with the name of a request', () => logoutResponse(TO, '_asked', { name: 'LogoutRequest' }), 'saml_malformed'],
  ])('rejects a response %s', (_case, xml, expected) => {
    expect(verdict(() => send('SAMLResponse', xml()))).toBe(expected);
  });
});

describe('acceptLogoutRequest(): signatures over HTTP-POST (saml-core §5.4)', () => {
  const xml = () => logoutRequest(TO, OLIVIA);

  test.each([
    ['a request without signature', () => unsigned('SAMLRequest', xml()), 'saml_signature_missing'],
    ['a response without signature', () => unsigned('SAMLResponse', logoutResponse(TO, '_asked')), 'saml_signature_missing'],
    ['a signature of another key', () => overPost('SAMLRequest', xml(), stranger.key), 'saml_signature_invalid'],
    ['altered content', () => unsigned('SAMLRequest', signXml(xml(), idp.key).replace('olivia', 'carl')), 'saml_signature_invalid'],
    [
      'a signature with SHA-1',
      () => overPost('SAMLRequest', xml(), idp.key, { signatureMethod: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1' }),
      'saml_algorithm_forbidden',
    ],
    [
      'a digest with SHA-1',
      () => overPost('SAMLRequest', xml(), idp.key, { digestMethod: 'http://www.w3.org/2000/09/xmldsig#sha1' }),
      'saml_algorithm_forbidden',
    ],
    [
      'a signature that references the document',
      () => overPost('SAMLRequest', xml(), idp.key, { reference: 'URI=""' }),
      'saml_structure_ambiguous',
    ],
    ['a signature in another place', () => overPost('SAMLRequest', xml(), idp.key, { place: 'last' }), 'saml_structure_ambiguous'],
    [
      'an added element',
      () => unsigned('SAMLRequest', signXml(xml(), idp.key).replace(OLIVIA, `${OLIVIA}${sessionIndex('x')}`)),
      'saml_signature_invalid',
    ],
    [
      'a signed request without Destination',
      () => overPost('SAMLRequest', logoutRequest({ ...TO, destination: undefined }, OLIVIA)),
      'saml_destination_mismatch',
    ],
    ['a signature of the query alone', () => ({ ...overRedirect('SAMLRequest', xml()), binding: 'post' }), 'saml_signature_missing'],
  ] as const)('rejects %s', (_case, message, expected) => {
    expect(verdict(message as () => UnverifiedMessage)).toBe(expected);
  });

  test('rejects another request around the signed one', () => {
    const signed = signXml(xml(), idp.key);
    const evil = logoutRequest(TO, `${nameId('carl@acme.test')}<samlp:Extensions>${signed}</samlp:Extensions>`, { id: '_evil' });
    expect(verdict(() => unsigned('SAMLRequest', evil))).toBe('saml_structure_ambiguous');
  });
});

describe('readRedirect() and signatures over HTTP-Redirect (saml-bindings §3.4.4.1)', () => {
  const xml = () => logoutRequest(TO, OLIVIA);
  const query = (signing: Partial<QuerySigning> = {}, text = xml()) => signQuery('SAMLRequest', text, { key: idp.key, ...signing });
  const without = (name: string) => (text: string) => text.replace(new RegExp(`&?${name}=[^&]*`), '');

  test.each([
    ['a valid signature with a RelayState', () => query({ relayState: 'a b+c&ü=' }), 'accepted'],
    ['a valid signature with an empty RelayState', () => query({ relayState: '' }), 'accepted'],
    [
      'a valid signature with reordered and additional parameters',
      () => query({ after: (text) => `x=1&${text.split('&').reverse().join('&')}&y` }),
      'accepted',
    ],
    [
      'a valid signature over another percent-encoding',
      () => query({ before: (text) => text.replaceAll('%3D', '%3d').replaceAll('%2B', '%2b') }),
      'accepted',
    ],
    ['a valid signature by RSA with SHA-512', () => query({ algorithm: `${MORE}rsa-sha512`, hash: 'sha512' }), 'accepted'],
    ['no signature', () => `SAMLRequest=${deflated(xml())}`, 'saml_signature_missing'],
    ['no signature, but an algorithm', () => query({ after: without('Signature') }), 'saml_signature_missing'],
    ['no signature of a response', () => `SAMLResponse=${deflated(logoutResponse(TO, '_asked'))}`, 'saml_signature_missing'],
    ['a signature without algorithm', () => query({ after: without('SigAlg') }), 'saml_algorithm_forbidden'],
    [
      'a signature with SHA-1',
      () => query({ algorithm: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1', hash: 'sha1' }),
      'saml_algorithm_forbidden',
    ],
    ['a signature with SHA-1 that is declared as SHA-256', () => query({ hash: 'sha1' }), 'saml_signature_invalid'],
    ['a signature of another key', () => query({ key: stranger.key }), 'saml_signature_invalid'],
    [
      'an altered RelayState',
      () => query({ relayState: 'a', after: (text) => text.replace('RelayState=a', 'RelayState=b') }),
      'saml_signature_invalid',
    ],
    ['an added RelayState', () => query({ after: (text) => `${text}&RelayState=b` }), 'saml_signature_invalid'],
    ['a removed RelayState', () => query({ relayState: 'a', after: without('RelayState') }), 'saml_signature_invalid'],
    [
      'an altered percent-encoding',
      () => query({ after: (text) => text.replace('SigAlg=http%3A', 'SigAlg=http:') }),
      'saml_signature_invalid',
    ],
    [
      'another message',
      () => query({ after: (text) => text.replace(/SAMLRequest=[^&]+/, `SAMLRequest=${deflated(xml().replace('olivia', 'carl'))}`) }),
      'saml_signature_invalid',
    ],
    [
      'a request that is sent as a response',
      () => query({ after: (text) => text.replace('SAMLRequest', 'SAMLResponse') }),
      'saml_malformed',
    ],
    ['a signature in the XML only', () => `SAMLRequest=${deflated(signXml(xml(), idp.key))}`, 'saml_structure_ambiguous'],
    ['a second signature in the XML', () => query({}, signXml(xml(), idp.key)), 'saml_structure_ambiguous'],
    ['a signature that is not base64', () => query({ after: (text) => text.replace(/Signature=.*/, 'Signature=a-_') }), 'saml_malformed'],
    ['a signed request without Destination', () => query({}, logoutRequest({ ...TO, destination: undefined }, OLIVIA)), 'accepted'],
  ])('judges %s', (_case, text, expected) => {
    expect(verdict(() => readRedirect(text()))).toBe(expected);
  });

  test('accepts ECDSA with r and s', () => {
    const keys = [{ key: ec.publicKey, fingerprint: 'AA', notAfterMs: 0 }];
    const signed = query({ key: ec.privateKey, algorithm: `${MORE}ecdsa-sha256` });
    expect(verdict(() => readRedirect(signed), { keys })).toBe('accepted');
    expect(verdict(() => readRedirect(signed))).toBe('saml_algorithm_forbidden');
  });

  test.each([
    ['a message twice', (text: string) => `${text}&SAMLRequest=${deflated('x')}`],
    ['a signature twice', (text: string) => `${text}&Signature=AAAA`],
    ['an algorithm twice', (text: string) => `${text}&SigAlg=x`],
    ['two RelayStates', (text: string) => `RelayState=a&${text}&RelayState=a`],
    ['a request and a response', (text: string) => `${text}&SAMLResponse=${deflated('x')}`],
    ['a percent-encoded name', (text: string) => `${text}&RelayStat%65=a`],
    ['no message', () => 'x=1'],
    ['an empty query', () => ''],
    ['another SAMLEncoding', (text: string) => `${text}&SAMLEncoding=gzip`],
    ['invalid percent-encoding', (text: string) => `${text}&RelayState=%e0%80`],
    ['a message that is not compressed', () => 'SAMLRequest=AAAA'],
    ['an empty message', () => 'SAMLRequest='],
    ['a truncated message', () => `SAMLRequest=${encodeURIComponent(deflateRawSync(xml()).subarray(0, -3).toString('base64'))}`],
    [
      'data after the message',
      () => `SAMLRequest=${encodeURIComponent(Buffer.concat([deflateRawSync(xml()), Buffer.of(0)]).toString('base64'))}`,
    ],
    [
      'two messages in one',
      () => `SAMLRequest=${encodeURIComponent(Buffer.concat([deflateRawSync(xml()), deflateRawSync(xml())]).toString('base64'))}`,
    ],
    ['a message that is not UTF-8', () => `SAMLRequest=${deflated(Buffer.from([0xff]))}`],
  ])('rejects %s', (_case, change) => {
    expect(codeOf(() => readRedirect(change(query())))).toBe('saml_malformed');
  });

  test('stops decompression at 256 KiB', () => {
    expect(codeOf(() => readRedirect(`SAMLRequest=${deflated(Buffer.alloc(256 * 1024 + 1, ' '))}`))).toBe('payload_too_large');
    expect(readRedirect(`SAMLRequest=${deflated(Buffer.alloc(256 * 1024, ' '))}`).unverifiedXml).toHaveLength(256 * 1024);
  });

  test('accepts SAMLEncoding=DEFLATE', () => {
    const encoding = encodeURIComponent('urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE');
    expect(verdict(() => readRedirect(`${query()}&SAMLEncoding=${encoding}`))).toBe('accepted');
  });

  test('returns the RelayState unchanged, and limits its length', () => {
    expect(readRedirect(query({ relayState: 'a b+c&ü=' })).unverifiedRelayState).toBe('a b+c&ü=');
    expect(codeOf(() => readRedirect(query({ relayState: 'x'.repeat(2049) })))).toBe('saml_malformed');
    expect(codeOf(() => checkRelayState('x'.repeat(2049)))).toBe('saml_malformed');
  });
});

const parametersOf = (message: BrowserMessage) => new URL(message.binding === 'redirect' ? message.url : '').searchParams;
const xmlOf = (message: BrowserMessage, field: Field): string =>
  message.binding === 'redirect'
    ? inflateRawSync(Buffer.from(parametersOf(message).get(field) ?? '', 'base64')).toString('utf8')
    : Buffer.from(message.fields[field] ?? '', 'base64').toString('utf8');

const LOCATION = 'https://idp.example/slo?tenant=1&x=a%20b';
const HOSTILE = { value: `o<&>"'\t\n\r ü😀]]>`, format: 'f"&<', nameQualifier: 'n"\n', spNameQualifier: "s'<" };

describe.each(['redirect', 'post'] as const)('createLogoutRequest() and createLogoutResponse() by %s', (binding) => {
  const common = () => ({
    id: `_${randomBytes(16).toString('hex')}`,
    nowMs: NOW_MS,
    entityId: ENTITY_ID,
    location: LOCATION,
    binding,
    signWith: ours,
  });
  const request = (more: Partial<LogoutRequestOptions> = {}) =>
    createLogoutRequest({ ...common(), nameId: HOSTILE, sessionIndex: 'a<b', ...more });
  const response = (relayState?: string, status: LogoutStatus = 'success') =>
    createLogoutResponse({ ...common(), inResponseTo: '_asked', relayState, status });

  test('create a valid request with the recorded NameID and SessionIndex', async () => {
    const xml = xmlOf(await request(), 'SAMLRequest');
    expect(await schemaProblems(xml, 'protocol')).toBe('');
    const root = parseXml(xml);
    expect(Object.fromEntries(root.attributes.map(({ local, value }) => [local, value]))).toEqual({
      ID: expect.stringMatching(/^_/),
      Version: '2.0',
      IssueInstant: new Date(NOW_MS).toISOString(),
      Destination: LOCATION,
      NotOnOrAfter: new Date(NOW_MS + 5 * 60_000).toISOString(),
    });
    const [first, ...rest] = childElements(root).filter(({ local }) => local !== 'Signature');
    expect(first && textOf(first)).toBe(ENTITY_ID);
    expect(
      rest.map((element) => [element.local, textOf(element), ...element.attributes.map(({ local, value }) => [local, value])]),
    ).toEqual([
      [
        'NameID',
        HOSTILE.value,
        ['Format', HOSTILE.format],
        ['NameQualifier', HOSTILE.nameQualifier],
        ['SPNameQualifier', HOSTILE.spNameQualifier],
      ],
      ['SessionIndex', 'a<b'],
    ]);
  });

  test('omit what was not recorded', async () => {
    const message = await request({ nameId: { value: 'o', format: NAME_ID_UNSPECIFIED }, sessionIndex: undefined });
    const xml = xmlOf(message, 'SAMLRequest');
    expect(await schemaProblems(xml, 'protocol')).toBe('');
    const [, ...rest] = childElements(parseXml(xml)).filter(({ local }) => local !== 'Signature');
    expect(rest.map(({ local, attributes }) => [local, attributes.length])).toEqual([['NameID', 0]]);
  });

  test('create a valid response with the RelayState', async () => {
    const message = await response('a b&c');
    const xml = xmlOf(message, 'SAMLResponse');
    expect(await schemaProblems(xml, 'protocol')).toBe('');
    expect(attributeOf(parseXml(xml), 'InResponseTo')).toBe('_asked');
    const relayStateOf = (sent: BrowserMessage) =>
      sent.binding === 'redirect' ? parametersOf(sent).get('RelayState') : sent.fields.RelayState;
    expect(relayStateOf(message)).toBe('a b&c');
    expect(relayStateOf(await response()) ?? undefined).toBeUndefined();
    if (message.binding === 'post') expect(message.action).toBe(LOCATION);
    else expect(message.url.startsWith(`${LOCATION}&SAMLResponse=`)).toBe(true);
  });

  test('create a valid response with Responder and UnknownPrincipal (saml-core §3.2.2.2)', async () => {
    const xml = xmlOf(await response(undefined, 'unknown_principal'), 'SAMLResponse');
    expect(await schemaProblems(xml, 'protocol')).toBe('');
    const codes = walk(parseXml(xml)).filter(({ local }) => local === 'StatusCode');
    expect(codes.map((code) => attributeOf(code, 'Value'))).toEqual([
      'urn:oasis:names:tc:SAML:2.0:status:Responder',
      'urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal',
    ]);
  });

  test('create messages that node-saml accepts', async () => {
    const nameIdOf = { value: 'olivia@acme.test', format: 'f' };
    const nodeSaml = new SAML({
      idpCert: ours.certificatePem,
      issuer: IDP,
      callbackUrl: LOCATION,
      idpIssuer: ENTITY_ID,
      acceptedClockSkewMs: -1,
    });
    const asked = await request({ nameId: nameIdOf, sessionIndex: 'index', nowMs: Date.now() });
    const answered = await response('relay');
    if (asked.binding === 'post' && answered.binding === 'post') {
      const { profile } = await nodeSaml.validatePostRequestAsync({ ...asked.fields });
      expect(profile).toMatchObject({ nameID: nameIdOf.value, nameIDFormat: 'f', sessionIndex: 'index', issuer: ENTITY_ID });
      await expect(nodeSaml.validatePostRequestAsync({ SAMLRequest: broken(asked.fields.SAMLRequest) })).rejects.toThrow(
        'Invalid signature',
      );
      expect(await nodeSaml.validatePostResponseAsync({ ...answered.fields })).toEqual({ profile: null, loggedOut: true });
    } else if (asked.binding === 'redirect' && answered.binding === 'redirect') {
      const read = (url: string) =>
        nodeSaml.validateRedirectAsync(
          Object.fromEntries(new URL(url).searchParams),
          url.split('?')[1]?.replace('tenant=1&x=a%20b&', '') ?? '',
        );
      expect((await read(asked.url)).profile).toMatchObject({ nameID: nameIdOf.value, sessionIndex: 'index', issuer: ENTITY_ID });
      await expect(read(asked.url.replace('&Signature=', '&Signature=A'))).rejects.toThrow('Invalid query signature');
      expect(await read(answered.url)).toEqual({ profile: null, loggedOut: true });
    }
  });

  test(
    binding === 'post' ? 'create signatures that xmlsec1 verifies' : 'create signatures that openssl verifies over the sent octets',
    async () => {
      for (const [field, name, message] of [
        ['SAMLRequest', 'LogoutRequest', await request()],
        ['SAMLResponse', 'LogoutResponse', await response('relay')],
      ] as const) {
        if (message.binding === 'post') {
          const xml = xmlOf(message, field);
          expect(await xmlsec1Verifies(xml, name, ours.certificatePem)).toBe(true);
          expect(await xmlsec1Verifies(xml.replace(ENTITY_ID, `${ENTITY_ID}x`), name, ours.certificatePem)).toBe(false);
        } else {
          const sent = message.url.slice(LOCATION.length + 1);
          const signed = sent.slice(0, sent.indexOf('&Signature='));
          expect(signed.split('&').map((parameter) => parameter.split('=')[0])).toEqual([
            field,
            ...(name === 'LogoutResponse' ? ['RelayState'] : []),
            'SigAlg',
          ]);
          const value = Buffer.from(parametersOf(message).get('Signature') ?? '', 'base64');
          expect(parametersOf(message).get('SigAlg')).toBe(`${MORE}rsa-sha256`);
          expect(opensslVerifies(signed, value, ours.publicKey)).toBe(true);
          expect(opensslVerifies(`${signed}x`, value, ours.publicKey)).toBe(false);
        }
      }
    },
  );

  test('create a request that acceptLogoutRequest() accepts', async () => {
    const message = await request();
    const read: UnverifiedMessage =
      message.binding === 'redirect'
        ? readRedirect(message.url.slice(LOCATION.length + 1))
        : unsigned('SAMLRequest', xmlOf(message, 'SAMLRequest'));
    const keys = [{ key: ours.publicKey, fingerprint: 'AA', notAfterMs: 0 }];
    const accepted = acceptLogoutRequest(read, settings({ keys, idpEntityId: ENTITY_ID, sloUrl: LOCATION }), NOW_MS);
    expect(accepted).toMatchObject({ nameId: HOSTILE, sessionIndexes: ['a<b'] });
  });
});

function opensslVerifies(octets: string, value: Buffer, key: KeyObject): boolean {
  const folder = mkdtempSync(path.join(tmpdir(), 'samlgate-openssl-'));
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(path.join(folder, name), content);
    return path.join(folder, name);
  };
  try {
    const pem = file('key.pem', key.export({ type: 'spki', format: 'pem' }).toString());
    const options = ['dgst', '-sha256', '-verify', pem, '-signature', file('value', value), file('octets', octets)];
    return (
      execFileSync('openssl', options, { stdio: ['ignore', 'pipe', 'ignore'] })
        .toString()
        .trim() === 'Verified OK'
    );
  } catch (error) {
    if (String((error as { stdout?: Buffer }).stdout).includes('Verification failure')) return false;
    throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const broken = (base64 = ''): string =>
  Buffer.from(Buffer.from(base64, 'base64').toString('utf8').replace('olivia', 'carl')).toString('base64');

describe('acceptLogoutRequest() compared with node-saml 5.1', () => {
  test('rejects an unsigned LogoutRequest in a URL, which node-saml accepts', async () => {
    const query = `SAMLRequest=${deflated(logoutRequest(TO, OLIVIA))}`;
    const nodeSaml = new SAML({
      idpCert: idp.certificatePem,
      issuer: ENTITY_ID,
      callbackUrl: SLO,
      idpIssuer: IDP,
      acceptedClockSkewMs: -1,
    });
    const { loggedOut } = await nodeSaml.validateRedirectAsync(Object.fromEntries(new URLSearchParams(query)), query);
    expect(loggedOut).toBe(true);
    expect(verdict(() => readRedirect(query))).toBe('saml_signature_missing');
  });
});
