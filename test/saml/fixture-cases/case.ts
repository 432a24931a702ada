import { execFileSync } from 'node:child_process';
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ErrorCode } from '../../../src/errors.ts';
import type { ResponseSettings } from '../../../src/saml/response.ts';
import type { KeyAndCertificate } from '../../../src/saml/self-signed-certificate.ts';

/** Names of the keys whose certificates the fixtures carry. Private keys are never written. */
export const KEY_KINDS = {
  rsa: ['rsa:2048'],
  second: ['rsa:2048'],
  rogue: ['rsa:2048'],
  rsa4096: ['rsa:4096'],
  rsa1024: ['rsa:1024'],
  p256: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  p521: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  secp256k1: ['ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
} as const;

export type KeyName = keyof typeof KEY_KINDS;

export interface FixtureKey extends KeyAndCertificate {
  readonly key: KeyObject;
}

export type Keys = Readonly<Record<KeyName, FixtureKey>>;

/** Fresh keys, made by openssl; long validity, so that only what a case is about can fail. */
export function makeKeys(): Keys {
  const folder = mkdtempSync(path.join(tmpdir(), 'samlgate-fixture-keys-'));
  try {
    const made = Object.entries(KEY_KINDS).map(([name, kind]) => {
      const [keyFile, certificateFile] = [path.join(folder, `${name}.key`), path.join(folder, `${name}.crt`)];
      const subject = `/CN=samlgate fixture ${name}, test only`;
      execFileSync(
        'openssl',
        ['req', '-x509', '-newkey', ...kind, '-nodes', '-days', '36500', '-subj', subject, '-keyout', keyFile, '-out', certificateFile],
        { stdio: 'ignore' },
      );
      const privateKeyPem = readFileSync(keyFile, 'utf8');
      return [name, { privateKeyPem, certificatePem: readFileSync(certificateFile, 'utf8'), key: createPrivateKey(privateKeyPem) }];
    });
    return Object.fromEntries(made) as Keys;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export type CaseSettings = Partial<Omit<ResponseSettings, 'keys'>> & { readonly trusted?: readonly KeyName[]; readonly nowMs?: number };

/** What the person of an accepted case must be. */
export interface ExpectedPerson {
  readonly identity: string;
  readonly email: string;
  readonly name?: string;
  readonly groups: readonly string[];
  readonly groupsState?: string;
}

export interface FixtureCase {
  /** Folder name: what is tried. */
  readonly name: string;
  readonly xml: string | Buffer;
  readonly settings?: CaseSettings;
  /** Refused with this code… */
  readonly code?: ErrorCode;
  /** …or accepted as this person. */
  readonly person?: ExpectedPerson;
}
