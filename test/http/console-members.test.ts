import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type Link, readLinks, textOf } from '../support/html.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient } from '../support/scim-client.ts';
import { seedMember } from '../support/seed.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});

afterAll(() => gateway.stop());

interface Person {
  readonly browser: HttpBrowser;
  readonly id: string;
  readonly csrf: string;
}

const open = (person: Person, path: string): Promise<Page> => person.browser.open(`${gateway.url}/console${path}`);
const post = (person: Person, path: string, fields: Record<string, string> = {}, csrf = person.csrf): Promise<Page> =>
  person.browser.request(`${gateway.url}/console${path}`, { method: 'POST', body: new URLSearchParams({ csrf, ...fields }) });

async function enter(organization: TestOrganization, user: string): Promise<Person> {
  const browser = new HttpBrowser();
  await organization.signIn(browser, user);
  const { text } = await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
  const me = JSON.parse(text) as { user: { id: string }; csrf_token: string };
  return { browser, id: me.user.id, csrf: me.csrf_token };
}

describe('console: list of members', () => {
  let acme: TestOrganization;
  let olivia: Person;

  beforeAll(async () => {
    acme = await makeTestOrganization(gateway);
    for (let i = 0; i < 120; i++) {
      const name = i === 77 ? 'Zoë Needle' : `Person ${i}`;
      await seedMember(gateway.runtime, acme.id, { name, email: `person-${String(i).padStart(3, '0')}@example.com` });
    }
    olivia = await enter(acme, 'olivia');
  });

  it('shows name, email, role with its source, last sign-in and the ID to copy', async () => {
    const page = await open(olivia, `/members?query=olivia`);
    expect(textOf(page.text)).toMatch(/Olivia Okafor olivia@okta\.acme\.example owner from the group platform-admins just now usr_\w{20}/);
    expect(page.text).toContain(`data-copy="${olivia.id}"`);
  });

  it('links the page of a member with the sign-ins and the audit trail of this member', async () => {
    const member = await open(olivia, `/members/${olivia.id}`);
    expect(textOf((await olivia.browser.follow(member, 'Sign-ins of this member')).text)).toContain('accepted');
    expect(textOf((await olivia.browser.follow(member, 'Audit trail of this member')).text)).toContain('signed in as owner');
  });

  it('pages through all members, 50 at a time, each once', async () => {
    const seen: string[] = [];
    let page = await open(olivia, '/members');
    for (let pages = 1; ; pages++) {
      const ids = readLinks(page.text, page.url).flatMap(({ href }) => /\/members\/(usr_\w+)$/.exec(href)?.[1] ?? []);
      seen.push(...ids);
      const next = readLinks(page.text, page.url).find(({ text }) => text.startsWith('Next page'));
      if (!next) {
        expect(pages).toBe(3);
        break;
      }
      expect(ids).toHaveLength(50);
      page = await olivia.browser.open(next.href);
    }
    expect(new Set(seen).size).toBe(121);
    expect(seen).toHaveLength(121);
  });

  it('finds members by part of the name in any case and accent, by email and by ID', async () => {
    const { text } = await open(olivia, '/members?query=zo%C3%8B');
    const found = readLinks(text, gateway.url).filter(({ href }) => href.includes('/members/usr_'));
    expect(found.map((link) => link.text)).toEqual(['Zoë Needle']);
    expect(textOf((await open(olivia, '/members?query=person-077@')).text)).toContain('Zoë Needle');
    const id = /\/members\/(usr_\w+)/.exec(found[0]?.href ?? '')?.[1];
    expect(textOf((await open(olivia, `/members?query=${id}`)).text)).toContain('Zoë Needle');
  });

  it('pages through the results of a search and keeps the query', async () => {
    const first = await open(olivia, '/members?query=person-');
    const next = readLinks(first.text, first.url).find(({ text }) => text.startsWith('Next page'));
    expect(next?.href).toContain('query=person-');
    const addresses: string[] = [];
    for (let page: Page | undefined = first; page; ) {
      addresses.push(...(page.text.match(/person-\d{3}@example\.com/g) ?? []));
      const more: Link | undefined = readLinks(page.text, page.url).find(({ text }) => text.startsWith('Next page'));
      page = more && (await olivia.browser.open(more.href));
    }
    expect(addresses).toHaveLength(120);
    expect([...addresses].sort()).toEqual(addresses);
  });

  it('says that no member matches and escapes the query', async () => {
    const page = await open(olivia, `/members?query=${encodeURIComponent('<i>nobody</i>')}`);
    expect(page.text).toContain('<bdi>&lt;i>nobody&lt;/i></bdi>');
    expect(page.text).not.toContain('<i>nobody');
  });

  it('refuses an invalid cursor', async () => {
    const page = await open(olivia, '/members?cursor=x');
    expect([page.status, page.code]).toEqual([400, 'validation_failed']);
  });
});

describe('console: access to members', () => {
  const paths = (id: string) => ['/members', `/members/${id}`, `/members/${id}/remove`, '/audit', '/audit/download?format=csv'];
  const forms = (id: string) =>
    ['role', 'suspend', 'unsuspend', 'remove', 'tokens/rotate', 'tokens/tok_x/revoke', 'sessions/end-all', 'sessions/ses_x/end'].map(
      (what) => `/members/${id}/${what}`,
    );
  let olivia: Person;
  let carl: Person;
  let stranger: Person;

  beforeAll(async () => {
    const acme = await makeTestOrganization(gateway);
    [olivia, carl] = [await enter(acme, 'olivia'), await enter(acme, 'carl')];
    stranger = await enter(await makeTestOrganization(gateway), 'olivia');
  });

  it('refuses collaborators on every page and form for owners', async () => {
    for (const path of paths(olivia.id)) {
      const page = await open(carl, path);
      expect([path, page.status, page.code]).toEqual([path, 403, 'forbidden']);
    }
    for (const path of forms(olivia.id)) {
      const page = await post(carl, path, { role: 'owner', confirmation: 'olivia@okta.acme.example' });
      expect([path, page.status, page.code]).toEqual([path, 403, 'forbidden']);
    }
    expect((await open(carl, '')).text).not.toContain('href="/console/members"');
  });

  it('does not find members of another organization with any form', async () => {
    for (const path of [`/members/${olivia.id}`, `/members/${olivia.id}/remove`]) {
      const page = await open(stranger, path);
      expect([path, page.status, page.code]).toEqual([path, 404, 'not_found']);
      expect(page.text).not.toContain('okta.acme.example');
    }
    for (const path of forms(olivia.id)) {
      const page = await post(stranger, path, { role: 'collaborator', confirmation: 'olivia@okta.acme.example' });
      expect([path, page.status, page.code]).toEqual([path, 404, 'not_found']);
    }
    expect((await open(olivia, '/members')).status).toBe(200);
  });

  it('refuses every form with a missing or foreign CSRF token and changes nothing', async () => {
    for (const path of [...forms(carl.id), '/tokens', '/revoke-all', '/sessions/end-others']) {
      for (const csrf of ['', stranger.csrf]) {
        const page = await post(olivia, path, { role: 'owner', confirmation: 'carl@okta.acme.example', name: 'x' }, csrf);
        expect([path, page.status, page.code]).toEqual([path, 403, 'forbidden']);
      }
    }
    const text = textOf((await open(olivia, `/members/${carl.id}`)).text);
    expect(text).toContain('collaborator No rule matches the member’s groups');
    expect(text).toContain('Suspend member');
    expect(text).not.toContain('is suspended and cannot');
    expect((await open(carl, '')).status).toBe(200);
  });
});

describe('console: one member', () => {
  let acme: TestOrganization;
  let olivia: Person;
  let carl: Person;

  beforeEach(async () => {
    acme = await makeTestOrganization(gateway);
    [olivia, carl] = [await enter(acme, 'olivia'), await enter(acme, 'carl')];
  });

  /** Submits the form of a button on a member's page. */
  const press = async (id: string, action: string, fields: Record<string, string> = {}) =>
    olivia.browser.submit(await open(olivia, `/members/${id}`), fields, `/members/${id}/${action}`);

  const memberJson = async (id: string) => (await gateway.api(`GET`, `/organizations/${acme.slug}/members/${id}`)).body;

  it('makes a member an owner and a collaborator again', async () => {
    const page = await press(carl.id, 'role', { role: 'owner' });
    expect(textOf(page.text)).toContain('The member is now an owner.');
    expect(await memberJson(carl.id)).toMatchObject({ role: 'owner', role_source: { kind: 'manual' } });
    expect((await open(carl, '/members')).status).toBe(200);
    await press(carl.id, 'role', { role: 'collaborator' });
    expect(await memberJson(carl.id)).toMatchObject({ role: 'collaborator' });
    expect((await open(carl, '/members')).status).toBe(403);
  });

  it('keeps a role that a rule assigns and says why', async () => {
    const page = await open(olivia, `/members/${olivia.id}`);
    expect(textOf(page.text)).toContain('A role rule decides this member’s role.');
    expect(page.forms.some(({ action }) => action.endsWith('/role'))).toBe(false);
    const answer = await post(olivia, `/members/${olivia.id}/role`, { role: 'collaborator' });
    expect(answer.location).toBe(`${gateway.url}/console/members/${olivia.id}`);
    expect(textOf((await olivia.browser.open(answer.location ?? '')).text)).toContain(
      'A role rule decides this member’s role. Change the rule',
    );
    expect(await memberJson(olivia.id)).toMatchObject({ role: 'owner' });
  });

  it('ends all sessions immediately on suspension and allows sign-in again afterwards', async () => {
    const page = await press(carl.id, 'suspend');
    expect(textOf(page.text)).toContain('The member is suspended');
    expect((await carl.browser.request(`${gateway.url}/console`)).status).toBe(303);
    expect((await acme.signIn(new HttpBrowser(), 'carl')).code).toBe('member_suspended');
    await press(carl.id, 'unsuspend');
    expect((await acme.signIn(new HttpBrowser(), 'carl')).status).toBe(303);
  });

  it('revokes one token, then all tokens', async () => {
    const names = ['one', 'two', 'three'];
    const tokens = new Map<string, string>();
    for (const name of names) {
      const { location } = await post(carl, '/tokens', { name, expires_in_days: '30' });
      const page = await carl.browser.request(location ?? '');
      tokens.set(name, /samlgate_cli_[\w.-]+/.exec(page.text)?.[0] ?? '');
    }
    const statuses = () => Promise.all(names.map(async (name) => (await gateway.api('GET', '/me', undefined, tokens.get(name))).status));
    expect(await statuses()).toEqual([200, 200, 200]);
    // The list shows the newest first, so the first button belongs to the last token.
    const page = await open(olivia, `/members/${carl.id}`);
    await olivia.browser.submit(page, {}, '/tokens/tok_');
    expect(await statuses()).toEqual([200, 200, 401]);
    expect(textOf((await press(carl.id, 'tokens/rotate')).text)).toContain('Revoked 2 CLI tokens. Only the member can create a new one.');
    expect(await statuses()).toEqual([401, 401, 401]);
    const { body } = await gateway.api<{ items: object[] }>('GET', `/organizations/${acme.slug}/audit?event=cli_tokens.rotated`);
    expect(body.items).toMatchObject([{ member_id: carl.id, actor: { kind: 'member', id: olivia.id } }]);
  });

  it('ends one session, then all sessions', async () => {
    const again = await enter(acme, 'carl');
    await press(carl.id, 'sessions/ses_');
    const open303 = async ({ browser }: Person) => (await browser.request(`${gateway.url}/console`)).status;
    expect([await open303(carl), await open303(again)]).toEqual([200, 303]);
    await press(carl.id, 'sessions/end-all');
    expect(await open303(carl)).toBe(303);
  });

  it('keeps the current session of an owner who ends all own sessions', async () => {
    const elsewhere = await enter(acme, 'olivia');
    await press(olivia.id, 'sessions/end-all');
    expect((await open(olivia, '/members')).status).toBe(200);
    expect((await elsewhere.browser.request(`${gateway.url}/console`)).status).toBe(303);
  });

  it('removes a member only after the email address is typed', async () => {
    const question = await olivia.browser.follow(await open(olivia, `/members/${carl.id}`), 'Remove Carl Čapek …');
    const mistyped = await olivia.browser.submit(question, { confirmation: 'carl' }, '/remove');
    expect(mistyped.status).toBe(400);
    expect(textOf(mistyped.text)).toContain('The text does not match. Nothing has changed yet.');
    expect((await open(carl, '')).status).toBe(200);
    const page = await olivia.browser.submit(mistyped, { confirmation: 'carl@okta.acme.example' }, '/remove');
    expect(page.url).toBe(`${gateway.url}/console/members`);
    expect(textOf(page.text)).toContain('Removed carl@okta.acme.example from the organization.');
    expect((await carl.browser.request(`${gateway.url}/console`)).status).toBe(303);
    expect((await open(olivia, `/members/${carl.id}`)).code).toBe('not_found');
  });

  it('protects the last owner: the page explains why and has no buttons, and the forms are refused', async () => {
    const page = await open(olivia, `/members/${olivia.id}`);
    expect(textOf(page.text)).toContain('This is the last owner. Without an owner, no member could manage the organization');
    const actions = page.forms.map(({ action }) => new URL(action).pathname);
    expect(actions.filter((action) => /suspend|role|remove/.test(action))).toEqual([]);
    for (const [path, fields] of [
      ['suspend', {}],
      ['remove', { confirmation: 'olivia@okta.acme.example' }],
    ] as const) {
      const answer = await post(olivia, `/members/${olivia.id}/${path}`, fields);
      expect(answer.location).toBe(`${gateway.url}/console/members/${olivia.id}`);
      expect(textOf((await olivia.browser.open(answer.location ?? '')).text)).toContain('This is the last owner of the organization.');
    }
    expect(await memberJson(olivia.id)).toMatchObject({ role: 'owner', suspended: false });
  });

  it('redirects an owner who gives up the role to a page that collaborators can see', async () => {
    await press(carl.id, 'role', { role: 'owner' });
    const answer = await post(carl, `/members/${carl.id}/role`, { role: 'collaborator' });
    expect(answer.location).toBe(`${gateway.url}/console`);
    expect((await open(carl, '')).status).toBe(200);
  });

  it('escapes markup and control characters in names and groups', async () => {
    const name = '"><img src=x onerror=alert(1)>\u0007\u202eevil';
    const { id } = await seedMember(gateway.runtime, acme.id, { name, groups: ['<b>a</b>', 'x\u0000y'], email: 'm@example.com' });
    for (const path of ['/members', `/members/${id}`, `/members/${id}/remove`]) {
      const { text } = await open(olivia, path);
      expect(text).toContain('⟨U+0007⟩⟨U+202E⟩evil');
      expect(text).not.toMatch(/<img src=x|<b>a|[\u0000\u0007\u202e]/);
    }
    expect((await open(olivia, `/members/${id}`)).text).toContain('&lt;b>a&lt;/b>, x⟨U+0000⟩y');
  });
});

describe('console: reason of a role', () => {
  const cases = [
    ['present', 'collaborator', 'No rule matches the member’s groups, so the default role applies.', 'Groups on-call'],
    [
      'absent',
      'collaborator',
      'The identity provider did not send the member’s groups at the last sign-in, so the default role applies.',
      'Groups not sent',
    ],
    [
      'over_limit',
      'none',
      'did not send the member’s groups because there are too many, and no default role applies.',
      'because there are too many Member since',
    ],
  ] as const;

  it.each(cases)('tells groups that are %s apart from the other two states', async (groupsState, role, reason, groupsLine) => {
    const acme = await makeTestOrganization(gateway);
    const olivia = await enter(acme, 'olivia');
    const groups = groupsState === 'present' ? ['on-call'] : [];
    const { id } = await seedMember(gateway.runtime, acme.id, { role, groups, groupsState });
    const text = textOf((await open(olivia, `/members/${id}`)).text);
    expect(text).toContain(reason);
    expect(text).toContain(groupsLine);
  });

  it.each([
    ['scim', 'collaborator No rule matches the groups that SCIM provisions for the member, so the default role applies.'],
    ['both', 'collaborator No rule matches the member’s groups, including those that SCIM provisions, so the default role applies.'],
  ])('explains the groups that rules read with groups_from %s', async (groups_from, reason) => {
    const acme = await makeTestOrganization(gateway);
    const olivia = await enter(acme, 'olivia');
    const { id } = await seedMember(gateway.runtime, acme.id, { role: 'collaborator', groups: ['on-call'], groupsState: 'present' });
    expect((await gateway.api('PATCH', `/organizations/${acme.slug}`, { groups_from, allow_no_owner: true })).status).toBe(200);
    const text = textOf((await open(olivia, `/members/${id}`)).text);
    expect(text).toContain(reason);
    expect(text).toContain('Groups of the last SAML response on-call');
  });
});

describe('console: members whom SCIM provisioned', () => {
  it('shows invited members, and offers no lifting of a deactivation that only the identity provider can lift', async () => {
    const acme = await makeTestOrganization(gateway);
    const olivia = await enter(acme, 'olivia');
    const scim = await makeScimClient(gateway, acme);
    const { body } = await scim.call('POST', '/Users', { userName: 'ada@acme.example' });
    const setActive = (value: boolean) =>
      scim.call('PATCH', `/Users/${body.id}`, { Operations: [{ op: 'replace', path: 'active', value }] });
    const member = async () => (await open(olivia, `/members/${body.id}`)).text;
    expect(textOf((await open(olivia, '/members')).text)).toContain('invited');
    expect(textOf(await member())).toContain('Suspend member');
    expect(textOf(await member())).toContain('This member can become an owner after the first sign-in.');
    expect(await member()).not.toContain(`/members/${body.id}/role`);

    await setActive(false);
    expect(textOf(await member())).toContain('The identity provider deactivated this member.');
    expect(await member()).not.toContain('/unsuspend');
    await post(olivia, `/members/${body.id}/unsuspend`);
    expect((await gateway.api('GET', `/organizations/${acme.slug}/members/${body.id}`)).body).toMatchObject({ suspended: true });

    const tokens = await gateway.api<{ items: { id: string }[] }>('GET', `/organizations/${acme.slug}/scim-tokens`);
    for (const { id } of tokens.body.items) await gateway.api('DELETE', `/organizations/${acme.slug}/scim-tokens/${id}`);
    expect(await member()).toContain('/unsuspend');
  });
});
