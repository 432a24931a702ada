import { currentSigner } from '../../auth/keys/key-lease.ts';
import { GatewayError } from '../../errors.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { GLOBAL } from '../../store/store.ts';

/** All requests within this time share one probe, so that they cost at most one write per second. */
const PROBE_FOR_MS = 1000;
const PROBE_KEY = 'readiness';
const PROBE_SECONDS = 60;

/** Whether the gateway can serve requests: its store accepts writes, a signing key is active, and it is not stopping. */
export class Readiness {
  readonly #runtime: Runtime;
  #probe: { readonly startedMs: number; readonly result: Promise<void> } | undefined;
  #isReady = true;
  #isStopping = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** From now on, {@link check} fails. */
  stop(): void {
    this.#isStopping = true;
  }

  /** @throws store_unavailable if the store accepts no writes, if no signing key is active, or if the gateway is stopping */
  async check(): Promise<void> {
    if (this.#isStopping) throw new GatewayError('store_unavailable', 'The gateway is stopping and accepts no new work.');
    const nowMs = performance.now();
    if (!this.#probe || nowMs - this.#probe.startedMs >= PROBE_FOR_MS) this.#probe = { startedMs: nowMs, result: this.#run() };
    await this.#probe.result;
  }

  async #run(): Promise<void> {
    try {
      // A full disk can be read. The write also fails on a replica, and on a Redis that is out of memory.
      await this.#runtime.store.commit(GLOBAL, [{ do: 'put', key: PROBE_KEY, value: '', ttlSeconds: PROBE_SECONDS }]);
      await currentSigner(this.#runtime);
      this.#report(undefined);
    } catch (error) {
      this.#report(error);
      throw error;
    }
  }

  /** Logs a change once, because load balancers ask every few seconds. */
  #report(error: unknown): void {
    const isReady = error === undefined;
    if (isReady === this.#isReady) return;
    this.#isReady = isReady;
    const { log } = this.#runtime;
    if (isReady) log.info('ready again');
    else log.error({ reason: reasonOf(error) }, 'not ready: the store accepts no writes, or no signing key is active');
  }
}

/** The messages of a store's own errors quote no data of users. */
function reasonOf(error: unknown): string {
  if (!(error instanceof GatewayError)) return 'unknown';
  const { detail, cause } = error.facts;
  return detail ?? (cause instanceof Error ? cause.message : String(cause ?? error.code));
}

export const readinessOf = perRuntime((runtime) => new Readiness(runtime));
