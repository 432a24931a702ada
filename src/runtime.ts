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

/** What one file keeps for each running gateway; made where it is first asked for. */
export function perRuntime<T>(make: (runtime: Runtime) => T): (runtime: Runtime) => T {
  const kept = new WeakMap<Runtime, T>();
  return (runtime) => {
    let value = kept.get(runtime);
    if (value === undefined) {
      value = make(runtime);
      kept.set(runtime, value);
    }
    return value;
  };
}
