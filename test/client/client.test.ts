import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createClient, type RoleMapping, SamlgateError } from '../../src/client/index.ts';
import { VERSION } from '../../src/client/version.ts';
import { freePort } from '../support/redis-server.ts';
import { type StubAnswer, type StubGateway, startStubGateway } from './stub-gateway.ts';

let gateway: StubGateway;
/** Another server. */
let other: StubGateway;

beforeAll(async () => {
  gateway = await startStubGateway();
  other = await startStubGateway();
});
afterAll(() => Promise.all([gateway.close(), other.close()]));
beforeEach(() => gateway.forget());

const clientOf = (options: object = {}) => createClient({ url: gateway.url, token: 'samlgate_cli_x', ...options });

/** Sends these answers in order, and the last one for all further requests. */
function answerInTurn(...answers: readonly StubAnswer[]): void {
  let turn = 0;
  gateway.answer(() => answers[Math.min(turn++, answers.length - 1)] ?? {});
}

const refusalOf = async (call: Promise<unknown>): Promise<SamlgateError> => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SamlgateError);
  return error as SamlgateError;
};

const PROBLEM = {
  type: 'urn:samlgate:error:conflict',
  title: 'This can’t be done in the present state',
  status: 409,
  detail: 'This is the last owner of the organization.',
  code: 'conflict',
  request_id: 'r-1',
};

describe('samlgate/client: calls', () => {
  test('sends the token, JSON and a user agent', async () => {
    answerInTurn({ body: { id: 'usr_1' } });
    expect(await clientOf().members.change('acme', 'usr_1', { suspended: true })).toEqual({ id: 'usr_1' });
    expect(gateway.requests).toMatchObject([
      {
        method: 'PATCH',
        url: '/api/v1/organizations/acme/members/usr_1',
        headers: { authorization: 'Bearer samlgate_cli_x', 'content-type': 'application/json', accept: 'application/json' },
        body: '{"suspended":true}',
      },
    ]);
    expect(gateway.requests[0]?.headers['user-agent']).toBe(`samlgate/${VERSION} node/${process.versions.node}`);
  });

  test('sends metadata documents unchanged', async () => {
    answerInTurn({ body: {} });
    await clientOf().identityProvider.set('acme', { document: Buffer.from('\ufeff<x/>') }, { dryRun: true, entityId: 'a&b' });
    expect(gateway.requests).toMatchObject([
      { method: 'PUT', url: '/api/v1/organizations/acme/identity-provider?entity_id=a%26b&dry_run=true', body: '\ufeff<x/>' },
    ]);
    expect(gateway.requests[0]?.headers['content-type']).toBe('application/samlmetadata+xml');
  });

  test('returns undefined if the response has no content', async () => {
    answerInTurn({ status: 204 });
    expect(await clientOf().members.remove('acme', 'usr_1')).toBeUndefined();
  });

  test.each([
    ['a/../b', '/api/v1/organizations/a%2F..%2Fb'],
    ['a?b#c', '/api/v1/organizations/a%3Fb%23c'],
    ['ä %', '/api/v1/organizations/%C3%A4%20%25'],
  ])('keeps the name %j in one segment of the path', async (name, url) => {
    answerInTurn({ body: {} });
    await clientOf().organizations.get(name);
    expect(gateway.requests).toMatchObject([{ url }]);
  });

  test.each(['', '.', '..'])('refuses the name %j, which would change the path', async (name) => {
    expect(() => clientOf().members.list(name)).toThrow(SamlgateError);
    expect((await refusalOf(clientOf().organizations.remove(name))).code).toBe('argument_invalid');
    expect(gateway.requests).toEqual([]);
  });

  test('has the version of the package', () => {
    const { version } = JSON.parse(readFileSync(path.join(import.meta.dirname, '../../package.json'), 'utf8'));
    expect(VERSION).toBe(version);
  });
});

describe('samlgate/client: lists', () => {
  const pages = new Map([
    [null, { items: [{ id: 'usr_1' }, { id: 'usr_2' }], next_cursor: 'a+b' }],
    // An empty page need not be the last one.
    ['a+b', { items: [], next_cursor: 'c' }],
    ['c', { items: [{ id: 'usr_3' }], next_cursor: null }],
  ]);
  beforeEach(() => gateway.answer(({ url }) => ({ body: pages.get(new URL(url, gateway.url).searchParams.get('cursor')) })));

  test('reads all pages', async () => {
    const list = clientOf().members.list('acme', { email: 'a+b@acme.example' });
    expect(gateway.requests).toEqual([]);
    expect(await list.toArray()).toEqual([{ id: 'usr_1' }, { id: 'usr_2' }, { id: 'usr_3' }]);
    expect(gateway.requests.map(({ url }) => url)).toEqual([
      '/api/v1/organizations/acme/members?email=a%2Bb%40acme.example&limit=200',
      '/api/v1/organizations/acme/members?email=a%2Bb%40acme.example&cursor=a%2Bb&limit=200',
      '/api/v1/organizations/acme/members?email=a%2Bb%40acme.example&cursor=c&limit=200',
    ]);
  });

  test('fetches a page only when it is read', async () => {
    for await (const { id } of clientOf().members.list('acme')) if (id === 'usr_2') break;
    expect(gateway.requests).toHaveLength(1);
  });

  test('returns single pages', async () => {
    const page = await clientOf().members.list('acme').page({ cursor: 'c', limit: 7 });
    expect(page).toEqual({ items: [{ id: 'usr_3' }], next_cursor: null });
    expect(gateway.requests[0]?.url).toBe('/api/v1/organizations/acme/members?cursor=c&limit=7');
  });
});

describe('samlgate/client: errors', () => {
  test('have the code, status, detail and request id of the problem details', async () => {
    answerInTurn({ status: 409, body: PROBLEM });
    const error = await refusalOf(clientOf().members.remove('acme', 'usr_1'));
    expect(error).toMatchObject({
      name: 'SamlgateError',
      code: 'conflict',
      status: 409,
      title: PROBLEM.title,
      detail: PROBLEM.detail,
      requestId: 'r-1',
      message: `${PROBLEM.title}. ${PROBLEM.detail}`,
    });
    expect(JSON.stringify(error) + String(error.stack)).not.toContain('samlgate_cli_x');
  });

  test('have the code of an OAuth error response', async () => {
    answerInTurn({ status: 400, body: { ...PROBLEM, error: 'invalid_grant', error_description: 'No.' } });
    expect((await refusalOf(clientOf().call('POST', '/oauth/token', { body: new URLSearchParams() }))).code).toBe('invalid_grant');
  });

  test.each<[string, StubAnswer]>([
    ['a page', { body: '<html>' }],
    ['an error page', { status: 404, body: '<html>' }],
    ['other JSON', { status: 400, body: [1] }],
    ['text as a code', { status: 400, body: { code: 7 } }],
  ])('reports %s as a server that is not a gateway', async (_what, answer) => {
    answerInTurn(answer);
    expect(await refusalOf(clientOf().me())).toMatchObject({ code: 'not_a_gateway', status: answer.status ?? 200 });
  });

  test('reports a refused connection', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const error = await refusalOf(clientOf({ url, maxRetries: 0 }).me());
    expect(error).toMatchObject({ code: 'gateway_unreachable', status: undefined });
    expect(error.message).toContain(`The connection to the gateway at ${url} was refused (ECONNREFUSED)`);
  });

  test('reports a timeout', async () => {
    answerInTurn({ silent: true });
    expect((await refusalOf(clientOf({ timeoutMs: 50, maxRetries: 0 }).me())).code).toBe('gateway_timeout');
  });

  test('follows no redirect, because the token is for this gateway only', async () => {
    other.answer(() => ({ body: {} }));
    answerInTurn({ status: 307, headers: { location: `${other.url}/api/v1/me` } });
    expect((await refusalOf(clientOf({ maxRetries: 0 }).me())).code).toBe('gateway_unreachable');
    expect(other.requests).toEqual([]);
  });
});

describe('samlgate/client: retries', () => {
  const busy = (status: number, seconds?: string): StubAnswer => ({
    status,
    body: { ...PROBLEM, code: status === 429 ? 'rate_limited' : 'store_unavailable' },
    headers: seconds === undefined ? {} : { 'retry-after': seconds },
  });
  const inAMoment = () => new Date(Date.now()).toUTCString();

  test.each<[string, StubAnswer]>([
    ['429', busy(429, '0')],
    ['503', busy(503, '0')],
    ['503 until a date', busy(503, inAMoment())],
    ['502 without problem details', { status: 502, body: '<html>' }],
    ['a broken connection', { hangUp: true }],
  ])('retries a GET after %s, at most maxRetries times', async (_what, answer) => {
    answerInTurn(answer, answer, { body: { ok: true } });
    expect(await clientOf().me()).toEqual({ ok: true });
    expect(gateway.requests).toHaveLength(3);
    gateway.forget();
    answerInTurn(answer);
    await refusalOf(clientOf({ maxRetries: 1 }).me());
    expect(gateway.requests).toHaveLength(2);
  });

  test.each<[string, StubAnswer, number]>([
    ['429', busy(429, '0'), 3],
    ['503', busy(503, '0'), 1],
    ['a broken connection', { hangUp: true }, 1],
    ['409', { status: 409, body: PROBLEM }, 1],
  ])('retries another method only if nothing was changed: %s', async (_what, answer, times) => {
    const client = clientOf();
    for (const call of [() => client.tokens.rotate(), () => client.tokens.revoke('tok_1'), () => client.roleMapping.set('acme', MAPPING)]) {
      gateway.forget();
      answerInTurn(answer);
      await refusalOf(call());
      expect(gateway.requests).toHaveLength(times);
    }
  });
  const MAPPING: RoleMapping = { rules: [], default_role: 'none' };

  test('does not retry a GET after a refusal', async () => {
    answerInTurn({ status: 403, body: { ...PROBLEM, code: 'forbidden' } });
    expect((await refusalOf(clientOf().me())).code).toBe('forbidden');
    expect(gateway.requests).toHaveLength(1);
  });

  test('does not wait for a Retry-After of more than 30 seconds, but reports it', async () => {
    answerInTurn(busy(429, '31'));
    expect(await refusalOf(clientOf().me())).toMatchObject({ code: 'rate_limited', retryAfterSeconds: 31 });
    expect(gateway.requests).toHaveLength(1);
  });

  test('aborts a call during the wait before a retry', async () => {
    const stop = new AbortController();
    gateway.answer(() => {
      setImmediate(() => stop.abort());
      return busy(503, '20');
    });
    await expect(clientOf().call('GET', '/api/v1/me', { signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect(gateway.requests).toHaveLength(1);
  });
});
