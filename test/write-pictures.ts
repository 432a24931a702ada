/**
 * `npm run pictures` writes the pictures of README and docs/ from the demo. The people, groups and organizations are those of the mock
 * identity provider. What differs between two runs is replaced: addresses, IDs and times of day.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { launchChromium } from './e2e/support/chromium.ts';
import { freePort } from './support/redis-server.ts';

const ROOT = path.join(import.meta.dirname, '..');
const MAX_OCTETS = 100_000;
const ADDRESS = 'https://sso.example.com';

interface Demo {
  readonly url: string;
  stop(): void;
}

async function startDemo(): Promise<Demo> {
  const [port, idpPort] = [await freePort(), await freePort()];
  const child = spawn(process.execPath, [path.join(ROOT, 'dist/main.js'), 'demo', '--port', String(port), '--idp-port', String(idpPort)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the demo ended with ${code}`)));
    child.stdout.setEncoding('utf8').on('data', (text: string) => text.includes('Stop with Ctrl-C') && resolve());
  });
  child.removeAllListeners('exit');
  return { url: `http://localhost:${port}`, stop: () => void child.kill() };
}

/** Replaces what differs between two runs, in texts and in fields. */
async function makeStable(page: Page, url: string): Promise<void> {
  await page.evaluate(
    ([from = '', to = '']) => {
      const stable = (text: string) =>
        text
          .replaceAll(from, to)
          .replace(/http:\/\/localhost:\d+/g, 'https://idp.example.com')
          .replace(/\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?/g, '2026-03-02 09:30')
          .replace(/[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}/g, '5b0c6d3e-1f2a-4c8b-9d7e-3a4f5b6c7d8e')
          .replace(/\d+ [A-Z][a-z]{2} 20\d\d, \d\d:\d\d/g, '2 Mar 2026, 09:30')
          .replace(/(?:[\dA-F]{2}:){31}[\dA-F]{2}/g, Array(32).fill('5B').join(':'))
          .replace(/(?:\b\d+ (?:seconds?|minutes?) ago|just now)/g, '2 minutes ago');
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) node.nodeValue = stable(node.nodeValue ?? '');
      for (const input of document.querySelectorAll('input')) input.value = stable(input.value);
    },
    [url, ADDRESS],
  );
}

async function signIn(page: Page, { url }: Demo, slug: string, person: string): Promise<void> {
  await page.goto(`${url}/saml/${slug}/login`);
  await page.locator(`button[name=person][value=${person}]`).click();
  await page.waitForURL(`${url}/**`);
}

/** Decides whether users in no group may sign in. */
async function setDefaultRole(page: Page, { url }: Demo, role: 'none' | 'collaborator'): Promise<void> {
  const { csrf_token: csrf } = (await (await page.request.get(`${url}/api/v1/me`)).json()) as { csrf_token: string };
  const answer = await page.request.put(`${url}/api/v1/organizations/acme-okta/role-mapping`, {
    headers: { 'x-samlgate-csrf': csrf },
    data: { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: role },
  });
  if (!answer.ok()) throw new Error(await answer.text());
}

/** Opens what each picture shows, from the top of the page. */
const PICTURES: Readonly<Record<string, { readonly height: number; readonly open: (page: Page, demo: Demo) => Promise<void> }>> = {
  setup: {
    height: 860,
    open: async (page, demo) => {
      await page.goto(`${demo.url}/console/single-sign-on/steps/application?idp=okta`);
      await page.getByText('B. Configure SAML').click();
    },
  },
  'role-mapping': {
    height: 760,
    open: async (page, demo) => {
      await page.goto(`${demo.url}/console/roles`);
      await page.locator('input[name=group_1]').fill('on-call');
    },
  },
  'sign-in-log': {
    height: 620,
    open: async (page, demo) => {
      await page.goto(`${demo.url}/console/sign-ins?outcome=refused`);
      await page.getByRole('link', { name: 'What to change' }).first().click();
    },
  },
};

const demo = await startDemo();
const browser = await launchChromium();
try {
  const context = await browser.newContext({ viewport: { width: 1120, height: 720 }, colorScheme: 'light', reducedMotion: 'reduce' });
  const page = await context.newPage();
  const devTools = await context.newCDPSession(page);
  await signIn(page, demo, 'acme-okta', 'olivia');
  await setDefaultRole(page, demo, 'none');
  const stranger = await (await browser.newContext()).newPage();
  await signIn(stranger, demo, 'acme-okta', 'nina');
  await setDefaultRole(page, demo, 'collaborator');
  for (const [name, { height, open }] of Object.entries(PICTURES)) {
    await page.setViewportSize({ width: 1120, height });
    await open(page, demo);
    await makeStable(page, demo.url);
    await page.evaluate(() => {
      (document.activeElement as HTMLElement | null)?.blur();
      scrollTo(0, 0);
    });
    // Half the size of a PNG.
    const { data } = await devTools.send('Page.captureScreenshot', { format: 'webp', quality: 90 });
    const picture = Buffer.from(data, 'base64');
    if (picture.length > MAX_OCTETS)
      throw new Error(`The picture ${name} has ${picture.length} octets. It is part of the package, so make it smaller.`);
    writeFileSync(path.join(ROOT, `docs/images/${name}.webp`), picture);
    console.log(`docs/images/${name}.webp: ${picture.length} octets`);
  }
} finally {
  await browser.close();
  demo.stop();
}
