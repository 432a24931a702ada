import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { personOf } from '../../src/mock-idp/habits.ts';
import { beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

let gateway: TestGateway;
let acme: TestOrganization;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
});

const ADMINS = ['platform-admins'];
/** Signs a user in with these groups. The group `platform-admins` gives the owner role. */
const signIn = (user: string, groups: readonly string[]): Promise<Page> =>
  acme.signIn(new HttpBrowser(), user, { person: { ...personOf('okta', user), groups: [...groups] } });
const path = () => `/organizations/${acme.slug}`;
const since = async () => (await gateway.api<{ without_owner_since: string | null }>('GET', path())).body.without_owner_since;
const events = async () => (await gateway.api<{ items: object[] }>('GET', `${path()}/audit?event=organization.without_owner`)).body.items;
const losses = async () =>
  Number(/^samlgate_owner_losses_total\{cause="sign_in"\} (\d+)$/m.exec(await gateway.runtime.metrics.registry.metrics())?.[1] ?? 0);
const setRules = (rules: object[], defaultRole: string) =>
  gateway.api('PUT', `${path()}/role-mapping`, { rules, default_role: defaultRole, allow_no_owner: true });
const memberId = async (user: string) =>
  (await gateway.api<{ items: { id: string }[] }>('GET', `${path()}/members?email=${user}@okta.acme.example`)).body.items[0]?.id;

describe('an organization that loses its last owner by a sign-in', () => {
  it.each([
    ['becomes a collaborator', 'collaborator', 303],
    ['is denied access', 'none', 403],
  ])('is reported once if the owner %s', async (_case, defaultRole, status) => {
    await setRules([{ group: 'platform-admins', role: 'owner' }], defaultRole);
    await signIn('olivia', ADMINS);
    expect([await since(), await events()]).toEqual([null, []]);
    const before = await losses();
    for (let i = 0; i < 3; i++) expect((await signIn('olivia', [])).status).toBe(status);
    expect(await since()).toMatch(/^\d{4}-.*Z$/);
    expect(await events()).toMatchObject([
      { actor: { kind: 'identity_provider' }, member_id: await memberId('olivia'), details: { cause: 'sign_in' } },
    ]);
    expect((await losses()) - before).toBe(1);
  });

  it('is not reported while another owner is left', async () => {
    await signIn('olivia', ADMINS);
    await signIn('carl', ADMINS);
    await signIn('olivia', []);
    expect([await since(), await events()]).toEqual([null, []]);
  });

  it('is not reported for an organization that never had an owner', async () => {
    await signIn('carl', []);
    await signIn('carl', []);
    expect([await since(), await events()]).toEqual([null, []]);
  });

  it('does not count a suspended owner', async () => {
    await signIn('olivia', ADMINS);
    await signIn('carl', ADMINS);
    await gateway.api('PATCH', `${path()}/members/${await memberId('carl')}`, { suspended: true });
    await signIn('olivia', []);
    expect(await events()).toHaveLength(1);
  });

  it('is reported once if two owners lose the role at the same moment', async () => {
    await signIn('olivia', ADMINS);
    await signIn('carl', ADMINS);
    beforeSignInIsWritten(gateway, () => signIn('carl', []));
    expect((await signIn('olivia', [])).status).toBe(303);
    expect(await since()).not.toBeNull();
    expect(await events()).toMatchObject([{ member_id: await memberId('olivia') }]);
  });

  it('has an owner again if another user becomes one at the same moment', async () => {
    await signIn('olivia', ADMINS);
    beforeSignInIsWritten(gateway, () => signIn('carl', ADMINS));
    await signIn('olivia', []);
    expect(await since()).toBeNull();
  });
});

describe('an organization without an owner', () => {
  beforeEach(async () => {
    await signIn('olivia', ADMINS);
    await signIn('olivia', []);
    expect(await since()).not.toBeNull();
  });

  it('has one again after the sign-in of an owner, and is reported again the next time', async () => {
    await signIn('carl', ADMINS);
    expect(await since()).toBeNull();
    await signIn('carl', []);
    expect(await since()).not.toBeNull();
    expect(await events()).toHaveLength(2);
  });

  it('has one again if the operator makes a member an owner', async () => {
    expect((await gateway.api('PATCH', `${path()}/members/${await memberId('olivia')}`, { role: 'owner' })).status).toBe(200);
    expect(await since()).toBeNull();
  });

  it('is marked in the operator console until it has one', async () => {
    const browser = new HttpBrowser();
    const home = `${gateway.url}/console/operator`;
    await browser.submit(await browser.open(home), { token: gateway.operatorToken });
    const pages = async () =>
      Promise.all([home, `${home}/organizations/${acme.slug}`].map(async (url) => (await browser.open(url)).text.replace(/\s+/g, ' ')));
    for (const text of await pages()) expect(text).toMatch(/lost (the|its|their) last owner/);
    await signIn('carl', ADMINS);
    expect((await pages())[1]).not.toContain('lost its last owner');
  });
});

describe('role rules that leave an organization without an owner', () => {
  it('are reported when they are saved, and not again when the owner signs in', async () => {
    await signIn('olivia', ADMINS);
    await setRules([], 'collaborator');
    await setRules([], 'collaborator');
    expect(await since()).not.toBeNull();
    await signIn('olivia', ADMINS);
    expect(await events()).toMatchObject([{ actor: { kind: 'operator' }, details: { cause: 'role_mapping' } }]);
  });

  it('are no longer reported once they give a current owner the role again', async () => {
    await signIn('olivia', ADMINS);
    await setRules([], 'collaborator');
    await setRules([{ group: 'platform-admins', role: 'owner' }], 'collaborator');
    expect(await since()).toBeNull();
  });
});
