/**
 * All failures of AES-CBC in an unsigned response must have the same answer and the same cost. The tests count the cost instead of
 * measuring time: the operations of node:crypto, and the number of characters that the parser and the digest of the signature read.
 */
import * as crypto from 'node:crypto';
import { createRequire } from 'node:module';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { encrypted, makeParties, type Parties, refusalOf, settingsOf, signedAssertion, signedResponse } from './encrypted-messages.ts';
import type { CipherName } from './encrypting.ts';
import { BAD_CIPHERTEXTS, BAD_PLAINTEXTS, GENUINE_BUT_REFUSED } from './encryption-cases.ts';
import { NOW_MS } from './fixture-cases/hand-made.ts';

/** The operations since the last reset. `parsed` and `digested` have a number of characters for each call. */
const work = { unwrapped: 0, decrypted: 0, parsed: [] as number[], digested: [] as number[] };

const saxes = createRequire(import.meta.url)('saxes') as typeof import('saxes');

jest.unstable_mockModule('saxes', () => ({
  ...saxes,
  SaxesParser: class extends saxes.SaxesParser {
    override write(text: string | null): this {
      if (text === null) return super.write(text); // at the end
      let read = text.length;
      try {
        return super.write(text);
      } catch (error) {
        read = this.position;
        throw error;
      } finally {
        work.parsed.push(read);
      }
    }
  },
}));

jest.unstable_mockModule('node:crypto', () => ({
  ...crypto,
  privateDecrypt: (...given: Parameters<typeof crypto.privateDecrypt>) => {
    work.unwrapped++;
    return crypto.privateDecrypt(...given);
  },
  createDecipheriv: (name: 'aes-256-cbc', key: Buffer, iv: Buffer) => {
    work.decrypted++;
    return crypto.createDecipheriv(name, key, iv);
  },
  hash: (name: string, data: string | Buffer, encoding: 'buffer') => {
    // Only the digest of a signature is computed from text in one call.
    if (typeof data === 'string') work.digested.push(data.length);
    return crypto.hash(name, data, encoding);
  },
}));

// The helpers of the tests have already loaded the real modules.
jest.resetModules();
const { acceptResponse } = await import('../../src/saml/response/response.ts');

let parties: Parties;

beforeAll(async () => {
  parties = await makeParties();
});

const CBC: readonly CipherName[] = ['aes128-cbc', 'aes256-cbc'];

function refusal(xml: string) {
  Object.assign(work, { unwrapped: 0, decrypted: 0, parsed: [], digested: [] });
  const { code, facts, message, status } = refusalOf(acceptResponse, xml, settingsOf(parties));
  const { cause: _loggedOnly, ...visible } = facts;
  return { answer: { code, message, status, ...visible }, work: structuredClone(work) };
}

/** The lengths of the wrapped keys and, last, of the data. */
const cipherValues = (xml: string): number[] =>
  [...xml.matchAll(/<xenc:CipherValue>(.*?)</g)].map(([, base64 = '']) => Buffer.from(base64, 'base64').length);

const FAILURES = [
  ...BAD_CIPHERTEXTS.map(({ name, make }) => ({ name, make })),
  ...BAD_PLAINTEXTS.map(({ name, make }) => ({
    name: `inside: ${name}`,
    make: (all: Parties, cipher: CipherName) => encrypted(all, make(all), { cipher }),
  })),
];

describe('AES-CBC in an unsigned response (xmlenc-core1 §6.1.1)', () => {
  const commonAnswer = () => refusal(encrypted(parties, 'x', { cipher: 'aes256-cbc' })).answer;

  test('accepts a valid assertion', () => {
    for (const cipher of CBC) {
      const { attributes } = acceptResponse(encrypted(parties, signedAssertion(parties), { cipher }), settingsOf(parties), NOW_MS);
      expect(attributes.get('email')).toEqual(['olivia@acme.test']);
    }
  });

  test('reveals nothing about the response in the answer', () => {
    expect(commonAnswer()).toEqual({
      code: 'saml_decryption_failed',
      status: 400,
      detail: expect.stringMatching(/^The assertion could not be decrypted, or its content is not/),
      administratorDetail: expect.stringMatching(/^The assertion could not be decrypted, or its content is not/),
      message: expect.stringMatching(/^saml_decryption_failed: The assertion could not be decrypted/),
    });
  });

  test.each(FAILURES)('gives the same answer: $name', ({ make }) => {
    for (const cipher of CBC) {
      const xml = make(parties, cipher);
      // A ciphertext with the GCM algorithm is authenticated, and has its own answer.
      if (!xml.includes('-cbc"')) continue;
      expect(refusal(xml).answer).toEqual(commonAnswer());
    }
  });

  test.each(FAILURES)('does the same work: $name', ({ make }) => {
    const xml = make(parties, 'aes256-cbc');
    if (!xml.includes('-cbc"')) return;
    const { unwrapped, decrypted, parsed, digested } = refusal(xml).work;
    const octets = cipherValues(xml);
    const size = octets.at(-1) as number;
    // A wrapped key of another length than the modulus is not unwrapped: its sender already knows that it is invalid.
    expect(unwrapped).toBe(octets.slice(0, -1).filter((length) => length === 384).length);
    expect(decrypted).toBe(1);
    const [message, ...plaintext] = parsed;
    expect(message).toBe(xml.length);
    const sum = plaintext.reduce((a, b) => a + b, 0);
    expect(sum).toBeGreaterThan(size * 0.95 - 50);
    expect(sum).toBeLessThan(size + 50);
    // A readable plaintext is digested without its signature, a stand-in completely.
    expect(digested).toHaveLength(1);
    expect(digested[0]).toBeGreaterThan(size * 0.4);
    expect(digested[0]).toBeLessThan(size * 1.2 + 300);
  });

  test('reports the exact reason for a genuine assertion', () => {
    for (const { make, code } of GENUINE_BUT_REFUSED)
      for (const cipher of CBC) expect(refusal(encrypted(parties, make(parties), { cipher })).answer.code).toBe(code);
  });

  test('reports the exact reason in a signed response', () => {
    const xml = encrypted(parties, `${signedAssertion(parties)}x`, { cipher: 'aes256-cbc' });
    expect(refusal(signedResponse(parties, xml)).answer.code).toBe('saml_malformed');
  });
});
