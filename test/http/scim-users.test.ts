import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../src/http/limits/limits.ts';
import { limitOf } from '../../src/http/limits/rate-limits.ts';
import { getOrganizationById } from '../../src/organizations/organizations.ts';
import { scimUsers } from '../../src/organizations/provisioning/scim-users.ts';
import type { Step } from '../../src/store/store.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient, scimCall } from '../support/scim-client.ts';
import { signedIn } from '../support/signed-in.ts';
import { addConnection } from '../support/test-connection.ts';

const CORE = 'urn:ietf:params:scim:schemas:core:2.0:User';
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

let gateway: TestGateway;
let acme: TestOrganization;
let okta: ScimClient;
let globex: TestOrganization;
let other: ScimClient;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  globex = await makeTestOrganization(gateway);
  okta = await makeScimClient(gateway, acme);
  other = await makeScimClient(gateway, globex);
});
afterAll(() => gateway.stop());

let number = 0;
const newUser = (changes: Record<string, unknown> = {}) => {
  const userName = `user${++number}@acme.example`;
  return {
    schemas: [CORE],
    userName,
    name: { givenName: 'Test', familyName: `User ${number}` },
    emails: [{ primary: true, value: userName, type: 'work' }],
    displayName: `Test User ${number}`,
    locale: 'en-US',
    externalId: `00u${number}`,
    groups: [],
    password: 'Secret-password-1',
    active: true,
    ...changes,
  };
};
const created = async (changes: Record<string, unknown> = {}, client = okta) =>
  (await client.call('POST', '/Users', newUser(changes))).body;
const patch = (id: string, ...Operations: unknown[]) => okta.call('PATCH', `/Users/${id}`, { schemas: [PATCH], Operations });
const filtered = (filter: string, client = okta) => client.call('GET', `/Users?filter=${encodeURIComponent(filter)}`);
const memberOf = async (id: string, { slug } = acme) => gateway.api('GET', `/organizations/${slug}/members/${id}`);
const events = async (id: string) =>
  (
    await gateway.api<{ items: { event: string; member_id?: string; actor: { kind: string } }[] }>(
      'GET',
      `/organizations/${acme.slug}/audit?limit=200`,
    )
  ).body.items
    .filter(({ member_id }) => member_id === id)
    .map(({ event, actor }) => `${event} ${actor.kind}`);
const failure = ({ status, body }: { status: number; body: { status?: string; scimType?: string } }) => [
  status,
  body.status,
  body.scimType,
];

describe('SCIM users as Okta sends them', () => {
  it('creates a member who has never signed in, and never stores the password', async () => {
    const sent = newUser();
    const answer = await okta.call('POST', '/Users', sent, { 'content-type': 'application/json' });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('content-type')).toContain('application/scim+json');
    expect(answer.body).toMatchObject({
      userName: sent.userName,
      externalId: sent.externalId,
      active: true,
      locale: 'en-US',
      emails: sent.emails,
    });
    expect(JSON.stringify(answer.body)).not.toContain('Secret-password-1');
    expect(answer.headers.get('location')).toBe(answer.body.meta.location);
    const member = await memberOf(answer.body.id);
    expect(member.body).toMatchObject({
      state: 'invited',
      last_login_at: null,
      role: 'collaborator',
      suspended: false,
      email: sent.userName,
    });
    expect(await events(answer.body.id)).toEqual(['member.created scim']);
  });

  it('refuses a second user with the userName in another case', async () => {
    const first = newUser();
    await okta.call('POST', '/Users', first);
    const again = await okta.call('POST', '/Users', { ...first, userName: first.userName.toUpperCase() });
    expect(failure(again)).toEqual([409, '409', 'uniqueness']);
  });

  it('creates one user of two requests at the same moment', async () => {
    const user = newUser();
    const answers = await Promise.all(Array.from({ length: 6 }, () => okta.call('POST', '/Users', user)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409]);
    expect((await filtered(`userName eq "${user.userName}"`)).body.totalResults).toBe(1);
    const members = await gateway.api<{ items: unknown[] }>('GET', `/organizations/${acme.slug}/members?email=${user.userName}`);
    expect(members.body.items).toHaveLength(1);
  });

  it('finds users by userName, and answers 200 with none', async () => {
    const { id, userName } = await created();
    expect((await filtered(`userName eq "${userName.toUpperCase()}"`)).body).toMatchObject({ totalResults: 1, Resources: [{ id }] });
    expect((await filtered('userName eq "nobody@acme.example"')).body).toMatchObject({
      totalResults: 0,
      startIndex: 1,
      itemsPerPage: 0,
      Resources: [],
    });
  });

  it('deactivates without a path, and activates again', async () => {
    const { id } = await created();
    expect((await patch(id, { op: 'replace', value: { active: false } })).body).toMatchObject({ active: false });
    expect((await memberOf(id)).body).toMatchObject({ suspended: true, state: 'suspended' });
    expect((await okta.call('GET', `/Users/${id}`)).body).toMatchObject({ active: false });
    await patch(id, { op: 'replace', value: { active: true } });
    expect((await memberOf(id)).body).toMatchObject({ suspended: false, state: 'invited' });
    expect(await events(id)).toEqual(['member.unsuspended scim', 'member.suspended scim', 'member.created scim']);
  });

  it('replaces a user, also to deactivate it; a PUT without active never activates', async () => {
    const user = await created();
    expect((await okta.call('PUT', `/Users/${user.id}`, { ...user, active: false, displayName: 'New' })).body).toMatchObject({
      active: false,
      displayName: 'New',
    });
    const { active: _, ...withoutActive } = user;
    expect((await okta.call('PUT', `/Users/${user.id}`, withoutActive)).body).toMatchObject({ active: false });
    expect((await memberOf(user.id)).body).toMatchObject({ suspended: true, id: user.id });
  });

  it('does not read a path-less value without active as a deactivation', async () => {
    const { id } = await created();
    expect((await patch(id, { op: 'replace', value: { displayName: 'Renamed' } })).body).toMatchObject({
      active: true,
      displayName: 'Renamed',
    });
    expect((await memberOf(id)).body).toMatchObject({ suspended: false, name: 'Renamed' });
  });
});

describe('SCIM users as Entra ID sends them', () => {
  it('answers its connection test with an empty list', async () => {
    const answer = await filtered('userName eq "7b39475e-4d2b-4e5c-9d3a-1f2e3d4c5b6a"');
    expect([answer.status, answer.body.totalResults]).toEqual([200, 0]);
  });

  it('creates a user with the enterprise schema, and stores values as they were sent', async () => {
    const extension = { employeeNumber: '701984', department: 'Tour Operations' };
    const body = newUser({ schemas: [CORE, ENTERPRISE], meta: { resourceType: 'User' }, roles: [], [ENTERPRISE]: extension });
    const answer = await okta.call('POST', '/Users', body);
    expect(answer.body).toMatchObject({ schemas: [CORE, ENTERPRISE], [ENTERPRISE]: extension });
    expect(JSON.stringify(answer.body)).not.toContain('null');
  });

  it('finds users by externalId, also unquoted, and by email', async () => {
    const { id, externalId, userName } = await created();
    for (const filter of [
      `externalId eq "${externalId}"`,
      `externalId eq ${externalId}`,
      `emails[type eq "work"].value eq "${userName}"`,
    ]) {
      expect([filter, (await filtered(filter)).body.Resources.map((user: { id: string }) => user.id)]).toEqual([filter, [id]]);
    }
  });

  it('reads active as text, dotted names and filters that match nothing', async () => {
    const { id } = await created({ emails: undefined });
    const answer = await patch(
      id,
      { op: 'Replace', path: 'active', value: 'False' },
      { op: 'Add', path: 'emails[type eq "work"].value', value: 'new.address@acme.example' },
      { op: 'Replace', path: 'name.familyName', value: 'Changed' },
      { op: 'Add', path: `${ENTERPRISE}:manager`, value: 'usr_manager' },
      { op: 'Add', value: { 'name.givenName': 'Ada', [`${ENTERPRISE}:department`]: 'R&D' } },
    );
    expect(answer.body).toMatchObject({
      active: false,
      emails: [{ type: 'work', value: 'new.address@acme.example' }],
      name: { familyName: 'Changed', givenName: 'Ada' },
      [ENTERPRISE]: { manager: { value: 'usr_manager' }, department: 'R&D' },
    });
    expect((await memberOf(id)).body).toMatchObject({ suspended: true, email: 'new.address@acme.example' });
  });

  it('deletes a user with the member', async () => {
    const { id, userName } = await created();
    expect((await okta.call('DELETE', `/Users/${id}`)).status).toBe(204);
    expect((await okta.call('GET', `/Users/${id}`)).status).toBe(404);
    expect((await okta.call('DELETE', `/Users/${id}`)).status).toBe(404);
    expect((await memberOf(id)).status).toBe(404);
    expect((await filtered(`userName eq "${userName}"`)).body.totalResults).toBe(0);
    expect((await okta.call('POST', '/Users', newUser({ userName }))).status).toBe(201);
  });
});

describe('rate limits of SCIM', () => {
  it('apply to each connection, and to changes separately', async () => {
    const limited = await startGateway({ environment: { SAMLGATE_RATE_LIMITS: 'on' } });
    try {
      const organization = await makeTestOrganization(limited);
      const partner = await addConnection(limited, organization);
      const first = await makeScimClient(limited, organization);
      const second = await makeScimClient(limited, organization, { connection: partner.id });
      const exhaust = (name: 'scim' | 'scim_changes') =>
        limitOf(limited.runtime, name, `${organization.id} ${partner.id}`).count(LIMITS[name].points);
      await exhaust('scim_changes');
      expect([(await second.call('POST', '/Users', newUser())).status, (await second.call('GET', '/Users')).status]).toEqual([429, 200]);
      await exhaust('scim');
      expect((await second.call('GET', '/Users')).status).toBe(429);
      expect([(await first.call('POST', '/Users', newUser())).status, (await first.call('GET', '/Users')).status]).toEqual([201, 200]);
    } finally {
      await limited.stop();
    }
  });
});

describe('a connection with many SCIM users', () => {
  it('warns the operator before the quota of members is used up, and keeps to it', async () => {
    const organization = await makeTestOrganization(gateway);
    const client = await makeScimClient(gateway, organization);
    await gateway.api('PATCH', `/organizations/${organization.slug}`, { quotas: { members: 1 } });
    const warnings = async () =>
      (await gateway.runtime.metrics.quotaWarnings.get()).values.find(({ labels }) => labels.quota === 'members');
    const before = (await warnings())?.value ?? 0;
    expect((await client.call('POST', '/Users', newUser())).status).toBe(201);
    expect((await warnings())?.value).toBe(before + 1);
    expect((await client.call('POST', '/Users', newUser())).status).not.toBe(201);
  });

  it('refuses requests that would read most of them', async () => {
    const organization = await makeTestOrganization(gateway);
    const client = await makeScimClient(gateway, organization);
    const { store } = gateway.runtime;
    const stored = await getOrganizationById(store, organization.id);
    const collection = scimUsers(stored?.connections[0]?.id ?? '');
    const at = '2026-01-01T00:00:00.000Z';
    for (let from = 0; from < 2100; from += 100) {
      const steps = Array.from({ length: 100 }, (_, i): Step => {
        const value = { attributes: {}, userName: `u${from + i}`, email: '', active: true, createdAt: at, changedAt: at };
        return { do: 'insert', collection, id: `usr_${String(from + i).padStart(20, '0')}`, value };
      });
      await store.commit(organization.id, steps);
    }
    expect((await client.call('GET', '/Users?startIndex=2000&count=1')).status).toBe(200);
    expect(failure(await client.call('GET', '/Users?startIndex=2002&count=1'))).toEqual([400, '400', 'tooMany']);
    expect(failure(await filtered('active eq true', client))).toEqual([400, '400', 'tooMany']);
  });
});

describe('SCIM requests', () => {
  it('describes what the service supports', async () => {
    expect((await okta.call('GET', '/ServiceProviderConfig')).body).toMatchObject({
      patch: { supported: true },
      bulk: { supported: false },
    });
    expect((await okta.call('GET', '/Schemas')).body.Resources.map(({ id }: { id: string }) => id)).toEqual([
      CORE,
      'urn:ietf:params:scim:schemas:core:2.0:Group',
      ENTERPRISE,
    ]);
    expect((await okta.call('GET', `/Schemas/${CORE}`)).body.id).toBe(CORE);
    expect((await okta.call('GET', '/ResourceTypes')).body.Resources).toMatchObject([
      { id: 'User', endpoint: '/Users' },
      { id: 'Group', endpoint: '/Groups' },
    ]);
    expect((await okta.call('POST', '/Bulk', {})).status).toBe(501);
  });

  it('pages through all users once, in a stable order, also if one is removed in between', async () => {
    const organization = await makeTestOrganization(gateway);
    const client = await makeScimClient(gateway, organization);
    for (let i = 0; i < 7; i++) await created({}, client);
    const ids = async (startIndex: number, count = 3) => {
      const { body } = await client.call('GET', `/Users?startIndex=${startIndex}&count=${count}`);
      return [body.totalResults, body.Resources.map(({ id }: { id: string }) => id)] as const;
    };
    const [, all] = await ids(1, 100);
    expect(all).toHaveLength(7);
    expect(await ids(1)).toEqual([7, all.slice(0, 3)]);
    await client.call('DELETE', `/Users/${all[0]}`);
    expect(await ids(4)).toEqual([6, all.slice(3, 6)]);
    expect(await ids(6)).toEqual([6, all.slice(6)]); // no cursor was left for this position
    expect(await ids(100)).toEqual([6, []]);
    expect((await client.call('GET', '/Users?count=0')).body).toMatchObject({ totalResults: 6, Resources: [] });
    expect(failure(await client.call('GET', '/Users?count=x'))).toEqual([400, '400', 'invalidValue']);
  });

  it('returns only the attributes that are asked for', async () => {
    const { id } = await created();
    expect(Object.keys((await okta.call('GET', `/Users/${id}?attributes=userName,emails.value`)).body).sort()).toEqual([
      'emails',
      'id',
      'meta',
      'schemas',
      'userName',
    ]);
    expect((await okta.call('GET', `/Users/${id}?excludedAttributes=emails`)).body.emails).toBeUndefined();
  });

  it('changes only the version that the client has seen', async () => {
    const { id, meta } = await created();
    const change = (tag: string) =>
      okta.call('PATCH', `/Users/${id}`, { Operations: [{ op: 'replace', path: 'title', value: tag }] }, { 'if-match': tag });
    expect((await change(meta.version)).status).toBe(200);
    expect((await change(meta.version)).status).toBe(412);
    expect((await change('*')).status).toBe(200);
    const { headers } = await okta.call('GET', `/Users/${id}`);
    const unchanged = await okta.call('GET', `/Users/${id}`, undefined, { 'if-none-match': headers.get('etag') ?? '' });
    expect(unchanged.status).toBe(304);
    expect((await okta.call('DELETE', `/Users/${id}`, undefined, { 'if-match': 'W/"1"' })).status).toBe(412);
  });

  it.each([
    ['a filter with another operator', 'GET', '/Users?filter=userName%20co%20%22a%22', undefined, [400, '400', 'invalidFilter']],
    ['a body that is no JSON', 'POST', '/Users', '{', [400, '400', 'invalidSyntax']],
    ['a user without a userName', 'POST', '/Users', {}, [400, '400', 'invalidValue']],
    ['a userName with NUL', 'POST', '/Users', { userName: 'a\0b' }, [400, '400', 'invalidValue']],
    ['a prototype name', 'POST', '/Users', '{"userName":"a","__proto__":{"active":false}}', [400, '400', 'invalidPath']],
    ['a large user', 'POST', '/Users', { userName: 'large', title: 'x'.repeat(20_000) }, [400, '400', 'invalidValue']],
    ['a body over the limit', 'POST', '/Users', { userName: 'x', title: 'x'.repeat(300_000) }, [413, '413', undefined]],
    ['an unknown id', 'GET', '/Users/usr_00000000000000000000', undefined, [404, '404', undefined]],
    ['a malformed id', 'GET', '/Users/%00', undefined, [404, '404', undefined]],
    ['an unknown endpoint', 'GET', '/Me', undefined, [404, '404', undefined]],
  ])('refuses %s with the Error schema', async (_name, method, path, body, expected) => {
    const answer = await okta.call(method, path, body);
    expect(failure(answer)).toEqual(expected);
    expect(answer.body.schemas).toEqual(['urn:ietf:params:scim:api:messages:2.0:Error']);
  });
});

describe('SCIM tokens', () => {
  it('reaches no user of another organization, by id, filter or token', async () => {
    const { id, userName, externalId } = await created();
    for (const method of ['GET', 'DELETE'] as const) expect((await other.call(method, `/Users/${id}`)).status).toBe(404);
    expect((await other.call('PATCH', `/Users/${id}`, { Operations: [{ op: 'replace', value: { active: false } }] })).status).toBe(404);
    expect((await other.call('PUT', `/Users/${id}`, newUser())).status).toBe(404);
    for (const filter of [`userName eq "${userName}"`, `id eq "${id}"`, `externalId eq "${externalId}"`]) {
      expect((await filtered(filter, other)).body.totalResults).toBe(0);
    }
    const elsewhere = await scimCall(gateway.url, other.token, { method: 'GET', path: `/scim/v2/${acme.slug}/Users/${id}` });
    expect(elsewhere.status).toBe(401);
    expect((await memberOf(id)).body).toMatchObject({ suspended: false });
  });

  it('refuses every other credential, and organizations that do not exist', async () => {
    const olivia = await signedIn(gateway, await gateway.makeOrganization(), 'olivia');
    const cli = (await olivia.makeToken()).token;
    for (const token of [gateway.operatorToken, cli, `${okta.token}x`, okta.token.slice(0, -1), '']) {
      const answer = await scimCall(gateway.url, token, { method: 'GET', path: `/scim/v2/${acme.slug}/Users` });
      expect(failure(answer)).toEqual([401, '401', undefined]);
    }
    expect((await scimCall(gateway.url, okta.token, { method: 'GET', path: '/scim/v2/no-such-org/Users' })).status).toBe(401);
    expect((await gateway.api('GET', '/me', undefined, okta.token)).status).toBe(401);
    expect((await fetch(`${gateway.url}/auth/verify`, { headers: { authorization: `Bearer ${okta.token}` } })).status).toBe(401);
  });

  it('allows two valid tokens for each connection, stored as hashes, and revokes immediately', async () => {
    const organization = await makeTestOrganization(gateway);
    const first = await makeScimClient(gateway, organization);
    const second = await makeScimClient(gateway, organization);
    const path = `/organizations/${organization.slug}/scim-tokens`;
    expect(await gateway.api('POST', path, { name: 'third' })).toMatchObject({ status: 409, body: { code: 'conflict' } });
    const list = await gateway.api<{ items: { id: string; state: string }[] }>('GET', path);
    expect(list.body.items.map(({ id }) => id).sort()).toEqual([first.id, second.id].sort());
    expect(JSON.stringify(list.body)).not.toContain(first.token);
    expect((await gateway.api('DELETE', `${path}/${first.id}`)).status).toBe(204);
    expect((await first.call('GET', '/Users')).status).toBe(401);
    expect((await second.call('GET', '/Users')).status).toBe(200);
    expect((await gateway.api('DELETE', `${path}/${first.id}`)).status).toBe(404);
    await makeScimClient(gateway, organization);
  });

  it('creates at most two of many at the same moment', async () => {
    const organization = await makeTestOrganization(gateway);
    const path = `/organizations/${organization.slug}/scim-tokens`;
    const answers = await Promise.all(Array.from({ length: 5 }, () => gateway.api('POST', path, { name: 'race' })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2);
  });

  it('ends when the connection is disabled, and stays so when it is enabled again', async () => {
    const organization = await makeTestOrganization(gateway);
    const client = await makeScimClient(gateway, organization);
    const connections = await gateway.api<{ items: { id: string }[] }>('GET', `/organizations/${organization.slug}/connections`);
    const path = `/organizations/${organization.slug}/connections/${connections.body.items[0]?.id}`;
    expect((await client.call('GET', '/Users')).status).toBe(200);
    expect((await gateway.api('PATCH', path, { state: 'disabled' })).status).toBe(200);
    expect((await client.call('GET', '/Users')).status).toBe(401);
    expect((await gateway.api('PATCH', path, { state: 'active' })).status).toBe(200);
    expect((await client.call('GET', '/Users')).status).toBe(401);
    const next = await makeScimClient(gateway, organization);
    expect([(await client.call('GET', '/Users')).status, (await next.call('GET', '/Users')).status]).toEqual([401, 200]);
  });

  it('ends when the identity provider is removed', async () => {
    const organization = await makeTestOrganization(gateway);
    const client = await makeScimClient(gateway, organization);
    expect((await gateway.api('DELETE', `/organizations/${organization.slug}/identity-provider`)).status).toBe(204);
    expect((await client.call('GET', '/Users')).status).toBe(401);
  });
});
