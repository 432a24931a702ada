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

const saved = (token: string): SavedCredential => ({
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
const find = (environment: Record<string, string>, options: object = {}): Found => {
  const { url, token, source } = findGateway({ ...options, environment: { HOME: home, ...environment } });
  return [url, token, source];
};

const SIGNED_IN = { current: B, gateways: { [A]: saved('saved-a'), [B]: saved('saved-b') } };

describe('findGateway', () => {
  beforeEach(() => writeCredentials(SIGNED_IN));

  test.each<[string, Record<string, string>, object, Found]>([
    ['options first', { SAMLGATE_URL: A, SAMLGATE_CLI_TOKEN: 'env' }, { url: B, token: 'given' }, [B, 'given', 'argument']],
    ['the environment before the credentials file', { SAMLGATE_URL: A, SAMLGATE_CLI_TOKEN: 'env' }, {}, [A, 'env', 'environment']],
    ['the credentials file for a gateway of the environment', { SAMLGATE_URL: `${A}/` }, {}, [A, 'saved-a', 'credentials-file']],
    ['the credentials file for a gateway of the options', {}, { url: 'https://A.example:443' }, [A, 'saved-a', 'credentials-file']],
    ['the gateway of the last sign-in', {}, {}, [B, 'saved-b', 'credentials-file']],
    ['nothing from empty variables', { SAMLGATE_URL: '', SAMLGATE_CLI_TOKEN: '' }, {}, [B, 'saved-b', 'credentials-file']],
    [
      'a token of the environment never for a gateway of the credentials file',
      { SAMLGATE_CLI_TOKEN: 'env' },
      {},
      ['http://localhost:8080', 'env', 'environment'],
    ],
    [
      'never the operator token for a member',
      { SAMLGATE_URL: A, SAMLGATE_OPERATOR_TOKEN: 'op', SAMLGATE_CLI_TOKEN: 'env' },
      {},
      [A, 'env', 'environment'],
    ],
    [
      'the operator token first for the operator',
      { SAMLGATE_URL: A, SAMLGATE_OPERATOR_TOKEN: 'op', SAMLGATE_CLI_TOKEN: 'env' },
      { as: 'operator' },
      [A, 'op', 'environment'],
    ],
    [
      'a member’s token for the operator without an operator token',
      { SAMLGATE_URL: A, SAMLGATE_CLI_TOKEN: 'env' },
      { as: 'operator' },
      [A, 'env', 'environment'],
    ],
    [
      'a member’s saved token for the operator without an operator token',
      { SAMLGATE_URL: A },
      { as: 'operator' },
      [A, 'saved-a', 'credentials-file'],
    ],
  ])('uses %s', (_case, environment, options, found) => {
    expect(find(environment, options)).toEqual(found);
  });

  test.each<[string, Record<string, string>, object, string]>([
    ['a gateway without a saved token', { SAMLGATE_URL: 'https://c.example' }, {}, 'no_token'],
    ['a gateway with the name of an object property', {}, { url: 'http://constructor' }, 'no_token'],
    ['an invalid URL', { SAMLGATE_URL: 'sso.example.com' }, {}, 'gateway_url_invalid'],
    ['a URL that is not http or https', { SAMLGATE_URL: 'file:///etc/passwd' }, {}, 'gateway_url_invalid'],
    ['a URL with a password', { SAMLGATE_URL: 'https://u:p@a.example' }, {}, 'gateway_url_invalid'],
  ])('refuses %s', (_case, environment, options, code) => {
    expect(codeOf(() => find(environment, options))).toBe(code);
  });

  test('uses the operator token file only for a gateway on this machine, and only for the operator', () => {
    mkdirSync('data');
    writeFileSync('data/operator-token', 'saved-operator\n');
    const local = 'http://localhost:8080';
    expect(find({ SAMLGATE_URL: local }, { as: 'operator' })).toEqual([local, 'saved-operator', 'operator-file']);
    expect(find({ SAMLGATE_URL: A }, { as: 'operator' })).toEqual([A, 'saved-a', 'credentials-file']);
    expect(codeOf(() => find({ SAMLGATE_URL: local }))).toBe('no_token');
  });

  test('looks for the operator token beside the SQLite file of SAMLGATE_STORE', () => {
    mkdirSync('data', { recursive: true });
    writeFileSync('data/operator-token', 'of-another-gateway\n');
    mkdirSync('elsewhere');
    writeFileSync('elsewhere/operator-token', 'saved-operator\n');
    const local = 'http://localhost:8080';
    const found = (SAMLGATE_STORE: string) => find({ SAMLGATE_URL: local, SAMLGATE_STORE }, { as: 'operator' });
    expect(found('sqlite:elsewhere/samlgate.db')).toEqual([local, 'saved-operator', 'operator-file']);
    expect(found(' ')).toEqual([local, 'of-another-gateway', 'operator-file']);
    for (const store of ['sqlite:nowhere/samlgate.db', 'redis://127.0.0.1:6379']) {
      expect(codeOf(() => found(store))).toBe('no_token');
    }
  });

  test('finds the gateway of a client', () => {
    expect(createClient({ environment: { HOME: home } })).toMatchObject({ url: B, tokenSource: 'credentials-file' });
  });
});

describe('~/.samlgate/credentials.json', () => {
  const environment = () => ({ HOME: home });

  test('is empty if it does not exist', () => {
    expect(readCredentials(environment())).toEqual({ current: null, gateways: {} });
    expect(codeOf(() => find({}))).toBe('no_token');
  });

  test('is created readable by its owner only, whatever the umask, without leftovers', async () => {
    const umask = process.umask(0);
    try {
      await changeCredentials(() => ({ current: A, gateways: { [A]: saved('one') } }), environment());
    } finally {
      process.umask(umask);
    }
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
    expect(readdirSync(path.dirname(file))).toEqual(['credentials.json']);
  });

  test('keeps other gateways', async () => {
    writeCredentials(SIGNED_IN);
    await changeCredentials(({ gateways }) => ({ current: A, gateways: { ...gateways, [A]: saved('new') } }), environment());
    expect(readCredentials(environment())).toEqual({ current: A, gateways: { [A]: saved('new'), [B]: saved('saved-b') } });
  });

  test.each([0o640, 0o604, 0o660, 0o666])('is refused with mode %o, with the command that corrects it', (mode) => {
    writeCredentials(SIGNED_IN, mode);
    expect(() => readCredentials(environment())).toThrow(`(mode ${mode.toString(8)}). Run: chmod 600 ${file}`);
    expect(codeOf(() => readCredentials(environment()))).toBe('credentials_file_unusable');
    chmodSync(file, 0o600);
    expect(readCredentials(environment())).toEqual(SIGNED_IN);
  });

  test('is refused in a directory that other users can read', () => {
    writeCredentials(SIGNED_IN);
    chmodSync(path.dirname(file), 0o755);
    expect(() => readCredentials(environment())).toThrow(`Run: chmod 700 ${path.dirname(file)}`);
  });

  test('quotes file names in commands', () => {
    home = path.join(home, "it's; rm");
    mkdirSync(home);
    file = credentialsPath({ HOME: home });
    writeCredentials(SIGNED_IN, 0o644);
    expect(() => readCredentials(environment())).toThrow(`chmod 600 '${file.replaceAll("'", "'\\''")}'`);
    process.chdir('..');
    home = path.dirname(home);
  });

  test.each([
    ['invalid JSON', '{'],
    ['no object', 'null'],
    ['an entry without a token', { gateways: { [A]: {} } }],
    ['an empty entry', { gateways: { [A]: null } }],
  ])('is refused if it is damaged: %s', (_what, content) => {
    writeCredentials(content);
    expect(() => readCredentials(environment())).toThrow('is damaged');
  });

  test('stays unchanged if the change fails', async () => {
    writeCredentials(SIGNED_IN);
    const failing = changeCredentials(() => Promise.reject(new Error('the gateway said no')), environment());
    await expect(failing).rejects.toThrow('the gateway said no');
    expect(readCredentials(environment())).toEqual(SIGNED_IN);
    expect(readdirSync(path.dirname(file))).toEqual(['credentials.json']);
  });

  test('is not changed if it can’t be written', async () => {
    symlinkSync('/dev/null', path.join(home, '.samlgate'));
    let called = false;
    const change = changeCredentials((before) => {
      called = true;
      return before;
    }, environment());
    await expect(change).rejects.toMatchObject({ code: 'credentials_file_unusable' });
    expect(called).toBe(false);
  });

  test('ignores the lock of a process that died', async () => {
    writeCredentials(SIGNED_IN);
    writeFileSync(`${file}.lock`, '');
    const aMinuteAgo = Date.now() / 1000 - 61;
    utimesSync(`${file}.lock`, aMinuteAgo, aMinuteAgo);
    await changeCredentials((before) => ({ ...before, current: A }), environment());
    expect(readCredentials(environment()).current).toBe(A);
    expect(readdirSync(path.dirname(file))).toEqual(['credentials.json']);
  });

  test('loses no changes of concurrent processes', async () => {
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

  test('has one key per gateway, however its URL is written', () => {
    expect(new Set(['https://A.example', 'https://a.example:443/', 'https://a.example/console?x#y'].map(gatewayKey))).toEqual(new Set([A]));
    expect(gatewayKey('https://a.example:8443')).toBe('https://a.example:8443');
  });
});
