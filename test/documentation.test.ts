import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { IDP_SETTINGS } from '../src/http/api/request-shapes.ts';
import { GENERATED, withTables } from './support/documentation-tables.ts';

const ROOT = path.join(import.meta.dirname, '..');
const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8');

describe('the README and the code', () => {
  it.each(Object.keys(GENERATED))('%s holds the tables that the code gives; `npm run docs` writes them', async (file) => {
    const text = readFileSync(path.join(ROOT, file), 'utf8');
    expect(await withTables(file, text)).toBe(text);
  });

  it('docs/configuration.md describes every setting of an identity provider', () => {
    const configuration = readFileSync(path.join(ROOT, 'docs/configuration.md'), 'utf8');
    for (const name of Object.keys(IDP_SETTINGS.shape)) expect(configuration).toMatch(new RegExp(`^\\|[^|]*\`${name}\``, 'm'));
  });

  it('every example organization is linked, and the code examples are the files that the tests run', () => {
    for (const file of readdirSync(path.join(ROOT, 'config/idp-examples')).filter((name) => name.endsWith('.yaml'))) {
      expect(readme).toContain(`(config/idp-examples/${file})`);
    }
    for (const file of readdirSync(path.join(ROOT, 'test/examples'))) {
      expect(readme).toContain(`\`\`\`js\n${readFileSync(path.join(ROOT, 'test/examples', file), 'utf8').trim()}\n\`\`\``);
    }
  });

  it('every script that it names is there, and every file that it links', () => {
    const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    const named = [...readme.matchAll(/npm (?:run )?(?:-s )?(start|test|demo|samlgate|test:e2e|bench:\w+)/g)].map(([, name = '']) => name);
    const benches = [...readme.matchAll(/`(bench:\w+)`/g)].map(([, name = '']) => name);
    for (const name of [...named, ...benches]) expect([name, scripts[name] !== undefined]).toEqual([name, true]);
    for (const [, target = ''] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      expect(() => readFileSync(path.join(ROOT, target))).not.toThrow(/ENOENT/);
    }
  });
});
