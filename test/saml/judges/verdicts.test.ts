import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Profile } from '@node-saml/node-saml';
import { verifySignature } from '../../../src/saml/crypto/signature.ts';
import { acceptResponse, type VerifiedAssertion } from '../../../src/saml/response/response.ts';
import { findAssertion, findSignatures } from '../../../src/saml/response/response-structure.ts';
import { decodeUtf8, parseXml } from '../../../src/saml/xml/xml.ts';
import { walk, type XmlElement } from '../../../src/saml/xml/xml-tree.ts';
import { certificateFile, certificatePems, type Fixture, readFixtures, settingsOf } from './fixtures.ts';
import { nodeSamlVerdict } from './node-saml.ts';
import { digestedByXmlsec1, validForXmlsec1 } from './xmlsec1.ts';

const accepted = readFixtures('accepted');
const rejected = readFixtures('rejected');
const TIMEOUT_MS = 240_000;

interface SignedPart {
  readonly file: string;
  readonly element: 'Response' | 'Assertion';
  readonly certificateFile: string;
  readonly octets: string;
}

/** Returns the octets that each signature of an accepted fixture covers, and the certificate, as the gateway reads them. */
function signedParts(fixture: Fixture): SignedPart[] {
  const { settings } = fixture.written;
  const response = parseXml(decodeUtf8(fixture.octets));
  const elements = walk(response);
  const assertion = findAssertion(response, elements);
  const signatures = findSignatures(response, assertion, elements);
  const part = (element: SignedPart['element'], parent: XmlElement | undefined, signature: XmlElement | undefined): SignedPart[] => {
    if (!parent || !signature) return [];
    const { octets, key } = verifySignature(parent, signature, settingsOf(settings).keys);
    const index = certificatePems(settings).findIndex((pem) => new X509Certificate(pem).fingerprint256 === key.fingerprint);
    return [{ file: fixture.file, element, certificateFile: certificateFile(settings.certificates[index]!), octets }];
  };
  return [...part('Response', response, signatures.response), ...part('Assertion', assertion, signatures.assertion)];
}

describe('accepted fixtures and xmlsec1', () => {
  test(
    'xmlsec1 verifies each signature with the same key and over the same octets',
    async () => {
      const groups = Map.groupBy(accepted.flatMap(signedParts), ({ certificateFile, element }) => `${element} ${certificateFile}`);
      for (const parts of groups.values()) {
        const { certificateFile, element } = parts[0]!;
        const digested = await digestedByXmlsec1(
          parts.map(({ file }) => file),
          certificateFile,
          element,
        );
        expect(parts.map(({ file, octets }) => [file, octets])).toEqual(parts.map(({ file }, i) => [file, digested[i]]));
      }
      expect([...groups.values()].flat().length).toBeGreaterThanOrEqual(accepted.length);
    },
    TIMEOUT_MS,
  );
});

// node-saml reads the clock, and its parser writes warnings to the console.
beforeAll(() => {
  jest.useFakeTimers({
    doNotFake: [
      'nextTick',
      'setImmediate',
      'clearImmediate',
      'setTimeout',
      'clearTimeout',
      'setInterval',
      'clearInterval',
      'queueMicrotask',
      'performance',
      'hrtime',
    ],
  });
  jest.spyOn(console, 'error').mockImplementation(() => undefined);
  jest.spyOn(console, 'warn').mockImplementation(() => undefined);
});
afterAll(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

function nodeSaml({ octets, written: { settings } }: Fixture): Promise<Profile | undefined> {
  jest.setSystemTime(settings.nowMs);
  return nodeSamlVerdict(octets, settings, certificatePems(settings));
}

type Difference = 'verdict' | 'nameID' | 'sessionIndex' | 'attributes';

/** Returns the values that node-saml reads differently from the gateway in an accepted response. */
function differences(ours: VerifiedAssertion, profile: Profile | undefined): Difference[] {
  if (!profile) return ['verdict'];
  const attributes = Object.entries((profile.attributes ?? {}) as Record<string, unknown>).map(([name, value]) => [name, [value].flat()]);
  const same: Record<Exclude<Difference, 'verdict'>, [unknown, unknown]> = {
    nameID: [ours.nameId?.value, profile.nameID],
    sessionIndex: [ours.sessionIndex, profile.sessionIndex],
    attributes: [JSON.stringify([...ours.attributes]), JSON.stringify(attributes)],
  };
  return (Object.keys(same) as (keyof typeof same)[]).filter((key) => same[key][0] !== same[key][1]);
}

interface Row {
  readonly judge: string;
  readonly patterns: readonly string[];
  readonly difference: string;
  readonly why: string;
}

const README = readFileSync(path.join(import.meta.dirname, 'README.md'), 'utf8');

const rows: Row[] = README.split('\n')
  .filter((line) => line.startsWith('| node-saml') || line.startsWith('| xmlsec1'))
  .map((line) => {
    const [, judge = '', cases = '', difference = '', why = ''] = line.split('|').map((cell) => cell.trim());
    return { judge, patterns: [...cases.matchAll(/`([^`]+)`/g)].map(([, pattern]) => pattern!), difference, why };
  });

describe('accepted fixtures and node-saml', () => {
  test(
    'node-saml reads the same user, except in the cases that README.md lists, and every row there applies',
    async () => {
      const found: string[] = [];
      for (const fixture of accepted) {
        const { settings } = fixture.written;
        const ours = acceptResponse(decodeUtf8(fixture.octets), settingsOf(settings), settings.nowMs);
        found.push(...differences(ours, await nodeSaml(fixture)).map((difference) => `${fixture.name}: ${difference}`));
      }
      const documented = rows.flatMap(({ patterns, difference }) =>
        patterns.flatMap((pattern) => {
          const matching = found.filter((one) => path.matchesGlob(one, `${pattern}: ${difference}`));
          return matching.length > 0 ? matching : [`stale: ${pattern}: ${difference}`];
        }),
      );
      expect(documented.toSorted()).toEqual(found.toSorted());
    },
    TIMEOUT_MS,
  );

  test('each row of the table has a reason, and the page has at most 25 lines', () => {
    expect(rows.length).toBeGreaterThan(5);
    for (const { why } of rows) expect(why).toMatch(/^\S.{10,}\.$/);
    expect(README.trimEnd().split('\n').length).toBeLessThanOrEqual(25);
  });
});

/** The cases with one error code that another program accepts, and the reason. */
interface Stricter {
  readonly judge: 'node-saml' | 'xmlsec1';
  readonly code: string;
  readonly why: string;
  readonly cases: readonly string[];
}

const STRICTER_FILE = path.join(import.meta.dirname, 'stricter.json');

/** node-saml decides neither about the user nor about the role. xmlsec1 decides only about signatures and the XML around them. */
const USER_CODES: readonly string[] = ['saml_email_missing', 'saml_name_id_missing', 'saml_role_denied'];
const SIGNATURE_CODES: readonly string[] = [
  'saml_malformed',
  'saml_dtd_forbidden',
  'saml_structure_ambiguous',
  'saml_algorithm_forbidden',
  'saml_signature_missing',
  'saml_signature_invalid',
];

const codeOf = ({ written: { expected } }: Fixture): string => ('code' in expected ? expected.code : '');

/** Formats a short list as the formatter would. */
function shortListInOneLine(list: string, content: string): string {
  const line = `[${content.replaceAll(/\n {6}/g, ' ')}]`;
  return '    "cases": '.length + line.length <= 140 ? line : list;
}

const committed = (): Stricter[] => JSON.parse(readFileSync(STRICTER_FILE, 'utf8'));

function expectAsCommitted(judge: Stricter['judge'], fixtures: readonly Fixture[]): void {
  const why = (code: string) => committed().find((row) => row.judge === judge && row.code === code)?.why ?? '';
  const found = [...Map.groupBy(fixtures, codeOf)].map(([code, of]) => ({
    judge,
    code,
    why: why(code),
    cases: of.map(({ name }) => name),
  }));
  found.sort((a, b) => (a.code < b.code ? -1 : 1));
  if (process.env.SAMLGATE_WRITE_STRICTER === '1') {
    const rows = [...committed().filter((row) => row.judge !== judge), ...found].sort((a, b) => (a.judge < b.judge ? -1 : 1));
    writeFileSync(STRICTER_FILE, `${JSON.stringify(rows, undefined, 2).replace(/\[\n {6}("[^[\]]*")\n {4}\]/g, shortListInOneLine)}\n`);
  }
  expect(found).toEqual(committed().filter((row) => row.judge === judge));
  for (const row of found) expect([row.code, row.why]).toEqual([row.code, expect.stringMatching(/^\S.{20,}\.$/)]);
}

describe('cases that only the gateway rejects (stricter.json; SAMLGATE_WRITE_STRICTER=1 writes it and keeps the reasons)', () => {
  test(
    'lists the cases that node-saml accepts',
    async () => {
      const judged = rejected.filter((fixture) => !USER_CODES.includes(codeOf(fixture)));
      const acceptedByNodeSaml: Fixture[] = [];
      for (const fixture of judged) if (await nodeSaml(fixture)) acceptedByNodeSaml.push(fixture);
      expectAsCommitted('node-saml', acceptedByNodeSaml);
    },
    TIMEOUT_MS,
  );

  test(
    'lists the cases with invalid XML or signature whose signature xmlsec1 accepts',
    async () => {
      const judged = rejected.filter((fixture) => SIGNATURE_CODES.includes(codeOf(fixture)));
      const runs = judged.flatMap((fixture) =>
        fixture.written.settings.certificates.map((certificate) => ({ certificate, file: fixture.file })),
      );
      const valid = new Set<string>();
      for (const [certificate, of] of Map.groupBy(runs, (run) => run.certificate)) {
        for (const file of await validForXmlsec1(
          of.map(({ file }) => file),
          certificateFile(certificate),
        ))
          valid.add(file);
      }
      expectAsCommitted(
        'xmlsec1',
        judged.filter(({ file }) => valid.has(file)),
      );
    },
    TIMEOUT_MS,
  );
});
