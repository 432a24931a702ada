import { describe, expect, it } from '@jest/globals';
import { VerificationTurns } from '../../src/http/limits/verification-turns.ts';

/** Takes turns for responses that arrive at the same moment, and returns their names in the order of their turns. */
async function orderOf(responses: readonly string[], length = 1000): Promise<string[]> {
  const turns = new VerificationTurns();
  const order: string[] = [];
  await Promise.all(
    responses.map(async (name) => {
      const [organizationId = '', address = ''] = name.split(' ');
      const end = await turns
        .take({ organizationId, address, length })
        .catch((error: { code: string }) => void order.push(`${name} ${error.code}`));
      if (!end) return;
      order.push(name);
      end();
      end(); // a second call does nothing
    }),
  );
  return order;
}

describe('turns of verifications', () => {
  it('alternate between organizations', async () => {
    const order = await orderOf(['a 1', 'a 1', 'a 1', 'a 1', 'b 1', 'b 1', 'c 1']);
    expect(order).toEqual(['a 1', 'a 1', 'b 1', 'c 1', 'a 1', 'b 1', 'a 1']);
  });

  it('alternate between the addresses of an organization', async () => {
    expect(await orderOf(['a 1', 'a 1', 'a 1', 'a 1', 'a 2', 'a 3'])).toEqual(['a 1', 'a 1', 'a 2', 'a 3', 'a 1', 'a 1']);
  });

  it('answer other requests between two verifications', async () => {
    const turns = new VerificationTurns();
    const order: string[] = [];
    const verify = async (name: string) => {
      const end = await turns.take({ organizationId: 'a', address: '1', length: 1 });
      order.push(name);
      end();
    };
    const all = Promise.all([verify('1'), verify('2'), verify('3')]);
    setImmediate(() => setImmediate(() => order.push('other request')));
    await all;
    expect(order.indexOf('other request')).toBeLessThan(3);
    expect(order.indexOf('other request')).toBeGreaterThan(0);
  });

  it('are refused to the organization that sent the most, and to no other', async () => {
    const megabyte = 1024 * 1024;
    const hostile = Array.from({ length: 30 }, (_, i) => `hostile ${i % 3}`);
    const order = await orderOf([...hostile, 'b 1', 'c 1', 'c 2'], megabyte);
    const refused = order.filter((name) => name.endsWith('rate_limited'));
    expect(refused.every((name) => name.startsWith('hostile'))).toBe(true);
    // One is verified while the others wait, which have at most 8 MB together.
    expect(order.length - refused.length).toBe(9);
    expect(order).toEqual(expect.arrayContaining(['b 1', 'c 1', 'c 2']));
  });

  it('continue after a turn whose verification failed', async () => {
    const turns = new VerificationTurns();
    for (let i = 0; i < 3; i++) {
      const end = await turns.take({ organizationId: 'a', address: '1', length: 1 });
      await Promise.reject(new Error('invalid'))
        .catch(() => undefined)
        .finally(end);
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(await turns.take({ organizationId: 'a', address: '1', length: 1 })).toBeInstanceOf(Function);
  });
});
