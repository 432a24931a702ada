import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { ExchangedTokens } from '../../src/client/exchanged-tokens.ts';
import { TokenError } from '../../src/client/token-error.ts';

afterEach(() => void jest.restoreAllMocks());

const atTime = (nowMs: number) => jest.spyOn(Date, 'now').mockReturnValue(nowMs);

function countExchanges(answer: (token: string) => Promise<{ expiresAtMs: number }>, maxEntries?: number) {
  const exchanged: string[] = [];
  const tokens = new ExchangedTokens((token) => {
    exchanged.push(token);
    return answer(token);
  }, maxEntries);
  return { exchanged, tokens };
}

describe('samlgate/express: exchanged tokens', () => {
  test('evicts the least recently used token first', async () => {
    atTime(0);
    const { exchanged, tokens } = countExchanges(async () => ({ expiresAtMs: 600_000 }), 3);
    for (const token of ['a', 'b', 'c', 'a', 'd']) await tokens.get(token);
    expect(exchanged.splice(0)).toEqual(['a', 'b', 'c', 'd']);
    for (const token of ['a', 'c', 'd', 'b']) await tokens.get(token);
    expect(exchanged).toEqual(['b']);
  });

  test('exchanges a token again 30 seconds before the session token expires', async () => {
    const time = atTime(0);
    const { exchanged, tokens } = countExchanges(async () => ({ expiresAtMs: 600_000 }));
    await tokens.get('a');
    time.mockReturnValue(569_999);
    await tokens.get('a');
    expect(exchanged).toHaveLength(1);
    time.mockReturnValue(570_000);
    expect(tokens.find('a')).toBeUndefined();
    await tokens.get('a');
    expect(exchanged).toHaveLength(2);
  });

  test('caches a refusal for 5 seconds, and an unavailable gateway not at all', async () => {
    const time = atTime(0);
    const { exchanged, tokens } = countExchanges(async (token) => {
      throw new TokenError(token === 'bad' ? 'refused' : 'unavailable');
    });
    const ask = (token: string) => expect(tokens.get(token)).rejects.toBeInstanceOf(TokenError);
    await ask('bad');
    time.mockReturnValue(4999);
    await ask('bad');
    expect(exchanged.splice(0)).toEqual(['bad']);
    time.mockReturnValue(5000);
    await ask('bad');
    await ask('away');
    await ask('away');
    expect(exchanged).toEqual(['bad', 'away', 'away']);
  });
});
