/** The audit trail: of an organization for its owners and the operator, of the whole gateway for the operator. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { type AuditEntry, type AuditQuery, readAudit, readWholeAudit } from '../../audit.ts';
import { type AuditFilter, AuditPage, isAuditEvent } from '../../console/audit-page.tsx';
import { GatewayError } from '../../errors.ts';
import { listMembers, MEMBERS } from '../../organizations/members.ts';
import type { Runtime } from '../../runtime.ts';
import { GLOBAL } from '../../store/store.ts';
import { DAY_MS, toIsoTime } from '../../time.ts';
import { checkShape, PAGE_QUERY } from '../api/request-shapes.ts';
import { DOWNLOAD_TYPES, downloadLines } from './audit-download.ts';
import { frameOf, sendConsolePage, visitOf } from './visit.ts';

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
      addresses={await addressesOf(runtime, partition, entries)}
      cursor={cursor}
      nextCursor={page.nextCursor}
    />,
  );
}

/** A day in UTC, ms since 1970. */
function dayMs(day: string): number | undefined {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

/** What the filter asks the trail for; in words, why it asks for nothing that can be found. */
async function queryOf({ store }: Runtime, partition: string, filter: AuditFilter): Promise<Omit<AuditQuery, 'limit'> | string> {
  const { event, member, from, to } = filter;
  if (event !== '' && !isAuditEvent(event)) return 'There is no event of this name';
  const [sinceMs, toMs] = [dayMs(from), dayMs(to)];
  if ((from !== '' && sinceMs === undefined) || (to !== '' && toMs === undefined)) return 'A day is written like 2026-03-04';
  const memberId = member.includes('@') ? (await listMembers(store, partition, { email: member, limit: 1 })).items[0]?.id : member;
  if (memberId === undefined) return 'No member has this address';
  return {
    ...(event === '' ? {} : { event }),
    ...(memberId === '' ? {} : { memberId }),
    sinceMs,
    untilMs: toMs === undefined ? undefined : toMs + DAY_MS,
  };
}

/** The members whom a page names, by what people know them by. */
async function addressesOf({ store }: Runtime, partition: string, entries: readonly AuditEntry[]): Promise<Map<string, string>> {
  const ids = [...new Set(entries.flatMap(({ member_id: id }) => (id === undefined ? [] : [id])))];
  const members = await Promise.all(ids.map((id) => store.get(partition, MEMBERS, id)));
  return new Map(members.flatMap((member) => (member ? [[member.id, member.value.email] as const] : [])));
}

/** Streams, so that a trail of years fits through. Where it breaks off, the connection does too: half a file must not look whole. */
async function download(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { format, ...filter } = checkShape(DOWNLOAD_QUERY, request.query);
  const partition = partitionOf(response);
  const query = await queryOf(runtime, partition, filter);
  if (typeof query === 'string') throw new GatewayError('validation_failed', `${query}.`);
  // A store that can't answer is told by a page, not by a file that is none.
  await readAudit(runtime.store, partition, { ...query, limit: 1 });
  const name = `audit-${visitOf(response).organization?.slug ?? 'gateway'}-${toIsoTime(runtime.now()).slice(0, 10)}.${format}`;
  response.setHeader('Content-Type', DOWNLOAD_TYPES[format]);
  response.setHeader('Content-Disposition', `attachment; filename="${name}"`);
  response.setHeader('Cache-Control', 'no-store');
  try {
    await pipeline(Readable.from(downloadLines(format, readWholeAudit(runtime.store, partition, query))), response);
  } catch (error) {
    // Who broke it off knows.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}
