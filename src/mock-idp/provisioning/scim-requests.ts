/** Sends SCIM requests in the way of one product, and keeps what was sent and received. */

export const USER_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const GROUP_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Group';
export const ENTERPRISE_SCHEMA = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const PATCH_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

const TIMEOUT_MS = 30_000;

/** What an administrator enters at the identity provider. */
export interface ScimTarget {
  /** Such as `http://localhost:8080/scim/v2/acme`, without a trailing slash. */
  readonly baseUrl: string;
  readonly token: string;
}

/** A request and its response. */
export interface ScimExchange {
  readonly method: string;
  /** Below the base URL, with the query as it reads before it is encoded. */
  readonly path: string;
  readonly sent: unknown;
  readonly status: number;
  /** Undefined for an empty body. */
  readonly received: unknown;
}

export interface ScimResource {
  readonly id: string;
  readonly [name: string]: unknown;
}

/** The gateway refused a request. The client stops, as the products do for this user or group. */
export class ScimRefusal extends Error {
  readonly exchange: ScimExchange;
  /** What the gateway said. */
  readonly detail: string;

  constructor(exchange: ScimExchange) {
    const { detail } = (exchange.received ?? {}) as { detail?: unknown };
    const said = typeof detail === 'string' ? detail : `status ${exchange.status}`;
    super(`${exchange.method} ${exchange.path}: ${exchange.status} ${said}`);
    this.exchange = exchange;
    this.detail = said;
  }
}

/** How a product writes its requests. */
export interface RequestHabits {
  readonly headers: Readonly<Record<string, string>>;
  /** Sent with requests that have a body. */
  readonly contentType: string;
  /** Encodes the value of a query parameter. */
  readonly encodeQuery: (value: string) => string;
}

export class ScimRequests {
  readonly #target: ScimTarget;
  readonly #habits: RequestHabits;
  readonly #exchanges: ScimExchange[] = [];

  constructor(target: ScimTarget, habits: RequestHabits) {
    this.#target = target;
    this.#habits = habits;
  }

  /** Everything sent so far, in order. */
  get exchanges(): readonly ScimExchange[] {
    return this.#exchanges;
  }

  get(path: string, query: Readonly<Record<string, string>> = {}): Promise<ScimExchange> {
    return this.#send('GET', path, { query });
  }

  post(path: string, body: unknown): Promise<ScimExchange> {
    return this.#send('POST', path, { body });
  }

  put(path: string, body: unknown): Promise<ScimExchange> {
    return this.#send('PUT', path, { body });
  }

  patch(path: string, ...operations: readonly unknown[]): Promise<ScimExchange> {
    return this.#send('PATCH', path, { body: { schemas: [PATCH_SCHEMA], Operations: operations } });
  }

  delete(path: string): Promise<ScimExchange> {
    return this.#send('DELETE', path);
  }

  /** Returns the only or first resource that a filter finds. */
  async findFirst(path: string, query: Readonly<Record<string, string>>): Promise<ScimResource | undefined> {
    const { received } = await this.get(path, query);
    return ((received as { Resources?: readonly ScimResource[] }).Resources ?? [])[0];
  }

  /** @throws ScimRefusal */
  async #send(method: string, path: string, { query = {}, body }: { query?: Readonly<Record<string, string>>; body?: unknown } = {}) {
    const { baseUrl, token } = this.#target;
    const { headers, contentType, encodeQuery } = this.#habits;
    const pairs = Object.entries(query);
    const search = pairs.map(([name, value]) => `${name}=${encodeQuery(value)}`).join('&');
    const response = await fetch(`${baseUrl}${path}${search === '' ? '' : `?${search}`}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...headers, ...(body === undefined ? {} : { 'content-type': contentType }) },
      body: body === undefined ? null : JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    const shown = pairs.map(([name, value]) => `${name}=${value}`).join('&');
    const exchange: ScimExchange = {
      method,
      path: `${path}${shown === '' ? '' : `?${shown}`}`,
      sent: body,
      status: response.status,
      received: text === '' ? undefined : JSON.parse(text),
    };
    this.#exchanges.push(exchange);
    if (!response.ok) throw new ScimRefusal(exchange);
    return exchange;
  }
}

/** Returns the path of a resource. */
export const resourcePath = (collection: '/Users' | '/Groups', id: string): string => `${collection}/${encodeURIComponent(id)}`;

export const idOf = ({ received }: ScimExchange): string => (received as ScimResource).id;
