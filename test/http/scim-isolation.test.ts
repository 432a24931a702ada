/** What a SCIM token reaches: the users and groups of its connection, and no trace of any others. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimAnswer, type ScimClient, scimCall } from '../support/scim-client.ts';
import { addConnection } from '../support/test-connection.ts';

const UNKNOWN_USER = 'usr_00000000000000000000';
const UNKNOWN_GROUP = 'grp_00000000000000000000';

let gateway: TestGateway;
let acme: TestOrganization;
let own: ScimClient;
/** Clients that must not reach what `own` provisions. */
const strangers: Record<string, ScimClient> = {};
let user: { id: string; etag: string };
let group: { id: string; etag: string };

const USER = {
  userName: 'ada@acme.example',
  externalId: '00u-ada',
  displayName: 'Ada',
  emails: [{ value: 'ada@mail.example', type: 'work' }],
};
const GROUP = { displayName: 'Engineering', externalId: 'group-1' };
const created = ({ status, body, headers }: ScimAnswer) => {
  expect(status).toBe(201);
  return { id: body.id as string, etag: headers.get('etag') ?? '' };
};

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  own = await makeScimClient(gateway, acme);
  strangers['another organization'] = await makeScimClient(gateway, await makeTestOrganization(gateway));
  strangers['another connection'] = await makeScimClient(gateway, acme, { connection: (await addConnection(gateway, acme)).id });
  user = created(await own.call('POST', '/Users', USER));
  group = created(await own.call('POST', '/Groups', { ...GROUP, members: [{ value: user.id }] }));
});
afterAll(() => gateway.stop());

/** An answer without what differs between any two answers. */
const shapeOf = ({ status, body, headers }: ScimAnswer) => ({
  status,
  body,
  headers: [...headers].filter(([name]) => !['date', 'x-request-id', 'etag', 'location', 'keep-alive'].includes(name)),
  etag: headers.has('etag'),
});

type Request = readonly [method: string, path: (id: string) => string, body?: unknown];

const PATCH_USER = { Operations: [{ op: 'replace', value: { active: false } }] };
const USER_REQUESTS: readonly Request[] = [
  ['GET', (id) => `/Users/${id}`],
  ['HEAD', (id) => `/Users/${id}`],
  ['GET', (id) => `/Users/${id}?attributes=id`],
  ['PUT', (id) => `/Users/${id}`, { userName: 'eve@acme.example', active: false }],
  ['PUT', (id) => `/Users/${id}`, USER],
  ['PUT', (id) => `/Users/${id}`, {}],
  ['PATCH', (id) => `/Users/${id}`, PATCH_USER],
  ['PATCH', (id) => `/Users/${id}`, { Operations: [] }],
  ['PATCH', (id) => `/Users/${id}`, { Operations: [{ op: 'remove' }] }],
  ['DELETE', (id) => `/Users/${id}`],
];
const GROUP_REQUESTS: readonly Request[] = [
  ['GET', (id) => `/Groups/${id}`],
  ['HEAD', (id) => `/Groups/${id}`],
  ['GET', (id) => `/Groups/${id}?excludedAttributes=members`],
  ['PUT', (id) => `/Groups/${id}`, { displayName: 'Eve', members: [] }],
  ['PATCH', (id) => `/Groups/${id}`, { Operations: [{ op: 'replace', path: 'members', value: [] }] }],
  ['PATCH', (id) => `/Groups/${id}`, { Operations: [{ op: 'replace', value: { displayName: 'Eve' } }] }],
  ['DELETE', (id) => `/Groups/${id}`],
];

/** The conditions with which a client could learn the version of something that it must not see. */
const conditions = (etag: string): readonly Record<string, string>[] => [
  {},
  { 'if-match': '*' },
  { 'if-match': etag },
  { 'if-match': 'W/"99"' },
  { 'if-none-match': etag },
  { 'if-none-match': '*' },
];

describe.each(['another organization', 'another connection'])('a token of %s', (name) => {
  const send = ([method, path, body]: Request, id: string, headers: Record<string, string>) =>
    (strangers[name] as ScimClient).call(method, path(id), body, headers);

  it.each([
    ['user', USER_REQUESTS, () => user, UNKNOWN_USER],
    ['group', GROUP_REQUESTS, () => group, UNKNOWN_GROUP],
  ] as const)(
    'gets the same answer for a %s that exists as for one that does not, with each request and condition',
    async (_kind, requests, target, unknown) => {
      const { id, etag } = target();
      for (const request of requests) {
        for (const condition of conditions(etag)) {
          const [foreign, missing] = [await send(request, id, condition), await send(request, unknown, condition)];
          expect([request[0], condition, shapeOf(foreign)]).toEqual([request[0], condition, shapeOf(missing)]);
          expect([400, 404]).toContain(foreign.status);
          expect(JSON.stringify(foreign.body ?? '')).not.toContain(id);
        }
      }
      expect((await own.call('GET', `/Users/${user.id}`)).body).toMatchObject({ ...USER, active: true, meta: { version: user.etag } });
      const { body } = await own.call('GET', `/Groups/${group.id}`);
      expect(body).toMatchObject({ ...GROUP, members: [{ value: user.id }], meta: { version: group.etag } });
    },
  );

  it('finds nothing by any filter', async () => {
    const filters = {
      '/Users': [
        ...[`id eq "${user.id}"`, `userName eq "${USER.userName}"`, `externalId eq "${USER.externalId}"`, 'displayName eq "Ada"'],
        ...['emails.value eq "ada@mail.example"', 'emails[type eq "work"].value eq "ada@mail.example"', 'userName pr', 'active eq true'],
        ...[`userName eq "${USER.userName}" and active eq true`, `groups.value eq "${group.id}"`, `groups[value eq "${group.id}"]`],
        `id eq "${user.id}" and externalId eq "${USER.externalId}"`,
      ],
      '/Groups': [
        ...[`id eq "${group.id}"`, `displayName eq "${GROUP.displayName}"`, `externalId eq "${GROUP.externalId}"`, 'displayName pr'],
        ...[`members.value eq "${user.id}"`, `members[value eq "${user.id}"]`, `members eq "${user.id}"`],
        `id eq "${group.id}" and members eq "${user.id}"`,
      ],
    };
    for (const [path, texts] of Object.entries(filters)) {
      for (const text of ['', ...texts]) {
        const query = `${path}?startIndex=1${text === '' ? '' : `&filter=${encodeURIComponent(text)}`}`;
        const answer = await (strangers[name] as ScimClient).call('GET', query);
        if (answer.status === 200) expect([text, answer.body.totalResults, answer.body.Resources]).toEqual([text, 0, []]);
        else expect([text, answer.status]).toEqual([text, 400]);
      }
    }
  });

  it('creates users and groups with the same names, which are others, and adds no foreign member', async () => {
    const client = strangers[name] as ScimClient;
    const other = created(await client.call('POST', '/Users', USER));
    expect(other.id).not.toBe(user.id);
    const members = [user.id, UNKNOWN_USER, other.id].map((value) => ({ value }));
    const otherGroup = created(await client.call('POST', '/Groups', { ...GROUP, members }));
    const add = (value: string) =>
      client.call('PATCH', `/Groups/${otherGroup.id}`, { Operations: [{ op: 'add', path: 'members', value: [{ value }] }] });
    const [foreign, missing] = [await add(user.id), await add(UNKNOWN_USER)];
    expect(shapeOf(foreign)).toEqual(shapeOf(missing));
    expect((await client.call('GET', `/Groups/${otherGroup.id}`)).body.members.map(({ value }: { value: string }) => value)).toEqual([
      other.id,
    ]);
    expect((await own.call('GET', `/Users/${user.id}`)).body.groups).toMatchObject([{ value: group.id }]);
    for (const path of [`/Users/${other.id}`, `/Groups/${otherGroup.id}`]) expect((await client.call('DELETE', path)).status).toBe(204);
    expect((await own.call('GET', `/Users/${user.id}`)).body).toMatchObject({ active: true });
  });
});

describe('a token at the URL of another organization', () => {
  it('gets the same 401 with every request, whether or not the organization or the user exists', async () => {
    const { token } = strangers['another organization'] as ScimClient;
    const requests: Request[] = [
      ...USER_REQUESTS,
      ...GROUP_REQUESTS,
      ...['/Users', '/Groups', '/Schemas', '/ResourceTypes', '/ServiceProviderConfig', '/Me'].map((path): Request => ['GET', () => path]),
      ['POST', () => '/Users', USER],
      ['POST', () => '/Groups', GROUP],
      ['POST', () => '/Bulk', {}],
    ];
    for (const [method, path, body] of requests) {
      const send = (slug: string, id: string) => scimCall(gateway.url, token, { method, path: `/scim/v2/${slug}${path(id)}`, body });
      const [foreign, missing] = [await send(acme.slug, user.id), await send('no-such-organization', UNKNOWN_USER)];
      expect([method, path(''), shapeOf(foreign)]).toEqual([method, path(''), shapeOf(missing)]);
      expect(foreign.status).toBe(401);
    }
  });
});
