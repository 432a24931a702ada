import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AUDIT } from '../../src/audit.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { newSlug, type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { type Link, readLinks, textOf } from '../support/html.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let acme: OrganizationJson;
let nowMs = Date.now();

beforeAll(async () => {
  gateway = await startGateway({ now: () => nowMs });
  acme = await gateway.makeOrganization();
});

afterAll(() => gateway.stop());

const HOME = '/console/operator';

async function enter(to = gateway): Promise<HttpBrowser> {
  const browser = new HttpBrowser();
  await browser.submit(await browser.open(`${to.url}${HOME}`), { token: to.operatorToken });
  return browser;
}

const open = (browser: HttpBrowser, where: string): Promise<Page> => browser.open(`${gateway.url}${HOME}${where}`);

/** Posts the sign-in form as a browser does. */
const sendSignIn = async (browser: HttpBrowser, fields: Record<string, string>): Promise<Page> =>
  browser.request(`${gateway.url}${HOME}/sign-in`, {
    method: 'POST',
    body: new URLSearchParams(fields),
    from: await browser.open(`${gateway.url}${HOME}/sign-in`),
  });

describe('operator sign-in', () => {
  it('accepts the operator token, sets a strict cookie without it and writes the audit trail', async () => {
    const browser = new HttpBrowser();
    const page = await browser.submit(await open(browser, ''), { token: ` ${gateway.operatorToken} ` });
    expect([page.url, page.status]).toEqual([`${gateway.url}${HOME}`, 200]);
    const cookie = browser.cookie('samlgate_operator');
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'strict', path: '/' });
    for (const { text, headers } of browser.history) {
      expect(text).not.toContain(gateway.operatorToken);
      expect(headers.getSetCookie().join()).not.toContain(gateway.operatorToken);
    }
    const { items } = await gateway.runtime.store.find('global', AUDIT, 'event', {
      equals: 'operator.signed_in',
      limit: 10,
    });
    expect(items.at(-1)?.value).toMatchObject({ actor: { kind: 'operator' } });
  });

  it('sets a __Host- cookie with Secure if the base URL has https', async () => {
    const tls = await startGateway({ environment: { SAMLGATE_BASE_URL: 'https://sso.example.com' } });
    const port = tls.runtime.config.listen.port;
    const response = await fetch(`http://127.0.0.1:${port}${HOME}/sign-in`, {
      method: 'POST',
      body: new URLSearchParams({ token: tls.operatorToken }),
      redirect: 'manual',
    });
    await tls.stop();
    expect(response.status).toBe(303);
    expect(response.headers.get('set-cookie')).toMatch(
      /^__Host-samlgate_operator=s%3A[\w.%-]+; Max-Age=3600; Path=\/; Expires=.*; HttpOnly; Secure; SameSite=Strict$/,
    );
  });

  it.each(['wrong', 'x'.repeat(64), ''])('refuses the token “%s”', async (token) => {
    const browser = new HttpBrowser();
    const page = await sendSignIn(browser, { token });
    expect(page.status).toBe(token === '' ? 400 : 401);
    expect(browser.cookies).toEqual([]);
    if (token !== '') expect(textOf(page.text)).toContain('This is not the operator token of this gateway.');
  });

  it.each([{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'none' }])(
    'refuses a form that another site sent (%j)',
    async (headers) => {
      const body = new URLSearchParams({ token: gateway.operatorToken });
      const page = await new HttpBrowser().request(`${gateway.url}${HOME}/sign-in`, { method: 'POST', body, headers });
      expect([page.status, page.code]).toEqual([403, 'forbidden']);
    },
  );

  it('limits wrong tokens per address, and always accepts the operator token', async () => {
    const own = await startGateway({ environment: { SAMLGATE_RATE_LIMITS: 'on' } });
    const statusOf = async (token: string) => {
      const response = await fetch(`${own.url}${HOME}/sign-in`, {
        method: 'POST',
        body: new URLSearchParams({ token }),
        redirect: 'manual',
      });
      return response.status;
    };
    for (let i = 0; i < 10; i++) expect(await statusOf('wrong')).toBe(401);
    expect([await statusOf('wrong'), await statusOf(own.operatorToken)]).toEqual([429, 303]);
    await own.stop();
  });

  it('redirects to the requested page, but only if it is one of the operator’s', async () => {
    const browser = new HttpBrowser();
    const asked = await open(browser, '/keys');
    expect(new URL(asked.url).pathname).toBe(`${HOME}/sign-in`);
    expect((await browser.submit(asked, { token: gateway.operatorToken })).url).toBe(`${gateway.url}${HOME}/keys`);
    for (const elsewhere of ['https://evil.example/', '//evil.example/console/operator', '/console/operator/../../x', '/console']) {
      const page = await sendSignIn(new HttpBrowser(), { token: gateway.operatorToken, return_to: elsewhere });
      expect([elsewhere, page.location]).toEqual([elsewhere, `${gateway.url}${HOME}`]);
    }
  });

  it('ends the session after an hour and at sign-out, and rejects a changed cookie', async () => {
    const isIn = async (browser: HttpBrowser) => (await browser.request(`${gateway.url}${HOME}`)).status === 200;
    const browser = await enter();
    const cookie = browser.cookie('samlgate_operator')?.value ?? '';
    nowMs += 3599_000;
    expect(await isIn(browser)).toBe(true);
    nowMs += 1000;
    expect(await isIn(browser)).toBe(false);
    const again = await enter();
    const live = again.cookie('samlgate_operator')?.value ?? '';
    await again.submit(await open(again, ''), {}, '/sign-out');
    again.setCookie(gateway.url, 'samlgate_operator', live);
    expect(await isIn(again)).toBe(false);
    const forged = new HttpBrowser();
    const good = (await enter()).cookie('samlgate_operator')?.value ?? '';
    const [goodId, goodMac = ''] = good.split(/\.(?=[^.]*$)/);
    forged.setCookie(gateway.url, 'samlgate_operator', good);
    expect(await isIn(forged)).toBe(true);
    for (const value of [
      `${goodId}.${'A'.repeat(43)}`,
      `${goodId}.`,
      `${goodId}`,
      `${goodId}.${goodMac}x`,
      `s%3Aglobal.${'A'.repeat(43)}.${goodMac}`,
      '',
      cookie,
    ]) {
      forged.setCookie(gateway.url, 'samlgate_operator', value);
      expect([value, await isIn(forged)]).toEqual([value, false]);
    }
  });

  it('ends all sessions when the operator token changes', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-operator-'));
    const environment = { SAMLGATE_STORE: `sqlite:${path.join(directory, 'db')}`, SAMLGATE_SECRET: randomBytes(32).toString('base64') };
    const before = await startGateway({ environment });
    const { browser, statusAt } = {
      browser: await enter(before),
      statusAt: async (url: string) => (await browser.request(`${url}${HOME}`)).status,
    };
    expect(await statusAt(before.url)).toBe(200);
    await before.stop();
    const same = await startGateway({ environment: { ...environment, SAMLGATE_OPERATOR_TOKEN: before.operatorToken } });
    expect(await statusAt(same.url)).toBe(200);
    await same.stop();
    const after = await startGateway({ environment });
    expect(await statusAt(after.url)).toBe(303);
    await after.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('keeps members out of the operator’s pages and the operator out of the members’ pages', async () => {
    const { browser } = await signedIn(gateway, acme, 'olivia');
    for (const where of ['', '/keys', '/health', '/audit', `/organizations/${acme.slug}`, `/organizations/${acme.slug}/members`]) {
      const page = await browser.request(`${gateway.url}${HOME}${where}`);
      expect([where, page.status, new URL(page.location ?? '').pathname]).toEqual([where, 303, `${HOME}/sign-in`]);
    }
    expect((await (await enter()).request(`${gateway.url}/console`)).location).toContain('/login');
  });
});

describe('operator: forms (CSRF)', () => {
  it('refuses every form with a missing CSRF token or that of another session, and changes nothing', async () => {
    const [mine, other] = [await enter(), await enter()];
    const foreign = /name="csrf" value="([\w-]+)"/.exec((await open(other, '')).text)?.[1] ?? '';
    expect(foreign).toHaveLength(43);
    const organization = `/organizations/${acme.slug}`;
    const forms = [
      '/sign-out',
      '/keys/rotate',
      '/keys/x/revoke',
      '/organizations/new',
      `${organization}/change`,
      `${organization}/quotas`,
      `${organization}/delete`,
      `${organization}/members/usr_x/suspend`,
    ];
    for (const where of forms) {
      for (const csrf of ['', foreign]) {
        const body = new URLSearchParams({ csrf, confirmation: acme.slug, slug: newSlug(), name: 'x' });
        const page = await mine.request(`${gateway.url}${HOME}${where}`, { method: 'POST', body });
        expect([where, page.status, page.code]).toEqual([where, 403, 'forbidden']);
      }
    }
    expect((await open(mine, organization)).status).toBe(200);
  });
});

describe('operator: organizations', () => {
  it('saves groups for role rules that leave no owner only if the operator confirms', async () => {
    const organization = await makeTestOrganization(gateway, () => nowMs);
    expect((await organization.signIn(new HttpBrowser(), 'olivia')).status).toBe(303);
    const browser = await enter();
    const form = await open(browser, `/organizations/${organization.slug}/change`);
    expect(form.text).not.toContain('name="allow_no_owner"');
    const refused = await browser.submit(form, { groups_from: 'scim' });
    expect([refused.status, textOf(refused.text).includes('without an owner')]).toEqual([409, true]);
    const groupsFrom = async () =>
      (await gateway.api<{ groups_from: string }>('GET', `/organizations/${organization.slug}`)).body.groups_from;
    expect(await groupsFrom()).toBe('saml');
    const saved = await browser.submit(refused, { allow_no_owner: 'yes' });
    expect(textOf(saved.text)).toContain('Your changes are saved.');
    expect(await groupsFrom()).toBe('scim');
  });

  it('changes quotas, restores their defaults, and keeps the others', async () => {
    const { slug } = await gateway.makeOrganization();
    const quotas = async () => (await gateway.api<{ quotas: Record<string, number> }>('GET', `/organizations/${slug}`)).body.quotas;
    const standard = await quotas();
    const browser = await enter();
    const submit = async (values: Record<string, string>) =>
      textOf((await browser.submit(await open(browser, `/organizations/${slug}`), values, '/quotas')).text);
    expect(await submit({ members: '250000', domains: '7' })).toContain('The quotas are saved.');
    expect(await quotas()).toEqual({ ...standard, members: 250_000, domains: 7 });
    expect(await submit({ members: '' })).toContain('The quotas are saved.');
    expect(await quotas()).toEqual({ ...standard, domains: 7 });
    expect(await submit({ domains: '7' })).toContain('already has these quotas');
    for (const wrong of ['0', '-1', '1.5', '1001', 'many', '1e2', '0x10', '+8', '8.0']) {
      expect(await submit({ domains: wrong, members: '5' })).toContain('quotas.domains');
    }
    expect(await quotas()).toEqual({ ...standard, domains: 7 });
  });

  it('changes only the quotas that the operator has edited in an old form', async () => {
    const { slug } = await gateway.makeOrganization();
    const quotas = async () => (await gateway.api<{ quotas: Record<string, number> }>('GET', `/organizations/${slug}`)).body.quotas;
    const standard = await quotas();
    const browser = await enter();
    const old = await open(browser, `/organizations/${slug}`);
    await gateway.api('PATCH', `/organizations/${slug}`, { quotas: { members: 250_000, domains: 7 } });
    await browser.submit(old, { groups: '9' }, '/quotas');
    expect(await quotas()).toEqual({ ...standard, members: 250_000, domains: 7, groups: 9 });
    const untouched = await browser.submit(old, {}, '/quotas');
    expect(textOf(untouched.text)).toContain('already has these quotas');
    await browser.submit(old, { domains: '' }, '/quotas');
    expect(await quotas()).toEqual({ ...standard, members: 250_000, groups: 9 });
  });

  it('creates, shows, edits and deletes one, the last only after its slug is typed', async () => {
    const browser = await enter();
    const slug = newSlug();
    const form = await browser.follow(await open(browser, ''), 'New organization');
    const made = await browser.submit(form, {
      slug,
      name: 'Globex <b>',
      domains: `${slug}.example\nwww.${slug}.example, MAIL.${slug}.example`,
    });
    expect(new URL(made.url).pathname).toBe(`${HOME}/organizations/${slug}`);
    expect(made.text).toContain('<bdi>Globex &lt;b></bdi>');
    expect(textOf(made.text)).toContain('users cannot sign in');
    const { body } = await gateway.api('GET', `/organizations/${slug}`);
    expect(body).toMatchObject({ slug, name: 'Globex <b>', domains: [`${slug}.example`, `www.${slug}.example`, `mail.${slug}.example`] });

    const change = await browser.follow(made, 'Edit organization');
    const changed = await browser.submit(change, {
      name: 'Globex',
      domains: '',
      cli_token_max_days: '90',
      contact_email: 'it@globex.example',
      provisioning: 'scim_required',
      groups_from: 'both',
      scim_link_attribute: 'uid',
    });
    expect(textOf(changed.text)).toContain('Your changes are saved.');
    expect((await gateway.api('GET', `/organizations/${slug}`)).body).toMatchObject({
      slug,
      name: 'Globex',
      domains: [],
      cli_token_max_days: 90,
      contact_email: 'it@globex.example',
      provisioning: 'scim_required',
      groups_from: 'both',
      scim_link_attribute: 'uid',
    });
    const emptied = await browser.submit(await browser.follow(changed, 'Edit organization'), { cli_token_max_days: '', contact_email: '' });
    expect(emptied.status).toBe(200);
    expect((await gateway.api('GET', `/organizations/${slug}`)).body).toMatchObject({
      cli_token_max_days: null,
      contact_email: null,
      provisioning: 'scim_required',
      groups_from: 'both',
      scim_link_attribute: 'uid',
    });

    const question = await browser.follow(emptied, `Delete ${slug}…`);
    const mistyped = await browser.submit(question, { confirmation: 'globex' }, '/delete');
    expect(mistyped.status).toBe(400);
    expect((await gateway.api('GET', `/organizations/${slug}`)).status).toBe(200);
    const list = await browser.submit(mistyped, { confirmation: slug }, '/delete');
    expect([list.url, textOf(list.text).includes(`Deleted the organization ${slug}`)]).toEqual([`${gateway.url}${HOME}`, true]);
    expect((await gateway.api('GET', `/organizations/${slug}`)).status).toBe(404);
  });

  it.each([
    ['an invalid slug', { slug: 'No Slug' }, 'slug: must have'],
    ['a reserved slug', { slug: 'api' }, 'This slug is reserved.'],
    ['an empty name', { name: ' ' }, 'name:'],
    ['an invalid domain', { domains: 'not a domain' }, 'must be a domain name'],
    ['a number of days that is not a number', { cli_token_max_days: 'ten' }, 'cli_token_max_days:'],
  ])('shows the form again with the entered values for %s', async (_what, wrong, words) => {
    const browser = await enter();
    const typed = { slug: newSlug(), name: 'Kept <i>', ...wrong };
    const page = await browser.submit(await open(browser, '/organizations/new'), typed);
    expect([page.status, textOf(page.text).includes(words)]).toEqual([400, true]);
    const fields = page.forms.find(({ action }) => action.endsWith('/new'))?.fields ?? [];
    expect(fields.find(({ name }) => name === 'slug')?.value).toBe(typed.slug);
    expect(fields.find(({ name }) => name === 'name')?.value).toBe(typed.name);
  });

  it('says that a slug is already taken', async () => {
    const browser = await enter();
    const page = await browser.submit(await open(browser, '/organizations/new'), { slug: acme.slug, name: 'Again' });
    expect([page.status, textOf(page.text).includes('Another organization has this slug')]).toEqual([409, true]);
  });

  it('pages through all organizations and opens one by its slug', async () => {
    const made = [acme.slug];
    for (let i = 0; i < 4; i++) made.push((await gateway.makeOrganization()).slug);
    const browser = await enter();
    const first = await open(browser, '?limit=2');
    const slugs: string[] = [];
    for (let page: Page | undefined = first; page; ) {
      const shown = [...page.text.matchAll(/organizations\/([\w-]+)"/g)].map(([, slug = '']) => slug).filter((slug) => slug !== 'new');
      expect(shown.length).toBeLessThanOrEqual(2);
      slugs.push(...shown);
      const next: Link | undefined = readLinks(page.text, page.url).find(({ text }) => text === 'Next page →');
      page = next && (await browser.open(next.href));
    }
    expect(slugs).toEqual([...new Set(slugs)].sort());
    expect(slugs).toEqual(expect.arrayContaining(made));
    const opened = await browser.submit(first, { slug: ` ${acme.slug.toUpperCase()}` });
    expect(new URL(opened.url).pathname).toBe(`${HOME}/organizations/${acme.slug}`);
    const unknown = await browser.submit(first, { slug: 'no-such-organization' });
    expect([unknown.status, unknown.code]).toEqual([404, 'organization_unknown']);
  });

  it('manages the members of any organization and shows its audit trail', async () => {
    const carl = await signedIn(gateway, acme, 'carl');
    const browser = await enter();
    const members = await browser.follow(await open(browser, `/organizations/${acme.slug}`), 'Members');
    const member = await browser.follow(members, 'Carl Čapek');
    expect(new URL(member.url).pathname).toBe(`${HOME}/organizations/${acme.slug}/members/${carl.id}`);
    await browser.submit(member, {}, '/suspend');
    expect((await carl.browser.request(`${gateway.url}/console`)).status).toBe(303);
    const audit = await browser.follow(member, 'Audit trail');
    expect(textOf(audit.text)).toMatch(/The operator suspended \S/);
    await browser.submit(await browser.open(member.url), {}, '/unsuspend');
  });
});

describe('operator: keys and health', () => {
  it('shows keys with their states and CLI tokens, rotates them, explains why not again so soon, and revokes after a confirmation', async () => {
    const own = await startGateway();
    const { slug } = await own.makeOrganization();
    const olivia = await signedIn(own, { slug }, 'olivia');
    const { token } = await olivia.makeToken();
    const browser = await enter(own);
    const at = (where: string) => browser.open(`${own.url}${HOME}${where}`);
    expect(textOf((await at('/keys')).text)).toMatch(/next published, .* just now 0 .* active signs new tokens just now 1/);
    const rotated = await browser.submit(await at('/keys'), {}, '/rotate');
    expect(textOf(rotated.text)).toMatch(/Key [\w-]{43} is now active\./);
    expect(textOf(rotated.text)).toMatch(/retired verifies existing tokens just now 1/);
    const again = await browser.submit(await at('/keys'), {}, '/rotate');
    expect(textOf(again.text)).toContain('The next key was published a moment ago');
    const { body } = await own.api<{ items: { kid: string; state: string }[] }>('GET', '/keys');
    const retired = body.items.find(({ state }) => state === 'retired')?.kid;
    const question = await at(`/keys/${retired}/revoke`);
    expect(textOf(question.text)).toContain('1 CLI token across all organizations will be revoked');
    expect((await own.api('GET', '/me', undefined, token)).status).toBe(200);
    const revoked = await browser.submit(question, {}, '/revoke');
    expect(textOf(revoked.text)).toContain(`Key ${retired} was revoked. This also revoked 1 CLI token.`);
    expect((await own.api('GET', '/me', undefined, token)).status).toBe(401);
    expect((await at(`/keys/${retired}/revoke`)).code).toBe('not_found');
    expect((await at('/keys/nothing/revoke')).code).toBe('not_found');
    await own.stop();
  }, 60_000);

  it('shows certificates of all organizations that expire within 60 days, and the audit trail of the gateway', async () => {
    const own = await startGateway({ now: () => nowMs });
    const { slug } = await own.makeOrganization();
    const browser = await enter(own);
    const at = (where: string) => browser.open(`${own.url}${HOME}${where}`);
    const certificate = async () => {
      const { body } = await own.api<{ certificates: { not_after: string }[] }>('GET', `/organizations/${slug}/identity-provider`);
      return Date.parse(body.certificates[0]?.not_after ?? '');
    };
    expect(textOf((await at('/health')).text)).toContain('No certificate expires within');
    const before = nowMs;
    nowMs = (await certificate()) - 61 * 86_400_000;
    const late = await enter(own);
    expect(textOf((await late.open(`${own.url}${HOME}/health`)).text)).toContain('No certificate expires within');
    nowMs = (await certificate()) - 59 * 86_400_000;
    const later = await enter(own);
    const page = await later.open(`${own.url}${HOME}/health`);
    expect(textOf(page.text)).toContain('none yet');
    expect(readLinks(page.text, page.url).some(({ href }) => href.endsWith(`/organizations/${slug}`))).toBe(true);
    expect(textOf(page.text)).not.toContain(own.operatorToken);
    expect(textOf((await later.open(`${own.url}${HOME}/audit`)).text)).toContain('The operator created the organization');
    nowMs = before;
    await own.stop();
  });

  it('shows the store without its password', async () => {
    const browser = await enter();
    const page = await open(browser, '/health');
    expect(textOf(page.text)).toContain('sqlite:');
    expect(textOf(page.text)).toContain('healthy');
  });
});
