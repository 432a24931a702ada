import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { HABIT_NAMES, HABITS, type HabitName } from '../../src/mock-idp/habits.ts';
import { HttpBrowser } from '../support/browser.ts';
import { type BuiltPackage, buildPackage, type RunningCommand } from '../support/built-package.ts';
import { readLinks, textOf } from '../support/html.ts';
import { freePort } from '../support/redis-server.ts';

const TIMEOUT_MS = 60_000;
const NAMES: Readonly<Record<HabitName, string>> = {
  okta: 'Acme (Okta)',
  'entra-id': 'Acme (Entra ID)',
  'google-workspace': 'Acme (Google Workspace)',
};

let built: BuiltPackage;
/** Directory for temporary files of the commands. */
let temporary: string;
let running: RunningCommand | undefined;
const occupied: Server[] = [];

beforeAll(async () => {
  built = await buildPackage();
}, TIMEOUT_MS);
afterAll(() => built.remove());
beforeEach(() => {
  temporary = mkdtempSync(path.join(tmpdir(), 'samlgate-demo-test-'));
});
afterEach(async () => {
  for (const server of occupied.splice(0)) server.close();
  await running?.end('SIGKILL');
  running = undefined;
  rmSync(temporary, { recursive: true, force: true });
});

const start = (...args: string[]): RunningCommand => {
  // The demo must ignore the settings of another gateway in the environment.
  running = built.start(args, { TMPDIR: temporary, SAMLGATE_STORE: 'redis://127.0.0.1:1', SAMLGATE_SECRET: 'none' });
  return running;
};

async function occupy(host: string): Promise<number> {
  const server = createServer((_request, response) => response.end('another program'));
  occupied.push(server);
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  return port;
}

interface Demo {
  readonly command: RunningCommand;
  /** URL of the page to open. */
  readonly page: string;
  readonly output: string;
}

async function startDemo(...options: string[]): Promise<Demo> {
  const command = start('demo', '--port', String(await freePort()), '--idp-port', String(await freePort()), ...options);
  const printed = await command.says(/Open {2}(\S+)[\s\S]*Stop with Ctrl-C\.\n/);
  return { command, page: printed[1] ?? '', output: printed.input };
}

/** Signs in from the printed page, as a user clicks, and returns the text of the console. */
async function signInFrom(page: string, habit: HabitName, person: string): Promise<string> {
  const browser = new HttpBrowser();
  const people = await browser.follow(await browser.open(page), `Sign in to ${NAMES[habit]}`);
  const landed = await browser.submit(await browser.submit(people, { person }));
  return textOf(landed.text);
}

/** Clicks a person on the printed page, and returns the text of the console. */
async function click(page: string, habit: HabitName, person: string): Promise<string> {
  const browser = new HttpBrowser();
  const landed = await browser.submit(await browser.submit(await browser.open(page), { person }, `/${habit}/answer`));
  return textOf(landed.text);
}

describe('samlgate demo, from the built package', () => {
  test(
    'signs in each person with the printed role, and leaves no files behind',
    async () => {
      const { command, page, output } = await startDemo();
      const front = textOf(await (await fetch(page)).text());
      for (const habit of HABIT_NAMES) {
        const section = output.slice(output.indexOf(`  ${NAMES[habit]}\n`));
        for (const { key, firstName, lastName, email, about } of HABITS[habit].people) {
          const role = key === 'olivia' ? 'owner' : 'collaborator';
          expect(section).toMatch(new RegExp(`^ {4}${firstName} +${role} +${about}$`, 'm'));
          expect(front).toContain(`${email}: ${about}. At the gateway: ${role}`);
          const console = await signInFrom(page, habit, key);
          expect(console).toContain(`You are signed in as ${firstName} ${lastName}.`);
          expect(console).toContain(`${role}: `);
        }
      }
      const { code, stdout, stderr } = await command.end('SIGINT');
      expect({ code, stdout, stderr, left: readdirSync(temporary) }).toEqual({ code: 0, stdout: output, stderr: '', left: [] });
    },
    TIMEOUT_MS,
  );

  test(
    'prints the name of a private file with a valid operator token, and not the token',
    async () => {
      const { output } = await startDemo();
      const [, gateway = '', file = ''] = /The gateway is at (\S+)\. Its operator token is in (\S+)\n/.exec(output) ?? [];
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
      const token = readFileSync(file, 'utf8').trim();
      expect(output).not.toContain(token);
      const listed = await built.run(['org', 'list', '--json'], { SAMLGATE_URL: gateway, SAMLGATE_OPERATOR_TOKEN: token });
      const slugs = (JSON.parse(listed.stdout) as { slug: string }[]).map(({ slug }) => slug);
      expect(slugs.sort()).toEqual(['acme-entra', 'acme-google', 'acme-okta']);
    },
    TIMEOUT_MS,
  );

  test(
    'supports sign-ins that start at the identity provider, and at the gateway with an email address',
    async () => {
      const { page } = await startDemo();
      const browser = new HttpBrowser();
      const front = await browser.open(page);
      expect(await click(page, 'entra-id', 'ada')).toContain('You are signed in as Ada Adeyemi.');
      const started = await browser.submit(front, {}, '/google-workspace/start');
      const landed = await browser.submit(await browser.submit(started, { person: 'carl' }));
      expect(textOf(landed.text)).toContain('You are signed in as Carl Čapek.');
      const login = await new HttpBrowser().follow(front, 'the gateway’s own sign-in page');
      const people = await new HttpBrowser().submit(login, { who: 'ada@entra.acme.example' });
      expect(textOf(people.text)).toContain('Sign in with Microsoft Entra ID');
    },
    TIMEOUT_MS,
  );

  test(
    'provisions and deactivates each user of Okta and Entra ID, who is the same member in SAML and SCIM',
    async () => {
      const { page, output } = await startDemo();
      const html = await (await fetch(page)).text();
      const form_token = /name="form_token" value="([^"]+)"/.exec(html)?.[1] ?? '';
      const provision = async (habit: HabitName, organization: string, fields: Record<string, string>) => {
        const body = new URLSearchParams({ form_token, organization, ...fields });
        return textOf(await (await fetch(`${page}${habit}/provisioning`, { method: 'POST', body })).text());
      };
      const [, gateway = '', file = ''] = /The gateway is at (\S+)\. Its operator token is in (\S+)\n/.exec(output) ?? [];
      const authorization = `Bearer ${readFileSync(file, 'utf8').trim()}`;
      for (const [habit, organization, before, after] of [
        ['okta', 'acme-okta', 'carl', 'nina'],
        ['entra-id', 'acme-entra', 'ada', 'nina'],
      ] as const) {
        await signInFrom(page, habit, before);
        for (const person of [before, after])
          expect(await provision(habit, organization, { provision: person })).toContain('was provisioned');
        await signInFrom(page, habit, after);
        const listed = await fetch(`${gateway}/api/v1/organizations/${organization}/members`, { headers: { authorization } });
        expect(await listed.json()).toMatchObject({ items: [{ state: 'active' }, { state: 'active' }] });
        for (const person of [before, after])
          expect(await provision(habit, organization, { deactivate: person })).toContain('was deactivated');
        expect(await signInFrom(page, habit, before)).toContain('member_suspended');
      }
      expect(html).not.toContain('/google-workspace/provisioning');
    },
    TIMEOUT_MS,
  );

  test(
    'prints the log of the gateway with --verbose',
    async () => {
      const { command, page } = await startDemo('--verbose');
      await signInFrom(page, 'okta', 'carl');
      await command.says(/^\{"level":"info".*"msg":"sign-in accepted"/m);
    },
    TIMEOUT_MS,
  );

  test.each(['127.0.0.1', '::1'])(
    'uses the next free port if another program listens on %s',
    async (host) => {
      const ports = { gateway: await occupy(host), idp: await occupy(host) };
      const printed = await start('demo', '--port', String(ports.gateway), '--idp-port', String(ports.idp)).says(
        /Open {2}(\S+)[\s\S]*Stop/,
      );
      const [, page = ''] = printed;
      const gateway = readLinks(await (await fetch(page)).text(), page).find(({ text }) => text.startsWith('http'))?.href ?? '';
      expect(Number(new URL(page).port)).toBeGreaterThan(ports.idp);
      expect(Number(new URL(gateway).port)).toBeGreaterThan(ports.gateway);
      expect(await signInFrom(page, 'okta', 'olivia')).toContain('You are signed in as Olivia Okafor.');
    },
    TIMEOUT_MS,
  );

  test(
    'exits cleanly on SIGTERM during the start',
    async () => {
      const command = start('demo', '--port', String(await freePort()), '--idp-port', String(await freePort()));
      while (readdirSync(temporary).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      const { code } = await command.end('SIGTERM');
      expect({ code, left: readdirSync(temporary) }).toEqual({ code: 0, left: [] });
    },
    TIMEOUT_MS,
  );

  test(
    'finishes open requests, also if Ctrl-C arrives twice, as npm forwards it',
    async () => {
      const { command, page, output } = await startDemo();
      const [, port = ''] = /The gateway is at http:\/\/localhost:(\d+)/.exec(output) ?? [];
      const socket = createConnection(Number(port), '127.0.0.1');
      const head = ['POST /login HTTP/1.1', 'Host: localhost', 'Content-Type: application/x-www-form-urlencoded'];
      socket.write([...head, 'Content-Length: 1', 'Expect: 100-continue', '', ''].join('\r\n'));
      const [begun] = (await once(socket, 'data')) as [Buffer];
      expect(begun.toString()).toContain('100 Continue');
      command.process.kill('SIGINT');
      while (
        await fetch(page).then(
          () => true,
          () => false,
        )
      );
      command.process.kill('SIGINT');
      socket.write('x');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 /);
      socket.destroy();
      expect((await command.end()).code).toBe(0);
    },
    TIMEOUT_MS,
  );
});

describe('samlgate mock-idp', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('prints its URLs and exits with 0 on %s', async (signal) => {
    const command = start('mock-idp', '--port', '0', '--gateway', 'http://localhost:8080');
    const { input: output } = await command.says(/Stop with Ctrl-C\.\n/);
    for (const habit of HABIT_NAMES) {
      const url = new RegExp(`${HABITS[habit].label} +(\\S+)\n`).exec(output)?.[1] ?? '';
      expect(await (await fetch(url)).text()).toContain(HABITS[habit].issuer);
    }
    const page = await (await fetch(/page +(\S+)\n/.exec(output)?.[1] ?? '')).text();
    expect(textOf(page)).toContain('for the gateway at http://localhost:8080.');
    expect((await command.end(signal)).code).toBe(0);
  });

  test.each([
    [
      'an https gateway',
      ['--gateway', 'https://sso.example.com'],
      2,
      /development only and does not start for https:\/\/sso\.example\.com/,
    ],
    ['a gateway whose URL is invalid', ['--gateway', 'nonsense'], 2, /not a URL: nonsense/],
    ['an invalid port', ['--port', '65536'], 2, /Expected a port number/],
  ])('refuses %s as wrong usage', async (_what, options, code, words) => {
    const ended = await start('mock-idp', ...options).end();
    expect(ended.code).toBe(code);
    expect(ended.stdout).toBe('');
    expect(ended.stderr.trim()).toMatch(words);
    expect(ended.stderr.trim()).not.toContain('\n');
  });

  test('names another port if its port is in use', async () => {
    const port = await occupy('127.0.0.1');
    const ended = await start('mock-idp', '--port', String(port)).end();
    expect(ended).toMatchObject({ code: 1, stderr: `Port ${port} is in use. Choose another port: samlgate mock-idp --port ${port + 1}\n` });
  });
});
