import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { HttpBrowser, signIn } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { launchChromium } from './support/chromium.ts';
import { inspectLooks, type OpenPage, openPage } from './support/looks.ts';

let gateway: TestGateway;
let browser: Browser;

beforeAll(async () => {
  [gateway, browser] = await Promise.all([startGateway(), launchChromium()]);
  for (const [slug, name, domains] of [
    ['acme', 'Acme Corporation', ['acme.example', 'acme.test']],
    ['globex', 'Globex & Söhne', ['globex.example']],
  ] as const) {
    await gateway.makeOrganization(slug);
    await gateway.api('PATCH', `/organizations/${slug}`, { name, domains });
  }
  await gateway.api('POST', '/organizations', { slug: 'initech', name: 'Initech' });
  await signIn(new HttpBrowser(), gateway.loginUrl('acme'), 'olivia');
}, 60_000);

afterAll(async () => {
  await browser.close();
  await gateway.stop();
});

async function enter(): Promise<OpenPage> {
  const open = await openPage(browser, [gateway.url]);
  await open.page.goto(`${gateway.url}/console/operator`);
  await open.page.getByLabel('Operator token').fill(gateway.operatorToken);
  await open.page.getByRole('button', { name: 'Sign in' }).click();
  await open.page.waitForURL(`${gateway.url}/console/operator`);
  return open;
}

describe('operator console in Chromium', () => {
  it('refuses a wrong token, signs in with the right one, and signs out', async () => {
    const { context, page, complaints } = await openPage(browser, [gateway.url]);
    await page.goto(`${gateway.url}/console/operator`);
    await page.getByLabel('Operator token').fill('not the token');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    expect(await inspectLooks(page, 'operator-sign-in-refused')).toEqual([]);
    await page.getByLabel('Operator token').fill(gateway.operatorToken);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Organizations' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Operator sign-in' }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  }, 60_000);

  it('filters organizations, creates one and deletes it', async () => {
    const { context, page, complaints } = await enter();
    await page.getByLabel('Open by slug').pressSequentially('globex.ex');
    expect(await page.locator('tbody tr:visible').count()).toBe(1);
    await page.getByLabel('Open by slug').fill('globex');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Globex & Söhne' }).waitFor();
    await page.goto(`${gateway.url}/console/operator/organizations/new`);
    await page.getByLabel('Slug').fill('hooli');
    await page.getByLabel('Name').fill('Hooli');
    await page.getByRole('button', { name: 'Create organization' }).click();
    await page.getByText('Created the organization').waitFor();
    expect(await inspectLooks(page, 'operator-organization-made')).toEqual([]);
    await page.getByRole('link', { name: 'Edit organization' }).click();
    await page.getByRole('link', { name: 'Cancel' }).click();
    await page.getByRole('link', { name: 'Delete hooli' }).click();
    await page.getByRole('textbox').fill('hooli');
    await page.getByRole('button', { name: 'Delete hooli' }).click();
    await page.getByText('Deleted the organization hooli').waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  }, 180_000);

  it('shows keys, health and the audit trail of the gateway', async () => {
    const { context, page, complaints } = await enter();
    const go = (name: string) => page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name }).click();
    await go('Signing keys');
    await page.getByRole('button', { name: 'Rotate keys' }).click();
    await page.getByText(/Key .* is now active/).waitFor();
    expect(await inspectLooks(page, 'operator-keys')).toEqual([]);
    await page
      .getByRole('link', { name: /Revoke/ })
      .last()
      .click();
    await page.setViewportSize({ width: 1280, height: 800 });
    await go('Health');
    await page.setViewportSize({ width: 1280, height: 800 });
    await go('Audit trail');
    expect(complaints).toEqual([]);
    await context.close();
  }, 120_000);
});
