import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { IDP_SETTINGS } from '../src/http/api/request-shapes.ts';
import { GENERATED, withTables } from './support/documentation-tables.ts';
import { pythonModules } from './support/python-package.ts';

const ROOT = path.join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const readmesBelow = (folder: string): string[] =>
  (readdirSync(path.join(ROOT, folder), { recursive: true }) as string[])
    .filter((file) => file.endsWith('README.md'))
    .map((file) => `${folder}/${file}`);

const PAGES: readonly string[] = [
  ...['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'docker/README.md', 'python/README.md'],
  ...readdirSync(path.join(ROOT, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
  ...readmesBelow('src'),
  ...readmesBelow('test'),
];

/** Returns the anchors of a page's headings, as GitHub builds them. */
const anchorsOf = (page: string): string[] =>
  [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('documentation', () => {
  it.each(Object.keys(GENERATED))('%s holds the tables that the code gives (npm run docs writes them)', async (file) => {
    expect(await withTables(file, read(file))).toBe(read(file));
  });

  it.each(Object.entries(pythonModules()))('%s holds the operations and types of the API (npm run docs writes it)', (file, text) => {
    expect(read(file)).toBe(text);
  });

  it('describes every setting of an identity provider', () => {
    const configuration = read('docs/configuration.md');
    for (const name of Object.keys(IDP_SETTINGS.shape)) expect(configuration).toMatch(new RegExp(`^\\|[^|]*\`${name}\``, 'm'));
  });

  it('links every example organization from the README', () => {
    for (const file of readdirSync(path.join(ROOT, 'config/idp-examples')).filter((name) => name.endsWith('.yaml'))) {
      expect(read('README.md')).toContain(`(config/idp-examples/${file})`);
    }
  });

  it.each(PAGES)('%s links only to files and headings that exist', (page) => {
    for (const [, target = '', anchor] of read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)) {
      const file = target === '' ? page : path.join(path.dirname(page), target);
      expect([target, existsSync(path.join(ROOT, file))]).toEqual([target, true]);
      if (anchor !== undefined) expect(anchorsOf(read(file))).toContain(anchor);
    }
  });

  it.each(PAGES)('%s names only npm scripts that exist', (page) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...read(page).matchAll(/npm (?:(start|test)\b|run (?:-s )?([a-z][\w:]*))/g)].map(([, own, run]) => own ?? run ?? '');
    const benches = [...read(page).matchAll(/`(bench:\w+)`/g)].map(([, name = '']) => name);
    for (const name of [...named, ...benches]) expect(Object.keys(scripts)).toContain(name);
  });
});

describe('README', () => {
  it('has at most 180 lines', () => {
    expect(read('README.md').split('\n').length).toBeLessThanOrEqual(181);
  });
});
