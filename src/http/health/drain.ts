/** Takes a gateway out of service without losing requests. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** Idle connections stay open for this long, because a proxy may have sent a request on each of them. */
const DRAIN_WITHIN_MS = 7500;
/** Without connections and requests for this long, load balancers have noticed that the gateway is stopping. */
const QUIET_MS = 2000;
const CHECK_EVERY_MS = 50;

/** Knows the responses in progress, so that they can end their connections while the gateway drains. */
export class Drain {
  readonly #inProgress = new Set<ServerResponse>();
  #isDraining = false;
  #lastRequestMs = 0;

  /** Wraps a listener and tracks its requests. */
  watch(listener: Listener): Listener {
    return (request, response) => {
      if (this.#isDraining) {
        this.endConnection(response);
      } else {
        this.#inProgress.add(response);
        response.once('close', () => this.#inProgress.delete(response));
      }
      listener(request, response);
    };
  }

  /**
   * Lets a response close its connection if the gateway drains. Token checks call this before they write their headers, because
   * {@link watch} would take a tenth of their time (`npm run bench:check`).
   */
  endConnection(response: ServerResponse): void {
    if (!this.#isDraining) return;
    this.#lastRequestMs = performance.now();
    response.setHeader('Connection', 'close');
  }

  /**
   * Lets each response close its connection, and resolves when there are neither connections nor new requests, at the latest after
   * {@link DRAIN_WITHIN_MS}. New connections are accepted until then: a load balancer needs time to notice, and requests
   * may already be in the operating system's accept queue.
   */
  async run(server: Server): Promise<void> {
    this.#isDraining = true;
    const startedMs = performance.now();
    this.#lastRequestMs = startedMs;
    for (const response of this.#inProgress) if (!response.headersSent) response.setHeader('Connection', 'close');
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, CHECK_EVERY_MS));
      const nowMs = performance.now();
      if (nowMs - startedMs >= DRAIN_WITHIN_MS) return;
      if (nowMs - this.#lastRequestMs >= QUIET_MS && (await connectionsOf(server)) === 0) return;
    }
  }
}

const connectionsOf = (server: Server): Promise<number> =>
  new Promise((resolve) => server.getConnections((error, count) => resolve(error ? 0 : count)));
