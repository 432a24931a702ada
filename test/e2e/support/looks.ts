/** Inspects a page on phone and desktop, in light and dark, with axe-core on each. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { TestGateway } from '../../support/gateway.ts';
import { screenshot, watchComplaints } from './chromium.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface AxeResult {
  readonly violations: readonly { readonly id: string; readonly help: string; readonly nodes: readonly { readonly html: string }[] }[];
}

/** Returns the findings of axe-core on the current page, one line each. */
export async function axeViolations(page: Page): Promise<string[]> {
  // Injected by the debugger, because the page's own policy rightly forbids such a script.
  const { violations } = (await page.evaluate(`${AXE}; axe.run(document)`)) as AxeResult;
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id} (${help}): ${html.slice(0, 200)}`));
}

export const LOOKS = [
  { look: 'desktop-light', width: 1280, height: 800, colorScheme: 'light' },
  { look: 'desktop-dark', width: 1280, height: 800, colorScheme: 'dark' },
  { look: 'phone-light', width: 390, height: 844, colorScheme: 'light' },
  { look: 'phone-dark', width: 390, height: 844, colorScheme: 'dark' },
] as const;

export interface OpenPage {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Problems so far: script errors, policy violations and requests to other hosts. */
  readonly complaints: readonly string[];
}

/** @param urls of the hosts that pages may connect to */
export async function openPage(browser: Browser, urls: readonly string[]): Promise<OpenPage> {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = watchComplaints(
    page,
    urls.map((url) => new URL(url).host),
  );
  return { context, page, complaints };
}

/** Signs in a user of the mock identity provider through its pages. */
export async function openSignedIn(browser: Browser, gateway: TestGateway, slug: string, person: string): Promise<OpenPage> {
  const open = await openPage(browser, [gateway.url, (await gateway.mockIdp()).url]);
  await open.page.goto(gateway.loginUrl(slug));
  await open.page.locator(`button[name=person][value=${person}]`).click();
  await open.page.waitForURL(`${gateway.url}/console`);
  return open;
}

/**
 * Inspects the open page in every layout, and writes `screenshots/NAME-LOOK.png`.
 * @returns problems: findings of axe-core, a page wider than its window, other than exactly one level-1 heading
 */
export async function inspectLooks(page: Page, name: string): Promise<string[]> {
  const problems: string[] = [];
  for (const { look, width, height, colorScheme } of LOOKS) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await screenshot(page, `${name}-${look}`);
    problems.push(...(await axeViolations(page)).map((violation) => `${look}: ${violation}`));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) problems.push(`${look}: the page is ${wide} pixels wider than the window`);
  }
  const headings = await page.locator('h1').count();
  if (headings !== 1) problems.push(`the page has ${headings} headings of the first level`);
  return problems;
}
