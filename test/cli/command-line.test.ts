import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { addCompletion } from '../../src/cli/commands/completion.ts';
import { addConnection } from '../../src/cli/commands/connection.ts';
import { addDemo } from '../../src/cli/commands/demo.ts';
import { addDoctor } from '../../src/cli/commands/doctor.ts';
import { addKeys } from '../../src/cli/commands/keys.ts';
import { addLogin } from '../../src/cli/commands/login.ts';
import { addLogout } from '../../src/cli/commands/logout.ts';
import { addMembers } from '../../src/cli/commands/members.ts';
import { addMockIdp } from '../../src/cli/commands/mock-idp.ts';
import { addOrg } from '../../src/cli/commands/org.ts';
import { addScim } from '../../src/cli/commands/scim.ts';
import { addServe } from '../../src/cli/commands/serve.ts';
import { addStore } from '../../src/cli/commands/store.ts';
import { addToken } from '../../src/cli/commands/token.ts';
import { addWhoami } from '../../src/cli/commands/whoami.ts';
import { examplesOf } from '../../src/cli/help.ts';
import { VERSION } from '../../src/client/version.ts';
import { type StubAnswer, type StubGateway, startStubGateway } from '../client/stub-gateway.ts';
import { type Home, makeHome } from '../support/command.ts';

const SUPPORT = path.join(import.meta.dirname, '../support');
const MAIN = path.join(import.meta.dirname, '../../src/main.ts');

let home: Home;
let gateway: StubGateway;
beforeAll(async () => {
  gateway = await startStubGateway();
});
afterAll(() => gateway.close());
beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.remove());

const environment = () => ({ SAMLGATE_URL: gateway.url, SAMLGATE_CLI_TOKEN: 'samlgate_cli_x' });

const ADDERS = [
  addServe,
  addLogin,
  addLogout,
  addWhoami,
  addToken,
  addMembers,
  addOrg,
  addConnection,
  addScim,
  addKeys,
  addStore,
  addMockIdp,
  addDemo,
  addDoctor,
  addCompletion,
];

/** The commands of the public interface. */
const PUBLIC_COMMANDS = `serve|login|logout|whoami|token list|token create|token revoke|token rotate|members list|members show|members rotate-tokens
|members suspend|members remove|org list|org create|org set-idp|org set-roles|org show|org apply|org export|org logo|org set-quotas|org domain list|org domain add|org domain verify|org domain remove|org delete|org setup-link create|org setup-link list|org setup-link revoke|connection list|connection show|connection add|connection set|connection enable|connection disable|connection test|connection remove|connection pending list|connection pending approve|connection pending decline|connection pending revoke|connection proposal list|connection proposal show|connection proposal accept|connection proposal discard|scim token create|scim token list|scim token revoke|scim conflict list|scim conflict approve|scim conflict decline|scim log|keys list|keys rotate|keys revoke|store copy|store check|mock-idp|demo|doctor|completion`;

function leaves(command: Command, prefix = ''): [string, Command][] {
  return command.commands.flatMap((each) => {
    const name = `${prefix}${each.name()}`;
    return each.commands.length === 0 ? [[name, each] as [string, Command]] : leaves(each, `${name} `);
  });
}

/** Splits a command as a shell does, up to a redirection or a pipe. */
const shellWords = (line: string): string[] =>
  [...line.replace(/ [>|].*$/, '').matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  );

/** Parses an example without running it. Returns the command that would run. @throws CommanderError if the example is invalid */
async function commandOf(example: string): Promise<string | undefined> {
  const program = new Command('samlgate').exitOverride();
  for (const add of ADDERS) add(program);
  let found: string | undefined;
  for (const [name, command] of leaves(program, 'samlgate ')) {
    command
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .action(() => {
        found = name;
      });
  }
  const [, ...words] = shellWords(example);
  await program.parseAsync(words, { from: 'user' });
  return found;
}

describe('samlgate: the command line', () => {
  const program = new Command('samlgate');
  for (const add of ADDERS) add(program);
  const commands = leaves(program);

  test('has exactly the commands of the public interface', () => {
    expect(commands.map(([name]) => name).sort()).toEqual(
      PUBLIC_COMMANDS.split('|')
        .map((name) => name.trim())
        .sort(),
    );
  });

  test('lists all commands in --help', async () => {
    const { code, stdout } = await home.run(['--help']);
    expect(code).toBe(0);
    const listed = [...stdout.matchAll(/^ {2}([a-z-]+) .*/gm)]
      .map(([, name = '']) => name)
      .filter((name) => !['help', 'samlgate'].includes(name) && !name.startsWith('-'));
    expect(new Set(listed)).toEqual(new Set(commands.map(([name]) => name.split(' ')[0])));
  });

  test.each(commands)('%s --help has an example, and its examples are valid', async (name, command) => {
    const examples = examplesOf(command);
    expect(examples).toContainEqual(expect.stringMatching(new RegExp(`^samlgate ${name}(?: |$)`)));
    for (const example of examples) expect([example, await commandOf(example)]).toEqual([example, `samlgate ${name}`]);
  });

  test.each(['token', 'org', 'org domain', 'store'])('%s --help has an example of each of its commands', async (group) => {
    const { stdout } = await home.run([...group.split(' '), '--help']);
    const inGroup = commands.filter(([name]) => name.startsWith(`${group} `)).map(([name]) => name);
    for (const name of inGroup.filter((each) => each.split(' ').length === group.split(' ').length + 1))
      expect(stdout).toContain(`\n  samlgate ${name}`);
  });

  test('--help has examples that are valid', async () => {
    const { stdout } = await home.run(['--help']);
    const examples = [...stdout.matchAll(/^ {2}(samlgate .*)$/gm)].map(([, example = '']) => example);
    expect(examples.length).toBeGreaterThan(2);
    for (const example of examples.filter((each) => !each.startsWith('samlgate help')))
      expect(commands.map(([name]) => `samlgate ${name}`)).toContain(await commandOf(example));
  });

  test.each(commands.filter(([name]) => !['serve', 'demo', 'mock-idp', 'completion'].includes(name)))('%s has --json', (_name, command) => {
    expect(command.options.map(({ long }) => long)).toContain('--json');
  });

  test.each([
    [['--version'], 0],
    [['--help'], 0],
    [['token', '--help'], 0],
    [['token', 'list', '--help'], 0],
    [[], 2],
    [['nonsense'], 2],
    [['toString'], 2],
    [['token'], 2],
    [['token', 'create'], 2],
    [['token', 'create', 'one', 'two'], 2],
    [['whoami', '--nonsense'], 2],
  ])('samlgate %j exits with %i', async (args, code) => {
    expect((await home.run(args)).code).toBe(code);
  });

  test('suggests a similar command after a typing error', async () => {
    expect((await home.run(['tokne'])).stderr).toContain('(Did you mean token?)');
    expect((await home.run(['token', 'lst'])).stderr).toContain('(Did you mean list?)');
  });

  test('exits quietly if the reader closes the pipe during --help', async () => {
    const child = spawn(process.execPath, [MAIN, 'org', '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let complaints = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(complaints).toBe('');
  });

  test('prints the version of the package', async () => {
    expect(await home.run(['--version'])).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
  });
});

describe('samlgate: loaded modules', () => {
  const loadedBy = async (...args: string[]) => {
    const file = path.join(home.directory, 'modules');
    const { code } = await home.run(args, { ...environment(), NODE_OPTIONS: `--import=${SUPPORT}/list-modules.ts`, MODULE_LIST: file });
    expect(code).toBe(0);
    return readFileSync(file, 'utf8').split('\n');
  };
  const packagesIn = (modules: readonly string[]) =>
    [...new Set(modules.map((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]).filter((name) => name !== undefined))].sort();

  test('--version loads hardly any', async () => {
    const modules = await loadedBy('--version');
    expect(packagesIn(modules)).toEqual(['commander']);
    expect(modules.filter((url) => url.includes('/src/')).length).toBeLessThan(9);
  });

  test('a command loads only its own', async () => {
    gateway.answer(() => ({ body: { items: [], next_cursor: null } }));
    for (const args of [['token', 'list'], ['members', 'list', '--org', 'acme'], ['org', 'list'], ['logout']]) {
      const modules = await loadedBy(...args);
      expect([args, packagesIn(modules)]).toEqual([args, ['commander']]);
      expect(modules.filter((url) => /\/src\/(http|auth|store|saml|organizations)\//.test(url))).toEqual([]);
    }
  });

  test('serve loads none of the other commands', async () => {
    const modules = await loadedBy('serve', '--help');
    expect(
      modules.filter((url) =>
        /\/src\/cli\/(?!commands\/serve|command-line|command-error|configuration-warnings|help|output|store-problem)/.test(url),
      ),
    ).toEqual([]);
    expect(modules.filter((url) => /\/src\/client\/(?!version|samlgate-error|loopback)/.test(url))).toEqual([]);
  });
});

describe('samlgate: text from a gateway can’t control the terminal', () => {
  const EVIL = '\u001b]0;owned\u0007\u001b[2J\u009b31m\u202eevil\u2066\r\nnext\u2028line';
  const TERMINAL_CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
  const member = { id: EVIL, email: EVIL, name: EVIL, role: EVIL, groups: [EVIL], role_source: { kind: 'rule', group: EVIL } };
  const evilPage: StubAnswer = { body: { items: [member], next_cursor: null } };
  const evilProblem: StubAnswer = { status: 403, body: { title: EVIL, detail: EVIL, code: EVIL, request_id: EVIL } };
  const evilMe: StubAnswer = {
    body: { user: member, organization: { id: EVIL, slug: EVIL, name: EVIL }, credential: { kind: EVIL, id: EVIL, expires_at: EVIL } },
  };

  test.each<[string, StubAnswer, string[]]>([
    ['in a table', evilPage, ['members', 'list', '--org', 'acme']],
    ['in fields', { body: member }, ['members', 'show', 'usr_1', '--org', 'acme']],
    ['in a sentence', evilMe, ['whoami']],
    ['in JSON', evilPage, ['members', 'list', '--org', 'acme', '--json']],
    ['in a refusal', evilProblem, ['whoami']],
  ])('%s', async (_what, answer, args) => {
    gateway.answer(() => answer);
    const { stdout, stderr } = await home.run(args, environment());
    expect(stdout + stderr).toContain('evil');
    expect(stdout).not.toMatch(TERMINAL_CONTROLS);
    expect(stderr).not.toMatch(TERMINAL_CONTROLS);
    if (args.includes('--json')) expect(JSON.parse(stdout)).toEqual([member]);
    else expect(`${stdout}${stderr}`.split('\n')).not.toContainEqual(expect.stringMatching(/^next/));
  });
});

describe('samlgate: refusals', () => {
  test('names the command that lists organizations if the organization is unknown', async () => {
    const body = {
      title: 'This organization does not exist',
      detail: 'Start from the sign-in page.',
      code: 'organization_unknown',
      request_id: 'r1',
    };
    gateway.answer(() => ({ status: 404, body }));
    const { code, stderr } = await home.run(['members', 'list', '--org', 'acmee'], environment());
    const advice = 'Check its short name. As the operator, list all with: samlgate org list';
    expect([code, stderr]).toEqual([1, `This organization does not exist. ${advice}\n  code organization_unknown, request r1\n`]);
  });
});

describe('samlgate: in a pipe', () => {
  test('exits with 0 if the reader closes the pipe early', async () => {
    const items = Array.from({ length: 5000 }, (_, i) => ({ id: `usr_${i}`, email: `user-${i}@acme.example` }));
    gateway.answer(() => ({ body: { items, next_cursor: null } }));
    const pipe = `set -o pipefail; ${process.execPath} ${MAIN} members list --org acme | head -n 1`;
    const env = { PATH: process.env.PATH ?? '', HOME: home.directory, ...environment() };
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', pipe], { env, cwd: home.directory });
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^ID +EMAIL/), '']);
  });
});

describe('samlgate: on a terminal', () => {
  /** Runs a command in a pseudoterminal, which turns line ends into CR LF. */
  const onTerminal = async (args: string, more: Record<string, string> = {}) => {
    const env = { PATH: process.env.PATH ?? '', HOME: home.directory, TERM: 'xterm', NODE_NO_WARNINGS: '1', ...environment(), ...more };
    const command = `${process.execPath} ${MAIN} ${args}`;
    const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], { env, cwd: home.directory });
    return stdout;
  };
  const ESCAPE = '\u001b';

  test('prints headings in bold, unless NO_COLOR is set', async () => {
    gateway.answer(() => ({ body: { items: [{ id: 'usr_1' }], next_cursor: null } }));
    expect(await onTerminal('members list --org acme')).toContain(`${ESCAPE}[1mID`);
    expect(await onTerminal('members list --org acme', { NO_COLOR: '1' })).not.toContain(ESCAPE);
    expect((await home.run(['members', 'list', '--org', 'acme'], environment())).stdout).not.toContain(ESCAPE);
  });

  test.each([
    ['y', 0],
    ['YES', 0],
    ['n', 1],
    ['', 1],
    ['yesterday', 1],
    ['\u0003', 1],
    ['\u0004', 1],
  ])('revokes a key only after the answer y or yes: %j', async (answer, code) => {
    gateway.forget();
    gateway.answer(({ method }) =>
      method === 'POST'
        ? { body: { kid: 'k1', revoked_tokens: 2 } }
        : { body: { items: [{ kid: 'k1', state: 'active', live_tokens: 2 }] } },
    );
    const env = { PATH: process.env.PATH ?? '', HOME: home.directory, TERM: 'xterm', NODE_NO_WARNINGS: '1', ...environment() };
    const child = spawn('script', ['-qec', `${process.execPath} ${MAIN} keys revoke k1`, '/dev/null'], { env, cwd: home.directory });
    let screen = '';
    const asked = new Promise<void>((resolve) => {
      child.stdout.on('data', (text) => {
        screen += String(text);
        if (screen.includes('[y/N]')) resolve();
      });
    });
    const ended = once(child, 'close');
    await Promise.race([asked, ended]);
    child.stdin.write(`${answer}\r`);
    expect(await ended).toEqual([code, null]);
    expect(screen).toContain('This revokes k1, 2 CLI tokens');
    expect(gateway.requests.filter(({ method }) => method === 'POST')).toHaveLength(code === 0 ? 1 : 0);
    if (code === 1) expect(screen).toContain('Nothing was changed.');
  });

  test('shows a spinner on a terminal and one line elsewhere', async () => {
    gateway.answer(({ url, method }) =>
      method === 'POST' && url.endsWith('/revoke')
        ? new Promise((resolve) => setTimeout(() => resolve({ body: { kid: 'k1', revoked_tokens: 2 } }), 300))
        : { body: { items: [{ kid: 'k1', state: 'active', live_tokens: 2 }] } },
    );
    const animated = await onTerminal('keys revoke --yes k1');
    expect(animated).toMatch(/\r[|] Revoking …\r[/] Revoking …/);
    expect(animated).toContain('Revoked k1 and 2 CLI tokens.');
    const plain = await home.run(['keys', 'revoke', '--yes', 'k1'], environment());
    expect(plain).toEqual({ code: 0, stdout: 'Revoked k1 and 2 CLI tokens.\n', stderr: 'Revoking …\n' });
    expect(await onTerminal('keys revoke --yes k1', { TERM: 'dumb' })).toContain('Revoking …\r\nRevoked k1');
  });

  test('shows a spinner for a list that takes more than a second, only on a terminal', async () => {
    const page = { body: { items: [{ id: 'usr_1' }], next_cursor: null } };
    gateway.answer(() => new Promise((resolve) => setTimeout(() => resolve(page), 1500)));
    expect(await onTerminal('members list --org acme')).toMatch(/\r[|] Loading members …[\s\S]*usr_1/);
    expect((await home.run(['members', 'list', '--org', 'acme'], environment())).stderr).toBe('');
    gateway.answer(() => ({ status: 503, body: { title: 'The store does not answer', code: 'store_unavailable' } }));
    expect((await home.run(['members', 'list', '--org', 'acme'], environment())).code).toBe(1);
  }, 60_000);
});
