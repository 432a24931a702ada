import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  accessSync,
  constants,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { productionDependencies } from '../support/built-package.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/redis-server.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Files of the checkout that packing needs, and some that must not be packed. */
const CHECKOUT = [
  'package.json',
  'package-lock.json',
  'build.js',
  'render-docs.js',
  'tsconfig.json',
  'tsconfig.types.json',
  'src',
  'config',
  'test/support',
  'docker',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  'docs',
];
/** Type packages that a TypeScript user of the library installs themselves. */
const OWN_TYPES = ['@types/node', 'undici-types'];
const EXPRESS_TYPES = [
  'express',
  'express-serve-static-core',
  'body-parser',
  'connect',
  'http-errors',
  'qs',
  'range-parser',
  'send',
  'serve-static',
];

const run = promisify(execFile);

let directory: string;
/** An empty project with nothing but the package installed. */
let project: string;
let packed: string[];
const running: ChildProcess[] = [];

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-pack-'));
  project = path.join(directory, 'project');
  const tarball = await pack();
  packed = (await run('tar', ['-tzf', tarball])).stdout
    .trim()
    .split('\n')
    .map((name) => name.replace(/^package\//, ''));
  await install(tarball);
}, 120_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));
afterEach(async () => {
  for (const child of running.splice(0)) {
    const exit = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
    child.kill('SIGKILL');
    await exit;
  }
});

/** Runs `npm pack` in a fresh checkout, which also builds. */
async function pack(): Promise<string> {
  const checkout = path.join(directory, 'checkout');
  for (const name of CHECKOUT) cpSync(path.join(ROOT, name), path.join(checkout, name), { recursive: true });
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(checkout, 'node_modules'));
  await run('npm', ['pack', '--pack-destination', directory], { cwd: checkout });
  return path.join(directory, readdirSync(directory).find((name) => name.endsWith('.tgz')) ?? '');
}

/** Lays the package out as npm would, with links in place of a registry, and with only the package's own dependencies. */
async function install(tarball: string): Promise<void> {
  const modules = path.join(project, 'node_modules');
  mkdirSync(path.join(modules, '.bin'), { recursive: true });
  writeFileSync(path.join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }');
  await run('tar', ['-xzf', tarball, '-C', modules]);
  await run('mv', [path.join(modules, 'package'), path.join(modules, 'samlgate')]);
  symlinkSync('../samlgate/dist/main.js', path.join(modules, '.bin/samlgate'));
  for (const place of productionDependencies()) link(place);
}

function link(place: string): void {
  const target = path.join(project, place);
  if (existsSync(target)) return;
  mkdirSync(path.dirname(target), { recursive: true });
  symlinkSync(path.join(ROOT, place), target);
}

const environment = (more: Record<string, string> = {}) => ({ PATH: process.env.PATH ?? '', HOME: path.join(directory, 'home'), ...more });

/** Starts `node FILE` (or the command) in the project. `says` waits for its standard output. */
function start(file: string, args: readonly string[], more: Record<string, string>) {
  const child = spawn(file, args, { cwd: project, env: environment(more), stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const says = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(output);
      if (match) return match;
      if (child.exitCode !== null) throw new Error(`It ended without ${pattern}: ${output}`);
      await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
    }
  };
  return { child, says };
}

describe('npm package', () => {
  test('contains the built files, the example organizations and the documentation, and nothing else', () => {
    const libraries = ['index', 'express'].map((name) => `dist/types/client/${name}.d.ts`);
    const code = [
      ...['main.js', 'client.js', 'express.js', 'pico.min.css', 'xdg-open', 'docs.json', 'THIRD-PARTY-LICENSES.txt'].map(
        (name) => `dist/${name}`,
      ),
      ...libraries,
    ];
    const assets = readdirSync(path.join(ROOT, 'src/console/assets')).map((name) => `dist/console/assets/${name}`);
    const folder = (name: string) => readdirSync(path.join(ROOT, name)).map((file) => `${name}/${file}`);
    const own = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md'];
    // Their names contain a hash of their content.
    const pictures = packed.filter((name) =>
      /^dist\/docs-images\/(?:overview|setup|role-mapping|sign-in-log)\.[\w-]{10}\.(?:svg|webp)$/.test(name),
    );
    expect(pictures).toHaveLength(4);
    // Code that several entry points share is in chunks named by their content, and there are declarations of the types they mention.
    const shared = packed.filter(
      (name) => !code.includes(name) && /^dist\/(?:[a-z-]+-[A-Z0-9]{8}\.js|types\/[a-z0-9/-]+\.d\.ts)$/.test(name),
    );
    expect(packed.sort()).toEqual(
      [...code, ...shared, ...pictures, ...assets, ...folder('config/idp-examples'), 'config/several-connections.yaml', ...own].sort(),
    );
  });

  test('contains only code of its own sources and of its dependencies', () => {
    const { packages } = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { dev?: boolean }>;
    };
    const dist = path.join(project, 'node_modules/samlgate/dist');
    const origins = readdirSync(dist)
      .filter((name) => name.endsWith('.js'))
      .flatMap((name) => [...readFileSync(path.join(dist, name), 'utf8').matchAll(/^\s*\/\/ (\S+\.(?:[cm]?js|tsx?|json))$/gm)])
      .map(([, origin = '']) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(origin)?.[0] ?? origin.split('/')[0]);
    expect(origins.length).toBeGreaterThan(300);
    expect([...new Set(origins)].filter((origin = '') => origin !== 'src' && packages[origin]?.dev !== undefined)).toEqual([]);
    expect([...new Set(origins)].filter((origin = '') => origin !== 'src' && !packages[origin])).toEqual([]);
  });

  test('runs its command', async () => {
    const bin = path.join(project, 'node_modules/.bin/samlgate');
    accessSync(bin, constants.X_OK);
    const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect((await run(bin, ['--version'], { cwd: project, env: environment() })).stdout).toBe(`${version}\n`);
  });

  test('ends with one line on an older Node.js, before it loads anything that such a version does not have', async () => {
    const main = path.join(project, 'node_modules/samlgate/dist/main.js');
    for (const bin of [main, path.join(project, 'node_modules/.bin/samlgate')]) {
      for (const version of ['18.20.4', '20.19.0', '22.17.1']) {
        const older = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '${version}' })`;
        const failure = run(process.execPath, ['--import', older, bin, 'serve'], { cwd: project, env: environment() });
        await expect(failure).rejects.toMatchObject({
          code: 1,
          stdout: '',
          stderr: `samlgate needs Node.js 22.18 or newer. This is ${version}.\n`,
        });
      }
    }
    const imports = [...readFileSync(main, 'utf8').matchAll(/^import .*$/gm)].map(([line]) => line);
    expect(imports).toEqual([expect.stringMatching(/from 'node:module';$/)]);
  });

  test('serves pages, their style sheet, the API and its reference', async () => {
    const port = await freePort();
    const url = `http://localhost:${port}`;
    const settings = { SAMLGATE_BASE_URL: url, SAMLGATE_LISTEN: `127.0.0.1:${port}` };
    const { child, says } = start(path.join(project, 'node_modules/.bin/samlgate'), ['serve'], settings);
    await says(/samlgate is ready/);
    const answers = await Promise.all(
      ['/readyz', '/login', '/assets/style.css', '/api/v1/openapi.json', '/api/docs', '/docs', '/docs/api'].map(async (at) => [
        at,
        (await fetch(`${url}${at}`)).status,
      ]),
    );
    expect(answers.filter(([, status]) => status !== 200)).toEqual([]);
    const apply = ['org', 'apply', 'node_modules/samlgate/config/idp-examples/okta.yaml', '--dry-run'];
    const applied = await run(path.join(project, 'node_modules/.bin/samlgate'), apply, {
      cwd: project,
      env: environment({ SAMLGATE_URL: url }),
    });
    expect(applied.stdout).toContain('acme-okta: would create the organization');
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
  });

  test('exports its two libraries and no internal module', async () => {
    const script = `
      const { createClient, PagedList, SamlgateError } = await import('samlgate/client');
      const { requireAuth } = await import('samlgate/express');
      const inside = await import('samlgate/dist/main.js').catch((error) => error.code);
      console.log([createClient, PagedList, SamlgateError, requireAuth].map((each) => typeof each).join(), inside);`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project, env: environment() });
    expect(stdout).toBe('function,function,function,function ERR_PACKAGE_PATH_NOT_EXPORTED\n');
  });
});

describe('types of the npm package', () => {
  const CLIENT = `
    import { createClient, type Member, SamlgateError } from 'samlgate/client';
    const client = createClient({ url: 'https://sso.example.com', token: 'x' });
    const page: { items: readonly Member[]; next_cursor: string | null } = await client.members.list('acme', { email: 'a@b.c' }).page({ limit: 2 });
    for await (const member of client.members.list('acme')) console.log(member.email.length, member.groups.length, page);
    const { revoked, token } = await client.tokens.rotate();
    const made: string = token.token;
    await client.organizations.create({ slug: 'acme', name: 'Acme', domains: ['acme.example'] });
    await client.identityProvider.set('acme', { metadata_url: 'https://idp.example/metadata' }, { dryRun: true });
    await client.identityProvider.change('acme', { idp_initiated: 'bounce', authn_context: [] });
    await client.roleMapping.set('acme', { rules: [{ group: 'a', role: 'owner' }], default_role: 'none' });
    try { await client.keys.revoke('k'); } catch (error) { if (error instanceof SamlgateError && error.code === 'conflict') console.log(revoked + 1, made); }`;
  const MIDDLEWARE = `
    import { createServer } from 'node:http';
    import { type Auth, requireAuth } from 'samlgate/express';
    const middleware = requireAuth({ issuer: 'https://sso.example.com', role: 'owner' });
    createServer((request: Parameters<typeof middleware>[0], response) => middleware(request, response, () => response.end(request.auth?.email)));
    export const isOwner = (auth: Auth): boolean => auth.role === 'owner';`;
  const EXPRESS = `
    import express from 'express';
    import { requireAuth } from 'samlgate/express';
    const app = express();
    app.use(requireAuth({ issuer: 'https://sso.example.com' }));
    app.get('/', requireAuth({ issuer: 'https://sso.example.com', role: 'owner' }), (request, response) => {
      response.json({ email: request.auth?.email.toUpperCase() });
    });`;

  /** Returns the compiler's output for a file in the project. Declarations of packages are checked too. */
  async function complaints(source: string, ...options: string[]): Promise<string> {
    writeFileSync(path.join(project, 'check.ts'), source);
    const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
    const args = [
      '--noEmit',
      '--strict',
      '--exactOptionalPropertyTypes',
      '--noUncheckedIndexedAccess',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--types',
      'node',
    ];
    return run(process.execPath, [tsc, ...args, ...options, 'check.ts'], { cwd: project, env: environment() }).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    );
  }

  beforeAll(() => {
    for (const name of OWN_TYPES) link(`node_modules/${name}`);
  });

  test('compile in strict mode without the types of Express', async () => {
    expect(await complaints(CLIENT)).toBe('');
    expect(await complaints(MIDDLEWARE)).toBe('');
  });

  test('are compatible with Express', async () => {
    for (const name of EXPRESS_TYPES) link(`node_modules/@types/${name}`);
    expect(await complaints(EXPRESS)).toBe('');
  });

  test.each([
    ['an unknown role', CLIENT.replace("role: 'owner' }]", "role: 'king' }]"), 'king'],
    ['a field that is not known', CLIENT.replace("slug: 'acme',", "slug: 'acme', slogan: 'x',"), "'slogan'"],
    ['a field that no answer has', CLIENT.replace('member.email', 'member.mail'), "'mail'"],
    ['an unknown code', CLIENT.replace("=== 'conflict'", "=== 'conflcit'"), 'conflcit'],
    ['a role that does not exist', MIDDLEWARE.replace("role: 'owner' }", "role: 'admin' }"), 'admin'],
    ['no issuer', MIDDLEWARE.replace("issuer: 'https://sso.example.com', ", ''), "'issuer'"],
  ])('reject %s', async (_what, source, words) => {
    expect(await complaints(source)).toContain(words);
  });
});

describe('examples in the documentation', () => {
  let gateway: TestGateway;
  let acme: OrganizationJson;
  let olivia: SignedIn;
  let carl: SignedIn;
  beforeAll(async () => {
    gateway = await startGateway();
    acme = await gateway.makeOrganization();
    [olivia, carl] = await Promise.all([signedIn(gateway, acme, 'olivia'), signedIn(gateway, acme, 'carl')]);
  });
  afterAll(() => gateway.stop());

  /** Copies an example into a project of its own, as a reader of the documentation would. */
  const example = (name: string) => {
    const copy = path.join(project, name);
    copyFileSync(path.join(ROOT, 'test/examples', name), copy);
    return copy;
  };
  const runClient = async (token: string) => {
    const env = environment({ SAMLGATE_URL: gateway.url, SAMLGATE_CLI_TOKEN: token });
    return (await run(process.execPath, [example('client.mjs')], { cwd: project, env })).stdout;
  };

  test('client.mjs lists tokens and members', async () => {
    const { token, name } = await olivia.makeToken({ name: 'for the example', expires_in_days: null });
    expect((await runClient(token)).split('\n')).toEqual(
      expect.arrayContaining([
        `${olivia.email} is owner of ${acme.name}`,
        `token ${name}: never expires`,
        `member ${olivia.email}: owner`,
        `member ${carl.email}: collaborator`,
      ]),
    );
    expect(await runClient((await carl.makeToken()).token)).toMatch(/Only owners can list members\.\n$/);
  });

  test('express.mjs accepts session tokens and CLI tokens, and lets only owners delete', async () => {
    const settings = { SAMLGATE_URL: gateway.url, SAMLGATE_ORGANIZATION: acme.id, PORT: '0' };
    const { says } = start(process.execPath, [example('express.mjs')], settings);
    const [hello] = await says(/http:\S+\/hello/);
    const ask = (url: string, token?: string, method = 'GET') =>
      fetch(url, { method, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
    const sessionToken = async (person: SignedIn) => (await person.api<{ token: string }>('POST', '/me/session-token')).body.token;

    expect((await ask(hello)).status).toBe(401);
    expect(await (await ask(hello, await sessionToken(carl))).json()).toEqual({ hello: carl.email, role: 'collaborator' });
    expect(await (await ask(hello, (await olivia.makeToken()).token)).json()).toEqual({ hello: olivia.email, role: 'owner' });
    const everything = hello.replace('/hello', '/everything');
    expect((await ask(everything, await sessionToken(carl), 'DELETE')).status).toBe(403);
    expect((await ask(everything, await sessionToken(olivia), 'DELETE')).status).toBe(204);

    // An owner of another organization has no access.
    const stranger = await signedIn(gateway, await gateway.makeOrganization(), 'olivia');
    expect((await ask(everything, await sessionToken(stranger), 'DELETE')).status).toBe(403);

    const revoked = await carl.makeToken();
    expect((await carl.api('DELETE', `/me/tokens/${revoked.id}`)).status).toBe(204);
    expect((await ask(hello, revoked.token)).status).toBe(401);
  });
});
