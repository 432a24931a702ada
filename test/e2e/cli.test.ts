/** The command line with a real terminal and Chromium, and the API reference in Chromium. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { launchChromium, screenshot, watchComplaints } from './support/chromium.ts';

const MAIN = path.join(import.meta.dirname, '../../src/main.ts');

let gateway: TestGateway;
let acme: OrganizationJson;
let browser: Browser;
let home: string;
const running: { child: ChildProcess; ended: Promise<unknown> }[] = [];

beforeAll(async () => {
  [gateway, browser] = await Promise.all([startGateway(), launchChromium()]);
  acme = await gateway.makeOrganization();
}, 60_000);
afterAll(async () => {
  await browser.close();
  await gateway.stop();
}, 30_000);
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'samlgate-e2e-home-'));
});
afterEach(async () => {
  for (const command of running.splice(0)) {
    command.child.kill('SIGKILL');
    await command.ended;
  }
  rmSync(home, { recursive: true, force: true });
});

/** Runs visits in a fresh browser and fails if a page logs an error. */
async function visit(work: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const hosts = [gateway.url, (await gateway.mockIdp()).url].map((url) => new URL(url).host);
  const complaints = watchComplaints(page, hosts);
  try {
    await work(page);
    expect(complaints).toEqual([]);
  } finally {
    await context.close();
  }
}

/** Runs a command on a terminal of its own. Its browser is a program that records the URLs it should open. */
function onTerminal(args: string) {
  const opened = path.join(home, 'opened');
  const opener = path.join(home, 'opener');
  writeFileSync(opener, `#!/bin/sh\nprintf '%s' "$1" > '${opened}.part' && mv '${opened}.part' '${opened}'\n`);
  chmodSync(opener, 0o755);
  const env = { PATH: process.env.PATH ?? '', HOME: home, TERM: 'xterm', NODE_NO_WARNINGS: '1', BROWSER: opener };
  const child = spawn('script', ['-qec', `${process.execPath} ${MAIN} ${args}`, '/dev/null'], { cwd: home, env, stdio: 'pipe' });
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, screen }));
  running.push({ child, ended });
  return { opened, screen: () => screen, ended };
}

async function eventually<T>(look: () => T | undefined): Promise<T> {
  for (let i = 0; i < 400; i++) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it did not come');
}

async function signInAs(page: Page, person: string): Promise<void> {
  await page.locator(`button[value=${person}]`).click();
}

describe('samlgate login on a terminal', () => {
  test('signs in with the browser that it opens, shows the same code there, and then works from the terminal', async () => {
    const login = onTerminal(`login --gateway ${gateway.url} --org ${acme.slug}`);
    const address = await eventually(() => (existsSync(login.opened) ? readFileSync(login.opened, 'utf8') : undefined));
    const code = await eventually(() => /Code +([A-Z]{4}-[A-Z]{4})/.exec(login.screen())?.[1]);
    expect(new URL(address).origin).toBe(gateway.url);
    await visit(async (page) => {
      await page.goto(address);
      await signInAs(page, 'olivia');
      await page.getByRole('heading', { name: 'Sign in a terminal?' }).waitFor();
      expect(await page.getByText(code, { exact: true }).count()).toBe(1);
      await screenshot(page, 'device-confirmation');
      await page.getByRole('button', { name: 'Approve' }).click();
      await page.getByRole('heading', { name: 'The terminal is signed in' }).waitFor();
    });
    const { code: exitCode, screen } = await login.ended;
    expect([exitCode, screen]).toEqual([0, expect.stringContaining(`(owner of ${acme.name}) at ${gateway.url}.`)]);
    expect(screen).toMatch(/[|/\\-] Waiting for you to confirm in the browser …/);
    expect(screen).not.toContain('samlgate_cli_');
    expect(statSync(path.join(home, '.samlgate/credentials.json')).mode & 0o777).toBe(0o600);

    const members = await onTerminal('members list').ended;
    expect([members.code, members.screen]).toEqual([0, expect.stringContaining('owner')]);
    expect((await onTerminal('token rotate').ended).screen).toContain('Revoked 1 token and saved a new one.');
    expect((await onTerminal('whoami').ended).screen).toContain(`${acme.name} (${acme.slug})`);
    expect((await onTerminal('logout').ended).screen).toContain('and revoked the token.');
    expect((await onTerminal('whoami').ended).code).toBe(2);
  }, 60_000);

  test('opens no browser with --no-browser', async () => {
    const login = onTerminal(`login --gateway ${gateway.url} --no-browser`);
    const [, code = '', address = ''] = await eventually(
      () => /Code +(\S+)\s[\s\S]*open (\S+) and enter/.exec(login.screen()) ?? undefined,
    );
    await visit(async (page) => {
      await page.goto(`${gateway.url}/saml/${acme.slug}/login?return_to=/device`);
      await signInAs(page, 'carl');
      await page.waitForURL(address);
      await page.getByLabel('Code').fill(code.toLowerCase().replace('-', ' '));
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.getByRole('button', { name: 'Deny' }).click();
      await page.getByRole('heading', { name: 'The terminal was denied access' }).waitFor();
    });
    const { code: exitCode, screen } = await login.ended;
    expect([exitCode, screen]).toEqual([1, expect.stringContaining('The user denied the sign-in.')]);
    expect(existsSync(login.opened)).toBe(false);
  });
});
