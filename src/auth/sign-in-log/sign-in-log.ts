/**
 * Stores the last sign-ins of an organization, so that its owners can find out why one was refused. No SAML response is stored,
 * only what `examineResponse` reports about it. Each entry is an expiring value; one record lists the entries and limits their
 * number. Everything is stored encrypted in the organization's partition, and deleted with it.
 */
import { type ErrorCode, type ErrorVariantName, GatewayError } from '../../errors.ts';
import type { RoleSource } from '../../organizations/members.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../../organizations/organizations.ts';
import type { Role } from '../../organizations/role-mapping.ts';
import type { Runtime } from '../../runtime.ts';
import type { Examination } from '../../saml/explain/examine-response.ts';
import type { IdpKind } from '../../saml/explain/idp-screens.ts';
import type { MaskedRow } from '../../saml/explain/masking.ts';
import type { RefusalFacts } from '../../saml/explain/refusal-facts.ts';
import type { Person } from '../../saml/response/person.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { invalidCursor } from '../../store/cursor.ts';
import type { Collection, Step } from '../../store/store.ts';
import { DAY_SECONDS } from '../../time.ts';
import type { LoggedCheck } from './sign-in-checks.ts';

/** The part of an entry that lists show. */
export interface SignInLogSummary {
  readonly id: string;
  /** When the sign-in finished, ms since 1970. */
  readonly atMs: number;
  /** A test ran the whole sign-in without creating a session. */
  readonly kind: 'login' | 'test';
  readonly outcome: 'accepted' | 'refused';
  /** Code of the refusal. */
  readonly code?: ErrorCode;
  /** Selects the texts of the refusal. */
  readonly variant?: ErrorVariantName;
  readonly requestId?: string;
  readonly address?: string;
  /** The member who signed in, if the response was verified and the member exists. */
  readonly memberId?: string;
  /** The user that the verified assertion names: an email address, otherwise the NameID. Absent in older entries. */
  readonly subject?: string;
  /** Whether a valid signature covers the response. Without one, anyone could have written it. */
  readonly isVerified: boolean;
  /** Whether every check was run. */
  readonly isExamined: boolean;
}

export interface SignInLogEntry extends SignInLogSummary {
  readonly idpKind: IdpKind;
  /** The connection that the response was judged by. Absent in entries from before connections existed. */
  readonly connectionId?: string;
  /** The refusal in the words for owners and operators. */
  readonly refusal?: RefusalFacts;
  /** Length of the XML. */
  readonly messageOctets?: number;
  /** Who started a test: a member's ID, a setup link's ID, or `operator`. */
  readonly startedBy?: string;
  readonly role?: Role;
  readonly roleSource?: RoleSource;
  readonly attributeNames: readonly string[];
  /** The attributes that an administrator can choose to identify users. Absent in older entries. */
  readonly offeredIdentifiers?: readonly string[];
  readonly groups?: LoggedGroups;
  readonly examination?: LoggedExamination;
}

export interface LoggedGroups extends Pick<Person, 'groups' | 'groupsState'> {
  /** How many groups were sent but not stored. */
  readonly omitted: number;
}

export type LoggedExamination = Pick<Examination, 'verifiedBy' | 'issuedAtMs' | 'clockOffsetMs' | 'structure' | 'decryptedStructure'> & {
  readonly checks: readonly LoggedCheck[];
};

/**
 * The number of entries per class. Each class has places of its own, so that neither a day of forged responses nor a busy
 * morning pushes out what an owner looks for.
 */
const PLACES = { accepted: 70, refused: 60, unverified: 40, test: 30 } as const;

const classOf = ({ kind, outcome, isVerified }: SignInLogSummary): keyof typeof PLACES =>
  kind === 'test' ? 'test' : outcome === 'accepted' ? 'accepted' : isVerified ? 'refused' : 'unverified';

/** Limits the JSON of one entry. */
const MAX_OCTETS = 32 * 1024;
const MAX_GROUPS_OCTETS = 8 * 1024;
/** How long the result of a test is stored if the log is turned off. */
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
 * Stores entries, and drops the oldest ones of a class that has more than its places.
 * @throws store_unavailable, conflict
 */
export async function saveLogEntries(runtime: Runtime, organizationId: string, entries: readonly SignInLogEntry[]): Promise<void> {
  const { store, secrets } = runtime;
  const sealed = entries
    .map(shortened)
    .map((entry) => [entry.id, secrets.seal(entryPurpose(organizationId, entry.id), JSON.stringify(entry))] as const);
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
    // A deleted organization has no log.
    return result.ok || result.failed === 0 ? undefined : RETRY;
  }, 'the sign-in was not recorded');
}

function withinPlaces(newestFirst: readonly SignInLogSummary[]): SignInLogSummary[] {
  const taken = { accepted: 0, refused: 0, unverified: 0, test: 0 };
  return newestFirst.filter((entry) => ++taken[classOf(entry)] <= PLACES[classOf(entry)]);
}

interface ReadLog {
  readonly version: number | undefined;
  /** Without expired entries; newest first. */
  readonly entries: readonly SignInLogSummary[];
}

async function readLog(runtime: Runtime, organizationId: string): Promise<ReadLog> {
  const record = await runtime.store.get(organizationId, SIGN_IN_LOG, LOG_RECORD);
  const text = record && unseal(runtime, logPurpose(organizationId), record.value.sealed);
  const entries = text === undefined ? [] : (JSON.parse(text) as SignInLogSummary[]);
  const oldestMs = runtime.now() - ttlSecondsOf(runtime) * 1000;
  return { version: record?.version, entries: entries.filter(({ atMs }) => atMs > oldestMs) };
}

/** Returns undefined if the text was encrypted with an earlier secret. Entries expire within days, so nothing else is done about it. */
function unseal(runtime: Runtime, purpose: string, sealed: string): string | undefined {
  try {
    return runtime.secrets.unseal(purpose, sealed);
  } catch {
    runtime.log.warn({ purpose }, 'could not decrypt sign-in log entries: they were encrypted with another SAMLGATE_SECRET');
    return undefined;
  }
}

const summaryOf = (entry: SignInLogEntry): SignInLogSummary => {
  const { id, atMs, kind, outcome, code, variant, requestId, address, memberId, subject, isVerified, isExamined } = entry;
  return {
    ...{ id, atMs, kind, outcome, isVerified, isExamined },
    ...(code === undefined ? {} : { code }),
    ...(variant === undefined ? {} : { variant }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(address === undefined ? {} : { address }),
    ...(memberId === undefined ? {} : { memberId }),
    ...(subject === undefined ? {} : { subject }),
  };
};

/** Returns as many groups as fit, each unabridged, because a role rule needs the exact name. */
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

/** Shortens the structure of the response until the entry fits. */
function shortened(entry: SignInLogEntry): SignInLogEntry {
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
  /** Part of the name of the user in any case, or a whole member ID or request ID. */
  readonly person?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface SignInLogList {
  readonly items: readonly SignInLogSummary[];
  readonly nextCursor: string | null;
}

/**
 * Lists entries, newest first.
 * @throws validation_failed if the cursor is invalid; store_unavailable
 */
export async function listLogEntries(runtime: Runtime, organizationId: string, query: SignInLogQuery): Promise<SignInLogList> {
  const { cursor, limit } = query;
  if (cursor !== undefined && !ENTRY_ID.test(cursor)) throw invalidCursor();
  const { entries } = await readLog(runtime, organizationId);
  const matching = entries.filter(
    (entry) =>
      (cursor === undefined || entry.id < cursor) &&
      (query.outcome === undefined || entry.outcome === query.outcome) &&
      (query.code === undefined || entry.code === query.code) &&
      (query.person === undefined || isAbout(entry, query.person)),
  );
  const items = matching.slice(0, limit);
  return { items, nextCursor: matching.length > limit ? (items.at(-1)?.id ?? null) : null };
}

function isAbout({ subject, memberId, requestId }: SignInLogSummary, person: string): boolean {
  return memberId === person || requestId === person || (subject?.toLowerCase().includes(person.toLowerCase()) ?? false);
}

const ENTRY_ID = /^att_[0-9a-z]{21}$/;

/** Returns one entry. @throws not_found, store_unavailable */
export async function getLogEntry(runtime: Runtime, organizationId: string, id: string): Promise<SignInLogEntry> {
  const sealed = ENTRY_ID.test(id) ? await runtime.store.peek(organizationId, entryKey(id)) : undefined;
  const text = sealed === undefined ? undefined : unseal(runtime, entryPurpose(organizationId, id), sealed);
  if (text === undefined) throw new GatewayError('not_found', 'This sign-in does not exist, or its entry has expired.');
  return JSON.parse(text) as SignInLogEntry;
}
