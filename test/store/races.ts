import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Child, startChild } from './children.ts';
import type { Subject } from './conformance.ts';
import { claim, findAll, idsOf, insert, newPartition, OK, PEOPLE, PETS, put } from './people.ts';

const RACERS = 4;
const ROUNDS = 40;

export function raceGuarantees({ url, store }: Subject): void {
  describe('racing processes', () => {
    const partition = newPartition();
    const racers: Child[] = [];

    beforeAll(async () => {
      for (let i = 0; i < RACERS; i++) racers.push(startChild('./racer.ts', [url(), partition, `racer${i}`, String(ROUNDS)]));
      for (const racer of racers) expect(await racer.nextLine()).toBe('ready');
    });
    afterAll(() => Promise.all(racers.map((racer) => racer.kill())));

    async function race(name: string): Promise<unknown[]> {
      const startMs = Date.now() + 25;
      for (const racer of racers) racer.send(`${name} ${startMs}`);
      return Promise.all(racers.map(async (racer) => JSON.parse(await racer.nextLine()) as unknown));
    }
    /** Runs a race in which only one racer may succeed in each round. */
    async function winners(name: string): Promise<Map<number, string>> {
      const won = (await race(name)) as number[][];
      expect(won.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: ROUNDS }, (_, round) => round));
      return new Map(won.flatMap((mine, i) => mine.map((round) => [round, `racer${i}`] as const)));
    }

    test('let one process claim a key', async () => {
      await winners('claim');
      for (let round = 0; round < ROUNDS; round++) expect(await store().peek(partition, `claimed${round}`)).not.toBeUndefined();
    });

    test('let one process take a value, with only its other steps', async () => {
      expect(
        await store().commit(
          partition,
          Array.from({ length: ROUNDS }, (_, round) => put(`prize${round}`, 'prize')),
        ),
      ).toEqual(OK);
      for (const [round, winner] of await winners('take')) {
        expect(await store().peek(partition, `prize${round}`)).toBeUndefined();
        expect(await store().peek(partition, `taker${round}`)).toBe(winner);
      }
    });

    test('let one process insert a record after reading another', async () => {
      expect(await store().commit(partition, [insert('anchor', { name: 'Anchor' })])).toEqual(OK);
      for (const [round, winner] of await winners('insert')) {
        expect((await store().get(partition, PEOPLE, `same${round}`))?.value.name).toBe(winner);
      }
    });

    test('let one process insert a unique string', async () => {
      for (const [round, winner] of await winners('unique')) {
        expect((await store().getUnique(partition, PEOPLE, 'email', `only${round}`))?.value.name).toBe(winner);
        const there = await Promise.all(racers.map((_, i) => store().get(partition, PEOPLE, `racer${i}-${round}`)));
        expect(there.filter((record) => record !== undefined)).toHaveLength(1);
      }
    });

    test('let one process commit a sign-in of two claims and a record', async () => {
      for (const [round, winner] of await winners('login')) {
        const there = await Promise.all(racers.map((_, i) => store().get(partition, PEOPLE, `login${round}racer${i}`)));
        expect(there.flatMap((record) => (record ? [record.value.name] : []))).toEqual([winner]);
      }
    });

    test('insert exactly as many records, and count exactly as far, as the limit allows', async () => {
      expect(((await race('below')) as number[][]).flat()).toHaveLength(100);
      expect(await store().count(partition, PETS)).toBe(100);
      expect(((await race('counter')) as number[][]).flat()).toHaveLength(100);
      expect(await store().peek(partition, 'limited')).toBe('100');
    });

    test('lose no update', async () => {
      expect(await store().commit(partition, [insert('counter', { name: '0' })])).toEqual(OK);
      await race('increment');
      const total = RACERS * ROUNDS;
      expect(await store().get(partition, PEOPLE, 'counter')).toEqual({
        id: 'counter',
        version: total + 1,
        value: { name: String(total) },
      });
    });

    test('show each commit completely to readers', async () => {
      const mine = newPartition();
      const pair = { name: 'pair', note: 1 };
      const steps = [insert('left', { ...pair, groups: ['busy'], email: 'baton' }), insert('right', { ...pair, groups: ['idle'] })];
      expect(await store().commit(mine, steps)).toEqual(OK);
      const swapper = startChild('./racer.ts', [url(), mine, 'swapper', '0']);
      expect(await swapper.nextLine()).toBe('ready');
      swapper.send('swap 0');
      const seen = new Set<number>();
      while (seen.size < 150) {
        const [pairs, busy, holder] = await Promise.all([
          findAll(store(), mine, PEOPLE, 'name', { equals: 'pair' }),
          findAll(store(), mine, PEOPLE, 'group', { equals: 'busy' }),
          store().getUnique(mine, PEOPLE, 'email', 'baton'),
        ]);
        expect(idsOf(pairs)).toEqual(['left', 'right']);
        expect([pairs[0]?.version, pairs[0]?.value.note]).toEqual([pairs[1]?.version, pairs[1]?.value.note]);
        expect(busy.map(({ value }) => value.groups)).toEqual([['busy']]);
        expect(holder?.value.email).toBe('baton');
        seen.add(pairs[0]?.version ?? 0);
        await new Promise(setImmediate);
      }
      swapper.send('stop');
      expect(await swapper.nextLine()).toBe('null');
      await swapper.kill();
    });
  });

  describe('concurrent calls of one process', () => {
    test('let one of twenty claims succeed', async () => {
      const partition = newPartition();
      const results = await Promise.all(Array.from({ length: 20 }, () => store().commit(partition, [claim('once')])));
      expect(results.filter(({ ok }) => ok)).toHaveLength(1);
    });
  });
}
