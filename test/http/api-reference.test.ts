import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as answers from '../../src/http/api/answer-shapes.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { signedIn } from '../support/signed-in.ts';

const page = readFileSync(path.join(import.meta.dirname, '../../docs/api.md'), 'utf8');
const blocksOf = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

describe('docs/api.md', () => {
  test('shows an error that the API answers', async () => {
    const [example = ''] = blocksOf('json');
    const problem = answers.PROBLEM.parse(JSON.parse(example));
    const olivia = await signedIn(gateway, await gateway.makeOrganization(), 'olivia');
    const { body } = await olivia.api('POST', '/me/tokens', { expires_in_days: 0 });
    expect({ ...body, request_id: problem.request_id }).toEqual(problem);
  });

  test('has examples that run', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'samlgate-examples-'));
    try {
      writeFileSync(path.join(folder, 'metadata.xml'), await (await fetch((await gateway.mockIdp()).metadataUrl('okta'))).text());
      const env = { ...process.env, SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken };
      const results: unknown[] = [];
      for (const command of blocksOf('sh')) {
        const { stdout } = await promisify(execFile)('sh', ['-e', '-c', command], { cwd: folder, env });
        results.push(JSON.parse(stdout));
      }
      expect(results).toEqual([
        expect.objectContaining({ slug: 'acme', name: 'Acme Corp', domains: ['acme.example'] }),
        expect.objectContaining({ entity_id: expect.any(String), certificates: [expect.anything()] }),
        { items: [], next_cursor: null },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
