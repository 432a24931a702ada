import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { startGatewayProcess } from './support/gateway-process.ts';

const MAIN = path.join(import.meta.dirname, '../../dist/main.js');

const serve = (environment: Readonly<Record<string, string>>, cwd = tmpdir()) =>
  spawnSync(process.execPath, [MAIN, 'serve'], {
    env: { PATH: process.env.PATH ?? '', ...environment },
    cwd,
    encoding: 'utf8',
    timeout: 20_000,
  });

describe('samlgate serve', () => {
  it('reports each configuration problem on a line, exits with 2 and creates nothing', () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-serve-'));
    const { status, stderr } = serve({ SAMLGATE_BASE_URL: 'nonsense', SAMLGATE_LISTEN: 'x', SAMLGATE_LOG_LEVEL: 'loud' }, directory);
    expect(status).toBe(2);
    for (const name of ['SAMLGATE_BASE_URL', 'SAMLGATE_LISTEN', 'SAMLGATE_LOG_LEVEL'])
      expect(stderr).toMatch(new RegExp(`^${name} .*Example: `, 'm'));
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(statSync(path.join(directory, 'data'), { throwIfNoEntry: false })).toBeUndefined();
    rmSync(directory, { recursive: true });
  });

  it('reports a store that does not answer and an address in use, and exits with 1', async () => {
    const secrets = { SAMLGATE_SECRET: randomBytes(32).toString('base64'), SAMLGATE_OPERATOR_TOKEN: randomBytes(32).toString('hex') };
    const away = serve({ ...secrets, SAMLGATE_STORE: 'redis://127.0.0.1:1' });
    expect([away.status, away.stderr]).toEqual([1, expect.stringContaining('SAMLGATE_STORE')]);
    expect(away.stderr).not.toMatch(/\n\s+at /);
    const gateway = await startGatewayProcess();
    const { SAMLGATE_LISTEN: listen = '' } = gateway.environment;
    const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-serve-'));
    const taken = serve({ ...secrets, SAMLGATE_STORE: `sqlite:${path.join(directory, 'samlgate.db')}`, SAMLGATE_LISTEN: listen });
    rmSync(directory, { recursive: true });
    expect([taken.status, taken.stderr]).toEqual([1, expect.stringMatching(/SAMLGATE_LISTEN.*EADDRINUSE/)]);
    expect(taken.stderr).not.toMatch(/\n\s+at /);
    expect(await gateway.stop()).toBe(0);
  });

  it('refuses to start with a secret other than the one that encrypted the keys', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-serve-'));
    const store = `sqlite:${path.join(directory, 'samlgate.db')}`;
    const gateway = await startGatewayProcess({ SAMLGATE_STORE: store });
    await gateway.stop();
    const { status, stderr } = serve({ ...gateway.environment, SAMLGATE_SECRET: randomBytes(32).toString('base64') });
    expect([status, stderr]).toEqual([2, expect.stringContaining('SAMLGATE_SECRET')]);
    rmSync(directory, { recursive: true });
  });

  it.each([
    ['SIGTERM', true],
    ['SIGHUP', true],
    ['SIGINT', false],
  ] as const)('finishes requests in flight on %s and exits with 0 within 10 seconds', async (signal, answersNewRequests) => {
    const gateway = await startGatewayProcess();
    const { hostname, port } = new URL(gateway.url);
    const answer = new Promise<number>((resolve, reject) => {
      const slow = request(
        {
          hostname,
          port,
          method: 'POST',
          path: '/login',
          headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': 8 },
        },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      slow.on('error', reject);
      slow.write('who=');
      // The rest of the request arrives well after the signal.
      setTimeout(() => slow.end('acme'), 1000);
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const startedMs = performance.now();
    const stopped = gateway.stop(signal);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const status = async (path: string) => (await fetch(`${gateway.url}${path}`).catch(() => undefined))?.status;
    expect([await status('/healthz'), await status('/readyz')]).toEqual(answersNewRequests ? [200, 503] : [undefined, undefined]);
    expect(await answer).toBe(404);
    expect(await stopped).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  it('writes the sign-in log when its terminal is closed', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-serve-'));
    const file = path.join(directory, 'samlgate.db');
    const inTerminal = await startGatewayProcess({ SAMLGATE_STORE: `sqlite:${file}` }, { hasTerminal: true });
    const organization = await makeTestOrganization(inTerminal);
    expect((await organization.signIn(new HttpBrowser(), 'carl')).status).toBe(303);
    await inTerminal.stop('SIGKILL');
    // SQLite deletes the log of a database when it is closed.
    for (let i = 0; i < 300 && existsSync(`${file}-wal`); i++) await new Promise((resolve) => setTimeout(resolve, 50));
    const next = await startGatewayProcess(inTerminal.environment);
    const { body } = await next.api<{ items: object[] }>('GET', `/organizations/${organization.slug}/sign-ins`);
    expect(body.items).toMatchObject([{ outcome: 'accepted', subject: 'carl@okta.acme.example' }]);
    expect(await next.stop()).toBe(0);
    rmSync(directory, { recursive: true });
  });

  it('keeps running when the reader of its log is gone', async () => {
    const gateway = await startGatewayProcess();
    gateway.process.stdout?.destroy();
    for (const slug of ['first', 'second', 'third']) {
      // Each writes an audit entry to the log.
      expect((await gateway.api('POST', '/organizations', { slug, name: slug })).status).toBe(201);
    }
    expect(gateway.process.exitCode).toBeNull();
    expect(await gateway.stop('SIGTERM')).toBe(0);
  });

  it('answers while the reader of its log pauses, and loses no entry', async () => {
    const gateway = await startGatewayProcess();
    gateway.process.stdout?.pause();
    await gateway.api('POST', '/organizations', { slug: 'acme', name: 'Acme' });
    // More than a pipe and its reader hold.
    const names = Array.from({ length: 400 }, (_, n) => `${'x'.repeat(180)} ${n}`);
    for (const name of names) expect((await gateway.api('PATCH', '/organizations/acme', { name })).status).toBe(200);
    gateway.process.stdout?.resume();
    const entries = () => gateway.output().match(/"organization\.changed"/g)?.length;
    for (let i = 0; i < 200 && entries() !== names.length; i++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(entries()).toBe(names.length);
    expect(await gateway.stop()).toBe(0);
  });

  it('does not wait after a second signal', async () => {
    const gateway = await startGatewayProcess();
    const stopped = gateway.stop('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 200));
    const startedMs = performance.now();
    gateway.process.kill('SIGTERM');
    expect(await stopped).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(1500);
  });

  it('is not ready while the disk accepts no writes, and recovers', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-serve-'));
    const gateway = await startGatewayProcess({ SAMLGATE_STORE: `sqlite:${path.join(directory, 'samlgate.db')}` });
    const limitFileSize = (bytes: string) => execFileSync('prlimit', ['--pid', String(gateway.process.pid), `--fsize=${bytes}:unlimited`]);
    const ready = async () => {
      await new Promise((resolve) => setTimeout(resolve, 1100));
      const response = await fetch(`${gateway.url}/readyz`);
      return [response.status, response.headers.get('content-type')?.split(';')[0]];
    };
    limitFileSize('1');
    expect(await ready()).toEqual([503, 'application/problem+json']);
    expect((await gateway.api('POST', '/organizations', { slug: 'full', name: 'Full' })).status).toBe(503);
    expect(await ready()).toEqual([503, 'application/problem+json']);
    limitFileSize('unlimited');
    expect(await ready()).toEqual([200, 'application/json']);
    expect((await gateway.api('POST', '/organizations', { slug: 'full', name: 'Full' })).status).toBe(201);
    expect(gateway.output().match(/not ready/g)).toHaveLength(1);
    expect(gateway.output().match(/ready again/g)).toHaveLength(1);
    await gateway.stop();
    rmSync(directory, { recursive: true });
  });

  it('loses no acknowledged sign-in when killed with SIGKILL', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-serve-'));
    const first = await startGatewayProcess({ SAMLGATE_STORE: `sqlite:${path.join(directory, 'samlgate.db')}` });
    const organization = await makeTestOrganization(first);
    const browsers: HttpBrowser[] = [];
    const signInForever = async () => {
      for (;;) {
        const browser = new HttpBrowser();
        if ((await organization.signIn(browser, 'carl')).status !== 303) throw new Error('refused');
        browsers.push(browser);
        if (browsers.length > 18) return;
      }
    };
    const signingIn = Promise.allSettled([signInForever(), signInForever()]);
    while (browsers.length < 6) await new Promise((resolve) => setTimeout(resolve, 10));
    await first.stop('SIGKILL');
    await signingIn;
    const answered = browsers.length;
    const second = await startGatewayProcess(first.environment);
    for (const browser of browsers.slice(0, answered)) {
      expect((await browser.request(`${second.url}/api/v1/me`, { headers: { accept: 'application/json' } })).status).toBe(200);
    }
    expect(await second.stop()).toBe(0);
    rmSync(directory, { recursive: true });
  });

  it('serves health, readiness and metrics, and puts no request data into metrics', async () => {
    const gateway = await startGatewayProcess();
    await fetch(`${gateway.url}/saml/no-such-thing-12345/login`);
    expect(await (await fetch(`${gateway.url}/healthz`)).json()).toEqual({ status: 'ok' });
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(metrics).toContain('samlgate_http_request_seconds');
    expect(metrics).not.toContain('no-such-thing');
    expect(await gateway.stop('SIGINT')).toBe(0);
  });
});
