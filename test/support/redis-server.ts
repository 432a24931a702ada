/** A real redis-server of the tests' own, on a free port of the loopback address, with nothing kept on disk but what a test asks for. */
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
 * @param options more of its command line, such as `['--appendonly', 'yes']`; `directory` is kept where it is given
 */
export async function startRedis(options: readonly string[] = [], given: { port?: number; directory?: string } = {}): Promise<RedisServer> {
  const port = given.port ?? (await freePort());
  const directory = given.directory ?? mkdtempSync(path.join(tmpdir(), 'samlgate-redis-'));
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...options], {
    stdio: 'ignore',
  });
  await answers(child, port);
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

/** Starts a Sentinel that watches one primary under a name and alone decides on a failover, half a second after it is gone. */
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
  await answers(child, port);
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
 * Starts a Redis Cluster of three primaries, which share the slots, and waits until each of them says that it is whole.
 * @param replicas of each
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

/** Waits until each node of a cluster says that all slots are served. */
export async function isWhole(nodes: readonly RedisServer[]): Promise<void> {
  for (const { port } of nodes) {
    while (!(await runRedisCli('-p', String(port), 'cluster', 'info')).includes('cluster_state:ok')) await pause();
  }
}

/** @returns what `redis-cli` printed */
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

async function answers(child: ChildProcess, port: number): Promise<void> {
  let failure: unknown;
  child.once('error', (error) => {
    failure = error;
  });
  for (let i = 0; i < 200; i++) {
    if (failure) throw new Error('redis-server can’t be started; install it (apt-get install redis-server)', { cause: failure });
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
      // A server that asks for a password answers too.
      resolve(/^\+PONG|^-NOAUTH/.test(data.toString()));
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
