/** How commands talk to a gateway: where it is, with which token, and what a refusal looks like. */
import { readFileSync } from 'node:fs';

/** A command that could not be done; `main.ts` prints the message and exits with 1. */
export class CommandError extends Error {
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.name = 'CommandError';
    this.code = code;
  }
}

/** A command that was given wrongly; exits with 2. */
export class UsageError extends Error {}

export interface Api {
  /** Sends JSON (or a document) and gives the answer's JSON. @throws CommandError with the gateway's own words */
  call(method: string, path: string, body?: unknown, contentType?: string): Promise<unknown>;
}

const KEPT_OPERATOR_TOKEN = 'data/operator-token';

/** SAMLGATE_URL with SAMLGATE_OPERATOR_TOKEN or SAMLGATE_CLI_TOKEN; on the gateway's own machine the kept operator token. */
export function connect(environment: NodeJS.ProcessEnv = process.env): Api {
  const base = environment.SAMLGATE_URL ?? environment.SAMLGATE_BASE_URL ?? 'http://localhost:8080';
  if (!URL.canParse(base)) throw new UsageError(`SAMLGATE_URL is not a URL. Example: https://sso.example.com`);
  const token = environment.SAMLGATE_OPERATOR_TOKEN ?? environment.SAMLGATE_CLI_TOKEN ?? keptOperatorToken(base);
  if (token === undefined) {
    throw new UsageError('No token. Set SAMLGATE_OPERATOR_TOKEN (the operator) or SAMLGATE_CLI_TOKEN (an owner).');
  }
  return { call: (method, path, body, contentType) => callGateway(base, token, method, path, body, contentType) };
}

/** Only for a gateway on this machine: the token must not go to another one by mistake. */
function keptOperatorToken(base: string): string | undefined {
  if (!['localhost', '127.0.0.1', '[::1]'].includes(new URL(base).hostname)) return undefined;
  try {
    return readFileSync(KEPT_OPERATOR_TOKEN, 'utf8').trim();
  } catch {
    return undefined; // not the gateway's directory: the caller says what to set
  }
}

async function callGateway(
  base: string,
  token: string,
  method: string,
  path: string,
  body?: unknown,
  contentType = 'application/json',
): Promise<unknown> {
  const headers: Record<string, string> = { authorization: `Bearer ${token}`, accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = contentType;
  const payload =
    body === undefined ? null : typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body);
  let response: Response;
  try {
    response = await fetch(new URL(`/api/v1${path}`, base), {
      method,
      headers,
      body: payload,
      redirect: 'error',
      signal: AbortSignal.timeout(30_000),
    });
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } };
    throw new CommandError(
      `The gateway at ${base} does not answer (${cause?.code ?? (error as Error).name}). Is it running, and is SAMLGATE_URL right?`,
    );
  }
  const text = await response.text();
  const answer = text === '' ? undefined : parseJson(text, base);
  if (response.ok) return answer;
  const { code, title, detail, request_id: requestId } = (answer ?? {}) as Record<string, string | undefined>;
  throw new CommandError(
    `${title ?? `HTTP ${response.status}`}: ${detail ?? ''}\n  code ${code ?? 'unknown'}, request ${requestId ?? 'unknown'}`,
    code,
  );
}

function parseJson(text: string, base: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CommandError(`What answers at ${base} is not a samlgate gateway.`);
  }
}
