import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { readLinks, textOf } from '../support/html.ts';
import { signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let acme: OrganizationJson;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await gateway.makeOrganization();
  await gateway.api('PATCH', `/organizations/${acme.slug}`, { name: 'Acme <b>', domains: ['acme.example'] });
});

afterAll(() => gateway.stop());

const openLogin = (browser: HttpBrowser, query = '') => browser.open(`${gateway.url}/login${query}`);
const remembered = (text: string) => readLinks(text, gateway.url).find((link) => link.text.startsWith('Continue with'));

describe('sign-in page of an empty gateway', () => {
  it('shows the operator the way to the first organization instead of a form', async () => {
    const empty = await startGateway();
    const page = await new HttpBrowser().open(`${empty.url}/login`);
    expect([page.status, textOf(page.text)]).toEqual([200, expect.stringContaining('Welcome: sign in as operator')]);
    expect(page.forms).toEqual([]);
    await empty.api('POST', '/organizations', { slug: 'acme', name: 'Acme' });
    expect((await new HttpBrowser().open(`${empty.url}/login`)).forms).toHaveLength(1);
    await empty.stop();
  });
});

describe('sign-in page: email address or organization', () => {
  it.each([
    ['an email address of a known domain', () => 'somebody@ACME.example', '&login_hint=acme.example'],
    ['a bare domain', () => 'ACME.example.', '&login_hint=acme.example'],
    ['a slug', () => ` ${acme.slug.toUpperCase()} `, ''],
  ])('redirects %s to the sign-in of the organization and keeps the return URL', async (_what, who, hint) => {
    const browser = new HttpBrowser();
    const body = new URLSearchParams({ who: who(), return_to: '/console?a=b&c=d' });
    const answer = await browser.request(`${gateway.url}/login`, { method: 'POST', body });
    expect(answer.status).toBe(303);
    expect(answer.location).toBe(`${gateway.url}/saml/${acme.slug}/login?return_to=%2Fconsole%3Fa%3Db%26c%3Dd${hint}`);
  });

  it.each([
    'nobody@nowhere.example',
    'nowhere.example',
    'a@sub.acme.example',
    'acme',
    'acme.example@evil.example',
    'no-such-organization',
    '@',
    '<b>x</b>',
    'x\u202ey',
  ])('says that no organization matches %j', async (who) => {
    const browser = new HttpBrowser();
    const page = await browser.submit(await openLogin(browser, '?return_to=/console'), { who });
    expect(page.status).toBe(404);
    expect(page.text).toContain('No organization matches “<bdi>');
    expect(page.text).not.toMatch(/<b>x|\u202ey</);
    expect(page.forms[0]?.fields.find(({ name }) => name === 'return_to')?.value).toBe('/console');
    expect(browser.cookie('samlgate_organization')).toBeUndefined();
  });

  it('refuses an empty form with a link back', async () => {
    const page = await new HttpBrowser().request(`${gateway.url}/login`, { method: 'POST', body: new URLSearchParams({ who: ' ' }) });
    expect([page.status, page.code]).toEqual([400, 'validation_failed']);
    expect(page.text).toContain('Back to the sign-in page');
  });
});

describe('sign-in page: last organization', () => {
  it('offers the organization of the last sign-in for 90 days and forgets it on request', async () => {
    const { browser } = await signedIn(gateway, acme, 'carl');
    const console = browser.history.find(({ url }) => url === `${gateway.url}/console`);
    expect(console?.headers.getSetCookie().join()).toMatch(
      new RegExp(`^samlgate_organization=${acme.slug}; Max-Age=7776000; Path=/; Expires=[^;]+; HttpOnly; SameSite=Lax$`),
    );
    expect((await browser.request(`${gateway.url}/console`)).headers.getSetCookie()).toEqual([]);
    const page = await openLogin(browser, '?return_to=/device');
    expect(remembered(page.text)).toEqual({
      text: 'Continue with Acme <b>',
      href: `${gateway.url}/saml/${acme.slug}/login?return_to=%2Fdevice`,
    });
    const after = await browser.submit(page, {}, '/login/forget');
    expect(after.url).toBe(`${gateway.url}/login?return_to=%2Fdevice`);
    expect(remembered(after.text)).toBeUndefined();
    expect(browser.cookie('samlgate_organization')).toBeUndefined();
  });

  it('remembers the organization that was entered', async () => {
    const browser = new HttpBrowser();
    await browser.request(`${gateway.url}/login`, { method: 'POST', body: new URLSearchParams({ who: 'x@acme.example' }) });
    expect(remembered((await openLogin(browser)).text)?.text).toBe('Continue with Acme <b>');
  });

  it.each(['deleted-organization', '../../evil', 'https://evil.example', ''])('offers nothing for a cookie with %j', async (slug) => {
    const browser = new HttpBrowser();
    browser.setCookie(gateway.url, 'samlgate_organization', encodeURIComponent(slug));
    const page = await openLogin(browser);
    expect(page.status).toBe(200);
    expect(remembered(page.text)).toBeUndefined();
    expect(textOf(page.text)).toContain('You sign in with your organization’s identity provider.');
  });
});

describe('start page', () => {
  it('greets the operator of an empty gateway, and discloses nothing about it', async () => {
    const empty = await startGateway();
    try {
      const page = await new HttpBrowser().request(`${empty.url}/`);
      expect([page.status, page.headers.get('cache-control'), page.headers.getSetCookie()]).toEqual([200, 'no-store', []]);
      expect(textOf(page.text)).toContain('Welcome: sign in as operator');
      expect(readLinks(page.text, page.url)).toContainEqual({ href: `${empty.url}/console/operator`, text: 'Sign in as operator' });
      for (const secret of [empty.operatorToken, empty.runtime.config.store, process.cwd()]) expect(page.text).not.toContain(secret);
      const signIn = await new HttpBrowser().follow(page, 'Sign in as operator');
      expect(textOf(signIn.text)).toContain('Operator sign-in');
      await empty.makeOrganization();
      const redirect = await new HttpBrowser().request(`${empty.url}/`);
      expect([redirect.status, redirect.location]).toEqual([303, `${empty.url}/console`]);
    } finally {
      await empty.stop();
    }
  });
});
