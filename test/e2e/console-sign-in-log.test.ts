import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { launchChromium } from './support/chromium.ts';
import { inspectLooks, openPage } from './support/looks.ts';

let gateway: TestGateway;
let browser: Browser;
let acme: TestOrganization;
let olivia: HttpBrowser;

beforeAll(async () => {
  [gateway, browser] = await Promise.all([startGateway(), launchChromium()]);
  acme = await makeTestOrganization(gateway);
  olivia = new HttpBrowser();
  await acme.signIn(olivia);
  await acme.signIn(new HttpBrowser(), 'nina', { spEntityId: 'https://elsewhere.example' });
  await acme.post(new HttpBrowser(), acme.respond({ user: 'nina' }).replaceAll('nina@', 'victim@'));
}, 60_000);

afterAll(async () => {
  await browser.close();
  await gateway.stop();
});

/** Opens a page of the console with the session of the owner. */
async function openConsole(path: string) {
  const open = await openPage(browser, [gateway.url]);
  await open.context.addCookies(olivia.cookies.map(({ name, value }) => ({ name, value, url: gateway.url })));
  await open.page.goto(`${gateway.url}${path}`);
  return open;
}

describe('sign-in log in Chromium', () => {
  it('leads from a refused attempt of a person to the field to change, on a page that needs little scrolling', async () => {
    const { context, page, complaints } = await openConsole('/console/sign-ins');
    await page.getByLabel('User or request ID').fill('nina@');
    await page.getByRole('button', { name: 'Filter' }).click();
    expect(await page.locator('tbody tr').count()).toBe(1);
    await page.getByRole('link', { name: 'What to change' }).click();
    expect(await page.textContent('#verdict')).toBe('The assertion was issued for a different application');
    for (const [width, most] of [
      [1280, 2000],
      [390, 3000],
    ] as const) {
      await page.setViewportSize({ width, height: 800 });
      expect(await page.evaluate(() => document.documentElement.scrollHeight)).toBeLessThan(most);
    }
    const checks = page.locator('details.checks');
    for (const group of await checks.all()) await group.locator('summary').click();
    expect(await inspectLooks(page, 'sign-in-refused-all-checks')).toEqual([]);
    await page.getByRole('link', { name: 'Open Values for your identity provider' }).click();
    expect(new URL(page.url()).hash).toBe('#values');
    expect(complaints).toEqual([]);
    await context.close();
  }, 180_000);

  it('shows the user at the browser a page for the user', async () => {
    const { context, page, complaints } = await openPage(browser, [gateway.url]);
    const xml = acme.respond({ user: 'nina', spEntityId: 'https://elsewhere.example' });
    await page.goto(`${gateway.url}/login`);
    await page.evaluate(
      ([action = '', value = '']) => {
        const form = document.createElement('form');
        form.method = 'post';
        form.action = action;
        const input = document.createElement('input');
        input.name = 'SAMLResponse';
        input.value = value;
        form.append(input);
        document.body.append(form);
        form.submit();
      },
      [acme.acsUrl, Buffer.from(xml).toString('base64')],
    );
    await page.getByText('Details for your IT administrator').waitFor();
    expect(await inspectLooks(page, 'sign-in-refused-user')).toEqual([]);
    expect(complaints).toEqual([]);
    await context.close();
  }, 120_000);
});
