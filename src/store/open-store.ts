import { openSqliteStore } from './sqlite/sqlite-store.ts';
import type { Store, StoreObserver } from './store.ts';

/**
 * Opens the store of a `SAMLGATE_STORE` URL.
 * @param nowMs the clock of the SQLite store; Redis uses the clock of its server
 * @throws store_unavailable; its detail is for the operator who starts the gateway
 */
export async function openStore(url: string, nowMs?: () => number, observer: StoreObserver = {}): Promise<Store> {
  if (url.startsWith('sqlite:')) return openSqliteStore(url.slice('sqlite:'.length), nowMs);
  const { openRedisStore } = await import('./redis/redis-store.ts');
  return openRedisStore(url, observer);
}
