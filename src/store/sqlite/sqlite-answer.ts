/** What SQLite answers, for all connections of the store. */
import { GatewayError } from '../../errors.ts';
import { storeUnavailable } from '../store.ts';

/** @throws store_unavailable for every error of SQLite: locked, full, damaged, closed */
export function answer<T>(query: () => T): T {
  try {
    return query();
  } catch (error) {
    if (error instanceof GatewayError || error instanceof TypeError) throw error;
    throw storeUnavailable(error);
  }
}

export const changed = (result: { changes: number | bigint }): boolean => Number(result.changes) > 0;
