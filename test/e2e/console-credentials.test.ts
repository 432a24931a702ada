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

describe('the credentials page in Chromium', () => {
  it.each([
    ['carl', 'collaborator'],
    ['olivia', 'owner'],
  ])(
    '%s sees who they are, everywhere without barriers',
    async (person, role) => {
      const { context, page, complaints } = await openSignedIn(browser, gateway, 'acme', person);
      expect(await page.textContent('h1')).toBe('Credentials');
      expect(await page.textContent('main')).toContain(`${person}@okta.acme.example`);
      expect(await page.textContent('main')).toContain(role);
      expect(await inspectLooks(page, `console-credentials-${role}`)).toEqual([]);
      expect(complaints).toEqual([]);
      await context.close();
    },
    60_000,
  );
});
