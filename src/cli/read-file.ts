import { readFileSync } from 'node:fs';
import { CommandError } from './command-error.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'The file does not exist. Check the path.',
  EACCES: 'You do not have permission to read it.',
  EISDIR: 'It is a directory. Specify a file.',
};

/**
 * Reads a file that was named on the command line; `-` is standard input.
 * @throws CommandError if the file can't be read
 */
export function readFile(name: string): Buffer {
  try {
    return readFileSync(name === '-' ? 0 : name);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new CommandError(`${name} can't be read (${code}). ${REASONS[code] ?? ''}`.trimEnd());
  }
}
