/** An HTTP server that answers as a test says and records its requests. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StubRequest {
  readonly method: string;
  /** Path with query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface StubAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; strings are sent unchanged. */
  readonly body?: unknown;
  /** Closes the connection without an answer. */
  readonly hangUp?: boolean;
  /** Never answers. */
  readonly silent?: boolean;
}

export interface StubGateway {
  readonly url: string;
  readonly requests: readonly StubRequest[];
  /** Sets how to answer further requests. */
  answer(with_: (request: StubRequest) => StubAnswer | Promise<StubAnswer>): void;
  forget(): void;
  close(): Promise<void>;
}

export async function startStubGateway(): Promise<StubGateway> {
  const requests: StubRequest[] = [];
  let answerWith: (request: StubRequest) => StubAnswer | Promise<StubAnswer> = () => ({ status: 404, body: {} });
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers } = incoming;
    const request = { method, url, headers, body: Buffer.concat(chunks).toString('utf8') };
    requests.push(request);
    const { status = 200, headers: more = {}, body, hangUp, silent } = await answerWith(request);
    if (hangUp) return void incoming.socket.destroy();
    if (silent) return;
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status, { 'content-type': 'application/json', ...more }).end(text);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer: (with_) => {
      answerWith = with_;
    },
    forget: () => void requests.splice(0),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
