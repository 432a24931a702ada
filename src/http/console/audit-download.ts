/** The audit trail as a file: JSON lines for programs, CSV for spreadsheets. */
import type { AuditEntry } from '../../audit.ts';
import { auditJson } from '../api/representations.ts';

export type DownloadFormat = 'jsonl' | 'csv';

export const DOWNLOAD_TYPES: Readonly<Record<DownloadFormat, string>> = {
  jsonl: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
};

/** What a file of this format has, piece by piece; the entries are read as the pieces are taken. */
export async function* downloadLines(format: DownloadFormat, entries: AsyncIterable<AuditEntry>): AsyncGenerator<string> {
  // Spreadsheets take a file without this mark for one of their own old encoding.
  if (format === 'csv') yield `\ufeff${csvLine(COLUMNS.map(([name]) => name))}`;
  for await (const entry of entries) {
    yield format === 'csv' ? csvLine(COLUMNS.map(([, cell]) => cell(entry) ?? '')) : `${JSON.stringify(auditJson(entry))}\n`;
  }
}

const COLUMNS: readonly (readonly [name: string, cell: (entry: AuditEntry) => string | undefined])[] = [
  ['id', ({ id }) => id],
  ['at', ({ at }) => at],
  ['event', ({ event }) => event],
  ['member_id', (entry) => entry.member_id],
  ['actor_kind', ({ actor }) => actor.kind],
  ['actor_id', ({ actor }) => actor.id],
  ['actor_email', ({ actor }) => actor.email],
  ['address', ({ actor }) => actor.address],
  ['request_id', ({ actor }) => actor.requestId],
  ['code', ({ code }) => code],
  ['details', ({ details }) => details && JSON.stringify(details)],
];

/** One record (RFC 4180 §2): every cell in quotes, with all that is in it. */
export const csvLine = (cells: readonly string[]): string =>
  `${cells.map((cell) => `"${defused(cell).replaceAll('"', '""')}"`).join(',')}\r\n`;

/**
 * Spreadsheets run what begins with one of these as a formula, also in quotes, also behind white space, and some of them full-width
 * characters too. An apostrophe before it makes it text. Characters that can't be seen are dropped, but for line breaks and tabs.
 */
function defused(cell: string): string {
  const seen = cell.replace(/[^\P{C}\n\r\t]/gu, '');
  return /^\s*[=+\-@＝＋－＠|%]|^[\t\r\n]/.test(seen) ? `'${seen}` : seen;
}
