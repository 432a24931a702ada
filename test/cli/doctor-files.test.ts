import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { examineFiles } from '../../src/cli/organization-file/examine.ts';

const CONFIG = path.join(import.meta.dirname, '../../config');
const OKTA = path.join(CONFIG, 'idp-examples/okta-metadata.xml');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-files-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Checks a file with these fields. */
function examine(fields: object) {
  const name = path.join(directory, 'organization.yaml');
  writeFileSync(name, stringify({ slug: 'acme', name: 'Acme', ...fields }));
  return examineFiles([name]);
}

const connection = (change: object = {}) => ({ name: 'Okta', state: 'active', metadata_file: OKTA, is_default: true, ...change });

describe('samlgate doctor with organization files', () => {
  test('accepts the files of the package, and creates nothing', async () => {
    const before = readdirSync('.');
    const names = [path.join(CONFIG, 'several-connections.yaml'), path.join(CONFIG, 'idp-examples/okta.yaml')];
    expect((await examineFiles(names)).map(({ level, text }) => [level, text])).toEqual([
      ['ok', 'is valid: 2 connections, 2 role rules'],
      ['ok', 'is valid: 1 connection, 1 role rule'],
    ]);
    expect(readdirSync('.')).toEqual(before);
  });

  test('accepts an exported file, which names connections by their IDs', async () => {
    const role_mapping = { rules: [{ group: 'x', role: 'owner', connection: 'con_1' }], default_role: 'none' };
    expect(await examine({ connections: [connection({ id: 'con_1' })], role_mapping })).toMatchObject([{ level: 'ok' }]);
  });

  test.each([
    ['an unknown field', { nonsense: 1 }, 'is not a valid organization file'],
    ['an invalid slug', { slug: 'A/B' }, 'slug'],
    ['an empty slug', { slug: '' }, 'not a valid name'],
    ['an invalid setting', { connections: [connection({ clock_skew_seconds: 900 })] }, 'between 0 and 300'],
    ['missing metadata', { connections: [connection({ metadata_file: 'missing.xml' })] }, 'missing.xml'],
    [
      'an unknown connection in a role rule',
      { connections: [connection()], role_mapping: { rules: [{ group: 'x', role: 'owner', connection: 'Other' }], default_role: 'none' } },
      '"Other", which does not exist',
    ],
    [
      'two connections of one identity provider',
      { connections: [connection(), connection({ name: 'B', is_default: undefined })] },
      'entity',
    ],
  ])('reports %s', async (_case, fields, reason) => {
    const [finding, ...others] = await examine(fields);
    expect(finding).toMatchObject({ level: 'error', text: expect.stringContaining(reason) });
    expect(finding?.text).not.toMatch(/\n|request [0-9a-f]{8}/);
    expect(others).toEqual([]);
  });

  test('fetches nothing from services of the machine on which it runs', async () => {
    let requests = 0;
    const service = createServer((_request, response) => {
      requests++;
      response.end(readFileSync(OKTA));
    });
    await once(service.listen(0, '127.0.0.1'), 'listening');
    const { port } = service.address() as AddressInfo;
    try {
      for (const host of ['127.0.0.1', 'localhost']) {
        const metadata_url = `http://${host}:${port}/metadata`;
        const findings = await examine({ connections: [connection({ metadata_file: undefined, metadata_url })] });
        expect(findings).toMatchObject([{ level: 'error', text: expect.stringContaining('its address is not public') }]);
      }
      expect(requests).toBe(0);
    } finally {
      service.close();
    }
  });

  test('reports a role rule that can never match as a warning', async () => {
    const role_mapping = { rules: [{ group: ' admins', role: 'owner' }], default_role: 'none' };
    expect(await examine({ connections: [connection()], role_mapping })).toMatchObject([{ level: 'ok' }, { level: 'warning' }]);
  });
});
