import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eachRecord } from '../../src/store/each-record.ts';
import { eachPart, shareTurns } from '../../src/store/next-turn.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Collection, Store } from '../../src/store/store.ts';
import { countTurns } from '../support/count-turns.ts';

const NUMBERS: Collection<{ n: number }> = { name: 'number', indexes: { parity: ({ n }) => [n % 2 === 0 ? 'even' : 'odd'] }, unique: {} };
const COUNT = 450;
const idOf = (n: number) => String(n).padStart(4, '0');

const ALL = { partition: 'org_a', collection: NUMBERS, index: 'parity' };

describe('eachRecord', () => {
  let store: Store;
  let pages = 0;
  beforeAll(async () => {
    const opened = await openStore('sqlite::memory:');
    store = new Proxy(opened, {
      get(target, name) {
        if (name === 'find') pages++;
        const member = target[name as keyof Store];
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    const steps = Array.from({ length: COUNT }, (_, n) => ({ do: 'insert', collection: NUMBERS, id: idOf(n), value: { n } }) as const);
    await store.commit('org_a', steps);
  });
  afterAll(() => store.close());

  const read = async (equals?: string, upTo = Number.POSITIVE_INFINITY) => {
    pages = 0;
    const ids: string[] = [];
    for await (const { id } of eachRecord(store, { partition: 'org_a', collection: NUMBERS, index: 'parity', equals })) {
      ids.push(id);
      if (ids.length >= upTo) break;
    }
    return ids;
  };

  it('yields the records of all pages in order', async () => {
    const numbers = Array.from({ length: COUNT }, (_, n) => n);
    const ordered = [...numbers.filter((n) => n % 2 === 0), ...numbers.filter((n) => n % 2 === 1)];
    expect(await read()).toEqual(ordered.map(idOf));
    expect(pages).toBe(3);
  });

  it('yields only the records with the given index string', async () => {
    expect((await read('odd')).length).toBe(COUNT / 2);
    expect(await read('neither')).toEqual([]);
  });

  it('lets other work run between two pages', async () => {
    expect(await countTurns(() => read())).toBeGreaterThanOrEqual(2);
  });

  it('lets other work run within a page if the caller is slow', async () => {
    const turns = await countTurns(async () => {
      let read = 0;
      for await (const _ of eachRecord(store, ALL)) {
        const untilMs = performance.now() + 11;
        while (performance.now() < untilMs); // computes
        if (++read === 10) break;
      }
    });
    expect(turns).toBeGreaterThanOrEqual(9);
  });

  it('ends with the reason of a signal that is aborted, and reads no further page', async () => {
    const gone = new AbortController();
    pages = 0;
    const reading = (async () => {
      for await (const _ of eachRecord(store, { ...ALL, signal: gone.signal })) gone.abort(new Error('the client is gone'));
    })();
    await expect(reading).rejects.toThrow('the client is gone');
    expect(pages).toBe(1);
    const all = eachRecord(store, { ...ALL, signal: gone.signal });
    await expect(all.next()).rejects.toThrow('the client is gone');
    expect(pages).toBe(1);
  });

  it('reads no further page after the caller stopped', async () => {
    expect(await read(undefined, 200)).toHaveLength(200);
    expect(pages).toBe(1);
  });
});

describe('loops over what is in memory', () => {
  it('let other work run after each part of a long list', async () => {
    const parts: number[] = [];
    const turns = await countTurns(async () => {
      for await (const part of eachPart(Array.from({ length: 2500 }, (_, n) => n))) parts.push(part.length);
    });
    expect(parts).toEqual([1000, 1000, 500]);
    expect(turns).toBeGreaterThanOrEqual(2);
  });

  it('let other work run once they have worked for some time', async () => {
    const turns = await countTurns(async () => {
      const letOthersRun = shareTurns();
      for (let i = 0; i < 5; i++) {
        const untilMs = performance.now() + 11;
        while (performance.now() < untilMs); // computes
        await letOthersRun();
      }
    });
    expect(turns).toBeGreaterThanOrEqual(5);
  });
});
