/** SCIM clients that name users of others in members, references and attributes, or that send the same thing twice, on two replicas. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { scimGroups, scimMemberships } from '../../src/organizations/groups/scim-groups.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { scimUsers } from '../../src/organizations/provisioning/scim-users.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimAnswer, type ScimClient, scimCall } from '../support/scim-client.ts';
import { addConnection } from '../support/test-connection.ts';

const UNKNOWN = 'usr_00000000000000000000';
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';

let gateway: TestGateway;
/** Another replica of the gateway. */
let replica: TestGateway;
const environment = { SAMLGATE_SECRET: randomBytes(32).toString('base64'), SAMLGATE_OPERATOR_TOKEN: randomBytes(32).toString('hex') };

beforeAll(async () => {
  gateway = await startGateway({ store: 'redis', environment });
  replica = await startGateway({ store: 'redis', environment: { ...environment, SAMLGATE_BASE_URL: gateway.url } });
});
afterAll(async () => {
  await replica.stop();
  await gateway.stop();
});

let number = 0;
const newName = () => `user${++number}@acme.example`;
const idOf = ({ status, body }: ScimAnswer): string => {
  expect(status).toBe(201);
  return body.id;
};
const makeUser = async (by: ScimClient) => idOf(await by.call('POST', '/Users', { userName: newName() }));
const makeGroup = async (by: ScimClient, displayName: string, ...members: readonly string[]) =>
  idOf(await by.call('POST', '/Groups', { displayName, members: members.map((value) => ({ value })) }));
const defaultConnection = async ({ slug }: TestOrganization) =>
  (await gateway.api<{ id: string }>('GET', `/organizations/${slug}/identity-provider`)).body.id;
const memberships = async ({ id }: TestOrganization, connectionId: string) =>
  (await gateway.runtime.store.find(id, scimMemberships(connectionId), 'group', { limit: 200 })).items.map(({ value }) => value.userId);
/** Returns a client with the same token at the other replica. */
const atReplica = ({ token, ...client }: ScimClient, { slug }: TestOrganization): ScimClient => ({
  ...client,
  token,
  call: (method, path, body, headers = {}) => scimCall(replica.url, token, { method, path: `/scim/v2/${slug}${path}`, body, headers }),
});

describe.each(['another organization', 'another connection'])('a SCIM client of %s that names a user', (kind) => {
  let acme: TestOrganization;
  let victim: string;
  let victimGroup: string;
  let own: ScimClient;
  let stranger: ScimClient;
  let strangersGroup: string;
  let strangersMember: string;

  beforeAll(async () => {
    acme = await makeTestOrganization(gateway);
    own = await makeScimClient(gateway, acme);
    const other = kind === 'another organization' ? await makeTestOrganization(gateway) : acme;
    const connection = kind === 'another organization' ? {} : { connection: (await addConnection(gateway, acme)).id };
    stranger = await makeScimClient(gateway, other, connection);
    for (const { slug } of new Set([acme, other])) {
      const rules = [{ group: 'Takeover', role: 'owner', connection: '*' }];
      const saved = await gateway.api('PUT', `/organizations/${slug}/role-mapping`, {
        rules,
        default_role: 'collaborator',
        allow_no_owner: true,
      });
      expect(saved.status).toBe(200);
      const switched = await gateway.api('PATCH', `/organizations/${slug}`, { groups_from: 'both', allow_no_owner: true });
      expect(switched.status).toBe(200);
    }
    victim = await makeUser(own);
    victimGroup = await makeGroup(own, 'Engineering', victim);
    await markSignedIn(victim);
  });
  beforeEach(async () => {
    strangersMember = await makeUser(stranger);
    strangersGroup = await makeGroup(stranger, 'Takeover', strangersMember);
  });

  /** Only users who have signed in can become owners. */
  const markSignedIn = async (id: string) => {
    const { store } = gateway.runtime;
    const stored = await store.get(acme.id, MEMBERS, id);
    if (!stored) throw new Error('no member');
    const value = { ...stored.value, lastLoginAt: new Date().toISOString() };
    await store.commit(acme.id, [{ do: 'replace', collection: MEMBERS, id, version: stored.version, value }]);
  };

  it('would make it an owner if it were a user of the client', async () => {
    const member = await makeUser(own);
    await markSignedIn(member);
    const group = await makeGroup(own, 'Takeover', member);
    const { body } = await gateway.api<{ role: string }>('GET', `/organizations/${acme.slug}/members/${member}`);
    expect(body.role).toBe('owner');
    await own.call('DELETE', `/Groups/${group}`);
    await stranger.call('DELETE', `/Groups/${strangersGroup}`);
  });

  const refOf = (id: string) => `${gateway.url}/scim/v2/${acme.slug}/Users/${id}`;
  /** Operations with the id of a user, in each form that clients send. */
  const FORMS: readonly (readonly [name: string, operation: (id: string) => unknown])[] = [
    ['add', (id) => ({ op: 'add', path: 'members', value: [{ value: id }] })],
    ['Add of one object', (id) => ({ op: 'Add', path: 'members', value: { value: id } })],
    ['add without a path', (id) => ({ op: 'add', value: { members: [{ value: id }] } })],
    ['add with the URN', (id) => ({ op: 'add', path: `${GROUP}:members`, value: [{ value: id }] })],
    ['add with its own $ref', (id) => ({ op: 'add', path: 'members', value: [{ value: id, $ref: refOf(id) }] })],
    ['add with the type Group', (id) => ({ op: 'add', path: 'members', value: [{ value: id, type: 'Group' }] })],
    ['replace without a path', (id) => ({ op: 'replace', value: { [`${GROUP}:members`]: [{ value: id }] } })],
    ['remove with a filter', (id) => ({ op: 'remove', path: `members[value eq "${id}"]` })],
    ['Remove with a list', (id) => ({ op: 'Remove', path: 'members', value: [{ $ref: null, value: id }] })],
    ['add with white space', (id) => ({ op: 'add', path: 'members', value: [{ value: ` ${id} ` }] })],
    ['add in capitals', (id) => ({ op: 'add', path: 'members', value: [{ value: id.toUpperCase() }] })],
    ['add of the id of a membership', (id) => ({ op: 'add', path: 'members', value: [{ value: `${victimGroup}.${id}` }] })],
  ];

  it.each(FORMS)('in PATCH of its own group gets the answer for an unknown user: %s', async (_name, operation) => {
    const send = async (id: string) => {
      const { status, body } = await stranger.call('PATCH', `/Groups/${strangersGroup}`, { Operations: [operation(id)] });
      return [status, body];
    };
    expect(await send(victim)).toEqual(await send(UNKNOWN));
    await expectUntouched();
    await stranger.call('DELETE', `/Groups/${strangersGroup}`);
  });

  it('in a complete list of members removes only its own members', async () => {
    const body = { Operations: [{ op: 'replace', path: 'members', value: [{ value: victim }, { value: strangersMember }] }] };
    expect((await stranger.call('PATCH', `/Groups/${strangersGroup}`, body)).status).toBe(204);
    const { members } = (await stranger.call('GET', `/Groups/${strangersGroup}`)).body;
    expect(members.map(({ value }: { value: string }) => value)).toEqual([strangersMember]);
    const put = { displayName: 'Takeover', members: [{ value: victim }] };
    expect((await stranger.call('PUT', `/Groups/${strangersGroup}`, put)).body.members).toEqual([]);
    await expectUntouched();
    await stranger.call('DELETE', `/Groups/${strangersGroup}`);
  });

  it('in a $ref reaches neither the user nor the address', async () => {
    let requests = 0;
    const server = createServer((_request, response) => {
      requests++;
      response.end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const elsewhere = `http://127.0.0.1:${(server.address() as AddressInfo).port}/Users/${victim}`;
    try {
      for (const $ref of [refOf(victim), `../Users/${victim}`, elsewhere]) {
        for (const value of [[{ $ref }], [{ $ref, value: null }], [{ $ref, value: UNKNOWN }], [{ $ref, value: strangersMember }]]) {
          const { status } = await stranger.call('PATCH', `/Groups/${strangersGroup}`, {
            Operations: [{ op: 'add', path: 'members', value }],
          });
          expect([204, 400]).toContain(status);
        }
        await stranger.call('PATCH', `/Users/${strangersMember}`, {
          Operations: [
            { op: 'add', path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager', value: { $ref, value: victim } },
            { op: 'add', value: { photos: [{ type: 'photo', value: elsewhere }], profileUrl: elsewhere } },
          ],
        });
      }
      const { members } = (await stranger.call('GET', `/Groups/${strangersGroup}`)).body;
      expect(members).toEqual([{ value: strangersMember, $ref: expect.stringContaining(`/Users/${strangersMember}`), type: 'User' }]);
      expect(requests).toBe(0);
      await expectUntouched();
    } finally {
      server.close();
      await stranger.call('DELETE', `/Groups/${strangersGroup}`);
    }
  });

  it('or a group in the attributes of its own user changes nothing', async () => {
    const before = (await stranger.call('GET', `/Users/${strangersMember}`)).body.groups;
    for (const operation of [
      { op: 'add', path: 'groups', value: [{ value: victimGroup }] },
      { op: 'replace', value: { groups: [{ value: victimGroup }], id: victim } },
      { op: 'replace', path: 'id', value: victim },
    ]) {
      const { status } = await stranger.call('PATCH', `/Users/${strangersMember}`, { Operations: [operation] });
      expect([200, 400]).toContain(status);
    }
    const shown = (await stranger.call('GET', `/Users/${strangersMember}`)).body;
    expect([shown.id, shown.groups]).toEqual([strangersMember, before]);
    await expectUntouched();
    await stranger.call('DELETE', `/Groups/${strangersGroup}`);
  });

  it('finds nothing by filters that name it', async () => {
    for (const path of [
      `/Groups?filter=${encodeURIComponent(`members[value eq "${victim}"]`)}`,
      `/Groups?filter=${encodeURIComponent(`members.value eq "${victim}" and displayName eq "Engineering"`)}`,
      `/Groups?filter=${encodeURIComponent(`id eq "${victimGroup}" and members pr`)}`,
      `/Users?filter=${encodeURIComponent(`id eq "${victim}" and userName pr`)}`,
      `/Users?filter=${encodeURIComponent(`id eq "${strangersMember}" and groups.value eq "${victimGroup}"`)}`,
    ]) {
      const { status, body } = await stranger.call('GET', path);
      expect([path, status === 200 ? body.totalResults : status]).toEqual([path, status === 200 ? 0 : 400]);
    }
    await stranger.call('DELETE', `/Groups/${strangersGroup}`);
  });

  const expectUntouched = async () => {
    const { body } = await gateway.api<{ role: string; suspended: boolean }>('GET', `/organizations/${acme.slug}/members/${victim}`);
    expect(body).toMatchObject({ role: 'collaborator', suspended: false });
    const shown = (await own.call('GET', `/Users/${victim}`)).body;
    expect(shown.groups.map(({ value }: { value: string }) => value)).toEqual([victimGroup]);
    const { members } = (await own.call('GET', `/Groups/${victimGroup}`)).body;
    expect(members.map(({ value }: { value: string }) => value)).toEqual([victim]);
  };
});

describe('the same request on both replicas at once', () => {
  let acme: TestOrganization;
  let connectionId: string;
  let both: readonly ScimClient[];
  beforeEach(async () => {
    acme = await makeTestOrganization(gateway);
    connectionId = await defaultConnection(acme);
    const client = await makeScimClient(gateway, acme);
    both = [client, atReplica(client, acme)];
  });
  const onBoth = (send: (by: ScimClient) => Promise<ScimAnswer>) => Promise.all([...both, ...both].map(send));
  const statusesOf = (answers: readonly ScimAnswer[]) => answers.map(({ status }) => status).sort();

  it('creates one user with one member', async () => {
    for (let round = 0; round < 10; round++) {
      const userName = newName();
      const answers = await onBoth((by) => by.call('POST', '/Users', { userName, emails: [{ value: userName, primary: true }] }));
      expect(statusesOf(answers)).toEqual([201, 409, 409, 409]);
      const [id] = answers.flatMap(({ status, body }) => (status === 201 ? [body.id] : []));
      const members = await gateway.api<{ items: { id: string }[] }>('GET', `/organizations/${acme.slug}/members?email=${userName}`);
      expect(members.body.items.map((member) => member.id)).toEqual([id]);
    }
    expect(await gateway.runtime.store.count(acme.id, scimUsers(connectionId))).toBe(10);
  });

  it('creates one group, with its members once', async () => {
    const users = await Promise.all(Array.from({ length: 3 }, () => makeUser(both[0] as ScimClient)));
    for (let round = 0; round < 5; round++) {
      const sent = { displayName: `Group ${round}`, members: users.map((value) => ({ value })) };
      expect(statusesOf(await onBoth((by) => by.call('POST', '/Groups', sent)))).toEqual([201, 409, 409, 409]);
    }
    expect(await gateway.runtime.store.count(acme.id, scimGroups(connectionId))).toBe(5);
    expect((await memberships(acme, connectionId)).sort()).toEqual([...users, ...users, ...users, ...users, ...users].sort());
  });

  it('keeps to the quota of groups', async () => {
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { quotas: { groups: 2 } });
    const answers = await onBoth((by) => by.call('POST', '/Groups', { displayName: `Group ${++number}` }));
    expect(statusesOf(answers)).toEqual([201, 201, 403, 403]);
  });
});

describe('PATCH on one replica at the same moment as a deletion on the other one', () => {
  let acme: TestOrganization;
  let connectionId: string;
  let here: ScimClient;
  let there: ScimClient;
  beforeEach(async () => {
    acme = await makeTestOrganization(gateway);
    connectionId = await defaultConnection(acme);
    const rules = [{ group: 'staff', role: 'owner' }];
    await gateway.api('PUT', `/organizations/${acme.slug}/role-mapping`, { rules, default_role: 'none', allow_no_owner: true });
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { groups_from: 'scim', allow_no_owner: true });
    here = await makeScimClient(gateway, acme);
    there = atReplica(here, acme);
  });
  const add = (group: string, ...users: readonly string[]) =>
    here.call('PATCH', `/Groups/${group}`, { Operations: [{ op: 'add', path: 'members', value: users.map((value) => ({ value })) }] });
  const roleOf = async (id: string) => (await gateway.api<{ role: string }>('GET', `/organizations/${acme.slug}/members/${id}`)).body.role;

  it('of the group leaves no membership and no role behind', async () => {
    for (let round = 0; round < 10; round++) {
      const [ada, ben] = [await makeUser(here), await makeUser(here)];
      const group = await makeGroup(here, 'staff', ada);
      const [deleted, added] = await Promise.all([there.call('DELETE', `/Groups/${group}`), add(group, ben)]);
      expect(deleted.status).toBe(204);
      expect([204, 404]).toContain(added.status);
      expect([await memberships(acme, connectionId), await roleOf(ada), await roleOf(ben)]).toEqual([[], 'none', 'none']);
    }
  });

  it('of the group by a rename leaves no role by either name', async () => {
    for (let round = 0; round < 10; round++) {
      const ada = await makeUser(here);
      const group = await makeGroup(here, round % 2 === 0 ? 'staff' : 'other', ada);
      const rename = { Operations: [{ op: 'replace', path: 'displayName', value: round % 2 === 0 ? 'other' : 'staff' }] };
      const [deleted, renamed] = await Promise.all([
        there.call('DELETE', `/Groups/${group}`),
        here.call('PATCH', `/Groups/${group}`, rename),
      ]);
      expect(deleted.status).toBe(204);
      // 429 if the deletion has not reached all members. The client repeats the rename, and gets 404.
      expect([204, 404, 429]).toContain(renamed.status);
      expect([await memberships(acme, connectionId), await roleOf(ada)]).toEqual([[], 'none']);
    }
  });

  it('of the member by the operator leaves neither the user nor its memberships', async () => {
    for (let round = 0; round < 10; round++) {
      const ada = await makeUser(here);
      const group = await makeGroup(here, 'staff');
      const [removed, ...patched] = await Promise.all([
        replica.api('DELETE', `/organizations/${acme.slug}/members/${ada}`),
        add(group, ada),
        here.call('PATCH', `/Users/${ada}`, { Operations: [{ op: 'replace', value: { active: false, displayName: 'Ada' } }] }),
      ]);
      expect(removed.status).toBe(204);
      for (const { status } of patched) expect([200, 204, 404]).toContain(status);
      expect([await memberships(acme, connectionId), (await here.call('GET', `/Users/${ada}`)).status]).toEqual([[], 404]);
      await here.call('DELETE', `/Groups/${group}`);
    }
  });

  it('of the connection leaves no group, and the token ends', async () => {
    const connection = await addConnection(gateway, acme);
    const client = await makeScimClient(gateway, acme, { connection: connection.id });
    const users = await Promise.all(Array.from({ length: 60 }, () => makeUser(client)));
    const group = await makeGroup(client, 'partners', ...users.slice(0, 5));
    const push = { Operations: [{ op: 'add', path: 'members', value: users.map((value) => ({ value })) }] };
    const [deleted, patched] = await Promise.all([
      replica.api('DELETE', `/organizations/${acme.slug}/connections/${connection.id}`),
      client.call('PATCH', `/Groups/${group}`, push),
    ]);
    expect(deleted.status).toBe(204);
    expect([204, 401, 404]).toContain(patched.status);
    expect([await memberships(acme, connection.id), (await client.call('GET', '/Groups')).status]).toEqual([[], 401]);
    expect(await gateway.runtime.store.count(acme.id, scimGroups(connection.id))).toBe(0);
  });

  it('of the organization leaves no record', async () => {
    const users = await Promise.all(Array.from({ length: 20 }, () => makeUser(here)));
    const group = await makeGroup(here, 'staff');
    const [deleted] = await Promise.all([
      replica.api('DELETE', `/organizations/${acme.slug}`),
      add(group, ...users),
      here.call('POST', '/Users', { userName: newName() }),
      here.call('POST', '/Groups', { displayName: 'late' }),
    ]);
    expect(deleted.status).toBe(204);
    expect((await here.call('GET', '/Users')).status).toBe(401);
    const { store } = gateway.runtime;
    const left = async () => [
      await store.count(acme.id, scimUsers(connectionId)),
      await store.count(acme.id, scimGroups(connectionId)),
      (await memberships(acme, connectionId)).length,
      (await store.find(acme.id, MEMBERS, 'email', { limit: 1 })).items.length,
    ];
    while ((await left()).some((count) => count > 0)) await new Promise(setImmediate);
  });
});
