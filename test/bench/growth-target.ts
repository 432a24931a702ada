/** The gateways that `bench:growth` measures, and how it calls them and reports. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import type { GatewayProcess } from '../e2e/support/gateway-process.ts';
import { HttpBrowser } from '../support/browser.ts';
import type { TestOrganization } from '../support/identity-provider.ts';
import type { RedisServer } from '../support/redis-server.ts';

export interface Target {
  readonly name: string;
  readonly gateway: GatewayProcess;
  readonly redis: RedisServer | undefined;
  readonly organization: TestOrganization;
  readonly cliToken: string;
}

export const numberOf = (name: string, standard: number): number => Number(process.env[name] ?? standard);

let failures = 0;
export const hasFailures = (): boolean => failures > 0;

export function report(name: string, value: number, unit: string, limit: number): void {
  const isExceeded = value > limit;
  if (isExceeded) failures++;
  console.log(`  ${name.padEnd(56)} ${value.toFixed(2).padStart(9)} ${unit.padEnd(5)} ${isExceeded ? `MORE THAN ${limit}` : ''}`);
}

const TICKS_PER_SECOND = 100;

/** CPU time of the gateway and its Redis. The kernel counts it in hundredths of a second. */
export function cpuMs({ gateway, redis }: Target): number {
  const processes = [gateway.process, ...(redis ? [redis.process] : [])];
  return processes.reduce((sum, { pid }: ChildProcess) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return sum + ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
  }, 0);
}

/** Signs an owner in. A member has 20 sessions at most, so this is done again after many sign-ins. */
export async function cookieOf(organization: TestOrganization): Promise<string> {
  const browser = new HttpBrowser();
  await organization.signIn(browser, 'olivia');
  return textOf(browser, 'samlgate_session');
}

export async function operatorCookie({ gateway }: Target): Promise<string> {
  const browser = new HttpBrowser();
  await browser.submit(await browser.open(`${gateway.url}/console/operator/sign-in`), { token: gateway.operatorToken });
  return textOf(browser, 'samlgate_operator');
}

function textOf(browser: HttpBrowser, name: string): string {
  const cookie = browser.cookie(name);
  if (!cookie) throw new Error(`there is no cookie ${name}`);
  return `${cookie.name}=${cookie.value}`;
}

export const agent = new Agent({ keepAlive: true, maxSockets: 16 });

export interface Answer {
  readonly status: number;
  readonly octets: number;
}

export function call(url: string, headers: Record<string, string>, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const type =
      body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) };
    const sent = request(url, { method: body === undefined ? 'GET' : 'POST', agent, headers: { ...type, ...headers } }, (response) => {
      let octets = 0;
      response.on('data', (chunk: Buffer) => (octets += chunk.length));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, octets }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
