import type { Reachability } from './redis/keep-connected.ts';
import { openSqliteStore } from './sqlite-store.ts';
import type { Store } from './store.ts';

/**
 * Opens the store of a `SAMLGATE_STORE` URL.
 * @param nowMs the clock of the SQLite store; Redis uses the clock of its server
 * @param report receives each outage of a Redis server, and its end
 * @throws store_unavailable; its detail is for the operator who starts the gateway
 */
export async function openStore(url: string, nowMs?: () => number, report?: (change: Reachability) => void): Promise<Store> {
  if (url.startsWith('sqlite:')) return openSqliteStore(url.slice('sqlite:'.length), nowMs);
  const { openRedisStore } = await import('./redis/redis-store.ts');
  return openRedisStore(url, report);
}
