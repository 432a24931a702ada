import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { ExchangedTokens } from '../../src/client/exchanged-tokens.ts';
import { TokenError } from '../../src/client/token-error.ts';

afterEach(() => void jest.restoreAllMocks());

const atTime = (nowMs: number) => jest.spyOn(Date, 'now').mockReturnValue(nowMs);

function counting(answer: (token: string) => Promise<{ expiresAtMs: number }>, maxKept?: number) {
  const asked: string[] = [];
  const tokens = new ExchangedTokens((token) => {
    asked.push(token);
    return answer(token);
  }, maxKept);
  return { asked, tokens };
}

describe('samlgate/express: exchanged tokens', () => {
  test('of more than it keeps, the one that was not needed longest goes', async () => {
    atTime(0);
    const { asked, tokens } = counting(async () => ({ expiresAtMs: 600_000 }), 3);
    for (const token of ['a', 'b', 'c', 'a', 'd']) await tokens.get(token);
    expect(asked.splice(0)).toEqual(['a', 'b', 'c', 'd']);
    for (const token of ['a', 'c', 'd', 'b']) await tokens.get(token);
    expect(asked).toEqual(['b']);
  });

  test('are fetched anew 30 seconds before they end', async () => {
    const time = atTime(0);
    const { asked, tokens } = counting(async () => ({ expiresAtMs: 600_000 }));
    await tokens.get('a');
    time.mockReturnValue(569_999);
    await tokens.get('a');
    expect(asked).toHaveLength(1);
    time.mockReturnValue(570_000);
    expect(tokens.find('a')).toBeUndefined();
    await tokens.get('a');
    expect(asked).toHaveLength(2);
  });

  test('a refusal is kept for 5 seconds, and that nobody could tell not at all', async () => {
    const time = atTime(0);
    const { asked, tokens } = counting(async (token) => {
      throw new TokenError(token === 'bad' ? 'refused' : 'unavailable');
    });
    const ask = (token: string) => expect(tokens.get(token)).rejects.toBeInstanceOf(TokenError);
    await ask('bad');
    time.mockReturnValue(4999);
    await ask('bad');
    expect(asked.splice(0)).toEqual(['bad']);
    time.mockReturnValue(5000);
    await ask('bad');
    await ask('away');
    await ask('away');
    expect(asked).toEqual(['bad', 'away', 'away']);
  });
});
