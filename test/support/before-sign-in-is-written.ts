import type { Store } from '../../src/store/store.ts';
import type { TestGateway } from './gateway.ts';

/** Does something, once or more often, when a message has been judged and what comes of it is about to be written. */
export function beforeSignInIsWritten(gateway: TestGateway, work: () => Promise<unknown>, times = 1): void {
  const store = gateway.runtime.store as { commit: Store['commit'] };
  const { commit } = store;
  let left = times;
  store.commit = async (...asked) => {
    if (asked[1].some((step) => step.do === 'claim' && step.key.startsWith('assertion:'))) {
      if (--left === 0) store.commit = commit;
      await work();
    }
    return commit.apply(store, asked);
  };
}
