import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  changeCredentials,
  credentialsPath,
  gatewayKey,
  readCredentials,
  type SavedCredential,
} from '../../src/client/credentials-file.ts';
import { findGateway } from '../../src/client/find-gateway.ts';
import { createClient, SamlgateError } from '../../src/client/index.ts';

const A = 'https://a.example';
const B = 'https://b.example';

let home: string;
let startedIn: string;
let file: string;

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'samlgate-home-'));
  file = credentialsPath({ HOME: home });
  startedIn = process.cwd();
  process.chdir(home);
});
afterEach(() => {
  process.chdir(startedIn);
  rmSync(home, { recursive: true, force: true });
});

const kept = (token: string): SavedCredential => ({
  token,
  token_id: 'tok_1',
  user_id: 'usr_1',
  email: 'ada@acme.example',
  organization: 'acme',
  expires_at: null,
});

function writeCredentials(content: unknown, mode = 0o600): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content), { mode });
  chmodSync(file, mode);
}

const codeOf = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    if (error instanceof SamlgateError) return error.code;
    throw error;
  }
  return 'none';
};

type Found = [url: string, token: string, source: string];
const find = (environment: Record<string, string>, wish: object = {}): Found => {
  const { url, token, source } = findGateway({ ...wish, environment: { HOME: home, ...environment } });
  return [url, token, source];
};

const SIGNED_IN = { current: B, gateways: { [A]: kept('kept-a'), [B]: kept('kept-b') } };

describe('where the gateway is and with which token', () => {
  beforeEach(() => writeCredentials(SIGNED_IN));

  test.each<[string, Record<string, string>, object, Found]>([
    ['an argument before everything', { SAMLGATE_URL: A, SAMLGATE_CLI_TOKEN: 'env' }, { url: B, token: 'given' }, [B, 'given', 'argument']],
    ['the environment before the file', { SAMLGATE_URL: A, SAMLGATE_CLI_TOKEN: 'env' }, {}, [A, 'env', 'environment']],
    ['the file for the gateway of the environment', { SAMLGATE_URL: `${A}/` }, {}, [A, 'kept-a', 'credentials-file']],
    ['the file for the gateway of the argument', {}, { url: 'https://A.example:443' }, [A, 'kept-a', 'credentials-file']],
    ['the gateway of the last login', {}, {}, [B, 'kept-b', 'credentials-file']],
    ['empty variables as if they were not there', { SAMLGATE_URL: '', SAMLGATE_CLI_TOKEN: '' }, {}, [B, 'kept-b', 'credentials-file']],
    [
      'a token of the environment never for a gateway of the file',
      { SAMLGATE_CLI_TOKEN: 'env' },
      {},
      ['http://localhost:8080', 'env', 'environment'],
    ],
    [
      'the operator’s token not for a member',
      { SAMLGATE_URL: A, SAMLGATE_OPERATOR_TOKEN: 'op', SAMLGATE_CLI_TOKEN: 'env' },
      {},
      [A, 'env', 'environment'],
    ],
    [
      'the operator’s token first for the operator',
      { SAMLGATE_URL: A, SAMLGATE_OPERATOR_TOKEN: 'op', SAMLGATE_CLI_TOKEN: 'env' },
      { as: 'operator' },
      [A, 'op', 'environment'],
    ],
    [
      'an owner’s token where there is no operator’s',
      { SAMLGATE_URL: A, SAMLGATE_CLI_TOKEN: 'env' },
      { as: 'operator' },
      [A, 'env', 'environment'],
    ],
    ['an owner’s kept token likewise', { SAMLGATE_URL: A }, { as: 'operator' }, [A, 'kept-a', 'credentials-file']],
  ])('%s', (_what, environment, wish, found) => {
    expect(find(environment, wish)).toEqual(found);
  });

  test.each<[string, Record<string, string>, object, string]>([
    ['a gateway that nobody signed in to', { SAMLGATE_URL: 'https://c.example' }, {}, 'no_token'],
    ['a gateway that is called like a property of objects', {}, { url: 'http://constructor' }, 'no_token'],
    ['what is no URL', { SAMLGATE_URL: 'sso.example.com' }, {}, 'gateway_url_invalid'],
    ['what is no web address', { SAMLGATE_URL: 'file:///etc/passwd' }, {}, 'gateway_url_invalid'],
    ['an address with a password', { SAMLGATE_URL: 'https://u:p@a.example' }, {}, 'gateway_url_invalid'],
  ])('refuses %s', (_what, environment, wish, code) => {
    expect(codeOf(() => find(environment, wish))).toBe(code);
  });

  test('the operator’s kept token is for this machine only, and for nobody but the operator', () => {
    mkdirSync('data');
    writeFileSync('data/operator-token', 'kept-operator\n');
    const local = 'http://localhost:8080';
    expect(find({ SAMLGATE_URL: local }, { as: 'operator' })).toEqual([local, 'kept-operator', 'operator-file']);
    expect(find({ SAMLGATE_URL: A }, { as: 'operator' })).toEqual([A, 'kept-a', 'credentials-file']);
    expect(codeOf(() => find({ SAMLGATE_URL: local }))).toBe('no_token');
  });

  test('a client is made of it', () => {
    expect(createClient({ environment: { HOME: home } })).toMatchObject({ url: B, tokenSource: 'credentials-file' });
  });
});

describe('~/.samlgate/credentials.json', () => {
  const environment = () => ({ HOME: home });

  test('is not there at first', () => {
    expect(readCredentials(environment())).toEqual({ current: null, gateways: {} });
    expect(codeOf(() => find({}))).toBe('no_token');
  });

  test('is made for its owner only, whatever the umask, and leaves nothing beside it', async () => {
    const umask = process.umask(0);
    try {
      await changeCredentials(() => ({ current: A, gateways: { [A]: kept('one') } }), environment());
    } finally {
      process.umask(umask);
    }
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
    expect(readdirSync(path.dirname(file))).toEqual(['credentials.json']);
  });

  test('keeps the other gateways', async () => {
    writeCredentials(SIGNED_IN);
    await changeCredentials(({ gateways }) => ({ current: A, gateways: { ...gateways, [A]: kept('new') } }), environment());
    expect(readCredentials(environment())).toEqual({ current: A, gateways: { [A]: kept('new'), [B]: kept('kept-b') } });
  });

  test.each([0o640, 0o604, 0o660, 0o666])('is refused with mode %o, with the command that mends it', (mode) => {
    writeCredentials(SIGNED_IN, mode);
    expect(() => readCredentials(environment())).toThrow(`(mode ${mode.toString(8)}). Run: chmod 600 ${file}`);
    expect(codeOf(() => readCredentials(environment()))).toBe('credentials_file_unusable');
    chmodSync(file, 0o600);
    expect(readCredentials(environment())).toEqual(SIGNED_IN);
  });

  test('is refused in a directory that others can look into', () => {
    writeCredentials(SIGNED_IN);
    chmodSync(path.dirname(file), 0o755);
    expect(() => readCredentials(environment())).toThrow(`Run: chmod 700 ${path.dirname(file)}`);
  });

  test('names in the command are safe to paste', () => {
    home = path.join(home, "it's; rm");
    mkdirSync(home);
    file = credentialsPath({ HOME: home });
    writeCredentials(SIGNED_IN, 0o644);
    expect(() => readCredentials(environment())).toThrow(`chmod 600 '${file.replaceAll("'", "'\\''")}'`);
    process.chdir('..');
    home = path.dirname(home);
  });

  test.each([
    ['no JSON', '{'],
    ['no object', 'null'],
    ['an entry without a token', { gateways: { [A]: {} } }],
    ['an entry that is nothing', { gateways: { [A]: null } }],
  ])('is refused where it is damaged: %s', (_what, content) => {
    writeCredentials(content);
    expect(() => readCredentials(environment())).toThrow('is damaged');
  });

  test('stays as it was where a change fails', async () => {
    writeCredentials(SIGNED_IN);
    const failing = changeCredentials(() => Promise.reject(new Error('the gateway said no')), environment());
    await expect(failing).rejects.toThrow('the gateway said no');
    expect(readCredentials(environment())).toEqual(SIGNED_IN);
    expect(readdirSync(path.dirname(file))).toEqual(['credentials.json']);
  });

  test('calls no change where it can’t be written', async () => {
    symlinkSync('/dev/null', path.join(home, '.samlgate'));
    let called = false;
    const change = changeCredentials((before) => {
      called = true;
      return before;
    }, environment());
    await expect(change).rejects.toMatchObject({ code: 'credentials_file_unusable' });
    expect(called).toBe(false);
  });

  test('a lock that a process left that died is in nobody’s way', async () => {
    writeCredentials(SIGNED_IN);
    writeFileSync(`${file}.lock`, '');
    const aMinuteAgo = Date.now() / 1000 - 61;
    utimesSync(`${file}.lock`, aMinuteAgo, aMinuteAgo);
    await changeCredentials((before) => ({ ...before, current: A }), environment());
    expect(readCredentials(environment()).current).toBe(A);
    expect(readdirSync(path.dirname(file))).toEqual(['credentials.json']);
  });

  test('loses no change of processes that write at the same time', async () => {
    const script = `
      import { changeCredentials } from ${JSON.stringify(path.join(import.meta.dirname, '../../src/client/credentials-file.ts'))};
      for (let i = 0; i < 10; i++) await changeCredentials((file) => {
        const name = 'https://w' + process.argv[1] + '-' + i + '.example';
        return { ...file, gateways: { ...file.gateways, [name]: { token: name } } };
      });`;
    const writers = [1, 2, 3].map((n) =>
      spawn(process.execPath, ['--input-type=module', '-e', script, String(n)], { env: { HOME: home }, stdio: 'inherit' }),
    );
    const codes = await Promise.all(writers.map(async (writer) => (await once(writer, 'exit'))[0]));
    expect(codes).toEqual([0, 0, 0]);
    expect(Object.keys(readCredentials(environment()).gateways)).toHaveLength(30);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(readCredentials(environment()));
  });

  test('one gateway is one key, however its URL was typed', () => {
    expect(new Set(['https://A.example', 'https://a.example:443/', 'https://a.example/console?x#y'].map(gatewayKey))).toEqual(new Set([A]));
    expect(gatewayKey('https://a.example:8443')).toBe('https://a.example:8443');
  });
});
