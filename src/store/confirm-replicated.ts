import type { Store } from './store.ts';

/**
 * Waits until every connected replica has acknowledged the current state of the partition. Called when a requested change
 * turns out to be done already: the request that made it may have failed with `store_unavailable` because a replica had not acknowledged
 * it. Success must mean that a failover cannot undo the change.
 * @throws store_unavailable
 */
export async function confirmReplicated(store: Store, partition: string): Promise<void> {
  await store.commit(partition, [], { replicated: true });
}
