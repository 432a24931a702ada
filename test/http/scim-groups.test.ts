import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { membershipId, scimGroups, scimMemberships } from '../../src/organizations/groups/scim-groups.ts';
import { getOrganizationById } from '../../src/organizations/organizations.ts';
import type { Page, Step, Store } from '../../src/store/store.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient, scimCall } from '../support/scim-client.ts';
import { addConnection } from '../support/test-connection.ts';

const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const ENTRA_GROUP = 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

let gateway: TestGateway;
let acme: TestOrganization;
let client: ScimClient;
let partner: ScimClient;
let other: ScimClient;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  client = await makeScimClient(gateway, acme);
  partner = await makeScimClient(gateway, acme, { connection: (await addConnection(gateway, acme)).id });
  other = await makeScimClient(gateway, await makeTestOrganization(gateway));
});
afterAll(() => gateway.stop());

let number = 0;
const makeUser = async (by = client): Promise<string> => {
  const { status, body } = await by.call('POST', '/Users', { userName: `user${++number}@acme.example` });
  expect(status).toBe(201);
  return body.id;
};
const makeUsers = (count: number, by = client) => Promise.all(Array.from({ length: count }, () => makeUser(by)));
const member = (value: string) => ({ value, display: value });
const makeGroup = async (members: readonly string[] = [], by = client) => {
  const sent = { schemas: [GROUP], displayName: `Group ${++number}`, members: members.map(member) };
  const answer = await by.call('POST', '/Groups', sent);
  expect(answer.status).toBe(201);
  return answer.body as { id: string; displayName: string; meta: { version: string; location: string } };
};
const patch = (id: string, Operations: readonly unknown[], by = client) =>
  by.call('PATCH', `/Groups/${id}`, { schemas: [PATCH], Operations });
const membersOf = async (id: string, by = client): Promise<string[]> =>
  (await by.call('GET', `/Groups/${id}`)).body.members.map(({ value }: { value: string }) => value);
const filtered = (filter: string, more = '', by = client) => by.call('GET', `/Groups?filter=${encodeURIComponent(filter)}${more}`);
const idsOf = ({ body }: { body: { Resources: { id: string }[] } }) => body.Resources.map(({ id }) => id);
const failure = ({ status, body }: { status: number; body: { status?: string; scimType?: string } }) => [
  status,
  body?.status,
  body?.scimType,
];
const eventsOf = async (event: string) =>
  (
    await gateway.api<{ items: { member_id?: string; actor: { kind: string; id: string }; details: Record<string, string> }[] }>(
      'GET',
      `/organizations/${acme.slug}/audit?event=${event}&limit=200`,
    )
  ).body.items;

/** Returns whether a commit notes the use of a token or writes the log, which can happen during a later request. */
const isNote = (steps: readonly Step[]): boolean => steps.every((step) => ['claim', 'put', 'require'].includes(step.do));

/**
 * Counts the operations for one organization, the records that lists return, and the steps that commits write. Changes of groups that
 * other tests have made may still run in the background.
 */
async function countStoreUse(store: Store, organizationId: string, run: () => Promise<void>) {
  const use = { operations: 0, records: 0, steps: 0 };
  const watched = store as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const originals = Object.fromEntries(['get', 'getUnique', 'find', 'commit', 'count', 'peek'].map((name) => [name, watched[name]]));
  for (const [name, original] of Object.entries(originals)) {
    watched[name] = async (...args) => {
      const result = await original?.apply(store, args);
      if (args[0] !== organizationId) return result;
      use.operations++;
      if (name === 'find') use.records += (result as Page<unknown>).items.length;
      if (name === 'commit' && !isNote(args[1] as readonly Step[])) use.steps += (args[1] as readonly Step[]).length;
      return result;
    };
  }
  try {
    await run();
  } finally {
    Object.assign(watched, originals);
  }
  return use;
}

describe('SCIM groups as Okta sends them', () => {
  it('creates an empty group, and refuses a second one with the name', async () => {
    const sent = { schemas: [GROUP], displayName: 'Engineering', members: [] };
    const answer = await client.call('POST', '/Groups', sent, { 'content-type': 'application/json' });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('content-type')).toContain('application/scim+json');
    expect(answer.headers.get('location')).toBe(answer.body.meta.location);
    expect(answer.body).toMatchObject({ schemas: [GROUP], displayName: 'Engineering', meta: { resourceType: 'Group' } });
    expect(failure(await client.call('POST', '/Groups', { ...sent, displayName: 'ENGINEERING' }))).toEqual([409, '409', 'uniqueness']);
  });

  it('creates one group of several requests at the same moment', async () => {
    const [ada = ''] = await makeUsers(1);
    const sent = { displayName: 'Race', members: [member(ada)] };
    const answers = await Promise.all(Array.from({ length: 6 }, () => client.call('POST', '/Groups', sent)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409]);
    expect((await filtered('displayName eq "race"')).body.totalResults).toBe(1);
  });

  it('renames a group with a value without a path that repeats the id', async () => {
    const { id } = await makeGroup();
    expect((await patch(id, [{ op: 'replace', value: { id, displayName: `Renamed ${id}` } }])).status).toBe(204);
    expect((await client.call('GET', `/Groups/${id}`)).body).toMatchObject({ id, displayName: `Renamed ${id}` });
  });

  it('removes and adds members in one request', async () => {
    const [ada = '', bob = '', cyd = ''] = await makeUsers(3);
    const { id, displayName } = await makeGroup([ada, bob]);
    const answer = await patch(id, [
      { op: 'replace', value: { id, displayName } },
      { op: 'remove', path: `members[value eq "${ada}"]` },
      { op: 'add', path: 'members', value: [{ value: cyd, display: 'cyd@acme.example' }] },
    ]);
    expect([answer.status, answer.body]).toEqual([204, undefined]);
    expect(await membersOf(id)).toEqual([bob, cyd].sort());
  });

  it('replaces all members by a full push, and by PUT', async () => {
    const [ada = '', bob = '', cyd = ''] = await makeUsers(3);
    const { id, displayName } = await makeGroup([ada]);
    expect((await patch(id, [{ op: 'replace', path: 'members', value: [member(bob), member(cyd)] }])).status).toBe(204);
    expect(await membersOf(id)).toEqual([bob, cyd].sort());
    const put = await client.call('PUT', `/Groups/${id}`, { schemas: [GROUP], id, displayName, members: [member(ada)] });
    expect([put.status, put.body.members.map(({ value }: { value: string }) => value)]).toEqual([200, [ada]]);
    await client.call('PUT', `/Groups/${id}`, { displayName });
    expect(await membersOf(id)).toEqual([ada]);
    await patch(id, [{ op: 'replace', path: 'members', value: [] }]);
    expect(await membersOf(id)).toEqual([]);
  });

  it('deletes a group with its memberships', async () => {
    const [ada = ''] = await makeUsers(1);
    const { id } = await makeGroup([ada]);
    expect((await client.call('DELETE', `/Groups/${id}`)).status).toBe(204);
    expect((await client.call('GET', `/Groups/${id}`)).status).toBe(404);
    expect((await client.call('DELETE', `/Groups/${id}`)).status).toBe(404);
    expect((await client.call('GET', `/Users/${ada}`)).body.groups).toBeUndefined();
    expect((await filtered(`members.value eq "${ada}"`)).body.totalResults).toBe(0);
  });

  it('pages through all groups once, in a stable order', async () => {
    const organization = await makeTestOrganization(gateway);
    const okta = await makeScimClient(gateway, organization);
    for (let i = 0; i < 5; i++) await makeGroup([], okta);
    const page = async (startIndex: number) => {
      const { body } = await okta.call('GET', `/Groups?startIndex=${startIndex}&count=2`);
      return [body.totalResults, body.startIndex, body.itemsPerPage, idsOf({ body })] as const;
    };
    const all = idsOf(await okta.call('GET', '/Groups?count=100'));
    expect(all).toEqual([...all].sort());
    expect([await page(1), await page(3), await page(5)]).toEqual([
      [5, 1, 2, all.slice(0, 2)],
      [5, 3, 2, all.slice(2, 4)],
      [5, 5, 1, all.slice(4)],
    ]);
  });
});

describe('SCIM groups as Entra ID sends them', () => {
  it('answers its connection test, and finds groups without their members', async () => {
    const [ada = ''] = await makeUsers(1);
    const { id, displayName } = await makeGroup([ada]);
    const none = await filtered('displayName eq "7b39475e-4d2b-4e5c-9d3a-1f2e3d4c5b6a"', '&excludedAttributes=members');
    expect([none.status, none.body.totalResults, none.body.Resources]).toEqual([200, 0, []]);
    const found = await filtered(`displayName eq "${displayName.toUpperCase()}"`, '&excludedAttributes=members');
    expect(found.body).toMatchObject({ totalResults: 1, itemsPerPage: 1, startIndex: 1, Resources: [{ id, displayName }] });
    expect(found.body.Resources[0].members).toBeUndefined();
    expect((await client.call('GET', `/Groups/${id}?excludedAttributes=members`)).body.members).toBeUndefined();
  });

  it('creates a group with its second schema and an externalId', async () => {
    const externalId = '8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159';
    const answer = await client.call('POST', '/Groups', {
      schemas: [GROUP, ENTRA_GROUP],
      externalId,
      displayName: 'Entra group',
      meta: { resourceType: 'Group' },
    });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ externalId, displayName: 'Entra group' });
    expect(idsOf(await filtered(`externalId eq "${externalId}"`))).toEqual([answer.body.id]);
    expect(idsOf(await filtered(`externalId eq ${externalId}`))).toEqual([answer.body.id]);
  });

  it.each([
    ['values', (id: string) => ({ op: 'Remove', path: 'members', value: [{ $ref: null, value: id }] })],
    ['a value path', (id: string) => ({ op: 'Remove', path: `members[value eq "${id}"]` })],
  ])('adds a member, and removes it by %s', async (_name, remove) => {
    const [ada = '', bob = ''] = await makeUsers(2);
    const { id } = await makeGroup([bob]);
    expect((await patch(id, [{ op: 'Add', path: 'members', value: [{ $ref: null, value: ada }] }])).status).toBe(204);
    expect(await membersOf(id)).toEqual([ada, bob].sort());
    expect((await client.call('GET', `/Users/${ada}`)).body.groups).toEqual([
      expect.objectContaining({ value: id, type: 'direct', $ref: expect.stringContaining(`/Groups/${id}`) }),
    ]);
    expect((await patch(id, [remove(ada)])).status).toBe(204);
    expect(await membersOf(id)).toEqual([bob]);
    expect((await patch(id, [remove(ada)])).status).toBe(204);
  });

  it('renames by path', async () => {
    const { id } = await makeGroup();
    expect((await patch(id, [{ op: 'Replace', path: 'displayName', value: `Other ${id}` }])).status).toBe(204);
    expect(idsOf(await filtered(`displayName eq "other ${id}"`))).toEqual([id]);
  });
});

describe('SCIM groups', () => {
  it('returns the group if a PATCH asks for attributes', async () => {
    const [ada = ''] = await makeUsers(1);
    const { id } = await makeGroup();
    const answer = await client.call('PATCH', `/Groups/${id}?attributes=members.value`, {
      Operations: [{ op: 'add', path: 'members', value: [{ value: ada }] }],
    });
    expect([answer.status, answer.body.members, answer.body.displayName]).toEqual([200, [{ value: ada }], undefined]);
  });

  it('filters by members and by several conditions', async () => {
    const [ada = '', bob = ''] = await makeUsers(2);
    const first = await makeGroup([ada, bob]);
    const second = await makeGroup([ada]);
    expect(idsOf(await filtered(`members.value eq "${ada}"`))).toEqual([first.id, second.id].sort());
    expect(idsOf(await filtered(`members[value eq "${bob}"]`))).toEqual([first.id]);
    expect(idsOf(await filtered(`members eq "${bob}" and displayName eq "${first.displayName}"`))).toEqual([first.id]);
    expect(idsOf(await filtered(`id eq "${second.id}" and members.value eq "${bob}"`))).toEqual([]);
    expect(idsOf(await filtered(`id eq "${second.id}" and members pr`))).toEqual([second.id]);
    expect(idsOf(await filtered('members.value eq "usr_unknown"'))).toEqual([]);
    expect(failure(await filtered('displayName co "a"'))).toEqual([400, '400', 'invalidFilter']);
    expect(failure(await filtered(`members[display eq "x"]`))).toEqual([400, '400', 'invalidFilter']);
  });

  it('ignores members that are no user of the connection, and applies the others', async () => {
    const [ada = ''] = await makeUsers(1);
    const [stranger = ''] = await makeUsers(1, other);
    const [colleague = ''] = await makeUsers(1, partner);
    const { id } = await makeGroup();
    const values = [stranger, colleague, 'usr_00000000000000000000', '../x', ada];
    expect((await patch(id, [{ op: 'add', path: 'members', value: values.map(member) }])).status).toBe(204);
    expect(await membersOf(id)).toEqual([ada]);
    expect((await other.call('GET', `/Users/${stranger}`)).body.groups).toBeUndefined();
    expect((await partner.call('GET', `/Users/${colleague}`)).body.groups).toBeUndefined();
  });

  it('reaches no group of another organization or connection, by id, filter or token', async () => {
    const [ada = ''] = await makeUsers(1);
    const { id, displayName } = await makeGroup([ada]);
    const before = (await client.call('GET', `/Groups/${id}`)).body;
    for (const stranger of [other, partner]) {
      expect((await stranger.call('GET', `/Groups/${id}`)).status).toBe(404);
      expect((await stranger.call('DELETE', `/Groups/${id}`)).status).toBe(404);
      expect((await stranger.call('PUT', `/Groups/${id}`, { displayName: 'Taken', members: [] })).status).toBe(404);
      expect((await patch(id, [{ op: 'remove', path: 'members' }], stranger)).status).toBe(404);
      for (const filter of [`displayName eq "${displayName}"`, `id eq "${id}"`, `members.value eq "${ada}"`]) {
        expect((await filtered(filter, '', stranger)).body.totalResults).toBe(0);
      }
    }
    const elsewhere = await scimCall(gateway.url, other.token, { method: 'GET', path: `/scim/v2/${acme.slug}/Groups/${id}` });
    expect(elsewhere.status).toBe(401);
    expect((await client.call('GET', `/Groups/${id}`)).body).toEqual(before);
    // The same name can exist at another identity provider.
    expect((await partner.call('POST', '/Groups', { displayName })).status).toBe(201);
  });

  it('changes only the version that the client has seen', async () => {
    const [ada = '', bob = ''] = await makeUsers(2);
    const { id, meta } = await makeGroup();
    const add = (value: string, tag: string) =>
      client.call('PATCH', `/Groups/${id}`, { Operations: [{ op: 'add', path: 'members', value: [{ value }] }] }, { 'if-match': tag });
    const first = await add(ada, meta.version);
    expect(first.status).toBe(204);
    expect((await add(bob, meta.version)).status).toBe(412);
    expect((await add(bob, first.headers.get('etag') ?? '')).status).toBe(204);
    const { headers } = await client.call('GET', `/Groups/${id}`);
    const tag = headers.get('etag') ?? '';
    expect((await client.call('GET', `/Groups/${id}`, undefined, { 'if-none-match': tag })).status).toBe(304);
    expect((await client.call('DELETE', `/Groups/${id}`, undefined, { 'if-match': meta.version })).status).toBe(412);
    expect((await client.call('DELETE', `/Groups/${id}`, undefined, { 'if-match': tag })).status).toBe(204);
  });

  it('records every change with the SCIM client as actor', async () => {
    const [ada = ''] = await makeUsers(1);
    const { id } = await makeGroup([ada]);
    await patch(id, [{ op: 'replace', path: 'displayName', value: `Audited ${id}` }]);
    await patch(id, [{ op: 'remove', path: 'members' }]);
    await client.call('DELETE', `/Groups/${id}`);
    for (const event of ['group.created', 'group.changed', 'group.member_added', 'group.member_removed', 'group.deleted']) {
      const entries = (await eventsOf(event)).filter(({ details }) => details.group === id);
      expect([event, entries.map(({ actor, member_id }) => [actor.kind, actor.id, member_id])]).toEqual([
        event,
        [['scim', client.id, event.includes('member') ? ada : undefined]],
      ]);
    }
  });

  it('removes a deleted user from all groups, and leaves no membership behind', async () => {
    const [ada = '', bob = ''] = await makeUsers(2);
    const { id } = await makeGroup([ada, bob]);
    expect((await client.call('DELETE', `/Users/${ada}`)).status).toBe(204);
    expect(await membersOf(id)).toEqual([bob]);
    expect((await gateway.api('DELETE', `/organizations/${acme.slug}/members/${bob}`)).status).toBe(204);
    expect(await membersOf(id)).toEqual([]);
  });

  it('keeps all members that two clients add at the same moment', async () => {
    const second = await makeScimClient(gateway, acme);
    const users = await makeUsers(10);
    const { id } = await makeGroup();
    const answers = await Promise.all(
      users.map((user, i) => patch(id, [{ op: 'add', path: 'members', value: [{ value: user }] }], i % 2 === 0 ? client : second)),
    );
    expect(answers.map(({ status }) => status)).toEqual(users.map(() => 204));
    expect(await membersOf(id)).toEqual([...users].sort());
  });

  it('adds no member while the user is removed at the same moment', async () => {
    const organization = await getOrganizationById(gateway.runtime.store, acme.id);
    const connectionId = organization?.connections[0]?.id ?? '';
    for (let i = 0; i < 20; i++) {
      const [ada = ''] = await makeUsers(1);
      const { id } = await makeGroup();
      await Promise.all([
        patch(id, [{ op: 'add', path: 'members', value: [{ value: ada }] }]),
        client.call('DELETE', `/Users/${ada}`),
        client.call('DELETE', `/Groups/${i % 2 === 0 ? id : 'none'}`),
      ]);
      const left = await gateway.runtime.store.find(acme.id, scimMemberships(connectionId), 'user', { equals: ada, limit: 1 });
      expect(left.items).toEqual([]);
    }
  });

  it('keeps to the quotas of groups and memberships', async () => {
    const organization = await makeTestOrganization(gateway);
    const okta = await makeScimClient(gateway, organization);
    await gateway.api('PATCH', `/organizations/${organization.slug}`, { quotas: { groups: 2, group_memberships: 3 } });
    const users = await makeUsers(3, okta);
    const first = await makeGroup([users[0] ?? ''], okta);
    const second = await makeGroup([], okta);
    expect((await okta.call('POST', '/Groups', { displayName: 'Third' })).status).toBe(403);
    expect((await patch(second.id, [{ op: 'add', path: 'members', value: users.map(member) }], okta)).status).toBe(403);
    expect((await patch(second.id, [{ op: 'add', path: 'members', value: users.slice(1).map(member) }], okta)).status).toBe(204);
    expect([await membersOf(first.id, okta), await membersOf(second.id, okta)]).toEqual([[users[0]], users.slice(1).sort()]);
  });

  it.each([
    ['a group without a name', 'POST', '/Groups', {}, [400, '400', 'invalidValue']],
    ['an empty name', 'POST', '/Groups', { displayName: ' ' }, [400, '400', 'invalidValue']],
    ['a name with NUL', 'POST', '/Groups', { displayName: 'a\0b' }, [400, '400', 'invalidValue']],
    ['a prototype name', 'POST', '/Groups', '{"displayName":"a","__proto__":{"members":[]}}', [400, '400', 'invalidPath']],
    ['a body that is no object', 'POST', '/Groups', [], [400, '400', 'invalidSyntax']],
    ['a member without an id', 'POST', '/Groups', { displayName: 'x', members: [{ display: 'x' }] }, [400, '400', 'invalidValue']],
    ['an unknown id', 'GET', '/Groups/grp_00000000000000000000', undefined, [404, '404', undefined]],
    ['the id of a user', 'GET', '/Groups/usr_00000000000000000000', undefined, [404, '404', undefined]],
    ['a change of an unknown group', 'PATCH', '/Groups/grp_00000000000000000000', { Operations: [] }, [404, '404', undefined]],
  ])('refuses %s with the Error schema', async (_name, method, path, body, expected) => {
    const answer = await client.call(method, path, body);
    expect(failure(answer)).toEqual(expected);
    expect(answer.body.schemas).toEqual(['urn:ietf:params:scim:api:messages:2.0:Error']);
  });

  it('changes a group of 10,000 members with the store operations of a group of 10', async () => {
    const organization = await makeTestOrganization(gateway);
    const okta = await makeScimClient(gateway, organization);
    await gateway.api('PATCH', `/organizations/${organization.slug}`, { groups_from: 'scim' });
    const [ada = '', bob = ''] = await makeUsers(2, okta);
    const [large, small] = [await makeGroup([], okta), await makeGroup([], okta)];
    const rules = [large, small].map(({ displayName }) => ({ group: displayName, role: 'owner' }));
    await gateway.api('PUT', `/organizations/${organization.slug}/role-mapping`, { rules, default_role: 'collaborator' });
    const { store } = gateway.runtime;
    const connectionId = (await getOrganizationById(store, organization.id))?.connections[0]?.id ?? '';
    const fill = async (groupId: string, count: number) => {
      for (let from = 0; from < count; from += 200) {
        const steps = Array.from({ length: Math.min(200, count - from) }, (_, i): Step => {
          const value = { groupId, userId: `usr_${String(from + i).padStart(20, '0')}` };
          return { do: 'insert', collection: scimMemberships(connectionId), id: membershipId(value), value };
        });
        await store.commit(organization.id, steps);
      }
    };
    await fill(large.id, 10_000);
    await fill(small.id, 10);
    const add = (value: string) => ({ op: 'add', path: 'members', value: [{ value }] });
    const remove = (value: string) => ({ op: 'remove', path: `members[value eq "${value}"]` });
    const other = () => ({ op: 'replace', value: { externalId: 'e' } });
    for (const makeOperations of [[add], [add], [remove], [remove], [add, other], [remove, add]]) {
      const costOf = (id: string, user: string) =>
        countStoreUse(store, organization.id, async () => {
          const operations = makeOperations.map((make) => make(user));
          expect((await patch(id, operations, okta)).status).toBe(204);
        });
      const [inLarge, inSmall] = [await costOf(large.id, ada), await costOf(small.id, bob)];
      expect([inLarge.records, inLarge.steps]).toEqual([inSmall.records, inSmall.steps]);
      // The use of the token is noted after some of the answers.
      expect(inLarge.operations).toBeLessThanOrEqual(inSmall.operations + 3);
    }
    const read = await okta.call('GET', `/Groups/${large.id}`);
    expect(new Set(read.body.members.map(({ value }: { value: string }) => value)).size).toBe(10_001);
  });

  it('deletes the records of groups with the connection', async () => {
    const organization = await makeTestOrganization(gateway);
    const connection = await addConnection(gateway, organization);
    const okta = await makeScimClient(gateway, organization, { connection: connection.id });
    const { id } = await makeGroup(await makeUsers(3, okta), okta);
    expect((await gateway.api('DELETE', `/organizations/${organization.slug}/connections/${connection.id}`)).status).toBe(204);
    const { store } = gateway.runtime;
    expect(await store.get(organization.id, scimGroups(connection.id), id)).toBeUndefined();
    expect(await store.count(organization.id, scimMemberships(connection.id))).toBe(0);
  });
});
