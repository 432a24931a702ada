/** Restores the stores that `write-store.mjs` wrote. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { Redis } from 'ioredis';
import type { Person } from '../../../src/mock-idp/people.ts';
import type { KeyAndCertificate } from '../../../src/saml/metadata/self-signed-certificate.ts';

export type MemberName = 'olivia' | 'carl' | 'nina' | 'sam';

/** What `write-store.mjs` knows about a store. */
export interface Facts {
  readonly writtenAtMs: number;
  readonly baseUrl: string;
  readonly secret: string;
  readonly operatorToken: string;
  readonly organization: { readonly id: string; readonly slug: string; readonly key: KeyAndCertificate; readonly metadata: string };
  readonly members: Readonly<Record<MemberName, MemberFacts>>;
  /** A CLI token of carl. */
  readonly retiredKeyToken: string;
  readonly setupLink: { readonly id: string; readonly url: string };
  /** A sign-in that was started before the upgrade. */
  readonly pending: { readonly relayState: string; readonly requestId: string; readonly cookies: string };
}

export interface MemberFacts {
  readonly id: string;
  readonly role: string;
  readonly person: Person;
  /** Session cookie. */
  readonly cookie: string;
  readonly cliToken: string;
  /** The SAML response of the sign-in, base64. */
  readonly usedResponse: string;
}

interface SqliteDump {
  readonly facts: Facts;
  readonly userVersion: number;
  readonly schema: readonly string[];
  readonly tables: Readonly<Record<string, readonly Readonly<Record<string, SQLInputValue>>[]>>;
}

interface RedisDump {
  readonly facts: Facts;
  readonly keys: Readonly<Record<string, RedisKey>>;
}

type RedisKey = { readonly expiresAtMs?: number } & (
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'hash'; readonly value: Readonly<Record<string, string>> }
  | { readonly type: 'zset'; readonly value: readonly string[] }
);

const read = (name: string): unknown => JSON.parse(readFileSync(path.join(import.meta.dirname, name), 'utf8'));

/** Writes the SQLite store of version 1 to a new file. */
export function restoreSqlite(file: string): Facts {
  const { facts, userVersion, schema, tables } = read('sqlite.json') as SqliteDump;
  writeFileSync(file, '', { mode: 0o600 });
  const database = new DatabaseSync(file);
  for (const statement of schema) database.exec(statement);
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA user_version = ${userVersion}`);
  for (const [table, rows] of Object.entries(tables)) {
    for (const row of rows) {
      const columns = Object.keys(row);
      database
        .prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`)
        .run(...Object.values(row));
    }
  }
  database.close();
  return facts;
}

/** Replaces the content of a Redis with the store of version 1. Values that have expired since get the time that they had left. */
export async function restoreRedis(url: string): Promise<Facts> {
  const { facts, keys } = read('redis.json') as RedisDump;
  const client = new Redis(url);
  await client.flushall();
  for (const [key, { type, value, expiresAtMs }] of Object.entries(keys)) {
    if (type === 'string') await client.set(key, value);
    else if (type === 'hash') await client.hset(key, value);
    else await client.zadd(key, ...value.flatMap((member) => [0, member]));
    if (expiresAtMs !== undefined) await client.pexpire(key, expiresAtMs - facts.writtenAtMs);
  }
  client.disconnect();
  return facts;
}
