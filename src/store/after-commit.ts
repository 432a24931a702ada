import type { Step, Store } from './store.ts';

/**
 * Calls a function after each commit that succeeded. A commit that throws, because the store or a replica did not answer, is not
 * reported, also if it has happened.
 * @param done must not throw
 */
export function afterCommit(store: Store, done: (partition: string, steps: readonly Step[]) => void): void {
  const commit = store.commit.bind(store);
  // An object that forwards every method would make each read more expensive.
  store.commit = async (partition, steps, options) => {
    const result = await commit(partition, steps, options);
    if (result.ok) done(partition, steps);
    return result;
  };
}
