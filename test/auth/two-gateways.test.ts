/** Two processes of the built gateway on one Redis. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createCliToken } from '../../src/auth/tokens/cli-tokens.ts';
import type { Runtime } from '../../src/runtime.ts';
import { type BuiltPackage, buildPackage, type RunningCommand } from '../support/built-package.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts';
import { makeRuntime, OPERATOR, seedMember, seedOrganization } from '../support/seed.ts';

const OPERATOR_TOKEN = randomBytes(32).toString('hex');
const LANES = 4;
const ROUNDS_IN_A_LANE = 250;
const KILLS = 10;

interface GatewayProcess {
  readonly url: string;
  command: RunningCommand;
}

let redis: RedisServer;
let built: BuiltPackage;
let runtime: Runtime;
let environment: Record<string, string>;
let a: GatewayProcess;
let b: GatewayProcess;

beforeAll(async () => {
  redis = await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
  environment = {
    SAMLGATE_STORE: redis.url,
    SAMLGATE_SECRET: randomBytes(32).toString('base64'),
    SAMLGATE_OPERATOR_TOKEN: OPERATOR_TOKEN,
    SAMLGATE_RATE_LIMITS: 'off',
    SAMLGATE_LOG_LEVEL: 'info',
  };
  built = await buildPackage();
  runtime = await makeRuntime(environment);
  [a, b] = await Promise.all([startProcess(await freePort()), startProcess(await freePort())]);
}, 120_000);

afterAll(async () => {
  await Promise.all([a, b].map((gateway) => gateway?.command.end('SIGKILL')));
  await runtime?.store.close();
  built?.remove();
  await redis?.stop();
});

async function startProcess(port: number): Promise<GatewayProcess> {
  const command = built.start(['serve'], { ...environment, SAMLGATE_LISTEN: `127.0.0.1:${port}` });
  await command.says(/samlgate is ready/);
  return { url: `http://127.0.0.1:${port}`, command };
}

interface Holder {
  readonly memberId: string;
  readonly slug: string;
  makeToken(): Promise<string>;
}

async function holder(slug: string): Promise<Holder> {
  const { id: organizationId } = await seedOrganization(runtime, slug);
  const member = await seedMember(runtime, organizationId);
  const credential = { kind: 'session', id: member.sessions[0]?.id ?? '', expiresAtMs: undefined } as const;
  const minter = { organizationId, memberId: member.id, credential };
  return { memberId: member.id, slug, makeToken: async () => (await createCliToken(runtime, OPERATOR, minter, { name: 'test' })).token };
}

async function call(
  gateway: GatewayProcess,
  method: string,
  path: string,
  token: string,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${gateway.url}${path}`, { method, headers: { authorization: `Bearer ${token}` } });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
}

const verify = async (gateway: GatewayProcess, token: string): Promise<number> =>
  (await call(gateway, 'GET', '/auth/verify', token)).status;

/** Ways to revoke a token at one gateway. Each returns the token that replaces it, if any. */
const ENDINGS: readonly ((at: GatewayProcess, token: string, of: Holder) => Promise<string | undefined>)[] = [
  async (at, token) => {
    const { status, body } = await call(at, 'POST', '/api/v1/me/tokens/rotate', token);
    expect(status).toBe(200);
    return (body.token as { token: string }).token;
  },
  async (at, token) => {
    const { body } = await call(at, 'GET', '/api/v1/me', token);
    const { id } = body.credential as { id: string };
    expect((await call(at, 'DELETE', `/api/v1/me/tokens/${id}`, token)).status).toBe(204);
    return undefined;
  },
  async (at, _token, { slug, memberId }) => {
    const path = `/api/v1/organizations/${slug}/members/${memberId}/tokens/rotate`;
    expect((await call(at, 'POST', path, OPERATOR_TOKEN)).status).toBe(200);
    return undefined;
  },
];

describe('first rotation of the signing keys', () => {
  test('happens once if two gateways receive the request at the same time', async () => {
    const rotate = (gateway: GatewayProcess) => call(gateway, 'POST', '/api/v1/keys/rotate', OPERATOR_TOKEN);
    const codes = (await Promise.all([rotate(a), rotate(b), rotate(a), rotate(b)])).map(({ status, body }) => body.code ?? status);
    expect(codes.sort()).toEqual([200, 'conflict', 'conflict', 'conflict']);
    const { items } = (await call(b, 'GET', '/api/v1/keys', OPERATOR_TOKEN)).body as { items: { state: string }[] };
    expect(items.map(({ state }) => state)).toEqual(['next', 'active', 'retired']);
  });
});

describe('revocation at one gateway', () => {
  test(`takes effect at the other as soon as the request has succeeded (${LANES * ROUNDS_IN_A_LANE} rounds)`, async () => {
    const lane = async (number: number): Promise<number> => {
      const person = await holder(`lane-${number}`);
      let refused = 0;
      for (let round = 0; round < ROUNDS_IN_A_LANE; round++) {
        const [here, there] = (round + number) % 2 === 0 ? [a, b] : [b, a];
        const token = await person.makeToken();
        // Both gateways verify it, so that both have cached it.
        expect([await verify(there, token), await verify(here, token)]).toEqual([200, 200]);
        const made = await ENDINGS[round % ENDINGS.length]?.(here, token, person);
        if ((await verify(there, token)) === 401) refused++;
        if (made !== undefined) expect(await verify(there, made)).toBe(200);
      }
      return refused;
    };
    const refused = await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
    expect(refused).toEqual(Array(LANES).fill(ROUNDS_IN_A_LANE));
  }, 300_000);
});

describe('gateway killed during a token rotation', () => {
  test(`leaves either all old tokens valid or none (${KILLS} kills)`, async () => {
    const person = await holder('killed');
    const seen = new Set<string>();
    for (let round = 0; round < KILLS; round++) {
      const [victim, survivor] = round % 2 === 0 ? [a, b] : [b, a];
      const old = await Promise.all([0, 1, 2, 3].map(() => person.makeToken()));
      const alive = async () => Promise.all(old.map((token) => verify(survivor, token)));
      expect(await alive()).toEqual([200, 200, 200, 200]);
      const rotating = call(victim, 'POST', '/api/v1/me/tokens/rotate', old[0] ?? '').catch(() => 'no answer' as const);
      await sleep(round * 1.5);
      await victim.command.end('SIGKILL');
      const answer = await rotating;
      const after = await alive();
      if (answer !== 'no answer') {
        expect([answer.status, after]).toEqual([200, [401, 401, 401, 401]]);
        seen.add('answered');
      } else {
        expect([[200, 200, 200, 200].join(), [401, 401, 401, 401].join()]).toContain(after.join());
        seen.add(after.join());
      }
      Object.assign(victim, await startProcess(Number(new URL(victim.url).port)));
      expect(await Promise.all(old.map((token) => verify(victim, token)))).toEqual(after);
      await call(survivor, 'POST', `/api/v1/organizations/killed/members/${person.memberId}/tokens/rotate`, OPERATOR_TOKEN);
    }
    expect(seen.size).toBeGreaterThan(0);
  }, 300_000);
});

describe('revocation of a signing key', () => {
  test('takes effect at the other gateway as soon as the request has succeeded', async () => {
    const person = await holder('keys');
    for (let round = 0; round < 3; round++) {
      const token = await person.makeToken();
      expect([await verify(a, token), await verify(b, token)]).toEqual([200, 200]);
      const { kid } = JSON.parse(Buffer.from(token.replace('samlgate_cli_', '').split('.')[0] ?? '', 'base64url').toString()) as {
        kid: string;
      };
      let isOver = false;
      const busy = (async () => {
        while (!isOver) await verify(b, token);
      })();
      expect((await call(a, 'POST', `/api/v1/keys/${kid}/revoke`, OPERATOR_TOKEN)).status).toBe(200);
      expect([await verify(b, token), await verify(a, token)]).toEqual([401, 401]);
      isOver = true;
      await busy;
      // The test process, which creates the tokens, is a replica too.
      await sleep(2100);
    }
  }, 60_000);
});
