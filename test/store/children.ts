/** Child processes that use a store at the same time as a test. They print lines, and receive lines as commands. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { flushCompileCache } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Child {
  readonly process: ChildProcess;
  /** Returns the next line that the child prints. @throws Error with its stderr if it ends first */
  nextLine(): Promise<string>;
  send(line: string): void;
  /** Kills the child, waits until it has ended, and returns the lines that were not read. */
  kill(): Promise<string[]>;
}

/** @param file a TypeScript file of this folder; Node strips the types */
export function startChild(file: string, args: readonly string[]): Child {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL(file, import.meta.url)), ...args], {
    env: { ...process.env, NODE_COMPILE_CACHE: path.join(tmpdir(), 'node-compile-cache') },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  child.stdin.on('error', () => {}); // the child was killed before it read
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

/** Returns the lines that the parent sends. Called by a child when all its modules are loaded. */
export function linesFromParent(): AsyncIterator<string> {
  // Node.js would keep the compiled modules for the next child when this one ends, but it is killed.
  flushCompileCache();
  return createInterface({ input: process.stdin })[Symbol.asyncIterator]();
}
