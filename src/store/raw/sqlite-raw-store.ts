/** Reads a SQLite file of the store. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import { nextTurn } from '../next-turn.ts';
import { storeUnavailable } from '../store.ts';
import { type Pairs, type RawEntry, type RawRecord, type RawRef, type RawStore, SCAN_BATCH } from './raw-entries.ts';

const SQL = {
  records:
    'SELECT partition, collection, id, version, value FROM records WHERE (partition, collection, id) > (?, ?, ?) ORDER BY partition, collection, id LIMIT ?',
  record: 'SELECT partition, collection, id, version, value FROM records WHERE partition = ? AND collection = ? AND id = ?',
  indexes: 'SELECT name, text FROM indexes WHERE partition = ? AND collection = ? AND id = ?',
  uniques: 'SELECT name, text FROM uniques WHERE partition = ? AND collection = ? AND id = ?',
  expiring: 'SELECT partition, key, value, expires_ms FROM expiring WHERE (partition, key) > (?, ?) ORDER BY partition, key LIMIT ?',
  value: 'SELECT partition, key, value, expires_ms FROM expiring WHERE partition = ? AND key = ?',
} as const;

interface RecordRow {
  readonly partition: string;
  readonly collection: string;
  readonly id: string;
  readonly version: number;
  readonly value: string;
}

interface ExpiringRow {
  readonly partition: string;
  readonly key: string;
  readonly value: string;
  readonly expires_ms: number;
}

/** @throws store_unavailable if the file does not exist or is not a database */
export function openSqliteRawStore(file: string, nowMs: () => number): RawStore {
  requireFile(file);
  const database = answer(() => new DatabaseSync(file, { readOnly: true, timeout: 2000 }));
  const statements = answer(
    () =>
      Object.fromEntries(Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)])) as Record<
        keyof typeof SQL,
        ReturnType<DatabaseSync['prepare']>
      >,
  );
  const pairs = (kind: 'indexes' | 'uniques', { partition, collection, id }: RecordRow): Pairs =>
    (statements[kind].all(partition, collection, id) as unknown as { name: string; text: string }[]).map(({ name, text }) => [name, text]);
  const toRecord = ({ value: text, ...row }: RecordRow): RawRecord => ({
    kind: 'record',
    partition: row.partition,
    collection: row.collection,
    id: row.id,
    version: row.version,
    text,
    indexes: pairs('indexes', { ...row, value: text }),
    uniques: pairs('uniques', { ...row, value: text }),
  });
  const toExpiring = ({ partition, key, value, expires_ms }: ExpiringRow): RawEntry[] => {
    const ttlMs = expires_ms - nowMs();
    return ttlMs > 0 ? [{ kind: 'expiring', partition, key, value, ttlMs }] : [];
  };
  const read = (ref: RawRef): RawEntry | undefined => {
    if (ref.kind === 'expiring') {
      const row = statements.value.get(ref.partition, ref.key) as ExpiringRow | undefined;
      return row && toExpiring(row)[0];
    }
    const row = statements.record.get(ref.partition, ref.collection, ref.id) as RecordRow | undefined;
    return row && toRecord(row);
  };
  return {
    async *scan() {
      let after = ['', '', ''];
      for (;;) {
        const rows = answer(() => statements.records.all(...after, SCAN_BATCH)) as unknown as RecordRow[];
        const last = rows.at(-1);
        if (!last) break;
        yield answer(() => rows.map(toRecord));
        after = [last.partition, last.collection, last.id];
        await nextTurn();
      }
      after = ['', ''];
      for (;;) {
        const rows = answer(() => statements.expiring.all(...after, SCAN_BATCH)) as unknown as ExpiringRow[];
        const last = rows.at(-1);
        if (!last) return;
        yield rows.flatMap(toExpiring);
        after = [last.partition, last.key];
        await nextTurn();
      }
    },
    read: async (refs) => answer(() => refs.map(read)),
    // The index strings of a record are read by its ID, so a record cannot lack one that it names.
    findBrokenIndexes: async () => [],
    close: async () => {
      if (database.isOpen) database.close();
    },
  };
}

/** Returns whether another process has the file open: only then does SQLite refuse to leave WAL mode. @throws store_unavailable */
export function isSqliteFileInUse(file: string): boolean {
  requireFile(file);
  const database = answer(() => new DatabaseSync(file, { timeout: 0 }));
  try {
    database.exec('PRAGMA journal_mode = DELETE');
    database.exec('PRAGMA journal_mode = WAL');
    return false;
  } catch (error) {
    if (/locked|busy/i.test((error as Error).message)) return true;
    throw storeUnavailable(error);
  } finally {
    database.close();
  }
}

function requireFile(file: string): void {
  if (!existsSync(file)) throw new GatewayError('store_unavailable', `There is no database at ${file}.`);
}

/** @throws store_unavailable */
function answer<T>(query: () => T): T {
  try {
    return query();
  } catch (error) {
    throw storeUnavailable(error);
  }
}
