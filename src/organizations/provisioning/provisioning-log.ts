/**
 * Stores the last SCIM requests of a connection and counts those of its last cycle, so that owners see what the identity provider sent
 * and why a request was refused. An initial cycle sends 25 requests a second, so requests are collected in memory and written together.
 * No request waits for that. Names of users are masked before they are kept, and no body is.
 */
import { codeOf } from '../../errors.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { maskSubject } from '../../saml/explain/masking.ts';
import { MAX_NAME_LENGTH } from '../../scim/user.ts';
import { invalidCursor } from '../../store/cursor.ts';
import { DAY_MS, DAY_SECONDS, MINUTE_MS } from '../../time.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../organizations.ts';

/** Kinds of paths. Others are `other`, because a client chooses them. */
export const SCIM_PATHS = ['Users', 'Users/{id}', 'Groups', 'Groups/{id}', 'Schemas', 'ResourceTypes', 'ServiceProviderConfig'] as const;

export interface ProvisioningRequest {
  readonly atMs: number;
  readonly method: string;
  readonly path: (typeof SCIM_PATHS)[number] | 'other';
  /** HTTP status of the answer. */
  readonly status: number;
  readonly scimType?: string | undefined;
  /** Why the request was refused. */
  readonly detail?: string | undefined;
  /** The masked `userName` of a new user. */
  readonly userName?: string | undefined;
  /** The ID in the path. */
  readonly memberId?: string | undefined;
  /** The ID of this request in the gateway's log. Requests that an earlier version recorded lack it. */
  readonly requestId?: string | undefined;
}

/** Requests that follow each other. */
export interface ProvisioningCycle {
  readonly startedAtMs: number;
  readonly lastAtMs: number;
  readonly requests: number;
  readonly created: number;
  readonly changed: number;
  readonly removed: number;
  readonly refused: number;
}

export interface ProvisioningLog {
  /** Newest first. */
  readonly requests: readonly ProvisioningRequest[];
  readonly cycle?: ProvisioningCycle | undefined;
}

/** Requests of each class that are kept. Reads are the most frequent, and must not push out what an owner looks for. */
const PLACES = { refused: 40, changes: 40, reads: 20 } as const;
const MAX_DETAIL = 200;
/** A request after a longer pause begins another cycle. Entra ID starts one every 40 minutes. */
const PAUSE_MS = 10 * MINUTE_MS;
const WRITE_AFTER_MS = 5000;
/** Connections whose requests a replica collects at the same time. */
const MAX_PENDING = 1000;
/** How long the last cycle is shown if the sign-in log is turned off. */
const CYCLE_ONLY_DAYS = 7;

const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD';
const classOf = ({ method, status }: ProvisioningRequest): keyof typeof PLACES =>
  status >= 400 ? 'refused' : isRead(method) ? 'reads' : 'changes';

function withinPlaces(newestFirst: readonly ProvisioningRequest[]): readonly ProvisioningRequest[] {
  const taken = { refused: 0, changes: 0, reads: 0 };
  return newestFirst.filter((request) => ++taken[classOf(request)] <= PLACES[classOf(request)]);
}

export interface LoggedConnection {
  readonly organizationId: string;
  readonly connectionId: string;
}

interface Collected extends LoggedConnection {
  log: ProvisioningLog;
}

interface Collector {
  pending: Map<string, Collected>;
  writing: Promise<void>;
  timer: NodeJS.Timeout | undefined;
}

const collectorOf = perRuntime((): Collector => ({ pending: new Map(), writing: Promise.resolve(), timer: undefined }));

/** Collects an answered request. */
export function recordProvisioningRequest(
  runtime: Runtime,
  { organizationId, connectionId }: LoggedConnection,
  { userName, detail, ...request }: ProvisioningRequest,
): void {
  const collector = collectorOf(runtime);
  const key = `${organizationId} ${connectionId}`;
  if (!collector.pending.has(key) && collector.pending.size >= MAX_PENDING) return;
  const collected = collector.pending.get(key) ?? { organizationId, connectionId, log: { requests: [] } };
  const entry: ProvisioningRequest = {
    ...request,
    ...(detail === undefined ? {} : { detail: detail.slice(0, MAX_DETAIL) }),
    ...(userName === undefined ? {} : { userName: maskSubject(userName.slice(0, MAX_NAME_LENGTH)) }),
  };
  const requests = runtime.config.signInLogDays === 0 ? [] : [entry];
  collected.log = merged({ requests, cycle: cycleOf(entry) }, collected.log);
  collector.pending.set(key, collected);
  collector.timer ??= setTimeout(() => void flushProvisioningLog(runtime), WRITE_AFTER_MS).unref();
}

function cycleOf({ atMs, method, status }: ProvisioningRequest): ProvisioningCycle {
  const isDone = status < 400;
  return {
    startedAtMs: atMs,
    lastAtMs: atMs,
    requests: 1,
    created: isDone && method === 'POST' ? 1 : 0,
    changed: isDone && (method === 'PUT' || method === 'PATCH') ? 1 : 0,
    removed: isDone && method === 'DELETE' ? 1 : 0,
    refused: isDone ? 0 : 1,
  };
}

/** Adds newer requests to older ones. Replicas write in turns, so a replica can add requests that are older than those of another one. */
function merged(newer: ProvisioningLog, older: ProvisioningLog): ProvisioningLog {
  const requests = [...newer.requests, ...older.requests].sort((a, b) => b.atMs - a.atMs);
  return { requests: withinPlaces(requests), cycle: mergedCycle(newer.cycle, older.cycle) };
}

function mergedCycle(newer: ProvisioningCycle | undefined, older: ProvisioningCycle | undefined): ProvisioningCycle | undefined {
  if (!newer || !older) return newer ?? older;
  if (newer.startedAtMs - older.lastAtMs > PAUSE_MS) return newer;
  return {
    startedAtMs: Math.min(older.startedAtMs, newer.startedAtMs),
    lastAtMs: Math.max(older.lastAtMs, newer.lastAtMs),
    requests: older.requests + newer.requests,
    created: older.created + newer.created,
    changed: older.changed + newer.changed,
    removed: older.removed + newer.removed,
    refused: older.refused + newer.refused,
  };
}

const logKey = (connectionId: string): string => `scim-log:${connectionId}`;

/** Writes all requests that this replica has collected. Those that cannot be written are dropped. */
export async function flushProvisioningLog(runtime: Runtime): Promise<void> {
  const collector = collectorOf(runtime);
  clearTimeout(collector.timer);
  collector.timer = undefined;
  const pending = [...collector.pending.values()];
  collector.pending = new Map();
  collector.writing = collector.writing.then(async () => {
    await Promise.all(pending.map((collected) => write(runtime, collected)));
  });
  await collector.writing;
}

/** Another replica may write at the same moment. One of the two then loses a few requests, which costs less than a version would. */
async function write(runtime: Runtime, { log, ...connection }: Collected): Promise<void> {
  const days = runtime.config.signInLogDays || CYCLE_ONLY_DAYS;
  try {
    const value = JSON.stringify(merged(log, await read(runtime, connection)));
    await runtime.store.commit(connection.organizationId, [
      // A deleted organization has no log.
      { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD },
      { do: 'put', key: logKey(connection.connectionId), value, ttlSeconds: days * DAY_SECONDS },
    ]);
  } catch (error) {
    runtime.log.warn({ code: codeOf(error), count: log.cycle?.requests }, 'could not record requests in the provisioning log');
  }
}

async function read(runtime: Runtime, { organizationId, connectionId }: LoggedConnection): Promise<ProvisioningLog> {
  const text = await runtime.store.peek(organizationId, logKey(connectionId));
  const { requests, cycle } = text === undefined ? { requests: [], cycle: undefined } : (JSON.parse(text) as ProvisioningLog);
  const oldestMs = runtime.now() - runtime.config.signInLogDays * DAY_MS;
  return { requests: requests.filter(({ atMs }) => atMs > oldestMs), cycle };
}

/** Returns the last requests and the last cycle of a connection. @throws store_unavailable */
export async function readProvisioningLog(runtime: Runtime, connection: LoggedConnection): Promise<ProvisioningLog> {
  await flushProvisioningLog(runtime);
  return read(runtime, connection);
}

export interface RequestPage {
  /** Newest first. */
  readonly items: readonly ProvisioningRequest[];
  readonly nextCursor: string | null;
}

/**
 * Returns a page of the requests that {@link readProvisioningLog} returns.
 * @throws validation_failed if the cursor is invalid; store_unavailable
 */
export async function listProvisioningRequests(
  runtime: Runtime,
  connection: LoggedConnection,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<RequestPage> {
  const { requests } = await readProvisioningLog(runtime, connection);
  const left = cursor === undefined ? requests : requestsAfter(requests, cursor);
  const items = left.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: last === undefined || items.length === left.length ? null : cursorAfter(requests, last) };
}

/** Names a request by its time and its place among those of the same time, so that newer requests do not move the page. */
function cursorAfter(requests: readonly ProvisioningRequest[], last: ProvisioningRequest): string {
  const sameTime = requests.filter(({ atMs }) => atMs === last.atMs);
  return Buffer.from(`${last.atMs}.${sameTime.indexOf(last) + 1}`).toString('base64url');
}

function requestsAfter(requests: readonly ProvisioningRequest[], cursor: string): readonly ProvisioningRequest[] {
  const position = /^(\d{1,15})\.(\d{1,3})$/.exec(Buffer.from(cursor, 'base64url').toString('utf8'));
  if (!position) throw invalidCursor();
  const lastMs = Number(position[1]);
  return [...requests.filter(({ atMs }) => atMs === lastMs).slice(Number(position[2])), ...requests.filter(({ atMs }) => atMs < lastMs)];
}
