import { GatewayError } from '../errors.ts';
import { compareAndSet, RETRY } from './compare-and-set.ts';
import { confirmReplicated } from './confirm-replicated.ts';
import type { Collection, CommitOptions, Step, Store, Stored } from './store.ts';

export interface RecordUpdate<T> extends CommitOptions {
  readonly partition: string;
  readonly collection: Collection<T>;
  readonly id: string;
  /** Returns the new value, or undefined to leave the record unchanged. Runs again after each concurrent change. */
  readonly change: (value: T) => T | undefined | Promise<T | undefined>;
  /** Returns steps for the same commit. They must not fail. */
  readonly extraSteps?: (before: T, after: T) => readonly Step[];
}

/**
 * Reads a record, applies `change` and writes the result. Retries after a concurrent change. With `replicated`, waits until the
 * replicas acknowledge the current state, even if there is nothing to write or `change` throws.
 * @returns the record as written, the unchanged record, or undefined if there is no such record
 * @throws conflict after 20 attempts, or if an extra step failed; every error of `change`; store_unavailable
 */
export async function updateRecord<T>(store: Store, update: RecordUpdate<T>): Promise<Stored<T> | undefined> {
  const { partition, collection, id, change, extraSteps = () => [], replicated = false } = update;
  const confirm = async () => {
    if (replicated) await confirmReplicated(store, partition);
  };
  return compareAndSet(async () => {
    const before = await store.get(partition, collection, id);
    let value: T | undefined;
    try {
      value = before && (await change(before.value));
    } catch (error) {
      await confirm(); // `change` may refuse because an earlier, unconfirmed attempt already made the change
      throw error;
    }
    if (!before || value === undefined) {
      await confirm();
      return before;
    }
    const steps: Step[] = [{ do: 'replace', collection, id, version: before.version, value }, ...extraSteps(before.value, value)];
    const result = await store.commit(partition, steps, { replicated });
    if (result.ok) return { id, version: before.version + 1, value };
    if (result.failed !== 0) throw new GatewayError('conflict', 'The data changed at the same time. Nothing was changed.');
    return RETRY;
  });
}
