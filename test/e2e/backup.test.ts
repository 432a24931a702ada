/** Backs up and restores stores with the commands of docs/operations.md, while the gateway runs. */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { HttpBrowser } from '../support/browser.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { freePort, startRedis } from '../support/redis-server.ts';
import { type GatewayProcess, startGatewayProcess } from './support/gateway-process.ts';

const MAIN = path.join(import.meta.dirname, '../../dist/main.js');

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-backup-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs a shell block of the documentation that contains a text. */
function runFromDocumentation(containing: string): void {
  const text = readFileSync(path.join(import.meta.dirname, '../../docs/operations.md'), 'utf8');
  const block = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, code = '']) => code).find((code) => code.includes(containing));
  const commands = block?.split('\n').filter((line) => !/samlgate (serve|store check)/.test(line));
  if (!commands) throw new Error(`the documentation has no commands with ${containing}`);
  execFileSync('sh', ['-euc', commands.join('\n')], { cwd: directory, stdio: 'inherit' });
}

interface Credentials {
  readonly slug: string;
  readonly browser: HttpBrowser;
  readonly token: string;
}

async function fill(gateway: GatewayProcess): Promise<Credentials> {
  const organization = await makeTestOrganization(gateway);
  const browser = new HttpBrowser();
  expect((await organization.signIn(browser, 'olivia')).status).toBe(303);
  const me = await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
  const { csrf_token: csrf } = JSON.parse(me.text) as { csrf_token: string };
  const headers = { 'x-samlgate-csrf': csrf, 'content-type': 'application/json' };
  const created = await browser.request(`${gateway.url}/api/v1/me/tokens`, { method: 'POST', body: '{"name":"ci"}', headers });
  return { slug: organization.slug, browser, token: (JSON.parse(created.text) as { token: string }).token };
}

async function expectRestored(gateway: GatewayProcess, { slug, browser, token }: Credentials): Promise<void> {
  expect((await browser.request(`${gateway.url}/api/v1/me`)).status).toBe(200);
  expect((await gateway.api('GET', '/me', undefined, token)).status).toBe(200);
  expect((await gateway.api('GET', `/organizations/${slug}/identity-provider`)).status).toBe(200);
  // Private keys are readable with the secret.
  expect((await gateway.api('POST', '/keys/rotate')).status).toBe(200);
}

describe('backup and restore', () => {
  it('restores a running SQLite gateway with its secrets', async () => {
    mkdirSync(path.join(directory, 'data'), { mode: 0o700 });
    mkdirSync(path.join(directory, 'backup'), { mode: 0o700 });
    const data = path.join(directory, 'data');
    // The gateway creates its secrets beside the file. The test needs the operator token to know them.
    const port = await freePort();
    const environment = {
      PATH: process.env.PATH ?? '',
      SAMLGATE_BASE_URL: `http://localhost:${port}`,
      SAMLGATE_LISTEN: `127.0.0.1:${port}`,
      SAMLGATE_STORE: `sqlite:${path.join(data, 'samlgate.db')}`,
    };
    const first = spawn(process.execPath, [MAIN, 'serve'], { env: environment, stdio: 'ignore' });
    for (let i = 0; i < 400 && !(await isReady(port)); i++) await new Promise((resolve) => setTimeout(resolve, 25));
    const secrets = (folder: string) => ({
      SAMLGATE_SECRET: readFileSync(path.join(directory, folder, 'secret'), 'utf8').trim(),
      SAMLGATE_OPERATOR_TOKEN: readFileSync(path.join(directory, folder, 'operator-token'), 'utf8').trim(),
    });
    first.kill('SIGINT');
    await once(first, 'exit');
    const addresses = { SAMLGATE_BASE_URL: environment.SAMLGATE_BASE_URL, SAMLGATE_LISTEN: environment.SAMLGATE_LISTEN };
    const gateway = await startGatewayProcess({ ...addresses, ...secrets('data'), SAMLGATE_STORE: environment.SAMLGATE_STORE });
    const credentials = await fill(gateway);
    runFromDocumentation('.backup backup/samlgate.db');
    await gateway.stop('SIGKILL');
    rmSync(data, { recursive: true });
    runFromDocumentation('mkdir -m 700 restored');
    const store = `sqlite:${path.join(directory, 'restored/samlgate.db')}`;
    execFileSync(process.execPath, [MAIN, 'store', 'check'], { env: { PATH: environment.PATH, SAMLGATE_STORE: store }, stdio: 'pipe' });
    const restored = await startGatewayProcess({ ...addresses, ...secrets('restored'), SAMLGATE_STORE: store });
    await expectRestored(restored, credentials);
    await restored.stop();
  }, 120_000);

  it('restores a snapshot of Redis', async () => {
    const dump = path.join(directory, 'dump.rdb');
    const settings = { SAMLGATE_SECRET: randomBytes(32).toString('base64') };
    const before = await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
    const gateway = await startGatewayProcess({ ...settings, SAMLGATE_STORE: before.url });
    const credentials = await fill(gateway);
    execFileSync('redis-cli', ['-u', before.url, '--rdb', dump], { stdio: 'pipe' });
    await gateway.stop();
    await before.stop();

    const folder = mkdtempSync(path.join(directory, 'redis-'));
    copyFileSync(dump, path.join(folder, 'dump.rdb'));
    const after = await startRedis(['--appendonly', 'no', '--dir', folder, '--maxmemory-policy', 'noeviction']);
    const client = new Redis(after.url);
    expect(await client.config('SET', 'appendonly', 'yes')).toBe('OK');
    client.disconnect();
    const restored = await startGatewayProcess({ ...gateway.environment, SAMLGATE_STORE: after.url });
    await expectRestored(restored, credentials);
    await restored.stop();
    await after.stop();
  }, 120_000);
});

const isReady = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );
