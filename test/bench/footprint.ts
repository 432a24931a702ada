/**
 * `npm run bench:footprint`: what sign-ins, tokens and token checks cost. Prints the CPU time of the gateway's process per operation and
 * the bytes by which the store grows, on SQLite and on Redis. `docs/operations.md` quotes the figures. COUNT changes the number of
 * operations.
 */
import { readFileSync, statSync } from 'node:fs';
import { Redis } from 'ioredis';
import { startGatewayProcess } from '../e2e/support/gateway-process.ts';
import { HttpBrowser } from '../support/browser.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { startRedis } from '../support/redis-server.ts';

const COUNT = Number(process.env.COUNT ?? 500);
const CLOCK_TICK_MS = 10;
/** Sign-in log and counters are written later. */
const SETTLE_MS = 8000;

interface Store {
  readonly name: string;
  readonly url?: string;
  readonly octets: (storeUrl: string) => Promise<number>;
}

const redisServer = await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
const redis = new Redis(redisServer.url);

const STORES: readonly Store[] = [
  {
    name: 'SQLite (file and write-ahead log)',
    octets: async (url) =>
      ['', '-wal'].reduce((sum, end) => sum + (statSync(url.slice('sqlite:'.length) + end, { throwIfNoEntry: false })?.size ?? 0), 0),
  },
  { name: 'Redis (memory)', url: redisServer.url, octets: async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]) },
];

/** CPU time of a process in milliseconds, user and system. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
}

const rssMb = (pid: number): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

async function signIn(organization: TestOrganization, number: number): Promise<HttpBrowser> {
  const browser = new HttpBrowser();
  const attributes = [
    { name: 'email', values: [`user-${number}@okta.acme.example`] },
    { name: 'firstName', values: ['User'] },
    { name: 'lastName', values: [String(number)] },
    { name: 'groups', values: ['engineering', 'everyone', 'vpn'] },
    { name: 'urn:oasis:names:tc:SAML:attribute:subject-id', values: [`user-${number}@acme`] },
  ];
  const page = await organization.signIn(browser, 'olivia', { values: { attributes } });
  if (page.status !== 303) throw new Error(`sign-in answered ${page.status} ${page.code}`);
  return browser;
}

try {
  for (const { name, url, octets } of STORES) {
    const gateway = await startGatewayProcess({ SAMLGATE_RATE_LIMITS: 'off', ...(url === undefined ? {} : { SAMLGATE_STORE: url }) });
    const organization = await makeTestOrganization(gateway);
    const storeUrl = gateway.environment.SAMLGATE_STORE ?? '';
    const pid = gateway.process.pid ?? 0;
    for (let i = 0; i < 50; i++) await signIn(organization, -1 - i);
    const browsers: HttpBrowser[] = [];
    let token = '';
    const operations: Readonly<Record<string, (i: number) => Promise<unknown>>> = {
      'first sign-in of a member': async (i) => browsers.push(await signIn(organization, i)),
      'second sign-in': (i) => signIn(organization, i),
      'created CLI token': async (i) => {
        const browser = browsers[i];
        const me = await browser?.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
        const { csrf_token: csrf } = JSON.parse(me?.text ?? '') as { csrf_token: string };
        const headers = { 'x-samlgate-csrf': csrf, 'content-type': 'application/json' };
        const created = await browser?.request(`${gateway.url}/api/v1/me/tokens`, { method: 'POST', body: '{"name":"ci"}', headers });
        ({ token } = JSON.parse(created?.text ?? '') as { token: string });
      },
      'token check (/auth/verify)': () => fetch(`${gateway.url}/auth/verify`, { headers: { authorization: `Bearer ${token}` } }),
    };
    console.log(`${name}: ${COUNT} of each`);
    for (const [operation, run] of Object.entries(operations)) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const before = { octets: await octets(storeUrl), cpu: cpuMs(pid) };
      for (let i = 0; i < COUNT; i++) await run(i);
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const [grown, cpu] = [(await octets(storeUrl)) - before.octets, cpuMs(pid) - before.cpu];
      console.log(`  ${operation}: ${(cpu / COUNT).toFixed(2)} ms of CPU, ${Math.round(grown / COUNT)} bytes`);
    }
    console.log(`  resident memory afterwards: ${Math.round(rssMb(pid))} MB`);
    await gateway.stop();
  }
} finally {
  redis.disconnect();
  await redisServer.stop();
}
