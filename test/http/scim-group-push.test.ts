/** The group push of Okta and Microsoft Entra ID, sent by the mock clients to a gateway. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { personOf } from '../../src/mock-idp/habits.ts';
import type { DirectoryGroup, DirectoryUser, ProvisioningClient } from '../../src/mock-idp/provisioning/directory.ts';
import { EntraClient } from '../../src/mock-idp/provisioning/entra-client.ts';
import { OktaClient } from '../../src/mock-idp/provisioning/okta-client.ts';
import { GROUP_SCHEMA, type ScimExchange, type ScimTarget } from '../../src/mock-idp/provisioning/scim-requests.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let scim: ScimClient;
let target: { baseUrl: string; token: string };

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  scim = await makeScimClient(gateway, acme);
  target = { baseUrl: `${gateway.url}/scim/v2/${acme.slug}`, token: scim.token };
});
afterAll(() => gateway.stop());

let number = 0;
const newPerson = (): DirectoryUser => {
  const username = `user${++number}@acme.example`;
  return { ...personOf('okta', 'carl'), objectId: `object-${number}`, username, email: username };
};
const newGroup = (...members: readonly DirectoryUser[]): DirectoryGroup => ({
  objectId: `group-${++number}`,
  name: `Tour "Ops" ${number}`,
  members,
});
const assigned = async (client: ProvisioningClient): Promise<readonly [user: DirectoryUser, id: string]> => {
  const user = newPerson();
  return [user, await client.assign(user)];
};
const members = async (id: string): Promise<string[]> =>
  (await scim.call('GET', `/Groups/${id}`)).body.members.map(({ value }: { value: string }) => value).sort();
const wire = ({ exchanges }: ProvisioningClient, from: number) =>
  exchanges.slice(from).map(({ method, path, status }: ScimExchange) => `${method} ${path.replaceAll(/(usr|grp)_\w+/g, '$1')} ${status}`);
const lastSent = ({ exchanges }: ProvisioningClient) => exchanges.at(-1)?.sent;
const patchOf = (...Operations: unknown[]) => ({ schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations });

describe('a group that Okta pushes', () => {
  it('is created, changed, renamed and deleted by a catalogue app', async () => {
    const okta = new OktaClient(target);
    const [[ada, adaId], [bob, bobId], [eve, eveId]] = [await assigned(okta), await assigned(okta), await assigned(okta)];
    const from = okta.exchanges.length;
    const group = newGroup(ada, bob, newPerson());
    const id = await okta.pushGroup(group);
    expect(await members(id)).toEqual([adaId, bobId].sort());
    expect(lastSent(okta)).toEqual(
      patchOf({
        op: 'replace',
        path: 'members',
        value: [
          { value: adaId, display: ada.username },
          { value: bobId, display: bob.username },
        ],
      }),
    );
    await okta.changeMembers({ ...group, members: [bob, eve] }, { add: [eve], remove: [ada] });
    expect(lastSent(okta)).toEqual(
      patchOf(
        { op: 'replace', value: { id, displayName: group.name } },
        { op: 'remove', path: `members[value eq "${adaId}"]` },
        { op: 'add', path: 'members', value: [{ value: eveId, display: eve.username }] },
      ),
    );
    expect(await members(id)).toEqual([bobId, eveId].sort());
    await okta.renameGroup({ ...group, name: `${group.name} renamed` });
    expect((await scim.call('GET', `/Groups/${id}`)).body).toMatchObject({ displayName: `${group.name} renamed` });
    expect(await members(id)).toEqual([bobId, eveId].sort());
    await okta.unassign(bob);
    expect(await members(id)).toEqual([bobId, eveId].sort());
    await okta.deleteGroup(group);
    expect((await scim.call('GET', `/Groups/${id}`)).status).toBe(404);
    expect(wire(okta, from)).toEqual([
      `GET /Groups?filter=displayName eq ${JSON.stringify(group.name)}&startIndex=1&count=100 200`,
      ...['POST /Groups 201', 'PATCH /Groups/grp 204', 'PATCH /Groups/grp 204', 'PATCH /Groups/grp 204'],
      ...['GET /Users/usr 200', 'PATCH /Users/usr 200', 'DELETE /Groups/grp 204'],
    ]);
  });

  it('is replaced as a whole by a custom app', async () => {
    const okta = new OktaClient(target, { app: 'custom' });
    const [[ada, adaId], [bob, bobId]] = [await assigned(okta), await assigned(okta)];
    const from = okta.exchanges.length;
    const group = newGroup(ada);
    const id = await okta.pushGroup(group);
    await okta.changeMembers({ ...group, members: [ada, bob] }, { add: [bob] });
    const both = [
      { value: adaId, display: ada.username },
      { value: bobId, display: bob.username },
    ];
    expect(lastSent(okta)).toEqual({ schemas: [GROUP_SCHEMA], id, displayName: group.name, members: both });
    expect(await members(id)).toEqual([adaId, bobId].sort());
    await okta.renameGroup({ ...group, name: `${group.name} renamed`, members: [] });
    expect(await members(id)).toEqual([]);
    expect(wire(okta, from).slice(1)).toEqual(['POST /Groups 201', ...Array.from({ length: 3 }, () => 'PUT /Groups/grp 200')]);
  });

  it('is found by its name if it already exists', async () => {
    const okta = new OktaClient(target);
    const group = newGroup();
    const id = await okta.pushGroup(group);
    expect(await new OktaClient(target).pushGroup(group)).toBe(id);
  });
});

describe.each([false, true])('a group that Entra ID pushes, with the flag %j', (flag) => {
  it('is created without members, changed, renamed and deleted', async () => {
    const entra = new EntraClient(target, { flag });
    await entra.testConnection();
    const [[ada, adaId], [bob, bobId], [eve, eveId]] = [await assigned(entra), await assigned(entra), await assigned(entra)];
    const from = entra.exchanges.length;
    const group = newGroup(ada, bob);
    const id = await entra.pushGroup(group);
    expect(entra.exchanges.find(({ method, path }) => method === 'POST' && path === '/Groups')?.sent).toEqual({
      schemas: [GROUP_SCHEMA, 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group'],
      externalId: group.objectId,
      displayName: group.name,
      meta: { resourceType: 'Group' },
    });
    const value = [adaId, bobId].map((each) => ({ $ref: null, value: each }));
    expect(lastSent(entra)).toEqual(patchOf({ op: 'Add', path: 'members', value }));
    expect(await members(id)).toEqual([adaId, bobId].sort());
    await entra.changeMembers(group, { add: [eve], remove: [ada] });
    const removal = flag ? { path: `members[value eq "${adaId}"]` } : { path: 'members', value: [{ $ref: null, value: adaId }] };
    expect(lastSent(entra)).toEqual(patchOf({ op: 'Remove', ...removal }));
    expect(await members(id)).toEqual([bobId, eveId].sort());
    await entra.renameGroup({ ...group, name: `${group.name} renamed` });
    expect((await scim.call('GET', `/Groups/${id}`)).body).toMatchObject({
      displayName: `${group.name} renamed`,
      externalId: group.objectId,
    });
    expect(await members(id)).toEqual([bobId, eveId].sort());
    await entra.remove(bob);
    expect(await members(id)).toEqual([eveId]);
    await entra.deleteGroup(group);
    expect((await scim.call('GET', `/Groups/${id}`)).status).toBe(404);
    expect(wire(entra, from)).toEqual([
      `GET /Groups?excludedAttributes=members&filter=displayName eq ${JSON.stringify(group.name)} 200`,
      ...['POST /Groups 201', 'GET /Groups/grp?excludedAttributes=members 200', 'PATCH /Groups/grp 204'],
      ...['PATCH /Groups/grp 204', 'PATCH /Groups/grp 204', 'PATCH /Groups/grp 204'],
      ...['DELETE /Users/usr 204', 'DELETE /Groups/grp 204'],
    ]);
    const answers = entra.exchanges.slice(from).filter(({ path, method }) => path.startsWith('/Groups') && method !== 'POST');
    expect(JSON.stringify(answers.map(({ received }) => received))).not.toContain('members');
  });
});

describe.each<[string, (at: ScimTarget) => ProvisioningClient]>([
  ['a catalogue app of Okta', (at) => new OktaClient(at)],
  ['a custom app of Okta', (at) => new OktaClient(at, { app: 'custom' })],
  ['Entra ID', (at) => new EntraClient(at)],
  ['Entra ID with the flag', (at) => new EntraClient(at, { flag: true })],
])('roles by groups that %s pushes', (_name, clientFor) => {
  it('change with each membership, name and deletion, before the next sign-in', async () => {
    const organization = await makeTestOrganization(gateway);
    await gateway.api('PATCH', `/organizations/${organization.slug}`, { groups_from: 'scim' });
    const { token } = await makeScimClient(gateway, organization);
    const client = clientFor({ baseUrl: `${gateway.url}/scim/v2/${organization.slug}`, token });
    const signedIn = async () => {
      const user = newPerson();
      const id = await client.assign(user);
      const browser = new HttpBrowser();
      expect((await organization.post(browser, organization.respond({ person: user }))).status).toBe(303);
      return { user, id, browser };
    };
    const owner = await signedIn();
    const { user, id, browser } = await signedIn();
    const path = `/organizations/${organization.slug}/members`;
    expect((await gateway.api('PATCH', `${path}/${owner.id}`, { role: 'owner' })).status).toBe(200);
    const role = async () => {
      const member = (await gateway.api<{ role: string }>('GET', `${path}/${id}`)).body.role;
      const { status, text } = await browser.request(`${gateway.url}/api/v1/me`);
      if (status === 200) expect((JSON.parse(text) as { user: { role: string } }).user.role).toBe(member);
      return member;
    };
    expect(await role()).toBe('collaborator');
    const admins = { objectId: 'admins', name: 'platform-admins', members: [user] };
    await client.pushGroup(admins);
    expect(await role()).toBe('owner');
    await client.changeMembers({ ...admins, members: [] }, { remove: [user] });
    expect(await role()).toBe('collaborator');
    await client.changeMembers(admins, { add: [user] });
    expect(await role()).toBe('owner');
    await client.renameGroup({ ...admins, name: 'former-admins' });
    expect(await role()).toBe('collaborator');
    await client.renameGroup(admins);
    expect(await role()).toBe('owner');
    await client.deleteGroup(admins);
    expect(await role()).toBe('collaborator');
    expect((await gateway.api<{ role: string }>('GET', `${path}/${owner.id}`)).body.role).toBe('owner');
  });
});
