import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it, test } from '@jest/globals';
import { type CheckResult, type Examination, examineResponse } from '../../src/saml/explain/examine-response.ts';
import { describeValue, errorNumbersOf, maskElement, withoutAddresses, withoutPersons } from '../../src/saml/explain/masking.ts';
import { refusalFactsOf } from '../../src/saml/explain/refusal-facts.ts';
import { DEFAULT_ATTRIBUTE_MAPPING } from '../../src/saml/response/attribute-mapping.ts';
import { CHECKS, type CheckName } from '../../src/saml/response/checks.ts';
import { acceptResponse } from '../../src/saml/response/response.ts';
import type { ResponseSettings } from '../../src/saml/response/response-settings.ts';
import { decodeUtf8, parseXml } from '../../src/saml/xml/xml.ts';
import { encrypted, makeParties, type Parties, refusalOf, settingsOf, signedAssertion, signedResponse } from './encrypted-messages.ts';
import { encrypt } from './encrypting.ts';
import { acceptedCases, rejectedCases } from './fixture-cases/all-cases.ts';
import { type WrittenCase, writtenCase } from './fixture-cases/case.ts';
import {
  ACS_URL,
  attribute,
  audience,
  bearer,
  CONDITIONS_TIMES,
  confirmationData,
  ENTITY_ID,
  IDP,
  message,
  minutes,
  NOW_MS,
  OLIVIA,
  SUCCESS,
  sign,
} from './fixture-cases/hand-made.ts';
import { judge, type Outcome, personContextOf, responseSettingsOf } from './fixture-cases/judge.ts';
import { type KeyName, makeKeys } from './fixture-cases/keys.ts';

let parties: Parties;
beforeAll(async () => {
  parties = await makeParties();
});

const failed = ({ checks }: Examination): CheckResult[] => checks.filter(({ outcome }) => outcome === 'failed');
const failures = (examination: Examination) => Object.fromEntries(failed(examination).map(({ name, code }) => [name, code]));
const named = ({ checks }: Examination, wanted: CheckName): CheckResult | undefined => checks.find(({ name }) => name === wanted);
const outcomes = (examination: Examination, ...names: CheckName[]) => names.map((name) => named(examination, name)?.outcome);

const PERSON_SETTINGS = { attributeMapping: DEFAULT_ATTRIBUTE_MAPPING, identifier: 'auto', nameIdFormat: undefined } as const;

const examine = (xml: string, changes: Partial<ResponseSettings> = {}, nowMs = NOW_MS): Examination =>
  examineResponse(xml, { ...settingsOf(parties, { requireEncryptedAssertion: false, ...changes }), ...PERSON_SETTINGS }, nowMs);
const signed = (xml: string, bent = {}) => sign(xml, parties.idp.privateKey, bent);

describe('examineResponse() compared with acceptResponse() and readPerson()', () => {
  const FOLDER = path.join(import.meta.dirname, 'fixtures');
  const writtenPem = (file: string): string => readFileSync(path.join(FOLDER, 'certificates', file), 'utf8');

  interface Examined {
    readonly name: string;
    readonly outcome: Outcome;
    readonly examination: Examination;
  }
  const examined: Record<'accepted' | 'rejected', Examined[]> = { accepted: [], rejected: [] };

  beforeAll(async () => {
    const keys = await makeKeys();
    const freshPem = (file: string): string => keys[path.basename(file, '.crt') as KeyName].certificatePem;
    const add = (verdict: keyof typeof examined, name: string, octets: Buffer, { settings }: WrittenCase, pemOf: typeof freshPem) => {
      let xml: string;
      try {
        xml = decodeUtf8(octets);
      } catch {
        return; // refused before the examination
      }
      const examinationSettings = { ...responseSettingsOf(settings, pemOf, [keys.own.key]), ...personContextOf(settings) };
      const outcome = judge(octets, settings, pemOf, [keys.own.key]);
      examined[verdict].push({ name, outcome, examination: examineResponse(xml, examinationSettings, settings.nowMs) });
    };
    for (const verdict of ['accepted', 'rejected'] as const) {
      for (const name of readdirSync(path.join(FOLDER, verdict))) {
        const read = (file: string) => readFileSync(path.join(FOLDER, verdict, name, file));
        add(verdict, name, read('response.xml'), JSON.parse(read('case.json').toString()) as WrittenCase, writtenPem);
      }
      const live = (verdict === 'accepted' ? acceptedCases(keys) : rejectedCases(keys)).filter((fixture) => fixture.live);
      for (const fixture of live) add(verdict, `live: ${fixture.name}`, Buffer.from(fixture.xml), writtenCase(fixture), freshPem);
    }
  }, 120_000);

  test('passes every check of every accepted case, and reports the groups of the user', () => {
    const wrong = examined.accepted.filter(({ outcome, examination }) => {
      const { groups, groupsState } = 'person' in outcome ? outcome.person : { groups: [], groupsState: 'absent' };
      return (
        !examination.isVerified ||
        examination.verifiedBy.length === 0 ||
        examination.checks.some((check) => check.outcome !== 'passed') ||
        JSON.stringify(examination.groups) !== JSON.stringify({ groups, groupsState })
      );
    });
    expect(wrong).toEqual([]);
    expect(examined.accepted.length).toBeGreaterThan(300);
  });

  test('reports the code and the detail of the refusal at the first failed check of every rejected case', () => {
    const wrong = examined.rejected.filter(({ outcome, examination }) => {
      const [first] = failed(examination);
      // Role rules are not part of a response, so the examination does not report a missing role.
      const [code, detail] = 'code' in outcome && outcome.code !== 'saml_role_denied' ? [outcome.code, outcome.detail] : [];
      return first?.code !== code || first?.detail !== detail;
    });
    expect(wrong).toEqual([]);
    expect(examined.rejected.length).toBeGreaterThan(900);
  });

  test('refuses at each check only with the codes of its row', () => {
    const wrong = examined.rejected.flatMap(({ name: folder, examination }) =>
      failed(examination).flatMap(({ name, code }) => (code && CHECKS[name].codes.includes(code) ? [] : [[folder, name, code]])),
    );
    expect(wrong).toEqual([]);
  });

  test('fails each check in at least one rejected case', () => {
    const found = new Set(examined.rejected.flatMap(({ examination }) => failed(examination).map(({ name }) => name)));
    expect(Object.keys(CHECKS).filter((name) => !found.has(name as CheckName))).toEqual([]);
  });

  test('reports each check at most once, in order, and never more than can be stored', () => {
    const order = Object.keys(CHECKS);
    for (const { examination } of [...examined.accepted, ...examined.rejected]) {
      const places = examination.checks.map(({ name }) => order.indexOf(name));
      expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
      expect(JSON.stringify(examination.checks).length).toBeLessThan(24_000);
      expect(examination.structure.length).toBeLessThanOrEqual(301);
    }
  });

  test('names the user in the subject of a verified assertion only', () => {
    for (const { examination } of examined.rejected) if (!examination.isVerified) expect(examination.subject).toBeUndefined();
    const people = examined.accepted.filter(({ outcome }) => 'person' in outcome);
    expect(people.filter(({ outcome, examination }) => !('person' in outcome) || examination.subject !== outcome.person.email)).toEqual([]);
  });

  test('reveals the user of no accepted case elsewhere', () => {
    const wrong = examined.accepted.filter(({ outcome, examination: { groups: _groups, subject: _subject, ...rest } }) => {
      if (!('person' in outcome)) return false;
      const { person, statement } = outcome;
      const secrets = [person.email, person.name, statement.nameId?.value, statement.sessionIndex, statement.assertionId, ...person.groups];
      const text = JSON.stringify(rest);
      return secrets.some((secret) => secret && secret.length > 5 && text.includes(JSON.stringify(secret).slice(1, -1)));
    });
    expect(wrong).toEqual([]);
  });
});

describe('examineResponse() on white space', () => {
  const withAudience = (uri: string) =>
    signed(message({ conditions: `<saml:Conditions ${CONDITIONS_TIMES}>${audience(uri)}</saml:Conditions>` }));

  test('shows the character that makes an audience differ from the expected one', () => {
    expect(named(examine(withAudience(`${ENTITY_ID}\u00a0`)), 'audience')).toMatchObject({
      code: 'saml_audience_mismatch',
      wanted: ENTITY_ID,
      got: `"${ENTITY_ID}⟨U+00A0⟩"`,
    });
  });

  test('shows white space in an authentication context and around an attribute name', () => {
    const authn = `<saml:AuthnStatement AuthnInstant="${minutes(0)}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:mfa&#10;</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`;
    expect(named(examine(signed(message({ authn })), { authnContext: ['urn:mfa'] }), 'authn_context')).toMatchObject({
      code: 'saml_authn_context_mismatch',
      wanted: 'urn:mfa',
      got: '"urn:mfa⏎"',
    });
    const attributes = attribute('email ', 'olivia@acme.test');
    expect(named(examine(signed(message({ attributes }))), 'email')).toMatchObject({ got: 'attributes "email␣"' });
  });

  test('shows only the white space of an email address', () => {
    const attributes = attribute('email', 'olivia @acme.test');
    const { detail } = named(examine(signed(message({ attributes }))), 'email') ?? {};
    expect(detail).toBe('The email attribute has white space or invisible characters inside its value: "…␣…".');
  });

  test('shows white space in the structure, and describes it in masked values', () => {
    const xml = withAudience(`${ENTITY_ID}\n`).replace('olivia@acme.test', 'olivia@acme.test\n');
    const texts = examine(xml).structure.flatMap(({ text }) => (text ? Object.values(text) : []));
    expect(texts).toContain(`"${ENTITY_ID}⏎"`);
    expect(texts).toContain('17 characters, an email address, with white space around it');
  });
});

describe('examineResponse() after a failure', () => {
  it('continues with the other checks', () => {
    const xml = signed(
      message({
        responseAttributes: `ID="_response1" Version="2.0" IssueInstant="${minutes(-20)}" Destination="https://other.example/acs" InResponseTo="_request1"`,
        conditions: `<saml:Conditions NotBefore="${minutes(-20)}" NotOnOrAfter="${minutes(-15)}">${audience('urn:other')}</saml:Conditions>`,
        confirmation: bearer(confirmationData().replace(ACS_URL, 'https://other.example/acs').replace(minutes(5), minutes(-15))),
        attributes: attribute('displayName', 'Olivia Owner'),
      }),
    );
    const examination = examine(xml);
    expect(failures(examination)).toEqual({
      destination: 'saml_destination_mismatch',
      recipient: 'saml_recipient_mismatch',
      confirmation_end: 'saml_expired',
      not_on_or_after: 'saml_expired',
      audience: 'saml_audience_mismatch',
      email: 'saml_email_missing',
    });
    expect(examination.isVerified).toBe(true);
  });

  it('reports expected and received values, also of checks that passed', () => {
    const examination = examine(signed(message()));
    const facts = (name: CheckName) => {
      const { wanted, got } = named(examination, name) ?? {};
      return [wanted, got];
    };
    const [{ fingerprint = '' } = {}] = settingsOf(parties).keys;
    expect(facts('response_issuer')).toEqual([IDP, IDP]);
    expect(facts('response_signature')).toEqual(['a valid signature, or none', 'none']);
    expect(facts('assertion_signature')).toEqual(['a valid signature, or none', `rsa-sha256, by the certificate ${fingerprint}`]);
    expect(facts('status')).toEqual(['Success', 'Success']);
    expect(facts('destination')).toEqual([ACS_URL, ACS_URL]);
    expect(facts('recipient')).toEqual([ACS_URL, ACS_URL]);
    expect(facts('audience')).toEqual([ENTITY_ID, ENTITY_ID]);
    expect(facts('not_before')).toEqual([`from ${minutes(-5)}`, minutes(0)]);
    expect(facts('not_on_or_after')).toEqual([`before ${minutes(5)}`, minutes(0)]);
    expect(facts('authn_context')).toEqual(['any', expect.stringContaining('PasswordProtectedTransport')]);
    expect(facts('name_id')).toEqual([undefined, 'format urn:oasis:names:tc:SAML:2.0:nameid-format:persistent']);
    expect(facts('identifier')).toEqual([
      'a persistent identifier',
      'the NameID of the format urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    ]);
    expect(facts('email')).toEqual([expect.stringMatching(/^one of email, mail, /), 'attributes email, displayName, groups']);
    expect(facts('groups')).toEqual([expect.stringMatching(/^one of groups, group, /), '2 groups']);
    expect(examination.attributeNames).toEqual(['email', 'displayName', 'groups']);
    expect(examination.groups).toEqual({ groups: OLIVIA.groups, groupsState: 'present' });
    expect(examination.verifiedBy).toEqual([{ part: 'assertion', fingerprint, isExpired: false }]);
  });

  it('reports the clock difference to the identity provider', () => {
    const xml = signed(message());
    expect(examine(xml)).toMatchObject({ issuedAtMs: NOW_MS, clockOffsetMs: 0 });
    expect(examine(xml, {}, NOW_MS + 95_000)).toMatchObject({ clockOffsetMs: -95_000 });
    const early = examine(xml, {}, NOW_MS - 3_600_000);
    expect(early.clockOffsetMs).toBe(3_600_000);
    expect(failures(early)).toEqual({ not_before: 'saml_not_yet_valid' });
    expect(examine(signed(message({ responseAttributes: 'ID="_r" Version="2.0" IssueInstant="yesterday"' }))).issuedAtMs).toBeUndefined();
  });

  it('continues after an invalid signature, and marks unsigned parts', () => {
    const other = { keys: [{ ...settingsOf(parties).keys[0]!, key: parties.stranger.publicKey }] };
    const examination = examine(
      signed(message({ conditions: `<saml:Conditions ${CONDITIONS_TIMES}>${audience('urn:other')}</saml:Conditions>` })),
      other,
    );
    expect(failures(examination)).toEqual({ assertion_signature: 'saml_signature_invalid', audience: 'saml_audience_mismatch' });
    expect(outcomes(examination, 'coverage', 'assertion_issuer', 'email')).toEqual(['not_reached', 'passed', 'passed']);
    expect(named(examination, 'assertion_issuer')?.isUnsigned).toBe(true);
    expect(named(examination, 'audience')?.isUnsigned).toBe(true);
    expect(named(examination, 'xml')?.isUnsigned).toBeUndefined();
    expect(examination).toMatchObject({ isVerified: false, verifiedBy: [] });
    // Anyone can write groups into an unsigned assertion.
    expect(examination.groups).toBeUndefined();
    expect(examination.attributeNames).toEqual(['email', 'displayName', 'groups']);
  });

  it('marks checks of the response if only the assertion is signed, and none if the response is signed', () => {
    const marked = (xml: string) => examine(xml).checks.flatMap(({ name, isUnsigned }) => (isUnsigned ? [name] : []));
    expect(marked(signed(message()))).toEqual(['response_issuer', 'answer', 'status', 'destination']);
    expect(marked(signedResponse(parties, message()))).toEqual([]);
    expect(marked(message()).length).toBeGreaterThan(15);
  });

  it('reads a response with an invalid signature as unverified, even if its assertion has a valid one', () => {
    const xml = signedResponse(parties, signed(message())).replace('_request1', '_request2');
    const examination = examine(xml);
    expect(failures(examination)).toEqual({ response_signature: 'saml_signature_invalid', in_response_to: 'saml_in_response_to_unknown' });
    expect(examination).toMatchObject({ isVerified: false, verifiedBy: [{ part: 'assertion' }] });
  });

  it('examines neither of two assertions, but everything around them', () => {
    const assertion = signedAssertion(parties);
    const xml = message({
      assertion,
      after: assertion.replaceAll('_assertion1', '_assertion2'),
      status: SUCCESS.replace(':Success', ':Responder'),
    });
    const examination = examine(xml);
    expect(failures(examination)).toEqual({
      one_assertion: 'saml_structure_ambiguous',
      signature_places: 'saml_structure_ambiguous',
      status: 'saml_status_not_success',
    });
    expect(outcomes(examination, 'answer', 'coverage', 'audience', 'email')).toEqual(Array(4).fill('not_reached'));
    expect(outcomes(examination, 'response_issuer', 'destination')).toEqual(['passed', 'passed']);
  });

  it('reports the status of a response without an assertion', () => {
    const status = `<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"/><samlp:StatusMessage>AADSTS50105</samlp:StatusMessage></samlp:Status>`;
    const examination = examine(message({ assertion: '', status }));
    expect(failures(examination)).toEqual({ answer: 'saml_status_not_success', status: 'saml_status_not_success' });
    expect(named(examination, 'status')).toMatchObject({
      wanted: 'Success',
      got: 'Responder',
      detail: expect.stringContaining('AADSTS50105'),
    });
    expect(outcomes(examination, 'audience')).toEqual(['not_reached']);
  });

  it('stops if the root is not a response', () => {
    for (const [xml, name, code] of [
      ['', 'xml', 'saml_malformed'],
      ['<a', 'xml', 'saml_malformed'],
      ['<!DOCTYPE a><a/>', 'xml', 'saml_dtd_forbidden'],
      ['<html><body/></html>', 'response', 'saml_malformed'],
      ['<Response ID="_1" Version="2.0"/>', 'response', 'saml_malformed'],
    ] as const) {
      const examination = examine(xml);
      expect(failures(examination)).toEqual({ [name]: code });
      expect(examination.checks.at(-1)?.outcome).toBe('not_reached');
      expect(examination.checks.length).toBeGreaterThan(20);
    }
  });

  it('examines the valid one of several confirmations, or the first if none is valid', () => {
    const [valid, invalid] = [bearer(confirmationData()), bearer(confirmationData().replace(ACS_URL, 'urn:other'))];
    expect(failures(examine(signed(message({ confirmation: invalid + valid }))))).toEqual({});
    const late = bearer(confirmationData().replace(minutes(5), minutes(-9)));
    expect(failures(examine(signed(message({ confirmation: invalid + late }))))).toEqual({ recipient: 'saml_recipient_mismatch' });
  });
});

describe('examineResponse() of encrypted content (xmlenc-core1 §6.1.1)', () => {
  const change = (octets: Buffer) => Buffer.concat([octets.subarray(0, -1), Buffer.from([octets.at(-1)! ^ 0x55])]);

  it('reports the same about unsigned AES-CBC as the sign-in does', () => {
    const [padding, content] = [{ cipher: 'aes256-cbc', change } as const, { cipher: 'aes256-cbc' } as const];
    for (const xml of [encrypted(parties, signedAssertion(parties), padding), encrypted(parties, '<a/>', content)]) {
      const refusal = refusalOf(acceptResponse, xml, settingsOf(parties));
      const examination = examine(xml);
      expect(failed(examination)).toEqual([
        expect.objectContaining({ name: 'decryption', code: 'saml_decryption_failed', detail: refusalFactsOf(refusal).detail }),
      ]);
      expect(examination.decryptedStructure).toBeUndefined();
    }
  });

  it('decrypts nothing in a response with an invalid signature, because the result would be a decryption oracle', () => {
    const xml = signedResponse(parties, encrypted(parties, signedAssertion(parties), { cipher: 'aes256-cbc', change })).replace(
      'Destination=',
      'Consent="urn:x" Destination=',
    );
    const examination = examine(xml);
    expect(failures(examination)).toEqual({ response_signature: 'saml_signature_invalid' });
    expect(outcomes(examination, 'decryption')).toEqual(['not_reached']);
  });

  it('decrypts no EncryptedID of an unsigned assertion', () => {
    const nameId = `<saml:EncryptedID>${encrypt('<saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">x</saml:NameID>', parties.ours.publicKey, { cipher: 'aes256-cbc', change })}</saml:EncryptedID>`;
    const unsigned = examine(message({ nameId }));
    expect(outcomes(unsigned, 'name_id', 'identifier', 'email')).toEqual(['not_reached', 'not_reached', 'not_reached']);
    expect(failures(unsigned)).toEqual({ coverage: 'saml_signature_missing' });
    // In a signed assertion the failure is reported.
    expect(named(examine(signed(message({ nameId }))), 'name_id')?.outcome).toBe('failed');
  });

  it('shows the decrypted structure, and hides the checks of plain assertions', () => {
    const examination = examine(encrypted(parties, signedAssertion(parties)));
    expect(failures(examination)).toEqual({});
    expect(examination.isVerified).toBe(true);
    expect(examination.decryptedStructure?.map(({ name }) => name)).toEqual(expect.arrayContaining(['saml:Assertion', 'saml:Conditions']));
    expect(outcomes(examination, 'decryption', 'coverage', 'encryption')).toEqual(['passed', undefined, undefined]);
    expect(examination.groups?.groups).toEqual(OLIVIA.groups);
  });

  it('reports a plain assertion if the organization requires encryption', () => {
    const examination = examine(signed(message()), { requireEncryptedAssertion: true });
    expect(failures(examination)).toEqual({ encryption: 'saml_decryption_failed' });
    expect(named(examination, 'encryption')).toMatchObject({ wanted: 'encrypted', got: 'not encrypted' });
  });
});

describe('maskElement()', () => {
  const rowsOf = (xml: string, maxRows = 300) => maskElement(parseXml(xml), maxRows);

  it('shows identifiers of software and timestamps, and the length and form of all other values', () => {
    const rows = rowsOf(signed(message()));
    const row = (name: string) => rows.find((each) => each.name === name);
    expect(rows[0]).toEqual({
      depth: 0,
      name: 'samlp:Response',
      namespace: 'urn:oasis:names:tc:SAML:2.0:protocol',
      attributes: [
        { name: 'ID', masked: '10 characters' },
        { name: 'Version', shown: '2.0' },
        { name: 'IssueInstant', shown: '2026-01-15T12:00:00Z' },
        { name: 'Destination', shown: ACS_URL },
        { name: 'InResponseTo', masked: '9 characters' },
      ],
    });
    expect(row('saml:Issuer')).toEqual({
      depth: 1,
      name: 'saml:Issuer',
      namespace: 'urn:oasis:names:tc:SAML:2.0:assertion',
      text: { shown: IDP },
    });
    expect(row('saml:NameID')).toMatchObject({
      text: { masked: '8 characters' },
      attributes: [{ name: 'Format', shown: expect.any(String) }],
    });
    expect(row('ds:SignatureValue')?.text).toEqual({ masked: '344 characters, base64' });
    expect(row('saml:Audience')?.text).toEqual({ shown: ENTITY_ID });
    expect(row('samlp:StatusCode')?.attributes).toEqual([{ name: 'Value', shown: 'urn:oasis:names:tc:SAML:2.0:status:Success' }]);
    const values = rows.filter(({ name }) => name === 'saml:AttributeValue').map(({ text }) => text);
    expect(values).toEqual([
      { masked: '16 characters, an email address' },
      { masked: '12 characters, several words' },
      { masked: '15 characters' },
      { masked: '11 characters' },
    ]);
    expect(rows.find(({ name }) => name === 'saml:Attribute')?.attributes).toEqual([{ name: 'Name', shown: 'email' }]);
  });

  it('shows a listed value only on the elements of the specifications', () => {
    const rows = rowsOf(
      '<a xmlns="urn:x" Destination="olivia" Name="olivia" Value="olivia" xmlns:s="urn:oasis:names:tc:SAML:2.0:assertion"><Issuer>olivia</Issuer><s:NameID Value="olivia" Name="olivia">olivia<b/></s:NameID><s:Issuer>olivia<b/></s:Issuer></a>',
    );
    expect(JSON.stringify(rows)).not.toContain('olivia');
  });

  it('counts repeated elements instead of showing them, and limits the number of rows', () => {
    const xml = `<a>${'<b>1</b>'.repeat(50)}<c/>${'<b/>'.repeat(4)}</a>`;
    expect(rowsOf(xml).map(({ name, omitted }) => [name, omitted])).toEqual([
      ['a', undefined],
      ['b', undefined],
      ['b', undefined],
      ['b', undefined],
      ['b', 47],
      ['c', undefined],
      ['b', undefined],
      ['b', undefined],
      ['b', undefined],
      ['b', 1],
    ]);
    const many = `<a>${Array.from({ length: 200 }, (_, i) => `<b${i}><c/></b${i}>`).join('')}</a>`;
    const rows = rowsOf(many, 51);
    expect([rows.length, rows.at(-1)]).toEqual([52, { depth: 0, name: '…', omitted: 350 }]);
  });

  test.each([
    ['', 'empty'],
    ['x', '1 character'],
    ['olivia@acme.example', '19 characters, an email address'],
    ['https://acme.example/x', '22 characters, a URL'],
    ['urn:x:y', '7 characters, a URN'],
    ['3f2a6c1e-58d4-4b90-8c7a-1e9d05b4f6a3', '36 characters, a UUID'],
    ['123', '3 characters, a number'],
    ['2026-01-15T12:00:00Z', '20 characters, a timestamp'],
    [`${'QUJD'.repeat(20)}\n${'QUJD'.repeat(20)}=`, '162 characters, base64'],
    ['Olivia Owner', '12 characters, several words'],
    ['x\ud83d\ude00', '3 characters'],
  ])('describes %j as "%s"', (value, described) => {
    expect(describeValue(value)).toBe(described);
  });

  it('describes long values in linear time', () => {
    // A pattern with quadratic backtracking would exceed the time limit of the test.
    expect(describeValue(`a${' '.repeat(200_000)}!`)).toBe('200002 characters, several words');
    expect(describeValue(`${'a'.repeat(200_000)}!`)).toBe('200001 characters');
    expect(describeValue(`a${'@'.repeat(200_000)}`)).toBe('200001 characters');
  });
});

describe('withoutPersons() and withoutAddresses()', () => {
  it('remove all email addresses, and all of a StatusMessage except error numbers', () => {
    const text = 'AADSTS50105: The signed in user "Olivia Owner" (olivia@acme.example) is not assigned to a role for AADSTS50105.';
    const status = `<samlp:Status><samlp:StatusCode Value="urn:x:olivia@acme.example"/><samlp:StatusMessage>${text}</samlp:StatusMessage></samlp:Status>`;
    const xml = message({ status, responseIssuer: '<saml:Issuer>https://x/?u=olivia%40acme.example</saml:Issuer>' });
    const rows = withoutPersons(maskElement(parseXml(xml), 300));
    const kept = JSON.stringify(rows);
    expect(kept).not.toMatch(/olivia|Owner/i);
    expect(kept).toContain('"shown":"(an email address)"');
    expect(rows.find(({ name }) => name === 'samlp:StatusMessage')?.text).toEqual({
      masked: `${text.length} characters, several words, with AADSTS50105`,
    });
    expect(errorNumbersOf('no number')).toBe('9 characters, several words');
    expect(errorNumbersOf('MSIS7042: JSMITH001')).toBe('19 characters, several words, with MSIS7042');
  });

  it('remove an address inside a URL', () => {
    expect(withoutAddresses('see https://x.example/a@b.c/d, or <olivia@acme.example>.')).not.toMatch(/@/);
  });
});
