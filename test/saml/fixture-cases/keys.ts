/** The keys of the fixtures. They exist only in memory; only certificates are written. */
import { execFile } from 'node:child_process';
import { createPrivateKey, generateKeyPair, type KeyObject, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../../src/saml/metadata/self-signed-certificate.ts';
import { NOW_MS } from './hand-made.ts';

const rsa = (modulusLength: number) => () => promisify(generateKeyPair)('rsa', { modulusLength });
const curve = (namedCurve: string) => () => promisify(generateKeyPair)('ec', { namedCurve });

const KEY_KINDS = {
  /** The gateway's own key, for which assertions are encrypted. */
  own: rsa(2048),
  rsa: rsa(2048),
  second: rsa(2048),
  rogue: rsa(2048),
  /** Signs the cases about identifiers. */
  identifier: rsa(2048),
  rsa4096: rsa(4096),
  rsa2047: rsa(2047),
  rsa1024: rsa(1024),
  rsapss: () => promisify(generateKeyPair)('rsa-pss', { modulusLength: 2048 }),
  p256: curve('prime256v1'),
  p384: curve('secp384r1'),
  p521: curve('secp521r1'),
  secp256k1: curve('secp256k1'),
  ed25519: () => promisify(generateKeyPair)('ed25519'),
} as const;

/** The certificate of `expired` has expired at the time of the fixtures. */
export type KeyName = keyof typeof KEY_KINDS | 'expired';

export interface FixtureKey extends KeyAndCertificate {
  readonly key: KeyObject;
}

export type Keys = Readonly<Record<KeyName, FixtureKey>>;

/** Creates new keys with long-lived certificates, so that a case fails only for the reason that it tries. */
export async function makeKeys(): Promise<Keys> {
  const generated = Object.entries(KEY_KINDS).map(async ([name, generate]): Promise<[string, FixtureKey]> => {
    const { privateKey: key } = await generate();
    const privateKeyPem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
    return [name, { key, privateKeyPem, certificatePem: await certify(name, privateKeyPem) }];
  });
  const expired = await createSelfSignedCertificate({ commonName: commonName('expired'), days: 365, nowMs: NOW_MS - 400 * 86_400_000 });
  const keys = {
    ...Object.fromEntries(await Promise.all(generated)),
    expired: { ...expired, key: createPrivateKey(expired.privateKeyPem) },
  };
  return keys as Keys;
}

const commonName = (name: string): string => `samlgate fixture ${name}, test only`;

/** Uses openssl, which creates certificates for every type of key. The key goes through a pipe, never through a file. */
async function certify(name: string, privateKeyPem: string): Promise<string> {
  const command = 'cat | openssl req -x509 -key /dev/stdin -days 36500 -subj "$0"';
  const running = promisify(execFile)('sh', ['-c', command, `/CN=${commonName(name)}`]);
  running.child.stdin?.end(privateKeyPem);
  return new X509Certificate((await running).stdout).toString();
}
