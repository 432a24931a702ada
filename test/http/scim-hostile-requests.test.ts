/** SCIM requests that no client of Okta or Entra ID sends. */
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';

const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error';

let gateway: TestGateway;
let acme: TestOrganization;
let scim: ScimClient;
let userId: string;
let groupId: string;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  scim = await makeScimClient(gateway, acme);
  userId = (await scim.call('POST', '/Users', { userName: 'ada@acme.example' })).body.id;
  groupId = (await scim.call('POST', '/Groups', { displayName: 'Engineering', members: [{ value: userId }] })).body.id;
});
afterAll(() => gateway.stop());

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | string;
}

/** Sends the octets of path and body as they are, which `fetch` would normalize. */
const send = ({ method, path, headers = {}, body }: Sent) =>
  new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
    const { hostname, port } = new URL(gateway.url);
    const sent = httpRequest(
      {
        hostname,
        port,
        method,
        path: `/scim/v2/${acme.slug}${path}`,
        headers: {
          authorization: `Bearer ${scim.token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/scim+json', 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => (text += part));
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, type: answer.headers['content-type'] ?? '', text }));
      },
    );
    sent.once('error', reject);
    sent.end(body);
  });

/** Returns what is wrong with an answer: every failure has the Error schema, and no request makes the gateway fail. */
const problemOf = (sent: Sent, { status, type, text }: Awaited<ReturnType<typeof send>>): string | undefined => {
  const shown = `${sent.method} ${sent.path} ${JSON.stringify(sent.headers)} ${String(sent.body).slice(0, 300)}: ${status} ${text.slice(0, 300)}`;
  if (status >= 500 && status !== 501) return shown;
  if (status < 400 || sent.method === 'HEAD') return undefined;
  const isError =
    type.startsWith('application/scim+json') && JSON.parse(text).schemas[0] === ERROR && JSON.parse(text).status === String(status);
  return isError ? undefined : shown;
};

describe('a SCIM request that is malformed', () => {
  const text = fc.oneof(
    fc.constantFrom(
      '',
      ' ',
      '"',
      '\\',
      '[',
      ']',
      '(',
      ')',
      '.',
      ':',
      '*',
      '%',
      '%00',
      '%ff',
      '%2F',
      '..',
      'eq',
      'and',
      'pr',
      'or',
      'not',
      '\u2028',
      '😀',
      '\ud800',
    ),
    fc.constantFrom(
      'userName',
      'displayName',
      'emails',
      'members',
      'type',
      'value',
      'true',
      'null',
      '1',
      'urn:ietf:params:scim:schemas:core:2.0:User',
    ),
    fc.string({ maxLength: 6 }),
  );
  const words = fc.array(text, { maxLength: 8 }).chain((parts) => fc.constantFrom('', ' ').map((between) => parts.join(between)));
  const encoded = words.map((each) => encodeURIComponent(each.toWellFormed()));
  const id = fc.oneof(
    fc.constantFrom(
      () => userId,
      () => groupId,
      () => 'usr_00000000000000000000',
      () => '..',
      () => '%00',
      () => '%ff',
      () => '%',
      () => '*',
    ),
    encoded.map((each) => () => each),
  );
  const query = fc.array(
    fc.tuple(
      fc.constantFrom('filter', 'startIndex', 'count', 'attributes', 'excludedAttributes', 'sortBy', 'aadOptscim062020', 'a[b]'),
      encoded,
    ),
    {
      maxLength: 3,
    },
  );
  const path = fc
    .tuple(
      fc.constantFrom('/Users', '/Groups', '/Schemas', '/ResourceTypes', '/ServiceProviderConfig', '/Me', '/Bulk', '/users', '/Users/'),
      fc.option(id),
      query,
    )
    .map(([resource, each, pairs]) => () => {
      const search = pairs.map(([name, value]) => `${name}=${value}`).join('&');
      return `${resource}${each ? `/${each()}` : ''}${search === '' ? '' : `?${search}`}`;
    });
  const json = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.dictionary(
      fc.constantFrom('userName', 'displayName', 'active', 'emails', 'members', 'Operations', 'schemas', 'externalId', 'name'),
      fc.jsonValue({ maxDepth: 2 }),
    ),
    fc.record({
      Operations: fc.array(
        fc.record(
          { op: fc.constantFrom('add', 'Replace', 'REMOVE'), path: fc.option(words), value: fc.jsonValue({ maxDepth: 2 }) },
          { requiredKeys: ['op'] },
        ),
        { maxLength: 4 },
      ),
    }),
  );
  const body = fc.oneof(
    json.map((each) => JSON.stringify(each)),
    fc.uint8Array({ maxLength: 20 }),
    words,
  );
  const headers = fc.dictionary(
    fc.constantFrom('content-type', 'if-match', 'if-none-match', 'accept', 'content-encoding', 'user-agent'),
    fc.constantFrom(
      '',
      '*',
      'W/"1"',
      '"1"',
      'W/"1", W/"2"',
      'application/json',
      'application/json; charset=utf-16',
      'text/plain',
      'gzip',
      ',,,',
    ),
    { maxKeys: 2 },
  );

  it('is answered with the Error schema, and never makes the gateway fail', async () => {
    const request = fc.record({
      method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'OPTIONS', 'TRACE'),
      path,
      headers,
      body: fc.option(body),
    });
    await fc.assert(
      fc.asyncProperty(request, async ({ method, path, headers, body }) => {
        const sent: Sent = {
          method,
          path: path(),
          headers,
          ...(body === null || ['GET', 'HEAD', 'TRACE'].includes(method) ? {} : { body }),
        };
        expect(problemOf(sent, await send(sent))).toBeUndefined();
      }),
      { numRuns: Number(process.env.SAMLGATE_ROUNDS ?? 300) },
    );
    expect((await scim.call('GET', `/Users/${userId}`)).status).toBe(200);
  }, 120_000);

  it('is answered, also with the flag of Entra ID’s tenant URL in the query', async () => {
    const filter = encodeURIComponent('userName eq "eve@acme.example"');
    expect(await scim.call('GET', `/Users?aadOptscim062020&filter=${filter}`)).toMatchObject({ status: 200, body: { totalResults: 0 } });
    expect((await scim.call('POST', '/Users?aadOptscim062020', { userName: 'eve@acme.example' })).status).toBe(201);
  });
});
