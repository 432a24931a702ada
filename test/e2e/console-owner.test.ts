import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { seedMember } from '../support/seed.ts';
import { signedIn } from '../support/signed-in.ts';
import { launchChromium } from './support/chromium.ts';
import { inspectLooks, openSignedIn } from './support/looks.ts';

const DAY_MS = 86_400_000;

let gateway: TestGateway;
let browser: Browser;
let carlId: string;

beforeAll(async () => {
  [gateway, browser] = await Promise.all([startGateway(), launchChromium()]);
  const { id } = await gateway.makeOrganization('acme');
  await gateway.api('PATCH', '/organizations/acme', { name: 'Acme Corporation' });
  const names = [
    'Ada Adams',
    'Björn Åkesson',
    'Chipo Dube',
    'Dmitri Ivanov',
    'Emma Fischer',
    'Fatima Haddad',
    'Grace Kim',
    'Hiroshi Tanaka',
  ];
  for (let i = 0; i < 60; i++) {
    const name = names[i % names.length] ?? '';
    const [first = ''] = name
      .normalize('NFD')
      .replace(/[^A-Za-z ]/g, '')
      .toLowerCase()
      .split(' ');
    await seedMember(gateway.runtime, id, {
      name,
      email: `${first}.${i}@acme.example`,
      role: i % 9 === 0 ? 'owner' : 'collaborator',
      roleSource: i % 9 === 0 ? { kind: 'rule', group: 'platform-admins' } : i % 7 === 0 ? { kind: 'manual' } : { kind: 'default' },
      suspended: i === 5,
      lastLoginAt: new Date(Date.now() - i * DAY_MS).toISOString(),
      sessions: [],
    });
  }
  const carl = await signedIn(gateway, { slug: 'acme' }, 'carl');
  carlId = carl.id;
  for (const name of ['laptop', 'continuous integration']) await carl.makeToken({ name, expires_in_days: 90 });
}, 60_000);

afterAll(async () => {
  await browser.close();
  await gateway.stop();
});

describe('members pages in Chromium', () => {
  it('lets an owner page through the list, search, and open a member', async () => {
    const { context, page, complaints } = await openSignedIn(browser, gateway, 'acme', 'olivia');
    await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Members' }).click();
    expect(await page.locator('tbody tr').count()).toBe(50);
    await page.getByRole('link', { name: 'Next page' }).click();
    expect(await page.locator('tbody tr').count()).toBe(12);
    await page.getByRole('searchbox', { name: 'Search' }).fill('carl@');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('link', { name: 'Carl Čapek' }).click();
    expect(await page.textContent('h1')).toBe('Carl Čapek');
    await page.getByRole('button', { name: 'Suspend' }).click();
    await page.getByText('The member is suspended').waitFor();
    expect(await inspectLooks(page, 'member-suspended')).toEqual([]);
    await page.getByRole('button', { name: 'Lift suspension' }).click();
    await page.getByText('The member is no longer suspended').waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  }, 120_000);

  it('shows an empty search result, and the owner’s own page', async () => {
    const { context, page, complaints } = await openSignedIn(browser, gateway, 'acme', 'olivia');
    await page.goto(`${gateway.url}/console/members?query=no-such-member`);
    expect(await inspectLooks(page, 'members-none')).toEqual([]);
    await page.goto(`${gateway.url}/console/members?query=olivia`);
    await page.getByRole('link', { name: 'Olivia Okafor' }).click();
    expect(await page.textContent('main')).toContain('This is you.');
    expect(complaints).toEqual([]);
    await context.close();
  }, 60_000);

  it('removes a member after their email address is typed', async () => {
    const { context, page, complaints } = await openSignedIn(browser, gateway, 'acme', 'olivia');
    await page.goto(`${gateway.url}/console/members/${carlId}/remove`);
    await page.getByRole('textbox').fill('another text');
    await page.getByRole('button', { name: 'Remove Carl Čapek' }).click();
    expect(await page.textContent('main')).toContain('The text does not match. Nothing has changed yet.');
    expect(await inspectLooks(page, 'member-remove')).toEqual([]);
    await page.getByRole('textbox').fill('carl@okta.acme.example');
    await page.getByRole('button', { name: 'Remove Carl Čapek' }).click();
    await page.getByText('Removed carl@okta.acme.example from the organization.').waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  }, 60_000);

  it('refuses a collaborator on a page of owners and offers a way back', async () => {
    const { context, page, complaints } = await openSignedIn(browser, gateway, 'acme', 'nina');
    const answer = await page.goto(`${gateway.url}/console/members`);
    expect(answer?.status()).toBe(403);
    expect(await page.textContent('h1')).toBe('You are not allowed to do this');
    expect(await inspectLooks(page, 'error-forbidden')).toEqual([]);
    await page.getByRole('link', { name: 'Back to the console' }).click();
    expect(await page.textContent('h1')).toBe('Credentials');
    expect(complaints).toEqual([]);
    await context.close();
  }, 60_000);
});

describe('audit trail in Chromium', () => {
  it('lets an owner filter and download the entries', async () => {
    const { context, page, complaints } = await openSignedIn(browser, gateway, 'acme', 'olivia');
    await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Audit trail' }).click();
    await page.getByLabel('Event').selectOption('cli_token.created');
    await page.getByRole('button', { name: 'Filter' }).click();
    expect(await page.locator('tbody tr').count()).toBe(2);
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download CSV' }).click()]);
    expect(file.suggestedFilename()).toMatch(/^audit-acme-\d{4}-\d{2}-\d{2}\.csv$/);
    expect(
      readFileSync(await file.path(), 'utf8')
        .trim()
        .split('\r\n'),
    ).toHaveLength(3);
    expect(complaints).toEqual([]);
    await context.close();
  }, 60_000);
});
