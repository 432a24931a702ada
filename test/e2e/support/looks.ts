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

/** Without what only reports need: axe-core otherwise describes each element that passes, which takes most of its time. */
const AXE_OPTIONS = { resultTypes: ['violations'], preload: false, elementRef: false };

/** Returns the findings of axe-core on the current page, one line each. */
async function axeViolations(page: Page): Promise<string[]> {
  // Injected by the debugger, because the page's own policy rightly forbids such a script.
  if (!(await page.evaluate(`'axe' in window`))) await page.evaluate(`${AXE}; 0`);
  const { violations } = (await page.evaluate(`axe.run(document, ${JSON.stringify(AXE_OPTIONS)})`)) as AxeResult;
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id} (${help}): ${html.slice(0, 200)}`));
}

/** Axe-core and the geometry are checked in these. Each width and each color scheme occurs in one of them. */
const CHECKED = [
  { look: 'desktop-light', width: 1280, height: 800, colorScheme: 'light' },
  { look: 'phone-dark', width: 390, height: 844, colorScheme: 'dark' },
] as const;

const LOOKS = [
  ...CHECKED,
  { look: 'desktop-dark', width: 1280, height: 800, colorScheme: 'dark' },
  { look: 'phone-light', width: 390, height: 844, colorScheme: 'light' },
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
 * Inspects the open page on a desktop and on a phone, in light and dark, without loading it again. With SAMLGATE_SCREENSHOTS=1 it also
 * writes `screenshots/NAME-LOOK.png`.
 * @returns problems: findings of axe-core, a page wider than its window, other than exactly one level-1 heading, a missing title
 */
export async function inspectLooks(page: Page, name: string): Promise<string[]> {
  const problems: string[] = [];
  for (const { look, width, height, colorScheme } of CHECKED) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    problems.push(...(await axeViolations(page)).map((violation) => `${look}: ${violation}`));
  }
  problems.push(...(await inspectLayout(page)));
  if (process.env.SAMLGATE_SCREENSHOTS === '1') await writeScreenshots(page, name);
  return problems.map((problem) => `${name}: ${problem}`);
}

/** Checks what needs no script on the page: its widths, its heading and its title. */
export async function inspectLayout(page: Page): Promise<string[]> {
  const problems: string[] = [];
  for (const { width, height } of CHECKED) {
    await page.setViewportSize({ width, height });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) problems.push(`the page is ${wide} pixels wider than the window of ${width}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  const headings = await page.locator('h1').count();
  if (headings !== 1) problems.push(`the page has ${headings} headings of the first level`);
  const title = await page.title();
  if (!/\w.* [·–] \w/.test(title)) problems.push(`the title is “${title}”`);
  return problems;
}

async function writeScreenshots(page: Page, name: string): Promise<void> {
  for (const { look, width, height, colorScheme } of LOOKS) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await screenshot(page, `${name}-${look}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}
