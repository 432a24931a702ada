/** Clients that send slowly or not at all, over real sockets. */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type TestGateway } from '../support/gateway.ts';

/** A connection to a gateway, and all that it sends. */
interface Client {
  readonly socket: Socket;
  /** What the gateway has sent so far. */
  received(): string;
  /** Resolves with the seconds from the connection to its end. */
  readonly ended: Promise<number>;
}

function open({ url }: TestGateway, text: string): Client {
  const { hostname, port } = new URL(url);
  const startedMs = performance.now();
  const socket = connect(Number(port), hostname);
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
  socket.on('error', () => {});
  const ended = new Promise<number>((resolve) => socket.once('close', () => resolve((performance.now() - startedMs) / 1000)));
  socket.write(text);
  return { socket, received: () => received, ended };
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const responses = (text: string) => text.match(/HTTP\/1\.1 \d+/g) ?? [];
const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';

describe('slow clients', () => {
  let gateway: TestGateway;
  let impatient: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
    impatient = await startGateway({ environment: { SAMLGATE_KEEP_ALIVE_SECONDS: '1' } });
  });
  afterAll(async () => {
    await gateway.stop();
    await impatient.stop();
  });

  it('closes connections whose headers take 15 seconds, or whose bodies take 30 seconds', async () => {
    const headers = open(gateway, 'GET /healthz HTTP/1.1\r\nHost: x\r\n');
    const body = open(
      gateway,
      'POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nwho=',
    );
    const [headersSeconds, bodySeconds] = await Promise.all([headers.ended, body.ended]);
    expect(headersSeconds).toBeGreaterThan(14);
    expect(headersSeconds).toBeLessThan(20);
    expect(bodySeconds).toBeGreaterThan(29);
    expect(bodySeconds).toBeLessThan(35);
    expect([responses(headers.received()), responses(body.received())]).toEqual([['HTTP/1.1 408'], ['HTTP/1.1 408']]);
  }, 45_000);

  it('keeps an idle connection open for SAMLGATE_KEEP_ALIVE_SECONDS', async () => {
    const [kept, closed] = [open(gateway, HEALTH), open(impatient, HEALTH)];
    expect(await closed.ended).toBeLessThan(6);
    expect(responses(closed.received())).toEqual(['HTTP/1.1 200']);
    expect(kept.received()).toMatch(/keep-alive: timeout=75/i);
    // Longer than Node's default of 5 seconds, and its buffer of one second.
    await wait(6500);
    kept.socket.write(HEALTH);
    await wait(1000);
    expect(responses(kept.received())).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200']);
    kept.socket.destroy();
  }, 30_000);
});
