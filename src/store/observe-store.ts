import { codeOf } from '../errors.ts';
import type { Store } from './store.ts';

export const STORE_OPERATIONS = ['get', 'getUnique', 'find', 'isEmpty', 'count', 'peek', 'commit', 'purge'] as const;
export type StoreOperation = (typeof STORE_OPERATIONS)[number];

/** Reports the duration of each operation of a store, and whether the store failed. Call it once, when the gateway starts. */
export function observeStore(store: Store, report: (operation: StoreOperation, seconds: number, hasFailed: boolean) => void): void {
  for (const operation of STORE_OPERATIONS) {
    const method = store[operation].bind(store) as (...values: unknown[]) => Promise<unknown>;
    const observed = async (...values: unknown[]) => {
      const startedMs = performance.now();
      let hasFailed = false;
      try {
        return await method(...values);
      } catch (error) {
        hasFailed = codeOf(error) === 'store_unavailable';
        throw error;
      } finally {
        report(operation, (performance.now() - startedMs) / 1000, hasFailed);
      }
    };
    Object.assign(store, { [operation]: observed });
  }
}
