/**
 * Notes how a sign-in ended, when its answer is out. Nobody waits for it and nothing that fails here reaches a sign-in. An
 * accepted one costs little, a refused one is examined, both as long as there are not too many; all that happened within a
 * moment is written at once.
 */
import { codeOf, type ErrorCode, type GatewayError } from '../../errors.ts';
import type { Organization } from '../../organizations/organizations.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { MINUTE_MS } from '../../time.ts';
import { acceptedEntry, type FinishedSignIn, type Moment, newEntryKey, refusedEntry } from './sign-in-entry.ts';
import { type SignInLogEntry, saveLogEntries } from './sign-in-log.ts';

const WRITE_AFTER_MS = 500;
/** Of the accepted ones of one organization, in one writing, the first: more would push each other out. */
const MAX_ACCEPTED = 50;
/** Each costs about as much as the sign-in, and refusals are to be had for nothing. Of messages with a good signature, and as many without. */
const EXAMINED_A_MINUTE = { ofOrganization: 20, inAll: 300 };
const MAX_REMEMBERED = 10_000;

/** What an organization waits to have written: nothing that holds on to a message, as half a second's would outlive the young generation. */
interface Waiting {
  accepted: number;
  readonly entries: SignInLogEntry[];
}

interface Recorder {
  readonly working: Set<Promise<void>>;
  waiting: Map<string, Waiting>;
  writing: Promise<void>;
  timer: NodeJS.Timeout | undefined;
  minute: { startsMs: number; readonly counts: Map<string, number>; total: number };
}

const recorderOf = perRuntime(
  (): Recorder => ({
    working: new Set(),
    waiting: new Map(),
    writing: Promise.resolve(),
    timer: undefined,
    minute: { startsMs: 0, counts: new Map(), total: 0 },
  }),
);

/** To be called when the answer is out. */
export function recordSignIn(runtime: Runtime, organization: Organization, ended: FinishedSignIn): void {
  if (runtime.config.signInLogDays === 0) return;
  const moment = newEntryKey(runtime);
  const { result } = ended;
  if ('error' in result) {
    if (mayExamine(runtime, organization.id, isGenuine(ended, result.error)))
      noteRefused(runtime, organization, ended, result.error, moment);
    else runtime.metrics.signInRecords.inc({ outcome: 'too_many' });
    return;
  }
  const waiting = waitingOf(runtime, organization);
  if (waiting.accepted >= MAX_ACCEPTED) {
    runtime.metrics.signInRecords.inc({ outcome: 'too_many' });
    return;
  }
  waiting.accepted++;
  try {
    waiting.entries.push(detached(acceptedEntry(organization, ended, result.member, moment)));
  } catch (error) {
    tellFailure(runtime, error, 1);
  }
}

/** Of text of its own: V8 keeps the whole of a message for each piece of it. */
const detached = (entry: SignInLogEntry): SignInLogEntry => JSON.parse(JSON.stringify(entry)) as SignInLogEntry;

function noteRefused(runtime: Runtime, organization: Organization, ended: FinishedSignIn, error: GatewayError, moment: Moment): void {
  const { working } = recorderOf(runtime);
  // Whoever waits for an answer comes before who wants to know why somebody got none.
  const work = new Promise((resolve) => setImmediate(resolve))
    .then(async () => {
      const entry = await refusedEntry(runtime, organization, ended, error, moment);
      waitingOf(runtime, organization).entries.push(detached(entry));
    })
    .catch((failure: unknown) => tellFailure(runtime, failure, 1))
    .finally(() => working.delete(work));
  working.add(work);
}

/** What is put into it will be written soon. */
function waitingOf(runtime: Runtime, { id }: Organization): Waiting {
  const recorder = recorderOf(runtime);
  const waiting = recorder.waiting.get(id) ?? { accepted: 0, entries: [] };
  recorder.waiting.set(id, waiting);
  recorder.timer ??= setTimeout(() => void flushSignInLog(runtime), WRITE_AFTER_MS).unref();
  return waiting;
}

/** With these codes only a message is refused whose signature was good: the check stands behind that of the signature. */
const GENUINE_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'saml_destination_mismatch',
  'saml_recipient_mismatch',
  'saml_audience_mismatch',
  'saml_expired',
  'saml_not_yet_valid',
]);

const isGenuine = ({ assertion }: FinishedSignIn, { code }: GatewayError): boolean => assertion !== undefined || GENUINE_CODES.has(code);

/** By the minute, on each replica by itself. Genuine messages have an allowance that strangers can't use up. */
function mayExamine(runtime: Runtime, organizationId: string, genuine: boolean): boolean {
  const recorder = recorderOf(runtime);
  const nowMs = runtime.now();
  if (Math.abs(nowMs - recorder.minute.startsMs) >= MINUTE_MS) recorder.minute = { startsMs: nowMs, counts: new Map(), total: 0 };
  const { counts } = recorder.minute;
  const key = `${organizationId} ${genuine}`;
  const count = counts.get(key) ?? 0;
  if (count >= EXAMINED_A_MINUTE.ofOrganization || recorder.minute.total >= EXAMINED_A_MINUTE.inAll || counts.size >= MAX_REMEMBERED)
    return false;
  counts.set(key, count + 1);
  recorder.minute.total++;
  return true;
}

/** Everything that this replica has noted so far is in the store, or was given up, when this returns. */
export async function flushSignInLog(runtime: Runtime): Promise<void> {
  const recorder = recorderOf(runtime);
  await Promise.all(recorder.working);
  clearTimeout(recorder.timer);
  recorder.timer = undefined;
  const waiting = [...recorder.waiting];
  recorder.waiting = new Map();
  recorder.writing = recorder.writing.then(async () => {
    await Promise.all(waiting.map(([organizationId, ofOrganization]) => write(runtime, organizationId, ofOrganization)));
  });
  await recorder.writing;
}

async function write(runtime: Runtime, organizationId: string, { entries }: Waiting): Promise<void> {
  try {
    await saveLogEntries(runtime, organizationId, entries);
    runtime.metrics.signInRecords.inc({ outcome: 'kept' }, entries.length);
  } catch (error) {
    tellFailure(runtime, error, entries.length);
  }
}

function tellFailure(runtime: Runtime, error: unknown, entries: number): void {
  runtime.metrics.signInRecords.inc({ outcome: 'failed' }, entries);
  const code = codeOf(error);
  runtime.log.warn({ code, name: error instanceof Error ? error.name : undefined }, 'a sign-in was not noted in the sign-in log');
}
