/** The package as in the image: built from these sources, with the files that package.json lists, and without other packages. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const ROOT = path.resolve(import.meta.dirname, '../..');
const MODULES = 'node_modules/';

type Environment = Readonly<Record<string, string>>;

export interface BuiltPackage {
  readonly directory: string;
  /** Runs `samlgate` with these arguments until it exits. */
  run(args: readonly string[], environment?: Environment): Promise<Ended>;
  /** Starts `samlgate` with these arguments. `nodeArguments` are for Node.js itself. */
  start(args: readonly string[], environment?: Environment, nodeArguments?: readonly string[]): RunningCommand;
  /** Ends all running commands and deletes the package. */
  remove(): Promise<void>;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly process: ChildProcess;
  /** Waits for a match in standard output. @throws Error with all output if the command ends before */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** Sends a signal, if given, and waits until the command exits. */
  end(signal?: NodeJS.Signals): Promise<Ended>;
}

export async function buildPackage(): Promise<BuiltPackage> {
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-package-'));
  await promisify(execFile)(process.execPath, [path.join(ROOT, 'build.js'), path.join(directory, 'dist')]);
  const { files } = readJson('package.json') as { files: string[] };
  for (const file of ['package.json', ...files]) {
    if (file !== 'dist' && existsSync(path.join(ROOT, file)))
      cpSync(path.join(ROOT, file), path.join(directory, file), { recursive: true });
  }
  const started: RunningCommand[] = [];
  const start: BuiltPackage['start'] = (args, environment = {}, nodeArguments = []) => {
    const command = startCommand(directory, [...nodeArguments, path.join(directory, 'dist/main.js'), ...args], environment);
    started.push(command);
    return command;
  };
  return {
    directory,
    start,
    run: (args, environment) => start(args, environment).end(),
    remove: async () => {
      await Promise.all(started.map((command) => command.end('SIGKILL')));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const readJson = (name: string): unknown => JSON.parse(readFileSync(path.join(ROOT, name), 'utf8'));

/** Returns the folders directly below node_modules of an installation without development dependencies. */
export function productionDependencies(): string[] {
  const { packages } = readJson('package-lock.json') as { packages: Record<string, { dev?: boolean }> };
  return Object.entries(packages)
    .filter(([place, { dev = false }]) => place.lastIndexOf(MODULES) === 0 && !dev && existsSync(path.join(ROOT, place)))
    .map(([place]) => place);
}

function startCommand(directory: string, args: readonly string[], environment: Environment): RunningCommand {
  // Ignores the settings of this machine.
  const env = { PATH: process.env.PATH, ...environment };
  const child = spawn(process.execPath, args, {
    cwd: directory,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  const closed = once(child, 'close') as Promise<[number | null]>;
  const ended = async (): Promise<Ended> => {
    const [code] = await closed;
    return { code, ...output };
  };
  return {
    process: child,
    end: (signal) => {
      if (signal) child.kill(signal);
      return ended();
    },
    says: async (pattern) => {
      for (;;) {
        const match = pattern.exec(output.stdout);
        if (match) return match;
        const isOver = await Promise.race([once(child.stdout, 'data').then(() => false), closed.then(() => true)]);
        if (isOver && !pattern.test(output.stdout)) throw new Error(`It ended without ${pattern}: ${JSON.stringify(output)}`);
      }
    },
  };
}
