import { openSqliteStore } from './sqlite-store.ts';
import type { Store } from './store.ts';

/**
 * Opens the store that a `SAMLGATE_STORE` URL names.
 * @param nowMs the clock of SQLite; Redis has its own
 * @throws store_unavailable
 */
export async function openStore(url: string, nowMs?: () => number): Promise<Store> {
  if (url.startsWith('sqlite:')) return openSqliteStore(url.slice('sqlite:'.length), nowMs);
  const { openRedisStore } = await import('./redis/redis-store.ts');
  return openRedisStore(url);
}
