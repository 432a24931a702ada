/**
 * Records finished sign-ins in the sign-in log, after their HTTP responses were sent. No user waits for it, and a failure here
 * never affects a sign-in. Recording an accepted sign-in is cheap; a refused response is examined again. Both have limits, and
 * entries of the same moment are written together.
 */
import { codeOf } from '../../errors.ts';
import type { Organization } from '../../organizations/organizations.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { MINUTE_MS } from '../../time.ts';
import { isGenuine } from './refusal-audit.ts';
import { type AcceptedSignIn, acceptedEntry, type EntryKey, newEntryKey, type RefusedSignIn, refusedEntry } from './sign-in-entry.ts';
import { type SignInLogEntry, saveLogEntries } from './sign-in-log.ts';

const WRITE_AFTER_MS = 500;
/** The most accepted sign-ins of one organization that one write records. More would push each other out of the log. */
const MAX_ACCEPTED = 50;
/**
 * Responses that are examined per minute, of one organization and in all, those with a valid signature and those without
 * counted apart. An examination costs about as much as a sign-in, and anyone can cause refusals.
 */
const EXAMINED_PER_MINUTE = { ofOrganization: 20, inAll: 300 };
const MAX_COUNTERS = 10_000;

/** Entries that wait to be written. They hold no SAML response, because responses would pile up in memory until the write. */
interface PendingEntries {
  accepted: number;
  readonly entries: SignInLogEntry[];
}

interface Recorder {
  readonly examinations: Set<Promise<void>>;
  pending: Map<string, PendingEntries>;
  writing: Promise<void>;
  timer: NodeJS.Timeout | undefined;
  minute: { startsMs: number; readonly counts: Map<string, number>; total: number };
}

const recorderOf = perRuntime(
  (): Recorder => ({
    examinations: new Set(),
    pending: new Map(),
    writing: Promise.resolve(),
    timer: undefined,
    minute: { startsMs: 0, counts: new Map(), total: 0 },
  }),
);

/** Records a sign-in. Call it when the HTTP response has been sent. */
export function recordSignIn(runtime: Runtime, organization: Organization, signIn: AcceptedSignIn | RefusedSignIn): void {
  if (runtime.config.signInLogDays === 0) return;
  const key = newEntryKey(runtime);
  if ('error' in signIn) recordRefused(runtime, organization, { signIn, key });
  else recordAccepted(runtime, organization, { signIn, key });
}

interface Recorded<SignIn> {
  readonly signIn: SignIn;
  readonly key: EntryKey;
}

function recordAccepted(runtime: Runtime, organization: Organization, { signIn, key }: Recorded<AcceptedSignIn>): void {
  const pending = pendingEntries(runtime, organization);
  if (pending.accepted >= MAX_ACCEPTED) {
    runtime.metrics.signInRecords.inc({ outcome: 'too_many' });
    return;
  }
  pending.accepted++;
  try {
    pending.entries.push(deepCopy(acceptedEntry(signIn, key)));
  } catch (error) {
    reportFailure(runtime, error, 1);
  }
}

function recordRefused(runtime: Runtime, organization: Organization, recorded: Recorded<RefusedSignIn>): void {
  if (!reserveExamination(runtime, organization, recorded.signIn)) {
    runtime.metrics.signInRecords.inc({ outcome: 'too_many' });
    return;
  }
  const { examinations } = recorderOf(runtime);
  // Requests that arrived meanwhile are answered first.
  const examination = new Promise((resolve) => setImmediate(resolve))
    .then(async () => {
      const entry = await refusedEntry(runtime, organization, recorded);
      pendingEntries(runtime, organization).entries.push(deepCopy(entry));
    })
    .catch((failure: unknown) => reportFailure(runtime, failure, 1))
    .finally(() => examinations.delete(examination));
  examinations.add(examination);
}

/** Copies every string: V8 substrings keep the whole SAML response alive. */
const deepCopy = (entry: SignInLogEntry): SignInLogEntry => JSON.parse(JSON.stringify(entry)) as SignInLogEntry;

/** Returns the entries of an organization that wait for the next write, and schedules that write. */
function pendingEntries(runtime: Runtime, { id }: Organization): PendingEntries {
  const recorder = recorderOf(runtime);
  const pending = recorder.pending.get(id) ?? { accepted: 0, entries: [] };
  recorder.pending.set(id, pending);
  recorder.timer ??= setTimeout(() => void flushSignInLog(runtime), WRITE_AFTER_MS).unref();
  return pending;
}

/**
 * Reserves one examination in the current minute of this replica. Genuine responses have an allowance of their own, which
 * an attacker without the identity provider's key cannot exhaust.
 */
function reserveExamination(runtime: Runtime, organization: Organization, signIn: RefusedSignIn): boolean {
  const recorder = recorderOf(runtime);
  const nowMs = runtime.now();
  if (Math.abs(nowMs - recorder.minute.startsMs) >= MINUTE_MS) recorder.minute = { startsMs: nowMs, counts: new Map(), total: 0 };
  const { counts, total } = recorder.minute;
  const key = `${organization.id} ${isGenuine(signIn)}`;
  const count = counts.get(key) ?? 0;
  if (count >= EXAMINED_PER_MINUTE.ofOrganization || total >= EXAMINED_PER_MINUTE.inAll || counts.size >= MAX_COUNTERS) return false;
  counts.set(key, count + 1);
  recorder.minute.total++;
  return true;
}

/** Writes every sign-in that this replica has recorded so far. Entries that cannot be written are dropped and counted. */
export async function flushSignInLog(runtime: Runtime): Promise<void> {
  const recorder = recorderOf(runtime);
  await Promise.all(recorder.examinations);
  clearTimeout(recorder.timer);
  recorder.timer = undefined;
  const pending = [...recorder.pending];
  recorder.pending = new Map();
  recorder.writing = recorder.writing.then(async () => {
    await Promise.all(pending.map(([organizationId, { entries }]) => writeEntries(runtime, organizationId, entries)));
  });
  await recorder.writing;
}

async function writeEntries(runtime: Runtime, organizationId: string, entries: readonly SignInLogEntry[]): Promise<void> {
  try {
    await saveLogEntries(runtime, organizationId, entries);
    runtime.metrics.signInRecords.inc({ outcome: 'kept' }, entries.length);
  } catch (error) {
    reportFailure(runtime, error, entries.length);
  }
}

function reportFailure(runtime: Runtime, error: unknown, count: number): void {
  runtime.metrics.signInRecords.inc({ outcome: 'failed' }, count);
  runtime.log.warn(
    { code: codeOf(error), name: error instanceof Error ? error.name : undefined, count },
    'could not record sign-ins in the sign-in log',
  );
}
