/** The requests of Okta and Microsoft Entra ID, sent by the mock clients to a gateway. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { personOf } from '../../src/mock-idp/habits.ts';
import type { DirectoryUser, ProvisioningClient } from '../../src/mock-idp/provisioning/directory.ts';
import { EntraClient, type EntraOptions } from '../../src/mock-idp/provisioning/entra-client.ts';
import { OktaClient } from '../../src/mock-idp/provisioning/okta-client.ts';
import { ENTERPRISE_SCHEMA, type ScimExchange, ScimRefusal, USER_SCHEMA } from '../../src/mock-idp/provisioning/scim-requests.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient } from '../support/scim-client.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let target: { baseUrl: string; token: string };

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  const { token } = await makeScimClient(gateway, acme);
  target = { baseUrl: `${gateway.url}/scim/v2/${acme.slug}`, token };
});
afterAll(() => gateway.stop());

let number = 0;
const newPerson = (habit: 'okta' | 'entra-id' = 'okta'): DirectoryUser => {
  const username = `user${++number}@acme.example`;
  return { ...personOf(habit, 'carl'), objectId: `object-${number}`, username, email: username };
};
const renamed = (user: DirectoryUser): DirectoryUser => ({ ...user, lastName: 'Čapková' });
const member = async (id: string) => (await gateway.api(`GET`, `/organizations/${acme.slug}/members/${id}`)).body;
const wire = ({ exchanges }: ProvisioningClient, from = 0) =>
  exchanges.slice(from).map(({ method, path, status }: ScimExchange) => `${method} ${path.replaceAll(/(usr|grp)_\w+/g, '$1')} ${status}`);
const lastSent = ({ exchanges }: ProvisioningClient) => exchanges.at(-1)?.sent;
const receivedBy = ({ exchanges }: ProvisioningClient) => exchanges.at(-1)?.received;
const patchOf = (...Operations: unknown[]) => ({ schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations });

describe('a user whom Okta provisions', () => {
  it('is created, updated, deactivated and activated again by a catalogue app', async () => {
    const okta = new OktaClient(target);
    const carl = newPerson();
    await okta.testConnection();
    const id = await okta.assign(carl);
    expect(lastSent(okta)).toMatchObject({
      schemas: [USER_SCHEMA],
      userName: carl.username,
      name: { givenName: 'Carl', familyName: 'Čapek' },
      emails: [{ primary: true, value: carl.email, type: 'work' }],
      displayName: 'Carl Čapek',
      locale: 'en-US',
      externalId: carl.objectId,
      groups: [],
      password: expect.any(String),
      active: true,
    });
    expect(receivedBy(okta)).toMatchObject({ id, active: true, name: { familyName: 'Čapek' } });
    await okta.update(renamed(carl));
    expect(await member(id)).toMatchObject({ name: 'Carl Čapková', state: 'invited' });
    await okta.unassign(carl);
    expect(lastSent(okta)).toEqual(patchOf({ op: 'replace', value: { active: false } }));
    expect(receivedBy(okta)).toMatchObject({ id, active: false });
    expect(await member(id)).toMatchObject({ suspended: true });
    expect(await okta.assign(carl)).toBe(id);
    expect(await member(id)).toMatchObject({ suspended: false });
    const search = `GET /Users?filter=userName eq "${carl.username}"&startIndex=1&count=100 200`;
    expect(wire(okta)).toEqual([
      'GET /Users?startIndex=1&count=2 200',
      ...[search, 'POST /Users 201'],
      ...['GET /Users/usr 200', 'PUT /Users/usr 200'],
      ...['GET /Users/usr 200', 'PATCH /Users/usr 200'],
      ...[search, 'GET /Users/usr 200', 'PATCH /Users/usr 200', 'GET /Users/usr 200', 'PUT /Users/usr 200'],
    ]);
    const lists = okta.exchanges.map(({ received }) => received as Record<string, unknown>).filter((each) => 'totalResults' in each);
    for (const { totalResults, startIndex, itemsPerPage } of lists) {
      expect([totalResults, startIndex, itemsPerPage].map((value) => typeof value)).toEqual(['number', 'number', 'number']);
    }
  });

  it('is created, updated, deactivated and activated again by a custom app, which replaces the whole user', async () => {
    const okta = new OktaClient(target, { app: 'custom' });
    const carl = newPerson();
    const id = await okta.assign(carl);
    await okta.update(renamed(carl));
    await okta.unassign(carl);
    expect(lastSent(okta)).toMatchObject({ id, userName: carl.username, active: false, groups: [], meta: { resourceType: 'User' } });
    expect(await member(id)).toMatchObject({ suspended: true });
    expect(await okta.assign(carl)).toBe(id);
    expect(await member(id)).toMatchObject({ suspended: false });
    expect(wire(okta, 2)).toEqual([
      ...['GET /Users/usr 200', 'PUT /Users/usr 200', 'GET /Users/usr 200', 'PUT /Users/usr 200'],
      `GET /Users?filter=userName eq "${carl.username}"&startIndex=1&count=100 200`,
      ...['GET /Users/usr 200', 'PUT /Users/usr 200'],
    ]);
  });

  it('is deactivated, not deleted, when it is deleted in the directory', async () => {
    const okta = new OktaClient(target);
    const carl = newPerson();
    const id = await okta.assign(carl);
    await okta.remove(carl);
    expect(await member(id)).toMatchObject({ suspended: true });
    expect(wire(okta, 2)).toEqual(['GET /Users/usr 200', 'PATCH /Users/usr 200']);
  });

  it('is found in capitals, and refused with 409 if it is created twice', async () => {
    const carl = newPerson();
    const id = await new OktaClient(target).assign(carl);
    expect(await new OktaClient(target).assign({ ...carl, username: carl.username.toUpperCase() })).toBe(id);
    const { status, body } = await (await makeScimClient(gateway, acme)).call('POST', '/Users', { userName: carl.username });
    expect([status, body.scimType]).toEqual([409, 'uniqueness']);
  });
});

describe.each<EntraOptions>([
  { flag: false, matching: 'userName' },
  { flag: true, matching: 'externalId' },
  { flag: false, matching: 'email' },
])('a user whom Entra ID provisions with %j', (options) => {
  const { flag = false, matching } = options;

  it('is created, updated, soft-deleted, restored and deleted', async () => {
    const entra = new EntraClient(target, options);
    const carl = newPerson('entra-id');
    const boss = await entra.assign(newPerson('entra-id'));
    const before = entra.exchanges.length;
    const hired = { ...carl, department: 'Tour Operations', employeeNumber: '701984', managerId: boss };
    const id = await entra.assign(hired);
    expect(lastSent(entra)).toMatchObject({
      schemas: [USER_SCHEMA, ENTERPRISE_SCHEMA],
      externalId: carl.objectId,
      meta: { resourceType: 'User' },
      roles: [],
      name: { formatted: 'Carl Čapek' },
      [ENTERPRISE_SCHEMA]: { department: 'Tour Operations', employeeNumber: '701984' },
    });
    await entra.update(hired);
    expect(receivedBy(entra)).toMatchObject({ [ENTERPRISE_SCHEMA]: { manager: { value: boss }, department: 'Tour Operations' } });
    const { department: _, ...moved } = { ...renamed(hired), email: `new-${carl.email}` };
    await entra.update(moved);
    expect(receivedBy(entra)).toMatchObject({
      name: { givenName: 'Carl', familyName: 'Čapková', formatted: 'Carl Čapková' },
      emails: [{ primary: true, type: 'work', value: moved.email }],
      [ENTERPRISE_SCHEMA]: { employeeNumber: '701984', manager: { value: boss } },
    });
    expect((receivedBy(entra) as Record<string, object>)[ENTERPRISE_SCHEMA]).not.toHaveProperty('department');
    expect(await member(id)).toMatchObject({ name: 'Carl Čapková', email: moved.email });
    await entra.unassign(moved);
    expect(lastSent(entra)).toEqual(patchOf({ op: 'Replace', path: 'active', value: flag ? false : 'False' }));
    expect(receivedBy(entra)).toMatchObject({ id, active: false });
    expect(await member(id)).toMatchObject({ suspended: true });
    expect(await entra.assign(moved)).toBe(id);
    expect(await member(id)).toMatchObject({ suspended: false, id });
    await entra.remove(moved);
    expect(await member(id)).toMatchObject({ code: 'not_found' });
    expect(await new EntraClient(target, options).assign(moved)).not.toBe(id);
    const filters = { userName: `userName eq "${carl.username}"`, externalId: `externalId eq "${carl.objectId}"` };
    const search = (email: string) =>
      `GET /Users?filter=${matching === 'email' ? `emails[type eq "work"].value eq "${email}"` : filters[matching ?? 'userName']} 200`;
    expect(wire(entra, before)).toEqual([
      ...[search(carl.email), 'POST /Users 201'],
      ...['GET /Users/usr 200', 'PATCH /Users/usr 200', 'GET /Users/usr 200', 'PATCH /Users/usr 200'],
      'PATCH /Users/usr 200',
      ...[search(moved.email), 'GET /Users/usr 200', 'PATCH /Users/usr 200'],
      'DELETE /Users/usr 204',
    ]);
  });

  it('sends each change in the form of its tenant URL', async () => {
    const entra = new EntraClient(target, options);
    const carl = newPerson('entra-id');
    await entra.assign(carl);
    await entra.update({ ...carl, firstName: 'Karel', email: `k-${carl.email}`, employeeNumber: '7' });
    const email = { op: 'Replace', path: 'emails[type eq "work"].value', value: `k-${carl.email}` };
    const name = 'Karel Čapek';
    const values = { displayName: name, 'name.givenName': 'Karel', 'name.formatted': name, [`${ENTERPRISE_SCHEMA}:employeeNumber`]: '7' };
    expect(lastSent(entra)).toEqual(
      flag
        ? patchOf({ op: 'Replace', value: values }, email)
        : patchOf(
            { op: 'Replace', path: 'displayName', value: name },
            email,
            { op: 'Replace', path: 'name.givenName', value: 'Karel' },
            { op: 'Replace', path: 'name.formatted', value: name },
            { op: 'Add', path: `${ENTERPRISE_SCHEMA}:employeeNumber`, value: '7' },
          ),
    );
    expect(receivedBy(entra)).toMatchObject({ displayName: name, [ENTERPRISE_SCHEMA]: { employeeNumber: '7' } });
    expect(JSON.stringify(receivedBy(entra))).not.toMatch(/null|"[Tt]rue"|"[Ff]alse"/);
  });
});

describe('the mock clients', () => {
  it('send the headers and the encoding of their product', async () => {
    const seen: { url: string; headers: IncomingHttpHeaders }[] = [];
    const server = createServer((request, response) => {
      seen.push({ url: request.url ?? '', headers: request.headers });
      response.end(JSON.stringify(request.method === 'GET' ? { Resources: [] } : { id: 'usr_1' }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const there = { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'secret' };
    try {
      const carl = { ...newPerson(), username: 'a+b@acme.example' };
      for (const client of [new OktaClient(there), new OktaClient(there, { app: 'custom' }), new EntraClient(there)])
        await client.assign(carl);
    } finally {
      server.close();
    }
    const spaces = ['%20', '%20', '+'].map((space) => `filter=userName${space}eq${space}%22a%2Bb%40acme.example%22`);
    expect(seen.filter((_, i) => i % 2 === 0).map(({ url }) => url.split('?')[1]?.split('&')[0])).toEqual(spaces);
    expect(seen.map(({ headers }) => [headers.authorization, headers.accept])).toEqual(
      Array.from({ length: 6 }, () => ['Bearer secret', 'application/scim+json']),
    );
    expect(seen.map(({ headers }) => headers['content-type'])).toEqual([
      ...[undefined, 'application/json', undefined, 'application/scim+json; charset=utf-8'],
      ...[undefined, 'application/scim+json; charset=utf-8'],
    ]);
    expect(seen[0]?.headers['user-agent']).toBe('Okta SCIM Client 1.0.0');
  });

  it('stop at a refusal, and keep what the gateway answered', async () => {
    const okta = new OktaClient({ ...target, token: `${target.token.slice(0, -1)}x` });
    await expect(okta.assign(newPerson())).rejects.toThrow(ScimRefusal);
    expect(okta.exchanges).toMatchObject([{ method: 'GET', status: 401, received: { status: '401' } }]);
  });
});
