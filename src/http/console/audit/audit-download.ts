/** The audit trail as a file: JSON lines for programs, CSV for spreadsheets. */
import { type AuditEntry, auditJson } from '../../../audit.ts';

export type DownloadFormat = 'jsonl' | 'csv';

export const DOWNLOAD_TYPES: Readonly<Record<DownloadFormat, string>> = {
  jsonl: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
};

/** With a piece for each line, a download of 100,000 entries takes 1 to 1.9 s of CPU time instead of 0.7 to 1 s. */
const PIECE_LENGTH = 16_384;

/** Yields the file in pieces of some lines. Entries are read while the pieces are consumed. */
export async function* downloadLines(format: DownloadFormat, entries: AsyncIterable<AuditEntry>): AsyncGenerator<string> {
  // Without the byte order mark, spreadsheets expect a legacy encoding.
  if (format === 'csv') yield `\ufeff${csvLine(COLUMNS.map(([name]) => name))}`;
  let piece = '';
  for await (const entry of entries) {
    piece += format === 'csv' ? csvLine(COLUMNS.map(([, cell]) => cell(entry) ?? '')) : `${JSON.stringify(auditJson(entry))}\n`;
    if (piece.length < PIECE_LENGTH) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
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

/** Returns one record (RFC 4180 §2). Every cell is quoted. */
export const csvLine = (cells: readonly string[]): string =>
  `${cells.map((cell) => `"${defuse(cell).replaceAll('"', '""')}"`).join(',')}\r\n`;

/**
 * Prevents formula injection. Spreadsheets run a cell that begins with one of these characters as a formula, even in quotes and
 * after white space; some also accept the full-width forms. A leading apostrophe makes the cell text. Invisible characters are
 * removed, except for line breaks and tabs.
 */
function defuse(cell: string): string {
  const visible = cell.replace(/[^\P{C}\n\r\t]/gu, '');
  return /^\s*[=+\-@＝＋－＠|%]|^[\t\r\n]/.test(visible) ? `'${visible}` : visible;
}
