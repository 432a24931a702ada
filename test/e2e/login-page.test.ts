import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { launchChromium } from './support/chromium.ts';
import { inspectLooks, openPage, openSignedIn } from './support/looks.ts';

let gateway: TestGateway;
let browser: Browser;

beforeAll(async () => {
  [gateway, browser] = await Promise.all([startGateway(), launchChromium()]);
  await gateway.makeOrganization('acme');
  await gateway.api('PATCH', '/organizations/acme', { name: 'Acme Corporation', domains: ['acme.example'] });
}, 60_000);

afterAll(async () => {
  await browser.close();
  await gateway.stop();
});

describe('sign-in and error pages in Chromium', () => {
  it('signs in the first time, reports an unknown organization, and offers one click the next time', async () => {
    const { context, page, complaints } = await openPage(browser, [gateway.url, (await gateway.mockIdp()).url]);
    await page.goto(`${gateway.url}/console/members`);
    await page.getByLabel('Work email or organization').fill('user@nowhere.example');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    expect(await inspectLooks(page, 'login-unknown')).toEqual([]);
    await page.getByLabel('Work email or organization').fill('olivia@acme.example');
    await page.keyboard.press('Enter');
    await page.locator('button[name=person][value=olivia]').click();
    await page.waitForURL(`${gateway.url}/console/members`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    await page.getByRole('link', { name: 'Sign in again' }).click();
    expect(await inspectLooks(page, 'login-remembered')).toEqual([]);
    await page.getByRole('link', { name: 'Continue with Acme Corporation' }).click();
    await page.locator('button[name=person][value=olivia]').click();
    await page.waitForURL(`${gateway.url}/console`);
    expect(complaints).toEqual([]);
    await context.close();
  }, 120_000);

  it('asks for the code of a terminal, for confirmation, and shows the result', async () => {
    const { context, page, complaints } = await openSignedIn(browser, gateway, 'acme', 'carl');
    const started = await fetch(`${gateway.url}/oauth/device_authorization`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: 'samlgate-cli' }),
    });
    const { user_code: code } = (await started.json()) as { user_code: string };
    await page.goto(`${gateway.url}/device`);
    await page.getByLabel('Code').fill(code);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Sign in a terminal?' }).waitFor();
    expect(await inspectLooks(page, 'device-question')).toEqual([]);
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByRole('heading', { name: 'The terminal is signed in' }).waitFor();
    expect(await inspectLooks(page, 'device-answered')).toEqual([]);
    expect(complaints).toEqual([]);
    await context.close();
  }, 120_000);
});
