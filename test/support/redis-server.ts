/** A real redis-server of the tests' own, on a free port of the loopback address, with nothing kept on disk but what a test asks for. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

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
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      if (given.directory === undefined) rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function answers(child: ChildProcess, port: number): Promise<void> {
  let failure: unknown;
  child.once('error', (error) => {
    failure = error;
  });
  for (let i = 0; i < 200; i++) {
    if (failure) throw new Error('redis-server can’t be started; install it (apt-get install redis-server)', { cause: failure });
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
    if (await connects(port)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('redis-server does not answer');
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.setTimeout(1000, () => socket.destroy());
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString().startsWith('+PONG'));
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
