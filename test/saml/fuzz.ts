/**
 * Changes genuine messages in every way that comes to mind, and holds what the gateway makes of them against three promises:
 * nothing but a refusal is thrown, the work is bounded, and whoever is let in is somebody whom the identity provider has
 * signed for, with all that was signed.
 *
 * By hand: `node test/saml/fuzz.ts --seconds 600 --seed 1`; one case again: `--seed 1 --only 4711` (with fixtures for corpus;
 * the keys of the mock identity providers are new at each run).
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

/** One broken promise, with what is needed to see it again. */
export interface Finding {
  readonly promise: 'only refusals are thrown' | 'the work is bounded' | 'only who was signed for comes in';
  readonly seed: number;
  readonly iteration: number;
  readonly genuine: string;
  readonly mutations: readonly string[];
  /** The form field. */
  readonly message: string;
  readonly detail: string;
}

export interface FuzzReport {
  readonly iterations: number;
  /** How often each code refused; `accepted` for what was let in, rightly. */
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

/** Enough to see what is wrong. */
const MAX_FINDINGS = 5;

/** Runs the iterations; of the same corpus, the same seed makes the same messages. */
export function fuzz({ corpus, seed, from = 0, to }: FuzzOptions): FuzzReport {
  const withKey = corpus.filter(({ idpKey }) => idpKey);
  const outcomes = new Map<string, number>();
  const findings: Finding[] = [];
  let slowestMs = 0;
  let iteration = from;
  for (; iteration < to && findings.length < MAX_FINDINGS; iteration++) {
    const random = new Random(`${seed}/${iteration}`);
    const genuine = random.pick(withKey.length > 0 && random.chance(2) ? withKey : corpus);
    const { message, mutations, isSignedAnew } = mutate(random, genuine, corpus);
    const { outcome, broken, ms } = hold(message, genuine, isSignedAnew ? undefined : corpus);
    slowestMs = Math.max(slowestMs, ms);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (broken) findings.push({ ...broken, seed, iteration, genuine: genuine.name, mutations, message });
  }
  return { iterations: iteration - from, outcomes, slowestMs, findings };
}

interface Mutated {
  readonly message: string;
  readonly mutations: readonly string[];
  /** Whether the identity provider itself has signed what came of it, so that nobody can say who should come in. */
  readonly isSignedAnew: boolean;
}

const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

type Forging = 'nothing' | 'digests' | 'signed by a stranger' | 'signed anew';

/** How the message is made whole again after it was changed. */
const FORGING: readonly Forging[] = ['nothing', 'nothing', 'nothing', 'digests', 'signed by a stranger', 'signed anew'];
/** How many changes: of more than one or two little is left. */
const COUNTS = [0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4];

function mutate(random: Random, genuine: Genuine, corpus: readonly Genuine[]): Mutated {
  const mutations: string[] = [];
  const named = <M>(table: Readonly<Record<string, M>>): M => {
    const name = random.pick(Object.keys(table));
    mutations.push(name);
    return table[name] as M;
  };
  const drawn = random.pick(FORGING);
  const forging = drawn === 'signed anew' && !genuine.idpKey ? 'nothing' : drawn;
  const others = [random.pick(corpus).xml, random.pick(corpus).xml];
  let xml = genuine.xml;
  if (forging === 'nothing' && random.chance(2)) xml = named(WRAPPING)(random, xml, others);
  const groups = forging === 'signed anew' ? MEANING_MUTATIONS : MUTATIONS;
  const count = xml === genuine.xml ? random.pick(COUNTS) : Number(random.chance(4));
  for (let left = count; left > 0; left--) xml = named(random.pick(groups))(random, xml, others);
  if (forging !== 'nothing') {
    mutations.push(forging);
    xml = forge(xml, { digests: undefined, 'signed by a stranger': stranger, 'signed anew': genuine.idpKey }[forging]);
  }
  if (genuine.encrypt && random.chance(6) && xml.includes('Assertion>')) {
    mutations.push('encrypt');
    xml = encrypted(xml, genuine.encrypt);
  }
  return { ...transported(random, xml, named), mutations, isSignedAnew: forging === 'signed anew' };
}

/** As octets and as base64, where more goes wrong. */
function transported(random: Random, xml: string, named: <M>(table: Readonly<Record<string, M>>) => M): { message: string } {
  const octets = Buffer.from(xml);
  const message = (random.chance(12) ? named(OCTET_MUTATIONS)(random, octets) : octets).toString('base64');
  return { message: random.chance(24) ? named(BASE64_MUTATIONS)(random, message) : message };
}

function encrypted(xml: string, encrypt: (xml: string) => string): string {
  try {
    return encrypt(xml);
  } catch {
    return xml; // no assertion is left in it
  }
}

interface Held {
  readonly outcome: string;
  /** For people only: no promise hangs on a clock. */
  readonly ms: number;
  readonly broken?: Pick<Finding, 'promise' | 'detail'>;
}

/** @param corpus undefined where whoever comes in is right */
function hold(message: string, genuine: Genuine, corpus: readonly Genuine[] | undefined): Held {
  const work: Work = { keyReads: 0 };
  const begin = performance.now();
  let reading: string | undefined;
  let thrown: unknown;
  try {
    reading = receive(message, genuine, work);
  } catch (error) {
    thrown = error;
  }
  const ms = performance.now() - begin;
  if (reading === undefined) {
    if (thrown instanceof GatewayError && (thrown.code.startsWith('saml_') || thrown.code === 'payload_too_large'))
      return { outcome: thrown.code, ms, ...overworked(work, genuine) };
    return { outcome: 'thrown', ms, broken: { promise: 'only refusals are thrown', detail: String(thrown) } };
  }
  if (corpus && !isSignedFor(reading, genuine, corpus))
    return { outcome: 'accepted wrongly', ms, broken: { promise: 'only who was signed for comes in', detail: reading } };
  return { outcome: corpus ? 'accepted' : 'accepted, signed anew', ms, ...overworked(work, genuine) };
}

interface Work {
  /** How often a key was looked at: to see whether it fits, and to verify or decrypt with it. */
  keyReads: number;
}

/** Two signatures, of which each asks a key whether it fits and then tries it; four wrapped keys at most. */
const MAX_READS_OF_A_KEY = 4;

function overworked({ keyReads }: Work, { settings }: Genuine): Pick<Held, 'broken'> {
  const most = MAX_READS_OF_A_KEY * (settings.keys.length + settings.decryptionKeys.length) + STAND_IN_READS;
  return keyReads > most ? { broken: { promise: 'the work is bounded', detail: `${keyReads} reads of keys` } } : {};
}

/** A failure of CBC does the work of a verification once more. */
const STAND_IN_READS = 2;

/** From the form field to person and role, as at a login. What is signed comes back as one text. */
function receive(message: string, { settings, attributeMapping, roleMapping, nowMs }: Genuine, work: Work): string {
  const octets = decodeBase64(message);
  if (octets.length > MAX_XML_OCTETS) throw new GatewayError('payload_too_large');
  const assertion = acceptResponse(decodeUtf8(octets), counted(settings, work), nowMs);
  const person = readPerson(assertion, attributeMapping);
  const { role } = decideRole(roleMapping, person.groups);
  const { expiredCertificates: _, ...signed } = assertion;
  return JSON.stringify({ person, role, ...signed, attributes: [...signed.attributes] });
}

/** The same settings with keys that count how often they are looked at. */
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

/**
 * What is read from the genuine message itself, which the identity provider has signed as it is; undefined where it is refused,
 * which would make a poor corpus.
 */
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

/** Whether it is just what that message says, or what another genuine one does to the same organization: splicing may give that. */
const isSignedFor = (reading: string, genuine: Genuine, corpus: readonly Genuine[]): boolean =>
  reading === readingOf(genuine) || corpus.some((other) => reading === readingOfAnother(other, genuine));

// By hand: a worker fuzzes, and this thread watches that it comes on.

const BATCH = 500;
const HANGS_AFTER_MS = 30_000;

interface HandOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly only: number | undefined;
}

async function work({ seed, seconds, only }: HandOptions): Promise<void> {
  const corpus = await makeCorpus();
  const end = performance.now() + seconds * 1000;
  for (let from = only ?? 0; only === undefined ? performance.now() < end : from === only; from += BATCH) {
    const report = fuzz({ corpus, seed, from, to: only === undefined ? from + BATCH : only + 1 });
    parentPort?.postMessage(report);
    if (report.findings.length > 0) return;
  }
}

function watch(options: HandOptions): void {
  const worker = new Worker(new URL(import.meta.url), { workerData: { fuzz: options } });
  const total = new Map<string, number>();
  let iterations = 0;
  let slowestMs = 0;
  const hangs = () => {
    console.error(
      `Nothing for ${HANGS_AFTER_MS / 1000} s: it hangs in one of the ${BATCH} iterations from ${iterations} of seed ${options.seed}.`,
    );
    process.exit(1);
  };
  let timer = setTimeout(hangs, HANGS_AFTER_MS);
  worker.on('message', (report: FuzzReport) => {
    clearTimeout(timer);
    timer = setTimeout(hangs, HANGS_AFTER_MS);
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

const asWorker: HandOptions | undefined = isMainThread ? undefined : workerData?.fuzz;

if (asWorker) await work(asWorker);
else if (import.meta.main) {
  const { values } = parseArgs({ options: { seed: { type: 'string' }, seconds: { type: 'string' }, only: { type: 'string' } } });
  watch({
    seed: Number(values.seed ?? Date.now() % 1_000_000),
    seconds: Number(values.seconds ?? 60),
    only: values.only === undefined ? undefined : Number(values.only),
  });
}
