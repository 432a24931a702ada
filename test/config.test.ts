import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigError, readConfig, VARIABLES } from '../src/config.ts';

let directory: string;
let store: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-config-'));
  store = `sqlite:${path.join(directory, 'data', 'samlgate.db')}`;
});
afterEach(() => rmSync(directory, { recursive: true }));

const problemsOf = (environment: Record<string, string>): string[] => {
  try {
    readConfig({ SAMLGATE_STORE: store, ...environment });
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
};

describe('configuration', () => {
  it('has the documented defaults', () => {
    const config = readConfig({ SAMLGATE_STORE: store });
    expect(config).toMatchObject({
      baseUrl: 'http://localhost:8080',
      isHttps: false,
      listen: { host: '127.0.0.1', port: 8080 },
      secondOpinion: false,
      rateLimits: true,
      trustProxy: false,
      logLevel: 'info',
      sessionIdleSeconds: 8 * 3600,
      sessionAbsoluteSeconds: 24 * 3600,
      keepAliveSeconds: 75,
    });
    expect(Object.isFrozen(config)).toBe(true);
    expect(VARIABLES.find(({ name }) => name === 'SAMLGATE_STORE')?.defaultValue).toBe('sqlite:./data/samlgate.db');
  });

  it('reports all problems in one message, each with its variable and an example', () => {
    const problems = problemsOf({
      SAMLGATE_BASE_URL: 'sso.example.com',
      SAMLGATE_LISTEN: '8080',
      SAMLGATE_STORE: 'mysql://x',
      SAMLGATE_SECRET: 'short',
      SAMLGATE_OPERATOR_TOKEN: 'short',
      SAMLGATE_SECOND_OPINION: 'yes',
      SAMLGATE_RATE_LIMITS: 'maybe',
      SAMLGATE_LOG_LEVEL: 'loud',
      SAMLGATE_SESSION_IDLE_MINUTES: '0',
      SAMLGATE_SESSION_MAX_MINUTES: 'a day',
      SAMLGATE_KEY_ROTATION_DAYS: '-1',
      SAMLGATE_SIGN_IN_LOG_DAYS: '91',
      SAMLGATE_KEEP_ALIVE_SECONDS: '0',
      SAMLGATE_DNS_SERVERS: 'dns.example',
    });
    for (const name of [
      'SAMLGATE_BASE_URL',
      'SAMLGATE_LISTEN',
      'SAMLGATE_STORE',
      'SAMLGATE_SECRET',
      'SAMLGATE_OPERATOR_TOKEN',
      'SAMLGATE_SECOND_OPINION',
      'SAMLGATE_RATE_LIMITS',
      'SAMLGATE_LOG_LEVEL',
      'SAMLGATE_SESSION_IDLE_MINUTES',
      'SAMLGATE_SESSION_MAX_MINUTES',
      'SAMLGATE_KEY_ROTATION_DAYS',
      'SAMLGATE_SIGN_IN_LOG_DAYS',
      'SAMLGATE_KEEP_ALIVE_SECONDS',
      'SAMLGATE_DNS_SERVERS',
    ]) {
      const lines = problems.filter((line) => line.startsWith(`${name} `));
      expect([name, lines.length]).toEqual([name, 1]);
      expect(lines[0]).toContain('Example: ');
    }
    expect(problems.join()).not.toContain('short');
  });

  it.each([
    ['https://sso.example.com/', 'https://sso.example.com'],
    ['https://SSO.Example.com:443', 'https://sso.example.com'],
    ['http://localhost:3000', 'http://localhost:3000'],
  ])('normalizes the base URL %s to %s', (given, href) => {
    expect(readConfig({ SAMLGATE_STORE: store, SAMLGATE_BASE_URL: given }).baseUrl).toBe(href);
  });

  it.each([
    'ftp://x.example',
    'https://x.example/path',
    'https://u:p@x.example',
    'https://x.example/?q',
    'https://x.example/#f',
    '//x.example',
  ])('rejects the base URL %s', (given) => expect(problemsOf({ SAMLGATE_BASE_URL: given })).toHaveLength(1));

  it.each([
    ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
    ['[::1]:8443', { host: '::1', port: 8443 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
  ])('listens on %s', (given, listen) => {
    expect(readConfig({ SAMLGATE_STORE: store, SAMLGATE_LISTEN: given }).listen).toEqual(listen);
  });

  it.each(['127.0.0.1', '127.0.0.1:65536', '127.0.0.1:x', ':80'])('rejects the listen address %s', (given) =>
    expect(problemsOf({ SAMLGATE_LISTEN: given })).toHaveLength(1),
  );

  it('creates the secret and the operator token on first start, readable only by their owner, and reuses them', () => {
    const [first, second] = [readConfig({ SAMLGATE_STORE: store }), readConfig({ SAMLGATE_STORE: store })];
    expect(first.secret).toHaveLength(32);
    expect(second.secret).toEqual(first.secret);
    expect(second.operatorToken).toBe(first.operatorToken);
    for (const name of ['secret', 'operator-token']) {
      expect(statSync(path.join(directory, 'data', name)).mode & 0o777).toBe(0o600);
    }
    expect(statSync(path.join(directory, 'data')).mode & 0o777).toBe(0o700);
  });

  it('rejects a stored secret that other users can read, and names the command that fixes it', () => {
    readConfig({ SAMLGATE_STORE: store });
    const file = path.join(directory, 'data', 'secret');
    chmodSync(file, 0o644);
    expect(problemsOf({})).toEqual([`Other users can read or write ${file} (mode 644). Run: chmod 600 ${file}`]);
  });

  it.each(['samlgate.db', 'samlgate.db-wal', 'samlgate.db-shm'])('rejects %s if other users can read or write it', (name) => {
    readConfig({ SAMLGATE_STORE: store });
    const file = path.join(directory, 'data', name);
    writeFileSync(file, '', { mode: 0o600 });
    for (const mode of [0o640, 0o620, 0o604, 0o602]) {
      chmodSync(file, mode);
      expect(problemsOf({})).toEqual([`Other users can read or write ${file} (mode ${mode.toString(8)}). Run: chmod 600 ${file}`]);
    }
    chmodSync(file, 0o600);
    expect(problemsOf({})).toEqual([]);
  });

  it('rejects a directory that other users can read or write, and writes nothing', () => {
    const data = path.join(directory, 'data');
    mkdirSync(data);
    for (const mode of [0o755, 0o730, 0o703, 0o1777]) {
      chmodSync(data, mode);
      expect(problemsOf({ SAMLGATE_SECRET: randomBytes(32).toString('base64') })).toEqual([
        expect.stringContaining(`Other users can read or write ${data} (mode ${mode.toString(8)}). Run: chmod 700 ${data}`),
      ]);
      expect(readdirSync(data)).toEqual([]);
    }
  });

  it('stops if the secret is missing beside an existing database, and writes nothing', () => {
    readConfig({ SAMLGATE_STORE: store });
    const data = path.join(directory, 'data');
    const secret = path.join(data, 'secret');
    const given = readFileSync(secret, 'utf8').trim();
    writeFileSync(path.join(data, 'samlgate.db'), 'SQLite', { mode: 0o600 });
    for (const name of ['secret', 'operator-token']) rmSync(path.join(data, name));
    expect(problemsOf({})).toEqual([expect.stringMatching(`^${secret} is missing, .*backup.* SAMLGATE_SECRET`)]);
    expect(readdirSync(data)).toEqual(['samlgate.db']);
    expect(problemsOf({ SAMLGATE_SECRET: given })).toEqual([]);
  });

  it('knows whether the file beside the database contains the secret in use', () => {
    const former = readConfig({ SAMLGATE_STORE: store });
    const file = path.join(directory, 'data', 'secret');
    expect(former.secretFile).toEqual({ path: file, isCurrent: true });
    const environment = { SAMLGATE_STORE: store, SAMLGATE_SECRET_PREVIOUS: former.secret.toString('base64') };
    const rotated = readConfig({ ...environment, SAMLGATE_SECRET: randomBytes(32).toString('base64') });
    expect(rotated.secretFile).toEqual({ path: file, isCurrent: false });
    expect(readConfig({ ...environment, SAMLGATE_SECRET: former.secret.toString('base64') }).secretFile?.isCurrent).toBe(true);
    rmSync(file);
    expect(readConfig({ ...environment, SAMLGATE_SECRET: former.secret.toString('base64') }).secretFile).toBeUndefined();
  });

  it('rejects a truncated secret and leaves the file unchanged', () => {
    readConfig({ SAMLGATE_STORE: store });
    const file = path.join(directory, 'data', 'secret');
    writeFileSync(file, 'AAAA');
    expect(problemsOf({})[0]).toContain('backup');
    expect(readFileSync(file, 'utf8')).toBe('AAAA');
  });

  it('requires the secret and the operator token with Redis', () => {
    const problems = problemsOf({ SAMLGATE_STORE: 'redis://localhost:6379' });
    expect(problems.map((line) => line.split(' ')[0])).toEqual(['SAMLGATE_SECRET', 'SAMLGATE_OPERATOR_TOKEN']);
    expect(existsSync('data')).toBe(false);
  });

  it.each(['redis://h:1', 'rediss://u:p@h', 'redis+cluster://a:1,b:2', 'redis+sentinel://a:1,b:2/name', 'sqlite:/x/y.db'])(
    'accepts the store %s',
    (url) => expect(problemsOf({ SAMLGATE_STORE: url }).join()).not.toContain('SAMLGATE_STORE '),
  );

  it('trusts forwarded addresses of named proxies only', () => {
    const trust = (given: string) => readConfig({ SAMLGATE_STORE: store, SAMLGATE_TRUST_PROXY: given }).trustProxy;
    expect(trust('off')).toBe(false);
    expect(trust('1')).toBe(1);
    expect(trust('loopback, 10.0.0.0/8')).toBe('loopback, 10.0.0.0/8');
    expect(problemsOf({ SAMLGATE_TRUST_PROXY: 'true' })).toHaveLength(1);
    expect(problemsOf({ SAMLGATE_TRUST_PROXY: '0.0.0.0/0' })).toHaveLength(1);
    expect(problemsOf({ SAMLGATE_TRUST_PROXY: 'nonsense' })).toHaveLength(1);
  });

  it('reads DNS servers by address, with or without a port', () => {
    const servers = (given: string) => readConfig({ SAMLGATE_STORE: store, SAMLGATE_DNS_SERVERS: given }).dnsServers;
    expect(readConfig({ SAMLGATE_STORE: store }).dnsServers).toBeUndefined();
    expect(servers('192.0.2.53')).toEqual(['192.0.2.53']);
    expect(servers('192.0.2.53:5353, 2001:db8::53,[2001:db8::53]:53')).toEqual(['192.0.2.53:5353', '2001:db8::53', '[2001:db8::53]:53']);
    for (const given of ['dns.example', '192.0.2.53:0', '192.0.2.53:70000', '192.0.2.53,', '[192.0.2.53]:53', '192.0.2.53:x']) {
      expect([given, problemsOf({ SAMLGATE_DNS_SERVERS: given }).length]).toEqual([given, 1]);
    }
  });
});
