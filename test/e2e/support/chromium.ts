/** Starts a real Chromium, driven by playwright-core. It connects only to this machine. */
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
export const SCREENSHOTS = path.join(import.meta.dirname, '../screenshots');

export function launchChromium(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM_PATH ?? CANDIDATES.find((file) => existsSync(file));
  if (executablePath === undefined) throw new Error('Chromium is not installed (apt-get install chromium), or set CHROMIUM_PATH');
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** Writes `screenshots/NAME.png` for review. Git ignores the folder. */
export async function screenshot(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

/** Collects a page's problems: policy violations, script errors and requests to other hosts. */
export function watchComplaints(page: Page, allowedHosts: readonly string[]): string[] {
  const complaints: string[] = [];
  page.on('console', (message) => {
    // The browser also logs each 4xx answer, which is not a problem of the page.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const { host } = new URL(request.url());
    if (!allowedHosts.includes(host)) complaints.push(`request to ${host}`);
  });
  return complaints;
}
