import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MEMBERS } from '../../src/organizations/members.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { seedMember } from '../support/seed.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let olivia: HttpBrowser;
let csrf: string;

beforeAll(async () => {
  gateway = await startGateway();
});

afterAll(() => gateway.stop());

beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
  olivia = new HttpBrowser();
  await acme.signIn(olivia, 'olivia', {});
  const { text } = await olivia.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
  csrf = (JSON.parse(text) as { csrf_token: string }).csrf_token;
});

const open = (): Promise<Page> => olivia.open(`${gateway.url}/console/roles`);
const post = (path: string, fields: Record<string, string>, token = csrf, browser = olivia): Promise<Page> =>
  browser.request(`${gateway.url}/console/roles/${path}`, { method: 'POST', body: new URLSearchParams({ csrf: token, ...fields }) });
const saved = async () => (await gateway.api('GET', `/organizations/${acme.slug}/role-mapping`)).body;
const BEFORE = { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: 'collaborator' };

describe('role mapping form in the console', () => {
  it('shows the rules as rows and suggests groups of recent sign-ins', async () => {
    await seedMember(gateway.runtime, acme.id, { groups: ['mine alone', '<b>bold</b>'] });
    const page = await open();
    const form = page.forms.find(({ action }) => action.endsWith('/roles/preview'));
    const value = (name: string) => form?.fields.find((field) => field.name === name)?.value;
    expect([value('group_0'), value('role_0'), value('group_1'), value('default_role')]).toEqual([
      'platform-admins',
      'owner',
      '',
      'collaborator',
    ]);
    expect(page.text).toContain('<option value="mine alone" label="mine alone (1 member)">');
    expect(page.text).not.toContain('<b>bold');
  });

  it('previews a change, saves it and writes an audit entry', async () => {
    const page = await open();
    const preview = await olivia.submit(page, { group_1: ' engineering', role_1: 'owner', default_role: 'none' });
    expect(textOf(preview.text)).toContain('The group "␣engineering" of a role rule has white space around it.');
    expect(await saved()).toEqual(BEFORE);
    const done = await olivia.submit(preview, {}, '/save');
    expect(textOf(done.text)).toContain('The rules are saved.');
    expect(await saved()).toEqual({ rules: [...BEFORE.rules, { group: ' engineering', role: 'owner' }], default_role: 'none' });
    const audit = await gateway.api<{ items: { actor: { email: string } }[] }>(
      'GET',
      `/organizations/${acme.slug}/audit?event=role_mapping.changed`,
    );
    expect(audit.body.items[0]?.actor.email).toBe('olivia@okta.acme.example');
  });

  it('adds rows and keeps what was entered', async () => {
    const page = await post('rows', { group_0: 'typed', role_0: 'owner', default_role: 'none' });
    expect(page.status).toBe(200);
    expect(page.text).toContain('value="typed"');
    expect(page.text).toContain('name="group_20"');
  });

  it('explains that a group has two rules', async () => {
    const page = await post('preview', { group_0: 'a', role_0: 'owner', group_1: 'a', role_1: 'collaborator', default_role: 'none' });
    expect(page.status).toBe(400);
    expect(textOf(page.text)).toContain('must name each group only once');
    expect(await saved()).toEqual(BEFORE);
  });

  it('refuses collaborators, and every form without the CSRF token', async () => {
    const carl = new HttpBrowser();
    await acme.signIn(carl, 'carl');
    expect((await carl.request(`${gateway.url}/console/roles`)).code).toBe('forbidden');
    for (const form of ['rows', 'try', 'preview', 'save']) {
      for (const browser of [carl, olivia]) {
        const page = await post(form, { default_role: 'owner' }, 'x', browser);
        expect([form, page.status, page.code]).toEqual([form, 403, 'forbidden']);
      }
    }
  });
});

describe('rule test in the console', () => {
  const typed = { group_0: 'platform-admins', role_0: 'owner', group_1: 'devs', role_1: 'collaborator', default_role: 'none' };
  const result = async (fields: Record<string, string>) => textOf((await post('try', { ...typed, ...fields })).text);

  it('shows the role and the deciding rule for groups, with unsaved rules', async () => {
    expect(await result({ try_groups: 'devs\r\nplatform-admins' })).toContain(
      'would have the role owner, because a rule gives it to the group “platform-admins”.',
    );
    expect(await result({ try_groups: 'devs' })).toContain(
      'would have the role collaborator, because a rule gives it to the group “devs”.',
    );
    expect(await result({ try_groups: 'Devs' })).toContain('would be denied access, because no rule matches');
    expect(await saved()).toEqual(BEFORE);
  });

  it('shows the role of a member of this organization, found by email or user ID', async () => {
    const ada = await seedMember(gateway.runtime, acme.id, { email: 'ada@x.example', groups: ['devs'] });
    const words = 'ada@x.example would have the role collaborator, because a rule gives it to the group “devs”.';
    expect(await result({ try_member: 'ADA@x.example' })).toContain(words);
    expect(await result({ try_member: ada.id })).toContain(words);
    const other = await makeTestOrganization(gateway);
    const bob = await seedMember(gateway.runtime, other.id, { email: 'bob@x.example' });
    expect(await result({ try_member: bob.id })).toContain('No member has this email address or user ID.');
  });

  it('keeps a role that was set manually if no rule matches', async () => {
    const manual = { role: 'owner', roleSource: { kind: 'manual' }, groups: [] } as const;
    await seedMember(gateway.runtime, acme.id, { email: 'mia@x.example', ...manual });
    expect(await result({ try_member: 'mia@x.example', default_role: 'collaborator' })).toContain(
      'would have the role owner, because no rule matches and an owner or the operator set it.',
    );
    expect(await result({ try_member: 'mia@x.example' })).toContain('would be denied access');
  });
});

describe('preview of new role rules in the console', () => {
  const owner = { role: 'owner', roleSource: { kind: 'rule', group: 'platform-admins' }, groups: ['platform-admins'] } as const;
  const swapped = { group_0: 'chiefs', role_0: 'owner', default_role: 'collaborator' };

  it('counts and names the members whose role changes, and warns owners who lose their own role', async () => {
    await seedMember(gateway.runtime, acme.id, { email: 'oscar@x.example', ...owner });
    await seedMember(gateway.runtime, acme.id, { email: 'chief@x.example', groups: ['chiefs'] });
    const page = await post('preview', swapped);
    const text = textOf(page.text);
    expect(text).toContain('2 owners would become collaborators: olivia@okta.acme.example , oscar@x.example');
    expect(text).toContain('1 collaborator would become an owner: chief@x.example');
    expect(text).toContain('You would lose the owner role at your next sign-in');
    const unconfirmed = await post('save', swapped);
    expect([unconfirmed.status, unconfirmed.code]).toEqual([409, 'conflict']);
    expect(await saved()).toEqual(BEFORE);
    expect((await post('save', { ...swapped, confirmed: 'yes' })).status).toBe(303);
    expect(await saved()).toEqual({ rules: [{ group: 'chiefs', role: 'owner' }], default_role: 'collaborator' });
  });

  it('refuses rules that leave no owner, with and without a preview', async () => {
    await seedMember(gateway.runtime, acme.id, { email: 'gone@x.example', ...owner, groups: ['chiefs'], suspended: true });
    const page = await post('preview', swapped);
    expect(textOf(page.text)).toContain('because no member was in a group with the role owner at their last sign-in');
    expect(page.text).not.toContain('/roles/save');
    const forced = await post('save', { ...swapped, confirmed: 'yes' });
    expect([forced.status, forced.code]).toEqual([409, 'conflict']);
    expect(await saved()).toEqual(BEFORE);
  });

  it('refuses a confirmation by an owner', async () => {
    const forced = await post('save', { default_role: 'none', confirmed: 'yes', allow_no_owner: 'yes' });
    expect([forced.status, forced.code]).toEqual([403, 'forbidden']);
    expect(await saved()).toEqual(BEFORE);
  });

  it('saves rules that leave no owner if the operator confirms', async () => {
    const operator = new HttpBrowser();
    await operator.submit(await operator.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
    const page = await operator.open(`${gateway.url}/console/operator/organizations/${acme.slug}/roles`);
    const preview = await operator.submit(page, { group_0: '', default_role: 'collaborator' });
    expect(textOf(preview.text)).toContain('because neither a rule nor the default gives the role owner');
    const unconfirmed = await operator.submit(preview, {}, '/save');
    expect([unconfirmed.status, unconfirmed.code]).toEqual([409, 'conflict']);
    expect(await saved()).toEqual(BEFORE);
    const done = await operator.submit(preview, { allow_no_owner: 'yes' }, '/save');
    expect(textOf(done.text)).toContain('The rules are saved.');
    expect(await saved()).toEqual({ rules: [], default_role: 'collaborator' });
  });

  it('names the members who would lose access', async () => {
    await seedMember(gateway.runtime, acme.id, { email: 'dev@x.example', groups: [] });
    const text = textOf((await post('preview', { group_0: 'platform-admins', role_0: 'owner', default_role: 'none' })).text);
    expect(text).toContain('1 collaborator would lose access: dev@x.example');
  });

  it('counts thousands of members', async () => {
    const value = await seedMember(gateway.runtime, acme.id, { email: 'm@x.example' });
    for (let block = 0; block < 15; block++) {
      const members = Array.from({ length: 100 }, (_, i) => `usr_${String(block * 100 + i).padStart(20, '0')}`);
      await gateway.runtime.store.commit(
        acme.id,
        members.map((id) => ({ do: 'insert', collection: MEMBERS, id, value: { ...value, id, identity: id, email: `${id}@x.example` } })),
      );
    }
    const text = textOf((await post('preview', { group_0: 'platform-admins', role_0: 'owner', default_role: 'none' })).text);
    expect(text).toContain('1,501 collaborators would lose access');
    expect(text).toContain('and 1496 more');
  });
});
