import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { VerificationTurns } from '../../src/http/limits/verification-turns.ts';

const MEGABYTE = 1024 * 1024;
const client = new PassThrough().setMaxListeners(0);
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

interface Costs {
  readonly octets?: number;
  /** How long a verification takes, by organization. */
  readonly costMs?: Readonly<Record<string, number>>;
}

/** Takes turns for responses that arrive at the same moment, and returns their names in the order of their turns. */
async function orderOf(responses: readonly string[], { octets = 1000, costMs = {} }: Costs = {}): Promise<string[]> {
  let nowMs = 0;
  const turns = new VerificationTurns(() => nowMs);
  const order: string[] = [];
  await Promise.all(
    responses.map(async (name) => {
      const [organizationId = '', address = ''] = name.split(' ');
      const end = await turns
        .take({ organizationId, address, octets, client })
        .catch((error: { code: string }) => void order.push(`${name} ${error.code}`));
      if (!end) return;
      order.push(name);
      nowMs += costMs[organizationId] ?? 1;
      end();
      end(); // a second call does nothing
    }),
  );
  return order;
}

describe('turns of verifications', () => {
  it('alternate between organizations', async () => {
    const order = await orderOf(['a 1', 'a 1', 'a 1', 'a 1', 'b 1', 'b 1', 'c 1']);
    expect(order).toEqual(['a 1', 'b 1', 'c 1', 'a 1', 'b 1', 'a 1', 'a 1']);
  });

  it('alternate between the addresses of an organization', async () => {
    expect(await orderOf(['a 1', 'a 1', 'a 1', 'a 1', 'a 2', 'a 3'])).toEqual(['a 1', 'a 1', 'a 2', 'a 3', 'a 1', 'a 1']);
  });

  it('share the time and not the number of verifications, so that slow responses delay others only once', async () => {
    const slow = Array.from({ length: 20 }, (_, i) => `slow ${i}`);
    const usual = Array.from({ length: 60 }, (_, i) => `usual ${i}`);
    const order = await orderOf([...slow, ...usual], { costMs: { slow: 30, usual: 1 } });
    const slowBefore = order.slice(0, order.lastIndexOf('usual 59')).filter((name) => name.startsWith('slow'));
    expect(slowBefore.length).toBeLessThanOrEqual(3);
  });

  it('are not all given to an organization that comes later', async () => {
    let nowMs = 0;
    const turns = new VerificationTurns(() => nowMs);
    const order: string[] = [];
    const verify = async (organizationId: string) => {
      const end = await turns.take({ organizationId, address: '1', octets: 1, client });
      order.push(organizationId);
      nowMs += 10;
      if (order.length === 50) for (let i = 0; i < 20; i++) waiting.push(verify('late'));
      end();
    };
    const waiting = Array.from({ length: 100 }, () => verify('early'));
    while (order.length < 120) await nextTurn();
    expect(order.slice(50, 70).filter((name) => name === 'early').length).toBeGreaterThanOrEqual(9);
    await Promise.all(waiting);
  });

  it('answer other requests between two verifications', async () => {
    let nowMs = 0;
    const turns = new VerificationTurns(() => nowMs);
    const order: string[] = [];
    const verify = async (name: string) => {
      const end = await turns.take({ organizationId: 'a', address: '1', octets: 1, client });
      order.push(name);
      // Shorter verifications share one turn of the event loop.
      nowMs += 6;
      end();
    };
    const all = Promise.all([verify('1'), verify('2'), verify('3')]);
    setImmediate(() => setImmediate(() => order.push('other request')));
    await all;
    expect(order.indexOf('other request')).toBeLessThan(3);
    expect(order.indexOf('other request')).toBeGreaterThan(0);
  });

  it('are refused to the organization that sent the most, and to no other', async () => {
    const hostile = Array.from({ length: 60 }, (_, i) => `hostile ${i % 10}`);
    const order = await orderOf([...hostile, 'b 1', 'c 1', 'c 2'], { octets: MEGABYTE });
    const refused = order.filter((name) => name.endsWith('rate_limited'));
    expect(refused.every((name) => name.startsWith('hostile'))).toBe(true);
    // One is verified while the others wait, which have at most 16 MB together, with what their requests take besides the form.
    expect(order.length - refused.length).toBe(16);
    expect(order).toEqual(expect.arrayContaining(['b 1', 'c 1', 'c 2']));
  });

  it('are refused to an address that sends to many organizations, and not to the organization that it sends the least', async () => {
    const hostile = Array.from({ length: 60 }, (_, i) => `${i % 20} hostile`);
    const victims = Array.from({ length: 6 }, (_, i) => `victim ${i}`);
    const order = await orderOf(['0 hostile', ...victims, ...hostile], { octets: MEGABYTE });
    const refused = order.filter((name) => name.endsWith('rate_limited'));
    expect(refused.every((name) => name.includes('hostile'))).toBe(true);
    expect(order).toEqual(expect.arrayContaining(victims));
    expect(order.filter((name) => name.endsWith('hostile')).length).toBe(8);
  });

  it('are not kept for clients that are gone, however often they send and disconnect', async () => {
    const turns = new VerificationTurns();
    const end = await turns.take({ organizationId: 'a', address: '1', octets: 1, client });
    const codes: string[] = [];
    for (let i = 0; i < 100; i++) {
      const gone = new PassThrough();
      const request = { organizationId: 'a', address: `${i}`, octets: MEGABYTE, client: gone };
      const waiting = turns.take(request).catch(({ code }: { code: string }) => void codes.push(code));
      expect(turns.waitingOctets).toBeGreaterThan(MEGABYTE);
      gone.destroy();
      await waiting;
      expect(turns.waitingOctets).toBe(0);
      await expect(turns.take(request)).rejects.toMatchObject({ code: 'rate_limited' });
    }
    expect(codes).toEqual(Array(100).fill('rate_limited'));
    const other = turns.take({ organizationId: 'b', address: '2', octets: 1, client });
    end();
    expect(await other).toBeInstanceOf(Function);
  });

  it('count what many small requests take', async () => {
    const turns = new VerificationTurns();
    await turns.take({ organizationId: 'a', address: '1', octets: 1, client });
    let refused = 0;
    for (let i = 0; i < 10_000; i++)
      void turns.take({ organizationId: 'a', address: `${i % 100}`, octets: 100, client }).catch(() => void refused++);
    await nextTurn();
    expect(refused).toBeGreaterThan(5000);
    expect(turns.waitingOctets).toBeLessThanOrEqual(16 * MEGABYTE);
  });

  it('continue after a turn whose verification failed', async () => {
    const turns = new VerificationTurns();
    for (let i = 0; i < 3; i++) {
      const end = await turns.take({ organizationId: 'a', address: '1', octets: 1, client });
      await Promise.reject(new Error('invalid'))
        .catch(() => undefined)
        .finally(end);
    }
    await nextTurn();
    expect(await turns.take({ organizationId: 'a', address: '1', octets: 1, client })).toBeInstanceOf(Function);
  });
});
