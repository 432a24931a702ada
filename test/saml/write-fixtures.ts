/**
 * Writes all fixtures: `node test/saml/write-fixtures.ts`. The keys are new, so every signature changes. Everything else changes only if
 * its case did. Private keys are never written.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { acceptedCases, rejectedCases } from './fixture-cases/all-cases.ts';
import { certificateFile, type FixtureCase, writtenCase } from './fixture-cases/case.ts';
import { type KeyName, makeKeys } from './fixture-cases/keys.ts';

const FOLDER = path.join(import.meta.dirname, 'fixtures');
const MAX_BYTES = 300 * 1024;

const keys = await makeKeys();
const verdicts = { accepted: acceptedCases(keys), rejected: rejectedCases(keys) };
for (const [verdict, cases] of Object.entries(verdicts)) {
  const folder = emptyFolder(verdict);
  const written = cases.filter(({ live }) => !live);
  for (const fixture of written) writeCase(path.join(folder, fixture.name), fixture);
  console.log(`${written.length} ${verdict}`);
}
writeCertificates(emptyFolder('certificates'));

function emptyFolder(name: string): string {
  const folder = path.join(FOLDER, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

function writeCase(folder: string, fixture: FixtureCase): void {
  const octets = Buffer.from(fixture.xml);
  if (octets.length > MAX_BYTES) throw new Error(`${fixture.name} has ${octets.length} octets. Make it a live case.`);
  mkdirSync(folder); // throws if the name is taken
  writeFileSync(path.join(folder, 'response.xml'), octets);
  writeFileSync(path.join(folder, 'case.json'), `${JSON.stringify(writtenCase(fixture), undefined, 2)}\n`);
}

/** Writes the certificates that at least one case trusts. */
function writeCertificates(folder: string): void {
  const used = new Set(
    Object.values(verdicts).flatMap((cases) => cases.flatMap((fixture) => fixture.settings?.trusted ?? ['rsa' as const])),
  );
  for (const name of Object.keys(keys) as KeyName[]) {
    if (used.has(name)) writeFileSync(path.join(folder, certificateFile(name)), keys[name].certificatePem);
  }
}
