/**
 * Reads a whole store as it is stored, without knowing its collections. For tools that copy and check stores. Changes nothing: opening
 * a SQLite file does not create or upgrade it.
 */
import type { RawStore } from './raw-entries.ts';
import { isRedisInUse, openRedisRawStore } from './redis-raw-store.ts';
import { isSqliteFileInUse, openSqliteRawStore } from './sqlite-raw-store.ts';

/**
 * Opens the store of a `SAMLGATE_STORE` URL for reading.
 * @param nowMs the clock of a SQLite store
 * @throws store_unavailable; also if the SQLite file does not exist
 */
export async function openRawStore(url: string, nowMs: () => number = Date.now): Promise<RawStore> {
  return url.startsWith('sqlite:') ? openSqliteRawStore(url.slice('sqlite:'.length), nowMs) : openRedisRawStore(url);
}

/** Returns whether a process currently uses the store. Undefined if the server does not say. @throws store_unavailable */
export async function isStoreInUse(url: string): Promise<boolean | undefined> {
  return url.startsWith('sqlite:') ? isSqliteFileInUse(url.slice('sqlite:'.length)) : isRedisInUse(url);
}
