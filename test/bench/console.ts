/**
 * `npm run bench:console`: the time for console pages of an organization with 10,000 members. Measures from the request line to the
 * last octet of the response, one page at a time, with the server in a process of its own. Prints the median and the maximum of the
 * rounds. Exits with 1 if a page of 50 members takes more than 50 ms.
 *
 * STORE=redis uses Redis instead of SQLite. ROUNDS and MEMBERS change the amount of work.
 */
import { Agent, request } from 'node:http';
import { startGatewayProcess } from '../e2e/support/gateway-process.ts';
import { HttpBrowser } from '../support/browser.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { startRedis } from '../support/redis-server.ts';
import { makeRuntime, seedMember } from '../support/seed.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 40);
const MEMBERS = Number(process.env.MEMBERS ?? 10_000);
const LIMIT_MS = 50;
const AT_ONCE = 50;

interface Answer {
  readonly status: number;
  readonly ms: number;
  readonly text: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function get(url: string, cookie: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const sent = request(url, { agent, headers: { cookie, accept: 'text/html' } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, ms: performance.now() - startedAt, text: Buffer.concat(chunks).toString() }),
      );
    });
    sent.on('error', reject).end();
  });
}

/** Writes members directly into the gateway's store, like 10,000 sign-ins would. */
async function seedMembers(environment: Readonly<Record<string, string>>, organizationId: string): Promise<void> {
  const runtime = await makeRuntime(environment);
  for (let i = 0; i < MEMBERS; i += AT_ONCE) {
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, MEMBERS - i) }, (_, n) => {
        const number = String(i + n).padStart(5, '0');
        return seedMember(runtime, organizationId, { name: `Person ${number}`, email: `person-${number}@example.com` });
      }),
    );
  }
  await runtime.store.close();
}

async function measure(name: string, url: string, cookie: string, expected: RegExp): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS + 5; round++) {
    const { status, ms, text } = await get(url, cookie);
    if (status !== 200 || !expected.test(text)) throw new Error(`${name} answered ${status}:\n${text.slice(0, 500)}`);
    // The first rounds are a warm-up.
    if (round >= 5) times.push(ms);
  }
  times.sort((a, b) => a - b);
  const [median, worst] = [times[Math.floor(times.length / 2)] ?? 0, times.at(-1) ?? 0];
  console.log(`${name.padEnd(44)} median ${median.toFixed(1).padStart(6)} ms   worst ${worst.toFixed(1).padStart(6)} ms`);
  return median;
}

async function run(): Promise<boolean> {
  const redis = process.env.STORE === 'redis' ? await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']) : undefined;
  const gateway = await startGatewayProcess({ SAMLGATE_LOG_LEVEL: 'warn', ...(redis && { SAMLGATE_STORE: redis.url }) });
  try {
    const organization = await makeTestOrganization(gateway);
    const browser = new HttpBrowser();
    await organization.signIn(browser, 'olivia');
    await seedMembers(gateway.environment, organization.id);
    const session = browser.cookie('samlgate_session');
    const cookie = `${session?.name}=${session?.value}`;
    const members = `${gateway.url}/console/members`;
    const first = await get(members, cookie);
    const next = /href="([^"]*cursor=[^"]*)"/.exec(first.text)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const id = /\/members\/(usr_\w+)"/.exec(first.text)?.[1];
    console.log(`${MEMBERS} members, store ${redis ? 'redis' : 'sqlite'}, Node ${process.version}`);
    const times = [
      await measure('first page of 50 members', members, cookie, /Person 00048/),
      await measure('next page of 50 members', `${gateway.url}${next}`, cookie, /Person 00098/),
    ];
    // One page of a search reads 2,000 members.
    await measure('search that finds the last one of 2,000', `${members}?query=01998`, cookie, /Person 01998/);
    await measure('one member', `${members}/${id}`, cookie, /Last sign-in/);
    await measure('own credentials', `${gateway.url}/console`, cookie, /CLI tokens/);
    await measure('audit trail', `${gateway.url}/console/audit`, cookie, /login\.accepted/);
    const isFine = times.every((ms) => ms <= LIMIT_MS);
    console.log(isFine ? `A page of 50 members takes ${LIMIT_MS} ms or less.` : `A page of 50 members takes more than ${LIMIT_MS} ms.`);
    return isFine;
  } finally {
    agent.destroy();
    await gateway.stop();
    await redis?.stop();
  }
}

process.exitCode = (await run()) ? 0 : 1;
