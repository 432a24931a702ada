/** Switches of `groups_from` and `provisioning` together with role rules, at each entry point. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { NAME_ID_EMAIL } from '../../src/saml/names.ts';
import { HttpBrowser } from '../support/browser.ts';
import { type Home, makeHome } from '../support/command.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';
import { callWithSession } from '../support/session-calls.ts';

const ADMINS = { group: 'platform-admins', role: 'owner' };
const CHIEFS = { group: 'Chiefs', role: 'owner' };

let gateway: TestGateway;
let acme: TestOrganization;
let scim: ScimClient;
let ada: Member;
let ben: Member;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
/** Ada is an owner by a group of SAML. Ben is in a group that SCIM provisions. */
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
  scim = await makeScimClient(gateway, acme);
  ada = await makeMember('ada@acme.example', ['platform-admins']);
  ben = await makeMember('ben@acme.example', []);
  await scim.call('POST', '/Groups', { displayName: 'Chiefs', members: [{ value: ben.id }] });
});

interface Member {
  readonly id: string;
  readonly browser: HttpBrowser;
  signIn(): Promise<void>;
}

async function makeMember(email: string, groups: readonly string[]): Promise<Member> {
  const { id } = (await scim.call('POST', '/Users', { userName: email })).body;
  const browser = new HttpBrowser();
  const attributes = [
    { name: 'email', values: [email] },
    { name: 'groups', values: [...groups] },
  ];
  const values = { nameId: { value: email, format: NAME_ID_EMAIL }, attributes };
  const signIn = async () => expect((await acme.post(browser, acme.respond({ values } as never))).status).toBe(303);
  await signIn();
  return { id, browser, signIn: async () => void (await signIn()) };
}

const organization = () => `/organizations/${acme.slug}`;
const stateOf = async () => {
  const { body } = await gateway.api<{ groups_from: string }>('GET', organization());
  const mapping = await gateway.api<{ rules: { group: string }[] }>('GET', `${organization()}/role-mapping`);
  return [body.groups_from, ...mapping.body.rules.map(({ group }) => group)];
};
const roleOf = async ({ id }: Member) => (await gateway.api<{ role: string }>('GET', `${organization()}/members/${id}`)).body.role;
const setRules = (rules: readonly unknown[], more: Record<string, unknown> = {}, query = '') =>
  gateway.api('PUT', `${organization()}/role-mapping${query}`, { rules, default_role: 'collaborator', ...more });
const switchTo = (groups_from: string) => gateway.api('PATCH', organization(), { groups_from });
const eventsOf = async (event: string) =>
  (await gateway.api<{ items: { details: unknown }[] }>('GET', `${organization()}/audit?event=${event}`)).body.items;

describe('role rules that are saved together with groups_from', () => {
  it('are accepted if the combination has an owner, although neither half has one', async () => {
    expect((await setRules([CHIEFS])).status).toBe(409);
    expect((await switchTo('scim')).status).toBe(409);
    expect(await setRules([CHIEFS], { groups_from: 'scim' }, '?dry_run=true')).toMatchObject({
      status: 200,
      body: { owners_losing_role: 1 },
    });
    expect(await stateOf()).toEqual(['saml', 'platform-admins']);
    expect((await setRules([CHIEFS], { groups_from: 'scim' })).status).toBe(200);
    expect(await stateOf()).toEqual(['scim', 'Chiefs']);
    expect((await eventsOf('organization.changed'))[0]?.details).toMatchObject({ fields: ['groupsFrom'] });
    for (const member of [ada, ben]) await member.signIn();
    expect([await roleOf(ada), await roleOf(ben)]).toEqual(['collaborator', 'owner']);
  });

  it('are refused if the combination has no owner, although each half has one', async () => {
    expect((await setRules([ADMINS, CHIEFS])).status).toBe(200);
    for (const query of ['?dry_run=true', '']) {
      const refused = await setRules([ADMINS], { groups_from: 'scim' }, query);
      expect(refused).toMatchObject({ status: 409, body: { code: 'conflict' } });
      expect((refused.body as { detail: string }).detail).toContain('At the next sign-in, 1 owner loses the role');
      expect(await stateOf()).toEqual(['saml', 'platform-admins', 'Chiefs']);
    }
    expect((await setRules([ADMINS], {}, '?dry_run=true')).status).toBe(200);
    expect((await switchTo('scim')).status).toBe(200);
    expect((await setRules([ADMINS], { groups_from: 'scim', allow_no_owner: true })).status).toBe(200);
  });

  it('are refused with rules that stay as they are, like the switch alone', async () => {
    expect((await setRules([ADMINS], { groups_from: 'scim' })).status).toBe(409);
    expect((await setRules([ADMINS], { groups_from: 'saml' })).status).toBe(200);
  });

  it('are for the operator only, and an owner who sends groups_from changes nothing', async () => {
    const body = { rules: [CHIEFS], default_role: 'collaborator', groups_from: 'both' };
    const answer = await callWithSession(gateway, ada.browser, 'PUT', `${organization()}/role-mapping`, body);
    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await stateOf()).toEqual(['saml', 'platform-admins']);
  });
});

describe('an organization file that switches groups_from', () => {
  let home: Home;
  let operator: Record<string, string>;
  beforeEach(() => {
    home = makeHome();
    operator = { SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken };
  });
  afterEach(() => home.remove());

  const apply = (fields: Record<string, unknown>, ...flags: string[]) => {
    const file = path.join(home.directory, 'organization.yaml');
    writeFileSync(file, JSON.stringify({ slug: acme.slug, name: 'Acme', ...fields }));
    return home.run(['org', 'apply', file, ...flags], operator);
  };
  const roleMapping = (...rules: unknown[]) => ({ role_mapping: { rules, default_role: 'collaborator' } });

  it('is refused before anything is written if its rules leave no owner with the new groups', async () => {
    expect((await setRules([ADMINS, CHIEFS])).status).toBe(200);
    for (const flags of [['--dry-run'], []]) {
      const { code, stderr } = await apply({ groups_from: 'scim', contact_email: 'it@acme.example', ...roleMapping(ADMINS) }, ...flags);
      expect([code, stderr]).toEqual([1, expect.stringContaining('1 owner loses the role')]);
      expect(stderr).toContain('--allow-no-owner');
      expect(stderr).not.toContain('{"type"');
      expect(await stateOf()).toEqual(['saml', 'platform-admins', 'Chiefs']);
      expect((await gateway.api<{ contact_email: unknown }>('GET', organization())).body.contact_email).toBeNull();
    }
  });

  it('is applied if the combination has an owner, and says which owners lose the role', async () => {
    const fields = { groups_from: 'scim', ...roleMapping(CHIEFS) };
    const loss = '1 owner loses the role at the next sign-in, because none of their SCIM groups gives them the role.';
    const planned = await apply(fields, '--dry-run');
    expect(planned).toMatchObject({ code: 0, stdout: expect.stringContaining(`warning: ${loss}`), stderr: '' });
    expect(await stateOf()).toEqual(['saml', 'platform-admins']);
    const applied = await apply(fields);
    expect(applied).toMatchObject({ code: 0, stdout: expect.stringContaining(`warning: ${loss}`), stderr: '' });
    expect(applied.stdout).toContain('set 1 role rule with the default role collaborator and groups_from scim');
    expect(await stateOf()).toEqual(['scim', 'Chiefs']);
    expect((await apply(fields)).stdout).toBe(`${acme.slug}: no changes\n`);
  });

  it('says in words which members scim_required refuses', async () => {
    const browser = new HttpBrowser();
    await acme.signIn(browser, 'olivia');
    const { code, stdout } = await apply({ provisioning: 'scim_required' });
    expect(code).toBe(0);
    expect(stdout).toContain('warning: 1 member without a SCIM user can no longer sign in with provisioning scim_required.');
    expect(stdout).toContain(`samlgate members list --org ${acme.slug} --not-provisioned`);
    expect((await apply({ provisioning: 'scim_required', contact_email: 'it@acme.example' })).stdout).not.toContain('warning');
    const { stdout: json } = await apply({ provisioning: 'jit', groups_from: 'both' }, '--json');
    expect(JSON.parse(json)).toMatchObject({ organizations: [{ warnings: [] }] });
  });
});
