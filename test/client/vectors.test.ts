/** Runs the test vectors that the Python package runs too (python/tests/test_vectors.py). */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createClient } from '../../src/client/client.ts';
import { gatewayKey } from '../../src/client/credentials-file.ts';
import { findGateway } from '../../src/client/find-gateway.ts';
import { type StubAnswer, type StubGateway, startStubGateway } from './stub-gateway.ts';

const read = <T>(name: string): T => JSON.parse(readFileSync(path.join(import.meta.dirname, '../vectors', name), 'utf8')) as T;

interface FindVector {
  readonly name: string;
  readonly url?: string;
  readonly token?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly file?: string;
  readonly fileMode?: string;
  readonly folderMode?: string;
  readonly symlink?: boolean;
  readonly expected: Readonly<Record<string, unknown>>;
}

interface ErrorVector extends StubAnswer {
  readonly name: string;
  readonly expected: Readonly<Record<string, unknown>>;
}

interface RetryVector {
  readonly method: string;
  readonly answers: readonly (number | 'hang-up')[];
  readonly requests: number;
  readonly succeeds: boolean;
}

interface ListVector {
  readonly name: string;
  readonly pages: readonly { readonly items: readonly unknown[]; readonly next_cursor: string | null }[];
  readonly items: readonly unknown[];
  readonly queries: readonly string[];
}

const credentials = read<{ find: FindVector[]; urls: [string, string | null][] }>('credentials.json');
const errors = read<{ errors: ErrorVector[]; retries: RetryVector[] }>('errors.json');
const paging = read<{ lists: ListVector[]; segments: [string, string][]; invalid: string[] }>('paging.json');

/** Calls a function. @returns its result, or the facts of its error */
async function outcomeOf(call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    return error;
  }
}

describe('test vectors: gateway and token', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(path.join(tmpdir(), 'samlgate-vectors-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  test.each(credentials.find)('$name', async ({ url, token, environment = {}, expected, ...vector }) => {
    writeCredentials(home, vector);
    const found = await outcomeOf(() => findGateway({ url, token, environment: { HOME: home, ...environment } }));
    expect(found).toMatchObject(expected);
  });

  test.each(credentials.urls)('the URL %j gives %j', async (url, key) => {
    const outcome = await outcomeOf(() => gatewayKey(url));
    if (key === null) expect(outcome).toMatchObject({ code: 'gateway_url_invalid' });
    else expect(outcome).toBe(key);
  });
});

function writeCredentials(home: string, { file, fileMode = '600', folderMode = '700', symlink = false }: Partial<FindVector>): void {
  if (file === undefined) return;
  const folder = path.join(home, '.samlgate');
  mkdirSync(folder);
  const target = symlink ? path.join(home, 'target.json') : path.join(folder, 'credentials.json');
  writeFileSync(target, file);
  chmodSync(target, Number.parseInt(fileMode, 8));
  if (symlink) symlinkSync(target, path.join(folder, 'credentials.json'));
  chmodSync(folder, Number.parseInt(folderMode, 8));
}

describe('test vectors: answers', () => {
  let gateway: StubGateway;
  beforeEach(async () => {
    gateway = await startStubGateway();
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await gateway.close();
  });

  test.each(errors.errors)('error from $name', async ({ name: _, expected, ...answer }) => {
    gateway.answer(() => answer);
    const error = await outcomeOf(() => createClient({ url: gateway.url, token: 't', maxRetries: 0 }).me());
    const facts = Object.entries(expected).map(([name, value]) => [name, value ?? undefined]);
    expect(error).toMatchObject(Object.fromEntries(facts));
  });

  test.each(errors.retries)(
    '$method with the answers $answers sends $requests requests',
    async ({ method, answers, requests, succeeds }) => {
      gateway.answer(() => {
        const answer = answers[gateway.requests.length - 1] ?? 500;
        return answer === 'hang-up' ? { hangUp: true } : { status: answer, headers: { 'retry-after': '0' }, body: {} };
      });
      const outcome = await outcomeOf(() => createClient({ url: gateway.url, token: 't' }).call(method, '/api/v1/me'));
      expect([gateway.requests.length, !(outcome instanceof Error)]).toEqual([requests, succeeds]);
    },
  );

  test.each(paging.lists)('list with $name', async ({ pages, items, queries }) => {
    gateway.answer(() => ({ body: pages[gateway.requests.length - 1] }));
    expect(await createClient({ url: gateway.url, token: 't' }).organizations.list().toArray()).toEqual(items);
    expect(gateway.requests.map(({ url }) => url.replace(/^.*\?/, ''))).toEqual(queries);
  });

  test.each(paging.segments)('the name %j is the segment %j', async (name, segment) => {
    gateway.answer(() => ({ body: {} }));
    await createClient({ url: gateway.url, token: 't' }).organizations.get(name);
    expect(gateway.requests[0]?.url).toBe(`/api/v1/organizations/${segment}`);
  });

  test.each(paging.invalid)('the name %j is refused', async (name) => {
    const outcome = await outcomeOf(() => createClient({ url: gateway.url, token: 't' }).organizations.get(name));
    expect(outcome).toMatchObject({ code: 'argument_invalid' });
    expect(gateway.requests).toEqual([]);
  });

  test.each(['https://other.example/', '//other.example/', '\\\\other.example', 'api/v1/me'])(
    'the path %j does not send the token to another host',
    async (to) => {
      const outcome = await outcomeOf(() => createClient({ url: gateway.url, token: 't', maxRetries: 0 }).call('GET', to));
      expect(outcome).toMatchObject({ code: 'argument_invalid' });
      expect(gateway.requests).toEqual([]);
    },
  );
});
