import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import { pageSql } from '../../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../../src/store/store.ts';
import { countTurns } from '../support/count-turns.ts';
import { startChild } from './children.ts';
import { storeConformance } from './conformance.ts';
import { TOLD_WITHIN_MS } from './outages.ts';
import { claim, codeOf, failedAt, insert, newPartition, OK, PEOPLE, put, remove, take } from './people.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'samlgate-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

let places = 0;
/** Returns the path of a new file in a new folder. */
const newFile = (): string => path.join(folder, `data ${places++}`, 'store.db');

storeConformance('SQLite', async () => ({ url: `sqlite:${newFile()}`, cleanup: async () => {} }));

/** Values of `PRAGMA synchronous`. */
const [NORMAL, FULL] = [1, 2];

describe('the SQLite file', () => {
  let file: string;
  let partition: string;

  beforeEach(() => {
    file = newFile();
    partition = newPartition();
  });

  async function withStore<T>(work: (store: Store) => Promise<T>, nowMs?: () => number): Promise<T> {
    const store = await openStore(`sqlite:${file}`, nowMs);
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }
  /** Reads the file without the store. */
  function inside<T>(look: (database: DatabaseSync) => T): T {
    const database = new DatabaseSync(file);
    try {
      return look(database);
    } finally {
      database.close();
    }
  }
  const count = (table: string): number =>
    inside((database) => Number((database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n));

  test('waits for the disk at every commit, except while it cleans up', async () => {
    const prepare = jest.spyOn(DatabaseSync.prototype, 'prepare');
    try {
      await withStore(async () => {
        const connections = new Set(prepare.mock.contexts as DatabaseSync[]);
        const prepared = (connection: DatabaseSync) =>
          prepare.mock.calls.flatMap(([sql], i) => (prepare.mock.contexts[i] === connection ? [sql] : []));
        const levels = [...connections].map((connection) => ({
          canCommit: prepared(connection).includes('COMMIT'),
          ...connection.prepare('PRAGMA synchronous').get(),
        }));
        expect(levels).toHaveLength(2);
        expect(levels).toContainEqual({ canCommit: true, synchronous: FULL });
        expect(levels).toContainEqual({ canCommit: false, synchronous: NORMAL });
      });
    } finally {
      prepare.mockRestore();
    }
  });

  test('reads every page of an index by one search, so that its cost does not grow with the depth', async () => {
    await withStore(async () => {});
    const plans = [false, true].flatMap((descending) =>
      [undefined, 'text'].flatMap((equals) =>
        [undefined, 'cursor'].map((cursor) => {
          const sql = pageSql({ equals, cursor, descending });
          const values = sql.match(/\?/g)?.map(() => 1) ?? [];
          const steps = inside((database) => database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values));
          return [`${equals ?? 'all'}, ${cursor ?? 'first page'}`, ...steps.map(({ detail }) => String(detail).replaceAll('>', '<'))];
        }),
      ),
    );
    const plan = (range: string, start: string) => [
      range,
      `SEARCH i USING PRIMARY KEY (partition=? AND collection=? AND name=?${start})`,
      'SEARCH r USING PRIMARY KEY (partition=? AND collection=? AND id=?)',
    ];
    const expected = [
      plan('all, first page', ''),
      plan('all, cursor', ' AND (text,id)<(?,?)'),
      plan('text, first page', ' AND text=?'),
      plan('text, cursor', ' AND text=? AND id<?'),
    ];
    expect(plans).toEqual([...expected, ...expected]);
  });

  test('is purged in parts, between which other work runs', async () => {
    await withStore(async (store) => {
      const numbers = Array.from({ length: 2000 }, (_, n) => n);
      expect(
        await store.commit(
          partition,
          numbers.flatMap((n) => [insert(`p${n}`, { name: `${n}` }), put(`k${n}`, '')]),
        ),
      ).toEqual(OK);
      const turns = await countTurns(() => store.purge(partition));
      expect(turns).toBeGreaterThanOrEqual(3 * (2000 / 250)); // records, index entries and expiring values
    });
    expect(['records', 'indexes', 'uniques', 'expiring'].map(count)).toEqual([0, 0, 0, 0]);
  });

  test('is readable only by its owner, like its folder and the files that SQLite adds', async () => {
    await withStore(async (store) => {
      expect(await store.commit(partition, [insert('ada', { name: 'Ada' })])).toEqual(OK);
      const directory = path.dirname(file);
      const modes = readdirSync(directory).map((name) => [name, (statSync(path.join(directory, name)).mode & 0o777).toString(8)]);
      expect(modes).toEqual([
        ['store.db', '600'],
        ['store.db-shm', '600'],
        ['store.db-wal', '600'],
      ]);
      expect((statSync(directory).mode & 0o777).toString(8)).toBe('700');
    });
  });

  test('uses a write-ahead log', async () => {
    await withStore(async () => {
      expect(inside((database) => database.prepare('PRAGMA journal_mode').get())).toEqual({ journal_mode: 'wal' });
    });
  });

  test('is refused with an explanation and left unchanged if a newer version wrote it', async () => {
    await withStore((store) => store.commit(partition, [insert('ada', { name: 'Ada' })]));
    const version = inside((database) => {
      const { user_version: known } = database.prepare('PRAGMA user_version').get() as { user_version: number };
      database.exec(`PRAGMA user_version = ${known + 1}`);
      return known;
    });
    const before = readFileSync(file);
    const opening = openStore(`sqlite:${file}`);
    await expect(opening).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('newer version of samlgate'),
    });
    expect(readFileSync(file).equals(before)).toBe(true);
    inside((database) => database.exec(`PRAGMA user_version = ${version}`));
    expect(await withStore((store) => store.get(partition, PEOPLE, 'ada'))).toEqual({ id: 'ada', version: 1, value: { name: 'Ada' } });
  });

  test('counts the records of a file that was written before records were counted', async () => {
    await withStore((store) => store.commit(partition, [insert('ada', { name: 'Ada' }), insert('bob', { name: 'Bob' })]));
    inside((database) => database.exec('DROP TRIGGER count_insert; DROP TRIGGER count_delete; DROP TABLE counts; PRAGMA user_version = 1'));
    await withStore(async (store) => {
      expect(await store.count(partition, PEOPLE)).toBe(2);
      expect(await store.commit(partition, [remove('ada', 1), insert('cyd', { name: 'Cyd' }), insert('dan', { name: 'Dan' })])).toEqual(OK);
      expect(await store.count(partition, PEOPLE)).toBe(3);
    });
  });

  test('is refused with store_unavailable and left unchanged if it is not a database, or a folder', async () => {
    await withStore((store) => store.ping());
    const text = 'precious notes of somebody else, which are no database\n'.repeat(100);
    writeFileSync(file, text);
    expect(await codeOf(() => openStore(`sqlite:${file}`))).toBe('store_unavailable');
    expect(readFileSync(file, 'utf8')).toBe(text);
    expect(await codeOf(() => openStore(`sqlite:${path.dirname(file)}`))).toBe('store_unavailable');
  });

  test('can be in memory', async () => {
    const store = await openStore('sqlite::memory:');
    expect(await store.commit(partition, [claim('once')])).toEqual(OK);
    expect(await store.commit(partition, [claim('once')])).toEqual(failedAt(0));
    await store.close();
  });

  test('has no warnings for the operator', async () => {
    expect(await withStore((store) => store.warnings())).toEqual([]);
  });

  test('contains no row of deleted or purged data', async () => {
    await withStore(async (store) => {
      const ada = { name: 'Ada', email: 'x', groups: ['a', 'b'] };
      expect(await store.commit(partition, [insert('ada', ada), put('key', 'value'), claim('once')])).toEqual(OK);
      expect(await store.commit(partition, [remove('ada', 1), take('key'), take('once')])).toEqual(OK);
      for (const table of ['records', 'indexes', 'uniques', 'expiring']) expect([table, count(table)]).toEqual([table, 0]);
      expect(await store.commit(partition, [insert('ada', ada), put('key', 'value')])).toEqual(OK);
      await store.purge(partition);
      for (const table of ['records', 'indexes', 'uniques', 'expiring']) expect([table, count(table)]).toEqual([table, 0]);
    });
  });

  describe('expired values', () => {
    const START_MS = Date.UTC(2026, 0, 2);
    let nowMs: number;
    const clock = () => nowMs;
    beforeEach(() => {
      nowMs = START_MS;
    });
    const puts = (prefix: string, ttlSeconds: number, n: number) =>
      Array.from({ length: n }, (_, i) => put(`${prefix}${i}`, 'value', ttlSeconds));

    test('expire at the exact millisecond', async () => {
      await withStore(async (store) => {
        expect(await store.commit(partition, [put('key', 'value', 5), claim('once', 5)])).toEqual(OK);
        nowMs = START_MS + 4999;
        expect(await store.peek(partition, 'key')).toBe('value');
        expect(await store.commit(partition, [claim('once', 5)])).toEqual(failedAt(0));
        nowMs = START_MS + 5000;
        expect(await store.peek(partition, 'key')).toBeUndefined();
        expect(await store.commit(partition, [take('key')])).toEqual(failedAt(0));
        expect(await store.commit(partition, [claim('once', 5)])).toEqual(OK);
      }, clock);
    });

    test('are deleted when the store opens, thousands of them, without other values', async () => {
      await withStore((store) => store.commit(partition, [...puts('short', 5, 2500), ...puts('long', 3600, 3)]), clock);
      nowMs = START_MS + 5000;
      await withStore(async (store) => {
        for (let turn = 0; count('expiring') > 3; turn++) {
          expect(turn).toBeLessThan(100);
          await new Promise(setImmediate);
        }
        expect(await store.peek(partition, 'long2')).toBe('value');
      }, clock);
      expect(count('expiring')).toBe(3);
    });

    test('are deleted while the store is open', async () => {
      jest.useFakeTimers({ doNotFake: ['Date', 'performance', 'nextTick', 'queueMicrotask', 'setImmediate', 'setTimeout'] });
      try {
        await withStore(async (store) => {
          expect(await store.commit(partition, [...puts('short', 5, 10), ...puts('long', 3600, 3)])).toEqual(OK);
          nowMs = START_MS + 5000;
          expect(count('expiring')).toBe(13);
          jest.advanceTimersByTime(120_000);
          expect(count('expiring')).toBe(3);
        }, clock);
      } finally {
        jest.useRealTimers();
      }
    });
  });

  test('can be read while another process has locked it; writes throw store_unavailable in time until it is free', async () => {
    await withStore(async (store) => {
      expect(await store.commit(partition, [insert('ada', { name: 'Ada' })])).toEqual(OK);
      const other = new DatabaseSync(file);
      other.exec('BEGIN IMMEDIATE');
      const startedMs = performance.now();
      expect(await codeOf(() => store.commit(partition, [claim('once')]))).toBe('store_unavailable');
      expect(performance.now() - startedMs).toBeLessThan(TOLD_WITHIN_MS);
      expect((await store.get(partition, PEOPLE, 'ada'))?.version).toBe(1);
      other.exec('ROLLBACK');
      other.close();
      expect(await store.commit(partition, [claim('once')])).toEqual(OK);
    });
  });

  test('is left without partial commits if it cannot be written, and throws store_unavailable', async () => {
    await withStore(async (store) => {
      expect(await store.commit(partition, [insert('ada', { name: 'Ada' })])).toEqual(OK);
      // Like a full disk, on which the second record does not fit.
      inside((database) =>
        database.exec("CREATE TRIGGER full BEFORE INSERT ON records WHEN NEW.id = 'late' BEGIN SELECT RAISE(ABORT, 'full'); END"),
      );
      const steps = [put('key', 'value'), remove('ada', 1), insert('bob', { name: 'Bob' }), insert('late', { name: 'Late' })];
      expect(await codeOf(() => store.commit(partition, steps))).toBe('store_unavailable');
      expect((await store.get(partition, PEOPLE, 'ada'))?.version).toBe(1);
      expect(await store.get(partition, PEOPLE, 'bob')).toBeUndefined();
      expect(await store.peek(partition, 'key')).toBeUndefined();
      expect(await store.commit(partition, steps.slice(0, 3))).toEqual(OK);
    });
  });

  test('is created by one of several processes that start at the same time', async () => {
    for (let round = 0; round < 3; round++) {
      file = newFile();
      const children = Array.from({ length: 5 }, (_, i) => startChild('./racer.ts', [`sqlite:${file}`, partition, `racer${i}`, '1']));
      expect(await Promise.all(children.map((child) => child.nextLine()))).toEqual(children.map(() => 'ready'));
      for (const child of children) child.send('claim 0');
      const won = await Promise.all(children.map((child) => child.nextLine()));
      expect(won.toSorted()).toEqual(['[0]', '[]', '[]', '[]', '[]']);
      await Promise.all(children.map((child) => child.kill()));
    }
  }, 30_000);

  test('keeps the mode that its owner set', async () => {
    await withStore((store) => store.ping());
    chmodSync(file, 0o640);
    await withStore((store) => store.ping());
    expect((statSync(file).mode & 0o777).toString(8)).toBe('640');
  });
});
