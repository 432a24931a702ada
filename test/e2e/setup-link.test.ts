import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { launchChromium } from './support/chromium.ts';
import { inspectLooks, openPage, openSignedIn } from './support/looks.ts';
import { type SimpleSamlPhp, startSimpleSamlPhp } from './support/simplesamlphp.ts';

let gateway: TestGateway;
let idp: SimpleSamlPhp;
let browser: Browser;

beforeAll(async () => {
  [gateway, idp, browser] = await Promise.all([startGateway(), startSimpleSamlPhp(), launchChromium()]);
}, 60_000);

afterAll(async () => {
  await browser.close();
  await idp.stop();
  await gateway.stop();
}, 30_000);

describe('setup link in Chromium', () => {
  it('leads an IT administrator from nothing to a successful test sign-in with SimpleSAMLphp', async () => {
    await gateway.api('POST', '/organizations', { slug: 'initech', name: 'Initech' });
    const link = await gateway.api<{ url: string }>('POST', '/organizations/initech/setup-links', {});
    const { context, page, complaints } = await openPage(browser, [gateway.url, idp.url]);

    await page.goto(link.body.url);
    expect(await inspectLooks(page, 'setup-start')).toEqual([]);
    await page.getByRole('button', { name: 'Start setup' }).click();
    expect(new URL(page.url()).pathname).toBe('/setup/single-sign-on');
    expect(await page.textContent('main')).toContain('No identity provider yet');

    await page.getByRole('link', { name: 'Other', exact: true }).click();
    expect(await inspectLooks(page, 'setup-single-sign-on')).toEqual([]);
    const metadataUrl = await page.getByRole('region', { name: 'Values for your identity provider' }).getByRole('link').textContent();
    await idp.addServiceProvider(metadataUrl ?? '');

    await page.getByLabel('URL', { exact: true }).fill(idp.metadataUrl);
    await page.getByRole('button', { name: 'Preview' }).first().click();
    expect(await page.textContent('h1')).toBe('Is this your identity provider?');
    expect(await page.textContent('main')).toContain(idp.metadataUrl);
    expect(await inspectLooks(page, 'setup-preview')).toEqual([]);
    await page.getByRole('button', { name: 'Save' }).click();
    expect(await page.textContent('main')).toContain('The identity provider is saved.');

    await page.getByRole('button', { name: 'Test sign-in' }).click();
    await page.fill('input[name=username]', 'olivia');
    await page.fill('input[name=password]', 'olivia-pass');
    await page.press('input[name=password]', 'Enter');
    await page.waitForURL(/\/setup\/sign-ins\/att_/);
    expect(await page.textContent('h1')).toBe('The test sign-in succeeded');
    expect(await page.locator('tr', { hasText: 'failed' }).count()).toBe(0);
    expect(await page.locator('td .badge', { hasText: 'passed' }).count()).toBeGreaterThan(20);
    expect(await inspectLooks(page, 'setup-test-worked')).toEqual([]);

    expect(await page.textContent('main')).toContain('The connection is still a draft.');
    await page.getByRole('link', { name: 'Go live' }).click();
    expect(await inspectLooks(page, 'setup-tested')).toEqual([]);
    await page.getByRole('button', { name: 'Go live' }).click();
    expect(await page.textContent('main')).toContain('Single sign-on is live.');
    expect(await page.getByRole('region', { name: 'Go live' }).textContent()).toContain('Users can sign in through this connection.');
    expect(await inspectLooks(page, 'setup-live')).toEqual([]);

    await page.getByRole('link', { name: 'Settings' }).click();
    expect(await inspectLooks(page, 'setup-settings')).toEqual([]);
    await page.getByRole('button', { name: 'End setup' }).click();
    expect(await page.textContent('h1')).toContain('The setup has ended');
    await page.goto(link.body.url);
    expect(await page.textContent('main')).toContain('Ask the person who sent it for a new one');
    expect(complaints).toEqual([]);
    await context.close();
  }, 120_000);
});

describe('setup with the transient NameID that SimpleSAMLphp sends by default', () => {
  let transientIdp: SimpleSamlPhp;
  beforeAll(async () => {
    transientIdp = await startSimpleSamlPhp(['--nameid', 'transient', '--attributes', 'minimal']);
  }, 60_000);
  afterAll(() => transientIdp.stop(), 30_000);

  it('offers the attributes that arrived, and one click leads to a successful test sign-in', async () => {
    await gateway.api('POST', '/organizations', { slug: 'hooli', name: 'Hooli' });
    const link = await gateway.api<{ url: string }>('POST', '/organizations/hooli/setup-links', {});
    const { context, page, complaints } = await openPage(browser, [gateway.url, transientIdp.url]);
    await page.goto(link.body.url);
    await page.getByRole('button', { name: 'Start setup' }).click();
    const transientNameId = 'NameIDFormat=urn:oasis:names:tc:SAML:2.0:nameid-format:transient';
    await transientIdp.addServiceProvider(`${gateway.url}/saml/hooli/metadata`, [transientNameId]);
    await page.getByLabel('URL', { exact: true }).fill(transientIdp.metadataUrl);
    await page.getByRole('button', { name: 'Preview' }).first().click();
    await page.getByRole('button', { name: 'Save' }).click();
    expect(await page.getByRole('region', { name: 'User identifier' }).textContent()).toContain('first accepted sign-in or test');

    await page.getByRole('button', { name: 'Test sign-in' }).click();
    await page.fill('input[name=username]', 'olivia');
    await page.fill('input[name=password]', 'olivia-pass');
    await page.press('input[name=password]', 'Enter');
    await page.waitForURL(/\/setup\/sign-ins\/att_/);
    expect(await page.textContent('h1')).toBe('The test sign-in was refused');
    expect(await page.textContent('main')).toContain('transient');
    const offers = page.getByRole('region', { name: 'Choose what identifies users' });
    expect(await offers.textContent()).toContain('can impersonate another');
    expect(await offers.getByRole('button').allTextContents()).toContain('Identify users by uid');
    expect(await offers.textContent()).not.toMatch(/Identify users by (groups|displayName)/);
    expect(await inspectLooks(page, 'setup-offered-identifiers')).toEqual([]);

    await offers.getByRole('button', { name: 'Identify users by uid' }).click();
    expect(await page.getByRole('region', { name: 'User identifier' }).textContent()).toContain('the attribute uid');
    expect(await inspectLooks(page, 'setup-identifier')).toEqual([]);
    await page.getByRole('button', { name: 'Test sign-in' }).click();
    await page.waitForURL(/\/setup\/sign-ins\/att_/); // SimpleSAMLphp still has the session
    expect(await page.textContent('h1')).toBe('The test sign-in succeeded');
    expect(complaints).toEqual([]);
    await context.close();
  }, 240_000);
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
    expect(await inspectLooks(page, 'console-single-sign-on')).toEqual([]);

    await page.goto(`${console}/roles`);
    await page.getByLabel('Or groups, one per line').fill('platform-admins');
    await page.getByRole('button', { name: 'Test rules' }).click();
    expect(await page.getByRole('status').textContent()).toContain('the role owner');
    expect(await inspectLooks(page, 'console-roles')).toEqual([]);
    await page.getByLabel('Group').first().fill('on-call');
    await page.getByRole('button', { name: 'Preview changes' }).click();
    expect(await page.textContent('main')).toContain('would leave the organization without an owner');
    expect(await inspectLooks(page, 'console-roles-preview')).toEqual([]);

    await fetch(`${gateway.url}/saml/acme/acs`, { method: 'POST', body: new URLSearchParams({ SAMLResponse: 'PHgvPg==' }) });
    await page.goto(`${console}/sign-ins`);
    expect(await page.textContent('main')).toContain('accepted');
    expect(await inspectLooks(page, 'console-sign-ins')).toEqual([]);
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
