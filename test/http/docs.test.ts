import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { renderMarkdown } from '../../render-docs.js';
import { HELP, type HelpTopic, helpForError } from '../../src/console/docs/help.ts';
import { OPERATOR_SECTIONS, SECTIONS } from '../../src/console/navigation.ts';
import { ERRORS } from '../../src/errors.ts';
import { HttpBrowser } from '../support/browser.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let acme: OrganizationJson;
/** Every page below /docs, by its path. */
const pages = new Map<string, string>();

const get = async (at: string) => {
  const response = await fetch(`${gateway.url}${at}`);
  return { status: response.status, headers: response.headers, text: await response.text() };
};
const linksIn = (html: string): string[] => [...html.matchAll(/<a [^>]*?href="([^"]*)"/g)].map(([, link = '']) => link);
const idsIn = (html: string): string[] => [...html.matchAll(/ id="([^"]+)"/g)].map(([, id = '']) => id);

beforeAll(async () => {
  gateway = await startGateway({ environment: { SAMLGATE_RATE_LIMITS: 'off' } });
  acme = await gateway.makeOrganization();
  const pending = ['/docs'];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (pages.has(at)) continue;
    const { status, text } = await get(at);
    expect([at, status]).toEqual([at, 200]);
    pages.set(at, text);
    pending.push(...linksIn(text).flatMap((link) => (/^\/docs(?:\/|$|#)/.test(link) ? [link.split('#')[0] ?? ''] : [])));
  }
});
afterAll(() => gateway.stop());

/** Asserts that a link leads to a page of the documentation and to a place on it. */
function expectPlace(link: string): void {
  const [at = '', anchor] = link.split('#');
  expect([...pages.keys()]).toContain(at);
  if (anchor !== undefined) expect([link, idsIn(pages.get(at) ?? '').includes(anchor)]).toEqual([link, true]);
}

describe('documentation pages', () => {
  test('hold the README, all guides and the example organizations', () => {
    expect([...pages.keys()]).toEqual(
      expect.arrayContaining(['/docs', '/docs/api', '/docs/configuration', '/docs/errors', '/docs/operations', '/docs/examples/okta']),
    );
    expect(pages.get('/docs')).toContain('<h1 id="samlgate">samlgate</h1>');
  });

  test('have a title, one heading of the first level and unique IDs', () => {
    for (const [at, html] of pages) {
      expect([at, html.match(/<h1/g)?.length]).toEqual([at, 1]);
      expect(html).toMatch(/<title>[^<]+ · samlgate<\/title>/);
      const ids = idsIn(html);
      expect([at, ids.filter((id, index) => ids.indexOf(id) !== index)]).toEqual([at, []]);
    }
  });

  test('link only to pages and headings that exist', () => {
    for (const [at, html] of pages) {
      for (const link of linksIn(html)) {
        if (link.startsWith('#')) expectPlace(`${at}${link}`);
        else if (link.startsWith('/docs')) expectPlace(link);
        else expect([at, link]).toEqual([at, expect.stringMatching(/^https:\/\/|^\/(?:api\/docs|console)$/)]);
      }
    }
  });

  test('load nothing from other hosts and have nothing inline', async () => {
    const policy = (await get('/docs')).headers.get('content-security-policy') ?? '';
    expect(policy).not.toMatch(/unsafe|data:/);
    for (const html of pages.values()) {
      expect(html).not.toMatch(/<script>|<style|style="| on\w+="|<!-- table/);
      for (const [, link] of html.matchAll(/<(?:script|link|img)[^>]* (?:src|href)="([^"]*)"/g)) expect(link).toMatch(/^\/(?!\/)/);
    }
  });

  test('show pictures of the product with a description, which browsers may keep because their names contain a hash', async () => {
    const shown = [...pages.values()].flatMap((html) =>
      [...html.matchAll(/<img src="(\/docs\/images\/[^"]+)" alt="([^"]*)"/g)].map(([, src = '', alt = '']) => ({ src, alt })),
    );
    for (const name of ['overview', 'setup', 'role-mapping', 'sign-in-log'])
      expect(shown.map(({ src }) => src)).toContainEqual(expect.stringMatching(new RegExp(`/${name}\\.[\\w-]{10}\\.(?:svg|webp)$`)));
    for (const { src, alt } of shown) {
      const answer = await get(src);
      expect([src, answer.status, answer.headers.get('cache-control')]).toEqual([src, 200, 'public, max-age=31536000, immutable']);
      expect(answer.headers.get('content-type')).toMatch(/^image\//);
      expect(alt.length).toBeGreaterThan(20);
    }
  });

  test('describe every error code at an anchor of its own', () => {
    for (const code of Object.keys(ERRORS)) expectPlace(helpForError(code));
  });

  test.each([
    '/docs/unknown',
    '/docs/',
    '/docs/images/unknown.svg',
    '/docs/..%2fpackage.json',
    '/docs/images/..%2f..%2fpackage.json',
    '/docs/__proto__',
  ])('%s is not found', async (at) => expect((await get(at)).status).toBe(at === '/docs/' ? 200 : 404));
});

describe('rendering of Markdown', () => {
  const render = (text: string) =>
    renderMarkdown(text, { resolve: (target: string) => target, addImage: (target: string) => target }).html as string;

  test.each(['<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '| a |\n|---|\n| <b onclick="x">c</b> |'])(
    'escapes the raw HTML of %s',
    (text) => {
      expect(render(text)).not.toMatch(/<(?:script|img|b)[ >]/);
    },
  );

  test.each(['javascript:alert(1)', 'data:text/html,x', 'vbscript:x'])('makes no link to %s', (target) => {
    expect(render(`[click](${target})`)).not.toContain('href');
  });

  test('makes text of links to files that the gateway does not serve', () => {
    const { html } = renderMarkdown('see [the code](../src/main.ts) here', { resolve: () => undefined, addImage: String });
    expect(html).toBe('<p>see the code here</p>\n');
  });

  test('escapes code and its language', () => {
    expect(render('```<i>\n<b>&"\n```')).not.toMatch(/<(?:i|b)>/);
  });
});

describe('help', () => {
  test.each(Object.entries(HELP))('of %s leads to %s, which exists', (_topic, link) => expectPlace(link));

  test('exists for every section of the console', () => {
    for (const { id } of [...SECTIONS, ...OPERATOR_SECTIONS]) expect(HELP[id as HelpTopic]).toBeDefined();
  });

  test('is linked from every page of an owner, and from pages outside the console', async () => {
    const { browser } = await signedIn(gateway, acme, 'olivia');
    for (const { id, path: below, who } of SECTIONS.filter((section) => section.who !== 'operator')) {
      const { text } = await browser.open(`${gateway.url}${path.posix.join('/console', below)}`);
      expect([id, who, linksIn(text).includes(HELP[id])]).toEqual([id, who, true]);
    }
    const visitor = new HttpBrowser();
    expect(linksIn((await visitor.open(`${gateway.url}/login`)).text)).toContain(HELP['sign-in']);
    expect(linksIn((await visitor.open(`${gateway.url}/saml/unknown/login`)).text)).toContain(helpForError('organization_unknown'));
  });
});
