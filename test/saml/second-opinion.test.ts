import { createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { type ContentEncryption, encryptAssertion } from '../../src/mock-idp/encryption.ts';
import { HABIT_NAMES, HABITS, type HabitName } from '../../src/mock-idp/habits.ts';
import { makeResponse, type ResponseOptions } from '../../src/mock-idp/response.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { acceptResponse, type VerifiedAssertion } from '../../src/saml/response/response.ts';
import type { ResponseSettings } from '../../src/saml/response/response-settings.ts';
import { secondOpinion } from '../../src/saml/response/second-opinion.ts';
import { decodeUtf8 } from '../../src/saml/xml/xml.ts';
import { ACS_URL, NOW_MS, SP_ENTITY_ID, signInOf } from '../mock-idp/sign-in.ts';
import { acceptedCases } from './fixture-cases/all-cases.ts';
import { writtenCase } from './fixture-cases/case.ts';
import { type KeyName, makeKeys } from './fixture-cases/keys.ts';

let idp: KeyAndCertificate;
let ours: KeyAndCertificate;
let former: KeyAndCertificate;
beforeAll(async () => {
  const make = (commonName: string) => createSelfSignedCertificate({ commonName, days: 1, nowMs: Date.now(), rsaBits: 2048 });
  [idp, ours, former] = await Promise.all([make('idp'), make('sp'), make('sp before')]);
});

const keyIn = (certificatePem: string) => {
  const { publicKey: key, fingerprint256: fingerprint, validTo } = new X509Certificate(certificatePem);
  return { key, fingerprint, notAfterMs: Date.parse(validTo) };
};
const settingsOf = (habit: HabitName, changes: Partial<ResponseSettings> = {}): ResponseSettings => ({
  entityId: SP_ENTITY_ID,
  acsUrl: ACS_URL,
  idpEntityId: HABITS[habit].issuer,
  keys: [keyIn(former.certificatePem), keyIn(idp.certificatePem)],
  decryptionKeys: [createPrivateKey(former.privateKeyPem), createPrivateKey(ours.privateKeyPem)],
  requireSignedAssertion: false,
  requireSignedResponse: false,
  requireEncryptedAssertion: false,
  clockSkewSeconds: 180,
  authnContext: [],
  ...changes,
});
const responseOf = (habit: HabitName, person = 'olivia', options: Partial<ResponseOptions> = {}) =>
  makeResponse({ ...signInOf(habit, idp, person), ...options });

/** The second opinion on a response that the gateway accepts. */
const opinionOn = (xml: string, settings: ResponseSettings, change: (ours: VerifiedAssertion) => VerifiedAssertion = (same) => same) =>
  secondOpinion(xml, change(acceptResponse(xml, settings, NOW_MS)), settings, NOW_MS);

const PEOPLE = HABIT_NAMES.flatMap((habit) => HABITS[habit].people.map(({ key }) => ({ habit, person: key })));
const SIGNED = [
  { response: true, assertion: true },
  { response: true, assertion: false },
  { response: false, assertion: true },
];

describe('secondOpinion() agrees with genuine sign-ins', () => {
  test.each(PEOPLE)('$habit: $person', async ({ habit, person }) => {
    expect(await opinionOn(responseOf(habit, person), settingsOf(habit))).toBeUndefined();
  });

  test.each(HABIT_NAMES.flatMap((habit) => SIGNED.map((signs) => ({ habit, ...signs }))))(
    '$habit, response signed: $response, assertion signed: $assertion',
    async ({ habit, response, assertion }) => {
      const xml = responseOf(habit, 'olivia', { signing: { response, assertion } });
      expect(await opinionOn(xml, settingsOf(habit))).toBeUndefined();
    },
  );

  const CIPHERS: readonly ContentEncryption[] = ['aes128-cbc', 'aes256-cbc', 'aes128-gcm', 'aes256-gcm'];
  test.each(HABIT_NAMES.flatMap((habit) => CIPHERS.map((content) => ({ habit, content }))))(
    '$habit, encrypted with $content for the second decryption key',
    async ({ habit, content }) => {
      const xml = responseOf(habit, 'olivia', { signing: { response: false, assertion: true } });
      const encrypted = encryptAssertion(xml, { certificatePem: ours.certificatePem, content }, randomBytes);
      expect(await opinionOn(encrypted, settingsOf(habit))).toBeUndefined();
    },
  );

  test('with attribute values that xml2js reads differently', async () => {
    const values = ['', ' ', '\n', ' a ', 'a\r\nb', '\u00a0', '😀', 'a]]>b', '<b>', '&amp;'];
    const attributes = [
      ...values.map((value, i) => ({ name: `v${i}`, values: [value, value] })),
      ...values.map((value, i) => ({ name: `typed${i}`, valueType: 'xs:string' as const, values: [value, value] })),
      { name: 'none', values: [] },
      { name: '__proto__', values: ['a'] },
      { name: 'email', values: ['a@b.c'] },
      { name: 'email', values: ['d@e.f'] },
    ];
    const nameId = { value: ' olivia\n', format: 'f', nameQualifier: 'n', spNameQualifier: 's' };
    expect(await opinionOn(responseOf('okta', 'olivia', { values: { attributes, nameId } }), settingsOf('okta'))).toBeUndefined();
    const bare = { attributes: [], nameId: { value: 'o' }, sessionIndex: undefined };
    expect(await opinionOn(responseOf('okta', 'olivia', { values: bare }), settingsOf('okta'))).toBeUndefined();
  });
});

describe('secondOpinion() on the accepted fixtures', () => {
  // The reasons for which node-saml refuses. None depends on the user.
  const REASONS = [
    'an unsupported algorithm',
    'Invalid signature', // xmldom has other line breaks, and misreads text that a comment or CDATA splits
    'Invalid signature from encrypted assertion', // with inherited namespaces
    'Error parsing IssueInstant', // node-saml requires one
    'Error parsing NotOnOrAfter', // node-saml requires one beside NotBefore
    'cant find encryption algorithm', // for a key beside the data
    'error', // if the first key is for another recipient
  ];

  test('refuses some of them, and reads a different user in none', async () => {
    const keys = await makeKeys();
    const counts = new Map<string, number>();
    for (const fixture of acceptedCases(keys)) {
      const { certificates, nowMs, attributeMapping: _1, roleMapping: _2, ...rest } = writtenCase(fixture).settings;
      const trusted = certificates.map((file) => keyIn(keys[file.replace('.crt', '') as KeyName].certificatePem));
      const settings = { ...rest, keys: trusted, decryptionKeys: [keys.own.key] };
      const xml = decodeUtf8(Buffer.from(fixture.xml));
      const opinion = await secondOpinion(xml, acceptResponse(xml, settings, nowMs), settings, nowMs);
      expect([fixture.name, opinion?.kind]).not.toEqual([fixture.name, 'differs']);
      const reason = opinion?.about ?? 'agrees';
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
    }
    expect(REASONS).toEqual(expect.arrayContaining([...counts.keys()].filter((reason) => reason !== 'agrees')));
    expect(counts.get('agrees')).toBeGreaterThan(300);
  }, 90_000);
});

describe('secondOpinion() disagrees', () => {
  test.each([
    ['assertion ID', { assertionId: '_other' }],
    ['NameID', { nameId: { value: 'mallory', format: HABITS.okta.nameIdFormat } }],
    ['NameID', { nameId: { value: 'olivia@okta.acme.example', format: 'other' } }],
    ['NameID', { nameId: undefined }],
    ['SessionIndex', { sessionIndex: 'other' }],
    ['SessionIndex', { sessionIndex: undefined }],
    ['attributes', { attributes: new Map() }],
    ['attributes', { attributes: new Map([['email', ['mallory@evil.test']]]) }],
    ['NameID, SessionIndex', { nameId: undefined, sessionIndex: undefined }],
  ] as const)('about a different %s: %j', async (about, change) => {
    const opinion = await opinionOn(responseOf('okta'), settingsOf('okta'), (same) => ({ ...same, ...change }) as VerifiedAssertion);
    expect(opinion).toEqual({ kind: 'differs', about });
  });

  test('about a different issuer', async () => {
    const xml = responseOf('okta');
    const verified = acceptResponse(xml, settingsOf('okta'), NOW_MS);
    const settings = settingsOf('okta', { idpEntityId: 'https://other.example' });
    expect(await secondOpinion(xml, verified, settings, NOW_MS)).toEqual({ kind: 'differs', about: 'issuer' });
  });

  test.each([
    ['one more group', (xml: string) => xml, (values: readonly string[]) => [...values, 'platform-admins-2']],
    ['another order', (xml: string) => xml, (values: readonly string[]) => values.toReversed()],
  ])('about different groups: %s', async (_case, _same, change) => {
    const opinion = await opinionOn(responseOf('okta'), settingsOf('okta'), (same) => {
      const attributes = new Map(same.attributes);
      attributes.set('groups', change(attributes.get('groups') as string[]));
      return { ...same, attributes };
    });
    expect(opinion).toEqual({ kind: 'differs', about: 'attributes' });
  });

  const refused = async (xml: string, settings: ResponseSettings, nowMs = NOW_MS) => {
    const verified = acceptResponse(responseOf('okta'), settingsOf('okta'), NOW_MS);
    return secondOpinion(xml, verified, settings, nowMs);
  };

  test('with a response that node-saml refuses by the same settings at the same time', async () => {
    const xml = responseOf('okta');
    const keys = [keyIn(former.certificatePem)];
    expect(await refused(xml, settingsOf('okta', { keys }))).toEqual({ kind: 'refused', about: 'Invalid document signature' });
    expect(await refused(xml, settingsOf('okta', { entityId: 'x' }))).toEqual({
      kind: 'refused',
      about: 'SAML assertion audience mismatch. Expected',
    });
    expect(await refused(xml, settingsOf('okta'), NOW_MS + 8 * 60_000)).toEqual({ kind: 'refused', about: 'SAML assertion expired' });
    expect(await refused(xml, settingsOf('okta'), NOW_MS + 8 * 60_000 - 1)).toMatchObject({ kind: 'differs' }); // the IDs differ because it is another response
    expect(await refused(xml, settingsOf('okta'), NOW_MS - 8 * 60_000 - 1)).toEqual({
      kind: 'refused',
      about: 'SAML assertion not yet valid',
    });
    const inner = responseOf('okta', 'olivia', { signing: { assertionKey: former } });
    expect(await refused(inner, settingsOf('okta', { keys: [keyIn(idp.certificatePem)] }))).toEqual({
      kind: 'refused',
      about: 'Invalid signature',
    });
  });

  test('with ECDSA, which node-saml does not support', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const key = { privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), certificatePem: idp.certificatePem };
    const signatureAlgorithm = 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256';
    const xml = responseOf('okta', 'olivia', { key, signing: { signatureAlgorithm } });
    const settings = settingsOf('okta', { keys: [{ key: publicKey, fingerprint: 'AA', notAfterMs: Number.MAX_SAFE_INTEGER }] });
    expect(await opinionOn(xml, settings)).toEqual({ kind: 'refused', about: 'an unsupported algorithm' });
  });
});
