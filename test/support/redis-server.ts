/** Starts redis-server for tests, on a free port of the loopback address, without persistence unless a test configures it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * Starts redis-server and waits until it answers.
 * @param options command-line options, such as `['--appendonly', 'yes']`
 * @param given port and directory; a given directory is not deleted
 */
export async function startRedis(options: readonly string[] = [], given: { port?: number; directory?: string } = {}): Promise<RedisServer> {
  const port = given.port ?? (await freePort());
  const directory = given.directory ?? mkdtempSync(path.join(tmpdir(), 'samlgate-redis-'));
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...options], {
    stdio: 'ignore',
  });
  await waitUntilReady(child, port);
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    process: child,
    stop: async () => {
      await kill(child);
      if (given.directory === undefined) rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Starts a Sentinel that monitors one primary and decides on a failover alone, half a second after the primary fails. */
export async function startSentinel(name: string, primaryPort: number): Promise<RedisServer> {
  const port = await freePort();
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-sentinel-'));
  const file = path.join(directory, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor ${name} 127.0.0.1 ${primaryPort} 1`,
    `sentinel down-after-milliseconds ${name} 500`,
    `sentinel failover-timeout ${name} 2000`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
  await waitUntilReady(child, port);
  return {
    port,
    url: `redis+sentinel://127.0.0.1:${port}/${name}`,
    process: child,
    stop: async () => {
      await kill(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts a Redis Cluster of three primaries and waits until each node reports that all slots are served.
 * @param replicas number of replicas per primary
 */
export async function startRedisCluster(replicas = 0): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (let i = 0; i < 3 * (1 + replicas); i++) {
      const options = [
        '--cluster-enabled',
        'yes',
        '--cluster-node-timeout',
        '2000',
        '--appendonly',
        'yes',
        '--repl-diskless-sync-delay',
        '0',
      ];
      nodes.push(await startRedis([...options, '--cluster-port', String(await freePort())]));
    }
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
    await runRedisCli('--cluster', 'create', ...addresses, '--cluster-replicas', String(replicas), '--cluster-yes');
    await isWhole(nodes);
    return { nodes, url: `redis+cluster://${addresses.join(',')}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits until each node of a cluster reports that all slots are served. */
export async function isWhole(nodes: readonly RedisServer[]): Promise<void> {
  for (const { port } of nodes) {
    while (!(await runRedisCli('-p', String(port), 'cluster', 'info')).includes('cluster_state:ok')) await pause();
  }
}

/** Runs `redis-cli` and returns its output. */
export async function runRedisCli(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('redis-cli', args);
  return stdout;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 25));

async function waitUntilReady(child: ChildProcess, port: number): Promise<void> {
  let failure: unknown;
  child.once('error', (error) => {
    failure = error;
  });
  for (let i = 0; i < 200; i++) {
    if (failure) throw new Error('redis-server could not be started. Install it with: apt-get install redis-server', { cause: failure });
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
    if (await connects(port)) return;
    await pause();
  }
  throw new Error('redis-server does not answer');
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.setTimeout(1000, () => socket.destroy());
    socket.once('data', (data) => {
      socket.destroy();
      // A server that requires a password is ready too.
      resolve(/^\+PONG|^-NOAUTH/.test(data.toString()));
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
