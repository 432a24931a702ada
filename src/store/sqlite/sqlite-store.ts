/** The store in one SQLite file (node:sqlite). Needs no installation; every commit is durable. */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import { createCursor, readCursor } from '../cursor.ts';
import { countedIndexOf, entriesOf, requireReplaceable, toTtlMs } from '../entries.ts';
import { type Collection, type Page, type Range, type Step, type Store, type Stored, storeUnavailable } from '../store.ts';
import { answer, changed } from './sqlite-answer.ts';
import { SqliteCleanup } from './sqlite-cleanup.ts';

/** Each migration upgrades a file from the version of its position to the next. Released migrations never change. */
const MIGRATIONS = [
  `CREATE TABLE records (partition TEXT, collection TEXT, id TEXT, version INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (partition, collection, id)) WITHOUT ROWID;
   CREATE TABLE indexes (partition TEXT, collection TEXT, name TEXT, text TEXT, id TEXT, PRIMARY KEY (partition, collection, name, text, id)) WITHOUT ROWID;
   CREATE INDEX indexes_by_id ON indexes (partition, collection, id);
   CREATE TABLE uniques (partition TEXT, collection TEXT, name TEXT, text TEXT, id TEXT NOT NULL, PRIMARY KEY (partition, collection, name, text)) WITHOUT ROWID;
   CREATE INDEX uniques_by_id ON uniques (partition, collection, id);
   CREATE TABLE expiring (partition TEXT, key TEXT, value TEXT NOT NULL, expires_ms INTEGER NOT NULL, PRIMARY KEY (partition, key)) WITHOUT ROWID;
   CREATE INDEX expiring_by_time ON expiring (expires_ms);`,
  // Counting rows would take longer the more there are. Replacing a record does not change its count.
  `CREATE TABLE counts (partition TEXT, collection TEXT, records INTEGER NOT NULL, PRIMARY KEY (partition, collection)) WITHOUT ROWID;
   INSERT INTO counts SELECT partition, collection, count(*) FROM records GROUP BY partition, collection;
   CREATE TRIGGER count_insert AFTER INSERT ON records BEGIN
     INSERT INTO counts VALUES (new.partition, new.collection, 1) ON CONFLICT DO UPDATE SET records = records + 1;
   END;
   CREATE TRIGGER count_delete AFTER DELETE ON records BEGIN
     UPDATE counts SET records = records - 1 WHERE partition = old.partition AND collection = old.collection;
     DELETE FROM counts WHERE partition = old.partition AND collection = old.collection AND records = 0;
   END;`,
];

/** Another process may hold a lock on the same file during a commit or a checkpoint. */
const BUSY_TIMEOUT_MS = 2000;

const STATEMENTS = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  get: 'SELECT id, version, value FROM records WHERE partition = ? AND collection = ? AND id = ?',
  insert: 'INSERT INTO records (partition, collection, id, version, value) VALUES (?, ?, ?, 1, ?) ON CONFLICT DO NOTHING',
  restore: 'INSERT INTO records (partition, collection, id, version, value) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  replace: 'UPDATE records SET version = version + 1, value = ? WHERE partition = ? AND collection = ? AND id = ? AND version = ?',
  delete: 'DELETE FROM records WHERE partition = ? AND collection = ? AND id = ? AND version = ?',
  addIndex: 'INSERT INTO indexes (partition, collection, name, text, id) VALUES (?, ?, ?, ?, ?)',
  dropIndexes: 'DELETE FROM indexes WHERE partition = ? AND collection = ? AND id = ?',
  addUnique: 'INSERT INTO uniques (partition, collection, name, text, id) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  dropUniques: 'DELETE FROM uniques WHERE partition = ? AND collection = ? AND id = ?',
  getUnique:
    'SELECT r.id, r.version, r.value FROM uniques u JOIN records r USING (partition, collection, id) WHERE u.partition = ? AND u.collection = ? AND u.name = ? AND u.text = ?',
  anyIndexed: 'SELECT 1 FROM indexes WHERE partition = ? AND collection = ? AND name = ? LIMIT 1',
  count: 'SELECT records FROM counts WHERE partition = ? AND collection = ?',
  increment:
    "INSERT INTO expiring (partition, key, value, expires_ms) VALUES (?1, ?2, '1', ?3) ON CONFLICT DO UPDATE SET value = iif(expires_ms <= ?4, '1', CAST(value AS INTEGER) + 1), expires_ms = iif(expires_ms <= ?4, excluded.expires_ms, expires_ms) WHERE expires_ms <= ?4 OR CAST(value AS INTEGER) < ?5",
  peek: 'SELECT value FROM expiring WHERE partition = ? AND key = ? AND expires_ms > ?',
  put: 'INSERT INTO expiring (partition, key, value, expires_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value, expires_ms = excluded.expires_ms',
  take: 'DELETE FROM expiring WHERE partition = ? AND key = ? AND expires_ms > ?',
  claim:
    'INSERT INTO expiring (partition, key, value, expires_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value, expires_ms = excluded.expires_ms WHERE expires_ms <= ?',
  drop: 'DELETE FROM expiring WHERE partition = ? AND key = ?',
} as const;

/**
 * The position after a cursor. SQLite does not use an index for `(text, id) < (?, ?)` if `text` has a fixed value, so reading a page
 * would cost more the further down the list it is.
 */
const AFTER = {
  one: { ascending: 'AND i.text = ? AND i.id > ?', descending: 'AND i.text = ? AND i.id < ?' },
  all: { ascending: 'AND (i.text, i.id) > (?, ?)', descending: 'AND (i.text, i.id) < (?, ?)' },
} as const;

/**
 * Returns the SQL of one page of an index. Its values are partition, collection and index, then the string and the id of the cursor,
 * or only the string of a page that begins with it, and the limit.
 */
export function pageSql({ equals, cursor, descending }: Pick<Range, 'equals' | 'cursor' | 'descending'>): string {
  const order = descending ? 'DESC' : 'ASC';
  const direction = descending ? 'descending' : 'ascending';
  const first = equals === undefined ? '' : 'AND i.text = ?';
  const start = cursor === undefined ? first : AFTER[equals === undefined ? 'all' : 'one'][direction];
  return `SELECT i.text, r.id, r.version, r.value FROM indexes i JOIN records r USING (partition, collection, id)
    WHERE i.partition = ? AND i.collection = ? AND i.name = ? ${start} ORDER BY i.text ${order}, i.id ${order} LIMIT ?`;
}

type Statements = Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;

interface Row {
  readonly id: string;
  readonly version: number;
  readonly value: string;
  readonly text: string;
}

/**
 * Opens the file, and creates it (mode 0600) if it is missing.
 * @param nowMs the clock by which values expire
 * @throws store_unavailable if the file cannot be opened, is not a database, or was written by a newer version
 */
export function openSqliteStore(file: string, nowMs: () => number = Date.now): Store {
  try {
    if (file !== ':memory:') {
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      closeSync(openSync(file, 'a', 0o600));
    }
    const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    migrate(database);
    // A database in memory has only one connection.
    const forCleanup = file === ':memory:' ? database : new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
    return new SqliteStore(database, new SqliteCleanup(forCleanup, nowMs), nowMs);
  } catch (error) {
    throw error instanceof GatewayError ? error : storeUnavailable(error);
  }
}

function migrate(database: DatabaseSync): void {
  const version = () => (database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version;
  if (version() > MIGRATIONS.length) {
    throw new GatewayError(
      'store_unavailable',
      'The SQLite file was written by a newer version of samlgate. Start that version, or restore a backup.',
    );
  }
  while (version() < MIGRATIONS.length) {
    database.exec('BEGIN IMMEDIATE');
    // Another process may have run the migration while this one waited for the lock.
    const at = version();
    const migration = MIGRATIONS[at];
    database.exec(migration === undefined ? 'ROLLBACK' : `${migration} PRAGMA user_version = ${at + 1}; COMMIT`);
  }
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #pages = new Map<string, StatementSync>();
  readonly #nowMs: () => number;
  readonly #cleanup: SqliteCleanup;

  constructor(database: DatabaseSync, cleanup: SqliteCleanup, nowMs: () => number) {
    this.#database = database;
    this.#cleanup = cleanup;
    this.#nowMs = nowMs;
    this.#statements = Object.fromEntries(
      Object.entries(STATEMENTS).map(([name, sql]) => [name, database.prepare(sql)]),
    ) as unknown as Statements;
  }

  async get<T>(partition: string, collection: Collection<T>, id: string): Promise<Stored<T> | undefined> {
    const row = answer(() => this.#statements.get.get(partition, collection.name, id)) as Row | undefined;
    return row && toStored<T>(row);
  }

  async getUnique<T>(partition: string, collection: Collection<T>, unique: string, value: string): Promise<Stored<T> | undefined> {
    const row = answer(() => this.#statements.getUnique.get(partition, collection.name, unique, value)) as Row | undefined;
    return row && toStored<T>(row);
  }

  async find<T>(partition: string, collection: Collection<T>, index: string, range: Range): Promise<Page<T>> {
    const list = { partition, collection, index, range };
    const after = range.cursor === undefined ? undefined : readCursor(range.cursor, list);
    const start = after ? [after.text, after.id] : range.equals === undefined ? [] : [range.equals];
    const values = [partition, collection.name, index, ...start, range.limit + 1];
    const rows = answer(() => this.#page(pageSql(range)).all(...values)) as unknown as Row[];
    const items = rows.slice(0, range.limit);
    const last = items.at(-1);
    const nextCursor = rows.length > range.limit && last ? createCursor(list, last.text, last.id) : null;
    return { items: items.map((row) => toStored<T>(row)), nextCursor };
  }

  /** Returns the statement of a page. There are eight, for each of which this keeps one. */
  #page(sql: string): StatementSync {
    const statement = this.#pages.get(sql) ?? this.#database.prepare(sql);
    this.#pages.set(sql, statement);
    return statement;
  }

  async isEmpty<T>(partition: string, collection: Collection<T>, index: string): Promise<boolean> {
    return answer(() => this.#statements.anyIndexed.get(partition, collection.name, index)) === undefined;
  }

  async count<T>(partition: string, collection: Collection<T>): Promise<number> {
    countedIndexOf(collection);
    return answer(() => this.#count(partition, collection));
  }

  #count(partition: string, { name }: Collection<never>): number {
    const row = this.#statements.count.get(partition, name) as { records: number } | undefined;
    return row?.records ?? 0;
  }

  async peek(partition: string, key: string): Promise<string | undefined> {
    const row = answer(() => this.#statements.peek.get(partition, key, this.#nowMs())) as Row | undefined;
    return row?.value;
  }

  async commit(partition: string, steps: readonly Step[]): ReturnType<Store['commit']> {
    return answer(() => {
      this.#statements.begin.run();
      try {
        const failed = steps.findIndex((step) => !this.#run(partition, step));
        this.#statements[failed < 0 ? 'commit' : 'rollback'].run();
        return failed < 0 ? { ok: true } : { ok: false, failed };
      } catch (error) {
        if (this.#database.isTransaction) this.#statements.rollback.run();
        throw error;
      }
    });
  }

  /** Returns whether the step succeeded. */
  #run(partition: string, step: Step): boolean {
    switch (step.do) {
      case 'insert':
        return this.#insert(partition, step.collection, step.id, step.value);
      case 'replace':
        return this.#replace(partition, step.collection, step);
      case 'restore': {
        const { collection, id, version, text } = step;
        return changed(this.#statements.restore.run(partition, collection.name, id, version, text)) && this.#writeEntries(partition, step);
      }
      case 'delete':
        this.#dropEntries(partition, step.collection, step.id);
        return changed(this.#statements.delete.run(partition, step.collection.name, step.id, step.version));
      case 'require': {
        const row = this.#statements.get.get(partition, step.collection.name, step.id) as Row | undefined;
        return row !== undefined && (step.version === undefined || step.version === row.version);
      }
      case 'below':
        countedIndexOf(step.collection);
        return this.#count(partition, step.collection) < step.count;
      case 'increment': {
        const { key, max, ttlSeconds } = step;
        return max > 0 && changed(this.#statements.increment.run(partition, key, this.#expiryOf(ttlSeconds), this.#nowMs(), max));
      }
      case 'put':
        return changed(this.#statements.put.run(partition, step.key, step.value, this.#expiryOf(step.ttlSeconds)));
      case 'take':
        return changed(this.#statements.take.run(partition, step.key, this.#nowMs()));
      case 'claim':
        return changed(this.#statements.claim.run(partition, step.key, step.value ?? '', this.#expiryOf(step.ttlSeconds), this.#nowMs()));
      case 'absent':
        return this.#statements.peek.get(partition, step.key, this.#nowMs()) === undefined;
      case 'drop':
        this.#statements.drop.run(partition, step.key);
        return true;
    }
  }

  #expiryOf(ttlSeconds: number): number {
    return this.#nowMs() + toTtlMs(ttlSeconds);
  }

  #insert(partition: string, collection: Collection<never>, id: string, value: unknown): boolean {
    const isNew = changed(this.#statements.insert.run(partition, collection.name, id, JSON.stringify(value)));
    return isNew && this.#addEntries(partition, collection, id, value);
  }

  #replace(partition: string, collection: Collection<never>, step: { id: string; version: number; value: unknown }): boolean {
    requireReplaceable(collection);
    this.#dropEntries(partition, collection, step.id);
    const { id, version, value } = step;
    const isThere = changed(this.#statements.replace.run(JSON.stringify(value), partition, collection.name, id, version));
    return isThere && this.#addEntries(partition, collection, id, value);
  }

  #addEntries(partition: string, collection: Collection<never>, id: string, value: unknown): boolean {
    return this.#writeEntries(partition, { collection, id, ...entriesOf(collection, value) });
  }

  #writeEntries(
    partition: string,
    { collection, id, indexes, uniques }: Pick<Extract<Step, { do: 'restore' }>, 'collection' | 'id' | 'indexes' | 'uniques'>,
  ): boolean {
    for (const [name, text] of indexes) this.#statements.addIndex.run(partition, collection.name, name, text, id);
    return uniques.every(([name, text]) => changed(this.#statements.addUnique.run(partition, collection.name, name, text, id)));
  }

  /** Deletes by id, because the index functions may have been different when the record was written. */
  #dropEntries(partition: string, collection: Collection<never>, id: string): void {
    this.#statements.dropIndexes.run(partition, collection.name, id);
    this.#statements.dropUniques.run(partition, collection.name, id);
  }

  purge(partition: string, kept?: string): Promise<void> {
    return this.#cleanup.purge(partition, kept);
  }

  async ping(): Promise<void> {
    answer(() => this.#database.prepare('SELECT count(*) FROM sqlite_schema').get());
  }

  async warnings(): Promise<readonly string[]> {
    return [];
  }

  async close(): Promise<void> {
    this.#cleanup.close();
    if (this.#database.isOpen) this.#database.close();
  }
}

const toStored = <T>(row: Row): Stored<T> => ({ id: row.id, version: row.version, value: JSON.parse(row.value) as T });
