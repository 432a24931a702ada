/**
 * The last sign-in entries of an organization, for its owners who look for a reason. No message is kept, only what
 * `examineResponse` says of one. Each entry is an expiring value; a record lists them and sees to it that they stay few.
 * All of it lies encrypted, in the organization's partition, and goes with it.
 */
import { type ErrorCode, GatewayError } from '../../errors.ts';
import type { RoleSource } from '../../organizations/members.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../../organizations/organizations.ts';
import type { Role } from '../../organizations/role-mapping.ts';
import type { Runtime } from '../../runtime.ts';
import type { CheckResult, Examination } from '../../saml/explain/examine-response.ts';
import type { IdpKind } from '../../saml/explain/idp-screens.ts';
import type { MaskedRow } from '../../saml/explain/masking.ts';
import type { RefusalFacts } from '../../saml/explain/refusal-facts.ts';
import { CHECK_TITLES as RESPONSE_CHECK_TITLES } from '../../saml/response/checks.ts';
import type { Person } from '../../saml/response/person.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { invalidCursor } from '../../store/cursor.ts';
import type { Collection, Step } from '../../store/store.ts';
import { DAY_SECONDS } from '../../time.ts';

/** What is checked after the message itself, with the store at hand; in this order. */
export const SIGN_IN_CHECKS = {
  second_opinion: 'A second, independent reader agrees',
  request: 'It answers a request from here, of this browser, that is not used up',
  member: 'The member is not suspended, and the identity provider has not ended this login',
  once: 'The assertion is used for the first time',
  role: 'The groups, or the default, give a role',
} as const;

export type SignInCheckName = keyof typeof SIGN_IN_CHECKS;

/** Every check in words. */
export const CHECK_TITLES: Readonly<Record<CheckResult['name'] | SignInCheckName, string>> = {
  ...RESPONSE_CHECK_TITLES,
  ...SIGN_IN_CHECKS,
};

export type LoggedCheck = Omit<CheckResult, 'name'> & { readonly name: CheckResult['name'] | SignInCheckName };

/** What a list shows of an entry. */
export interface SignInLogSummary {
  readonly id: string;
  readonly atMs: number;
  /** A test ran the whole sign-in and let nobody in. */
  readonly kind: 'login' | 'test';
  readonly outcome: 'accepted' | 'refused';
  /** Of the refusal. */
  readonly code?: ErrorCode;
  readonly requestId?: string;
  readonly address?: string;
  /** Whose sign-in it was, as far as the message was genuine and the person is known. */
  readonly memberId?: string;
  /** Whether a good signature covered it; of what is not verified nothing need be true. */
  readonly isVerified: boolean;
  readonly isExamined: boolean;
}

export interface SignInLogEntry extends SignInLogSummary {
  readonly idpKind: IdpKind;
  /** As the person was told. */
  readonly refusal?: RefusalFacts;
  /** Of the XML. */
  readonly messageOctets?: number;
  /** Who started a test: a member's id, or the operator. */
  readonly startedBy?: string;
  readonly role?: Role;
  readonly roleSource?: RoleSource;
  readonly attributeNames: readonly string[];
  readonly groups?: LoggedGroups;
  readonly examination?: LoggedExamination;
}

export interface LoggedGroups extends Pick<Person, 'groups' | 'groupsState'> {
  /** How many more were sent than are kept. */
  readonly omitted: number;
}

export type LoggedExamination = Pick<Examination, 'verifiedBy' | 'issuedAtMs' | 'clockOffsetMs' | 'structure' | 'decryptedStructure'> & {
  readonly checks: readonly LoggedCheck[];
};

/** A day's worth of strangers' garbage must not push out what an owner looks for, nor must a busy morning: each kind has its own places. */
const PLACES = { accepted: 70, refused: 60, unverified: 40, test: 30 } as const;

const placeOf = ({ kind, outcome, isVerified }: SignInLogSummary): keyof typeof PLACES =>
  kind === 'test' ? 'test' : outcome === 'accepted' ? 'accepted' : isVerified ? 'refused' : 'unverified';

const MAX_OCTETS = 32 * 1024;
const MAX_GROUPS_OCTETS = 8 * 1024;
/** Where no log is wanted, a test still has a result. */
const TEST_ONLY_SECONDS = 3600;

interface Log {
  /** {@link SignInLogSummary}s, newest first. */
  readonly sealed: string;
}

const SIGN_IN_LOG: Collection<Log> = { name: 'sign_in_log', indexes: { all: () => [''] }, unique: {} };
const LOG_RECORD = 'log';

const entryKey = (id: string): string => `sign-in:${id}`;
const logPurpose = (organizationId: string): string => `sign-in-log ${organizationId}`;
const entryPurpose = (organizationId: string, id: string): string => `sign-in ${organizationId} ${id}`;

const ttlSecondsOf = ({ config }: Runtime): number => config.signInLogDays * DAY_SECONDS || TEST_ONLY_SECONDS;

/**
 * Keeps entries, and as many of the earlier ones as there are places for.
 * @throws store_unavailable, conflict
 */
export async function saveLogEntries(runtime: Runtime, organizationId: string, entries: readonly SignInLogEntry[]): Promise<void> {
  const { store, secrets } = runtime;
  const sealed = entries
    .map(bounded)
    .map((entry) => [entry.id, secrets.seal(entryPurpose(organizationId, entry.id), JSON.stringify(entry))] as const);
  // No sign-in waits for this, only a test of one.
  await compareAndSet(async () => {
    const before = await readLog(runtime, organizationId);
    const kept = withinPlaces([...entries.map(summaryOf), ...before.entries].sort((a, b) => (a.id < b.id ? 1 : -1)));
    const ids = new Set(kept.map(({ id }) => id));
    const value: Log = { sealed: secrets.seal(logPurpose(organizationId), JSON.stringify(kept)) };
    const gone = before.entries.filter(({ id }) => !ids.has(id));
    const steps: Step[] = [
      { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD },
      before.version === undefined
        ? { do: 'insert', collection: SIGN_IN_LOG, id: LOG_RECORD, value }
        : { do: 'replace', collection: SIGN_IN_LOG, id: LOG_RECORD, version: before.version, value },
      ...sealed.flatMap(([id, text]): Step[] =>
        ids.has(id) ? [{ do: 'put', key: entryKey(id), value: text, ttlSeconds: ttlSecondsOf(runtime) }] : [],
      ),
      ...gone.map(({ id }): Step => ({ do: 'drop', key: entryKey(id) })),
    ];
    const result = await store.commit(organizationId, steps);
    // An organization that was deleted meanwhile has no log either.
    return result.ok || result.failed === 0 ? undefined : RETRY;
  }, 'the sign-in was not kept');
}

function withinPlaces(newestFirst: readonly SignInLogSummary[]): SignInLogSummary[] {
  const taken = { accepted: 0, refused: 0, unverified: 0, test: 0 };
  return newestFirst.filter((entry) => ++taken[placeOf(entry)] <= PLACES[placeOf(entry)]);
}

interface ReadLog {
  readonly version: number | undefined;
  /** Only what has not expired; newest first. */
  readonly entries: readonly SignInLogSummary[];
}

async function readLog(runtime: Runtime, organizationId: string): Promise<ReadLog> {
  // By its index: what is read by id is remembered, and this is another text after each sign-in.
  const { items } = await runtime.store.find(organizationId, SIGN_IN_LOG, 'all', { equals: '', limit: 1 });
  const [record] = items;
  const text = record && opened(runtime, logPurpose(organizationId), record.value.sealed);
  const entries = text === undefined ? [] : (JSON.parse(text) as SignInLogSummary[]);
  const oldestMs = runtime.now() - ttlSecondsOf(runtime) * 1000;
  return { version: record?.version, entries: entries.filter(({ atMs }) => atMs > oldestMs) };
}

/** Undefined where the secret is another by now: after some days there would be nothing anyway. */
function opened(runtime: Runtime, purpose: string, sealed: string): string | undefined {
  try {
    return runtime.secrets.unseal(purpose, sealed);
  } catch {
    runtime.log.warn({ purpose }, 'sign-in log entries can’t be opened: they were encrypted with another SAMLGATE_SECRET');
    return undefined;
  }
}

const summaryOf = (entry: SignInLogEntry): SignInLogSummary => {
  const { id, atMs, kind, outcome, code, requestId, address, memberId, isVerified, isExamined } = entry;
  return {
    ...{ id, atMs, kind, outcome, isVerified, isExamined },
    ...(code === undefined ? {} : { code }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(address === undefined ? {} : { address }),
    ...(memberId === undefined ? {} : { memberId }),
  };
};

/** Groups as many as may be kept; each whole, as a rule would name it. */
export function boundedGroups({ groups, groupsState }: Pick<Person, 'groups' | 'groupsState'>): LoggedGroups {
  const kept: string[] = [];
  let octets = 0;
  for (const group of groups) {
    octets += Buffer.byteLength(JSON.stringify(group));
    if (octets > MAX_GROUPS_OCTETS) break;
    kept.push(group);
  }
  return { groups: kept, groupsState, omitted: groups.length - kept.length };
}

/** The structure of a message is what gives way. */
function bounded(entry: SignInLogEntry): SignInLogEntry {
  const { examination } = entry;
  if (!examination) return entry;
  for (const maxRows of [300, 150, 75, 30, 0]) {
    const { decryptedStructure, ...rest } = examination;
    const candidate: SignInLogEntry = {
      ...entry,
      examination: {
        ...rest,
        structure: firstRows(examination.structure, maxRows),
        ...(decryptedStructure ? { decryptedStructure: firstRows(decryptedStructure, maxRows) } : {}),
      },
    };
    if (maxRows === 0 || Buffer.byteLength(JSON.stringify(candidate)) <= MAX_OCTETS) return candidate;
  }
  return entry;
}

const firstRows = (rows: readonly MaskedRow[], max: number): readonly MaskedRow[] =>
  rows.length <= max + 1 ? rows : [...rows.slice(0, max), { depth: 0, name: '…', omitted: rows.length - max }];

export interface SignInLogQuery {
  readonly outcome?: SignInLogEntry['outcome'] | undefined;
  readonly code?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface SignInLogList {
  readonly items: readonly SignInLogSummary[];
  readonly nextCursor: string | null;
}

/**
 * Newest first.
 * @throws validation_failed for a cursor that no list gave; store_unavailable
 */
export async function listLogEntries(runtime: Runtime, organizationId: string, query: SignInLogQuery): Promise<SignInLogList> {
  const { cursor, limit } = query;
  if (cursor !== undefined && !ENTRY_ID.test(cursor)) throw invalidCursor();
  const { entries } = await readLog(runtime, organizationId);
  const fitting = entries.filter(
    ({ id, outcome, code }) =>
      (cursor === undefined || id < cursor) &&
      (query.outcome === undefined || outcome === query.outcome) &&
      (query.code === undefined || code === query.code),
  );
  const items = fitting.slice(0, limit);
  return { items, nextCursor: fitting.length > limit ? (items.at(-1)?.id ?? null) : null };
}

const ENTRY_ID = /^att_[0-9a-z]{21}$/;

/** @throws not_found, store_unavailable */
export async function getLogEntry(runtime: Runtime, organizationId: string, id: string): Promise<SignInLogEntry> {
  const sealed = ENTRY_ID.test(id) ? await runtime.store.peek(organizationId, entryKey(id)) : undefined;
  const text = sealed === undefined ? undefined : opened(runtime, entryPurpose(organizationId, id), sealed);
  if (text === undefined) throw new GatewayError('not_found', 'There is no such sign-in, or it is no longer kept.');
  return JSON.parse(text) as SignInLogEntry;
}
