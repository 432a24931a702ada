import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

const SRC = path.join(import.meta.dirname, '../src');
const files = (readdirSync(SRC, { recursive: true }) as string[]).filter((file) => /\.tsx?$/.test(file));

/** Where a file belongs: its folder, or its own name where it lies directly in src/. */
const placeOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] as string) : file.replace(/\.tsx?$/, ''));

/** `import type` and dynamic imports count as well: what a file knows of is what it depends on. But the client's types are made of the server's. */
function importsOf(file: string): string[] {
  const all = readFileSync(path.join(SRC, file), 'utf8');
  const text = file.startsWith('client/') ? all.replace(/^import type [^;]+;/gm, '') : all;
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].map(([, target = '']) => target);
  return found.map((target) => path.posix.normalize(path.posix.join(path.posix.dirname(file), target)));
}

/** What every part but the client may import. */
const FOR_ALL = ['time'];

/** What each part may import besides itself. One way only: a part never stands above what it is used by. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'bounded-cache': [],
  errors: [],
  files: [],
  ids: [],
  config: [],
  log: [],
  metrics: [],
  secrets: ['errors'],
  time: [],
  store: ['bounded-cache', 'errors'],
  saml: ['errors'],
  runtime: ['config', 'log', 'metrics', 'secrets', 'store', 'rate-limits'],
  audit: ['ids', 'store'],
  organizations: ['audit', 'bounded-cache', 'errors', 'ids', 'runtime', 'saml', 'store'],
  auth: ['audit', 'bounded-cache', 'config', 'errors', 'ids', 'organizations', 'runtime', 'saml', 'secrets', 'store'],
  console: ['audit', 'errors', 'organizations', 'auth', 'saml'],
  http: [
    'audit',
    'auth',
    'bounded-cache',
    'client',
    'config',
    'console',
    'errors',
    'files',
    'ids',
    'log',
    'organizations',
    'runtime',
    'saml',
    'store',
  ],
  gateway: ['auth', 'config', 'http', 'log', 'metrics', 'organizations', 'runtime', 'secrets', 'store'],
  // These stand apart from the server. The command line starts it, and the mock identity provider, in files of their own.
  client: [],
  'mock-idp': ['saml'],
  cli: ['client', 'config', 'errors', 'files', 'gateway', 'mock-idp'],
  main: ['cli', 'client'],
};

const MAY_ALSO_IMPORT: Readonly<Record<string, readonly string[]>> = {
  // It runs a whole gateway, and tells in advance which role each person will get.
  'cli/commands/demo.ts': ['organizations'],
  // It looks at a gateway that may not be able to start, so it asks no gateway.
  'cli/doctor-checks.ts': ['auth', 'log', 'metrics', 'organizations', 'runtime', 'saml', 'secrets', 'store'],
};

describe('the parts and who may know whom', () => {
  it.each(files)('%s', (file) => {
    const place = placeOf(file);
    const forAll = place === 'client' ? [] : FOR_ALL;
    const allowed = MAY_IMPORT[place] && [...MAY_IMPORT[place], ...forAll, ...(MAY_ALSO_IMPORT[file] ?? [])];
    expect([place, allowed !== undefined]).toEqual([place, true]);
    const wrong = importsOf(file).filter((target) => placeOf(target) !== place && !allowed?.includes(placeOf(target)));
    expect(wrong).toEqual([]);
  });

  it('the verdict on a response depends on nothing but its own folder, the error table and its libraries', () => {
    const libraries = new Set(
      files
        .filter((file) => file.startsWith('saml/'))
        .flatMap((file) => {
          const text = readFileSync(path.join(SRC, file), 'utf8');
          return [...text.matchAll(/from '([^.'][^']*)'/g)].map(([, name = '']) => name).filter((name) => !name.startsWith('node:'));
        }),
    );
    expect([...libraries].sort()).toEqual(['@node-saml/node-saml', 'saxes', 'xml-crypto']);
  });

  it('only one file parses XML, and only one verifies XML signatures', () => {
    const using = (pattern: RegExp) =>
      files.filter((file) => !file.startsWith('mock-idp/') && pattern.test(readFileSync(path.join(SRC, file), 'utf8')));
    expect(using(/from 'saxes'/)).toEqual(['saml/xml/xml.ts']);
  });

  it('no file imports itself round a circle', () => {
    const graph = new Map(files.map((file) => [file, importsOf(file)]));
    const done = new Set<string>();
    const visit = (file: string, trail: readonly string[]): void => {
      if (trail.includes(file)) throw new Error(`a circle: ${[...trail.slice(trail.indexOf(file)), file].join(' > ')}`);
      if (done.has(file)) return;
      for (const target of graph.get(file) ?? []) visit(target, [...trail, file]);
      done.add(file);
    };
    const runtimeOnly = (file: string) => {
      // A type may be asked of a file that asks back; code may not.
      const text = readFileSync(path.join(SRC, file), 'utf8').replace(/^import type [^;]+;/gm, '');
      const found = [...text.matchAll(/^(?:import|export)\s[^;]*?from '(\.{1,2}\/[^']+)'/gms)].map(([, target = '']) => target);
      return found.map((target) => path.posix.normalize(path.posix.join(path.posix.dirname(file), target)));
    };
    for (const file of files) graph.set(file, runtimeOnly(file));
    for (const file of files) visit(file, []);
  });
});

describe('habits', () => {
  it('a folder with more than three files opens with a README of at most 25 lines', () => {
    const folders = ['', ...new Set(files.filter((file) => file.includes('/')).map((file) => path.posix.dirname(file)))];
    for (const folder of folders) {
      const own = files.filter((file) => (file.includes('/') ? path.posix.dirname(file) : '') === folder);
      if (own.length <= 3) continue;
      const readme = path.join(SRC, folder, 'README.md');
      expect([folder, statSync(readme, { throwIfNoEntry: false }) !== undefined]).toEqual([folder, true]);
      const lines = readFileSync(readme, 'utf8').trimEnd().split('\n').length;
      expect([folder, lines <= 25]).toEqual([folder, true]);
    }
  });

  it('there are no drawers', () => {
    for (const file of files) expect(path.basename(file)).not.toMatch(/^(utils?|helpers?|common|misc|types)\b/);
  });
});
