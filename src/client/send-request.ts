/** One call of a gateway: sent, waited for, repeated where that is safe, and its refusal turned into a {@link SamlgateError}. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SamlgateError, type SamlgateErrorCode } from './samlgate-error.ts';
import { VERSION } from './version.ts';

export interface Connection {
  /** Base URL of the gateway. */
  readonly url: string;
  /** Undefined for what needs none. */
  readonly token: string | undefined;
  /** How long one try may take. */
  readonly timeoutMs: number;
  /** How often a call is repeated at most. */
  readonly maxRetries: number;
}

export interface CallOptions {
  /** Undefined values are left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  /** Sent as JSON; `URLSearchParams` as a form; text and octets as they are, with `contentType`. */
  readonly body?: unknown;
  readonly contentType?: string | undefined;
  /** Ends the call, also while it waits for its next try. */
  readonly signal?: AbortSignal | undefined;
}

/** A gateway that asks for more patience than this is told of, not waited for. */
const MAX_WAIT_SECONDS = 30;
const FIRST_WAIT_MS = 200;

/**
 * The JSON of the answer, undefined where it has no content. Repeated are: a GET that got no answer, or one of 429, 502, 503
 * and 504; any other method only after 429, because a 503 does not tell whether the change was made.
 * @throws SamlgateError
 */
export async function sendRequest(connection: Connection, method: string, path: string, options: CallOptions = {}): Promise<unknown> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await sendOnce(connection, method, path, options);
    } catch (error) {
      const waitMs = error instanceof SamlgateError && attempt < connection.maxRetries ? waitBefore(error, method, attempt) : undefined;
      if (waitMs === undefined) throw error;
      await sleep(waitMs, undefined, options.signal ? { signal: options.signal } : {});
    }
  }
}

/** Milliseconds until the next try; undefined where there must be none. */
function waitBefore(error: SamlgateError, method: string, attempt: number): number | undefined {
  const { code, status, retryAfterSeconds } = error;
  const isTransient = code === 'gateway_unreachable' || code === 'gateway_timeout' || [502, 503, 504].includes(status ?? 0);
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
      body: payloadOf(body),
      // The token is for this gateway and nobody that it points to.
      redirect: 'error',
      signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
    });
    return readAnswer(response, await response.text(), url);
  } catch (error) {
    // The caller's own end of the call is the caller's own error.
    if (error instanceof SamlgateError || signal?.aborted) throw error;
    throw noAnswer(url, error, timeout.aborted);
  }
}

function addressOf(url: string, path: string, query: CallOptions['query'] = {}): URL {
  const address = new URL(path, url);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) address.searchParams.set(name, String(value));
  return address;
}

function payloadOf(body: unknown): string | URLSearchParams | Uint8Array<ArrayBuffer> | null {
  if (body === undefined) return null;
  if (typeof body === 'string' || body instanceof URLSearchParams) return body;
  return body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body);
}

function readAnswer(response: Response, text: string, url: string): unknown {
  if (response.ok && text === '') return undefined;
  const answer = parseJson(text);
  if (response.ok) {
    if (answer !== undefined) return answer;
    throw new SamlgateError({
      code: 'not_a_gateway',
      title: `What answers at ${url} is not a samlgate gateway`,
      status: response.status,
    });
  }
  throw refusalOf(response, answer, url);
}

/** Problem details (RFC 9457), or what OAuth endpoints say (RFC 6749 §5.2). Something in between may answer with neither. */
function refusalOf(response: Response, answer: unknown, url: string): SamlgateError {
  const { status, headers } = response;
  const said = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>;
  const text = (name: string) => (typeof said[name] === 'string' ? (said[name] as string) : undefined);
  // Of the two, `error` is what a protocol's loop branches on.
  const code = (text('error') ?? text('code')) as SamlgateErrorCode | undefined;
  return new SamlgateError({
    code: code ?? 'not_a_gateway',
    title: text('title') ?? (code === undefined ? `Something at ${url} answered with HTTP ${status}` : code),
    detail: text('detail') ?? text('error_description'),
    status,
    requestId: text('request_id') ?? headers.get('x-request-id') ?? undefined,
    retryAfterSeconds: retryAfterOf(headers.get('retry-after')),
  });
}

/** Seconds, or a date (RFC 9110 §10.2.3). */
function retryAfterOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a page of something in between
  }
}

function noAnswer(url: string, error: unknown, isTimeout: boolean): SamlgateError {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  const reason = cause?.code ?? cause?.message ?? (error as Error).name;
  return new SamlgateError({
    code: isTimeout ? 'gateway_timeout' : 'gateway_unreachable',
    title: `The gateway at ${url} does not answer${isTimeout ? ' in time' : ` (${reason})`}`,
    detail: 'Is it running, and is the URL right?',
    cause: error,
  });
}
