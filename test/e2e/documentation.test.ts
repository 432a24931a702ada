import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { launchChromium } from './support/chromium.ts';
import { type OpenPage, openPage } from './support/looks.ts';

let gateway: TestGateway;
let browser: Browser;
let open: OpenPage;

beforeAll(async () => {
  [gateway, browser] = await Promise.all([startGateway(), launchChromium()]);
  open = await openPage(browser, [gateway.url]);
}, 60_000);

afterAll(async () => {
  await browser.close();
  await gateway.stop();
});

describe('documentation in Chromium', () => {
  it('leads from an error page to its code and on to the API reference', async () => {
    const { page } = open;
    await page.goto(`${gateway.url}/saml/unknown/login`);
    await page.getByRole('link', { name: 'Help' }).click();
    await page.waitForURL(`${gateway.url}/docs/errors#organization_unknown`);
    expect(await page.locator('tr:target').textContent()).toContain('organization_unknown');
    await page.getByRole('link', { name: 'API reference' }).click();
    await page.getByRole('link', { name: 'Create a CLI token' }).first().click();
    expect(await page.locator('#createToken').isVisible()).toBe(true);
  });

  it('puts the focus into the only field of the sign-in page', async () => {
    // On an empty gateway, the page would welcome the operator instead.
    await gateway.api('POST', '/organizations', { slug: 'acme', name: 'Acme' });
    await open.page.goto(`${gateway.url}/login`);
    expect(await open.page.evaluate(() => document.activeElement?.id)).toBe('who');
  });
});
