import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MEMBERS } from '../../src/organizations/members.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient } from '../support/scim-client.ts';
import { seedMember } from '../support/seed.ts';
import { addConnection } from '../support/test-connection.ts';

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
const baseOf = (page: Page) => String(page.forms.flatMap(({ fields }) => fields).find(({ name }) => name === 'base')?.value);
/** Submits a form that was opened just before, unless the fields name another base. */
const post = async (path: string, fields: Record<string, string>, token = csrf, browser = olivia): Promise<Page> => {
  const body = new URLSearchParams({ csrf: token, base: baseOf(await open()), ...fields });
  return browser.request(`${gateway.url}/console/roles/${path}`, { method: 'POST', body });
};
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

  it('suggests the groups that SCIM provisions, but only if rules read them, and not without limit', async () => {
    await seedMember(gateway.runtime, acme.id, { groups: ['of a response'] });
    const scim = await makeScimClient(gateway, acme);
    await scim.call('POST', '/Groups', { displayName: 'Pushed"><b>' });
    const suggested = async (groups_from: string) => {
      await gateway.api('PATCH', `/organizations/${acme.slug}`, { groups_from, allow_no_owner: true });
      const list = /<datalist.*<\/datalist>/s.exec((await open()).text)?.[0] ?? '';
      expect(list).not.toContain('<b>');
      return [list.includes('(SCIM group)'), list.includes('of a response (1 member)')];
    };
    expect(await suggested('saml')).toEqual([false, true]);
    expect(await suggested('both')).toEqual([true, true]);
    expect(await suggested('scim')).toEqual([true, false]);
    for (let i = 0; i < 201; i++) await scim.call('POST', '/Groups', { displayName: `Group ${i}` });
    expect((await open()).text.match(/\(SCIM group\)/g)).toHaveLength(200);
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

  it('adds one row and removes one rule, and keeps everything else that was entered', async () => {
    const typed = { group_0: 'typed', role_0: 'owner', group_1: '', group_2: 'other', role_2: 'collaborator', default_role: 'none' };
    const entered = { ...typed, try_member: 'ada@x.example', try_groups: 'a\r\nb' };
    const groupsIn = ({ forms }: Page) =>
      forms.flatMap(({ fields }) => fields.flatMap(({ name, value }) => (/^group_/.test(name) ? [value] : [])));
    const added = await post('rows', entered);
    expect([added.status, groupsIn(added)]).toEqual([200, ['typed', 'other', '', '']]);
    const removed = await post('rows', { ...entered, remove: '0' });
    expect(groupsIn(removed)).toEqual(['other', '']);
    for (const { text } of [added, removed]) {
      expect(text).toContain('ada@x.example');
      expect(text).toContain('<option value="none" selected>');
    }
    const blank = Object.fromEntries(Array.from({ length: 900 }, (_, index) => [`group_${index}`, '']));
    expect(groupsIn(await post('rows', blank))).toHaveLength(20);
    expect(groupsIn(await post('rows', { ...typed, remove: '__proto__' }))).toEqual(['typed', 'other', '']);
    expect(await saved()).toEqual(BEFORE);
  });

  it('has a first button that removes nothing, because the Enter key presses it', async () => {
    const [first = ''] = /<button[^>]*>/.exec((await open()).text.split('/roles/preview')[1] ?? '') ?? [];
    expect(first).not.toContain('remove');
  });

  it('suggests groups of refused sign-ins only if the response is verified, and not without limit', async () => {
    await gateway.api('PUT', `/organizations/${acme.slug}/role-mapping`, { ...BEFORE, default_role: 'none' });
    const groups = (values: readonly string[]) => ({ values: { attributes: [{ name: 'groups', values }] } }) as never;
    await acme.signIn(new HttpBrowser(), 'nina', groups(['wanted"><b>', 'x'.repeat(1025)]));
    const genuine = acme.respond({ user: 'nina', ...(groups(['forged']) as object) });
    await acme.post(new HttpBrowser(), genuine.replaceAll('forged', 'stolen'));
    for (let i = 0; i < 3; i++) {
      const many = Array.from({ length: 60 }, (_, n) => `${'g'.repeat(150)}${i}-${n}`);
      await acme.signIn(new HttpBrowser(), 'nina', groups(many));
    }
    await gateway.api('GET', `/organizations/${acme.slug}/sign-ins`); // writes the log
    const { text } = await open();
    const list = /<datalist.*<\/datalist>/s.exec(text)?.[0] ?? '';
    expect(list).toContain('ggg2-40 (recent sign-in)');
    expect(text).not.toMatch(/stolen|forged|xxxx|<b>/);
    expect(list.length).toBeLessThan(120_000);
  });

  it('shows which rules change, and lets the user edit them again without saving', async () => {
    const preview = await post('preview', {
      group_0: 'chiefs',
      role_0: 'owner',
      group_1: 'platform-admins',
      role_1: 'owner',
      default_role: 'none',
    });
    const text = textOf(preview.text);
    expect(text).toContain('Add chiefs → owner');
    expect(text).not.toContain('Remove');
    expect(text).toContain('Change the default role from collaborator to none');
    const fields = preview.forms.find(({ action }) => action.endsWith('/save'))?.fields ?? [];
    const edited = await post('rows', Object.fromEntries(fields.map(({ name, value }) => [name, value])));
    expect(edited.text).toContain('value="chiefs"');
    expect(await saved()).toEqual(BEFORE);
  });

  it('keeps what was entered if the rules are refused', async () => {
    const twice = { group_0: 'a', role_0: 'owner', group_1: 'a', role_1: 'collaborator', default_role: 'none' };
    for (const form of ['preview', 'save']) {
      const page = await post(form, twice);
      expect([page.status, page.text.match(/value="a"/g)?.length]).toEqual([400, 2]);
    }
    const refused = await post('save', { group_0: 'nobody', role_0: 'owner', default_role: 'collaborator', confirmed: 'yes' });
    expect([refused.status, refused.text.includes('value="nobody"')]).toEqual([409, true]);
  });

  describe('after another change of the rules', () => {
    const newer = {
      rules: [
        { group: 'platform-admins', role: 'owner' },
        { group: 'newer', role: 'collaborator' },
      ],
      default_role: 'none',
    };
    const change = () => gateway.api('PUT', `/organizations/${acme.slug}/role-mapping`, newer);
    const mine = { group_1: 'mine', role_1: 'owner' };

    it('refuses a preview that was opened before, and keeps what was entered', async () => {
      const preview = await olivia.submit(await open(), mine);
      await change();
      const refused = await olivia.submit(preview, {}, '/save');
      expect([refused.status, refused.text.includes('value="mine"')]).toEqual([409, true]);
      expect(textOf(refused.text)).toContain('The rules were changed after this form was opened, so yours are not saved.');
      expect(await saved()).toEqual(newer);
      const second = await olivia.submit(refused, {}, '/preview');
      expect(textOf(second.text)).toMatch(/Remove newer\s+→ collaborator/);
      await olivia.submit(second, {}, '/save');
      expect(await saved()).toMatchObject({ rules: [BEFORE.rules[0], { group: 'mine' }], default_role: 'collaborator' });
    });

    it('refuses a form that was opened before, also if rows were added or the rules were tested', async () => {
      const page = await open();
      await change();
      const base = baseOf(page);
      for (const path of ['rows', 'try']) expect(baseOf(await post(path, { base, group_0: 'mine', default_role: 'none' }))).toBe(base);
      for (const path of ['preview', 'save']) {
        for (const stale of [base, '']) expect((await post(path, { base: stale, ...mine, default_role: 'none' })).status).toBe(409);
      }
      expect(await saved()).toEqual(newer);
    });

    it('saves a form that is sent twice', async () => {
      const preview = await olivia.submit(await open(), mine);
      for (let i = 0; i < 2; i++) expect(textOf((await olivia.submit(preview, {}, '/save')).text)).toContain('The rules are saved.');
    });
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
      'would have the owner role, because a rule gives it to the group “platform-admins”.',
    );
    expect(await result({ try_groups: 'devs' })).toContain(
      'would have the collaborator role, because a rule gives it to the group “devs”.',
    );
    expect(await result({ try_groups: 'Devs' })).toContain('would be denied access, because no rule matches');
    expect(await saved()).toEqual(BEFORE);
  });

  it('shows the role of a member of this organization, found by email or user ID', async () => {
    const ada = await seedMember(gateway.runtime, acme.id, { email: 'ada@x.example', groups: ['devs'] });
    const words = 'ada@x.example would have the collaborator role, because a rule gives it to the group “devs”.';
    expect(await result({ try_member: 'ADA@x.example' })).toContain(words);
    expect(await result({ try_member: ada.id })).toContain(words);
    const other = await makeTestOrganization(gateway);
    const bob = await seedMember(gateway.runtime, other.id, { email: 'bob@x.example' });
    expect(await result({ try_member: bob.id })).toContain('No member has this email address or user ID.');
  });

  it('tests groups for the connection that is chosen, with rules that name a connection', async () => {
    const connections = async () =>
      (await gateway.api<{ items: { id: string; name: string }[] }>('GET', `/organizations/${acme.slug}/connections`)).body.items;
    const [{ id: ownId = '' } = {}] = await connections();
    const rule = { group_0: 'admins', role_0: 'owner', connection_0: ownId, group_1: '', default_role: 'collaborator' };
    const owner = 'would have the owner role, because a rule gives it to the group “admins”.';
    // With one connection, the form has no choice.
    expect(await result({ ...rule, try_groups: 'admins' })).toContain(`A user in these groups ${owner}`);
    const other = await addConnection(gateway, acme);
    const [own, further] = await connections();
    expect(further?.id).toBe(other.id);
    for (const try_connection of [ownId, '', 'con_unknown']) {
      const text = await result({ ...rule, try_groups: 'admins', try_connection });
      expect(text).toContain(`A user of the connection ${own?.name} in these groups ${owner}`);
    }
    const ofOther = { try_groups: 'admins', try_connection: other.id };
    expect(await result({ ...rule, ...ofOther })).toContain(
      `A user of the connection ${further?.name} in these groups would be denied access, because no rule matches, and the default role applies only to users of the default connection.`,
    );
    expect(await result({ ...rule, ...ofOther, connection_0: other.id })).toContain(owner);
    const page = await post('rows', { ...typed, ...ofOther });
    expect(page.text).toContain(`<option value="${other.id}" selected>`);
  });

  it('tests a member of another connection by the rules of that connection', async () => {
    const other = await addConnection(gateway, acme);
    await seedMember(gateway.runtime, acme.id, { email: 'pam@x.example', groups: ['devs'], connectionId: other.id });
    expect(await result({ try_member: 'pam@x.example', default_role: 'collaborator' })).toContain(
      'pam@x.example would be denied access, because no rule matches, and the default role applies only to users of the default connection.',
    );
    expect(await result({ try_member: 'pam@x.example', connection_1: other.id })).toContain('would have the collaborator role');
  });

  it('keeps a role that was set manually if no rule matches', async () => {
    const manual = { role: 'owner', roleSource: { kind: 'manual' }, groups: [] } as const;
    await seedMember(gateway.runtime, acme.id, { email: 'mia@x.example', ...manual });
    expect(await result({ try_member: 'mia@x.example', default_role: 'collaborator' })).toContain(
      'would have the owner role, because no rule matches and an owner or the operator set it.',
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
    expect(unconfirmed.status).toBe(409);
    expect(textOf(unconfirmed.text)).toContain('This removes your own owner role.');
    expect(await saved()).toEqual(BEFORE);
    expect((await post('save', { ...swapped, confirmed: 'yes' })).status).toBe(303);
    expect(await saved()).toEqual({ rules: [{ group: 'chiefs', role: 'owner' }], default_role: 'collaborator' });
  });

  it('refuses rules that leave no owner, with and without a preview', async () => {
    await seedMember(gateway.runtime, acme.id, { email: 'gone@x.example', ...owner, groups: ['chiefs'], suspended: true });
    const page = await post('preview', swapped);
    expect(textOf(page.text)).toContain('because no member was in a group with the owner role at their last sign-in');
    expect(page.text).not.toContain('/roles/save');
    const forced = await post('save', { ...swapped, confirmed: 'yes' });
    expect(forced.status).toBe(409);
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
    expect(textOf(preview.text)).toContain('because neither a rule nor the default gives the owner role');
    const unconfirmed = await operator.submit(preview, {}, '/save');
    expect(unconfirmed.status).toBe(409);
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
