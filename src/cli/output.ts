/** Prints results: a table or lines for people, one JSON document for programs. */
import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red';

/** Control characters, and characters that change the direction of text. */
const TERMINAL_CONTROLS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Returns one line of text. Text from a gateway must neither control the terminal nor look like a line of this command. */
export const plain = (value: unknown): string => textOf(value).replace(TERMINAL_CONTROLS, '\ufffd');

/** Returns whether printing a text of several lines would change it. */
export const hasTerminalControls = (text: string): boolean => plain(text.replaceAll('\n', '')) !== text.replaceAll('\n', '');

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

let handlesErrors = false;

function write(text: string): void {
  // A reader that closes the pipe early (`| head`) is not an error.
  if (!handlesErrors) process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  handlesErrors = true;
  process.stdout.write(text);
}

/** Prints indented JSON. Characters that could control a terminal are written as escapes. */
export function printJson(value: unknown): void {
  const json = JSON.stringify(value, null, 2).replace(TERMINAL_CONTROLS, (character) =>
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  write(`${json}\n`);
}

/**
 * Prints a table whose columns are as wide as their widest cell.
 * @param empty sentence to print if there are no rows
 */
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

/** Prints an object with one field per line. */
export function printFields(value: object): void {
  const width = Math.max(...Object.keys(value).map((name) => name.length));
  for (const [name, field] of Object.entries(value)) printLine(`${name.padEnd(width)}  ${textOf(field)}`);
}

/** Prints one line. A style is used only if standard output is a terminal and NO_COLOR is not set. */
export function printLine(line: string, style?: Style): void {
  const text = plain(line);
  write(`${style === undefined ? text : styleText(style, text, { stream: process.stdout })}\n`);
}

/** Prints several lines. */
export function printLines(text: string): void {
  for (const line of text.split('\n')) printLine(line);
}

/** Prints text that is not a result, line by line, to standard error. */
export function printNote(text: string): void {
  process.stderr.write(`${text.split('\n').map(plain).join('\n')}\n`);
}

/** Prints JSON with `--json`, and otherwise what `printText` prints. */
export function print(json: boolean | undefined, value: unknown, printText: () => void): void {
  if (json) printJson(value);
  else printText();
}

/** Returns a count with its noun, like `1 token` or `2 tokens`. */
export const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
