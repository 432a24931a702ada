/**
 * `node test/bench/tricks.ts`: operations with and without the caches and batches that are kept for their speed. Every comment that
 * states such a gain refers to this program.
 */
import type { Redis } from 'ioredis';
import { jwtVerify } from 'jose';
import { isVerifyingKey, verifyingKey } from '../../src/auth/keys/key-lease.ts';
import { readKeyRing } from '../../src/auth/keys/key-ring.ts';
import { createCliToken } from '../../src/auth/tokens/cli-tokens.ts';
import { CLI_TOKEN_PREFIX, verifyToken } from '../../src/auth/tokens/verify-token.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { readTogether } from '../../src/store/read-together.ts';
import { startRedis } from '../support/redis-server.ts';
import { makeRuntime, OPERATOR, seedMember, seedOrganization } from '../support/seed.ts';

const ROUND_MS = Number(process.env.BENCH_SECONDS ?? 0.5) * 1000;
const ROUNDS = 5;
const LOOPS = 32;

interface Cost {
  readonly cpuMicroseconds: number;
  readonly milliseconds: number;
}

/** Runs an operation for a while in so many concurrent loops. Returns its CPU time and its latency. */
async function measure(operation: (loop: number) => Promise<unknown> | unknown, loops: number): Promise<Cost> {
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  let count = 0;
  const loop = async (index: number) => {
    for (; performance.now() < startMs + ROUND_MS; count++) await operation(index);
  };
  await Promise.all(Array.from({ length: loops }, (_, index) => loop(index)));
  const { user, system } = process.cpuUsage(startCpu);
  return { cpuMicroseconds: (user + system) / count, milliseconds: ((performance.now() - startMs) * loops) / count };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

type Operation = Parameters<typeof measure>[0];

/** Measures both ways in turn, so that other load on the machine affects both alike. */
async function compare(name: string, loops: number, ways: { readonly kept: Operation; readonly plain: Operation }): Promise<void> {
  const [kept, plain]: [Cost[], Cost[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    const costs = [await measure(ways.kept, loops), await measure(ways.plain, loops)] as const;
    if (round === 0) continue; // warm-up
    kept.push(costs[0]);
    plain.push(costs[1]);
  }
  const text = (costs: readonly Cost[]) =>
    `${median(costs.map((cost) => cost.cpuMicroseconds)).toFixed(1)} µs CPU, ${median(costs.map((cost) => cost.milliseconds)).toFixed(3)} ms`;
  process.stdout.write(`${name}, ${loops} at once\n    with    ${text(kept)}\n    without ${text(plain)}\n`);
}

const redis = await startRedis();
const runtime = await makeRuntime({
  SAMLGATE_STORE: redis.url,
  SAMLGATE_SECRET: Buffer.alloc(32, 1).toString('base64'),
  SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32),
});
try {
  const { store } = runtime;
  // The connection of the store, for commands that are sent one by one.
  const connection = store.limiterClient as Redis;
  const { id: organizationId } = await seedOrganization(runtime, 'bench');
  const ids: string[] = [];
  while (ids.length < LOOPS) ids.push((await seedMember(runtime, organizationId)).id);
  const member = await seedMember(runtime, organizationId);
  const credential = { kind: 'session', id: member.sessions[0]?.id ?? '', expiresAtMs: undefined } as const;
  const { token } = await createCliToken(runtime, OPERATOR, { organizationId, memberId: member.id, credential }, {});
  const { kid } = await verifyToken(runtime, token);
  const key = await verifyingKey(runtime, kid);
  if (!key) throw new Error('the key of the token is unknown');

  await compare('cache of verified tokens: verify a token', 1, {
    kept: () => verifyToken(runtime, token),
    plain: () => jwtVerify(token.slice(CLI_TOKEN_PREFIX.length), key.publicKey),
  });
  await compare('key lease: find the key of a token', LOOPS, {
    kept: () => isVerifyingKey(runtime, kid),
    plain: () => readKeyRing(runtime),
  });
  await compare('readTogether: read the same record', LOOPS, {
    kept: () => readTogether(store, organizationId, MEMBERS, member.id),
    plain: () => store.get(organizationId, MEMBERS, member.id),
  });
  await compare('sendTogether: read different records', LOOPS, {
    kept: (loop) => store.get(organizationId, MEMBERS, ids[loop] ?? ''),
    plain: async (loop) => {
      const [, value] = await connection.hmget(`samlgate:{${organizationId}}:r:member:${ids[loop]}`, 'v', 'd');
      return JSON.parse(value ?? '');
    },
  });
} finally {
  await runtime.store.close();
  await redis.stop();
}
