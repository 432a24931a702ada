import { type Step, type Store, UnacknowledgedCommit } from './store.ts';

/**
 * Calls a function after each commit that has happened, even if a replica has not acknowledged it. A commit to which the store itself
 * did not answer is not reported, although it may have happened.
 * @param done must not throw
 */
export function afterCommit(store: Store, done: (partition: string, steps: readonly Step[]) => void): void {
  const commit = store.commit.bind(store);
  // An object that forwards every method would make each read more expensive.
  store.commit = async (partition, steps, options) => {
    try {
      const result = await commit(partition, steps, options);
      if (result.ok) done(partition, steps);
      return result;
    } catch (error) {
      if (error instanceof UnacknowledgedCommit) done(partition, steps);
      throw error;
    }
  };
}
