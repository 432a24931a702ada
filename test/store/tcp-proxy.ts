/** A way to a server that can lose, hold back and cut, as networks do. */
import { EventEmitter, once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';

/**
 * What happens to what comes over connections that are there when it is set, and later ones:
 * `pass`; `loseAnswers`; `holdRequests` until {@link TcpProxy.deliver}.
 */
export type Mode = 'pass' | 'loseAnswers' | 'holdRequests';

export interface TcpProxy {
  readonly port: number;
  setMode(mode: Mode): void;
  /** Resolves when the server has answered something, whether the answer gets through or not. */
  nextAnswer(): Promise<void>;
  /** Sends on what was held back, and resolves when the server has answered. */
  deliver(): Promise<void>;
  /** Breaks the connections that are there. */
  cut(): void;
  /** From now on nothing gets through on the connections that are there, and nobody is told; new ones are good. */
  silence(): void;
  close(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const answers = new EventEmitter();
  let mode: Mode = 'pass';
  let held: { readonly upstream: Socket; readonly request: Buffer }[] = [];
  let pairs: { readonly client: Socket; readonly upstream: Socket; isSilent: boolean }[] = [];

  const server = createServer((client) => {
    const upstream = createConnection(targetPort, '127.0.0.1');
    const pair = { client, upstream, isSilent: false };
    pairs.push(pair);
    client.on('data', (request) => {
      if (pair.isSilent) return;
      if (mode === 'holdRequests') held.push({ upstream, request });
      else upstream.write(request);
    });
    upstream.on('data', (answer) => {
      if (!pair.isSilent && mode !== 'loseAnswers') client.write(answer);
      answers.emit('answer');
    });
    for (const socket of [client, upstream]) socket.on('error', () => {});
    upstream.on('close', () => client.destroy());
    // What was held back is on its way, whether the sender is still there or not.
    client.on('close', () => held.some((request) => request.upstream === upstream) || upstream.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const nextAnswer = async () => void (await once(answers, 'answer'));
  const cut = () => {
    for (const { client, upstream } of pairs) for (const socket of [client, upstream]) socket.destroy();
    pairs = [];
    held = [];
  };
  return {
    port: (server.address() as { port: number }).port,
    setMode: (next) => {
      mode = next;
    },
    nextAnswer,
    deliver: async () => {
      if (held.length === 0) throw new Error('nothing was held back');
      const answered = nextAnswer();
      for (const { upstream, request } of held) upstream.write(request);
      await answered;
    },
    cut,
    silence: () => {
      for (const pair of pairs) pair.isSilent = true;
    },
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
