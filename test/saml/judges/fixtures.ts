/** Reads the written fixture cases for the judges. */
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { ResponseSettings } from '../../../src/saml/response/response-settings.ts';
import type { WrittenCase, WrittenSettings } from '../fixture-cases/case.ts';

const FOLDER = path.join(import.meta.dirname, '..', 'fixtures');

export interface Fixture {
  readonly name: string;
  readonly file: string;
  readonly octets: Buffer;
  readonly written: WrittenCase;
}

export const readFixtures = (verdict: 'accepted' | 'rejected'): Fixture[] =>
  readdirSync(path.join(FOLDER, verdict))
    .sort()
    .map((name) => {
      const file = path.join(FOLDER, verdict, name, 'response.xml');
      const written = JSON.parse(readFileSync(path.join(FOLDER, verdict, name, 'case.json'), 'utf8'));
      return { name, file, octets: readFileSync(file), written };
    });

export const certificateFile = (name: string): string => path.join(FOLDER, 'certificates', name);

export const certificatePems = ({ certificates }: WrittenSettings): string[] =>
  certificates.map((name) => readFileSync(certificateFile(name), 'utf8'));

/** Converts the settings of a case for {@link acceptResponse}. */
export function settingsOf(settings: WrittenSettings): ResponseSettings {
  const keys = certificatePems(settings).map((pem) => {
    const { publicKey, fingerprint256, validTo } = new X509Certificate(pem);
    return { key: publicKey, fingerprint: fingerprint256, notAfterMs: Date.parse(validTo) };
  });
  return { ...settings, keys, decryptionKeys: [] };
}
