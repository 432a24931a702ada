import { readFileSync } from 'node:fs';
import { CommandError } from './command-error.ts';

/**
 * Reads a file that was named on the command line; `-` is standard input.
 * @throws CommandError if the file can't be read
 */
export function readFile(name: string): Buffer {
  try {
    return readFileSync(name === '-' ? 0 : name);
  } catch (error) {
    throw new CommandError(`${name} can't be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}
