import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { launchChromium } from './support/chromium.ts';
import { inspectLooks, openSignedIn } from './support/looks.ts';

let gateway: TestGateway;
let browser: Browser;

beforeAll(async () => {
  [gateway, browser] = await Promise.all([startGateway(), launchChromium()]);
  await gateway.makeOrganization('acme');
}, 60_000);

afterAll(async () => {
  await browser.close();
  await gateway.stop();
});

describe('role mapping in Chromium', () => {
  it('adds a rule, previews it with the Enter key, edits it again, and removes it', async () => {
    const { context, page, complaints } = await openSignedIn(browser, gateway, 'acme', 'olivia');
    await page.goto(`${gateway.url}/console/roles`);
    await page.getByRole('button', { name: 'Add rule' }).click();
    const group = page.locator('input[name=group_1]');
    expect(await group.evaluate((input) => input === document.activeElement)).toBe(true);
    await group.fill('engineering');
    await group.press('Enter');
    await page.getByText('Add engineering → collaborator').waitFor();
    expect(await inspectLooks(page, 'roles-preview')).toEqual([]);
    await page.getByRole('button', { name: 'Edit rules' }).click();
    expect(await group.inputValue()).toBe('engineering');
    await page.getByRole('button', { name: 'Remove rule 2' }).click();
    expect(await group.inputValue()).toBe('');
    await page.getByLabel('Default role').selectOption('none');
    await page.getByRole('button', { name: 'Remove rule 1' }).click();
    await page.getByRole('button', { name: 'Preview changes' }).click();
    await page.getByText('These rules would leave the organization without an owner').waitFor();
    expect(await inspectLooks(page, 'roles-refused')).toEqual([]);
    await page.getByRole('button', { name: 'Edit rules' }).click();
    expect(await page.getByLabel('Default role').inputValue()).toBe('none');
    expect(complaints).toEqual([]);
    await context.close();
  }, 180_000);
});
