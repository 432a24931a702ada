/**
 * `npm run bench:check`: the cost of a token check. Compares `/auth/verify` with a CLI token, on SQLite and on Redis, with servers
 * that do less. Servers run on one core, wrk and Redis on another. Each round measures all servers in turn, so that other load on
 * the machine affects all alike. The CPU time of the server's process (/proc) is more reliable than requests per second on a shared
 * machine. All requests send the token of one member, like a busy service. One more gateway gets the tokens of a thousand members in
 * turn, whose checks share no read.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { publicKeySet } from '../../src/auth/keys/key-lease.ts';
import { createCliToken } from '../../src/auth/tokens/cli-tokens.ts';
import type { Runtime } from '../../src/runtime.ts';
import { buildPackage } from '../support/built-package.ts';
import { freePort, startRedis } from '../support/redis-server.ts';
import { makeRuntime, OPERATOR, seedMember, seedOrganization } from '../support/seed.ts';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 3);
const WARM_UP_SECONDS = 5;
const CONNECTIONS = [32, 128];
const MEMBERS_IN_TURN = 1000;
const SERVER_CORE = '0';
const CLIENT_CORE = '1';
const CLOCK_TICK_MS = 10;
const BARE = 'node:http, hello';
const JOSE = 'Express + jose + Redis GET';

interface Contender {
  readonly name: string;
  /** The arguments of wrk: the URL and the tokens. */
  readonly wrkArguments: readonly string[];
  readonly process: ChildProcess;
  /** By number of connections. */
  readonly measured: ReadonlyMap<number, { readonly requestsPerSecond: number[]; readonly cpuMicroseconds: number[] }>;
}

const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-bench-'));
const children: ChildProcess[] = [];
const redis = await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
await pin(redis.process, CLIENT_CORE);
const built = await buildPackage();
try {
  const contenders = [
    await peer('node', BARE),
    await peer('express', 'Express, hello'),
    await josePeer(JOSE),
    await gateway('samlgate on SQLite', `sqlite:${path.join(directory, 'samlgate.db')}`),
    await gateway('samlgate on Redis', `${redis.url}/1`),
    await gateway(`  of ${MEMBERS_IN_TURN} members in turn`, `${redis.url}/2`, MEMBERS_IN_TURN),
  ];
  // Warm-up: compiles the code and fills the caches.
  for (const contender of contenders) await load(contender, CONNECTIONS[0] ?? 1, WARM_UP_SECONDS);
  for (let round = 0; round < ROUNDS; round++) {
    for (const connections of CONNECTIONS) {
      for (const contender of contenders) {
        const before = cpuMs(contender.process);
        const { requests, perSecond } = await load(contender, connections, SECONDS);
        const measured = contender.measured.get(connections);
        measured?.requestsPerSecond.push(perSecond);
        measured?.cpuMicroseconds.push(((cpuMs(contender.process) - before) * 1000) / requests);
      }
    }
  }
  for (const connections of CONNECTIONS) report(contenders, connections);
} finally {
  for (const child of children) child.kill('SIGKILL');
  await redis.stop();
  built.remove();
  rmSync(directory, { recursive: true, force: true });
}

async function peer(kind: string, name: string, environment: Record<string, string> = {}, token = 'none'): Promise<Contender> {
  const port = await freePort();
  const file = path.join(import.meta.dirname, 'peers.ts');
  const child = start(['--disable-warning=ExperimentalWarning', file, kind, String(port)], environment);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return contender(name, port, [token], child);
}

/** Starts the peer with the same tokens as the gateway, and a record of the same size in Redis. */
async function josePeer(name: string): Promise<Contender> {
  const runtime = await makeRuntime({
    SAMLGATE_STORE: `sqlite:${path.join(directory, 'peer.db')}`,
    SAMLGATE_SECRET: Buffer.alloc(32, 1).toString('base64'),
    SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32),
  });
  const { member, token } = await seed(runtime, await benchOrganization(runtime));
  const client = new Redis(redis.url);
  await client.set(`member:${member.id}`, JSON.stringify(member));
  await client.quit();
  return peer('express-jose-redis', name, { REDIS_URL: redis.url, JWKS: JSON.stringify(await publicKeySet(runtime)) }, token);
}

async function gateway(name: string, store: string, members = 1): Promise<Contender> {
  const port = await freePort();
  const environment = {
    SAMLGATE_STORE: store,
    SAMLGATE_SECRET: Buffer.alloc(32, 1).toString('base64'),
    SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32),
    SAMLGATE_LISTEN: `127.0.0.1:${port}`,
    SAMLGATE_BASE_URL: `http://localhost:${port}`,
  };
  const runtime = await makeRuntime(environment);
  const organizationId = await benchOrganization(runtime);
  const tokens: string[] = [];
  while (tokens.length < members) tokens.push((await seed(runtime, organizationId)).token);
  await runtime.store.close();
  const child = start([path.join(built.directory, 'dist/main.js'), 'serve'], {
    ...environment,
    SAMLGATE_LOG_LEVEL: 'info',
    NODE_ENV: 'production',
  });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return contender(name, port, tokens, child);
}

async function benchOrganization(runtime: Runtime): Promise<string> {
  return (await seedOrganization(runtime, 'bench')).id;
}

async function seed(runtime: Runtime, organizationId: string) {
  const member = await seedMember(runtime, organizationId);
  const credential = { kind: 'session', id: member.sessions[0]?.id ?? '', expiresAtMs: undefined } as const;
  const { token } = await createCliToken(runtime, OPERATOR, { organizationId, memberId: member.id, credential }, { name: 'bench' });
  return { member, token };
}

/** Starts a server on its core. */
function start(args: readonly string[], environment: Record<string, string>): ChildProcess {
  const child = spawn('taskset', ['-c', SERVER_CORE, process.execPath, ...args], {
    cwd: directory,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
}

function contender(name: string, port: number, tokens: readonly string[], child: ChildProcess): Contender {
  child.stdout?.resume();
  const measured = new Map(CONNECTIONS.map((connections) => [connections, { requestsPerSecond: [], cpuMicroseconds: [] }]));
  const tokenArguments = tokens.length === 1 ? ['-H', `Authorization: Bearer ${tokens[0]}`] : inTurn(tokens);
  return { name, wrkArguments: [...tokenArguments, `http://127.0.0.1:${port}/auth/verify`], process: child, measured };
}

/** Returns the arguments for a wrk script that sends the next token with each request. */
function inTurn(tokens: readonly string[]): string[] {
  const file = path.join(directory, 'in-turn.lua');
  writeFileSync(
    file,
    `local requests, at = {}, 0
     init = function()
       for _, token in ipairs({ ${tokens.map((token) => `'${token}'`).join(',')} }) do
         requests[#requests + 1] = wrk.format('GET', nil, { ['Authorization'] = 'Bearer ' .. token })
       end
     end
     request = function() at = at % #requests + 1 return requests[at] end`,
  );
  return ['-s', file];
}

async function pin(child: ChildProcess, core: string): Promise<void> {
  await promisify(execFile)('taskset', ['-a', '-p', '-c', core, String(child.pid)]);
}

async function load(
  { name, wrkArguments }: Contender,
  connections: number,
  seconds: number,
): Promise<{ requests: number; perSecond: number }> {
  const options = ['-t1', `-c${connections}`, `-d${seconds}s`, ...wrkArguments];
  const { stdout } = await promisify(execFile)('taskset', ['-c', CLIENT_CORE, 'wrk', ...options]);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${name} refused requests:\n${stdout}`);
  await sleep(100);
  return { requests: Number(/(\d+) requests in/.exec(stdout)?.[1]), perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]) };
}

/** Returns the user and system time of a process with all its threads. */
function cpuMs({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function report(contenders: readonly Contender[], connections: number): void {
  const cpuOf = (name: string) => median(contenders.find((each) => each.name === name)?.measured.get(connections)?.cpuMicroseconds ?? []);
  const line = (cells: readonly string[]) => [cells[0]?.padEnd(30), ...cells.slice(1).map((cell) => cell.padStart(18))].join('');
  const rows = contenders.map(({ name, measured }) => {
    const cpu = cpuOf(name);
    const ratios = [`${(cpu / cpuOf(BARE)).toFixed(2)} x`, `${(cpuOf(JOSE) / cpu).toFixed(1)} x`];
    return line([name, median(measured.get(connections)?.requestsPerSecond ?? []).toFixed(0), cpu.toFixed(1), ...ratios]);
  });
  const head = line([`${connections} at once, ${ROUNDS} rounds`, 'requests/s', 'CPU µs/request', 'x node:http', 'jose / this']);
  process.stdout.write(`${[head, ...rows].join('\n')}\n`);
}
