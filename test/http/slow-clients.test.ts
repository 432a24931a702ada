/** Clients that send slowly or not at all, over real sockets. */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../src/http/limits/limits.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';

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

const post = (path: string, length: number, headers = '') =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\n${headers}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${length}\r\n\r\n`;
const untilAnswered = async (clients: readonly Client[]) => {
  for (let i = 0; i < 100 && clients.some(({ received }) => received() === ''); i++) await wait(100);
};

describe('slow clients', () => {
  let gateway: TestGateway;
  let impatient: TestGateway;
  // These clients wait for 15 to 30 seconds. They do so while the other tests run.
  let slowHeaders: Client;
  let slowBody: Client;
  let kept: Client;
  beforeAll(async () => {
    gateway = await startGateway();
    impatient = await startGateway({ environment: { SAMLGATE_KEEP_ALIVE_SECONDS: '1' } });
    slowHeaders = open(gateway, 'GET /healthz HTTP/1.1\r\nHost: x\r\n');
    slowBody = open(gateway, `${post('/login', 100)}who=`);
    kept = open(gateway, HEALTH);
  });
  afterAll(async () => {
    await gateway.stop();
    await impatient.stop();
  });

  it('keeps an idle connection open for SAMLGATE_KEEP_ALIVE_SECONDS', async () => {
    const closed = open(impatient, HEALTH);
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

  it('answers before it reads a body for an unknown organization, and closes slow connections', async () => {
    const clients = Array.from({ length: 600 }, (_, i) =>
      open(gateway, `${post(`/saml/unknown/${i % 2 === 0 ? 'acs' : 'slo'}`, 590_000)}SAMLResponse=`),
    );
    // The gateway refuses this one because of its size. The client still has to send its body.
    const { acsUrl } = await makeTestOrganization(gateway);
    const oversized = open(gateway, post(new URL(acsUrl).pathname, 700_000));
    await untilAnswered([...clients, oversized]);
    expect(new Set(clients.flatMap(({ received }) => responses(received())))).toEqual(new Set(['HTTP/1.1 404']));
    expect(responses(oversized.received())).toEqual(['HTTP/1.1 413']);
    const seconds = await Promise.all([...clients, oversized].map(({ ended }) => ended));
    expect(Math.max(...seconds)).toBeLessThan(20);
  }, 30_000);

  it('refuses an oversized response by its Content-Length, before it is sent, and also without one', async () => {
    const { acsUrl } = await makeTestOrganization(gateway);
    const path = new URL(acsUrl).pathname;
    const chunked = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const clients = [open(gateway, post(path, 700_000)), open(gateway, `${chunked}aae60\r\n${'a'.repeat(0xaae60)}\r\n0\r\n\r\n`)];
    await untilAnswered(clients);
    expect(clients.flatMap(({ received }) => responses(received()))).toEqual(['HTTP/1.1 413', 'HTTP/1.1 413']);
    for (const { socket } of clients) socket.destroy();
  });

  it('never holds more than 16 MB of incomplete bodies, also with SAMLGATE_RATE_LIMITS=off, and still signs users in', async () => {
    const organization = await makeTestOrganization(gateway);
    const path = new URL(organization.acsUrl).pathname;
    const sent = 590_000;
    const clients = Array.from({ length: 80 }, () => open(gateway, `${post(path, 600_000)}${'a'.repeat(sent)}`));
    let isOpen = clients.length;
    for (const { ended } of clients) void ended.then(() => isOpen--);
    const most = Math.floor((16 * 1024 * 1024) / sent);
    for (let i = 0; i < 100 && isOpen > most; i++) await wait(100);
    expect(isOpen).toBeLessThanOrEqual(most);
    // A small slow body is not dropped.
    const small = open(gateway, `${post('/login', 7)}who=`);
    const browser = new HttpBrowser();
    expect((await organization.signIn(browser)).status).toBe(303);
    small.socket.write('abc');
    await untilAnswered([small]);
    expect(responses(small.received())).toEqual(['HTTP/1.1 404']);
    for (const { socket } of [...clients, small]) socket.destroy();
  }, 30_000);

  it('counts what each chunk takes besides its content', async () => {
    const { acsUrl } = await makeTestOrganization(gateway);
    const headers = `POST ${new URL(acsUrl).pathname} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n`;
    // 100,000 octets in chunks of one octet take 25 MB of memory.
    const client = open(gateway, headers + '1\r\na\r\n'.repeat(100_000));
    expect(await client.ended).toBeLessThan(15);
    expect(client.received()).toBe('');
  }, 30_000);

  describe('over the limits of refused responses', () => {
    let limited: TestGateway;
    beforeAll(async () => {
      limited = await startGateway({ environment: { SAMLGATE_RATE_LIMITS: 'on', SAMLGATE_TRUST_PROXY: 'loopback' } });
    });
    afterAll(() => limited.stop());

    it('counts bodies that are aborted before their end', async () => {
      const { acsUrl } = await makeTestOrganization(limited);
      const request = post(new URL(acsUrl).pathname, 1000, 'X-Forwarded-For: 198.51.100.9\r\n');
      // On a busy machine, the gateway sees some of these requests only after they were aborted.
      for (let i = 0; i < 2 * LIMITS.refusals_by_address.points; i++) {
        const { socket, ended } = open(limited, `${request}SAMLResponse=`);
        await wait(20);
        socket.destroy();
        await ended;
      }
      await wait(300);
      const later = open(limited, `${request}SAMLResponse=`);
      await untilAnswered([later]);
      expect(responses(later.received())).toEqual(['HTTP/1.1 429']);
      later.socket.destroy();
    }, 60_000);

    it('answers before it reads a body, unless the browser may answer a started sign-in', async () => {
      const organization = await makeTestOrganization(limited);
      const browser = new HttpBrowser();
      for (let i = 0; i < LIMITS.refusals_by_address.points; i++) await organization.post(browser, '<a/>');
      const path = new URL(organization.acsUrl).pathname;
      const stranger = open(limited, `${post(path, 1000)}SAMLResponse=`);
      const cookie = `Cookie: samlgate_login=${'x'.repeat(43)}\r\n`;
      const claimant = open(limited, `${post(path, 1000, cookie)}SAMLResponse=`);
      await untilAnswered([stranger]);
      expect([responses(stranger.received()), claimant.received()]).toEqual([['HTTP/1.1 429'], '']);
      // Such attempts have a limit of their own.
      const { requestId } = await organization.start(browser);
      for (let i = 0; i < LIMITS.attempts_by_address.points; i++) await organization.post(browser, `<a InResponseTo="${requestId}"/>`);
      const later = open(limited, `${post(path, 1000, cookie)}SAMLResponse=`);
      await untilAnswered([later]);
      expect(responses(later.received())).toEqual(['HTTP/1.1 429']);
      for (const { socket } of [stranger, claimant, later]) socket.destroy();
    }, 60_000);
  });

  it('closes connections whose headers take 15 seconds, or whose bodies take 30 seconds', async () => {
    const [headersSeconds, bodySeconds] = await Promise.all([slowHeaders.ended, slowBody.ended]);
    expect(headersSeconds).toBeGreaterThan(14);
    expect(headersSeconds).toBeLessThan(20);
    expect(bodySeconds).toBeGreaterThan(29);
    expect(bodySeconds).toBeLessThan(35);
    expect([responses(slowHeaders.received()), responses(slowBody.received())]).toEqual([['HTTP/1.1 408'], ['HTTP/1.1 408']]);
  }, 45_000);
});
