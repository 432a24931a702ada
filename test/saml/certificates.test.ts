import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, type JsonWebKey, randomBytes, sign, verify, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, jest } from '@jest/globals';
import { GatewayError } from '../../src/errors.ts';
import {
  type Certificate,
  eachOnce,
  endCertificates,
  publicKeyOf,
  readCertificate,
  readCertificates,
} from '../../src/saml/metadata/certificates.ts';

const folder = mkdtempSync(join(tmpdir(), 'samlgate-certificates-'));
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const openssl = (...args: string[]): string => execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' });

/** Creates a self-signed certificate with `openssl req -x509`. It has CA:TRUE, like those of many identity providers. */
function selfSigned(name: string, ...keyOptions: string[]): string {
  openssl(
    'req',
    '-x509',
    '-nodes',
    '-keyout',
    at(`${name}.key`),
    '-out',
    at(`${name}.pem`),
    '-days',
    '365',
    '-subj',
    `/O=Example/CN=${name}`,
    ...keyOptions,
  );
  return readFileSync(at(`${name}.pem`), 'utf8');
}

/** Creates a certificate that is signed by another one. */
function issuedBy(issuer: string, name: string): string {
  openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`), '-subj', `/CN=${name}`);
  openssl(
    'x509',
    '-req',
    '-in',
    at(`${name}.csr`),
    '-CA',
    at(`${issuer}.pem`),
    '-CAkey',
    at(`${issuer}.key`),
    '-CAcreateserial',
    '-days',
    '90',
    '-out',
    at(`${name}.pem`),
  );
  return readFileSync(at(`${name}.pem`), 'utf8');
}

/** Creates a certificate for any public key, even one without a known private key. */
function withPublicKey(name: string, jwk: JsonWebKey, isPss = false): string {
  const spki = createPublicKey({ format: 'jwk', key: jwk }).export({ type: 'spki', format: 'der' });
  writeFileSync(at(`${name}.pub`), publicKeyPem(isPss ? asPss(spki) : spki));
  openssl(
    'x509',
    '-new',
    '-force_pubkey',
    at(`${name}.pub`),
    '-signkey',
    at('rsa.key'),
    '-subj',
    '/CN=forced',
    '-days',
    '9',
    '-out',
    at(`${name}.pem`),
  );
  return readFileSync(at(`${name}.pem`), 'utf8');
}

const publicKeyPem = (spki: Buffer) => `-----BEGIN PUBLIC KEY-----\n${spki.toString('base64')}\n-----END PUBLIC KEY-----\n`;

/** Replaces the algorithm of an RSA key with RSASSA-PSS without parameters (RFC 4055 §1.2). The length has two octets. */
function asPss(spki: Buffer): Buffer {
  const algorithm = Buffer.from('300b06092a864886f70d01010a', 'hex');
  const content = Buffer.concat([algorithm, spki.subarray(4 + 15)]);
  return Buffer.concat([Buffer.of(0x30, 0x82, content.length >> 8, content.length & 0xff), content]);
}

const modulus = (bits: number) => Buffer.concat([Buffer.of(0xff), randomBytes(bits / 8 - 2), Buffer.of(0xff)]).toString('base64url');

const rsa = selfSigned('rsa', '-newkey', 'rsa:2048');
const bare = (pem: string) => pem.replace(/-----[A-Z ]+-----/g, '').replace(/\s/g, '');

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'idp_metadata_invalid') return error.facts.detail ?? '';
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('readCertificate(): accepted texts (RFC 7468, RFC 5280)', () => {
  it('reads the same certificate from PEM and bare base64, with any whitespace', () => {
    const expected = readCertificate(rsa);
    const lines = bare(rsa).match(/.{1,20}/g) ?? [];
    for (const text of [
      bare(rsa),
      `\n\t ${bare(rsa)} \r\n`,
      lines.join('\r\n\t\t '),
      rsa.replaceAll('\n', '\r\n'),
      `  ${rsa.replaceAll('\n', '\n\t')}`,
    ]) {
      expect(readCertificate(text)).toEqual(expected);
    }
  });

  it('agrees with openssl', () => {
    const certificate = readCertificate(rsa);
    const [fingerprint, serial, start, end] = openssl(
      'x509',
      '-in',
      at('rsa.pem'),
      '-noout',
      '-fingerprint',
      '-sha256',
      '-serial',
      '-startdate',
      '-enddate',
    ).split('\n');
    expect(fingerprint?.split('=')[1]).toBe(certificate.fingerprintSha256);
    expect(certificate.fingerprintSha256).toMatch(/^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    expect(serial).toBe(`serial=${certificate.serialNumber}`);
    expect(Date.parse(start?.split('=')[1] ?? '')).toBe(Date.parse(certificate.notBefore));
    expect(Date.parse(end?.split('=')[1] ?? '')).toBe(Date.parse(certificate.notAfter));
    expect(certificate.notAfter).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/);
    expect(certificate.pem).toBe(rsa);
    expect(certificate.derBase64).toBe(bare(rsa));
    expect(certificate.subject).toBe('O=Example, CN=rsa');
  });

  it('returns plain data that survives JSON', () => {
    const certificate = readCertificate(rsa);
    expect(JSON.parse(JSON.stringify(certificate))).toEqual(certificate);
    expect(Object.getPrototypeOf(certificate)).toBe(Object.prototype);
  });

  it.each<[string, string[], Partial<Certificate>]>([
    ['RSA 1024', ['-newkey', 'rsa:1024'], { keyType: 'rsa', keyBits: 1024 }],
    ['RSA 3072', ['-newkey', 'rsa:3072'], { keyType: 'rsa', keyBits: 3072 }],
    ['P-256', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], { keyType: 'ec', curve: 'prime256v1' }],
    ['P-521', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521'], { keyType: 'ec', curve: 'secp521r1' }],
    ['Ed25519', ['-newkey', 'ed25519'], { keyType: 'ed25519' }],
    ['RSA-PSS', ['-newkey', 'rsa-pss'], { keyType: 'rsa-pss' }],
  ])('describes the key: %s', (name, options, expected) => {
    const { keyType, keyBits, curve } = readCertificate(selfSigned(name.replace(' ', '-'), ...options));
    expect({ keyType, ...(keyBits && { keyBits }), ...(curve && { curve }) }).toEqual(expected);
  });

  it('reads dates after 2049, which have another encoding', () => {
    openssl('req', '-x509', '-key', at('rsa.key'), '-days', '80000', '-subj', '/CN=late', '-out', at('late.pem'));
    expect(readCertificate(readFileSync(at('late.pem'), 'utf8')).notAfter).toMatch(/^2[2-9]\d\d-/);
  });

  it('turns a subject into one printable line', () => {
    openssl(
      'req',
      '-x509',
      '-key',
      at('rsa.key'),
      '-utf8',
      '-subj',
      `/O=a\u202eb\u0007c\u200b/CN=${'x'.repeat(64)}/OU=${'y'.repeat(64)}/L=${'z'.repeat(64)}/ST=${'w'.repeat(64)}/OU=${'v'.repeat(64)}`,
      '-out',
      at('odd.pem'),
    );
    const { subject } = readCertificate(readFileSync(at('odd.pem'), 'utf8'));
    expect(subject).toMatch(/^O=ab(?:\\07)?c, CN=x{64}, OU=y/);
    expect(subject).not.toMatch(/\p{C}/u);
    expect(subject).toHaveLength(300);
  });
});

describe('readCertificate(): rejected texts', () => {
  const der = Buffer.from(bare(rsa), 'base64');
  const base64 = (...parts: Buffer[]) => Buffer.concat(parts).toString('base64');
  const key = () => readFileSync(at('rsa.key'), 'utf8');

  it.each<[string, () => string, RegExp]>([
    ['an empty text', () => '', /empty/],
    ['only whitespace', () => ' \n\t', /empty/],
    ['more than 16 KiB', () => ' '.repeat(16 * 1024) + rsa, /16 KiB/],
    ['a private key', key, /private key/],
    ['a private key after the certificate', () => rsa + key(), /private key/],
    ['two certificates', () => rsa + rsa, /PEM format/],
    ['a PEM text of another type', () => rsa.replaceAll('CERTIFICATE', 'PUBLIC KEY'), /PEM format/],
    ['text before the PEM', () => `Bag Attributes\n${rsa}`, /PEM format/],
    ['text after the PEM', () => `${rsa}x`, /PEM format/],
    ['a PEM text without end', () => rsa.slice(0, 200), /PEM format/],
    ['the URL alphabet of base64', () => bare(rsa).replace(/[A-Z]/, '-'), /base64/],
    ['missing padding or leftover bits', () => `${bare(rsa).slice(0, -4)}AB=`, /base64/],
    ['a character that Node’s decoder skips', () => `${bare(rsa).slice(0, 40)}*${bare(rsa).slice(40)}`, /base64/],
    ['a no-break space in the middle', () => `${bare(rsa).slice(0, 40)}\u00a0${bare(rsa).slice(40)}`, /base64/],
    ['base64 of random octets', () => randomBytes(300).toString('base64'), /not an X\.509/],
    ['a certificate that was cut off', () => base64(der.subarray(0, -8)), /not an X\.509/],
    ['an octet after the certificate', () => base64(der, Buffer.of(0)), /before or after/],
    ['a second certificate after the first', () => base64(der, der), /before or after/],
    ['base64 of a PEM text', () => Buffer.from(rsa).toString('base64'), /before or after|not an X\.509/],
  ])('rejects %s', (_name, text, detail) => {
    expect(refusal(() => readCertificate(text()))).toMatch(detail);
  });

  it('never repeats input in the error detail', () => {
    for (const text of ['MARKER', 'MARKER!', `-----BEGIN MARKER-----\nMARKER\n-----END MARKER-----`, `${rsa}MARKER`]) {
      expect(refusal(() => readCertificate(text))).not.toMatch(/MARKER/);
    }
  });

  it.each<[string, string, string, RegExp]>([
    ['the exponent 1, with which signatures can be forged', 'AQ', '', /exponent/],
    ['an even exponent', 'AQAA', '', /exponent/],
    ['a huge exponent', Buffer.alloc(9, 0xff).toString('base64url'), '', /exponent/],
    ['more than 8192 bits', 'AQAB', modulus(8248), /8192/],
  ])('rejects an RSA or RSA-PSS key with %s', (_name, e, n, detail) => {
    const { n: usual } = createPublicKey(rsa).export({ format: 'jwk' });
    const key = { kty: 'RSA', e, n: n || (usual as string) };
    expect(refusal(() => readCertificate(withPublicKey('rsa-forced', key)))).toMatch(detail);
    expect(refusal(() => readCertificate(withPublicKey('pss-forced', key, true)))).toMatch(detail);
  });
});

describe('readCertificates() and eachOnce()', () => {
  it('names the position of an invalid certificate', () => {
    expect(refusal(() => readCertificates([rsa, 'x']))).toMatch(/^Signing certificate number 2 is invalid\. /);
    expect(refusal(() => readCertificates([rsa + rsa, 'x']))).toMatch(/^Signing certificate number 3 is invalid\. /);
  });

  it('accepts at most 20', () => {
    expect(readCertificates(Array<string>(20).fill(rsa))).toHaveLength(20);
    expect(refusal(() => readCertificates(Array<string>(21).fill(rsa)))).toMatch(/more than 20/);
    expect(readCertificates([rsa.repeat(20)])[0]).toHaveLength(20);
    expect(refusal(() => readCertificates([rsa.repeat(10), rsa.repeat(11)]))).toMatch(/more than 20/);
  });

  it.each<[string, () => string]>([
    ['PEM with the output of openssl x509 -text', () => openssl('x509', '-in', at('rsa.pem'), '-text')],
    [
      'PEM with bag attributes before and after',
      () => `Bag Attributes\n    localKeyID: 01\nsubject=CN = idp\n${rsa}\nKey Attributes: <No Attributes>`,
    ],
    ['PEM after a byte order mark, with CRLF', () => `\ufeff${rsa.replaceAll('\n', '\r\n')}`],
    ['PEM in one line', () => rsa.replaceAll('\n', ' ')],
    ['base64 of PEM', () => Buffer.from(rsa).toString('base64')],
    [
      'base64 of PEM in lines',
      () =>
        (
          Buffer.from(`# idp\n${rsa}`)
            .toString('base64')
            .match(/.{1,76}/g) ?? []
        ).join('\n'),
    ],
    ['bare base64', () => bare(rsa)],
  ])('reads %s (RFC 7468 §2)', (_name, text) => {
    expect(readCertificates([text()])).toEqual([[readCertificate(rsa)]]);
  });

  it('reads several PEM blocks in one text, with explanations between them', () => {
    const second = selfSigned('second', '-newkey', 'rsa:2048');
    const expected = [[readCertificate(rsa), readCertificate(second)]];
    for (const text of [
      `${rsa}${second}`,
      `${rsa.trim()}${second}`,
      `one:\n${rsa}two:\n${second}end`,
      Buffer.from(rsa + second).toString('base64'),
    ]) {
      expect(readCertificates([text])).toEqual(expected);
    }
  });

  it.each<[string, () => string, RegExp]>([
    ['a damaged block beside a complete one', () => `${rsa}${rsa.slice(0, 400)}`, /number 1 is invalid.*PEM format/],
    ['a block of another type beside a certificate', () => `${rsa}${rsa.replaceAll('CERTIFICATE', 'PUBLIC KEY')}`, /PEM format/],
    ['a block with other text inside', () => rsa.replace('\n', '\nProc-Type: 4\n'), /PEM format/],
    ['a label that ends differently', () => rsa.replace('END CERTIFICATE', 'END PUBLIC KEY'), /PEM format/],
    ['a private key beside a certificate', () => rsa + readFileSync(at('rsa.key'), 'utf8'), /private key/],
    ['base64 of a private key', () => Buffer.from(readFileSync(at('rsa.key'))).toString('base64'), /private key/],
    ['base64 of base64 of PEM', () => Buffer.from(Buffer.from(rsa).toString('base64')).toString('base64'), /not an X\.509/],
    ['a text without a certificate', () => 'idp.pem', /neither PEM nor base64/],
    ['explanations of more than 256 KiB', () => ' '.repeat(256 * 1024) + rsa, /16 KiB/],
  ])('rejects %s', (_name, text, detail) => {
    expect(refusal(() => readCertificates([text()]))).toMatch(detail);
  });

  it('never reads a DER certificate as text, even if a name in it looks like PEM', () => {
    selfSigned('pem-name', '-newkey', 'rsa:2048', '-subj', '/CN=-----BEGIN CERTIFICATE-----MIIB-----END CERTIFICATE-----');
    const pem = readFileSync(at('pem-name.pem'), 'utf8');
    expect(readCertificates([bare(pem), pem])).toEqual([[readCertificate(pem)], [readCertificate(pem)]]);
  });

  it('splits hostile texts in linear time', () => {
    const started = performance.now();
    for (const part of ['-----BEGIN ', '-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----', '-----BEGIN A ', ' ']) {
      refusal(() => readCertificates(Array<string>(20).fill(part.repeat(260_000 / part.length))));
    }
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('removes duplicates and keeps the order', () => {
    const [a, b] = [readCertificate(rsa), readCertificate(selfSigned('second', '-newkey', 'rsa:2048'))];
    expect(eachOnce([a, b, a, readCertificate(bare(rsa))])).toEqual([a, b]);
  });
});

describe('endCertificates(): a chain in one KeyInfo (XML Signature §4.5.4)', () => {
  const root = readCertificate(selfSigned('root', '-newkey', 'rsa:2048'));
  const middle = readCertificate(issuedBy('root', 'middle'));
  const leaf = readCertificate(issuedBy('middle', 'leaf'));
  const other = readCertificate(rsa);

  it.each<[string, Certificate[], Certificate[]]>([
    ['a single certificate', [leaf], [leaf]],
    ['the end of a whole chain', [leaf, middle, root], [leaf]],
    ['the end of a chain in any order', [root, leaf, middle], [leaf]],
    ['independent self-signed certificates', [root, other], [root, other]],
    ['the end of a chain and an unrelated certificate', [leaf, other, middle], [leaf, other]],
  ])('keeps %s', (_name, given, expected) => {
    expect(endCertificates(given)).toEqual(expected);
  });

  it('keeps a self-signed certificate and its renewal with the same key', () => {
    openssl('req', '-x509', '-key', at('rsa.key'), '-days', '999', '-subj', '/O=Example/CN=rsa', '-out', at('renewed.pem'));
    const renewed = readCertificate(readFileSync(at('renewed.pem'), 'utf8'));
    expect(endCertificates([other, renewed])).toEqual([other, renewed]);
  });

  it('ignores case and white space in the name of an issuer (RFC 5280 §7.1)', () => {
    selfSigned('folded', '-newkey', 'rsa:2048', '-subj', '/CN=The  Issuer');
    const end = readCertificate(issuedBy('folded', 'folded-leaf'));
    openssl('req', '-x509', '-key', at('folded.key'), '-days', '9', '-subj', '/CN=the issuer', '-out', at('spelled.pem'));
    expect(endCertificates([end, readCertificate(readFileSync(at('spelled.pem'), 'utf8'))])).toEqual([end]);
  });

  const verifications = <T>(act: () => T): { readonly count: number; readonly result: T } => {
    const spy = jest.spyOn(X509Certificate.prototype, 'verify');
    try {
      const result = act();
      return { count: spy.mock.calls.length, result };
    } finally {
      spy.mockRestore();
    }
  };

  it('verifies only certificates whose issuer has the name of another one', () => {
    expect(verifications(() => endCertificates([leaf, other, middle, root]))).toEqual({ count: 2, result: [leaf, other] });
    // Certificates that name themselves as issuers, whoever signed them.
    const forced = Array.from({ length: 20 }, (_, i) =>
      readCertificate(withPublicKey(`slow${i}`, { kty: 'RSA', e: 'AQAB', n: modulus(8192) })),
    );
    expect(verifications(() => endCertificates(forced))).toEqual({ count: 0, result: forced });
  });

  it('refuses RSA-PSS keys of 16384 bits before it verifies anything', () => {
    const pem = withPublicKey('pss-16384', { kty: 'RSA', e: 'AQAB', n: modulus(16_384) }, true);
    const read = () => refusal(() => readCertificates([rsa + pem.repeat(2)]));
    expect(verifications(read)).toEqual({ count: 0, result: expect.stringMatching(/number 2 .*8192 bits/) });
  });

  it('refuses many certificates that name the same issuer', () => {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-subj', '/CN=same'];
    const issuers = Array.from({ length: 6 }, (_, i) => readCertificate(selfSigned(`same${i}`, ...curve)));
    selfSigned('same', ...curve);
    const ends = Array.from({ length: 7 }, (_, i) => readCertificate(issuedBy('same', `of-same${i}`)));
    const read = () => refusal(() => endCertificates([...issuers, ...ends]));
    expect(verifications(read)).toEqual({ count: 40, result: expect.stringMatching(/same issuer/) });
  });

  it('keeps certificates whose keys cannot sign certificates', () => {
    const ed25519 = readCertificate(selfSigned('ed', '-newkey', 'ed25519'));
    expect(endCertificates([leaf, ed25519, middle])).toEqual([leaf, ed25519]);
  });
});

describe('publicKeyOf()', () => {
  it('returns the key of the certificate', () => {
    const key = publicKeyOf(rsa);
    expect(verify('sha256', Buffer.from('x'), key, sign('sha256', Buffer.from('x'), readFileSync(at('rsa.key'))))).toBe(true);
  });

  it('returns different keys for different certificates', () => {
    const second = selfSigned('another', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256');
    expect(publicKeyOf(second).equals(publicKeyOf(rsa))).toBe(false);
  });

  it('rejects a text that is not a certificate', () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    expect(refusal(() => publicKeyOf(publicKey.export({ type: 'spki', format: 'pem' }) as string))).toMatch(/PEM format/);
    expect(refusal(() => publicKeyOf('x'))).toMatch(/base64/);
  });
});
