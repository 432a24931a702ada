import type { Config } from './config.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Secrets } from './secrets.ts';
import type { Store } from './store/store.ts';

/** What all parts of a running gateway share. Created in `gateway.ts`. */
export interface Runtime {
  readonly config: Config;
  readonly store: Store;
  readonly secrets: Secrets;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Returns a function that creates a value for each runtime on first use, and returns the same value from then on. */
export function perRuntime<T>(create: (runtime: Runtime) => T): (runtime: Runtime) => T {
  const values = new WeakMap<Runtime, T>();
  return (runtime) => {
    let value = values.get(runtime);
    if (value === undefined) {
      value = create(runtime);
      values.set(runtime, value);
    }
    return value;
  };
}
