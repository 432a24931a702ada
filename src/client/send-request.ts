/** Sends one request to a gateway, retries it if that is safe, and turns a refusal into a {@link SamlgateError}. */
import { setTimeout as sleep } from 'node:timers/promises';
import { explainConnectionError, explainTimeout, isRedirect } from './connection-problem.ts';
import { SamlgateError, type SamlgateErrorCode } from './samlgate-error.ts';
import { VERSION } from './version.ts';

export interface Connection {
  /** Base URL of the gateway. */
  readonly url: string;
  /** Bearer token; undefined for endpoints that need none. */
  readonly token: string | undefined;
  /** Maximum duration of one attempt, in milliseconds. */
  readonly timeoutMs: number;
  /** Maximum number of retries after the first attempt. */
  readonly maxRetries: number;
}

export interface CallOptions {
  /** Query parameters. Parameters with the value undefined are left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  /**
   * Request body. `URLSearchParams` is sent as a form, a string or a `Uint8Array` unchanged with `contentType`, and any other
   * value as JSON.
   */
  readonly body?: unknown;
  /** Content type of the body. Default: `application/json`. */
  readonly contentType?: string | undefined;
  /** Aborts the call, including the wait before a retry. The call then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The longest `Retry-After` that is waited for, in seconds. With a longer one the caller gets the refusal immediately. */
const MAX_WAIT_SECONDS = 30;
const FIRST_WAIT_MS = 200;

/**
 * Sends a request and returns the JSON of the response, or undefined if the response has no content.
 *
 * Retries a GET after a connection error, a timeout, 429, 502, 503 or 504. Retries any other method only after 429, because
 * after any other failure the change may already have been made.
 * @throws SamlgateError
 */
export async function sendRequest(connection: Connection, method: string, path: string, options: CallOptions = {}): Promise<unknown> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await sendOnce(connection, method, path, options);
    } catch (error) {
      const waitMs = error instanceof SamlgateError && attempt < connection.maxRetries ? retryDelayMs(error, method, attempt) : undefined;
      if (waitMs === undefined) throw error;
      await sleep(waitMs, undefined, options.signal ? { signal: options.signal } : {});
    }
  }
}

/** Returns the milliseconds to wait before the next attempt, or undefined if the request must not be retried. */
function retryDelayMs(error: SamlgateError, method: string, attempt: number): number | undefined {
  const { code, status, retryAfterSeconds } = error;
  const isLost = (code === 'gateway_unreachable' && !isRedirect(error.cause)) || code === 'gateway_timeout';
  const isTransient = isLost || [502, 503, 504].includes(status ?? 0);
  if (status !== 429 && !(method === 'GET' && isTransient)) return undefined;
  if (retryAfterSeconds !== undefined) return retryAfterSeconds <= MAX_WAIT_SECONDS ? retryAfterSeconds * 1000 : undefined;
  return FIRST_WAIT_MS * 2 ** attempt;
}

async function sendOnce(connection: Connection, method: string, path: string, options: CallOptions): Promise<unknown> {
  const { url, token, timeoutMs } = connection;
  const { body, contentType, signal } = options;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(addressOf(url, path, options.query), {
      method,
      headers: {
        accept: 'application/json',
        'user-agent': `samlgate/${VERSION} node/${process.versions.node}`,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined || body instanceof URLSearchParams ? {} : { 'content-type': contentType ?? 'application/json' }),
      },
      body: encodeBody(body),
      // The token is for this gateway only and must not follow a redirect to another host.
      redirect: 'error',
      signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
    });
    return readResponse(response, await response.text(), url);
  } catch (error) {
    // If the caller aborted, the call rejects with the reason of the caller's signal.
    if (error instanceof SamlgateError || signal?.aborted) throw error;
    if (timeout.aborted) throw new SamlgateError({ code: 'gateway_timeout', ...explainTimeout(url, timeoutMs), cause: error });
    throw new SamlgateError({ code: 'gateway_unreachable', ...explainConnectionError(url, error), cause: error });
  }
}

/** @throws SamlgateError argument_invalid if the path resolves to another host, because that host must not get the token */
function addressOf(url: string, path: string, query: CallOptions['query'] = {}): URL {
  const address = path.startsWith('/') && URL.canParse(path, url) ? new URL(path, url) : undefined;
  if (address?.origin !== new URL(url).origin) {
    throw new SamlgateError({
      code: 'argument_invalid',
      title: 'The path is not a path of the gateway',
      detail: 'Give a path such as /api/v1/me, not a URL.',
    });
  }
  for (const [name, value] of Object.entries(query)) if (value !== undefined) address.searchParams.set(name, String(value));
  return address;
}

function encodeBody(body: unknown): string | URLSearchParams | Uint8Array<ArrayBuffer> | null {
  if (body === undefined) return null;
  if (typeof body === 'string' || body instanceof URLSearchParams) return body;
  return body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body);
}

function readResponse(response: Response, text: string, url: string): unknown {
  if (response.ok && text === '') return undefined;
  const body = parseJson(text);
  if (!response.ok) throw refusalOf(response, body, url);
  if (body === undefined) throw new SamlgateError({ ...notAGateway(response.status, url), status: response.status });
  return body;
}

/** Reads problem details (RFC 9457), or an OAuth error response (RFC 6749 §5.2). A proxy may answer with neither. */
function refusalOf(response: Response, body: unknown, url: string): SamlgateError {
  const { status, headers } = response;
  const members = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const text = (name: string) => (typeof members[name] === 'string' ? (members[name] as string) : undefined);
  // The OAuth endpoints send both; callers of those endpoints branch on the OAuth error.
  const code = (text('error') ?? text('code')) as SamlgateErrorCode | undefined;
  const described =
    code === undefined
      ? notAGateway(status, url)
      : { code, title: text('title') ?? code, detail: text('detail') ?? text('error_description') };
  return new SamlgateError({
    ...described,
    status,
    requestId: text('request_id') ?? headers.get('x-request-id') ?? undefined,
    retryAfterSeconds: retryAfterOf(headers.get('retry-after')),
  });
}

const notAGateway = (status: number, url: string) =>
  ({
    code: 'not_a_gateway',
    title: `The server at ${url} does not answer like a samlgate gateway (HTTP ${status})`,
    detail: 'Correct the URL, or check the proxy in front of the gateway.',
  }) as const;

/** Returns seconds from a `Retry-After` header with seconds or a date (RFC 9110 §10.2.3). */
function retryAfterOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // for example an HTML page of a proxy
  }
}
