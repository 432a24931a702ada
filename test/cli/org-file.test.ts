import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readOrganizationFile } from '../../src/cli/organization-file/file.ts';

let file: string;
beforeAll(() => {
  file = path.join(mkdtempSync(path.join(tmpdir(), 'samlgate-org-file-')), 'acme.yaml');
});
afterAll(() => rmSync(path.dirname(file), { recursive: true }));

function problemsOf(yaml: string): string {
  writeFileSync(file, yaml);
  try {
    readOrganizationFile(file);
  } catch (error) {
    return (error as Error).message.replace(file, 'acme.yaml');
  }
  return '';
}

describe('organization files', () => {
  test('accepts a minimal file', () => {
    expect(problemsOf('slug: acme\nname: Acme')).toBe('');
    expect(problemsOf('slug: acme\nname: Acme\nemail_policy: verified_domains')).toBe('');
  });

  test.each([
    ['name: Acme', 'slug is required'],
    ['slug: acme\nname:', 'name must be text, but it is empty'],
    ['slug: acme\nname: 7', 'name must be text, but it is a number'],
    ['slug: acme\nname: Acme\ndomains: acme.example', 'domains must be a list, but it is text'],
    ['slug: acme\nname: Acme\ndomains: [acme.example, true]', 'domains[1] must be text, but it is true or false'],
    ['slug: acme\nname: Acme\nidentity_provider: [x]', 'identity_provider must be a mapping of names to values, but it is a list'],
    ['slug: acme\nname: Acme\nrole_mapping: { rules: [{ role: owner }], default_role: none }', 'role_mapping.rules[0].group is required'],
    ['slug: acme\nname: Acme\nrole_mapping: { rules: [] }', 'role_mapping.default_role is required'],
    ['slug: acme\nname: Acme\ndomain: acme.example', 'domain is not a known field'],
    ['slug: acme\nname: Acme\nrole_mapping: { default_role: none, rule: [] }', 'role_mapping.rule is not a known field'],
    ['slug: acme\nname: Acme\nconnections: [{ name: Okta }]', 'connections[0].state: must be draft, active or disabled'],
    ['slug: acme\nname: Acme\nconnections: [{ state: draft }]', 'connections[0].name is required'],
    [
      'slug: acme\nname: Acme\nconnections: [{ name: A, state: draft }, { name: A, state: draft }]',
      'connections: must not contain the same name twice',
    ],
    [
      'slug: acme\nname: Acme\nconnections: [{ name: A, state: draft, is_default: true }, { name: B, state: draft, is_default: true }]',
      'connections: must not contain several default connections',
    ],
    [
      'slug: acme\nname: Acme\nconnections: []\nidentity_provider: {}',
      'identity_provider: must not be beside connections. Move it into connections',
    ],
    ['', 'the file must be a mapping of names to values, but it is empty'],
    ['- slug', 'the file must be a mapping of names to values, but it is a list'],
  ])('describes the problem of %j', (yaml, problem) => {
    expect(problemsOf(yaml)).toBe(`acme.yaml is not a valid organization file:\n  ${problem}`);
  });

  test('reports all problems at once', () => {
    expect(problemsOf('domains: x').split('\n  ')).toEqual([
      'acme.yaml is not a valid organization file:',
      'slug is required',
      'name is required',
      'domains must be a list, but it is text',
    ]);
  });

  test('names the line of a YAML syntax error', () => {
    expect(problemsOf('slug: acme\nname: "Acme')).toMatch(/^acme\.yaml is not valid YAML\. .+ at line 2, column \d+\.$/);
  });
});
