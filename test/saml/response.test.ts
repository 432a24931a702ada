import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { decodeUtf8, parseXml } from '../../src/saml/xml/xml.ts';
import { childrenNamed, type XmlElement } from '../../src/saml/xml/xml-tree.ts';
import { acceptedCases, rejectedCases } from './fixture-cases/all-cases.ts';
import { type Expected, type FixtureCase, type WrittenCase, writtenCase } from './fixture-cases/case.ts';
import { ASSERTION, DSIG, PROTOCOL } from './fixture-cases/hand-made.ts';
import { judge, type Outcome } from './fixture-cases/judge.ts';
import { type KeyName, makeKeys } from './fixture-cases/keys.ts';

const FOLDER = path.join(import.meta.dirname, 'fixtures');
const written = { accepted: readdirSync(path.join(FOLDER, 'accepted')), rejected: readdirSync(path.join(FOLDER, 'rejected')) };
const keys = await makeKeys();
const generated = { accepted: acceptedCases(keys), rejected: rejectedCases(keys) };

const octetsOf = (folder: string): Buffer => readFileSync(path.join(FOLDER, folder, 'response.xml'));
const caseOf = (folder: string): WrittenCase => JSON.parse(readFileSync(path.join(FOLDER, folder, 'case.json'), 'utf8'));
const writtenPem = (file: string): string => readFileSync(path.join(FOLDER, 'certificates', file), 'utf8');
const freshPem = (file: string): string => keys[path.basename(file, '.crt') as KeyName].certificatePem;

function expectOutcome(outcome: Outcome, expected: Expected): void {
  if ('code' in expected) {
    const detail = expected.detail === undefined ? {} : { detail: expect.stringContaining(expected.detail) };
    expect(outcome).toEqual(expect.objectContaining({ code: expected.code, ...detail }));
  } else {
    const { person, role, statement } = expected;
    expect(outcome).toEqual({ person, role, statement: expect.objectContaining(statement) });
  }
}

describe.each(['accepted', 'rejected'] as const)('acceptResponse(), readPerson() and decideRole(): %s', (verdict) => {
  test.each(written[verdict].map((name) => `${verdict}/${name}`))('%s', (folder) => {
    const { settings, expected } = caseOf(folder);
    expect('person' in expected).toBe(verdict === 'accepted');
    expectOutcome(judge(octetsOf(folder), settings, writtenPem), expected);
  });

  const live = generated[verdict].filter((fixture) => fixture.live);
  if (live.length === 0) return;
  test.each(live)('$name (created by the test)', (fixture) => {
    const { settings, expected } = writtenCase(fixture);
    expectOutcome(judge(Buffer.from(fixture.xml), settings, freshPem, [keys.own.key]), expected);
  });
});

describe('the fixture folders', () => {
  const writtenCases = (verdict: keyof typeof generated): FixtureCase[] => generated[verdict].filter(({ live }) => !live);

  test.each(['accepted', 'rejected'] as const)('contain the %s cases of the generator', (verdict) => {
    expect(written[verdict].toSorted()).toEqual(
      writtenCases(verdict)
        .map(({ name }) => name)
        .sort(),
    );
  });

  test.each(['accepted', 'rejected'] as const)(
    'contain the %s cases as the generator creates them (otherwise run node test/saml/write-fixtures.ts)',
    (verdict) => {
      for (const fixture of writtenCases(verdict)) {
        const folder = `${verdict}/${fixture.name}`;
        expect([folder, caseOf(folder)]).toEqual([folder, JSON.parse(JSON.stringify(writtenCase(fixture)))]);
        expect([folder, withoutKeys(octetsOf(folder))]).toEqual([folder, withoutKeys(Buffer.from(fixture.xml))]);
      }
    },
  );

  test('contain at least 60 accepted and 200 rejected cases', () => {
    expect(written.accepted.length).toBeGreaterThanOrEqual(60);
    expect(written.rejected.length).toBeGreaterThanOrEqual(200);
  });

  test('contain no private key', () => {
    const files = readdirSync(FOLDER, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const { parentPath, name } of files) expect(readFileSync(path.join(parentPath, name), 'utf8')).not.toContain('PRIVATE KEY');
  });
});

/** Removes everything that changes with the keys: the values and certificates of signatures, and long runs of base64. */
function withoutKeys(octets: Buffer): string {
  return octets
    .toString('latin1')
    .replaceAll(/<((?:[^\s<>/:]+:)?(?:SignatureValue|DigestValue|X509Certificate|Modulus))>.*?<\/\1>/gs, '<$1/>')
    .replaceAll(/[A-Za-z0-9+/]{100,}={0,2}/g, '…');
}

describe('xmlsec1 verifies the accepted cases', () => {
  const signed = written.accepted.flatMap((name) => {
    const folder = `accepted/${name}`;
    const { certificates } = caseOf(folder).settings;
    return signedElements(octetsOf(folder)).map((element) => ({ folder, element, certificates }));
  });
  const byOne = Map.groupBy(
    signed.filter(({ certificates }) => certificates.length === 1),
    ({ element, certificates: [certificate] }) => `${element} by ${certificate}`,
  );

  test('finds a signature in every accepted case', () => {
    expect(new Set(signed.map(({ folder }) => folder)).size).toBe(written.accepted.length);
  });

  test.each([...byOne])('verifies %s', async (_, cases) => {
    const { element, certificates } = cases[0]!;
    const folders = cases.map(({ folder }) => folder);
    const found = await verifyWithXmlsec1(element, certificates[0]!, folders);
    expect(found).toEqual({ valid: cases.length, error: '' });
  });

  test.each(signed.filter(({ certificates }) => certificates.length > 1))(
    'verifies $element of $folder by one of several certificates',
    async (one) => {
      const found = await Promise.all(one.certificates.map((certificate) => verifyWithXmlsec1(one.element, certificate, [one.folder])));
      expect(found.map(({ valid }) => valid)).toContain(1);
    },
  );
});

type SignedElement = 'Response' | 'Assertion';

function signedElements(octets: Buffer): SignedElement[] {
  const response = parseXml(decodeUtf8(octets));
  const isSigned = (element: XmlElement) => childrenNamed(element, DSIG, 'Signature').length > 0;
  return [
    ...(isSigned(response) ? (['Response'] as const) : []),
    ...(childrenNamed(response, ASSERTION, 'Assertion').some(isSigned) ? (['Assertion'] as const) : []),
  ];
}

/** Returns the number of validly signed responses before the first invalid one, and the error for that one. */
async function verifyWithXmlsec1(element: SignedElement, certificate: string, folders: readonly string[]) {
  const namespace = element === 'Response' ? PROTOCOL : ASSERTION;
  const options = [
    ...['--verify', '--enabled-key-data', 'key-name'], // ignores the KeyInfo of the response
    ...['--pubkey-cert-pem', path.join(FOLDER, 'certificates', certificate)],
    ...['--id-attr:ID', `${namespace}:${element}`],
    ...['--node-xpath', `//*[local-name()='${element}']/*[local-name()='Signature']`],
  ];
  const files = folders.map((folder) => path.join(FOLDER, folder, 'response.xml'));
  const { stderr } = await promisify(execFile)('xmlsec1', [...options, ...files]).catch((error: { stderr: string }) => error);
  return { valid: stderr.match(/^OK$/gm)?.length ?? 0, error: /^Error: .*/m.exec(stderr)?.[0] ?? '' };
}
