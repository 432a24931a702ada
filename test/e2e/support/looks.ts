/** How a page looks and whether everybody can use it: phone and desktop, light and dark, axe-core on each. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { TestGateway } from '../../support/gateway.ts';
import { screenshot, watchComplaints } from './chromium.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface AxeResult {
  readonly violations: readonly { readonly id: string; readonly help: string; readonly nodes: readonly { readonly html: string }[] }[];
}

/** What axe-core finds on the page as it is now, a line for each place; none where all is well. */
export async function axeViolations(page: Page): Promise<string[]> {
  // Into the page by the debugger: its own policy rightly lets no such script in.
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
  /** What the browser complained about so far: scripts, the page's own policy, requests to other hosts. */
  readonly complaints: readonly string[];
}

/** @param urls of the hosts that pages may speak to */
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

/** A person of the mock identity provider, signed in by its pages. */
export async function openSignedIn(browser: Browser, gateway: TestGateway, slug: string, person: string): Promise<OpenPage> {
  const open = await openPage(browser, [gateway.url, (await gateway.mockIdp()).url]);
  await open.page.goto(gateway.loginUrl(slug));
  await open.page.locator(`button[name=person][value=${person}]`).click();
  await open.page.waitForURL(`${gateway.url}/console`);
  return open;
}

/**
 * Looks at the page that is open in every way, and writes `screenshots/NAME-LOOK.png`.
 * @returns what is wrong: what axe-core finds, a page that is wider than its window, not exactly one heading of the first level
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
