import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { launchChromium, screenshot, watchComplaints } from './support/chromium.ts';
import { type GatewayProcess, makeOrganization, startGatewayProcess } from './support/gateway-process.ts';
import { type SimpleSamlPhp, startSimpleSamlPhp } from './support/simplesamlphp.ts';

let redis: RedisServer;
let idp: SimpleSamlPhp;
let browser: Browser;

beforeAll(async () => {
  [redis, idp, browser] = await Promise.all([startRedis(['--appendonly', 'yes']), startSimpleSamlPhp(), launchChromium()]);
}, 60_000);

afterAll(async () => {
  await browser.close();
  await idp.stop();
  await redis.stop();
}, 30_000);

describe.each(['sqlite', 'redis'] as const)('sign-in in Chromium (store: %s)', (store) => {
  let gateway: GatewayProcess;

  const inFreshBrowser = async (visit: (page: Page) => Promise<void>) => {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const complaints = watchComplaints(
      page,
      [gateway.url, idp.url].map((url) => new URL(url).host),
    );
    await visit(page);
    expect(complaints).toEqual([]);
    await context.close();
  };

  const typePassword = async (page: Page, user: string) => {
    await page.fill('input[name=username]', user);
    await page.fill('input[name=password]', `${user}-pass`);
    await page.press('input[name=password]', 'Enter');
  };

  beforeAll(async () => {
    gateway = await startGatewayProcess(store === 'redis' ? { SAMLGATE_STORE: redis.url } : {});
    await idp.restart([]);
    await makeOrganization(gateway, 'acme', idp.metadata());
    await gateway.api('PATCH', '/organizations/acme', { name: 'Acme <b>& Söhne</b>', domains: ['acme.test'] });
    await idp.addServiceProvider(`${gateway.url}/saml/acme/metadata`);
  }, 30_000);

  afterAll(async () => {
    expect(await gateway.stop()).toBe(0);
  });

  it('signs a user in by email address, shows the role and its reason, and signs the user out', () =>
    inFreshBrowser(async (page) => {
      await page.goto(`${gateway.url}/console`);
      expect(new URL(page.url()).pathname).toBe('/login');
      await page.getByLabel('Work email or organization').fill('olivia@acme.test');
      await screenshot(page, `login-${store}`);
      await page.getByRole('button', { name: 'Continue' }).click();
      await typePassword(page, 'olivia');
      await page.waitForURL(`${gateway.url}/console`);
      const text = await page.innerText('body'); // the organization is named in the header
      for (const part of ['Acme <b>& Söhne</b>', 'Olivia Owner', 'olivia@acme.test', 'owner', 'platform-admins'])
        expect(text).toContain(part);
      await screenshot(page, `console-${store}`);
      const [cookie] = (await page.context().cookies()).filter(({ name }) => name === 'samlgate_session');
      expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Lax', secure: false, path: '/' });
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByRole('heading', { name: /signed out/i }).waitFor();
      await page.goto(`${gateway.url}/console`);
      expect(new URL(page.url()).pathname).toBe('/login');
    }));

  it('shows a refused user a page that says what to do', () =>
    inFreshBrowser(async (page) => {
      await gateway.api('PUT', '/organizations/acme/role-mapping', {
        rules: [{ group: 'platform-admins', role: 'owner' }],
        default_role: 'none',
      });
      await page.goto(`${gateway.url}/saml/acme/login`);
      await typePassword(page, 'nina');
      await page.getByRole('heading', { name: 'You do not have access to this organization' }).waitFor();
      const text = await page.innerText('main');
      expect(text).toContain('did not send your groups');
      expect(text).toContain('saml_role_denied');
      await screenshot(page, `refused-${store}`);
      await page.getByRole('link', { name: 'Try again' }).click();
      await page.waitForURL(`${gateway.url}/saml/acme/acs`);
    }));

  it('posts the request to an identity provider that supports only HTTP-POST, under the policy against inline scripts', () =>
    inFreshBrowser(async (page) => {
      await idp.restart(['--sso-bindings', 'post']);
      await makeOrganization(gateway, 'by-post', idp.metadata());
      await idp.addServiceProvider(`${gateway.url}/saml/by-post/metadata`);
      await page.goto(`${gateway.url}/saml/by-post/login?return_to=/console`);
      await typePassword(page, 'carl');
      await page.waitForURL(`${gateway.url}/console`);
      expect(await page.innerText('main')).toContain('collaborator');
    }));
});
