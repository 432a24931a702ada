/** What an operator sees first: `samlgate serve` on an empty store, and `samlgate demo`, on a terminal and in Chromium. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { freePort } from '../support/redis-server.ts';
import { launchChromium } from './support/chromium.ts';
import { startGatewayProcess } from './support/gateway-process.ts';
import { inspectLooks, openPage } from './support/looks.ts';

const MAIN = path.join(import.meta.dirname, '../../dist/main.js');

let browser: Browser;
let directory: string;
let child: ChildProcess | undefined;

beforeAll(async () => {
  browser = await launchChromium();
}, 60_000);
afterAll(() => browser.close());
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-first-start-'));
});
afterEach(async () => {
  if (child?.exitCode === null) {
    child.kill();
    await once(child, 'close');
  }
  rmSync(directory, { recursive: true, force: true });
});

/** Starts a command on a terminal of its own, and waits until its screen matches. */
function onTerminal(args: string, environment: Readonly<Record<string, string>>, pattern: RegExp): Promise<RegExpExecArray> {
  const env = { PATH: process.env.PATH ?? '', TERM: 'xterm', TMPDIR: directory, ...environment };
  const command = spawn('script', ['-qec', `${process.execPath} ${MAIN} ${args}`, '/dev/null'], { cwd: directory, env, stdio: 'pipe' });
  child = command;
  return new Promise((resolve, reject) => {
    let screen = '';
    command.stdout.setEncoding('utf8').on('data', (text: string) => {
      screen += text.replaceAll('\r\n', '\n');
      const match = pattern.exec(screen);
      if (match) resolve(match);
    });
    command.once('close', () => reject(new Error(`It ended without ${pattern}: ${screen}`)));
  });
}

describe('first start', () => {
  it('says on the terminal where to go, and the page leads to the operator console', async () => {
    const port = await freePort();
    const environment = { SAMLGATE_BASE_URL: `http://localhost:${port}`, SAMLGATE_LISTEN: `127.0.0.1:${port}` };
    const screen = await onTerminal(
      'serve',
      environment,
      /^ {2}Open +(\S+)\n {2}Sign in with +the operator token \(the content of (\S+)\)$/m,
    );
    const [, url = '', tokenFile = ''] = screen;
    expect([url, tokenFile]).toEqual([`http://localhost:${port}`, path.join(directory, 'data/operator-token')]);
    const token = readFileSync(tokenFile, 'utf8').trim();
    expect(screen.input).not.toContain(token);
    const { context, page, complaints } = await openPage(browser, [url]);
    await page.goto(url);
    await page.getByRole('heading', { name: 'Welcome: sign in as operator' }).waitFor();
    await page.getByRole('link', { name: 'Sign in as operator' }).click();
    await page.getByLabel('Operator token').fill(token);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${url}/console/operator`);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('writes one line to the log if standard output is not a terminal, until there is an organization', async () => {
    const store = { SAMLGATE_STORE: `sqlite:${path.join(directory, 'samlgate.db')}` };
    const first = await startGatewayProcess(store);
    const lines = first.output().trim().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(entries).toContainEqual(
      expect.objectContaining({
        msg: 'there is no organization yet',
        open: first.url,
        operator_token_from: 'the value of SAMLGATE_OPERATOR_TOKEN',
      }),
    );
    expect(first.output()).not.toContain(first.operatorToken);
    await first.api('POST', '/organizations', { slug: 'acme', name: 'Acme' });
    await first.stop();
    const second = await startGatewayProcess(first.environment);
    expect(second.output()).not.toContain('no organization');
    await second.stop();
  });
});

describe('demo in Chromium', () => {
  it('shows three identity providers with people to click, and signs in with one click', async () => {
    const ports = [await freePort(), await freePort()];
    const [, url = ''] = await onTerminal(`demo --port ${ports[0]} --idp-port ${ports[1]}`, {}, /Open +(\S+)\n[\s\S]*Stop with Ctrl-C/);
    const gatewayUrl = `http://localhost:${ports[0]}`;
    const { context, page, complaints } = await openPage(browser, [url, gatewayUrl]);
    await page.goto(url);
    expect(await page.locator('section h2').allTextContents()).toEqual(['Okta', 'Microsoft Entra ID', 'Google Workspace']);
    expect(await page.getByText('too many groups', { exact: true }).count()).toBe(1);
    await page.getByRole('button', { name: 'Provision Ada Adeyemi' }).click();
    await page.getByRole('heading', { name: 'Ada Adeyemi was provisioned' }).waitFor();
    expect(await inspectLooks(page, 'demo-provisioned')).toEqual([]);
    await page.getByRole('link', { name: 'All identity providers' }).click();
    await page.getByRole('button', { name: 'Oscar Overby', exact: true }).click();
    await page.waitForURL(`${gatewayUrl}/console`);
    await page.locator('main').getByText('Oscar Overby').first().waitFor();
    await page.goto(`${gatewayUrl}/saml/acme-okta/login`);
    await page.getByRole('heading', { name: 'Sign in with Okta' }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  }, 120_000);
});
