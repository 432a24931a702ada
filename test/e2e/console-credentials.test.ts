import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { HttpBrowser, signIn } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { launchChromium } from './support/chromium.ts';
import { inspectLooks, openSignedIn } from './support/looks.ts';

let gateway: TestGateway;
let browser: Browser;

beforeAll(async () => {
  [gateway, browser] = await Promise.all([startGateway(), launchChromium()]);
  await gateway.makeOrganization('acme');
  await gateway.api('PATCH', '/organizations/acme', { name: 'Acme Corporation' });
}, 60_000);

afterAll(async () => {
  await browser.close();
  await gateway.stop();
});

describe('credentials in Chromium', () => {
  it('shows a collaborator their role and no link to pages of owners', async () => {
    const { context, page, complaints } = await openSignedIn(browser, gateway, 'acme', 'carl');
    expect(await page.textContent('h1')).toBe('Credentials');
    const text = await page.textContent('main');
    for (const part of ['Carl Čapek', 'carl@okta.acme.example', 'collaborator', 'No CLI tokens yet']) expect(text).toContain(part);
    expect(await page.locator('nav').count()).toBe(0);
    expect(await inspectLooks(page, 'credentials-empty')).toEqual([]);
    expect(complaints).toEqual([]);
    await context.close();
  }, 60_000);

  it('creates, copies and uses a token, and revokes it after a confirmation', async () => {
    await signIn(new HttpBrowser(), gateway.loginUrl('acme'), 'olivia');
    const { context, page, complaints } = await openSignedIn(browser, gateway, 'acme', 'olivia');
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: gateway.url });
    const open = page.getByRole('link', { name: 'Create token' });
    const dialog = page.getByRole('dialog', { name: 'Create a CLI token' });
    await open.click();
    expect(await page.evaluate(() => document.activeElement?.getAttribute('name'))).toBe('name');
    expect(await inspectLooks(page, 'credentials-dialog')).toEqual([]);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    expect(await open.evaluate((link) => link === document.activeElement)).toBe(true);
    await open.press('Enter');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await open.click();
    await dialog.getByLabel('Name').fill('nightly backup');
    await dialog.getByLabel('Expires after').selectOption('30 days');
    await dialog.getByRole('button', { name: 'Create token' }).click();
    await page.getByRole('heading', { name: 'Your new token' }).waitFor();
    expect(await page.textContent('main')).toContain(`samlgate login --gateway ${gateway.url} --org acme`);
    expect(await inspectLooks(page, 'credentials-new-token')).toEqual([]);
    await page.getByRole('button', { name: 'Copy the token' }).click();
    await page.getByRole('button', { name: 'Copied the token' }).waitFor();
    const token = (await page.evaluate('navigator.clipboard.readText()')) as string;
    expect((await gateway.api('GET', '/me', undefined, token)).status).toBe(200);
    await page.getByRole('link', { name: 'Done' }).click();
    await open.click();
    await page.getByLabel('Name').fill('laptop');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Your new token' }).waitFor();
    await page.goto(`${gateway.url}/console`);
    expect(await inspectLooks(page, 'credentials')).toEqual([]);

    page.once('dialog', (dialog) => void dialog.dismiss());
    await page.getByRole('button', { name: 'Revoke nightly backup' }).click();
    expect((await gateway.api('GET', '/me', undefined, token)).status).toBe(200);
    page.once('dialog', (dialog) => void dialog.accept());
    await page.getByRole('button', { name: 'Revoke nightly backup' }).click();
    await page.getByText('The token is revoked.').waitFor();
    expect(await inspectLooks(page, 'credentials-after-revoking')).toEqual([]);
    expect((await gateway.api('GET', '/me', undefined, token)).status).toBe(401);
    expect(complaints).toEqual([]);
    await context.close();
  }, 120_000);

  it('revokes all credentials after a page that lists them', async () => {
    const { context, page, complaints } = await openSignedIn(browser, gateway, 'acme', 'olivia');
    await page.getByRole('link', { name: 'Revoke all credentials' }).click();
    await page.getByRole('button', { name: 'Revoke all credentials' }).click();
    await page.getByText(/Revoked \d CLI tokens? and ended \d other sessions?\./).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  }, 60_000);

  it('works without scripts', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(gateway.loginUrl('acme'));
    await page.locator('button[name=person][value=nina]').click();
    // Without scripts, the mock identity provider posts its response with a button.
    const send = page.locator('form button[type=submit]').first();
    if (new URL(page.url()).host !== new URL(gateway.url).host) await send.click();
    await page.waitForURL(`${gateway.url}/console`);
    expect(await page.getByRole('button', { name: /^Copy/ }).count()).toBe(0);
    await page.getByRole('link', { name: 'Create token' }).click();
    expect(await page.textContent('h1')).toBe('Create a CLI token');
    await page.getByLabel('Name').fill('created without scripts');
    await page.getByRole('button', { name: 'Create token' }).click();
    await page.getByRole('link', { name: 'Done' }).click();
    await page.getByRole('button', { name: 'Revoke created without scripts' }).click();
    await page.getByText('The token is revoked.').waitFor();
    await context.close();
  }, 60_000);

  it('starts keyboard navigation with a skip link and always shows the focus', async () => {
    const { context, page } = await openSignedIn(browser, gateway, 'acme', 'olivia');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to content');
    await page.keyboard.press('Enter');
    expect(new URL(page.url()).hash).toBe('#content');
    const stops = await page.locator('a[href], button:visible, input:visible, select:visible').count();
    for (let i = 0; i < stops; i++) {
      await page.keyboard.press('Tab');
      const outline = (await page.evaluate(`(() => {
        const element = document.activeElement;
        if (element === document.body) return 'none needed';
        const { outlineStyle, boxShadow } = getComputedStyle(element);
        return outlineStyle !== 'none' || boxShadow !== 'none' ? 'seen' : element.outerHTML;
      })()`)) as string;
      expect(['seen', 'none needed']).toContain(outline);
    }
    await context.close();
  }, 60_000);
});
