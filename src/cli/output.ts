/** What commands print: a table or lines for people, one JSON document for programs. */

/** Text from the gateway must not steer the terminal. */
const plain = (value: unknown): string => String(value ?? '').replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Columns as wide as their widest cell. Nothing to show is said in words. */
export function printTable(rows: readonly Record<string, unknown>[], columns: readonly string[], empty: string): void {
  if (rows.length === 0) {
    printLine(empty);
    return;
  }
  const cells = rows.map((row) => columns.map((column) => plain(row[column])));
  const widths = columns.map((column, i) => Math.max(column.length, ...cells.map((row) => row[i]?.length ?? 0)));
  for (const row of [columns.map((column) => column.toUpperCase()), ...cells]) {
    printLine(
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}

export const printLine = (line: string): void => void process.stdout.write(`${plain(line)}\n`);

/** `--json` for programs, words for people. */
export function print(json: boolean | undefined, value: unknown, words: () => void): void {
  if (json) printJson(value);
  else words();
}
