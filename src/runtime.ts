import type { Config } from './config.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Secrets } from './secrets.ts';
import type { Store } from './store/store.ts';

/** What the parts of one running gateway share. Made by `gateway.ts` only. */
export interface Runtime {
  readonly config: Config;
  readonly store: Store;
  readonly secrets: Secrets;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}
