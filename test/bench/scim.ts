/**
 * `npm run bench:scim -- [USERS] [GROUPS]`: an initial cycle of provisioning, then changes, on SQLite and on Redis. Prints CPU time of the
 * gateway's process and growth of the store for each request, and the resident memory after each phase. The ratio compares changes in a
 * group of all users with changes in a group of 10, in turns, while groups decide roles. It must be at most 1.5.
 *
 * The gateway runs with the options of the image. Without them, Node.js takes up to 128 MB for new objects during the first thousand
 * requests and keeps them, which looks like a leak.
 */
import { readFileSync, statSync } from 'node:fs';
import { Redis } from 'ioredis';
import { IMAGE_NODE_OPTIONS, startGatewayProcess } from '../e2e/support/gateway-process.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { startRedis } from '../support/redis-server.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';

const USERS = Number(process.argv[2] ?? 300);
const GROUPS = Number(process.argv[3] ?? 10);
const SMALL = 10;
/** Members of one PATCH while groups are filled. */
const PUSHED = 100;
const CHANGES = Math.max(200, USERS / 10);
const BLOCK = 100;
const BLOCKS = 10;
const IN_PARALLEL = 4;
const MAX_RATIO = 1.5;
const CLOCK_TICK_MS = 10;
const SETTLE_MS = 1000;

interface Store {
  readonly name: string;
  readonly url?: string;
  readonly octets: (storeUrl: string) => Promise<number>;
}

const redisServer = await startRedis(['--maxmemory-policy', 'noeviction']);
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

const memoryMb = (pid: number, field: 'VmRSS' | 'VmHWM'): number =>
  Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);

/** Runs a task for each number below `count`, some at a time. */
async function each(count: number, task: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: IN_PARALLEL }, work));
}

/** Calls the service, and throws if it refuses. */
async function call(client: ScimClient, method: string, path: string, body?: unknown) {
  const answer = await client.call(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer;
}

const patchGroup = (client: ScimClient, id: string, ...Operations: readonly unknown[]) =>
  call(client, 'PATCH', `/Groups/${id}`, { Operations });
const addMembers = (client: ScimClient, id: string, ids: readonly string[]) =>
  patchGroup(client, id, { op: 'Add', path: 'members', value: ids.map((value) => ({ value })) });

interface Bench {
  readonly client: ScimClient;
  readonly pid: number;
  readonly octets: () => Promise<number>;
}

async function measure({ pid, octets }: Bench, name: string, requests: number, run: () => Promise<void>): Promise<void> {
  const settle = () => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  await settle();
  const [cpu, bytes] = [cpuMs(pid), await octets()];
  await run();
  await settle();
  const [spent, grown] = [(cpuMs(pid) - cpu) / requests, Math.round(((await octets()) - bytes) / requests)];
  console.log(`  ${name}: ${requests} requests, ${spent.toFixed(2)} ms of CPU, ${grown} bytes each; ${memoryMb(pid, 'VmRSS')} MB resident`);
}

async function runInitialCycle(bench: Bench) {
  const { client } = bench;
  const users: string[] = [];
  const groups: string[] = [];
  await measure(bench, 'look up and create a user', 2 * USERS, () =>
    each(USERS, async (i) => {
      const userName = `user-${i}@acme.example`;
      await call(client, 'GET', `/Users?filter=${encodeURIComponent(`userName eq "${userName}"`)}`);
      const name = { givenName: 'User', familyName: String(i), formatted: `User ${i}` };
      const sent = {
        userName,
        externalId: `00u${i}`,
        name,
        displayName: `User ${i}`,
        emails: [{ value: userName, type: 'work', primary: true }],
      };
      users.push((await call(client, 'POST', '/Users', sent)).body.id);
    }),
  );
  await measure(bench, 'create a group', GROUPS, () =>
    each(GROUPS, async (i) => {
      groups[i] = (await call(client, 'POST', '/Groups', { displayName: `group-${i}` })).body.id;
    }),
  );
  const [large = '', small = '', ...others] = groups;
  await addMembers(client, small, users.slice(0, SMALL));
  const pushes = Math.ceil(USERS / PUSHED);
  await measure(bench, `push ${PUSHED} members into the group of all users`, pushes, async () => {
    for (let i = 0; i < pushes; i++) await addMembers(client, large, users.slice(i * PUSHED, (i + 1) * PUSHED));
  });
  await measure(bench, 'push 50 members into another group', others.length, () =>
    each(others.length, (i) =>
      addMembers(
        client,
        others[i] ?? '',
        Array.from({ length: 50 }, (_, n) => users[(i * 50 + n) % users.length] ?? ''),
      ),
    ),
  );
  return { users, large, small };
}

/** Returns the CPU time of changes in a large group divided by that of changes in a small one. */
async function compareGroups(
  { client, pid }: Bench,
  { users, large, small }: Awaited<ReturnType<typeof runInitialCycle>>,
): Promise<number> {
  const spent = new Map<string, number>();
  const changed = users.slice(SMALL, SMALL + BLOCK);
  await each(changed.length, (i) => patchGroup(client, large, { op: 'Remove', path: `members[value eq "${changed[i]}"]` }));
  for (let block = 0; block < BLOCKS; block++) {
    for (const group of block % 2 === 0 ? [large, small] : [small, large]) {
      const before = cpuMs(pid);
      for (const user of changed) {
        await addMembers(client, group, [user]);
        await patchGroup(client, group, { op: 'Remove', path: `members[value eq "${user}"]` });
      }
      spent.set(group, (spent.get(group) ?? 0) + cpuMs(pid) - before);
    }
  }
  const requests = 2 * changed.length * BLOCKS;
  const [inLarge, inSmall] = [(spent.get(large) ?? 0) / requests, (spent.get(small) ?? 0) / requests];
  const ratio = inLarge / inSmall;
  console.log(
    `  PATCH of one member: ${inLarge.toFixed(2)} ms of CPU in the group of ${USERS}, ${inSmall.toFixed(2)} ms in the group of ${SMALL}, ratio ${ratio.toFixed(2)}`,
  );
  return ratio;
}

async function runChanges(bench: Bench, { users, large }: Awaited<ReturnType<typeof runInitialCycle>>): Promise<void> {
  const { client } = bench;
  const userOf = (i: number) => `/Users/${users[i % users.length]}`;
  const patchUsers = (value: (i: number) => object) => () =>
    each(CHANGES, (i) => call(client, 'PATCH', userOf(i), { Operations: [{ op: 'replace', value: value(i) }] }));
  await measure(
    bench,
    'change a user',
    CHANGES,
    patchUsers((i) => ({ displayName: `Changed ${i}` })),
  );
  await measure(
    bench,
    'deactivate a user',
    CHANGES,
    patchUsers(() => ({ active: false })),
  );
  await measure(
    bench,
    'activate a user',
    CHANGES,
    patchUsers(() => ({ active: true })),
  );
  await measure(bench, 'read the group of all users', 20, () => each(20, () => call(client, 'GET', `/Groups/${large}`)));
  await measure(bench, 'rename the group of all users, which gives a role', 2, async () => {
    await patchGroup(client, large, { op: 'replace', value: { displayName: 'renamed' } });
    await patchGroup(client, large, { op: 'replace', value: { displayName: 'group-0' } });
  });
  await measure(bench, 'delete the group of all users', 1, async () => {
    await call(client, 'DELETE', `/Groups/${large}`);
  });
}

try {
  for (const { name, url, octets } of STORES) {
    const gateway = await startGatewayProcess({
      SAMLGATE_RATE_LIMITS: 'off',
      NODE_OPTIONS: IMAGE_NODE_OPTIONS,
      ...(url === undefined ? {} : { SAMLGATE_STORE: url }),
    });
    const organization = await makeTestOrganization(gateway);
    await gateway.api('PATCH', `/organizations/${organization.slug}`, { groups_from: 'scim' });
    const rules = ['group-0', 'group-1'].map((group) => ({ group, role: 'collaborator' }));
    await gateway.api('PUT', `/organizations/${organization.slug}/role-mapping`, { rules, default_role: 'none', allow_no_owner: true });
    const pid = gateway.process.pid ?? 0;
    const bench: Bench = {
      client: await makeScimClient(gateway, organization),
      pid,
      octets: () => octets(gateway.environment.SAMLGATE_STORE ?? ''),
    };
    console.log(`${name}: ${USERS} users, ${GROUPS} groups; ${memoryMb(pid, 'VmRSS')} MB resident at the start`);
    const provisioned = await runInitialCycle(bench);
    if ((await compareGroups(bench, provisioned)) > MAX_RATIO) process.exitCode = 1;
    await runChanges(bench, provisioned);
    console.log(`  most resident memory: ${memoryMb(pid, 'VmHWM')} MB`);
    await gateway.stop();
  }
} finally {
  redis.disconnect();
  await redisServer.stop();
}
