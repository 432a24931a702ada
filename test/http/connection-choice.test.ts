import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { makeHome } from '../support/command.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { newSlug } from '../support/new-slug.ts';
import { callWithSession, newSession } from '../support/session-calls.ts';
import { addConnection, newIdentityProvider, type TestConnection } from '../support/test-connection.ts';

let gateway: TestGateway;
let organization: TestOrganization;
let other: TestConnection;
let defaultId: string;
const domain = `${newSlug()}.example`;

beforeAll(async () => {
  gateway = await startGateway();
  organization = await makeTestOrganization(gateway);
  other = await addConnection(gateway, organization);
  await gateway.api('PATCH', `/organizations/${organization.slug}`, { domains: [domain, `other.${domain}`] });
  await gateway.api('PATCH', at(other.id), { name: 'Partner <b>', email_domains: [`other.${domain}`] });
  const { body } = await gateway.api<{ items: { id: string }[] }>('GET', at());
  defaultId = body.items[0]?.id ?? '';
});
afterAll(() => gateway.stop());

const at = (id?: string) => `/organizations/${organization.slug}/connections${id === undefined ? '' : `/${id}`}`;
const login = (query = '', { slug } = organization) => new HttpBrowser().request(`${gateway.url}/saml/${slug}/login${query}`);
const goesToOther = ({ location }: Page) => location?.startsWith(`${other.entityId}/sso`) ?? false;

describe('choosing the connection of a sign-in', () => {
  it('uses the only active connection, and the named one', async () => {
    const single = await makeTestOrganization(gateway);
    await addConnection(gateway, single, { state: 'draft' });
    expect((await login('', single)).location).toMatch(/^https:\/\/idp\.example\/sso/);
    expect(goesToOther(await login(`?connection=${other.id}`))).toBe(true);
    expect((await login('?connection=con_unknown')).code).toBe('idp_not_configured');
  });

  it('uses the connection with the domain of login_hint, exactly, and does not send the hint', async () => {
    const page = await login(`?login_hint=Ada%40OTHER.${domain}`);
    expect(goesToOther(page)).toBe(true);
    expect(page.location).not.toMatch(/ada(%40|@)/i);
    for (const hint of [`ada@${domain}`, `ada@x.other.${domain}`, `ada@other.${domain}.evil.example`]) {
      expect((await login(`?login_hint=${encodeURIComponent(hint)}`)).status).toBe(200);
    }
    const named = await login(`?connection=${defaultId}&login_hint=ada%40other.${domain}`);
    expect(named.location).toMatch(/^https:\/\/idp\.example\/sso/);
  });

  it('offers the choices otherwise, with the return URL and escaped names', async () => {
    const browser = new HttpBrowser();
    const page = await browser.open(`${gateway.url}/saml/${organization.slug}/login?return_to=%2Fconsole%2Ftokens`);
    expect([page.status, textOf(page.text)]).toEqual([200, expect.stringContaining('Sign in with Partner <b>')]);
    expect(page.text).not.toContain('<b>');
    expect(page.text).toContain(`connection=${other.id}`);
    expect(page.text).toContain('return_to=%2Fconsole%2Ftokens');
  });

  it('uses the domain of the address that was entered at /login', async () => {
    const browser = new HttpBrowser();
    const form = await browser.open(`${gateway.url}/login`);
    const body = new URLSearchParams({ who: `ada@other.${domain}` });
    const sent = await browser.request(`${gateway.url}/login`, { method: 'POST', body });
    expect(form.status).toBe(200);
    expect(sent.location).not.toContain('ada');
    expect(goesToOther(await browser.request(sent.location ?? ''))).toBe(true);
  });

  it('sends a bounced response to the connection that it came from', async () => {
    await gateway.api('PATCH', at(other.id), { idp_initiated: 'bounce' });
    const page = await organization.post(new HttpBrowser(), other.respond());
    expect(page.location).toContain(`connection=${other.id}`);
  });
});

describe('setup links of a connection', () => {
  const open = async (connection?: string) => {
    const path = `/organizations/${organization.slug}/setup-links`;
    const { status, body } = await gateway.api<{ url: string }>('POST', path, connection === undefined ? {} : { connection });
    const browser = new HttpBrowser();
    if (status === 201) await browser.submit(await browser.open(body.url));
    return { status, browser, page: () => browser.open(`${gateway.url}/setup/single-sign-on`) };
  };

  it('show and change only that connection', async () => {
    const draft = await addConnection(gateway, organization, { state: 'draft' });
    const { browser, page } = await open(draft.id);
    const shown = textOf((await page()).text);
    expect(shown).toContain(draft.entityId);
    for (const secret of [other.entityId, 'Partner', defaultId]) expect(shown).not.toContain(secret);
    const changed = await newIdentityProvider(organization);
    const metadata = draft.metadata.replace('/sso"', '/sso2"').replace('/sso"', '/sso2"');
    const step = await browser.open(`${gateway.url}/setup/single-sign-on/steps/metadata`);
    await browser.submit(await browser.submit(step, { metadata }), {}, '/save');
    const { body } = await gateway.api<{ items: { id: string; single_sign_on: { redirect: string } }[] }>('GET', at());
    const endpoints = body.items.map(({ id, single_sign_on }) => [id, single_sign_on.redirect]);
    expect(endpoints).toEqual([
      [defaultId, 'https://idp.example/sso'],
      [other.id, `${other.entityId}/sso`],
      [draft.id, `${draft.entityId}/sso2`],
    ]);
    expect(changed.entityId).not.toBe(draft.entityId);
  });

  it('refuse requests for another connection, also with the token of their own form', async () => {
    const draft = await addConnection(gateway, organization, { state: 'draft' });
    const { browser, page } = await open(draft.id);
    const csrf = String((await page()).forms[0]?.fields.find(({ name }) => name === 'csrf')?.value);
    for (const [path, body] of [
      [`single-sign-on/${other.id}/settings`, { clock_skew_seconds: '0' }],
      [`single-sign-on/${other.id}/disable`, {}],
      [`single-sign-on/${draft.id}/enable`, {}],
      ['single-sign-on/add', { new_name: 'x' }],
      [`single-sign-on/${other.id}/test`, {}],
    ] as const) {
      const sent = await browser.request(`${gateway.url}/setup/${path}`, {
        method: 'POST',
        body: new URLSearchParams({ csrf, ...body }),
        headers: { 'sec-fetch-site': 'same-origin' },
      });
      expect([path, sent.code]).toEqual([path, 'not_found']);
    }
    const test = await browser.request(`${gateway.url}/setup/single-sign-on/test`, {
      method: 'POST',
      body: new URLSearchParams({ csrf, connection: other.id, con: other.id }),
      headers: { 'sec-fetch-site': 'same-origin' },
    });
    expect(test.location).toContain(draft.entityId);
  });

  it('end when their connection is deleted, and do not follow another default connection', async () => {
    expect((await open('con_unknown')).status).toBe(404);
    const draft = await addConnection(gateway, organization, { state: 'draft' });
    const { page } = await open(draft.id);
    await gateway.api('PATCH', at(other.id), { is_default: true });
    expect(textOf((await page()).text)).toContain(draft.entityId);
    await gateway.api('PATCH', at(defaultId), { is_default: true });
    await gateway.api('DELETE', at(draft.id));
    expect((await page()).code).toBe('unauthenticated');
  });
});

describe('connections in the console', () => {
  it('are added, enabled, made default, disabled and deleted', async () => {
    const own = await makeTestOrganization(gateway);
    const roles = { rules: [{ group: 'platform-admins', role: 'owner', connection: '*' }], default_role: 'none' };
    await gateway.api('PUT', `/organizations/${own.slug}/role-mapping`, roles);
    const { browser } = await newSession(gateway, own, 'olivia');
    const list = async () =>
      (await callWithSession(gateway, browser, 'GET', `/organizations/${own.slug}/connections`)).body.items as {
        id: string;
        name: string;
        state: string;
      }[];
    const idp = await newIdentityProvider(own);
    const start = await browser.open(`${gateway.url}/console/single-sign-on`);
    const added = await browser.submit(start, { new_name: 'Partner', new_metadata_xml: idp.metadata }, '/add');
    expect(textOf(added.text)).toContain('added as a draft');
    expect(textOf(added.text)).toContain(idp.entityId);
    const enabled = await browser.submit(added, {}, '/enable');
    const renamed = await browser.submit(enabled, { name: 'Partner AG', email_domains: 'partner.example' }, '/details');
    expect((await list()).map(({ name, state }) => `${name} ${state}`)).toEqual(['Default active', 'Partner AG active']);
    const settings = await browser.open(`${renamed.url}/settings`);
    await browser.submit(settings, { clock_skew_seconds: '42' });
    expect(await list()).toMatchObject([{ clock_skew_seconds: 180 }, { clock_skew_seconds: 42 }]);
    const disabled = await browser.submit(renamed, { keep_sessions: 'yes' }, '/disable');
    expect(textOf(disabled.text)).toContain('The connection is disabled.');
    const removed = await browser.submit(disabled, { confirmed: 'yes' }, '/remove');
    expect(textOf(removed.text)).toContain('The connection is deleted.');
    expect(await list()).toHaveLength(1);
  });

  it('are not found in another organization', async () => {
    const stranger = await makeTestOrganization(gateway);
    const { browser } = await newSession(gateway, stranger, 'olivia');
    expect((await browser.request(`${gateway.url}/console/single-sign-on/${other.id}`)).code).toBe('not_found');
  });
});

describe('samlgate connection', () => {
  it('lists, shows, changes, disables and deletes connections', async () => {
    const own = await makeTestOrganization(gateway);
    const added = await addConnection(gateway, own, { state: 'draft' });
    const home = makeHome();
    const environment = { SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken };
    const run = (...words: string[]) => home.run(['connection', ...words], environment);
    expect((await run('list', own.slug)).stdout).toMatch(new RegExp(`^${added.id} .* draft `, 'm'));
    expect((await run('enable', own.slug, added.id)).stdout).toContain('Enabled ');
    const set = await run('set', own.slug, added.id, '--name', 'Partner', '--email-domain', 'partner.example', '--default', '--json');
    expect(JSON.parse(set.stdout)).toMatchObject({ name: 'Partner', is_default: true, email_domains: ['partner.example'] });
    expect((await run('disable', own.slug, added.id)).stdout).toContain('The sessions and tokens of its members are revoked.');
    expect((await run('test', own.slug, added.id)).stdout).toContain(`test=1&connection=${added.id}`);
    expect((await run('remove', own.slug, added.id)).code).toBe(1);
    const [, second] = JSON.parse((await run('list', own.slug, '--json')).stdout) as { id: string }[];
    expect((await run('remove', own.slug, second?.id ?? '', '--keep-sessions')).code).toBe(0);
    expect((await run('show', own.slug, second?.id ?? '')).code).toBe(1);
    home.remove();
    // Nine processes take longer than a test usually may.
  }, 120_000);
});
