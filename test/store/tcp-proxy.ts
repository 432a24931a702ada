/** A proxy that loses, delays and cuts connections, like a network. */
import { EventEmitter, once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';

/**
 * What the proxy does with data on current and later connections: `pass`, `loseAnswers`, or `holdRequests` until
 * {@link TcpProxy.deliver}.
 */
export type Mode = 'pass' | 'loseAnswers' | 'holdRequests';

export interface TcpProxy {
  readonly port: number;
  setMode(mode: Mode): void;
  /** Resolves when the server has answered, whether or not the answer gets through. */
  nextAnswer(): Promise<void>;
  /** Sends the held requests, and resolves when the server has answered. */
  deliver(): Promise<void>;
  /** Closes all current connections. */
  cut(): void;
  /** Silently drops all data on current connections. New connections work. */
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
    // Held data is on its way, whether or not the sender still exists.
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
      if (held.length === 0) throw new Error('no request was held');
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
