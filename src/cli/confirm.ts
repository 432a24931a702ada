import { once } from 'node:events';
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
    // The end of the input, Ctrl-D and Ctrl-C are no yes.
    const asked = terminal.question(`${question} [y/N] `).catch(() => '');
    const answer = await Promise.race([asked, once(terminal, 'close').then(() => '')]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
