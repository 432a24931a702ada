/**
 * Mutates genuine responses and checks three promises: the gateway throws nothing but a GatewayError, its work is bounded, and
 * it accepts only users whom the identity provider signed for, with exactly the signed content.
 *
 * To run it by hand: `node test/saml/fuzz.ts --seconds 600 --seed 1`. To repeat one case: `--seed 1 --only 4711`. Only cases
 * from fixtures can be repeated, because the keys of the mock identity providers are new in each run.
 */
import { generateKeyPairSync } from 'node:crypto';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { GatewayError } from '../../src/errors.ts';
import { decideRole } from '../../src/organizations/role-mapping.ts';
import { MAX_XML_OCTETS } from '../../src/saml/messages/bindings.ts';
import { readPerson } from '../../src/saml/response/person.ts';
import { acceptResponse } from '../../src/saml/response/response.ts';
import type { ResponseSettings } from '../../src/saml/response/response-settings.ts';
import { decodeBase64 } from '../../src/saml/xml/base64.ts';
import { decodeUtf8 } from '../../src/saml/xml/xml.ts';
import { type Genuine, makeCorpus } from './fuzzing/corpus.ts';
import { forge } from './fuzzing/forge.ts';
import { MEANING_MUTATIONS, MUTATIONS } from './fuzzing/mutations.ts';
import { BASE64_MUTATIONS, OCTET_MUTATIONS } from './fuzzing/octets.ts';
import { Random } from './fuzzing/random.ts';
import { WRAPPING } from './fuzzing/signature-mutations.ts';

/** A broken promise, with everything needed to reproduce it. */
export interface Finding {
  readonly promise: 'only gateway errors are thrown' | 'the work is bounded' | 'only signed users are accepted';
  readonly seed: number;
  readonly iteration: number;
  readonly genuine: string;
  readonly mutations: readonly string[];
  /** The value of the form field. */
  readonly message: string;
  readonly detail: string;
}

export interface FuzzReport {
  readonly iterations: number;
  /** The number of responses by error code. `accepted` counts those that were rightly accepted. */
  readonly outcomes: ReadonlyMap<string, number>;
  readonly slowestMs: number;
  readonly findings: readonly Finding[];
}

export interface FuzzOptions {
  readonly corpus: readonly Genuine[];
  readonly seed: number;
  /** The first iteration, and the one after the last. */
  readonly from?: number;
  readonly to: number;
}

/** The fuzzer stops after this many. */
const MAX_FINDINGS = 5;

/** Runs the iterations. The same seed and corpus produce the same messages. */
export function fuzz({ corpus, seed, from = 0, to }: FuzzOptions): FuzzReport {
  const withKey = corpus.filter(({ idpKey }) => idpKey);
  const outcomes = new Map<string, number>();
  const findings: Finding[] = [];
  let slowestMs = 0;
  let iteration = from;
  for (; iteration < to && findings.length < MAX_FINDINGS; iteration++) {
    const random = new Random(`${seed}/${iteration}`);
    const genuine = random.pick(withKey.length > 0 && random.chance(2) ? withKey : corpus);
    const { message, mutations, isSignedAgain } = mutate(random, genuine, corpus);
    const { outcome, broken, ms } = check(message, genuine, isSignedAgain ? undefined : corpus);
    slowestMs = Math.max(slowestMs, ms);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (broken) findings.push({ ...broken, seed, iteration, genuine: genuine.name, mutations, message });
  }
  return { iterations: iteration - from, outcomes, slowestMs, findings };
}

interface Mutated {
  readonly message: string;
  readonly mutations: readonly string[];
  /** Whether the identity provider's key signed the mutated message. Then any user may rightly be accepted. */
  readonly isSignedAgain: boolean;
}

const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

type Forging = 'nothing' | 'digests' | 'signed by a stranger' | 'signed again';

/** How digests and signatures are repaired after the mutations. */
const FORGING: readonly Forging[] = ['nothing', 'nothing', 'nothing', 'digests', 'signed by a stranger', 'signed again'];
/** The number of mutations. After more than one or two, little is left of the message. */
const COUNTS = [0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4];

function mutate(random: Random, genuine: Genuine, corpus: readonly Genuine[]): Mutated {
  const mutations: string[] = [];
  const named = <M>(table: Readonly<Record<string, M>>): M => {
    const name = random.pick(Object.keys(table));
    mutations.push(name);
    return table[name] as M;
  };
  const drawn = random.pick(FORGING);
  const forging = drawn === 'signed again' && !genuine.idpKey ? 'nothing' : drawn;
  const others = [random.pick(corpus).xml, random.pick(corpus).xml];
  let xml = genuine.xml;
  if (forging === 'nothing' && random.chance(2)) xml = named(WRAPPING)(random, xml, others);
  const groups = forging === 'signed again' ? MEANING_MUTATIONS : MUTATIONS;
  const count = xml === genuine.xml ? random.pick(COUNTS) : Number(random.chance(4));
  for (let left = count; left > 0; left--) xml = named(random.pick(groups))(random, xml, others);
  if (forging !== 'nothing') {
    mutations.push(forging);
    xml = forge(xml, { digests: undefined, 'signed by a stranger': stranger, 'signed again': genuine.idpKey }[forging]);
  }
  if (genuine.encrypt && random.chance(6) && xml.includes('Assertion>')) {
    mutations.push('encrypt');
    xml = encrypted(xml, genuine.encrypt);
  }
  return { ...transported(random, xml, named), mutations, isSignedAgain: forging === 'signed again' };
}

/** Encodes the message, with mutations of its octets and its base64. */
function transported(random: Random, xml: string, named: <M>(table: Readonly<Record<string, M>>) => M): { message: string } {
  const octets = Buffer.from(xml);
  const message = (random.chance(12) ? named(OCTET_MUTATIONS)(random, octets) : octets).toString('base64');
  return { message: random.chance(24) ? named(BASE64_MUTATIONS)(random, message) : message };
}

function encrypted(xml: string, encrypt: (xml: string) => string): string {
  try {
    return encrypt(xml);
  } catch {
    return xml; // The mutations removed the assertion.
  }
}

interface Checked {
  readonly outcome: string;
  /** For information only. No promise depends on a clock. */
  readonly ms: number;
  readonly broken?: Pick<Finding, 'promise' | 'detail'>;
}

/** @param corpus undefined if any user may be accepted */
function check(message: string, genuine: Genuine, corpus: readonly Genuine[] | undefined): Checked {
  const work: Work = { keyReads: 0 };
  const startMs = performance.now();
  let reading: string | undefined;
  let thrown: unknown;
  try {
    reading = receive(message, genuine, work);
  } catch (error) {
    thrown = error;
  }
  const ms = performance.now() - startMs;
  if (reading === undefined) {
    if (thrown instanceof GatewayError && (thrown.code.startsWith('saml_') || thrown.code === 'payload_too_large'))
      return { outcome: thrown.code, ms, ...overworked(work, genuine) };
    return { outcome: 'thrown', ms, broken: { promise: 'only gateway errors are thrown', detail: String(thrown) } };
  }
  if (corpus && !isSignedFor(reading, genuine, corpus))
    return { outcome: 'accepted wrongly', ms, broken: { promise: 'only signed users are accepted', detail: reading } };
  return { outcome: corpus ? 'accepted' : 'accepted, signed again', ms, ...overworked(work, genuine) };
}

interface Work {
  /** The number of accesses to keys, to check their type and to verify or decrypt with them. */
  keyReads: number;
}

/** Each of two signatures checks the type of a key and then tries it. There are at most four wrapped keys. */
const MAX_READS_OF_A_KEY = 4;

function overworked({ keyReads }: Work, { settings }: Genuine): Pick<Checked, 'broken'> {
  const limit = MAX_READS_OF_A_KEY * (settings.keys.length + settings.decryptionKeys.length) + STAND_IN_READS;
  return keyReads > limit ? { broken: { promise: 'the work is bounded', detail: `${keyReads} reads of keys` } } : {};
}

/** A failure with CBC verifies a stand-in as well. */
const STAND_IN_READS = 2;

/** Processes the form field up to user and role, as a sign-in does. Returns all signed content as one text. */
function receive(message: string, { settings, attributeMapping, identifier = 'auto', roleMapping, nowMs }: Genuine, work: Work): string {
  const octets = decodeBase64(message);
  if (octets.length > MAX_XML_OCTETS) throw new GatewayError('payload_too_large');
  const assertion = acceptResponse(decodeUtf8(octets), counted(settings, work), nowMs);
  const { entityId, idpEntityId } = settings;
  const person = readPerson(assertion, { attributeMapping, entityId, idpEntityId, identifier, nameIdFormat: undefined });
  const { role } = decideRole(roleMapping, person.groups, { connectionId: undefined, isDefault: true });
  const { expiredCertificates: _, ...signed } = assertion;
  return JSON.stringify({ person, role, ...signed, attributes: [...signed.attributes] });
}

/** Returns the same settings with keys that count their accesses. */
function counted(settings: ResponseSettings, work: Work): ResponseSettings {
  const keys = settings.keys.map((key) => ({
    ...key,
    get key() {
      work.keyReads++;
      return key.key;
    },
  }));
  const decryptionKeys = new Proxy(settings.decryptionKeys, {
    get: (target, name) => {
      if (typeof name === 'string' && /^\d+$/.test(name)) work.keyReads++;
      return Reflect.get(target, name);
    },
  });
  return { ...settings, keys, decryptionKeys };
}

const readings = new WeakMap<Genuine, string | undefined>();

/** Returns the content of the genuine message itself, or undefined if it is rejected, which would make the corpus useless. */
export function readingOf(genuine: Genuine): string | undefined {
  if (!readings.has(genuine)) readings.set(genuine, readingOfAnother(genuine, genuine));
  return readings.get(genuine);
}

function readingOfAnother(other: Genuine, genuine: Genuine): string | undefined {
  try {
    return receive(Buffer.from(other.xml).toString('base64'), genuine, { keyReads: 0 });
  } catch {
    return undefined;
  }
}

/** Whether this is the content of the genuine message, or of another genuine message to the same organization, as splicing can produce that. */
const isSignedFor = (reading: string, genuine: Genuine, corpus: readonly Genuine[]): boolean =>
  reading === readingOf(genuine) || corpus.some((other) => reading === readingOfAnother(other, genuine));

// When run by hand, a worker fuzzes and this thread watches its progress.

const BATCH = 500;
const HANGS_AFTER_MS = 30_000;

interface RunOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly only: number | undefined;
}

async function work({ seed, seconds, only }: RunOptions): Promise<void> {
  const corpus = await makeCorpus();
  const endMs = performance.now() + seconds * 1000;
  for (let from = only ?? 0; only === undefined ? performance.now() < endMs : from === only; from += BATCH) {
    const report = fuzz({ corpus, seed, from, to: only === undefined ? from + BATCH : only + 1 });
    parentPort?.postMessage(report);
    if (report.findings.length > 0) return;
  }
}

function watch(options: RunOptions): void {
  const worker = new Worker(new URL(import.meta.url), { workerData: { fuzz: options } });
  const total = new Map<string, number>();
  let iterations = 0;
  let slowestMs = 0;
  const reportHang = () => {
    console.error(
      `No progress for ${HANGS_AFTER_MS / 1000} s, in one of the ${BATCH} iterations from ${iterations} of seed ${options.seed}.`,
    );
    process.exit(1);
  };
  let timer = setTimeout(reportHang, HANGS_AFTER_MS);
  worker.on('message', (report: FuzzReport) => {
    clearTimeout(timer);
    timer = setTimeout(reportHang, HANGS_AFTER_MS);
    iterations += report.iterations;
    slowestMs = Math.max(slowestMs, report.slowestMs);
    for (const [outcome, count] of report.outcomes) total.set(outcome, (total.get(outcome) ?? 0) + count);
    for (const finding of report.findings) console.error(finding);
    if (report.findings.length > 0) process.exitCode = 1;
  });
  worker.on('error', (error) => {
    throw error;
  });
  worker.on('exit', () => {
    clearTimeout(timer);
    console.log({ seed: options.seed, iterations, slowestMs: Math.round(slowestMs), outcomes: Object.fromEntries(total) });
  });
}

const asWorker: RunOptions | undefined = isMainThread ? undefined : workerData?.fuzz;

if (asWorker) await work(asWorker);
else if (import.meta.main) {
  const { values } = parseArgs({ options: { seed: { type: 'string' }, seconds: { type: 'string' }, only: { type: 'string' } } });
  watch({
    seed: Number(values.seed ?? Date.now() % 1_000_000),
    seconds: Number(values.seconds ?? 60),
    only: values.only === undefined ? undefined : Number(values.only),
  });
}
