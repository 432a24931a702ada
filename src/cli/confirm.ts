import { createInterface } from 'node:readline/promises';
import { UsageError } from './command-error.ts';

/**
 * Asks on a terminal; only `y` or `yes` is one.
 * @throws UsageError where there is nobody to ask
 */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError(`${question}\nThere is no terminal to confirm it at: give --yes.`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
