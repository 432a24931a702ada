import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { launchChromium } from './support/chromium.ts';
import { axeViolations, inspectLooks, LOOKS, type OpenPage, openPage } from './support/looks.ts';

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
  it.each([
    ['docs', '/docs'],
    ['docs-errors', '/docs/errors#saml_expired'],
    ['docs-example', '/docs/examples/okta'],
  ])('%s fits every window in light and dark, and axe-core finds nothing', async (name, at) => {
    await open.page.goto(`${gateway.url}${at}`);
    expect(await inspectLooks(open.page, name)).toEqual([]);
    expect(open.complaints).toEqual([]);
  });

  // A picture of the whole page would be too tall.
  it('the API reference fits every window in light and dark, and axe-core finds nothing', async () => {
    const { page, complaints } = open;
    await page.goto(`${gateway.url}/api/docs`);
    for (const { look, width, height, colorScheme } of LOOKS) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      // The page is long, so each color scheme is examined in one window only.
      if (look === 'desktop-light' || look === 'phone-dark') expect(await axeViolations(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
    }
    expect(complaints).toEqual([]);
  }, 120_000);

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
    await open.page.goto(`${gateway.url}/login`);
    expect(await open.page.evaluate(() => document.activeElement?.id)).toBe('who');
  });
});
