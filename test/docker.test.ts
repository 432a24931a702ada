/** Tests docker/ without a container engine: the files are consistent with the project and each other, and their parts run. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { flushSignInLog } from '../src/auth/sign-in-log/record-sign-in.ts';
import { readConfig, VARIABLES } from '../src/config.ts';
import { HttpBrowser, signIn } from './support/browser.ts';
import { type BuiltPackage, buildPackage } from './support/built-package.ts';
import { newSlug, startGateway, type TestGateway } from './support/gateway.ts';
import { freePort, type RedisServer, startRedis } from './support/redis-server.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const textOf = (name: string) => readFileSync(path.join(ROOT, name), 'utf8');
const TIMEOUT_MS = 60_000;
const PATH = `${process.env.PATH}:/usr/sbin`;

interface Instruction {
  readonly name: string;
  readonly value: string;
}

/** Returns the stages of the Dockerfile, each a list of instructions that starts with FROM. */
function readStages(): Instruction[][] {
  const lines = textOf('docker/Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter(Boolean);
  const stages: Instruction[][] = [];
  for (const line of lines) {
    const [, name = '', value = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === 'FROM') stages.push([]);
    stages.at(-1)?.push({ name, value: value.trim() });
  }
  return stages;
}

const stages = readStages();
const valuesOf = (stage: readonly Instruction[], name: string) => stage.filter((each) => each.name === name).map(({ value }) => value);
const lastStage = stages.at(-1) ?? [];

/** Environment variables of the image. */
const imageEnvironment = Object.fromEntries(
  valuesOf(lastStage, 'ENV').flatMap((value) =>
    [...value.matchAll(/(\w+)=(?:"([^"]*)"|(\S*))/g)].map(([, name = '', quoted, plain = '']) => [name, quoted ?? plain]),
  ),
);

/** Applies .dockerignore as the builder does: the last rule that matches the path or a parent folder decides. */
function isIgnored(file: string): boolean {
  const rules = textOf('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const above = file.split('/').map((_, i, parts) => parts.slice(0, i + 1).join('/'));
  let ignored = false;
  for (const rule of rules) {
    const pattern = new RegExp(`^${rule.replace(/^!/, '').replace(/[.]/g, '\\.').replace(/\*/g, '[^/]*')}$`);
    if (above.some((each) => pattern.test(each))) ignored = !rule.startsWith('!');
  }
  return ignored;
}

describe('docker/Dockerfile', () => {
  test('copies only existing files that .dockerignore does not exclude', () => {
    const sources = stages.flatMap((stage) => valuesOf(stage, 'COPY')).filter((value) => !value.startsWith('--from'));
    const files = sources.flatMap((value) => value.split(/\s+/).slice(0, -1));
    expect(files.length).toBeGreaterThan(5);
    for (const file of files) {
      expect([file, existsSync(path.join(ROOT, file))]).toEqual([file, true]);
      expect([file, isIgnored(file)]).toEqual([file, false]);
    }
    // The files that the package publishes are in the image too, except for Markdown files.
    const { files: published } = JSON.parse(textOf('package.json')) as { files: string[] };
    const copied = valuesOf(lastStage, 'COPY').join(' ');
    for (const file of published.filter((name) => !name.endsWith('.md') && !name.startsWith('!'))) expect(copied).toContain(file);
  });

  test.each(['.git', 'data/secret', 'docker/secrets.env', 'dist', 'node_modules', 'test', '.env'])(
    'excludes %s from the build context',
    (file) => {
      expect(isIgnored(file)).toBe(true);
    },
  );

  test('runs `serve` without root, stores data in /data, and contains no build tools', () => {
    expect(valuesOf(lastStage, 'USER')).toEqual(['1000:1000']);
    expect(valuesOf(lastStage, 'VOLUME')).toEqual(['/data']);
    expect(valuesOf(lastStage, 'ENTRYPOINT')).toEqual(['["node", "dist/main.js"]']);
    expect(valuesOf(lastStage, 'CMD')).toEqual(['["serve"]']);
    expect(
      readConfig({ ...imageEnvironment, SAMLGATE_SECRET: randomBytes(32).toString('base64'), SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(24) }),
    ).toMatchObject({
      store: 'sqlite:/data/samlgate.db',
      listen: { host: '0.0.0.0', port: 8080 },
    });
    for (const stage of stages) expect(valuesOf(stage, 'FROM')[0]).toMatch(/^node:24-slim( AS build)?$/);
    expect(valuesOf(lastStage, 'RUN').join('\n')).not.toMatch(/npm (ci|install|run)|apt-get|curl/);
    expect(valuesOf(lastStage, 'COPY').join(' ')).not.toContain('node_modules');
  });
});

describe('the commands of the image, in a folder with the same files', () => {
  let built: BuiltPackage;
  let data: string;
  let redis: RedisServer | undefined;
  beforeAll(async () => {
    built = await buildPackage();
    data = mkdtempSync(path.join(tmpdir(), 'samlgate-data-'));
    symlinkSync(data, path.join(built.directory, 'data'));
  }, TIMEOUT_MS);
  afterAll(async () => {
    await built.remove();
    await redis?.stop();
    rmSync(data, { recursive: true, force: true });
  });

  const [command = ''] = /\[.*\]$/.exec(valuesOf(lastStage, 'HEALTHCHECK')[0] ?? '') ?? [];
  const [program, ...healthArguments] = JSON.parse(command) as string[];
  const isHealthy = (environment: Record<string, string>) =>
    spawnSync(process.execPath, healthArguments, { env: environment }).status === 0;
  const imageAt = (port: number) => ({
    ...imageEnvironment,
    SAMLGATE_LISTEN: `127.0.0.1:${port}`,
    SAMLGATE_STORE: `sqlite:${data}/samlgate.db`,
    SAMLGATE_BASE_URL: `http://localhost:${port}`,
  });
  const filesBeside = () =>
    readdirSync(built.directory, { recursive: true })
      .map(String)
      .filter((file) => !file.startsWith('data/'));

  test(
    'serve is healthy, writes only to its data folder, answers commands, and exits with 0',
    async () => {
      const environment = imageAt(await freePort());
      expect(program).toBe('node');
      expect(isHealthy(environment)).toBe(false);
      const before = filesBeside();
      const gateway = built.start(['serve'], environment);
      await gateway.says(/"msg":"samlgate is ready"/);
      expect(isHealthy(environment)).toBe(true);
      const made = await built.run(['org', 'apply', 'config/idp-examples/okta.yaml'], environment);
      expect(made).toMatchObject({ code: 0, stderr: '' });
      expect(readdirSync(data)).toEqual(expect.arrayContaining(['samlgate.db', 'secret', 'operator-token']));
      expect(filesBeside()).toEqual(before);
      expect((await gateway.end('SIGTERM')).code).toBe(0);
      expect(isHealthy(environment)).toBe(false);
    },
    TIMEOUT_MS,
  );

  test(
    'serve with Redis reads its secrets from the file that the README creates',
    async () => {
      const createSecrets = /^\(umask 077; .*$/m.exec(textOf('docker/README.md'))?.[0] ?? 'false';
      mkdirSync(path.join(built.directory, 'docker'), { recursive: true });
      execFileSync('sh', ['-c', createSecrets], { cwd: built.directory });
      const file = path.join(built.directory, 'docker/secrets.env');
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const { entrypoint = [], command = [] } = readCompose('redis').services['gateway-1'] ?? {};
      const [node, ...rest] = entrypoint.map((argument) => argument.replace('/run/secrets/samlgate', file));
      expect([node, rest.pop()]).toEqual(['node', 'dist/main.js']);
      const port = await freePort();
      redis = await startRedis();
      const environment = { SAMLGATE_STORE: redis.url, SAMLGATE_LISTEN: `127.0.0.1:${port}` };
      const gateway = built.start(command, environment, rest);
      await gateway.says(/"msg":"samlgate is ready"/);
      const [, token = ''] = /SAMLGATE_OPERATOR_TOKEN=(.*)/.exec(readFileSync(file, 'utf8')) ?? [];
      const listed = await fetch(`http://127.0.0.1:${port}/api/v1/organizations`, { headers: { authorization: `Bearer ${token}` } });
      expect(listed.status).toBe(200);
      expect((await gateway.end('SIGTERM')).code).toBe(0);
    },
    TIMEOUT_MS,
  );
});

interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly user?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly secrets?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly stop_grace_period?: string;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
  readonly networks?: Readonly<Record<string, { readonly internal?: boolean } | null>>;
  readonly secrets?: Readonly<Record<string, unknown>>;
}

const fileOf = (store: string) => `docker/compose.${store}.yaml`;
const readCompose = (store: string): Compose => parse(textOf(fileOf(store)), { merge: true });
/** Resolves `${NAME:-default}` to the default. */
const withDefaults = (environment: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, value.replace(/\$\{\w+:-([^}]*)\}/g, '$1')]));
const isGateway = ({ build }: Service) => build !== undefined;

describe.each(['sqlite', 'redis'])('docker/compose.%s.yaml', (store) => {
  const compose = readCompose(store);
  const services = Object.entries(compose.services);
  const gateways = services.filter(([, service]) => isGateway(service));

  test('refers only to existing volumes, networks, secrets, services and files', () => {
    // Only Compose itself checks the spelling of every key, if it is installed.
    if (spawnSync('docker', ['compose', 'version']).status === 0)
      execFileSync('docker', ['compose', '-f', path.join(ROOT, fileOf(store)), 'config', '-q']);
    for (const [, service] of services) {
      for (const network of service.networks ?? []) expect(Object.keys(compose.networks ?? {})).toContain(network);
      for (const secret of service.secrets ?? []) expect(Object.keys(compose.secrets ?? {})).toContain(secret);
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        const needed = compose.services[other];
        expect([other, condition, needed !== undefined && (isGateway(needed) || needed.healthcheck !== undefined)]).toEqual([
          other,
          'service_healthy',
          true,
        ]);
      }
      for (const [source = ''] of (service.volumes ?? []).map((volume) => volume.split(':'))) {
        if (source.startsWith('.')) expect(existsSync(path.join(ROOT, 'docker', source))).toBe(true);
        else expect(Object.keys(compose.volumes ?? {})).toContain(source);
      }
      if (service.build) expect(existsSync(path.join(ROOT, 'docker', service.build.context, service.build.dockerfile))).toBe(true);
    }
  });

  test('gives gateways a valid environment and enough time to stop', () => {
    for (const [, { environment = {}, stop_grace_period }] of gateways) {
      for (const name of Object.keys(environment)) expect(VARIABLES.map((variable) => variable.name)).toContain(name);
      const secrets = { SAMLGATE_SECRET: randomBytes(32).toString('base64'), SAMLGATE_OPERATOR_TOKEN: randomBytes(32).toString('hex') };
      expect(readConfig({ ...imageEnvironment, ...withDefaults(environment), ...secrets })).toMatchObject({
        baseUrl: 'http://localhost:8080',
        store: store === 'redis' ? 'redis://redis:6379' : 'sqlite:/data/samlgate.db',
        trustProxy: store === 'redis' ? 1 : false,
      });
      expect(Number.parseInt(stop_grace_period ?? '', 10)).toBeGreaterThan(10);
    }
  });

  test('gives services minimal privileges and publishes no port to other machines', () => {
    for (const [name, service] of services) {
      expect([name, service.read_only, service.cap_drop]).toEqual([name, true, ['ALL']]);
      for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
      expect(isGateway(service) || service.user !== undefined).toBe(true);
    }
    expect(services.filter(([, { ports }]) => ports !== undefined)).toHaveLength(1);
  });
});

describe('docker/compose.redis.yaml: Redis as the store of record', () => {
  const { services, networks } = readCompose('redis');

  test('persists acknowledged writes, and only the gateways can reach it', () => {
    const { command = [], networks: reach } = services.redis ?? {};
    const option = (name: string) => command[command.indexOf(name) + 1];
    expect([option('--appendonly'), option('--appendfsync'), option('--maxmemory-policy')]).toEqual(['yes', 'always', 'noeviction']);
    expect(networks?.store?.internal).toBe(true);
    expect(reach).toEqual(['store']);
    const others = Object.entries(services).filter(([name, service]) => name !== 'redis' && service.networks?.includes('store'));
    expect(others.map(([name]) => name)).toEqual(['gateway-1', 'gateway-2']);
  });

  test('has a command line that redis-server accepts', () => {
    const { command = [] } = services.redis ?? {};
    const asked = spawnSync('redis-server', [...command.slice(1), '--port', '0', '--bind', '127.0.0.1', '--dir', '/nonexistent'], {
      encoding: 'utf8',
    });
    // redis-server reaches the last option, a missing folder, only if it accepts the options before.
    expect(asked.stdout + asked.stderr).toMatch(/'dir "?\/nonexistent"?'\s[\s\S]*No such file or directory/);
  });

  test('runs the gateways that nginx has as upstreams', () => {
    const upstreams = [...textOf('docker/nginx.conf').matchAll(/^\s+server ([\w-]+):(\d+) /gm)].map(([, name, port]) => [name, port]);
    expect(upstreams).toEqual([
      ['gateway-1', '8080'],
      ['gateway-2', '8080'],
    ]);
  });
});

describe('docker/nginx.conf in front of two gateways over one Redis', () => {
  let directory: string;
  let nginx: ChildProcess | undefined;
  const gateways: TestGateway[] = [];
  let front: string;
  let slug: string;

  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'samlgate-nginx-'));
    chmodSync(directory, 0o711); // workers of an nginx that root started run as another user
    const port = await freePort();
    front = `http://localhost:${port}`;
    const environment = {
      SAMLGATE_BASE_URL: front,
      SAMLGATE_TRUST_PROXY: '1',
      SAMLGATE_SECRET: randomBytes(32).toString('base64'),
      SAMLGATE_OPERATOR_TOKEN: randomBytes(32).toString('hex'),
    };
    for (let i = 0; i < 2; i++) gateways.push(await startGateway({ store: 'redis', environment }));
    const conf = path.join(directory, 'nginx.conf');
    writeFileSync(conf, localConf(port));
    // Fails with the error message of nginx if the configuration is invalid.
    execFileSync('nginx', ['-t', '-q', '-p', directory, '-c', conf], { env: { PATH } });
    nginx = spawn('nginx', ['-p', directory, '-c', conf, '-g', 'daemon off;'], { env: { PATH }, stdio: 'ignore' });
    for (let i = 0; i < 200 && !(await answers(front)); i++) await new Promise((resolve) => setTimeout(resolve, 25));
    ({ slug } = await gateways[0]!.makeOrganization(newSlug()));
  }, TIMEOUT_MS);
  afterAll(async () => {
    if (nginx?.kill('SIGTERM')) await once(nginx, 'exit');
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    rmSync(directory, { recursive: true, force: true });
  });

  /** Returns the configuration with host names, ports and folders of this machine. */
  function localConf(port: number): string {
    const ports = gateways.map(({ runtime }) => runtime.config.listen.port);
    return textOf('docker/nginx.conf')
      .replace('gateway-1:8080', `127.0.0.1:${ports[0]}`)
      .replace('gateway-2:8080', `127.0.0.1:${ports[1]}`)
      .replace('listen 8080;', `listen 127.0.0.1:${port};`)
      .replaceAll('/tmp/', `${directory}/`)
      .replace('/dev/stderr', `${directory}/error.log`)
      .replace('/dev/stdout', `${directory}/access.log`);
  }

  const answers = (url: string) =>
    fetch(`${url}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  const signInCarl = () => signIn(new HttpBrowser(), `${front}/saml/${slug}/login`, 'carl');
  const post = (resource: string, size: number) =>
    fetch(`${front}${resource}`, {
      method: 'POST',
      headers: { accept: 'application/json' },
      body: new URLSearchParams({ SAMLResponse: 'A'.repeat(size) }),
    });

  test('signs users in through either gateway', async () => {
    for (let i = 0; i < 3; i++) expect((await signInCarl()).page).toMatchObject({ status: 200, url: `${front}/console` });
    const usedUpstreams = new Set(
      [...readFileSync(path.join(directory, 'access.log'), 'utf8').matchAll(/127\.0\.0\.1:\d+/g)].map(([address]) => address),
    );
    expect(usedUpstreams.size).toBe(2);
  });

  test('records the address that nginx sees in the sign-in log, not one that the client sends', async () => {
    const page = await new HttpBrowser().open(`${front}/saml/${slug}/acs`, {
      method: 'POST',
      body: new URLSearchParams({ SAMLResponse: 'AAAA' }),
      headers: { 'x-forwarded-for': '203.0.113.7' },
    });
    expect(page.code).toBe('saml_malformed');
    for (const { runtime } of gateways) await flushSignInLog(runtime);
    const { body } = await gateways[0]!.api<{ items: { address?: string }[] }>('GET', `/organizations/${slug}/sign-ins`);
    expect(JSON.stringify(body.items[0])).toContain('127.0.0.1');
    expect(JSON.stringify(body.items)).not.toContain('203.0.113.7');
  });

  test('lets the gateway refuse a response that is too large, and refuses a much larger one itself', async () => {
    const large = await post(`/saml/${slug}/acs`, 700 * 1024);
    expect([large.status, await large.json()]).toMatchObject([413, { code: 'payload_too_large' }]);
    const far = await post(`/saml/${slug}/acs`, 1100 * 1024);
    expect([far.status, far.headers.get('x-request-id')]).toEqual([413, null]);
  });

  test('hides metrics and logs no URLs', async () => {
    expect((await fetch(`${front}/metrics`)).status).toBe(404);
    await signInCarl();
    const log = readFileSync(path.join(directory, 'access.log'), 'utf8');
    expect(log).toMatch(/ POST 303 /);
    expect(log).not.toMatch(/saml|RelayState|console/i);
  });

  test('signs users in with one gateway down', async () => {
    await gateways.pop()?.stop();
    for (let i = 0; i < 3; i++) expect((await signInCarl()).page.status).toBe(200);
  });
});
