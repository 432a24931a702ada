import { type KeyObject, randomBytes, randomInt } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { personOf } from '../../src/mock-idp/habits.ts';
import { makeResponse } from '../../src/mock-idp/response.ts';
import { fuzz, readingOf } from './fuzz.ts';
import { type Genuine, makeCorpus } from './fuzzing/corpus.ts';

/** Set SAMLGATE_FUZZ_RUNS=1000000 for a longer run, or run it by hand: node test/saml/fuzz.ts --seconds 600 */
const RUNS = Number(process.env.SAMLGATE_FUZZ_RUNS ?? 10_000);
const SEED = Number(process.env.SAMLGATE_FUZZ_SEED ?? randomInt(1_000_000));
const TIMEOUT_MS = 300_000;

let corpus: Genuine[];
beforeAll(async () => {
  corpus = await makeCorpus();
});

describe('mutated responses', () => {
  test(
    `throw only gateway errors, cost bounded work, and are accepted only for signed users (${RUNS} messages, seed ${SEED})`,
    () => {
      const { findings, iterations, outcomes } = fuzz({ corpus, seed: SEED, to: RUNS });
      expect(findings).toEqual([]);
      expect(iterations).toBe(RUNS);
      // The mutations must reach all parts of the verdict.
      const share = (outcome: string) => (outcomes.get(outcome) ?? 0) / RUNS;
      expect(share('accepted')).toBeGreaterThan(0.03);
      expect(share('accepted, signed again')).toBeGreaterThan(0.005);
      for (const code of ['saml_signature_invalid', 'saml_structure_ambiguous', 'saml_malformed'])
        expect(share(code)).toBeGreaterThan(0.03);
      expect(outcomes.size).toBeGreaterThan(10);
    },
    TIMEOUT_MS,
  );
});

describe('the fuzzer', () => {
  test('starts with responses that are accepted', () => {
    expect(corpus.filter((genuine) => readingOf(genuine) === undefined).map(({ name }) => name)).toEqual([]);
    expect(corpus.length).toBeGreaterThan(300);
  });

  test('produces the same messages from the same seed', () => {
    const deterministic = corpus.filter(({ encrypt }) => !encrypt);
    const [one, two] = [fuzz({ corpus: deterministic, seed: 1, to: 300 }), fuzz({ corpus: deterministic, seed: 1, to: 300 })];
    expect([...two.outcomes]).toEqual([...one.outcomes]);
    expect([...fuzz({ corpus: deterministic, seed: 2, to: 300 }).outcomes]).not.toEqual([...one.outcomes]);
  });

  const mock = () => corpus.filter(({ name }) => name.startsWith('okta olivia {}'));

  test('reports an accepted user that no valid signature covers', () => {
    const [genuine] = mock();
    const nina = makeResponse({
      ...{ habit: 'okta', person: personOf('okta', 'nina'), nowMs: genuine!.nowMs, randomBytes, inResponseTo: '_request' },
      ...{ acsUrl: genuine!.settings.acsUrl, spEntityId: genuine!.settings.entityId },
      key: { privateKeyPem: String(genuine!.idpKey!.export({ type: 'pkcs8', format: 'pem' })), certificatePem: '' },
      signing: { keyInfo: false },
    });
    // In some iterations, her response replaces the message.
    const { findings } = fuzz({ corpus: [{ ...genuine!, encrypt: () => nina }], seed: 1, to: 500 });
    expect(findings[0]).toMatchObject({ promise: 'only signed users are accepted', seed: 1 });
    expect(findings[0]!.detail).toContain('nina@');
  });

  test('reports a thrown error that is not a GatewayError', () => {
    const broken = mock().map((genuine) => ({ ...genuine, roleMapping: undefined as unknown as Genuine['roleMapping'] }));
    expect(fuzz({ corpus: broken, seed: 1, to: 500 }).findings[0]).toMatchObject({ promise: 'only gateway errors are thrown' });
  });

  test('reports too much work with keys', () => {
    // The first key is tried twenty times.
    const busy = mock().map((genuine) => {
      const decryptionKeys = Object.assign([...genuine.settings.decryptionKeys], {
        *[Symbol.iterator](this: KeyObject[]) {
          for (let i = 0; i < 20; i++) yield this[0]!;
        },
      });
      return { ...genuine, settings: { ...genuine.settings, decryptionKeys } };
    });
    expect(fuzz({ corpus: busy, seed: 1, to: 500 }).findings[0]).toMatchObject({ promise: 'the work is bounded' });
  });
});
