import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Locator, Page } from 'playwright-core';
import { ENTRA_GROUP_IDS } from '../../src/mock-idp/people.ts';
import { HttpBrowser, signIn } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { launchChromium } from './support/chromium.ts';
import { inspectLooks, openPage, openSignedIn } from './support/looks.ts';
import { type SimpleSamlPhp, startSimpleSamlPhp } from './support/simplesamlphp.ts';

let gateway: TestGateway;
let idp: SimpleSamlPhp;
let browser: Browser;

beforeAll(async () => {
  [gateway, idp, browser] = await Promise.all([
    startGateway(),
    startSimpleSamlPhp(['--nameid', 'transient', '--attributes', 'minimal']),
    launchChromium(),
  ]);
}, 120_000);

afterAll(async () => {
  await browser.close();
  await idp.stop();
  await gateway.stop();
}, 30_000);

/**
 * Counts the clicks of an administrator on pages of the gateway, and those that copy a value for the identity provider. Fields that have
 * the focus already need none.
 */
function clickCounter(page: Page) {
  let clicks = 0;
  const click = async (target: Locator): Promise<void> => {
    clicks++;
    await target.click();
  };
  return {
    click,
    /** Clicks the copy button of a value, or without scripts the value, which selects it. */
    copy: async (value: string): Promise<void> => {
      const button = page.locator(`button[data-copy="${value}"]`).first();
      const isOffered = await button.isVisible();
      await click(isOffered ? button : page.locator('code', { hasText: value }).first());
      const read = isOffered ? 'navigator.clipboard.readText()' : 'String(getSelection()).trim()';
      expect(await page.evaluate(read)).toBe(value);
    },
    /** Types into the field that has the focus. */
    enter: async (label: string, text: string): Promise<void> => {
      const field = page.getByLabel(label);
      expect(await field.evaluate((element) => element === document.activeElement)).toBe(true);
      await field.fill(text);
    },
    count: () => clicks,
  };
}

/** Times are printed, but never asserted, because they depend on the machine. */
const printTime = (walk: string, startedAtMs: number, clicks: number): void => {
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  process.stdout.write(`${walk}: from the setup link to live in ${seconds} s with ${clicks} clicks\n`);
};

describe('setup link in Chromium', () => {
  it('leads an IT administrator from the link to live with SimpleSAMLphp in its default configuration, in 12 clicks', async () => {
    await gateway.api('POST', '/organizations', { slug: 'initech', name: 'Initech' });
    const link = await gateway.api<{ url: string }>('POST', '/organizations/initech/setup-links', {});
    const { context, page, complaints } = await openPage(browser, [gateway.url, idp.url]);
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: gateway.url });
    const { click, copy, enter, count } = clickCounter(page);
    const button = (name: string) => page.getByRole('button', { name, exact: true });

    const startedAtMs = performance.now();
    await page.goto(link.body.url);
    await click(button('Start setup'));
    expect(await page.textContent('h1')).toBe('Which identity provider do you use?');
    expect(await inspectLooks(page, 'setup-provider')).toEqual([]);
    await click(page.getByRole('link', { name: 'SimpleSAMLphp' }));
    expect(await inspectLooks(page, 'setup-application')).toEqual([]);
    const metadataUrl = `${gateway.url}/saml/initech/metadata`;
    await copy(metadataUrl);
    const transientNameId = 'NameIDFormat=urn:oasis:names:tc:SAML:2.0:nameid-format:transient';
    await idp.addServiceProvider(metadataUrl, [transientNameId]);
    await click(page.getByRole('link', { name: 'Continue to metadata' }));

    await enter('URL or XML of the metadata', `${idp.url}/no-such-page`);
    await button('Preview').first().click(); // a mistake, which does not count
    expect(await page.locator('.error').textContent()).toContain(`You entered the address ${idp.url}/no-such-page.`);
    expect(await inspectLooks(page, 'setup-metadata-error')).toEqual([]);
    await page.getByLabel('URL or XML of the metadata').fill(idp.metadataUrl);
    await click(button('Preview').first());
    expect(await page.textContent('h1')).toBe('Is this your identity provider?');
    await click(button('Save'));

    expect(await page.textContent('h1')).toBe('How are users identified?');
    await click(button('Test sign-in'));
    await page.fill('input[name=username]', 'olivia');
    await page.fill('input[name=password]', 'olivia-pass');
    await page.press('input[name=password]', 'Enter');
    await page.waitForURL(/\/steps\/users\/att_/);
    const offers = page.getByRole('region', { name: 'Choose what identifies users' });
    expect(await offers.textContent()).toContain('can impersonate another');
    expect(await offers.textContent()).not.toMatch(/Identify users by (groups|displayName)/);
    expect(await inspectLooks(page, 'setup-users')).toEqual([]);
    await click(offers.getByRole('button', { name: 'Identify users by uid' }));

    expect(await page.textContent('h1')).toBe('Which group manages this organization?');
    expect(await inspectLooks(page, 'setup-roles')).toEqual([]);
    await click(page.getByRole('button', { name: 'platform-admins' }));

    expect(await page.textContent('h1')).toBe('Test the sign-in');
    await click(button('Test sign-in'));
    await page.waitForURL(/\/steps\/test\/att_/); // SimpleSAMLphp still has the session
    expect(await page.textContent('main')).toContain('Works.');
    expect(await page.textContent('main')).toContain('an owner');
    expect(await inspectLooks(page, 'setup-tested')).toEqual([]);
    await click(page.getByRole('link', { name: 'Continue to go live' }));
    expect(await inspectLooks(page, 'setup-go-live')).toEqual([]);
    await click(button('Go live'));
    expect(await page.textContent('h1')).toBe('Single sign-on is live');
    printTime('SimpleSAMLphp', startedAtMs, count());
    expect(await inspectLooks(page, 'setup-done')).toEqual([]);
    expect(count()).toBe(12);

    await page.goto(`${gateway.url}/setup/single-sign-on`);
    expect(await inspectLooks(page, 'setup-single-sign-on')).toEqual([]);
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('button', { name: 'End setup' }).click();
    expect(await page.textContent('h1')).toContain('The setup has ended');
    await page.goto(link.body.url);
    expect(await page.textContent('main')).toContain('ask the person who sent it for a new one');
    expect(complaints.filter((text) => !text.includes('400'))).toEqual([]);
    await context.close();
  }, 240_000);
});

/** What an administrator sees of each product, in the shapes of its responses. */
const PRODUCTS = [
  { habit: 'okta', name: 'Okta', slug: 'by-okta', hasScripts: true, ownerGroup: 'platform-admins', clicks: 11 },
  { habit: 'entra-id', name: 'Entra ID', slug: 'by-entra', hasScripts: true, ownerGroup: ENTRA_GROUP_IDS['platform-admins'], clicks: 11 },
  { habit: 'google-workspace', name: 'Google Workspace', slug: 'by-google', hasScripts: false, ownerGroup: 'platform-admins', clicks: 11 },
] as const;

describe('setup link with the shapes of a product in Chromium', () => {
  it.each(PRODUCTS)(
    'leads from the link to live with $name in $clicks clicks (scripts: $hasScripts)',
    async (product) => {
      const { habit, name, slug, hasScripts, ownerGroup, clicks } = product;
      const mock = await gateway.mockIdp();
      await gateway.api('POST', '/organizations', { slug, name: 'Initrode' });
      const link = await gateway.api<{ url: string }>('POST', `/organizations/${slug}/setup-links`, {});
      const context = await browser.newContext({ javaScriptEnabled: hasScripts });
      const page = await context.newPage();
      page.setDefaultTimeout(30_000);
      await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: gateway.url });
      const { click, copy, enter, count } = clickCounter(page);
      const button = (label: string) => page.getByRole('button', { name: label, exact: true });
      /** Signs in at the identity provider, whose clicks do not count. Without scripts its response needs one more. */
      const testAsOlivia = async (step: string) => {
        await click(button('Test sign-in'));
        await page.locator('button[name=person][value=olivia]').click();
        if (!hasScripts) await page.locator('form button[type=submit]').first().click();
        await page.waitForURL(new RegExp(`/steps/${step}/att_`));
      };

      const startedAtMs = performance.now();
      await page.goto(link.body.url);
      await click(button('Start setup'));
      await click(page.getByRole('link', { name, exact: true }));
      expect(await page.textContent('h1')).toBe(`Create the application in ${name}`);
      for (const endpoint of ['acs', 'metadata']) await copy(`${gateway.url}/saml/${slug}/${endpoint}`);
      await click(page.getByRole('link', { name: 'Continue to metadata' }));
      const metadata = await (await fetch(mock.metadataUrl(habit))).text();
      await enter('URL or XML of the metadata', metadata);
      await click(button('Preview').first());
      await click(button('Save'));
      await testAsOlivia('users');
      await click(page.getByRole('link', { name: 'Continue to roles' }));
      await click(page.getByRole('button', { name: ownerGroup }));
      if (new URL(page.url()).pathname.endsWith('/steps/test')) {
        await testAsOlivia('test');
        await click(page.getByRole('link', { name: 'Continue to go live' }));
      }
      await click(button('Go live'));
      expect(await page.textContent('h1')).toBe('Single sign-on is live');
      printTime(name, startedAtMs, count());
      expect(count()).toBe(clicks);
      const { page: signedIn } = await signIn(new HttpBrowser(), gateway.loginUrl(slug), 'olivia');
      expect(signedIn.text).toContain('owner');
      await context.close();
    },
    240_000,
  );
});

describe('single sign-on pages of an owner in Chromium', () => {
  it('shows setup links, role mapping and the sign-in log accessibly', async () => {
    await gateway.makeOrganization('acme');
    const { context, page, complaints } = await openSignedIn(browser, gateway, 'acme', 'olivia');
    const console = `${gateway.url}/console`;

    await page.goto(`${console}/single-sign-on`);
    await page.getByRole('button', { name: 'Create setup link' }).click();
    expect(await page.textContent('h1')).toBe('Setup link');
    expect(await inspectLooks(page, 'console-setup-link')).toEqual([]);
    await page.goto(`${console}/single-sign-on`);

    await page.goto(`${console}/roles`);
    await page.getByLabel('Or groups, one per line').fill('platform-admins');
    await page.getByRole('button', { name: 'Test rules' }).click();
    expect(await page.getByRole('status').textContent()).toContain('the owner role');
    expect(await inspectLooks(page, 'console-roles')).toEqual([]);
    await page.getByLabel('Group').first().fill('on-call');
    await page.getByRole('button', { name: 'Preview changes' }).click();
    expect(await page.textContent('main')).toContain('would leave the organization without an owner');
    expect(await inspectLooks(page, 'console-roles-preview')).toEqual([]);

    await fetch(`${gateway.url}/saml/acme/acs`, { method: 'POST', body: new URLSearchParams({ SAMLResponse: 'PHgvPg==' }) });
    await page.goto(`${console}/sign-ins`);
    expect(await page.textContent('main')).toContain('accepted');
    await page
      .getByRole('link', { name: /refused/ })
      .first()
      .click();
    expect(await page.textContent('h1')).toBe('Refused sign-in');
    expect(await inspectLooks(page, 'console-sign-in-refused')).toEqual([]);
    expect(complaints).toEqual([]);
    await context.close();
  }, 120_000);
});
