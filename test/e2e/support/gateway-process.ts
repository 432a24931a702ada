/** Runs `node dist/main.js serve` in a process of its own, configured by environment variables. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../support/redis-server.ts';

const MAIN = path.join(import.meta.dirname, '../../../dist/main.js');

/** `NODE_OPTIONS` of the image and of the systemd unit, for benchmarks of memory and pauses. */
export const IMAGE_NODE_OPTIONS = '--max-semi-space-size=16 --max-old-space-size=1024';

export interface GatewayProcess {
  readonly url: string;
  readonly operatorToken: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly process: ChildProcess;
  /** Everything on stdout and stderr so far. */
  output(): string;
  /** Calls `/api/v1` + path as the operator, or with another token. A string body is sent as metadata. */
  api<Body = Record<string, unknown>>(
    method: string,
    resource: string,
    body?: unknown,
    token?: string,
  ): Promise<{ status: number; body: Body }>;
  /** Resolves with the exit code, or the signal's name. SIGINT, unlike SIGTERM, does not wait for load balancers to notice. */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
}

/**
 * @param environment further or overriding variables; another replica gets the `environment` of the first
 * @param hasTerminal runs the gateway in a terminal of its own. `process` is the terminal then.
 */
export async function startGatewayProcess(
  environment: Readonly<Record<string, string>> = {},
  { hasTerminal = false }: { readonly hasTerminal?: boolean } = {},
): Promise<GatewayProcess> {
  const port = await freePort();
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-e2e-'));
  const settings = {
    SAMLGATE_BASE_URL: `http://localhost:${port}`,
    SAMLGATE_LISTEN: `127.0.0.1:${port}`,
    SAMLGATE_STORE: `sqlite:${path.join(directory, 'samlgate.db')}`,
    SAMLGATE_SECRET: randomBytes(32).toString('base64'),
    SAMLGATE_OPERATOR_TOKEN: randomBytes(32).toString('hex'),
    ...environment,
  };
  const serve = [process.execPath, MAIN, 'serve'] as const;
  const [command, ...args] = hasTerminal ? (['script', '-qfc', serve.join(' '), '/dev/null'] as const) : serve;
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH ?? '', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const url = `http://${settings.SAMLGATE_LISTEN.replace('127.0.0.1', 'localhost')}`;
  await answers(child, url, () => output);
  const { SAMLGATE_OPERATOR_TOKEN: operatorToken } = settings;
  return {
    url,
    operatorToken,
    environment: settings,
    process: child,
    output: () => output,
    api: (method, resource, body, token = operatorToken) => callApi(url, method, resource, body, token),
    stop: async (signal = 'SIGINT') => {
      if (child.exitCode === null && child.signalCode === null) {
        const exit = once(child, 'exit');
        child.kill(signal);
        await exit;
      }
      rmSync(directory, { recursive: true, force: true });
      return child.exitCode ?? child.signalCode ?? 'unknown';
    },
  };
}

async function answers(child: ChildProcess, url: string, output: () => string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}:\n${output()}`);
    const response = await fetch(`${url}/readyz`).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  child.kill('SIGKILL');
  throw new Error(`the gateway is not ready:\n${output()}`);
}

async function callApi<Body>(url: string, method: string, resource: string, body: unknown, token: string) {
  const isText = typeof body === 'string';
  const type = isText ? 'application/samlmetadata+xml' : 'application/json';
  const response = await fetch(`${url}/api/v1${resource}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': type }) },
    body: body === undefined ? null : isText ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Body };
}

/** Creates an organization with this identity provider. Members of platform-admins are owners. */
export async function makeOrganization(
  gateway: GatewayProcess,
  slug: string,
  metadata: string,
  defaultRole: 'collaborator' | 'none' = 'collaborator',
): Promise<void> {
  const mapping = { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: defaultRole };
  for (const [method, resource, body] of [
    ['POST', '/organizations', { slug, name: `Test ${slug}` }],
    ['PUT', `/organizations/${slug}/identity-provider`, metadata],
    ['PUT', `/organizations/${slug}/role-mapping`, mapping],
  ] as const) {
    const answer = await gateway.api(method, resource, body);
    if (answer.status >= 300) throw new Error(`${method} ${resource}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
}
