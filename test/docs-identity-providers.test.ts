import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = path.join(import.meta.dirname, '..');
const page = readFileSync(path.join(ROOT, 'docs/identity-providers.md'), 'utf8');

describe('docs/identity-providers.md', () => {
  it('lists exactly the files in config/idp-examples', () => {
    const files = readdirSync(path.join(ROOT, 'config/idp-examples')).filter((name) => name.endsWith('.yaml'));
    const listed = [...page.matchAll(/^\| \[([\w-]+\.yaml)\]\(\.\.\/config\/idp-examples\/([\w-]+\.yaml)\) \|/gm)];
    for (const [, name, target] of listed) expect(target).toBe(name);
    expect(listed.map(([, name]) => name).sort()).toEqual(files.sort());
  });

  it('has at most 160 lines', () => {
    expect(page.trimEnd().split('\n').length).toBeLessThanOrEqual(160);
  });
});
