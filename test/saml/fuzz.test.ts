import { type KeyObject, randomBytes, randomInt } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { personOf } from '../../src/mock-idp/habits.ts';
import { makeResponse } from '../../src/mock-idp/response.ts';
import { fuzz, readingOf } from './fuzz.ts';
import { type Genuine, makeCorpus } from './fuzzing/corpus.ts';

/** SAMLGATE_FUZZ_RUNS=1000000 for a longer hunt, or by hand: node test/saml/fuzz.ts --seconds 600 */
const RUNS = Number(process.env.SAMLGATE_FUZZ_RUNS ?? 10_000);
const SEED = Number(process.env.SAMLGATE_FUZZ_SEED ?? randomInt(1_000_000));
const TIMEOUT_MS = 300_000;

let corpus: Genuine[];
beforeAll(async () => {
  corpus = await makeCorpus();
});

describe('whatever is sent to the ACS', () => {
  test(
    `only refusals are thrown, the work is bounded, and only who was signed for comes in (${RUNS} messages, seed ${SEED})`,
    () => {
      const { findings, iterations, outcomes } = fuzz({ corpus, seed: SEED, to: RUNS });
      expect(findings).toEqual([]);
      expect(iterations).toBe(RUNS);
      // That it goes deep enough to mean something.
      const share = (outcome: string) => (outcomes.get(outcome) ?? 0) / RUNS;
      expect(share('accepted')).toBeGreaterThan(0.03);
      expect(share('accepted, signed anew')).toBeGreaterThan(0.005);
      for (const code of ['saml_signature_invalid', 'saml_structure_ambiguous', 'saml_malformed'])
        expect(share(code)).toBeGreaterThan(0.03);
      expect(outcomes.size).toBeGreaterThan(10);
    },
    TIMEOUT_MS,
  );
});

describe('the fuzzer itself', () => {
  test('begins with messages that are accepted', () => {
    expect(corpus.filter((genuine) => readingOf(genuine) === undefined).map(({ name }) => name)).toEqual([]);
    expect(corpus.length).toBeGreaterThan(300);
  });

  test('the same seed makes the same messages', () => {
    const still = corpus.filter(({ encrypt }) => !encrypt);
    const [one, two] = [fuzz({ corpus: still, seed: 1, to: 300 }), fuzz({ corpus: still, seed: 1, to: 300 })];
    expect([...two.outcomes]).toEqual([...one.outcomes]);
    expect([...fuzz({ corpus: still, seed: 2, to: 300 }).outcomes]).not.toEqual([...one.outcomes]);
  });

  const mock = () => corpus.filter(({ name }) => name.startsWith('okta olivia {}'));

  test('tells who comes in and was never signed for', () => {
    const [genuine] = mock();
    const nina = makeResponse({
      ...{ habit: 'okta', person: personOf('okta', 'nina'), nowMs: genuine!.nowMs, randomBytes, inResponseTo: '_request' },
      ...{ acsUrl: genuine!.settings.acsUrl, spEntityId: genuine!.settings.entityId },
      key: { privateKeyPem: String(genuine!.idpKey!.export({ type: 'pkcs8', format: 'pem' })), certificatePem: '' },
      signing: { keyInfo: false },
    });
    // Somewhere on the way, her response takes the place of the message.
    const { findings } = fuzz({ corpus: [{ ...genuine!, encrypt: () => nina }], seed: 1, to: 500 });
    expect(findings[0]).toMatchObject({ promise: 'only who was signed for comes in', seed: 1 });
    expect(findings[0]!.detail).toContain('nina@');
  });

  test('tells what is thrown and is no refusal', () => {
    const broken = mock().map((genuine) => ({ ...genuine, roleMapping: undefined as unknown as Genuine['roleMapping'] }));
    expect(fuzz({ corpus: broken, seed: 1, to: 500 }).findings[0]).toMatchObject({ promise: 'only refusals are thrown' });
  });

  test('tells more work with keys than there may be', () => {
    // Keys of which the one is tried twenty times.
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
