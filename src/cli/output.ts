/** What commands print: a table or lines for people, one JSON document for programs. */
import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red';

/** Controls, and the marks that make text run the other way. */
const STEERING = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** One line of text. What comes from the gateway must not steer the terminal, nor look like a line of ours. */
export const plain = (value: unknown): string => textOf(value).replace(STEERING, '\ufffd');

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

let isWatched = false;

function write(text: string): void {
  // A reader that has seen enough (`| head`) is no failure.
  if (!isWatched) process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  isWatched = true;
  process.stdout.write(text);
}

/** The same JSON, with what could steer a terminal written as escapes. */
export function printJson(value: unknown): void {
  const json = JSON.stringify(value, null, 2).replace(STEERING, (character) =>
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  write(`${json}\n`);
}

/** Columns as wide as their widest cell. Nothing to show is said in words. */
export function printTable(rows: readonly object[], columns: readonly string[], empty: string): void {
  if (rows.length === 0) {
    printLine(empty);
    return;
  }
  const cells = rows.map((row) => columns.map((column) => plain((row as Record<string, unknown>)[column])));
  const widths = columns.map((column, i) => Math.max(column.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const lineOf = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  printLine(lineOf(columns.map((column) => column.toUpperCase())), 'bold');
  for (const row of cells) printLine(lineOf(row));
}

/** One field a line. */
export function printFields(value: object): void {
  const width = Math.max(...Object.keys(value).map((name) => name.length));
  for (const [name, field] of Object.entries(value)) printLine(`${name.padEnd(width)}  ${textOf(field)}`);
}

/** In colour only where standard output is a terminal and nobody objects (NO_COLOR). */
export function printLine(line: string, style?: Style): void {
  const text = plain(line);
  write(`${style === undefined ? text : styleText(style, text, { stream: process.stdout })}\n`);
}

/** To standard error, line by line: what is no result. */
export function printNote(text: string): void {
  process.stderr.write(`${text.split('\n').map(plain).join('\n')}\n`);
}

/** `--json` for programs, words for people. */
export function print(json: boolean | undefined, value: unknown, words: () => void): void {
  if (json) printJson(value);
  else words();
}
