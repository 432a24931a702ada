import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { UsageError } from './command-error.ts';

/**
 * Asks a question on the terminal. Only the answers `y` and `yes` confirm.
 * @throws UsageError if standard input is not a terminal
 */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError(`${question}\nStandard input is not a terminal. Confirm with --yes.`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // End of input, Ctrl-D and Ctrl-C do not confirm.
    const asked = terminal.question(`${question} [y/N] `).catch(() => '');
    const answer = await Promise.race([asked, once(terminal, 'close').then(() => '')]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
