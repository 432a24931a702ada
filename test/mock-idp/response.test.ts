import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { HABIT_NAMES, HABITS, type HabitName } from '../../src/mock-idp/habits.ts';
import { makeResponse } from '../../src/mock-idp/response.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { type SignedElement, signatureOf, xmlCryptoVerifies, xmlsec1Verifies } from './judges.ts';
import { ACS_URL, NOW_MS, SP_ENTITY_ID, signInOf } from './sign-in.ts';

let key: KeyAndCertificate;
let otherKey: KeyAndCertificate;

beforeAll(async () => {
  const make = (commonName: string) => createSelfSignedCertificate({ commonName, days: 1, nowMs: Date.now(), rsaBits: 2048 });
  [key, otherKey] = await Promise.all([make('mock'), make('other')]);
});

const BOTH = ['Response', 'Assertion'] as const;
const respond = (habit: HabitName, person?: string) => makeResponse(signInOf(habit, key, person));

async function expectValid(xml: string, signed: SignedElement, certificate: KeyAndCertificate) {
  expect(await xmlsec1Verifies(xml, signed, certificate.certificatePem)).toBe(true);
  expect(xmlCryptoVerifies(xml, signed, certificate.certificatePem)).toContain(`${signed} `);
}

describe('signatures', () => {
  test.each([
    ['okta', ['Response', 'Assertion']],
    ['entra-id', ['Assertion']],
    ['google-workspace', ['Response']],
  ] as const)('%s signs %j and nothing else, accepted by xmlsec1 and xml-crypto', async (habit, signed) => {
    const xml = respond(habit);
    for (const element of signed) await expectValid(xml, element, key);
    for (const element of BOTH.filter((one) => !(signed as readonly string[]).includes(one))) expect(signatureOf(xml, element)).toBe('');
  });

  test.each(
    HABIT_NAMES.flatMap((habit) =>
      [
        { response: true, assertion: true },
        { response: true, assertion: false },
        { response: false, assertion: true },
        { response: false, assertion: false },
      ].map((signing) => ({ habit, signing })),
    ),
  )('$habit signs as configured: $signing', async ({ habit, signing }) => {
    const xml = makeResponse({ ...signInOf(habit, key), signing });
    for (const element of BOTH) {
      if (element === 'Response' ? signing.response : signing.assertion) await expectValid(xml, element, key);
      else expect(signatureOf(xml, element)).toBe('');
    }
  });

  test.each(HABIT_NAMES)('%s signs the response of each person', (habit) => {
    for (const person of HABITS[habit].people) {
      const signed = HABITS[habit].signs.assertion ? 'Assertion' : 'Response';
      expect(xmlCryptoVerifies(respond(habit, person.key), signed, key.certificatePem)).toContain(person.email);
    }
  });

  test.each(HABIT_NAMES)('%s: changed content or another key makes the signature invalid', async (habit) => {
    const signed = HABITS[habit].signs.assertion ? 'Assertion' : 'Response';
    const changed = respond(habit).replace('>Olivia', '>Olivier');
    expect(await xmlsec1Verifies(changed, signed, key.certificatePem)).toBe(false);
    expect(xmlCryptoVerifies(changed, signed, key.certificatePem)).toBeUndefined();
    expect(await xmlsec1Verifies(respond(habit), signed, otherKey.certificatePem)).toBe(false);
  });

  test('can use two keys, one per signature', async () => {
    const xml = makeResponse({ ...signInOf('okta', key), signing: { assertionKey: otherKey } });
    await expectValid(xml, 'Response', key);
    await expectValid(xml, 'Assertion', otherKey);
  });
});

describe('signature algorithms', () => {
  const more = 'http://www.w3.org/2001/04/xmldsig-more#';
  const pem = (options: { publicKey: string; privateKey: string }) => ({
    key: { privateKeyPem: options.privateKey, certificatePem: '' },
    publicKeyPem: options.publicKey,
  });
  const ec = (namedCurve: string) =>
    pem(
      generateKeyPairSync('ec', {
        namedCurve,
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      }),
    );

  test.each([
    [`${more}rsa-sha384`, `${more}sha384`],
    [`${more}rsa-sha512`, 'http://www.w3.org/2001/04/xmlenc#sha512'],
    ['http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', 'http://www.w3.org/2000/09/xmldsig#sha1'],
    ['http://www.w3.org/2000/09/xmldsig#rsa-sha1', 'http://www.w3.org/2001/04/xmlenc#sha256'],
  ])('signs with %s and digest %s', async (signatureAlgorithm, digestAlgorithm) => {
    const xml = makeResponse({ ...signInOf('google-workspace', key), signing: { signatureAlgorithm, digestAlgorithm } });
    expect(await xmlsec1Verifies(xml, 'Response', key.certificatePem)).toBe(true);
    expect(xml).toContain(`<ds:SignatureMethod Algorithm="${signatureAlgorithm}"/>`);
    expect(xml).toContain(`<ds:DigestMethod Algorithm="${digestAlgorithm}"/>`);
  });

  test.each([
    ['ecdsa-sha256', 'prime256v1'],
    ['ecdsa-sha384', 'secp384r1'],
    ['ecdsa-sha512', 'secp521r1'],
  ])('signs with %s on %s', async (name, curve) => {
    const pair = ec(curve);
    const signing = { signatureAlgorithm: `${more}${name}`, keyInfo: false };
    const xml = makeResponse({ ...signInOf('entra-id', pair.key), signing });
    expect(await xmlsec1Verifies(xml, 'Assertion', pair.publicKeyPem)).toBe(true);
  });

  test.each([`${more}rsa-md5`, 'toString'])('refuses to sign with %s', (signatureAlgorithm) => {
    expect(() => makeResponse({ ...signInOf('okta', key), signing: { signatureAlgorithm } })).toThrow('can’t sign with');
  });
});

describe('Okta', () => {
  test('writes saml2 prefixes, numeric IDs, Format on issuers, InclusiveNamespaces, AuthnStatement before AttributeStatement', () => {
    const xml = respond('okta');
    expect(xml).toMatch(
      /^<\?xml version="1\.0" encoding="UTF-8"\?><saml2p:Response Destination="[^"]+" ID="id\d{25}" InResponseTo="_request" /,
    );
    expect(xml).toMatch(/<saml2:Assertion ID="id\d{25}" IssueInstant="2026-01-02T03:04:05\.678Z" Version="2\.0" /);
    expect(xml.match(/<saml2:Issuer Format="urn:oasis:names:tc:SAML:2\.0:nameid-format:entity" /g)).toHaveLength(2);
    expect(xml.match(/enveloped-signature"\/><ds:Transform Algorithm="[^"]+"><ec:InclusiveNamespaces PrefixList="xs" /g)).toHaveLength(2);
    expect(xml).toMatch(/<saml2:AuthnStatement .*<saml2:AttributeStatement /s);
    expect(xml).toContain('SessionIndex="_request"');
    expect(xml).toContain('urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport<');
    expect(xml).toContain('NotBefore="2026-01-02T02:59:05.678Z" NotOnOrAfter="2026-01-02T03:09:05.678Z"');
  });

  test('filters groups, and omits the attribute if none matches', () => {
    const groups = (xml: string) => /<saml2:Attribute Name="groups".*?<\/saml2:Attribute>/s.exec(xml)?.[0];
    expect(groups(respond('okta', 'olivia'))).toMatch(/>platform-admins<.*>engineering</s);
    expect(groups(respond('okta', 'olivia'))).not.toContain('Everyone');
    expect(groups(respond('okta', 'nina'))).toBeUndefined();
  });

  test('sends an unspecified NameID if configured', () => {
    const xml = makeResponse({ ...signInOf('okta', key), nameIdFormat: 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified' });
    expect(xml).toContain('<saml2:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">olivia@okta.acme.example<');
  });
});

describe('Entra ID', () => {
  const claim = (xml: string, name: string) => {
    const found = new RegExp(`<Attribute Name="${name}">(.*?)</Attribute>`, 's').exec(xml)?.[1];
    return found?.split(/<\/?AttributeValue>/).filter((value) => value !== '');
  };
  const groups = 'http://schemas.microsoft.com/ws/2008/06/identity/claims/groups';
  const link = 'http://schemas.microsoft.com/claims/groups.link';

  test('writes default namespaces, GUID IDs, no XML declaration, one hour of validity', () => {
    const xml = respond('entra-id');
    expect(xml).toMatch(/^<samlp:Response ID="_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}" Version="2\.0" IssueInstant="/);
    expect(xml).toMatch(
      /<Assertion ID="_[^"]+" IssueInstant="[^"]+" Version="2\.0" xmlns="urn:oasis:names:tc:SAML:2\.0:assertion"><Issuer>https:\/\/sts\.windows\.net\//,
    );
    expect(xml).toContain('<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>');
    expect(xml).toContain('NotBefore="2026-01-02T02:59:05.678Z" NotOnOrAfter="2026-01-02T04:04:05.678Z"');
    expect(xml).toMatch(/<\/AttributeStatement><AuthnStatement /);
    expect(xml).not.toContain('NameFormat');
  });

  test('sends claims, with groups as object IDs', () => {
    const xml = respond('entra-id');
    expect(claim(xml, 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress')).toEqual(['olivia@entra.acme.example']);
    expect(claim(xml, 'http://schemas.microsoft.com/identity/claims/objectidentifier')).toHaveLength(1);
    expect(claim(xml, groups)).toEqual(['3f2a6c1e-58d4-4b90-8c7a-1e9d05b4f6a3', 'a81e5d27-0c49-4f63-b2d1-6f7c380e9b54']);
  });

  test('sends a guest’s user name as NameID, and the email address in a claim', () => {
    const xml = respond('entra-id', 'ada');
    expect(xml).toContain(':emailAddress">ada_corp.example#EXT#@acmeexample.onmicrosoft.com</NameID>');
    expect(claim(xml, 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress')).toEqual(['ada@corp.example']);
    expect(claim(xml, 'http://schemas.microsoft.com/identity/claims/identityprovider')).not.toEqual([HABITS['entra-id'].issuer]);
  });

  test('sends a link for more than 150 groups, and no claim for none', () => {
    expect(claim(respond('entra-id', 'oscar'), groups)).toBeUndefined();
    expect(claim(respond('entra-id', 'oscar'), link)).toEqual([expect.stringMatching(/\/getMemberObjects$/)]);
    expect(claim(respond('entra-id', 'nina'), groups)).toBeUndefined();
    expect(claim(respond('entra-id', 'nina'), link)).toBeUndefined();
    const person = { ...signInOf('entra-id', key).person, groups: Array.from({ length: 150 }, (_, index) => `group-${index}`) };
    expect(claim(makeResponse({ ...signInOf('entra-id', key), person }), groups)).toHaveLength(150);
  });

  test('sends a persistent NameID that is opaque, stable, and different per application', () => {
    const persistent = (spEntityId: string) => {
      const xml = makeResponse({
        ...signInOf('entra-id', key),
        spEntityId,
        nameIdFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
      });
      return /nameid-format:persistent">([\w-]{43})<\/NameID>/.exec(xml)?.[1];
    };
    expect(persistent(SP_ENTITY_ID)).toBeDefined();
    expect(persistent(SP_ENTITY_ID)).toBe(persistent(SP_ENTITY_ID));
    expect(persistent(SP_ENTITY_ID)).not.toBe(persistent('https://other.example'));
  });
});

describe('Google Workspace', () => {
  test('writes hexadecimal IDs, base64 in lines, subject name, attributes of type anyType', () => {
    const xml = respond('google-workspace');
    expect(xml).toMatch(
      /^<\?xml version="1\.0" encoding="UTF-8" standalone="no"\?><saml2p:Response xmlns:saml2p="[^"]+" Destination="[^"]+" ID="_[0-9a-f]{32}" /,
    );
    expect(xml).toMatch(/<ds:SignatureValue>(?:[\w+/]{76}\n)+[\w+/]+={0,2}<\/ds:SignatureValue>/);
    expect(xml).toContain('<ds:X509SubjectName>CN=mock</ds:X509SubjectName>');
    expect(xml).toMatch(/<saml2:Attribute Name="groups"><saml2:AttributeValue [^>]+ xsi:type="xs:anyType">platform-admins</);
    expect(xml).toMatch(/AuthnInstant="2026-01-02T03:04:04\.000Z" SessionIndex="_[0-9a-f]{32}"/);
    expect(respond('google-workspace', 'nina')).not.toContain('Name="groups"');
  });
});

describe('makeResponse options', () => {
  test('omit InResponseTo for a sign-in that starts at the identity provider', () => {
    for (const habit of HABIT_NAMES) {
      const xml = makeResponse({ ...signInOf(habit, key), inResponseTo: undefined });
      expect(xml).not.toContain('InResponseTo');
      expect(xml).not.toContain('SessionIndex=""');
    }
  });

  test('replace each value', () => {
    const values = {
      responseVersion: '1.1',
      responseId: '_r',
      responseIssueInstant: 'i1',
      destination: 'http://d.example',
      inResponseTo: '_in-response',
      responseIssuer: 'http://i1.example',
      status: { code: 'urn:c', subcode: 'urn:s', message: 'no <b>' },
      assertionVersion: '2.1',
      assertionId: '_a',
      assertionIssueInstant: 'i2',
      assertionIssuer: 'http://i2.example',
      nameId: { value: 'n', format: 'urn:f', nameQualifier: 'q', spNameQualifier: 'spq' },
      recipient: 'http://r.example',
      confirmationMethod: 'urn:m',
      confirmationInResponseTo: '_in-confirmation',
      confirmationNotBefore: 'b1',
      confirmationNotOnOrAfter: 'a1',
      otherConfirmations: [{ method: 'urn:m2', address: '192.0.2.1' }],
      notBefore: 'b2',
      notOnOrAfter: 'a2',
      audiences: [['http://a1.example', 'http://a2.example'], ['http://a3.example']],
      oneTimeUse: true,
      authnInstant: 'i3',
      sessionIndex: '_s',
      sessionNotOnOrAfter: 'a3',
      authnContextClass: 'urn:ctx',
      attributes: [{ name: 'x', nameFormat: 'urn:nf', friendlyName: 'fn', values: ['1', '2'] }],
    };
    const xml = makeResponse({ ...signInOf('entra-id', key), values, signing: { response: false, assertion: false } });
    expect(xml).toBe(
      '<samlp:Response ID="_r" Version="1.1" IssueInstant="i1" Destination="http://d.example" InResponseTo="_in-response" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">' +
        '<Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">http://i1.example</Issuer>' +
        '<samlp:Status><samlp:StatusCode Value="urn:c"><samlp:StatusCode Value="urn:s"/></samlp:StatusCode><samlp:StatusMessage>no &lt;b&gt;</samlp:StatusMessage></samlp:Status>' +
        '<Assertion ID="_a" IssueInstant="i2" Version="2.1" xmlns="urn:oasis:names:tc:SAML:2.0:assertion"><Issuer>http://i2.example</Issuer>' +
        '<Subject><NameID Format="urn:f" NameQualifier="q" SPNameQualifier="spq">n</NameID>' +
        '<SubjectConfirmation Method="urn:m2"><SubjectConfirmationData Address="192.0.2.1"/></SubjectConfirmation>' +
        '<SubjectConfirmation Method="urn:m"><SubjectConfirmationData InResponseTo="_in-confirmation" NotBefore="b1" NotOnOrAfter="a1" Recipient="http://r.example"/></SubjectConfirmation></Subject>' +
        '<Conditions NotBefore="b2" NotOnOrAfter="a2"><AudienceRestriction><Audience>http://a1.example</Audience><Audience>http://a2.example</Audience></AudienceRestriction>' +
        '<AudienceRestriction><Audience>http://a3.example</Audience></AudienceRestriction><OneTimeUse/></Conditions>' +
        '<AttributeStatement><Attribute FriendlyName="fn" Name="x" NameFormat="urn:nf"><AttributeValue>1</AttributeValue><AttributeValue>2</AttributeValue></Attribute></AttributeStatement>' +
        '<AuthnStatement AuthnInstant="i3" SessionIndex="_s" SessionNotOnOrAfter="a3"><AuthnContext><AuthnContextClassRef>urn:ctx</AuthnContextClassRef></AuthnContext></AuthnStatement>' +
        '</Assertion></samlp:Response>',
    );
  });

  test('leave values out, including the element before the signature', () => {
    const values = { responseIssuer: undefined, assertionIssuer: undefined, destination: undefined, nameId: undefined, attributes: [] };
    const xml = makeResponse({ ...signInOf('google-workspace', key), values, signing: { assertion: true } });
    expect(xml).not.toMatch(/Issuer>|Destination|NameID>|AttributeStatement/);
    expect(xml).toMatch(/<saml2p:Response [^>]+><ds:Signature .*<saml2:Assertion [^>]+><ds:Signature /s);
    const rest = { hasConditions: false, hasAuthnStatement: false, status: undefined };
    expect(makeResponse({ ...signInOf('okta', key), values: rest })).not.toMatch(/Conditions|AuthnStatement|Status/);
  });

  test('create a signed error response without an assertion', async () => {
    const status = { code: 'urn:oasis:names:tc:SAML:2.0:status:Responder', message: 'AADSTS50105' };
    const values = { status, hasAssertion: false };
    const xml = makeResponse({ ...signInOf('entra-id', key), values, signing: { response: true } });
    expect(xml).not.toContain('<Assertion');
    expect(await xmlsec1Verifies(xml, 'Response', key.certificatePem)).toBe(true);
  });

  test('create the same response for the same time, randomness and key', () => {
    const make = () => makeResponse({ ...signInOf('okta', key), randomBytes: (size) => new Uint8Array(size).fill(7) });
    expect(make()).toBe(make());
    expect(makeResponse(signInOf('okta', key))).not.toBe(makeResponse(signInOf('okta', key)));
  });

  test('escape markup and line breaks in values', async () => {
    const nasty = `<&>"'\t\n]]> é 😀`;
    const attributes = [{ name: nasty, values: [nasty, ''] }];
    const xml = makeResponse({ ...signInOf('okta', key), values: { attributes, recipient: nasty } });
    expect(await xmlsec1Verifies(xml, 'Response', key.certificatePem)).toBe(true);
    expect(xmlCryptoVerifies(xml, 'Assertion', key.certificatePem)).toContain('&lt;&amp;&gt;"\'\t\n]]&gt; é 😀');
    expect(xmlCryptoVerifies(xml, 'Assertion', key.certificatePem)).toContain('Recipient="&lt;&amp;>&quot;\'&#x9;&#xA;]]> é 😀"');
    expect(() => makeResponse({ ...signInOf('okta', key), values: { recipient: '\0' } })).toThrow('XML 1.0');
  });

  test('set time and URLs', () => {
    const xml = makeResponse({ ...signInOf('okta', key), nowMs: NOW_MS + 86_400_000, randomBytes });
    expect(xml).toContain('IssueInstant="2026-01-03T03:04:05.678Z"');
    expect(xml).toContain(`Recipient="${ACS_URL}"`);
    expect(xml).toContain(`Destination="${ACS_URL}"`);
    expect(xml).toContain(`<saml2:Audience>${SP_ENTITY_ID}</saml2:Audience>`);
  });
});
