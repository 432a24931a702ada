import type { Store } from '../../src/store/store.ts';
import type { TestGateway } from './gateway.ts';

/**
 * Runs `work` after a response was verified and before the sign-in is written to the store, for tests of concurrent changes.
 * @param times number of sign-in commits before which it runs
 */
export function beforeSignInIsWritten(gateway: TestGateway, work: () => Promise<unknown>, times = 1): void {
  const store = gateway.runtime.store as { commit: Store['commit'] };
  const { commit } = store;
  let remaining = times;
  store.commit = async (...args) => {
    if (args[1].some((step) => step.do === 'claim' && step.key.startsWith('assertion:'))) {
      if (--remaining === 0) store.commit = commit;
      await work();
    }
    return commit.apply(store, args);
  };
}
