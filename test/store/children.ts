/** Processes of a test's own that use a store at the same time as it does: they print lines, and are told to go by lines. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Child {
  readonly process: ChildProcess;
  /** The next line that it prints. @throws where it ends first, with what it said about it */
  nextLine(): Promise<string>;
  send(line: string): void;
  /** Kills it at once, waits until it is gone, and gives the lines that nobody has read. */
  kill(): Promise<string[]>;
}

/** @param file a TypeScript file of this folder; Node strips the types */
export function startChild(file: string, args: readonly string[]): Child {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL(file, import.meta.url)), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  child.stdin.on('error', () => {}); // it was killed before it read
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    nextLine: async () => {
      const { done, value } = await lines.next();
      if (done) throw new Error(`${file} has ended: ${complaint}`);
      return value;
    },
    send: (line) => void child.stdin.write(`${line}\n`),
    kill: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }
      const rest: string[] = [];
      for (let line = await lines.next(); !line.done; line = await lines.next()) rest.push(line.value);
      return rest;
    },
  };
}

/** For a child: the lines that its parent sends. */
export const linesFromParent = (): AsyncIterator<string> => createInterface({ input: process.stdin })[Symbol.asyncIterator]();
