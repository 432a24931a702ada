/** Reads a CSV table of former and new identifiers (RFC 4180), for the preview of a change of the identity provider. */
import { GatewayError } from '../../errors.ts';
import { eachPart, nextTurn } from '../../store/next-turn.ts';

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
  /** The first row of each former identifier. */
  readonly byFormer: ReadonlyMap<string, TableRow>;
  readonly problems: readonly TableProblem[];
}

const MAX_OCTETS = 1024 * 1024;
const HEADER = ['old_identifier', 'new_identifier'];

/** Reads a table, and lets other work run meanwhile. @throws payload_too_large; validation_failed that names the line */
export async function readIdentifierTable(text: string): Promise<IdentifierTable> {
  if (Buffer.byteLength(text) > MAX_OCTETS) throw new GatewayError('payload_too_large', 'identifiers_csv: may have at most 1 MiB.');
  const rows: TableRow[] = [];
  let hasHeader = false;
  await readRecords(text.replace(/^\ufeff/, ''), (line, fields) => {
    if (hasHeader) rows.push(rowOf(line, fields));
    else requireHeader(fields);
    hasHeader = true;
  });
  if (!hasHeader) requireHeader([]);
  return { rows, ...(await findRepeated(rows)) };
}

function requireHeader(fields: readonly string[]): void {
  if (fields.join() !== HEADER.join()) {
    throw new GatewayError('validation_failed', `identifiers_csv: the first line must be ${HEADER.join()}.`);
  }
}

function rowOf(line: number, fields: readonly string[]): TableRow {
  const [from = '', to = ''] = fields;
  if (fields.length !== 2 || from === '' || to === '') throw malformed(line, 'must have two values');
  return { line, from, to };
}

/** Uses few maps, because the garbage collector must read all of a large one in a single pause. */
async function findRepeated(rows: readonly TableRow[]): Promise<Pick<IdentifierTable, 'byFormer' | 'problems'>> {
  const problems: TableProblem[] = [];
  const byFormer = new Map<string, TableRow>();
  for await (const part of eachPart(rows)) {
    for (const row of part) {
      if (byFormer.has(row.from)) problems.push({ line: row.line, problem: 'duplicate_old' });
      else byFormer.set(row.from, row);
    }
  }
  const seen = new Set<string>();
  for await (const part of eachPart(rows)) {
    for (const { line, to } of part) if (seen.size === seen.add(to).size) problems.push({ line, problem: 'duplicate_new' });
  }
  return { byFormer, problems };
}

/** One field with what ends it. A quoted field may contain commas, line breaks, and quotes that are doubled. */
const FIELD = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;

/** Fields that are read in one turn of the event loop. */
const FIELDS_OF_TURN = 2000;

async function readRecords(text: string, onRecord: (line: number, fields: readonly string[]) => void): Promise<void> {
  let fields: string[] = [];
  let line = 1;
  let startedAt = 1;
  for (let at = 0, read = 1; at < text.length; read++) {
    if (read % FIELDS_OF_TURN === 0) await nextTurn();
    // Other tables may be read in other turns.
    FIELD.lastIndex = at;
    const match = FIELD.exec(text);
    if (!match) throw malformed(line, 'has a quote in the wrong place');
    at = FIELD.lastIndex;
    const [whole, quoted, plain = '', end] = match;
    fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    line += whole.split('\n').length - 1;
    if (end === ',' && at < text.length) continue;
    if (fields.length > 1 || fields[0] !== '') onRecord(startedAt, fields);
    fields = [];
    startedAt = line;
  }
}

const malformed = (line: number, problem: string): GatewayError =>
  new GatewayError('validation_failed', `identifiers_csv: line ${line} ${problem}.`);
