/** Runs `samlgate` from these sources in its own process and home directory. Commands that render pages need the built package. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { CredentialsFile } from '../../src/client/credentials-file.ts';

const MAIN = path.join(import.meta.dirname, '../../src/main.ts');
/** Keeps the compiled sources for the next command, which saves more than half of its CPU time. This is the place where Node.js has it. */
const COMPILE_CACHE = path.join(tmpdir(), 'node-compile-cache');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  /** Waits for a match in standard error. @throws Error with all output if the command ends before */
  tells(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<Ended>;
  /** Ends the command as a crash does. */
  kill(): void;
}

export interface Home {
  readonly directory: string;
  start(args: readonly string[], environment?: Readonly<Record<string, string>>, input?: string): Running;
  run(args: readonly string[], environment?: Readonly<Record<string, string>>, input?: string): Promise<Ended>;
  readonly credentialsFile: string;
  readCredentials(): CredentialsFile;
  /** Saves these tokens by gateway URL, as `samlgate login` does. */
  keepCredentials(tokens: Readonly<Record<string, string>>, current: string | null): void;
  remove(): void;
}

const CREDENTIAL = { token_id: 'tok_1', user_id: 'usr_1', email: 'ada@acme.example', organization: 'acme', expires_at: null };

/** Creates a home directory. Commands start in it. */
export function makeHome(): Home {
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-home-'));
  const start: Home['start'] = (args, environment = {}, input = '') => {
    const env = { PATH: process.env.PATH ?? '', HOME: directory, NODE_NO_WARNINGS: '1', NODE_COMPILE_CACHE: COMPILE_CACHE, ...environment };
    const child = spawn(process.execPath, [MAIN, ...args], { cwd: directory, env, stdio: 'pipe' });
    const output = { stdout: '', stderr: '' };
    const listeners = new Set<() => void>();
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
        for (const listener of listeners) listener();
      });
    }
    child.stdin.end(input);
    const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, ...output })));
    const tells = (pattern: RegExp) =>
      new Promise<RegExpExecArray>((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(output.stderr);
          if (match) resolve(match);
        };
        listeners.add(look);
        look();
        void ended.then((end) => reject(new Error(`It ended without ${pattern}: ${JSON.stringify(end)}`)));
      });
    return { tells, ended, kill: () => child.kill('SIGKILL') };
  };
  const credentialsFile = path.join(directory, '.samlgate/credentials.json');
  return {
    directory,
    credentialsFile,
    readCredentials: () => JSON.parse(readFileSync(credentialsFile, 'utf8')) as CredentialsFile,
    keepCredentials: (tokens, current) => {
      const entries = Object.entries(tokens).map(([url, token]) => [url, { ...CREDENTIAL, token }]);
      mkdirSync(path.dirname(credentialsFile), { recursive: true, mode: 0o700 });
      writeFileSync(credentialsFile, JSON.stringify({ current, gateways: Object.fromEntries(entries) }), { mode: 0o600 });
    },
    start,
    run: (args, environment, input) => start(args, environment, input).ended,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
