/** The audit trail of an organization (owners and the operator) and of the gateway (the operator): page and download. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import type { AuditEntry } from '../../../audit.ts';
import { type AuditQuery, eachAuditEntry, readAudit } from '../../../audit-trail/read-audit.ts';
import { summarizeRefusals } from '../../../audit-trail/refusal-counts.ts';
import { MAX_AUDIT_ENTRIES, summarizeTrail } from '../../../audit-trail/trim-audit.ts';
import { type AuditFilter, AuditPage } from '../../../console/audit/audit-page.tsx';
import { type AuditNames, isAuditEvent } from '../../../console/audit/audit-sentence.tsx';
import { GatewayError } from '../../../errors.ts';
import { listMembers } from '../../../organizations/member-list.ts';
import { MEMBERS } from '../../../organizations/members.ts';
import { quotaOf } from '../../../organizations/quotas/quotas.ts';
import type { Runtime } from '../../../runtime.ts';
import { GLOBAL } from '../../../store/store.ts';
import { DAY_MS, MINUTE_MS, toIsoTime } from '../../../time.ts';
import { checkShape, PAGE_QUERY } from '../../api/request-shapes.ts';
import { signalOf } from '../../request-context.ts';
import { frameOf, sendConsolePage, visitOf } from '../visit.ts';
import { DOWNLOAD_TYPES, downloadLines } from './audit-download.ts';

const TEXTS = {
  unknownEvent: 'No event has this name',
  invalidDate: 'Enter dates like 2026-03-04',
  unknownMember: 'No member has this email address',
} as const;

const PAGE_SIZE = 50;

const text = (max: number) => z.string().trim().max(max).default('');
const FILTER = z.object({ event: text(64), member: text(254), from: text(10), to: text(10) });
const QUERY = FILTER.extend({ cursor: PAGE_QUERY.shape.cursor });
const DOWNLOAD_QUERY = FILTER.extend({ format: z.enum(['jsonl', 'csv']) });

export function auditPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => showAudit(runtime, request, response));
  router.get('/download', (request, response) => download(runtime, request, response));
  return router;
}

const partitionOf = (response: Response): string => visitOf(response).organization?.id ?? GLOBAL;

async function showAudit(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { cursor, ...filter } = checkShape(QUERY, request.query);
  const partition = partitionOf(response);
  const { organization } = visitOf(response);
  const query = await queryOf(runtime, partition, filter);
  const page =
    typeof query === 'string'
      ? { items: [], nextCursor: null }
      : await readAudit(runtime.store, partition, { ...query, limit: PAGE_SIZE, cursor });
  const entries = page.items.map(({ value }) => value);
  sendConsolePage(
    response,
    <AuditPage
      frame={frameOf(runtime, request, response)}
      section={partition === GLOBAL ? 'gateway-audit' : 'audit'}
      entries={entries}
      filter={filter}
      problem={typeof query === 'string' ? query : undefined}
      names={await namesOf(runtime, response, entries)}
      cursor={cursor}
      nextCursor={page.nextCursor}
      refusals={await summarizeRefusals(runtime, partition)}
      trail={await summarizeTrail(runtime, partition)}
      keptDays={runtime.config.auditDays}
      maxEntries={organization ? quotaOf(organization, 'audit_entries') : MAX_AUDIT_ENTRIES}
    />,
  );
}

/** Returns the start of a day in UTC, ms since 1970; undefined if the text is not a date. */
function dayMs(day: string): number | undefined {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

/** Converts the filter of the page to a query. @returns the query, or a sentence that says why the filter matches nothing */
async function queryOf({ store }: Runtime, partition: string, filter: AuditFilter): Promise<Omit<AuditQuery, 'limit'> | string> {
  const { event, member, from, to } = filter;
  if (event !== '' && !isAuditEvent(event)) return TEXTS.unknownEvent;
  const [sinceMs, toMs] = [dayMs(from), dayMs(to)];
  if ((from !== '' && sinceMs === undefined) || (to !== '' && toMs === undefined)) return TEXTS.invalidDate;
  const memberId = member.includes('@') ? (await listMembers(store, partition, { email: member, limit: 1 })).items[0]?.id : member;
  if (memberId === undefined) return TEXTS.unknownMember;
  return {
    ...(event === '' ? {} : { event }),
    ...(memberId === '' ? {} : { memberId }),
    sinceMs,
    untilMs: toMs === undefined ? undefined : toMs + DAY_MS,
  };
}

/** Returns the names of the members and connections in the entries of one page. */
async function namesOf({ store }: Runtime, response: Response, entries: readonly AuditEntry[]): Promise<AuditNames> {
  const { organization } = visitOf(response);
  if (!organization) return { members: new Map(), connections: new Map() };
  const ids = entries.flatMap(({ member_id: id, actor }) => [id, actor.kind === 'member' ? actor.id : undefined]);
  const known = [...new Set(ids.filter((id) => id !== undefined))];
  const members = await Promise.all(known.map((id) => store.get(organization.id, MEMBERS, id)));
  return {
    members: new Map(members.flatMap((member) => (member ? [[member.id, member.value] as const] : []))),
    connections: new Map(organization.connections.map(({ id, name }) => [id, name])),
  };
}

/** The time limit of a download. A slower client breaks off. */
const DOWNLOAD_WITHIN_MS = 15 * MINUTE_MS;

/** Streams the file, which may have any size. If reading fails halfway, the connection breaks, so that half a file does not look complete. */
async function download(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { format, ...filter } = checkShape(DOWNLOAD_QUERY, request.query);
  const partition = partitionOf(response);
  const query = await queryOf(runtime, partition, filter);
  if (typeof query === 'string') throw new GatewayError('validation_failed', `${query}.`);
  // Fails here if the store is unavailable, so that the user gets an error page and not a broken file.
  await readAudit(runtime.store, partition, { ...query, limit: 1 });
  const name = `audit-${visitOf(response).organization?.slug ?? 'gateway'}-${toIsoTime(runtime.now()).slice(0, 10)}.${format}`;
  response.setHeader('Content-Type', DOWNLOAD_TYPES[format]);
  response.setHeader('Content-Disposition', `attachment; filename="${name}"`);
  response.setHeader('Cache-Control', 'no-store');
  try {
    const entries = eachAuditEntry(runtime.store, partition, { ...query, signal: signalOf(response, DOWNLOAD_WITHIN_MS) });
    await pipeline(Readable.from(downloadLines(format, entries)), response);
  } catch (error) {
    // The user cancelled the download.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}
