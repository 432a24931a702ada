import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type * as z from 'zod';
import * as answers from '../../src/http/api/answer-shapes.ts';
import { OPERATIONS } from '../../src/http/api/api.ts';
import { openApiDocument } from '../../src/http/api/openapi.ts';
import { curlOf, exampleInput, examplePath, typescriptOf } from '../../src/http/api-reference/code-samples.ts';
import { apiReference, CALLERS } from '../../src/http/api-reference/operation-views.ts';
import * as oauthAnswers from '../../src/http/oauth-answers.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const ALL = Object.values(OPERATIONS).flat();
const MAX_OCTETS = 300 * 1024;

let gateway: TestGateway;
let html: string;
beforeAll(async () => {
  gateway = await startGateway();
  html = await (await fetch(`${gateway.url}/api/docs`)).text();
});
afterAll(() => gateway.stop());

/** Returns the HTML about one operation. */
const articleOf = (id: string): string =>
  new RegExp(`<article class="operation" aria-labelledby="${id}">.*?</article>`, 's').exec(html)?.[0] ?? '';

describe('API reference page', () => {
  test('is public, loads everything from the gateway and has nothing inline', async () => {
    const response = await fetch(`${gateway.url}/api/docs`);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'");
    expect(policy).not.toMatch(/unsafe|data:/);
    expect(html).not.toMatch(/<script>|<script [^>]*>[^<]|<style|style="| on\w+="/);
    const loaded = [...html.matchAll(/<(?:script|link|img)[^>]* (?:src|href)="([^"]*)"/g)].map(([, link = '']) => link);
    expect(loaded.length).toBeGreaterThan(2);
    for (const link of loaded) {
      expect([link, (await fetch(`${gateway.url}${link}`)).status]).toEqual([expect.stringMatching(/^\/(?!\/)/), 200]);
    }
  });

  test('has at most 300 KB with everything that it loads, uncompressed', async () => {
    const loaded = [...html.matchAll(/<(?:script|link|img)[^>]* (?:src|href)="([^"]*)"/g)].map(([, link = '']) => link);
    const sizes = await Promise.all(
      [...new Set(loaded)].map(async (link) => (await (await fetch(`${gateway.url}${link}`)).arrayBuffer()).byteLength),
    );
    expect(sizes.reduce((sum, size) => sum + size, Buffer.byteLength(html))).toBeLessThan(MAX_OCTETS);
  });

  test('names the errors that all operations have in common', () => {
    const start = /<section class="operation" aria-labelledby="start">.*?<\/section>/s.exec(html)?.[0] ?? '';
    for (const code of ['rate_limited', 'store_unavailable', 'unauthenticated']) expect(start).toContain(`/docs/errors#${code}`);
  });

  test.each(ALL)('describes $id with callers, fields, errors and examples', (row) => {
    const article = articleOf(row.id);
    expect(article).toContain(`${row.method.toUpperCase()}</span> <code>${row.path}</code>`);
    expect(article).toContain(`<span class="badge">${CALLERS[row.who]}</span>`);
    expect(article).toContain(`<code>${row.status}</code>`);
    for (const name of Object.keys(row.query?.shape ?? {})) expect(article).toContain(`<b>${name}</b>`);
    const own = (row.refusals ?? []).filter((code) => !['rate_limited', 'store_unavailable', 'unauthenticated'].includes(code));
    for (const code of own) expect(article).toContain(`#${code}">${code}</a>`);
    expect(article).toMatch(/<p>curl<\/p>.*<p>TypeScript<\/p>/s);
  });

  test('links only to places on the page that exist, and has unique IDs', () => {
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id = '']) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target = ''] of html.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
  });

  test('marks required fields of a request', () => {
    expect(articleOf('createToken')).toMatch(/<b>name<\/b> <i>string, at most 100 characters<\/i><em> required<\/em>/);
    expect(articleOf('createToken')).toMatch(/<b>expires_in_days<\/b> <i>integer, 1 to 3650 or null<\/i>(?!<em)/);
  });
});

describe('examples of the API reference', () => {
  test.each(ALL)('$id sends a valid path, query and body', (row) => {
    const { query, body, file } = exampleInput(row);
    expect(examplePath(row.path)).not.toMatch(/[{}]|\/ID(\/|$)/);
    expect(curlOf(row)).toContain(`$SAMLGATE_URL${examplePath(row.path)}`);
    if (query) expect(row.query?.safeParse(query).error?.issues ?? []).toEqual([]);
    const shape = Object.values(row.body?.content ?? {}).find((each) => typeof each !== 'string');
    expect((body ?? file) !== undefined).toBe(row.body !== undefined);
    if (shape) expect((shape as z.ZodType).safeParse(body).error?.issues ?? []).toEqual([]);
  });

  test('answers have the shape of the API', () => {
    const { objects } = apiReference(OPERATIONS, openApiDocument(OPERATIONS, 'https://sso.example.com', '1.0.0'));
    const shapes = new Map(
      Object.entries({ ...answers, ...oauthAnswers }).map(([name, shape]) => [name.replaceAll('_', '').toLowerCase(), shape as z.ZodType]),
    );
    const problems = objects.map(({ name, sample }) => [
      name,
      shapes
        .get(name.toLowerCase())
        ?.safeParse(JSON.parse(sample))
        .error?.issues.map((issue) => issue.path.join('.')) ?? [],
    ]);
    expect(problems.filter(([, issues]) => issues?.length)).toEqual([]);
    expect(objects.map(({ name }) => name).filter((name) => !shapes.has(name.toLowerCase()))).toEqual([]);
  });

  test('in TypeScript agree with the types of samlgate/client', async () => {
    // Below the root, so that the compiler finds the packages and the settings of the project.
    const folder = mkdtempSync(path.join(ROOT, 'test/examples/api-reference-'));
    try {
      const blocks = ALL.map((row) => `// ${row.id}\n{\n${typescriptOf(row)}\n}`);
      writeFileSync(
        path.join(folder, 'examples.ts'),
        `import { createClient } from '../../../src/client/index.ts';\nconst client = createClient();\n${blocks.join('\n')}\n`,
      );
      writeFileSync(
        path.join(folder, 'tsconfig.json'),
        JSON.stringify({
          extends: '../../tsconfig.json',
          compilerOptions: { rootDir: '../../..', noUnusedLocals: false },
          include: ['examples.ts'],
        }),
      );
      const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
      const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder]).catch((error: { stdout: string }) => error);
      expect(stdout).toBe('');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
