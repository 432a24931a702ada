import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, test } from '@jest/globals';
import { findLatestGroupsSuggestion } from '../../src/auth/sign-in-log/groups-suggestion.ts';
import { flushSignInLog } from '../../src/auth/sign-in-log/record-sign-in.ts';
import { getOrganization } from '../../src/organizations/directory.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const ENTRA_ROLE = 'http://schemas.microsoft.com/ws/2008/06/identity/claims/role';
const EMAIL = { name: 'email', values: ['carl@okta.acme.example'] };
const sending = (...attributes: readonly { name: string; values: readonly string[] }[]) => ({
  values: { attributes: [EMAIL, ...attributes] },
});

interface Details {
  readonly id: string;
  readonly attribute_names: readonly string[];
  readonly suggested_groups_attribute: string | null;
}
async function last({ slug }: TestOrganization): Promise<Details> {
  const { body } = await gateway.api<{ items: { id: string }[] }>('GET', `/organizations/${slug}/sign-ins?limit=1`);
  return (await gateway.api<Details>('GET', `/organizations/${slug}/sign-ins/${body.items[0]?.id}`)).body;
}
const mappingOf = async ({ slug }: TestOrganization) =>
  (await gateway.api<{ attribute_mapping: { groups?: string[] } }>('GET', `/organizations/${slug}/identity-provider`)).body
    .attribute_mapping;
const groupsOf = async ({ slug }: TestOrganization, query: string) =>
  (await gateway.api<{ items: { groups: string[]; role: string }[] }>('GET', `/organizations/${slug}/members?query=${query}`)).body
    .items[0];

const open = (browser: HttpBrowser, id: string): Promise<Page> => browser.open(`${gateway.url}/console/sign-ins/${id}`);
const accept = (browser: HttpBrowser, page: Page): Promise<Page> => browser.submit(page, {}, '/groups-attribute');

/** Returns an organization, its owner, and a member whose groups are in an attribute that is not read. */
async function makeCase(name: string) {
  const acme = await makeTestOrganization(gateway);
  const olivia = new HttpBrowser();
  await acme.signIn(olivia);
  const groups = sending({ name, values: ['platform-admins'] });
  await acme.signIn(new HttpBrowser(), 'carl', groups);
  return { acme, olivia, groups };
}

describe('the suggestion of a groups attribute', () => {
  it.each([['Role'], ['roles'], [ENTRA_ROLE]])('offers %s after a sign-in without groups, and reads it after one click', async (name) => {
    const { acme, olivia, groups } = await makeCase(name);
    const entry = await last(acme);
    expect(entry).toMatchObject({ attribute_names: ['email', name], suggested_groups_attribute: name });
    expect(await groupsOf(acme, 'carl')).toMatchObject({ groups: [], role: 'collaborator' }); // never a default
    const page = await open(olivia, entry.id);
    expect(textOf(page.text)).toContain(`Read groups from ${name}`);
    expect(textOf((await accept(olivia, page)).text)).toContain(`groups are also read from the attribute “${name}”`);
    const { groups: mapped = [] } = await mappingOf(acme);
    expect([mapped[0], mapped.at(-1)]).toEqual(['groups', name]);
    await acme.signIn(new HttpBrowser(), 'carl', groups);
    expect(await groupsOf(acme, 'carl')).toMatchObject({ groups: ['platform-admins'], role: 'owner' });
    expect(await last(acme)).toMatchObject({ suggested_groups_attribute: null });
  });

  it('is made once: afterwards the page offers nothing, and the form is refused', async () => {
    const { acme, olivia } = await makeCase('Role');
    const { id } = await last(acme);
    const page = await open(olivia, id);
    await accept(olivia, page);
    const saved = await mappingOf(acme);
    expect((await open(olivia, id)).text).not.toContain('Read groups from');
    const again = await accept(olivia, page);
    expect([again.status, again.code]).toEqual([409, 'conflict']);
    expect(await mappingOf(acme)).toEqual(saved);
  });

  it('keeps the attribute names that an owner has set', async () => {
    const { acme, olivia } = await makeCase('roles');
    const own = { email: ['email', 'upn'], groups: ['teams'] };
    await gateway.api('PATCH', `/organizations/${acme.slug}/identity-provider`, { attribute_mapping: own });
    await accept(olivia, await open(olivia, (await last(acme)).id));
    expect(await mappingOf(acme)).toEqual({ ...own, groups: ['teams', 'roles'] });
  });

  test.each([
    [
      'groups arrived',
      [
        { name: 'groups', values: ['sales'] },
        { name: 'Role', values: ['x'] },
      ],
    ],
    ['no known attribute arrived', [{ name: 'ROLE', values: ['x'] }]],
    [
      'the identity provider sent a link instead of the groups',
      [
        { name: 'http://schemas.microsoft.com/claims/groups.link', values: ['https://x.example'] },
        { name: 'Role', values: ['x'] },
      ],
    ],
  ])('is not made if %s', async (_case, attributes) => {
    const acme = await makeTestOrganization(gateway);
    await acme.signIn(new HttpBrowser(), 'carl', sending(...attributes));
    expect(await last(acme)).toMatchObject({ suggested_groups_attribute: null });
  });

  it('is not made by a response that no trusted key signed', async () => {
    const { acme, groups } = await makeCase('Role');
    const stranger = await makeTestOrganization(gateway);
    const forged = acme.respond({ user: 'carl', key: stranger.key, ...groups });
    expect((await acme.post(new HttpBrowser(), forged)).code).toBe('saml_signature_invalid');
    expect(await last(acme)).toMatchObject({ suggested_groups_attribute: null });
  });

  it('is refused to collaborators, to owners of other organizations and without the CSRF token', async () => {
    const { acme, olivia } = await makeCase('Role');
    const other = await makeTestOrganization(gateway);
    const stranger = new HttpBrowser();
    await other.signIn(stranger);
    const carl = new HttpBrowser();
    await acme.signIn(carl, 'carl', sending({ name: 'Role', values: ['x'] }));
    const { id } = await last(acme);
    const page = await open(olivia, id);
    const action = page.forms.find(({ action }) => action.endsWith('/groups-attribute'))?.action ?? '';
    const csrfOf = async (browser: HttpBrowser) =>
      (JSON.parse((await browser.request(`${gateway.url}/api/v1/me`)).text) as { csrf_token: string }).csrf_token;
    const post = (browser: HttpBrowser, csrf: string) => browser.request(action, { method: 'POST', body: new URLSearchParams({ csrf }) });
    expect((await post(carl, await csrfOf(carl))).code).toBe('forbidden');
    expect((await post(stranger, await csrfOf(stranger))).code).toBe('not_found');
    expect((await post(olivia, 'x')).code).toBe('forbidden');
    expect(await mappingOf(acme)).toEqual({});
  });

  it('is offered on the result of a test sign-in during a setup', async () => {
    const acme = await makeTestOrganization(gateway);
    const { body } = await gateway.api<{ url: string }>('POST', `/organizations/${acme.slug}/setup-links`, {});
    const browser = new HttpBrowser();
    await browser.submit(await browser.open(body.url));
    const start = await browser.open(`${gateway.url}/setup/single-sign-on`);
    const csrf = start.forms[0]?.fields.find(({ name }) => name === 'csrf')?.value ?? '';
    const started = await browser.request(`${gateway.url}/setup/single-sign-on/test`, {
      method: 'POST',
      body: new URLSearchParams({ csrf }),
    });
    const query = new URL(started.location ?? '').searchParams;
    const inResponseTo = /\sID="([^"]+)"/.exec(inflateRawSync(Buffer.from(query.get('SAMLRequest') ?? '', 'base64')).toString())?.[1] ?? '';
    const answer = await acme.post(
      browser,
      acme.respond({ user: 'carl', inResponseTo, ...sending({ name: 'roles', values: ['a'] }) }),
      query.get('RelayState') ?? '',
    );
    const result = await browser.open(answer.location ?? '');
    expect(textOf(result.text)).toContain('Read groups from roles');
    expect(textOf((await accept(browser, result)).text)).toContain('groups are also read from the attribute “roles”');
    expect((await mappingOf(acme)).groups?.at(-1)).toBe('roles');
  });

  it('is reported by doctor for the latest sign-in', async () => {
    const { acme } = await makeCase('Role');
    const { runtime } = gateway;
    await flushSignInLog(runtime);
    const suggestion = async () => findLatestGroupsSuggestion(runtime, await getOrganization(runtime.store, acme.slug));
    expect(await suggestion()).toBe('Role');
    await acme.signIn(new HttpBrowser());
    await flushSignInLog(runtime);
    expect(await suggestion()).toBeUndefined();
  });
});

describe('groups_truncated', () => {
  const member = async (acme: TestOrganization) =>
    (
      await gateway.api<{ items: { groups: string[]; groups_truncated: boolean; role: string }[] }>(
        'GET',
        `/organizations/${acme.slug}/members?query=carl`,
      )
    ).body.items[0];
  const many = Array.from({ length: 700 }, (_, i) => `group-${i}`);

  it('marks a shortened list, which contains the group that gave the role', async () => {
    const acme = await makeTestOrganization(gateway);
    const olivia = new HttpBrowser();
    await acme.signIn(olivia);
    await acme.signIn(new HttpBrowser(), 'carl', sending({ name: 'groups', values: [...many, 'platform-admins'] }));
    const shortened = await member(acme);
    expect(shortened).toMatchObject({ role: 'owner', groups_truncated: true });
    expect(shortened?.groups.length).toBe(500);
    expect(shortened?.groups).toContain('platform-admins');
    const list = await olivia.open(`${gateway.url}/console/members`);
    const page = await olivia.follow(list, 'carl@okta.acme.example');
    expect(textOf(page.text)).toContain('shortened, because the identity provider sent more groups than are stored');
  });

  it('marks a list that is shortened by its length, and no complete list', async () => {
    const acme = await makeTestOrganization(gateway);
    const long = Array.from({ length: 30 }, (_, i) => `${i}-${'x'.repeat(900)}`);
    await acme.signIn(new HttpBrowser(), 'carl', sending({ name: 'groups', values: [...long, 'platform-admins'] }));
    expect(await member(acme)).toMatchObject({ groups_truncated: true, groups: expect.arrayContaining(['platform-admins', long[0]]) });
    await acme.signIn(new HttpBrowser(), 'carl', sending({ name: 'groups', values: ['platform-admins', 'sales'] }));
    expect(await member(acme)).toMatchObject({ groups_truncated: false, groups: ['platform-admins', 'sales'] });
  });
});
