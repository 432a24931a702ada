import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type Home, makeHome } from '../support/command.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

// Each command is a process of its own, possibly on a busy machine.
jest.setTimeout(90_000);

let gateway: TestGateway;
let acme: OrganizationJson;
let olivia: SignedIn;
let home: Home;
let owner: Record<string, string>;
let operator: Record<string, string>;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await gateway.makeOrganization();
  olivia = await signedIn(gateway, acme, 'olivia');
  owner = { SAMLGATE_URL: gateway.url, SAMLGATE_CLI_TOKEN: (await olivia.makeToken()).token };
  operator = { SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken };
});
afterAll(() => gateway.stop());
beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.remove());

/** Adds a connection to an identity provider of its own. */
async function addConnection(slug: string, name: string): Promise<string> {
  const { metadata } = await makeTestOrganization(gateway);
  const other = metadata.replace(/entityID="[^"]+"/, `entityID="https://${name.toLowerCase()}.example/idp"`);
  const { body } = await gateway.api<{ id: string }>('POST', `/organizations/${slug}/connections?name=${name}`, other);
  return body.id;
}

const rulesOf = async (slug: string) => (await gateway.api<{ rules: unknown[] }>('GET', `/organizations/${slug}/role-mapping`)).body.rules;

describe('samlgate org set-roles with connections', () => {
  test('sets the connection of a rule by ID, by name and for all', async () => {
    const { slug } = await gateway.makeOrganization();
    const id = await addConnection(slug, 'Partner');
    const rules = ['a@b=c=owner', 'x=collaborator@Partner', `y=collaborator@${id}`, 'z=collaborator@*'].flatMap((rule) => ['--rule', rule]);
    const set = await home.run(['org', 'set-roles', slug, ...rules, '--default', 'none'], operator);
    expect(set).toMatchObject({ code: 0, stderr: '' });
    expect(await rulesOf(slug)).toEqual([
      { group: 'a@b=c', role: 'owner' },
      { group: 'x', role: 'collaborator', connection: id },
      { group: 'y', role: 'collaborator', connection: id },
      { group: 'z', role: 'collaborator', connection: '*' },
    ]);
    const shown = (await home.run(['org', 'show', slug], operator)).stdout;
    expect(shown).toContain(`role of the group x: collaborator (connection ${id})`);
    expect(shown).toContain('role of the group z: collaborator (all connections)');
  });

  test('never deletes a rule of another connection, or moves it to the default connection, unless told to', async () => {
    const { slug } = await gateway.makeOrganization();
    const id = await addConnection(slug, 'Partner');
    const ofPartner = { group: 'admins', role: 'owner', connection: id };
    const before = [{ group: 'platform-admins', role: 'owner' }, ofPartner];
    await gateway.api('PUT', `/organizations/${slug}/role-mapping`, { rules: before, default_role: 'none' });
    const command = ['org', 'set-roles', slug, '--rule', 'admins=owner', '--default', 'none'];
    const refused = await home.run(command, operator);
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(`--rule "admins=owner@${id}"`) });
    expect(await rulesOf(slug)).toEqual(before);
    expect((await home.run([...command, '--rule', 'admins=owner@Partner'], operator)).code).toBe(0);
    expect(await rulesOf(slug)).toEqual([{ group: 'admins', role: 'owner' }, ofPartner]);
    expect((await home.run([...command, '--replace-all'], operator)).code).toBe(0);
    expect(await rulesOf(slug)).toEqual([{ group: 'admins', role: 'owner' }]);
  });

  test.each(['admins=owner@Nobody', 'admins=owner@con_unknown'])('refuses %s and changes nothing', async (rule) => {
    const before = await rulesOf(acme.slug);
    const refused = await home.run(['org', 'set-roles', acme.slug, '--rule', rule, '--default', 'owner'], owner);
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('has no connection') });
    expect(await rulesOf(acme.slug)).toEqual(before);
  });

  test.each(['admins=owner@', '=owner', 'admins=owner@a=b@c=d='])('refuses %s as wrong usage', async (rule) => {
    expect((await home.run(['org', 'set-roles', acme.slug, '--rule', rule, '--default', 'none'], owner)).code).toBe(2);
  });
});

describe('samlgate org delete', () => {
  test('deletes only after confirmation, and can be repeated', async () => {
    const { slug } = await gateway.makeOrganization();
    const member = await signedIn(gateway, { ...acme, slug }, 'olivia');
    const { token } = await member.makeToken();
    const asked = await home.run(['org', 'delete', slug], operator);
    expect(asked).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Confirm with --yes.') });
    expect((await gateway.api('GET', '/me', undefined, token)).status).toBe(200);
    expect(await home.run(['org', 'delete', slug, '--yes'], operator)).toMatchObject({ code: 0, stdout: `Deleted ${slug}.\n` });
    expect((await gateway.api('GET', '/me', undefined, token)).status).toBe(401);
    const again = await home.run(['org', 'delete', slug, '--yes', '--json'], operator);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('code organization_unknown') });
  });

  test('refuses an owner', async () => {
    const refused = await home.run(['org', 'delete', acme.slug, '--yes'], owner);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('code forbidden') });
    expect((await gateway.api('GET', `/organizations/${acme.slug}`)).status).toBe(200);
  });
});

describe('samlgate org setup-link', () => {
  test('creates, lists and revokes a link of one connection', async () => {
    const { slug } = await gateway.makeOrganization();
    const connection = await addConnection(slug, 'Partner');
    const command = ['org', 'setup-link'];
    const created = await home.run([...command, 'create', slug, '--connection', connection, '--expires-in-days', '3', '--json'], operator);
    const link = JSON.parse(created.stdout) as { id: string; url: string };
    expect((await fetch(link.url)).status).toBe(200);
    const listed = await home.run([...command, 'list', slug, '--json'], operator);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ id: link.id, state: 'open', connection }]);
    expect(listed.stdout).not.toContain(link.url);
    expect((await home.run([...command, 'revoke', slug, link.id], operator)).stdout).toBe(`Revoked ${link.id}.\n`);
    expect((await home.run([...command, 'list', slug], operator)).stdout).toMatch(new RegExp(`^${link.id} +revoked `, 'm'));
    expect((await home.run([...command, 'create', slug], operator)).stdout).toMatch(/^http:\/\/localhost:\d+\/setup\/\S+\n/);
  });

  test('refuses another organization’s owner, a wrong connection and a wrong number', async () => {
    const { slug } = await gateway.makeOrganization();
    const create = (...more: string[]) => home.run(['org', 'setup-link', 'create', ...more], owner);
    expect(await create(slug)).toMatchObject({ code: 1, stderr: expect.stringContaining('code organization_unknown') });
    expect(await create(acme.slug, '--connection', 'con_unknown')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code not_found'),
    });
    expect((await create(acme.slug, '--expires-in-days', 'many')).code).toBe(2);
    expect(await create(acme.slug, '--expires-in-days', '31')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code validation_failed'),
    });
  });
});
