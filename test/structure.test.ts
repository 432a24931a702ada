import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

const SRC = path.join(import.meta.dirname, '../src');
const ARCHITECTURE = path.join(import.meta.dirname, '../docs/architecture.md');
const MAX_FOLDER_FILES = 15;
const MAX_FILE_LINES = 350;
const MAX_README_LINES = 25;

const files = (readdirSync(SRC, { recursive: true }) as string[]).filter((file) => /\.tsx?$/.test(file)).sort();
const textOf = (file: string): string => readFileSync(path.join(SRC, file), 'utf8');
const folderOf = (file: string): string => path.posix.dirname(file);

/** The part that a file belongs to: its top-level folder, or its own name if it is directly in src/. */
const partOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] as string) : file.replace(/\.tsx?$/, ''));

/** All imports of own files, including types and dynamic imports. */
function importsOf(file: string, text = textOf(file)): string[] {
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].map(([, target = '']) => target);
  return found.map((target) => path.posix.normalize(path.posix.join(folderOf(file), target)));
}

/** The types of the client library are derived from those of the server, so only its other imports count for the layers. */
const layerImportsOf = (file: string): string[] =>
  importsOf(file, file.startsWith('client/') ? textOf(file).replace(/^import type [^;]+;/gm, '') : textOf(file));

/** Files without dependencies that all parts may import. */
const SHARED = ['audit-details', 'bounded-cache', 'time'];

/** The parts that each part may import, besides {@link SHARED}. Imports go one way, so that no part imports the parts that use it. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'audit-details': [],
  'bounded-cache': [],
  config: ['store-location'],
  'store-location': [],
  errors: [],
  files: [],
  ids: [],
  log: [],
  metrics: [],
  time: [],
  secrets: ['errors'],
  store: ['errors'],
  saml: ['errors'],
  scim: [],
  runtime: ['config', 'log', 'metrics', 'secrets', 'store'],
  audit: ['ids', 'store'],
  'audit-trail': ['audit', 'errors', 'ids', 'organizations', 'runtime', 'store'],
  organizations: ['audit', 'errors', 'ids', 'runtime', 'saml', 'scim', 'store'],
  schema: ['auth', 'config', 'organizations', 'runtime', 'store'],
  auth: ['audit', 'audit-trail', 'config', 'errors', 'ids', 'organizations', 'runtime', 'saml', 'store'],
  'store-tools': ['audit', 'auth', 'config', 'organizations', 'schema', 'secrets', 'store', 'store-location'],
  console: ['audit', 'audit-trail', 'auth', 'errors', 'files', 'ids', 'organizations', 'saml'],
  http: [
    'audit',
    'audit-trail',
    'auth',
    'client',
    'console',
    'errors',
    'files',
    'ids',
    'log',
    'organizations',
    'runtime',
    'saml',
    'scim',
    'store',
  ],
  gateway: ['audit-trail', 'auth', 'config', 'http', 'log', 'metrics', 'organizations', 'runtime', 'schema', 'secrets', 'store'],
  // The client library and the mock identity provider do not depend on the server.
  client: ['store-location'],
  'mock-idp': ['files', 'saml'],
  cli: ['client', 'config', 'errors', 'files', 'gateway', 'mock-idp', 'store-tools', 'store-location'],
  main: ['cli'],
};

/** Shared files that a part must do without. */
const MAY_NOT_SHARE: Readonly<Record<string, readonly string[]>> = { client: SHARED, saml: ['bounded-cache'] };

const MAY_ALSO_IMPORT: Readonly<Record<string, readonly string[]>> = {
  // Runs a complete gateway and predicts the role of each demo user.
  'cli/commands/demo.ts': ['organizations'],
  // Examines a gateway that may be unable to start, so it cannot ask the gateway.
  'cli/doctor-checks.ts': ['auth', 'log', 'metrics', 'organizations', 'runtime', 'schema', 'secrets', 'store'],
};

/** Folders that have too many files and are to be split. */
const LARGE_FOLDERS = ['client', 'http/api'];

/** Folders with one file for each command, page, component or resource, which has the name of the file. */
const FOLDERS_OF_ONE_KIND = ['cli/commands', 'console', 'console/parts', 'http/api', 'http/console'];

/** Files with one long table. */
const LONG_TABLES = ['audit.ts', 'errors.ts', 'saml/response/checks.ts'];

describe('layers', () => {
  it.each(files)('%s imports only the layers below it', (file) => {
    const part = partOf(file);
    const shared = SHARED.filter((name) => !MAY_NOT_SHARE[part]?.includes(name));
    const allowed = [part, ...(MAY_IMPORT[part] ?? []), ...shared, ...(MAY_ALSO_IMPORT[file] ?? [])];
    expect(Object.keys(MAY_IMPORT)).toContain(part);
    expect(layerImportsOf(file).filter((target) => !allowed.includes(partOf(target)))).toEqual([]);
  });

  it('allows no import that is not used', () => {
    const unused = (importers: readonly string[], allowed: readonly string[]) => {
      const used = new Set(importers.flatMap(layerImportsOf).map(partOf));
      return allowed.filter((part) => !used.has(part));
    };
    const stale = [
      ...Object.entries(MAY_IMPORT).map(([part, allowed]) => [
        part,
        unused(
          files.filter((file) => partOf(file) === part),
          allowed,
        ),
      ]),
      ...Object.entries(MAY_ALSO_IMPORT).map(([file, allowed]) => [file, files.includes(file) ? unused([file], allowed) : allowed]),
    ];
    expect(stale.filter(([, parts]) => parts?.length)).toEqual([]);
  });

  it('has no import cycles, not even of types', () => {
    const done = new Set<string>();
    const visit = (file: string, trail: readonly string[]): void => {
      if (trail.includes(file)) throw new Error(`import cycle: ${[...trail.slice(trail.indexOf(file)), file].join(' > ')}`);
      if (done.has(file)) return;
      for (const target of importsOf(file)) if (files.includes(target)) visit(target, [...trail, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
  });

  it('uses only these libraries to verify a response', () => {
    const libraries = new Set(
      files
        .filter((file) => file.startsWith('saml/'))
        .flatMap((file) => [...textOf(file).matchAll(/from '([^.'][^']*)'/g)].map(([, name = '']) => name))
        .filter((name) => !name.startsWith('node:')),
    );
    expect([...libraries].sort()).toEqual(['@node-saml/node-saml', 'saxes', 'xml-crypto']);
  });

  it('parses XML in one file and verifies XML signatures in one file', () => {
    const using = (pattern: RegExp) => files.filter((file) => !file.startsWith('mock-idp/') && pattern.test(textOf(file)));
    expect(using(/from 'saxes'/)).toEqual(['saml/xml/xml.ts']);
    expect(using(/^import \{[^}]*\bverify\b[^}]*\} from 'node:crypto'/m)).toEqual(['saml/crypto/signature.ts']);
  });
});

describe('folders and files', () => {
  const folders = [...new Set(files.map(folderOf))];
  const filesIn = (folder: string) => files.filter((file) => folderOf(file) === folder);

  it(`keeps at most ${MAX_FOLDER_FILES} source files in a folder`, () => {
    expect(folders.filter((folder) => filesIn(folder).length > MAX_FOLDER_FILES)).toEqual(LARGE_FOLDERS);
  });

  it(`keeps files to ${MAX_FILE_LINES} lines, except those of one long table`, () => {
    expect(files.filter((file) => textOf(file).trimEnd().split('\n').length > MAX_FILE_LINES)).toEqual(LONG_TABLES);
  });

  it(`has a README of at most ${MAX_README_LINES} lines in each folder with more than three files`, () => {
    for (const folder of folders.filter((each) => filesIn(each).length > 3)) {
      const readme = path.join(SRC, folder, 'README.md');
      expect([folder, statSync(readme, { throwIfNoEntry: false }) !== undefined]).toEqual([folder, true]);
      const lines = readFileSync(readme, 'utf8').trimEnd().split('\n').length;
      expect([folder, lines <= MAX_README_LINES]).toEqual([folder, true]);
    }
  });

  it('names each file in the README of its folder or the one above, or in docs/architecture.md', () => {
    const readmeOf = (folder: string) => path.join(SRC, folder, 'README.md');
    const isNamed = (file: string) =>
      [readmeOf(folderOf(file)), readmeOf(folderOf(folderOf(file))), ARCHITECTURE].some(
        (text) => existsSync(text) && readFileSync(text, 'utf8').includes(path.basename(file)),
      );
    expect(files.filter((file) => !FOLDERS_OF_ONE_KIND.includes(folderOf(file)) && !isNamed(file))).toEqual([]);
  });

  it('has no file that is named for nothing in particular', () => {
    expect(files.filter((file) => /^(utils?|helpers?|common|misc|types)\b/.test(path.basename(file)))).toEqual([]);
  });
});
