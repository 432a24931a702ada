/** Reads a CSV table of former and new identifiers (RFC 4180), for the preview of a change of the identity provider. */
import { GatewayError } from '../../errors.ts';

export interface TableRow {
  readonly line: number;
  readonly from: string;
  readonly to: string;
}

/** `duplicate_old` and `duplicate_new`: an earlier line has the identifier. `other_member`: another member has the new identifier. */
export interface TableProblem {
  readonly line: number;
  readonly problem: 'duplicate_old' | 'duplicate_new' | 'other_member';
}

export interface IdentifierTable {
  readonly rows: readonly TableRow[];
  readonly problems: readonly TableProblem[];
}

const MAX_OCTETS = 1024 * 1024;
const HEADER = ['old_identifier', 'new_identifier'];

/** @throws payload_too_large; validation_failed that names the line */
export function readIdentifierTable(text: string): IdentifierTable {
  if (Buffer.byteLength(text) > MAX_OCTETS) throw new GatewayError('payload_too_large', 'identifiers_csv: may have at most 1 MiB.');
  const [header, ...records] = readRecords(text.replace(/^\ufeff/, ''));
  if (header?.fields.join() !== HEADER.join()) {
    throw new GatewayError('validation_failed', `identifiers_csv: the first line must be ${HEADER.join()}.`);
  }
  const rows = records.map(({ line, fields }): TableRow => {
    const [from = '', to = ''] = fields;
    if (fields.length !== 2 || from === '' || to === '') throw malformed(line, 'must have two values');
    return { line, from, to };
  });
  const problems = [...repeated(rows, 'from', 'duplicate_old'), ...repeated(rows, 'to', 'duplicate_new')];
  return { rows, problems };
}

function repeated(rows: readonly TableRow[], column: 'from' | 'to', problem: TableProblem['problem']): TableProblem[] {
  const seen = new Set<string>();
  return rows.filter((row) => seen.size === seen.add(row[column]).size).map(({ line }) => ({ line, problem }));
}

interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/** One field with what ends it. A quoted field may contain commas, line breaks, and quotes that are doubled. */
const FIELD = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;

function readRecords(text: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  let fields: string[] = [];
  let line = 1;
  let startedAt = 1;
  FIELD.lastIndex = 0;
  while (FIELD.lastIndex < text.length) {
    const match = FIELD.exec(text);
    if (!match) throw malformed(line, 'has a quote in the wrong place');
    const [whole, quoted, plain = '', end] = match;
    fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    line += whole.split('\n').length - 1;
    if (end === ',' && FIELD.lastIndex < text.length) continue;
    if (fields.length > 1 || fields[0] !== '') records.push({ line: startedAt, fields });
    fields = [];
    startedAt = line;
  }
  return records;
}

const malformed = (line: number, problem: string): GatewayError =>
  new GatewayError('validation_failed', `identifiers_csv: line ${line} ${problem}.`);
