/** Deletes rows that are no longer read: partitions of deleted organizations, and expired values. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { nextTurn } from '../next-turn.ts';
import { answer, changed } from './sqlite-answer.ts';

/** Each deletes some rows. */
const STATEMENTS = {
  records:
    'DELETE FROM records WHERE partition = ?1 AND (collection, id) IN (SELECT collection, id FROM records WHERE partition = ?1 LIMIT ?2)',
  indexes:
    'DELETE FROM indexes WHERE partition = ?1 AND (collection, name, text, id) IN (SELECT collection, name, text, id FROM indexes WHERE partition = ?1 LIMIT ?2)',
  uniques:
    'DELETE FROM uniques WHERE partition = ?1 AND (collection, name, text) IN (SELECT collection, name, text FROM uniques WHERE partition = ?1 LIMIT ?2)',
  expiring:
    'DELETE FROM expiring WHERE partition = ?1 AND key IN (SELECT key FROM expiring WHERE partition = ?1 AND key >= ?3 AND key < ?4 LIMIT ?2)',
  expired: 'DELETE FROM expiring WHERE (partition, key) IN (SELECT partition, key FROM expiring WHERE expires_ms <= ?1 LIMIT ?2)',
} as const;

/** Rows that one statement deletes: a few milliseconds of work, during which nothing else runs. */
const ROWS = 100;
const SWEEP_EVERY_MS = 60_000;
/** Follows every key in the order of UTF-8 octets. */
const LAST_KEY = '\u{10ffff}';

/**
 * Uses a connection of its own, whose statements do not wait for the disk, because a deletion that is lost in a crash is repeated. They
 * reach the disk with the next commit or checkpoint, so a commit that follows a purge never outlives it. Waiting for the disk after
 * every statement would take most of the time of a deletion, and hold up requests.
 */
export class SqliteCleanup {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;
  readonly #nowMs: () => number;
  readonly #sweeper: NodeJS.Timeout;

  /** @param database the connection of the store itself if the database is in memory, and otherwise another one */
  constructor(database: DatabaseSync, nowMs: () => number) {
    this.#database = database;
    this.#nowMs = nowMs;
    if (database.location() !== null) database.exec('PRAGMA synchronous = NORMAL');
    const entries = Object.entries(STATEMENTS).map(([name, sql]) => [name, database.prepare(sql)]);
    this.#statements = Object.fromEntries(entries) as Record<keyof typeof STATEMENTS, StatementSync>;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_EVERY_MS).unref();
    this.#sweep();
  }

  /** See {@link Store.purge}. */
  async purge(partition: string, kept?: string): Promise<void> {
    const { records, indexes, uniques, expiring } = this.#statements;
    for (const statement of [records, indexes, uniques]) {
      while (answer(() => changed(statement.run(partition, ROWS)))) await nextTurn();
    }
    const ranges =
      kept === undefined
        ? [['', LAST_KEY] as const]
        : ([
            ['', kept],
            [`${kept}${LAST_KEY}`, LAST_KEY],
          ] as const);
    for (const [from, to] of ranges) {
      while (answer(() => changed(expiring.run(partition, ROWS, from, to)))) await nextTurn();
    }
  }

  /** Deletes expired values. Reads ignore them in any case. */
  #sweep(): void {
    if (!this.#database.isOpen) return;
    try {
      const { changes } = this.#statements.expired.run(this.#nowMs(), ROWS);
      if (Number(changes) === ROWS) setImmediate(() => this.#sweep());
    } catch {
      // Another process is writing, or the disk is full. The next sweep tries again; requests report a full disk.
    }
  }

  close(): void {
    clearInterval(this.#sweeper);
    if (this.#database.isOpen) this.#database.close();
  }
}
