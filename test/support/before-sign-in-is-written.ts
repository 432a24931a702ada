import type { Step, Store } from '../../src/store/store.ts';
import type { TestGateway } from './gateway.ts';

/**
 * Runs `work` after a response was verified and before the sign-in is written to the store, for tests of concurrent changes.
 * @param times number of sign-in commits before which it runs
 */
export const beforeSignInIsWritten = (gateway: TestGateway, work: () => Promise<unknown>, times = 1): void =>
  beforeCommit(gateway, (step) => step.do === 'claim' && step.key.startsWith('assertion:'), work, times);

/** Runs `work` before a commit with a matching step is written to the store, for as many such commits as `times` says. */
export function beforeCommit(gateway: TestGateway, matches: (step: Step) => boolean, work: () => Promise<unknown>, times = 1): void {
  const store = gateway.runtime.store as { commit: Store['commit'] };
  const { commit } = store;
  let remaining = times;
  store.commit = async (...args) => {
    if (args[1].some(matches)) {
      if (--remaining === 0) store.commit = commit;
      await work();
    }
    return commit.apply(store, args);
  };
}
